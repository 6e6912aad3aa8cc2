//! The engine against a small world of scripted hosts: a perfect link, time in steps of a millisecond.

use super::*;
use crate::dialogue::Identity;
use crate::targets::cidr::AddressSet;
use crate::targets::ports::Service;
use crate::tls;
use std::collections::BTreeMap;

const US: u32 = 0x0a4d_0002;
const NET: u32 = 0xc612_0000;
const ISS: u32 = 0xffff_fff0;

fn config(addresses: u32, rate: Option<f64>) -> Config {
    let set = AddressSet::new(vec![(NET, NET + addresses - 1)]);
    let space = Space::new(set, vec![Service { port: 25, protocol: Protocol::Smtp }]);
    let permutation = Permutation::new(space.size(), 7);
    Config {
        positions: 0..permutation.positions(),
        space: Arc::new(space),
        permutation,
        targets_max: u64::MAX,
        key: Key([1, 2]),
        source: US,
        ports: PortRange { first: 61_000, last: 61_999 },
        link: Link { source: [2, 0, 0, 0, 0, 1], destination: [2, 0, 0, 0, 0, 2] },
        rate,
        cooldown: Duration::from_secs(1),
        connections_max: 1_000,
        limits: Limits::default(),
        clock: WallClock::default(),
        claims: Arc::default(),
    }
}

fn engine(config: Config) -> Engine {
    let identity = Identity { ehlo: "[10.77.0.2]".into() };
    Engine::new(config, Context::new(tls::Client::new().expect("a client"), identity), Instant::ZERO)
}

/// What a host does with a line (`None`: it was just connected to). An empty answer is silence.
type Script = fn(Option<&str>) -> &'static str;

#[derive(Default)]
struct Host {
    /// Next sequence number of ours that the host expects, and its own next one.
    expects: u32,
    next: u32,
    said: Vec<String>,
    closed: bool,
}

/// Hosts by address, each with a script.
struct World {
    engine: Engine,
    scripts: BTreeMap<u32, Script>,
    hosts: BTreeMap<u32, Host>,
    probed: BTreeMap<u32, u32>,
    resets: u32,
    now: u64,
    facts: Vec<Fact>,
}

impl World {
    fn new(config: Config, scripts: &[(u32, Script)]) -> Self {
        Self {
            engine: engine(config),
            scripts: scripts.iter().map(|(host, script)| (NET + host, *script)).collect(),
            hosts: BTreeMap::new(),
            probed: BTreeMap::new(),
            resets: 0,
            now: 0,
            facts: Vec::new(),
        }
    }

    fn instant(&self) -> Instant {
        Instant::from_nanos(self.now * 1_000_000)
    }

    fn step(&mut self) {
        self.engine.handle_timeout(self.instant());
        let mut buffer = [0; 1_518];
        while let Some(length) = self.engine.poll_frame(self.instant(), &mut buffer) {
            let frame = buffer[..length].to_vec();
            self.deliver(&frame);
        }
        self.facts.extend(self.engine.take_facts());
        assert_eq!(self.engine.check(), Ok(()));
        self.now += 1;
    }

    fn run(&mut self) {
        while !self.engine.finished(self.instant()) {
            assert!(self.now < 200_000, "the world does not come to rest");
            self.step();
        }
    }

    fn deliver(&mut self, frame: &[u8]) {
        let segment = parse(frame).expect("we emit well-formed frames");
        let address = segment.destination;
        if segment.flags == flags::SYN {
            *self.probed.entry(address).or_default() += 1;
        }
        if segment.has(flags::RST) {
            self.resets += 1;
            return;
        }
        let Some(script) = self.scripts.get(&address).copied() else { return };
        let host = self.hosts.entry(address).or_default();
        if segment.has(flags::SYN) {
            *host = Host { expects: segment.seq.wrapping_add(1), next: ISS.wrapping_add(1), ..Host::default() };
            let answer = host_says(&segment, ISS, host.expects, flags::SYN | flags::ACK, &[]);
            self.engine.handle_frame(self.instant(), &answer);
            return self.say(&segment, script(None));
        }
        if segment.seq != host.expects || (segment.payload.is_empty() && !segment.has(flags::FIN)) {
            return;
        }
        host.expects = host.expects.wrapping_add(u32::try_from(segment.payload.len()).expect("small"));
        let mut reply = "";
        if !segment.payload.is_empty() {
            let line = String::from_utf8_lossy(segment.payload).trim_end().to_owned();
            reply = script(Some(&line));
            host.said.push(line);
        }
        if segment.has(flags::FIN) {
            host.expects = host.expects.wrapping_add(1);
            host.closed = true;
            let (next, expects) = (host.next, host.expects);
            host.next = next.wrapping_add(1);
            let fin = host_says(&segment, next, expects, flags::FIN | flags::ACK, &[]);
            return self.engine.handle_frame(self.instant(), &fin);
        }
        self.say(&segment, reply);
    }

    fn say(&mut self, to: &Segment<'_>, text: &str) {
        let host = self.hosts.get_mut(&to.destination).expect("a host speaks");
        if !text.is_empty() {
            let frame = host_says(to, host.next, host.expects, flags::ACK | flags::PSH, text.as_bytes());
            host.next = host.next.wrapping_add(u32::try_from(text.len()).expect("small"));
            let now = self.instant();
            self.engine.handle_frame(now, &frame);
        }
    }

    fn rows(&self) -> Vec<&crate::record::row::Handshake> {
        let rows = self.facts.iter().filter_map(|fact| match fact {
            Fact::Handshake(row, _) => Some(&**row),
            Fact::Host(_) => None,
        });
        rows.collect()
    }
}

/// A frame from the host that `to` was sent to.
fn host_says(to: &Segment<'_>, seq: u32, ack: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let tuple = Tuple {
        remote: to.source,
        local: to.destination,
        remote_port: to.source_port,
        local_port: to.destination_port,
    };
    let link = Link { source: [2, 0, 0, 0, 0, 2], destination: [2, 0, 0, 0, 0, 1] };
    let mss = (flags & flags::SYN != 0).then_some(1_000);
    let mut buffer = [0; 1_518];
    let length = emit(&link, &Outgoing { tuple, seq, ack, flags, window: 9_000, mss, payload, id: 1 }, &mut buffer);
    buffer[..length].to_vec()
}

fn plain_smtp(line: Option<&str>) -> &'static str {
    match line {
        None => "220 mx.example ESMTP\r\n",
        Some(line) if line.starts_with("EHLO") => "250-mx.example\r\n250-SIZE 1000\r\n250 AUTH PLAIN LOGIN\r\n",
        Some("QUIT") => "221 bye\r\n",
        Some(_) => "500 what?\r\n",
    }
}

fn silent(_: Option<&str>) -> &'static str {
    ""
}

#[test]
fn every_target_is_probed_once_at_the_rate_and_a_conversation_becomes_a_row() {
    let mut world = World::new(config(500, Some(1_000.0)), &[(77, plain_smtp)]);
    world.run();
    assert!(world.probed.len() == 500 && world.probed.values().all(|count| *count == 1));
    assert!((1_490..1_520).contains(&world.now), "500 probes at 1000 a second, then a second: {}", world.now);

    let host = &world.hosts[&(NET + 77)];
    assert_eq!(host.said, ["EHLO [10.77.0.2]", "QUIT"]);
    assert!(host.closed);
    let rows = world.rows();
    assert_eq!(rows.len(), 1);
    let row = rows[0];
    assert_eq!((row.ip, row.port, row.protocol), (NET + 77, 25, "smtp"));
    assert_eq!((row.stage, row.outcome, row.error.as_deref()), ("done", "no_starttls", None));
    assert_eq!((row.banner.as_deref(), row.banner_code), (Some("220 mx.example ESMTP"), Some(220)));
    assert_eq!(row.capabilities_before, ["SIZE 1000", "AUTH PLAIN LOGIN"]);
    assert_eq!(row.auth_before, ["PLAIN", "LOGIN"]);
    assert_eq!((row.starttls_offered, row.starttls_sent, row.tls_version), (Some(false), false, None));
    assert_eq!((row.bytes_in, row.bytes_out, row.retransmits), (22 + 53 + 9, 18 + 6, 0));

    let Fact::Host(found) = &world.facts[0] else { panic!("the host comes first") };
    assert_eq!((found.ip, found.port, found.ttl, found.window, found.mss), (NET + 77, 25, 64, 9_000, Some(1_000)));
    let ledger = world.engine.ledger();
    assert_eq!((ledger.probes, ledger.answers, ledger.opened, ledger.ended), (500, 1, 1, 1));
    assert_eq!(world.engine.outcomes().of(crate::session::Outcome::NoStarttls), 1);
}

#[test]
fn a_host_that_never_finishes_the_handshake_is_background_noise() {
    let mut world = World::new(config(4, None), &[(1, silent)]);
    world.run();
    let rows = world.rows();
    assert_eq!((rows[0].stage, rows[0].outcome), ("greeting", "silent_after_synack"));
    assert_eq!((rows[0].segments_in, rows[0].duration_us / 1_000_000), (0, 30));
    assert_eq!(world.resets, 1, "and is told that we are gone");
}

#[test]
fn foreign_late_and_repeated_segments_are_told_apart() {
    let mut world = World::new(config(4, None), &[(1, plain_smtp)]);
    world.run();
    let to = Segment {
        source: US,
        destination: NET + 2,
        source_port: 61_000,
        destination_port: 25,
        seq: 0,
        ack: 0,
        flags: 0,
        window: 0,
        ttl: 0,
        options: &[],
        payload: &[],
    };
    let now = world.instant();
    let forged = host_says(&to, 1, 12_345, flags::SYN | flags::ACK, &[]);
    world.engine.handle_frame(now, &forged);
    let stray = host_says(&to, 1, 0x7000_0000, flags::ACK, b"data");
    world.engine.handle_frame(now, &stray);
    world.engine.handle_frame(now, &forged[..40]);
    let mut corrupt = forged;
    corrupt[40] ^= 1;
    world.engine.handle_frame(now, &corrupt);

    // The host that was talked to repeats its SYN-ACK and its data long after the end.
    let facts = world.engine.facts_of(Target { address: NET + 1, port: 25 });
    let known = Segment { destination: NET + 1, source_port: facts.source_port, ..to };
    let again = host_says(&known, ISS, facts.seq.wrapping_add(1), flags::SYN | flags::ACK, &[]);
    world.engine.handle_frame(now, &again);
    let late = host_says(&known, ISS.wrapping_add(1), facts.seq.wrapping_add(1), flags::ACK, b"220 hi\r\n");
    world.engine.handle_frame(now, &late);
    let before = world.resets;
    world.step();

    let ledger = world.engine.ledger();
    assert_eq!((ledger.bad_cookie, ledger.strays, ledger.malformed, ledger.bad_checksum), (1, 1, 1, 1));
    assert_eq!((ledger.duplicates, ledger.late, ledger.opened), (1, 1, 1));
    assert_eq!(world.resets - before, 2);
    assert_eq!(world.rows().len(), 1);
}

#[test]
fn a_full_table_holds_the_sweep_and_loses_nobody() {
    let hosts: Vec<(u32, Script)> = (0..64).map(|host| (host, silent as Script)).collect();
    let mut world = World::new(Config { connections_max: 16, ..config(64, None) }, &hosts);
    world.step();
    assert_eq!(world.engine.hold(), Some(Hold::Table));
    assert_eq!(world.engine.open(), 15, "one entry stays in reserve");
    world.run();
    assert_eq!(world.rows().len(), 64);
    assert_eq!(world.engine.ledger().no_room, 0);
}

#[test]
fn a_writer_that_is_behind_holds_the_sweep() {
    let mut world = World::new(config(100, None), &[]);
    world.engine.set_writer_behind(true);
    world.step();
    assert_eq!((world.engine.hold(), world.engine.ledger().probes), (Some(Hold::Writer), 0));
    world.engine.set_writer_behind(false);
    world.step();
    assert_eq!(world.engine.ledger().probes, 100);
}

#[test]
fn a_stop_finishes_what_is_open_and_an_interrupt_ends_it() {
    let mut world = World::new(config(1_000, Some(1_000.0)), &[]);
    for _ in 0..100 {
        world.step();
    }
    let now = world.instant();
    world.engine.stop(now);
    world.run();
    assert!((95..=100).contains(&world.probed.len()), "{}", world.probed.len());
    assert!((1_095..1_110).contains(&world.now), "the cooldown of a second is kept: {}", world.now);

    let mut world = World::new(config(10, None), &[(3, silent)]);
    world.step();
    world.engine.interrupt();
    world.run();
    assert!(world.now < 5);
    assert_eq!((world.rows()[0].outcome, world.resets), ("interrupted", 1));
}

#[test]
fn a_budget_of_targets_is_kept() {
    let mut world = World::new(Config { targets_max: 13, ..config(100, None) }, &[]);
    world.run();
    assert_eq!((world.probed.len(), world.engine.ledger().probes), (13, 13));
}
