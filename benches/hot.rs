//! The hot path, piece by piece, without a kernel: what one probe and one answer cost.
//!
//! `cargo bench` prints the time of 1024 items; read it as ratios between rows of one run.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use starling::base::Instant;
use starling::base::keyed::Key;
use starling::nic::{contract, verdict};
use starling::targets::cidr::AddressSet;
use starling::targets::permute::{Permutation, Walk};
use starling::targets::ports;
use starling::targets::{Space, Target};
use starling::tcp::cookie::{PortRange, cookie};
use starling::tcp::table::Table;
use starling::tcp::wheel::Wheel;
use starling::wire::emit::{Outgoing, segment as emit};
use starling::wire::parse::segment as parse;
use starling::wire::probe::{Facts, Template};
use starling::wire::{Link, Tuple, flags};

const KEY: Key = Key([1, 2]);
const US: u32 = 0x0a4d_0002;
const LINK: Link = Link { source: [2, 0, 0, 0, 0, 1], destination: [2, 0, 0, 0, 0, 2] };
const PORTS: PortRange = PortRange { first: 61_000, last: 65_535 };
/// Items per measured call, so that the clock's own cost vanishes.
const ITEMS: u64 = 1_024;

fn main() {
    divan::main();
}

/// The Internet less reserved ranges, on four ports.
fn internet() -> Space {
    let addresses = AddressSet::allowed(&[(0, u32::MAX)], &[]);
    Space::new(addresses, ports::parse("smtp,imap,imaps,https").expect("known names"))
}

fn endless(space: &Space) -> Walk {
    let permutation = Permutation::new(space.size(), 42);
    permutation.walk(0..permutation.positions())
}

fn facts(target: Target) -> Facts {
    let source_port = PORTS.pick(KEY, target.address, target.port, 0);
    let tuple = Tuple { remote: target.address, local: US, remote_port: target.port, local_port: source_port };
    Facts { address: target.address, port: target.port, source_port, seq: cookie(KEY, tuple) }
}

/// A SYN-ACK that answers a probe to 198.18.0.1:25.
fn syn_ack() -> Vec<u8> {
    let probe = facts(Target { address: 0xc612_0001, port: 25 });
    let tuple = Tuple { remote: US, local: probe.address, remote_port: probe.source_port, local_port: probe.port };
    let outgoing = Outgoing {
        tuple,
        seq: 9,
        ack: probe.seq.wrapping_add(1),
        flags: flags::SYN | flags::ACK,
        window: 65_535,
        mss: Some(1_460),
        payload: &[],
        id: 1,
    };
    let mut buffer = [0; 128];
    let length = emit(&LINK, &outgoing, &mut buffer);
    buffer[..length].to_vec()
}

#[divan::bench]
fn permutation(bencher: Bencher<'_, '_>) {
    let space = internet();
    let mut walk = endless(&space);
    bencher.counter(ItemsCount::new(ITEMS)).bench_local(|| {
        for _ in 0..ITEMS {
            black_box(walk.next());
        }
    });
}

#[divan::bench]
fn permutation_and_look_up(bencher: Bencher<'_, '_>) {
    let space = internet();
    let mut walk = endless(&space);
    bencher.counter(ItemsCount::new(ITEMS)).bench_local(|| {
        for _ in 0..ITEMS {
            black_box(walk.next().map(|index| space.target(index)));
        }
    });
}

#[divan::bench]
fn whole_probe(bencher: Bencher<'_, '_>) {
    let space = internet();
    let mut walk = endless(&space);
    let template = Template::new(&LINK, US);
    let mut frames = vec![[0; 64]; 512];
    bencher.counter(ItemsCount::new(ITEMS)).bench_local(|| {
        for item in 0..ITEMS {
            let target = space.target(walk.next().expect("endless"));
            let frame = &mut frames[usize::try_from(item % 512).expect("small")];
            black_box(template.write(&facts(target), frame));
        }
    });
}

#[divan::bench]
fn parse_an_answer(bencher: Bencher<'_, '_>) {
    let frame = syn_ack();
    bencher.counter(ItemsCount::new(ITEMS)).bench_local(|| {
        for _ in 0..ITEMS {
            let _ = black_box(parse(black_box(&frame)));
        }
    });
}

#[divan::bench]
fn verdict_on_an_answer(bencher: Bencher<'_, '_>) {
    let frame = syn_ack();
    let config = contract::Config::new(KEY, US, PORTS.first, PORTS.last);
    assert_eq!(verdict::verdict(&frame, &config).0, contract::Verdict::Up);
    bencher.counter(ItemsCount::new(ITEMS)).bench_local(|| {
        for _ in 0..ITEMS {
            black_box(verdict::verdict(black_box(&frame), &config));
        }
    });
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
