//! One conversation of the scanner's: dialogue in the clear, TLS from the upgrade (or from the start), the
//! dialogue again inside.
//!
//! Bytes in, bytes out: TCP below and rows above are the callers' business. A session ends by itself
//! ([`Session::finished`]) or by a [`Cause`] from outside; [`Session::outcome`] names the result.

use crate::base::Instant;
use crate::dialogue::imap::{Imap, ImapSpeaker};
use crate::dialogue::smtp::{Smtp, SmtpSpeaker};
use crate::dialogue::{Direction, Expect, Findings, Identity, Next, Observe, Speak, Start};
use crate::targets::Names;
use crate::targets::ports::Protocol;
use crate::tls;
use std::sync::Arc;

/// What all sessions of a lane share.
#[derive(Clone, Debug)]
pub struct Context {
    tls: tls::Client,
    smtp: SmtpSpeaker,
    imap: ImapSpeaker,
    names: Arc<Names>,
}

impl Context {
    /// Sessions that offer what `tls` offers and introduce themselves as `identity`.
    pub fn new(tls: tls::Client, identity: Identity) -> Self {
        Self { tls, smtp: SmtpSpeaker { identity }, imap: ImapSpeaker, names: Arc::default() }
    }

    /// The same, with servers called by `names`.
    #[must_use]
    pub fn with_names(self, names: Arc<Names>) -> Self {
        Self { names, ..self }
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
    /// The server advertised STARTTLS and refused it.
    StarttlsRefused = "starttls_refused",
    /// The TLS handshake failed, or the session broke inside TLS.
    TlsFailed = "tls_failed",
    /// The server greeted with a refusal of service.
    ServiceRefused = "service_refused",
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

#[derive(Debug)]
enum Dialogue {
    Smtp(Smtp),
    Imap(Imap),
    /// Nothing is said: the TLS handshake is all.
    None,
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
        let (dialogue, direct) = match protocol {
            Protocol::Smtp => (Dialogue::Smtp(Smtp::new(Start::Clear)), false),
            Protocol::Imap => (Dialogue::Imap(Imap::new(Start::Clear)), false),
            Protocol::Imaps => (Dialogue::Imap(Imap::new(Start::InsideTls)), true),
            Protocol::Https => (Dialogue::None, true),
        };
        let mut session = Self {
            dialogue,
            tls: None,
            address,
            port,
            inside_tls: false,
            finished: false,
            local_error: None,
            greeted_at: Instant::FAR_FUTURE,
            tls_started_at: Instant::FAR_FUTURE,
            tls_done_at: Instant::FAR_FUTURE,
        };
        if direct {
            session.start_tls(context, now, out);
        }
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
        match &self.dialogue {
            Dialogue::Smtp(observer) => Some(observer.findings()),
            Dialogue::Imap(observer) => Some(observer.findings()),
            Dialogue::None => None,
        }
    }

    /// What TLS showed; `None` if it was not begun.
    pub fn tls_facts(&self) -> Option<tls::Facts> {
        self.tls.as_ref().map(|tls| tls.facts())
    }

    /// How it ended, given what ended the connection, and what went wrong in words.
    pub fn outcome(&self, cause: Cause) -> (Outcome, Option<String>) {
        let (outcome, reason) = self.outcome_of(cause);
        let tls_error = self.tls.as_ref().and_then(|tls| tls.facts().error);
        let violation = self.findings().and_then(|findings| findings.violation.clone());
        let words = match outcome {
            Outcome::TlsFailed => {
                self.local_error.as_deref().map(str::to_owned).or(tls_error).or_else(|| reason.map(str::to_owned))
            }
            Outcome::ProtocolError => violation.map(|line| format!("not of the protocol: {line}")),
            _ => reason.map(str::to_owned),
        };
        (outcome, words)
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
        if broken && stage < Stage::Goodbye || stage == Stage::Tls && !too_slow {
            return (Outcome::TlsFailed, reason(cause));
        }
        if let Some(findings) = self.findings() {
            // A stray line in a conversation that otherwise works is a finding, not its end.
            if findings.violation.is_some() && findings.greeting.is_none() {
                return (Outcome::ProtocolError, None);
            }
            if findings.upgrade.accepted == Some(false) {
                return (Outcome::StarttlsRefused, None);
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

    fn start_tls(&mut self, context: &Context, now: Instant, out: &mut Vec<u8>) {
        self.tls_started_at = now;
        // Only the web has its name in ALPN, and nothing is said there.
        let alpn = if matches!(self.dialogue, Dialogue::None) { tls::Alpn::Web } else { tls::Alpn::None };
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
        loop {
            match self.dialogue.next(context) {
                Next::Wait => return,
                Next::Say(line) => {
                    self.dialogue.observe(Direction::Client, &line);
                    match self.tls.as_mut() {
                        Some(tls) => tls.send(&line, out),
                        None => out.extend_from_slice(&line),
                    }
                }
                Next::StartTls => return self.start_tls(context, now, out),
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

impl Dialogue {
    fn observe(&mut self, from: Direction, bytes: &[u8]) {
        match self {
            Self::Smtp(observer) => observer.bytes(from, bytes),
            Self::Imap(observer) => observer.bytes(from, bytes),
            Self::None => {}
        }
    }

    fn closed(&mut self, from: Direction) {
        match self {
            Self::Smtp(observer) => observer.closed(from),
            Self::Imap(observer) => observer.closed(from),
            Self::None => {}
        }
    }

    fn tls_started(&mut self) {
        match self {
            Self::Smtp(observer) => observer.tls_started(),
            Self::Imap(observer) => observer.tls_started(),
            Self::None => {}
        }
    }

    fn expect(&self) -> Option<Expect> {
        match self {
            Self::Smtp(observer) => Some(observer.expect()),
            Self::Imap(observer) => Some(observer.expect()),
            Self::None => None,
        }
    }

    fn next(&self, context: &Context) -> Next {
        match self {
            Self::Smtp(observer) => context.smtp.next(observer),
            Self::Imap(observer) => context.imap.next(observer),
            Self::None => Next::Close,
        }
    }
}

#[cfg(test)]
mod tests;
