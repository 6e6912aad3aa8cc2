//! Target `legacy`: the legacy engine against any server.
//!
//! The first byte says which hello it took over (bit 0: that of SSL 3.0). The rest is what the server says. Hello and
//! seed are those of the recordings in `tests/data/legacy`, so that a seed of the corpus reaches the text inside.
//!
//! Asserted: the same bytes give the same end, words and text at any split; no more text comes out than bytes went in;
//! what the engine says is bounded; nothing is sent in a connection that has failed, and a failure is final.

use starling::tls::legacy::{Engine, Profile, State, hello};
use starling::tls::{Offer, Pairs};
use std::sync::{Arc, LazyLock};

const RANDOM: [u8; 32] = [0x11; 32];
const SEED: [u8; 32] = [0x22; 32];
static PAIRS: LazyLock<Arc<Pairs>> = LazyLock::new(|| Arc::new(Pairs::new(SEED).expect("a seed that does")));
/// An empty certificate, a ClientKeyExchange of 8,192 bits, ChangeCipherSpec, Finished, alerts.
const SAID_MAX: usize = 2_048;

/// The body.
pub fn run(data: &[u8]) {
    let (mode, bytes) = data.split_first().unwrap_or((&0, &[]));
    let profile = if mode & 1 == 0 { Profile::Legacy } else { Profile::Ssl3 };
    let whole = say(profile, bytes, usize::MAX);
    assert_eq!(say(profile, bytes, 1), whole, "byte by byte and whole");
    assert_eq!(say(profile, bytes, 57), whole, "in pieces and whole");
}

/// State, what was said, what was understood.
fn say(profile: Profile, bytes: &[u8], piece: usize) -> (State, Vec<u8>, Vec<u8>) {
    let mut engine = Engine::take_over(&hello(profile, Offer::Wide, None, RANDOM)[5..], SEED, Arc::clone(&PAIRS));
    let (mut out, mut plain) = (Vec::new(), Vec::new());
    for part in bytes.chunks(piece) {
        let (before, said) = (engine.state(), out.len());
        let state = engine.receive(part, &mut out, &mut plain);
        assert!(!matches!(before, State::Failed(_)) || (state == before && out.len() == said), "a failure is final");
    }
    assert!(plain.len() <= bytes.len() && out.len() <= SAID_MAX, "{} and {} bytes", plain.len(), out.len());
    let (state, mut more) = (engine.state(), Vec::new());
    engine.send(b"QUIT\r\n", &mut more);
    assert_eq!(!more.is_empty(), state == State::Established);
    engine.close(&mut more);
    assert_eq!(more.is_empty(), matches!(state, State::Failed(_)));
    (state, out, plain)
}
