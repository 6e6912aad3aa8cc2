//! What real servers said (`scripts/lab-tls FOLDER`), said again: an engine with the same hello and the same seed
//! must find every Finished and every MAC right. And the constructions against vectors of others.

use super::*;
use crate::tls::Offer;
use crate::tls::tap::{Alert, Tap};
use proptest::prelude::*;
use std::sync::LazyLock;

/// The randomness of the recordings, as in `tests/legacy/client.rs`.
const RANDOM: [u8; 32] = [0x11; 32];
const SEED: [u8; 32] = [0x22; 32];
static PAIRS: LazyLock<Arc<Pairs>> = LazyLock::new(|| Arc::new(Pairs::new(SEED).unwrap()));
const LINE: &[u8] = b"EHLO scanner.example\n";

macro_rules! recordings {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../../../tests/data/legacy/", $name, ".bin")))),*]
    };
}

/// Stack, version, suite, hello, key exchange.
const RECORDINGS: &[(&str, &[u8])] = recordings![
    "gnutls37-0301-0004-legacy-rsa-asks",
    "gnutls37-0303-003b-legacy-rsa-asks",
    "gnutls37-0303-009d-legacy-rsa-asks",
    "nss387-0300-000a-legacy-rsa",
    "openssl111w-0300-0005-legacy-rsa",
    "openssl111w-0300-000a-ssl3-rsa",
    "openssl111w-0300-002f-legacy-rsa-asks",
    "openssl111w-0300-0033-ssl3-dh1024",
    "openssl111w-0301-0018-legacy-dh1024",
    "openssl111w-0301-002f-legacy-rsa",
    "openssl111w-0301-0039-legacy-dh1024",
    "openssl111w-0301-c014-legacy-secp256r1",
    "openssl111w-0302-002f-legacy-rsa-asks",
    "openssl111w-0302-c011-legacy-secp256r1",
    "openssl111w-0302-c014-legacy-secp521r1",
    "openssl111w-0302-c016-legacy-secp256r1",
    "openssl111w-0303-0041-legacy-rsa",
    "openssl111w-0303-006b-legacy-dh1024",
    "openssl111w-0303-00a2-legacy-dh1024",
    "openssl111w-0303-c009-legacy-secp256r1",
    "openssl111w-0303-c028-legacy-secp256r1",
    "openssl111w-0303-ccaa-legacy-dh1024",
    "sunjsse17-0300-0003-ssl3-rsa512",
    "sunjsse17-0300-c013-legacy-secp256r1",
    "sunjsse17-0301-0015-legacy-dh1024",
    "tlsliteng08-0300-0033-legacy-dh512",
];

fn recording(name: &str) -> &'static [u8] {
    RECORDINGS.iter().find(|(other, _)| *other == name).unwrap().1
}

fn engine(profile: Profile) -> Engine {
    Engine::take_over(&hello(profile, Offer::Wide, None, RANDOM)[5..], SEED, Arc::clone(&PAIRS))
}

fn of(name: &str) -> Engine {
    engine(if name.contains("-ssl3-") { Profile::Ssl3 } else { Profile::Legacy })
}

/// State, what was said, what was understood.
type End = (State, Vec<u8>, Vec<u8>);

fn replay<'a>(mut engine: Engine, pieces: impl IntoIterator<Item = &'a [u8]>) -> End {
    let (mut out, mut plain) = (Vec::new(), Vec::new());
    for piece in pieces {
        engine.receive(piece, &mut out, &mut plain);
    }
    (engine.state(), out, plain)
}

#[test]
fn what_servers_said_is_understood_again_at_any_split() {
    for (name, bytes) in RECORDINGS {
        let whole = replay(of(name), [*bytes]);
        let number = |at: usize| u16::from_str_radix(name.split('-').nth(at).unwrap(), 16).unwrap();
        let (version, suite) = (number(1), number(2));
        let expected = if [0x0041, 0x0003].contains(&suite) {
            (State::Failed(Failure::Suite(suite)), Vec::new())
        } else {
            let mut line = LINE.to_vec();
            line[..LINE.len() - 1].reverse();
            match name.split('-').next() {
                Some("openssl111w") => (State::Established, line),
                Some("nss387") => (State::Established, whole.2.clone()),
                _ => (State::Established, LINE.to_vec()),
            }
        };
        assert_eq!((whole.0, &whole.2), (expected.0, &expected.1), "{name}");
        assert!(!name.starts_with("nss") || whole.2.starts_with(b"HTTP/1.0 200 OK"), "{name}");
        let mut tap = Tap::server();
        tap.feed(bytes);
        let hello = tap.flight().server_hello.clone().unwrap();
        assert_eq!((hello.version, hello.suite), (version, suite), "{name}");
        for step in [1, 2, 3, 7, 1_460] {
            assert_eq!(replay(of(name), bytes.chunks(step)), whole, "{name} {step}");
        }
    }
}

#[test]
fn what_is_not_spoken_is_left_politely() {
    let end = replay(engine(Profile::Legacy), [recording("openssl111w-0303-0041-legacy-rsa")]);
    // user_canceled, then close_notify.
    assert_eq!(end.1, [21, 3, 3, 0, 2, 1, 90, 21, 3, 3, 0, 2, 1, 0]);
    let mut engine = engine(Profile::Legacy);
    engine.receive(recording("openssl111w-0303-0041-legacy-rsa"), &mut Vec::new(), &mut Vec::new());
    assert_eq!(engine.alert_sent(), Some(90));
}

#[test]
fn a_request_for_a_certificate_is_answered_by_none() {
    for (name, answer) in [
        ("openssl111w-0302-002f-legacy-rsa-asks", &[22, 3, 2, 0, 7, 11, 0, 0, 3, 0, 0, 0][..]),
        ("openssl111w-0300-002f-legacy-rsa-asks", &[21, 3, 0, 0, 2, 1, 41]),
    ] {
        let mut tap = Tap::server();
        tap.feed(recording(name));
        assert!(tap.flight().certificate_request, "{name}");
        assert!(replay(of(name), [recording(name)]).1.starts_with(answer), "{name}");
    }
}

#[test]
fn our_side_reads_as_a_client_does() {
    let bytes = recording("openssl111w-0303-006b-legacy-dh1024");
    let (_, out, _) = replay(engine(Profile::Legacy), [bytes]);
    let mut tap = Tap::client();
    tap.feed(&hello(Profile::Legacy, Offer::Wide, None, RANDOM));
    tap.feed(&out);
    assert!(tap.flight().complete && tap.flight().error.is_none());
}

#[test]
fn text_is_sent_in_records_only_once_the_handshake_is_done() {
    let bytes = recording("openssl111w-0301-0018-legacy-dh1024");
    let (mut engine, mut out) = (engine(Profile::Legacy), Vec::new());
    engine.send(b"early", &mut out);
    assert!(out.is_empty());
    engine.receive(bytes, &mut Vec::new(), &mut Vec::new());
    engine.send(&vec![b'x'; TEXT_MAX + 1], &mut out);
    // RC4 with MD5: the text, sixteen bytes of MAC.
    assert_eq!(out[..5], [23, 3, 1, 0x40, 0x10]);
    assert_eq!(out.len(), 2 * (5 + 16) + TEXT_MAX + 1);
    out.clear();
    engine.close(&mut out);
    assert_eq!((&out[..5], out.len()), (&[21, 3, 1, 0, 18][..], 5 + 18));
}

#[test]
fn a_byte_changed_anywhere_behind_the_hello_is_noticed() {
    let bytes = recording("openssl111w-0301-c014-legacy-secp256r1");
    let whole = replay(engine(Profile::Legacy), [bytes]);
    assert_eq!(whole.0, State::Established);
    for at in (0..bytes.len()).step_by(7) {
        let mut changed = bytes.to_vec();
        changed[at] ^= 1;
        let end = replay(engine(Profile::Legacy), [&changed[..]]);
        assert_ne!((end.0, &end.2), (State::Established, &whole.2), "byte {at}");
    }
}

/// A record around bytes.
fn record(content: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
    [&[content, 3, 1][..], &length, bytes].concat()
}

fn server_hello(version: u16, suite: u16, compression: u8) -> Vec<u8> {
    let body = [&version.to_be_bytes()[..], &[9; 32], &[0], &suite.to_be_bytes(), &[compression]].concat();
    [&[2, 0, 0, u8::try_from(body.len()).unwrap()][..], &body].concat()
}

#[test]
fn what_a_server_may_not_do_ends_the_connection_and_is_told_to_it() {
    let done = [14, 0, 0, 0];
    let hello = |version, suite, compression| record(22, &server_hello(version, suite, compression));
    let with = |first: Vec<u8>, then: &[u8]| [&first[..], then].concat();
    let sound = || hello(0x0301, 0x002f, 0);
    for (bytes, failure, alert) in [
        (record(21, &[2, 40]), Failure::Alert(40), None),
        (b"220 ready\r\n".to_vec(), Failure::NotTls, Some(10)),
        (hello(0x0304, 0x1301, 0), Failure::Version(0x0304), Some(70)),
        (hello(0x0200, 0x002f, 0), Failure::Version(0x0200), Some(70)),
        (hello(0x0301, 0x5555, 0), Failure::Suite(0x5555), Some(90)),
        (with(hello(0x0301, 0x003c, 0), &record(22, &done)), Failure::Suite(0x003c), Some(90)),
        (with(hello(0x0301, 0x002f, 1), &record(22, &done)), Failure::Compression(1), Some(90)),
        (with(sound(), &record(22, &done)), Failure::ServerKey, Some(90)),
        (with(sound(), &sound()), Failure::UnexpectedMessage(2), Some(10)),
        (with(sound(), &record(20, &[1])), Failure::UnexpectedRecord(20), Some(10)),
        (with(sound(), &record(23, b"x")), Failure::UnexpectedRecord(23), Some(10)),
        (with(sound(), &record(22, &[11, 0, 0, 2, 0, 0])), Failure::Message(11), Some(50)),
        (with(sound(), &record(22, &[11, 4, 0, 1])), Failure::Message(11), Some(50)),
        (record(22, &[0, 0, 0, 0].repeat(65)), Failure::Flood, Some(10)),
        (record(21, &[1, 112].repeat(65)), Failure::Flood, Some(10)),
        (record(22, &[]).repeat(33), Failure::Flood, Some(10)),
    ] {
        let mut engine = engine(Profile::Legacy);
        let mut all = bytes.clone();
        // The message of 256 KiB and a byte is told when it has come to its end.
        if bytes.ends_with(&[11, 4, 0, 1]) {
            all.extend(record(22, &[0; 0x4000]).repeat(17));
        }
        engine.receive(&all, &mut Vec::new(), &mut Vec::new());
        assert_eq!((engine.state(), engine.alert_sent()), (State::Failed(failure), alert), "{failure}");
    }
}

#[test]
fn a_warning_and_a_request_for_renegotiation_are_passed_over() {
    let flight = recording("openssl111w-0301-002f-legacy-rsa");
    let before = [record(21, &[1, 112]), record(22, &[0, 0, 0, 0])].concat();
    let end = replay(engine(Profile::Legacy), [&before[..], flight]);
    assert_eq!(end.0, State::Established);
    let mut tap = Tap::server();
    tap.feed(&before);
    assert_eq!(tap.flight().alerts, [Alert { level: 1, description: 112 }]);
}

#[test]
fn a_key_that_would_cost_too_much_is_not_computed_with() {
    let odd = |length: usize| [vec![0x81], vec![0; length - 2], vec![1]].concat();
    let mut random = Random::new(SEED);
    let mut rsa = |modulus: Vec<u8>, exponent: Vec<u8>| {
        Server::Rsa { modulus, exponent }.answer(0x0303, 0x0301, &mut random, &PAIRS).map(|ours| ours.body.len()).ok()
    };
    assert_eq!(rsa(odd(64), vec![3]), Some(2 + 64));
    assert_eq!(rsa(odd(1_024), vec![1, 0, 1]), Some(2 + 1_024));
    assert_eq!(rsa(odd(1_025), vec![3]), None);
    assert_eq!(rsa(odd(58), vec![3]), None, "no place for the padding");
    assert_eq!(rsa(odd(256), vec![1; 9]), None);
    assert_eq!(rsa([vec![0x80], vec![0; 255]].concat(), vec![3]), None, "even");
    assert_eq!((rsa(vec![], vec![3]), rsa(odd(256), vec![])), (None, None));
    let mut finite = |prime: Vec<u8>, public: Vec<u8>| {
        Server::FiniteField { prime, generator: vec![2], public }.answer(0x0303, 0x0301, &mut random, &PAIRS).is_ok()
    };
    assert!(finite(odd(64), vec![5]));
    assert!(!finite(odd(64), odd(64)), "not below the prime");
    assert!(!finite(odd(64), vec![0]));
    assert!(!finite(odd(31), vec![5]));
}

#[test]
fn the_prf_of_tls_1_2_is_that_of_others() {
    // https://mailarchive.ietf.org/arch/msg/tls/fzVCzk-z3FShgGJ6DOXqM1ydxms/
    let hex = |text: &str| -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    };
    let secret = hex("9bbe436ba940f017b17652849a71db35");
    let seed = hex("a0ba9f936cda311827a6f796ffd5198c");
    let expected = hex(
        "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af0fa022f7077d\
         ef17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66",
    );
    let mut out = vec![0; 100];
    Schedule { version: TLS_1_2, hash: Hash::Sha256 }.prf(&secret, b"test label", &[&seed], &mut out);
    assert_eq!(out, expected);
}

proptest! {
    #[test]
    fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..2_000), step in 1_usize..400) {
        let whole = replay(engine(Profile::Legacy), [&bytes[..]]);
        prop_assert_eq!(replay(engine(Profile::Legacy), bytes.chunks(step)), whole);
    }

    #[test]
    fn damaged_flights_are_taken_alike_at_any_split(
        which in 0..RECORDINGS.len(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        step in 1_usize..400,
    ) {
        let (name, bytes) = RECORDINGS[which];
        let mut bytes = bytes.to_vec();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let whole = replay(of(name), [&bytes[..]]);
        prop_assert_eq!(replay(of(name), bytes.chunks(step)), whole);
    }
}
