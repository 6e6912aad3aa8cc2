//! The stateless proof: a probe's source port and sequence number come from a keyed hash of its target, so
//! an answer is checked without memory of the question. `ebpf/verdict.h` checks the same in the kernel.

use crate::base::keyed::Key;
use crate::base::wide::{Work, widely};
use crate::wire::Tuple;
use crate::wire::probe::{Finished, Template};

/// How far beyond cookie + 1 an acknowledgement may lie and still be of a connection of ours: what we say on one
/// stays far below it.
pub const ACK_WINDOW: u32 = 65_536;

/// The sequence number of the SYN on `tuple`: low half of SipHash-1-3 over the twelve bytes remote address,
/// local address, remote port, local port, each as on the wire.
#[inline]
pub fn cookie(key: Key, tuple: Tuple) -> u32 {
    let (m0, m1) = message(tuple);
    key.half12(m0, m1)
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "it is compiled for the registers of its caller")]
fn message(tuple: Tuple) -> (u64, u32) {
    let m0 = u64::from(tuple.remote.swap_bytes()) | u64::from(tuple.local.swap_bytes()) << 32;
    let m1 = u32::from(tuple.remote_port.swap_bytes()) | u32::from(tuple.local_port.swap_bytes()) << 16;
    (m0, m1)
}

/// So many probes are made side by side: as many as fill the wide registers.
const ABREAST: usize = 32;

/// Probes in the making, field by field, so that each step is one loop over all of them.
#[derive(Clone, Debug)]
pub struct Batch {
    count: usize,
    addresses: [u32; Self::SIZE],
    ports: [u16; Self::SIZE],
    numbers: [u8; Self::SIZE],
}

impl Default for Batch {
    fn default() -> Self {
        Self { count: 0, addresses: [0; Self::SIZE], ports: [0; Self::SIZE], numbers: [0; Self::SIZE] }
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

    /// Further probes, the `number`-th each: to which port of which address.
    ///
    /// # Panics
    /// If there is no room.
    #[inline]
    pub fn extend(&mut self, number: u8, targets: impl Iterator<Item = (u32, u16)>) {
        let mut count = self.count; // in a register
        for (address, port) in targets {
            self.addresses[count] = address;
            self.ports[count] = port;
            self.numbers[count] = number;
            count += 1;
        }
        self.count = count;
    }

    /// Makes them all, as `maker` says.
    ///
    /// # Panics
    /// If there are not as many places.
    #[inline]
    pub fn finish(&self, maker: &Maker<'_>, places: &mut [Finished]) {
        assert!(places.len() >= self.count, "a place for each probe");
        widely(Making { batch: self, maker, places: &mut places[..self.count] });
    }
}

/// What probes are made with.
#[derive(Clone, Copy, Debug)]
pub struct Maker<'a> {
    /// Of the cookies.
    pub key: Key,
    /// Our address.
    pub local: u32,
    /// Our ports.
    pub source_ports: &'a SourcePorts,
    /// What they have in common.
    pub template: &'a Template,
}

/// The making of a batch.
struct Making<'a> {
    batch: &'a Batch,
    maker: &'a Maker<'a>,
    places: &'a mut [Finished],
}

impl Work for Making<'_> {
    type Result = ();

    #[inline(always)]
    fn run(self) {
        let Self { batch, maker, places } = self;
        let (addresses, _) = batch.addresses.as_chunks::<ABREAST>();
        let (ports, _) = batch.ports.as_chunks::<ABREAST>();
        let (numbers, _) = batch.numbers.as_chunks::<ABREAST>();
        let blocks = addresses.iter().zip(ports).zip(numbers).zip(places.chunks_mut(ABREAST));
        for (((addresses, ports), numbers), places) in blocks {
            let probes = maker.make(addresses, ports, numbers);
            places.copy_from_slice(&probes[..places.len()]);
        }
    }
}

impl Maker<'_> {
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "it is compiled for the registers of its caller")]
    fn make<const MANY: usize>(
        &self,
        addresses: &[u32; MANY],
        ports: &[u16; MANY],
        numbers: &[u8; MANY],
    ) -> [Finished; MANY] {
        let mut source_ports = [0; MANY];
        for (nth, source_port) in source_ports.iter_mut().enumerate() {
            *source_port = self.source_ports.pick(addresses[nth], ports[nth], numbers[nth]);
        }
        let (mut m0, mut m1) = ([0; MANY], [0; MANY]);
        for nth in 0..MANY {
            let (remote, local) = (addresses[nth], self.local);
            let tuple = Tuple { remote, local, remote_port: ports[nth], local_port: source_ports[nth] };
            (m0[nth], m1[nth]) = message(tuple);
        }
        let cookies = self.key.hash12_abreast(m0, m1);
        self.template.finish_abreast(addresses, ports, &source_ports, &cookies)
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
/// They only have to be spread, for the cookie is the proof: a few multiplications do, of which the processor makes many
/// at once, where another SipHash would be a fifth of what a probe costs. Whoever sees the ports may learn this key, so
/// it is good for nothing else.
#[derive(Clone, Copy, Debug)]
pub struct SourcePorts {
    range: PortRange,
    keys: [u32; 2],
}

impl SourcePorts {
    /// Ports of `range`, spread by `key`, which must serve no other purpose.
    pub const fn new(range: PortRange, Key([key, _]): Key) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the halves are meant")]
        let keys = [key as u32, (key >> 32) as u32];
        Self { range, keys }
    }

    /// The port for the `probe`-th probe to a target.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "it is compiled for the registers of its caller")]
    pub fn pick(&self, address: u32, port: u16, probe: u8) -> u16 {
        let first = mixed(address ^ self.keys[0]);
        let hash = mixed(first ^ self.keys[1] ^ (u32::from(probe) << 16 | u32::from(port)));
        let count = u64::from(self.range.last - self.range.first) + 1;
        #[expect(clippy::cast_possible_truncation, reason = "below the count of ports")]
        let offset = ((u64::from(hash) * count) >> 32) as u16;
        self.range.first + offset
    }
}

/// A bijection in which each bit depends on all: `lowbias32` of Wellons' search (hash-prospector).
#[inline(always)]
#[expect(clippy::inline_always, reason = "it is compiled for the registers of its caller")]
const fn mixed(mut word: u32) -> u32 {
    word ^= word >> 16;
    word = word.wrapping_mul(0x7feb_352d);
    word ^= word >> 15;
    word = word.wrapping_mul(0x846c_a68b);
    word ^ word >> 16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Link;
    use crate::wire::probe::Facts;
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
            key: [u64; 2], local: u32, probes in proptest::collection::vec(any::<(u32, u16, u8)>(), 0..=Batch::SIZE),
        ) {
            let (key, mut batch) = (Key(key), Batch::default());
            let link = Link { source: [2, 0, 0, 0, 0, 1], destination: [2, 0, 0, 0, 0, 2] };
            let template = Template::new(&link, local);
            let source_ports = SourcePorts::new(PortRange { first: 1_000, last: 65_000 }, key);
            probes.iter().for_each(|(address, port, number)| batch.extend(*number, std::iter::once((*address, *port))));
            let alone: Vec<Finished> = probes.iter().map(|(address, port, number)| {
                let source_port = source_ports.pick(*address, *port, *number);
                let tuple = Tuple { remote: *address, local, remote_port: *port, local_port: source_port };
                template.finish(&Facts { address: *address, port: *port, source_port, seq: cookie(key, tuple) })
            }).collect();
            let maker = Maker { key, local, source_ports: &source_ports, template: &template };
            let mut places = vec![[0; 16]; probes.len()];
            batch.finish(&maker, &mut places);
            prop_assert_eq!(&places, &alone);
            // As on processors without wide registers.
            places.fill([0; 16]);
            Making { batch: &batch, maker: &maker, places: &mut places }.run();
            prop_assert_eq!(&places, &alone);
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
