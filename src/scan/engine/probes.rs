//! What goes out unasked: the probes of the sweep, a batch at a time, and SYNs that are repeated.

use super::{Engine, Phase};
use crate::base::Instant;
use crate::record::answer::Kind;
use crate::scan::answered::Answered;
use crate::scan::ledger::Ledger;
use crate::scan::sweep::Step;
use crate::targets::Target;
use crate::targets::cidr::AddressSet;
use crate::tcp::cookie::{Batch, Maker, cookie};
use crate::wire::Tuple;
use crate::wire::probe::{Facts, Finished};

/// Targets that are passed over at a time, blocked or spared, so that receiving never waits long.
const SKIPS_MAX: usize = 4_096;

impl Engine {
    /// Puts the next probes to send into place, to be written by [`Engine::template`], as many as there is room for, and
    /// says how many there were. Fewer if no more are due now.
    #[inline]
    pub fn poll_probes(&mut self, now: Instant, probes: &mut [Finished]) -> usize {
        self.template.stamp(now);
        let mut made = 0;
        while made < probes.len() && !self.asks.is_empty() {
            let Some(facts) = self.next_ask(now) else { return made };
            probes[made] = self.template.finish(&facts);
            made += 1;
        }
        for places in probes[made..].chunks_mut(Batch::SIZE) {
            let count = self.next_probes(now, places);
            made += count;
            if count < places.len() {
                break;
            }
        }
        made
    }

    /// Repeats a SYN, at the pace of the probes: it is one more on the wire.
    fn next_ask(&mut self, now: Instant) -> Option<Facts> {
        if !self.pace.take(now) {
            return None;
        }
        let tuple = self.asks.pop_front()?;
        self.ledger.asked_again += 1;
        self.turns.sent(now, tuple.remote);
        Some(self.facts_on(tuple))
    }

    /// As [`Engine::poll_probes`], of the sweep's, no more than a batch.
    fn next_probes(&mut self, now: Instant, probes: &mut [Finished]) -> usize {
        if self.phase != Phase::Sweeping || self.held_up() {
            return 0;
        }
        let allowed = self.pace.take_of(probes.len(), now);
        self.batch.clear();
        self.next_targets(now, allowed);
        self.pace.give_back(allowed - self.batch.len());
        self.ledger.probes += self.batch.len() as u64;
        let Self { config, source_ports, template, .. } = self;
        self.batch.finish(&Maker { key: config.key, local: config.source, source_ports, template }, probes);
        self.batch.len()
    }

    /// Fills the batch up to `most` with the targets to probe next: fewer if no more are due, or after many that are
    /// passed over.
    fn next_targets(&mut self, now: Instant, most: usize) {
        let Self { config, sweep, indices, blocked, batch, ledger, .. } = self;
        let choice = Choice { blocked: blocked.as_deref(), answered: &config.answered };
        let mut passed_over = 0;
        while batch.len() < most && passed_over < SKIPS_MAX {
            let before = batch.len();
            let taken = match sweep.next(now, &mut indices[..most - before]) {
                Step::Indices { count, number, empty } => {
                    if number == 0 {
                        ledger.walked += count as u64;
                        ledger.empty += empty;
                    } else {
                        ledger.repeats += count as u64;
                    }
                    let targets = indices[..count].iter().map(|index| config.space.target(*index));
                    choice.add(targets, number, batch, ledger);
                    count
                }
                Step::Again { target: (address, port), number } => {
                    *(if number == 0 { &mut ledger.resumed } else { &mut ledger.repeats }) += 1;
                    choice.add(std::iter::once(Target { address, port }), number, batch, ledger);
                    1
                }
                Step::Wait(_) => return,
                Step::Over => return self.stop(now),
            };
            passed_over += taken - (batch.len() - before);
        }
    }

    pub(super) fn facts_on(&self, tuple: Tuple) -> Facts {
        let seq = cookie(self.config.key, tuple);
        Facts { address: tuple.remote, port: tuple.remote_port, source_port: tuple.local_port, seq }
    }
}

/// Which targets of the sweep are probed.
struct Choice<'engine> {
    blocked: Option<&'engine AddressSet>,
    answered: &'engine Answered,
}

impl Choice<'_> {
    /// Adds those of the targets to the batch that are to be probed for the `number`-th time.
    #[inline]
    fn add(&self, targets: impl Iterator<Item = Target>, number: u8, batch: &mut Batch, ledger: &mut Ledger) {
        let due = targets.filter(|target| {
            if self.blocked.is_some_and(|list| list.contains(target.address)) {
                ledger.blocked_since += 1;
                return false;
            }
            let spared = number > 0 && self.answered.contains(*target, Kind::SynAck);
            ledger.spared += u64::from(spared);
            !spared
        });
        batch.extend(number, due.map(|Target { address, port }| (address, port)));
    }
}
