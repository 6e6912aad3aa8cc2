use proptest::prelude::*;

use super::super::testing::{
    Ask, Played, Turn, assert_bounded, assert_same_at_any_split, assert_speaks_in_turn, feed, greet, noise, on, pieces,
    play_whole,
};
use super::super::{Capabilities, Upgrade};
use super::*;

fn clear(script: &[Turn]) -> Played {
    play_whole(ManageSieve::new(Start::Clear), &ManageSieveSpeaker, script)
}

fn listed(list: &[&str], auth: &[&str]) -> Capabilities {
    Capabilities { answered: true, list: list.iter().collect(), auth: auth.iter().collect(), ..Capabilities::default() }
}

fn greeted(greeting: &str) -> Findings {
    Findings { greeting: Some(greeting.into()), ..Findings::default() }
}

fn upgraded(reply: &str) -> Upgrade {
    Upgrade { offered: Some(true), sent: true, reply: Some(reply.into()), accepted: Some(true), ..Upgrade::default() }
}

fn pigeonhole() -> Vec<Turn> {
    vec![
        greet(
            "\"IMPLEMENTATION\" \"Dovecot Pigeonhole\"\r\n\"SIEVE\" \"fileinto reject\"\r\n\"NOTIFY\" \"mailto\"\r\n\
             \"SASL\" \"\"\r\n\"STARTTLS\"\r\n\"VERSION\" \"1.0\"\r\nOK \"Dovecot ready.\"\r\n",
        ),
        on("STARTTLS", "OK \"Begin TLS negotiation now.\"\r\n"),
        greet(
            "\"IMPLEMENTATION\" \"Dovecot Pigeonhole\"\r\n\"SASL\" \"PLAIN login\"\r\nOK \"TLS negotiation \
             successful.\"\r\n",
        ),
        on("LOGOUT", "OK \"Logout completed.\"\r\n"),
    ]
}

#[test]
fn pigeonhole_with_starttls() {
    let played = clear(&pigeonhole());
    let before = [
        "\"IMPLEMENTATION\" \"Dovecot Pigeonhole\"",
        "\"SIEVE\" \"fileinto reject\"",
        "\"NOTIFY\" \"mailto\"",
        "\"SASL\" \"\"",
        "\"STARTTLS\"",
        "\"VERSION\" \"1.0\"",
    ];
    let after = ["\"IMPLEMENTATION\" \"Dovecot Pigeonhole\"", "\"SASL\" \"PLAIN login\""];
    assert_eq!(
        played.findings,
        Findings {
            before: listed(&before, &[]),
            upgrade: upgraded("OK \"Begin TLS negotiation now.\""),
            after: listed(&after, &["PLAIN", "LOGIN"]),
            ..greeted("OK \"Dovecot ready.\"")
        }
    );
    assert_eq!(played.said, ["STARTTLS", "<tls>", "LOGOUT", "<close>"]);
    assert_eq!(
        played.stages,
        [
            Expect::Greeting,
            Expect::Command,
            Expect::UpgradeReply,
            Expect::Tls,
            Expect::Capabilities,
            Expect::Command,
            Expect::Goodbye,
            Expect::End
        ]
    );
}

#[test]
fn refusals() {
    let list = "\"SASL\" \"PLAIN\"\r\n\"starttls\"\r\nok\r\n";
    let played = clear(&[greet(list), on("STARTTLS", "NO \"no\"\r\n"), on("LOGOUT", "OK\r\n")]);
    let refused = Upgrade { accepted: Some(false), ..upgraded("NO \"no\"") };
    assert_eq!((played.findings.upgrade, played.findings.before.auth), (refused, ["PLAIN"].iter().collect()));
    assert_eq!(played.said, ["STARTTLS", "LOGOUT", "<close>"]);

    let played = clear(&[greet("\"SASL\" \"PLAIN\"\r\nOK\r\n"), on("LOGOUT", "BYE\r\n")]);
    assert_eq!(played.findings.upgrade, Upgrade { offered: Some(false), ..Upgrade::default() });
    assert_eq!((played.said, played.findings.refused), (vec!["LOGOUT".to_owned(), "<close>".to_owned()], false));

    for line in ["BYE \"busy\"", "NO (TRYLATER) \"busy\""] {
        let played = clear(&[greet(format!("{line}\r\n"))]);
        let refusal = Some(line.into());
        assert_eq!(played.findings, Findings { refused: true, refusal, ..greeted(line) });
        assert_eq!(played.said, ["<close>"]);
    }
}

#[test]
fn what_is_not_managesieve_ends_at_once() {
    for alien in ["220 mx ESMTP\r\n", "* OK IMAP\r\n", "+OK\r\n", "HTTP/1.1 400 Bad\r\n", "BYEBYE\r\n", "NOTHING x\r\n"]
    {
        let played = clear(&[greet(alien)]);
        assert_eq!(played.findings.violation.as_deref(), Some(alien.trim_end()));
        assert_eq!((played.said, played.expect), (vec!["<close>".to_owned()], Expect::End));
    }
}

#[test]
fn logins_and_scripts_are_not_kept() {
    let mut observer = ManageSieve::new(Start::Clear);
    let parts = [
        (Direction::Server, "\"SASL\" \"PLAIN\"\r\nOK\r\n"),
        (Direction::Client, "AUTHENTICATE \"PLAIN\" {8+}\r\nS3CRET==\r\n"),
        (Direction::Server, "OK\r\n"),
        (Direction::Client, "LISTSCRIPTS\r\nCAPABILITY\r\n"),
        (Direction::Server, "\"alice\" ACTIVE\r\nOK\r\n\"SASL\" \"alice\"\r\nOK\r\n"),
    ];
    parts.iter().for_each(|(from, text)| observer.bytes(*from, text.as_bytes()));
    let upgrade = Upgrade { offered: Some(false), ..Upgrade::default() };
    let before = listed(&["\"SASL\" \"PLAIN\""], &["PLAIN"]);
    assert_eq!(observer.findings(), &Findings { before, upgrade, auth_clear: Some("PLAIN"), ..greeted("OK") });
    let shown = format!("{observer:?}");
    assert!(!["S3CRET", "alice"].iter().any(|word| shown.contains(word)), "{shown}");
}

#[test]
fn lists_are_bounded_and_what_stands_beyond_still_counts() {
    let played = clear(&[greet(format!("{}\"STARTTLS\"\r\nOK\r\n", "\"X\"\r\n".repeat(100_000)))]);
    assert_eq!(played.findings.before.list, vec!["\"X\""; limits::REPLY_LINES][..]);
    assert_eq!((played.findings.truncated, played.findings.upgrade.offered), (true, Some(true)));
}

#[test]
fn bytes_after_the_go_ahead_are_injected() {
    let mut script = pigeonhole();
    script[1] = on("STARTTLS", "OK\r\n\"SASL\" \"EVIL\"\r\nOK\r\n");
    let played = clear(&script);
    assert_eq!(played.findings.upgrade, Upgrade { injected: 19, ..upgraded("OK") });
    assert_eq!(played.findings.after.auth, ["PLAIN", "LOGIN"]);
}

#[test]
fn a_waiting_conversation_is_small() {
    assert!(size_of::<ManageSieve>() <= 400, "{}", size_of::<ManageSieve>());
}

static PHRASES: &[&[u8]] = &[
    b"\"SASL\" \"PLAIN\"\r\n",
    b"\"STARTTLS\"\r\n",
    b"\"x\n",
    b"OK\r\n",
    b"OK \"x\"\r\n",
    b"NO\r\n",
    b"BYE\r\n",
    b"CAPABILITY\r\n",
    b"STARTTLS\r\n",
    b"LOGOUT\r\n",
    b"AUTHENTICATE \"X\"\r\n",
    b"\r\n",
    b"\"",
    b"O",
];

fn ask(line: &str) -> Option<Ask> {
    Some(if line == "STARTTLS" { Ask::Upgrade } else { Ask::Goodbye })
}

proptest! {
    #[test]
    fn any_split_goes_the_same_way(pieces in pieces()) {
        let mut injected = pigeonhole();
        injected[1] = on("STARTTLS", "OK\r\nBYE\r\n");
        let alien = vec![greet("HTTP/1.0 400 Bad\r\nmore\r\n")];
        let garbled = vec![greet(b"\n\"\xff\" \"\0\"\r\r\nOK\n")];
        for script in [pigeonhole(), injected, alien, garbled] {
            assert_same_at_any_split(|| ManageSieve::new(Start::Clear), &ManageSieveSpeaker, &script, &pieces);
        }
    }

    #[test]
    fn noise_is_survived_at_any_split(chunks in noise(PHRASES), piece in 1usize..50) {
        let new = || ManageSieve::new(Start::Clear);
        let (findings, expect) = feed(new(), &ManageSieveSpeaker, &chunks, usize::MAX);
        assert_bounded(&findings);
        prop_assert_eq!(feed(new(), &ManageSieveSpeaker, &chunks, piece), (findings, expect));
        assert_speaks_in_turn(new(), &ManageSieveSpeaker, &chunks, ask);
    }
}
