//! The world as userspace knows it: the same hash and the same rules as `ebpf/responder.bpf.c`.

use crate::rates::{Rates, Verdict};
use std::thread;

/// What there is to probe, and what it does.
#[derive(Clone, Debug)]
pub(crate) struct World {
    /// Key of the hash.
    pub(crate) key: u64,
    /// First and last address.
    pub(crate) addresses: (u32, u32),
    /// Ports, ascending.
    pub(crate) ports: Vec<u16>,
    pub(crate) rates: Rates,
}

/// All targets of a world, by verdict, and the sum of their hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// In the order of [`Verdict::ALL`].
    pub(crate) verdicts: [u64; Verdict::ALL.len()],
    /// Modulo 2^64.
    pub(crate) hash_sum: u64,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.verdicts.iter_mut().zip(other.verdicts).for_each(|(sum, count)| *sum += count);
        self.hash_sum = self.hash_sum.wrapping_add(other.hash_sum);
    }
}

/// The second half of splitmix64.
const fn mix(mut value: u64) -> u64 {
    value ^= value >> 30;
    value = value.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value ^= value >> 27;
    value = value.wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

impl World {
    /// The key that a seed stands for.
    pub(crate) const fn key_of(seed: u64) -> u64 {
        mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15))
    }

    /// Number of addresses.
    pub(crate) fn width(&self) -> u64 {
        u64::from(self.addresses.1 - self.addresses.0) + 1
    }

    /// Number of targets.
    pub(crate) fn targets(&self) -> u64 {
        self.width() * self.ports.len() as u64
    }

    fn hash(&self, address: u32, port: u16) -> u64 {
        mix((u64::from(address) | (u64::from(port) << 32)).wrapping_add(self.key))
    }

    /// What the target does.
    pub(crate) fn verdict(&self, address: u32, port: u16) -> Verdict {
        let draw = (self.hash(address, port) >> 33) as u32;
        self.rates.of(port).verdict(draw)
    }

    /// Goes through all targets, on all processors.
    pub(crate) fn tally(&self) -> Tally {
        let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let parts: Vec<Tally> = thread::scope(|scope| {
            let workers: Vec<_> =
                (0..threads).map(|part| scope.spawn(move || self.tally_part(part, threads))).collect();
            workers.into_iter().map(|worker| worker.join().unwrap_or_default()).collect()
        });
        let mut all = Tally::default();
        parts.iter().for_each(|part| all.add(part));
        all
    }

    fn tally_part(&self, part: usize, parts: usize) -> Tally {
        let mut tally = Tally::default();
        let width = self.width();
        let (from, to) = (width * part as u64 / parts as u64, width * (part as u64 + 1) / parts as u64);
        for &port in &self.ports {
            let rule = self.rates.of(port);
            for offset in from..to {
                let hash =
                    mix(((u64::from(self.addresses.0) + offset) | (u64::from(port) << 32)).wrapping_add(self.key));
                let draw = (hash >> 33) as u32;
                tally.verdicts[rule.verdict(draw) as usize] += 1;
                tally.hash_sum = tally.hash_sum.wrapping_add(hash);
            }
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tally_is_that_of_each_target_alone() {
        let rates = Rates::parse("* syn_ack=10% rst=10%; 81 icmp=30% syn_ack_only=5%").expect("well-formed");
        let world =
            World { key: World::key_of(7), addresses: (0xc612_0000, 0xc612_03e6), ports: vec![80, 81, 443], rates };
        let mut expected = Tally::default();
        for port in [80, 81, 443] {
            for address in world.addresses.0..=world.addresses.1 {
                expected.verdicts[world.verdict(address, port) as usize] += 1;
                expected.hash_sum = expected.hash_sum.wrapping_add(world.hash(address, port));
            }
        }
        assert_eq!(world.tally(), expected);
        assert_eq!(expected.verdicts.iter().sum::<u64>(), world.targets());
        assert!(expected.verdicts.iter().all(|count| *count > 20), "{expected:?}");
    }
}
