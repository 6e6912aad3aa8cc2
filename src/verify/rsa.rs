//! RSA signatures that aws-lc does not check: small and large moduli, unusual exponents, MD5, any salt (RFC 8017).

use num_bigint::BigUint;

use super::signature::Hash;

/// Largest modulus, in bits: OpenSSL's limit too.
const MAX_BITS: u64 = 16_384;
/// Largest exponent, in bits: so no key makes a check slower than that of the largest modulus.
const MAX_EXPONENT_BITS: u64 = 64;

/// Modulus and exponent.
pub(super) struct PublicKey {
    modulus: BigUint,
    exponent: BigUint,
}

impl PublicKey {
    /// From the content octets of the two integers.
    pub(super) fn new(modulus: &[u8], exponent: &[u8]) -> Self {
        Self { modulus: BigUint::from_bytes_be(modulus), exponent: BigUint::from_bytes_be(exponent) }
    }

    /// Bits of the modulus.
    pub(super) fn bits(&self) -> u64 {
        self.modulus.bits()
    }

    /// aws-lc takes the exponent and the modulus.
    pub(super) fn is_usual(&self) -> bool {
        self.modulus.bit(0) && self.exponent.bit(0) && (2..=33).contains(&self.exponent.bits())
    }

    /// What a check here costs in units of 50 us or so; `None` if the key is beyond the limits.
    pub(super) fn cost(&self) -> Option<u32> {
        let (bits, exponent) = (self.bits(), self.exponent.bits());
        if bits < 128 || bits > MAX_BITS || exponent == 0 || exponent > MAX_EXPONENT_BITS {
            return None;
        }
        let words = bits.div_ceil(1_024);
        u32::try_from((words * words * exponent.max(16)).div_ceil(16)).ok()
    }

    fn octets(&self) -> usize {
        usize::try_from(self.bits().div_ceil(8)).unwrap_or(0)
    }

    /// The encoded message in a signature (RSAVP1), as long as the modulus.
    fn open(&self, signature: &[u8]) -> Option<Vec<u8>> {
        let number = BigUint::from_bytes_be(signature);
        if signature.len() != self.octets() || number >= self.modulus {
            return None;
        }
        let opened = number.modpow(&self.exponent, &self.modulus).to_bytes_be();
        Some([vec![0; self.octets().checked_sub(opened.len())?], opened].concat())
    }
}

/// What precedes the hash in a DigestInfo (RFC 8017, section 9.2, note 1).
fn prefix(hash: Hash) -> &'static [u8] {
    match hash {
        Hash::Md5 => &[0x30, 0x20, 0x30, 0x0c, 6, 8, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 5, 5, 0, 4, 16],
        Hash::Sha1 => &[0x30, 0x21, 0x30, 9, 6, 5, 0x2b, 0x0e, 3, 2, 0x1a, 5, 0, 4, 20],
        Hash::Sha224 => &[0x30, 0x2d, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 4, 5, 0, 4, 28],
        Hash::Sha256 => &[0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 32],
        Hash::Sha384 => &[0x30, 0x41, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2, 5, 0, 4, 48],
        Hash::Sha512 => &[0x30, 0x51, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3, 5, 0, 4, 64],
    }
}

/// RFC 8017, section 8.2.2: what is expected is built and compared as a whole.
pub(super) fn pkcs1(key: &PublicKey, hash: Hash, message: &[u8], signature: &[u8]) -> bool {
    let info = [prefix(hash), &hash.of(message)].concat();
    let Some(filling) = key.octets().checked_sub(info.len() + 3).filter(|octets| *octets >= 8) else { return false };
    let expected = [&[0, 1][..], &vec![0xff; filling], &[0], &info].concat();
    key.open(signature).is_some_and(|opened| opened == expected)
}

/// RFC 8017, sections 8.1.2 and 9.1.2.
pub(super) fn pss(key: &PublicKey, (hash, mask, salt): (Hash, Hash, usize), message: &[u8], signature: &[u8]) -> bool {
    let inside = || {
        let opened = key.open(signature)?;
        let bits = usize::try_from(key.bits()).ok()?.checked_sub(1)?;
        let length = bits.div_ceil(8);
        // A modulus of 8n + 1 bits has an octet more than the encoded message.
        let (zeros, encoded) = opened.split_at_checked(opened.len().checked_sub(length)?)?;
        let digest = hash.of(message);
        let (masked, rest) = encoded.split_at_checked(length.checked_sub(digest.len() + 1)?)?;
        let (found, trailer) = rest.split_at_checked(digest.len())?;
        let unused = 8 * length - bits;
        let clean = masked
            .first()
            .is_none_or(|first| first.checked_shr(8 - u32::try_from(unused).unwrap_or(0)).unwrap_or(0) == 0);
        let mut block: Vec<u8> = masked.iter().zip(mgf1(mask, found, masked.len())).map(|(a, b)| a ^ b).collect();
        if let Some(first) = block.first_mut() {
            *first &= 0xff >> unused;
        }
        let (filling, salted) = block.split_at_checked(block.len().checked_sub(salt)?)?;
        let (last, before) = filling.split_last()?;
        let expected = hash.of(&[&[0; 8], &digest[..], salted].concat());
        let zero = |octets: &[u8]| octets.iter().all(|octet| *octet == 0);
        Some(zero(zeros) && clean && trailer == [0xbc] && *last == 1 && zero(before) && found == expected)
    };
    inside().unwrap_or(false)
}

/// RFC 8017, appendix B.2.1.
fn mgf1(hash: Hash, seed: &[u8], length: usize) -> Vec<u8> {
    let mut mask = Vec::with_capacity(length + 64);
    for counter in 0u32.. {
        if mask.len() >= length {
            break;
        }
        mask.extend(hash.of(&[seed, &counter.to_be_bytes()].concat()));
    }
    mask.truncate(length);
    mask
}
