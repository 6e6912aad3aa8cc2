//! Certificates and chains read back from the parts of a dataset.

use std::fs::File;
use std::path::{Path, PathBuf};

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use ::parquet::file::metadata::PageIndexPolicy;
use arrow::array::{AsArray, BinaryArray, FixedSizeBinaryArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;

use super::parquet::SCHEMA_PART;
use super::{Error, Result, dataset};
use crate::base::UtcMicros;
use crate::record::row::{Certificate, Chain, Sha256};
use crate::record::schema::Row;

/// Rows of a batch: certificates have a kilobyte each.
const BATCH_ROWS: usize = 4_096;

/// The parts with rows of a table in the dataset in `folder`, in the order in which they were written.
pub fn parts(folder: &Path, table: &str) -> Result<Vec<PathBuf>> {
    let folder = folder.join(table);
    let mut names = dataset::names(&folder)?;
    let schema = format!("-{SCHEMA_PART}.parquet");
    names.retain(|name| name.ends_with(".parquet") && !name.ends_with(&schema));
    names.sort();
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// The parts of `certificates`.
pub fn certificate_parts(folder: &Path) -> Result<Vec<PathBuf>> {
    parts(folder, Certificate::TABLE.name)
}

/// The parts of `chains`.
pub fn chain_parts(folder: &Path) -> Result<Vec<PathBuf>> {
    parts(folder, Chain::TABLE.name)
}

/// How many rows a part has.
pub fn rows(part: &Path) -> Result<u64> {
    let rows = builder(part)?.metadata().file_metadata().num_rows();
    Ok(u64::try_from(rows).unwrap_or(0))
}

/// Calls `take` with number, fingerprint and DER of each certificate of a part; of those with the numbers in `only`,
/// which ascend, if there are such.
pub fn certificates(part: &Path, only: Option<&[u32]>, mut take: impl FnMut(u32, Sha256, &[u8])) -> Result<()> {
    let mut at = 0u32;
    let mut wanted = only.map(|only| only.iter().copied());
    for batch in reader(part, &["sha256", "der"], only)? {
        let batch = batch.map_err(|error| Error::unreadable(part, error))?;
        let prints = hashes(part, &batch, 0)?;
        let ders: &BinaryArray = batch.column(1).as_binary_opt().ok_or_else(|| Error::unreadable(part, FOREIGN))?;
        for (print, der) in prints.iter().zip(ders) {
            let row = wanted.as_mut().map_or(Some(at), Iterator::next).unwrap_or(at);
            at += 1;
            if let (Some(print), Some(der)) = (print, der) {
                take(row, hash(print), der);
            }
        }
    }
    Ok(())
}

/// Calls `take` with each chain of a part; stops at the first error that it has.
pub fn chains<E: From<Error>>(
    part: &Path,
    mut take: impl FnMut(Chain) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    for batch in reader(part, &["chain_id", "first_seen", "certificates"], None)? {
        let batch = batch.map_err(|error| Error::unreadable(part, error))?;
        let ids = hashes(part, &batch, 0)?;
        let foreign = || Error::unreadable(part, FOREIGN);
        let times = batch.column(1).as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(foreign)?;
        let lists = batch.column(2).as_list_opt::<i32>().ok_or_else(foreign)?;
        for row in 0..batch.num_rows() {
            let list = lists.value(row);
            let list = list.as_fixed_size_binary_opt().ok_or_else(foreign)?;
            take(Chain {
                chain_id: hash(ids.value(row)),
                first_seen: UtcMicros(times.value(row)),
                certificates: list.iter().flatten().map(hash).collect(),
            })?;
        }
    }
    Ok(())
}

/// Calls `take` with each fingerprint in a column of a part.
pub fn prints(part: &Path, column: &str, mut take: impl FnMut(Sha256)) -> Result<()> {
    for batch in reader(part, &[column], None)? {
        let batch = batch.map_err(|error| Error::unreadable(part, error))?;
        hashes(part, &batch, 0)?.iter().flatten().for_each(|print| take(hash(print)));
    }
    Ok(())
}

const FOREIGN: &str = "its columns are not those that starling writes";

fn builder(part: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>> {
    let file = File::open(part).map_err(Error::io("read", part))?;
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
    ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).map_err(|error| Error::unreadable(part, error))
}

fn reader(part: &Path, columns: &[&str], only: Option<&[u32]>) -> Result<ParquetRecordBatchReader> {
    let mut builder = builder(part)?;
    let known = builder.schema();
    if columns.iter().any(|column| known.field_with_name(column).is_err()) {
        return Err(Error::unreadable(part, FOREIGN));
    }
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
    if let Some(only) = only {
        builder = builder.with_row_selection(selection(only));
    }
    let reader = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build();
    reader.map_err(|error| Error::unreadable(part, error))
}

/// The rows with these numbers, which ascend.
fn selection(only: &[u32]) -> RowSelection {
    let mut selectors = Vec::new();
    let mut at = 0usize;
    for row in only {
        let row = *row as usize;
        selectors.push(RowSelector::skip(row.saturating_sub(at)));
        selectors.push(RowSelector::select(1));
        at = row + 1;
    }
    RowSelection::from(selectors)
}

fn hashes<'a>(part: &Path, batch: &'a RecordBatch, column: usize) -> Result<&'a FixedSizeBinaryArray> {
    let array = batch.column(column).as_fixed_size_binary_opt().filter(|array| array.value_length() == 32);
    array.ok_or_else(|| Error::unreadable(part, FOREIGN))
}

fn hash(octets: &[u8]) -> Sha256 {
    octets.try_into().unwrap_or_default()
}
