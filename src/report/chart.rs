//! Figures: which columns of an answer are drawn, and how.

use super::compare::{Answer, PAPER, merge};
use super::draw::{self, Bars, Lines, Series};
use super::question::Question;
use super::sheet::{separated, title};
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

    fn can_be_drawn(&self, table: &Table) -> bool {
        self.columns().all(|name| table.column(name).is_some())
            && self.y.iter().any(|name| numbers(table, name).flatten().next().is_some())
    }

    /// The measured column, source beside source.
    fn by_source(&self, question: &Question, answers: &[&Answer]) -> Option<Result<Figure>> {
        let measured = self.y.first()?;
        let mut categories = Vec::new();
        let mut sources: Vec<(String, &Table)> = Vec::new();
        for answer in answers {
            let n: f64 = numbers(&answer.table, &self.n).flatten().sum();
            sources.push((format!("{} (n = {})", answer.source, separated(n)), &answer.table));
        }
        if sources.is_empty() {
            return None;
        }
        if question.paper.column(measured).is_some() {
            sources.push((format!("{PAPER} (the paper)"), &question.paper));
        }
        for (_, table) in &sources {
            merge(&mut categories, &texts(table, &self.x).collect::<Vec<_>>());
        }
        let series = sources.iter().map(|(label, table)| {
            let labels: Vec<_> = texts(table, &self.x).collect();
            let values: Vec<_> = numbers(table, measured).collect();
            let value = |category| labels.iter().position(|label| label == category).and_then(|at| values[at]);
            Series { label: label.clone(), values: categories.iter().map(value).collect() }
        });
        let bars = Bars { series: series.collect(), categories, stacked: false, unit: title(measured) };
        let caption = format!("{}: {}, by source.", question.title, title(measured));
        Some(figure(caption, |width| draw::bars(&bars, width)))
    }

    fn bars(&self, question: &Question, answer: &Answer) -> Option<Result<Figure>> {
        let table = &answer.table;
        let mut categories: Vec<String> = Vec::new();
        for category in texts(table, &self.x) {
            if !categories.contains(&category) {
                categories.push(category);
            }
        }
        let places: Vec<_> = texts(table, &self.x).collect();
        let counts: Vec<_> = numbers(table, &self.n).collect();
        let stacked = self.kind == Kind::Stack;
        let series: Vec<Series> = if stacked {
            let by: Vec<_> = texts(table, &self.by).collect();
            let mut labels: Vec<&String> = Vec::new();
            for label in &by {
                if !labels.contains(&label) {
                    labels.push(label);
                }
            }
            let measured: Vec<_> = numbers(table, self.y.first()?).collect();
            let value = |label: &str, category: &str| {
                (0..places.len()).find(|at| by[*at] == label && places[*at] == category).and_then(|at| measured[at])
            };
            let values = |label: &str| categories.iter().map(|category| value(label, category)).collect();
            labels.iter().map(|label| Series { label: (*label).clone(), values: values(label) }).collect()
        } else {
            let series = |name: &String| Series {
                label: title(name).trim_end_matches(", %").to_owned(),
                values: numbers(table, name).collect(),
            };
            self.y.iter().map(series).collect()
        };
        // Of a stack the rows of a category share its population; else a category has one row.
        let n = |category: &String| -> f64 {
            (0..places.len()).filter(|at| places[*at] == *category).filter_map(|at| counts[at]).sum()
        };
        let labels = categories.iter().map(|category| format!("{category} (n = {})", separated(n(category)))).collect();
        let unit = if stacked { title(self.y.first()?) } else { "share, %".to_owned() };
        let bars = Bars { series, categories: labels, stacked, unit };
        let caption = format!("{}, {}.", question.title, answer.source);
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
        let caption = format!("{}, {}. Both axes are logarithmic.", question.title, answer.source);
        let lines = Lines { lines, x: format!("at least this many {}", title(&self.x)), y: title(measured) };
        Some(figure(caption, |width| draw::lines(&lines, width)))
    }
}

fn figure(caption: String, draw: impl Fn(u32) -> Result<String>) -> Result<Figure> {
    Ok(Figure { caption, wide: draw(draw::WIDE)?, narrow: draw(draw::NARROW)? })
}

fn texts(table: &Table, name: &str) -> impl Iterator<Item = String> {
    let column = table.column(name);
    table.rows.iter().map(move |row| column.and_then(|at| row.get(at)).map_or_else(String::new, Cell::text))
}

fn numbers(table: &Table, name: &str) -> impl Iterator<Item = Option<f64>> {
    let column = table.column(name);
    table.rows.iter().map(move |row| column.and_then(|at| row.get(at)).and_then(Cell::number))
}
