//! Target `engine`: a whole `scan::engine::Engine` sweeps up to sixteen addresses on four ports over a link that the
//! input spoils: it drops, repeats, delays and alters frames both ways, injects its own, jumps in time, holds the
//! writer, stops and interrupts. Hosts are of the kinds in [`Kind`]; the honest ones speak their protocol, with a
//! real TLS server inside. What the input does not decide goes well.
//!
//! Asserted at every step: the ledger adds up; no more connections are open than allowed, and one at a time to an
//! address; every frame sent is a whole segment of ours to a target (a RST also to who provoked it); the engine does
//! not ask to be called at once without end. At the end, which comes within [`PATIENCE`]: every target was probed,
//! once (and asked again only as the ledger tells, with the same SYN); one row for each connection and one host for
//! each answer, none twice; in an unspoilt world every honest server is found and its conversation complete.

use super::input::Input;
use super::tls::{answer, server};
use rustls::ServerConnection;
use starling::base::keyed::Key;
use starling::base::time::WallClock;
use starling::base::{Duration, Instant};
use starling::dialogue::Identity;
use starling::record::Fact;
use starling::record::checkpoint::Left;
use starling::scan::conversation::Limits;
use starling::scan::engine::{Answers, Config, Engine};
use starling::session::Context;
use starling::targets::Space;
use starling::targets::cidr::AddressSet;
use starling::targets::permute::Permutation;
use starling::targets::ports::{Protocol, Service};
use starling::tcp::cookie::{PortRange, cookie};
use starling::tls::{Client, Offer};
use starling::wire::emit::{Outgoing, segment as emit};
use starling::wire::parse::segment as parse;
use starling::wire::probe::OptionSet;
use starling::wire::{Link, Segment, Tuple, flags};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::sync::Arc;

/// How long a run may take: the total deadline for each target in turn, the sweep, and what waits in the link.
pub const PATIENCE: Duration = Duration::from_secs(64 * 95 + 300);

const US: u32 = 0x0a4d_0002;
const NET: u32 = 0xc612_0000;
const PORTS: PortRange = PortRange { first: 61_000, last: 61_999 };
const KEY: Key = Key([3, 5]);
const LINK: Link = Link { source: [2, 0, 0, 0, 0, 2], destination: [2, 0, 0, 0, 0, 1] };
const MILLISECOND: Duration = Duration::from_millis(1);
/// Repetitions of a SYN to one target, and of a host's segment.
const ASKED_MAX: u32 = 3;
/// Connections to a target: one a rung.
const RUNGS: u64 = 3;
const REPEATED_MAX: u8 = 4;
const HOST_MSS: usize = 1_000;
/// For how long the engine is not asked at most, in milliseconds.
const JUMP_MAX: u64 = 10_000;

/// What a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Nobody.
    Nobody,
    /// An honest server: no STARTTLS, or TLS 1.2 where that comes first.
    Plain,
    /// An honest server with STARTTLS, or TLS 1.3.
    Secure,
    /// Repeats its SYN-ACK, and hears nothing.
    Silent,
    /// Refuses the SYN.
    Closed,
    /// Resets at the first data.
    Resets,
    /// One byte every now and then.
    Drips,
    /// Data without end.
    Floods,
    /// Greets and closes.
    Leaves,
    /// Announces no window.
    NoWindow,
    /// Greets with whatever the input says.
    Alien,
    /// Acknowledges too much first, and is honest then.
    Confused,
}

const KINDS: [Kind; 12] = [
    Kind::Secure,
    Kind::Plain,
    Kind::Silent,
    Kind::Nobody,
    Kind::Closed,
    Kind::Resets,
    Kind::Drips,
    Kind::Floods,
    Kind::Leaves,
    Kind::NoWindow,
    Kind::Alien,
    Kind::Confused,
];

/// Address and port.
type Target = (u32, u16);

/// What happens when.
enum Event {
    /// A frame reaches the engine.
    Arrives(Vec<u8>),
    /// A host's retransmission timer, and how often it was set: for its SYN-ACK, for its data.
    Answers(Target, u8),
    Repeats(Target, u8),
    /// A host drips.
    Drips(Target),
}

/// The server's end of a connection.
struct Host {
    tuple: Tuple,
    /// Next sequence number of ours that it expects.
    expects: u32,
    /// Next one of its own; what of its own is not acknowledged.
    next: u32,
    unacknowledged: Vec<u8>,
    line: Vec<u8>,
    tls: Option<ServerConnection>,
    inside: bool,
    /// The handshake is complete; it has sent FIN.
    established: bool,
    closed: bool,
}

struct World<'a> {
    input: Input<'a>,
    engine: Engine,
    now: Instant,
    connections_max: u64,
    kinds: [u8; 8],
    /// In order of time, then of making.
    events: BTreeMap<(Instant, u64), Event>,
    made: u64,
    hosts: BTreeMap<Target, Host>,
    /// SYNs by target: how many, and from which port with which number.
    syns: BTreeMap<Target, (u32, u16, u32)>,
    /// Who sent us a frame of the input's making.
    provoked: BTreeSet<u32>,
    /// Targets with segments sent and no row yet.
    talking: BTreeSet<Target>,
    /// Outcome of the last row, and how many there are.
    rows: BTreeMap<Target, (&'static str, u64)>,
    found: BTreeSet<Target>,
    /// The input changed something; the sweep was ended early.
    spoilt: bool,
    ended_early: bool,
}

/// The body.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (addresses, connections, rate, seed) = (input.u8(), input.u8(), input.u8(), input.u8());
    let mut kinds = [0; 8];
    let given = input.bytes(8);
    kinds[..given.len()].copy_from_slice(given);
    let addresses = 1 + u32::from(addresses % 16);
    let connections_max = 4 + usize::from(connections % 32);
    let rate = (rate > 0).then(|| f64::from(rate) * 20.0);
    let engine = Engine::new(config(addresses, connections_max, rate, seed), context(), Instant::ZERO);
    let world = World {
        input,
        engine,
        now: Instant::ZERO,
        connections_max: connections_max as u64,
        kinds,
        events: BTreeMap::new(),
        made: 0,
        hosts: BTreeMap::new(),
        syns: BTreeMap::new(),
        provoked: BTreeSet::new(),
        talking: BTreeSet::new(),
        rows: BTreeMap::new(),
        found: BTreeSet::new(),
        spoilt: false,
        ended_early: false,
    };
    world.run(addresses);
}

/// Both ways to TLS, and nothing said.
const SPOKEN: &[Protocol] = &[Protocol::Smtp, Protocol::Imap, Protocol::Imaps, Protocol::Https];

fn context() -> Context {
    thread_local! {
        static CLIENT: Client = Client::new(Offer::Wide).expect("a client");
    }
    CLIENT.with(|client| Context::new(client.clone(), Identity { ehlo: "[10.77.0.2]".to_owned(), contact: None }))
}

fn config(addresses: u32, connections_max: usize, rate: Option<f64>, seed: u8) -> Config {
    let services = SPOKEN.iter().map(|&protocol| Service { port: protocol.port(), protocol });
    let space = Space::new(AddressSet::new(vec![(NET, NET + addresses - 1)]), services.collect());
    let permutation = Permutation::new(space.size(), seed.into());
    Config {
        lane: 0,
        left: Left::of(0..permutation.positions()),
        probes: 1,
        lag: Duration::ZERO,
        space: Arc::new(space),
        permutation,
        key: KEY,
        source: US,
        ports: PORTS,
        link: Link { source: LINK.destination, destination: LINK.source },
        rate,
        cooldown: Duration::from_secs(8),
        connections_max,
        limits: Limits::default(),
        clock: WallClock::default(),
        claims: Arc::default(),
        answers: Answers::default(),
        answered: Arc::default(),
        options: OptionSet::default(),
    }
}

impl World<'_> {
    fn run(mut self, addresses: u32) {
        while !self.engine.finished(self.now) {
            assert!(self.now - Instant::ZERO < PATIENCE, "still {} open at {:?}", self.engine.open(), self.now);
            self.interfere();
            // Room that one connection leaves may be another's at once, but not without end.
            for round in 0.. {
                assert!(round < 32, "wants to be asked again and again at {:?}", self.now);
                self.engine.handle_timeout(self.now);
                self.listen();
                if self.engine.next_timeout(self.now) > self.now || self.engine.finished(self.now) {
                    break;
                }
            }
            self.settle();
            self.advance();
        }
        self.finish(addresses);
    }

    /// To when something happens next.
    fn advance(&mut self) {
        let event = self.events.first_key_value().map_or(Instant::FAR_FUTURE, |((at, _), _)| *at);
        // A world left to itself need not be watched closely: a late call is one of the things that happen.
        let least = if self.input.is_empty() { 50 * MILLISECOND } else { MILLISECOND };
        let next = self.engine.next_timeout(self.now).max(self.now + least);
        self.now = next.min(event).min(self.now + Duration::from_secs(1)).max(self.now);
        while let Some(entry) = self.events.first_entry().filter(|entry| entry.key().0 <= self.now) {
            match entry.remove() {
                Event::Arrives(frame) => self.engine.handle_frame(self.now, &frame),
                Event::Answers(target, times) => self.repeat_answer(target, times),
                Event::Repeats(target, times) => self.repeat(target, times),
                Event::Drips(target) => self.drip(target),
            }
        }
    }

    /// What the input does besides spoiling frames.
    fn interfere(&mut self) {
        if self.input.is_empty() {
            self.engine.set_writer_behind(false);
            return;
        }
        let what = self.input.u8();
        self.spoilt |= what >= 0xc0;
        match what {
            0xff => {
                self.engine.interrupt();
                self.ended_early = true;
            }
            0xfe => {
                self.engine.stop(self.now);
                self.ended_early = true;
            }
            0xfd | 0xfc => self.engine.set_writer_behind(what == 0xfd),
            0xf0..=0xfb => {
                let length = usize::from(self.input.u8());
                let frame = self.input.bytes(length).to_vec();
                self.inject(frame);
            }
            0xd0..=0xef => self.forge(),
            0xc0..=0xcf => self.now += Duration::from_millis(u64::from(self.input.u16()) % JUMP_MAX),
            _ => {}
        }
    }

    fn inject(&mut self, frame: Vec<u8>) {
        if let Ok(segment) = parse(&frame) {
            self.provoked.insert(segment.source);
        }
        self.engine.handle_frame(self.now, &frame);
    }

    /// A segment from a target that was probed, with any flags and numbers around the right ones.
    fn forge(&mut self) {
        let (who, flags, seq, ack, length) =
            (self.input.u8(), self.input.u8(), self.input.u8(), self.input.u8(), self.input.u8());
        let Some((&(address, port), &(_, source_port, cookie))) =
            self.syns.iter().nth(usize::from(who) % self.syns.len().max(1))
        else {
            return;
        };
        let tuple = Tuple { remote: US, local: address, remote_port: source_port, local_port: port };
        let next = self.hosts.get(&(address, port)).map_or(0, |host| host.next);
        let payload = vec![b'2'; usize::from(length) * 4];
        let outgoing = Outgoing {
            tuple,
            seq: next.wrapping_add_signed(i32::from(seq.cast_signed())),
            ack: cookie.wrapping_add(1).wrapping_add(u32::from(ack)),
            flags,
            window: u16::from(length) << 4,
            mss: None,
            payload: &payload,
            id: 1,
        };
        self.provoked.insert(address);
        let frame = written(&outgoing);
        self.engine.handle_frame(self.now, &frame);
    }

    /// Takes what the engine sends.
    fn listen(&mut self) {
        let mut buffer = [0; 1_518];
        for count in 0.. {
            assert!(count < 2_000, "the engine does not stop sending");
            let Some(length) = self.engine.poll_frame(self.now, &mut buffer) else { return };
            let frame = buffer[..length].to_vec();
            let segment = parse(&frame).expect("we send well-formed frames");
            assert_eq!(segment.source, US);
            assert!(PORTS.contains(segment.source_port));
            // Whose row is written is over, and the next one may speak already.
            self.gather();
            self.note(&segment);
            let target = (segment.destination, segment.destination_port);
            // SYNs arrive: a lost one is a host of kind `Nobody`.
            if segment.flags == flags::SYN {
                self.called(target, &segment);
            } else {
                for frame in self.spoil(frame).into_iter().map(|(frame, _)| frame) {
                    if let Ok(segment) = parse(&frame) {
                        self.heard(target, &segment);
                    }
                }
            }
        }
    }

    /// Holds a segment of ours against the rules.
    fn note(&mut self, segment: &Segment<'_>) {
        let target = (segment.destination, segment.destination_port);
        let known = SPOKEN.iter().any(|protocol| protocol.port() == target.1);
        if segment.flags == flags::SYN {
            assert!(known && (NET..NET + 16).contains(&target.0), "{target:x?} is no target");
            let first = (0, segment.source_port, segment.seq);
            let (count, port, seq) = self.syns.entry(target).or_insert(first);
            *count += 1;
            assert_eq!((*port, *seq), (segment.source_port, segment.seq), "another SYN to {target:x?}");
            assert!(*count <= 1 + ASKED_MAX * u32::try_from(RUNGS).expect("few"), "{count} SYNs to {target:x?}");
        } else if !self.syns.contains_key(&target) {
            let provoked = segment.has(flags::RST) && self.provoked.contains(&target.0);
            assert!(provoked && segment.payload.is_empty(), "{segment:?} to nobody we called");
        } else if !segment.has(flags::RST) {
            self.talking.insert(target);
            let same_address = self.talking.range((target.0, 0)..=(target.0, u16::MAX)).count();
            assert!(same_address <= 1, "{same_address} connections to {:x}", target.0);
            let rows = self.rows.get(&target).map_or(0, |(_, rows)| *rows);
            assert!(rows < RUNGS, "{segment:?} after the last row");
        }
    }

    fn settle(&mut self) {
        self.gather();
        assert_eq!(self.engine.check(), Ok(()));
        assert!(self.engine.open() <= self.connections_max, "{} open", self.engine.open());
    }

    /// Takes the rows.
    fn gather(&mut self) {
        for fact in self.engine.take_facts() {
            match fact {
                Fact::Host(host) => assert!(self.found.insert((host.ip, host.port)), "{host:?} again"),
                Fact::Answer(answer) => panic!("not asked for: {answer:?}"),
                Fact::Handshake(row, chain) => {
                    let target = (row.ip, row.port);
                    self.talking.remove(&target);
                    assert!(row.duration_us <= (95_000 + JUMP_MAX) * 1_000, "{row:?}");
                    assert!(row.bytes_in <= 512 * 1024 && row.bytes_out <= 16 * 1024, "{row:?}");
                    assert!(chain.len() as u64 <= row.bytes_in);
                    let (outcome, rows) = self.rows.entry(target).or_default();
                    *rows += 1;
                    *outcome = row.outcome;
                    assert!(*rows <= RUNGS, "{row:?} again");
                }
                Fact::Checkpoint(checkpoint) => assert!(checkpoint.left.again.len() <= self.found.len()),
            }
        }
    }

    fn finish(mut self, addresses: u32) {
        self.settle();
        let targets = u64::from(addresses) * 4;
        let ledger = self.engine.ledger();
        let syns: u64 = self.syns.values().map(|(count, _, _)| u64::from(*count)).sum();
        assert_eq!(syns, ledger.probes + ledger.asked_again);
        assert_eq!(ledger.probes, self.syns.len() as u64);
        assert!(self.ended_early || ledger.probes == targets, "{} of {targets} probed", ledger.probes);
        let rows: u64 = self.rows.values().map(|(_, rows)| *rows).sum();
        assert_eq!((rows, self.found.len() as u64), (ledger.opened, ledger.answers));
        assert_eq!((self.engine.open(), self.engine.waiting()), (0, 0));
        // A full table loses answers; their hosts repeat them, though not forever.
        if self.spoilt || ledger.no_room > 0 {
            return;
        }
        assert_eq!((ledger.turns_lost, ledger.strays, ledger.malformed, ledger.bad_checksum), (0, 0, 0, 0));
        for (target, (count, ..)) in &self.syns {
            let outcome = self.rows.get(target).map(|(outcome, _)| *outcome);
            let kind = self.kind(*target);
            match kind {
                Kind::Secure | Kind::Plain | Kind::Confused => {
                    assert!(matches!(outcome, Some("complete" | "no_starttls")), "{target:x?} {kind:?}: {outcome:?}");
                }
                Kind::Nobody | Kind::Closed => assert_eq!((outcome, *count), (None, 1)),
                _ => assert!(outcome.is_some(), "{target:x?} {kind:?} has no row"),
            }
        }
    }

    fn kind(&self, (address, port): Target) -> Kind {
        let index = usize::from(port) + address as usize * 3;
        KINDS[usize::from(self.kinds[index % self.kinds.len()]) % KINDS.len()]
    }

    /// What the link makes of a frame: copies, and when each arrives.
    fn spoil(&mut self, frame: Vec<u8>) -> Vec<(Vec<u8>, Duration)> {
        let fate = self.input.u8();
        self.spoilt |= fate >= 0x80;
        match fate {
            0..0x80 => vec![(frame, MILLISECOND)],
            0x80..0xa0 => vec![],
            0xa0..0xb8 => vec![(frame.clone(), MILLISECOND), (frame, 3 * MILLISECOND)],
            0xb8..0xd8 => {
                let delay = u32::from(self.input.u8()) * 20 * MILLISECOND;
                vec![(frame, delay)]
            }
            _ => vec![(self.altered(frame), MILLISECOND)],
        }
    }

    /// A byte of the segment is another, and the checksum right nevertheless.
    fn altered(&mut self, mut frame: Vec<u8>) -> Vec<u8> {
        let (at, by) = (usize::from(self.input.u16()), self.input.u8());
        let Ok(segment) = parse(&frame) else { return frame };
        let mut payload = segment.payload.to_vec();
        let mut seq = segment.seq;
        let mut ack = segment.ack;
        let (mut flags, mut window) = (segment.flags, segment.window);
        match at % 8 {
            0 => seq = seq.wrapping_add(by.into()),
            1 => seq = seq.wrapping_sub(by.into()),
            2 => ack = ack.wrapping_add(by.into()),
            3 => flags ^= by,
            4 => window = by.into(),
            5 => payload.truncate(by.into()),
            6 => payload.extend(vec![by; usize::from(by)]),
            _ if payload.is_empty() => {}
            _ => {
                let at = at % payload.len();
                payload[at] ^= by;
            }
        }
        payload.truncate(1_460);
        let tuple = Tuple {
            remote: segment.destination,
            local: segment.source,
            remote_port: segment.destination_port,
            local_port: segment.source_port,
        };
        frame = written(&Outgoing { tuple, seq, ack, flags, window, mss: segment.mss(), payload: &payload, id: 1 });
        frame
    }

    fn at(&mut self, delay: Duration, event: Event) {
        self.made += 1;
        self.events.insert((self.now + delay, self.made), event);
    }

    /// A host sends.
    fn send(&mut self, tuple: Tuple, seq: u32, ack: u32, flags: u8, window: u16, payload: &[u8]) {
        let mss = (flags & flags::SYN != 0).then_some(1_000);
        let frame = written(&Outgoing { tuple, seq, ack, flags, window, mss, payload, id: 1 });
        for (frame, delay) in self.spoil(frame) {
            self.at(delay, Event::Arrives(frame));
        }
    }

    /// A SYN reaches a target.
    fn called(&mut self, target: Target, syn: &Segment<'_>) {
        let kind = self.kind(target);
        let tuple = reversed(syn);
        let isn = cookie(Key([9, 9]), tuple);
        let expects = syn.seq.wrapping_add(1);
        let syn_ack = flags::SYN | flags::ACK;
        match kind {
            Kind::Nobody => return,
            Kind::Closed => return self.send(tuple, 0, expects, flags::RST | flags::ACK, 0, &[]),
            Kind::Confused => self.send(tuple, isn, expects.wrapping_add(1), syn_ack, 9_000, &[]),
            _ => {}
        }
        let secure = kind == Kind::Secure;
        let direct = matches!(target.1, 443 | 993);
        let version = if secure { &rustls::version::TLS13 } else { &rustls::version::TLS12 };
        let host = Host {
            tuple,
            expects,
            next: isn.wrapping_add(1),
            unacknowledged: Vec::new(),
            line: Vec::new(),
            tls: direct.then(|| server(version)),
            inside: direct,
            established: false,
            closed: false,
        };
        self.hosts.insert(target, host);
        self.repeat_answer(target, 1);
    }

    /// The first segment behind our SYN has come.
    fn established(&mut self, target: Target, kind: Kind) {
        match kind {
            Kind::Drips => self.at(300 * MILLISECOND, Event::Drips(target)),
            Kind::Alien => {
                let length = usize::from(self.input.u8());
                let mut text = self.input.bytes(length).to_vec();
                text.push(b'\n');
                self.say(target, &text);
            }
            Kind::Leaves => {
                self.say(target, greeting(target.1).as_bytes());
                self.leave(target);
            }
            Kind::Floods => self.say(target, &[b'x'; 4 * HOST_MSS]),
            Kind::Silent => {}
            _ => self.greet(target),
        }
    }

    fn greet(&mut self, target: Target) {
        let text = greeting(target.1).as_bytes();
        match self.hosts.get_mut(&target).and_then(|host| host.tls.as_mut()) {
            // Sent when the handshake is done.
            Some(tls) => drop(tls.writer().write_all(text)),
            None => self.say(target, text),
        }
    }

    /// Data of a host, to be repeated until acknowledged.
    fn say(&mut self, target: Target, bytes: &[u8]) {
        let Some(host) = self.hosts.get_mut(&target).filter(|host| !host.closed && !bytes.is_empty()) else { return };
        let (tuple, mut seq, ack) = (host.tuple, host.next, host.expects);
        let timer = host.unacknowledged.is_empty();
        host.unacknowledged.extend_from_slice(bytes);
        host.next = host.next.wrapping_add(length_of(bytes));
        for part in bytes.chunks(HOST_MSS) {
            self.send(tuple, seq, ack, flags::ACK | flags::PSH, 9_000, part);
            seq = seq.wrapping_add(length_of(part));
        }
        if timer {
            self.at(Duration::from_secs(1), Event::Repeats(target, 1));
        }
    }

    fn leave(&mut self, target: Target) {
        let Some(host) = self.hosts.get_mut(&target).filter(|host| !host.closed) else { return };
        host.closed = true;
        let (tuple, seq, ack) = (host.tuple, host.next, host.expects);
        host.next = host.next.wrapping_add(1);
        self.send(tuple, seq, ack, flags::ACK | flags::FIN, 9_000, &[]);
    }

    fn repeat_answer(&mut self, target: Target, times: u8) {
        let window = if self.kind(target) == Kind::NoWindow { 0 } else { 9_000 };
        let Some(host) = self.hosts.get(&target).filter(|host| !host.established) else { return };
        let (tuple, isn, ack) = (host.tuple, host.next.wrapping_sub(1), host.expects);
        self.send(tuple, isn, ack, flags::SYN | flags::ACK, window, &[]);
        if times <= REPEATED_MAX {
            self.at(Duration::from_secs(1 << (times - 1)), Event::Answers(target, times + 1));
        }
    }

    fn repeat(&mut self, target: Target, times: u8) {
        let Some(host) = self.hosts.get(&target).filter(|host| !host.unacknowledged.is_empty()) else { return };
        let (tuple, ack) = (host.tuple, host.expects);
        let fin = u32::from(host.closed);
        let seq = host.next.wrapping_sub(fin).wrapping_sub(length_of(&host.unacknowledged));
        let part = host.unacknowledged[..host.unacknowledged.len().min(HOST_MSS)].to_vec();
        self.send(tuple, seq, ack, flags::ACK | flags::PSH, 9_000, &part);
        if times < REPEATED_MAX {
            self.at(Duration::from_secs(1 << times), Event::Repeats(target, times + 1));
        }
    }

    fn drip(&mut self, target: Target) {
        if self.hosts.contains_key(&target) {
            self.say(target, b"2");
            self.at(700 * MILLISECOND, Event::Drips(target));
        }
    }

    /// A segment reaches a host.
    fn heard(&mut self, target: Target, segment: &Segment<'_>) {
        let kind = self.kind(target);
        if segment.has(flags::RST) {
            self.hosts.remove(&target);
            return;
        }
        let Some(host) = self.hosts.get_mut(&target) else { return };
        let tuple = host.tuple;
        if kind == Kind::Silent {
            return;
        }
        if !std::mem::replace(&mut host.established, true) {
            self.established(target, kind);
        }
        let Some(host) = self.hosts.get_mut(&target) else { return };
        if kind == Kind::Resets && !segment.payload.is_empty() {
            let (seq, ack) = (host.next, host.expects);
            self.hosts.remove(&target);
            return self.send(tuple, seq, ack, flags::RST | flags::ACK, 0, &[]);
        }
        let left = host.next.wrapping_sub(segment.ack) as usize;
        if left <= host.unacknowledged.len() {
            host.unacknowledged.drain(..host.unacknowledged.len() - left);
        }
        let mut said = Vec::new();
        if segment.seq == host.expects {
            host.expects = host.expects.wrapping_add(length_of(segment.payload));
            said = host.answer(segment.payload, target.1, kind);
            if segment.has(flags::FIN) {
                host.expects = host.expects.wrapping_add(1);
            }
        }
        if kind == Kind::Floods {
            said = vec![b'x'; 2 * HOST_MSS];
        }
        if kind != Kind::NoWindow && !said.is_empty() {
            self.say(target, &said);
        } else if !segment.payload.is_empty() || segment.has(flags::FIN) {
            let (seq, ack) = (host.next, host.expects);
            let window = if kind == Kind::NoWindow { 0 } else { 9_000 };
            self.send(tuple, seq, ack, flags::ACK, window, &[]);
        }
        if segment.has(flags::FIN) {
            self.leave(target);
        }
    }
}

impl Host {
    /// What it says to bytes of ours.
    fn answer(&mut self, bytes: &[u8], port: u16, kind: Kind) -> Vec<u8> {
        let Some(mut tls) = self.tls.take() else {
            let (text, upgrade) = self.lines(bytes, port, kind);
            if upgrade {
                self.tls = Some(server(&rustls::version::TLS13));
                self.inside = true;
            }
            return text;
        };
        let mut out = answer(&mut tls, bytes);
        let mut plain = Vec::new();
        let _ = tls.reader().read_to_end(&mut plain);
        let (text, _) = self.lines(&plain, port, kind);
        // After an error nothing more is written.
        let _ = tls.writer().write_all(&text);
        out.extend(answer(&mut tls, &[]));
        self.tls = Some(tls);
        out
    }

    fn lines(&mut self, bytes: &[u8], port: u16, kind: Kind) -> (Vec<u8>, bool) {
        let mut said = String::new();
        let mut upgrade = false;
        for byte in bytes {
            self.line.push(*byte);
            if *byte == b'\n' || self.line.len() > 1_000 {
                let line = String::from_utf8_lossy(&self.line).trim_end().to_owned();
                self.line.clear();
                let offers = kind == Kind::Secure && !self.inside;
                upgrade |= offers && line.contains("STARTTLS");
                said += &reply(port, &line, offers);
            }
        }
        (said.into_bytes(), upgrade)
    }
}

fn greeting(port: u16) -> &'static str {
    match port {
        25 => "220 mx.example ESMTP\r\n",
        143 | 993 => "* OK ready\r\n",
        _ => "",
    }
}

/// An honest server's reply.
fn reply(port: u16, line: &str, offers: bool) -> String {
    if port == 25 {
        let list = if offers { "250-mx.example\r\n250 STARTTLS\r\n" } else { "250-mx.example\r\n250 AUTH PLAIN\r\n" };
        return match line.get(..4) {
            Some("EHLO") => list.to_owned(),
            Some("STAR") if offers => "220 go\r\n".to_owned(),
            Some("QUIT") => "221 bye\r\n".to_owned(),
            _ => "500 what?\r\n".to_owned(),
        };
    }
    let (tag, verb) = line.split_once(' ').unwrap_or(("*", line));
    match verb {
        "CAPABILITY" => {
            let more = if offers { " STARTTLS" } else { "" };
            format!("* CAPABILITY IMAP4rev1{more}\r\n{tag} OK\r\n")
        }
        "STARTTLS" if offers => format!("{tag} OK go\r\n"),
        "LOGOUT" => format!("* BYE\r\n{tag} OK\r\n"),
        _ => format!("{tag} BAD\r\n"),
    }
}

fn reversed(segment: &Segment<'_>) -> Tuple {
    Tuple {
        remote: segment.source,
        local: segment.destination,
        remote_port: segment.source_port,
        local_port: segment.destination_port,
    }
}

fn written(outgoing: &Outgoing<'_>) -> Vec<u8> {
    let mut buffer = [0; 1_518];
    let length = emit(&LINK, outgoing, &mut buffer);
    buffer[..length].to_vec()
}

fn length_of(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("short")
}
