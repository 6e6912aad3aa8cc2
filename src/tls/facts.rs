//! What a handshake showed, as rows have it.

use super::failure::Failure;
use super::names;
use super::ocsp::Ocsp;
use super::suites;
use super::tap::{CLOSE_NOTIFY, Flight};

const TLS_1_3: u16 = 0x0304;

/// What a handshake showed. Names are IANA's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Newest version offered.
    pub offered: Option<&'static str>,
    /// Version of a complete handshake.
    pub version: Option<&'static str>,
    /// Cipher suite that the server chose.
    pub cipher: Option<String>,
    /// Its class as in the study's Fig. 3.
    pub cipher_class: Option<&'static str>,
    /// Key-exchange group.
    pub group: Option<String>,
    /// Bits of the prime of finite-field Diffie-Hellman.
    pub dh_bits: Option<u32>,
    /// Signature scheme of the server's handshake signature.
    pub signature: Option<String>,
    /// The server chose compression.
    pub compression: Option<bool>,
    /// Types of the server's extensions.
    pub extensions: Vec<u16>,
    /// HelloRetryRequest.
    pub retried: Option<bool>,
    /// Application protocol.
    pub alpn: Option<String>,
    /// A session ticket came.
    pub ticket: Option<bool>,
    /// Its lifetime in seconds, where it is known.
    pub ticket_lifetime: Option<u32>,
    /// Description of the first alert received, close_notify apart.
    pub alert: Option<String>,
    /// Description of the fatal alert sent in the clear.
    pub alert_sent: Option<String>,
    /// The server asked for a certificate.
    pub client_certificate: Option<bool>,
    /// An OCSP response was stapled. `None` until certificates were seen.
    pub ocsp: Option<bool>,
    /// What it says.
    pub ocsp_says: Option<Ocsp>,
    /// Signed certificate timestamps in the extension. `None` until certificates were seen.
    pub scts: Option<u16>,
    /// Bytes of the server's first flight.
    pub flight_bytes: Option<u64>,
    /// Who spoke.
    pub engine: Option<&'static str>,
    /// Certificates as presented, DER, leaf first.
    pub chain: Vec<Vec<u8>>,
    /// Why the handshake or the session failed.
    pub error: Option<Failure>,
}

impl Facts {
    /// What `flight` shows; `complete` if the handshake was finished. The chain is left to the caller.
    pub(super) fn of(flight: &Flight, complete: bool) -> Self {
        let hello = flight.server_hello.as_ref();
        let certificates = flight.certificates.as_ref();
        let group = flight.key_exchange.group;
        let chosen = hello.or(flight.retry.as_ref());
        // What follows a close_notify counts no more (RFC 8446, section 6.1), however much of it came in the same piece.
        let alert = flight.alerts.first().filter(|alert| alert.description != CLOSE_NOTIFY);
        Self {
            version: hello.filter(|_| complete).and_then(|hello| names::version(hello.version)),
            cipher: chosen.map(|hello| names::cipher(hello.suite)),
            cipher_class: hello.map(|hello| suites::class(hello.suite, group).name()),
            group: group.map(names::group),
            dh_bits: flight.key_exchange.dh_bits,
            signature: flight.key_exchange.signature.map(names::signature),
            compression: hello.map(|hello| hello.compression != 0),
            extensions: chosen.map(|hello| hello.extensions.clone()).unwrap_or_default(),
            retried: chosen.map(|_| flight.retry.is_some()),
            alpn: hello.and_then(|hello| hello.alpn.clone()),
            // In TLS 1.3 tickets come after the handshake: none so far says nothing.
            ticket: hello.filter(|hello| hello.version != TLS_1_3).map(|_| flight.ticket.is_some()),
            ticket_lifetime: flight.ticket.map(|ticket| ticket.lifetime),
            alert: alert.map(|alert| names::alert(alert.description)),
            client_certificate: hello.map(|_| flight.certificate_request),
            scts: certificates.map(|certificates| certificates.timestamps),
            flight_bytes: (flight.bytes > 0).then_some(flight.bytes),
            ..Self::default()
        }
    }
}
