//! One conversation of the scanner's: dialogue in the clear, TLS from the upgrade (or from the start), the
//! dialogue again inside.
//!
//! Bytes in, bytes out: TCP below and rows above are the callers' business. A session ends by itself
//! ([`Session::finished`]) or by a [`Cause`] from outside; [`Session::outcome`] names the result.

pub(crate) mod dialogue;
mod outcome;
mod secured;

use crate::base::Instant;
use crate::dialogue::line::text;
use crate::dialogue::software::{Software, software};
use crate::dialogue::xmpp::To;
use crate::dialogue::{Call, Direction, Expect, Findings, Identity, Next, Start};
use crate::targets::Names;
use crate::targets::ports::{Family, Protocol, Security};
use crate::tls;
pub use crate::tls::Rung;
use dialogue::Dialogue;
pub use outcome::{Cause, Deadline, Outcome, Stage};
use outcome::{reason, timeout};
use secured::{FirstFlight, Secured};
use std::sync::Arc;

/// What all sessions of a lane share.
#[derive(Clone, Debug)]
pub struct Context {
    tls: tls::Client,
    identity: Identity,
    names: Arc<Names>,
    xmpp_to: To,
    rungs: u8,
}

impl Context {
    /// Sessions that offer what `tls` offers and introduce themselves as `identity`.
    pub fn new(tls: tls::Client, identity: Identity) -> Self {
        Self { tls, identity, names: Arc::default(), xmpp_to: To::default(), rungs: Rung::CONNECTIONS }
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

    /// The same, but to a server that is not content with an offer so many connections are made in all.
    #[must_use]
    pub fn with_rungs(self, rungs: u8) -> Self {
        Self { rungs, ..self }
    }

    /// What is offered in TLS.
    pub fn tls(&self) -> &tls::Client {
        &self.tls
    }
}

/// One conversation.
#[derive(Debug)]
pub struct Session {
    dialogue: Dialogue,
    secured: Option<Box<Secured>>,
    address: u32,
    port: u16,
    rung: Rung,
    /// Connections that may be made, this one included.
    rungs: u8,
    inside_tls: bool,
    finished: bool,
    greeted_at: Instant,
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
        rung: Rung,
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
            secured: None,
            address,
            port,
            rung,
            rungs: context.rungs,
            inside_tls: false,
            finished: false,
            greeted_at: Instant::FAR_FUTURE,
        };
        if start == Start::InsideTls {
            session.start_tls(context, now, alpn(protocol), out);
        }
        session.converse(context, now, out);
        session
    }

    /// Takes bytes from the server; what is to be sent goes to `out`.
    pub fn receive(&mut self, context: &Context, now: Instant, bytes: &[u8], out: &mut Vec<u8>) {
        if self.finished {
            return;
        }
        match self.secured.as_deref_mut() {
            None => self.dialogue.observe(Direction::Server, bytes),
            Some(Secured { session: Ok(tls), first_flight, .. }) => {
                first_flight.take(bytes);
                let mut plain = Vec::new();
                let state = tls.receive(&context.tls, bytes, &mut plain, out);
                self.after_tls(now, state, &plain);
            }
            Some(Secured { session: Err(_), .. }) => {}
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
        if self.tls().is_some() && !self.inside_tls {
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
            tls_started: self.secured.as_ref().and_then(|secured| known(secured.started_at)),
            tls_done: self.secured.as_ref().and_then(|secured| known(secured.done_at)),
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
        self.tls().map(tls::Session::facts)
    }

    /// What it offered.
    pub const fn rung(&self) -> Rung {
        self.rung
    }

    /// What the server is to be offered on a further connection if this one ends by `cause`: it was ready for TLS, and
    /// would not answer our ClientHello with a hello of its own, or not go on from the SSL 3.0 that it chose.
    pub fn next_rung(&self, cause: Cause) -> Option<Rung> {
        let tls = self.tls()?;
        let ended = matches!(cause, Cause::Finished | Cause::PeerClosed | Cause::Reset);
        let next = if tls.seen_hello() {
            (ended && tls.fell_to_ssl3()).then_some(Rung::Ssl3)
        } else if ended && self.rung == Rung::Modern && tls.refused_words() {
            Some(Rung::Bare)
        } else {
            let said = match (cause, tls.alert()) {
                (Cause::Finished | Cause::PeerClosed | Cause::Reset, Some(alert)) => Rung::refused_by(alert),
                (Cause::PeerClosed | Cause::Reset, None) => true,
                (Cause::Timeout(Deadline::Tls) | Cause::Unacknowledged, alert) => alert.is_none(),
                _ => false,
            };
            self.rung.next().filter(|_| said)
        }?;
        (next.within(self.rungs) && !self.alien()).then_some(next)
    }

    /// How it ended, given what ended the connection, and what went wrong in words.
    pub fn outcome(&self, cause: Cause) -> (Outcome, Option<String>) {
        let (outcome, reason) = self.outcome_of(cause);
        let tls_error = self.tls().and_then(|tls| tls.failure()).map(|failure| failure.words.clone());
        let findings = self.findings();
        let violation = findings.and_then(|findings| findings.violation.as_deref());
        let refusal = findings.and_then(|findings| findings.refusal.as_deref());
        let words = match outcome {
            Outcome::TlsFailed | Outcome::TlsTooLarge => {
                self.local_error().map(str::to_owned).or(tls_error).or_else(|| reason.map(str::to_owned))
            }
            Outcome::ProtocolError => violation.map(|line| format!("not of the protocol: {line}")),
            Outcome::NotTls => Some(match self.secured.as_ref().map(|secured| &secured.first_flight) {
                Some(FirstFlight::Alien(bytes)) => format!("not TLS: {}", text(bytes.trim_ascii_end())),
                _ => format!("{} bytes came in place of TLS", self.injected()),
            }),
            Outcome::ServiceRefused | Outcome::HostUnknown => refusal.map(str::to_owned),
            _ => reason.map(str::to_owned),
        };
        (outcome, words)
    }

    fn tls(&self) -> Option<&tls::Session> {
        self.secured.as_ref().and_then(|secured| secured.session.as_ref().ok())
    }

    fn tls_mut(&mut self) -> Option<&mut tls::Session> {
        self.secured.as_mut().and_then(|secured| secured.session.as_mut().ok())
    }

    fn local_error(&self) -> Option<&str> {
        self.secured.as_ref().and_then(|secured| secured.session.as_ref().err()).map(String::as_str)
    }

    fn injected(&self) -> u32 {
        self.findings().map_or(0, |findings| findings.upgrade.injected)
    }

    /// What came in place of the server's first flight is not TLS.
    fn alien(&self) -> bool {
        self.secured.as_ref().is_some_and(|secured| match secured.first_flight {
            FirstFlight::Alien(_) => true,
            FirstFlight::Awaited => self.injected() > 0,
            FirstFlight::Tls => false,
        })
    }

    fn outcome_of(&self, cause: Cause) -> (Outcome, Option<&'static str>) {
        let stage = self.stage();
        match cause {
            Cause::Interrupted => return (Outcome::Interrupted, Some("the run was stopped")),
            Cause::Blocked => return (Outcome::Blocked, Some("the address was blocked in mid-run")),
            Cause::Silent => return (Outcome::SilentAfterSynack, None),
            Cause::TooMuchData => return (Outcome::TooMuchData, reason(cause)),
            Cause::TooManySegments => return (Outcome::TooManySegments, reason(cause)),
            _ => {}
        }
        let too_slow = matches!(cause, Cause::Timeout(_) | Cause::Unacknowledged | Cause::Tarpit);
        let broken = self.local_error().is_some() || self.tls().is_some_and(|tls| tls.state() == tls::State::Failed);
        if stage == Stage::Tls && self.alien() {
            return (Outcome::NotTls, None);
        }
        let failure = self.tls().and_then(tls::Session::failure);
        if stage == Stage::Tls && failure.is_some_and(|failure| failure.kind == tls::Kind::TooLarge) {
            return (Outcome::TlsTooLarge, None);
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
                let outcome = if self.tls().is_some() { Outcome::Complete } else { Outcome::NoStarttls };
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
        let session = tls::Session::start(&context.tls, (self.rung, self.address), self.name(context), alpn, out);
        self.finished = session.is_err();
        self.secured = Some(Box::new(Secured {
            session: session.map_err(|error| error.to_string()),
            first_flight: FirstFlight::Awaited,
            started_at: now,
            done_at: Instant::FAR_FUTURE,
        }));
    }

    fn after_tls(&mut self, now: Instant, state: tls::State, plain: &[u8]) {
        let established = self.tls().is_some_and(tls::Session::established);
        if established && !self.inside_tls {
            self.inside_tls = true;
            if let Some(secured) = &mut self.secured {
                secured.done_at = now;
            }
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
        if self.finished || (self.tls().is_some() && !self.inside_tls) {
            return;
        }
        let (name, xmpp_to) = (self.name(context), context.xmpp_to);
        let call = Call { identity: &context.identity, name, address: self.address, xmpp_to };
        loop {
            match self.dialogue.next(&call) {
                Next::Wait => return,
                Next::Say(line) => {
                    self.dialogue.observe(Direction::Client, &line);
                    match self.tls_mut() {
                        Some(tls) => tls.send(&line, out),
                        None => out.extend_from_slice(&line),
                    }
                }
                Next::StartTls => return self.start_tls(context, now, tls::Alpn::None, out),
                Next::Close => {
                    self.finished = true;
                    if let Some(tls) = self.tls_mut() {
                        tls.close(out);
                    }
                    return;
                }
            }
        }
    }
}

/// What is offered in ALPN where `protocol` is spoken. After an upgrade everybody knows what follows.
pub const fn alpn(protocol: Protocol) -> tls::Alpn {
    match (protocol.security(), protocol.family()) {
        (Security::Direct, Family::Silent) => tls::Alpn::Web,
        (Security::Direct, Family::XmppClient) => tls::Alpn::XmppClient,
        (Security::Direct, Family::XmppServer) => tls::Alpn::XmppServer,
        _ => tls::Alpn::None,
    }
}

#[cfg(test)]
mod tests;
