//! Scripted hosts. A [`Host`] is one address with its services: frames and time in, frames out; it knows
//! neither the world nor the engine, so it can stand behind a real interface too.

pub mod frame;
pub mod script;
pub mod tcp;

use super::random::Random;
use crate::base::{Duration, Instant};
use crate::targets::ports::Protocol;
use crate::tls::Rung;
use crate::wire::{Link, Segment, Tuple, flags, parse};
use frame::{Header, icmp, way_back};
use script::{Manner, Script, Tls, Truth};
use std::collections::{BTreeMap, VecDeque};
use tcp::{Server, Settings};

/// Connections a host keeps.
const CONNECTIONS_MAX: usize = 64;
/// Bytes an endless speaker has queued.
const ENDLESS: usize = 16 * 1024;
/// Longer than any scan.
const FOR_EVER: Duration = Duration::from_secs(1_000_000);
/// Length of the greeting of [`Hostile::LongGreeting`].
const LONG: usize = 64 * 1024;

macro_rules! hostiles {
    ($($(#[doc = $doc:literal])+ $name:ident,)*) => {
        /// Ways not to behave.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Hostile { $($(#[doc = $doc])+ $name,)* }

        impl Hostile {
            /// Every way.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
        }
    };
}

hostiles! {
    /// Answers a SYN with RST: a closed port.
    Closed,
    /// Answers with an ICMP error.
    Unreachable,
    /// A SYN-ACK that acknowledges something else.
    WrongCookie,
    /// A SYN-ACK from another address.
    WrongAddress,
    /// SYN-ACKs, and nothing ever after: whatever answers SYNs here, it has no TCP.
    OnlySynAck,
    /// Takes the connection and says nothing.
    Mute,
    /// One byte a second, for ever.
    Tarpit,
    /// A greeting that does not end.
    EndlessGreeting,
    /// A greeting of 64 KiB.
    LongGreeting,
    /// RST as soon as the connection is open.
    ResetAtOnce,
    /// RST at our first bytes.
    ResetAtFirst,
    /// RST at our third bytes.
    ResetAtThird,
    /// FIN as soon as the connection is open.
    FinAtOnce,
    /// A greeting with FIN.
    FinWithGreeting,
    /// Data behind the FIN.
    DataAfterFin,
    /// The window stays closed.
    ClosedWindow,
    /// Agrees to TLS and then talks nonsense.
    Garbage,
    /// Speaks HTTP wherever it is.
    Http,
}

impl Hostile {
    /// Whether a valid SYN-ACK comes from it.
    pub fn answers(self) -> bool {
        !matches!(self, Self::Closed | Self::Unreachable | Self::WrongCookie | Self::WrongAddress)
    }

    /// Outcomes that are right for it on a perfect link; `timeout` stands for every name that begins so.
    pub fn outcomes(self) -> &'static [&'static str] {
        match self {
            Self::OnlySynAck | Self::Mute => &["silent_after_synack", "timeout", "tls_failed"],
            Self::Tarpit => &["timeout", "tarpit", "tls_failed", "protocol_error"],
            Self::EndlessGreeting => {
                &["too_much_data", "too_many_segments", "timeout", "protocol_error", "tls_failed", "tarpit"]
            }
            Self::LongGreeting => &[
                "no_starttls",
                "too_much_data",
                "too_many_segments",
                "tls_failed",
                "protocol_error",
                "tarpit",
                "timeout",
            ],
            Self::ResetAtOnce | Self::ResetAtFirst | Self::ResetAtThird => &["reset", "tls_failed"],
            Self::FinAtOnce => &["closed", "tls_failed"],
            Self::FinWithGreeting => &["closed", "tls_failed", "protocol_error"],
            // Data that overtakes the FIN may make a liar of it.
            Self::DataAfterFin => &["closed", "timeout", "tls_failed", "protocol_error"],
            Self::ClosedWindow => &["timeout", "silent_after_synack", "tls_failed"],
            Self::Garbage => &["not_tls", "protocol_error"],
            Self::Http => &["protocol_error", "tls_failed"],
            Self::Closed | Self::Unreachable | Self::WrongCookie | Self::WrongAddress => &[],
        }
    }
}

/// What a service does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Speaks its protocol.
    Honest {
        /// What it offers.
        manner: Manner,
        /// Its TLS.
        tls: Tls,
        /// Its greeting comes in two segments that contradict each other: what arrives first counts.
        contradicts: bool,
    },
    /// Does not.
    Hostile(Hostile),
}

/// A service: what is spoken on a port, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// Protocol of the port.
    pub protocol: Protocol,
    /// What it does.
    pub behaviour: Behaviour,
    /// Habits of its TCP.
    pub settings: Settings,
    /// How long it thinks before it speaks, at most.
    pub think: Duration,
}

/// What an application wants of its connection.
#[derive(Debug)]
enum Act {
    Say(Vec<u8>),
    Contradict(Vec<u8>),
    Close,
    Reset,
    Blurt(Vec<u8>),
}

/// The application's state on one connection.
#[derive(Debug)]
enum App {
    Honest { script: Box<Script>, contradicts: bool },
    Hostile { kind: Hostile, line: Vec<u8>, tls: bool, heard: u32, said: u64 },
}

#[derive(Debug)]
struct Connection {
    tcp: Server,
    app: App,
    random: Random,
    think: Duration,
    acts: VecDeque<(Instant, Act)>,
    greeted: bool,
    closed: bool,
    tick: Instant,
}

/// One address and its services.
#[derive(Debug)]
pub struct Host {
    address: u32,
    link: Link,
    random: Random,
    services: BTreeMap<u16, Service>,
    connections: BTreeMap<(u16, u32, u16), Connection>,
    /// Frames to send at their time, in the order of time.
    later: BTreeMap<(Instant, u64), Vec<u8>>,
    count: u64,
}

impl Host {
    /// A host that sends by `link`.
    pub fn new(address: u32, link: Link, random: Random, services: BTreeMap<u16, Service>) -> Self {
        Self { address, link, random, services, connections: BTreeMap::new(), later: BTreeMap::new(), count: 0 }
    }

    /// Its service on `port`.
    pub fn service(&self, port: u16) -> Option<&Service> {
        self.services.get(&port)
    }

    /// What a scan must find on `port` with what it offers on a rung, if an honest service is there.
    pub fn truth(&self, port: u16, rung: Rung) -> Option<Truth> {
        let service = self.services.get(&port)?;
        match service.behaviour {
            Behaviour::Honest { .. } => self.script(service).map(|script| script.truth(rung)),
            Behaviour::Hostile(_) => None,
        }
    }

    /// What an honest service of it says on a new connection.
    pub fn script(&self, service: &Service) -> Option<Script> {
        let Behaviour::Honest { manner, tls, .. } = service.behaviour else { return None };
        let name = format!("h{:08x}.sim.example", self.address);
        Some(Script::new(service.protocol, manner, tls, name))
    }

    /// Takes a frame that was sent to its address; a damaged one is ignored.
    pub fn handle_frame(&mut self, now: Instant, frame: &[u8]) {
        let Ok(segment) = parse::segment(frame) else { return };
        let key = (segment.destination_port, segment.source, segment.source_port);
        if segment.flags == flags::SYN && self.connections.get(&key).is_some_and(|known| known.tcp.dead()) {
            self.connections.remove(&key);
        }
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.handle_segment(now, &segment);
        } else if segment.flags == flags::SYN {
            self.handle_syn(now, key, &segment, frame);
        } else if !segment.has(flags::RST) && self.has_tcp(segment.destination_port) {
            let reset = Header { seq: segment.ack, flags: flags::RST, ..Header::default() };
            self.send(now, frame::tcp(&self.link, way_back(&segment), &reset, &[]));
        }
        self.collect(now);
    }

    /// Takes the passing of time.
    pub fn handle_timeout(&mut self, now: Instant) {
        for connection in self.connections.values_mut() {
            connection.handle_timeout(now);
        }
        self.collect(now);
    }

    /// When [`Host::handle_timeout`] or [`Host::poll_frame`] is due.
    pub fn next_timeout(&self) -> Instant {
        let frame = self.later.keys().next().map_or(Instant::FAR_FUTURE, |(at, _)| *at);
        self.connections.values().map(Connection::next_timeout).fold(frame, Instant::min)
    }

    /// The next frame to send at `now`.
    pub fn poll_frame(&mut self, now: Instant) -> Option<Vec<u8>> {
        let entry = self.later.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    /// Whether what belongs to no connection is answered by RST.
    fn has_tcp(&self, port: u16) -> bool {
        let kind = self.services.get(&port).map(|service| service.behaviour);
        !matches!(kind, Some(Behaviour::Hostile(kind)) if kind == Hostile::OnlySynAck || !kind.answers())
    }

    fn handle_syn(&mut self, now: Instant, key: (u16, u32, u16), syn: &Segment<'_>, frame: &[u8]) {
        let Some(service) = self.services.get(&syn.destination_port).copied() else {
            return self.refuse(now, syn);
        };
        match service.behaviour {
            Behaviour::Hostile(kind) if !kind.answers() || kind == Hostile::OnlySynAck => {
                self.answer_without_tcp(now, kind, syn, frame);
            }
            _ if self.connections.len() >= CONNECTIONS_MAX => {}
            _ => {
                let connection = self.accept(now, &service, syn);
                self.connections.insert(key, connection);
            }
        }
    }

    fn accept(&mut self, now: Instant, service: &Service, syn: &Segment<'_>) -> Connection {
        let random = Random::new(self.random.draw(), u64::from(syn.destination_port));
        let mut settings = service.settings;
        let mut early = Vec::new();
        if let Behaviour::Hostile(kind) = service.behaviour {
            // These would hide what it does.
            (settings.early_data, settings.never_closes) = (false, false);
            if kind == Hostile::ClosedWindow {
                settings.closed_window = FOR_EVER;
            }
        }
        let app = match (service.behaviour, self.script(service)) {
            (Behaviour::Honest { contradicts, .. }, Some(mut script)) => {
                settings.early_data &= !contradicts && settings.closed_window == Duration::ZERO;
                if settings.early_data {
                    script.greet(&mut early);
                }
                App::Honest { script: Box::new(script), contradicts }
            }
            (Behaviour::Hostile(kind), _) => App::hostile(kind),
            (Behaviour::Honest { .. }, None) => App::hostile(Hostile::Mute),
        };
        Connection {
            greeted: settings.early_data,
            tcp: Server::accept(self.link, now, syn, settings, random.clone(), &early),
            app,
            random,
            think: service.think,
            acts: VecDeque::new(),
            closed: false,
            tick: Instant::FAR_FUTURE,
        }
    }

    fn refuse(&mut self, now: Instant, syn: &Segment<'_>) {
        let header = Header { ack: syn.seq.wrapping_add(1), flags: flags::RST | flags::ACK, ..Header::default() };
        self.send(now, frame::tcp(&self.link, way_back(syn), &header, &[]));
    }

    fn answer_without_tcp(&mut self, now: Instant, kind: Hostile, syn: &Segment<'_>, frame: &[u8]) {
        let good = Header {
            // Repeated SYNs get the same answer.
            seq: syn.seq.rotate_left(9),
            ack: syn.seq.wrapping_add(1),
            flags: flags::SYN | flags::ACK,
            window: 9_000,
            mss: Some(1_400),
        };
        let back = way_back(syn);
        match kind {
            Hostile::Closed => self.refuse(now, syn),
            Hostile::Unreachable => {
                let code = self.random.pick(&[0, 1, 3, 10, 13]);
                self.send(now, icmp(&self.link, frame, (3, code)));
            }
            Hostile::WrongCookie => {
                let ack = good.ack.wrapping_add(self.random.pick(&[1, 100, 0x8000_0000, u32::MAX]));
                self.send(now, frame::tcp(&self.link, back, &Header { ack, ..good }, &[]));
            }
            Hostile::WrongAddress => {
                let other = Tuple { local: back.local ^ self.random.pick(&[1, 0x100, 0x8000_0000]), ..back };
                self.send(now, frame::tcp(&self.link, other, &good, &[]));
            }
            _ => {
                let answer = frame::tcp(&self.link, back, &good, &[]);
                for seconds in [0, 1, 3, 7] {
                    self.send(now + Duration::from_secs(seconds), answer.clone());
                }
            }
        }
    }

    fn send(&mut self, at: Instant, frame: Vec<u8>) {
        self.count += 1;
        self.later.insert((at, self.count), frame);
    }

    /// Takes what the connections want sent.
    fn collect(&mut self, now: Instant) {
        for connection in self.connections.values_mut() {
            while let Some(frame) = connection.tcp.poll() {
                self.count += 1;
                self.later.insert((now, self.count), frame);
            }
        }
    }
}

impl Connection {
    fn handle_segment(&mut self, now: Instant, segment: &Segment<'_>) {
        self.tcp.handle_segment(now, segment);
        if self.tcp.established() && !self.greeted {
            self.greeted = true;
            let acts = self.app.greet();
            self.plan(now, acts);
            self.tick = now + Duration::from_secs(1);
        }
        let received = self.tcp.take_received();
        if !received.is_empty() {
            let acts = self.app.receive(&received);
            self.plan(now, acts);
        }
        if (self.tcp.peer_closed() || self.app.closing()) && !self.closed {
            self.closed = true;
            self.plan(now, vec![Act::Close]);
        }
        self.act(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.tcp.handle_timeout(now);
        if self.tick <= now {
            self.tick = self.app.tick(&mut self.tcp, now);
        }
        self.act(now);
    }

    fn next_timeout(&self) -> Instant {
        if self.tcp.dead() {
            return Instant::FAR_FUTURE;
        }
        let act = self.acts.front().map_or(Instant::FAR_FUTURE, |(at, _)| *at);
        self.tcp.next_timeout().min(act).min(self.tick)
    }

    /// Does these things after some thought, and after all that was planned before.
    fn plan(&mut self, now: Instant, acts: Vec<Act>) {
        let last = self.acts.back().map_or(now, |(at, _)| *at);
        let at = last.max(now + self.random.up_to(self.think));
        self.acts.extend(acts.into_iter().map(|act| (at, act)));
    }

    fn act(&mut self, now: Instant) {
        // Data and the FIN behind it go together: the last data segment carries the FIN.
        while self.acts.front().is_some_and(|(at, _)| *at <= now) && !self.tcp.dead() {
            match self.acts.pop_front() {
                Some((_, Act::Say(bytes))) if matches!(self.acts.front(), Some((at, Act::Close)) if *at <= now) => {
                    self.tcp.send_last(now, &bytes);
                }
                Some((_, Act::Say(bytes))) => self.tcp.send(now, &bytes),
                Some((_, Act::Contradict(bytes))) => {
                    let forged: Vec<u8> = bytes.iter().map(u8::to_ascii_uppercase).collect();
                    self.tcp.contradict(now, &bytes, &forged);
                }
                Some((_, Act::Close)) => self.tcp.close(now),
                Some((_, Act::Reset)) => self.tcp.reset(),
                Some((_, Act::Blurt(bytes))) => self.tcp.blurt(&bytes),
                None => {}
            }
        }
    }
}

impl App {
    fn hostile(kind: Hostile) -> Self {
        Self::Hostile { kind, line: Vec::new(), tls: false, heard: 0, said: 0 }
    }

    fn greet(&mut self) -> Vec<Act> {
        match self {
            Self::Honest { script, contradicts } => {
                let mut out = Vec::new();
                script.greet(&mut out);
                match out.is_empty() {
                    true => Vec::new(),
                    false if *contradicts => vec![Act::Contradict(out)],
                    false => vec![Act::Say(out)],
                }
            }
            Self::Hostile { kind, .. } => match kind {
                Hostile::Tarpit => vec![Act::Say(b"2".to_vec())],
                Hostile::EndlessGreeting => vec![Act::Say(b"220-on and on\r\n".repeat(ENDLESS / 15))],
                Hostile::LongGreeting => {
                    let mut greeting = b"220 ".to_vec();
                    greeting.resize(LONG - 2, b'x');
                    greeting.extend(b"\r\n");
                    vec![Act::Say(greeting)]
                }
                Hostile::ResetAtOnce => vec![Act::Reset],
                Hostile::ResetAtFirst | Hostile::ResetAtThird | Hostile::Garbage | Hostile::ClosedWindow => {
                    vec![Act::Say(b"220 mx ESMTP\r\n".to_vec())]
                }
                Hostile::FinAtOnce => vec![Act::Close],
                Hostile::FinWithGreeting => vec![Act::Say(b"220 mx ESMTP\r\n".to_vec()), Act::Close],
                Hostile::DataAfterFin => {
                    let after = Act::Blurt(b"250 and another thing\r\n".to_vec());
                    vec![Act::Say(b"220 mx ESMTP\r\n".to_vec()), Act::Close, after]
                }
                Hostile::Http => vec![Act::Say(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), Act::Close],
                _ => Vec::new(),
            },
        }
    }

    fn receive(&mut self, bytes: &[u8]) -> Vec<Act> {
        match self {
            Self::Honest { script, .. } => {
                let mut out = Vec::new();
                script.receive(bytes, &mut out);
                if out.is_empty() { Vec::new() } else { vec![Act::Say(out)] }
            }
            Self::Hostile { kind, line, tls, heard, .. } => {
                // A line at a time, or whatever comes once TLS has begun: its bytes are random.
                line.extend_from_slice(bytes);
                *tls |= line.first() == Some(&0x16);
                if !*tls && line.last() != Some(&b'\n') && line.len() < ENDLESS {
                    return Vec::new();
                }
                *heard += 1;
                let text = String::from_utf8_lossy(&std::mem::take(line)).into_owned();
                match (*kind, *heard) {
                    (Hostile::ResetAtFirst, 1) | (Hostile::ResetAtThird, 3) => vec![Act::Reset],
                    (Hostile::ResetAtThird | Hostile::Garbage, _) if text.starts_with("EHLO") => {
                        vec![Act::Say(b"250-mx\r\n250 STARTTLS\r\n".to_vec())]
                    }
                    (Hostile::ResetAtThird | Hostile::Garbage, _) if text.starts_with("STARTTLS") => {
                        vec![Act::Say(b"220 go ahead\r\n".to_vec())]
                    }
                    (Hostile::LongGreeting, _) if text.starts_with("EHLO") => vec![Act::Say(b"250 mx\r\n".to_vec())],
                    (Hostile::LongGreeting, _) if text.starts_with("QUIT") => {
                        vec![Act::Say(b"221 bye\r\n".to_vec()), Act::Close]
                    }
                    (Hostile::Garbage, _) => vec![Act::Say(b"this is not TLS at all\r\n".to_vec())],
                    _ => Vec::new(),
                }
            }
        }
    }

    fn closing(&self) -> bool {
        match self {
            Self::Honest { script, .. } => script.closing(),
            Self::Hostile { .. } => false,
        }
    }

    /// The endless ones go on. When next.
    fn tick(&mut self, tcp: &mut Server, now: Instant) -> Instant {
        let Self::Hostile { kind, said, .. } = self else { return Instant::FAR_FUTURE };
        match kind {
            Hostile::Tarpit => {
                *said += 1;
                let byte = b"220 ".get(usize::try_from(*said).unwrap_or(usize::MAX)).copied().unwrap_or(b'z');
                tcp.send(now, &[byte]);
                now + Duration::from_secs(1)
            }
            Hostile::EndlessGreeting => {
                let room = ENDLESS.saturating_sub(tcp.queued());
                tcp.send(now, &b"220-on and on\r\n".repeat(room / 15));
                now + Duration::from_millis(200)
            }
            _ => Instant::FAR_FUTURE,
        }
    }
}
