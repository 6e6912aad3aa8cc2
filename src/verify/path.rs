//! A path and what is wrong with it (RFC 5280, section 6.1, as far as a server of mail is concerned).

use std::collections::BTreeSet;
use std::sync::Arc;

use x509_parser::extensions::KeyUsage;

use super::constraints;
use super::facts::{Authority, Facts};
use super::signature::Checked;

/// Where a certificate of a path comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// From the root store.
    Root,
    /// From the server.
    Presented,
    /// From another server.
    Other,
}

/// A certificate of a path.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) facts: Arc<Facts>,
    pub(super) source: Source,
    /// Whether its key made the signature of the certificate before it.
    pub(super) checked: Checked,
}

/// What a path ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// A root of the store.
    Root,
    /// A self-signed certificate that is none.
    SelfSigned,
    /// A certificate whose issuer is not there; `refused` if somebody with its name is.
    Open { refused: bool },
}

/// A path with its faults.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) steps: Vec<Step>,
    pub(super) end: End,
    pub(super) expired: bool,
    pub(super) not_yet_valid: bool,
    /// Words of the column `problems`.
    pub(super) problems: BTreeSet<&'static str>,
}

impl Path {
    /// The path of `steps`, which are not empty, at a time in seconds since the UNIX epoch.
    pub(super) fn new(steps: Vec<Step>, end: End, at: i64) -> Self {
        let expired = steps.iter().any(|step| step.facts.not_after < at);
        let not_yet_valid = steps.iter().any(|step| step.facts.not_before > at);
        let problems = problems(&steps, end);
        Self { steps, end, expired, not_yet_valid, problems }
    }

    /// It ends in a root of the store, and nothing is wrong with it.
    pub(super) fn is_faultless(&self) -> bool {
        self.end == End::Root && self.problems.is_empty() && !self.expired && !self.not_yet_valid
    }

    /// Smaller is better: where it ends, what is wrong, then how far it goes, or how short it is.
    pub(super) fn rank(&self) -> impl Ord + use<> {
        let (end, length) = match self.end {
            End::Root => (0, self.steps.len()),
            End::SelfSigned => (1, self.steps.len()),
            End::Open { .. } => (2, usize::MAX - self.steps.len()),
        };
        (end, self.problems.len(), self.expired || self.not_yet_valid, length)
    }

    /// The certificates whose signatures count: not that of a root, or of another end, by itself.
    pub(super) fn signed(&self) -> &[Step] {
        match self.end {
            End::Root | End::SelfSigned if self.steps.len() > 1 => &self.steps[..self.steps.len() - 1],
            End::Root => &[],
            _ => &self.steps,
        }
    }
}

fn problems(steps: &[Step], end: End) -> BTreeSet<&'static str> {
    let mut problems = BTreeSet::new();
    let mut found = |is: bool, word: &'static str| {
        if is {
            problems.insert(word);
        }
    };
    let mut below = 0;
    for (index, step) in steps.iter().enumerate() {
        let facts = &step.facts;
        found(facts.unknown_critical, "critical_extension");
        found(facts.unclear, "unclear_extension");
        found(step.checked == Checked::Unknown, "algorithm");
        let is_anchor = end == End::Root && index > 0 && index + 1 == steps.len();
        found(!is_anchor && facts.for_servers == Some(false), "extended_key_usage");
        if index == 0 {
            found(facts.key_usage.is_some_and(|usage| !lets_serve(usage)), "key_usage");
            continue;
        }
        found(!is_ca(facts), "not_a_ca");
        found(facts.key_usage.is_some_and(|usage| !usage.key_cert_sign()), "key_usage");
        let too_long = matches!(facts.authority, Authority::Yes(Some(most)) if below > most);
        found(too_long, "path_length");
        // Self-issued ones do not count (RFC 5280, section 6.1.4, l).
        below += u32::from(!facts.self_issued());
        if facts.constrains {
            let broken = steps[..index].iter().enumerate().any(|(lower, step)| {
                (lower == 0 || !step.facts.self_issued()) && constraints::broken(facts, &step.facts)
            });
            found(broken, "name_constraints");
        }
    }
    problems
}

/// For a key that a TLS server uses, one of these is needed.
fn lets_serve(usage: KeyUsage) -> bool {
    usage.digital_signature() || usage.key_encipherment() || usage.key_agreement()
}

/// As OpenSSL sees it: basic constraints say so; without them a self-signed certificate of version 1, or a key usage that
/// lets it sign certificates.
fn is_ca(facts: &Facts) -> bool {
    match facts.authority {
        Authority::Yes(_) => true,
        Authority::No => false,
        Authority::Unsaid => {
            (facts.version < 3 && facts.self_issued()) || facts.key_usage.is_some_and(|usage| usage.key_cert_sign())
        }
    }
}
