//! Several answers to one question, side by side.

use super::question::{Need, Question};
use super::sheet::{Heading, Sheet};
use super::table::{Cell, Table};
use std::cmp::Ordering;

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

/// Puts the answers beside each other and the paper's behind them. A row is found again by its keys.
pub fn compare(question: &Question, answers: &[Answer]) -> Sheet {
    let mut sheet = Sheet::default();
    let mut tables = Vec::new();
    // What several sources have to say alike is said once.
    let mut notes: Vec<Note> = Vec::new();
    for answer in answers {
        for note in notes_of(question, answer, answers).into_iter().chain(age(answer)) {
            match notes.iter_mut().find(|known| (known.what, &known.why) == (note.what, &note.why)) {
                Some(known) => known.sources.extend(note.sources),
                None => notes.push(note),
            }
        }
        let unknown = answer.unknown(question);
        if !answer.table.rows.is_empty() {
            tables.push((answer.source.as_str(), without_columns(&answer.table, &unknown)));
        }
    }
    sheet.notes = notes.iter().map(Note::text).collect();
    if tables.is_empty() {
        return sheet;
    }
    if !question.paper.rows.is_empty() {
        tables.push((PAPER, question.paper.clone()));
    }
    if question.is_top() && tables.len() > 1 {
        sheet.notes.push("Each source lists what is most frequent there: `-` may stand for fewer.".to_owned());
    }

    let keys = in_order(question, &question.keys, tables.iter().flat_map(|(_, table)| keys_of(question, table)));
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

/// Keys of rows of several sources, each once: those that have an order of their own in that, the others as they come, so
/// that those which the first source does not have are behind its own.
pub(super) fn in_order(
    question: &Question,
    names: &[String],
    keys: impl IntoIterator<Item = Vec<Cell>>,
) -> Vec<Vec<Cell>> {
    let mut all: Vec<Vec<Cell>> = Vec::new();
    for key in keys {
        if !all.contains(&key) {
            all.push(key);
        }
    }
    all.sort_by(|one, next| {
        let by_key =
            names.iter().zip(one.iter().zip(next)).map(|(name, (one, next))| question.compare(name, one, next));
        by_key.fold(Ordering::Equal, Ordering::then)
    });
    all
}

/// What some sources cannot say, and why.
struct Note {
    what: &'static str,
    sources: Vec<String>,
    why: String,
}

impl Note {
    fn text(&self) -> String {
        let Self { what, sources, why } = self;
        match sources.as_slice() {
            [] => format!("{what}{why}."),
            sources => format!("{what} {}: {why}.", sources.join(", ")),
        }
    }
}

/// What a dataset cannot say, and what would make it able to.
fn notes_of(question: &Question, answer: &Answer, answers: &[Answer]) -> Vec<Note> {
    let note = |what, why: String| Note { what, sources: vec![answer.source.clone()], why };
    let is_missing = |need: &&Need| answer.missing.contains(&need.table);
    let missing: Vec<_> = question.needs.iter().filter(is_missing).collect();
    let nothing_in = |needs: &[&Need]| {
        let by_filler = needs.chunk_by(|one, next| filled_by(&one.table) == filled_by(&next.table)).map(|needs| {
            let tables = needs.iter().map(|need| format!("`{}`", need.table)).collect::<Vec<_>>().join(", ");
            format!("{tables} (filled by {})", filled_by(&needs[0].table))
        });
        format!("there is nothing in {}", by_filler.collect::<Vec<_>>().join(", "))
    };
    if !answer.answerable(question) {
        // What the question cannot do without; if it is enough to have one of several, these.
        let mut without: Vec<&Need> = missing.iter().copied().filter(|need| need.columns.is_empty()).collect();
        if without.is_empty() {
            without = missing;
        }
        return vec![note("No answer from", nothing_in(&without))];
    }
    // Names and ranks of ASes are given to the report, not to a dataset.
    let (given, rest): (Vec<&Need>, Vec<&Need>) = missing.into_iter().partition(|need| need.table.starts_with("as_"));
    let mut notes = Vec::new();
    // Of a scan beside a monitor each says its part.
    let has = |other: &Answer, need: &Need| !other.missing.contains(&need.table);
    let is_complete =
        rest.iter().all(|need| is_of_one_kind(&need.table) && answers.iter().any(|other| has(other, need)));
    if !rest.is_empty() && !is_complete {
        notes.push(note("Only part of an answer from", nothing_in(&rest)));
    }
    if !given.is_empty() {
        notes.push(Note { what: "Not all is told: ", sources: Vec::new(), why: nothing_in(&given) });
    }
    if answer.table.rows.is_empty() {
        notes.push(note("No answer from", "the population is empty".to_owned()));
    }
    notes
}

/// A table that either scans have or monitors.
fn is_of_one_kind(table: &str) -> bool {
    matches!(table, "hosts" | "handshakes" | "connections")
}

fn filled_by(table: &str) -> &'static str {
    match table {
        "connections" => "starling monitor",
        "verdicts" => "starling verify",
        "prefixes" => "a scan with `--allow-rib`, or `--rib FILE`",
        "as_names" => "`--as-names FILE`",
        "as_ranks" => "`--as-rank FILE`",
        "runs" => "a scan with `--noise`",
        _ => "starling scan",
    }
}

/// What an older dataset does not know.
fn age(answer: &Answer) -> Option<Note> {
    let Answer { source, lacking, .. } = answer;
    (!lacking.is_empty()).then(|| {
        let columns = lacking.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", ");
        let why = format!(
            "{source} was made by an older starling: not all of its files have {columns}, so what stands on that is too low"
        );
        Note { what: "", sources: Vec::new(), why }
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
