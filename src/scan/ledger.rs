//! What became of every probe and every answer: counters that add up.

use crate::counters;
use crate::session::Outcome;

counters! {
    /// The engine's own account. See [`Ledger::check`] for the sums that must hold.
    pub struct Ledger {
        /// Probes handed to the link.
        probes,
        /// TCP frames taken from the link.
        frames,
        /// Frames that are no segment: not TCP over IPv4, truncated, fragment.
        malformed,
        /// Frames whose IPv4 or TCP checksum is wrong.
        bad_checksum,
        /// SYN-ACKs that acknowledge nothing we sent.
        bad_cookie,
        /// Segments for no known connection whose acknowledgement is not ours either.
        strays,
        /// Segments of connections already over, answered with RST.
        late,
        /// Segments of open connections.
        segments,
        /// First valid SYN-ACK of a target.
        answers,
        /// Further SYN-ACKs of a target that answered.
        duplicates,
        /// Valid SYN-ACKs not taken because the connection table was full (they are repeated by their sender).
        no_room,
        /// Connections opened.
        opened,
        /// Connections that ended: one row each.
        ended,
    }
}

impl Ledger {
    /// The first equation that does not hold, with `open` connections still in the table.
    pub fn check(&self, open: u64) -> Result<(), String> {
        let sums = [
            (
                "frames = malformed + bad_checksum + bad_cookie + strays + late + segments + answers + duplicates + no_room",
                self.frames,
                self.malformed
                    + self.bad_checksum
                    + self.bad_cookie
                    + self.strays
                    + self.late
                    + self.segments
                    + self.answers
                    + self.duplicates
                    + self.no_room,
            ),
            ("answers = opened", self.answers, self.opened),
            ("opened = ended + open", self.opened, self.ended + open),
        ];
        match sums.iter().find(|(_, left, right)| left != right) {
            Some((equation, left, right)) => Err(format!("{equation}: {left} is not {right}")),
            None => Ok(()),
        }
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
