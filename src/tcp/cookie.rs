//! The stateless proof: a probe's source port and sequence number come from a keyed hash of its target, so
//! an answer is checked without memory of the question. `ebpf/verdict.h` checks the same in the kernel.

use crate::base::keyed::{ABREAST, Key};
use crate::wire::Tuple;
use crate::wire::probe::Facts;

/// How far beyond cookie + 1 an acknowledgement may lie and still be of a connection of ours: what we say on one
/// stays far below it.
pub const ACK_WINDOW: u32 = 65_536;

/// The sequence number of the SYN on `tuple`: low half of SipHash-1-3 over the twelve bytes remote address,
/// local address, remote port, local port, each as on the wire.
#[inline]
pub fn cookie(key: Key, tuple: Tuple) -> u32 {
    let (m0, m1) = message(tuple);
    #[expect(clippy::cast_possible_truncation, reason = "the low half is the cookie")]
    let low = key.hash12(m0, m1) as u32;
    low
}

#[inline]
fn message(tuple: Tuple) -> (u64, u32) {
    let m0 = u64::from(tuple.remote.swap_bytes()) | u64::from(tuple.local.swap_bytes()) << 32;
    let m1 = u32::from(tuple.remote_port.swap_bytes()) | u32::from(tuple.local_port.swap_bytes()) << 16;
    (m0, m1)
}

/// Probes in the making, field by field, so that each step is one loop over all of them.
#[derive(Clone, Debug)]
pub struct Batch {
    count: usize,
    addresses: [u32; Self::SIZE],
    ports: [u16; Self::SIZE],
    source_ports: [u16; Self::SIZE],
    cookies: [u32; Self::SIZE],
}

impl Default for Batch {
    fn default() -> Self {
        let (words, halves) = ([0; Self::SIZE], [0; Self::SIZE]);
        Self { count: 0, addresses: words, ports: halves, source_ports: halves, cookies: words }
    }
}

impl Batch {
    /// Probes that there is room for.
    pub const SIZE: usize = 2 * ABREAST;

    /// How many probes it has.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether it has none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Begins anew.
    pub fn clear(&mut self) {
        self.count = 0;
    }

    /// Further probes: to which port of which address, and from which port.
    ///
    /// # Panics
    /// If there is no room.
    #[inline]
    pub fn extend(&mut self, probes: impl Iterator<Item = ((u32, u16), u16)>) {
        let mut count = self.count; // in a register
        for ((address, port), source_port) in probes {
            self.addresses[count] = address;
            self.ports[count] = port;
            self.source_ports[count] = source_port;
            count += 1;
        }
        self.count = count;
    }

    /// The facts of all, each with the [`cookie`] of a probe from `local`.
    #[inline]
    pub fn facts(&mut self, key: Key, local: u32) -> impl Iterator<Item = Facts> {
        let Self { count, addresses, ports, source_ports, cookies } = self;
        let tuple = |nth: usize| Tuple {
            remote: addresses[nth],
            local,
            remote_port: ports[nth],
            local_port: source_ports[nth],
        };
        key.hash12_each(|nth| message(tuple(nth)), &mut cookies[..*count]);
        let targets = addresses.iter().zip(ports).zip(source_ports.iter().zip(cookies)).take(*count);
        targets.map(|((address, port), (source_port, cookie))| Facts {
            address: *address,
            port: *port,
            source_port: *source_port,
            seq: *cookie,
        })
    }
}

/// Our source ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// First port.
    pub first: u16,
    /// Last port.
    pub last: u16,
}

impl PortRange {
    /// Whether `port` is one of ours.
    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }
}

/// Which of our source ports a probe comes from.
///
/// They only have to be spread, for the cookie is the proof: two multiplications do, where another SipHash would be a
/// fifth of what a probe costs. Whoever sees the ports may learn these keys, so they are good for nothing else.
#[derive(Clone, Copy, Debug)]
pub struct SourcePorts {
    range: PortRange,
    keys: [u64; 2],
}

impl SourcePorts {
    /// Ports of `range`, spread by `key`, which must serve no other purpose.
    pub const fn new(range: PortRange, Key(keys): Key) -> Self {
        Self { range, keys }
    }

    /// The port for the `probe`-th probe to a target.
    #[inline]
    pub fn pick(&self, address: u32, port: u16, probe: u8) -> u16 {
        let target = u64::from(address) << 24 | u64::from(port) << 8 | u64::from(probe);
        let hash = folded(folded(target ^ self.keys[0], 0x9e37_79b9_7f4a_7c15) ^ self.keys[1], 0xd1b5_4a32_d192_ed03);
        let count = u64::from(self.range.last - self.range.first) + 1;
        #[expect(clippy::cast_possible_truncation, reason = "below the count of ports")]
        let offset = (((hash >> 32) * count) >> 32) as u16;
        self.range.first + offset
    }
}

/// Both halves of the product, xored: each bit of it depends on all of both factors.
#[inline]
fn folded(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    #[expect(clippy::cast_possible_truncation, reason = "the halves are meant")]
    let (low, high) = (product as u64, (product >> 64) as u64);
    low ^ high
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::hash::Hasher;

    proptest! {
        #[test]
        fn the_message_is_the_twelve_bytes_of_the_wire(key: [u64; 2], remote: u32, local: u32, remote_port: u16, local_port: u16) {
            let mut bytes = remote.to_be_bytes().to_vec();
            bytes.extend(local.to_be_bytes());
            bytes.extend(remote_port.to_be_bytes());
            bytes.extend(local_port.to_be_bytes());
            let mut reference = siphasher::sip::SipHasher13::new_with_keys(key[0], key[1]);
            reference.write(&bytes);
            let tuple = Tuple { remote, local, remote_port, local_port };
            prop_assert_eq!(u64::from(cookie(Key(key), tuple)), reference.finish() & 0xffff_ffff);
        }

        #[test]
        fn probes_made_together_are_those_made_alone(
            key: [u64; 2], local: u32, probes in proptest::collection::vec(any::<(u32, u16, u16)>(), 0..=Batch::SIZE),
        ) {
            let (key, mut batch) = (Key(key), Batch::default());
            batch.extend(probes.iter().map(|(address, port, source_port)| ((*address, *port), *source_port)));
            let alone = probes.iter().map(|(address, port, source_port)| {
                let tuple = Tuple { remote: *address, local, remote_port: *port, local_port: *source_port };
                Facts { address: *address, port: *port, source_port: *source_port, seq: cookie(key, tuple) }
            });
            prop_assert_eq!(batch.facts(key, local).collect::<Vec<_>>(), alone.collect::<Vec<_>>());
        }

        #[test]
        fn ports_stay_in_their_range(key: [u64; 2], address: u32, port: u16, probe: u8, a: u16, b: u16) {
            let range = PortRange { first: a.min(b), last: a.max(b) };
            prop_assert!(range.contains(SourcePorts::new(range, Key(key)).pick(address, port, probe)));
        }
    }

    /// Pearson's statistic of `counts` against equal shares, by its degrees of freedom: about 1 if they are random.
    fn unevenness(counts: &[u32]) -> f64 {
        let mean = f64::from(counts.iter().sum::<u32>()) / counts.len() as f64;
        counts.iter().map(|count| (f64::from(*count) - mean).powi(2) / mean).sum::<f64>() / (counts.len() - 1) as f64
    }

    #[test]
    fn ports_are_spread_over_neighbours_ports_and_probes_alike() {
        let range = PortRange { first: 61_000, last: 61_999 };
        for key in [Key([1, 2]), Key([0, 0]), Key([u64::MAX, 7])] {
            let ports = SourcePorts::new(range, key);
            let counted = |picks: &mut dyn Iterator<Item = u16>| {
                let mut counts = [0; 1_000];
                picks.for_each(|port| counts[usize::from(port - 61_000)] += 1);
                unevenness(&counts)
            };
            let kinds = [
                counted(&mut (0..100_000).map(|host| ports.pick(0x0a00_0000 + host, 25, 0))),
                counted(&mut (0..100_000).map(|host| ports.pick(host << 8, 443, 1))),
                counted(&mut (0..=u16::MAX).map(|port| ports.pick(0x0102_0304, port, 0))),
                counted(&mut (0..100_000).map(|n: u32| ports.pick(n / 200, 25, u8::try_from(n % 200).expect("small")))),
            ];
            assert!(kinds.iter().all(|kind| (0.8..1.2).contains(kind)), "{kinds:?} with {key:?}");
        }
    }
}
