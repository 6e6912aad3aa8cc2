//! A TCP shell around the engine: one connection, one line inside.

use starling::tls::legacy::{Engine, Profile, State, hello};
use starling::tls::tap::{Flight, Tap};
use starling::tls::{Offer, Pairs};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The randomness of every connection, so that what a server says can be replayed (`tests/data/legacy`).
pub(crate) const RANDOM: [u8; 32] = [0x11; 32];
pub(crate) const SEED: [u8; 32] = [0x22; 32];

/// What a connection showed.
pub(crate) struct Seen {
    pub(crate) flight: Flight,
    pub(crate) state: State,
    /// What came back inside.
    pub(crate) plain: Vec<u8>,
    /// All that the server sent.
    pub(crate) received: Vec<u8>,
}

/// Connects as soon as the server listens; `None` if it ended before.
pub(crate) fn connect(port: u16, mut alive: impl FnMut() -> bool) -> Option<TcpStream> {
    let begin = Instant::now();
    while alive() && begin.elapsed() < Duration::from_secs(60) {
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
            return Some(stream);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

/// Completes a handshake, says `line` and takes the answer until `ends`. The server's bytes are given to the engine in
/// pieces of `piece`.
pub(crate) fn talk(
    mut stream: TcpStream,
    profile: Profile,
    piece: usize,
    line: &[u8],
    ends: impl Fn(&[u8]) -> bool,
) -> Seen {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let hello = hello(profile, Offer::Wide, None, RANDOM);
    let pairs = Arc::new(Pairs::new(SEED).unwrap());
    let (mut engine, mut tap) = (Engine::take_over(&hello[5..], SEED, pairs), Tap::server());
    stream.write_all(&hello).unwrap();
    let (mut plain, mut received, mut buffer) = (Vec::new(), Vec::new(), [0; 4_096]);
    loop {
        let count = stream.read(&mut buffer).unwrap_or(0);
        received.extend_from_slice(&buffer[..count]);
        let mut out = Vec::new();
        for piece in buffer[..count].chunks(piece) {
            tap.feed(piece);
            let before = engine.state();
            if engine.receive(piece, &mut out, &mut plain) == State::Established && before == State::Handshaking {
                engine.send(line, &mut out);
            }
        }
        let over = count == 0 || !matches!(engine.state(), State::Handshaking | State::Established) || ends(&plain);
        let state = engine.state();
        if over {
            engine.close(&mut out);
        }
        // A server that has failed does not read any more.
        let _ = stream.write_all(&out);
        if over {
            return Seen { flight: tap.into_flight(), state, plain, received };
        }
    }
}
