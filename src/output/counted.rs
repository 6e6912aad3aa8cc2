//! What is on disk: rows counted from the Parquet files themselves.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow::array::{Array, AsArray};
use arrow::datatypes::Int32Type;
use arrow::error::ArrowError;

use super::parquet::{SCHEMA_PART, part_name};
use super::{Error, Result, dataset};

/// Rows of a batch while counting.
const BATCH_ROWS: usize = 65_536;

/// The rows of one run in one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Rows of all parts.
    pub rows: u64,
    /// Parts, that without rows not counted.
    pub parts: u64,
    /// Parts that are not there although there are later ones.
    pub missing: Vec<String>,
    /// Parts that cannot be read, and why.
    pub damaged: Vec<String>,
    /// How often each value of the column occurs.
    pub values: BTreeMap<String, u64>,
}

/// The runs that have parts with rows in the dataset in `folder`, in order.
pub fn runs(folder: &Path) -> Result<Vec<String>> {
    let numbered = |part: &str| part != SCHEMA_PART;
    dataset::runs(folder, &numbered)
}

/// Counts the rows of `run` in `table`, and the values of `column`, if one is named: one that holds texts of a small set.
pub fn count(folder: &Path, table: &str, run: &str, column: Option<&str>) -> Result<Counted> {
    let folder = folder.join(table);
    let names = dataset::names(&folder)?;
    let prefix = format!("{run}-");
    let part = |name: &String| name.strip_prefix(&prefix)?.strip_suffix(".parquet")?.parse::<u32>().ok();
    let last = names.iter().filter_map(part).max();
    let mut counted = Counted::default();
    for number in 0..last.map_or(0, |last| last + 1) {
        let name = part_name(run, number);
        if !names.contains(&name) {
            counted.missing.push(format!("{table}/{name}"));
            continue;
        }
        counted.parts += 1;
        let path = folder.join(&name);
        let file = File::open(&path).map_err(Error::io("read", &path))?;
        if let Err(error) = counted.add(file, column) {
            counted.damaged.push(format!("{table}/{name}: {error}"));
        }
    }
    Ok(counted)
}

impl Counted {
    fn add(&mut self, file: File, column: Option<&str>) -> std::result::Result<(), ArrowError> {
        let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
        let Some(column) = column else {
            let rows = builder.metadata().file_metadata().num_rows();
            self.rows += u64::try_from(rows).unwrap_or(0);
            return Ok(());
        };
        let mask = ProjectionMask::columns(builder.parquet_schema(), [column]);
        for batch in builder.with_projection(mask).with_batch_size(BATCH_ROWS).build()? {
            let batch = batch?;
            self.rows += batch.num_rows() as u64;
            let texts = batch.columns().first().and_then(|array| array.as_dictionary_opt::<Int32Type>());
            let Some((texts, values)) = texts.and_then(|texts| Some((texts, texts.values().as_string_opt::<i32>()?)))
            else {
                return Err(ArrowError::SchemaError(format!("column {column} is not what a scan writes")));
            };
            let mut counts = vec![0; values.len()];
            for key in texts.keys_iter().flatten() {
                counts[key] += 1;
            }
            for (value, count) in values.iter().zip(counts).filter(|(_, count)| *count > 0) {
                *self.values.entry(value.unwrap_or_default().to_owned()).or_insert(0) += count;
            }
        }
        Ok(())
    }
}
