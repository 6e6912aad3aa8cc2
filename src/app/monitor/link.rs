//! A live link: the kernel leaves copies of frames in rings, a thread for each ring reads them.

use super::{Feed, Finished, Opened, Progress};
use crate::app::clock::{monotonic, monotonic_to_utc};
use crate::app::links::cpus;
use crate::base::UtcMicros;
use crate::monitor::account::Account;
use crate::monitor::capture::Captured;
use crate::monitor::table::{Flow, Monitor};
use crate::monitor::{Config, Recorded};
use crate::nic::xdp::{Count, Ends, Fate, Mode, Ring, Shunts, Watch, WatchCounts, WatchOptions};
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// Lanes, unless told: more are wanted only where handshakes alone keep this many CPUs busy.
const LANES: usize = 4;
/// Link type of Ethernet.
const ETHERNET: i32 = 1;
/// Frames taken from a ring between looks at the world.
const BATCH: usize = 4_096;
/// How long a lane rests whose ring is empty; longer and longer, up to the other.
const NAP_MIN: Duration = Duration::from_micros(250);
const NAP_MAX: Duration = Duration::from_millis(4);
/// How long programs that were taken off may still be running on another CPU, many times over.
const SETTLE: Duration = Duration::from_millis(20);
/// How often it is looked whether the interface is still there.
const LOOK: Duration = Duration::from_secs(1);

/// Which link, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its name.
    pub interface: String,
    /// Where the program for arriving frames runs.
    pub mode: Mode,
    /// It carries a mirror port's copies only: nothing that arrives is for this host.
    pub mirror: bool,
    /// Frames that are not addressed to the interface are wanted too.
    pub promiscuous: bool,
    /// Threads; `None` for as many as there are CPUs, four at most.
    pub lanes: Option<u32>,
    /// Bytes of the ring of each.
    pub ring_bytes: u32,
    /// Connections already read that the kernel keeps in mind; 0 to have everything handed up.
    pub shunts_max: u32,
    /// After this time it is enough.
    pub runtime_max: Option<Duration>,
}

/// What `run.json` says of the link.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    interface: String,
    mode: &'static str,
    /// `seen`, or why frames that leave are not.
    leaving: String,
    mirror: bool,
    promiscuous: bool,
    lanes: usize,
    ring_bytes: u32,
    shunts_max: u32,
    /// What the kernel did with frames.
    frames: BTreeMap<&'static str, u64>,
    /// Their bytes.
    bytes: BTreeMap<&'static str, u64>,
}

/// The programs on the interface, and what they write into.
pub(super) struct Tap {
    plan: Plan,
    watch: Watch,
    rings: Vec<Ring>,
    shunts: Shunts,
}

impl Tap {
    /// Occupies the interface.
    pub(super) fn open(plan: &Plan, config: &Config) -> Result<Self> {
        let lanes = plan.lanes.unwrap_or_else(|| u32::try_from(cpus().len().clamp(1, LANES)).unwrap_or(1));
        let ports: Vec<u16> = config.services.iter().map(|service| service.port).collect();
        let options = WatchOptions {
            mode: plan.mode,
            ports: &ports,
            any_port: config.any_port,
            mirror: plan.mirror,
            promiscuous: plan.promiscuous,
            lanes,
            ring_bytes: plan.ring_bytes,
            shunts_max: plan.shunts_max,
        };
        let (watch, rings, shunts) = Watch::attach(&plan.interface, &options)?;
        Ok(Self { plan: plan.clone(), watch, rings, shunts })
    }
}

impl Opened for Tap {
    fn announcement(&self) -> Option<String> {
        let Plan { interface, .. } = &self.plan;
        let what = match self.watch.sees_leaving() {
            Ok(()) => format!("watching {interface}, both directions"),
            Err(reason) => format!("watching {interface}; what leaves by it is not seen: {reason}"),
        };
        let until = match self.plan.runtime_max {
            Some(limit) => format!("for {} s, or until Ctrl-C", limit.as_secs_f64()),
            None => "until Ctrl-C".to_owned(),
        };
        Some(format!("{what}, {until}"))
    }

    fn start(self: Box<Self>, config: &Config, rows: &SyncSender<Recorded>) -> Result<Box<dyn Feed>> {
        let Self { plan, watch, rings, shunts } = *self;
        let count = rings.len();
        let progress = Progress::new(count);
        // A lane has its share of what may be kept in mind.
        let config = Config {
            connections_max: config.connections_max.div_ceil(count),
            bytes_max: config.bytes_max.div_ceil(count),
            ..config.clone()
        };
        let mut lanes = Vec::new();
        for (number, ring) in rings.into_iter().enumerate() {
            let lane = Lane {
                number,
                ring,
                monitor: Monitor::new(config.clone()),
                shunts: (plan.shunts_max > 0).then(|| shunts.clone()),
                progress: Arc::clone(&progress),
                rows: rows.clone(),
            };
            lanes.push(Builder::new().name(format!("lane {number}")).spawn(move || lane.run())?);
        }
        let looked = Duration::ZERO;
        Ok(Box::new(Watching { plan, watch, lanes, progress, looked, end: None }))
    }
}

/// Why it came to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Asked,
    Runtime,
    /// The interface is gone.
    Gone,
}

/// Lanes that read.
struct Watching {
    plan: Plan,
    watch: Watch,
    lanes: Vec<JoinHandle<()>>,
    progress: Arc<Progress>,
    looked: Duration,
    end: Option<End>,
}

impl Watching {
    fn counts(&self) -> WatchCounts {
        self.watch.counts().unwrap_or_default()
    }

    fn end(&mut self, why: End) {
        if self.end.is_none() {
            self.end = Some(why);
            self.watch.detach();
            std::thread::sleep(SETTLE);
            // What is in the rings now is all.
            self.progress.stop.store(true, Ordering::Release);
        }
    }

    fn report(&self, counts: &WatchCounts) -> Report {
        let named = |of: fn(Count) -> u64| Fate::ALL.iter().map(|fate| (fate.name(), of(counts.get(*fate)))).collect();
        Report {
            interface: self.plan.interface.clone(),
            mode: match self.plan.mode {
                Mode::Native => "native",
                Mode::Generic => "generic",
            },
            leaving: self.watch.sees_leaving().map_or_else(str::to_owned, |()| "seen".to_owned()),
            mirror: self.plan.mirror,
            promiscuous: self.plan.promiscuous,
            lanes: self.progress.readers.len(),
            ring_bytes: self.plan.ring_bytes,
            shunts_max: self.plan.shunts_max,
            frames: named(|count| count.frames),
            bytes: named(|count| count.bytes),
        }
    }
}

/// Adds what the kernel sorted out by itself.
fn add(account: &mut Account, counts: &WatchCounts) {
    let frames = |fate| counts.get(fate).frames;
    account.packets += counts.total().frames - frames(Fate::Up);
    account.not_ip += frames(Fate::NotIp);
    account.fragments += frames(Fate::Fragment);
    account.not_tcp += frames(Fate::NotTcp);
    account.cut += frames(Fate::Cut);
    account.malformed += frames(Fate::Malformed);
    account.other_ports += frames(Fate::OtherPorts);
    account.shunted += frames(Fate::Shunted);
    account.ring_full += frames(Fate::RingFull);
}

impl Feed for Watching {
    fn told(&self) -> (Account, u64) {
        let (mut account, known) = self.progress.told();
        add(&mut account, &self.counts());
        (account, known)
    }

    fn remarks(&self, account: &Account) -> (String, String) {
        let handed_up = account.packets - account.shunted - account.other_ports - account.not_tcp - account.not_ip;
        let lost = account.ring_full;
        (String::new(), format!(", {} handed up, {lost} lost", handed_up.saturating_sub(lost)))
    }

    fn stop(&mut self) {
        self.end(End::Asked);
    }

    fn attend(&mut self, elapsed: Duration) {
        if self.plan.runtime_max.is_some_and(|limit| elapsed >= limit) {
            self.end(End::Runtime);
        }
        if elapsed.saturating_sub(self.looked) >= LOOK {
            self.looked = elapsed;
            if !self.watch.is_there() {
                self.end(End::Gone);
            }
        }
    }

    fn finish(mut self: Box<Self>) -> Result<Finished> {
        // If nobody asked, there was nobody left to write rows.
        self.end(End::Asked);
        let lanes = std::mem::take(&mut self.lanes);
        let failed = lanes.into_iter().map(JoinHandle::join).filter(Result::is_err).count();
        ensure!(failed == 0, "{failed} lanes failed: this is a fault of the program");
        let (mut account, _) = self.progress.told();
        let counts = self.watch.counts().context("the programs' counters cannot be read")?;
        let (handed_up, taken) = (counts.get(Fate::Up).frames, account.packets);
        let wrong = (handed_up != taken).then(|| format!("{handed_up} frames handed up, but {taken} taken"));
        add(&mut account, &counts);
        let gone = format!("{} is gone", self.plan.interface);
        Ok(Finished {
            captures: Vec::new(),
            link: Some(self.report(&counts)),
            account,
            wrong: wrong.into_iter().collect(),
            failures: (self.end == Some(End::Gone)).then_some(gone).into_iter().collect(),
            remedy: "see `ip link`, then start again with another folder",
            // Whoever gave no limit ends it so.
            stopped: self.end == Some(End::Asked) && self.plan.runtime_max.is_some(),
        })
    }
}

/// A thread that reads a ring.
struct Lane {
    number: usize,
    ring: Ring,
    monitor: Monitor,
    shunts: Option<Shunts>,
    progress: Arc<Progress>,
    rows: SyncSender<Recorded>,
}

impl Lane {
    fn run(mut self) {
        let mut nap = NAP_MIN;
        loop {
            let last = self.progress.stop.load(Ordering::Acquire);
            let offset = monotonic_to_utc();
            let (monitor, shunts) = (&mut self.monitor, &self.shunts);
            let mut gone = false;
            let rows = &self.rows;
            let count = self.ring.receive(BATCH, &mut |seen| {
                let time = UtcMicros(offset + i64::try_from(seen.time / 1_000).unwrap_or(i64::MAX));
                let over = monitor.handle(&Captured { time, link: ETHERNET, bytes: seen.bytes });
                if let (Some(flow), Some(shunts)) = (over, shunts)
                    && shunts.enter(&ends(&flow), monotonic()).is_ok()
                {
                    monitor.release(&flow);
                }
                while let Some(recorded) = monitor.poll() {
                    gone |= rows.send(recorded).is_err();
                }
            });
            if count == 0 {
                if last {
                    break;
                }
                self.monitor.tick(UtcMicros(offset + i64::try_from(monotonic() / 1_000).unwrap_or(0)));
                gone |= self.give();
            }
            self.progress.tell(self.number, &self.monitor);
            if gone {
                break;
            }
            if count == 0 {
                std::thread::sleep(nap);
                nap = (nap * 2).min(NAP_MAX);
            } else {
                nap = NAP_MIN;
            }
        }
        self.monitor.finish();
        self.give();
        self.progress.tell(self.number, &self.monitor);
    }

    /// Sends what is to be recorded; says whether nobody is there to take it.
    fn give(&mut self) -> bool {
        let mut gone = false;
        while let Some(recorded) = self.monitor.poll() {
            gone |= self.rows.send(recorded).is_err();
        }
        gone
    }
}

/// A connection as the kernel's map has it.
fn ends(flow: &Flow) -> Ends {
    let Flow(one, other) = flow;
    Ends { address: [one.0.to_be_bytes(), other.0.to_be_bytes()], port: [one.1, other.1] }
}
