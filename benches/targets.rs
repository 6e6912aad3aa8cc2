//! What a target costs before its probe is written: the permutation and the look-up of its address among as many
//! prefixes as a routing table has. `cargo bench --bench targets`; a row is the time of 1024 items.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use starling::targets::Space;
use starling::targets::cidr::{AddressSet, Range, around};
use starling::targets::permute::{Permutation, Walk};
use starling::targets::ports;

const ITEMS: u64 = 1_024;
/// As many as a collector saw on 1 November 2015.
const PREFIXES: u32 = 606_138;

fn main() {
    divan::main();
}

/// Prefixes spread as announced ones are: more than half of them /24, most of these inside longer-known blocks, in
/// clusters; the same at each run.
fn announced() -> Vec<Range> {
    let mut state = 1u64;
    let mut random = move |below: u64| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((z ^ z >> 31) % below).expect("below 2^32")
    };
    let mut cluster = 0;
    (0..PREFIXES)
        .map(|number| {
            if number % 16 == 0 {
                cluster = 0x0100_0000 + random(0xdf00_0000 - 0x0100_0000);
            }
            let length = match random(100) {
                0..56 => 24,
                56..78 => 22 + u8::try_from(random(2)).expect("small"),
                78..95 => 19 + u8::try_from(random(3)).expect("small"),
                _ => 14 + u8::try_from(random(5)).expect("small"),
            };
            around(cluster.wrapping_add(random(1 << 18)), length)
        })
        .collect()
}

fn routed() -> Space {
    let set = AddressSet::new(announced()).minus(&AddressSet::reserved());
    Space::new(set, ports::parse("smtp,imap,imaps,https").expect("known names"))
}

fn internet() -> Space {
    Space::new(AddressSet::named(vec![(0, u32::MAX)]), ports::parse("smtp,imap,imaps,https").expect("known names"))
}

fn endless(space: &Space) -> Walk {
    let permutation = Permutation::new(space.size(), 42);
    permutation.walk(0..permutation.positions())
}

fn per_target<T>(bencher: Bencher<'_, '_>, space: &Space, what: impl Fn(u64) -> T) {
    let mut walk = endless(space);
    bencher.counter(ItemsCount::new(ITEMS)).bench_local(|| {
        for _ in 0..ITEMS {
            black_box(what(walk.next().expect("endless")));
        }
    });
}

#[divan::bench]
fn permutation(bencher: Bencher<'_, '_>) {
    per_target(bencher, &internet(), |index| index);
}

#[divan::bench]
fn target_of_all_of_ipv4(bencher: Bencher<'_, '_>) {
    let space = internet();
    per_target(bencher, &space, |index| space.target(index));
}

#[divan::bench]
fn target_of_606138_prefixes(bencher: Bencher<'_, '_>) {
    let space = routed();
    per_target(bencher, &space, |index| space.target(index));
}

/// What a blocklist costs that was read again: here as long as a routing table.
#[divan::bench]
fn contains_among_606138_prefixes(bencher: Bencher<'_, '_>) {
    let (space, list) = (internet(), AddressSet::new(announced()));
    per_target(bencher, &space, |index| list.contains(space.target(index).address));
}

#[divan::bench]
fn build_of_606138_prefixes(bencher: Bencher<'_, '_>) {
    bencher
        .with_inputs(announced)
        .bench_local_values(|ranges| AddressSet::new(ranges).minus(&AddressSet::reserved()).len());
}
