//! What the targets of a world do, as a file: recall is a SQL join.

use crate::model::World;
use crate::rates::Verdict;
use anyhow::{Context as _, Result, bail};
use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt16Array, UInt32Array};
use parquet::arrow::ArrowWriter;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;

/// Rows of a batch.
const BATCH: usize = 1 << 16;

enum Output {
    Parquet(Option<Box<ArrowWriter<File>>>),
    Csv(BufWriter<File>),
}

#[derive(Default)]
struct Rows {
    ips: Vec<u32>,
    ports: Vec<u16>,
    verdicts: Vec<&'static str>,
}

/// Writes the targets in order of port and address; the silent ones only if asked for.
pub(crate) fn write(world: &World, silent: bool, path: &Path) -> Result<()> {
    let create = || File::create(path).with_context(|| path.display().to_string());
    let mut output = match path.extension().and_then(|end| end.to_str()) {
        Some("parquet") => {
            create()?;
            Output::Parquet(None)
        }
        Some("csv") => {
            let mut file = BufWriter::new(create()?);
            writeln!(file, "ip,port,verdict")?;
            Output::Csv(file)
        }
        _ => bail!("{}: name the file .parquet or .csv", path.display()),
    };
    let mut rows = Rows::default();
    for &port in &world.ports {
        for address in world.addresses.0..=world.addresses.1 {
            let verdict = world.verdict(address, port);
            if verdict == Verdict::Silent && !silent {
                continue;
            }
            rows.ips.push(address);
            rows.ports.push(port);
            rows.verdicts.push(verdict.name());
            if rows.ips.len() == BATCH {
                output.write(std::mem::take(&mut rows), path)?;
            }
        }
    }
    output.write(rows, path)?;
    match output {
        Output::Parquet(writer) => {
            writer.context("no rows")?.close()?;
        }
        Output::Csv(mut file) => file.flush()?,
    }
    Ok(())
}

impl Output {
    fn write(&mut self, rows: Rows, path: &Path) -> Result<()> {
        match self {
            Self::Csv(file) => {
                for ((ip, port), verdict) in rows.ips.iter().zip(&rows.ports).zip(&rows.verdicts) {
                    writeln!(file, "{},{port},{verdict}", std::net::Ipv4Addr::from(*ip))?;
                }
            }
            Self::Parquet(writer) => {
                let columns: [(&str, ArrayRef); 3] = [
                    ("ip", Arc::new(UInt32Array::from(rows.ips))),
                    ("port", Arc::new(UInt16Array::from(rows.ports))),
                    ("verdict", Arc::new(StringArray::from(rows.verdicts))),
                ];
                let batch = RecordBatch::try_from_iter(columns)?;
                if writer.is_none() {
                    let new = ArrowWriter::try_new(File::create(path)?, batch.schema(), None)?;
                    *writer = Some(Box::new(new));
                }
                if let Some(writer) = writer {
                    writer.write(&batch)?;
                }
            }
        }
        Ok(())
    }
}
