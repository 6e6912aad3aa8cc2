use proptest::prelude::*;

use super::super::testing::{
    Ask, Played, Turn, assert_bounded, assert_same_at_any_split, assert_speaks_in_turn, feed, greet, noise, on, pieces,
    play_whole,
};
use super::super::{Capabilities, Upgrade};
use super::*;

const EHLO: &str = "EHLO probe.example.net";

fn clear(script: &[Turn]) -> Played {
    play_whole(Smtp::new(Start::Clear), &SmtpSpeaker, script)
}

fn strings(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

fn listed(list: &[&str], auth: &[&str]) -> Capabilities {
    Capabilities {
        asked: true,
        answered: true,
        code: Some(250),
        list: list.iter().collect(),
        auth: auth.iter().collect(),
    }
}

fn greeted(greeting: &str, code: u16) -> Findings {
    Findings { greeting: Some(greeting.into()), greeting_code: Some(code), ..Findings::default() }
}

fn turned_away(greeting: &str, code: u16, last: &str) -> Findings {
    Findings { refused: true, refusal: Some(last.into()), ..greeted(greeting, code) }
}

fn upgraded(reply: &str) -> Upgrade {
    Upgrade { offered: Some(true), sent: true, reply: Some(reply.into()), accepted: Some(true), ..Upgrade::default() }
}

fn postfix() -> Vec<Turn> {
    vec![
        greet("220 mx1.example.org ESMTP Postfix (Debian/GNU)\r\n"),
        on(
            EHLO,
            "250-mx1.example.org\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-VRFY\r\n250-ETRN\r\n250-STARTTLS\r\n\
             250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n",
        ),
        on("STARTTLS", "220 2.0.0 Ready to start TLS\r\n"),
        on(
            EHLO,
            "250-mx1.example.org\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-VRFY\r\n250-ETRN\r\n\
             250-AUTH PLAIN LOGIN CRAM-MD5\r\n250-AUTH=PLAIN LOGIN CRAM-MD5\r\n250-ENHANCEDSTATUSCODES\r\n\
             250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n",
        ),
        on("QUIT", "221 2.0.0 Bye\r\n"),
    ]
}

#[test]
fn postfix_with_starttls() {
    let played = clear(&postfix());
    let before = [
        "PIPELINING",
        "SIZE 10240000",
        "VRFY",
        "ETRN",
        "STARTTLS",
        "ENHANCEDSTATUSCODES",
        "8BITMIME",
        "DSN",
        "SMTPUTF8",
        "CHUNKING",
    ];
    let after = [
        "PIPELINING",
        "SIZE 10240000",
        "VRFY",
        "ETRN",
        "AUTH PLAIN LOGIN CRAM-MD5",
        "AUTH=PLAIN LOGIN CRAM-MD5",
        "ENHANCEDSTATUSCODES",
        "8BITMIME",
        "DSN",
        "SMTPUTF8",
        "CHUNKING",
    ];
    assert_eq!(
        played,
        Played {
            findings: Findings {
                own_name: Some("mx1.example.org".into()),
                before: listed(&before, &[]),
                upgrade: upgraded("220 2.0.0 Ready to start TLS"),
                after: listed(&after, &["PLAIN", "LOGIN", "CRAM-MD5"]),
                ..greeted("220 mx1.example.org ESMTP Postfix (Debian/GNU)", 220)
            },
            said: strings(&[EHLO, "STARTTLS", "<tls>", EHLO, "QUIT", "<close>"]),
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

fn exim() -> Vec<Turn> {
    vec![
        greet("220-box.example.com ESMTP Exim 4.96 Tue, 04 Mar 2025 \r\n220-We do not authorize\r\n220 spam.\r\n"),
        on(
            EHLO,
            "250-box.example.com Hello probe.example.net [198.18.0.1]\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n\
             250-PIPELINING\r\n250-PIPECONNECT\r\n250-STARTTLS\r\n250 HELP\r\n",
        ),
        on("STARTTLS", "454 TLS currently unavailable\r\n"),
        on("QUIT", "221 box.example.com closing connection\r\n"),
    ]
}

#[test]
fn exim_with_a_long_greeting_that_cannot_do_tls() {
    let played = clear(&exim());
    assert_eq!(
        played.findings,
        Findings {
            own_name: Some("box.example.com".into()),
            before: listed(&["SIZE 52428800", "8BITMIME", "PIPELINING", "PIPECONNECT", "STARTTLS", "HELP"], &[]),
            upgrade: Upgrade { accepted: Some(false), ..upgraded("454 TLS currently unavailable") },
            ..greeted("220-box.example.com ESMTP Exim 4.96 Tue, 04 Mar 2025 \n220-We do not authorize\n220 spam.", 220)
        }
    );
    assert_eq!(played.said, [EHLO, "STARTTLS", "QUIT", "<close>"]);
    assert_eq!(played.expect, Expect::End);
}

#[test]
fn starttls_refusals() {
    for (reply, last) in [
        ("501 Syntax error (no parameters allowed)\r\n", "501 Syntax error (no parameters allowed)"),
        ("454-4.7.0 TLS not available\r\n454 4.7.0 due to local problem\r\n", "454 4.7.0 due to local problem"),
        ("250 OK\r\n", "250 OK"),
    ] {
        let script = [
            greet("220 a\r\n"),
            on(EHLO, "250-a\r\n250 STARTTLS\r\n"),
            on("STARTTLS", reply),
            on("QUIT", "221 bye\r\n"),
        ];
        let played = clear(&script);
        assert_eq!(played.findings.upgrade, Upgrade { accepted: Some(false), ..upgraded(last) });
        assert!(!played.findings.refused);
        assert_eq!(played.said, [EHLO, "STARTTLS", "QUIT", "<close>"]);
    }
}

#[test]
fn shutdown_in_reply_to_starttls() {
    let script =
        [greet("220 a\r\n"), on(EHLO, "250-a\r\n250 STARTTLS\r\n"), on("STARTTLS", "421 4.3.2 shutting down\r\n")];
    let played = clear(&script);
    assert_eq!(played.findings.upgrade, Upgrade { accepted: Some(false), ..upgraded("421 4.3.2 shutting down") });
    assert!(played.findings.refused);
    assert_eq!(played.findings.refusal.as_deref(), Some("421 4.3.2 shutting down"));
    assert_eq!(played.said, [EHLO, "STARTTLS", "<close>"]);
}

#[test]
fn sendmail_without_starttls_in_lower_case_with_two_auth_lines() {
    let script = [
        greet("220 relay.example.edu ESMTP Sendmail 8.17.1/8.17.1; Tue, 4 Mar 2025 10:00:00 -0500\n"),
        on(
            EHLO,
            "250-relay.example.edu Hello [198.18.0.1], pleased to meet you\n250-size 1000\n250-auth plain Login\n\
             250-AUTH LOGIN scram-sha-256\n250-x-exps=login\n250 help\n",
        ),
        on("QUIT", "221 2.0.0 relay.example.edu closing connection\n"),
    ];
    let played = clear(&script);
    assert_eq!(
        played.findings,
        Findings {
            own_name: Some("relay.example.edu".into()),
            before: listed(
                &["size 1000", "auth plain Login", "AUTH LOGIN scram-sha-256", "x-exps=login", "help"],
                &["PLAIN", "LOGIN", "SCRAM-SHA-256"]
            ),
            upgrade: Upgrade { offered: Some(false), ..Upgrade::default() },
            ..greeted("220 relay.example.edu ESMTP Sendmail 8.17.1/8.17.1; Tue, 4 Mar 2025 10:00:00 -0500", 220)
        }
    );
    assert_eq!(played.said, [EHLO, "QUIT", "<close>"]);
}

fn exchange() -> Vec<Turn> {
    vec![
        greet("220 ex01.example.com Microsoft ESMTP MAIL Service ready at Tue, 4 Mar 2025 10:00:00 +0000\r\n"),
        on(
            EHLO,
            "250- Hello \r\n250-SIZE\r\n250-TLS\r\n250-starttls\r\n250-X-ANONYMOUSTLS\r\n250-AUTH\r\n\
             250-X-EXPS GSSAPI NTLM LOGIN\r\n250-X-EXPS=LOGIN\r\n250-AUTH GSSAPI NTLM LOGIN\r\n250-AUTH=LOGIN\r\n\
             250 OK\r\n",
        ),
        on("STARTTLS", "220 2.0.0 SMTP server ready\r\n"),
        on(
            EHLO,
            "250-ex01.example.com Hello [198.18.0.1]\r\n250-SIZE 37748736 \r\n250-AUTH NTLM LOGIN\r\n250-\r\n250 \r\n",
        ),
        on("QUIT", "221 2.0.0 Service closing transmission channel\r\n"),
    ]
}

#[test]
fn exchange_with_starttls() {
    let played = clear(&exchange());
    let before = [
        "SIZE",
        "TLS",
        "starttls",
        "X-ANONYMOUSTLS",
        "AUTH",
        "X-EXPS GSSAPI NTLM LOGIN",
        "X-EXPS=LOGIN",
        "AUTH GSSAPI NTLM LOGIN",
        "AUTH=LOGIN",
        "OK",
    ];
    assert_eq!(
        played.findings,
        Findings {
            own_name: Some("ex01.example.com".into()),
            before: listed(&before, &["GSSAPI", "NTLM", "LOGIN"]),
            upgrade: upgraded("220 2.0.0 SMTP server ready"),
            after: listed(&["SIZE 37748736", "AUTH NTLM LOGIN"], &["NTLM", "LOGIN"]),
            ..greeted("220 ex01.example.com Microsoft ESMTP MAIL Service ready at Tue, 4 Mar 2025 10:00:00 +0000", 220)
        }
    );
}

#[test]
fn a_single_line_is_an_empty_list() {
    let played = clear(&[greet("220 a\r\n"), on(EHLO, "250 STARTTLS\r\n"), on("QUIT", "221\r\n")]);
    assert_eq!(played.findings.before, listed(&[], &[]));
    assert_eq!(played.findings.upgrade, Upgrade { offered: Some(false), ..Upgrade::default() });
    assert_eq!(played.said, [EHLO, "QUIT", "<close>"]);
}

#[test]
fn smtps_is_inside_tls_from_the_start() {
    let script = [
        greet("220 mail.example.com ESMTP\r\n"),
        on(EHLO, "250-mail.example.com\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n"),
        on("QUIT", "221 Bye\r\n"),
    ];
    let mut observer = Smtp::new(Start::InsideTls);
    observer.tls_started();
    assert_eq!(observer.expect(), Expect::Greeting);
    let played = play_whole(observer, &SmtpSpeaker, &script);
    assert_eq!(
        played.findings,
        Findings {
            own_name: Some("mail.example.com".into()),
            after: listed(&["STARTTLS", "AUTH PLAIN LOGIN"], &["PLAIN", "LOGIN"]),
            ..greeted("220 mail.example.com ESMTP", 220)
        }
    );
    assert_eq!(played.said, [EHLO, "QUIT", "<close>"]);
}

#[test]
fn greetings_that_refuse() {
    let played = clear(&[greet("421 4.7.0 Too many connections\r\n")]);
    assert_eq!(played.findings, turned_away("421 4.7.0 Too many connections", 421, "421 4.7.0 Too many connections"));
    assert_eq!((played.said, played.expect), (strings(&["<close>"]), Expect::End));

    let played = clear(&[greet("554-No\r\n554 SMTP service here\r\n"), on("QUIT", "221 Bye\r\n")]);
    assert_eq!(played.findings, turned_away("554-No\n554 SMTP service here", 554, "554 SMTP service here"));
    assert_eq!((played.said, played.expect), (strings(&["QUIT", "<close>"]), Expect::End));
}

#[test]
fn ehlo_refused() {
    let played = clear(&[greet("220 a\r\n"), on(EHLO, "502 Command not implemented\r\n"), on("QUIT", "221 a\r\n")]);
    let before = Capabilities { asked: true, code: Some(502), ..Capabilities::default() };
    let upgrade = Upgrade { offered: Some(false), ..Upgrade::default() };
    assert_eq!(played.findings, Findings { before, upgrade, ..greeted("220 a", 220) });
    assert_eq!(played.said, [EHLO, "QUIT", "<close>"]);
}

#[test]
fn shutdown_in_place_of_the_list() {
    let played = clear(&[greet("220 a\r\n"), on(EHLO, "421 timeout\r\n")]);
    assert_eq!(played.findings.before, Capabilities { asked: true, code: Some(421), ..Capabilities::default() });
    assert!(played.findings.refused);
    assert_eq!(played.said, [EHLO, "<close>"]);
}

#[test]
fn bytes_after_the_go_ahead_are_injected() {
    for injected in ["250-evil\r\n250 AUTH PLAIN\r\n", "\x16\x03\x03\0\x05", "\n"] {
        let mut script = postfix();
        script[2] = on("STARTTLS", format!("220 go\r\n{injected}"));
        let played = clear(&script);
        assert_eq!(
            played.findings.upgrade,
            Upgrade { injected: u32::try_from(injected.len()).expect("short"), ..upgraded("220 go") }
        );
        assert_eq!(played.findings.after.auth, ["PLAIN", "LOGIN", "CRAM-MD5"]);
    }
}

#[test]
fn greeting_without_hyphens_and_greeting_inside_tls() {
    let script = [
        greet("220 a ready\r\n220 No spam\r\n"),
        on(EHLO, "250-a\r\n250 STARTTLS\r\n"),
        on("STARTTLS", "220 go\r\n"),
        on(EHLO, "220 a ready\r\n250-a\r\n250 DSN\r\n"),
        on("QUIT", "221 a\r\n"),
    ];
    let played = clear(&script);
    assert_eq!(
        played.findings,
        Findings {
            own_name: Some("a".into()),
            before: listed(&["STARTTLS"], &[]),
            upgrade: upgraded("220 go"),
            after: listed(&["DSN"], &[]),
            ..greeted("220 a ready\n220 No spam", 220)
        }
    );
}

#[test]
fn lenient_replies() {
    let script = [
        greet("\r\n220-a\r\nwelcome\r\n220\r\n"),
        on(EHLO, "250-a\r\nnoise\r\n220-DSN\r\n250-\tSIZE 1\r\n250-STARTTLS \r\n250\r\n"),
        on("STARTTLS", "250-wait\r\n220\r\n"),
    ];
    let played = clear(&script);
    assert_eq!(
        played.findings,
        Findings {
            own_name: Some("a".into()),
            before: listed(&["SIZE 1", "STARTTLS"], &[]),
            upgrade: upgraded("220"),
            after: Capabilities { asked: true, ..Capabilities::default() },
            ..greeted("220-a\nwelcome\n220", 220)
        }
    );
    assert_eq!(played.expect, Expect::Capabilities);
}

#[test]
fn what_is_not_smtp_ends_at_its_first_byte() {
    for alien in ["SSH-2.0-OpenSSH_9.2p1\r\n", "HTTP/1.1 400 Bad Request\r\n", "* OK IMAP\r\n", "+OK POP\r\n"] {
        let played = clear(&[greet(alien)]);
        let violation = Some(alien.trim_end().into());
        assert_eq!(played.findings, Findings { violation, ..Findings::default() });
        assert_eq!((played.said, played.expect), (strings(&["<close>"]), Expect::End));
    }
    let mut observer = Smtp::new(Start::Clear);
    observer.bytes(Direction::Server, b"J");
    assert_eq!(observer.expect(), Expect::End);
    observer.bytes(Direction::Server, b"\0\0\x0a5.7.1\0");
    let violation = Some("J\u{fffd}\u{fffd}".into());
    assert_eq!(observer.into_findings(), Findings { violation, ..Findings::default() });
}

#[test]
fn a_first_line_that_only_begins_like_a_code() {
    for line in ["2200 hello", "22 hello", "5.7.1 go away", "250hello"] {
        let played = clear(&[greet(format!("{line}\r\n"))]);
        assert_eq!(played.findings, Findings { violation: Some(line.into()), ..Findings::default() });
        assert_eq!(played.expect, Expect::End);
    }
}

#[test]
fn a_later_line_without_a_code_is_noted_and_skipped() {
    let script = [greet("220 a\r\n"), on(EHLO, "Hello there\r\nmore\r\n250-a\r\n250 DSN\r\n")];
    let played = clear(&script);
    assert_eq!(played.findings.violation.as_deref(), Some("Hello there"));
    assert_eq!(played.findings.before, listed(&["DSN"], &[]));
    assert_eq!(played.expect, Expect::Goodbye);
}

#[test]
fn an_alien_without_line_ends_is_bounded() {
    let played = clear(&[greet([0xff; 5_000])]);
    assert_eq!(played.findings.violation, Some("\u{fffd}".repeat(limits::VIOLATION).into()));
    assert!(played.findings.truncated);
    assert_same_at_any_split(|| Smtp::new(Start::Clear), &SmtpSpeaker, &[greet([0xff; 5_000])], &[1, 7, 511, 3]);
}

#[test]
fn endless_line_and_endless_reply() {
    let line = format!("220 {}", "x".repeat(1_000_000));
    let played = clear(&[greet(&line)]);
    assert_eq!(played.findings, Findings::default());
    assert_eq!(played.expect, Expect::Greeting);

    let played = clear(&[greet(format!("{line}\r\n"))]);
    let before = Capabilities { asked: true, ..Capabilities::default() };
    assert_eq!(played.findings, Findings { before, truncated: true, ..greeted(&line[..limits::LINE], 220) });

    let endless = "250-X-ENDLESS 0123456789\r\n".repeat(100_000);
    let played = clear(&[greet("220 a\r\n"), on(EHLO, &endless)]);
    assert_eq!(played.expect, Expect::Capabilities);
    assert_eq!(
        played.findings.before,
        Capabilities {
            asked: true,
            list: vec!["X-ENDLESS 0123456789"; limits::REPLY_LINES].into_iter().collect(),
            ..Capabilities::default()
        }
    );
    assert!(played.findings.truncated);

    // What stands beyond the limit still counts as offered.
    let script = [greet("220 a\r\n"), on(EHLO, format!("{endless}250 STARTTLS\r\n"))];
    assert_eq!(clear(&script).findings.upgrade.offered, Some(true));
    assert_bounded(&clear(&[greet("220-abc\r\n".repeat(100_000))]).findings);
}

#[test]
fn too_many_mechanisms() {
    let names: Vec<String> = (0..200).map(|n| format!("M{n}")).collect();
    let played = clear(&[greet("220 a\r\n"), on(EHLO, format!("250-a\r\n250 AUTH {}\r\n", names.join(" ")))]);
    assert_eq!(played.findings.before.auth, names[..limits::MECHANISMS]);
    assert!(played.findings.truncated);
}

#[test]
fn a_last_line_without_its_end() {
    let mut observer = Smtp::new(Start::Clear);
    observer.bytes(Direction::Server, b"554 no service for you");
    assert_eq!(observer.expect(), Expect::Greeting);
    observer.closed(Direction::Server);
    assert_eq!(observer.expect(), Expect::Command);
    assert_eq!(observer.findings(), &turned_away("554 no service for you", 554, "554 no service for you"));
    observer.closed(Direction::Server);
    assert_eq!(observer.findings(), &turned_away("554 no service for you", 554, "554 no service for you"));
}

/// A conversation of others, in order of time.
fn overheard(parts: &[(char, &str)]) -> Smtp {
    let mut observer = Smtp::new(Start::Clear);
    for (from, text) in parts {
        let from = if *from == 'c' { Direction::Client } else { Direction::Server };
        observer.bytes(from, text.as_bytes());
    }
    observer
}

#[test]
fn overheard_upgrade() {
    let observer = overheard(&[
        ('s', "220 a\r\n"),
        ('c', "ehlo\r\n"),
        ('s', "250-a\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n"),
        ('c', "NOOP\r\nMAIL FROM:<alice@example.com>\r\n"),
        ('s', "250 ok\r\n530 Must issue a STARTTLS command first\r\n"),
        ('c', "StartTLS\r\n\x16\x03\x01\x02\0\n\n"),
        ('s', "220 go\r\n"),
    ]);
    assert_eq!(observer.expect(), Expect::Tls);
    assert_eq!(
        observer.findings(),
        &Findings {
            own_name: Some("a".into()),
            before: listed(&["STARTTLS", "AUTH PLAIN"], &["PLAIN"]),
            upgrade: upgraded("220 go"),
            ..greeted("220 a", 220)
        }
    );
}

#[test]
fn overheard_fallback_to_helo() {
    let observer = overheard(&[
        ('c', "EHLO delta\r\n"),
        ('s', "220 a\r\n500 Command unrecognized\r\n"),
        ('c', "HELO delta\r\n"),
        ('s', "250 (delta) pleased to meet you.\r\n"),
        ('c', "QUIT\r\n"),
    ]);
    assert_eq!(observer.expect(), Expect::Goodbye);
    let before = Capabilities { asked: true, code: Some(500), ..Capabilities::default() };
    let upgrade = Upgrade { offered: Some(false), ..Upgrade::default() };
    assert_eq!(observer.findings(), &Findings { before, upgrade, ..greeted("220 a", 220) });
}

#[test]
fn a_refused_second_ehlo_changes_nothing() {
    let observer = overheard(&[
        ('s', "220 a\r\n"),
        ('c', "EHLO b\r\n"),
        ('s', "250-a\r\n250 AUTH PLAIN\r\n"),
        ('c', "EHLO\r\n"),
        ('s', "501 Syntax: EHLO hostname\r\n"),
    ]);
    assert_eq!(observer.findings().before, listed(&["AUTH PLAIN"], &["PLAIN"]));
}

#[test]
fn a_220_after_the_first_answer_is_an_answer() {
    let observer = overheard(&[
        ('s', "220 a\r\n"),
        ('c', "EHLO b\r\n"),
        ('s', "250-a\r\n250 AUTH PLAIN\r\n"),
        ('c', "EHLO b\r\n"),
        ('s', "220 what\r\n"),
    ]);
    assert_eq!(observer.expect(), Expect::Command);
    assert_eq!(observer.findings().greeting.as_deref(), Some("220 a"));
    assert_eq!(observer.findings().before, listed(&["AUTH PLAIN"], &["PLAIN"]));
}

#[test]
fn any_reply_to_quit_is_a_goodbye() {
    for reply in ["421 closing\r\n", "500 what\r\n", "250 ok\r\n"] {
        let played = clear(&[greet("220 a\r\n"), on(EHLO, "250 a\r\n"), on("QUIT", reply)]);
        assert_eq!((played.findings.refused, played.expect), (false, Expect::End));
    }
}

#[test]
fn commands_behind_a_message_are_not_waited_for() {
    let observer = overheard(&[('s', "220 a\r\n"), ('c', "DATA\r\nx\r\n"), ('c', "QUIT\r\n"), ('s', "354 go\r\n")]);
    assert_eq!(observer.expect(), Expect::Command);
    let observer = overheard(&[('s', "220 a\r\n"), ('c', "BDAT 1\r\n"), ('c', "QUIT\r\n")]);
    assert_eq!(observer.expect(), Expect::Command);
}

#[test]
fn the_last_ehlo_counts() {
    let observer = overheard(&[
        ('s', "220 a\r\n"),
        ('c', "EHLO b\r\nEHLO b\r\n"),
        ('s', "250-a\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n250-a\r\n250 AUTH LOGIN\r\n"),
    ]);
    assert_eq!(observer.findings().before, listed(&["AUTH LOGIN"], &["LOGIN"]));
    assert_eq!(observer.findings().upgrade.offered, Some(false));
}

#[test]
fn messages_and_credentials_are_not_understood_and_not_kept() {
    let begin = [('s', "220 a\r\n"), ('c', "EHLO b\r\n"), ('s', "250-a\r\n250 AUTH PLAIN\r\n")];
    let found = Findings {
        own_name: Some("a".into()),
        before: listed(&["AUTH PLAIN"], &["PLAIN"]),
        upgrade: Upgrade { offered: Some(false), ..Upgrade::default() },
        ..greeted("220 a", 220)
    };
    let secrets: [&[(char, &str)]; 5] = [
        &[
            ('c', "DATA\r\n"),
            ('s', "354 go\r\n"),
            ('c', "EHLO x\r\nSTARTTLS\r\n.\r\n"),
            ('s', "250-s\r\n250 SECRET\r\n"),
        ],
        &[('c', "DATA\r\nEHLO x\r\n.\r\n"), ('s', "503 no\r\n250-s\r\n250 SECRET\r\n"), ('c', "EHLO x\r\n")],
        &[('c', "BDAT 8 LAST\r\n"), ('s', "503 no\r\n"), ('c', "EHLO x\r\n"), ('s', "250-s\r\n250 SECRET\r\n")],
        &[('c', "AUTH PLAIN AHNlY3JldA==\r\n"), ('s', "235 ok\r\n"), ('c', "STARTTLS\r\n"), ('s', "220 SECRET\r\n")],
        &[('c', "AUTH LOGIN\r\n"), ('s', "334 x\r\n"), ('c', "EHLO\r\n"), ('s', "535 SECRET\r\nSECRET\r\n")],
    ];
    let auth_clear = [None, None, None, Some("PLAIN"), Some("LOGIN")];
    for (secret, auth_clear) in secrets.into_iter().zip(auth_clear) {
        let observer = overheard(&[&begin, secret].concat());
        assert_eq!(observer.findings(), &Findings { auth_clear, ..found.clone() });
        assert_eq!(observer.expect(), Expect::Command);
        assert!(!format!("{observer:?}").contains("AHNl"));
    }
}

#[test]
fn refused_auth_and_data_are_got_over() {
    let observer = overheard(&[
        ('s', "220 a\r\n"),
        ('c', "AUTH LOGIN\r\n"),
        ('s', "538 Encryption required\r\n"),
        ('c', "DATA\r\n"),
        ('s', "503 need MAIL\r\n"),
        ('c', "STARTTLS\r\n"),
        ('s', "220 go\r\n"),
    ]);
    assert_eq!(observer.findings().upgrade, Upgrade { offered: None, ..upgraded("220 go") });
}

#[test]
fn very_long_pipelines_are_not_followed() {
    let mut observer = Smtp::new(Start::Clear);
    for _ in 0..10_000 {
        observer.bytes(Direction::Client, b"RCPT TO:<bob@example.com>\r\n");
    }
    assert_eq!(observer.outstanding.len(), OUTSTANDING);
    observer.bytes(Direction::Server, b"220 a\r\n");
    for _ in 0..10_000 {
        observer.bytes(Direction::Server, b"250 ok\r\n");
    }
    assert_eq!(observer.expect(), Expect::Command);
    assert_eq!(observer.findings(), &greeted("220 a", 220));
}

#[test]
fn a_waiting_conversation_is_small() {
    assert!(size_of::<Smtp>() <= 400, "{}", size_of::<Smtp>());
}

static PHRASES: &[&[u8]] = &[
    b"220 a\r\n",
    b"220-a\r\n",
    b"250-a\r\n",
    b"250-STARTTLS\r\n",
    b"250 AUTH PLAIN\r\n",
    b"250 ok\n",
    b"421 x\r\n",
    b"554 x\r\n",
    b"354 x\r\n",
    b"334 x\r\n",
    b"235 x\r\n",
    b"221 x\r\n",
    b"EHLO b\r\n",
    b"STARTTLS\r\n",
    b"QUIT\r\n",
    b"AUTH PLAIN\r\n",
    b"DATA\r\n",
    b".\r\n",
    b"BDAT 1\r\n",
    b"NOOP\n",
    b"\r\n",
    b"2",
    b"25",
    b"0 ",
];

fn ask(line: &str) -> Option<Ask> {
    Some(match line {
        "STARTTLS" => Ask::Upgrade,
        "QUIT" => Ask::Goodbye,
        _ => Ask::List,
    })
}

proptest! {
    #[test]
    fn any_split_goes_the_same_way(pieces in pieces()) {
        let mut injected = postfix();
        injected[2] = on("STARTTLS", "220 go\r\n220 evil\r\n");
        let unhyphened = vec![greet("220 a\r\n220 b\r\n"), on(EHLO, "250-a\r\n250 STARTTLS\r\n")];
        let alien = vec![greet("SSH-2.0-x\r\nmore\r\n")];
        let garbled = vec![greet("\n220-a\r\nb\r\r\n220 c\n"), on(EHLO, b"250-\xc3\xbc\xff\r\n250 \x1b[2J\0\r\n")];
        for script in [postfix(), exim(), exchange(), injected, unhyphened, alien, garbled] {
            assert_same_at_any_split(|| Smtp::new(Start::Clear), &SmtpSpeaker, &script, &pieces);
            assert_same_at_any_split(|| Smtp::new(Start::InsideTls), &SmtpSpeaker, &script, &pieces);
        }
    }

    #[test]
    fn noise_is_survived_at_any_split(chunks in noise(PHRASES), piece in 1usize..50, direct: bool) {
        let start = if direct { Start::InsideTls } else { Start::Clear };
        let (findings, expect) = feed(Smtp::new(start), &SmtpSpeaker, &chunks, usize::MAX);
        assert_bounded(&findings);
        prop_assert_eq!(feed(Smtp::new(start), &SmtpSpeaker, &chunks, piece), (findings, expect));
        assert_speaks_in_turn(Smtp::new(start), &SmtpSpeaker, &chunks, ask);
    }
}
