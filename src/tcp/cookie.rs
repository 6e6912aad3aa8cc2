//! The stateless proof: a probe's source port and sequence number come from a keyed hash of its target, so
//! an answer is checked without memory of the question. `ebpf/verdict.h` checks the same in the kernel.

use crate::base::keyed::Key;
use crate::wire::Tuple;

/// How far beyond cookie + 1 an acknowledgement may lie and still be of a connection of ours: what we say on one
/// stays far below it.
pub const ACK_WINDOW: u32 = 65_536;

/// The sequence number of the SYN on `tuple`: low half of SipHash-1-3 over the twelve bytes remote address,
/// local address, remote port, local port, each as on the wire.
#[inline]
pub fn cookie(key: Key, tuple: Tuple) -> u32 {
    let [m0, m1] = message(tuple);
    #[expect(clippy::cast_possible_truncation, reason = "the low half is the cookie")]
    let low = key.hash12(m0, m1 as u32) as u32;
    low
}

#[inline]
fn message(tuple: Tuple) -> [u64; 2] {
    let m0 = u64::from(tuple.remote.swap_bytes()) | u64::from(tuple.local.swap_bytes()) << 32;
    let m1 = u32::from(tuple.remote_port.swap_bytes()) | u32::from(tuple.local_port.swap_bytes()) << 16;
    [m0, u64::from(m1)]
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
    /// The port for the `probe`-th probe to a target: spread by the keyed hash.
    #[inline]
    pub fn pick(self, key: Key, address: u32, port: u16, probe: u8) -> u16 {
        let hash = key.hash12(u64::from(address) | u64::from(probe) << 32, u32::from(port));
        let count = u64::from(self.last - self.first) + 1;
        #[expect(clippy::cast_possible_truncation, reason = "below the count of ports")]
        let offset = (((hash >> 32) * count) >> 32) as u16;
        self.first + offset
    }

    /// Whether `port` is one of ours.
    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }
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
        fn ports_stay_in_their_range(key: [u64; 2], address: u32, port: u16, probe: u8, a: u16, b: u16) {
            let range = PortRange { first: a.min(b), last: a.max(b) };
            prop_assert!(range.contains(range.pick(Key(key), address, port, probe)));
        }
    }
}
