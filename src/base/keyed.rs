//! SipHash-1-3 over the twelve bytes of a 4-tuple: the same function as `ebpf/verdict.h`. Of many of them side by side,
//! where the processor has wide registers.

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

    /// The low halves of [`Key::hash12`] of many messages: `message` says which, by their numbers.
    #[inline]
    pub fn hash12_each(self, message: impl Fn(usize) -> (u64, u32), hashes: &mut [u32]) {
        let mut number = 0;
        let mut blocks = hashes.chunks_exact_mut(ABREAST);
        for block in &mut blocks {
            let block = block.try_into().expect("as long as a block");
            self.hash12_block(|nth| message(number + nth), block);
            number += ABREAST;
        }
        for hash in blocks.into_remainder() {
            let (m0, m1) = message(number);
            *hash = low(self.hash12(m0, m1));
            number += 1;
        }
    }

    #[inline]
    fn hash12_block(self, message: impl Fn(usize) -> (u64, u32), hashes: &mut [u32; ABREAST]) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
            #[expect(unsafe_code, reason = "the processor was asked")]
            // SAFETY: the processor has what the function wants.
            return unsafe { self.hash12_wide(message, hashes) };
        }
        self.hash12_abreast(message, hashes);
    }

    /// For the compiler to use registers of 512 bits, which rotate each of their words as well: a quarter of the time.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn hash12_wide(self, message: impl Fn(usize) -> (u64, u32), hashes: &mut [u32; ABREAST]) {
        self.hash12_abreast(message, hashes);
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "it is compiled for the registers of its caller")]
    fn hash12_abreast(self, message: impl Fn(usize) -> (u64, u32), hashes: &mut [u32; ABREAST]) {
        let mut v = self.begin().map(|word| [word; ABREAST]);
        let (mut m0, mut m1) = ([0; ABREAST], [0; ABREAST]);
        for (nth, words) in m0.iter_mut().zip(&mut m1).enumerate() {
            let (first, last) = message(nth);
            (*words.0, *words.1) = (first, closed(last));
        }
        for m in [m0, m1] {
            v[3].iter_mut().zip(m).for_each(|(word, m)| *word ^= m);
            round(&mut v);
            v[0].iter_mut().zip(m).for_each(|(word, m)| *word ^= m);
        }
        v[2].iter_mut().for_each(|word| *word ^= 0xff);
        round(&mut v);
        round(&mut v);
        round(&mut v);
        for (nth, hash) in hashes.iter_mut().enumerate() {
            *hash = low(v[0][nth] ^ v[1][nth] ^ v[2][nth] ^ v[3][nth]);
        }
    }

    const fn begin(self) -> [u64; 4] {
        let [k0, k1] = self.0;
        [k0 ^ 0x736f_6d65_7073_6575, k1 ^ 0x646f_7261_6e64_6f6d, k0 ^ 0x6c79_6765_6e65_7261, k1 ^ 0x7465_6462_7974_6573]
    }
}

/// So many hashes are worth being made side by side.
pub const ABREAST: usize = 32;

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
        fn many_side_by_side_are_each_alone(key: [u64; 2], messages in proptest::collection::vec(any::<(u64, u32)>(), 0..100)) {
            let key = Key(key);
            let mut hashes = vec![0; messages.len()];
            key.hash12_each(|nth| messages[nth], &mut hashes);
            let alone: Vec<u32> = messages.iter().map(|(m0, m1)| low(key.hash12(*m0, *m1))).collect();
            prop_assert_eq!(&hashes, &alone);
            // As on processors without wide registers.
            for (messages, alone) in messages.chunks_exact(ABREAST).zip(alone.chunks_exact(ABREAST)) {
                let mut hashes = [0; ABREAST];
                key.hash12_abreast(|nth| messages[nth], &mut hashes);
                prop_assert_eq!(&hashes[..], alone);
            }
        }
    }
}
