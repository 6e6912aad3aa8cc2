//! What of a sweep is still to be done: what a checkpoint holds, and what a resumed run begins with.

use std::ops::Range;

/// An address in host order and a TCP port.
pub type Target = (u32, u16);

/// A part of a sweep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Positions of the order that are still to be walked: disjoint, not empty.
    pub positions: Vec<Range<u64>>,
    /// Targets of other positions that are to be probed again: they answered, and their conversation did not come to
    /// its end.
    pub again: Vec<Target>,
}

impl Left {
    /// These positions, and nothing again.
    pub fn of(positions: Range<u64>) -> Self {
        Self { positions: Vec::from_iter((!positions.is_empty()).then_some(positions)), again: Vec::new() }
    }

    /// How many positions there are.
    pub fn count(&self) -> u64 {
        self.positions.iter().map(|range| range.end - range.start).sum()
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty() && self.again.is_empty()
    }

    /// Adds `other`, which has nothing in common with this.
    pub fn add(&mut self, other: &Self) {
        self.positions.extend(other.positions.iter().cloned());
        self.again.extend(&other.again);
    }

    /// Divides it into `parts`: disjoint, together all, in order, their counts equal within one.
    pub fn divide(&self, parts: usize) -> Vec<Self> {
        let whole = u128::from(self.count());
        let edge = |part: usize| u64::try_from(whole * part as u128 / parts.max(1) as u128).unwrap_or(u64::MAX);
        let again = |part: usize| self.again.len() * part / parts.max(1);
        (0..parts)
            .map(|part| Self {
                positions: self.slice(edge(part), edge(part + 1)),
                again: self.again[again(part)..again(part + 1)].to_vec(),
            })
            .collect()
    }

    /// The positions from the `from`-th to before the `to`-th.
    fn slice(&self, from: u64, to: u64) -> Vec<Range<u64>> {
        let mut before = 0;
        let mut slice = Vec::new();
        for range in &self.positions {
            let length = range.end - range.start;
            let (first, last) = (from.clamp(before, before + length), to.clamp(before, before + length));
            if first < last {
                slice.push(range.start + (first - before)..range.start + (last - before));
            }
            before += length;
        }
        slice
    }
}

/// How far a lane is. It covers every fact that the lane gave before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Number of the lane.
    pub lane: usize,
    /// What it would have to do if it died now.
    pub left: Left,
    /// Its account, by name.
    pub account: Vec<(&'static str, u64)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_are_disjoint_in_order_and_equal_within_one(
            lengths in proptest::collection::vec((1u64..50, 0u64..9), 0..8),
            again in 0u16..40,
            parts in 1usize..7,
        ) {
            let mut at = 0;
            let positions: Vec<Range<u64>> = lengths.iter().map(|(length, gap)| {
                at += length + gap;
                at - length..at
            }).collect();
            let left = Left { positions, again: (0..again).map(|port| (7, port)).collect() };
            let divided = left.divide(parts);
            prop_assert_eq!(divided.len(), parts);
            let listed = |left: &Left| left.positions.iter().cloned().flatten().collect::<Vec<u64>>();
            prop_assert_eq!(divided.iter().flat_map(listed).collect::<Vec<_>>(), listed(&left));
            prop_assert_eq!(divided.iter().flat_map(|part| part.again.clone()).collect::<Vec<_>>(), left.again.clone());
            for part in &divided {
                prop_assert!(part.count().abs_diff(left.count() / parts as u64) <= 1);
                prop_assert!(part.positions.iter().all(|range| !range.is_empty()));
            }
        }
    }

    #[test]
    fn the_widest_order_is_divided_too() {
        let parts = Left::of(0..1 << 48).divide(3);
        assert_eq!(parts.iter().map(Left::count).sum::<u64>(), 1 << 48);
        assert!(Left::of(5..5).is_empty());
    }
}
