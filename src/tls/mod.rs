//! TLS on in-memory buffers: the handshake with any server, and the facts it shows.
//!
//! [`Client`] is what all connections of a lane share (offers, verifier); [`Session`] is one connection.
//! Nothing is verified here: every certificate is accepted and recorded, judging them is `verify`'s job.

mod capture;
mod names;
pub mod registry;
pub mod tap;

use crate::base::Duration;
use capture::{Capture, Captured};
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{DnsName, IpAddr, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ClientConnection};
use std::io::Read;
use std::sync::Arc;

/// What a handshake showed. Names are IANA's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Version of a complete handshake: `TLSv1.2` or `TLSv1.3`.
    pub version: Option<&'static str>,
    /// Cipher suite.
    pub cipher: Option<String>,
    /// Key-exchange group.
    pub group: Option<String>,
    /// Signature scheme of the server's handshake signature.
    pub signature: Option<String>,
    /// Application protocol.
    pub alpn: Option<String>,
    /// Description of the fatal alert received.
    pub alert: Option<String>,
    /// An OCSP response was stapled. `None` until certificates were seen.
    pub ocsp: Option<bool>,
    /// Certificates as presented, DER, leaf first.
    pub chain: Vec<Vec<u8>>,
    /// Why the handshake or the session failed.
    pub error: Option<String>,
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The handshake goes on.
    Handshaking,
    /// Application data flows.
    Established,
    /// The server sent close_notify.
    Closed,
    /// An error or a fatal alert ended it.
    Failed,
}

/// What is offered to a server in ALPN (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alpn {
    /// Nothing: mail and chat servers may refuse what they do not know.
    None,
    /// `h2` and `http/1.1`.
    Web,
    /// `xmpp-client` (XEP-0368, as the next one): who shares a port among protocols goes by it.
    XmppClient,
    /// `xmpp-server`.
    XmppServer,
}

impl Alpn {
    /// Every offer.
    pub const ALL: [Self; 4] = [Self::None, Self::Web, Self::XmppClient, Self::XmppServer];

    /// The names offered, in order.
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::None => &[],
            Self::Web => &["h2", "http/1.1"],
            Self::XmppClient => &["xmpp-client"],
            Self::XmppServer => &["xmpp-server"],
        }
    }
}

/// What all sessions of a lane share.
#[derive(Clone, Debug)]
pub struct Client {
    /// One for each of [`Alpn::ALL`].
    configs: [Arc<ClientConfig>; Alpn::ALL.len()],
    capture: Arc<Capture>,
}

impl Client {
    /// A client that offers TLS 1.3 and 1.2 with what rustls has, AES-128 first, as browsers do.
    pub fn new() -> Result<Self, rustls::Error> {
        let provider = Arc::new(provider());
        let capture = Arc::new(Capture::default());
        let mut base = ClientConfig::builder_with_details(provider, Arc::new(NoClock))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&capture) as Arc<_>)
            .with_no_client_auth();
        base.resumption = Resumption::disabled();
        let configs = Alpn::ALL.map(|alpn| {
            let mut config = base.clone();
            config.alpn_protocols = alpn.names().iter().map(|name| name.as_bytes().to_vec()).collect();
            Arc::new(config)
        });
        Ok(Self { configs, capture })
    }

    /// The cipher suites and groups offered, in order, by IANA name: part of what was measured.
    pub fn offer(&self) -> (Vec<String>, Vec<String>) {
        let provider = self.configs[0].crypto_provider();
        let suites = provider.cipher_suites.iter().map(|suite| names::cipher(suite.suite())).collect();
        let groups = provider.kx_groups.iter().map(|group| names::group(group.name())).collect();
        (suites, groups)
    }
}

fn provider() -> CryptoProvider {
    use aws_lc_rs::{cipher_suite as suite, kx_group as group};
    CryptoProvider {
        cipher_suites: vec![
            suite::TLS13_AES_128_GCM_SHA256,
            suite::TLS13_CHACHA20_POLY1305_SHA256,
            suite::TLS13_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
            suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        ],
        kx_groups: vec![group::X25519, group::SECP256R1, group::SECP384R1],
        ..aws_lc_rs::default_provider()
    }
}

/// rustls asks for the time only to hand it to the verifier, and ours does not look at it.
#[derive(Debug)]
struct NoClock;

impl TimeProvider for NoClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::ZERO))
    }
}

/// One TLS connection.
#[derive(Debug)]
pub struct Session {
    connection: ClientConnection,
    captured: Captured,
    state: State,
    error: Option<rustls::Error>,
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
        let mut connection = ClientConnection::new(Arc::clone(config), name)?;
        flush(&mut connection, out);
        Ok(Self { connection, captured: Captured::default(), state: State::Handshaking, error: None })
    }

    /// Takes bytes from the server; appends what they decrypt to to `plain` and what is to be sent to `out`.
    pub fn receive(&mut self, client: &Client, mut bytes: &[u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> State {
        while !bytes.is_empty() && matches!(self.state, State::Handshaking | State::Established) {
            client.capture.begin();
            let result = match self.connection.read_tls(&mut bytes) {
                Ok(_) => self.connection.process_new_packets(),
                Err(error) => Err(rustls::Error::General(error.to_string())),
            };
            self.captured.merge(client.capture.take());
            match result {
                Ok(state) => {
                    let available = state.plaintext_bytes_to_read() as u64;
                    // Reading no more than is there cannot fail; close_notify shows in `peer_has_closed`.
                    let _ = self.connection.reader().take(available).read_to_end(plain);
                    if !self.connection.is_handshaking() {
                        self.state = State::Established;
                        self.captured.release(self.connection.peer_certificates());
                    }
                    if state.peer_has_closed() {
                        self.state = State::Closed;
                    }
                }
                Err(error) => {
                    self.error = Some(error);
                    self.state = State::Failed;
                }
            }
            // Also after an error: rustls has an alert for the server then.
            flush(&mut self.connection, out);
        }
        self.state
    }

    /// Encrypts `plain` to `out`.
    pub fn send(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        use std::io::Write;
        // Our lines are far smaller than rustls' buffer of 64 KiB, which `flush` empties each time.
        let _ = self.connection.writer().write_all(plain);
        flush(&mut self.connection, out);
    }

    /// Says close_notify.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        self.connection.send_close_notify();
        flush(&mut self.connection, out);
    }

    /// Where it stands.
    pub const fn state(&self) -> State {
        self.state
    }

    /// The chain as presented. Once rustls keeps it, we do not.
    fn chain(&self) -> Vec<Vec<u8>> {
        match self.connection.peer_certificates() {
            Some(kept) if self.captured.chain.is_empty() => kept.iter().map(|der| der.to_vec()).collect(),
            _ => self.captured.chain.clone(),
        }
    }

    /// What was found so far.
    pub fn facts(&self) -> Facts {
        let established = !self.connection.is_handshaking();
        let complete = |name: String| established.then_some(name);
        let alert = match &self.error {
            Some(rustls::Error::AlertReceived(description)) => Some(names::alert(*description)),
            _ => None,
        };
        Facts {
            version: self.connection.protocol_version().filter(|_| established).and_then(names::version),
            cipher: self.connection.negotiated_cipher_suite().map(|s| names::cipher(s.suite())).and_then(complete),
            group: self.connection.negotiated_key_exchange_group().map(|g| names::group(g.name())).and_then(complete),
            signature: self.captured.signature.map(names::signature),
            alpn: self.connection.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
            alert,
            ocsp: self.captured.seen.then_some(self.captured.ocsp),
            chain: self.chain(),
            error: self.error.as_ref().map(ToString::to_string),
        }
    }
}

fn flush(connection: &mut ClientConnection, out: &mut Vec<u8>) {
    while connection.wants_write() {
        // Writing to a Vec cannot fail.
        if !matches!(connection.write_tls(out), Ok(written) if written > 0) {
            break;
        }
    }
}

#[cfg(test)]
mod tests;
