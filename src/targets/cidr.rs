//! Sets of IPv4 addresses: read from CIDR prefixes, combined, indexed.

use super::coarse::Coarse;
use std::net::Ipv4Addr;

/// First and last address of a range, host order, both included.
pub type Range = (u32, u32);

/// Address ranges that no Internet-wide scan may probe (RFC 6890 and its updates, plus multicast and
/// the former class E). They are left out of larger ranges; who names one of them gets it.
pub const RESERVED: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
];

/// Why text is not a prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CidrError {
    /// Not an address, or not a length from 0 to 32.
    #[error("`{0}` is not an IPv4 address or prefix: write it as 198.18.0.0/20 or 198.18.0.7")]
    Malformed(String),
    /// Bits are set behind the prefix length.
    #[error("`{0}` has bits set behind its prefix length: did you mean {1}?")]
    HostBits(String, String),
}

/// Reads one address or prefix.
pub fn parse(text: &str) -> Result<Range, CidrError> {
    let malformed = || CidrError::Malformed(text.to_owned());
    let (address, length) = split(text).ok_or_else(malformed)?;
    let address = u32::from(address.parse::<Ipv4Addr>().map_err(|_| malformed())?);
    let (first, last) = around(address, length);
    if address != first {
        let meant = format!("{}/{length}", Ipv4Addr::from(first));
        return Err(CidrError::HostBits(text.to_owned(), meant));
    }
    Ok((first, last))
}

/// An address or name, and the prefix length behind it: 32 if there is none.
pub(super) fn split(text: &str) -> Option<(&str, u8)> {
    match text.split_once('/') {
        Some((address, length)) => Some((address, length.parse().ok().filter(|length| *length <= 32)?)),
        None => Some((text, 32)),
    }
}

/// The prefix of `length` that `address` lies in.
pub fn around(address: u32, length: u8) -> Range {
    let host_bits = u32::MAX.checked_shr(u32::from(length)).unwrap_or(0);
    (address & !host_bits, address | host_bits)
}

/// A set of addresses that knows its n-th member.
///
/// A look-up by index or by address costs two cached loads: one of the coarse index, one of the range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressSet {
    /// Disjoint, not adjacent, ascending.
    starts: Vec<Start>,
    by_index: Coarse,
    by_address: Coarse,
    len: u64,
}

/// Begin of a range; it ends where as many addresses lie before the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Start {
    first: u32,
    /// How many addresses of the set lie before it.
    before: u32,
}

impl Default for AddressSet {
    fn default() -> Self {
        Self::indexed(&[])
    }
}

impl AddressSet {
    /// The union of `ranges`.
    pub fn new(mut ranges: Vec<Range>) -> Self {
        ranges.sort_unstable();
        let mut merged: Vec<Range> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some(previous) if u64::from(first) <= u64::from(previous.1) + 1 => previous.1 = previous.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        Self::indexed(&merged)
    }

    /// The reserved ranges.
    pub fn reserved() -> Self {
        Self::new(RESERVED.iter().map(|prefix| parse(prefix).expect("the constant list is well-formed")).collect())
    }

    /// The union of `ranges` less the [`RESERVED`] ones, except those that are named (a prefix inside a reserved
    /// range is meant; a larger one that merely covers it is not).
    pub fn named(ranges: Vec<Range>) -> Self {
        let reserved = Self::reserved();
        let inside = |range: &Range| reserved.ranges().any(|r| r.0 <= range.0 && range.1 <= r.1);
        let (meant, general): (Vec<Range>, Vec<Range>) = ranges.into_iter().partition(inside);
        Self::new(general).minus(&reserved).plus(&Self::new(meant))
    }

    /// What to scan: `allow` as in [`AddressSet::named`], less `block`.
    pub fn allowed(allow: &[Range], block: &[Range]) -> Self {
        Self::named(allow.to_vec()).minus(&Self::new(block.to_vec()))
    }

    /// The addresses of `self` and those of `other`.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self::new(self.ranges().chain(other.ranges()).collect())
    }

    /// The addresses of `self` that are not in `other`.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let mut left = Vec::with_capacity(self.starts.len());
        let mut cuts = other.ranges().peekable();
        for (first, last) in self.ranges() {
            let mut from = Some(first);
            while let Some(&(cut_first, cut_last)) = cuts.peek() {
                let Some(start) = from else { break };
                if cut_first > last {
                    break;
                }
                if cut_last >= start {
                    if cut_first > start {
                        left.push((start, cut_first - 1));
                    }
                    from = cut_last.checked_add(1).filter(|next| *next <= last);
                }
                if cut_last > last {
                    break;
                }
                cuts.next();
            }
            if let Some(start) = from {
                left.push((start, last));
            }
        }
        Self::indexed(&left)
    }

    /// The addresses that are in both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        self.minus(&self.minus(other))
    }

    /// How many addresses there are.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether `address` is a member.
    #[inline]
    pub fn contains(&self, address: u32) -> bool {
        let window = self.by_address.window(u64::from(address));
        let after = window.start + self.starts[window].partition_point(|start| start.first <= address);
        after > 0 && address - self.starts[after - 1].first <= self.extent(after - 1)
    }

    /// The disjoint ranges, ascending.
    pub fn ranges(&self) -> impl ExactSizeIterator<Item = Range> {
        self.starts.iter().enumerate().map(|(number, start)| (start.first, start.first + self.extent(number)))
    }

    /// The `index`-th address in ascending order.
    ///
    /// # Panics
    /// If `index` is not below [`AddressSet::len`].
    #[inline]
    pub fn nth(&self, index: u64) -> u32 {
        assert!(index < self.len, "index beyond the set");
        let window = self.by_index.window(index);
        let after = window.start + self.starts[window].partition_point(|start| u64::from(start.before) <= index);
        let Start { first, before } = self.starts[after - 1];
        #[expect(clippy::cast_possible_truncation, reason = "an offset inside a range of addresses")]
        let offset = (index - u64::from(before)) as u32;
        first + offset
    }

    /// Last address of a range less its first.
    #[inline]
    fn extent(&self, number: usize) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "2^32 wraps to 0, and the difference is right again")]
        let behind = self.starts.get(number + 1).map_or(self.len as u32, |next| next.before);
        behind.wrapping_sub(self.starts[number].before).wrapping_sub(1)
    }

    fn indexed(ranges: &[Range]) -> Self {
        let mut starts = Vec::with_capacity(ranges.len());
        let mut len = 0u64;
        for &(first, last) in ranges {
            let before = u32::try_from(len).expect("before a range there are fewer addresses than its first");
            starts.push(Start { first, before });
            len += u64::from(last - first) + 1;
        }
        let by_index = Coarse::new(starts.iter().map(|start| u64::from(start.before)), len);
        let by_address = Coarse::new(starts.iter().map(|start| u64::from(start.first)), 1 << 32);
        Self { starts, by_index, by_address, len }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn set(prefixes: &[&str]) -> AddressSet {
        AddressSet::new(ranges(prefixes))
    }

    fn ranges(prefixes: &[&str]) -> Vec<Range> {
        prefixes.iter().map(|prefix| parse(prefix).expect("well-formed")).collect()
    }

    #[test]
    fn prefixes_are_read_exactly() {
        assert_eq!(parse("198.18.0.0/20"), Ok((0xc612_0000, 0xc612_0fff)));
        assert_eq!(parse("10.1.2.3"), Ok((0x0a01_0203, 0x0a01_0203)));
        assert_eq!(parse("0.0.0.0/0"), Ok((0, u32::MAX)));
        for bad in ["", "10.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "::1", "example.org"] {
            assert_eq!(parse(bad), Err(CidrError::Malformed(bad.to_owned())));
        }
        assert_eq!(parse("10.1.2.3/8"), Err(CidrError::HostBits("10.1.2.3/8".into(), "10.0.0.0/8".into())));
    }

    #[test]
    fn reserved_ranges_are_left_out_unless_named() {
        let everything = AddressSet::allowed(&[(0, u32::MAX)], &[]);
        assert_eq!(everything.len(), 3_702_258_432, "as zmap's default blocklist leaves");
        assert!(!everything.contains(0x0a00_0001));
        let named = AddressSet::allowed(&ranges(&["198.18.0.0/20"]), &ranges(&["198.18.1.0/24"]));
        assert_eq!(named.len(), 4_096 - 256);
        assert!(named.contains(0xc612_0001) && !named.contains(0xc612_0101));
    }

    #[test]
    fn the_edges_of_the_address_space_hold() {
        let all = set(&["0.0.0.0/0"]);
        assert_eq!((all.len(), all.nth(0), all.nth((1 << 32) - 1)), (1 << 32, 0, u32::MAX));
        assert!(all.minus(&all).is_empty());
        assert_eq!(all.minus(&set(&["255.255.255.255"])).len(), (1 << 32) - 1);
        assert_eq!(set(&["0.0.0.0"]).minus(&set(&["0.0.0.0/1"])).len(), 0);
    }

    fn small_ranges() -> impl Strategy<Value = Vec<Range>> {
        proptest::collection::vec((0u32..300, 0u32..40).prop_map(|(first, more)| (first, first + more)), 0..12)
    }

    fn members(ranges: &[Range]) -> BTreeSet<u32> {
        ranges.iter().flat_map(|range| range.0..=range.1).collect()
    }

    proptest! {
        #[test]
        fn set_algebra_equals_the_naive_one(allow in small_ranges(), block in small_ranges()) {
            let left = AddressSet::new(allow.clone()).minus(&AddressSet::new(block.clone()));
            let expected: Vec<u32> = members(&allow).difference(&members(&block)).copied().collect();
            let listed: Vec<u32> = (0..left.len()).map(|index| left.nth(index)).collect();
            prop_assert_eq!(listed, expected);
            for address in 0..360 {
                prop_assert_eq!(left.contains(address), members(&allow).contains(&address) && !members(&block).contains(&address));
            }
            let (allow, block) = (AddressSet::new(allow), AddressSet::new(block));
            prop_assert_eq!(left.plus(&allow.and(&block)), allow);
        }

        #[test]
        fn nth_inverts_counting_in_large_sets(starts in proptest::collection::btree_set(0u32..65_535, 1..200), at: u64) {
            let ranges: Vec<Range> = starts.iter().map(|s| (s << 16, (s << 16) + (s & 0x7fff))).collect();
            let set = AddressSet::new(ranges.clone());
            let index = at % set.len();
            let address = set.nth(index);
            let counted: u64 = ranges.iter().map(|r| if address > r.1 { u64::from(r.1 - r.0) + 1 } else { u64::from(address.saturating_sub(r.0)) }).sum();
            prop_assert_eq!(counted, index);
        }
    }
}
