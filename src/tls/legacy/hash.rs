//! The hash functions of the old versions, chosen at run time.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Md5,
    Sha1,
    Sha256,
    Sha384,
}

/// The longest digest.
const DIGEST_MAX: usize = 48;

/// A digest, as long as its function makes it.
#[derive(Clone, Copy)]
pub(super) struct Tag {
    bytes: [u8; DIGEST_MAX],
    length: usize,
}

impl Tag {
    pub(super) fn new(digest: &[u8]) -> Self {
        let mut bytes = [0; DIGEST_MAX];
        bytes[..digest.len()].copy_from_slice(digest);
        Self { bytes, length: digest.len() }
    }
}

impl std::ops::Deref for Tag {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Hash {
    pub(super) const fn length(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }

    /// Of the parts, one after the other.
    pub(super) fn digest(self, parts: &[&[u8]]) -> Tag {
        fn of<D: Digest>(parts: &[&[u8]]) -> Tag {
            let mut state = D::new();
            parts.iter().for_each(|part| state.update(part));
            Tag::new(&state.finalize())
        }
        match self {
            Self::Md5 => of::<Md5>(parts),
            Self::Sha1 => of::<Sha1>(parts),
            Self::Sha256 => of::<Sha256>(parts),
            Self::Sha384 => of::<Sha384>(parts),
        }
    }

    /// HMAC (RFC 2104) of the parts, one after the other.
    pub(super) fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Tag {
        fn of<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Tag {
            // HMAC takes keys of any length.
            let Ok(mut state) = <M as KeyInit>::new_from_slice(key) else { return Tag::new(&[]) };
            parts.iter().for_each(|part| state.update(part));
            Tag::new(&state.finalize().into_bytes())
        }
        match self {
            Self::Md5 => of::<Hmac<Md5>>(key, parts),
            Self::Sha1 => of::<Hmac<Sha1>>(key, parts),
            Self::Sha256 => of::<Hmac<Sha256>>(key, parts),
            Self::Sha384 => of::<Hmac<Sha384>>(key, parts),
        }
    }
}
