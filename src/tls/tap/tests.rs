//! Flights of a rustls pair, and flights written by hand where rustls does not go.

use super::hello::extension;
use super::*;
use crate::tls::tests::server_config;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, ClientConnection, KeyLog, ServerConnection, SupportedProtocolVersion};
use std::sync::{Arc, Mutex};

#[derive(Debug, Default)]
struct Secret(Mutex<Vec<u8>>);

impl KeyLog for Secret {
    fn log(&self, label: &str, _: &[u8], secret: &[u8]) {
        if label == "SERVER_HANDSHAKE_TRAFFIC_SECRET" {
            *self.0.lock().unwrap() = secret.to_vec();
        }
    }
}

/// All bytes of a handshake, client's and server's, and the secret of the server's flight.
fn handshake(version: &'static SupportedProtocolVersion) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let secret = Arc::new(Secret::default());
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(crate::tls::capture::Capture::default()))
        .with_no_client_auth();
    config.key_log = Arc::clone(&secret) as Arc<_>;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut client = ClientConnection::new(Arc::new(config), "example.org".try_into().unwrap()).unwrap();
    let mut server = ServerConnection::new(Arc::new(server_config(version))).unwrap();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    while client.is_handshaking() || server.is_handshaking() {
        let (from, to) = (ours.len(), theirs.len());
        while client.wants_write() {
            client.write_tls(&mut ours).unwrap();
        }
        server.read_tls(&mut &ours[from..]).unwrap();
        server.process_new_packets().unwrap();
        while server.wants_write() {
            server.write_tls(&mut theirs).unwrap();
        }
        client.read_tls(&mut &theirs[to..]).unwrap();
        client.process_new_packets().unwrap();
    }
    let secret = secret.0.lock().unwrap().clone();
    (ours, theirs, secret)
}

fn read(mut tap: Tap, bytes: &[u8], step: usize) -> Flight {
    for chunk in bytes.chunks(step) {
        tap.feed(chunk);
    }
    tap.into_flight()
}

fn same_at_any_split(make: impl Fn() -> Tap, bytes: &[u8]) -> Flight {
    let whole = read(make(), bytes, bytes.len());
    for step in [1, 2, 3, 5, 7, 64, 1_460] {
        assert_eq!(read(make(), bytes, step), whole, "{step}");
    }
    whole
}

fn with_secret(secret: &[u8]) -> Tap {
    let mut tap = Tap::server();
    tap.set_secret(secret);
    tap
}

#[test]
fn tls_1_3_is_read_through_with_its_secret() {
    let (client, server, secret) = handshake(&rustls::version::TLS13);
    let flight = same_at_any_split(|| with_secret(&secret), &server);
    let hello = flight.server_hello.as_ref().unwrap();
    assert_eq!((hello.version, hello.suite, hello.alpn.as_deref()), (0x0304, 0x1302, Some("http/1.1")));
    assert!(hello.extensions.contains(&extension::SUPPORTED_VERSIONS) && hello.extensions.contains(&extension::ALPN));
    let certificates = flight.certificates.as_ref().unwrap();
    assert_eq!((certificates.chain.len(), certificates.ocsp.as_deref()), (1, Some(&b"staple"[..])));
    assert_eq!((flight.key_exchange.signature, flight.complete, flight.hidden), (Some(0x0403), true, false));
    assert!(flight.error.is_none() && flight.bytes <= server.len() as u64);

    let hello = same_at_any_split(Tap::client, &client).client_hello.unwrap();
    assert_eq!((hello.version, hello.versions, hello.session_id), (0x0303, vec![0x0304], 32));
    assert_eq!((hello.server_name.as_deref(), hello.alpn), (Some("example.org"), vec!["h2".into(), "http/1.1".into()]));
    assert_eq!((&hello.suites[..3], hello.compressions), (&[0x1302, 0x1301, 0x1303][..], vec![0]));
    assert!(hello.groups.contains(&hello.key_shares[0]) && hello.signatures.contains(&0x0403));
}

#[test]
fn tls_1_3_without_its_secret_hides_the_certificates() {
    let (_, server, _) = handshake(&rustls::version::TLS13);
    let flight = same_at_any_split(Tap::server, &server);
    assert!(flight.hidden && flight.server_hello.is_some() && flight.certificates.is_none() && !flight.complete);
    let wrong = same_at_any_split(|| with_secret(&[7; 48]), &server);
    assert_eq!(wrong.error, Some(Unreadable::Record));
}

#[test]
fn tls_1_2_is_read_in_the_clear() {
    let (_, server, _) = handshake(&rustls::version::TLS12);
    let flight = same_at_any_split(Tap::server, &server);
    let hello = flight.server_hello.as_ref().unwrap();
    assert_eq!((hello.version, hello.suite, flight.record_version), (0x0303, 0xc02c, Some(0x0303)));
    let kx = flight.key_exchange;
    assert_eq!((kx.group.is_some(), kx.dh_bits, kx.signature), (true, None, Some(0x0403)));
    let certificates = flight.certificates.as_ref().unwrap();
    assert_eq!((certificates.chain.len(), certificates.ocsp.as_deref()), (1, Some(&b"staple"[..])));
    assert!(flight.complete && flight.error.is_none());
}

/// A record around handshake messages.
fn record(version: u16, messages: &[u8]) -> Vec<u8> {
    let length = u16::try_from(messages.len()).unwrap();
    [&[22][..], &version.to_be_bytes(), &length.to_be_bytes(), messages].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind][..], &length[1..], body].concat()
}

#[test]
fn ssl_3_with_a_temporary_diffie_hellman_key() {
    // DHE_RSA with 3DES, no extensions, a certificate, p of 512 bits, a request for ours.
    let hello = [&[3, 0][..], &[9; 32], &[0], &[0, 0x16, 0]].concat();
    let certificate = [0, 0, 6, 0, 0, 3, 1, 2, 3];
    let exchange = [&[0, 64, 0x80][..], &[1; 63], &[0, 1, 2], &[0, 1, 3], &[0, 2, 9, 9]].concat();
    let flight = [
        message(2, &hello),
        message(11, &certificate),
        message(12, &exchange),
        message(13, &[1, 1, 0, 0]),
        message(14, &[]),
    ]
    .concat();
    let bytes = [record(0x0300, &flight), vec![20, 3, 0, 0, 1, 1], vec![22, 3, 0, 0, 3, 0xaa, 0xbb, 0xcc]].concat();
    let flight = same_at_any_split(Tap::server, &bytes);
    let hello = flight.server_hello.as_ref().unwrap();
    assert_eq!((hello.version, hello.suite, hello.extensions.len()), (0x0300, 0x0016, 0));
    assert_eq!(flight.certificates.as_ref().unwrap().chain, [vec![1, 2, 3]]);
    assert_eq!(flight.key_exchange, KeyExchange { dh_bits: Some(512), ..KeyExchange::default() });
    assert!(flight.certificate_request && flight.complete && flight.error.is_none());
    assert_eq!(flight.bytes, bytes.len() as u64 - 8, "what is encrypted is not looked at");
}

#[test]
fn alerts_and_answers_that_are_no_tls() {
    let alerts = same_at_any_split(Tap::server, &[21, 3, 1, 0, 2, 1, 112, 21, 3, 1, 0, 2, 2, 40]);
    assert_eq!(alerts.alerts, [Alert { level: 1, description: 112 }, Alert { level: 2, description: 40 }]);
    assert_eq!(same_at_any_split(Tap::server, b"220 ready\r\n").error, Some(Unreadable::NotTls));
    let broken = record(0x0303, &message(2, &[3, 3, 1]));
    assert_eq!(same_at_any_split(Tap::server, &broken).error, Some(Unreadable::Message(2)));
}

#[test]
fn a_hello_in_the_format_of_ssl_2() {
    // Offers TLS 1.0 with RC4-MD5, an SSL 2.0 kind and RC4-SHA.
    let body = [&[1, 3, 1, 0, 9, 0, 0, 0, 16][..], &[0, 0, 4, 1, 0, 0x80, 0, 0, 5], &[7; 16]].concat();
    let bytes = [&[0x80, u8::try_from(body.len()).unwrap()][..], &body, &[21, 3, 1, 0, 2, 2, 70]].concat();
    let flight = same_at_any_split(Tap::client, &bytes);
    let hello = flight.client_hello.unwrap();
    assert_eq!((flight.v2_hello, hello.version, hello.suites), (true, 0x0301, vec![0x0004, 0x0005]));
    assert_eq!(flight.alerts, [Alert { level: 2, description: 70 }]);
    assert!(flight.error.is_none());
}
