//! What the targets of `dialogues` share.
//!
//! The input's first byte says how the conversation begins (bit 0: inside TLS) and who speaks (bit 1: our
//! speaker, so that the rest is the server's; else both sides are the input's). Then chunks, each with a byte
//! before it: `0xff` TLS starts, `0xfe` a byte repeated (byte, count), else bit 0 the side and the rest a length.
//!
//! Asserted: any split of the same bytes gives the same findings and expectation; findings are within
//! `dialogue::limits` and show nothing that could hurt a terminal; our speaker says a handful of lines and stops.

use super::input::Input;
use starling::dialogue::xmpp::To;
use starling::dialogue::{
    Call, Capabilities, Direction, Expect, Findings, Identity, Next, Observe, Speak, Start, limits,
};

/// Lines our speaker may say: two queries, the upgrade, the goodbye; on both sides of it four replies to PING.
const SAID_MAX: usize = 12;

fn identity() -> Identity {
    Identity { ehlo: "[198.18.0.1]".to_owned(), contact: None }
}

fn call(identity: &Identity) -> Call<'_> {
    Call { identity, name: None, address: 0xc612_0001, xmpp_to: To::Address }
}

enum Chunk {
    Bytes(Direction, Vec<u8>),
    Tls,
}

/// The body, for one protocol.
pub(crate) fn run<S: Speak>(data: &[u8], speaker: &S, new: fn(Start) -> S::Observer) {
    let mut input = Input::new(data);
    let mode = input.u8();
    let start = if mode & 1 == 0 { Start::Clear } else { Start::InsideTls };
    let chunks = chunks(&mut input);
    if mode & 2 == 0 {
        let as_given = watch(new(start), speaker, &chunks, usize::MAX);
        assert_eq!(watch(new(start), speaker, &chunks, 1), as_given, "byte by byte and as given");
        assert_eq!(watch(new(start), speaker, &joined(chunks), usize::MAX), as_given, "joined and as given");
        assert_bounded(&as_given.0);
    } else {
        for piece in [usize::MAX, 1] {
            assert_bounded(&talk(new(start), speaker, &chunks, piece));
        }
    }
}

fn chunks(input: &mut Input<'_>) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    while !input.is_empty() {
        let head = input.u8();
        let from = if head & 1 == 0 { Direction::Server } else { Direction::Client };
        chunks.push(match head {
            0xff => Chunk::Tls,
            0xfe => {
                let byte = input.u8();
                Chunk::Bytes(Direction::Server, vec![byte; usize::from(input.u16() % 10_000)])
            }
            _ => Chunk::Bytes(from, input.bytes(usize::from(head >> 1)).to_vec()),
        });
    }
    chunks
}

/// The same bytes in the largest portions.
fn joined(chunks: Vec<Chunk>) -> Vec<Chunk> {
    let mut joined: Vec<Chunk> = Vec::new();
    for chunk in chunks {
        match (joined.last_mut(), chunk) {
            (Some(Chunk::Bytes(from, before)), Chunk::Bytes(to, bytes)) if *from == to => before.extend(bytes),
            (_, chunk) => joined.push(chunk),
        }
    }
    joined
}

/// Both sides are given. The speaker is asked, and not listened to.
fn watch<S: Speak>(mut observer: S::Observer, speaker: &S, chunks: &[Chunk], piece: usize) -> (Findings, Expect) {
    let identity = identity();
    for chunk in chunks {
        match chunk {
            Chunk::Bytes(from, bytes) => bytes.chunks(piece).for_each(|part| {
                observer.bytes(*from, part);
                let _ = speaker.next(&observer, &call(&identity));
            }),
            Chunk::Tls => observer.tls_started(),
        }
    }
    observer.closed(Direction::Client);
    observer.closed(Direction::Server);
    let expect = observer.expect();
    (observer.into_findings(), expect)
}

/// The server's side is given, our speaker is the client.
fn talk<S: Speak>(mut observer: S::Observer, speaker: &S, chunks: &[Chunk], piece: usize) -> Findings {
    let mut said = 0;
    let identity = identity();
    let mut listen = |observer: &mut S::Observer| loop {
        match speaker.next(observer, &call(&identity)) {
            Next::Say(line) => {
                said += 1;
                assert!(said <= SAID_MAX && (line.ends_with(b"\r\n") || line.ends_with(b">")), "line {said}: {line:?}");
                observer.bytes(Direction::Client, &line);
            }
            next => return next,
        }
    };
    listen(&mut observer);
    for chunk in chunks {
        let bytes: &[u8] = if let Chunk::Bytes(_, bytes) = chunk { bytes } else { &[] };
        for part in bytes.chunks(piece) {
            observer.bytes(Direction::Server, part);
            let next = listen(&mut observer);
            if next == Next::Close {
                return observer.into_findings();
            }
        }
        if matches!(chunk, Chunk::Tls) && listen(&mut observer) == Next::StartTls {
            observer.tls_started();
            assert_ne!(listen(&mut observer), Next::StartTls, "TLS in TLS");
        }
    }
    observer.closed(Direction::Server);
    observer.into_findings()
}

fn assert_bounded(findings: &Findings) {
    let Findings { greeting, refusal, violation, upgrade, before, after, .. } = findings;
    assert_text(greeting.as_deref(), limits::GREETING);
    assert_text(upgrade.reply.as_deref(), 3 * limits::LINE);
    assert_text(refusal.as_deref(), 3 * limits::LINE);
    assert_text(violation.as_deref(), 3 * limits::VIOLATION);
    for Capabilities { list, auth, .. } in [before, after] {
        assert!(list.len() <= limits::CAPABILITIES && auth.len() <= limits::MECHANISMS);
        assert!(list.iter().map(str::len).sum::<usize>() <= limits::CAPABILITY_BYTES);
        for item in list.iter().chain(auth.iter()) {
            assert_text(Some(item), 3 * limits::LINE);
            assert!(!item.contains('\n'), "{item:?}");
        }
    }
}

fn assert_text(text: Option<&str>, max: usize) {
    let text = text.unwrap_or_default();
    assert!(text.len() <= max, "{} bytes of at most {max}", text.len());
    let hostile = text.chars().find(|c| c.is_control() && !matches!(c, '\t' | '\n'));
    assert_eq!(hostile, None, "{text:?}");
}
