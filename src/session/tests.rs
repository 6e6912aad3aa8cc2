//! Names in rows, and conversations against a scripted server whose TLS is rustls' own.

use super::*;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection};
use std::io::{Read, Write};
use std::sync::Arc;

const CERTIFICATE: &[u8] = include_bytes!("../../tests/data/p256.der");
const KEY: &[u8] = include_bytes!("../../tests/data/p256.key.der");

fn context() -> Context {
    Context::new(
        tls::Client::new(tls::Offer::Wide).expect("a client"),
        Identity { ehlo: "[198.18.0.1]".into(), contact: None },
    )
}

fn tls_server() -> ServerConnection {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::try_from(KEY.to_vec()).expect("a key");
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![CERTIFICATE.to_vec().into()], key)
        .expect("a certificate");
    ServerConnection::new(Arc::new(config)).expect("a server")
}

/// A server that answers line by line: `(line begins with, reply)`. `STARTTLS` with a reply of `220` or `OK`
/// begins TLS.
struct Server {
    replies: &'static [(&'static str, &'static str)],
    tls: Option<ServerConnection>,
    heard: Vec<String>,
}

impl Server {
    fn answer(&mut self, line: &str) -> String {
        self.heard.push(line.to_owned());
        let reply = self.replies.iter().find(|(start, _)| line.contains(start)).map_or("", |(_, reply)| *reply);
        reply.replace("TAG", line.split(' ').next().unwrap_or_default())
    }

    /// Takes what the client sent and gives what goes back.
    fn receive(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let Some(mut tls) = self.tls.take() else {
            let line = String::from_utf8_lossy(bytes).trim_end().to_owned();
            if line.is_empty() {
                return out;
            }
            let reply = self.answer(&line);
            if line.contains("STARTTLS") && (reply.starts_with("220") || reply.contains(" OK")) {
                self.tls = Some(tls_server());
            }
            return reply.into_bytes();
        };
        while !bytes.is_empty() {
            tls.read_tls(&mut bytes).expect("memory");
            if tls.process_new_packets().is_err() {
                break;
            }
        }
        let mut plain = Vec::new();
        let _ = tls.reader().read_to_end(&mut plain);
        for line in String::from_utf8_lossy(&plain).lines() {
            let reply = self.answer(line);
            tls.writer().write_all(reply.as_bytes()).expect("memory");
        }
        while tls.wants_write() {
            tls.write_tls(&mut out).expect("memory");
        }
        self.tls = Some(tls);
        out
    }
}

/// Holds the conversation to its end, server bytes in pieces of `piece`.
fn converse(protocol: Protocol, greeting: &str, server: &mut Server, piece: usize) -> Session {
    let context = context();
    let mut to_server = Vec::new();
    let mut session = Session::open(&context, protocol, (1, 25), Rung::Modern, Instant::ZERO, &mut to_server);
    let mut to_client = greeting.as_bytes().to_vec();
    for round in 1..200 {
        let now = Instant::from_nanos(round);
        for bytes in to_client.chunks(piece) {
            session.receive(&context, now, bytes, &mut to_server);
        }
        let sent = std::mem::take(&mut to_server);
        to_client = server.receive(&sent);
        if session.finished() || (sent.is_empty() && to_client.is_empty()) {
            break;
        }
    }
    session
}

const SMTP: &[(&str, &str)] =
    &[("EHLO", "250-mx\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n"), ("STARTTLS", "220 go\r\n"), ("QUIT", "221 bye\r\n")];

#[test]
fn starttls_is_walked_through_to_the_goodbye_at_any_split() {
    for piece in [1, 3, 100_000] {
        let mut server = Server { replies: SMTP, tls: None, heard: Vec::new() };
        let session = converse(Protocol::Smtp, "220 mx\r\n", &mut server, piece);
        assert!(session.finished());
        assert_eq!(server.heard, ["EHLO [198.18.0.1]", "STARTTLS", "EHLO [198.18.0.1]", "QUIT"]);
        assert_eq!((session.stage(), session.outcome(Cause::Finished)), (Stage::Done, (Outcome::Complete, None)));
        let findings = session.findings().expect("a dialogue");
        assert_eq!(findings.before.auth, ["PLAIN"]);
        assert_eq!(findings.after.auth, ["PLAIN"]);
        assert_eq!((findings.upgrade.offered, findings.upgrade.accepted), (Some(true), Some(true)));
        let facts = session.tls_facts().expect("TLS was begun");
        assert_eq!((facts.version, facts.chain), (Some("TLSv1.3"), vec![CERTIFICATE.to_vec()]));
        let times = session.times();
        assert!(times.greeting < times.tls_started && times.tls_started < times.tls_done);
    }
}

#[test]
fn direct_tls_speaks_inside_only() {
    let replies =
        &[("CAPABILITY", "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nTAG OK\r\n"), ("LOGOUT", "* BYE\r\nTAG OK\r\n")];
    let mut tls = tls_server();
    tls.writer().write_all(b"* OK hi\r\n").expect("memory");
    let mut server = Server { replies, tls: Some(tls), heard: Vec::new() };
    let session = converse(Protocol::Imaps, "", &mut server, 11);
    assert_eq!(session.outcome(Cause::Finished), (Outcome::Complete, None));
    let findings = session.findings().expect("a dialogue");
    assert_eq!(findings.after.list, ["IMAP4rev1", "AUTH=PLAIN"]);
    assert!(!findings.before.asked);

    let mut server = Server { replies: &[], tls: Some(tls_server()), heard: Vec::new() };
    let session = converse(Protocol::Https, "", &mut server, 1_000);
    assert_eq!((session.stage(), session.outcome(Cause::Finished)), (Stage::Done, (Outcome::Complete, None)));
    assert!(server.heard.is_empty());
}

#[test]
fn each_way_to_fail_has_its_outcome() {
    let end = |greeting, replies, cause| {
        let mut server = Server { replies, tls: None, heard: Vec::new() };
        let session = converse(Protocol::Smtp, greeting, &mut server, 1_000);
        (session.stage(), session.outcome(cause).0)
    };
    const REFUSED: &[(&str, &str)] =
        &[("EHLO", "250-mx\r\n250 STARTTLS\r\n"), ("STARTTLS", "454 no\r\n"), ("QUIT", "221\r\n")];
    const NONE: &[(&str, &str)] = &[("EHLO", "250 mx\r\n"), ("QUIT", "221\r\n")];
    const MUTE: &[(&str, &str)] = &[("EHLO", "250-mx\r\n250 STARTTLS\r\n")];
    assert_eq!(end("220 mx\r\n", REFUSED, Cause::Finished), (Stage::Done, Outcome::StarttlsRefused));
    assert_eq!(end("220 mx\r\n", NONE, Cause::Finished), (Stage::Done, Outcome::NoStarttls));
    assert_eq!(end("554 no\r\n", NONE, Cause::Finished), (Stage::Done, Outcome::ServiceRefused));
    assert_eq!(end("HTTP/1.1 400\r\n", NONE, Cause::Finished), (Stage::Done, Outcome::ProtocolError));
    let late = Cause::Timeout(Deadline::Reply);
    assert_eq!(end("220 mx\r\n", MUTE, late), (Stage::Starttls, Outcome::TimeoutReply));
    assert_eq!(end("220 mx\r\n", MUTE, Cause::Timeout(Deadline::Total)), (Stage::Starttls, Outcome::TimeoutTotal));
    assert_eq!(end("220 mx\r\n", MUTE, Cause::Unacknowledged), (Stage::Starttls, Outcome::TimeoutReply));
    assert_eq!(end("220 mx\r\n", MUTE, Cause::Tarpit), (Stage::Starttls, Outcome::Tarpit));
    assert_eq!(end("220 m", MUTE, Cause::Timeout(Deadline::Greeting)), (Stage::Greeting, Outcome::TimeoutGreeting));
    assert_eq!(end("220 mx\r\n", NONE, late), (Stage::Done, Outcome::NoStarttls));
    assert_eq!(end("220 mx\r\n", MUTE, Cause::Reset), (Stage::Starttls, Outcome::Reset));
    assert_eq!(end("", MUTE, Cause::PeerClosed), (Stage::Greeting, Outcome::Closed));
    assert_eq!(end("", MUTE, Cause::Silent), (Stage::Greeting, Outcome::SilentAfterSynack));
    assert_eq!(end("220 mx\r\n", MUTE, Cause::TooMuchData), (Stage::Starttls, Outcome::TooMuchData));
    assert_eq!(end("220 mx\r\n", MUTE, Cause::TooManySegments), (Stage::Starttls, Outcome::TooManySegments));
    assert_eq!(end("220 mx\r\n", MUTE, Cause::Interrupted), (Stage::Starttls, Outcome::Interrupted));
}

#[test]
fn garbage_after_the_go_ahead_is_told_from_a_failed_handshake() {
    let context = context();
    let mut out = Vec::new();
    let mut session = Session::open(&context, Protocol::Smtp, (1, 25), Rung::Modern, Instant::ZERO, &mut out);
    for reply in ["220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\ninjected", "500 what is this?\r\n"] {
        session.receive(&context, Instant::ZERO, reply.as_bytes(), &mut out);
    }
    assert!(session.finished());
    let (outcome, words) = session.outcome(Cause::Finished);
    assert_eq!((session.stage(), outcome), (Stage::Tls, Outcome::NotTls));
    assert_eq!(words.as_deref(), Some("not TLS: 500 what is this?"));
    assert_eq!(session.findings().expect("a dialogue").upgrade.injected, 8);
}

#[test]
fn a_reset_during_the_handshake_is_a_failed_handshake() {
    let context = context();
    let session = Session::open(&context, Protocol::Https, (1, 25), Rung::Modern, Instant::ZERO, &mut Vec::new());
    let (outcome, words) = session.outcome(Cause::Reset);
    assert_eq!((outcome, words.as_deref()), (Outcome::TlsFailed, Some("the server reset the connection")));
    // A server that takes its time has not failed: that is told apart.
    assert_eq!(session.outcome(Cause::Timeout(Deadline::Tls)).0, Outcome::TimeoutTls);
    assert_eq!(session.outcome(Cause::Unacknowledged).0, Outcome::TimeoutTls);
    assert_eq!(session.outcome(Cause::Tarpit).0, Outcome::Tarpit);
}

#[test]
fn each_stage_has_its_clock() {
    let context = context();
    let mut out = Vec::new();
    let mut session = Session::open(&context, Protocol::Smtp, (1, 25), Rung::Modern, Instant::ZERO, &mut out);
    assert_eq!(session.deadline(), Deadline::Greeting);
    for (reply, clock) in [("220 m", Deadline::Greeting), ("x\r\n", Deadline::Reply), ("250-mx\r\n", Deadline::Reply)] {
        session.receive(&context, Instant::ZERO, reply.as_bytes(), &mut out);
        assert_eq!(session.deadline(), clock);
    }
    session.receive(&context, Instant::ZERO, b"250 STARTTLS\r\n", &mut out);
    assert_eq!((session.stage(), session.deadline()), (Stage::Starttls, Deadline::Reply));
    session.receive(&context, Instant::ZERO, b"220 go\r\n", &mut out);
    assert_eq!(session.deadline(), Deadline::Tls);
    let session = Session::open(&context, Protocol::Imaps, (1, 25), Rung::Modern, Instant::ZERO, &mut out);
    assert_eq!(session.deadline(), Deadline::Tls);
}

#[test]
fn the_columns_documentation_lists_every_stage_and_outcome() {
    use crate::record::row::Handshake;
    use crate::record::schema::Row;
    let named = |column: &str| -> Vec<String> {
        let column = Handshake::TABLE.columns.iter().find(|known| known.name == column).expect("a column");
        column.doc.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let stages: Vec<&str> = Stage::ALL.iter().map(|stage| stage.name()).collect();
    let mut outcomes: Vec<&str> = Outcome::ALL.iter().map(|outcome| outcome.name()).collect();
    let mut documented = named("outcome");
    outcomes.sort_unstable();
    documented.sort_unstable();
    assert_eq!(named("stage"), stages);
    assert_eq!(documented, outcomes);
}

#[test]
fn the_name_of_the_target_is_sent_as_sni() {
    use crate::targets::input::Input;
    let mut input = Input::default();
    let line = "0.0.0.1,mx.example,,993";
    input.add(line, &[], &mut |_| Ok(Vec::new())).expect("well-formed");
    let (space, _) = input.into_space(Vec::new(), None, &Default::default());
    let context = context().with_names(Arc::clone(space.names()));
    let sni = |port| {
        let mut hello = Vec::new();
        Session::open(&context, Protocol::Imaps, (1, port), Rung::Modern, Instant::ZERO, &mut hello);
        hello.windows(10).any(|bytes| bytes == b"mx.example")
    };
    assert!(sni(993) && !sni(25));
}

#[test]
fn who_refuses_a_name_or_protocols_is_asked_without_and_who_breaks_off_in_ssl3_gets_its_hello() {
    use crate::targets::input::Input;
    let mut input = Input::default();
    input.add("0.0.0.1,mx.example,,993", &[], &mut |_| Ok(Vec::new())).expect("well-formed");
    let (space, _) = input.into_space(Vec::new(), None, &Default::default());
    let context = context().with_names(Arc::clone(space.names()));
    let alert = |level, description| vec![21, 3, 3, 0, 2, level, description];
    let hello = |version| [&[22, 3, version, 0, 42, 2, 0, 0, 38, 3, version][..], &[7; 32], &[0, 0, 10, 0]].concat();
    let cases = [
        (Protocol::Imaps, Rung::Modern, alert(2, 112), Some(Rung::Bare)),
        (Protocol::Https, Rung::Modern, alert(2, 120), Some(Rung::Bare)),
        // It was told no protocols, or no name.
        (Protocol::Imaps, Rung::Modern, alert(2, 120), None),
        (Protocol::Https, Rung::Modern, alert(2, 112), None),
        (Protocol::Imaps, Rung::Bare, alert(2, 112), None),
        // It has refused the modern hello before, and would be asked a fourth time if it then fell to SSL 3.0.
        (Protocol::Imaps, Rung::Legacy, alert(2, 112), None),
        // Who warns of the name goes on; this one goes away.
        (Protocol::Imaps, Rung::Modern, alert(1, 112), Some(Rung::Legacy)),
        (Protocol::Imaps, Rung::Bare, alert(2, 40), None),
        (Protocol::Imaps, Rung::Modern, hello(0), Some(Rung::Ssl3)),
        (Protocol::Imaps, Rung::Legacy, hello(0), Some(Rung::Ssl3)),
        (Protocol::Imaps, Rung::Ssl3, hello(0), None),
        (Protocol::Imaps, Rung::Legacy, hello(1), None),
    ];
    for (protocol, rung, said, next) in cases {
        let mut out = Vec::new();
        let port = if protocol == Protocol::Imaps { 993 } else { 443 };
        let mut session = Session::open(&context, protocol, (1, port), rung, Instant::ZERO, &mut out);
        let named = out.windows(10).any(|bytes| bytes == b"mx.example");
        assert_eq!(named, port == 993 && !matches!(rung, Rung::Bare | Rung::Ssl3), "{protocol:?} {rung:?}");
        session.receive(&context, Instant::ZERO, &said, &mut out);
        let cause = if session.finished() { Cause::Finished } else { Cause::PeerClosed };
        assert_eq!(session.next_rung(cause), next, "{protocol:?} {rung:?} {said:?}");
        assert_eq!(session.next_rung(Cause::Interrupted), None);
    }
    let two = context.with_rungs(2);
    let mut session = Session::open(&two, Protocol::Imaps, (1, 993), Rung::Modern, Instant::ZERO, &mut Vec::new());
    session.receive(&two, Instant::ZERO, &hello(0), &mut Vec::new());
    assert_eq!(session.next_rung(Cause::Reset), None, "SSL 3.0 is for the third connection");
}
