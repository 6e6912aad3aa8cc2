//! Key pairs on curves. One a group serves all handshakes of a [`Client`](super::Client), which is one lane of one run:
//! nothing secret goes through these sessions, with servers that are not authenticated either, and a fresh X25519 key costs
//! a tenth of a handshake.
//!
//! For the same reason the private key of X25519 is short: to multiply a server's point by 16 bits instead of 255
//! takes a third of what was the largest part of a handshake. A server cannot tell. Who listens on the way can find the key,
//! and then reads what the server says of itself to everybody.

use super::random::Random;
use aws_lc_rs::agreement::{
    Algorithm, ECDH_P256, ECDH_P384, ECDH_P521, PrivateKey, PublicKey, UnparsedPublicKey, agree,
};
use curve25519_dalek::constants::X25519_BASEPOINT;
use curve25519_dalek::montgomery::MontgomeryPoint;
use std::fmt;
use std::sync::Arc;

/// X25519's number (RFC 8446, section 4.2.7).
const X25519: u16 = 29;
/// The other groups, what computes in them and the length of a private key.
const OTHERS: [(u16, &Algorithm, usize); 3] = [(23, &ECDH_P256, 32), (24, &ECDH_P384, 48), (25, &ECDH_P521, 66)];

/// A key pair for each group, X25519 first.
#[derive(Clone, Debug)]
pub struct Pairs([Arc<Pair>; 1 + OTHERS.len()]);

impl Pairs {
    /// Pairs made from a secret seed; `None` if it does not do, as one in 2^32 may.
    pub fn new(seed: [u8; 32]) -> Option<Self> {
        let mut pairs = vec![Arc::new(Pair::x25519(&mut Random::new(seed)))];
        for (group, algorithm, length) in OTHERS {
            pairs.push(Arc::new(Pair::new(group, algorithm, length, &mut Random::new(seed))?));
        }
        pairs.try_into().ok().map(Self)
    }

    /// All of them.
    pub(super) const fn all(&self) -> &[Arc<Pair>] {
        &self.0
    }

    /// That of a group.
    pub(super) fn of(&self, group: u16) -> Option<&Pair> {
        self.0.iter().find(|pair| pair.group == group).map(AsRef::as_ref)
    }
}

/// A key pair.
pub(super) struct Pair {
    pub(super) group: u16,
    keys: Keys,
}

enum Keys {
    X25519 { private: Short, public: [u8; 32] },
    Other { algorithm: &'static Algorithm, private: PrivateKey, public: PublicKey },
}

impl Pair {
    fn x25519(random: &mut Random) -> Self {
        let mut secret = [0; 2];
        random.fill(&mut secret);
        let private = Short::new(secret);
        Self { group: X25519, keys: Keys::X25519 { private, public: private.times(X25519_BASEPOINT) } }
    }

    fn new(group: u16, algorithm: &'static Algorithm, length: usize, random: &mut Random) -> Option<Self> {
        let mut secret = vec![0; length];
        random.fill(&mut secret);
        // Below the order of the curve; P-521's is a little below 2^521.
        if group == 25 {
            secret[0] = 0;
        } else {
            secret[0] &= 0x7f;
        }
        let private = PrivateKey::from_private_key(algorithm, &secret).ok()?;
        let public = private.compute_public_key().ok()?;
        Some(Self { group, keys: Keys::Other { algorithm, private, public } })
    }

    /// Our public key, as TLS writes it.
    pub(super) fn public(&self) -> &[u8] {
        match &self.keys {
            Keys::X25519 { public, .. } => public,
            Keys::Other { public, .. } => public.as_ref(),
        }
    }

    /// Gives `take` what it shares with a peer's public key. `None` if that is no point of the curve.
    pub(super) fn agree<T>(&self, peer: &[u8], take: impl FnOnce(&[u8]) -> T) -> Option<T> {
        match &self.keys {
            Keys::X25519 { private, .. } => {
                let shared = private.times(MontgomeryPoint(peer.try_into().ok()?));
                // Such points have no part in the group (RFC 8446, section 7.4.2).
                (shared != [0; 32]).then(|| take(&shared))
            }
            Keys::Other { algorithm, private, .. } => {
                agree(private, UnparsedPublicKey::new(algorithm, peer), (), |shared| Ok(take(shared))).ok()
            }
        }
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "Pair({})", self.group)
    }
}

/// A private key of X25519 that is as clamped ones are (RFC 7748, section 5), a multiple of the cofactor with its
/// highest bit set, but shorter.
#[derive(Clone, Copy)]
struct Short(u16);

impl Short {
    fn new(secret: [u8; 2]) -> Self {
        Self(u16::from_be_bytes(secret) & !7 | 1 << 15)
    }

    fn times(self, point: MontgomeryPoint) -> [u8; 32] {
        point.mul_bits_be((0..u16::BITS).rev().map(|bit| self.0 >> bit & 1 == 1)).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn x25519(of: u8) -> Pair {
        Pair::x25519(&mut Random::new([of; 32]))
    }

    #[test]
    fn whoever_computes_whole_keys_shares_the_same_with_us() {
        let ours = x25519(1);
        let algorithm = &aws_lc_rs::agreement::X25519;
        let theirs = PrivateKey::from_private_key(algorithm, &[0x55; 32]).expect("a key");
        let public = theirs.compute_public_key().expect("its other half");
        let with_us = UnparsedPublicKey::new(algorithm, ours.public());
        let expected = agree(&theirs, with_us, (), |shared| Ok(shared.to_vec())).expect("a point");
        assert_eq!(ours.agree(public.as_ref(), <[u8]>::to_vec), Some(expected.clone()));
        // The highest bit of a public key does not count (RFC 7748, section 5).
        let mut marked = public.as_ref().to_vec();
        marked[31] |= 0x80;
        assert_eq!(ours.agree(&marked, <[u8]>::to_vec), Some(expected));
    }

    #[test]
    fn each_seed_has_a_key_of_its_own() {
        assert_ne!(x25519(1).public(), x25519(2).public());
        assert_eq!(x25519(1).public(), x25519(1).public());
    }

    #[test]
    fn points_of_small_order_and_what_is_no_key_share_nothing() {
        // Of order 1, 2, 4 and 8 (RFC 7748, section 6.1; https://cr.yp.to/ecdh.html#validate).
        let order_8 = "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800";
        let order_8: Vec<u8> =
            (0..32).map(|at| u8::from_str_radix(&order_8[2 * at..2 * at + 2], 16).expect("hex")).collect();
        let mut one = [0; 32];
        one[0] = 1;
        for point in [&[0; 32][..], &one, &order_8, &[9; 31], &[9; 33], &[]] {
            assert_eq!(x25519(1).agree(point, <[u8]>::to_vec), None, "{point:?}");
        }
    }
}
