//! `starling monitor`: captures in, a dataset out. One thread reads packets, another writes rows.

use crate::app::clock::Clock;
use crate::app::privileges::{self, Privileges};
use crate::app::scan::Signals;
use crate::monitor::account::Account;
use crate::monitor::capture::{self, End};
use crate::monitor::table::Monitor;
use crate::monitor::{Config, Recorded};
use crate::output::dataset::Dataset;
use crate::output::manifest::write_manifest;
use crate::output::parquet::Limits as PartLimits;
use crate::output::writer::{Tables, Writer};
use anyhow::{Context, Result, anyhow, bail, ensure};
use flate2::read::MultiGzDecoder;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write as _};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::Builder;
use std::time::Duration;

/// Connections that may wait to be written.
const QUEUE: usize = 4_096;
/// How often the main thread looks at signals.
const LOOK: Duration = Duration::from_millis(100);
/// Packets after which the others are told how far the reader is.
const TELL: u64 = 4_096;

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Capture files in the order in which they are read; `-` is standard input.
    pub captures: Vec<PathBuf>,
    /// What is watched.
    pub config: Config,
    /// The dataset's folder.
    pub output: PathBuf,
    /// Parts of tables are closed after so long.
    pub part_age: Duration,
    /// No status on the terminal.
    pub quiet: bool,
    /// The command line as typed: goes into the manifest as it is.
    pub described: serde_json::Value,
}

/// What came of a file.
#[derive(Clone, Debug, Serialize)]
struct FileReport {
    path: PathBuf,
    packets: u64,
    /// `whole`, `cut` in the middle of a packet, `stopped` by a signal, or why it could not be read on.
    end: String,
    #[serde(skip)]
    failed: bool,
}

/// `run.json`.
#[derive(Debug, Serialize)]
struct Manifest<'a> {
    program: &'static str,
    run: String,
    state: &'static str,
    version: &'static str,
    command: &'a serde_json::Value,
    start_us: i64,
    end_us: Option<i64>,
    ports: Vec<String>,
    any_port: bool,
    connections_max: usize,
    bytes_max: usize,
    privileges: Privileges,
    captures: Vec<FileReport>,
    account: BTreeMap<&'static str, u64>,
    rows: Option<Tables>,
    parts: Option<Tables>,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The account in words.
    pub text: String,
    /// By a signal, before all was read.
    pub stopped: bool,
}

/// How far the reader is.
#[derive(Debug, Default)]
struct Progress {
    stop: AtomicBool,
    packets: AtomicU64,
    /// Bytes of the files.
    bytes: AtomicU64,
    known: AtomicU64,
    account: Mutex<Account>,
}

/// An open file.
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

/// Reads the plan's captures.
///
/// # Errors
/// One line with cause and next step. What was found before an error is written.
pub fn run(plan: &Plan) -> Result<Ended> {
    let progress = Arc::new(Progress::default());
    let mut size = 0;
    let sources: Vec<Source> =
        plan.captures.iter().map(|path| open(path, &progress, &mut size)).collect::<Result<_>>()?;
    let clock = Clock::start();
    let begin = clock.utc();
    let dataset = Dataset::create(&plan.output, begin)?;
    let privileges = privileges::give_up(Some(dataset.root()), None)?;
    let signals = Signals::install()?;
    let mut manifest = Manifest {
        program: "monitor",
        run: dataset.run().to_owned(),
        state: "running",
        version: env!("CARGO_PKG_VERSION"),
        command: &plan.described,
        start_us: begin.0,
        end_us: None,
        ports: plan.config.services.iter().map(|service| format!("{}:{}", service.protocol, service.port)).collect(),
        any_port: plan.config.any_port,
        connections_max: plan.config.connections_max,
        bytes_max: plan.config.bytes_max,
        privileges,
        captures: Vec::new(),
        account: BTreeMap::new(),
        rows: None,
        parts: None,
    };
    write_manifest(dataset.root(), &manifest)?;

    let limits = PartLimits { age: plan.part_age, ..PartLimits::default() };
    let mut writer = Writer::new(&dataset, limits);
    let (sender, receiver) = sync_channel(QUEUE);
    let (config, shared) = (plan.config.clone(), Arc::clone(&progress));
    let reader = Builder::new().name("reader".into()).spawn(move || read_all(sources, config, &shared, &sender))?;
    let mut status = Status { plan, size, last: Duration::ZERO, packets: 0 };
    let written = write_all(&mut writer, &receiver, &signals, &progress, &clock, &mut status);
    // A reader that waits for room in the queue finds nobody there.
    drop(receiver);
    let (reports, account) = reader.join().map_err(|_| anyhow!("the reader failed: this is a fault of the program"))?;
    written?;
    let done = writer.finish()?;
    let rows = done.rows;

    let stopped = signals.received() > 0 && reports.iter().any(|report| report.end == "stopped");
    manifest.state = if stopped { "stopped" } else { "complete" };
    manifest.end_us = Some(clock.utc().0);
    manifest.account = account.named().into_iter().collect();
    manifest.captures = reports;
    (manifest.rows, manifest.parts) = (Some(rows), Some(done.parts));
    write_manifest(dataset.root(), &manifest)?;
    let mut wrong = account.wrong();
    if rows.connections != account.recorded {
        wrong.push(format!("{} connections recorded, but {} rows on disk", account.recorded, rows.connections));
    }
    ensure!(wrong.is_empty(), "the account does not add up: {}. Next step: report this", wrong.join("; "));
    let text = summary(plan, &account, rows, clock.now().as_nanos());
    let failed: Vec<_> = manifest.captures.iter().filter(|report| report.failed).collect();
    if !failed.is_empty() {
        eprint!("{text}");
        let failed: Vec<_> = failed.iter().map(|report| format!("{}: {}", report.path.display(), report.end)).collect();
        bail!(
            "{}; all else is in {}. Next step: repair or leave out what is named",
            failed.join("; "),
            plan.output.display()
        );
    }
    Ok(Ended { text, stopped })
}

/// Opens a capture; adds its size to `size`.
fn open(path: &PathBuf, progress: &Arc<Progress>, size: &mut u64) -> Result<Source> {
    let mut inner: Box<dyn Read + Send> = if path.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        let file = File::open(path).with_context(|| format!("--pcap {}", path.display()))?;
        let found = file.metadata().with_context(|| format!("--pcap {}", path.display()))?;
        ensure!(!found.is_dir(), "--pcap {} is a folder. Next step: name the files in it", path.display());
        *size += found.len();
        Box::new(file)
    };
    inner = Box::new(Counting { inner, progress: Arc::clone(progress) });
    let mut magic = Vec::new();
    // What cannot be read now is reported when its turn comes.
    let _ = inner.by_ref().take(2).read_to_end(&mut magic);
    let packed = magic == [0x1f, 0x8b];
    let whole = std::io::Cursor::new(magic).chain(inner);
    let reader: Box<dyn Read + Send> = if packed { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) };
    Ok(Source { path: path.clone(), reader })
}

/// The reader's thread.
fn read_all(
    sources: Vec<Source>,
    config: Config,
    progress: &Progress,
    rows: &SyncSender<Recorded>,
) -> (Vec<FileReport>, Account) {
    let mut monitor = Monitor::new(config);
    let mut reports = Vec::new();
    let mut gone = false;
    for source in sources {
        let before = monitor.account().packets;
        let mut since_told = 0;
        let end = if gone {
            Ok(End::Stopped)
        } else {
            capture::read(source.reader, |packet| {
                monitor.handle(packet);
                while let Some(recorded) = monitor.poll() {
                    gone |= rows.send(recorded).is_err();
                }
                since_told += 1;
                if since_told >= TELL {
                    since_told = 0;
                    tell(&monitor, progress);
                }
                gone |= progress.stop.load(Ordering::Relaxed);
                if gone { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
        };
        let failed = end.is_err();
        let end = match end {
            Ok(End::Whole) => "whole".to_owned(),
            Ok(End::Cut) => "cut".to_owned(),
            Ok(End::Stopped) => "stopped".to_owned(),
            Err(error) => error.to_string(),
        };
        reports.push(FileReport { path: source.path, packets: monitor.account().packets - before, end, failed });
    }
    monitor.finish();
    while let Some(recorded) = monitor.poll() {
        if rows.send(recorded).is_err() {
            break;
        }
    }
    tell(&monitor, progress);
    (reports, monitor.account())
}

fn tell(monitor: &Monitor, progress: &Progress) {
    let account = monitor.account();
    progress.packets.store(account.packets, Ordering::Relaxed);
    progress.known.store(monitor.len() as u64, Ordering::Relaxed);
    if let Ok(mut shared) = progress.account.lock() {
        *shared = account;
    }
}

/// The main thread, until the reader is done.
fn write_all(
    writer: &mut Writer,
    rows: &Receiver<Recorded>,
    signals: &Signals,
    progress: &Progress,
    clock: &Clock,
    status: &mut Status<'_>,
) -> Result<()> {
    loop {
        if signals.received() > 0 && !progress.stop.swap(true, Ordering::Relaxed) && !status.plan.quiet {
            eprintln!("stopping: what was read until now is written");
        }
        match rows.recv_timeout(LOOK) {
            Ok(Recorded { row, chain }) => writer.write_connection(row, &chain, clock.utc())?,
            Err(RecvTimeoutError::Timeout) => writer.tick(clock.utc())?,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        status.update(Duration::from_nanos(clock.now().as_nanos()), progress);
    }
}

/// A line a second.
struct Status<'a> {
    plan: &'a Plan,
    /// Bytes of all files whose size is known.
    size: u64,
    last: Duration,
    packets: u64,
}

impl Status<'_> {
    fn update(&mut self, elapsed: Duration, progress: &Progress) {
        let since = elapsed.saturating_sub(self.last);
        if self.plan.quiet || since < Duration::from_secs(1) {
            return;
        }
        let account = progress.account.lock().map(|account| *account).unwrap_or_default();
        let (packets, bytes) = (account.packets, progress.bytes.load(Ordering::Relaxed));
        let done = if self.size > 0 {
            format!("{:.0}% done; ", 100.0 * bytes as f64 / self.size as f64)
        } else {
            String::new()
        };
        let rate = (packets - self.packets) as f64 / since.as_secs_f64();
        let seconds = elapsed.as_secs();
        let line = format!(
            "{}:{:02} {done}{packets} packets ({rate:.0} p/s); {} connections recorded, {} known, {} evicted",
            seconds / 60,
            seconds % 60,
            account.recorded,
            progress.known.load(Ordering::Relaxed),
            account.evicted,
        );
        // Nobody who reads it is no error.
        let _ = writeln!(std::io::stderr(), "{line}");
        (self.last, self.packets) = (elapsed, packets);
    }
}

fn summary(plan: &Plan, account: &Account, rows: Tables, nanos: u64) -> String {
    let seconds = nanos as f64 / 1e9;
    let unused: Vec<String> = account.named()[1..8]
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{count} {}", name.replace('_', " ")))
        .collect();
    let unused = if unused.is_empty() { String::new() } else { format!(" ({})", unused.join(", ")) };
    format!(
        "{} packets in {seconds:.1} s{unused}\n{} connections: {} recorded, {} of nothing that is known, {} evicted, {} with gaps\n\
         {} certificates in {} chains\n{}\n",
        account.packets,
        account.connections,
        account.recorded,
        account.unrecognised,
        account.evicted,
        account.with_gaps,
        rows.certificates,
        rows.chains,
        plan.output.display(),
    )
}
