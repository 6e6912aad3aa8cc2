use proptest::prelude::*;

use super::super::testing::{
    Ask, Played, Turn, assert_bounded, assert_same_at_any_split, assert_speaks_in_turn, feed, greet, noise, on, pieces,
    play_whole,
};
use super::super::{Capabilities, Upgrade};
use super::*;

fn clear(script: &[Turn]) -> Played {
    play_whole(Pop3::new(Start::Clear), &Pop3Speaker, script)
}

fn listed(list: &[&str], auth: &[&str]) -> Capabilities {
    Capabilities { asked: true, answered: true, code: None, list: list.iter().collect(), auth: auth.iter().collect() }
}

fn refused() -> Capabilities {
    Capabilities { asked: true, ..Capabilities::default() }
}

fn greeted(greeting: &str) -> Findings {
    Findings { greeting: Some(greeting.into()), ..Findings::default() }
}

fn upgraded(reply: &str) -> Upgrade {
    Upgrade { offered: Some(true), sent: true, reply: Some(reply.into()), accepted: Some(true), ..Upgrade::default() }
}

fn dovecot() -> Vec<Turn> {
    vec![
        greet("+OK Dovecot (Debian) ready.\r\n"),
        on("CAPA", "+OK\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\nSTLS\r\nSASL\r\n.\r\n"),
        on("STLS", "+OK Begin TLS negotiation now.\r\n"),
        on(
            "CAPA",
            "+OK\r\nCAPA\r\nTOP\r\nUIDL\r\nUSER\r\nSASL PLAIN login SCRAM-SHA-256\r\nsasl OAUTHBEARER PLAIN\r\n.\r\n",
        ),
        on("QUIT", "+OK Logging out\r\n"),
    ]
}

#[test]
fn dovecot_with_stls() {
    let played = clear(&dovecot());
    let before = ["CAPA", "TOP", "UIDL", "RESP-CODES", "PIPELINING", "AUTH-RESP-CODE", "STLS", "SASL"];
    let after = ["CAPA", "TOP", "UIDL", "USER", "SASL PLAIN login SCRAM-SHA-256", "sasl OAUTHBEARER PLAIN"];
    assert_eq!(
        played.findings,
        Findings {
            before: listed(&before, &[]),
            upgrade: upgraded("+OK Begin TLS negotiation now."),
            after: listed(&after, &["PLAIN", "LOGIN", "SCRAM-SHA-256", "OAUTHBEARER"]),
            ..greeted("+OK Dovecot (Debian) ready.")
        }
    );
    assert_eq!(played.said, ["CAPA", "STLS", "<tls>", "CAPA", "QUIT", "<close>"]);
    assert_eq!(
        played.stages,
        [
            Expect::Greeting,
            Expect::Command,
            Expect::Capabilities,
            Expect::Command,
            Expect::UpgradeReply,
            Expect::Tls,
            Expect::Command,
            Expect::Capabilities,
            Expect::Command,
            Expect::Goodbye,
            Expect::End
        ]
    );
}

fn without_capa() -> Vec<Turn> {
    vec![
        greet("+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>\r\n"),
        on("CAPA", "-ERR Unknown command.\r\n"),
        on("STLS", "+OK go\r\n"),
        on("CAPA", "-ERR Unknown command.\r\n"),
        on("QUIT", "+OK\r\n"),
    ]
}

#[test]
fn a_server_without_capa_is_asked_for_the_upgrade() {
    let played = clear(&without_capa());
    let upgrade = Upgrade { offered: None, ..upgraded("+OK go") };
    let greeting = greeted("+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>");
    assert_eq!(
        played.findings,
        Findings { apop: true, before: refused(), upgrade, after: refused(), ..greeting.clone() }
    );
    assert_eq!(played.said, ["CAPA", "STLS", "<tls>", "CAPA", "QUIT", "<close>"]);

    let mut script = without_capa();
    script.truncate(2);
    script.push(on("STLS", "-ERR Unknown command.\r\n"));
    script.push(on("QUIT", "+OK\r\n"));
    let played = clear(&script);
    let upgrade = Upgrade { offered: None, accepted: Some(false), ..upgraded("-ERR Unknown command.") };
    assert_eq!(played.findings, Findings { apop: true, before: refused(), upgrade, ..greeting });
    assert_eq!(played.said, ["CAPA", "STLS", "QUIT", "<close>"]);
}

#[test]
fn what_is_not_offered_is_not_asked_for() {
    let played = clear(&[greet("+OK\r\n"), on("CAPA", "+OK\r\nUSER\r\nSASL PLAIN\r\n.\r\n"), on("QUIT", "+OK\r\n")]);
    assert_eq!(played.findings.before, listed(&["USER", "SASL PLAIN"], &["PLAIN"]));
    assert_eq!(played.findings.upgrade, Upgrade { offered: Some(false), ..Upgrade::default() });
    assert_eq!(played.said, ["CAPA", "QUIT", "<close>"]);
}

#[test]
fn an_offer_in_lower_case_that_is_refused() {
    let script = [
        greet("+ok hi\n"),
        on("CAPA", "+ok\n stls \nuser\n.\n"),
        on("STLS", "-err [SYS/TEMP] no TLS today\n"),
        on("QUIT", "+ok\n"),
    ];
    let played = clear(&script);
    assert_eq!(played.findings.upgrade, Upgrade { accepted: Some(false), ..upgraded("-err [SYS/TEMP] no TLS today") });
    assert_eq!(played.findings.before.list, ["stls", "user"]);
    assert_eq!(played.said, ["CAPA", "STLS", "QUIT", "<close>"]);
}

#[test]
fn pop3s_is_inside_tls_from_the_start() {
    let script = [greet("+OK hi\r\n"), on("CAPA", "+OK\r\nSTLS\r\nSASL PLAIN\r\n.\r\n"), on("QUIT", "+OK\r\n")];
    let mut observer = Pop3::new(Start::InsideTls);
    observer.tls_started();
    let played = play_whole(observer, &Pop3Speaker, &script);
    assert_eq!(played.findings, Findings { after: listed(&["STLS", "SASL PLAIN"], &["PLAIN"]), ..greeted("+OK hi") });
    assert_eq!(played.said, ["CAPA", "QUIT", "<close>"]);
}

#[test]
fn refusals_of_service() {
    let turned_away = |line: &str| Findings { refused: true, refusal: Some(line.into()), ..greeted("+OK hi") };
    let played = clear(&[greet("-ERR [SYS/TEMP] busy\r\n")]);
    let found = turned_away("-ERR [SYS/TEMP] busy");
    assert_eq!(played.findings, Findings { greeting: Some("-ERR [SYS/TEMP] busy".into()), ..found });
    assert_eq!((played.said.as_slice(), played.expect), (&["<close>".to_owned()][..], Expect::End));

    let observer = overheard(&[('s', "+OK hi\r\n"), ('s', "-ERR idle for too long\r\n")]);
    assert_eq!(observer.findings(), &turned_away("-ERR idle for too long"));
}

#[test]
fn a_dot_that_begins_a_line_is_doubled_and_blank_lines_count_for_nothing() {
    let played = clear(&[greet("+OK\r\n"), on("CAPA", "+OK\r\n..X-DOT\r\n\r\nX y  z \r\n.\r\n")]);
    assert_eq!(played.findings.before.list, [".X-DOT", "X y  z"]);
}

#[test]
fn lists_are_bounded_and_what_stands_beyond_still_counts() {
    let endless = "X-ENDLESS\r\n".repeat(100_000);
    let played = clear(&[greet("+OK\r\n"), on("CAPA", format!("+OK\r\n{endless}STLS\r\n.\r\n"))]);
    assert_eq!(played.findings.before.list, vec!["X-ENDLESS"; limits::REPLY_LINES][..]);
    assert_eq!((played.findings.truncated, played.findings.upgrade.offered), (true, Some(true)));
    assert_bounded(&played.findings);
}

#[test]
fn timestamps() {
    for (greeting, found) in [
        ("+OK <1.2@h>", true),
        ("+OK ready <1.2@h>.", true),
        ("+OK <no at>", false),
        ("+OK <> @", false),
        ("+OK >a@b<", false),
        ("+OK mail@example.org", false),
    ] {
        assert_eq!(clear(&[greet(format!("{greeting}\r\n"))]).findings.apop, found, "{greeting}");
    }
}

#[test]
fn what_is_not_pop3_ends_at_once() {
    for alien in ["220 mx ESMTP\r\n", "* OK IMAP\r\n", "SSH-2.0-x\r\n", "+ what\r\n", "-OK\r\n"] {
        let played = clear(&[greet(alien)]);
        let violation = Some(alien.trim_end().into());
        assert_eq!(played.findings, Findings { violation, ..Findings::default() });
        assert_eq!((played.said.as_slice(), played.expect), (&["<close>".to_owned()][..], Expect::End));
    }
}

#[test]
fn a_stray_line_is_noted_and_skipped() {
    let played = clear(&[greet("+OK\r\n"), on("CAPA", "hello\r\n\r\n+OK\r\nUSER\r\n.\r\n")]);
    assert_eq!(played.findings.violation.as_deref(), Some("hello"));
    assert_eq!(played.findings.before.list, ["USER"]);
}

#[test]
fn bytes_after_the_go_ahead_are_injected() {
    let mut script = dovecot();
    script[2] = on("STLS", "+OK go\r\n+OK evil\r\n");
    let played = clear(&script);
    assert_eq!(played.findings.upgrade, Upgrade { injected: 10, ..upgraded("+OK go") });
}

/// A conversation of others, in order of time.
fn overheard(parts: &[(char, &str)]) -> Pop3 {
    let mut observer = Pop3::new(Start::Clear);
    for (from, text) in parts {
        let from = if *from == 'c' { Direction::Client } else { Direction::Server };
        observer.bytes(from, text.as_bytes());
    }
    observer
}

#[test]
fn a_pipelining_client_is_followed() {
    let observer = overheard(&[
        ('s', "+OK hi\r\n"),
        ('c', "NOOP\r\ncapa\r\nUSER alice\r\nstls\r\n\x16\x03\x01"),
        ('s', "-ERR no\r\n+OK\r\nSTLS\r\n.\r\n-ERR use TLS\r\n+OK go\r\n"),
    ]);
    assert_eq!(
        observer.findings(),
        &Findings { before: listed(&["STLS"], &[]), upgrade: upgraded("+OK go"), ..greeted("+OK hi") }
    );
    assert_eq!(observer.expect(), Expect::Tls);
}

#[test]
fn logins_and_mail_are_not_understood_and_not_kept() {
    let begin = [('s', "+OK hi\r\n"), ('c', "CAPA\r\n"), ('s', "+OK\r\nUSER\r\n.\r\n")];
    let found = Findings {
        before: listed(&["USER"], &[]),
        upgrade: Upgrade { offered: Some(false), ..Upgrade::default() },
        ..greeted("+OK hi")
    };
    let mail = "+OK 120 octets\r\n+OK\r\nSECRET\r\n.\r\n-ERR SECRET\r\n";
    let secrets: [&[(char, &str)]; 4] = [
        &[
            ('c', "USER alice\r\nPASS S3CRET\r\nCAPA\r\nRETR 1\r\n"),
            ('s', "+OK\r\n+OK in\r\n+OK\r\nSECRET\r\n.\r\n"),
            ('s', mail),
        ],
        &[('c', "APOP alice S3CRET\r\n"), ('s', "+OK in\r\n"), ('c', "RETR 1\r\nCAPA\r\n"), ('s', mail)],
        &[
            ('c', "AUTH PLAIN\r\n"),
            ('s', "+ \r\n"),
            ('c', "S3CRET\r\n"),
            ('s', "+OK in\r\n"),
            ('c', "CAPA\r\n"),
            ('s', mail),
        ],
        &[('c', "AUTH PLAIN S3CRET\r\nCAPA\r\n"), ('s', "-ERR no\r\n+OK\r\nSECRET\r\n.\r\n")],
    ];
    for (secret, how) in secrets.into_iter().zip(["USER", "APOP", "PLAIN", "PLAIN"]) {
        let observer = overheard(&[&begin, secret].concat());
        assert_eq!(observer.findings(), &Findings { auth_clear: Some(how), ..found.clone() });
        assert_eq!(observer.expect(), Expect::Command);
        let shown = format!("{observer:?}");
        assert!(!["S3CRET", "SECRET", "alice"].iter().any(|word| shown.contains(word)), "{shown}");
    }
}

#[test]
fn a_refused_login_is_got_over() {
    let observer = overheard(&[
        ('s', "+OK hi\r\n"),
        ('c', "USER alice\r\nPASS x\r\nAUTH NTLM\r\n"),
        ('s', "+OK\r\n-ERR [AUTH] no\r\n-ERR no\r\n"),
        ('c', "STLS\r\n"),
        ('s', "+OK go\r\n"),
    ]);
    assert_eq!(observer.findings().upgrade, Upgrade { offered: None, ..upgraded("+OK go") });
}

#[test]
fn very_long_pipelines_are_not_followed() {
    let mut observer = Pop3::new(Start::Clear);
    for _ in 0..1_000 {
        observer.bytes(Direction::Client, b"NOOP\r\n");
    }
    assert_eq!(observer.outstanding.len(), OUTSTANDING);
}

#[test]
fn a_last_line_without_its_end() {
    let mut observer = Pop3::new(Start::Clear);
    observer.bytes(Direction::Server, b"-ERR busy");
    assert_eq!(observer.expect(), Expect::Greeting);
    observer.closed(Direction::Server);
    assert_eq!((observer.findings().refused, observer.expect()), (true, Expect::End));
}

#[test]
fn a_waiting_conversation_is_small() {
    assert!(size_of::<Pop3>() <= 400, "{}", size_of::<Pop3>());
}

static PHRASES: &[&[u8]] = &[
    b"+OK hi\r\n",
    b"+OK <a@b>\r\n",
    b"-ERR no\r\n",
    b"+ \r\n",
    b"+OK\n",
    b".\r\n",
    b"STLS\r\n",
    b"SASL PLAIN LOGIN\r\n",
    b"USER\r\n",
    b"CAPA\r\n",
    b"QUIT\r\n",
    b"USER alice\r\n",
    b"PASS x\r\n",
    b"AUTH PLAIN\r\n",
    b"..\r\n",
    b"\r\n",
    b"+",
    b"-E",
    b"ST",
];

fn ask(line: &str) -> Option<Ask> {
    Some(match line {
        "CAPA" => Ask::List,
        "STLS" => Ask::Upgrade,
        _ => Ask::Goodbye,
    })
}

proptest! {
    #[test]
    fn any_split_goes_the_same_way(pieces in pieces()) {
        let mut injected = dovecot();
        injected[2] = on("STLS", "+OK go\r\n-ERR evil\r\n");
        let busy = vec![greet("-ERR busy\r\nmore\r\n")];
        let alien = vec![greet("HTTP/1.0 400 Bad\r\nmore\r\n")];
        let garbled = vec![greet(b"\n+OK \xff\r\r\n"), on("CAPA", b"+OK\n\xff\xc3\xbc\0\n.\n")];
        for script in [dovecot(), without_capa(), injected, busy, alien, garbled] {
            assert_same_at_any_split(|| Pop3::new(Start::Clear), &Pop3Speaker, &script, &pieces);
            assert_same_at_any_split(|| Pop3::new(Start::InsideTls), &Pop3Speaker, &script, &pieces);
        }
    }

    #[test]
    fn noise_is_survived_at_any_split(chunks in noise(PHRASES), piece in 1usize..50, direct: bool) {
        let start = if direct { Start::InsideTls } else { Start::Clear };
        let (findings, expect) = feed(Pop3::new(start), &Pop3Speaker, &chunks, usize::MAX);
        assert_bounded(&findings);
        prop_assert_eq!(feed(Pop3::new(start), &Pop3Speaker, &chunks, piece), (findings, expect));
        assert_speaks_in_turn(Pop3::new(start), &Pop3Speaker, &chunks, ask);
    }
}

#[test]
fn auth_without_a_mechanism_asks_which_there_are() {
    let mut observer = Pop3::new(Start::Clear);
    for (from, bytes) in [
        (Direction::Server, &b"+OK hi\r\n"[..]),
        (Direction::Client, b"AUTH\r\n"),
        (Direction::Server, b"+OK\r\nlogin\r\nPLAIN\r\n.\r\n"),
        (Direction::Client, b"CAPA\r\n"),
        (Direction::Server, b"+OK\r\nSTLS\r\nSASL PLAIN NTLM\r\n.\r\n"),
    ] {
        observer.bytes(from, bytes);
    }
    let found = observer.findings();
    assert_eq!(found.before.auth.iter().collect::<Vec<_>>(), ["LOGIN", "PLAIN", "NTLM"]);
    assert_eq!(found.before.list.iter().collect::<Vec<_>>(), ["STLS", "SASL PLAIN NTLM"]);
    assert_eq!((found.upgrade.offered, found.auth_clear), (Some(true), None));
}
