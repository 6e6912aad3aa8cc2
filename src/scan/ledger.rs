//! What became of every probe and every answer: counters that add up.

use crate::counters;
use crate::session::Outcome;

counters! {
    /// The engine's own account. See [`Ledger::check`] for the sums that must hold.
    pub struct Ledger {
        /// Targets taken from the order, each for the first time in this run.
        walked,
        /// Positions of the order that stand for no target, passed on the way.
        empty,
        /// Targets that an earlier run of the dataset had left open.
        resumed,
        /// Targets taken again, where each is probed more than once.
        repeats,
        /// Of those, the ones that were not probed again because they had answered.
        spared,
        /// Probes handed to the link.
        probes,
        /// Targets not probed because the blocklist, read again since the start, has them.
        blocked_since,
        /// Frames taken from the link.
        frames,
        /// Frames that are no segment and no ICMP error that is asked for: other protocols, truncated, fragment.
        malformed,
        /// Frames whose IPv4, TCP or ICMP checksum is wrong.
        bad_checksum,
        /// SYN-ACKs that acknowledge nothing we sent.
        bad_cookie,
        /// Segments for no known connection whose acknowledgement is not ours either.
        strays,
        /// Segments of connections already over (answered with RST) or not yet open, and answers to an
        /// interrupted run.
        late,
        /// Segments of open connections.
        segments,
        /// First valid SYN-ACK of a target.
        answers,
        /// First RST of a target that refuses a probe, where those are asked for.
        refused,
        /// First ICMP error about a probe to a target, where those are asked for.
        unreachable,
        /// Further answers of the same kind from a target.
        duplicates,
        /// ICMP errors that quote nothing we sent.
        bad_quotes,
        /// Answers of which no connection was to be made: the scan only probes.
        not_opened,
        /// Valid SYN-ACKs not taken because the connection table, or the list of those that wait for their turn,
        /// was full. Their senders repeat them; none is counted as an answer before it is taken.
        no_room,
        /// Answers that had to wait until another connection to their address was over.
        waited,
        /// Valid SYN-ACKs from addresses blocked since their probe: reset, and otherwise left alone.
        blocked_answers,
        /// SYNs repeated, for a connection on the next rung or because the half-open connection was given up by its host
        /// while it waited. Not in `probes`.
        asked_again,
        /// Answers that waited and came to no connection: asked again in vain, the run was interrupted, or
        /// the address was blocked.
        turns_lost,
        /// Further connections that became due, on another rung: the server gave no ServerHello, or broke off in SSL 3.0.
        retried,
        /// Of those, the ones that came to nothing: the server did not answer another SYN, the run was interrupted, or
        /// the address was blocked.
        retries_lost,
        /// Resets not sent because too many waited for the link already.
        resets_unsent,
        /// Connections opened.
        opened,
        /// Connections that ended: one row each.
        ended,
    }
}

impl Ledger {
    /// The equations that hold at any moment, with `open` connections in the table and `waiting` answers waiting for
    /// their turn: in words, and both sides as numbers.
    pub fn sums(&self, open: u64, waiting: u64) -> [(&'static str, u64, u64); 4] {
        [
            (
                "walked + resumed + repeats = probes + blocked_since + spared",
                self.walked + self.resumed + self.repeats,
                self.probes + self.blocked_since + self.spared,
            ),
            (
                "frames = malformed + bad_checksum + bad_cookie + bad_quotes + strays + late + segments + answers + refused \
                 + unreachable + duplicates + no_room + blocked_answers",
                self.frames,
                self.malformed
                    + self.bad_checksum
                    + self.bad_cookie
                    + self.bad_quotes
                    + self.strays
                    + self.late
                    + self.segments
                    + self.answers
                    + self.refused
                    + self.unreachable
                    + self.duplicates
                    + self.no_room
                    + self.blocked_answers,
            ),
            (
                "answers + retried = not_opened + opened + turns_lost + retries_lost + waiting",
                self.answers + self.retried,
                self.not_opened + self.opened + self.turns_lost + self.retries_lost + waiting,
            ),
            ("opened = ended + open", self.opened, self.ended + open),
        ]
    }

    /// The first of the [`Ledger::sums`] that does not hold.
    pub fn check(&self, open: u64, waiting: u64) -> Result<(), String> {
        match self.sums(open, waiting).iter().find(|(_, left, right)| left != right) {
            Some((equation, left, right)) => Err(format!("{equation}: {left} is not {right}")),
            None => Ok(()),
        }
    }
}

counters! {
    /// For how long, in microseconds, the sweep was slower than asked for, by what slowed it.
    pub struct Held {
        /// Few entries of the connection table were free.
        table_us,
        /// Many answers waited for their turn.
        turns_us,
        /// The writer was behind.
        writer_us,
    }
}

/// Connections by outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcomes([u64; Outcome::ALL.len()]);

impl Outcomes {
    /// Counts one.
    pub fn count(&mut self, outcome: Outcome) {
        self.0[outcome as usize] += 1;
    }

    /// Adds `other`, outcome by outcome.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum += more;
        }
    }

    /// Names and values.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Outcome::ALL.iter().map(|outcome| (outcome.name(), self.0[*outcome as usize]))
    }

    /// How many ended so.
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.0[outcome as usize]
    }

    /// All together.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}
