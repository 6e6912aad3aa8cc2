//! Where what is found goes: into a dataset, or into lines for those who know zmap.

use crate::app::scan::{Plan, secret};
use crate::app::targets;
use crate::base::UtcMicros;
use crate::output::dataset::Dataset;
use crate::output::lines::{Lines, Selection};
use crate::output::manifest::write_manifest;
use crate::output::parquet::Limits as PartLimits;
use crate::output::writer::{Tables, Writer, Written};
use crate::record::Fact;
use crate::record::checkpoint::Left;
use crate::targets::rib::Announced;
use anyhow::{Context, Result, anyhow, ensure};
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Answers as lines.
#[derive(Clone, Debug)]
pub struct LinesPlan {
    /// The file; `-` is standard output.
    pub path: PathBuf,
    /// What of which answers, and how.
    pub selection: Selection,
}

/// A place that is ready: what needs privileges or the file system has been done.
pub(super) enum Place {
    /// A dataset's folder.
    Dataset(Dataset),
    /// A stream of lines.
    Lines(LineSink),
}

impl Place {
    /// The place that the plan names, for a run that starts at `start`.
    pub(super) fn open(plan: &Plan, start: UtcMicros) -> Result<Self> {
        match &plan.lines {
            Some(lines) => Ok(Self::Lines(LineSink::open(lines)?)),
            None => Ok(Self::Dataset(plan.dataset(start)?)),
        }
    }

    /// The folder that the run writes files in, if it does.
    pub(super) fn folder(&self) -> Option<&Path> {
        match self {
            Self::Dataset(dataset) => Some(dataset.root()),
            Self::Lines(_) => None,
        }
    }

    /// The dataset, if it is one.
    pub(super) fn dataset(&self) -> Option<Dataset> {
        match self {
            Self::Dataset(dataset) => Some(dataset.clone()),
            Self::Lines(_) => None,
        }
    }

    /// Name of the run, in a dataset.
    pub(super) fn run(&self) -> &str {
        match self {
            Self::Dataset(dataset) => dataset.run(),
            Self::Lines(_) => "",
        }
    }

    /// Writes what the routing table announces, where there is a table for it.
    pub(super) fn write_announced(&self, announced: &[Announced], now: UtcMicros) -> Result<()> {
        match self {
            Self::Dataset(dataset) => targets::write_announced(dataset, announced, now),
            Self::Lines(_) => Ok(()),
        }
    }

    /// What takes the facts; of a dataset it keeps the checkpoint too, from what each lane has to do at the begin.
    pub(super) fn sink(self, plan: &Plan, lanes: Vec<Left>) -> Result<Sink> {
        match self {
            Self::Dataset(dataset) => {
                let limits = PartLimits { age: plan.part_age, ..PartLimits::default() };
                let mut writer = Writer::new(&dataset, limits, secret()?);
                writer.recall(&dataset)?;
                writer.keep_checkpoint(&dataset, lanes)?;
                Ok(Sink::Dataset(Box::new(writer)))
            }
            Self::Lines(lines) => Ok(Sink::Lines(lines)),
        }
    }
}

/// Writes the manifest, where there is a folder for it.
pub(super) fn manifest(folder: Option<&Path>, manifest: &impl Serialize) -> Result<()> {
    folder.map_or(Ok(()), |folder| Ok(write_manifest(folder, manifest)?))
}

/// Takes facts.
pub(super) enum Sink {
    /// As rows.
    Dataset(Box<Writer>),
    /// As lines.
    Lines(LineSink),
}

impl Sink {
    pub(super) fn write(&mut self, fact: Fact, now: UtcMicros) -> Result<()> {
        match self {
            Self::Dataset(writer) => Ok(writer.write(fact, now)?),
            Self::Lines(lines) => lines.write(&fact, now),
        }
    }

    pub(super) fn tick(&mut self, now: UtcMicros) -> Result<()> {
        match self {
            Self::Dataset(writer) => Ok(writer.tick(now)?),
            Self::Lines(lines) => lines.flush(now),
        }
    }

    /// Makes everything durable and says how much it is.
    pub(super) fn finish(self) -> Result<Written> {
        match self {
            Self::Dataset(writer) => Ok(writer.finish()?),
            Self::Lines(lines) => lines.finish(),
        }
    }
}

/// Lines to a file or to standard output.
pub(super) struct LineSink {
    lines: Lines<Box<dyn Write + Send>>,
    name: String,
    /// The file, if it is a regular one.
    file: Option<File>,
    heard: u64,
}

impl LineSink {
    fn open(plan: &LinesPlan) -> Result<Self> {
        if plan.path.as_os_str() == "-" {
            let lines = Lines::new(Box::new(std::io::stdout()) as Box<dyn Write + Send>, plan.selection.clone());
            return Ok(Self { lines, name: "standard output".to_owned(), file: None, heard: 0 });
        }
        let name = plan.path.display().to_string();
        let out = create(&plan.path).with_context(|| format!("-o {name}"))?;
        let regular = out.metadata().is_ok_and(|found| found.is_file());
        let file = if regular { Some(out.try_clone().with_context(|| format!("-o {name}"))?) } else { None };
        Ok(Self { lines: Lines::new(Box::new(out), plan.selection.clone()), name, file, heard: 0 })
    }

    fn write(&mut self, fact: &Fact, now: UtcMicros) -> Result<()> {
        let Fact::Answer(answer) = fact else { return Ok(()) };
        self.heard += 1;
        self.lines.write(answer, now).map_err(|cause| failed(&self.name, cause))
    }

    fn flush(&mut self, now: UtcMicros) -> Result<()> {
        self.lines.flush(now).map_err(|cause| failed(&self.name, cause))
    }

    fn finish(mut self) -> Result<Written> {
        self.flush(UtcMicros(0))?;
        if let Some(file) = &self.file {
            file.sync_all().map_err(|cause| failed(&self.name, cause))?;
        }
        let rows = Tables { hosts: self.heard, ..Tables::default() };
        Ok(Written { rows, lines: Some(self.lines.written()), ..Written::default() })
    }
}

fn failed(name: &str, cause: std::io::Error) -> anyhow::Error {
    match cause.kind() {
        ErrorKind::BrokenPipe => anyhow!("who read {name} has closed it, so the scan was ended"),
        ErrorKind::StorageFull => anyhow!("cannot write {name}: {cause}. Next step: free space there"),
        _ => anyhow!("cannot write {name}: {cause}"),
    }
}

/// A new file, or one without content, or something else that can be written to.
pub(super) fn create(path: &Path) -> Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    let found = file.metadata()?;
    ensure!(
        !found.is_file() || found.len() == 0,
        "the file is not empty. Next step: name another file, or remove this one"
    );
    Ok(file)
}
