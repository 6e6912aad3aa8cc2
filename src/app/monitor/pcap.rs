//! Captures in files: one thread reads them, one after the other.

use super::pipe::Pipe;
use super::{Feed, Finished, Opened, Progress};
use crate::monitor::account::Account;
use crate::monitor::capture::{self, End};
use crate::monitor::table::Monitor;
use crate::monitor::{Config, Recorded};
use anyhow::{Context, Result, anyhow, ensure};
use flate2::read::MultiGzDecoder;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::Serialize;
use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::thread::{Builder, JoinHandle};

/// Packets after which the others are told how far the reader is.
const TELL: u64 = 4_096;

/// The end of a file in the middle of a packet.
const CUT: &str = "cut";

/// What came of a file.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    path: PathBuf,
    packets: u64,
    /// `whole`, `cut` in the middle of a packet, `stopped` by a signal, or why it could not be read on.
    end: String,
    #[serde(skip)]
    failed: bool,
}

impl Report {
    /// What who started the program should know, though nothing failed.
    pub(super) fn remark(&self) -> Option<String> {
        let Self { path, packets, end, .. } = self;
        (end == CUT).then(|| {
            format!(
                "{} ends in the middle of a packet, after {packets}: was it cut, or is it still written?\n",
                path.display()
            )
        })
    }
}

/// Files that are open.
pub(super) struct Captures {
    sources: Vec<Source>,
    /// Bytes of all files whose size is known.
    size: u64,
    progress: Arc<Progress>,
}

struct Source {
    path: PathBuf,
    reader: Box<dyn Read + Send>,
}

/// Counts the bytes of a file as they are read.
struct Counting<R> {
    inner: R,
    progress: Arc<Progress>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.progress.bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl Captures {
    /// Opens the files.
    pub(super) fn open(paths: &[PathBuf]) -> Result<Self> {
        // All are opened before privileges are given up, and nine days of captures can be thousands of files.
        if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
            // Where that fails there may be few enough.
            let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
        }
        let mut captures = Self { sources: Vec::new(), size: 0, progress: Progress::new(1) };
        for path in paths {
            let source = open(path, &captures.progress, &mut captures.size)?;
            captures.sources.push(source);
        }
        Ok(captures)
    }
}

/// Why a capture cannot be opened.
fn refusal(path: &Path, error: std::io::Error) -> anyhow::Error {
    let many = error.raw_os_error() == Some(nix::errno::Errno::EMFILE as i32);
    let remedy = if many { ". Next step: raise `ulimit -Hn`, or join captures by `mergecap`" } else { "" };
    anyhow!("--pcap {}: {error}{remedy}", path.display())
}

/// Opens a capture; adds its size to `size`.
fn open(path: &PathBuf, progress: &Arc<Progress>, size: &mut u64) -> Result<Source> {
    let mut inner: Box<dyn Read + Send> = if path.as_os_str() == "-" {
        Box::new(Pipe::stdin(Arc::clone(progress)).context("--pcap -")?)
    } else {
        let file = File::open(path).map_err(|error| refusal(path, error))?;
        let found = file.metadata().with_context(|| format!("--pcap {}", path.display()))?;
        ensure!(!found.is_dir(), "--pcap {} is a folder. Next step: name the files in it", path.display());
        *size += found.len();
        if found.is_file() { Box::new(file) } else { Box::new(Pipe::new(file, Arc::clone(progress))) }
    };
    inner = Box::new(Counting { inner, progress: Arc::clone(progress) });
    Ok(Source { path: path.clone(), reader: inner })
}

/// Takes off gzip's packing, if there is one. When it is the file's turn: of all the others nothing is kept in memory.
fn unpacked(mut reader: Box<dyn Read + Send>) -> Box<dyn Read + Send> {
    let mut magic = Vec::new();
    // What cannot be read now cannot be read then.
    let _ = reader.by_ref().take(2).read_to_end(&mut magic);
    let packed = magic == [0x1f, 0x8b];
    let whole = std::io::Cursor::new(magic).chain(reader);
    if packed { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) }
}

impl Opened for Captures {
    fn announcement(&self) -> Option<String> {
        None
    }

    fn start(self: Box<Self>, config: &Config, rows: &SyncSender<Recorded>) -> Result<Box<dyn Feed>> {
        let Self { sources, size, progress } = *self;
        let (config, shared, rows) = (config.clone(), Arc::clone(&progress), rows.clone());
        let reader = Builder::new().name("reader".into()).spawn(move || read_all(sources, config, &shared, &rows))?;
        Ok(Box::new(Reading { reader, size, progress }))
    }
}

/// The thread that reads the files.
struct Reading {
    reader: JoinHandle<Vec<Report>>,
    size: u64,
    progress: Arc<Progress>,
}

impl Feed for Reading {
    fn told(&self) -> (Account, u64) {
        self.progress.told()
    }

    fn remarks(&self, _: &Account) -> (String, String) {
        if self.size == 0 {
            return (String::new(), String::new());
        }
        let bytes = self.progress.bytes.load(Ordering::Relaxed);
        (format!("{:.0}% done; ", 100.0 * bytes as f64 / self.size as f64), String::new())
    }

    fn stop(&mut self) {
        self.progress.stop.store(true, Ordering::Relaxed);
    }

    fn finish(self: Box<Self>) -> Result<Finished> {
        let captures = self.reader.join().map_err(|_| anyhow!("the reader failed: this is a fault of the program"))?;
        let failures: Vec<String> = captures
            .iter()
            .filter(|report| report.failed)
            .map(|report| format!("{}: {}", report.path.display(), report.end))
            .collect();
        let stopped = captures.iter().any(|report| report.end == "stopped");
        let (account, _) = self.progress.told();
        let remedy = "repair or leave out what is named";
        Ok(Finished { captures, link: None, account, wrong: Vec::new(), failures, remedy, stopped })
    }
}

/// The reader's thread.
fn read_all(sources: Vec<Source>, config: Config, progress: &Progress, rows: &SyncSender<Recorded>) -> Vec<Report> {
    let mut monitor = Monitor::new(config);
    let mut reports = Vec::new();
    let mut gone = false;
    for source in sources {
        let before = monitor.account().packets;
        let (mut since_told, mut begun) = (0, false);
        let end = if gone {
            Ok(End::Stopped)
        } else {
            capture::read(unpacked(source.reader), |packet| {
                if !std::mem::replace(&mut begun, true) {
                    monitor.next_file(packet.time);
                }
                monitor.handle(packet);
                while let Some(recorded) = monitor.poll() {
                    gone |= rows.send(recorded).is_err();
                }
                since_told += 1;
                if since_told >= TELL {
                    since_told = 0;
                    progress.tell(0, &monitor);
                }
                gone |= progress.stop.load(Ordering::Relaxed);
                if gone { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
        };
        // The bytes of a pipe end where the stop came.
        let end = if progress.stop.load(Ordering::Relaxed) { Ok(End::Stopped) } else { end };
        let failed = end.is_err();
        let end = match end {
            Ok(End::Whole) => "whole".to_owned(),
            Ok(End::Cut) => CUT.to_owned(),
            Ok(End::Stopped) => "stopped".to_owned(),
            Err(error) => error.to_string(),
        };
        reports.push(Report { path: source.path, packets: monitor.account().packets - before, end, failed });
    }
    monitor.finish();
    while let Some(recorded) = monitor.poll() {
        if rows.send(recorded).is_err() {
            break;
        }
    }
    progress.tell(0, &monitor);
    reports
}
