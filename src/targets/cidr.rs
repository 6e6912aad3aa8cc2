//! Sets of IPv4 addresses: read from CIDR prefixes, combined, indexed.

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
    /// A line of a file.
    #[error("line {0}: {1}")]
    Line(usize, Box<CidrError>),
}

/// Reads one address or prefix.
pub fn parse(text: &str) -> Result<Range, CidrError> {
    let malformed = || CidrError::Malformed(text.to_owned());
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, length.parse::<u32>().map_err(|_| malformed())?),
        None => (text, 32),
    };
    let address = u32::from(address.parse::<Ipv4Addr>().map_err(|_| malformed())?);
    if length > 32 {
        return Err(malformed());
    }
    let host_bits = u32::MAX.checked_shr(length).unwrap_or(0);
    if address & host_bits != 0 {
        let meant = format!("{}/{length}", Ipv4Addr::from(address & !host_bits));
        return Err(CidrError::HostBits(text.to_owned(), meant));
    }
    Ok((address, address | host_bits))
}

/// Reads a list file: one prefix a line, blank lines and `#` comments ignored.
pub fn parse_file(text: &str) -> Result<Vec<Range>, CidrError> {
    let mut ranges = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let prefix = line.split('#').next().unwrap_or_default().trim();
        if !prefix.is_empty() {
            ranges.push(parse(prefix).map_err(|error| CidrError::Line(number + 1, Box::new(error)))?);
        }
    }
    Ok(ranges)
}

/// The reserved ranges.
pub fn reserved() -> Vec<Range> {
    RESERVED.iter().map(|prefix| parse(prefix).expect("the constant list is well-formed")).collect()
}

/// A set of addresses that knows its n-th member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressSet {
    /// Disjoint, not adjacent, ascending.
    ranges: Vec<Range>,
    /// For each range, how many addresses lie before it.
    before: Vec<u64>,
    /// For each block of 2^`coarse_shift` indices, the range its first index lies in.
    coarse: Vec<u32>,
    coarse_shift: u32,
    len: u64,
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
        Self::indexed(merged)
    }

    /// What to scan: `allow` less `block`, and less the [`RESERVED`] ranges except those that `allow` names
    /// (a prefix inside a reserved range is meant; a larger one that merely covers it is not).
    pub fn allowed(allow: &[Range], block: &[Range]) -> Self {
        let reserved = reserved();
        let named = |range: &&Range| reserved.iter().any(|r| r.0 <= range.0 && range.1 <= r.1);
        let (meant, general): (Vec<&Range>, Vec<&Range>) = allow.iter().partition(named);
        let general = Self::new(general.into_iter().copied().collect()).minus(&Self::new(reserved.clone()));
        let mut all = general.ranges;
        all.extend(meant);
        Self::new(all).minus(&Self::new(block.to_vec()))
    }

    /// The addresses of `self` that are not in `other`.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let mut left = Vec::with_capacity(self.ranges.len());
        let mut cuts = other.ranges.iter().peekable();
        for &(first, last) in &self.ranges {
            let mut from = Some(first);
            while let Some(&&(cut_first, cut_last)) = cuts.peek() {
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
        Self::indexed(left)
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
    pub fn contains(&self, address: u32) -> bool {
        let after = self.ranges.partition_point(|range| range.0 <= address);
        after > 0 && address <= self.ranges[after - 1].1
    }

    /// The disjoint ranges, ascending.
    pub fn ranges(&self) -> &[Range] {
        &self.ranges
    }

    /// The `index`-th address in ascending order.
    ///
    /// # Panics
    /// If `index` is not below [`AddressSet::len`].
    #[inline]
    pub fn nth(&self, index: u64) -> u32 {
        assert!(index < self.len, "index beyond the set");
        #[expect(clippy::cast_possible_truncation, reason = "at most COARSE_BLOCKS blocks")]
        let block = (index >> self.coarse_shift) as usize;
        let from = self.coarse[block] as usize;
        let to = self.coarse.get(block + 1).map_or(self.ranges.len(), |next| *next as usize + 1);
        let range = from + self.before[from..to].partition_point(|before| *before <= index) - 1;
        #[expect(clippy::cast_possible_truncation, reason = "an offset inside a range of addresses")]
        let offset = (index - self.before[range]) as u32;
        self.ranges[range].0 + offset
    }

    fn indexed(ranges: Vec<Range>) -> Self {
        const COARSE_BLOCKS: u64 = 1 << 16;
        let mut before = Vec::with_capacity(ranges.len());
        let mut len = 0;
        for range in &ranges {
            before.push(len);
            len += u64::from(range.1 - range.0) + 1;
        }
        let mut coarse_shift = 0;
        while len >> coarse_shift >= COARSE_BLOCKS {
            coarse_shift += 1;
        }
        let mut coarse = Vec::new();
        let mut range = 0u32;
        for block in 0..(len >> coarse_shift) + 1 {
            let index = block << coarse_shift;
            while before.get(range as usize + 1).is_some_and(|next| *next <= index) {
                range += 1;
            }
            coarse.push(range);
        }
        Self { ranges, before, coarse, coarse_shift, len }
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
    fn files_have_comments_and_numbered_errors() {
        assert_eq!(parse_file("# all\n\n10.0.0.0/8 # ours\n"), Ok(vec![(0x0a00_0000, 0x0aff_ffff)]));
        let error = parse_file("10.0.0.0/8\nnonsense\n").expect_err("the second line is wrong");
        assert!(error.to_string().starts_with("line 2: `nonsense`"));
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
