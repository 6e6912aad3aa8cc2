//! Chains and what to think of them: a verdict for each, against a root store and at a time.
//!
//! The servers of a census are not those that a browser talks to. So nothing is refused for its age: MD5, SHA-1, RSA of any
//! size and certificates of version 1 are checked as well as modern ones, and told by flags of their own. Names of servers
//! are not compared, and revocation is not asked for.
//!
//! [`facts`] reads a certificate, [`signature`] checks one by another, [`store`] looks issuers up, `search` finds the path,
//! `path` says what is wrong with it; [`Judge`] makes a row of that. Pure: certificates, roots and time are arguments.

mod constraints;
pub mod facts;
mod path;
mod rsa;
mod search;
pub mod signature;
pub mod store;

use std::sync::Arc;

use crate::base::UtcMicros;
use crate::record::row::{Sha256, Verdict};
use facts::Facts;
use path::{End, Path, Source};
use search::{Edges, Places, Search};
use signature::Checked;
use store::Store;

/// A certificate as presented: its fingerprint, and what could be read.
pub type Presented = (Sha256, Option<Arc<Facts>>);

/// Judges chains, one after the other. Each thread has its own: it remembers who signed whom.
pub struct Judge<'a> {
    roots: &'a Store,
    pool: &'a Store,
    edges: Edges,
    name: String,
}

impl<'a> Judge<'a> {
    /// A judge who trusts `roots`, a store called `name`, and completes chains from `pool`, the issuers that any chain
    /// presented.
    pub fn new(roots: &'a Store, name: &str, pool: &'a Store) -> Self {
        Self { roots, pool, edges: Edges::default(), name: name.to_owned() }
    }

    /// The verdict on a chain, leaf first. An empty chain is unparsable.
    pub fn judge(&mut self, chain_id: Sha256, chain: &[Presented], at: UtcMicros) -> Verdict {
        let leaf_sha256 = chain.first().map_or(Sha256::default(), |(print, _)| *print);
        let verdict = Verdict { chain_id, leaf_sha256, at, roots: self.name.clone(), ..Verdict::default() };
        let Some((_, Some(leaf))) = chain.first() else {
            let (other, verdict_word) = (true, "other");
            let path = chain.first().map(|(print, _)| *print).into_iter().collect();
            return Verdict { verdict: verdict_word, other, path, problems: vec!["unparsable".to_owned()], ..verdict };
        };
        let presented: Vec<Arc<Facts>> = chain.iter().filter_map(|(_, facts)| facts.clone()).collect();
        let unread = presented.len() < chain.len();
        let found = self.find(leaf, &presented, at.0.div_euclid(1_000_000));
        let verdict = described(verdict, &found, unread);
        Verdict { verdict: word(&verdict), ..verdict }
    }

    fn find(&mut self, leaf: &Arc<Facts>, presented: &[Arc<Facts>], at: i64) -> Found {
        let alone = Places { roots: self.roots, presented, pool: None };
        let mut search = Search::new(alone, &mut self.edges, at);
        let in_order = presented.windows(2).all(|pair| match pair {
            [child, issuer] => {
                child.sha256 != issuer.sha256
                    && child.issuer == issuer.subject
                    && search.edge(child, issuer) != Checked::Bad
            }
            _ => true,
        });
        let trusted = self.roots.get(&leaf.sha256).is_some();
        let own = if trusted { Checked::Bad } else { search.self_signed(leaf) };
        let (mut path, mut exhausted) = search.best(leaf);
        if own == Checked::Bad && path.end != End::Root {
            let pool = Some(self.pool);
            let (completed, ended) = Search::new(Places { pool, ..alone }, &mut self.edges, at).best(leaf);
            if completed.rank() < path.rank() {
                path = completed;
            }
            exhausted |= ended;
        }
        Found { path, own, in_order, exhausted }
    }
}

/// What a search found out about a chain.
struct Found {
    path: Path,
    /// Whether the first certificate is signed by its own key.
    own: Checked,
    in_order: bool,
    exhausted: bool,
}

fn described(verdict: Verdict, found: &Found, unread: bool) -> Verdict {
    let Found { path, own, in_order, exhausted } = found;
    let steps = &path.steps;
    let mut problems = path.problems.clone();
    if *own == Checked::Unknown {
        problems.insert("algorithm");
    }
    if *exhausted && path.end != End::Root {
        problems.insert("too_complex");
    }
    let self_signed = *own != Checked::Bad;
    let refused = path.end == End::Open { refused: true };
    let open = path.end == End::Open { refused: false };
    // The issuer may be the certificate that could not be read.
    if open && unread {
        problems.insert("unparsable");
    }
    let completed = steps.iter().any(|step| step.source == Source::Other);
    let root_sha256 = steps.last().filter(|_| path.end == End::Root).map(|step| step.facts.sha256);
    let (other, at_root) = (!problems.is_empty(), path.end == End::Root);
    Verdict {
        valid: at_root && !completed && !other && !path.expired && !path.not_yet_valid,
        self_signed,
        expired: path.expired,
        not_yet_valid: path.not_yet_valid,
        unknown_root: !self_signed && (path.end == End::SelfSigned || open),
        missing_intermediate: completed || open,
        bad_signature: refused,
        issued_by_root_directly: at_root && steps.len() == 2,
        other,
        problems: problems.into_iter().map(str::to_owned).collect(),
        completed,
        in_order: *in_order && !unread,
        path: steps.iter().map(|step| step.facts.sha256).collect(),
        root_sha256,
        weak_md5: path.signed().iter().any(|step| step.facts.algorithm.is_md5()),
        weak_sha1: path.signed().iter().any(|step| step.facts.algorithm.is_sha1()),
        weak_rsa: steps.iter().any(|step| step.facts.rsa_bits.is_some_and(|bits| bits < 2_048)),
        weak_v1: steps.iter().any(|step| step.facts.version < 3),
        ..verdict
    }
}

/// The one word, by precedence.
fn word(verdict: &Verdict) -> &'static str {
    let words = [
        (verdict.self_signed, "self_signed"),
        (verdict.bad_signature, "bad_signature"),
        (verdict.unknown_root, "unknown_root"),
        (verdict.missing_intermediate, "missing_intermediate"),
        (verdict.other, "other"),
        (verdict.expired, "expired"),
        (verdict.not_yet_valid, "not_yet_valid"),
    ];
    words.iter().find(|(is, _)| *is).map_or("valid", |(_, word)| word)
}
