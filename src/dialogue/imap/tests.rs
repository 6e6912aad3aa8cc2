use proptest::prelude::*;

use super::super::testing::{
    Ask, Played, Turn, assert_bounded, assert_same_at_any_split, assert_speaks_in_turn, call, feed, greet, noise, on,
    pieces, play_whole,
};
use super::super::{Capabilities, Identity, Upgrade};
use super::*;

fn clear(script: &[Turn]) -> Played {
    play_whole(Imap::new(Start::Clear), &ImapSpeaker, script)
}

fn strings(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

fn listed(list: &str, auth: &str) -> Capabilities {
    let items = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    Capabilities { asked: true, answered: true, code: None, list: items(list), auth: items(auth) }
}

fn greeted(greeting: &str) -> Findings {
    Findings { greeting: Some(greeting.into()), ..Findings::default() }
}

fn upgraded(reply: &str) -> Upgrade {
    Upgrade { offered: Some(true), sent: true, reply: Some(reply.into()), accepted: Some(true), ..Upgrade::default() }
}

fn not_offered() -> Upgrade {
    Upgrade { offered: Some(false), ..Upgrade::default() }
}

const DOVECOT: &str = "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+";

fn dovecot() -> Vec<Turn> {
    vec![
        greet(format!("* OK [CAPABILITY {DOVECOT} STARTTLS LOGINDISABLED] Dovecot (Debian) ready.\r\n")),
        on(
            "a1 CAPABILITY",
            format!(
                "* CAPABILITY {DOVECOT} STARTTLS LOGINDISABLED\r\n\
                 a1 OK Pre-login capabilities listed, post-login capabilities have more.\r\n"
            ),
        ),
        on("a2 STARTTLS", "a2 OK Begin TLS negotiation now.\r\n"),
        on(
            "a3 CAPABILITY",
            format!("* CAPABILITY {DOVECOT} AUTH=PLAIN AUTH=LOGIN\r\na3 OK Pre-login capabilities listed.\r\n"),
        ),
        on("a4 LOGOUT", "* BYE Logging out\r\na4 OK Logout completed (0.001 + 0.000 secs).\r\n"),
    ]
}

#[test]
fn dovecot_with_starttls() {
    assert_eq!(
        clear(&dovecot()),
        Played {
            findings: Findings {
                before: listed(&format!("{DOVECOT} STARTTLS LOGINDISABLED"), ""),
                upgrade: upgraded("a2 OK Begin TLS negotiation now."),
                after: listed(&format!("{DOVECOT} AUTH=PLAIN AUTH=LOGIN"), "PLAIN LOGIN"),
                ..greeted(&format!("* OK [CAPABILITY {DOVECOT} STARTTLS LOGINDISABLED] Dovecot (Debian) ready."))
            },
            said: strings(&["a1 CAPABILITY", "a2 STARTTLS", "<tls>", "a3 CAPABILITY", "a4 LOGOUT", "<close>"]),
            expect: Expect::End,
            stages: vec![
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
                Expect::End,
            ],
        }
    );
}

fn courier() -> Vec<Turn> {
    vec![
        greet(
            "* OK [CAPABILITY IMAP4rev1 UIDPLUS AUTH=CRAM-MD5 STARTTLS ENABLE UTF8=ACCEPT] Courier-IMAP ready. \
             Copyright 1998-2021 Double Precision, Inc.  See COPYING for distribution information.\r\n",
        ),
        on("a1 CAPABILITY", "* CAPABILITY IMAP4rev1 UIDPLUS AUTH=CRAM-MD5 STARTTLS\r\na1 OK CAPABILITY completed\r\n"),
        on("a2 STARTTLS", "a2 NO STARTTLS failed: certificate missing\r\n"),
        on("a3 LOGOUT", "* BYE Courier-IMAP server shutting down\r\na3 OK LOGOUT completed\r\n"),
    ]
}

#[test]
fn courier_that_cannot_do_tls() {
    let played = clear(&courier());
    assert_eq!(played.findings.before, listed("IMAP4rev1 UIDPLUS AUTH=CRAM-MD5 STARTTLS", "CRAM-MD5"));
    assert_eq!(
        played.findings.upgrade,
        Upgrade { accepted: Some(false), ..upgraded("a2 NO STARTTLS failed: certificate missing") }
    );
    assert_eq!(played.said, ["a1 CAPABILITY", "a2 STARTTLS", "a3 LOGOUT", "<close>"]);
    assert!(!played.findings.refused);
    assert_eq!(played.expect, Expect::End);
}

#[test]
fn starttls_bad() {
    let mut script = courier();
    script[2] = on("a2 STARTTLS", "* OK wait\r\na2 bad Unknown command\r\n");
    let played = clear(&script);
    assert_eq!(played.findings.upgrade, Upgrade { accepted: Some(false), ..upgraded("a2 bad Unknown command") });
    assert_eq!(played.said, ["a1 CAPABILITY", "a2 STARTTLS", "a3 LOGOUT", "<close>"]);
}

fn cyrus() -> Vec<Turn> {
    vec![
        greet("* OK [CAPABILITY IMAP4rev1 LITERAL+ ID ENABLE STARTTLS LOGINDISABLED] Cyrus IMAP 3.6.1 ready\r\n"),
        on(
            "a1 CAPABILITY",
            "* CAPABILITY IMAP4rev1 LITERAL+ ID ENABLE\r\n* CAPABILITY IMAP4rev1 Starttls LOGINDISABLED\r\n\
             a1 OK Completed\r\n",
        ),
        on("a2 STARTTLS", "a2 OK Begin TLS negotiation now\r\n"),
        on(
            "a3 CAPABILITY",
            "a3 OK [CAPABILITY IMAP4rev1 AUTH=SCRAM-SHA-256-PLUS auth=plain AUTH=PLAIN SASL-IR] Completed\r\n",
        ),
        on("a4 LOGOUT", "* BYE LOGOUT received\r\na4 OK Completed\r\n"),
    ]
}

#[test]
fn cyrus_with_two_lists_and_a_list_in_the_tagged_reply() {
    let played = clear(&cyrus());
    assert_eq!(played.findings.before, listed("IMAP4rev1 LITERAL+ ID ENABLE Starttls LOGINDISABLED", ""));
    assert_eq!(
        played.findings.after,
        listed("IMAP4rev1 AUTH=SCRAM-SHA-256-PLUS auth=plain SASL-IR", "SCRAM-SHA-256-PLUS PLAIN")
    );
    assert_eq!(played.findings.upgrade, upgraded("a2 OK Begin TLS negotiation now"));
}

#[test]
fn exchange_without_starttls_in_lower_case() {
    let script = [
        greet("* ok The Microsoft Exchange IMAP4 service is ready. [TQBX]\n"),
        on(
            "a1 CAPABILITY",
            "* capability IMAP4 imap4rev1 auth=ntlm AUTH=PLAIN AUTH= CHILDREN\na1 ok CAPABILITY completed.\n",
        ),
        on("a2 LOGOUT", "* bye Microsoft Exchange signing off.\na2 ok LOGOUT completed.\n"),
    ];
    let played = clear(&script);
    assert_eq!(
        played.findings,
        Findings {
            before: listed("IMAP4 imap4rev1 auth=ntlm AUTH=PLAIN AUTH= CHILDREN", "NTLM PLAIN"),
            upgrade: not_offered(),
            ..greeted("* ok The Microsoft Exchange IMAP4 service is ready. [TQBX]")
        }
    );
    assert_eq!(played.said, ["a1 CAPABILITY", "a2 LOGOUT", "<close>"]);
}

#[test]
fn the_greetings_list_stands_until_an_answer_has_one() {
    let greeting = "* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] ready\r\n";
    let announced = Capabilities { answered: false, ..listed("IMAP4rev1 STARTTLS AUTH=PLAIN", "PLAIN") };

    let played = clear(&[greet(greeting)]);
    assert_eq!(played.findings.before, announced);
    assert_eq!(played.findings.upgrade.offered, Some(true));

    let played = clear(&[greet(greeting), on("a1 CAPABILITY", "a1 BAD no\r\n"), on("a2 STARTTLS", "a2 OK go\r\n")]);
    assert_eq!(played.findings.before, announced);
    assert_eq!(played.findings.upgrade, upgraded("a2 OK go"));

    let played = clear(&[greet(greeting), on("a1 CAPABILITY", "* CAPABILITY IMAP4\r\na1 OK done\r\n")]);
    assert_eq!(played.findings.before, listed("IMAP4", ""));
    assert_eq!(played.findings.upgrade, not_offered());
}

#[test]
fn lists_that_nobody_asked_for() {
    let mut observer = Imap::new(Start::Clear);
    observer.bytes(Direction::Server, b"* OK hi\r\n* CAPABILITY IMAP4rev1 STARTTLS\r\n");
    assert_eq!(observer.findings(), &greeted("* OK hi"));
}

#[test]
fn a_server_that_cannot_be_asked_is_asked_for_the_upgrade() {
    let script = [
        greet("* OK hi\r\n"),
        on("a1 CAPABILITY", "a1 NO not now\r\n"),
        on("a2 STARTTLS", "a2 BAD what\r\n"),
        on("a3 LOGOUT", "a3 OK bye\r\n"),
    ];
    let played = clear(&script);
    let before = Capabilities { asked: true, ..Capabilities::default() };
    let upgrade = Upgrade { offered: None, accepted: Some(false), ..upgraded("a2 BAD what") };
    assert_eq!(played.findings, Findings { before, upgrade, ..greeted("* OK hi") });
    assert_eq!(played.said, ["a1 CAPABILITY", "a2 STARTTLS", "a3 LOGOUT", "<close>"]);
}

#[test]
fn preauth_is_not_upgraded() {
    let script = [
        greet("* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] Logged in as user\r\n"),
        on("a1 CAPABILITY", "* CAPABILITY IMAP4rev1 STARTTLS\r\na1 OK done\r\n"),
        on("a2 LOGOUT", "* BYE\r\na2 OK\r\n"),
    ];
    let played = clear(&script);
    assert_eq!(played.findings.upgrade, Upgrade { offered: Some(true), ..Upgrade::default() });
    assert_eq!(played.said, ["a1 CAPABILITY", "a2 LOGOUT", "<close>"]);
}

#[test]
fn imaps_is_inside_tls_from_the_start() {
    let script = [
        greet("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\r\n"),
        on("a1 CAPABILITY", "* CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN AUTH=XOAUTH2\r\na1 OK done\r\n"),
        on("a2 LOGOUT", "* BYE see you\r\n"),
    ];
    let mut observer = Imap::new(Start::InsideTls);
    observer.tls_started();
    let played = play_whole(observer, &ImapSpeaker, &script);
    assert_eq!(
        played.findings,
        Findings {
            after: listed("IMAP4rev1 STARTTLS AUTH=PLAIN AUTH=XOAUTH2", "PLAIN XOAUTH2"),
            ..greeted("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready")
        }
    );
    assert_eq!(played.said, ["a1 CAPABILITY", "a2 LOGOUT"]);
    assert_eq!(played.expect, Expect::Goodbye);
}

#[test]
fn refusals_by_bye() {
    let played = clear(&[greet("* BYE Too many connections\r\n")]);
    assert_eq!(
        played.findings,
        Findings {
            refused: true,
            refusal: Some("* BYE Too many connections".into()),
            ..greeted("* BYE Too many connections")
        }
    );
    assert_eq!((played.said, played.expect), (strings(&["<close>"]), Expect::End));

    let played = clear(&[greet("* OK hi\r\n"), on("a1 CAPABILITY", "* BYE going down\r\n")]);
    let before = Capabilities { asked: true, ..Capabilities::default() };
    assert_eq!(
        played.findings,
        Findings { before, refused: true, refusal: Some("* BYE going down".into()), ..greeted("* OK hi") }
    );
    assert_eq!(played.said, ["a1 CAPABILITY", "<close>"]);
}

#[test]
fn bytes_after_the_go_ahead_are_injected() {
    for injected in ["* CAPABILITY IMAP4rev1 AUTH=EVIL\r\n", "a3 OK\r\n", "\x16\x03\x03", "\n"] {
        let mut script = dovecot();
        script[2] = on("a2 STARTTLS", format!("a2 OK go\r\n{injected}"));
        let played = clear(&script);
        assert_eq!(
            played.findings.upgrade,
            Upgrade { injected: u32::try_from(injected.len()).expect("short"), ..upgraded("a2 OK go") }
        );
        assert_eq!(played.findings.after.auth, ["PLAIN", "LOGIN"]);
    }
}

#[test]
fn what_is_not_imap() {
    for alien in ["220 mail ESMTP\r\n", "+OK POP3\r\n", "SSH-2.0-x\r\n", "* Hello\r\n", "* NO way\r\n", "*\r\n"] {
        let played = clear(&[greet(alien)]);
        let violation = Some(alien.trim_end().into());
        assert_eq!(played.findings, Findings { violation, ..Findings::default() });
        assert_eq!((played.said, played.expect), (strings(&["<close>"]), Expect::End));
    }
    let mut observer = Imap::new(Start::Clear);
    observer.bytes(Direction::Server, b"\x05");
    assert_eq!(observer.expect(), Expect::End);
    assert_eq!(observer.findings().violation.as_deref(), Some("\u{fffd}"));
}

#[test]
fn later_garbage_is_noted_and_skipped() {
    let script =
        [greet("\r\n* OK hi\r\n"), on("a1 CAPABILITY", "\r\n+ go\r\nwhat is this\r\n* CAPABILITY X\r\na1 OK\r\n")];
    let played = clear(&script);
    assert_eq!(played.findings.violation.as_deref(), Some("what is this"));
    assert_eq!(played.findings.before, listed("X", ""));
}

#[test]
fn literals_of_the_server_are_skipped() {
    let script = [
        greet("* OK curly {3}\r\n"),
        on(
            "a1 CAPABILITY",
            "* ID (\"name\" {21}\r\n* CAPABILITY EVIL\r\nab \"x\" {4+}\r\n\r\n\r\n)\r\n* X {0}\r\n\r\n\
             * CAPABILITY IMAP4rev1\r\na1 OK done {7}\r\n",
        ),
        on("a2 LOGOUT", "* BYE\r\na2 OK\r\n"),
    ];
    let played = clear(&script);
    assert_eq!(
        played.findings,
        Findings { before: listed("IMAP4rev1", ""), upgrade: not_offered(), ..greeted("* OK curly {3}") }
    );
    assert_same_at_any_split(|| Imap::new(Start::Clear), &ImapSpeaker, &script, &[2, 3, 1, 5]);
}

#[test]
fn a_literal_at_the_end_of_an_endless_line() {
    let long = "x".repeat(10_000);
    let answer = format!("* X {long} {{6}}\r\na1 OK\n)\r\n* CAPABILITY Y\r\na1 OK\r\n");
    let played = clear(&[greet("* OK hi\r\n"), on("a1 CAPABILITY", answer)]);
    let before = listed("Y", "");
    assert_eq!(played.findings, Findings { before, upgrade: not_offered(), truncated: true, ..greeted("* OK hi") });
}

#[test]
fn what_is_no_literal() {
    for text in ["{}", "{+}", "{4294967296}", "{5} ", "{5", "5}", "{5++}", "{-1}", "{5}x"] {
        let answer = format!("* X {text}\r\n* CAPABILITY Y\r\na1 OK\r\n");
        let played = clear(&[greet("* OK hi\r\n"), on("a1 CAPABILITY", answer)]);
        assert_eq!(played.findings.before, listed("Y", ""), "{text}");
    }
}

#[test]
fn endless_lists() {
    let line = "* CAPABILITY A B C\r\n".repeat(100_000);
    let played = clear(&[greet("* OK hi\r\n"), on("a1 CAPABILITY", &line)]);
    assert_eq!(played.findings.before, Capabilities { answered: false, ..listed("A B C", "") });
    assert!(played.findings.truncated);
    assert_eq!(played.expect, Expect::Capabilities);

    let atoms: Vec<String> = (0..100_000).map(|n| format!("AUTH=M{n}")).collect();
    let lines: String = atoms.chunks(50).map(|atoms| format!("* CAPABILITY {}\r\n", atoms.join(" "))).collect();
    let played = clear(&[greet("* OK hi\r\n"), on("a1 CAPABILITY", format!("{lines}a1 OK\r\n"))]);
    assert_eq!(played.findings.before.list, atoms[..limits::CAPABILITIES]);
    assert_eq!(played.findings.before.auth.len(), limits::MECHANISMS);
    assert!(played.findings.truncated);

    // The atom at the cut is left out.
    let atoms = ["ABCDEFG"; 1_000].join(" ");
    let played = clear(&[greet("* OK hi\r\n"), on("a1 CAPABILITY", format!("* CAPABILITY {atoms}\r\na1 OK\r\n"))]);
    assert_eq!(played.findings.before, listed("ABCDEFG", ""));
    let played = clear(&[greet(format!("* OK [CAPABILITY {atoms}] hi\r\n"))]);
    assert_eq!(played.findings.before.list, ["ABCDEFG"]);
    assert!(played.findings.truncated);
}

#[test]
fn a_list_before_the_cut_is_whole() {
    let long = "x".repeat(10_000);
    let played = clear(&[
        greet(format!("* OK [CAPABILITY A B] {long}\r\n")),
        on("a1 CAPABILITY", format!("a1 OK [CAPABILITY C D] {long}\r\n")),
    ]);
    assert_eq!(played.findings.before, listed("C D", ""));
    assert!(played.findings.truncated);
    let played = clear(&[greet(format!("* OK [CAPABILITY A B] {long}\r\n"))]);
    assert_eq!(played.findings.before.list, ["A", "B"]);
}

#[test]
fn a_last_line_without_its_end() {
    let mut observer = Imap::new(Start::Clear);
    observer.bytes(Direction::Server, b"* BYE no");
    assert_eq!(observer.expect(), Expect::Greeting);
    observer.closed(Direction::Client);
    observer.closed(Direction::Server);
    assert_eq!(observer.expect(), Expect::End);
    assert_eq!(
        observer.findings(),
        &Findings { refused: true, refusal: Some("* BYE no".into()), ..greeted("* BYE no") }
    );
}

#[test]
fn the_contact_is_told_once_where_the_server_offers_id() {
    let identity = Identity { ehlo: String::new(), contact: Some("https://scan.example/\"\r\n\\ü".to_owned()) };
    let call = Call { identity: &identity, ..call() };
    let mut said = Vec::new();
    let mut observer = Imap::new(Start::Clear);
    let replies = ["* OK hi\r\n", "* CAPABILITY IMAP4rev1 id\r\na1 OK\r\n", "* ID {3}\r\nx y\r\na2 BAD x\r\n"];
    for reply in replies {
        observer.bytes(Direction::Server, reply.as_bytes());
        while let Next::Say(line) = ImapSpeaker.next(&observer, &call) {
            observer.bytes(Direction::Client, &line);
            said.push(String::from_utf8(line).expect("ASCII"));
        }
    }
    let id = "a2 ID (\"support-url\" \"https://scan.example/\")\r\n";
    assert_eq!(said, ["a1 CAPABILITY\r\n", id, "a3 LOGOUT\r\n"]);
    assert!(!format!("{observer:?}").contains("scan.example"));
}

/// A conversation of others, in order of time.
fn overheard(parts: &[(char, &str)]) -> Imap {
    let mut observer = Imap::new(Start::Clear);
    for (from, text) in parts {
        let from = if *from == 'c' { Direction::Client } else { Direction::Server };
        observer.bytes(from, text.as_bytes());
    }
    observer
}

#[test]
fn overheard_upgrade_with_tags_of_others() {
    let observer = overheard(&[
        ('s', "* OK hi\r\n"),
        ('c', ". capability\r\nx NOOP\r\n"),
        ('s', "* CAPABILITY IMAP4rev1 STARTTLS\r\n. OK listed\r\nx OK done\r\n"),
        ('c', "A2 starttls\r\n\x16\x03\x01\x02\0\n\n"),
        ('s', "A2 OK go\r\n"),
    ]);
    assert_eq!(observer.expect(), Expect::Tls);
    assert_eq!(
        observer.findings(),
        &Findings { before: listed("IMAP4rev1 STARTTLS", ""), upgrade: upgraded("A2 OK go"), ..greeted("* OK hi") }
    );
}

#[test]
fn logins_and_mail_are_not_understood_and_not_kept() {
    let begin = [('s', "* OK hi\r\n"), ('c', "1 CAPABILITY\r\n"), ('s', "* CAPABILITY A\r\n1 OK\r\n")];
    let found = Findings { before: listed("A", ""), upgrade: not_offered(), ..greeted("* OK hi") };
    let mail = "SECRET\r\n* CAPABILITY SECRET\r\n4 OK [CAPABILITY SECRET]\r\n* BYE\r\n";
    let secrets: [&[(char, &str)]; 6] = [
        &[('c', "2 LOGIN alice S3CRET\r\n"), ('s', "* CAPABILITY SECRET\r\n2 OK in\r\n"), ('c', "4 CAPABILITY\r\n")],
        &[
            ('c', "2 LOGIN {5}\r\n"),
            ('s', "+\r\n"),
            ('c', "alice {6}\r\n"),
            ('s', "+\r\n"),
            ('c', "S3CRET\r\n"),
            ('s', "2 OK\r\n"),
        ],
        &[
            ('c', "2 AUTHENTICATE PLAIN\r\n"),
            ('s', "+\r\n"),
            ('c', "S3CRET\r\n"),
            ('s', "2 NO\r\n"),
            ('c', "4 CAPABILITY\r\n"),
        ],
        &[('c', "2 APPEND x {6+}\r\nS3CRET\r\n"), ('s', "2 OK\r\n"), ('c', "4 CAPABILITY\r\n")],
        &[('c', "a-tag-that-is-longer-than-we-like-to-keep LOGIN alice S3CRET\r\n"), ('c', "4 CAPABILITY\r\n")],
        &[(
            'c',
            "no-verb-in-sight-no-verb-in-sight-no-verb-in-sight-no-verb-in-sight LOGIN a S3CRET\r\n4 CAPABILITY\r\n",
        )],
    ];
    let login = Some("LOGIN command");
    for (secret, auth_clear) in secrets.into_iter().zip([login, login, Some("PLAIN"), None, login, None]) {
        let observer = overheard(&[&begin, secret, &[('s', mail)]].concat());
        assert_eq!(observer.findings(), &Findings { auth_clear, ..found.clone() });
        assert_eq!(observer.expect(), Expect::Command);
        let kept = format!("{observer:?}");
        assert!(!kept.contains("S3CRET") && !kept.contains("alice"), "{kept}");
    }
}

#[test]
fn lines_after_preauth_are_mail_and_no_violation() {
    let observer = overheard(&[('s', "* PREAUTH hi\r\n"), ('c', "1 IDLE\r\n"), ('s', "SECRET mail\r\n")]);
    assert_eq!(observer.findings(), &greeted("* PREAUTH hi"));
}

#[test]
fn after_a_login_nothing_is_waited_for() {
    let observer = overheard(&[
        ('s', "* OK hi\r\n"),
        ('c', "1 CAPABILITY\r\n2 LOGIN a b\r\n"),
        ('s', "2 OK in\r\n"),
        ('s', "* BYE\r\n"),
    ]);
    assert_eq!(observer.expect(), Expect::Command);
    assert!(!observer.findings().refused);
}

#[test]
fn a_refused_login_is_got_over() {
    let observer = overheard(&[
        ('s', "* OK hi\r\n"),
        ('c', "1 LOGIN alice secret\r\n"),
        ('s', "1 NO [PRIVACYREQUIRED] use STARTTLS\r\n"),
        ('c', "2 STARTTLS\r\n"),
        ('s', "2 OK go\r\n"),
    ]);
    assert_eq!(observer.findings().upgrade, Upgrade { offered: None, ..upgraded("2 OK go") });
}

#[test]
fn many_commands_without_replies() {
    let mut observer = Imap::new(Start::Clear);
    for _ in 0..1_000 {
        observer.bytes(Direction::Client, b"a CAPABILITY\r\n");
    }
    assert_eq!(observer.outstanding.len(), OUTSTANDING);
}

#[test]
fn a_waiting_conversation_is_small() {
    assert!(size_of::<Imap>() <= 400, "{}", size_of::<Imap>());
}

static PHRASES: &[&[u8]] = &[
    b"* OK hi\r\n",
    b"* OK [CAPABILITY STARTTLS] hi\r\n",
    b"* PREAUTH x\r\n",
    b"* BYE\r\n",
    b"* CAPABILITY A AUTH=B\r\n",
    b"* CAPABILITY STARTTLS\n",
    b"a1 OK\r\n",
    b"a2 OK x\r\n",
    b"a1 NO\r\n",
    b"a2 BAD\r\n",
    b"* ID {9}\r\n",
    b"{3+}\r\n",
    b"a1 CAPABILITY\r\n",
    b"a2 STARTTLS\r\n",
    b"a1 LOGOUT\r\n",
    b"a1 LOGIN a b\r\n",
    b"a2 NOOP\r\n",
    b"+ \r\n",
    b"\r\n",
    b"*",
    b" ",
    b"a1",
    b"{",
    b"1}\r\n",
];

fn ask(line: &str) -> Option<Ask> {
    Some(match line.split(' ').nth(1) {
        Some("CAPABILITY") => Ask::List,
        Some("STARTTLS") => Ask::Upgrade,
        _ => Ask::Goodbye,
    })
}

proptest! {
    #[test]
    fn any_split_goes_the_same_way(pieces in pieces()) {
        let mut injected = dovecot();
        injected[2] = on("a2 STARTTLS", "a2 OK go\r\n* BYE\r\n");
        let bye = vec![greet("* BYE no\r\nmore\r\n")];
        let alien = vec![greet("HTTP/1.0 400 Bad\r\nmore\r\n")];
        let answer = b"* CAPABILITY \xff\xc3\xbc A\0 B\na1 OK\n";
        let garbled = vec![greet(b"\n* OK \xff\r\r\n"), on("a1 CAPABILITY", answer)];
        for script in [dovecot(), courier(), cyrus(), injected, bye, alien, garbled] {
            assert_same_at_any_split(|| Imap::new(Start::Clear), &ImapSpeaker, &script, &pieces);
            assert_same_at_any_split(|| Imap::new(Start::InsideTls), &ImapSpeaker, &script, &pieces);
        }
    }

    #[test]
    fn noise_is_survived_at_any_split(chunks in noise(PHRASES), piece in 1usize..50, direct: bool) {
        let start = if direct { Start::InsideTls } else { Start::Clear };
        let (findings, expect) = feed(Imap::new(start), &ImapSpeaker, &chunks, usize::MAX);
        assert_bounded(&findings);
        prop_assert_eq!(feed(Imap::new(start), &ImapSpeaker, &chunks, piece), (findings, expect));
        assert_speaks_in_turn(Imap::new(start), &ImapSpeaker, &chunks, ask);
    }
}
