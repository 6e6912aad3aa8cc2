//! The parts of one table: Parquet files that are complete or invisible.
//!
//! A part is `<folder>/<run>-<nnnnn>.parquet`, written as the same name with `.tmp` behind it, which no
//! `*.parquet` matches, and renamed when its footer is on disk. So a kill at any point leaves finished parts
//! and at most one `.tmp` a table, which nobody reads.

use std::fs::File;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{Compression, Encoding, ZstdLevel};
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::schema::types::ColumnPath;

use super::columns::Columns;
use super::durable::{commit, unfinished};
use super::{Error, Result};
use crate::base::{Duration, UtcMicros};
use crate::record::schema::{Kind, Row, Table};

/// Rows of a row group: DuckDB reads one row group per thread.
const GROUP_ROWS: usize = 122_880;
/// Encoded bytes after which a row group is closed: bounds the writer's memory.
const GROUP_BYTES: usize = 64 << 20;

/// When a part has lasted long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows of a part.
    pub rows: u64,
    /// Time from a part's first row on: what a kill can lose at most.
    pub age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rows: 1_000_000, age: Duration::from_secs(60) }
    }
}

/// Writes rows of one table into parts.
pub struct PartWriter<R: Row> {
    folder: PathBuf,
    run: String,
    limits: Limits,
    properties: WriterProperties,
    columns: Columns,
    part: Option<Part>,
    parts: u32,
    rows: u64,
    row: PhantomData<fn(&R)>,
}

/// A part that is being written.
struct Part {
    path: PathBuf,
    opened: UtcMicros,
    rows: u64,
    writer: ArrowWriter<File>,
}

impl<R: Row> PartWriter<R> {
    /// A writer of parts in `folder`, which exists, for the run named `run`. Creates no file yet.
    pub fn new(folder: &Path, run: &str, limits: Limits) -> Self {
        Self {
            folder: folder.to_owned(),
            run: run.to_owned(),
            limits,
            properties: properties(&R::TABLE),
            columns: Columns::new(&R::TABLE),
            part: None,
            parts: 0,
            rows: 0,
            row: PhantomData,
        }
    }

    /// Adds a row to the open part; opens one if there is none.
    ///
    /// Never closes a part: the caller asks [`due`](Self::due) and calls [`close`](Self::close), since parts
    /// of other tables may have to be closed before.
    pub fn write(&mut self, row: &R, now: UtcMicros) -> Result<()> {
        let part = match self.part.take() {
            Some(part) => part,
            None => self.open(now)?,
        };
        let part = self.part.insert(part);
        self.columns.push(row).map_err(|error| Error::parquet(&part.path)(error.into()))?;
        part.rows += 1;
        if self.columns.full() {
            part.flush(&mut self.columns)?;
        }
        Ok(())
    }

    /// The open part has reached a limit.
    pub fn due(&self, now: UtcMicros) -> bool {
        self.part.as_ref().is_some_and(|part| {
            let age = u64::try_from(now.0.saturating_sub(part.opened.0)).unwrap_or(0);
            part.rows >= self.limits.rows || Duration::from_micros(age) >= self.limits.age
        })
    }

    /// Makes every row written so far durable and visible. Nothing to do if there is no open part.
    pub fn close(&mut self) -> Result<()> {
        let Some(mut part) = self.part.take() else {
            return Ok(());
        };
        part.flush(&mut self.columns)?;
        let rows = part.rows;
        part.close()?;
        self.parts += 1;
        self.rows += rows;
        Ok(())
    }

    /// Rows in closed parts.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Closed parts.
    pub fn parts(&self) -> u32 {
        self.parts
    }

    /// How many closed parts there will be once every row written so far is in one.
    pub fn parts_when_closed(&self) -> u64 {
        u64::from(self.parts) + u64::from(self.part.is_some())
    }

    fn open(&self, now: UtcMicros) -> Result<Part> {
        let path = self.folder.join(part_name(&self.run, self.parts));
        Part::open(path, now, &self.columns, &self.properties)
    }
}

impl Part {
    fn open(path: PathBuf, now: UtcMicros, columns: &Columns, properties: &WriterProperties) -> Result<Self> {
        let tmp = unfinished(&path);
        let file = File::create_new(&tmp).map_err(Error::io("create", &tmp))?;
        let writer = ArrowWriter::try_new(file, columns.schema(), Some(properties.clone()));
        Ok(Self { writer: writer.map_err(Error::parquet(&tmp))?, path, opened: now, rows: 0 })
    }

    fn flush(&mut self, columns: &mut Columns) -> Result<()> {
        let written = columns.take().map_err(Into::into).and_then(|batch| self.writer.write(&batch));
        written.map_err(Error::parquet(&self.path))
    }

    fn close(mut self) -> Result<()> {
        // Not `into_inner`: it turns a full disk into an error without a kind.
        self.writer.finish().map_err(Error::parquet(&self.path))?;
        commit(self.writer.inner(), &self.path)
    }
}

/// Writes `<run>-schema.parquet` into `folder`: no rows, but every column. With it a reader that finds no
/// other part sees an empty table, where `*.parquet` without a match would be an error.
pub fn write_schema_part(folder: &Path, run: &str, table: &Table) -> Result<()> {
    let path = folder.join(schema_part(run));
    Part::open(path, UtcMicros::default(), &Columns::new(table), &properties(table))?.close()
}

/// Name of a part with rows, numbered from 0.
pub fn part_name(run: &str, number: u32) -> String {
    format!("{run}-{number:05}.parquet")
}

/// What the part without rows has in its name in the place of a number.
pub const SCHEMA_PART: &str = "schema";

/// Name of the part without rows.
pub fn schema_part(run: &str) -> String {
    format!("{run}-{SCHEMA_PART}.parquet")
}

fn properties(table: &Table) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("starling ", env!("CARGO_PKG_VERSION")).to_owned())
        // Level 3 of 22.
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).unwrap_or_default()))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_max_row_group_bytes(Some(GROUP_BYTES))
        .set_key_value_metadata(Some(documentation(table)));
    for column in table.columns {
        // A dictionary only costs where values hardly ever repeat.
        let path = ColumnPath::from(column.name);
        properties = match column.kind {
            Kind::Timestamp => properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
            Kind::Bytes => properties.set_column_dictionary_enabled(path, false),
            _ => properties,
        };
    }
    properties.build()
}

/// The documentation of the table and its columns, for readers that know nothing of Arrow.
fn documentation(table: &Table) -> Vec<KeyValue> {
    let entry = |key: String, doc: &str| KeyValue::new(key, doc.trim().to_owned());
    let columns = table.columns.iter().map(|column| entry(format!("column.{}", column.name), column.doc));
    [entry(format!("table.{}", table.name), table.doc)].into_iter().chain(columns).collect()
}

#[cfg(test)]
mod tests;
