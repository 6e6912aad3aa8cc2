//! Key pairs on curves. One a group serves all handshakes of a [`Client`](super::Client), which is one lane of one run:
//! nothing secret goes through these sessions, and a fresh X25519 key costs a tenth of a handshake.

use super::random::Random;
use aws_lc_rs::agreement::{
    Algorithm, ECDH_P256, ECDH_P384, ECDH_P521, PrivateKey, PublicKey, UnparsedPublicKey, X25519, agree,
};
use std::fmt;
use std::sync::Arc;

/// Groups by their numbers (RFC 8446, section 4.2.7), what computes in them and the length of a private key: X25519 first.
const GROUPS: [(u16, &Algorithm, usize); 4] =
    [(29, &X25519, 32), (23, &ECDH_P256, 32), (24, &ECDH_P384, 48), (25, &ECDH_P521, 66)];

/// A key pair for each group.
#[derive(Clone, Debug)]
pub struct Pairs([Arc<Pair>; GROUPS.len()]);

impl Pairs {
    /// Pairs made from a secret seed; `None` if it does not do, as one in 2^32 may.
    pub fn new(seed: [u8; 32]) -> Option<Self> {
        let mut pairs = Vec::with_capacity(GROUPS.len());
        for (group, algorithm, length) in GROUPS {
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
    algorithm: &'static Algorithm,
    private: PrivateKey,
    public: PublicKey,
}

impl Pair {
    fn new(group: u16, algorithm: &'static Algorithm, length: usize, random: &mut Random) -> Option<Self> {
        let mut secret = vec![0; length];
        random.fill(&mut secret);
        match group {
            // Below the order of the curve, which is a little below 2^521.
            25 => secret[0] = 0,
            29 => {}
            _ => secret[0] &= 0x7f,
        }
        let private = PrivateKey::from_private_key(algorithm, &secret).ok()?;
        let public = private.compute_public_key().ok()?;
        Some(Self { group, algorithm, private, public })
    }

    /// Our public key, as TLS writes it.
    pub(super) fn public(&self) -> &[u8] {
        self.public.as_ref()
    }

    /// Gives `take` what it shares with a peer's public key. `None` if that is no point of the curve.
    pub(super) fn agree<T>(&self, peer: &[u8], take: impl FnOnce(&[u8]) -> T) -> Option<T> {
        agree(&self.private, UnparsedPublicKey::new(self.algorithm, peer), (), |shared| Ok(take(shared))).ok()
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "Pair({})", self.group)
    }
}
