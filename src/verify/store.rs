//! Certificates to look issuers up in: the roots that are trusted, and the issuers that other chains presented.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::facts::{Facts, Id};
use crate::record::row::Sha256;

/// Certificates by subject and by fingerprint.
#[derive(Debug, Default)]
pub struct Store {
    by_subject: BTreeMap<Id, Vec<Arc<Facts>>>,
    by_print: BTreeMap<Sha256, Arc<Facts>>,
}

impl Store {
    /// Adds a certificate; false if it is there already.
    pub fn add(&mut self, facts: Arc<Facts>) -> bool {
        if self.by_print.contains_key(&facts.sha256) {
            return false;
        }
        self.by_print.insert(facts.sha256, facts.clone());
        self.by_subject.entry(facts.subject).or_default().push(facts);
        true
    }

    /// The certificate with this fingerprint.
    pub fn get(&self, sha256: &Sha256) -> Option<&Arc<Facts>> {
        self.by_print.get(sha256)
    }

    /// Those with this subject.
    pub(super) fn named(&self, subject: &Id) -> &[Arc<Facts>] {
        self.by_subject.get(subject).map_or(&[], Vec::as_slice)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_print.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.by_print.is_empty()
    }
}
