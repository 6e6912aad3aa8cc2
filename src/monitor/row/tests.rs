use super::*;
use crate::tls::tap::{Alert, Certificates, KeyExchange, ServerHello, Ticket, Unreadable};

fn chosen(version: u16, suite: u16) -> Flight {
    let hello = ServerHello { version, suite, ..ServerHello::default() };
    Flight { server_hello: Some(hello), ..Flight::default() }
}

fn row(client: &Flight, server: &Flight) -> Connection {
    let chain = server.certificates.as_ref().map_or(Vec::new(), |found| found.chain.clone());
    let mut row = Connection::default();
    tls(client, server, &chain, &mut row);
    row
}

fn with_chain(server: Flight) -> Flight {
    let certificates = Certificates { chain: vec![b"leaf".to_vec()], ..Certificates::default() };
    Flight { certificates: Some(certificates), hello_done: true, ..server }
}

#[test]
fn certificates_are_seen_or_hidden_or_there_are_none_or_nobody_knows() {
    let client = Flight::default();
    let (old, new) = (|| chosen(0x0303, 0xc02f), || chosen(0x0304, 0x1301));
    for (what, server, expected) in [
        ("TLS 1.3", Flight { hidden: true, complete: true, ..new() }, Some("hidden")),
        ("a draft of it", chosen(0x7f1c, 0x1301), Some("hidden")),
        ("a chain", with_chain(old()), Some("seen")),
        ("resumption", Flight { complete: true, ..old() }, Some("none")),
        ("an anonymous suite", Flight { hello_done: true, ..chosen(0x0303, 0x0034) }, Some("none")),
        ("a gap", Flight { error: Some(Unreadable::Gap), hello_done: true, ..old() }, Some("hidden")),
        ("its end", old(), None),
        ("no answer", Flight::default(), None),
    ] {
        assert_eq!(row(&client, &server).certificates, expected, "{what}");
    }
}

#[test]
fn a_staple_is_said_where_a_chain_was_seen() {
    let mut server = with_chain(chosen(0x0303, 0xc02f));
    assert_eq!(row(&Flight::default(), &server).tls_ocsp, Some(false));
    // A response without an answer: try later (RFC 6960, section 4.2.1).
    server.certificates.as_mut().unwrap().ocsp = Some(vec![0x30, 3, 0x0a, 1, 3]);
    let found = row(&Flight::default(), &server);
    assert_eq!((found.tls_ocsp, found.tls_ocsp_status.is_some()), (Some(true), true));
    assert_eq!(row(&Flight::default(), &chosen(0x0304, 0x1301)).tls_ocsp, None);
}

#[test]
fn what_was_resumed_and_asked_again_is_said() {
    let client = Flight::default();
    let found = |server: &Flight| {
        let row = row(&client, server);
        (row.resumed, row.tls_retried)
    };
    let old = chosen(0x0303, 0xc02f);
    assert_eq!(found(&Flight { complete: true, ..old.clone() }), (Some(true), Some(false)));
    let ticket = Some(Ticket { lifetime: 300, length: 9 });
    let renewed = Flight { complete: true, ticket, ..old.clone() };
    assert_eq!(found(&renewed), (Some(true), Some(false)));
    assert_eq!(row(&client, &renewed).tls_ticket_lifetime, Some(300));
    assert_eq!(found(&with_chain(Flight { complete: true, ..old.clone() })), (Some(false), Some(false)));
    assert_eq!(found(&Flight { complete: true, hello_done: true, ..old }), (Some(false), Some(false)), "anonymous");
    let mut new = chosen(0x0304, 0x1301);
    assert_eq!(found(&new), (Some(false), Some(false)));
    new.server_hello.as_mut().unwrap().extensions = vec![43, PRE_SHARED_KEY];
    new.retry = Some(ServerHello { version: 0x0304, retry: true, ..ServerHello::default() });
    assert_eq!(found(&new), (Some(true), Some(true)));
    assert_eq!(found(&Flight::default()), (None, None));
}

#[test]
fn established_is_what_both_sides_went_on_with() {
    let done = || Flight { complete: true, ..Flight::default() };
    let hidden = || Flight { hidden: true, ..Flight::default() };
    let (old, new) = (|| chosen(0x0303, 0xc02f), || chosen(0x0304, 0x1301));
    let fatal = |flight: Flight| Flight { alerts: vec![Alert { level: 2, description: 40 }], ..flight };
    let warned = |flight: Flight| Flight { alerts: vec![Alert { level: 1, description: 112 }], ..flight };
    for (what, client, server, expected) in [
        ("both", done(), Flight { complete: true, ..old() }, true),
        ("a warning", done(), warned(Flight { complete: true, ..old() }), true),
        ("the client only", done(), old(), false),
        ("the server only", Flight::default(), Flight { complete: true, ..old() }, false),
        ("an alert of the server's", done(), fatal(Flight { complete: true, ..old() }), false),
        ("an alert of the client's", fatal(done()), Flight { complete: true, ..old() }, false),
        ("both in TLS 1.3", hidden(), Flight { hidden: true, ..new() }, true),
        ("ChangeCipherSpec in TLS 1.3", done(), Flight { complete: true, ..new() }, false),
    ] {
        assert_eq!(row(&client, &server).established, Some(expected), "{what}");
    }
    let refused = row(&fatal(done()), &warned(old()));
    assert_eq!(refused.tls_alert_sent.as_deref(), Some("handshake_failure"));
    assert_eq!(refused.tls_alert.as_deref(), Some("unrecognized_name"));
}

#[test]
fn a_choice_is_named_and_classed() {
    let mut server = chosen(0x0303, 0x0033);
    server.key_exchange = KeyExchange { dh_bits: Some(1_024), signature: Some(0x0401), ..KeyExchange::default() };
    let found = row(&Flight::default(), &server);
    assert_eq!(found.tls_version.as_deref(), Some("TLSv1.2"));
    assert_eq!(found.tls_cipher.as_deref(), Some("TLS_DHE_RSA_WITH_AES_128_CBC_SHA"));
    assert_eq!((found.tls_cipher_class, found.tls_dh_bits), (Some("DHE"), Some(1_024)));
    assert_eq!(found.tls_signature.as_deref(), Some("rsa_pkcs1_sha256"));
    let mut field = chosen(0x0304, 0x1301);
    field.key_exchange.group = Some(0x0100);
    let found = row(&Flight::default(), &field);
    assert_eq!((found.tls_group.as_deref(), found.tls_cipher_class), (Some("ffdhe2048"), Some("DHE")));
    let client = Flight { v2_kind: Some(0x07_00c0), v2_hello: true, ..Flight::default() };
    let found = row(&client, &chosen(2, 0));
    assert_eq!(found.tls_cipher.as_deref(), Some("SSL_CK_DES_192_EDE3_CBC_WITH_MD5"));
    assert_eq!((found.tls_version.as_deref(), found.client_v2_hello), (Some("SSLv2"), true));
}

#[test]
fn a_fingerprint_leaves_out_what_is_grease_and_nothing_else() {
    let hello = ClientHello {
        version: 0x0303,
        // 0x0a1a looks like it.
        suites: vec![0x0a0a, 0x0a1a, 0x1301],
        extensions: vec![0x1a1a, 0],
        groups: vec![0xfafa, 29],
        point_formats: vec![0],
        ..ClientHello::default()
    };
    // MD5 of 771,2586-4865,0,29,0
    assert_eq!(ja3(&hello), "e89a98e9cf239af5572f41095b3aed77");
}

#[test]
fn of_a_part_of_a_hello_nothing_is_said_that_its_rest_can_change() {
    let hello = |faulty, versions: &[u16]| ClientHello {
        version: 0x0303,
        versions: versions.to_vec(),
        server_name: Some("a.example".into()),
        faulty,
        ..ClientHello::default()
    };
    let found = |hello| row(&Flight { client_hello: Some(hello), ..Flight::default() }, &Flight::default());
    let whole = found(hello(false, &[]));
    assert_eq!((whole.client_versions, whole.client_ja3.is_some()), (vec!["TLSv1.2".into()], true));
    let part = found(hello(true, &[]));
    assert_eq!((part.client_versions.len(), part.client_ja3, part.sni.as_deref()), (0, None, Some("a.example")));
    assert_eq!(found(hello(true, &[0x0304])).client_versions, ["TLSv1.3"]);
}
