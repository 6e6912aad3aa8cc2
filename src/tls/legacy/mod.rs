//! A TLS client for the versions and suites that rustls does not speak: SSL 3.0 to TLS 1.2 with RSA, Diffie-Hellman
//! over finite fields and curves, signed or anonymous; NULL, RC4, DES, 3DES, AES-CBC, AES-GCM, ChaCha20-Poly1305.
//!
//! It takes over a connection on which a ClientHello was sent already, whoever wrote it ([`Engine::take_over`]), and
//! is a function of that hello, the server's bytes and a seed. [`hello`] writes the hellos of connections that it has
//! from the start.
//!
//! It measures and keeps no secret: signatures and certificates are not verified, and nothing hides how long a step
//! took. What the server showed in the clear is the [`tap`](super::tap)'s to tell, which reads the same bytes. Not
//! spoken: compression, renegotiation (a request for it is ignored), resumption; export suites, Camellia, SEED, IDEA,
//! CCM, fixed Diffie-Hellman. A server that chooses one of them is heard to the end of its flight, then left politely.
//! Java's server, brought down to SSL 3.0 with RSA by a newer hello, expects TLS' form of ClientKeyExchange and closes: it
//! gets a hello of SSL 3.0 on another connection.
//!
//! Bounded: one record, one message of 128 KiB, a count of messages and of records that bring nothing.

mod exchange;
mod hash;
mod hello;
mod protection;
mod schedule;

pub use hello::{Profile, hello};

use super::Pairs;
use super::random::Random;
use super::tap::handshake::{Messages, kind};
use super::tap::reader::Reader;
use super::tap::record::{Content, Portion, Records};
use super::tap::{Certificates, Parameters, ServerHello, extension};
use exchange::Server;
use hash::Hash;
use protection::{Method, Protection, TEXT_MAX};
use schedule::{MASTER, SSL_3, Schedule, Sender, TLS_1_2, Transcript};
use std::sync::Arc;
use tls_parser::{TlsCipherKx, TlsCipherSuite, TlsPRF};

/// Handshake messages and alerts taken from one server.
const MESSAGES_MAX: u32 = 64;
/// Records without content taken in a row.
const EMPTY_MAX: u32 = 32;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const HEARTBEAT: u8 = 24;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The handshake goes on.
    Handshaking,
    /// Application data flows.
    Established,
    /// The server sent close_notify.
    Closed,
    /// It is over.
    Failed(Failure),
}

/// Why a connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The server sent a fatal alert.
    #[error("the server sent fatal alert {0}")]
    Alert(u8),
    /// The server's bytes are no TLS records.
    #[error("not a TLS record")]
    NotTls,
    /// A message that breaks its own lengths, or is longer than 128 KiB: its type.
    #[error("handshake message {0} is malformed or too long")]
    Message(u8),
    /// A handshake message that is not due: its type.
    #[error("handshake message {0} where another was due")]
    UnexpectedMessage(u8),
    /// A record that is not due: its content type.
    #[error("record of type {0} where another was due")]
    UnexpectedRecord(u8),
    /// The server chose a version that was not offered, or TLS 1.3.
    #[error("version 0x{0:04x} is not spoken here")]
    Version(u16),
    /// The server chose a suite that is not spoken, or not in this version.
    #[error("cipher suite 0x{0:04x} is not spoken here in this version")]
    Suite(u16),
    /// The server chose a compression.
    #[error("compression {0} is not spoken here")]
    Compression(u8),
    /// The server chose a curve that is not spoken, or spelt one out (0).
    #[error("curve {0} is not spoken here")]
    Group(u16),
    /// The server's key cannot be computed with: too small, too large, malformed, or missing.
    #[error("the server's key cannot be used")]
    ServerKey,
    /// A record that does not decrypt, or whose MAC is wrong.
    #[error("a record does not decrypt")]
    Record,
    /// The server's Finished is not that of this handshake.
    #[error("the server's Finished is wrong")]
    Finished,
    /// Too many messages, alerts or empty records.
    #[error("too many messages")]
    Flood,
}

impl Failure {
    /// The alert that tells the server (RFC 5246, section 7.2); `None` if it is the server who gave up.
    const fn alert(self) -> Option<u8> {
        Some(match self {
            Self::Alert(_) => return None,
            Self::UnexpectedMessage(_) | Self::UnexpectedRecord(_) | Self::NotTls | Self::Flood => 10,
            Self::Record => 20,
            Self::Message(_) => 50,
            Self::Version(_) => 70,
            Self::Finished => 51,
            // What is not spoken is left without a complaint: user_canceled.
            Self::Suite(_) | Self::Compression(_) | Self::Group(_) | Self::ServerKey => 90,
        })
    }
}

/// What comes next from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    ServerHello,
    /// Certificate to ServerHelloDone.
    Flight,
    ChangeCipherSpec,
    Finished,
    Text,
}

/// What the server has chosen.
#[derive(Debug)]
struct Chosen {
    suite: &'static TlsCipherSuite,
    schedule: Schedule,
    method: Option<Method>,
    server_random: [u8; 32],
    extended_master: bool,
}

/// One connection.
#[derive(Debug)]
pub struct Engine {
    random: Random,
    pairs: Arc<Pairs>,
    offered: u16,
    client_random: [u8; 32],
    records: Records,
    record: Vec<u8>,
    messages: Messages,
    alert_level: Option<u8>,
    transcript: Transcript,
    phase: Phase,
    chosen: Option<Chosen>,
    server: Option<Server>,
    /// Why it cannot go on, once the server has shown all it has to show.
    refusal: Option<Failure>,
    certificate_requested: bool,
    master: [u8; MASTER],
    opening: Option<Protection>,
    /// What opens the server's records from its ChangeCipherSpec on.
    next_opening: Option<Protection>,
    sealing: Option<Protection>,
    state: State,
    alert_sent: Option<u8>,
    message_count: u32,
    empty_count: u32,
}

impl Engine {
    /// Takes over a connection on which the handshake message `client_hello`, header included, was sent, and of whose
    /// server's bytes none was used up. `pairs` are our keys on curves; the `seed`, which is random and not the hello's, makes
    /// all other secrets of the connection.
    pub fn take_over(client_hello: &[u8], seed: [u8; 32], pairs: Arc<Pairs>) -> Self {
        let offered = client_hello.get(4..6).map_or(TLS_1_2, |bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
        let client_random = client_hello.get(6..38).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default();
        Self {
            random: Random::new(seed),
            pairs,
            offered,
            client_random,
            records: Records::default(),
            record: Vec::new(),
            messages: Messages::default(),
            alert_level: None,
            transcript: Transcript::Before(client_hello.to_vec()),
            phase: Phase::ServerHello,
            chosen: None,
            server: None,
            refusal: None,
            certificate_requested: false,
            master: [0; MASTER],
            opening: None,
            next_opening: None,
            sealing: None,
            state: State::Handshaking,
            alert_sent: None,
            message_count: 0,
            empty_count: 0,
        }
    }

    /// Takes bytes from the server; appends what is to be sent to `out`, and the text they decrypt to to `plain`.
    pub fn receive(&mut self, mut bytes: &[u8], out: &mut Vec<u8>, plain: &mut Vec<u8>) -> State {
        while !bytes.is_empty() && matches!(self.state, State::Handshaking | State::Established) {
            let result = match self.records.next(&mut bytes) {
                Ok(Some(portion)) => self.portion(&portion, out, plain),
                Ok(None) => Ok(()),
                Err(_) => Err(Failure::NotTls),
            };
            if let Err(failure) = result {
                self.fail(failure, out);
            }
        }
        self.state
    }

    /// Encrypts `plain` to `out`. Before the handshake is complete nothing can be sent, and nothing is.
    pub fn send(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        if self.state == State::Established {
            self.write(APPLICATION_DATA, plain, out);
        }
    }

    /// Says close_notify.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        if !matches!(self.state, State::Failed(_)) {
            self.write(ALERT, &[1, 0], out);
        }
    }

    /// Where it stands.
    pub const fn state(&self) -> State {
        self.state
    }

    /// The handshake was completed, whatever came after it.
    pub fn established(&self) -> bool {
        self.phase == Phase::Text
    }

    /// The alert with which we ended the connection, close_notify aside.
    pub const fn alert_sent(&self) -> Option<u8> {
        self.alert_sent
    }

    fn fail(&mut self, failure: Failure, out: &mut Vec<u8>) {
        if let Some(alert) = failure.alert() {
            self.alert_sent = Some(alert);
            let canceled = alert == 90;
            self.write(ALERT, &[if canceled { 1 } else { 2 }, alert], out);
            if canceled {
                self.write(ALERT, &[1, 0], out);
            }
        }
        self.state = State::Failed(failure);
        self.record = Vec::new();
        self.messages = Messages::default();
    }

    /// Writes records.
    fn write(&mut self, content: u8, bytes: &[u8], out: &mut Vec<u8>) {
        let version = self.chosen.as_ref().map_or(self.offered, |chosen| chosen.schedule.version);
        for text in bytes.chunks(TEXT_MAX) {
            out.push(content);
            out.extend_from_slice(&version.to_be_bytes());
            let at = out.len();
            out.extend_from_slice(&[0, 0]);
            match &mut self.sealing {
                Some(sealing) => sealing.seal(content, text, &mut self.random, out),
                None => out.extend_from_slice(text),
            }
            #[expect(clippy::cast_possible_truncation, reason = "2^14 and what encryption adds")]
            let length = (out.len() - at - 2) as u16;
            out[at..at + 2].copy_from_slice(&length.to_be_bytes());
        }
    }

    fn portion(&mut self, portion: &Portion<'_>, out: &mut Vec<u8>, plain: &mut Vec<u8>) -> Result<(), Failure> {
        self.record.extend_from_slice(portion.bytes);
        if !portion.last {
            return Ok(());
        }
        let mut record = std::mem::take(&mut self.record);
        let content = match portion.header.content {
            Content::ChangeCipherSpec => CHANGE_CIPHER_SPEC,
            Content::Alert => ALERT,
            Content::Handshake => HANDSHAKE,
            Content::ApplicationData => APPLICATION_DATA,
            Content::Heartbeat => HEARTBEAT,
        };
        let text = match &mut self.opening {
            Some(opening) => opening.open(content, &mut record).ok_or(Failure::Record)?,
            None => &record,
        };
        self.empty_count = if text.is_empty() { self.empty_count + 1 } else { 0 };
        if self.empty_count > EMPTY_MAX {
            return Err(Failure::Flood);
        }
        match portion.header.content {
            Content::ChangeCipherSpec => self.change_cipher_spec(text),
            Content::Alert => self.alerts(text),
            Content::Handshake => self.handshake(text, out),
            Content::ApplicationData if self.phase == Phase::Text => {
                plain.extend_from_slice(text);
                Ok(())
            }
            // Nobody was told that we would take a heartbeat.
            Content::ApplicationData | Content::Heartbeat => Err(Failure::UnexpectedRecord(content)),
        }?;
        // The next record goes into the same memory.
        record.clear();
        self.record = record;
        Ok(())
    }

    fn change_cipher_spec(&mut self, text: &[u8]) -> Result<(), Failure> {
        let unexpected = Failure::UnexpectedRecord(CHANGE_CIPHER_SPEC);
        if self.phase != Phase::ChangeCipherSpec || text != [1] || self.messages.is_partial() {
            return Err(unexpected);
        }
        self.opening = Some(self.next_opening.take().ok_or(unexpected)?);
        self.phase = Phase::Finished;
        Ok(())
    }

    fn alerts(&mut self, text: &[u8]) -> Result<(), Failure> {
        for &byte in text {
            let Some(level) = self.alert_level.take() else {
                self.alert_level = Some(byte);
                continue;
            };
            self.count()?;
            match (level, byte) {
                (_, 0) => self.state = State::Closed,
                (1, _) => {}
                _ => return Err(Failure::Alert(byte)),
            }
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), Failure> {
        self.message_count += 1;
        if self.message_count > MESSAGES_MAX { Err(Failure::Flood) } else { Ok(()) }
    }

    fn handshake(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Failure> {
        let mut messages = std::mem::take(&mut self.messages);
        let mut result = Ok(());
        while result.is_ok() && !bytes.is_empty() {
            messages.next(&mut bytes, |kind, body| {
                result = match body {
                    Some(body) => self.message(kind, body, out),
                    None => Err(Failure::Message(kind)),
                };
            });
        }
        self.messages = messages;
        result
    }

    fn message(&mut self, kind: u8, body: &[u8], out: &mut Vec<u8>) -> Result<(), Failure> {
        self.count()?;
        // A request for renegotiation is no part of a handshake, whenever it comes.
        if kind == kind::HELLO_REQUEST {
            return Ok(());
        }
        let malformed = Failure::Message(kind);
        if (self.phase, kind) == (Phase::Finished, kind::FINISHED) {
            let chosen = self.chosen.as_ref().ok_or(malformed)?;
            if body != chosen.schedule.finished(&self.master, Sender::Server, &self.transcript) {
                return Err(Failure::Finished);
            }
            self.phase = Phase::Text;
            self.state = State::Established;
            self.server = None;
            return Ok(());
        }
        #[expect(clippy::cast_possible_truncation, reason = "a message has less than 2^24 bytes")]
        let header = (u32::from(kind) << 24 | body.len() as u32).to_be_bytes();
        self.transcript.add(&header);
        self.transcript.add(body);
        match (self.phase, kind) {
            (Phase::ServerHello, kind::SERVER_HELLO) => self.server_hello(body),
            (Phase::Flight, kind::CERTIFICATE) => self.certificate(body).ok_or(malformed),
            (Phase::Flight, kind::SERVER_KEY_EXCHANGE) => self.server_key_exchange(body).ok_or(malformed),
            (Phase::Flight, kind::CERTIFICATE_REQUEST) => {
                self.certificate_requested = true;
                Ok(())
            }
            (Phase::Flight, kind::CERTIFICATE_STATUS) | (Phase::ChangeCipherSpec, kind::NEW_SESSION_TICKET) => Ok(()),
            (Phase::Flight, kind::SERVER_HELLO_DONE) => self.answer(out),
            _ => Err(Failure::UnexpectedMessage(kind)),
        }
    }

    fn server_hello(&mut self, body: &[u8]) -> Result<(), Failure> {
        let malformed = Failure::Message(kind::SERVER_HELLO);
        let hello = ServerHello::parse(body).ok_or(malformed)?;
        let server_random = body.get(2..34).and_then(|bytes| bytes.try_into().ok()).ok_or(malformed)?;
        if hello.retry || !(SSL_3..=self.offered.min(TLS_1_2)).contains(&hello.version) {
            return Err(Failure::Version(hello.version));
        }
        let suite = TlsCipherSuite::from_id(hello.suite).ok_or(Failure::Suite(hello.suite))?;
        let hash = if suite.prf == TlsPRF::Sha384 { Hash::Sha384 } else { Hash::Sha256 };
        let schedule = Schedule { version: hello.version, hash };
        self.transcript.choose(schedule);
        let method = Method::of(suite, hello.version);
        if hello.compression != 0 {
            self.refusal = Some(Failure::Compression(hello.compression));
        } else if method.is_none() {
            self.refusal = Some(Failure::Suite(hello.suite));
        }
        let extended_master = hello.version > SSL_3 && hello.extensions.contains(&extension::EXTENDED_MASTER_SECRET);
        self.chosen = Some(Chosen { suite, schedule, method, server_random, extended_master });
        self.phase = Phase::Flight;
        Ok(())
    }

    fn certificate(&mut self, body: &[u8]) -> Option<()> {
        let chosen = self.chosen.as_ref()?;
        let certificates = Certificates::parse(body)?;
        if chosen.suite.kx == TlsCipherKx::Rsa {
            self.server = certificates.chain.first().and_then(|der| Server::certificate(der));
        }
        Some(())
    }

    fn server_key_exchange(&mut self, body: &[u8]) -> Option<()> {
        let chosen = self.chosen.as_ref()?;
        match Parameters::take(chosen.suite, &mut Reader::new(body))? {
            Parameters::Curve { group, public } => self.server = Some(Server::Curve { group, public: public.to_vec() }),
            Parameters::FiniteField { prime, generator, public } => {
                let [prime, generator, public] = [prime, generator, public].map(<[u8]>::to_vec);
                self.server = Some(Server::FiniteField { prime, generator, public });
            }
            Parameters::ExplicitCurve => self.refusal = self.refusal.or(Some(Failure::Group(0))),
            // The temporary key of an export suite, which is refused for itself.
            Parameters::Rsa { .. } | Parameters::Other => {}
        }
        Some(())
    }

    /// The server is done: our certificate if it wants one, our half of the exchange, Finished.
    fn answer(&mut self, out: &mut Vec<u8>) -> Result<(), Failure> {
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        let chosen = self.chosen.as_ref().ok_or(Failure::UnexpectedMessage(kind::SERVER_HELLO_DONE))?;
        let (schedule, suite, server_random) = (chosen.schedule, chosen.suite.id.0, chosen.server_random);
        let (method, extended_master) = (chosen.method.ok_or(Failure::Suite(suite))?, chosen.extended_master);
        let server = self.server.take().ok_or(Failure::ServerKey)?;
        let ours = server.answer(self.offered, schedule.version, &mut self.random, &self.pairs)?;
        if self.certificate_requested {
            match schedule.version {
                // no_certificate, which SSL 3.0 says by an alert.
                SSL_3 => self.write(ALERT, &[1, 41], out),
                _ => self.say(kind::CERTIFICATE, &[0, 0, 0], out),
            }
        }
        self.say(kind::CLIENT_KEY_EXCHANGE, &ours.body, out);
        self.master = if extended_master {
            schedule.extended_master(&ours.premaster, &self.transcript)
        } else {
            schedule.master(&ours.premaster, &self.client_random, &server_random)
        };
        let mut material = vec![0; method.material(schedule.version)];
        schedule.expand(&self.master, &self.client_random, &server_random, &mut material);
        let [client, server] = method.keys(schedule.version, &material).ok_or(Failure::Suite(suite))?;
        let sealing = Protection::new(method, schedule.version, client, true).ok_or(Failure::Suite(suite))?;
        self.next_opening =
            Some(Protection::new(method, schedule.version, server, false).ok_or(Failure::Suite(suite))?);
        self.write(CHANGE_CIPHER_SPEC, &[1], out);
        self.sealing = Some(sealing);
        let finished = schedule.finished(&self.master, Sender::Client, &self.transcript);
        self.say(kind::FINISHED, &finished, out);
        self.phase = Phase::ChangeCipherSpec;
        Ok(())
    }

    /// Writes a handshake message.
    fn say(&mut self, kind: u8, body: &[u8], out: &mut Vec<u8>) {
        #[expect(clippy::cast_possible_truncation, reason = "ours are short")]
        let header = (u32::from(kind) << 24 | body.len() as u32).to_be_bytes();
        let message = [&header[..], body].concat();
        self.transcript.add(&message);
        self.write(HANDSHAKE, &message, out);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests;
