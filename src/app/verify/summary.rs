//! What came of it, as a table.

use super::Roots;
use super::certificates::Certificates;
use crate::base::{Duration, UtcMicros};
use crate::record::row::Verdict;
use std::collections::BTreeMap;
use std::fmt;

/// How many chains have a property.
type Count = (&'static str, fn(&Verdict) -> bool, u64);

/// The sums over all verdicts.
#[derive(Debug)]
pub struct Summary {
    roots: String,
    trusted: usize,
    at: Option<UtcMicros>,
    chains: u64,
    words: BTreeMap<&'static str, u64>,
    flags: Vec<Count>,
    certificates: usize,
    unparsable: u64,
    issuers: usize,
    left_out: u64,
    took: Duration,
}

/// What is counted, verdict by verdict.
const FLAGS: &[(&str, fn(&Verdict) -> bool)] = &[
    ("valid", |verdict| verdict.valid),
    ("  issued by a root directly", |verdict| verdict.valid && verdict.issued_by_root_directly),
    ("self-signed", |verdict| verdict.self_signed),
    ("expired", |verdict| verdict.expired),
    ("not yet valid", |verdict| verdict.not_yet_valid),
    ("unknown root", |verdict| verdict.unknown_root),
    ("missing intermediate", |verdict| verdict.missing_intermediate),
    ("  valid but for that", |verdict| {
        verdict.root_sha256.is_some()
            && verdict.completed
            && !(verdict.other || verdict.expired || verdict.not_yet_valid)
    }),
    ("bad signature", |verdict| verdict.bad_signature),
    ("other", |verdict| verdict.other),
    ("weak: MD5", |verdict| verdict.weak_md5),
    ("weak: SHA-1", |verdict| verdict.weak_sha1),
    ("weak: RSA below 2048 bits", |verdict| verdict.weak_rsa),
    ("weak: X.509 version 1 or 2", |verdict| verdict.weak_v1),
];

impl Summary {
    pub(super) fn new(roots: &Roots, at: Option<UtcMicros>) -> Self {
        Self {
            roots: roots.name.clone(),
            trusted: roots.store.len(),
            at,
            chains: 0,
            words: BTreeMap::new(),
            flags: FLAGS.iter().map(|(name, is)| (*name, *is, 0)).collect(),
            certificates: 0,
            unparsable: 0,
            issuers: 0,
            left_out: 0,
            took: Duration::ZERO,
        }
    }

    pub(super) fn add(&mut self, verdict: &Verdict) {
        self.chains += 1;
        *self.words.entry(verdict.verdict).or_default() += 1;
        for (_, is, count) in &mut self.flags {
            *count += u64::from(is(verdict));
        }
    }

    pub(super) fn end(&mut self, certificates: &Certificates, took: Duration) {
        self.certificates = certificates.len();
        self.unparsable = certificates.unparsable;
        self.issuers = certificates.pool.len();
        self.left_out = certificates.left_out;
        self.took = took;
    }

    /// How many chains have been judged.
    pub const fn chains(&self) -> u64 {
        self.chains
    }

    fn share(&self, count: u64) -> f64 {
        if self.chains == 0 { 0.0 } else { 100.0 * count as f64 / self.chains as f64 }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = if self.at.is_some() { "at the time given" } else { "at the time each was first seen" };
        let Self { chains, certificates, issuers, roots, trusted, .. } = self;
        writeln!(
            f,
            "{chains} distinct chains of {certificates} certificates ({issuers} possible issuers), judged {when}"
        )?;
        writeln!(f, "by {roots}, {trusted} roots, in {:.1} s", self.took.as_secs_f64())?;
        if self.unparsable > 0 {
            writeln!(f, "{} certificates cannot be parsed", self.unparsable)?;
        }
        if self.left_out > 0 {
            writeln!(f, "{} possible issuers did not fit into memory: chains may lack them", self.left_out)?;
        }
        writeln!(f, "\n{:<30} {:>10} {:>8}", "verdict", "chains", "share")?;
        for (word, count) in &self.words {
            writeln!(f, "{word:<30} {count:>10} {:>7.2}%", self.share(*count))?;
        }
        writeln!(f, "\n{:<30} {:>10} {:>8}", "flags, which overlap", "chains", "share")?;
        for (name, _, count) in &self.flags {
            writeln!(f, "{name:<30} {count:>10} {:>7.2}%", self.share(*count))?;
        }
        Ok(())
    }
}
