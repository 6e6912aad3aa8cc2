//! The lane's loop over an adapter in memory: everything but the kernel.

use super::{KEY, LINK, PORTS, Run, US};
use starling::base::time::WallClock;
use starling::base::{Duration, Instant};
use starling::dialogue::Identity;
use starling::lane::{BATCH, step};
use starling::nic::{FRAME_CAPACITY, FrameIo, NicCounters, ProbeFacts, Probes};
use starling::record::checkpoint::Left;
use starling::scan::conversation::Limits;
use starling::scan::engine::{Answers, Config, Engine};
use starling::session::Context;
use starling::targets::Space;
use starling::targets::cidr::AddressSet;
use starling::targets::permute::Permutation;
use starling::targets::ports;
use starling::tls;
use starling::wire::emit::{Outgoing, segment as emit};
use starling::wire::probe::OptionSet;
use starling::wire::{Tuple, flags};
use std::io;
use std::sync::Arc;

/// Takes facts as live frames do, and has hosts that answer every probe with a SYN-ACK and all else with a reset.
struct Memory {
    answers: bool,
    taken: u64,
    last: ProbeFacts,
    waiting: Vec<Vec<u8>>,
    received: Vec<Vec<u8>>,
}

fn field(probe: &ProbeFacts, at: usize) -> u32 {
    u32::from_be_bytes([probe[at], probe[at + 1], probe[at + 2], probe[at + 3]])
}

impl Memory {
    fn hear(&mut self, tuple: Tuple, seq: u32, ack: u32, flags: u8) {
        let mut frame = vec![0; 64];
        let mss = (flags & flags::SYN != 0).then_some(1_460);
        let answer = Outgoing { tuple, seq, ack, flags, window: 65_535, mss, payload: &[], id: 1 };
        let length = emit(&LINK, &answer, &mut frame);
        frame.truncate(length);
        self.waiting.push(frame);
    }
}

impl FrameIo for Memory {
    fn receive(&mut self, sink: &mut impl FnMut(&[u8])) -> io::Result<usize> {
        std::mem::swap(&mut self.waiting, &mut self.received);
        let count = self.received.len();
        self.received.drain(..).for_each(|frame| sink(&frame));
        Ok(count)
    }

    fn transmit(&mut self, budget: usize, fill: &mut impl FnMut(&mut [u8]) -> Option<usize>) -> io::Result<usize> {
        let mut buffer = [0; FRAME_CAPACITY];
        let mut count = 0;
        while count < budget {
            let Some(length) = fill(&mut buffer) else { break };
            count += 1;
            let Ok(segment) = starling::wire::parse::segment(&buffer[..length]) else { continue };
            if !segment.has(flags::RST) {
                let tuple = Tuple {
                    remote: US,
                    local: segment.destination,
                    remote_port: segment.source_port,
                    local_port: segment.destination_port,
                };
                self.hear(tuple, segment.ack, segment.seq, flags::RST | flags::ACK);
            }
        }
        Ok(count)
    }

    fn transmit_probes(&mut self, budget: usize, probes: &mut impl Probes) -> io::Result<usize> {
        let mut places = [ProbeFacts::default(); BATCH];
        let count = probes.fill(&mut places[..budget]);
        for probe in &places[..count] {
            self.last = *probe;
            if self.answers {
                let ports = field(probe, 4);
                let [local_port, remote_port] = [(ports & 0xffff) as u16, (ports >> 16) as u16];
                let tuple = Tuple { remote: US, local: field(probe, 0), remote_port, local_port };
                self.hear(tuple, 7, field(probe, 8).wrapping_add(1), flags::SYN | flags::ACK);
            }
        }
        self.taken += count as u64;
        Ok(count)
    }

    fn kick(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn in_flight(&self) -> usize {
        0
    }

    fn counters(&self) -> NicCounters {
        NicCounters::default()
    }
}

fn engine() -> Engine {
    let addresses = AddressSet::allowed(&[(0, u32::MAX)], &[]);
    let space = Space::new(addresses, ports::parse("smtp").expect("a known name"));
    let permutation = Permutation::new(space.size(), 42);
    let config = Config {
        lane: 0,
        left: Left::of(0..permutation.positions()),
        probes: 1,
        lag: Duration::ZERO,
        space: Arc::new(space),
        permutation,
        key: KEY,
        source: US,
        ports: PORTS,
        link: LINK,
        rate: None,
        cooldown: Duration::from_secs(1),
        connections_max: 10_000,
        answers: Answers::default(),
        options: OptionSet::default(),
        answered: Arc::default(),
        limits: Limits::default(),
        clock: WallClock::default(),
        claims: Arc::default(),
    };
    let identity = Identity { ehlo: "[10.77.0.2]".into(), contact: None };
    Engine::new(config, Context::new(tls::Client::new(tls::Offer::Wide).expect("a client"), identity), Instant::ZERO)
}

fn lane(answers: bool) -> Run {
    let mut engine = engine();
    let mut io = Memory { answers, taken: 0, last: ProbeFacts::default(), waiting: Vec::new(), received: Vec::new() };
    let mut rounds = 0;
    Box::new(move |items| {
        let until = io.taken + items;
        while io.taken < until {
            rounds += 1;
            let now = Instant::from_nanos(rounds * 20_000);
            step(now, &mut io, &mut engine).expect("memory does not fail");
            drop(engine.take_facts());
        }
        assert_ne!(io.last, ProbeFacts::default());
    })
}

/// Nobody answers.
pub(super) fn probes() -> Run {
    lane(false)
}

/// Everybody answers: handshake, reset by the host, row.
pub(super) fn answered_probes() -> Run {
    lane(true)
}
