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
    for (level, description) in [(2, 40), (1, 0), (9, 99)] {
        let last = Alert { level, description };
        let bytes = [[21, 3, 1, 0, 2, level, description].to_vec(), record(0x0303, &message(14, &[]))].concat();
        let flight = same_at_any_split(Tap::server, &bytes);
        assert_eq!((flight.alerts, flight.hello_done), (vec![last], false), "nothing counts behind {last:?}");
    }
    assert_eq!(same_at_any_split(Tap::server, b"220 ready\r\n").error, Some(Unreadable::NotTls));
    let broken = record(0x0303, &message(2, &[3, 3, 1]));
    assert_eq!(same_at_any_split(Tap::server, &broken).error, Some(Unreadable::Message(2)));
}

#[test]
fn of_a_broken_hello_is_kept_what_can_be_read() {
    let name = [0, 0, 0, 8, 0, 6, 0, 0, 3, b'a', b'.', b'b'];
    let alpn = |length| [0, 16, 0, 5, 0, length, 2, b'h', b'2'];
    let groups = [0, 10, 0, 4, 0, 2, 0, 29];
    let hello = |alpn: &[u8], extra: u16| {
        let extensions = [&name[..], alpn, &groups].concat();
        let length = u16::try_from(extensions.len()).unwrap() + extra;
        [&[3, 3][..], &[9; 32], &[0, 0, 2, 0xc0, 0x2f, 1, 0], &length.to_be_bytes(), &extensions].concat()
    };
    let read = |hello: &[u8]| {
        same_at_any_split(Tap::client, &[record(0x0301, &message(1, hello)), vec![21, 3, 1, 0, 2, 2, 40]].concat())
    };
    let sound = read(&hello(&alpn(3), 0));
    assert_eq!((sound.error, sound.client_hello.as_ref().map(|hello| hello.faulty)), (None, Some(false)));
    // One extension longer than itself: the others are read.
    let broken = read(&hello(&alpn(200), 0));
    let found = broken.client_hello.unwrap();
    assert_eq!((broken.error, broken.alerts.len(), found.faulty), (Some(Unreadable::Message(1)), 1, true));
    assert_eq!((found.server_name.as_deref(), found.alpn.len(), found.groups), (Some("a.b"), 0, vec![29]));
    assert_eq!(found.extensions, [0, 16, 10]);
    // The list longer than the message: nothing of it is believed.
    let long = read(&hello(&alpn(3), 9)).client_hello.unwrap();
    assert_eq!((long.faulty, long.suites, long.extensions.len()), (true, vec![0xc02f], 0));
    // Its end is missing: lost, or never sent.
    let whole = record(0x0301, &message(1, &hello(&alpn(3), 0)));
    let mut tap = Tap::client();
    tap.feed(&whole[..whole.len() - 3]);
    let flight = tap.finish();
    assert_eq!(flight.error, Some(Unreadable::Incomplete(1)));
    let cut = flight.client_hello.unwrap();
    assert_eq!(
        (cut.faulty, cut.server_name.as_deref(), cut.alpn, cut.groups.len()),
        (true, Some("a.b"), vec!["h2".into()], 0)
    );
    let mut tap = Tap::client();
    tap.feed(&whole[..70]);
    tap.gap(whole.len() as u64 - 70);
    tap.feed(&[21, 3, 1, 0, 2, 2, 40]);
    let flight = tap.finish();
    assert_eq!((flight.error, flight.alerts.len()), (Some(Unreadable::Gap), 1));
    assert_eq!(flight.client_hello.unwrap().server_name.as_deref(), Some("a.b"));
}

#[test]
fn a_servers_broken_messages_cost_themselves_only() {
    let hello = [&[3, 3][..], &[9; 32], &[0, 0xc0, 0x2f, 0, 0, 1, 0]].concat();
    let list = [0, 0, 9, 0, 0, 2, 0x30, 0, 0, 0, 9, 1];
    let flight = [message(2, &hello[..hello.len() - 1]), message(11, &list), message(14, &[])].concat();
    let flight = same_at_any_split(Tap::server, &[record(0x0303, &flight), vec![20, 3, 3, 0, 1, 1]].concat());
    assert_eq!((flight.error, flight.complete, flight.hello_done), (Some(Unreadable::Message(2)), true, true));
    assert_eq!(flight.server_hello.map(|hello| (hello.version, hello.suite)), Some((0x0303, 0xc02f)));
    assert_eq!(flight.certificates.unwrap().chain, [vec![0x30, 0]]);
    let strange = [&[0x21, 0x75][..], &hello[2..hello.len() - 1]].concat();
    let flight = same_at_any_split(Tap::server, &record(0x0303, &message(2, &strange)));
    assert!(flight.server_hello.is_none() && flight.error == Some(Unreadable::Message(2)), "of no version");
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

/// What a client sends in TLS 1.3 after its hello, told what the server chose after so many records.
fn client_of_tls_1_3(told_after: usize, records: &[(u8, usize)]) -> (bool, bool) {
    let mut tap = Tap::client();
    for (at, (kind, length)) in records.iter().enumerate() {
        if at == told_after {
            tap.set_negotiated(0x0304);
        }
        let bytes = [&[*kind, 3, 3][..], &u16::try_from(*length).unwrap().to_be_bytes(), &vec![1; *length]].concat();
        bytes.chunks(7).for_each(|chunk| tap.feed(chunk));
    }
    let over = tap.over();
    (tap.into_flight().hidden, over)
}

#[test]
fn a_client_has_done_its_part_of_tls_1_3_with_what_can_be_its_finished() {
    assert_eq!(client_of_tls_1_3(0, &[(20, 1), (23, 69)]), (true, true), "Finished");
    assert_eq!(
        client_of_tls_1_3(0, &[(20, 1), (23, 25), (23, 69)]),
        (true, true),
        "a Certificate without any before it"
    );
    assert_eq!(client_of_tls_1_3(0, &[(20, 1), (23, 19)]), (false, false), "an alert");
    assert_eq!(client_of_tls_1_3(2, &[(20, 1), (23, 500), (23, 21), (23, 53)]), (true, true), "early data and its end");
    assert_eq!(client_of_tls_1_3(3, &[(20, 1), (23, 500), (23, 500)]), (false, false), "early data only");
}

#[test]
fn what_a_client_encrypts_before_tls_1_3_follows_its_change_cipher_spec() {
    let read = |records: &[u8]| {
        let mut tap = Tap::client();
        tap.set_negotiated(0x0303);
        tap.feed(records);
        (tap.over(), tap.into_flight().complete)
    };
    assert_eq!(read(&[20, 3, 3, 0, 1, 1, 22, 3, 3, 0, 2, 9, 9]), (true, true));
    assert_eq!(read(&[20, 3, 3, 0, 1, 1, 21, 3, 3, 0, 2, 9, 9]), (true, false), "an alert in place of Finished");
    assert_eq!(read(&[23, 3, 3, 0, 2, 9, 9]), (true, false));
}

/// A record in SSL 2.0's format.
fn v2_record(body: &[u8]) -> Vec<u8> {
    [&(0x8000 | u16::try_from(body.len()).unwrap()).to_be_bytes()[..], body].concat()
}

#[test]
fn ssl_2_is_read_up_to_where_it_is_encrypted() {
    // Kinds RC4 and triple DES, a certificate, a connection id.
    let kinds = [1, 0, 0x80, 7, 0, 0xc0];
    let hello = [&[4, 0, 1, 0, 2, 0, 5, 0, 6, 0, 16][..], &[0x30, 3, 2, 1, 0], &kinds, &[9; 16]].concat();
    let server = |rest: &[u8]| [v2_record(&hello), rest.to_vec()].concat();
    let told = || {
        let mut tap = Tap::server();
        tap.set_v2();
        tap
    };
    let flight = same_at_any_split(told, &server(&[0, 24, 5, 0xaa, 0xbb]));
    assert_eq!(flight.server_hello.map(|hello| hello.version), Some(2));
    assert_eq!(flight.certificates.unwrap().chain, [vec![0x30, 3, 2, 1, 0]]);
    assert!(flight.complete && flight.error.is_none());
    let refused = same_at_any_split(told, &server(&v2_record(&[0, 0, 1])));
    assert!(refused.server_hello.is_some() && !refused.complete);
    assert_eq!(same_at_any_split(Tap::server, &server(&[])).error, Some(Unreadable::NotTls), "nobody asked for it");
    assert_eq!(same_at_any_split(told, &[0x80, 20, 9, 9]).error, Some(Unreadable::NotTls));

    let body = [&[1, 0, 2, 0, 6, 0, 0, 0, 16][..], &kinds, &[7; 16]].concat();
    let mut tap = Tap::client();
    tap.feed(&v2_record(&body));
    tap.set_negotiated(2);
    tap.feed(&v2_record(&[&[2, 7, 0, 0xc0, 0, 0, 0, 64, 0, 8][..], &[5; 72]].concat()));
    assert!(tap.over());
    let flight = tap.into_flight();
    assert_eq!((flight.v2_hello, flight.v2_kind, flight.complete), (true, Some(0x07_00c0), true));
    assert_eq!(flight.client_hello.map(|hello| (hello.version, hello.suites)), Some((2, vec![])));
}

#[test]
fn a_hole_in_a_message_costs_that_message_only() {
    let hello = [&[3, 3][..], &[9; 32], &[0], &[0xc0, 0x2f, 0]].concat();
    let list = [&[0, 0, 103, 0, 0, 100][..], &[0x30; 100]].concat();
    let before = message(2, &hello).len() + 5;
    let messages = [message(2, &hello), message(11, &list), message(14, &[])].concat();
    let bytes = [record(0x0303, &messages), vec![20, 3, 3, 0, 1, 1]].concat();
    let certificate = before + 4..before + 4 + list.len();
    let holed = |from: usize, until: usize| {
        let mut tap = Tap::server();
        tap.feed(&bytes[..from]);
        tap.gap((until - from) as u64);
        tap.feed(&bytes[until..]);
        tap.into_flight()
    };
    for (from, until) in [(0, 1), (0, 100), (30, 31), (0, list.len()), (90, list.len())] {
        let flight = holed(certificate.start + from, certificate.start + until);
        assert!(flight.hello_done && flight.complete && flight.certificates.is_none(), "{from}-{until}");
        assert_eq!((flight.error, flight.bytes), (Some(Unreadable::Gap), bytes.len() as u64));
    }
    // Over the message's end, over its begin, and all of the record: where the next one begins is a guess.
    for (from, until) in [(certificate.end - 9, certificate.end + 1), (before - 1, before + 9), (0, before)] {
        let flight = holed(from, until);
        assert!(!flight.complete && flight.error == Some(Unreadable::Gap), "{from}-{until}");
    }
}
