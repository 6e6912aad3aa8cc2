//! Figures: which columns of an answer are drawn, and how.

use super::compare::{Answer, PAPER, in_order};
use super::draw::{self, Bars, Category, Lines, Series};
use super::question::Question;
use super::sheet::{separated, title, what};
use super::table::{Cell, Table};
use anyhow::Result;

/// How columns become a figure: `KIND x=COLUMN y=COLUMN[,COLUMN..] n=COLUMN`, and
/// `by=COLUMN` where rows of a series are told apart by it.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    kind: Kind,
    /// What stands along the axis.
    x: String,
    /// What is measured.
    y: Vec<String>,
    /// Which series a row belongs to.
    by: String,
    /// How many are measured.
    n: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A bar for each source, the paper too.
    Sources,
    /// A bar for each measured column; a figure for each source.
    Columns,
    /// One bar, made of the shares of a series.
    Stack,
    /// Complementary cumulative distribution on logarithmic axes; a figure for each source.
    Ccdf,
}

/// A drawn figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// What it shows, of whom and of how many.
    pub caption: String,
    /// SVG for wide pages.
    pub wide: String,
    /// SVG for narrow ones.
    pub narrow: String,
}

impl Chart {
    /// Reads a specification.
    ///
    /// # Errors
    /// It is not understood; a fault of this program, found by a test.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let mut words = text.split_whitespace();
        let kind = match words.next() {
            Some("sources") => Kind::Sources,
            Some("columns") => Kind::Columns,
            Some("stack") => Kind::Stack,
            Some("ccdf") => Kind::Ccdf,
            _ => return Err(format!("unknown kind of figure: {text}")),
        };
        let mut chart = Self { kind, x: String::new(), y: Vec::new(), by: String::new(), n: String::new() };
        for word in words {
            let (name, value) = word.split_once('=').ok_or_else(|| format!("unknown word {word} in: {text}"))?;
            match name {
                "x" => chart.x = value.to_owned(),
                "y" => chart.y = value.split(',').map(str::to_owned).collect(),
                "by" => chart.by = value.to_owned(),
                "n" => chart.n = value.to_owned(),
                _ => return Err(format!("unknown word {word} in: {text}")),
            }
        }
        let wants_by = matches!(kind, Kind::Stack | Kind::Ccdf);
        if chart.x.is_empty() || chart.y.is_empty() || chart.n.is_empty() || wants_by == chart.by.is_empty() {
            return Err(format!("x, y, n or by is missing or too much in: {text}"));
        }
        Ok(chart)
    }

    /// The columns it needs.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        let names = [&self.x, &self.n, &self.by].into_iter().chain(&self.y);
        names.filter(|name| !name.is_empty()).map(String::as_str)
    }

    /// Draws it, once or once a source; nothing where there is nothing to draw.
    ///
    /// # Errors
    /// None that memory does not cause.
    pub fn draw(&self, question: &Question, answers: &[Answer]) -> Result<Vec<Figure>> {
        let answers = answers.iter().filter(|answer| self.can_be_drawn(&answer.table));
        if self.kind == Kind::Sources {
            return self.by_source(question, &answers.collect::<Vec<_>>()).into_iter().collect();
        }
        let figure = |answer: &Answer| match self.kind {
            Kind::Ccdf => self.ccdf(question, answer),
            _ => self.bars(question, answer),
        };
        answers.filter_map(figure).collect()
    }

    /// A figure of zeros shows nothing that the table does not.
    fn can_be_drawn(&self, table: &Table) -> bool {
        self.columns().all(|name| table.column(name).is_some())
            && self.y.iter().any(|name| numbers(table, name).flatten().any(|value| value > 0.0))
    }

    /// The measured column, source beside source.
    fn by_source(&self, question: &Question, answers: &[&Answer]) -> Option<Result<Figure>> {
        let measured = self.y.first()?;
        // The rows share one population, or each has its own.
        let shared = what(measured) == self.n;
        let mut sources: Vec<(String, &Table)> = Vec::new();
        for answer in answers {
            let n: f64 = numbers(&answer.table, &self.n).flatten().sum();
            let n = if shared { format!(" (n = {})", separated(n)) } else { String::new() };
            sources.push((answer.source.clone() + &n, &answer.table));
        }
        if sources.is_empty() {
            return None;
        }
        let with_paper = question.paper.column(measured).is_some();
        if with_paper {
            sources.push((format!("{PAPER} (the paper)"), &question.paper));
        }
        let keys = sources.iter().flat_map(|(_, table)| cells(table, &self.x)).map(|cell| vec![cell]);
        let keys = in_order(question, std::slice::from_ref(&self.x), keys);
        let names: Vec<String> = keys.iter().flatten().map(Cell::text).collect();
        let found = |table: &Table, column: &str, category: &str| {
            texts(table, &self.x)
                .zip(numbers(table, column))
                .find(|(name, _)| name == category)
                .and_then(|(_, value)| value)
        };
        let series = sources.iter().enumerate().map(|(at, (label, table))| Series {
            label: label.clone(),
            values: names.iter().map(|name| found(table, measured, name)).collect(),
            of_paper: with_paper && at + 1 == sources.len(),
        });
        let categories = names.iter().map(|name| {
            // Not of the paper, where it does not tell.
            let told = sources.iter().filter(|(_, table)| table.column(&self.n).is_some());
            let ns = told.map(|(_, table)| found(table, &self.n, name).map_or_else(|| "-".to_owned(), separated));
            let n = if shared { String::new() } else { format!("n = {}", ns.collect::<Vec<_>>().join(" | ")) };
            Category { label: name.clone(), n }
        });
        let unit = match title(&self.n) {
            n if shared => format!("share of {n}, %"),
            n => format!("{}, % of {n}", title(what(measured))),
        };
        let bars = Bars { categories: categories.collect(), series: series.collect(), stacked: false, unit };
        let caption = format!("{}: {}, by source.", question.title, bars.unit);
        Some(figure(caption, |width| draw::bars(&bars, width)))
    }

    fn bars(&self, question: &Question, answer: &Answer) -> Option<Result<Figure>> {
        let table = &answer.table;
        let mut names: Vec<String> = Vec::new();
        for name in texts(table, &self.x) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let places: Vec<_> = texts(table, &self.x).collect();
        let counts: Vec<_> = numbers(table, &self.n).collect();
        let stacked = self.kind == Kind::Stack;
        // What is measured has counts of its own, whose sums are the populations.
        let shared = !stacked && self.y.iter().all(|name| table.column(what(name)).is_some());
        let series: Vec<Series> = if stacked {
            let by: Vec<_> = texts(table, &self.by).collect();
            let keys = cells(table, &self.by).map(|cell| vec![cell]);
            let labels = in_order(question, std::slice::from_ref(&self.by), keys);
            let measured: Vec<_> = numbers(table, self.y.first()?).collect();
            let value = |label: &str, name: &str| {
                (0..places.len()).find(|at| by[*at] == label && places[*at] == name).and_then(|at| measured[at])
            };
            let labels = labels.iter().flatten().map(Cell::text);
            let values = |label: &str| names.iter().map(|name| value(label, name)).collect();
            labels.map(|label| Series { values: values(&label), label, of_paper: false }).collect()
        } else {
            let series = |name: &String| {
                let n: f64 = numbers(table, what(name)).flatten().sum();
                let label = title(what(name));
                let label = label.strip_prefix(&format!("{} ", title(&self.n))).unwrap_or(&label);
                let n = if shared { format!(" (n = {})", separated(n)) } else { String::new() };
                Series { label: format!("{label}{n}"), values: numbers(table, name).collect(), of_paper: false }
            };
            self.y.iter().map(series).collect()
        };
        // Of a stack the rows of a category share its population; else a category has one row.
        let n = |name: &String| -> f64 {
            (0..places.len()).filter(|at| places[*at] == *name).filter_map(|at| counts[at]).sum()
        };
        let categories = names.iter().map(|name| Category {
            label: name.clone(),
            n: if shared { String::new() } else { format!("n = {}", separated(n(name))) },
        });
        let unit = if shared { "share, %".to_owned() } else { format!("share of {}, %", title(&self.n)) };
        let bars = Bars { categories: categories.collect(), series, stacked, unit };
        let caption = format!("{}: {}; {}.", question.title, bars.unit, answer.source);
        Some(figure(caption, |width| draw::bars(&bars, width)))
    }

    fn ccdf(&self, question: &Question, answer: &Answer) -> Option<Result<Figure>> {
        let table = &answer.table;
        let measured = self.y.first()?;
        let mut lines: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
        let rows = texts(table, &self.by).zip(numbers(table, &self.x)).zip(numbers(table, measured));
        for (((by, x), y), n) in rows.zip(numbers(table, &self.n)) {
            let (Some(x), Some(y)) = (x, y) else { continue };
            let label = format!("{by} (n = {})", separated(n.unwrap_or_default()));
            match lines.iter_mut().find(|(known, _)| *known == label) {
                Some((_, points)) => points.push((x, y)),
                None => lines.push((label, vec![(x, y)])),
            }
        }
        let caption = format!("{}; {}. Both axes are logarithmic.", question.title, answer.source);
        let y = format!("share of {}, %", title(what(measured)));
        let lines = Lines { lines, x: format!("at least this many {}", title(&self.x)), y };
        Some(figure(caption, |width| draw::lines(&lines, width)))
    }
}

fn figure(caption: String, draw: impl Fn(u32) -> Result<String>) -> Result<Figure> {
    Ok(Figure { caption, wide: draw(draw::WIDE)?, narrow: draw(draw::NARROW)? })
}

fn cells(table: &Table, name: &str) -> impl Iterator<Item = Cell> {
    let column = table.column(name);
    table.rows.iter().map(move |row| column.and_then(|at| row.get(at)).cloned().unwrap_or(Cell::Absent))
}

fn texts(table: &Table, name: &str) -> impl Iterator<Item = String> {
    cells(table, name).map(|cell| cell.text())
}

fn numbers(table: &Table, name: &str) -> impl Iterator<Item = Option<f64>> {
    let column = table.column(name);
    table.rows.iter().map(move |row| column.and_then(|at| row.get(at)).and_then(Cell::number))
}
