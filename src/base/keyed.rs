//! SipHash-1-3 over the twelve bytes of a 4-tuple: the same function as `ebpf/verdict.h`.

/// A 128-bit key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(pub [u64; 2]);

impl Key {
    /// SipHash-1-3 of the message `m0 || low 32 bits of m1`, both little-endian: twelve bytes.
    #[inline]
    pub fn hash12(self, m0: u64, m1: u32) -> u64 {
        let mut v = self.begin().map(|word| [word]);
        for m in [m0, closed(m1)] {
            v[3][0] ^= m;
            round(&mut v);
            v[0][0] ^= m;
        }
        v[2][0] ^= 0xff;
        round(&mut v);
        round(&mut v);
        round(&mut v);
        v[0][0] ^ v[1][0] ^ v[2][0] ^ v[3][0]
    }

    /// The low halves of [`Key::hash12`] of many messages, side by side: work for [`widely`](super::wide::widely).
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "it is compiled for the registers of its caller")]
    pub fn hash12_abreast<const MANY: usize>(self, m0: [u64; MANY], m1: [u32; MANY]) -> [u32; MANY] {
        // Loops all along: what maps an array is not always inlined.
        let [v0, v1, v2, v3] = self.begin();
        let mut v = [[v0; MANY], [v1; MANY], [v2; MANY], [v3; MANY]];
        let mut last = [0; MANY];
        last.iter_mut().zip(m1).for_each(|(word, m)| *word = closed(m));
        for m in [m0, last] {
            v[3].iter_mut().zip(m).for_each(|(word, m)| *word ^= m);
            round(&mut v);
            v[0].iter_mut().zip(m).for_each(|(word, m)| *word ^= m);
        }
        v[2].iter_mut().for_each(|word| *word ^= 0xff);
        round(&mut v);
        round(&mut v);
        round(&mut v);
        let mut hashes = [0; MANY];
        for (nth, hash) in hashes.iter_mut().enumerate() {
            *hash = low(v[0][nth] ^ v[1][nth] ^ v[2][nth] ^ v[3][nth]);
        }
        hashes
    }

    /// The low half of [`Key::hash12`].
    #[inline]
    pub fn half12(self, m0: u64, m1: u32) -> u32 {
        low(self.hash12(m0, m1))
    }

    const fn begin(self) -> [u64; 4] {
        let [k0, k1] = self.0;
        [k0 ^ 0x736f_6d65_7073_6575, k1 ^ 0x646f_7261_6e64_6f6d, k0 ^ 0x6c79_6765_6e65_7261, k1 ^ 0x7465_6462_7974_6573]
    }
}

/// The last word of a message: four bytes of it, and its length.
const fn closed(m1: u32) -> u64 {
    m1 as u64 | (12 << 56)
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is wanted")]
const fn low(hash: u64) -> u32 {
    hash as u32
}

/// A round of so many hashes side by side.
#[inline(always)]
#[expect(clippy::inline_always, reason = "it is compiled for the registers of its caller")]
fn round<const MANY: usize>([v0, v1, v2, v3]: &mut [[u64; MANY]; 4]) {
    for nth in 0..MANY {
        v0[nth] = v0[nth].wrapping_add(v1[nth]);
        v1[nth] = v1[nth].rotate_left(13) ^ v0[nth];
        v0[nth] = v0[nth].rotate_left(32);
        v2[nth] = v2[nth].wrapping_add(v3[nth]);
        v3[nth] = v3[nth].rotate_left(16) ^ v2[nth];
        v0[nth] = v0[nth].wrapping_add(v3[nth]);
        v3[nth] = v3[nth].rotate_left(21) ^ v0[nth];
        v2[nth] = v2[nth].wrapping_add(v1[nth]);
        v1[nth] = v1[nth].rotate_left(17) ^ v2[nth];
        v2[nth] = v2[nth].rotate_left(32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::hash::Hasher;

    proptest! {
        #[test]
        fn equals_the_siphasher_crate(key: [u64; 2], m0: u64, m1: u32) {
            let mut bytes = m0.to_le_bytes().to_vec();
            bytes.extend(m1.to_le_bytes());
            let mut reference = siphasher::sip::SipHasher13::new_with_keys(key[0], key[1]);
            reference.write(&bytes);
            prop_assert_eq!(Key(key).hash12(m0, m1), reference.finish());
        }

        #[test]
        fn many_side_by_side_are_each_alone(key: [u64; 2], m0: [u64; 7], m1: [u32; 7]) {
            let alone = std::array::from_fn(|nth| Key(key).half12(m0[nth], m1[nth]));
            prop_assert_eq!(Key(key).hash12_abreast::<7>(m0, m1), alone);
        }
    }
}
