//! Opens the encrypted part of the server's flight in TLS 1.3 with its traffic secret (RFC 8446, section 7.3).

use crate::tls::mac::{HKDF_SHA256, HKDF_SHA384};
use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey,
};
use rustls::crypto::tls13::{Hkdf, HkdfExpander, OkmBlock};

/// Keys of one direction, and the number of its next record.
#[derive(Debug)]
pub(super) struct Opener {
    key: LessSafeKey,
    iv: [u8; NONCE_LEN],
    sequence: u64,
}

impl Opener {
    /// The keys that follow from `secret` in cipher suite `suite`; `None` if the two do not fit.
    pub(super) fn new(suite: u16, secret: &[u8]) -> Option<Self> {
        let (algorithm, hash): (&'static Algorithm, &dyn Hkdf) = match suite {
            0x1301 => (&AES_128_GCM, &HKDF_SHA256),
            0x1302 => (&AES_256_GCM, &HKDF_SHA384),
            0x1303 => (&CHACHA20_POLY1305, &HKDF_SHA256),
            _ => return None,
        };
        let secret = hash.expander_for_okm(&(secret.len() <= OkmBlock::MAX_LEN).then(|| OkmBlock::new(secret))?);
        let (mut key, mut iv) = ([0; 32], [0; NONCE_LEN]);
        let key = key.get_mut(..algorithm.key_len())?;
        expand(&*secret, b"tls13 key", key)?;
        expand(&*secret, b"tls13 iv", &mut iv)?;
        Some(Self { key: LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?), iv, sequence: 0 })
    }

    /// Opens a record in place: its content and the content's type.
    pub(super) fn open<'a>(&mut self, version: u16, record: &'a mut [u8]) -> Option<(u8, &'a [u8])> {
        let [high, low] = u16::try_from(record.len()).ok()?.to_be_bytes();
        let [major, minor] = version.to_be_bytes();
        let mut nonce = self.iv;
        for (byte, count) in nonce[NONCE_LEN - 8..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *byte ^= count;
        }
        let aad = Aad::from([23, major, minor, high, low]);
        let plain = self.key.open_in_place(Nonce::assume_unique_for_key(nonce), aad, record).ok()?;
        self.sequence += 1;
        let end = plain.iter().rposition(|byte| *byte != 0)?;
        Some((plain[end], &plain[..end]))
    }
}

/// HKDF-Expand-Label without context.
fn expand(secret: &dyn HkdfExpander, label: &[u8], out: &mut [u8]) -> Option<()> {
    let length = u16::try_from(out.len()).ok()?.to_be_bytes();
    secret.expand_slice(&[&length, &[u8::try_from(label.len()).ok()?], label, &[0]], out).ok()
}
