//! Frames as a capture file (draft-ietf-opsawg-pcap), which is no part of a dataset: Ethernet, microseconds.

use super::{Error, Result};
use crate::base::UtcMicros;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Longest frame that readers of such files must take.
const SNAPLEN: u32 = 262_144;
const ETHERNET: u32 = 1;

/// A capture file that is being written.
#[derive(Debug)]
pub struct Pcap {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Pcap {
    /// A new file; one that is there already is left alone.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create(path: &Path) -> Result<Self> {
        let file = File::create_new(path).map_err(Error::io("create", path))?;
        let mut pcap = Self { path: path.to_owned(), file: BufWriter::new(file) };
        pcap.words(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, SNAPLEN, ETHERNET])?;
        Ok(pcap)
    }

    /// Appends a frame.
    ///
    /// # Errors
    /// Of the file system.
    pub fn frame(&mut self, time: UtcMicros, frame: &[u8]) -> Result<()> {
        let seconds = u32::try_from(time.0.div_euclid(1_000_000)).unwrap_or(u32::MAX);
        let micros = u32::try_from(time.0.rem_euclid(1_000_000)).unwrap_or(0);
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        self.words(&[seconds, micros, length, length])?;
        self.file.write_all(frame).map_err(Error::io("write", &self.path))
    }

    /// Writes what is still in memory.
    ///
    /// # Errors
    /// Of the file system.
    pub fn finish(mut self) -> Result<()> {
        self.file.flush().map_err(Error::io("write", &self.path))
    }

    fn words(&mut self, words: &[u32]) -> Result<()> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.file.write_all(&bytes).map_err(Error::io("write", &self.path))
    }
}
