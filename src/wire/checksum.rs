//! The Internet checksum (RFC 1071), in parts that can be added up.

/// Sum of 16-bit words, not yet folded. Partial sums of even-length pieces may be added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(u64);

impl Sum {
    /// Adds bytes, as big-endian words; an odd last byte is padded with zero.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        let mut words = bytes.chunks_exact(4);
        for word in &mut words {
            self.0 += u64::from(u32::from_be_bytes([word[0], word[1], word[2], word[3]]));
        }
        let mut last = [0; 4];
        let rest = words.remainder();
        last[..rest.len()].copy_from_slice(rest);
        self.0 += u64::from(u32::from_be_bytes(last));
        self
    }

    /// Adds a 32-bit field.
    #[must_use]
    pub const fn u32(self, value: u32) -> Self {
        Self(self.0 + value as u64)
    }

    /// Adds a 16-bit field.
    #[must_use]
    pub const fn u16(self, value: u16) -> Self {
        Self(self.0 + value as u64)
    }

    /// Adds the pseudo-header of TCP over IPv4 (RFC 9293, section 3.1).
    #[must_use]
    pub const fn pseudo_header(self, source: u32, destination: u32, tcp_length: u16) -> Self {
        self.u32(source).u32(destination).u16(6).u16(tcp_length)
    }

    /// The checksum field: folded and complemented.
    pub const fn finish(self) -> u16 {
        let mut sum = self.0;
        sum = (sum & 0xffff_ffff) + (sum >> 32);
        sum = (sum & 0xffff_ffff) + (sum >> 32);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        #[expect(clippy::cast_possible_truncation, reason = "folded to 16 bits")]
        let folded = sum as u16;
        !folded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 1071, section 4.1, word by word.
    fn naive(bytes: &[u8]) -> u16 {
        let mut sum = 0u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(u16::try_from(sum).expect("folded"))
    }

    proptest! {
        #[test]
        fn equals_the_rfc(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(Sum::default().bytes(&bytes).finish(), naive(&bytes));
        }

        #[test]
        fn parts_add_up(a: u32, b: u16, c: u32) {
            let mut bytes = a.to_be_bytes().to_vec();
            bytes.extend(b.to_be_bytes());
            bytes.extend(c.to_be_bytes());
            prop_assert_eq!(Sum::default().u32(c).u16(b).u32(a).finish(), naive(&bytes));
        }
    }
}
