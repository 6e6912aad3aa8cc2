//! Files: the dataset of a run. Parquet parts, views, manifest, checkpoint.
//!
//! [`writer::Writer`] takes facts and owns everything below: [`parquet`] writes the parts of one table,
//! [`dataset`] the folder, [`views`] its SQL, [`manifest`] `run.json`, [`checkpoint`] what is left to do;
//! [`counted`] and [`stored`] read what is there. [`lines`] is for those who want no dataset, [`pcap`] for those who want frames. Whatever has its final name is complete
//! and on disk. The columns come from [`crate::record::schema`] alone. No threads and no clock here: time is
//! an argument.

pub mod checkpoint;
mod columns;
pub mod counted;
pub mod dataset;
mod durable;
pub mod lines;
pub mod manifest;
pub mod parquet;
pub mod pcap;
pub mod stored;
pub mod views;
pub mod writer;

use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};

use ::parquet::errors::ParquetError;

/// Why output failed: one line with the path, the cause and the next step.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {action} {}: {cause}. Next step: {}", path.display(), next_step(cause))]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
    /// The output folder has something in it.
    #[error("the output folder {} is not empty. Next step: name another folder, or remove this one", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// Something that is no folder has the name of the output folder.
    #[error("{} exists and is not a folder. Next step: name another output folder", path.display())]
    NotAFolder {
        /// What it is.
        path: PathBuf,
    },
    /// Nothing that a scan has written.
    #[error("{} is no dataset of starling's. Next step: name the folder that was given with -o", path.display())]
    NoDataset {
        /// The folder.
        path: PathBuf,
    },
    /// Another process writes to the dataset.
    #[error("the dataset {} is being written to by another run. Next step: wait for it, or stop it", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// A file of ours that nobody should have changed.
    #[error("{} is damaged: {cause}. Next step: bring it back from a copy, or begin a new dataset", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: serde_json::Error,
    },
    /// A part that cannot be read.
    #[error("cannot read {}: {cause}. Next step: bring it back from a copy, or begin a new dataset", path.display())]
    Unreadable {
        /// The part.
        path: PathBuf,
        /// Why not.
        cause: String,
    },
    /// The path cannot be written in SQL.
    #[error("the path of the output folder {} is not UTF-8. Next step: name another output folder", path.display())]
    NotUtf8 {
        /// The folder.
        path: PathBuf,
    },
    /// Rows could not be encoded: a fault of this program.
    #[error("cannot encode rows for {}: {cause}. Next step: report this", path.display())]
    Encode {
        /// The part.
        path: PathBuf,
        /// Why not.
        cause: ParquetError,
    },
    /// The manifest could not be encoded: a fault of this program.
    #[error("cannot encode {}: {cause}. Next step: report this", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Why not.
        cause: serde_json::Error,
    },
}

/// Of everything here.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Io { action, path: path.to_owned(), cause }
    }

    fn unreadable(path: &Path, cause: impl std::fmt::Display) -> Self {
        Self::Unreadable { path: path.to_owned(), cause: cause.to_string() }
    }

    /// The encoder wraps what the operating system said.
    fn parquet(path: &Path) -> impl FnOnce(ParquetError) -> Self {
        move |cause| {
            let system = cause.source().and_then(|source| source.downcast_ref::<io::Error>());
            match system
                .map(|error| error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error))
            {
                Some(system) => Self::io("write", path)(system),
                None => Self::Encode { path: path.to_owned(), cause },
            }
        }
    }
}

fn next_step(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free space there, or name a folder on another disk"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "name a folder that you may write to",
        io::ErrorKind::AlreadyExists => "name another file, or remove this one",
        io::ErrorKind::NotFound => "create the folder above it, or name another folder",
        _ => "look at the disk and the path, or name another folder",
    }
}
