//! Test driver: a scripted server against an observer and its speaker.

use std::collections::VecDeque;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::xmpp::To;
use super::{Call, Direction, Expect, Findings, Identity, Next, Observe, Speak};

/// Who calls in all tests: probe.example.net, without a contact, nobody by name.
pub(super) fn call() -> Call<'static> {
    static IDENTITY: LazyLock<Identity> =
        LazyLock::new(|| Identity { ehlo: "probe.example.net".to_owned(), contact: None });
    Call { identity: &IDENTITY, name: None, address: 0xc612_0001, xmpp_to: To::Address }
}

/// What the scripted server does at one point.
pub(super) struct Turn {
    /// The client's line it waits for; empty: none (greeting, or at once after the turn before).
    pub(super) on: &'static str,
    /// What it says.
    pub(super) say: Vec<u8>,
}

/// A turn that waits for a client's line.
pub(super) fn on(line: &'static str, say: impl AsRef<[u8]>) -> Turn {
    Turn { on: line, say: say.as_ref().to_vec() }
}

/// A turn that waits for nothing.
pub(super) fn greet(say: impl AsRef<[u8]>) -> Turn {
    on("", say)
}

/// How a conversation went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Played {
    pub(super) findings: Findings,
    /// What the client said, and `<tls>` where it began TLS, `<close>` where it closed.
    pub(super) said: Vec<String>,
    /// What was expected at the end.
    pub(super) expect: Expect,
    /// Expectations in order, repetitions left out.
    pub(super) stages: Vec<Expect>,
}

/// Plays the script in pieces: `cut` gives the length of the next piece of what is left (at least 1).
pub(super) fn play<S: Speak>(
    observer: S::Observer,
    speaker: &S,
    script: &[Turn],
    mut cut: impl FnMut(usize) -> usize,
) -> Played {
    let mut client = Client::new(observer, speaker);
    client.ask();
    for turn in script {
        if !turn.on.is_empty() && client.unanswered.pop_front().as_deref() != Some(turn.on) {
            break;
        }
        let mut rest = turn.say.as_slice();
        while !rest.is_empty() {
            let (piece, left) = rest.split_at(cut(rest.len()).clamp(1, rest.len()));
            rest = left;
            client.observer.bytes(Direction::Server, piece);
            client.ask();
        }
        if client.starts_tls {
            client.starts_tls = false;
            client.observer.tls_started();
            client.ask();
        }
    }
    client.played()
}

/// Plays the script with each turn in one piece.
pub(super) fn play_whole<S: Speak>(observer: S::Observer, speaker: &S, script: &[Turn]) -> Played {
    play(observer, speaker, script, |left| left)
}

struct Client<'a, S: Speak> {
    observer: S::Observer,
    speaker: &'a S,
    unanswered: VecDeque<String>,
    said: Vec<String>,
    stages: Vec<Expect>,
    starts_tls: bool,
    closed: bool,
}

impl<'a, S: Speak> Client<'a, S> {
    fn new(observer: S::Observer, speaker: &'a S) -> Self {
        Self {
            observer,
            speaker,
            unanswered: VecDeque::new(),
            said: Vec::new(),
            stages: Vec::new(),
            starts_tls: false,
            closed: false,
        }
    }

    /// What a session does after each event.
    fn ask(&mut self) {
        for _ in 0..10 {
            let expect = self.observer.expect();
            if self.stages.last() != Some(&expect) {
                self.stages.push(expect);
            }
            match self.speaker.next(&self.observer, &call()) {
                Next::Say(bytes) => {
                    let line = String::from_utf8(bytes.clone()).expect("ASCII");
                    let line = line.strip_suffix("\r\n").or(line.strip_suffix('>').map(|_| line.as_str()));
                    let line = line.expect("whole lines or tags").to_owned();
                    self.said.push(line.clone());
                    self.unanswered.push_back(line);
                    self.observer.bytes(Direction::Client, &bytes);
                }
                Next::Wait => return,
                Next::StartTls => {
                    if !self.starts_tls {
                        self.said.push("<tls>".to_owned());
                    }
                    self.starts_tls = true;
                    return;
                }
                Next::Close => {
                    if !self.closed {
                        self.said.push("<close>".to_owned());
                    }
                    self.closed = true;
                    return;
                }
            }
        }
        panic!("the speaker does not stop: {:?}", self.said);
    }

    fn played(self) -> Played {
        Played {
            expect: self.observer.expect(),
            findings: self.observer.into_findings(),
            said: self.said,
            stages: self.stages,
        }
    }
}

/// Asserts that the script goes the same way byte by byte and in the pieces given.
pub(super) fn assert_same_at_any_split<S: Speak>(
    new: impl Fn() -> S::Observer,
    speaker: &S,
    script: &[Turn],
    pieces: &[usize],
) {
    let whole = play_whole(new(), speaker, script);
    assert_eq!(play(new(), speaker, script, |_| 1), whole);
    let mut sizes = pieces.iter().copied().cycle();
    assert_eq!(play(new(), speaker, script, |left| sizes.next().unwrap_or(left)), whole);
}

/// Lengths of pieces, small ones often.
pub(super) fn pieces() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(prop_oneof![1usize..8, 1usize..200], 1..40)
}

/// Chunks of both directions: lines of the protocol's kind, arbitrary bytes, and starts of TLS (`None`).
pub(super) fn noise(phrases: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<Option<(Direction, Vec<u8>)>>> {
    let direction = prop_oneof![Just(Direction::Client), Just(Direction::Server)];
    let bytes = prop_oneof![
        4 => proptest::sample::select(phrases).prop_map(<[u8]>::to_vec),
        1 => proptest::collection::vec(any::<u8>(), 0..64),
        1 => (any::<u8>(), 1usize..6_000).prop_map(|(byte, count)| vec![byte; count]),
    ];
    let chunk = prop_oneof![
        20 => (direction, bytes).prop_map(Some),
        1 => Just(None),
    ];
    proptest::collection::vec(chunk, 0..60)
}

/// Feeds chunks, cut at most `piece` bytes long; the speaker is asked in between but nothing it says is fed.
pub(super) fn feed<S: Speak>(
    mut observer: S::Observer,
    speaker: &S,
    chunks: &[Option<(Direction, Vec<u8>)>],
    piece: usize,
) -> (Findings, Expect) {
    for chunk in chunks {
        match chunk {
            Some((from, bytes)) => {
                for part in bytes.chunks(piece) {
                    observer.bytes(*from, part);
                    let _ = speaker.next(&observer, &call());
                }
            }
            None => observer.tls_started(),
        }
    }
    observer.closed(Direction::Client);
    observer.closed(Direction::Server);
    let expect = observer.expect();
    (observer.into_findings(), expect)
}

/// What a line of ours asks for, in the only order in which it may come on each side of the upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ask {
    List,
    Upgrade,
    Goodbye,
}

/// Asserts that whatever the server says, our speaker says only what its protocol allows at that point: one
/// command at a time, each once on each side of the upgrade and in order, the upgrade only if it is offered or
/// nobody lets us ask, TLS only after a go-ahead, nothing between that and TLS. `ask` says what a line is; `None` is
/// a reply of ours, which is always allowed.
pub(super) fn assert_speaks_in_turn<S: Speak>(
    mut observer: S::Observer,
    speaker: &S,
    chunks: &[Option<(Direction, Vec<u8>)>],
    ask: fn(&str) -> Option<Ask>,
) {
    let (mut last, mut inside) = (None, false);
    let mut turn = |observer: &mut S::Observer| {
        for _ in 0..20 {
            let expect = observer.expect();
            match speaker.next(observer, &call()) {
                Next::Say(bytes) => {
                    let line = std::str::from_utf8(&bytes).expect("ASCII").strip_suffix("\r\n").expect("a line");
                    assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
                    assert!(
                        !matches!(expect, Expect::Tls | Expect::UpgradeReply | Expect::End),
                        "{line} at {expect:?}"
                    );
                    if let Some(asked) = ask(line) {
                        // Before the server's first words only a client that speaks first says something.
                        let first = expect == Expect::Greeting && last.is_none();
                        assert!(expect == Expect::Command || first, "{line} at {expect:?}");
                        assert!(last < Some(asked), "{line} after {last:?}");
                        last = Some(asked);
                        let findings = observer.findings();
                        let may =
                            findings.upgrade.offered.unwrap_or(findings.before.asked && !findings.before.answered);
                        assert!(asked != Ask::Upgrade || (may && !inside), "{line}: {findings:?}");
                    }
                    observer.bytes(Direction::Client, &bytes);
                }
                Next::Wait => return true,
                Next::StartTls => {
                    assert!(!inside && observer.findings().upgrade.accepted == Some(true));
                    (inside, last) = (true, None);
                    observer.tls_started();
                }
                Next::Close => return false,
            }
        }
        panic!("the speaker does not stop");
    };
    if !turn(&mut observer) {
        return;
    }
    for (from, bytes) in chunks.iter().flatten() {
        if *from == Direction::Server {
            for byte in bytes {
                observer.bytes(Direction::Server, &[*byte]);
                if !turn(&mut observer) {
                    return;
                }
            }
        }
    }
}

/// Asserts that findings are within the limits.
pub(super) fn assert_bounded(findings: &Findings) {
    use super::limits;
    let short = |text: &Option<Box<str>>, max: usize| text.as_ref().is_none_or(|text| text.len() <= max);
    assert!(short(&findings.greeting, limits::GREETING));
    assert!(short(&findings.upgrade.reply, 3 * limits::LINE));
    assert!(short(&findings.violation, 3 * limits::VIOLATION));
    assert!(short(&findings.refusal, 3 * limits::LINE));
    for capabilities in [&findings.before, &findings.after] {
        assert!(capabilities.list.len() <= limits::CAPABILITIES);
        assert!(capabilities.list.bytes() <= limits::CAPABILITY_BYTES);
        assert!(capabilities.auth.len() <= limits::MECHANISMS);
    }
}
