use proptest::prelude::*;

use super::super::testing::{
    Ask, Played, Turn, assert_bounded, assert_same_at_any_split, assert_speaks_in_turn, call, feed, greet, noise, on,
    pieces, play_whole,
};
use super::super::{Capabilities, Identity, Upgrade};
use super::*;

const LS: &str = "CAP LS 302";
const BYE: &str = "QUIT";

fn clear(script: &[Turn]) -> Played {
    play_whole(Irc::new(Start::Clear), &IrcSpeaker, script)
}

fn listed(list: &[&str], auth: &[&str]) -> Capabilities {
    Capabilities { asked: true, answered: true, code: None, list: list.iter().collect(), auth: auth.iter().collect() }
}

fn refused(code: u16) -> Capabilities {
    Capabilities { asked: true, code: Some(code), ..Capabilities::default() }
}

fn greeted(greeting: &str) -> Findings {
    Findings { greeting: Some(greeting.into()), ..Findings::default() }
}

fn upgraded(reply: &str) -> Upgrade {
    Upgrade { offered: Some(true), sent: true, reply: Some(reply.into()), accepted: Some(true), ..Upgrade::default() }
}

/// InspIRCd: notices come before and between, the list in two lines, a PING before anything goes on.
fn inspircd() -> Vec<Turn> {
    vec![
        greet(":irc.example.net NOTICE * :*** Looking up your hostname...\r\n"),
        on(
            LS,
            ":irc.example.net NOTICE * :*** Could not resolve your hostname\r\n\
             :irc.example.net CAP * LS * :away-notify extended-join account-tag\r\n\
             :irc.example.net CAP * LS :multi-prefix sasl=plain,EXTERNAL,SCRAM-SHA-256 tls userhost-in-names \r\n",
        ),
        on("STARTTLS", ":irc.example.net 670 * :STARTTLS successful, go ahead with TLS handshake\r\n"),
        on(LS, ":irc.example.net CAP * LS :multi-prefix sasl=PLAIN\r\n"),
        on(BYE, "ERROR :Closing link: (unknown@198.18.0.1) [Quit]\r\n"),
    ]
}

#[test]
fn inspircd_with_starttls() {
    let played = clear(&inspircd());
    let before = [
        "away-notify",
        "extended-join",
        "account-tag",
        "multi-prefix",
        "sasl=plain,EXTERNAL,SCRAM-SHA-256",
        "tls",
        "userhost-in-names",
    ];
    assert_eq!(
        played.findings,
        Findings {
            before: listed(&before, &["PLAIN", "EXTERNAL", "SCRAM-SHA-256"]),
            upgrade: upgraded(":irc.example.net 670 * :STARTTLS successful, go ahead with TLS handshake"),
            after: listed(&["multi-prefix", "sasl=PLAIN"], &["PLAIN"]),
            ..greeted(
                ":irc.example.net NOTICE * :*** Looking up your hostname...\n\
                 :irc.example.net NOTICE * :*** Could not resolve your hostname"
            )
        }
    );
    assert_eq!(played.said, [LS, "STARTTLS", "<tls>", LS, BYE, "<close>"]);
    assert_eq!(
        played.stages,
        [
            Expect::Greeting,
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

#[test]
fn the_client_speaks_first_and_silence_is_waited_for() {
    let played = clear(&[]);
    assert_eq!((played.said.as_slice(), played.expect), (&[LS.to_owned()][..], Expect::Greeting));
}

#[test]
fn ping_is_answered_before_anything_goes_on() {
    let script = [
        greet("PING :3A5F1B\r\n"),
        on(LS, ":a CAP * LS :multi-prefix\r\n"),
        on("PONG :3A5F1B", ""),
        on(BYE, "ERROR :bye\r\n"),
    ];
    let played = clear(&script);
    assert_eq!(played.said, [LS, "PONG :3A5F1B", BYE, "<close>"]);
    assert_eq!(played.findings.before, listed(&["multi-prefix"], &[]));
    assert_eq!(played.findings.upgrade, Upgrade { offered: Some(false), ..Upgrade::default() });
    assert_eq!(played.findings.greeting, None);

    // So often and no oftener, and nothing of it in our own lines' structure.
    let mut observer = Irc::new(Start::Clear);
    let call = call();
    let mut said = Vec::new();
    for _ in 0..10 {
        observer.bytes(Direction::Server, b"PING :a\rQUIT\r\n");
        while let Next::Say(line) = IrcSpeaker.next(&observer, &call) {
            observer.bytes(Direction::Client, &line);
            said.push(String::from_utf8(line).expect("ASCII"));
        }
    }
    assert_eq!(said[0], "PONG :a\r\n");
    assert_eq!(said.iter().filter(|line| line.starts_with("PONG")).count(), usize::from(PONGS));
    observer.bytes(Direction::Server, [b"PING ".as_slice(), &[b'x'; 3_000], b"\r\n"].concat().as_slice());
    assert_eq!(observer.ping.map(|token| token.len()), Some(TOKEN));
}

fn without_cap(no: &'static str) -> Vec<Turn> {
    vec![
        greet("NOTICE AUTH :*** Looking up your hostname\r\n"),
        on(LS, no),
        on("STARTTLS", ":a 691 * :STARTTLS failed (Wrong moon phase)\r\n"),
        on(BYE, ""),
    ]
}

#[test]
fn a_server_without_cap_is_asked_for_the_upgrade() {
    for (no, code) in [
        (":a 421 * CAP :Unknown command\r\n", 421),
        (":a 451 * :You have not registered\r\n", 451),
        (":a 451 CAP :Register first\r\n", 451),
        (":a 410 * LS :Invalid CAP command\r\n", 410),
    ] {
        let played = clear(&without_cap(no));
        let upgrade = Upgrade {
            offered: None,
            accepted: Some(false),
            ..upgraded(":a 691 * :STARTTLS failed (Wrong moon phase)")
        };
        let greeting = greeted("NOTICE AUTH :*** Looking up your hostname");
        assert_eq!(played.findings, Findings { before: refused(code), upgrade, ..greeting });
        assert_eq!(played.said, [LS, "STARTTLS", BYE]);
        assert_eq!(played.expect, Expect::Goodbye);
    }
}

#[test]
fn numerics_that_refuse_the_upgrade() {
    for (reply, accepted) in [
        (":a 691 * :STARTTLS failed", Some(false)),
        (":a 421 * STARTTLS :Unknown command", Some(false)),
        (":a 451 * :You have not registered", Some(false)),
        (":a 670 * :go", Some(true)),
        (":a 421 * CAP :Unknown command", None),
        (":a NOTICE * :*** No ident response", None),
    ] {
        let script = [on(LS, ":a CAP * LS :tls\r\n"), on("STARTTLS", format!("{reply}\r\n"))];
        let played = clear(&script);
        let reply = accepted.map(|_| reply.into());
        assert_eq!(played.findings.upgrade, Upgrade { accepted, reply, ..upgraded("") });
    }
}

#[test]
fn lists_in_the_shapes_that_servers_give_them() {
    for (lines, list, auth) in [
        (":a CAP * LS :\r\n", &[][..], &[][..]),
        (":a CAP * LS\r\n", &[], &[]),
        (":a CAP * LS tls\r\n", &["tls"], &[]),
        (":a cap * ls multi-prefix sasl tls\r\n", &["multi-prefix", "sasl", "tls"], &[]),
        ("CAP * LS :~sasl=A,,B -TLS\r\n", &["~sasl=A,,B", "-TLS"], &["A", "B"]),
        ("@time=x :a CAP * LS * :a\r\n@time=y :a CAP * LS * :\r\n:a CAP * LS :b\r\n", &["a", "b"], &[]),
        (":a CAP * LS :*\r\n", &["*"], &[]),
    ] {
        let played = clear(&[on(LS, lines)]);
        assert_eq!(played.findings.before, listed(list, auth), "{lines}");
        let offered = list.iter().any(|item| item.to_ascii_lowercase().ends_with("tls"));
        assert_eq!(played.findings.upgrade.offered, Some(offered), "{lines}");
    }
}

#[test]
fn lists_are_bounded_and_what_stands_beyond_still_counts() {
    let endless = ":a CAP * LS * :x-endless\r\n".repeat(100_000);
    let played = clear(&[on(LS, format!("{endless}:a CAP * LS :tls\r\n"))]);
    assert_eq!(played.findings.before.list, vec!["x-endless"; limits::REPLY_LINES][..]);
    assert_eq!((played.findings.truncated, played.findings.upgrade.offered), (true, Some(true)));
    assert_bounded(&played.findings);
    let long = format!(":a CAP * LS :{}\r\n", "sasl=A ".repeat(1_000));
    assert_eq!(clear(&[on(LS, long)]).findings.before.list.iter().last(), Some("sasl=A"));
}

#[test]
fn refusals_of_service() {
    let played = clear(&[greet(":a NOTICE * :hi\r\nERROR :Closing Link: Throttled\r\n")]);
    let refusal = Some("ERROR :Closing Link: Throttled".into());
    assert_eq!(played.findings.refusal, refusal);
    assert_eq!((played.said, played.expect), (vec![LS.to_owned(), "<close>".to_owned()], Expect::End));
}

#[test]
fn what_is_not_irc_ends_at_once() {
    for alien in
        ["220 mx ESMTP\r\n", "* OK IMAP\r\n", "SSH-2.0-x\r\n", "HTTP/1.1 400 Bad\r\n", ":\r\n", "CAPITAL x\r\n"]
    {
        let played = clear(&[greet(alien)]);
        let violation = Some(alien.trim_end().into());
        assert_eq!(played.findings.violation, violation);
        assert_eq!((played.said.last().map(String::as_str), played.expect), (Some("<close>"), Expect::End));
    }
}

#[test]
fn a_stray_line_is_noted_and_skipped() {
    let played = clear(&[on(LS, ":a 020 * :wait\r\n\r\n{what}\r\n:a CAP * LS :x\r\n")]);
    assert_eq!(played.findings.violation.as_deref(), Some("{what}"));
    assert_eq!(played.findings.before.list, ["x"]);
}

#[test]
fn bytes_after_the_go_ahead_are_injected() {
    let mut script = inspircd();
    script[2] = on("STARTTLS", ":a 670 * :go\r\n:a CAP * LS :evil\r\n");
    let played = clear(&script);
    assert_eq!(played.findings.upgrade, Upgrade { injected: 19, ..upgraded(":a 670 * :go") });
    assert_eq!(played.findings.after.list, ["multi-prefix", "sasl=PLAIN"]);
}

#[test]
fn ircs_is_inside_tls_from_the_start() {
    let mut observer = Irc::new(Start::InsideTls);
    observer.tls_started();
    let script = [greet(":a NOTICE * :hi\r\n"), on(LS, ":a CAP * LS :tls sasl=EXTERNAL\r\n"), on(BYE, "ERROR :x\r\n")];
    let played = play_whole(observer, &IrcSpeaker, &script);
    assert_eq!(
        played.findings,
        Findings { after: listed(&["tls", "sasl=EXTERNAL"], &["EXTERNAL"]), ..greeted(":a NOTICE * :hi") }
    );
    assert_eq!(played.said, [LS, BYE, "<close>"]);
}

#[test]
fn the_goodbye_says_who_calls_and_nothing_else() {
    let say = |contact: Option<&str>| {
        let identity = Identity { ehlo: String::new(), contact: contact.map(str::to_owned) };
        String::from_utf8(goodbye(&Call { identity: &identity, ..call() })).expect("UTF-8")
    };
    assert_eq!(say(None), "QUIT\r\n");
    assert_eq!(say(Some("a\r\nJOIN #x")), "QUIT :aJOIN #x\r\n");
    assert_eq!(say(Some(&"ü".repeat(500))).len(), "QUIT :\r\n".len() + MESSAGE);
}

/// A conversation of others, in order of time.
fn overheard(parts: &[(char, &str)]) -> Irc {
    let mut observer = Irc::new(Start::Clear);
    for (from, text) in parts {
        let from = if *from == 'c' { Direction::Client } else { Direction::Server };
        observer.bytes(from, text.as_bytes());
    }
    observer
}

#[test]
fn who_registers_is_not_kept() {
    let observer = overheard(&[
        ('c', "CAP LS 302\r\nPASS s3cret\r\nNICK alice\r\nUSER alice 0 * :Alice A\r\n"),
        ('s', ":a NOTICE alice :*** hi alice\r\n:a CAP alice LS :tls sasl=PLAIN\r\n"),
        ('c', "STARTTLS\r\n"),
        ('s', ":a 691 alice :no\r\n"),
        ('c', "CAP REQ :sasl\r\nAUTHENTICATE PLAIN\r\nAUTHENTICATE czNjcmV0\r\n"),
        ('s', ":a CAP alice ACK :sasl\r\n:a 900 alice alice!alice@x alice :in\r\n:a 001 alice :Welcome alice\r\n"),
        ('s', ":bob PRIVMSG alice :hi\r\n:a CAP alice LS :later\r\nERROR :alice\r\n"),
        ('c', "PRIVMSG bob :czNjcmV0\r\n"),
    ]);
    let found = Findings {
        before: listed(&["tls", "sasl=PLAIN"], &["PLAIN"]),
        upgrade: Upgrade { accepted: Some(false), ..upgraded("691") },
        auth_clear: Some("PASS"),
        ..Findings::default()
    };
    assert_eq!(observer.findings(), &found);
    assert_eq!(observer.expect(), Expect::Command);
    let shown = format!("{observer:?}");
    assert!(!["alice", "s3cret", "czNj", "bob"].iter().any(|word| shown.contains(word)), "{shown}");

    let observer = overheard(&[('c', "NICK alice\r\n"), ('s', "ERROR :Closing Link: alice[x] (Throttled)\r\n")]);
    assert_eq!(observer.findings(), &Findings { refused: true, ..Findings::default() });
}

#[test]
fn a_welcome_to_nobody_changes_nothing_but_what_is_kept() {
    let played = clear(&[
        greet(":a 001 x :Welcome\r\n:a 001 x :Welcome\r\n:a NOTICE x :hi\r\n"),
        on(LS, ":a CAP x LS :tls\r\n"),
        on("STARTTLS", ":a 691 x :no\r\n"),
        on(BYE, "ERROR :x\r\n"),
    ]);
    assert_eq!(played.said, [LS, "STARTTLS", BYE, "<close>"]);
    assert_eq!(played.findings.upgrade, Upgrade { accepted: Some(false), ..upgraded("691") });
    assert_eq!(played.findings.greeting, None);
}

#[test]
fn an_eager_client_is_followed() {
    let observer = overheard(&[('c', "STARTTLS\r\n\x16\x03\x01"), ('s', ":a NOTICE AUTH :hi\r\n:a 670 * :go\r\n")]);
    assert_eq!(observer.expect(), Expect::Tls);
    let upgrade = Upgrade { offered: None, ..upgraded(":a 670 * :go") };
    assert_eq!(observer.findings(), &Findings { upgrade, ..greeted(":a NOTICE AUTH :hi") });
}

#[test]
fn a_last_line_without_its_end() {
    let mut observer = Irc::new(Start::Clear);
    observer.bytes(Direction::Server, b"ERROR :busy");
    assert_eq!(observer.expect(), Expect::Greeting);
    observer.closed(Direction::Server);
    assert_eq!((observer.findings().refused, observer.expect()), (true, Expect::End));
}

#[test]
fn a_waiting_conversation_is_small() {
    assert!(size_of::<Irc>() <= 400, "{}", size_of::<Irc>());
}

static PHRASES: &[&[u8]] = &[
    b":a NOTICE * :hi\r\n",
    b"NOTICE AUTH :x\r\n",
    b":a CAP * LS * :a b\r\n",
    b":a CAP * LS :tls sasl=PLAIN\r\n",
    b":a 421 * CAP :x\r\n",
    b":a 451 * :x\r\n",
    b":a 670 * :x\r\n",
    b":a 691 * :x\r\n",
    b":a 001 a :x\n",
    b"PING :x\r\n",
    b"PONG :x\r\n",
    b"ERROR :x\r\n",
    b"CAP LS 302\r\n",
    b"STARTTLS\r\n",
    b"NICK a\r\n",
    b"QUIT\r\n",
    b"\r\n",
    b":",
    b"@a ",
    b"CA",
];

fn ask(line: &str) -> Option<Ask> {
    match line {
        LS => Some(Ask::List),
        "STARTTLS" => Some(Ask::Upgrade),
        BYE => Some(Ask::Goodbye),
        pong => {
            assert!(pong.starts_with("PONG :"), "{pong}");
            None
        }
    }
}

proptest! {
    #[test]
    fn any_split_goes_the_same_way(pieces in pieces()) {
        let mut injected = inspircd();
        injected[2] = on("STARTTLS", ":a 670 * :go\r\nERROR :evil\r\n");
        let busy = vec![greet("ERROR :busy\r\nmore\r\n")];
        let alien = vec![greet("HTTP/1.0 400 Bad\r\nmore\r\n")];
        let garbled = vec![greet(b"\n:a NOTICE \xff\r\r\n"), on(LS, b":\xff CAP * LS :\xff\xc3\xbc\0 A\n")];
        for script in [inspircd(), without_cap(":a 451 * :x\r\n"), injected, busy, alien, garbled] {
            assert_same_at_any_split(|| Irc::new(Start::Clear), &IrcSpeaker, &script, &pieces);
            assert_same_at_any_split(|| Irc::new(Start::InsideTls), &IrcSpeaker, &script, &pieces);
        }
    }

    #[test]
    fn noise_is_survived_at_any_split(chunks in noise(PHRASES), piece in 1usize..50, direct: bool) {
        let start = if direct { Start::InsideTls } else { Start::Clear };
        let (findings, expect) = feed(Irc::new(start), &IrcSpeaker, &chunks, usize::MAX);
        assert_bounded(&findings);
        prop_assert_eq!(feed(Irc::new(start), &IrcSpeaker, &chunks, piece), (findings, expect));
        assert_speaks_in_turn(Irc::new(start), &IrcSpeaker, &chunks, ask);
    }
}
