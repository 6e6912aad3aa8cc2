//! The search for a path: from a certificate over issuers to a root of the store.
//!
//! Depth first; issuers are found by name, roots before what was presented before what others presented, those whose key
//! identifier fits before the others. A signature that a candidate's key did not make is no step. The first path without
//! fault ends the search; else the best one counts. Work is bounded, however the certificates are made: certificates on the
//! path are not used again, nor another one with the same name and key, and checks of signatures and steps have a budget.

use std::collections::HashMap;
use std::sync::Arc;

use super::facts::{Facts, Id, half};
use super::path::{End, Path, Source, Step};
use super::signature::Checked;
use super::store::Store;

/// Longest path. Public ones have four certificates.
const MAX_DEPTH: usize = 12;
/// Steps of one search.
const MAX_STEPS: u32 = 1_000;
/// What signature checks of one search may cost, in units of the usual check: 100 of these take 5 ms.
const MAX_COST: u32 = 100;
/// Checks between issuers that are remembered.
const MAX_REMEMBERED: usize = 1 << 20;

/// What is known about who signed what, among issuers. It belongs to one thread.
#[derive(Debug, Default)]
pub(super) struct Edges(HashMap<(Id, Id), Checked>);

/// Where to look for issuers.
#[derive(Clone, Copy)]
pub(super) struct Places<'a> {
    pub(super) roots: &'a Store,
    pub(super) presented: &'a [Arc<Facts>],
    /// What others presented, if that may be used.
    pub(super) pool: Option<&'a Store>,
}

/// A search.
pub(super) struct Search<'a> {
    places: Places<'a>,
    edges: &'a mut Edges,
    /// Checks of this search that are not worth remembering longer.
    checked: HashMap<(Id, Id), Checked>,
    at: i64,
    steps: u32,
    cost: u32,
    exhausted: bool,
    best: Option<Path>,
}

impl<'a> Search<'a> {
    /// A search among `places` at `at`, in seconds since the UNIX epoch.
    pub(super) fn new(places: Places<'a>, edges: &'a mut Edges, at: i64) -> Self {
        Self { places, edges, checked: HashMap::new(), at, steps: 0, cost: 0, exhausted: false, best: None }
    }

    /// The best path from the certificate; whether the search was ended at its limit before it found one without fault.
    pub(super) fn best(mut self, leaf: &Arc<Facts>) -> (Path, bool) {
        let mut steps = vec![Step { facts: leaf.clone(), source: Source::Presented, checked: Checked::Good }];
        self.from(&mut steps);
        let exhausted = self.exhausted;
        let path = self.best.unwrap_or_else(|| Path::new(steps, End::Open { refused: false }, self.at));
        let faultless = path.is_faultless();
        (path, exhausted && !faultless)
    }

    /// Whether `issuer` signed `child`, of which at most one is worth remembering.
    pub(super) fn edge(&mut self, child: &Facts, issuer: &Facts) -> Checked {
        let key = (half(&child.sha256), half(&issuer.sha256));
        if let Some(known) = self.edges.0.get(&key).or_else(|| self.checked.get(&key)) {
            return *known;
        }
        if self.cost >= MAX_COST {
            self.exhausted = true;
            return Checked::Bad;
        }
        let (checked, cost) = child.signed_by(issuer);
        self.cost += cost;
        let shared = |facts: &Facts| {
            self.places.roots.get(&facts.sha256).is_some()
                || self.places.pool.is_some_and(|pool| pool.get(&facts.sha256).is_some())
        };
        if shared(child) && shared(issuer) {
            if self.edges.0.len() >= MAX_REMEMBERED {
                self.edges.0.clear();
            }
            self.edges.0.insert(key, checked);
        } else {
            self.checked.insert(key, checked);
        }
        checked
    }

    /// Whether the certificate is signed by its own key, as far as one can tell.
    pub(super) fn self_signed(&mut self, facts: &Facts) -> Checked {
        if !facts.self_issued() || facts.names_key_of(facts) == Some(false) {
            return Checked::Bad;
        }
        self.edge(facts, facts)
    }

    /// Goes on from the last of the steps. True if nothing better can be found.
    fn from(&mut self, steps: &mut Vec<Step>) -> bool {
        let Some(tip) = steps.last().map(|step| step.facts.clone()) else { return true };
        self.steps += 1;
        if self.steps > MAX_STEPS {
            self.exhausted = true;
            return true;
        }
        if self.places.roots.get(&tip.sha256).is_some() {
            return self.consider(steps, End::Root);
        }
        if self.self_signed(&tip) != Checked::Bad {
            return self.consider(steps, End::SelfSigned);
        }
        let (mut refused, mut goes_on) = (false, false);
        for (issuer, source) in self.candidates(&tip) {
            let again = |step: &Step| {
                step.facts.sha256 == issuer.sha256
                    || (step.facts.subject == issuer.subject && step.facts.spki == issuer.spki)
            };
            if steps.iter().any(again) {
                continue;
            }
            match self.edge(&tip, &issuer) {
                Checked::Bad => {
                    // Of what others presented, and of who says that the key is another one, this says nothing.
                    refused |= !self.exhausted && source != Source::Other && tip.names_key_of(&issuer) != Some(false);
                }
                checked => {
                    goes_on = true;
                    if steps.len() >= MAX_DEPTH {
                        self.exhausted = true;
                        continue;
                    }
                    steps.push(Step { facts: issuer, source, checked });
                    let done = self.from(steps);
                    steps.pop();
                    if done {
                        return true;
                    }
                }
            }
        }
        // Its own key did not make the signature of a certificate that says so.
        refused |= tip.self_issued() && tip.names_key_of(&tip) != Some(false);
        !goes_on && self.consider(steps, End::Open { refused })
    }

    /// Who may have issued the certificate, the likeliest first.
    fn candidates(&self, child: &Facts) -> Vec<(Arc<Facts>, Source)> {
        let Places { roots, presented, pool } = self.places;
        let roots = roots.named(&child.issuer).iter().map(|facts| (facts, Source::Root));
        let presented = presented.iter().filter(|facts| facts.subject == child.issuer);
        let presented = presented.map(|facts| (facts, Source::Presented));
        let others = pool.map_or(&[][..], |pool| pool.named(&child.issuer)).iter();
        let others = others.map(|facts| (facts, Source::Other)).take(MAX_STEPS as usize);
        let mut all: Vec<_> =
            roots.chain(presented).chain(others).map(|(facts, source)| (facts.clone(), source)).collect();
        // Stable: of equals the order above stays.
        all.sort_by_key(|(facts, source)| {
            (child.names_key_of(facts) == Some(false), *source == Source::Other, !facts.may_issue())
        });
        all
    }

    /// Keeps the path if it is the best so far. True if there is none better.
    fn consider(&mut self, steps: &[Step], end: End) -> bool {
        let path = Path::new(steps.to_vec(), end, self.at);
        if self.best.as_ref().is_none_or(|best| path.rank() < best.rank()) {
            self.best = Some(path);
        }
        self.best.as_ref().is_some_and(Path::is_faultless)
    }
}
