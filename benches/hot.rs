//! The hot path, piece by piece, without a kernel: what one probe and one answer cost.
//!
//! `cargo bench` prints the time of 1024 items; read it as ratios between rows of one run.
//! `cargo bench --bench instructions` counts instead.

mod pieces;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use pieces::{KEY, PIECES, US};
use starling::base::{Instant, UtcMicros};
use starling::record::certificate::digest;
use starling::tcp::table::Table;
use starling::tcp::wheel::Wheel;
use starling::verify::Judge;
use starling::verify::facts::Facts;
use starling::verify::store::Store;
use starling::wire::Tuple;
use std::sync::Arc;

/// Items per measured call, so that the clock's own cost vanishes.
const ITEMS: u64 = 1_024;

fn main() {
    divan::main();
}

#[divan::bench(args = PIECES.iter().map(|(name, _)| *name))]
fn piece(bencher: Bencher<'_, '_>, name: &str) {
    let (_, make) = PIECES.iter().find(|(known, _)| *known == name).expect("a known piece");
    let mut run = make();
    bencher.counter(ItemsCount::new(ITEMS)).bench_local(|| run(ITEMS));
}

/// Connections in the table, hints in the wheel.
const MILLION: u32 = 1_000_000;

fn connection(number: u32) -> Tuple {
    Tuple { remote: number.wrapping_mul(0x9e37_79b1), local: US, remote_port: 25, local_port: 61_000 }
}

#[divan::bench]
fn find_among_a_million(bencher: Bencher<'_, '_>) {
    let mut table = Table::new(MILLION as usize, KEY);
    for number in 0..MILLION {
        table.insert(&connection(number), number).expect("room");
    }
    let mut number = 0;
    bencher.counter(ItemsCount::new(ITEMS)).bench_local(|| {
        for _ in 0..ITEMS {
            number = (number + 7_919) % MILLION;
            black_box(table.find(&connection(number)).expect("it was inserted"));
        }
    });
}

#[divan::bench]
fn replace_among_a_million(bencher: Bencher<'_, '_>) {
    let mut table = Table::new(MILLION as usize, KEY);
    for number in 0..MILLION {
        table.insert(&connection(number), number).expect("room");
    }
    let mut number = MILLION;
    bencher.counter(ItemsCount::new(ITEMS)).bench_local(|| {
        for _ in 0..ITEMS {
            let oldest = table.find(&connection(number - MILLION)).expect("it was inserted");
            table.remove(oldest);
            table.insert(&connection(number), number).expect("room");
            number += 1;
        }
    });
}

#[divan::bench]
fn set_and_expire_among_a_million(bencher: Bencher<'_, '_>) {
    let (mut wheel, mut due, mut now) = (Wheel::default(), Vec::new(), 0);
    // A million hints, each of which is set again ten seconds later.
    for number in 0..u64::from(MILLION) {
        wheel.set(Instant::from_nanos(number * 10_000), number);
    }
    let mut turned = 0;
    bencher.counter(ItemsCount::new(ITEMS)).bench_local(|| {
        turned += ITEMS;
        while turned > 0 {
            now += 4_000_000;
            wheel.expire(Instant::from_nanos(now), &mut due);
            turned = turned.saturating_sub(due.len() as u64);
            for number in due.drain(..) {
                wheel.set(Instant::from_nanos(now + 10_000_000_000), number);
            }
        }
    });
}

/// What a row of `certificates` takes, from the DER: fingerprint, and every field that is read.
#[divan::bench]
fn digest_a_certificate(bencher: Bencher<'_, '_>) {
    const LEAF: &[u8] = include_bytes!("../tests/data/chain-leaf.der");
    bencher.counter(ItemsCount::new(ITEMS)).bench_local(|| {
        for _ in 0..ITEMS {
            black_box(digest(black_box(LEAF), UtcMicros(1_795_442_462_000_123)));
        }
    });
}

/// A chain of three from the corpus of the fuzzer (P-256), its leaf new each time: parsed, one signature checked, judged.
/// The issuers are known, as in a large dataset.
#[divan::bench]
fn judge_a_new_chain(bencher: Bencher<'_, '_>) {
    const CHAIN: &[u8] = include_bytes!("../fuzz/corpus/verify/seed-valid");
    let (mut ders, mut rest) = (Vec::<&[u8]>::new(), &CHAIN[2..]);
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let (der, after) = after.split_at(usize::from(u16::from_be_bytes(*length)));
        ders.push(der);
        rest = after;
    }
    let facts = |der: &[u8]| Arc::new(Facts::read(Arc::from(der)).expect("a certificate"));
    let (mut roots, mut pool) = (Store::default(), Store::default());
    roots.add(facts(ders[2]));
    pool.add(facts(ders[1]));
    let (middle, root) = (facts(ders[1]), facts(ders[2]));
    let mut judge = Judge::new(&roots, "bench", &pool);
    bencher.counter(ItemsCount::new(16_u32)).bench_local(|| {
        for _ in 0..16 {
            let leaf = facts(ders[0]);
            let chain = [&leaf, &middle, &root].map(|facts| (facts.sha256, Some(facts.clone())));
            let verdict = judge.judge([0; 32], &chain, UtcMicros(1_795_442_462_000_123));
            assert_eq!(verdict.path.len(), 3);
        }
    });
}
