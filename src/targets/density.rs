//! How densely a space fills its networks: what `--prefix-rate` reckons with.

use super::Space;
use super::cidr::AddressSet;

impl Space {
    /// At most so many targets lie in any /24.
    pub fn densest_24(&self) -> u64 {
        let singles: u64 = self.single.iter().map(|part| densest(&part.addresses)).sum();
        densest(&self.addresses) * self.services.len() as u64 + singles
    }
}

/// Most addresses of a set in one /24.
fn densest(set: &AddressSet) -> u64 {
    let (mut most, mut network, mut count) = (0, None, 0u64);
    for (first, last) in set.ranges() {
        if network != Some(first >> 8) {
            (network, count) = (Some(first >> 8), 0);
        }
        // What of the range lies in the /24 where it begins, in those between, and in the one where it ends.
        let edge = last.min(first | 0xff);
        count += u64::from(edge - first) + 1;
        most = most.max(count);
        if last >> 8 > first >> 8 {
            count = u64::from(last & 0xff) + 1;
            let between = if (last >> 8) - (first >> 8) > 1 { 256 } else { 0 };
            most = most.max(count).max(between);
            network = Some(last >> 8);
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::cidr::Range;
    use crate::targets::ports;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_port_of_an_address_counts() {
        let set = AddressSet::new(vec![(0x0a00_0000, 0x0a00_0003), (0x0a00_0010, 0x0a00_0010)]);
        let space = Space::new(set, ports::parse("smtp,imap,imaps").expect("well-formed"));
        assert_eq!(space.densest_24(), 15);
        assert_eq!(Space::new(AddressSet::new(vec![(0, u32::MAX)]), Vec::new()).densest_24(), 0);
    }

    proptest! {
        #[test]
        fn it_is_what_counting_gives(ranges in proptest::collection::vec((0u32..5_000, 0u32..900), 0..12)) {
            let ranges: Vec<Range> = ranges.into_iter().map(|(first, more)| (first, first + more)).collect();
            let set = AddressSet::new(ranges);
            let mut counts = BTreeMap::new();
            for address in set.ranges().flat_map(|(first, last)| first..=last) {
                *counts.entry(address >> 8).or_insert(0u64) += 1;
            }
            prop_assert_eq!(densest(&set), counts.values().copied().max().unwrap_or(0));
        }
    }
}
