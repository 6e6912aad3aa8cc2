//! How many probes may wait to be sent so that their answers find room.
//!
//! A thread of its own sends live frames, so answers also come while the lane is kept from taking them. It never has
//! more to send than can be answered into what the receive rings hold.

/// So many probes, or all that the rings have room for, make a new estimate.
const PROBES: u64 = 16_384;
/// What the rings keep free: the estimate may be wrong, and not only answers come.
const SPARE: usize = 2;

/// The bound that follows from the share of probes that is answered: each of them until something is known.
#[derive(Clone, Debug)]
pub(super) struct Window {
    room: usize,
    /// Frames received for each probe, from above.
    share: f64,
    /// Sent when the estimate began, and received since.
    began: u64,
    received: u64,
}

impl Window {
    /// For receive rings of `slots` in all; without any, nothing is received and nothing bounded.
    pub(super) fn new(slots: usize) -> Self {
        let room = if slots == 0 { usize::MAX } else { slots / SPARE };
        Self { room, share: 1.0, began: 0, received: 0 }
    }

    /// Takes notice of `count` frames received.
    pub(super) fn received(&mut self, count: usize) {
        self.received += count as u64;
    }

    /// How many probes may wait when `sent` of them have been sent, a few more or less.
    pub(super) fn size(&mut self, sent: u64) -> usize {
        let probes = sent.saturating_sub(self.began);
        if probes >= PROBES.min((self.room as u64).saturating_mul(4)) {
            let measured = self.received as f64 / probes as f64;
            // Up at once, down by halves.
            self.share = measured.max(self.share / 2.0);
            (self.began, self.received) = (sent, 0);
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and floats saturate")]
        let size = (self.room as f64 / self.share) as usize;
        size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends what the window allows at a time, and gets `share` of it answered.
    fn after(share: f64, rounds: usize) -> usize {
        let (mut window, mut sent) = (Window::new(4_096), 0);
        for _ in 0..rounds {
            let size = window.size(sent).min(65_536);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from zero to the ring's size")]
            let answers = (size as f64 * share) as usize;
            assert!(answers <= 4_096, "{answers} answers to {size} probes");
            window.received(answers);
            sent += size as u64;
        }
        window.size(sent)
    }

    #[test]
    fn where_all_answer_no_more_is_sent_than_has_room() {
        assert_eq!(after(1.0, 1_000), 2_048);
        assert_eq!(after(0.0, 0), 2_048, "nor before anything is known");
    }

    #[test]
    fn where_few_answer_the_window_does_not_matter() {
        assert!(after(0.01, 1_000) > 100_000);
        assert!(after(0.0, 100_000) > 65_536);
    }

    #[test]
    fn a_share_that_rises_is_met_at_once() {
        let mut window = Window::new(4_096);
        let mut sent = 0;
        for _ in 0..100 {
            sent += PROBES;
            window.size(sent);
        }
        window.received(8_192);
        assert_eq!(window.size(sent + PROBES), 4_096, "half of the probes were answered");
    }
}
