//! A session against a rustls server in memory.

use super::*;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, SupportedProtocolVersion};
use std::io::Write;

/// A self-signed P-256 certificate (CN=test) and its key, made once with openssl.
const CERTIFICATE: &[u8] = include_bytes!("../../tests/data/p256.der");
const KEY: &[u8] = include_bytes!("../../tests/data/p256.key.der");

pub(super) fn server_config(version: &'static SupportedProtocolVersion) -> ServerConfig {
    let key = PrivateKeyDer::try_from(KEY.to_vec()).expect("a key");
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert_with_ocsp(vec![CERTIFICATE.to_vec().into()], key, b"staple".to_vec())
        .expect("a certificate");
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

fn server(version: &'static SupportedProtocolVersion) -> ServerConnection {
    ServerConnection::new(Arc::new(server_config(version))).expect("a server")
}

/// Runs until both sides are idle, server bytes cut into pieces of `piece`.
fn run(client: &Client, session: &mut Session, server: &mut ServerConnection, hello: Vec<u8>, piece: usize) -> Vec<u8> {
    let (mut to_server, mut plain) = (hello, Vec::new());
    loop {
        let mut input = &to_server[..];
        while !input.is_empty() {
            server.read_tls(&mut input).expect("read");
            if server.process_new_packets().is_err() {
                break;
            }
        }
        to_server.clear();
        let mut to_client = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut to_client).expect("write");
        }
        if to_client.is_empty() {
            return plain;
        }
        for piece in to_client.chunks(piece) {
            session.receive(client, piece, &mut plain, &mut to_server);
        }
    }
}

#[test]
fn both_versions_give_their_facts_at_any_split() {
    for (version, name, cipher) in [
        (&rustls::version::TLS13, "TLSv1.3", "TLS_AES_128_GCM_SHA256"),
        (&rustls::version::TLS12, "TLSv1.2", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    ] {
        for piece in [1, 7, 100_000] {
            let client = Client::new(Offer::Wide).expect("a client");
            let mut hello = Vec::new();
            let mut session =
                Session::start(&client, (Rung::Modern, 0xc612_0001), None, Alpn::Web, &mut hello).expect("a session");
            let mut server = server(version);
            server.writer().write_all(b"220 hi\r\n").expect("buffered");
            // A server preferring its own order would not pick AES-128; ours must have been first.
            let plain = run(&client, &mut session, &mut server, hello, piece);
            assert_eq!(plain, b"220 hi\r\n");
            assert_eq!(session.state(), State::Established);
            let facts = session.facts();
            assert_eq!((facts.version, facts.cipher.as_deref()), (Some(name), Some(cipher)));
            assert_eq!((facts.group.as_deref(), facts.alpn.as_deref()), (Some("x25519"), Some("http/1.1")));
            assert_eq!(facts.signature.as_deref(), Some("ecdsa_secp256r1_sha256"));
            assert_eq!((facts.chain, facts.ocsp), (vec![CERTIFICATE.to_vec()], Some(true)));
            assert_eq!(facts.ocsp_says.map(|ocsp| ocsp.status), Some("unreadable"));
            assert_eq!(
                (facts.offered, facts.engine, facts.cipher_class),
                (Some("TLSv1.3"), Some("rustls"), Some("ECDHE"))
            );
            assert_eq!(
                (facts.compression, facts.retried, facts.client_certificate),
                (Some(false), Some(false), Some(false))
            );
            assert_eq!(
                (facts.scts, facts.dh_bits, facts.ticket),
                (Some(0), None, (name == "TLSv1.3").then_some(true).or(Some(false)))
            );
            let extensions: &[u16] = if name == "TLSv1.3" { &[51, 43, 16] } else { &[65281, 23, 16, 5] };
            let mut seen = facts.extensions.clone();
            seen.sort_unstable();
            let mut due = extensions.to_vec();
            due.sort_unstable();
            assert_eq!(seen, due, "{name}");
            assert!(facts.flight_bytes.is_some_and(|bytes| bytes > 500), "{:?}", facts.flight_bytes);
            assert_eq!((facts.alert, facts.alert_sent, facts.error), (None, None, None));
        }
    }
}

#[test]
fn plain_text_where_tls_was_due_is_a_failure_and_gets_an_alert() {
    let client = Client::new(Offer::Wide).expect("a client");
    let mut session = Session::start(&client, (Rung::Modern, 1), None, Alpn::None, &mut Vec::new()).expect("a session");
    let mut alert = Vec::new();
    let state = session.receive(&client, b"HTTP/1.1 400 Bad Request\r\n\r\n", &mut Vec::new(), &mut alert);
    assert_eq!(state, State::Failed);
    assert_eq!(alert[..3], [21, 3, 3]);
    let facts = session.facts();
    let error = facts.error.expect("a failure");
    assert_eq!((error.kind, facts.alert_sent.as_deref()), (Kind::Malformed, Some("decode_error")));
    assert!(error.words.contains("InvalidContentType"), "{}", error.words);
    assert_eq!((facts.version, facts.chain.len()), (None, 0));
}

#[test]
fn an_alert_is_named() {
    let client = Client::new(Offer::Wide).expect("a client");
    let mut session = Session::start(&client, (Rung::Modern, 1), None, Alpn::None, &mut Vec::new()).expect("a session");
    let state = session.receive(&client, &[21, 3, 3, 0, 2, 2, 40], &mut Vec::new(), &mut Vec::new());
    assert_eq!((state, session.facts().alert.as_deref()), (State::Failed, Some("handshake_failure")));
}

#[test]
fn what_follows_a_close_notify_is_no_alert_nor_is_it_itself_whatever_its_level() {
    let client = Client::new(Offer::Wide).expect("a client");
    for level in [0, 1, 2] {
        let mut session =
            Session::start(&client, (Rung::Modern, 1), None, Alpn::None, &mut Vec::new()).expect("a session");
        let said = [21, 3, 1, 0, 2, level, 0, 21, 3, 1, 0, 2, 2, 40];
        session.receive(&client, &said, &mut Vec::new(), &mut Vec::new());
        assert_eq!((session.facts().alert, session.state() == State::Handshaking), (None, false), "{level}");
    }
}

#[test]
fn the_offer_is_listed_in_order() {
    let client = Client::new(Offer::Strong).expect("a client");
    let suites = client.suites(Rung::Modern);
    assert_eq!(suites[..2], ["TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"]);
    assert_eq!(suites.len(), 9);
    let wide = Client::new(Offer::Wide).expect("a client").suites(Rung::Modern);
    assert_eq!((&wide[..9], wide.len()), (&suites[..], 77));
    assert_eq!(wide[76], "TLS_RSA_WITH_NULL_SHA");
    let usual = Client::new(Offer::Usual).expect("a client");
    assert_eq!(usual.suites(Rung::Modern), wide[..56]);
    assert_eq!(wide[55..57], ["TLS_RSA_WITH_DES_CBC_SHA", "TLS_DH_anon_WITH_AES_128_GCM_SHA256"]);
    let lengths = [Rung::Bare, Rung::Legacy, Rung::Ssl3].map(|rung| usual.suites(rung).len());
    assert_eq!(lengths, [56, 53, 15]);
    assert_eq!(client.groups(), ["x25519", "secp256r1", "secp384r1", "secp521r1"]);
}

#[test]
fn a_name_goes_out_as_sni_and_an_address_never_does() {
    let client = Client::new(Offer::Wide).expect("a client");
    for (name, sent) in [
        (Some("mx.example"), Some("mx.example")),
        (Some("_dmarc.mx-1.example"), Some("_dmarc.mx-1.example")),
        (Some("-not.a-name-"), None),
        (None, None),
    ] {
        let mut hello = Vec::new();
        Session::start(&client, (Rung::Modern, 0xc612_0001), name, Alpn::None, &mut hello).expect("a session");
        let mut server = server(&rustls::version::TLS13);
        server.read_tls(&mut &hello[..]).expect("read");
        server.process_new_packets().expect("a ClientHello");
        assert_eq!(server.server_name(), sent, "{name:?}");
    }
}
