//! One TLS connection on buffers: who speaks, and what is kept of what was seen.

use super::facts::Facts;
use super::failure::{Failure, Kind};
use super::legacy::{self, Engine, Profile};
use super::ocsp::Ocsp;
use super::tap::{Alert, Tap, Unreadable};
use super::{Alpn, Client, Offer, Rung, State, modern, names};
use rustls::ClientConnection;
use rustls::pki_types::{DnsName, IpAddr, ServerName};
use std::io::Read;
use std::sync::Arc;

/// Length of a record's header.
const RECORD_HEADER: usize = 5;

/// One TLS connection.
#[derive(Debug)]
pub struct Session {
    tap: Tap,
    speaker: Speaker,
    rung: Rung,
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
    Undecided { rustls: Box<ClientConnection>, hello: Vec<u8>, pending: Vec<u8> },
    /// rustls.
    Rustls(Box<ClientConnection>),
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
        let name = name.and_then(|name| DnsName::try_from(name.to_owned()).ok());
        let begin = out.len();
        let profile = match rung {
            Rung::Modern => None,
            Rung::Legacy => Some(Profile::Legacy),
            Rung::Ssl3 => Some(Profile::Ssl3),
        };
        let speaker = match profile {
            None => {
                let address = || ServerName::IpAddress(IpAddr::from(std::net::IpAddr::from(address.to_be_bytes())));
                let name = name.map_or_else(address, ServerName::DnsName);
                let config = &client.configs[alpn as usize];
                let mut rustls = Box::new(ClientConnection::new(Arc::clone(config), name)?);
                flush(&mut rustls, out);
                let hello = match client.offer {
                    Offer::Wide => message_of(&out[begin..]).to_vec(),
                    Offer::Strong => Vec::new(),
                };
                Speaker::Undecided { rustls, hello, pending: Vec::new() }
            }
            Some(profile) => {
                out.extend(legacy::hello(profile, name.as_ref(), client.random()?));
                Speaker::Legacy(Box::new(Engine::take_over(message_of(&out[begin..]), client.random()?)))
            }
        };
        Ok(Self {
            tap: Tap::server(),
            speaker,
            rung,
            state: State::Handshaking,
            established: false,
            error: None,
            alert_sent: None,
            ticket: false,
            ocsp: None,
        })
    }

    /// Takes bytes from the server; appends what they decrypt to to `plain` and what is to be sent to `out`.
    pub fn receive(&mut self, client: &Client, bytes: &[u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> State {
        if bytes.is_empty() || !matches!(self.state, State::Handshaking | State::Established) {
            return self.state;
        }
        let seen = if self.tap.over() { bytes.len() } else { self.tap.feed_to_hello(bytes) };
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
        // Only now is the secret known that opens the rest.
        self.tap.feed(&bytes[seen..]);
        self.read_on(out);
        if let (Some(error), Some(Unreadable::TooLong(_))) = (&mut self.error, self.tap.flight().error) {
            error.kind = Kind::TooLarge;
        }
        if self.error.is_some() && self.alert_sent.is_none() {
            self.alert_sent = fatal_alert(&out[said..]);
        }
        self.keep_less();
        self.state
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
        match client.random() {
            Ok(seed) if foreign && !hello.is_empty() => {
                self.speaker = Speaker::Legacy(Box::new(Engine::take_over(&hello, seed)));
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
    fn rustls(&mut self, client: &Client, mut bytes: &[u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) {
        let Speaker::Rustls(connection) = &mut self.speaker else { return };
        let mut alert = Vec::new();
        while !bytes.is_empty() && matches!(self.state, State::Handshaking | State::Established) {
            client.capture.begin();
            let result = match connection.read_tls(&mut bytes) {
                Ok(_) => connection.process_new_packets(),
                Err(error) => Err(rustls::Error::General(error.to_string())),
            };
            let captured = client.capture.take();
            self.ticket |= captured.ticket;
            if let Some(secret) = captured.secret {
                self.tap.set_secret(&secret);
            }
            match result {
                Ok(state) => {
                    let available = state.plaintext_bytes_to_read() as u64;
                    // Reading no more than is there cannot fail; close_notify shows in `peer_has_closed`.
                    let _ = connection.reader().take(available).read_to_end(plain);
                    if !connection.is_handshaking() {
                        self.established = true;
                        self.state = State::Established;
                    }
                    if state.peer_has_closed() {
                        self.state = State::Closed;
                    }
                    flush(connection, out);
                }
                Err(error) => {
                    self.error = Some(Failure::from(&error));
                    self.state = State::Failed;
                    // rustls has an alert for the server then.
                    flush(connection, &mut alert);
                }
            }
        }
        let too_large = self.error.as_ref().is_some_and(|error| error.kind == Kind::TooLarge);
        if too_large && !self.established {
            self.state = State::Handshaking;
            self.speaker = Speaker::Reader { alert };
        } else {
            out.append(&mut alert);
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
            && let Some(kept) = connection.peer_certificates()
            && kept.iter().map(AsRef::as_ref).eq(certificates.chain.iter().map(Vec::as_slice))
        {
            certificates.chain = Vec::new();
        }
    }

    /// Encrypts `plain` to `out`.
    pub fn send(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        use std::io::Write;
        match &mut self.speaker {
            Speaker::Rustls(connection) => {
                // Our lines are far smaller than rustls' buffer of 64 KiB, which `flush` empties each time.
                let _ = connection.writer().write_all(plain);
                flush(connection, out);
            }
            Speaker::Legacy(engine) => engine.send(plain, out),
            Speaker::Undecided { .. } | Speaker::Reader { .. } => {}
        }
    }

    /// Says close_notify.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        match &mut self.speaker {
            Speaker::Rustls(connection) => {
                connection.send_close_notify();
                flush(connection, out);
            }
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

    /// Why it failed, if it did.
    pub const fn failure(&self) -> Option<&Failure> {
        self.error.as_ref()
    }

    /// The first alert that ended the handshake. That is not close_notify, nor a warning, unless it says the same as a
    /// refusal.
    pub fn alert(&self) -> Option<u8> {
        let ends = |alert: &&Alert| alert.level != 1 || Rung::refused_by(alert.description);
        self.tap.flight().alerts.iter().find(ends).map(|alert| alert.description)
    }

    /// The chain as presented. Once rustls keeps it, we do not.
    fn chain(&self) -> Vec<Vec<u8>> {
        let seen = self.tap.flight().certificates.as_ref().map(|certificates| certificates.chain.clone());
        match (&self.speaker, seen) {
            (_, Some(chain)) if !chain.is_empty() => chain,
            (Speaker::Rustls(connection), _) => {
                let kept = connection.peer_certificates().unwrap_or_default();
                kept.iter().map(|der| der.to_vec()).collect()
            }
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
            alert: facts.alert.or_else(|| self.error.as_ref()?.alert.map(names::alert)),
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

fn flush(connection: &mut ClientConnection, out: &mut Vec<u8>) {
    while connection.wants_write() {
        // Writing to a Vec cannot fail.
        if !matches!(connection.write_tls(out), Ok(written) if written > 0) {
            break;
        }
    }
}
