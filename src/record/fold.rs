//! Folding: a connection's certificates become rows, each distinct certificate and each distinct chain once.

use crate::base::UtcMicros;
use crate::base::keyed::Key;
use crate::record::certificate;
use crate::record::prints::Prints;
use crate::record::row::{Certificate, Chain, Sha256};

/// The certificates and chains known so far, by fingerprint: some nine bytes for each distinct one.
#[derive(Debug)]
pub struct Chains {
    certificates: Prints,
    chains: Prints,
}

/// What a connection's row says of its certificates, and the rows not seen before.
#[derive(Debug, Default, PartialEq)]
pub struct New {
    /// The chain's fingerprint.
    pub chain_id: Option<Sha256>,
    /// The first certificate's.
    pub leaf_sha256: Option<Sha256>,
    /// Certificates, in the order presented.
    pub certificates: Vec<Certificate>,
    /// The chain.
    pub chain: Option<Chain>,
}

impl Chains {
    /// Nothing known. `key` is a secret: who knows it can have a certificate taken for another one.
    pub fn new(key: Key) -> Self {
        Self { certificates: Prints::new(key), chains: Prints::new(key) }
    }

    /// Knows a certificate that an earlier run has written.
    pub fn recall_certificate(&mut self, sha256: &Sha256) {
        self.certificates.insert(sha256);
    }

    /// Knows a chain that an earlier run has written, and before it each of its certificates.
    pub fn recall_chain(&mut self, chain_id: &Sha256) {
        self.chains.insert(chain_id);
    }

    /// Takes the certificates that a connection presented, in order; the rows that are new are first seen at `time`. Of an
    /// empty chain there is nothing to say.
    pub fn fold(&mut self, time: UtcMicros, ders: &[Vec<u8>]) -> New {
        let prints: Vec<Sha256> = ders.iter().map(|der| certificate::sha256(der)).collect();
        let Some(&leaf) = prints.first() else {
            return New::default();
        };
        let chain_id = certificate::sha256(prints.as_flattened());
        let mut new = New { chain_id: Some(chain_id), leaf_sha256: Some(leaf), ..New::default() };
        if !self.chains.insert(&chain_id) {
            return new;
        }
        for (der, print) in ders.iter().zip(&prints) {
            if self.certificates.insert(print) {
                new.certificates.push(certificate::digest_known(*print, der, time));
            }
        }
        new.chain = Some(Chain { chain_id, first_seen: time, certificates: prints });
        new
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;

    const KEY: Key = Key([1, 2]);

    #[test]
    fn each_certificate_and_each_chain_is_new_once() {
        let (leaf, middle, other) = (b"leaf".to_vec(), b"middle".to_vec(), b"other".to_vec());
        let mut chains = Chains::new(KEY);
        let first = chains.fold(UtcMicros(5), &[leaf.clone(), middle.clone(), middle.clone()]);

        let prints: Vec<Sha256> = [&leaf, &middle, &middle].map(|der| certificate::sha256(der)).to_vec();
        let chain_id = certificate::sha256(&prints.concat());
        assert_eq!((first.chain_id, first.leaf_sha256), (Some(chain_id), Some(prints[0])));
        assert_eq!(first.certificates.iter().map(|row| &row.der).collect::<Vec<_>>(), [&leaf, &middle]);
        assert_eq!(first.certificates[1].first_seen, UtcMicros(5));
        assert_eq!(first.chain.unwrap(), Chain { chain_id, first_seen: UtcMicros(5), certificates: prints.clone() });

        let again = chains.fold(UtcMicros(6), &[leaf.clone(), middle.clone(), middle.clone()]);
        let known = New { chain_id: Some(chain_id), leaf_sha256: Some(prints[0]), ..New::default() };
        assert_eq!(again, known);

        let mixed = chains.fold(UtcMicros(7), &[other.clone(), middle]);
        assert_eq!(mixed.certificates.iter().map(|row| &row.der).collect::<Vec<_>>(), [&other]);
        assert_eq!(mixed.chain.unwrap().certificates.len(), 2);
        assert_ne!(mixed.chain_id, Some(chain_id));
    }

    #[test]
    fn of_an_empty_chain_there_is_nothing_to_say() {
        assert_eq!(Chains::new(KEY).fold(UtcMicros(1), &[]), New::default());
    }
}
