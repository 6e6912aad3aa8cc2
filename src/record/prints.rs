//! A set of fingerprints that takes little more than eight bytes for each.

use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128 as _, SipHasher24};

use crate::base::keyed::Key;
use crate::record::row::Sha256;

const BUCKET_BITS: u32 = 14;

/// The set. A fingerprint is kept as 78 bits of its SipHash-2-4 under a secret: 14 say which bucket, 64 lie in it, in order.
///
/// Two of `n` fingerprints look alike with a probability of n^2 / 2^79: 2e-10 at ten million, 2e-6 at a billion. Nobody can
/// do better on purpose, for the key is the run's and is never told; the first 78 bits of a SHA-256 itself would be
/// made to collide by 2^39 hashes.
///
/// A bucket grows for itself, by a sixteenth, so growth never takes a second copy of the whole; and a peer that chooses its
/// certificates chooses no bucket.
#[derive(Debug)]
pub(super) struct Prints {
    key: Key,
    buckets: Box<[Vec<u64>]>,
}

impl Prints {
    /// An empty set.
    pub(super) fn new(key: Key) -> Self {
        Self { key, buckets: vec![Vec::new(); 1 << BUCKET_BITS].into_boxed_slice() }
    }

    /// Adds a fingerprint; false if it is there already.
    pub(super) fn insert(&mut self, print: &Sha256) -> bool {
        let (place, rest) = self.short(print);
        let bucket = &mut self.buckets[place];
        let Err(at) = bucket.binary_search(&rest) else { return false };
        if bucket.len() == bucket.capacity() {
            bucket.reserve_exact(2 + bucket.len() / 16);
        }
        bucket.insert(at, rest);
        true
    }

    /// Bucket and what is kept in it.
    fn short(&self, print: &Sha256) -> (usize, u64) {
        let mut hasher = SipHasher24::new_with_keys(self.key.0[0], self.key.0[1]);
        hasher.write(print);
        let hash = hasher.finish128();
        ((hash.h1 >> (u64::BITS - BUCKET_BITS)) as usize, hash.h2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    const KEY: Key = Key([1, 2]);

    /// Fingerprints of which some come again, and some differ in one bit.
    fn prints() -> impl Strategy<Value = Vec<Sha256>> {
        let print = (any::<u8>(), 0..256_usize, any::<bool>()).prop_map(|(number, bit, flip)| {
            let mut print = [0; 32];
            print[0] = number / 8;
            print[bit / 8] ^= u8::from(flip) << (bit % 8);
            print
        });
        prop::collection::vec(print, 0..2_000)
    }

    proptest! {
        #[test]
        fn equals_a_set_of_whole_fingerprints(prints in prints(), key: [u64; 2]) {
            let (mut set, mut oracle) = (Prints::new(Key(key)), HashSet::new());
            for print in prints {
                prop_assert_eq!(set.insert(&print), oracle.insert(print));
            }
        }
    }

    #[test]
    fn a_million_are_each_new_once_and_take_little_more_than_eight_bytes() {
        let mut set = Prints::new(KEY);
        let number = |number: u32| {
            let mut print = [0; 32];
            print[28..].copy_from_slice(&number.to_be_bytes());
            print
        };
        assert_eq!((0..1_000_000).filter(|at| set.insert(&number(*at))).count(), 1_000_000);
        assert_eq!((0..1_000_000).filter(|at| set.insert(&number(*at))).count(), 0);
        let (held, room) =
            set.buckets.iter().fold((0, 0), |(held, room), one| (held + one.len(), room + one.capacity()));
        assert_eq!(held, 1_000_000);
        assert!(room < 1_100_000, "{room}");
        // Evenly spread: four standard deviations of a Poisson distribution and some.
        let longest = set.buckets.iter().map(Vec::len).max();
        assert!(longest < Some(110), "{longest:?}");
    }

    #[test]
    fn where_a_fingerprint_lies_depends_on_the_secret() {
        let print = [7; 32];
        let places: HashSet<_> = (0..100).map(|key| Prints::new(Key([key, 2])).short(&print)).collect();
        assert_eq!(places.len(), 100);
    }
}
