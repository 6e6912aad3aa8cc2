//! Folding: a connection's certificates become rows, each distinct certificate and each distinct chain once.

use std::collections::BTreeSet;

use crate::record::certificate;
use crate::record::row::{Certificate, Chain, Handshake, Sha256};

/// The first half of a SHA-256. To make two certificates whose halves agree takes 2^64 hashes.
type Print = [u8; 16];

/// The certificates and chains known so far, by fingerprint.
///
/// Memory: 16 bytes and a share of a tree node, below 40 bytes in all, for each distinct certificate and each
/// distinct chain. A tree and not a hash table: no seed is needed, and a peer that chooses its certificates
/// cannot make it slow.
#[derive(Debug, Default)]
pub struct Chains {
    certificates: BTreeSet<Print>,
    chains: BTreeSet<Print>,
}

/// Rows not seen before.
#[derive(Debug, Default, PartialEq)]
pub struct New {
    /// Certificates, in the order presented.
    pub certificates: Vec<Certificate>,
    /// The chain.
    pub chain: Option<Chain>,
}

impl Chains {
    /// Nothing known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `chain_id` and `leaf_sha256` of `handshake` from the certificates it presented, in order, and
    /// returns the rows that are new, first seen at the handshake's time. An empty chain changes nothing.
    pub fn fold(&mut self, handshake: &mut Handshake, ders: &[Vec<u8>]) -> New {
        let prints: Vec<Sha256> = ders.iter().map(|der| certificate::sha256(der)).collect();
        let Some(&leaf) = prints.first() else {
            return New::default();
        };
        let chain_id = certificate::sha256(prints.as_flattened());
        handshake.chain_id = Some(chain_id);
        handshake.leaf_sha256 = Some(leaf);
        if !self.chains.insert(half(&chain_id)) {
            return New::default();
        }
        let first_seen = handshake.time;
        let mut certificates = Vec::new();
        for (der, print) in ders.iter().zip(&prints) {
            if self.certificates.insert(half(print)) {
                certificates.push(certificate::digest_known(*print, der, first_seen));
            }
        }
        New { certificates, chain: Some(Chain { chain_id, first_seen, certificates: prints }) }
    }
}

fn half(hash: &Sha256) -> Print {
    let mut print = Print::default();
    print.copy_from_slice(&hash[..16]);
    print
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;
    use crate::base::UtcMicros;

    fn at(time: i64) -> Handshake {
        Handshake { time: UtcMicros(time), ..Handshake::default() }
    }

    #[test]
    fn each_certificate_and_each_chain_is_new_once() {
        let (leaf, middle, other) = (b"leaf".to_vec(), b"middle".to_vec(), b"other".to_vec());
        let mut chains = Chains::new();
        let mut first = at(5);
        let new = chains.fold(&mut first, &[leaf.clone(), middle.clone(), middle.clone()]);

        let prints: Vec<Sha256> = [&leaf, &middle, &middle].map(|der| certificate::sha256(der)).to_vec();
        let chain_id = certificate::sha256(&prints.concat());
        assert_eq!((first.chain_id, first.leaf_sha256), (Some(chain_id), Some(prints[0])));
        assert_eq!(new.certificates.iter().map(|row| &row.der).collect::<Vec<_>>(), [&leaf, &middle]);
        assert_eq!(new.certificates[1].first_seen, UtcMicros(5));
        assert_eq!(new.chain.unwrap(), Chain { chain_id, first_seen: UtcMicros(5), certificates: prints });

        let mut again = at(6);
        assert_eq!(chains.fold(&mut again, &[leaf.clone(), middle.clone(), middle.clone()]), New::default());
        assert_eq!((again.chain_id, again.leaf_sha256), (first.chain_id, first.leaf_sha256));

        let mut mixed = at(7);
        let new = chains.fold(&mut mixed, &[other.clone(), middle]);
        assert_eq!(new.certificates.iter().map(|row| &row.der).collect::<Vec<_>>(), [&other]);
        assert_eq!(new.chain.unwrap().certificates.len(), 2);
        assert_ne!(mixed.chain_id, first.chain_id);
    }

    #[test]
    fn an_empty_chain_changes_nothing() {
        let mut handshake = at(1);
        assert_eq!(Chains::new().fold(&mut handshake, &[]), New::default());
        assert_eq!(handshake, at(1));
    }
}
