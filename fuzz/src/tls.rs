//! Target `tls`: a `tls::Session` that has sent a real ClientHello against any server.
//!
//! The first byte says what the server is. Bit 1 clear: the rest of the input, raw. Set: a rustls server in
//! memory whose bytes the rest of the input damages (bit 2: TLS 1.2, else 1.3). Bit 0: which ALPN is offered.
//!
//! Asserted: what the session sends and keeps is bounded by what it was given; a failure is final and says why;
//! a raw server, which knows no key, never gets the handshake to complete or text to be decrypted; the same raw
//! bytes give the same facts at any split; from a damaged server only text comes out that it put in.

use super::input::Input;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection};
use starling::tls::{Alpn, Client, Facts, Kind, Offer, Rung, Session, State};
use std::io::Write;
use std::sync::{Arc, LazyLock};

const CERTIFICATE: &[u8] = include_bytes!("../../tests/data/p256.der");
const KEY: &[u8] = include_bytes!("../../tests/data/p256.key.der");
const TEXT: &[u8] = b"* OK [CAPABILITY IMAP4rev1] ready\r\n";
/// What a session of ours may say: ClientHello (twice after HelloRetryRequest), its Finished, an alert.
const SAID_MAX: usize = 4_096;
/// Exchanges until both sides of a live handshake are silent.
const ROUNDS_MAX: usize = 16;

/// The body.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mode = input.u8();
    let alpn = if mode & 1 == 0 { Alpn::None } else { Alpn::Web };
    if mode & 2 == 0 {
        let bytes = input.rest();
        let whole = raw(bytes, alpn, usize::MAX);
        assert_eq!(raw(bytes, alpn, 1), whole, "byte by byte and whole");
    } else {
        let version = if mode & 4 == 0 { &rustls::version::TLS13 } else { &rustls::version::TLS12 };
        damaged(&mut input, alpn, version);
    }
}

thread_local! {
    static CLIENT: Client = Client::new(Offer::Wide).expect("a client");
}

fn start(client: &Client, alpn: Alpn) -> (Session, Vec<u8>) {
    let mut hello = Vec::new();
    let session = Session::start(client, (Rung::Modern, 0xc612_0001), None, alpn, &mut hello).expect("a session");
    (session, hello)
}

/// Certificates and words of the facts: what the same bytes must show at any split.
type Shown = (State, Vec<Vec<u8>>, Option<String>, Option<String>, Option<bool>);

fn raw(bytes: &[u8], alpn: Alpn, piece: usize) -> Shown {
    CLIENT.with(|client| {
        let (mut session, mut out) = start(client, alpn);
        let mut plain = Vec::new();
        for part in bytes.chunks(piece) {
            let before = session.state();
            let state = session.receive(client, part, &mut plain, &mut out);
            assert!(before != State::Failed || state == State::Failed);
        }
        let state = session.state();
        assert_ne!(state, State::Established, "without a key");
        assert!(plain.is_empty());
        let facts = bounded(&session, &out, bytes.len());
        assert_eq!(facts.version, None);
        (state, facts.chain, facts.alert, facts.signature, facts.ocsp)
    })
}

fn bounded(session: &Session, out: &[u8], received: usize) -> Facts {
    assert!(out.len() <= SAID_MAX, "{} bytes said", out.len());
    let facts = session.facts();
    assert!(facts.chain.iter().map(Vec::len).sum::<usize>() <= received, "more certificates than bytes");
    // A message that is too long for rustls is read on, for its certificates, before the session fails.
    let reads_on = facts.error.as_ref().is_some_and(|error| error.kind == Kind::TooLarge);
    let state = session.state();
    assert!(facts.error.is_some() == (state == State::Failed) || reads_on && state == State::Handshaking, "{state:?}");
    assert!(facts.error.as_ref().is_none_or(|error| error.words.len() <= 1_024));
    facts
}

/// A server with the certificate of the tests.
pub(crate) fn server(version: &'static rustls::SupportedProtocolVersion) -> ServerConnection {
    static CONFIGS: LazyLock<[Arc<ServerConfig>; 2]> = LazyLock::new(|| {
        [&rustls::version::TLS12, &rustls::version::TLS13].map(|version| {
            let key = PrivateKeyDer::try_from(KEY.to_vec()).expect("a key");
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let mut config = ServerConfig::builder_with_provider(provider)
                .with_protocol_versions(&[version])
                .expect("a version")
                .with_no_client_auth()
                .with_single_cert(vec![CERTIFICATE.to_vec().into()], key)
                .expect("a certificate");
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Arc::new(config)
        })
    });
    let config = &CONFIGS[usize::from(version == &rustls::version::TLS13)];
    ServerConnection::new(Arc::clone(config)).expect("a server")
}

fn damaged(input: &mut Input<'_>, alpn: Alpn, version: &'static rustls::SupportedProtocolVersion) {
    CLIENT.with(|client| {
        let (mut session, hello) = start(client, alpn);
        let mut server = server(version);
        server.writer().write_all(TEXT).expect("memory");
        let unharmed = input.is_empty();
        let (mut plain, mut said, mut to_server, mut received) = (Vec::new(), hello.len(), hello, 0);
        for _ in 0..ROUNDS_MAX {
            let flight = answer(&mut server, &to_server);
            if flight.is_empty() && input.is_empty() {
                break;
            }
            let flight = damage(flight, input);
            received += flight.len();
            to_server.clear();
            session.receive(client, &flight, &mut plain, &mut to_server);
            said += to_server.len();
        }
        assert!(said <= SAID_MAX, "{said} bytes said");
        assert!(TEXT.starts_with(&plain), "{plain:?}");
        assert!(!unharmed || (session.state() == State::Established && plain == TEXT));
        bounded(&session, &[], received);
    });
}

/// What the server says to `bytes`.
pub(crate) fn answer(server: &mut ServerConnection, mut bytes: &[u8]) -> Vec<u8> {
    while !bytes.is_empty() {
        // Nothing is read behind a close_notify.
        let read = server.read_tls(&mut bytes).unwrap_or(0);
        if read == 0 || server.process_new_packets().is_err() {
            break;
        }
    }
    let mut out = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut out).expect("memory");
    }
    out
}

/// One edit of a flight for each byte that says which; zero leaves it.
fn damage(mut flight: Vec<u8>, input: &mut Input<'_>) -> Vec<u8> {
    let at = usize::from(input.u16()) % (flight.len() + 1);
    match input.u8() % 8 {
        1 => flight.truncate(at),
        2 => drop(flight.drain(..at)),
        3 => flight.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= input.u8() | 1),
        4 => {
            let count = usize::from(input.u8());
            flight.splice(at..at, input.bytes(count).to_vec());
        }
        5 => flight.extend_from_within(at..),
        6 => {
            let end = (at + usize::from(input.u8())).min(flight.len());
            flight.drain(at..end);
        }
        _ => {}
    }
    flight
}
