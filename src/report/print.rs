//! Sheets for terminals and programs.

use super::question::Question;
use super::sheet::{Sheet, shown};
use super::table::Cell;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Width};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::fmt::Write as _;
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

/// A question with its sheet.
pub type Answered<'a> = (&'a Question, Sheet);

/// Tables to be read. For a terminal of some `width` a table that is wider is cut into several, and text is folded.
pub fn text(answers: &[Answered<'_>], width: Option<u16>) -> String {
    let width = width.map(usize::from);
    let mut out = String::new();
    let line = |out: &mut String, text: &str| {
        for line in folded(text, width) {
            let _ = writeln!(out, "{line}");
        }
    };
    for (question, sheet) in answers {
        let Question { place, title, population, .. } = question;
        line(&mut out, &format!("{place}: {title}  [{}]", question.name));
        line(&mut out, &format!("Population: {population}"));
        if !sheet.rows.is_empty() {
            for columns in blocks(sheet, width) {
                let _ = writeln!(out, "{}", grid(sheet, &columns, width));
            }
        }
        for note in question.notes.iter().chain(&sheet.notes) {
            line(&mut out, note);
        }
        out.push('\n');
    }
    out
}

/// The lines of a text, broken between words.
fn folded(text: &str, width: Option<usize>) -> Vec<Cow<'_, str>> {
    let Some(width) = width else { return vec![text.into()] };
    let options = Options::new(width).break_words(false).word_splitter(WordSplitter::NoHyphenation);
    textwrap::wrap(text, options.word_separator(WordSeparator::AsciiSpace).wrap_algorithm(WrapAlgorithm::FirstFit))
}

/// What a cell takes beside its text: a blank on both sides and a line.
const AROUND: usize = 3;
/// A key that is longer is folded.
const KEY: usize = 40;

/// The columns of each of the tables that `sheet` is cut into: the keys in all of them, what has one name together as far
/// as it fits.
fn blocks(sheet: &Sheet, width: Option<usize>) -> Vec<Vec<usize>> {
    let (keys, others): (Vec<usize>, Vec<usize>) =
        (0..sheet.columns.len()).partition(|at| sheet.columns[*at].source.is_none());
    let Some(width) = width else { return vec![[keys, others].concat()] };
    let taken = |columns: &[usize]| columns.iter().map(|at| breadth(sheet, *at) + AROUND).sum::<usize>();
    let room = width.saturating_sub(1 + taken(&keys));
    let mut blocks: Vec<Vec<usize>> = Vec::new();
    for group in others.chunk_by(|one, next| sheet.columns[*one].name == sheet.columns[*next].name) {
        // A group that is wider than a table is divided.
        let parts: Vec<&[usize]> = if taken(group) <= room { vec![group] } else { group.chunks(1).collect() };
        for part in parts {
            match blocks.last_mut() {
                Some(block) if taken(&*block) + taken(part) <= room => block.extend(part),
                _ => blocks.push(part.to_vec()),
            }
        }
    }
    if blocks.is_empty() {
        blocks.push(Vec::new());
    }
    blocks.into_iter().map(|block| [keys.clone(), block].concat()).collect()
}

/// What a column takes: its longest cell, or the longest word of its heading.
fn breadth(sheet: &Sheet, at: usize) -> usize {
    let heading = &sheet.columns[at];
    let title = heading.title();
    let words = title.split(' ').chain(heading.source.as_deref()).map(length).max();
    let cells = sheet.rows.iter().map(|row| length(&shown(heading, &row[at]))).max();
    let cells = if is_numeric(sheet, at) { cells } else { cells.map(|cells| cells.min(KEY)) };
    words.max(cells).unwrap_or_default()
}

fn length(text: &str) -> usize {
    text.chars().count()
}

fn grid(sheet: &Sheet, columns: &[usize], width: Option<usize>) -> comfy_table::Table {
    let mut grid = comfy_table::Table::new();
    grid.load_style(UTF8_FULL_CONDENSED);
    let headings = columns.iter().map(|at| &sheet.columns[*at]);
    grid.set_header(headings.map(|heading| match &heading.source {
        Some(source) => format!("{}\n{source}", heading.title()),
        None => heading.title(),
    }));
    for row in &sheet.rows {
        grid.add_row(columns.iter().map(|at| shown(&sheet.columns[*at], &row[*at])));
    }
    let all: usize = 1 + columns.iter().map(|at| breadth(sheet, *at) + AROUND).sum::<usize>();
    if let Some(width) = width {
        grid.set_content_arrangement(ContentArrangement::Dynamic).set_width(u16::try_from(width).unwrap_or(u16::MAX));
    }
    for (column, at) in grid.column_iter_mut().zip(columns) {
        if is_numeric(sheet, *at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        // Where even one column is too wide, each gets what the crate finds fair.
        if width.is_some_and(|width| all <= width) {
            let breadth = u16::try_from(breadth(sheet, *at) + 2).unwrap_or(u16::MAX);
            column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(breadth)));
        }
    }
    grid
}

/// A column of numbers.
pub(super) fn is_numeric(sheet: &Sheet, column: usize) -> bool {
    sheet.rows.iter().all(|row| !matches!(row.get(column), Some(Cell::Text(_))))
}

/// Tables in Markdown.
pub fn markdown(answers: &[Answered<'_>]) -> String {
    let mut out = String::new();
    for (question, sheet) in answers {
        let _ = writeln!(out, "## {}: {}\n\n{}\n", question.place, question.title, question.question);
        let _ = writeln!(out, "Population: {}\n", question.population);
        if !sheet.rows.is_empty() {
            let line =
                |cells: &mut dyn Iterator<Item = String>| format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
            out += &line(&mut sheet.columns.iter().map(|heading| match &heading.source {
                Some(source) => format!("{} ({})", heading.title(), escaped(source)),
                None => heading.title(),
            }));
            out += &line(
                &mut (0..sheet.columns.len()).map(|at| if is_numeric(sheet, at) { "--:" } else { "---" }.to_owned()),
            );
            for row in &sheet.rows {
                out += &line(&mut sheet.columns.iter().zip(row).map(|(heading, cell)| escaped(&shown(heading, cell))));
            }
            out.push('\n');
        }
        for note in question.notes.iter().chain(&sheet.notes) {
            let _ = writeln!(out, "{note}\n");
        }
    }
    out
}

/// Text that Markdown takes as it is.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        if "\\`*_{}[]<>#|&~".contains(letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

/// Comma-separated values; a column's name is `source.column`. Of several questions each begins with a line `# name`
/// and ends with an empty one.
///
/// # Errors
/// None that memory does not cause.
pub fn csv(answers: &[Answered<'_>]) -> anyhow::Result<String> {
    let mut out = Vec::new();
    for (question, sheet) in answers {
        if answers.len() > 1 {
            out.extend(format!("# {}\n", question.name).into_bytes());
        }
        let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(&mut out);
        if !sheet.columns.is_empty() {
            writer.write_record(sheet.columns.iter().map(|heading| match &heading.source {
                Some(source) => format!("{source}.{}", heading.name),
                None => heading.name.clone(),
            }))?;
        }
        for row in &sheet.rows {
            writer
                .write_record(row.iter().map(|cell| if *cell == Cell::Absent { String::new() } else { cell.text() }))?;
        }
        writer.flush()?;
        drop(writer);
        if answers.len() > 1 {
            out.push(b'\n');
        }
    }
    Ok(String::from_utf8(out)?)
}

/// An array of one object a question; in its rows, keys by their names and an object for each source.
///
/// # Errors
/// None that memory does not cause.
pub fn json(answers: &[Answered<'_>]) -> anyhow::Result<String> {
    let answers: Vec<Value> = answers
        .iter()
        .map(|(question, sheet)| {
            let rows: Vec<Value> = sheet.rows.iter().map(|row| object(sheet, row)).collect();
            json!({
                "name": question.name, "place": question.place, "title": question.title,
                "question": question.question, "population": question.population,
                "notes": question.notes.iter().chain(&sheet.notes).collect::<Vec<_>>(), "rows": rows,
            })
        })
        .collect();
    Ok(serde_json::to_string_pretty(&answers)? + "\n")
}

fn object(sheet: &Sheet, row: &[Cell]) -> Value {
    let mut object = Map::new();
    for (heading, cell) in sheet.columns.iter().zip(row) {
        let value = match cell {
            Cell::Absent => Value::Null,
            Cell::Text(text) => Value::from(text.as_str()),
            Cell::Number(number) => number_value(*number),
        };
        match &heading.source {
            None => drop(object.insert(heading.name.clone(), value)),
            Some(source) => {
                let of_source = object.entry(source.clone()).or_insert_with(|| json!({}));
                if let Some(of_source) = of_source.as_object_mut() {
                    of_source.insert(heading.name.clone(), value);
                }
            }
        }
    }
    Value::Object(object)
}

/// A count is written without a decimal point.
fn number_value(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        #[expect(clippy::cast_possible_truncation, reason = "whole and small enough")]
        return Value::from(number as i64);
    }
    Value::from(number)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;
    use crate::report::catalogue;
    use crate::report::sheet::Heading;

    #[test]
    fn a_wide_table_is_cut_into_several_that_fit_the_terminal_and_no_word_is_broken() {
        let questions = catalogue::all().unwrap();
        let question = questions.iter().find(|question| question.name == "table1").unwrap();
        let key = |name: &str| Heading { name: name.to_owned(), source: None };
        let of = |name: &str, source: &str| Heading { name: name.to_owned(), source: Some(source.to_owned()) };
        let names = ["responders", "tls", "distinct_intermediates_pct"];
        let columns = names.iter().flat_map(|name| [of(name, "census"), of(name, "2015")]);
        let row =
            [&[Cell::Text("xmpp-server".into())][..], &vec![Cell::Number(12_488_000.0); names.len() * 2]].concat();
        let columns = [key("protocol")].into_iter().chain(columns).collect();
        let sheet = Sheet { columns, rows: vec![row], notes: vec!["word ".repeat(30)] };
        let answers = [(question, sheet)];
        for width in [40_u16, 60, 80, 120] {
            let text = text(&answers, Some(width));
            assert!(text.lines().all(|line| length(line) <= usize::from(width)), "{width}: {text}");
            for word in ["intermediates,", "responders", "12,488,000", "xmpp-server", "12488000.00"] {
                assert!(text.contains(word), "{width}: {word} in {text}");
            }
        }
        let tables = |width| text(&answers, width).matches('\u{250c}').count();
        assert_eq!([None, Some(120), Some(80), Some(40)].map(tables), [1, 1, 2, 6]);
    }
}
