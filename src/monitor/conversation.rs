//! What two sides say to each other, from the first byte to the end of the TLS handshake: which observer reads it, and when
//! TLS begins.

use super::proxy;
use super::recognise::{self, Verdict};
use super::streams::Event;
use crate::dialogue::{Direction, Expect, Findings, Start};
use crate::session::dialogue::Dialogue;
use crate::targets::ports::{Protocol, Security};
use crate::tls::tap::{Flight, Tap};

/// Portions of the client's in an unknown protocol at whose begin a ClientHello is looked for: what tunnels and upgrades of
/// other protocols need before it.
const PORTIONS_MAX: u8 = 16;
/// Bytes that may go by without being of use, until nothing more is expected: bulk of an unknown protocol, or of TLS of which
/// one side is not seen.
const USELESS_MAX: usize = 256 << 10;

/// What is known beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// Protocol of the server's port.
    pub(super) service: Option<Protocol>,
    /// Other ports are recognised by content.
    pub(super) any_port: bool,
    /// The first bytes may be missing.
    pub(super) midstream: bool,
    /// The server was seen first: the client's side may be missing.
    pub(super) server_first: bool,
}

impl Known {
    /// What is spoken in the clear on the server's port.
    fn clear(&self) -> Option<Protocol> {
        self.service.filter(|service| service.security() == Security::Upgrade)
    }
}

/// What was found to be spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    /// A protocol with a name.
    Protocol(Protocol),
    /// TLS, and nobody knows what inside.
    Tls,
}

impl Spoken {
    /// Name in rows.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Protocol(protocol) => protocol.name(),
            Self::Tls => "tls",
        }
    }
}

/// Who reads.
#[derive(Debug)]
enum Phase {
    /// Nobody yet: what was said so far, in portions.
    Begin(Vec<(Direction, Vec<u8>)>),
    /// A dialogue. `deaf`: bytes are missing, and it understands no more.
    Clear { dialogue: Box<Dialogue>, deaf: bool },
    /// TLS.
    Tls(Box<Taps>),
    /// Nothing that is known. So many portions of the client's have gone by.
    Unknown(u8),
}

#[derive(Debug)]
struct Taps {
    client: Tap,
    server: Tap,
}

/// One conversation.
#[derive(Debug)]
pub(super) struct Conversation {
    known: Known,
    phase: Phase,
    spoken: Option<Spoken>,
    /// What was said before TLS.
    before: Option<Box<Findings>>,
    gaps: u32,
    gap_bytes: u64,
    /// Bytes that were of no use.
    useless: usize,
    /// The begin is missing, but what is spoken is known.
    midway: bool,
}

/// What a conversation showed.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) spoken: Spoken,
    pub(super) by_content: bool,
    pub(super) findings: Option<Box<Findings>>,
    pub(super) flights: Option<Box<(Flight, Flight)>>,
    pub(super) gaps: u32,
    pub(super) gap_bytes: u64,
}

impl Conversation {
    pub(super) const fn new(known: Known) -> Self {
        let phase = Phase::Begin(Vec::new());
        Self { known, phase, spoken: None, before: None, gaps: 0, gap_bytes: 0, useless: 0, midway: false }
    }

    /// Takes what a direction shows next. After the handshake nothing is read, and so nothing is missed.
    pub(super) fn take(&mut self, event: Event<'_>) {
        if self.over() {
            return;
        }
        match event {
            Event::Bytes(from, bytes) => self.bytes(from, bytes),
            Event::Gap(from, lost) => {
                self.gaps = self.gaps.saturating_add(1);
                self.gap_bytes += lost;
                self.gap(from, lost);
            }
            Event::Closed(from) => {
                if let Phase::Clear { dialogue, deaf: false } = &mut self.phase {
                    dialogue.closed(from);
                }
            }
        }
    }

    /// Both sides of the TLS handshake are read: nothing more will be found.
    pub(super) fn over(&self) -> bool {
        matches!(&self.phase, Phase::Tls(taps) if taps.client.over() && taps.server.over())
    }

    /// Nothing that is known is spoken, or nothing more of it is understood, and that will not change.
    pub(super) fn hopeless(&self) -> bool {
        self.useless > USELESS_MAX || matches!(self.phase, Phase::Unknown(portions) if portions >= PORTIONS_MAX)
    }

    /// Bytes kept until more come, and of certificates.
    pub(super) fn held(&self) -> usize {
        match &self.phase {
            Phase::Begin(said) => said.iter().map(|(_, bytes)| bytes.capacity()).sum(),
            Phase::Tls(taps) => {
                let chain = taps.server.flight().certificates.as_ref();
                let chain = chain.map_or(0, |found| found.chain.iter().map(Vec::len).sum::<usize>());
                taps.client.held() + taps.server.held() + chain
            }
            Phase::Clear { .. } | Phase::Unknown(_) => 0,
        }
    }

    /// What it showed; `None` if it was nothing of interest.
    pub(super) fn finish(mut self) -> Option<Shown> {
        // Who waited for a client's word to know whether this is a greeting waits no more.
        if let Phase::Begin(said) = &mut self.phase
            && let Some((from, bytes)) = said.first()
            && let Some(protocol) = self.known.clear().filter(|_| self.known.midstream)
            && recognise::midway(protocol.family(), *from, bytes)
        {
            let said = std::mem::take(said);
            self.begin(Verdict::Midway(protocol));
            said.iter().for_each(|(from, bytes)| self.read(*from, bytes));
        }
        let flights = match self.phase {
            Phase::Tls(taps) => Some(Box::new((taps.client.finish(), taps.server.finish()))),
            Phase::Clear { dialogue, .. } => {
                self.before = understood(&dialogue, self.midway);
                None
            }
            Phase::Begin(_) | Phase::Unknown(_) => None,
        };
        if flights.is_none() && self.before.is_none() {
            return None;
        }
        let spoken = self.spoken?;
        Some(Shown {
            spoken,
            by_content: self.known.service.is_none_or(|service| spoken != Spoken::Protocol(service)),
            findings: self.before,
            flights,
            gaps: self.gaps,
            gap_bytes: self.gap_bytes,
        })
    }

    fn bytes(&mut self, from: Direction, bytes: &[u8]) {
        match &mut self.phase {
            Phase::Begin(said) => {
                let bytes =
                    if said.is_empty() && from == Direction::Client { proxy::behind_header(bytes) } else { bytes };
                if bytes.is_empty() {
                    return;
                }
                let room = recognise::BYTES_MAX.saturating_sub(said.iter().map(|(_, bytes)| bytes.len()).sum());
                match said.last_mut() {
                    Some((last, kept)) if *last == from => kept.extend_from_slice(&bytes[..room.min(bytes.len())]),
                    _ => said.push((from, bytes[..room.min(bytes.len())].to_vec())),
                }
                if self.known.service.is_none() && self.known.any_port {
                    match proxy::proxied(said) {
                        proxy::Proxied::No => {}
                        proxy::Proxied::More if room > bytes.len() => return,
                        proxy::Proxied::More => {}
                        proxy::Proxied::Behind(behind) => {
                            said.clear();
                            behind.iter().for_each(|(from, bytes)| self.bytes(*from, bytes));
                            return self.bytes(from, &bytes[room.min(bytes.len())..]);
                        }
                    }
                }
                let verdict = judge(&self.known, said);
                let said = if verdict == Verdict::More { return } else { std::mem::take(said) };
                self.begin(verdict);
                // What came last is given as it came: it can exceed the room, and TLS can begin with it.
                let (last, before) = said.split_last().map_or((None, &said[..]), |(last, before)| (Some(last), before));
                before.iter().for_each(|(from, bytes)| self.read(*from, bytes));
                if let Some((_, kept)) = last {
                    let before = &kept[..kept.len() - room.min(bytes.len())];
                    if !before.is_empty() {
                        self.read(from, before);
                    }
                    self.read(from, bytes);
                }
            }
            _ => self.read(from, bytes),
        }
    }

    /// Somebody begins to read.
    fn begin(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Tls => self.start_tls(),
            Verdict::Clear(protocol) => {
                self.spoken = Some(Spoken::Protocol(protocol));
                let mut dialogue = Box::new(Dialogue::new(protocol.family(), Start::Clear));
                if self.known.server_first {
                    dialogue.alone();
                }
                self.phase = Phase::Clear { dialogue, deaf: false };
            }
            Verdict::Midway(protocol) => {
                self.begin(Verdict::Clear(protocol));
                self.midway = true;
                if let Phase::Clear { dialogue, .. } = &mut self.phase {
                    dialogue.join();
                }
            }
            Verdict::Nothing | Verdict::More => self.phase = Phase::Unknown(0),
        }
    }

    fn read(&mut self, from: Direction, bytes: &[u8]) {
        if self.tls_begins(from, bytes) {
            self.start_tls();
        }
        let useless = match &mut self.phase {
            Phase::Clear { dialogue, deaf: false } => {
                dialogue.observe(from, bytes);
                false
            }
            Phase::Tls(taps) => {
                let over = taps.of(from).over();
                taps.feed(from, bytes);
                over
            }
            Phase::Unknown(portions) => {
                *portions = portions.saturating_add(u8::from(from == Direction::Client));
                true
            }
            Phase::Begin(_) | Phase::Clear { deaf: true, .. } => true,
        };
        if useless {
            self.useless = self.useless.saturating_add(bytes.len());
        }
    }

    /// Whether TLS begins with these bytes, after something else.
    fn tls_begins(&self, from: Direction, bytes: &[u8]) -> bool {
        if bytes.is_empty() {
            return false;
        }
        let upgraded = match &self.phase {
            Phase::Clear { dialogue, deaf: false } => dialogue.expect() == Some(Expect::Tls),
            Phase::Clear { deaf: true, .. } => false,
            Phase::Unknown(portions) => {
                return *portions < PORTIONS_MAX
                    && match from {
                        Direction::Client => recognise::surely_client_hello(bytes),
                        Direction::Server => recognise::server_hello(bytes) || recognise::certificate(bytes),
                    };
            }
            Phase::Begin(_) | Phase::Tls(_) => return false,
        };
        match from {
            // The first portion of a ClientHello can be short.
            Direction::Client if upgraded => recognise::client_hello(bytes) != Some(false),
            Direction::Client => recognise::surely_client_hello(bytes),
            Direction::Server => recognise::server_hello(bytes),
        }
    }

    fn start_tls(&mut self) {
        let taps = Phase::Tls(Box::new(Taps { client: Tap::client(), server: Tap::server() }));
        if let Phase::Clear { dialogue, .. } = std::mem::replace(&mut self.phase, taps) {
            self.before = understood(&dialogue, self.midway);
        }
        if self.spoken.is_none() {
            self.spoken = Some(self.known.service.map_or(Spoken::Tls, Spoken::Protocol));
        }
    }

    fn gap(&mut self, from: Direction, lost: u64) {
        match &mut self.phase {
            Phase::Begin(_) => self.phase = Phase::Unknown(0),
            Phase::Clear { deaf, .. } => *deaf = true,
            Phase::Tls(taps) => taps.of(from).gap(lost),
            Phase::Unknown(_) => {}
        }
    }
}

impl Taps {
    const fn of(&mut self, from: Direction) -> &mut Tap {
        match from {
            Direction::Client => &mut self.client,
            Direction::Server => &mut self.server,
        }
    }

    fn feed(&mut self, from: Direction, bytes: &[u8]) {
        if from == Direction::Server && self.client.flight().v2_hello {
            self.server.set_v2();
        }
        self.of(from).feed(bytes);
        let flight = self.server.flight();
        if from == Direction::Server
            && let Some(chosen) = flight.server_hello.as_ref().or(flight.retry.as_ref())
        {
            self.client.set_negotiated(chosen.version);
        }
    }
}

/// What a conversation is that began so, with what is known of its port.
fn judge(known: &Known, said: &[(Direction, Vec<u8>)]) -> Verdict {
    let Some((first, bytes)) = said.first() else { return Verdict::More };
    if *first == Direction::Client {
        match recognise::client_hello(bytes) {
            Some(true) => return Verdict::Tls,
            None => return Verdict::More,
            Some(false) => {}
        }
    } else if recognise::server_hello(bytes) || (known.midstream && recognise::certificate(bytes)) {
        return Verdict::Tls;
    } else if bytes[0] == 22 && bytes.len() < 11 {
        return Verdict::More;
    }
    match known.clear() {
        Some(protocol) if !known.midstream => Verdict::Clear(protocol),
        // Of a conversation that was joined late the greeting tells that nothing is missing.
        Some(protocol) => match recognise::by_content(said) {
            Verdict::Clear(found) if found.family() == protocol.family() => Verdict::Clear(protocol),
            Verdict::More => Verdict::More,
            _ if recognise::midway(protocol.family(), *first, bytes) => Verdict::Midway(protocol),
            _ => Verdict::Nothing,
        },
        None if known.any_port => recognise::by_content(said),
        None => Verdict::Nothing,
    }
}

/// What was found, if anything of the protocol itself was seen. If the begin is missing, what does not fit says nothing.
fn understood(dialogue: &Dialogue, midway: bool) -> Option<Box<Findings>> {
    let found = dialogue.findings()?;
    if midway {
        return Some(Box::new(Findings { violation: None, ..found.clone() }));
    }
    let said = found.greeting.is_some()
        || found.before.asked
        || found.upgrade.sent
        || found.auth_clear.is_some()
        || found.refused;
    // IRC has no greeting if the server gives no notice.
    let welcomed = matches!(dialogue, Dialogue::Irc(_)) && dialogue.expect() == Some(Expect::Command);
    (said || welcomed).then(|| Box::new(found.clone()))
}
