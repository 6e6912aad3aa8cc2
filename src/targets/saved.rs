//! A space of targets as text: what a dataset keeps, so that a resumed run needs no list.

use super::Space;
use super::cidr::{AddressSet, CidrError, Range, parse_file};
use super::ports::Service;
use std::fmt::Write;
use std::net::Ipv4Addr;

/// The addresses of `space` as prefixes, one a line, ascending.
pub fn write(space: &Space) -> String {
    let mut text = String::new();
    for prefix in space.addresses().ranges().iter().flat_map(|range| prefixes(*range)) {
        let (first, length) = prefix;
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}/{length}", Ipv4Addr::from(first));
    }
    text
}

/// The space of the addresses in `text` and of `services`.
///
/// # Errors
/// The first line that is no prefix.
pub fn read(text: &str, services: Vec<Service>) -> Result<Space, CidrError> {
    Ok(Space::new(AddressSet::new(parse_file(text)?), services))
}

/// The fewest prefixes that make up a range: first address and length of each.
fn prefixes((first, last): Range) -> impl Iterator<Item = (u32, u32)> {
    let mut next = Some(first);
    std::iter::from_fn(move || {
        let from = next?;
        // As large as the alignment of its first address and what is left of the range allow.
        let left = u64::from(last - from) + 1;
        let bits = from.trailing_zeros().min(left.ilog2());
        next = u32::try_from(u64::from(from) + (1 << bits)).ok().filter(|after| *after <= last);
        Some((from, 32 - bits))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_become_the_fewest_prefixes() {
        let text = |ranges: &[Range]| write(&Space::new(AddressSet::new(ranges.to_vec()), Vec::new()));
        assert_eq!(text(&[(0, u32::MAX)]), "0.0.0.0/0\n");
        assert_eq!(text(&[(0xc612_0000, 0xc612_0fff), (u32::MAX, u32::MAX)]), "198.18.0.0/20\n255.255.255.255/32\n");
        assert_eq!(text(&[(1, 6)]), "0.0.0.1/32\n0.0.0.2/31\n0.0.0.4/31\n0.0.0.6/32\n");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(ranges in proptest::collection::vec((any::<u32>(), 0u32..5_000), 0..30)) {
            let ranges = ranges.into_iter().map(|(first, more)| (first, first.saturating_add(more))).collect();
            let space = Space::new(AddressSet::new(ranges), Vec::new());
            let again = read(&write(&space), Vec::new()).expect("well-formed");
            prop_assert_eq!(again.addresses().ranges(), space.addresses().ranges());
        }
    }
}
