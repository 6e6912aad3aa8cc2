//! The hot path, piece by piece, without a kernel: what one probe and one answer cost.
//!
//! `cargo bench` prints the time of 1024 items; read it as ratios between rows of one run.
//! `cargo bench --bench instructions` counts instead.

mod pieces;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use pieces::{KEY, PIECES, US};
use starling::base::Instant;
use starling::tcp::table::Table;
use starling::tcp::wheel::Wheel;
use starling::wire::Tuple;

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
