//! A connection against an independent peer over a bad link in virtual time: every byte arrives both ways, both
//! sides close, and nobody talks for ever.

use super::{IRS, ISS};
use crate::base::{Duration, Instant};
use crate::tcp::connection::{Connection, Ending};
use crate::wire::{Segment, flags};
use std::collections::BTreeMap;

/// A small generator, so that a seed replays a world.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // SplitMix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// A segment on the link, positions instead of sequence numbers.
#[derive(Clone, Debug)]
struct Flying {
    seq: u32,
    ack: u32,
    flags: u8,
    window: u16,
    payload: Vec<u8>,
}

/// A peer as simple as can be: keeps every byte it heard in a map, sends from its lowest unacknowledged byte on after
/// a fixed timeout, closes when it has sent all and heard FIN (or at once, `eager`).
struct Peer {
    stream: Vec<u8>,
    /// Bytes of the stream acknowledged, FIN included.
    acked: usize,
    heard: BTreeMap<u32, u8>,
    heard_all: Vec<u8>,
    fin_at: Option<u32>,
    fin_heard: bool,
    mss: usize,
    window: u16,
    eager: bool,
    resend_at: u64,
    out: Vec<Flying>,
    acks: u32,
}

const PEER_RTO: u64 = 300;

impl Peer {
    fn expects(&self) -> u32 {
        u32::try_from(self.heard_all.len()).expect("short") + u32::from(self.fin_heard)
    }

    fn may_close(&self) -> bool {
        self.eager || self.fin_heard
    }

    fn done(&self) -> bool {
        self.acked == self.stream.len() + 1
    }

    fn send(&mut self, flags: u8, seq: usize, payload: Vec<u8>) {
        self.out.push(Flying {
            seq: IRS.wrapping_add(1).wrapping_add(u32::try_from(seq).expect("short")),
            ack: ISS.wrapping_add(1).wrapping_add(self.expects()),
            flags: flags::ACK | flags,
            window: self.window,
            payload,
        });
    }

    /// Sends up to three segments from the lowest unacknowledged byte on.
    fn pump(&mut self, now: u64) {
        if self.done() || now < self.resend_at {
            return;
        }
        self.resend_at = now + PEER_RTO;
        let mut at = self.acked;
        for _ in 0..3 {
            let end = (at + self.mss).min(self.stream.len());
            let fin = end == self.stream.len() && self.may_close();
            if end > at || fin {
                let payload = self.stream[at..end].to_vec();
                self.send(if fin { flags::FIN } else { 0 }, at, payload);
            }
            at = end;
            if at == self.stream.len() {
                break;
            }
        }
    }

    fn hear(&mut self, now: u64, segment: &Flying) {
        let acked = segment.ack.wrapping_sub(IRS.wrapping_add(1)) as usize;
        if acked > self.acked && acked <= self.stream.len() + 1 {
            self.acked = acked;
            self.resend_at = now;
        }
        let position = segment.seq.wrapping_sub(ISS.wrapping_add(1));
        for (at, byte) in (position..).zip(&segment.payload) {
            // What lies beyond the window is dropped, as a real peer's buffer would.
            if at < self.expects() + u32::from(self.window) {
                self.heard.entry(at).or_insert(*byte);
            }
        }
        let length = u32::try_from(segment.payload.len()).expect("short");
        if segment.flags & flags::FIN != 0 {
            self.fin_at = Some(position.wrapping_add(length));
        }
        while let Some(byte) = self.heard.remove(&u32::try_from(self.heard_all.len()).expect("short")) {
            self.heard_all.push(byte);
        }
        self.heard.retain(|at, _| *at as usize >= self.heard_all.len());
        self.fin_heard |= self.fin_at == Some(u32::try_from(self.heard_all.len()).expect("short"));
        if length > 0 || segment.flags & flags::FIN != 0 {
            self.acks += 1;
            self.send(0, self.acked, Vec::new());
        }
    }
}

/// What a link does to each segment.
#[derive(Clone, Copy, Debug)]
struct Link {
    loss: u64,
    duplication: u64,
    jitter: u64,
}

struct World {
    random: Random,
    link: Link,
    now: u64,
    flying: BTreeMap<(u64, u64), (bool, Flying)>,
    count: u64,
}

impl World {
    fn put(&mut self, to_us: bool, segment: &Flying) {
        let copies =
            u64::from(!self.random.percent(self.link.loss)) + u64::from(self.random.percent(self.link.duplication));
        for _ in 0..copies {
            self.count += 1;
            let at = self.now + 10 + self.random.below(self.link.jitter + 1);
            self.flying.insert((at, self.count), (to_us, segment.clone()));
        }
    }
}

fn at(millis: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(millis)
}

fn received(segment: &Flying) -> Segment<'_> {
    Segment {
        source: 1,
        destination: 2,
        source_port: 25,
        destination_port: 61_000,
        seq: segment.seq,
        ack: segment.ack,
        flags: segment.flags,
        window: segment.window,
        ttl: 64,
        id: 0,
        options: &[2, 4, 1, 0xf4],
        payload: &segment.payload,
    }
}

/// What each side is to say, and how the peer is.
#[derive(Clone, Debug)]
struct Plan {
    seed: u64,
    link: Link,
    ours: usize,
    theirs: usize,
    mss: usize,
    window: u16,
    eager: bool,
}

/// Runs to the end of the connection; how many segments we sent. `None` if we gave up.
fn run(plan: &Plan) -> Option<u32> {
    let mut random = Random(plan.seed);
    let ours: Vec<u8> = (0..plan.ours).map(|_| random.next().to_le_bytes()[0]).collect();
    let theirs: Vec<u8> = (0..plan.theirs).map(|_| random.next().to_le_bytes()[0]).collect();
    let mut world = World { random, link: plan.link, now: 0, flying: BTreeMap::new(), count: 0 };
    let mut peer = Peer {
        stream: theirs.clone(),
        acked: 0,
        heard: BTreeMap::new(),
        heard_all: Vec::new(),
        fin_at: None,
        fin_heard: false,
        mss: plan.mss,
        window: plan.window,
        eager: plan.eager,
        resend_at: 0,
        out: Vec::new(),
        acks: 0,
    };
    let syn_ack = Flying {
        seq: IRS,
        ack: ISS.wrapping_add(1),
        flags: flags::SYN | flags::ACK,
        window: plan.window,
        payload: Vec::new(),
    };
    let mut c = Connection::open(&received(&syn_ack));
    let mut got = Vec::new();
    for part in ours.chunks(1 + plan.ours / 3) {
        c.send(part);
    }
    loop {
        c.handle_timeout(at(world.now));
        while let Some(entry) = world.flying.first_entry().filter(|entry| entry.key().0 <= world.now) {
            let (to_us, segment) = entry.remove();
            if to_us {
                c.handle_segment(at(world.now), &received(&segment));
                got.extend(c.take_received());
            } else {
                peer.hear(world.now, &segment);
            }
        }
        if got.len() == theirs.len() {
            c.close();
        }
        peer.pump(world.now);
        let mut sent = 0;
        while let Some(segment) = c.poll(at(world.now)) {
            sent += 1;
            assert!(sent < 100, "poll comes to an end");
            assert!(segment.payload.len() <= 500, "the peer's MSS is kept");
            if segment.flags & flags::RST != 0 {
                return None;
            }
            let flying = Flying {
                seq: segment.seq,
                ack: segment.ack,
                flags: segment.flags,
                window: segment.window,
                payload: segment.payload.to_vec(),
            };
            world.put(false, &flying);
        }
        for segment in std::mem::take(&mut peer.out) {
            world.put(true, &segment);
        }
        if let Some(ending) = c.ending() {
            assert_eq!(ending, Ending::Closed, "at {}", world.now);
            break;
        }
        world.now += 5;
        assert!(world.now < 600_000, "the connection never ends");
    }
    assert!(got == theirs, "what they said arrives");
    // The last acknowledgements can be lost; everything before is known to have arrived.
    assert!(peer.heard_all == ours && peer.fin_heard, "what we said arrives");
    Some(c.traffic().segments_out)
}

#[test]
fn all_bytes_arrive_over_a_bad_link() {
    let mut given_up = Vec::new();
    for seed in 0..600 {
        let mut random = Random(seed << 32);
        let mut up_to = |bound: u64| usize::try_from(random.below(bound + 1)).expect("small");
        let mss = 1 + up_to(1_459);
        let link = Link { loss: up_to(12) as u64, duplication: up_to(10) as u64, jitter: up_to(60) as u64 };
        let window = 200 + u16::try_from(up_to(7_800)).expect("small");
        let (ours, theirs) = (up_to(4_000), up_to(12_000).min(mss * 60));
        let plan = Plan { seed, link, ours, theirs, mss, window, eager: seed % 2 == 0 };
        let Some(sent) = run(&plan) else {
            given_up.push(seed);
            continue;
        };
        // Data in the smallest parts that the window makes, an ACK per segment of theirs, all of it several times.
        let fair = 40 + ours / 100 + theirs / mss;
        assert!((sent as usize) < 4 * fair, "{sent} segments for {fair}: {plan:?}");
    }
    // Six losses in a row of the same bytes, or of the peer's FIN, happen.
    assert!(given_up.len() <= 3, "{given_up:?}");
}

#[test]
fn a_clean_link_needs_no_segment_twice() {
    let link = Link { loss: 0, duplication: 0, jitter: 0 };
    let plan = Plan { seed: 1, link, ours: 2_000, theirs: 5_000, mss: 1_000, window: 8_000, eager: false };
    // Four of data, FIN, the first ACK; their five segments come in two flights.
    assert!(run(&plan).is_some_and(|sent| sent <= 4 + 1 + 1 + 5), "{:?}", run(&plan));
}

#[test]
fn two_connections_that_find_fault_with_each_other_fall_silent() {
    // Both believe in streams the other knows nothing of, so every acknowledgement is answered by one.
    let syn_ack = |seq, ack| Flying { seq, ack, flags: flags::SYN | flags::ACK, window: 9_000, payload: Vec::new() };
    let mut sides =
        [Connection::open(&received(&syn_ack(100, 5_000_000))), Connection::open(&received(&syn_ack(9_000, 77)))];
    let mut sent = [0; 2];
    for millis in 0..90_000 {
        for side in 0..2 {
            let mut out = Vec::new();
            while let Some(s) = sides[side].poll(at(millis)) {
                let payload = s.payload.to_vec();
                out.push(Flying { seq: s.seq, ack: s.ack, flags: s.flags, window: s.window, payload });
            }
            sent[side] += out.len();
            for segment in out {
                sides[1 - side].handle_segment(at(millis), &received(&segment));
            }
        }
    }
    // Ten at once, then two a second at most.
    assert!(sent.iter().all(|sent| *sent <= 1 + 10 + 180), "{sent:?}");
}

#[test]
fn a_peer_that_echoes_every_acknowledgement_is_not_answered_for_ever() {
    let syn_ack = Flying { seq: 1, ack: 2, flags: flags::SYN | flags::ACK, window: 9_000, payload: Vec::new() };
    let mut c = Connection::open(&received(&syn_ack));
    for kind in [flags::ACK, flags::SYN | flags::ACK, flags::RST] {
        let mut sent = 0;
        for millis in 0..10_000 {
            // An old one, one that acknowledges too much, one beyond the window.
            for (seq, ack) in [(1, 2), (2, 50), (1_000_000, 2)] {
                let echo = Flying { seq, ack, flags: kind, window: 9_000, payload: Vec::new() };
                c.handle_segment(at(millis), &received(&echo));
            }
            while c.poll(at(millis)).is_some() {
                sent += 1;
            }
        }
        assert!(sent <= 10 + 20 + 1, "{sent}");
    }
}
