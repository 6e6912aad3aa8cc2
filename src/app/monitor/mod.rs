//! `starling monitor`: captures or a link in, a dataset out. Some threads read packets, the main thread writes rows.

pub mod link;
mod pcap;
mod pipe;

use crate::app::clock::Clock;
use crate::app::privileges::{self, Privileges};
use crate::app::say::{say, show};
use crate::app::scan::{Signals, secret};
use crate::monitor::account::Account;
use crate::monitor::table::Monitor;
use crate::monitor::{Config, Recorded};
use crate::output::dataset::Dataset;
use crate::output::manifest::write_manifest;
use crate::output::parquet::Limits as PartLimits;
use crate::output::writer::{Tables, Writer};
use anyhow::{Result, bail, ensure};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Connections of a link that may wait to be written: it does not wait for us.
const QUEUE_OF_LINK: usize = 4_096;
/// And of captures, which do; each takes some kilobytes with its certificates.
const QUEUE_OF_CAPTURES: usize = 256;
/// How often the main thread looks at signals.
const LOOK: Duration = Duration::from_millis(100);

/// Where packets come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// Capture files in the order in which they are read; `-` is standard input.
    Captures(Vec<PathBuf>),
    /// An interface.
    Link(link::Plan),
}

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where packets come from.
    pub source: Source,
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
    captures: Vec<pcap::Report>,
    link: Option<link::Report>,
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

/// What the reading threads and the main thread tell each other.
#[derive(Debug)]
struct Progress {
    stop: AtomicBool,
    /// Bytes of files.
    bytes: AtomicU64,
    /// The account of each reading thread, and the connections that it knows.
    readers: Vec<Mutex<(Account, u64)>>,
}

impl Progress {
    fn new(readers: usize) -> Arc<Self> {
        let readers = std::iter::repeat_with(Mutex::default).take(readers).collect();
        Arc::new(Self { stop: AtomicBool::new(false), bytes: AtomicU64::new(0), readers })
    }

    /// Says how far a reader is.
    fn tell(&self, reader: usize, monitor: &Monitor) {
        let told = (monitor.account(), monitor.len() as u64);
        *self.readers[reader].lock().unwrap_or_else(PoisonError::into_inner) = told;
    }

    /// The account of all, and the connections that are known.
    fn told(&self) -> (Account, u64) {
        let mut sum = (Account::default(), 0);
        for reader in &self.readers {
            let (account, known) = *reader.lock().unwrap_or_else(PoisonError::into_inner);
            sum.0.add(&account);
            sum.1 += known;
        }
        sum
    }
}

/// Where packets come from, ready to be read.
trait Opened {
    /// What the first line says of it.
    fn announcement(&self) -> Option<String>;

    /// Starts the reading threads.
    fn start(self: Box<Self>, config: &Config, rows: &SyncSender<Recorded>) -> Result<Box<dyn Feed>>;
}

/// Threads that read packets and send rows, until they are at the end or stopped.
trait Feed {
    /// How far they are.
    fn told(&self) -> (Account, u64);

    /// How much is done, and what else is to be said in the line of each second.
    fn remarks(&self, account: &Account) -> (String, String);

    /// Has them come to an end.
    fn stop(&mut self);

    /// Looks after them. `elapsed`: since they were started.
    fn attend(&mut self, _elapsed: Duration) {}

    /// Waits for them.
    fn finish(self: Box<Self>) -> Result<Finished>;
}

/// What came of reading.
#[derive(Debug)]
struct Finished {
    captures: Vec<pcap::Report>,
    link: Option<link::Report>,
    account: Account,
    /// What else was found not to add up.
    wrong: Vec<String>,
    /// What could not be read, and why.
    failures: Vec<String>,
    /// What to do about that.
    remedy: &'static str,
    /// Before all was read.
    stopped: bool,
}

/// Reads what the plan says.
///
/// # Errors
/// One line with cause and next step. What was found before an error is written.
pub fn run(plan: &Plan) -> Result<Ended> {
    let opened: Box<dyn Opened> = match &plan.source {
        Source::Captures(paths) => Box::new(pcap::Captures::open(paths)?),
        Source::Link(link) => Box::new(link::Tap::open(link, &plan.config)?),
    };
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
        link: None,
        account: BTreeMap::new(),
        rows: None,
        parts: None,
    };
    write_manifest(dataset.root(), &manifest)?;
    if let Some(text) = opened.announcement()
        && !plan.quiet
    {
        say(format_args!("{text}"));
    }

    let limits = PartLimits { age: plan.part_age, ..PartLimits::default() };
    let mut writer = Writer::new(&dataset, limits, secret()?);
    let (sender, receiver) = sync_channel(match plan.source {
        Source::Captures(_) => QUEUE_OF_CAPTURES,
        Source::Link(_) => QUEUE_OF_LINK,
    });
    let mut feed = opened.start(&plan.config, &sender)?;
    drop(sender);
    let written = write_all(&mut writer, &receiver, &signals, feed.as_mut(), &clock, plan.quiet);
    // A reader that waits for room in the queue finds nobody there.
    drop(receiver);
    let finished = feed.finish()?;
    written?;
    let done = writer.finish()?;
    let rows = done.rows;

    let account = finished.account;
    let stopped = signals.received() > 0 && finished.stopped;
    manifest.state = if stopped { "stopped" } else { "complete" };
    manifest.end_us = Some(clock.utc().0);
    manifest.account = account.named().into_iter().collect();
    (manifest.captures, manifest.link) = (finished.captures, finished.link);
    (manifest.rows, manifest.parts) = (Some(rows), Some(done.parts));
    write_manifest(dataset.root(), &manifest)?;
    let mut wrong = account.wrong();
    wrong.extend(finished.wrong);
    if rows.connections != account.recorded {
        wrong.push(format!("{} connections recorded, but {} rows on disk", account.recorded, rows.connections));
    }
    ensure!(wrong.is_empty(), "the account does not add up: {}. Next step: report this", wrong.join("; "));
    let remarks: String = manifest.captures.iter().filter_map(pcap::Report::remark).collect();
    let text = remarks + &summary(plan, &account, rows, clock.now().as_nanos());
    if !finished.failures.is_empty() {
        show(&text);
        bail!(
            "{}; all else is in {}. Next step: {}",
            finished.failures.join("; "),
            plan.output.display(),
            finished.remedy
        );
    }
    Ok(Ended { text, stopped })
}

/// The main thread, until the readers are done.
fn write_all(
    writer: &mut Writer,
    rows: &Receiver<Recorded>,
    signals: &Signals,
    feed: &mut dyn Feed,
    clock: &Clock,
    quiet: bool,
) -> Result<()> {
    let mut status = Status::default();
    let mut looked = Duration::ZERO;
    let mut stopping = false;
    loop {
        let received = rows.recv_timeout(LOOK);
        let elapsed = Duration::from_nanos(clock.now().as_nanos());
        if elapsed - looked >= LOOK {
            looked = elapsed;
            if signals.received() > 0 && !std::mem::replace(&mut stopping, true) {
                if !quiet {
                    say(format_args!("stopping: what was read until now is written"));
                }
                feed.stop();
            }
            feed.attend(elapsed);
            if !quiet {
                status.update(elapsed, feed);
            }
        }
        match received {
            Ok(Recorded { row, chain }) => writer.write_connection(row, &chain, clock.utc())?,
            Err(RecvTimeoutError::Timeout) => writer.tick(clock.utc())?,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

/// A line a second.
#[derive(Default)]
struct Status {
    last: Duration,
    packets: u64,
}

impl Status {
    fn update(&mut self, elapsed: Duration, feed: &dyn Feed) {
        let since = elapsed.saturating_sub(self.last);
        if since < Duration::from_secs(1) {
            return;
        }
        let (account, known) = feed.told();
        let (done, more) = feed.remarks(&account);
        let packets = account.packets;
        let rate = packets.saturating_sub(self.packets) as f64 / since.as_secs_f64();
        let seconds = elapsed.as_secs();
        let line = format!(
            "{}:{:02} {done}{packets} packets ({rate:.0} p/s){more}; {} connections recorded, {known} known, {} evicted",
            seconds / 60,
            seconds % 60,
            account.recorded,
            account.evicted,
        );
        // Nobody who reads it is no error.
        let _ = writeln!(std::io::stderr(), "{line}");
        (self.last, self.packets) = (elapsed, packets);
    }
}

fn summary(plan: &Plan, account: &Account, rows: Tables, nanos: u64) -> String {
    let seconds = nanos as f64 / 1e9;
    let unused = [
        (account.unknown_link, "unknown link"),
        (account.not_ip, "not ip"),
        (account.fragments, "fragments"),
        (account.not_tcp, "not tcp"),
        (account.cut, "cut"),
        (account.malformed, "malformed"),
        (account.other_ports, "other ports"),
        (account.shunted, "of connections already read"),
        (account.ring_full, "lost, the monitor being too slow"),
    ];
    let unused: Vec<String> =
        unused.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
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
