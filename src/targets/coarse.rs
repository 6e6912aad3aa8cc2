//! A coarse index over ascending keys: a look-up costs one load of it and a search among a handful of keys.

use std::ops::Range;

/// Most blocks: 256 KiB of counts, so that they stay in the second-level cache beside the keys of a routing table.
const BLOCKS_MAX: u64 = 1 << 16;
/// Blocks for each key, up to that: most windows of few keys are empty, and an empty one is not searched.
const BLOCKS_A_KEY: u64 = 64;

/// For each block of 2^`shift` keys, how many keys lie before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Coarse {
    shift: u32,
    counts: Vec<u32>,
}

impl Coarse {
    /// An index over `keys`, ascending and below `end`, at most 2^32 of them.
    pub(super) fn new(keys: impl ExactSizeIterator<Item = u64>, end: u64) -> Self {
        let blocks_wanted = (keys.len() as u64 * BLOCKS_A_KEY).next_power_of_two().min(BLOCKS_MAX);
        let shift = (0..64).find(|shift| end >> shift <= blocks_wanted).unwrap_or(63);
        let blocks = (end >> shift) + 1;
        let mut counts = Vec::with_capacity(usize::try_from(blocks + 1).unwrap_or(0));
        let mut before = 0u32;
        for key in keys {
            while counts.len() as u64 <= key >> shift {
                counts.push(before);
            }
            before += 1;
        }
        while counts.len() as u64 <= blocks {
            counts.push(before);
        }
        Self { shift, counts }
    }

    /// Which keys lie in the block of `key`, by their number; all before them are less than `key`, all behind
    /// them greater.
    ///
    /// # Panics
    /// If `key` is beyond the end.
    #[inline]
    pub(super) fn window(&self, key: u64) -> Range<usize> {
        #[expect(clippy::cast_possible_truncation, reason = "at most BLOCKS_MAX blocks")]
        let block = (key >> self.shift) as usize;
        self.counts[block] as usize..self.counts[block + 1] as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_window_is_where_the_key_belongs(
            keys in proptest::collection::btree_set(0u64..1 << 33, 0..300),
            near in 0u64..3,
            at: proptest::sample::Index,
        ) {
            let keys: Vec<u64> = keys.into_iter().collect();
            let coarse = Coarse::new(keys.iter().copied(), 1 << 33);
            let known = if keys.is_empty() { 7 } else { keys[at.index(keys.len())] };
            let key = (known + near).saturating_sub(1);
            let window = coarse.window(key);
            prop_assert!(keys[..window.start].iter().all(|other| *other < key));
            prop_assert!(keys[window.end..].iter().all(|other| *other > key));
        }
    }

    #[test]
    fn dense_keys_give_small_windows() {
        let coarse = Coarse::new((0..1u32 << 20).map(|n| u64::from(n) << 12), 1 << 32);
        assert!((0..1 << 10).all(|n| coarse.window(n << 22).len() <= 16));
    }
}
