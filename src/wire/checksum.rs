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

    /// The same sum in 17 bits at the most, to add fields to in registers of 32 bits.
    pub const fn narrow(self) -> u32 {
        let sum = (self.0 & 0xffff_ffff) + (self.0 >> 32);
        let sum = (sum & 0xffff_ffff) + (sum >> 32);
        #[expect(clippy::cast_possible_truncation, reason = "folded to 32 bits")]
        let sum = sum as u32;
        halves(sum)
    }

    /// The checksum field: folded and complemented.
    pub const fn finish(self) -> u16 {
        #[expect(clippy::cast_possible_truncation, reason = "folded to 16 bits")]
        let checksum = complete(self.narrow()) as u16;
        checksum
    }
}

/// Both halves of a 32-bit field, added up: 17 bits at the most.
#[inline(always)]
#[expect(clippy::inline_always, reason = "it is compiled for the registers of its caller")]
pub const fn halves(field: u32) -> u32 {
    (field & 0xffff) + (field >> 16)
}

/// The checksum field of a sum of fewer than 65,536 words: folded and complemented.
#[inline(always)]
#[expect(clippy::inline_always, reason = "it is compiled for the registers of its caller")]
pub const fn complete(sum: u32) -> u32 {
    halves(halves(sum)) ^ 0xffff
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
            let narrow = complete(Sum::default().u32(c).narrow() + u32::from(b) + halves(a));
            prop_assert_eq!(narrow, u32::from(naive(&bytes)));
        }
    }
}
