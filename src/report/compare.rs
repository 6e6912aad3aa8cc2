//! Several answers to one question, side by side.

use super::question::Question;
use super::sheet::{Heading, Sheet};
use super::table::{Cell, Table};

/// Name of the paper among the sources.
pub const PAPER: &str = "2015";

/// What one dataset answers to one question.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Name of the dataset.
    pub source: String,
    /// The rows; none if the question was not asked because of what is missing.
    pub table: Table,
    /// Tables without rows that the question needs.
    pub missing: Vec<String>,
    /// Columns of the query that not all of its files have.
    pub lacking: Vec<String>,
}

impl Answer {
    /// Whether the dataset has rows of what `question` needs at least.
    pub fn answerable(&self, question: &Question) -> bool {
        let missing = |table: &String| self.missing.contains(table);
        let needs = &question.needs;
        !needs.iter().any(|need| need.columns.is_empty() && missing(&need.table))
            && needs.iter().any(|need| !missing(&need.table))
    }

    /// The columns of `question` that this dataset can say nothing about; everything if the question was not asked.
    fn unknown<'a>(&self, question: &'a Question) -> impl Fn(&str) -> bool + use<'_, 'a> {
        let without = question.needs.iter().filter(|need| self.missing.contains(&need.table)).collect::<Vec<_>>();
        move |column| {
            without.iter().any(|need| need.columns.is_empty() || need.columns.iter().any(|name| name == column))
        }
    }
}

/// Puts the answers beside each other and the paper's behind them. A row is found again by its keys; rows stand in the
/// order of the first answer, what it lacks behind what precedes it in the others.
pub fn compare(question: &Question, answers: &[Answer]) -> Sheet {
    let mut sheet = Sheet::default();
    let mut tables = Vec::new();
    for answer in answers {
        sheet.notes.extend(notes(question, answer));
        sheet.notes.extend(age(answer));
        let unknown = answer.unknown(question);
        if !answer.table.rows.is_empty() {
            tables.push((answer.source.as_str(), without_columns(&answer.table, &unknown)));
        }
    }
    if tables.is_empty() {
        return sheet;
    }
    if !question.paper.rows.is_empty() {
        tables.push((PAPER, question.paper.clone()));
    }

    let mut keys: Vec<Vec<Cell>> = Vec::new();
    for (_, table) in &tables {
        merge(&mut keys, &keys_of(question, table));
    }
    sheet.columns = question.keys.iter().map(|name| Heading { name: name.clone(), source: None }).collect();
    sheet.rows = keys.clone();

    let mut names: Vec<&String> = Vec::new();
    for name in tables.iter().flat_map(|(_, table)| &table.columns) {
        if !names.contains(&name) && !question.keys.contains(name) {
            names.push(name);
        }
    }
    for name in names {
        for (source, table) in &tables {
            let Some(column) = table.column(name) else { continue };
            if table.rows.iter().all(|row| row.get(column).is_none_or(|cell| *cell == Cell::Absent)) {
                continue;
            }
            sheet.columns.push(Heading { name: name.clone(), source: Some((*source).to_owned()) });
            let found = keys_of(question, table);
            for (row, key) in sheet.rows.iter_mut().zip(&keys) {
                let at = found.iter().position(|found| found == key);
                row.push(at.and_then(|at| table.rows[at].get(column).cloned()).unwrap_or(Cell::Absent));
            }
        }
    }
    sheet
}

/// What a dataset cannot say, and what would make it able to.
fn notes(question: &Question, answer: &Answer) -> Option<String> {
    let source = &answer.source;
    let without = question.needs.iter().filter(|need| answer.missing.contains(&need.table));
    let empty: Vec<_> = without
        .map(|need| {
            let filled_by = match need.table.as_str() {
                "connections" => "starling monitor",
                "verdicts" => "starling verify",
                "prefixes" => "a scan with --allow-rib",
                "as_names" => "--as-names FILE",
                "as_ranks" => "--as-rank FILE",
                "runs" => "a scan with --noise",
                _ => "starling scan",
            };
            format!("`{}` (filled by {filled_by})", need.table)
        })
        .collect();
    if empty.is_empty() {
        return answer.table.rows.is_empty().then(|| format!("No answer from {source}: the population is empty."));
    }
    let what = if answer.answerable(question) { "Only part of an answer" } else { "No answer" };
    Some(format!("{what} from {source}: there is nothing in {}.", empty.join(", ")))
}

/// What an older dataset does not know.
fn age(answer: &Answer) -> Option<String> {
    let Answer { source, lacking, .. } = answer;
    (!lacking.is_empty()).then(|| {
        let columns = lacking.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", ");
        format!("{source} was made by an older starling: not all of its files have {columns}, so what stands on that is too low.")
    })
}

fn without_columns(table: &Table, unknown: &dyn Fn(&str) -> bool) -> Table {
    let kept: Vec<_> = (0..table.columns.len()).filter(|at| !unknown(&table.columns[*at])).collect();
    Table {
        columns: kept.iter().map(|at| table.columns[*at].clone()).collect(),
        rows: table.rows.iter().map(|row| kept.iter().map(|at| row[*at].clone()).collect()).collect(),
    }
}

fn keys_of(question: &Question, table: &Table) -> Vec<Vec<Cell>> {
    let columns: Vec<_> = question.keys.iter().map(|name| table.column(name)).collect();
    let key = |row: &Vec<Cell>, column: &Option<usize>| {
        column.and_then(|column| row.get(column).cloned()).unwrap_or(Cell::Absent)
    };
    table.rows.iter().map(|row| columns.iter().map(|column| key(row, column)).collect()).collect()
}

/// Takes `more` into `keys`, each new one behind the one that precedes it in `more`.
pub(super) fn merge<T: Clone + PartialEq>(keys: &mut Vec<T>, more: &[T]) {
    let mut behind = 0;
    for key in more {
        match keys.iter().position(|known| known == key) {
            Some(at) => behind = at + 1,
            None => {
                keys.insert(behind, key.clone());
                behind += 1;
            }
        }
    }
}
