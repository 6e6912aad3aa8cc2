//! Reads a TLS handshake over the shoulder of those who hold it: one direction's bytes, in any portions, become the
//! facts that they show in the clear, SSL 3.0 to TLS 1.3. It never answers, and keeps no key of application data.
//!
//! Where the secret of the server's handshake traffic is known ([`Tap::set_secret`]), the encrypted part of a TLS
//! 1.3 flight is read too; where it is not, [`Flight::hidden`] says so.
//!
//! Bounded: one record while it is decrypted, one message, 32 certificates, 16 alerts.

pub(super) mod handshake;
mod hello;
mod messages;
pub(super) mod reader;
pub(super) mod record;
mod secret;
mod v2;

use super::suites;
use handshake::{Messages, kind};
pub(super) use hello::extension;
pub use hello::{ClientHello, ServerHello};
pub(super) use messages::Parameters;
pub use messages::{Certificates, KeyExchange};
use reader::Reader;
use record::{Content, NotTls, PAYLOAD_MAX, Portion, Records};
use secret::Opener;

const TLS_1_3: u16 = 0x0304;
/// Shortest encrypted record that can be a Finished (RFC 8446, section 4.4.4, with a hash and a tag). Shorter are an alert,
/// EndOfEarlyData, and a Certificate message without certificates.
const FINISHED_MIN: u16 = 4 + 32 + 1 + 8;

/// Whether a version is TLS 1.3 or one of its drafts and experiments (0x7fxx, 0x7exx; 0xfbxx was Facebook's).
pub const fn is_tls13(version: u16) -> bool {
    version == TLS_1_3 || matches!(version >> 8, 0x7e | 0x7f | 0xfb)
}

/// Alerts that are kept.
const ALERTS_MAX: usize = 16;
/// Levels and descriptions of alerts (RFC 5246, section 7.2).
const WARNING: u8 = 1;
pub(super) const CLOSE_NOTIFY: u8 = 0;

/// An alert (RFC 8446, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alert {
    /// 1 warning, 2 fatal.
    pub level: u8,
    /// Description.
    pub description: u8,
}

/// A session ticket of TLS 1.2 (RFC 5077, section 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Lifetime hint in seconds.
    pub lifetime: u32,
    /// Length in bytes.
    pub length: u16,
}

/// What one direction of a handshake showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flight {
    /// Bytes of its records, until the handshake was over or went on encrypted.
    pub bytes: u64,
    /// Version in the first record's header.
    pub record_version: Option<u16>,
    /// The client's offer. Of two, the first: the second follows from the HelloRetryRequest.
    pub client_hello: Option<ClientHello>,
    /// The client's hello was in SSL 2.0's format.
    pub v2_hello: bool,
    /// The cipher kind that the client took in SSL 2.0.
    pub v2_kind: Option<u32>,
    /// The server's HelloRetryRequest.
    pub retry: Option<ServerHello>,
    /// The server's choice.
    pub server_hello: Option<ServerHello>,
    /// The server's certificates.
    pub certificates: Option<Certificates>,
    /// The server's part of the key exchange.
    pub key_exchange: KeyExchange,
    /// The server asked for the client's certificate.
    pub certificate_request: bool,
    /// The server's flight came to its ServerHelloDone (before TLS 1.3): no session was resumed.
    pub hello_done: bool,
    /// The server's ticket.
    pub ticket: Option<Ticket>,
    /// Alerts sent in the clear, or under the known secret.
    pub alerts: Vec<Alert>,
    /// The rest of the flight was encrypted, and its secret not known. Of a client: it went on encrypted in TLS 1.3, with
    /// what can be its Finished.
    pub hidden: bool,
    /// ChangeCipherSpec, or from TLS 1.3 on Finished: this direction did all that its handshake needs. In SSL 2.0: the client's
    /// key, and what the server says to it.
    pub complete: bool,
    /// What could not be read.
    pub error: Option<Unreadable>,
}

/// Why a flight could not be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// No TLS record.
    NotTls,
    /// A message that breaks its own lengths: its type.
    Message(u8),
    /// A message of which the end never came: its type.
    Incomplete(u8),
    /// A message that is too long: its type.
    TooLong(u8),
    /// A record that the secret does not open.
    Record,
    /// Bytes are missing.
    Gap,
}

impl Unreadable {
    /// In words.
    pub fn reason(self) -> String {
        match self {
            Self::NotTls => "not a TLS record".to_owned(),
            Self::Message(kind) => format!("handshake message {kind} is malformed"),
            Self::Incomplete(kind) => format!("handshake message {kind} is not complete"),
            Self::TooLong(kind) => format!("handshake message {kind} is too long"),
            Self::Record => "an encrypted record does not open".to_owned(),
            Self::Gap => "bytes of the handshake are missing".to_owned(),
        }
    }
}

/// The reader of one direction.
#[derive(Debug, Default)]
pub struct Tap {
    records: Records,
    messages: Messages,
    /// Half an alert.
    alert_level: Option<u8>,
    /// An encrypted record until it is whole, or the start of one in SSL 2.0's format.
    buffer: Vec<u8>,
    opener: Option<Opener>,
    secret: Vec<u8>,
    from_client: bool,
    /// Ends at the first malformed message.
    strict: bool,
    /// Version that the server chose, as told to the reader of a client.
    negotiated: Option<u16>,
    /// The client sent a ChangeCipherSpec.
    changed: bool,
    /// Records are in SSL 2.0's format, or a server's may be.
    v2: bool,
    begun: bool,
    over: bool,
    flight: Flight,
}

impl Tap {
    /// Reads what a client sends.
    pub fn client() -> Self {
        Self { from_client: true, ..Self::default() }
    }

    /// Reads what a server sends.
    pub fn server() -> Self {
        Self::default()
    }

    /// Ends at the first message that is malformed, as who is spoken to does. An onlooker reads on behind it.
    pub fn strict(self) -> Self {
        Self { strict: true, ..self }
    }

    /// The secret of the server's handshake traffic in TLS 1.3, as a key log names it. Known before the bytes it
    /// opens are given to [`Tap::feed`].
    pub fn set_secret(&mut self, secret: &[u8]) {
        self.secret = secret.to_vec();
        self.open();
    }

    /// The version that the server chose, for the reader of a client. Known before the bytes that answer it.
    pub const fn set_negotiated(&mut self, version: u16) {
        self.negotiated = Some(version);
        self.v2 |= version == v2::VERSION;
    }

    /// The client's hello was in SSL 2.0's format, for the reader of a server that has not answered: it may do so in SSL 2.0.
    pub const fn set_v2(&mut self) {
        self.v2 |= !self.begun;
    }

    /// So many bytes are missing here. If they lie within one handshake message in one record, it is passed over, and what follows
    /// is read on; else nobody knows where the next record begins.
    pub fn gap(&mut self, lost: u64) {
        if self.over {
            return;
        }
        self.flight.error = Some(Unreadable::Gap);
        self.cut_hello();
        let within = !self.v2
            && self.records.skip(lost).is_some_and(|header| header.content == Content::Handshake)
            && self.messages.skip(usize::try_from(lost).unwrap_or(usize::MAX));
        if within {
            self.flight.bytes += lost;
        } else {
            self.end();
        }
    }

    /// Bytes kept until more come.
    pub fn held(&self) -> usize {
        self.buffer.capacity() + self.messages.held()
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.over {
            bytes = &bytes[self.feed_record(bytes)..];
        }
    }

    /// As [`Tap::feed`], but takes no more than up to the end of a record: what follows may need a secret that its receiver only
    /// then knows, and does not count if the receiver gives up there. Returns how many bytes it took, which are none only if it is
    /// over.
    pub fn feed_record(&mut self, whole: &[u8]) -> usize {
        let mut bytes = whole;
        let Some(first) = bytes.first().filter(|_| !self.over) else { return 0 };
        if !self.begun {
            self.begun = true;
            self.flight.v2_hello = self.from_client && first & 0x80 != 0;
            self.v2 = (self.v2 || self.from_client) && first & 0x80 != 0;
        }
        let result = if self.v2 { self.v2_record(&mut bytes) } else { self.record(&mut bytes) };
        if let Err(error) = result {
            self.flight.error = Some(error);
            self.end();
        }
        whole.len() - bytes.len()
    }

    /// Nothing further will be found.
    pub const fn over(&self) -> bool {
        self.over
    }

    /// What was found so far.
    pub const fn flight(&self) -> &Flight {
        &self.flight
    }

    /// The same, for those who take things out of it to keep less.
    pub const fn flight_mut(&mut self) -> &mut Flight {
        &mut self.flight
    }

    /// What was found.
    pub fn into_flight(self) -> Flight {
        self.flight
    }

    /// The same, where nothing more will come.
    pub fn finish(mut self) -> Flight {
        self.cut_hello();
        self.flight
    }

    /// Of a ClientHello whose rest is missing what came is kept: all but its end is as true as ever. What a ServerHello says may
    /// be taken back by its end, by `supported_versions`.
    fn cut_hello(&mut self) {
        if let Some((kind::CLIENT_HELLO, body)) = self.messages.under_way()
            && self.from_client
            && self.flight.client_hello.is_none()
        {
            self.flight.client_hello = ClientHello::parse(body, true);
            self.flight.error.get_or_insert(Unreadable::Incomplete(kind::CLIENT_HELLO));
        }
    }

    fn end(&mut self) {
        self.cut_hello();
        self.over = true;
        self.buffer = Vec::new();
        self.messages = Messages::default();
        self.opener = None;
        self.secret = Vec::new();
    }

    /// Takes a byte of a record in SSL 2.0's format, and the record if it is its last.
    fn v2_record(&mut self, bytes: &mut &[u8]) -> Result<(), Unreadable> {
        self.buffer.push(bytes[0]);
        *bytes = &bytes[1..];
        self.flight.bytes += 1;
        let answered = self.flight.server_hello.is_some();
        if !self.from_client && answered {
            // What is not an error is encrypted.
            if let Some(error) = v2::begins_error(&self.buffer) {
                self.flight.complete = !error;
                self.end();
            }
            return Ok(());
        }
        if !self.from_client && v2::begins_hello(&self.buffer) == Some(false) {
            return Err(Unreadable::NotTls);
        }
        let first = self.from_client && self.flight.client_hello.is_none();
        let max = if first { v2::CLIENT_HELLO_MAX } else { v2::RECORD_MAX };
        let Some(body) = v2::body(&self.buffer, max).map_err(|()| Unreadable::NotTls)? else { return Ok(()) };
        if first {
            self.flight.client_hello = Some(ClientHello::parse_v2(body).ok_or(Unreadable::NotTls)?);
            // Until the server answers, the version is open; its choice comes before the client's next words.
            self.v2 = self.negotiated == Some(v2::VERSION);
        } else if self.from_client {
            self.flight.v2_kind = v2::master_key(body);
            self.flight.complete = self.flight.v2_kind.is_some();
            self.end();
        } else if let Some((hello, certificates)) = v2::server_hello(body) {
            (self.flight.server_hello, self.flight.certificates) = (Some(hello), Some(certificates));
        } else {
            self.end();
        }
        self.buffer = Vec::new();
        Ok(())
    }

    fn record(&mut self, bytes: &mut &[u8]) -> Result<(), Unreadable> {
        match self.records.next(bytes) {
            Ok(Some(portion)) => self.portion(&portion),
            Ok(None) => Ok(()),
            Err(NotTls) => Err(Unreadable::NotTls),
        }
    }

    fn portion(&mut self, portion: &Portion<'_>) -> Result<(), Unreadable> {
        if self.from_client && self.encrypted_by_client(portion) {
            return Ok(());
        }
        if portion.header.content == Content::ApplicationData && self.opener.is_none() {
            self.flight.hidden = self.version().is_some_and(is_tls13);
            self.end();
            return Ok(());
        }
        self.flight.bytes += (portion.bytes.len() + if portion.first { record::HEADER } else { 0 }) as u64;
        self.flight.record_version.get_or_insert(portion.header.version);
        match portion.header.content {
            Content::Handshake => self.handshake(portion.bytes),
            Content::Alert => {
                self.alert(portion.bytes);
                Ok(())
            }
            // In TLS 1.3 it means nothing (RFC 8446, section D.4).
            Content::ChangeCipherSpec if self.version().is_some_and(is_tls13) => Ok(()),
            Content::ChangeCipherSpec if self.from_client => {
                self.changed = true;
                Ok(())
            }
            Content::ChangeCipherSpec => {
                self.flight.complete = true;
                self.end();
                Ok(())
            }
            Content::ApplicationData => self.encrypted(portion),
            // Heartbleed was sent before the handshake was over.
            Content::Heartbeat => Ok(()),
        }
    }

    /// Whether a portion of a client's record is encrypted. Before TLS 1.3 what follows ChangeCipherSpec is; in TLS 1.3,
    /// where that means nothing, application data: early data before the server's choice, and after it what may come before
    /// Finished.
    fn encrypted_by_client(&mut self, portion: &Portion<'_>) -> bool {
        let tls13 = self.negotiated.map(is_tls13);
        match portion.header.content {
            Content::ApplicationData => {
                self.flight.hidden = tls13 == Some(true) && portion.first && portion.header.length >= FINISHED_MIN;
                if self.flight.hidden || tls13 == Some(false) {
                    self.end();
                }
                true
            }
            Content::Handshake | Content::Alert if self.changed && tls13 != Some(true) => {
                self.flight.complete = portion.header.content == Content::Handshake;
                self.end();
                true
            }
            _ => false,
        }
    }

    /// The negotiated version, as far as this direction shows it.
    fn version(&self) -> Option<u16> {
        let hello = self.flight.server_hello.as_ref().or(self.flight.retry.as_ref());
        hello.map(|hello| hello.version).or(self.negotiated)
    }

    fn handshake(&mut self, mut bytes: &[u8]) -> Result<(), Unreadable> {
        while !self.over && !bytes.is_empty() {
            let flight = &mut self.flight;
            let mut result = Ok(false);
            self.messages.next(&mut bytes, |kind, body| {
                result = match body {
                    Some(body) => message(flight, kind, body).ok_or(Unreadable::Message(kind)),
                    None => Err(Unreadable::TooLong(kind)),
                };
            });
            match result {
                Ok(true) => self.end(),
                Ok(false) => self.open(),
                // Where it ends is known all the same. Without a hello this may be no handshake at all.
                Err(fault @ Unreadable::Message(_)) if self.has_hello() && !self.strict => {
                    self.flight.error.get_or_insert(fault);
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }

    /// This direction's hello was understood, at least its begin.
    const fn has_hello(&self) -> bool {
        self.flight.client_hello.is_some() || self.flight.server_hello.is_some()
    }

    /// Makes the keys once both the secret and the cipher suite are known.
    fn open(&mut self) {
        if self.opener.is_none()
            && !self.secret.is_empty()
            && let Some(hello) = &self.flight.server_hello
        {
            self.opener = Opener::new(hello.suite, &self.secret);
        }
    }

    /// What is no warning ends the connection, and so does close_notify (RFC 5246, sections 7.2.1 and 7.2.2): what follows does not
    /// count, however much of it came in the same piece.
    fn alert(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let Some(level) = self.alert_level.take() else {
                self.alert_level = Some(byte);
                continue;
            };
            if self.flight.alerts.len() < ALERTS_MAX {
                self.flight.alerts.push(Alert { level, description: byte });
            }
            if level != WARNING || byte == CLOSE_NOTIFY {
                return self.end();
            }
        }
    }

    fn encrypted(&mut self, portion: &Portion<'_>) -> Result<(), Unreadable> {
        if self.buffer.len() + portion.bytes.len() > PAYLOAD_MAX {
            return Err(Unreadable::Record);
        }
        self.buffer.extend_from_slice(portion.bytes);
        if !portion.last {
            return Ok(());
        }
        let mut record = std::mem::take(&mut self.buffer);
        let opened = self.opener.as_mut().and_then(|opener| opener.open(portion.header.version, &mut record));
        let (content, plain) = opened.ok_or(Unreadable::Record)?;
        match content {
            22 => self.handshake(plain),
            21 => {
                self.alert(plain);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Takes a message; whether it is the last one of the direction. `None` if it is malformed: what of it could be read was taken.
fn message(flight: &mut Flight, kind: u8, body: &[u8]) -> Option<bool> {
    let version = flight.server_hello.as_ref().map_or(0, |hello| hello.version);
    match kind {
        kind::CLIENT_HELLO if flight.client_hello.is_none() => {
            let hello = ClientHello::parse(body, false)?;
            return (!flight.client_hello.insert(hello).faulty).then_some(false);
        }
        kind::SERVER_HELLO => {
            let (hello, whole) = ServerHello::read(body)?;
            if hello.retry {
                flight.retry = Some(hello);
            } else {
                flight.key_exchange.group = hello.group;
                flight.server_hello = Some(hello);
            }
            return whole.then_some(false);
        }
        kind::ENCRYPTED_EXTENSIONS => {
            let hello = flight.server_hello.as_mut()?;
            hello::each_extension(&mut Reader::new(body), |kind, data| hello.extension(kind, data))?;
        }
        kind::CERTIFICATE if is_tls13(version) => flight.certificates = Some(Certificates::parse_13(body)?),
        kind::CERTIFICATE => {
            let (certificates, whole) = Certificates::read(body);
            flight.certificates = (whole || !certificates.chain.is_empty()).then_some(certificates);
            return whole.then_some(false);
        }
        kind::CERTIFICATE_STATUS => {
            if let Some(certificates) = flight.certificates.as_mut() {
                certificates.ocsp = messages::status(Reader::new(body));
            }
        }
        kind::SERVER_KEY_EXCHANGE => {
            if let Some(suite) = flight.server_hello.as_ref().and_then(|hello| suites::parts(hello.suite)) {
                flight.key_exchange = KeyExchange::parse(suite, version, body)?;
            }
        }
        kind::CERTIFICATE_REQUEST => flight.certificate_request = true,
        kind::SERVER_HELLO_DONE => flight.hello_done = true,
        // Until draft 21 of TLS 1.3 it was a message of its own.
        kind::HELLO_RETRY_REQUEST => flight.retry = ServerHello::parse_draft_retry(body),
        kind::CERTIFICATE_VERIFY => flight.key_exchange.signature = Some(Reader::new(body).u16()?),
        kind::NEW_SESSION_TICKET => {
            let mut reader = Reader::new(body);
            let (lifetime, ticket) = (reader.u32()?, reader.vector16()?.rest());
            flight.ticket = Some(Ticket { lifetime, length: u16::try_from(ticket.len()).unwrap_or(u16::MAX) });
        }
        kind::FINISHED if is_tls13(version) => {
            flight.complete = true;
            return Some(true);
        }
        _ => {}
    }
    Some(false)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests;
