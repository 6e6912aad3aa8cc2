//! One conversation of the scanner's: dialogue in the clear, TLS from the upgrade (or from the start), the
//! dialogue again inside.
//!
//! Bytes in, bytes out: TCP below and rows above are the callers' business. A session ends by itself
//! ([`Session::finished`]) or by a [`Cause`] from outside; [`Session::outcome`] names the result.

mod dialogue;

use crate::base::Instant;
use crate::dialogue::line::text;
use crate::dialogue::software::{Software, software};
use crate::dialogue::xmpp::To;
use crate::dialogue::{Call, Direction, Expect, Findings, Identity, Next, Start};
use crate::targets::Names;
use crate::targets::ports::{Family, Protocol, Security};
use crate::tls;
use dialogue::Dialogue;
use std::sync::Arc;

/// What all sessions of a lane share.
#[derive(Clone, Debug)]
pub struct Context {
    tls: tls::Client,
    identity: Identity,
    names: Arc<Names>,
    xmpp_to: To,
}

impl Context {
    /// Sessions that offer what `tls` offers and introduce themselves as `identity`.
    pub fn new(tls: tls::Client, identity: Identity) -> Self {
        Self { tls, identity, names: Arc::default(), xmpp_to: To::default() }
    }

    /// The same, with servers called by `names`.
    #[must_use]
    pub fn with_names(self, names: Arc<Names>) -> Self {
        Self { names, ..self }
    }

    /// The same, but XMPP streams are asked for `to` where the server's name is unknown.
    #[must_use]
    pub fn with_xmpp_to(self, to: To) -> Self {
        Self { xmpp_to: to, ..self }
    }

    /// What is offered in TLS.
    pub fn tls(&self) -> &tls::Client {
        &self.tls
    }
}

/// How far a conversation got: the column `stage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Waiting for the greeting.
    Greeting,
    /// Asking for capabilities in the clear.
    Capabilities,
    /// Asking for the upgrade.
    Starttls,
    /// In the TLS handshake.
    Tls,
    /// Waiting for the greeting, or asking for capabilities, inside TLS.
    CapabilitiesTls,
    /// Goodbye was said.
    Goodbye,
    /// The conversation came to its end.
    Done,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: &'static [Self] = &[
        Self::Greeting,
        Self::Capabilities,
        Self::Starttls,
        Self::Tls,
        Self::CapabilitiesTls,
        Self::Goodbye,
        Self::Done,
    ];

    /// Name in rows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Greeting => "greeting",
            Self::Capabilities => "capabilities",
            Self::Starttls => "starttls",
            Self::Tls => "tls",
            Self::CapabilitiesTls => "capabilities_tls",
            Self::Goodbye => "goodbye",
            Self::Done => "done",
        }
    }
}

/// The clock that runs at a stage, and what of the conversation it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// Until the greeting is complete, in the clear or inside TLS.
    Greeting,
    /// From a command to its complete reply.
    Reply,
    /// From the ClientHello to the end of the handshake.
    Tls,
    /// From the goodbye to its reply.
    Goodbye,
    /// The whole connection.
    Total,
}

/// What ended a connection from outside the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The session itself had finished.
    Finished,
    /// The peer sent FIN.
    PeerClosed,
    /// The peer sent RST.
    Reset,
    /// The peer stopped acknowledging.
    Unacknowledged,
    /// A deadline passed.
    Timeout(Deadline),
    /// A deadline passed while bytes kept coming, too slowly.
    Tarpit,
    /// Nothing at all came after the SYN-ACK.
    Silent,
    /// The peer sent more bytes than we are ready to take.
    TooMuchData,
    /// The peer sent more segments than we are ready to take.
    TooManySegments,
    /// The run was stopped.
    Interrupted,
}

macro_rules! outcomes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)*) => {
        /// How a conversation ended: the column `outcome`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Outcome { $($(#[doc = $doc])+ $name,)* }

        impl Outcome {
            /// Every outcome.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Name in rows.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

outcomes! {
    /// Everything the protocol has to show was seen.
    Complete = "complete",
    /// The server did not advertise STARTTLS; everything else was seen.
    NoStarttls = "no_starttls",
    /// The server was asked for STARTTLS and refused it. (It is asked if it advertised it, or if it does not let
    /// itself be asked for capabilities.)
    StarttlsRefused = "starttls_refused",
    /// The TLS handshake failed, or the session broke inside TLS.
    TlsFailed = "tls_failed",
    /// What came in place of the TLS handshake is not TLS: after the server agreed to STARTTLS, or on a port where
    /// TLS comes first.
    NotTls = "not_tls",
    /// The server refused service, in its greeting or later.
    ServiceRefused = "service_refused",
    /// The server does not serve the name it was asked for (XMPP `host-unknown`).
    HostUnknown = "host_unknown",
    /// The server does not speak the protocol.
    ProtocolError = "protocol_error",
    /// The greeting was not complete in time.
    TimeoutGreeting = "timeout_greeting",
    /// A reply was not complete in time, or the server stopped acknowledging the command.
    TimeoutReply = "timeout_reply",
    /// The TLS handshake was not complete in time.
    TimeoutTls = "timeout_tls",
    /// Each stage was in time, all together were not.
    TimeoutTotal = "timeout_total",
    /// A deadline passed although bytes kept coming: at least twice in that stage, and still in the second half
    /// of its time.
    Tarpit = "tarpit",
    /// The server reset the connection.
    Reset = "reset",
    /// The server closed the connection before the end.
    Closed = "closed",
    /// Nothing came after the SYN-ACK: the study's background noise.
    SilentAfterSynack = "silent_after_synack",
    /// The server sent more bytes than we take.
    TooMuchData = "too_much_data",
    /// The server sent more segments than we take.
    TooManySegments = "too_many_segments",
    /// The run was stopped.
    Interrupted = "interrupted",
}

/// What answered the ClientHello.
#[derive(Debug)]
enum FirstFlight {
    Awaited,
    /// It begins like a TLS record.
    Tls,
    /// It does not: its first bytes.
    Alien(Box<[u8]>),
}

impl FirstFlight {
    /// Bytes kept of what is not TLS.
    const ALIEN: usize = 128;

    fn take(&mut self, bytes: &[u8]) {
        match self {
            // Content types of RFC 8446, section 5.1.
            Self::Awaited if matches!(bytes, [20..=23, ..]) => *self = Self::Tls,
            Self::Awaited => *self = Self::Alien(bytes[..bytes.len().min(Self::ALIEN)].into()),
            Self::Alien(kept) => {
                let more = bytes.iter().take(Self::ALIEN - kept.len());
                *kept = kept.iter().chain(more).copied().collect();
            }
            Self::Tls => {}
        }
    }
}

/// One conversation.
#[derive(Debug)]
pub struct Session {
    dialogue: Dialogue,
    tls: Option<Box<tls::Session>>,
    address: u32,
    port: u16,
    inside_tls: bool,
    finished: bool,
    first_flight: FirstFlight,
    /// TLS could not even begin (a bug or an exhausted system, not the peer).
    local_error: Option<Box<str>>,
    greeted_at: Instant,
    tls_started_at: Instant,
    tls_done_at: Instant,
}

/// When things happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// The greeting was complete.
    pub greeting: Option<Instant>,
    /// The ClientHello was written.
    pub tls_started: Option<Instant>,
    /// The TLS handshake was complete.
    pub tls_done: Option<Instant>,
}

impl Session {
    /// A conversation in `protocol` with the server at an address (in host order) and port; what is to be sent at
    /// once goes to `out`.
    pub fn open(
        context: &Context,
        protocol: Protocol,
        (address, port): (u32, u16),
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Self {
        let start = match protocol.security() {
            Security::Upgrade => Start::Clear,
            Security::Direct => Start::InsideTls,
        };
        let dialogue = Dialogue::new(protocol.family(), start);
        let mut session = Self {
            dialogue,
            tls: None,
            address,
            port,
            inside_tls: false,
            finished: false,
            first_flight: FirstFlight::Awaited,
            local_error: None,
            greeted_at: Instant::FAR_FUTURE,
            tls_started_at: Instant::FAR_FUTURE,
            tls_done_at: Instant::FAR_FUTURE,
        };
        if start == Start::InsideTls {
            // Where TLS comes first only its hello can say what is spoken; after an upgrade everybody knows.
            let alpn = match protocol.family() {
                Family::Silent => tls::Alpn::Web,
                Family::XmppClient => tls::Alpn::XmppClient,
                Family::XmppServer => tls::Alpn::XmppServer,
                _ => tls::Alpn::None,
            };
            session.start_tls(context, now, alpn, out);
        }
        session.converse(context, now, out);
        session
    }

    /// Takes bytes from the server; what is to be sent goes to `out`.
    pub fn receive(&mut self, context: &Context, now: Instant, bytes: &[u8], out: &mut Vec<u8>) {
        if self.finished {
            return;
        }
        match self.tls.as_mut() {
            None => self.dialogue.observe(Direction::Server, bytes),
            Some(tls) => {
                self.first_flight.take(bytes);
                let mut plain = Vec::new();
                let state = tls.receive(&context.tls, bytes, &mut plain, out);
                self.after_tls(now, state, &plain);
            }
        }
        if self.greeted_at == Instant::FAR_FUTURE
            && self.dialogue.expect().is_some_and(|expect| expect != Expect::Greeting)
        {
            self.greeted_at = now;
        }
        self.converse(context, now, out);
    }

    /// The server will send nothing more.
    pub fn peer_closed(&mut self) {
        self.dialogue.closed(Direction::Server);
        self.finished = true;
    }

    /// Nothing more is to be said or heard: close the connection.
    pub const fn finished(&self) -> bool {
        self.finished
    }

    /// How far it got.
    pub fn stage(&self) -> Stage {
        if self.tls.is_some() && !self.inside_tls {
            return Stage::Tls;
        }
        let Some(expect) = self.dialogue.expect() else { return Stage::Done };
        match expect {
            Expect::End => Stage::Done,
            Expect::Goodbye => Stage::Goodbye,
            _ if self.inside_tls => Stage::CapabilitiesTls,
            Expect::Greeting => Stage::Greeting,
            Expect::Capabilities | Expect::Command => Stage::Capabilities,
            Expect::UpgradeReply | Expect::Tls => Stage::Starttls,
        }
    }

    /// Which clock runs.
    pub fn deadline(&self) -> Deadline {
        match self.dialogue.expect() {
            _ if self.stage() == Stage::Tls => Deadline::Tls,
            Some(Expect::Greeting) => Deadline::Greeting,
            Some(Expect::Goodbye | Expect::End) | None => Deadline::Goodbye,
            Some(_) => Deadline::Reply,
        }
    }

    /// When things happened.
    pub fn times(&self) -> Times {
        let known = |at: Instant| (at != Instant::FAR_FUTURE).then_some(at);
        Times {
            greeting: known(self.greeted_at),
            tls_started: known(self.tls_started_at),
            tls_done: known(self.tls_done_at),
        }
    }

    /// What the dialogue found; `None` where nothing is said.
    pub fn findings(&self) -> Option<&Findings> {
        self.dialogue.findings()
    }

    /// The software that the server says it is.
    pub fn software(&self) -> Option<Software> {
        self.findings().and_then(software)
    }

    /// What TLS showed; `None` if it was not begun.
    pub fn tls_facts(&self) -> Option<tls::Facts> {
        self.tls.as_ref().map(|tls| tls.facts())
    }

    /// How it ended, given what ended the connection, and what went wrong in words.
    pub fn outcome(&self, cause: Cause) -> (Outcome, Option<String>) {
        let (outcome, reason) = self.outcome_of(cause);
        let tls_error = self.tls.as_ref().and_then(|tls| tls.facts().error);
        let findings = self.findings();
        let violation = findings.and_then(|findings| findings.violation.as_deref());
        let refusal = findings.and_then(|findings| findings.refusal.as_deref());
        let words = match outcome {
            Outcome::TlsFailed => {
                self.local_error.as_deref().map(str::to_owned).or(tls_error).or_else(|| reason.map(str::to_owned))
            }
            Outcome::ProtocolError => violation.map(|line| format!("not of the protocol: {line}")),
            Outcome::NotTls => Some(match &self.first_flight {
                FirstFlight::Alien(bytes) => format!("not TLS: {}", text(bytes.trim_ascii_end())),
                _ => format!("{} bytes came in place of TLS", self.injected()),
            }),
            Outcome::ServiceRefused | Outcome::HostUnknown => refusal.map(str::to_owned),
            _ => reason.map(str::to_owned),
        };
        (outcome, words)
    }

    fn injected(&self) -> u32 {
        self.findings().map_or(0, |findings| findings.upgrade.injected)
    }

    fn outcome_of(&self, cause: Cause) -> (Outcome, Option<&'static str>) {
        let stage = self.stage();
        match cause {
            Cause::Interrupted => return (Outcome::Interrupted, Some("the run was stopped")),
            Cause::Silent => return (Outcome::SilentAfterSynack, None),
            Cause::TooMuchData => return (Outcome::TooMuchData, reason(cause)),
            Cause::TooManySegments => return (Outcome::TooManySegments, reason(cause)),
            _ => {}
        }
        let too_slow = matches!(cause, Cause::Timeout(_) | Cause::Unacknowledged | Cause::Tarpit);
        let broken = self.local_error.is_some() || self.tls.as_ref().is_some_and(|t| t.state() == tls::State::Failed);
        let alien = match self.first_flight {
            FirstFlight::Alien(_) => true,
            FirstFlight::Awaited => self.injected() > 0,
            FirstFlight::Tls => false,
        };
        if stage == Stage::Tls && alien && self.local_error.is_none() {
            return (Outcome::NotTls, None);
        }
        if broken && stage < Stage::Goodbye || stage == Stage::Tls && !too_slow {
            return (Outcome::TlsFailed, reason(cause));
        }
        if let Some(findings) = self.findings() {
            // A stray line in a conversation that otherwise works is a finding, not its end.
            if findings.derailed || findings.violation.is_some() && findings.greeting.is_none() {
                return (Outcome::ProtocolError, None);
            }
            if findings.upgrade.accepted == Some(false) {
                return (Outcome::StarttlsRefused, None);
            }
            if findings.host_unknown {
                return (Outcome::HostUnknown, None);
            }
            if findings.refused {
                return (Outcome::ServiceRefused, None);
            }
            if stage >= Stage::Goodbye {
                let outcome = if self.tls.is_some() { Outcome::Complete } else { Outcome::NoStarttls };
                return (outcome, None);
            }
        } else if stage == Stage::Done {
            return (Outcome::Complete, None);
        }
        match cause {
            Cause::Reset => (Outcome::Reset, reason(cause)),
            Cause::Tarpit => (Outcome::Tarpit, reason(cause)),
            Cause::Timeout(deadline) => (timeout(deadline), reason(cause)),
            Cause::Unacknowledged => (timeout(self.deadline()), reason(cause)),
            _ => (Outcome::Closed, reason(cause)),
        }
    }

    /// The server's name, if one is known. It is looked up each time: a connection has no room to keep it.
    fn name<'a>(&self, context: &'a Context) -> Option<&'a str> {
        context.names.get(self.address, self.port)
    }

    fn start_tls(&mut self, context: &Context, now: Instant, alpn: tls::Alpn, out: &mut Vec<u8>) {
        self.tls_started_at = now;
        match tls::Session::start(&context.tls, self.address, self.name(context), alpn, out) {
            Ok(tls) => self.tls = Some(Box::new(tls)),
            Err(error) => {
                self.local_error = Some(error.to_string().into());
                self.finished = true;
            }
        }
    }

    fn after_tls(&mut self, now: Instant, state: tls::State, plain: &[u8]) {
        let established = self.tls.as_ref().is_some_and(|tls| tls.facts().version.is_some());
        if established && !self.inside_tls {
            self.inside_tls = true;
            self.tls_done_at = now;
            self.dialogue.tls_started();
        }
        if !plain.is_empty() {
            self.dialogue.observe(Direction::Server, plain);
        }
        if matches!(state, tls::State::Failed | tls::State::Closed) {
            self.finished = true;
        }
    }

    /// Says whatever is to be said now.
    fn converse(&mut self, context: &Context, now: Instant, out: &mut Vec<u8>) {
        if self.finished || (self.tls.is_some() && !self.inside_tls) {
            return;
        }
        let (name, xmpp_to) = (self.name(context), context.xmpp_to);
        let call = Call { identity: &context.identity, name, address: self.address, xmpp_to };
        loop {
            match self.dialogue.next(&call) {
                Next::Wait => return,
                Next::Say(line) => {
                    self.dialogue.observe(Direction::Client, &line);
                    match self.tls.as_mut() {
                        Some(tls) => tls.send(&line, out),
                        None => out.extend_from_slice(&line),
                    }
                }
                Next::StartTls => return self.start_tls(context, now, tls::Alpn::None, out),
                Next::Close => {
                    self.finished = true;
                    if let Some(tls) = self.tls.as_mut() {
                        tls.close(out);
                    }
                    return;
                }
            }
        }
    }
}

const fn timeout(deadline: Deadline) -> Outcome {
    match deadline {
        Deadline::Greeting => Outcome::TimeoutGreeting,
        Deadline::Reply | Deadline::Goodbye => Outcome::TimeoutReply,
        Deadline::Tls => Outcome::TimeoutTls,
        Deadline::Total => Outcome::TimeoutTotal,
    }
}

const fn reason(cause: Cause) -> Option<&'static str> {
    match cause {
        Cause::PeerClosed => Some("the server closed the connection"),
        Cause::Reset => Some("the server reset the connection"),
        Cause::Timeout(_) => Some("the server took too long"),
        Cause::Unacknowledged => Some("the server stopped acknowledging"),
        Cause::Tarpit => Some("the server kept sending, too slowly"),
        Cause::TooMuchData => Some("the server sent more bytes than the limit"),
        Cause::TooManySegments => Some("the server sent more segments than the limit"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
