//! A wire with faults between two real interfaces: the simulator's link in real time.

use super::packets::{Packets, wait};
use super::place::{MIDDLE, enter};
use starling::base::Instant;
use starling::sim::link::{Direction, Fates, Faults};
use starling::sim::random::Random;
use starling::wire::parse::Malformed;
use starling::wire::{flags, parse};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Longest wait, so that the end is heard.
const NAP: Duration = Duration::from_millis(20);

/// What a wire did, from the scanner to the world and back.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) up: Fates,
    pub(crate) down: Fates,
    /// Frames that overtook an earlier one.
    pub(crate) overtook: u64,
}

/// The wire at work.
pub(crate) struct Bridge {
    end: Arc<AtomicBool>,
    thread: JoinHandle<Account>,
}

impl Bridge {
    /// Joins the two interfaces of the namespace `middle`. What is not TCP, and the scanner's probes, are not lost:
    /// a target is probed once, by design, so a lost probe is a silent target and not a conversation.
    pub(crate) fn start(middle: &str, faults: Faults, seed: u64) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let (middle, ended) = (middle.to_owned(), end.clone());
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            enter(&middle);
            let mut wire = Wire::new(faults, seed);
            ready.send(()).unwrap();
            while !ended.load(Ordering::Relaxed) {
                wire.round();
            }
            wire.account()
        });
        is_ready.recv().unwrap();
        Self { end, thread }
    }

    pub(crate) fn stop(self) -> Account {
        self.end.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// A frame on its way: when it is due, its number, the interface it leaves by.
type Due = (Instant, u64, usize, Vec<u8>);

struct Wire {
    ends: [Packets; 2],
    /// By the end that a frame came in at: with all faults, and without loss.
    directions: [[Direction; 2]; 2],
    due: BinaryHeap<Reverse<Due>>,
    count: u64,
    last: [u64; 2],
    overtook: u64,
    start: std::time::Instant,
}

impl Wire {
    fn new(faults: Faults, seed: u64) -> Self {
        let lossless = Faults { loss: 0.0, ..faults };
        let direction = |way: u64| {
            let random = |purpose: u64| Random::new(seed, 2 * purpose + way);
            [Direction::new(faults, random(0)), Direction::new(lossless, random(1))]
        };
        Self {
            ends: MIDDLE.map(Packets::open),
            directions: [direction(0), direction(1)],
            due: BinaryHeap::new(),
            count: 0,
            last: [0; 2],
            overtook: 0,
            start: std::time::Instant::now(),
        }
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(self.start.elapsed().as_nanos() as u64)
    }

    fn round(&mut self) {
        let next = self.due.peek().map_or(Instant::FAR_FUTURE, |Reverse((at, ..))| *at);
        wait(&self.ends, next.since(self.now()).min(NAP));
        let now = self.now();
        for from in 0..2 {
            while let Some(frame) = self.ends[from].receive() {
                for delivery in self.directions[from][usize::from(exempt(&frame))].send(now, &frame) {
                    self.count += 1;
                    self.due.push(Reverse((delivery.at, self.count, 1 - from, delivery.frame)));
                }
            }
        }
        while self.due.peek().is_some_and(|Reverse((at, ..))| *at <= now) {
            let Some(Reverse((_, number, to, frame))) = self.due.pop() else { break };
            self.overtook += u64::from(number < self.last[to]);
            self.last[to] = self.last[to].max(number);
            self.ends[to].send(&frame);
        }
    }

    fn account(self) -> Account {
        assert_eq!(self.ends.each_ref().map(Packets::dropped), [0, 0], "frames that the wire did not see");
        let [up, down] = self.directions.map(|[faulty, lossless]| {
            let (mut sum, more) = (*faulty.fates(), *lossless.fates());
            assert!(sum.conserved() && more.conserved());
            sum.sent += more.sent;
            sum.delivered += more.delivered;
            sum.duplicated += more.duplicated;
            sum
        });
        Account { up, down, overtook: self.overtook }
    }
}

/// Probes, and ARP.
fn exempt(frame: &[u8]) -> bool {
    match parse::segment(frame) {
        Ok(segment) => segment.flags == flags::SYN,
        Err(Malformed::Protocol) => true,
        Err(error) => panic!("{error:?}: is checksum offload on?"),
    }
}
