//! Files that are complete or absent, whatever happens: written under another name, flushed to the disk,
//! renamed, and the folder flushed too.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::{Error, Result};

/// The name under which `path` is written: its own with `.tmp` behind it.
pub(super) fn unfinished(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".tmp");
    name.into()
}

/// Gives the completely written file at [`unfinished`] its name.
pub(super) fn commit(file: &File, path: &Path) -> Result<()> {
    let tmp = unfinished(path);
    file.sync_all().map_err(Error::io("write", &tmp))?;
    fs::rename(&tmp, path).map_err(Error::io("rename", &tmp))?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Writes a whole file, in the place of an older one if there is one.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let tmp = unfinished(path);
    let mut file = File::create(&tmp).map_err(Error::io("create", &tmp))?;
    file.write_all(bytes).map_err(Error::io("write", &tmp))?;
    commit(&file, path)
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::io("write", folder))
}
