//! One TLS connection on buffers: who speaks, and what is kept of what was seen.

use super::connection::Connection;
use super::facts::Facts;
use super::failure::{Failure, Kind};
use super::legacy::{self, Engine, Profile};
use super::ocsp::Ocsp;
use super::tap::{Alert, CLOSE_NOTIFY, Tap, Unreadable};
use super::{Alpn, Client, Offer, Rung, State, modern, names};
use rustls::pki_types::{DnsName, IpAddr, ServerName};

const SSL_3: u16 = 0x0300;
/// Length of a record's header.
const RECORD_HEADER: usize = 5;

/// One TLS connection.
#[derive(Debug)]
pub struct Session {
    tap: Tap,
    speaker: Speaker,
    rung: Rung,
    /// Whether a name and protocols were sent.
    sent: (bool, bool),
    state: State,
    established: bool,
    error: Option<Failure>,
    alert_sent: Option<u8>,
    /// A ticket came after the handshake.
    ticket: bool,
    ocsp: Option<Ocsp>,
}

/// Who holds the handshake.
#[derive(Debug)]
enum Speaker {
    /// rustls has written the ClientHello, and waits for the tap to see the answer to it. The hello is kept for whom it
    /// may fall to: the legacy engine, unless rustls is to go on in any case.
    Undecided { rustls: Box<Connection>, hello: Vec<u8>, pending: Vec<u8> },
    /// rustls.
    Rustls(Box<Connection>),
    /// Our own engine.
    Legacy(Box<Engine>),
    /// Nobody any more: a message is too long for rustls, and the tap reads it to its end. Then `alert` is sent.
    Reader { alert: Vec<u8> },
}

impl Session {
    /// Begins a handshake with the server at an address (in host order; it is not sent) with what a rung offers, and writes
    /// the ClientHello to `out`. A `name` is sent as SNI (RFC 6066, section 3) if it can be.
    pub fn start(
        client: &Client,
        (rung, address): (Rung, u32),
        name: Option<&str>,
        alpn: Alpn,
        out: &mut Vec<u8>,
    ) -> Result<Self, rustls::Error> {
        let (name, alpn) = if rung == Rung::Bare { (None, Alpn::None) } else { (name, alpn) };
        let name = name.and_then(|name| DnsName::try_from(name.to_owned()).ok());
        let sent = (name.is_some(), alpn != Alpn::None);
        let begin = out.len();
        let profile = match rung {
            Rung::Modern | Rung::Bare => None,
            Rung::Legacy => Some(Profile::Legacy),
            Rung::Ssl3 => Some(Profile::Ssl3),
        };
        let speaker = match profile {
            None => {
                let address = || ServerName::IpAddress(IpAddr::from(std::net::IpAddr::from(address.to_be_bytes())));
                let name = name.map_or_else(address, ServerName::DnsName);
                let config = &client.configs[alpn as usize];
                let rustls = Box::new(Connection::start(config, name, out)?);
                let hello = match client.offer {
                    Offer::Wide | Offer::Usual => message_of(&out[begin..]).to_vec(),
                    Offer::Strong => Vec::new(),
                };
                Speaker::Undecided { rustls, hello, pending: Vec::new() }
            }
            Some(profile) => {
                out.extend(legacy::hello(profile, client.offer, name.as_ref(), modern::random()?));
                Speaker::Legacy(Box::new(client.engine(message_of(&out[begin..]))?))
            }
        };
        Ok(Self {
            tap: Tap::server().strict(),
            speaker,
            rung,
            sent,
            state: State::Handshaking,
            established: false,
            error: None,
            alert_sent: None,
            ticket: false,
            ocsp: None,
        })
    }

    /// Takes bytes from the server; appends what they decrypt to to `plain` and what is to be sent to `out`. What follows a record
    /// at which the connection ends does not count, however much of it came in the same piece.
    pub fn receive(&mut self, client: &Client, mut bytes: &[u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> State {
        while !bytes.is_empty() && matches!(self.state, State::Handshaking | State::Established) {
            let seen = self.tap.feed_record(bytes);
            let (record, rest) = bytes.split_at(if self.tap.over() { bytes.len() } else { seen });
            self.record(client, record, plain, out);
            bytes = rest;
        }
        self.state
    }

    /// Takes bytes of one record, or what the tap has no interest in.
    fn record(&mut self, client: &Client, bytes: &[u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) {
        let said = out.len();
        match &mut self.speaker {
            Speaker::Undecided { pending, .. } => {
                pending.extend_from_slice(bytes);
                if self.answered() {
                    self.decide(client, plain, out);
                }
            }
            Speaker::Rustls(_) => self.rustls(client, bytes, plain, out),
            Speaker::Legacy(_) => self.legacy(bytes, plain, out),
            Speaker::Reader { .. } => {}
        }
        self.read_on(out);
        if let (Some(error), Some(Unreadable::TooLong(_))) = (&mut self.error, self.tap.flight().error) {
            error.kind = Kind::TooLarge;
        }
        if self.error.is_some() && self.alert_sent.is_none() {
            self.alert_sent = fatal_alert(&out[said..]);
        }
        self.keep_less();
    }

    /// The server has said something that decides who goes on.
    fn answered(&self) -> bool {
        let flight = self.tap.flight();
        let final_alert = |alert: &Alert| alert.level != 1 || alert.description == 0;
        self.seen_hello() || self.tap.over() || flight.alerts.iter().any(final_alert)
    }

    fn decide(&mut self, client: &Client, plain: &mut Vec<u8>, out: &mut Vec<u8>) {
        let idle = Speaker::Reader { alert: Vec::new() };
        let Speaker::Undecided { rustls, hello, pending } = std::mem::replace(&mut self.speaker, idle) else { return };
        let chosen = self.tap.flight().server_hello.as_ref();
        let foreign = chosen.is_some_and(|chosen| !modern::speaks(chosen.version, chosen.suite));
        let engine = (foreign && !hello.is_empty()).then(|| client.engine(&hello));
        match engine {
            Some(Ok(engine)) => {
                self.speaker = Speaker::Legacy(Box::new(engine));
                self.legacy(&pending, plain, out);
            }
            _ => {
                self.speaker = Speaker::Rustls(rustls);
                self.rustls(client, &pending, plain, out);
            }
        }
    }

    /// The legacy engine takes bytes.
    fn legacy(&mut self, bytes: &[u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) {
        let Speaker::Legacy(engine) = &mut self.speaker else { return };
        self.state = match engine.receive(bytes, out, plain) {
            legacy::State::Handshaking => State::Handshaking,
            legacy::State::Established => State::Established,
            legacy::State::Closed => State::Closed,
            legacy::State::Failed(failure) => {
                self.error = Some(failure.into());
                self.alert_sent = engine.alert_sent();
                State::Failed
            }
        };
        self.established |= engine.established();
    }

    /// rustls takes bytes.
    fn rustls(&mut self, client: &Client, bytes: &[u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) {
        let Speaker::Rustls(connection) = &mut self.speaker else { return };
        client.capture.begin();
        let said = out.len();
        let result = connection.receive(bytes, plain, out);
        let captured = client.capture.take();
        self.ticket |= captured.ticket;
        if let Some(secret) = captured.secret {
            self.tap.set_secret(&secret);
        }
        if !connection.is_handshaking() {
            self.established = true;
            self.state = State::Established;
        }
        if connection.peer_closed() {
            // What came behind its close_notify does not count.
            self.state = State::Closed;
        } else if let Err(error) = result {
            let failure = Failure::from(&error);
            self.state = State::Failed;
            if failure.kind == Kind::TooLarge && !self.established {
                self.state = State::Handshaking;
                self.speaker = Speaker::Reader { alert: out.split_off(said) };
            }
            self.error = Some(failure);
        }
    }

    /// Ends what only the tap reads once it has seen the certificates, or has seen enough.
    fn read_on(&mut self, out: &mut Vec<u8>) {
        if let Speaker::Reader { alert } = &mut self.speaker
            && (self.tap.over() || self.tap.flight().certificates.is_some())
        {
            out.append(alert);
            self.state = State::Failed;
        }
    }

    /// Gives up what is known twice, or was only needed to be understood.
    fn keep_less(&mut self) {
        if !self.tap.over() {
            return;
        }
        let Some(certificates) = &mut self.tap.flight_mut().certificates else { return };
        if let Some(response) = certificates.ocsp.take() {
            self.ocsp = Some(Ocsp::parse(&response));
        }
        if let Speaker::Rustls(connection) = &self.speaker
            && connection.certificates().iter().map(AsRef::as_ref).eq(certificates.chain.iter().map(Vec::as_slice))
        {
            certificates.chain = Vec::new();
        }
    }

    /// Encrypts `plain` to `out`.
    pub fn send(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        match &mut self.speaker {
            Speaker::Rustls(connection) => connection.send(plain, out),
            Speaker::Legacy(engine) => engine.send(plain, out),
            Speaker::Undecided { .. } | Speaker::Reader { .. } => {}
        }
    }

    /// Says close_notify.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        match &mut self.speaker {
            Speaker::Rustls(connection) => connection.close(out),
            Speaker::Legacy(engine) => engine.close(out),
            Speaker::Undecided { .. } | Speaker::Reader { .. } => {}
        }
    }

    /// Where it stands.
    pub const fn state(&self) -> State {
        self.state
    }

    /// The handshake was completed.
    pub const fn established(&self) -> bool {
        self.established
    }

    /// A ServerHello came: the server can be talked to.
    pub const fn seen_hello(&self) -> bool {
        let flight = self.tap.flight();
        flight.server_hello.is_some() || flight.retry.is_some()
    }

    /// The server refused the name (unrecognized_name, RFC 6066) or the protocols (no_application_protocol, RFC 7301) that it
    /// was told.
    pub fn refused_words(&self) -> bool {
        let fatal = |of: u8| self.tap.flight().alerts.iter().any(|alert| alert.level == 2 && alert.description == of);
        let (name, protocols) = self.sent;
        name && fatal(112) || protocols && fatal(120)
    }

    /// The server chose SSL 3.0 out of an offer of newer versions, and came to no end with that: some then read our key as
    /// TLS writes it (Java's, with RSA).
    pub fn fell_to_ssl3(&self) -> bool {
        let hello = self.tap.flight().server_hello.as_ref();
        let broke = self.error.as_ref().is_none_or(|error| !matches!(error.kind, Kind::Incompatible | Kind::TooLarge));
        self.rung != Rung::Ssl3 && !self.established && hello.is_some_and(|hello| hello.version == SSL_3) && broke
    }

    /// Why it failed, if it did.
    pub const fn failure(&self) -> Option<&Failure> {
        self.error.as_ref()
    }

    /// The first alert that ended the handshake. That is not close_notify, nor a warning, unless it says the same as a
    /// refusal.
    pub fn alert(&self) -> Option<u8> {
        let ends = |alert: &&Alert| {
            alert.description != CLOSE_NOTIFY && (alert.level != 1 || Rung::refused_by(alert.description))
        };
        self.tap.flight().alerts.iter().find(ends).map(|alert| alert.description)
    }

    /// The chain as presented. Once rustls keeps it, we do not.
    fn chain(&self) -> Vec<Vec<u8>> {
        let seen = self.tap.flight().certificates.as_ref().map(|certificates| certificates.chain.clone());
        match (&self.speaker, seen) {
            (_, Some(chain)) if !chain.is_empty() => chain,
            (Speaker::Rustls(connection), _) => connection.certificates().iter().map(|der| der.to_vec()).collect(),
            _ => Vec::new(),
        }
    }

    /// What was found so far.
    pub fn facts(&self) -> Facts {
        let flight = self.tap.flight();
        let facts = Facts::of(flight, self.established);
        let response = flight.certificates.as_ref().and_then(|certificates| certificates.ocsp.as_deref());
        let ocsp_says = self.ocsp.or_else(|| response.map(Ocsp::parse));
        Facts {
            offered: Some(self.rung.offered()),
            ticket: if self.ticket { Some(true) } else { facts.ticket },
            // Inside the session, behind the tap's back.
            alert: facts.alert.or_else(|| {
                let inside = self.error.as_ref().filter(|_| flight.alerts.is_empty())?.alert;
                inside.filter(|alert| *alert != CLOSE_NOTIFY).map(names::alert)
            }),
            alert_sent: self.alert_sent.map(names::alert),
            ocsp: flight.certificates.is_some().then_some(ocsp_says.is_some()),
            ocsp_says,
            engine: Some(if matches!(self.speaker, Speaker::Legacy(_)) { "legacy" } else { "rustls" }),
            chain: self.chain(),
            error: self.error.clone(),
            ..facts
        }
    }
}

/// The handshake message in a record.
fn message_of(record: &[u8]) -> &[u8] {
    record.get(RECORD_HEADER..).unwrap_or_default()
}

/// The fatal alert among records that are in the clear.
fn fatal_alert(mut records: &[u8]) -> Option<u8> {
    while let [content, _, _, high, low, rest @ ..] = records {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        match (content, rest.get(..length)?) {
            (21, [2, description]) => return Some(*description),
            _ => records = &rest[length..],
        }
    }
    None
}
