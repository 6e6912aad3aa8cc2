use proptest::prelude::*;

use super::super::Upgrade;
use super::super::testing::{
    Played, Turn, assert_bounded, assert_same_at_any_split, call, feed, greet, noise, on, pieces, play_whole,
};
use super::*;

const CLIENT: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
    xmlns:stream='http://etherx.jabber.org/streams' to='198.18.0.1' version='1.0'>";
const SERVER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:server' \
    xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback' from='probe.example.net' \
    to='198.18.0.1' version='1.0'>";
const ASK: &str = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
const GO: &str = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
const BYE: &str = "</stream:stream>";

/// `play_whole`, and the same at two splits.
fn play_at_splits(party: Party, start: Start, script: &[Turn]) -> Played {
    let new = || Xmpp::new(party, start);
    assert_same_at_any_split(new, &XmppSpeaker, script, &[3, 50, 1]);
    play_whole(new(), &XmppSpeaker, script)
}

fn client(script: &[Turn]) -> Played {
    play_at_splits(Party::Client, Start::Clear, script)
}

fn listed(list: &[&str], auth: &str) -> Capabilities {
    let auth = auth.split_whitespace().collect();
    Capabilities { asked: true, answered: true, code: None, list: list.iter().collect(), auth }
}

fn upgraded(required: bool) -> Upgrade {
    Upgrade {
        offered: Some(true),
        required: Some(required),
        sent: true,
        reply: Some(GO.into()),
        accepted: Some(true),
        injected: 0,
    }
}

const TLS_REQUIRED: &str = "{urn:ietf:params:xml:ns:xmpp-tls}starttls required";
const SASL: &str = "{urn:ietf:params:xml:ns:xmpp-sasl}mechanisms";

/// A server's stream header, namespaces as servers declare them.
fn head(attributes: &str) -> String {
    format!(
        "<?xml version='1.0'?><stream:stream {attributes} xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams'>"
    )
}

fn features(inner: &str) -> String {
    format!("<stream:features>{inner}</stream:features>")
}

const OFFER: &str = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>";

/// Prosody 0.12.3, port 5222. Header and features are turns of their own: what is expected in between does not
/// depend on the pieces then.
fn prosody() -> Vec<Turn> {
    let head = |id: &str| {
        format!(
            "<?xml version='1.0'?><stream:stream xml:lang='en' id='{id}' xmlns='jabber:client' \
             from='chat.lab.example' version='1.0' xmlns:stream='http://etherx.jabber.org/streams'>"
        )
    };
    vec![
        on(CLIENT, head("5ed26337-4694")),
        greet(features(OFFER)),
        on(ASK, GO),
        on(CLIENT, head("8bc818e8-ab4d")),
        greet(features(
            "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism>\
             <mechanism>SCRAM-SHA-1</mechanism></mechanisms>",
        )),
        on(BYE, BYE),
    ]
}

#[test]
fn prosody_with_starttls() {
    let stream = [Expect::Command, Expect::Greeting, Expect::Capabilities, Expect::Command];
    let upgrade = [Expect::UpgradeReply, Expect::Tls];
    assert_eq!(
        client(&prosody()),
        Played {
            findings: Findings {
                own_name: Some("chat.lab.example".into()),
                greeting: Some("xml:lang=en\nid=5ed26337-4694\nfrom=chat.lab.example\nversion=1.0".into()),
                before: listed(&[TLS_REQUIRED], ""),
                upgrade: upgraded(true),
                after: listed(&[&format!("{SASL} PLAIN SCRAM-SHA-1")], "PLAIN SCRAM-SHA-1"),
                ..Findings::default()
            },
            said: [CLIENT, ASK, "<tls>", CLIENT, BYE, "<close>"].map(str::to_owned).to_vec(),
            expect: Expect::End,
            stages: [&stream[..], &upgrade, &stream, &[Expect::Goodbye, Expect::End]].concat(),
        }
    );
}

/// ejabberd 23.01, port 5269.
#[test]
fn ejabberd_between_servers() {
    let head = |id: &str| {
        format!(
            "<?xml version='1.0'?><stream:stream id='{id}' version='1.0' xml:lang='en' \
             xmlns:db='jabber:server:dialback' xmlns:stream='http://etherx.jabber.org/streams' \
             to='probe.example.net' from='chat.lab.example' xmlns='jabber:server'>"
        )
    };
    let script = [
        on(SERVER, head("14928121613791688583")),
        greet(features(
            "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
        )),
        on(ASK, GO),
        on(SERVER, head("8669404185936864969")),
        greet(features(
            "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>",
        )),
        on(BYE, BYE),
    ];
    let played = play_at_splits(Party::Server, Start::Clear, &script);
    assert_eq!(played.findings.before, listed(&[SASL, "{urn:ietf:params:xml:ns:xmpp-tls}starttls"], ""));
    assert_eq!(played.findings.upgrade, upgraded(false));
    assert_eq!(played.findings.after, listed(&[&format!("{SASL} EXTERNAL")], "EXTERNAL"));
    assert_eq!(
        played.findings.greeting.as_deref(),
        Some("id=14928121613791688583\nversion=1.0\nxml:lang=en\nto=probe.example.net\nfrom=chat.lab.example")
    );
    assert_eq!(played.said, [SERVER, ASK, "<tls>", SERVER, BYE, "<close>"]);
    assert_eq!((played.expect, played.findings.refused), (Expect::End, false));
}

/// jabberd2 2.7.0, port 5223.
#[test]
fn jabberd2_inside_tls() {
    let script = [
        on(
            CLIENT,
            "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' \
             xmlns='jabber:client' from='chat.lab.example' version='1.0' id='apiunwgvv2y5' \
             xmlns:ack='http://www.xmpp.org/extensions/xep-0198.html#ns'>",
        ),
        greet(
            "<stream:features xmlns:stream='http://etherx.jabber.org/streams'>\
             <address xmlns='http://affinix.com/jabber/address'>198.18.50.3</address>\
             <mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism>\
             <mechanism>PLAIN</mechanism><mechanism>DIGEST-MD5</mechanism></mechanisms>\
             <auth xmlns='http://jabber.org/features/iq-auth'></auth></stream:features>",
        ),
        on(BYE, BYE),
    ];
    let played = play_at_splits(Party::Client, Start::InsideTls, &script);
    assert_eq!(
        played.findings.after,
        listed(
            &[
                "{http://affinix.com/jabber/address}address 198.18.50.3",
                &format!("{SASL} EXTERNAL PLAIN DIGEST-MD5"),
                "{http://jabber.org/features/iq-auth}auth",
            ],
            "EXTERNAL PLAIN DIGEST-MD5"
        )
    );
    assert_eq!(played.findings.upgrade, Upgrade::default());
    assert_eq!(played.findings.greeting.as_deref(), Some("from=chat.lab.example\nversion=1.0\nid=apiunwgvv2y5"));
    assert_eq!(played.said, [CLIENT, BYE, "<close>"]);
}

#[test]
fn features_of_all_kinds_have_a_stable_form() {
    let script = [
        on(CLIENT, head("version='1.0'")),
        greet(features(
            "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='http://prosody.im' ver='ItBTI0XLDFvVxZ72='/>\
             <sm xmlns='urn:xmpp:sm:3'><optional/></sm>\n<limits xmlns='urn:xmpp:stream-limits:0'>\
             <max-bytes>262144</max-bytes></limits>\
             <compression xmlns='http://jabber.org/features/compress'><method>zlib</method><method>lzw</method>\
             </compression><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>\n  <mechanism>\n scram-sha-1 \n\
             </mechanism><mechanism/><hostname xmlns='urn:xmpp:domain-based-name:1'>a.example</hostname>\n</mechanisms>\
             <authentication xmlns='urn:xmpp:sasl:2'><mechanism>SCRAM-SHA-1</mechanism>\
             <mechanism>SCRAM-SHA-256-PLUS</mechanism><inline><fast xmlns='urn:xmpp:fast:0' tls-0rtt='true'>\
             <mechanism>HT-SHA-256-ENDP</mechanism></fast></inline></authentication>\
             <sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'><channel-binding type='tls-server-end-point'/>\
             <channel-binding type='tls-exporter'/></sasl-channel-binding>\
             <dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback><odd>\u{9b}31m</odd>",
        )),
    ];
    assert_eq!(
        client(&script).findings.before,
        listed(
            &[
                "{http://jabber.org/protocol/caps}c hash=sha-1 node=http://prosody.im ver=ItBTI0XLDFvVxZ72=",
                "{urn:xmpp:sm:3}sm optional",
                "{urn:xmpp:stream-limits:0}limits 262144",
                "{http://jabber.org/features/compress}compression zlib lzw",
                &format!("{SASL} scram-sha-1 mechanism a.example"),
                "{urn:xmpp:sasl:2}authentication SCRAM-SHA-1 SCRAM-SHA-256-PLUS inline",
                "{urn:xmpp:sasl-cb:0}sasl-channel-binding tls-server-end-point tls-exporter",
                "{urn:xmpp:features:dialback}dialback errors",
                "{jabber:client}odd \u{fffd}31m",
            ],
            "SCRAM-SHA-1 SCRAM-SHA-256-PLUS"
        )
    );
}

#[test]
fn no_starttls() {
    let played = client(&[on(CLIENT, head("version='1.0'")), greet("\n <stream:features/>"), on(BYE, BYE)]);
    assert_eq!(played.findings.before, listed(&[], ""));
    assert_eq!(played.findings.upgrade, Upgrade { offered: Some(false), required: Some(false), ..Upgrade::default() });
    assert_eq!(played.said, [CLIENT, BYE, "<close>"]);
}

#[test]
fn a_server_from_before_there_were_features_is_told_goodbye() {
    let played = client(&[on(CLIENT, head("id='1'")), on(BYE, BYE)]);
    assert_eq!(played.findings.before, Capabilities { answered: false, ..listed(&[], "") });
    assert_eq!(played.findings.upgrade, Upgrade::default());
    assert_eq!((played.said.len(), played.expect, played.findings.refused), (3, Expect::End, false));
}

#[test]
fn starttls_refused() {
    let failure = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
    let offer = || [on(CLIENT, head("version='1.0'")), greet(features(OFFER))].into_iter();
    let refused = Upgrade { reply: Some(failure.into()), accepted: Some(false), ..upgraded(true) };
    for script in [
        // As the RFC wants it, and by a server that goes on.
        offer().chain([on(ASK, failure.to_owned() + BYE)]).collect::<Vec<_>>(),
        offer().chain([on(ASK, failure), on(BYE, BYE)]).collect(),
    ] {
        let played = client_any_stage(&script);
        assert_eq!((&played.findings.upgrade, played.expect), (&refused, Expect::End));
        assert_eq!((played.findings.refused, played.findings.violation), (false, None));
    }
}

/// Findings do not depend on the split; what is said may.
fn client_any_stage(script: &[Turn]) -> Played {
    let played = play_whole(Xmpp::client(Start::Clear), &XmppSpeaker, script);
    for piece in [1, 2, 30] {
        let split = super::super::testing::play(Xmpp::client(Start::Clear), &XmppSpeaker, script, |_| piece);
        assert_eq!((&split.findings, split.expect), (&played.findings, played.expect));
    }
    played
}

#[test]
fn what_comes_between_go_ahead_and_tls_is_counted() {
    for (more, injected) in [("", 0), ("\n", 1), ("<stream:features/>", 18), ("<not xml", 8)] {
        let mut script = prosody();
        script[2] = on(ASK, format!("{GO}{more}"));
        let played = client(&script);
        assert_eq!(played.findings.upgrade, Upgrade { injected, ..upgraded(true) });
        assert_eq!(played.findings.after.auth, ["PLAIN", "SCRAM-SHA-1"]);
    }
}

#[test]
fn a_host_that_is_not_served() {
    // ejabberd, jabberd2 with words, Prosody with a redirection.
    for (inside, host_unknown, refusal) in [
        ("<host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>", true, "host-unknown"),
        (
            "<host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text \
             xmlns='urn:ietf:params:xml:ns:xmpp-streams'>service requested for unknown domain</text>",
            true,
            "host-unknown",
        ),
        (
            "<text xml:lang='en' xmlns='urn:ietf:params:xml:ns:xmpp-streams'>Missing</text>\
             <improper-addressing xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><mine xmlns='urn:x'/>",
            false,
            "improper-addressing",
        ),
        (
            "<see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>\n[2001:db8::1]:9222 </see-other-host>",
            false,
            "see-other-host [2001:db8::1]:9222",
        ),
    ] {
        let error = format!("<stream:error>{inside}</stream:error></stream:stream>");
        let played = client(&[on(CLIENT, head("from='198.18.0.1' version='1.0'")), greet(error)]);
        let expected = Findings {
            greeting: Some("from=198.18.0.1\nversion=1.0".into()),
            own_name: Some("198.18.0.1".into()),
            before: Capabilities { asked: true, ..Capabilities::default() },
            refused: true,
            host_unknown,
            refusal: Some(refusal.into()),
            ..Findings::default()
        };
        assert_eq!(played.findings, expected);
        assert_eq!(played.said, [CLIENT, "<close>"]);
    }
}

#[test]
fn a_server_that_closes_unasked_refuses() {
    let played = client(&[on(CLIENT, head("version='1.0'")), greet(BYE)]);
    assert!(played.findings.refused && !played.findings.host_unknown);
    assert_eq!((played.expect, played.findings.refusal), (Expect::End, None));
}

#[test]
fn what_is_no_stream_is_a_violation() {
    for (said, violation) in [
        ("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", "HTTP/1.1 400 Bad Request"),
        (" \n<html>\n<body>", "<html>"),
        ("<!DOCTYPE html>\n<html>", "<!DOCTYPE html>"),
        ("\u{16}\u{3}\u{1}\n", "\u{fffd}\u{fffd}\u{fffd}"),
        ("SSH-2.0-OpenSSH_9.2p1", "SSH-2.0-OpenSSH_9.2p1"),
    ] {
        let played = client(&[on(CLIENT, said)]);
        assert_eq!((played.findings.violation.as_deref(), played.findings.greeting), (Some(violation), None), "{said}");
        assert_eq!((played.said.last().map(String::as_str), played.expect), (Some("<close>"), Expect::End));
        assert!(!played.findings.truncated && played.findings.derailed);
    }
    let long = "x".repeat(2_000);
    let played = client(&[on(CLIENT, &long)]);
    assert_eq!(played.findings.violation.as_deref(), Some(&long[..limits::VIOLATION]));
    assert!(played.findings.truncated);
}

#[test]
fn what_is_not_well_formed_derails_until_all_is_seen() {
    let bad = "<stream:features><a></b></stream:features>\n";
    let played = client(&[on(CLIENT, head("version='1.0'")), greet(bad)]);
    assert_eq!(played.findings.violation.as_deref(), Some(bad.trim_end()));
    assert!(played.findings.derailed && played.findings.greeting.is_some() && !played.findings.before.answered);

    let mut script = prosody();
    script[5] = on(BYE, "\n<bye");
    script.push(greet("<"));
    let played = client(&script);
    assert_eq!((played.findings.violation.as_deref(), played.findings.derailed), (Some("<bye<"), false));
}

#[test]
fn of_a_client_nothing_is_kept_and_what_it_logs_in_with_is_not_heard() {
    let mut xmpp = Xmpp::client(Start::Clear);
    let mut say = |from, bytes: &str| xmpp.bytes(from, bytes.as_bytes());
    say(
        Direction::Client,
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client' from='me@secret.example' \
        xmlns:stream='http://etherx.jabber.org/streams' to='secret.example' version='1.0'>",
    );
    say(Direction::Server, &head("version='1.0'"));
    // It does not wait for the features.
    say(Direction::Client, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>c2VjcmV0</auth>");
    say(Direction::Server, &features("<mechanisms><mechanism>PLAIN</mechanism></mechanisms>"));
    say(Direction::Server, "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>secret</success>");
    say(Direction::Client, &head("to='secret'"));
    say(Direction::Server, &head("from='secret'"));
    say(Direction::Server, "<message to='me@secret.example'>secret<");
    assert_eq!(xmpp.expect(), Expect::Command);
    assert_eq!(XmppSpeaker.next(&xmpp, &call()), Next::Wait);
    let findings = xmpp.into_findings();
    let no_upgrade = Upgrade { offered: Some(false), required: Some(false), ..Upgrade::default() };
    assert_eq!(
        findings,
        Findings {
            greeting: Some("version=1.0".into()),
            before: listed(&["{jabber:client}mechanisms PLAIN"], "PLAIN"),
            upgrade: no_upgrade,
            auth_clear: Some("PLAIN"),
            ..Findings::default()
        }
    );
}

#[test]
fn how_a_client_authenticates_is_seen_in_each_way() {
    let cases = [
        ("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>c2VjcmV0</auth>", Some("SCRAM-SHA-1")),
        ("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='c2VjcmV0'/>", Some("other")),
        ("<authenticate xmlns='urn:xmpp:sasl:2' mechanism='plain'/>", Some("PLAIN")),
        (
            "<iq type='set'><query xmlns='jabber:iq:auth'><password>s3cret</password></query></iq>",
            Some("jabber:iq:auth"),
        ),
        ("<iq type='get'><query xmlns='jabber:iq:version'/></iq>", None),
        ("<iq/>", None),
    ];
    for (said, auth_clear) in cases {
        let mut xmpp = Xmpp::client(Start::Clear);
        xmpp.bytes(Direction::Client, head("version='1.0'").as_bytes());
        xmpp.bytes(Direction::Client, said.as_bytes());
        assert_eq!((xmpp.findings().auth_clear, xmpp.expect()), (auth_clear, Expect::Command), "{said}");
        assert!(!format!("{xmpp:?}").contains("s3cret"));
    }
}

#[test]
fn a_reply_to_nothing_is_none() {
    let script = [on(CLIENT, head("version='1.0'")), greet(GO), greet(features(OFFER)), on(ASK, GO)];
    assert_eq!(client(&script).findings.upgrade, upgraded(true));
}

#[test]
fn our_header_asks_for_the_name_or_what_was_chosen() {
    let identity = call().identity;
    let said = |party, name, xmpp_to| header(party, &Call { identity, name, address: 0xc612_0001, xmpp_to });
    assert_eq!(said(Party::Client, None, To::Address), CLIENT);
    assert_eq!(said(Party::Server, None, To::Address), SERVER);
    for (name, to, written) in [
        (Some("chat.example"), To::None, " to='chat.example' version='1.0'>"),
        (Some("it's <&>"), To::Address, " to='it&apos;s &lt;&amp;>' version='1.0'>"),
        (None, To::None, "streams' version='1.0'>"),
        (None, To::Empty, " to='' version='1.0'>"),
    ] {
        let said = said(Party::Client, name, to);
        assert!(said.ends_with(written), "{said}");
    }
    let literal = super::super::Identity { ehlo: "[198.18.0.9]".to_owned(), contact: None };
    let literal = Call { identity: &literal, ..call() };
    assert!(header(Party::Server, &literal).contains(" from='198.18.0.9' "));
}

#[test]
fn long_lists_are_cut() {
    let many = |count: usize| {
        let mechanisms = (0..count).fold(String::new(), |all, n| all + &format!("<mechanism>M-{n}</mechanism>"));
        format!("<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{mechanisms}</mechanisms>")
    };
    let played = client(&[on(CLIENT, head("version='1.0'")), greet(features(&many(limits::MECHANISMS)))]);
    assert_eq!((played.findings.before.auth.len(), played.findings.truncated), (limits::MECHANISMS, false));
    let all = many(limits::MECHANISMS + 1) + &"<f/>".repeat(limits::CAPABILITIES);
    let played = client(&[on(CLIENT, head("version='1.0'")), greet(features(&all))]);
    assert_eq!((played.findings.before.auth.len(), played.findings.truncated), (limits::MECHANISMS, true));
    assert!(played.findings.before.answered);
    assert_bounded(&played.findings);
}

const PHRASES: &[&[u8]] = &[
    b"<?xml version='1.0'?>",
    b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>",
    b"<s:stream xmlns:s='http://etherx.jabber.org/streams' from=\"a&amp;b\" id='1'>",
    b"<stream:features>",
    b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'>",
    b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    b"<required/>",
    b"</starttls>",
    b"<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism>",
    b"</mechanisms>",
    b"</stream:features>",
    b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    b"<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
    b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>AA==</auth>",
    b"</stream:stream>",
    b"<!-- c -->",
    b"<![CDATA[x]]>",
    b" \r\n",
    b"&lt;&#x41;",
    b"<a xmlns:b='urn:b' b:c='d'>text</a>",
];

/// Conversations as they go, cut short or spoilt here and there.
fn conversations() -> impl Strategy<Value = Vec<Option<(Direction, Vec<u8>)>>> {
    let step = (0..prosody().len(), proptest::option::weighted(0.1, (any::<u16>(), any::<u8>())));
    proptest::collection::vec(step, 6).prop_map(|steps| {
        let mut chunks = Vec::new();
        for (turn, (_, spoilt)) in prosody().into_iter().zip(steps) {
            let mut say = turn.say;
            if let Some((at, byte)) = spoilt {
                let at = usize::from(at) % say.len();
                say[at] = byte;
            }
            chunks.push(Some((Direction::Client, turn.on.as_bytes().to_vec())));
            chunks.push(Some((Direction::Server, say)));
            if turn.on == ASK {
                chunks.push(None);
            }
        }
        chunks
    })
}

proptest! {
    #[test]
    fn any_split_gives_the_same(pieces in pieces()) {
        assert_same_at_any_split(|| Xmpp::client(Start::Clear), &XmppSpeaker, &prosody(), &pieces);
    }

    #[test]
    fn anything_is_survived_and_bounded(chunks in prop_oneof![noise(PHRASES), conversations()], piece in 1usize..40) {
        for start in [Start::Clear, Start::InsideTls] {
            let whole = feed(Xmpp::client(start), &XmppSpeaker, &chunks, usize::MAX);
            prop_assert_eq!(&feed(Xmpp::client(start), &XmppSpeaker, &chunks, 1), &whole);
            prop_assert_eq!(&feed(Xmpp::client(start), &XmppSpeaker, &chunks, piece), &whole);
            assert_bounded(&whole.0);
        }
    }
}
