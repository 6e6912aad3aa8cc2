//! The bodies of the fuzz targets (`fuzz/src`) on their corpora (`fuzz/corpus`) and on seeded mutations of them,
//! without libFuzzer: what fuzzing has found stays found, and the targets keep compiling.
//!
//! A failure prints the input in hex; `xxd -r -p` makes a file of it for `scripts/fuzz TARGET FILE`. The seeds
//! are written anew by `cargo test --test corpus -- --ignored write_the_seeds`.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "../fuzz/src/lib.rs"]
#[allow(unreachable_pub, dead_code, reason = "a library elsewhere")]
mod bodies;
#[path = "corpus/seeds.rs"]
mod seeds;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

fn folder(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

/// The corpus of a target, in the order of file names.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder(target)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn try_on(target: &str, input: &[u8]) {
    let (_, body) = bodies::TARGETS.iter().find(|(name, _)| *name == target).unwrap();
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(input))) {
        let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
        eprintln!("{target} fails on these {} bytes: {hex}", input.len());
        std::panic::resume_unwind(panic);
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ z >> 31) % limit.max(1) as u64).unwrap()
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }
}

/// A few edits of an input; now and then it is crossed with another.
fn mutation(inputs: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = inputs[random.below(inputs.len())].clone();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        match random.below(6) {
            0 => bytes.insert(at, random.byte()),
            1 => drop(bytes.drain(at..(at + random.below(8)).min(bytes.len()))),
            2 if at < bytes.len() => bytes[at] = random.byte(),
            3 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            4 => {
                let end = (at + random.below(32)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            _ => {
                let other = &inputs[random.below(inputs.len())];
                bytes.truncate(at);
                bytes.extend_from_slice(&other[random.below(other.len() + 1)..]);
            }
        }
    }
    bytes
}

fn replay(target: &str, mutations: usize) {
    let inputs = corpus(target);
    assert!(!inputs.is_empty() && inputs.len() <= 100, "{} files in the corpus of {target}", inputs.len());
    inputs.iter().for_each(|input| try_on(target, input));
    let mut random = Random(7);
    for _ in 0..mutations {
        try_on(target, &mutation(&inputs, &mut random));
    }
}

macro_rules! replays {
    ($($target:ident: $mutations:literal,)*) => {
        $(#[test]
        fn $target() {
            replay(stringify!($target), $mutations);
        })*

        #[test]
        fn every_target_is_replayed() {
            let mut replayed = vec![$(stringify!($target)),*];
            replayed.sort_unstable();
            assert_eq!(bodies::TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>(), replayed);
            let folders = std::fs::read_dir(folder("")).unwrap().count();
            assert_eq!(folders, replayed.len());
        }
    };
}

replays! {
    certificate: 20_000,
    connection: 20_000,
    engine: 1_000,
    filter: 20_000,
    frame: 100_000,
    imap: 5_000,
    irc: 5_000,
    managesieve: 5_000,
    monitor: 20_000,
    pop3: 5_000,
    smtp: 5_000,
    targets: 20_000,
    tls: 3_000,
    verify: 3_000,
    xmpp: 5_000,
}

#[test]
#[ignore = "writes into the source tree"]
fn write_the_seeds() {
    for (target, name, bytes) in seeds::all() {
        std::fs::create_dir_all(folder(target)).unwrap();
        std::fs::write(folder(target).join(format!("seed-{name}")), bytes).unwrap();
    }
}
