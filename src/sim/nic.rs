//! The simulated adapter: what arrives passes the real verdict, what it lets up waits for the engine.

use crate::nic::contract::{Config, Reason, Verdict};
use crate::nic::verdict::verdict;
use crate::nic::{FRAME_CAPACITY, FrameIo, NicCounters};
use std::collections::VecDeque;
use std::io;

/// Frames handed to the engine in one round.
const BATCH: usize = 64;

/// One queue of an adapter with the XDP program on it.
#[derive(Debug)]
pub struct Nic {
    config: Config,
    verdicts: Vec<u64>,
    arrived: VecDeque<Vec<u8>>,
    sent: Vec<Vec<u8>>,
    ring: usize,
    /// Frames that the transmit ring still takes in this round.
    room: usize,
    counters: NicCounters,
}

impl Nic {
    /// An adapter whose program has `config`, and whose transmit ring takes `ring` frames a round.
    pub fn new(config: Config, ring: usize) -> Self {
        Self {
            config,
            verdicts: vec![0; Reason::ALL.len()],
            arrived: VecDeque::new(),
            sent: Vec::new(),
            ring,
            room: ring,
            counters: NicCounters::default(),
        }
    }

    /// A frame comes in by the wire. Says what the program made of it.
    pub fn arrive(&mut self, frame: Vec<u8>) -> Reason {
        let (verdict, reason) = verdict(&frame, &self.config);
        self.verdicts[reason as usize] += 1;
        if verdict == Verdict::Up {
            self.arrived.push_back(frame);
        }
        reason
    }

    /// Takes the frames that went out since the last call.
    pub fn take_sent(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.sent)
    }

    /// Frames that wait for the engine.
    pub fn waiting(&self) -> usize {
        self.arrived.len()
    }

    /// How many frames got this verdict for this reason.
    pub fn count(&self, reason: Reason) -> u64 {
        self.verdicts[reason as usize]
    }

    /// Verdicts by name, in the contract's order.
    pub fn verdicts(&self) -> Vec<(&'static str, u64)> {
        Reason::ALL.iter().map(|reason| (reason.name(), self.count(*reason))).collect()
    }
}

impl FrameIo for Nic {
    fn receive(&mut self, sink: &mut impl FnMut(&[u8])) -> io::Result<usize> {
        let count = self.arrived.len().min(BATCH);
        for frame in self.arrived.drain(..count) {
            sink(&frame);
        }
        self.counters.rx_frames += count as u64;
        Ok(count)
    }

    fn room(&mut self, budget: usize) -> usize {
        budget.min(self.room)
    }

    fn transmit(&mut self, budget: usize, fill: &mut impl FnMut(&mut [u8]) -> Option<usize>) -> io::Result<usize> {
        let mut buffer = [0; FRAME_CAPACITY];
        let room = self.room(budget);
        let mut count = 0;
        while count < room {
            let Some(length) = fill(&mut buffer) else { break };
            self.sent.push(buffer[..length].to_vec());
            count += 1;
        }
        self.counters.tx_frames += count as u64;
        self.counters.tx_completed += count as u64;
        self.room -= count;
        self.counters.tx_busy += u64::from(count > 0 && self.room == 0);
        Ok(count)
    }

    fn kick(&mut self) -> io::Result<()> {
        self.room = self.ring;
        Ok(())
    }

    fn in_flight(&self) -> usize {
        0
    }

    fn counters(&self) -> NicCounters {
        self.counters
    }
}
