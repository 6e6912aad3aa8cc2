//! A question of the study: an SQL file whose first lines say what it asks, of whom, what the paper found and how the
//! answer is drawn.
//!
//! ```sql
//! -- Table IV: versions of SSL and TLS
//! --
//! -- Question: Which version do servers choose?
//! -- Population: servers whose handshake completed.
//! -- Needs: handshakes -> servers, servers_pct
//! -- Keys: version
//! -- Order: version
//! -- Chart: bars x=version y=servers_pct n=servers
//! -- Paper:
//! --   version | servers_pct
//! --   SSLv3   | 0.02
//! ```

use super::chart::Chart;
use super::table::{Cell, Table};
use std::cmp::Ordering;

/// The protocols in the order of the study's tables. The macro `study_order` of the views has the same, and `targets::ports`, which
/// this room does not know; a test holds them together.
pub const STUDY: [&str; 14] = [
    "smtp",
    "smtps",
    "submission",
    "imap",
    "imaps",
    "pop3",
    "pop3s",
    "irc",
    "ircs",
    "xmpp-client",
    "xmpps-client",
    "xmpp-server",
    "xmpps-server",
    "https",
];

/// A question and how it is answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Its name on the command line: the file's name.
    pub name: &'static str,
    /// Place in the paper, `Table IV`, or `Since 2015`.
    pub place: String,
    /// What the table shows.
    pub title: String,
    /// What is asked.
    pub question: String,
    /// Of whom.
    pub population: String,
    /// What else a reader should know.
    pub notes: Vec<String>,
    /// The tables it is answered from.
    pub needs: Vec<Need>,
    /// Columns that say what a row is about.
    pub keys: Vec<String>,
    /// Those of them that have an order of their own, with the words of that order; none if it is that of numbers or
    /// letters. `protocol` and `service` are always in the study's order. The rows of the others stand as they come: the
    /// most frequent first.
    pub order: Vec<(String, Vec<String>)>,
    /// Figures of it.
    pub charts: Vec<Chart>,
    /// What the paper found, in the same columns.
    pub paper: Table,
    /// The whole file.
    pub sql: &'static str,
}

/// A table without whose rows a question, or some of its columns, has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The table.
    pub table: String,
    /// The columns that stand on it; all of them if empty.
    pub columns: Vec<String>,
}

impl Question {
    /// Reads the head of the file `name`.
    ///
    /// # Errors
    /// What is missing or not understood; a fault of this program, found by a test.
    pub fn parse(name: &'static str, sql: &'static str) -> Result<Self, String> {
        let head: Vec<&str> = sql.lines().map_while(|line| line.strip_prefix("--")).map(str::trim_end).collect();
        let (place, title) = head.first().and_then(|line| line.trim().split_once(": ")).ok_or("no `Place: title`")?;
        let mut question = Self {
            name,
            place: place.to_owned(),
            title: title.to_owned(),
            question: String::new(),
            population: String::new(),
            notes: Vec::new(),
            needs: Vec::new(),
            keys: Vec::new(),
            order: Vec::new(),
            charts: Vec::new(),
            paper: Table::default(),
            sql,
        };
        for (field, text) in fields(&head[1..])? {
            question.take(field, &text)?;
        }
        for (what, missing) in [
            ("Question", question.question.is_empty()),
            ("Population", question.population.is_empty()),
            ("Needs", question.needs.is_empty()),
            ("Keys", question.keys.is_empty()),
        ] {
            if missing {
                return Err(format!("no {what}"));
            }
        }
        Ok(question)
    }

    /// Which of two rows comes first by `key`; none of them if their place is that of what they count. The rest
    /// (`other`) and the sum (`all`) come last.
    pub fn compare(&self, key: &str, one: &Cell, next: &Cell) -> Ordering {
        let is_last = |cell: &Cell| matches!(cell, Cell::Text(text) if text == "other" || text == "all");
        let of_study = matches!(key, "protocol" | "service");
        let by_itself = self.order.iter().find(|(name, _)| name == key);
        let place = |cell: &Cell| {
            let text = cell.text();
            if of_study {
                return STUDY.iter().position(|known| *known == text).unwrap_or(usize::MAX);
            }
            by_itself.and_then(|(_, words)| words.iter().position(|known| *known == text)).unwrap_or(usize::MAX)
        };
        let by_value = || match (one, next) {
            (Cell::Number(one), Cell::Number(next)) => one.total_cmp(next),
            (Cell::Absent, Cell::Absent) => Ordering::Equal,
            (Cell::Absent, _) => Ordering::Greater,
            (_, Cell::Absent) => Ordering::Less,
            (Cell::Number(_), _) => Ordering::Less,
            (_, Cell::Number(_)) => Ordering::Greater,
            _ => one.text().cmp(&next.text()),
        };
        let last = is_last(one).cmp(&is_last(next));
        if !of_study && by_itself.is_none() {
            return last;
        }
        last.then_with(|| place(one).cmp(&place(next))).then_with(by_value)
    }

    /// Whether it lists the most frequent only.
    pub fn is_top(&self) -> bool {
        self.sql.contains("getvariable('top')")
    }

    /// Whether the query names `column`.
    pub fn reads(&self, column: &str) -> bool {
        let code = self.sql.lines().filter(|line| !line.starts_with("--"));
        code.flat_map(|line| line.split(|letter: char| !letter.is_alphanumeric() && letter != '_'))
            .any(|word| word == column)
    }

    fn take(&mut self, field: &str, lines: &[&str]) -> Result<(), String> {
        let text = lines.join(" ");
        match field {
            "Question" => self.question = text,
            "Population" => self.population = text,
            "Note" => self.notes.push(text),
            "Needs" => {
                let (table, columns) = text.split_once(" -> ").unwrap_or((&text, ""));
                self.needs.push(Need { table: table.to_owned(), columns: names(columns) });
            }
            "Keys" => self.keys = names(&text),
            "Order" => self.order = text.split(',').map(order).collect(),
            "Chart" => self.charts.push(Chart::parse(&text)?),
            "Paper" => self.paper = paper(lines),
            _ => return Err(format!("unknown field {field}")),
        }
        Ok(())
    }
}

/// Fields with their lines: one that is indented by more than a blank belongs to the field above.
fn fields<'a>(head: &[&'a str]) -> Result<Vec<(&'a str, Vec<&'a str>)>, String> {
    let mut fields: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in head.iter().filter(|line| !line.is_empty()) {
        if let Some(more) = line.strip_prefix("  ") {
            fields.last_mut().ok_or("the first line belongs to no field")?.1.push(more.trim());
        } else {
            let (name, text) = line.trim().split_once(':').ok_or_else(|| format!("no field: {line}"))?;
            fields.push((name, Some(text.trim()).filter(|text| !text.is_empty()).into_iter().collect()));
        }
    }
    Ok(fields)
}

fn names(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// `class = ECDHE DHE`, or the name alone.
fn order(text: &str) -> (String, Vec<String>) {
    let (name, words) = text.split_once('=').unwrap_or((text, ""));
    (name.trim().to_owned(), words.split_whitespace().map(str::to_owned).collect())
}

/// The paper's table: a line of columns, then the rows; `-` is a cell without a value.
fn paper(lines: &[&str]) -> Table {
    let mut lines = lines.iter().map(|line| line.split('|').map(str::trim));
    let columns = lines.next().into_iter().flatten().map(str::to_owned).collect();
    let cell = |text: &str| match text.parse() {
        _ if text == "-" => Cell::Absent,
        Ok(number) => Cell::Number(number),
        Err(_) => Cell::Text(text.to_owned()),
    };
    Table { columns, rows: lines.map(|row| row.map(cell).collect()).collect() }
}
