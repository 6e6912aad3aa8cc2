//! One lane: a thread that moves frames between a link and an engine, and rows to the writer.

use crate::app::clock::Clock;
use crate::base::Instant;
use crate::lane::{Moved, step};
use crate::nic::{FrameIo, NicCounters};
use crate::record::Fact;
use crate::scan::engine::{Engine, Hold};
use crate::scan::ledger::{Held, Ledger, Outcomes};
use crate::targets::cidr::AddressSet;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Longest sleep of an idle lane: bounds how late an answer is seen.
const IDLE_MAX: Duration = Duration::from_micros(500);
/// So many frames received in a round are soon followed by more.
const MUCH: usize = 32;
/// How long a link may take to send the last frames.
const FLUSH_MAX: Duration = Duration::from_millis(200);
/// How long a link that is down is waited for, and how often it is tried.
const LINK_PATIENCE: Duration = Duration::from_secs(60);
const LINK_EVERY: Duration = Duration::from_millis(10);
/// How often the lane's state is published.
const PUBLISH_EVERY: Duration = Duration::from_millis(50);

/// What the main thread wants of the lanes.
#[derive(Debug, Default)]
pub struct Control {
    stop: AtomicU8,
    /// How often the blocklist was replaced.
    blocklists: AtomicUsize,
    blocklist: Mutex<Arc<AddressSet>>,
}

const STOP: u8 = 1;
const INTERRUPT: u8 = 2;

impl Control {
    /// No more probes; finish what is open.
    pub fn stop(&self) {
        self.stop.fetch_max(STOP, Ordering::Relaxed);
    }

    /// Reset what is open and end.
    pub fn interrupt(&self) {
        self.stop.fetch_max(INTERRUPT, Ordering::Relaxed);
    }

    /// Nothing more to the addresses in `list`.
    pub fn block(&self, list: Arc<AddressSet>) {
        *self.blocklist.lock().unwrap_or_else(PoisonError::into_inner) = list;
        self.blocklists.fetch_add(1, Ordering::Release);
    }

    /// The list, if there is a newer one than the `seen`-th.
    fn blocklist(&self, seen: &mut usize) -> Option<Arc<AddressSet>> {
        let current = self.blocklists.load(Ordering::Acquire);
        let newer = current != *seen;
        *seen = current;
        newer.then(|| Arc::clone(&self.blocklist.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// A lane's state as last published.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The engine's account.
    pub ledger: Ledger,
    /// Connections that ended.
    pub outcomes: Outcomes,
    /// The link's account.
    pub nic: NicCounters,
    /// Connections open.
    pub open: u64,
    /// Answers that wait for their turn.
    pub waiting: u64,
    /// How far the sweep is, 0 to 1.
    pub progress: f64,
    /// Probes are still to be sent.
    pub sweeping: bool,
    /// What slows the sweep down.
    pub slowed_by: Option<Hold>,
    /// The link is down, and waited for.
    pub link_down: bool,
    /// For how long what has slowed it down.
    pub held: Held,
    /// Positions walked whose answers were still due: they are walked again by a resumed run.
    pub unsettled: u64,
}

impl Snapshot {
    /// The state of `engine` on a link that counted `nic`.
    pub fn of(engine: &Engine, nic: NicCounters) -> Self {
        Self {
            ledger: *engine.ledger(),
            outcomes: engine.outcomes().clone(),
            nic,
            open: engine.open(),
            waiting: engine.waiting(),
            progress: engine.progress(),
            sweeping: engine.sweeping(),
            slowed_by: engine.slowed_by(),
            link_down: false,
            held: *engine.held(),
            unsettled: engine.unsettled(),
        }
    }
}

/// Where a lane publishes its state.
#[derive(Clone, Debug, Default)]
pub struct Published(Arc<Mutex<Snapshot>>);

impl Published {
    /// The last published state.
    pub fn get(&self) -> Snapshot {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, snapshot: Snapshot) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }
}

/// A lane with all it needs.
#[derive(Debug)]
pub struct Lane<Io> {
    /// Its link.
    pub io: Io,
    /// Its engine.
    pub engine: Engine,
    /// The run's clock.
    pub clock: Clock,
    /// What the main thread wants.
    pub control: Arc<Control>,
    /// Where it publishes its state.
    pub published: Published,
    /// Where its rows go.
    pub facts: SyncSender<Fact>,
}

impl<Io: FrameIo> Lane<Io> {
    /// Runs until the engine is finished and all its rows are handed over. A link that goes down is waited for.
    ///
    /// # Errors
    /// Of the link, if it is gone or does not come back. What was open then is lost to the peers' timeouts, but its rows are written.
    pub fn run(mut self) -> io::Result<()> {
        let mut backlog = VecDeque::new();
        let mut published_at = Instant::ZERO;
        let mut interrupted = false;
        let mut blocklists = 0;
        let mut failure = None;
        let mut down: Option<Instant> = None;
        let mut settled = false;
        loop {
            let now = self.clock.now();
            let stepped = step(now, &mut self.io, &mut self.engine);
            down = stepped.as_ref().is_err_and(is_down).then(|| down.unwrap_or(now));
            let waits = down.is_some_and(|since| now < since + LINK_PATIENCE);
            let moved = stepped.unwrap_or_else(|error| {
                if !waits {
                    failure.get_or_insert(error);
                }
                Moved { received: 0, sent: 0 }
            });
            if waits || !self.engine.sweeping() && self.io.unsent_probes() > 0 {
                self.engine.put_off(now);
            }
            if failure.is_some() {
                // Without a link nothing more is heard: give every open connection its row.
                self.engine.interrupt();
                drain_unsent(now, &mut self.engine);
            }
            backlog.extend(self.engine.take_facts());
            if self.engine.finished(now) && !settled {
                settled = true;
                backlog.push_back(Fact::Checkpoint(Box::new(self.engine.checkpoint(now))));
            }
            self.engine.set_writer_behind(!hand_over(&self.facts, &mut backlog));
            self.obey(now, &mut interrupted);
            if let Some(list) = self.control.blocklist(&mut blocklists) {
                self.engine.block(Arc::clone(&list));
                self.io.withdraw(&|address| list.contains(address));
            }
            if now >= published_at + PUBLISH_EVERY {
                published_at = now;
                self.publish(waits);
            }
            if self.engine.finished(now) && backlog.is_empty() {
                self.flush();
                self.publish(false);
                return failure.map_or(Ok(()), Err);
            }
            let idle =
                if moved.received + moved.sent > 0 { Duration::ZERO } else { self.engine.next_timeout(now).since(now) };
            // A link that has enough to send is left alone, unless it brings much.
            let rest = if moved.received < MUCH { self.io.rest() } else { Duration::ZERO };
            let pause = if waits { LINK_EVERY } else { idle.max(rest).min(IDLE_MAX) };
            if !pause.is_zero() {
                std::thread::sleep(pause);
            }
        }
    }

    /// Gives the link time to send what it has: the last FINs and resets.
    fn flush(&mut self) {
        let until = self.clock.now() + FLUSH_MAX;
        while self.io.in_flight() > 0 && self.clock.now() < until && self.io.kick().is_ok() {
            std::thread::sleep(IDLE_MAX);
        }
    }

    fn obey(&mut self, now: Instant, interrupted: &mut bool) {
        match self.control.stop.load(Ordering::Relaxed) {
            INTERRUPT if !*interrupted => {
                *interrupted = true;
                self.engine.interrupt();
            }
            STOP => self.engine.stop(now),
            _ => {}
        }
    }

    fn publish(&self, link_down: bool) {
        self.published.set(Snapshot { link_down, ..Snapshot::of(&self.engine, self.io.counters()) });
    }
}

/// Whether the link may come back.
fn is_down(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NetworkDown
}

/// Sends rows as far as the writer takes them; false if some are left. A writer that is gone takes all: its
/// error is the main thread's to report.
fn hand_over(facts: &SyncSender<Fact>, backlog: &mut VecDeque<Fact>) -> bool {
    while let Some(fact) = backlog.pop_front() {
        match facts.try_send(fact) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(fact)) => {
                backlog.push_front(fact);
                return false;
            }
        }
    }
    true
}

/// Lets the engine believe that it sent what it wanted to.
fn drain_unsent(now: Instant, engine: &mut Engine) {
    let mut buffer = [0; crate::nic::FRAME_CAPACITY];
    while engine.poll_frame(now, &mut buffer).is_some() {}
}
