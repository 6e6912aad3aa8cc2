//! A small world of scripted hosts around one engine: a perfect link, time in steps of a millisecond.

use super::super::*;
use crate::dialogue::Identity;
use crate::targets::cidr::AddressSet;
use crate::targets::ports::Service;
use crate::tls;
use std::collections::BTreeMap;

pub(super) const US: u32 = 0x0a4d_0002;
pub(super) const NET: u32 = 0xc612_0000;
pub(super) const ISS: u32 = 0xffff_fff0;

pub(super) fn config(addresses: u32, rate: Option<f64>) -> Config {
    config_on(&[(25, Protocol::Smtp)], addresses, rate)
}

pub(super) fn config_on(ports: &[(u16, Protocol)], addresses: u32, rate: Option<f64>) -> Config {
    let set = AddressSet::new(vec![(NET, NET + addresses - 1)]);
    let services = ports.iter().map(|(port, protocol)| Service { port: *port, protocol: *protocol }).collect();
    let space = Space::new(set, services);
    let permutation = Permutation::new(space.size(), 7);
    Config {
        lane: 0,
        left: Left::of(0..permutation.positions()),
        probes: 1,
        lag: Duration::ZERO,
        space: Arc::new(space),
        permutation,
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
        answers: Answers::default(),
        answered: Arc::default(),
        options: OptionSet::default(),
    }
}

pub(super) fn engine(config: Config) -> Engine {
    Engine::new(config, context(), Instant::ZERO)
}

pub(super) fn context() -> Context {
    let identity = Identity { ehlo: "[10.77.0.2]".into(), contact: None };
    Context::new(tls::Client::new(tls::Offer::Wide).expect("a client"), identity)
}

/// What a host does with a line (`None`: it was just connected to). An empty answer is silence.
pub(super) type Script = fn(Option<&str>) -> &'static str;

/// What a host does by itself in each millisecond since it was connected to.
pub(super) type Clockwork = fn(u64) -> Act;

pub(super) enum Act {
    Rest,
    Say(&'static str),
    Acknowledge,
    Reset,
    Close,
}

/// One port of a host.
pub(super) struct Host {
    /// The probe, as frame: what is said goes back to where it came from.
    pub(super) probe: Vec<u8>,
    pub(super) probed_at: u64,
    /// Next sequence number of ours that the host expects, and its own next one.
    pub(super) expects: u32,
    pub(super) next: u32,
    pub(super) iss: u32,
    pub(super) connected_at: Option<u64>,
    pub(super) said: Vec<String>,
    pub(super) closed: bool,
    pub(super) reset: bool,
}

impl Host {
    pub(super) fn open(&self) -> bool {
        self.connected_at.is_some() && !self.closed && !self.reset
    }
}

/// Hosts by address, each with a script that runs on every port.
pub(super) struct World {
    pub(super) engine: Engine,
    pub(super) scripts: BTreeMap<u32, Script>,
    pub(super) clockworks: BTreeMap<u32, Clockwork>,
    pub(super) hosts: BTreeMap<(u32, u16), Host>,
    /// How often a half-open connection repeats its SYN-ACK: after 1, 3, 7... seconds.
    pub(super) repetitions: u32,
    /// How many SYNs of a target are answered.
    pub(super) answers_max: u32,
    pub(super) probed: BTreeMap<(u32, u16), u32>,
    pub(super) swept_at: u64,
    pub(super) resets: u32,
    pub(super) now: u64,
    pub(super) facts: Vec<Fact>,
}

impl World {
    pub(super) fn new(config: Config, scripts: &[(u32, Script)]) -> Self {
        Self {
            engine: engine(config),
            scripts: scripts.iter().map(|(host, script)| (NET + host, *script)).collect(),
            clockworks: BTreeMap::new(),
            hosts: BTreeMap::new(),
            repetitions: 0,
            answers_max: u32::MAX,
            probed: BTreeMap::new(),
            swept_at: 0,
            resets: 0,
            now: 0,
            facts: Vec::new(),
        }
    }

    /// One host that does by itself what `clockwork` says, beside its script.
    pub(super) fn of_one(config: Config, script: Script, clockwork: Clockwork) -> Self {
        let mut world = Self::new(config, &[(1, script)]);
        world.clockworks.insert(NET + 1, clockwork);
        world
    }

    pub(super) fn instant(&self) -> Instant {
        Instant::from_nanos(self.now * 1_000_000)
    }

    pub(super) fn step(&mut self) {
        self.engine.handle_timeout(self.instant());
        let mut buffer = [0; 1_518];
        while let Some(length) = self.engine.poll_frame(self.instant(), &mut buffer) {
            let frame = buffer[..length].to_vec();
            self.deliver(&frame);
        }
        self.tick();
        self.facts.extend(self.engine.take_facts());
        assert_eq!(self.engine.check(), Ok(()));
        let mut talked_to = std::collections::BTreeSet::new();
        for ((address, port), _) in self.hosts.iter().filter(|(_, host)| host.open()) {
            assert!(talked_to.insert(address), "a second connection to {address:x}, on {port}, at {}", self.now);
        }
        self.now += 1;
    }

    pub(super) fn run(&mut self) {
        while !self.engine.finished(self.instant()) {
            assert!(self.now < 400_000, "the world does not come to rest");
            self.step();
        }
    }

    /// Runs to the end; the only row's outcome, stage and duration in seconds.
    pub(super) fn only_row(&mut self) -> (&'static str, &'static str, u64) {
        self.run();
        let rows = self.rows();
        assert_eq!(rows.len(), 1);
        (rows[0].outcome, rows[0].stage, rows[0].duration_us / 1_000_000)
    }

    pub(super) fn deliver(&mut self, frame: &[u8]) {
        let segment = parse(frame).expect("we emit well-formed frames");
        let key = (segment.destination, segment.destination_port);
        let Some(script) = self.scripts.get(&key.0).copied() else {
            if segment.flags == flags::SYN {
                self.swept_at = self.now;
                *self.probed.entry(key).or_default() += 1;
            }
            return;
        };
        if segment.flags == flags::SYN {
            self.swept_at = self.now;
            let count = self.probed.entry(key).or_default();
            *count += 1;
            if *count <= self.answers_max {
                let expects = segment.seq.wrapping_add(1);
                // Asked again, it has forgotten, and chooses anew.
                let iss = ISS.wrapping_add((*count - 1) * 77_777);
                let host = Host {
                    iss,
                    probe: frame.to_vec(),
                    probed_at: self.now,
                    expects,
                    next: iss.wrapping_add(1),
                    connected_at: None,
                    said: Vec::new(),
                    closed: false,
                    reset: false,
                };
                self.hosts.insert(key, host);
                let answer = host_says(&segment, iss, expects, flags::SYN | flags::ACK, &[]);
                self.engine.handle_frame(self.instant(), &answer);
            }
            return;
        }
        let Some(host) = self.hosts.get_mut(&key) else { return };
        if segment.has(flags::RST) {
            self.resets += 1;
            host.reset = true;
            return;
        }
        if host.reset {
            return;
        }
        if host.connected_at.is_none() {
            host.connected_at = Some(self.now);
            if !script(None).is_empty() {
                self.say(key, flags::ACK | flags::PSH, script(None));
            }
        }
        let Some(host) = self.hosts.get_mut(&key) else { return };
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
            return self.say(key, flags::FIN | flags::ACK, "");
        }
        if !reply.is_empty() {
            self.say(key, flags::ACK | flags::PSH, reply);
        }
    }

    /// What hosts do by themselves: repeat SYN-ACKs, follow their clockwork.
    pub(super) fn tick(&mut self) {
        let now = self.now;
        for key in self.hosts.keys().copied().collect::<Vec<_>>() {
            let host = &self.hosts[&key];
            let age = now - host.probed_at;
            let Some(connected_at) = host.connected_at else {
                let due = (1..=self.repetitions).any(|time| age == ((1 << time) - 1) * 1_000);
                if age > ((1 << (self.repetitions + 1)) - 1) * 1_000 {
                    self.hosts.remove(&key);
                } else if due && !host.reset {
                    let (probe, expects, iss) = (host.probe.clone(), host.expects, host.iss);
                    let probe = parse(&probe).expect("a probe");
                    let again = host_says(&probe, iss, expects, flags::SYN | flags::ACK, &[]);
                    self.engine.handle_frame(self.instant(), &again);
                }
                continue;
            };
            let Some(clockwork) = self.clockworks.get(&key.0).filter(|_| host.open()) else { continue };
            match clockwork(now - connected_at) {
                Act::Rest => {}
                Act::Say(text) => self.say(key, flags::ACK | flags::PSH, text),
                Act::Acknowledge => self.say(key, flags::ACK, ""),
                Act::Reset => self.say(key, flags::RST | flags::ACK, ""),
                Act::Close => self.say(key, flags::FIN | flags::ACK, ""),
            }
        }
    }

    pub(super) fn say(&mut self, key: (u32, u16), bits: u8, text: &str) {
        let host = self.hosts.get_mut(&key).expect("a host speaks");
        let probe = parse(&host.probe).expect("a probe");
        let frame = host_says(&probe, host.next, host.expects, bits, text.as_bytes());
        let advance = u32::try_from(text.len()).expect("small") + u32::from(bits & flags::FIN != 0);
        host.next = host.next.wrapping_add(advance);
        host.reset |= bits & flags::RST != 0;
        let now = self.instant();
        self.engine.handle_frame(now, &frame);
    }

    pub(super) fn rows(&self) -> Vec<&crate::record::row::Handshake> {
        let rows = self.facts.iter().filter_map(|fact| match fact {
            Fact::Handshake(row, _) => Some(&**row),
            Fact::Host(_) | Fact::Answer(_) | Fact::Checkpoint(_) => None,
        });
        rows.collect()
    }
}

/// A frame from the host that `to` was sent to.
pub(super) fn host_says(to: &Segment<'_>, seq: u32, ack: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
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

pub(super) fn plain_smtp(line: Option<&str>) -> &'static str {
    match line {
        None => "220 mx.example ESMTP\r\n",
        Some(line) if line.starts_with("EHLO") => "250-mx.example\r\n250-SIZE 1000\r\n250 AUTH PLAIN LOGIN\r\n",
        Some("QUIT") => "221 bye\r\n",
        Some(_) => "500 what?\r\n",
    }
}

pub(super) fn silent(_: Option<&str>) -> &'static str {
    ""
}

/// A segment of ours to `address` from `source_port`, for [`host_says`] to answer.
pub(super) fn ours_to(address: u32, source_port: u16) -> Segment<'static> {
    Segment {
        source: US,
        destination: address,
        source_port,
        destination_port: 25,
        seq: 0,
        ack: 0,
        flags: 0,
        window: 0,
        ttl: 0,
        id: 0,
        options: &[],
        payload: &[],
    }
}
