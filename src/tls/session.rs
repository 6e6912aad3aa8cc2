//! One TLS connection on buffers: who speaks, and what is kept of what was seen.

use super::facts::Facts;
use super::failure::{Failure, Kind};
use super::names;
use super::ocsp::Ocsp;
use super::tap::{Alert, Tap};
use super::{Alpn, Client, State};
use rustls::ClientConnection;
use rustls::pki_types::{DnsName, IpAddr, ServerName};
use std::io::Read;
use std::sync::Arc;

/// One TLS connection.
#[derive(Debug)]
pub struct Session {
    tap: Tap,
    speaker: Speaker,
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
    /// rustls has written the ClientHello, and waits for the tap to see the answer to it.
    Undecided { rustls: Box<ClientConnection>, pending: Vec<u8> },
    /// rustls.
    Rustls(Box<ClientConnection>),
    /// Nobody any more: a message is too long for rustls, and the tap reads it to its end. Then `alert` is sent.
    Reader { alert: Vec<u8> },
}

impl Session {
    /// Begins a handshake with the server at `address` (host order; it is not sent) and writes the
    /// ClientHello to `out`. A `name` is sent as SNI (RFC 6066, section 3) if it can be.
    pub fn start(
        client: &Client,
        address: u32,
        name: Option<&str>,
        alpn: Alpn,
        out: &mut Vec<u8>,
    ) -> Result<Self, rustls::Error> {
        let config = &client.configs[alpn as usize];
        let name = name.and_then(|name| DnsName::try_from(name.to_owned()).ok());
        let address = || ServerName::IpAddress(IpAddr::from(std::net::IpAddr::from(address.to_be_bytes())));
        let name = name.map_or_else(address, ServerName::DnsName);
        let mut rustls = Box::new(ClientConnection::new(Arc::clone(config), name)?);
        flush(&mut rustls, out);
        Ok(Self {
            tap: Tap::server(),
            speaker: Speaker::Undecided { rustls, pending: Vec::new() },
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
            Speaker::Reader { .. } => {}
        }
        // Only now is the secret known that opens the rest.
        self.tap.feed(&bytes[seen..]);
        self.read_on(out);
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
        if let Speaker::Undecided { rustls, pending } = std::mem::replace(&mut self.speaker, idle) {
            self.speaker = Speaker::Rustls(rustls);
            self.rustls(client, &pending, plain, out);
        }
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
        if let Speaker::Rustls(connection) = &mut self.speaker {
            // Our lines are far smaller than rustls' buffer of 64 KiB, which `flush` empties each time.
            let _ = connection.writer().write_all(plain);
            flush(connection, out);
        }
    }

    /// Says close_notify.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        if let Speaker::Rustls(connection) = &mut self.speaker {
            connection.send_close_notify();
            flush(connection, out);
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

    /// The first alert that came, close_notify apart.
    pub fn alert(&self) -> Option<u8> {
        self.tap.flight().alerts.iter().map(|alert| alert.description).find(|description| *description != 0)
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
            offered: Some("TLSv1.3"),
            ticket: facts.ticket.map(|seen| seen || self.ticket),
            // Inside the session, behind the tap's back.
            alert: facts.alert.or_else(|| self.error.as_ref()?.alert.map(names::alert)),
            alert_sent: self.alert_sent.map(names::alert),
            ocsp: flight.certificates.is_some().then_some(ocsp_says.is_some()),
            ocsp_says,
            engine: Some("rustls"),
            chain: self.chain(),
            error: self.error.clone(),
            ..facts
        }
    }
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
