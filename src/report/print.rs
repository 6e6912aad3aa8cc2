//! Sheets for terminals and programs.

use super::question::Question;
use super::sheet::{Sheet, shown};
use super::table::Cell;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ContentArrangement};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// A question with its sheet.
pub type Answered<'a> = (&'a Question, Sheet);

/// Tables to be read. `width` folds what is wider, if given.
pub fn text(answers: &[Answered<'_>], width: Option<u16>) -> String {
    let mut out = String::new();
    for (question, sheet) in answers {
        let Question { place, title, population, .. } = question;
        let _ = writeln!(out, "{place}: {title}  [{}]", question.name);
        let _ = writeln!(out, "Population: {population}");
        if !sheet.rows.is_empty() {
            let _ = writeln!(out, "{}", grid(sheet, width));
        }
        for note in question.notes.iter().chain(&sheet.notes) {
            let _ = writeln!(out, "{note}");
        }
        out.push('\n');
    }
    out
}

fn grid(sheet: &Sheet, width: Option<u16>) -> comfy_table::Table {
    let mut grid = comfy_table::Table::new();
    grid.load_style(UTF8_FULL_CONDENSED);
    if let Some(width) = width {
        grid.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    grid.set_header(sheet.columns.iter().map(|heading| match &heading.source {
        Some(source) => format!("{}\n{source}", heading.title()),
        None => heading.title(),
    }));
    for row in &sheet.rows {
        grid.add_row(sheet.columns.iter().zip(row).map(|(heading, cell)| shown(heading, cell)));
    }
    for (at, column) in grid.column_iter_mut().enumerate() {
        if is_numeric(sheet, at) {
            column.set_cell_alignment(CellAlignment::Right);
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
