//! Who has answered: exact for the whole run, shared by its lanes.
//!
//! A set of 32-bit addresses for each port and kind of answer, as roaring bitmaps: sixteen bits an address where
//! few of a /16 have answered, one bit each where many have. `cargo bench --bench memory` prints what a responder
//! costs. Only what answered a probe with its cookie gets in, so the scan's targets bound it: 8 KiB for each /16,
//! port and kind at the most.

use crate::record::answer::Kind;
use crate::targets::Target;
use roaring::RoaringBitmap;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks that share the addresses, so that lanes seldom meet.
const SHARDS: usize = 64;

/// Who has answered, on which port, in which way.
#[derive(Debug)]
pub struct Answered {
    shards: [Mutex<Shard>; SHARDS],
}

type Shard = BTreeMap<(u16, Kind), RoaringBitmap>;

impl Default for Answered {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Answered {
    /// Notes an answer; false if the target has answered in this way before.
    pub fn insert(&self, target: Target, kind: Kind) -> bool {
        self.shard(target).entry((target.port, kind)).or_default().insert(target.address)
    }

    /// Forgets an answer.
    pub fn remove(&self, target: Target, kind: Kind) {
        if let Some(set) = self.shard(target).get_mut(&(target.port, kind)) {
            set.remove(target.address);
        }
    }

    /// Whether the target has answered in this way.
    pub fn contains(&self, target: Target, kind: Kind) -> bool {
        self.shard(target).get(&(target.port, kind)).is_some_and(|set| set.contains(target.address))
    }

    /// How many answers are noted, each target and kind once.
    pub fn len(&self) -> u64 {
        self.sum(RoaringBitmap::len)
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that its addresses take, without the room for growth.
    pub fn bytes(&self) -> u64 {
        self.sum(|set| {
            let parts = set.statistics();
            parts.n_bytes_array_containers + parts.n_bytes_run_containers + parts.n_bytes_bitset_containers
        })
    }

    fn sum(&self, of: impl Fn(&RoaringBitmap) -> u64) -> u64 {
        let shards = self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner));
        shards.map(|shard| shard.values().map(&of).sum::<u64>()).sum()
    }

    /// The addresses of a /16 stay together, for they share a container.
    fn shard(&self, target: Target) -> MutexGuard<'_, Shard> {
        let shard = (target.address >> 16) as usize % SHARDS;
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn ports_and_kinds_are_told_apart() {
        let answered = Answered::default();
        let target = Target { address: 0xc612_0001, port: 25 };
        assert!(answered.insert(target, Kind::SynAck));
        assert!(!answered.insert(target, Kind::SynAck));
        assert!(answered.insert(target, Kind::Icmp));
        assert!(answered.insert(Target { port: 143, ..target }, Kind::SynAck));
        assert!(!answered.contains(target, Kind::Rst));
        assert_eq!(answered.len(), 3);
        answered.remove(target, Kind::SynAck);
        assert!(answered.insert(target, Kind::SynAck));
    }

    #[test]
    fn lanes_share_it_and_one_of_them_is_first() {
        let answered = Answered::default();
        let firsts: usize = std::thread::scope(|scope| {
            let lane =
                || (0..20_000).filter(|n| answered.insert(Target { address: n * 7, port: 1 }, Kind::Rst)).count();
            let lanes: Vec<_> = (0..4).map(|_| scope.spawn(lane)).collect();
            lanes.into_iter().map(|lane| lane.join().expect("no panic")).sum()
        });
        assert_eq!((firsts, answered.len()), (20_000, 20_000));
    }

    proptest! {
        #[test]
        fn it_is_a_set(steps in proptest::collection::vec((0u32..1 << 20, 0u16..3, any::<bool>()), 0..300)) {
            let answered = Answered::default();
            let mut model = BTreeSet::new();
            for (address, port, comes) in steps {
                let target = Target { address: address.wrapping_mul(0x9e37), port };
                if comes {
                    prop_assert_eq!(answered.insert(target, Kind::SynAck), model.insert((target.address, port)));
                } else {
                    answered.remove(target, Kind::SynAck);
                    model.remove(&(target.address, port));
                }
                prop_assert_eq!(answered.contains(target, Kind::SynAck), model.contains(&(target.address, port)));
            }
            prop_assert_eq!(answered.len(), model.len() as u64);
        }
    }
}
