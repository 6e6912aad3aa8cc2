//! Answers as lines, for those who know zmap: CSV or JSON, with zmap's fields and filter.

pub mod fields;
pub mod filter;

use crate::base::UtcMicros;
use crate::record::answer::{Answer, Kind};
use fields::{Field, Value};
use filter::Filter;
use std::io::{BufWriter, Write};

/// How long a line waits at most before it is handed to the system, while others come.
const FLUSH_EVERY_US: i64 = 500_000;

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values (RFC 4180, lines end by LF), a line of names first if there is more than one field.
    Csv,
    /// A JSON object a line.
    Json,
}

impl Format {
    /// Name on the command line and in the metadata.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }
}

/// What is written of which answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// How.
    pub format: Format,
    /// The fields of a line, in order.
    pub fields: Vec<Field>,
    /// Which answers.
    pub filter: Filter,
}

impl Selection {
    /// Whether answers of this kind may be selected, so that it is worth to hear of them.
    pub fn wants(&self, kind: Kind) -> bool {
        [false, true].into_iter().any(|repeat| self.filter.may_hold(kind, repeat))
    }
}

/// The fields that a list such as `saddr,ttl` names; `*` is all of them.
pub fn parse_fields(list: &str) -> Result<Vec<Field>, String> {
    let mut fields = Vec::new();
    for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        match (name, Field::named(name)) {
            ("*", _) => fields.extend_from_slice(Field::ALL),
            (_, Some(field)) => fields.push(field),
            _ => return Err(format!("unknown field `{name}` (--list-output-fields names them)")),
        }
    }
    if fields.is_empty() { Err("no field is named, as in -f saddr,ttl".to_owned()) } else { Ok(fields) }
}

/// Writes lines.
pub struct Lines<W: Write> {
    out: BufWriter<W>,
    selection: Selection,
    written: u64,
    flushed_at: UtcMicros,
    begun: bool,
}

impl<W: Write> Lines<W> {
    /// Lines to `out`.
    pub fn new(out: W, selection: Selection) -> Self {
        Self { out: BufWriter::new(out), selection, written: 0, flushed_at: UtcMicros(0), begun: false }
    }

    /// Writes `answer`, if it is selected.
    pub fn write(&mut self, answer: &Answer, now: UtcMicros) -> std::io::Result<()> {
        self.begin()?;
        if self.selection.filter.holds(answer) {
            match self.selection.format {
                Format::Csv => self.csv(answer)?,
                Format::Json => self.json(answer)?,
            }
            self.written += 1;
        }
        if now.0 - self.flushed_at.0 >= FLUSH_EVERY_US { self.flush(now) } else { Ok(()) }
    }

    /// Hands all lines to the system. Call it when no more answers come for a while, and at the end.
    pub fn flush(&mut self, now: UtcMicros) -> std::io::Result<()> {
        self.begin()?;
        self.flushed_at = now;
        self.out.flush()
    }

    /// How many answers were written.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Where the lines went.
    pub fn get_ref(&self) -> &W {
        self.out.get_ref()
    }

    fn begin(&mut self) -> std::io::Result<()> {
        if self.begun {
            return Ok(());
        }
        self.begun = true;
        if self.selection.format == Format::Csv && self.selection.fields.len() > 1 {
            let names: Vec<&str> = self.selection.fields.iter().map(|field| field.name()).collect();
            writeln!(self.out, "{}", names.join(","))?;
        }
        Ok(())
    }

    fn csv(&mut self, answer: &Answer) -> std::io::Result<()> {
        for (place, field) in self.selection.fields.iter().enumerate() {
            if place > 0 {
                self.out.write_all(b",")?;
            }
            // No field has a comma, a quote or a line break in it.
            match field.of(answer) {
                Value::Null => {}
                Value::Int(number) => write!(self.out, "{number}")?,
                Value::Bool(yes) => write!(self.out, "{}", u8::from(yes))?,
                Value::Text(text) => self.out.write_all(text.as_bytes())?,
            }
        }
        self.out.write_all(b"\n")
    }

    fn json(&mut self, answer: &Answer) -> std::io::Result<()> {
        for (place, field) in self.selection.fields.iter().enumerate() {
            write!(self.out, "{}\"{}\":", if place == 0 { '{' } else { ',' }, field.name())?;
            match field.of(answer) {
                Value::Null => self.out.write_all(b"null")?,
                Value::Int(number) => write!(self.out, "{number}")?,
                Value::Bool(yes) => write!(self.out, "{yes}")?,
                Value::Text(text) => serde_json::to_writer(&mut self.out, text.as_ref())?,
            }
        }
        self.out.write_all(b"}\n")
    }
}

#[cfg(test)]
mod tests;
