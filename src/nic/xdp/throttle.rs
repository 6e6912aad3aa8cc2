//! Slows a lane down when the driver refuses frames, and speeds it up again when it takes them.

use std::time::Duration;

/// How often the pace is set anew.
const PERIOD: Duration = Duration::from_millis(50);
/// Probes that may be made ahead at a pace, as time.
const BURST: Duration = Duration::from_millis(5);
/// Slowest pace, probes per second.
const SLOWEST: f64 = 10_000.0;
/// By how much a period with hardly any refusals raises the pace: fast up to nearly what was too much, slowly from there on.
const RAISE: f64 = 0.1;
const RAISE_NEAR: f64 = 0.005;
const NEAR: f64 = 0.95;
/// So small a share of refusals is a hiccup of the machine, for which the pause in `ebpf/live.bpf.c` is enough.
const HICCUP: f64 = 0.001;
/// More lower the pace by their share so many times, within these bounds.
const CUT: f64 = 4.0;
const CUT_MIN: f64 = 0.01;
const CUT_MAX: f64 = 0.5;
/// So much above what was ever reached, a pace is none any more.
const FREE: f64 = 1.5;

/// What became of the probes so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fate {
    /// Made for the driver.
    pub(super) made: u64,
    /// Taken by the driver.
    pub(super) sent: u64,
    /// Refused by it.
    pub(super) refused: u64,
}

/// A pace that follows from what the driver refuses: none as long as it refuses nothing. Times since any beginning.
#[derive(Clone, Debug, Default)]
pub(super) struct Throttle {
    /// Probes per second.
    pace: Option<f64>,
    /// Fastest period, probes per second.
    peak: f64,
    /// The pace that was last too fast.
    too_fast: f64,
    /// Refusals of probes before this one are known to come of a pace that is left.
    answered_for: u64,
    period_began: Duration,
    before: Fate,
    refilled: Duration,
    saved: f64,
    holding: bool,
}

impl Throttle {
    /// How many of `wanted` probes may be made at `now`. What is made is to be told to [`Throttle::made`].
    pub(super) fn allow(&mut self, now: Duration, fate: Fate, wanted: usize) -> usize {
        self.adapt(now, fate);
        self.holding = false;
        let Some(pace) = self.pace else { return wanted };
        let fresh = now.saturating_sub(self.refilled).as_secs_f64() * pace;
        self.saved = (self.saved + fresh).min(BURST.as_secs_f64() * pace);
        self.refilled = now;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from zero to a burst")]
        let allowed = self.saved as usize;
        self.holding = allowed < wanted;
        wanted.min(allowed)
    }

    /// Probes that may be made within `time`, if there is a pace.
    pub(super) fn within(&self, time: Duration) -> Option<usize> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and floats saturate")]
        self.pace.map(|pace| (pace * time.as_secs_f64()) as usize)
    }

    /// Whether it held probes back when it was last asked.
    pub(super) const fn holds(&self) -> bool {
        self.holding
    }

    /// Takes notice of `count` probes made.
    pub(super) fn made(&mut self, count: usize) {
        if self.pace.is_some() {
            self.saved -= count as f64;
        }
    }

    fn adapt(&mut self, now: Duration, fate: Fate) {
        let passed = now.saturating_sub(self.period_began);
        if passed < PERIOD {
            return;
        }
        let sent = (fate.sent - self.before.sent) as f64;
        let refused = (fate.refused - self.before.refused) as f64;
        self.peak = self.peak.max((sent + refused) / passed.as_secs_f64());
        let share = refused / (sent + refused).max(1.0);
        if share > HICCUP {
            if fate.sent + fate.refused > self.answered_for {
                self.too_fast = self.pace.unwrap_or(self.peak);
                let cut = (share * CUT).clamp(CUT_MIN, CUT_MAX);
                self.pace = Some((self.too_fast * (1.0 - cut)).max(SLOWEST));
                self.answered_for = fate.made;
            }
        } else if let Some(pace) = self.pace {
            let raise = if pace < self.too_fast * NEAR { RAISE } else { RAISE_NEAR };
            self.pace = Some(pace * (1.0 + raise)).filter(|pace| *pace < self.peak * FREE);
        }
        (self.period_began, self.before) = (now, fate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a driver that takes `capacity` probes a second, refuses what is more, and is offered as much as the
    /// throttle lets through, up to `offered` a second; returns what it took and refused in the last second.
    fn settle(capacity: u64, offered: usize, seconds: u64) -> (u64, u64) {
        let mut throttle = Throttle::default();
        let (mut fate, mut before) = (Fate::default(), Fate::default());
        for millisecond in 0..seconds * 1_000 {
            if millisecond == (seconds - 1) * 1_000 {
                before = fate;
            }
            let made = throttle.allow(Duration::from_millis(millisecond), fate, offered / 1_000);
            throttle.made(made);
            let taken = (made as u64).min(capacity / 1_000);
            fate.made += made as u64;
            fate.sent += taken;
            fate.refused += made as u64 - taken;
        }
        (fate.sent - before.sent, fate.refused - before.refused)
    }

    #[test]
    fn a_driver_that_takes_all_is_not_held_back() {
        assert_eq!(settle(1_000_000_000, 10_000_000, 3), (10_000_000, 0));
    }

    #[test]
    fn a_slow_driver_gets_what_it_takes_and_refuses_little() {
        let (sent, refused) = settle(1_000_000, 10_000_000, 20);
        assert!(sent > 950_000, "{sent}");
        assert!(refused < 10_000, "{refused}");
    }

    #[test]
    fn a_driver_that_takes_nothing_gets_the_slowest_pace() {
        let (sent, refused) = settle(0, 10_000_000, 10);
        assert_eq!(sent, 0);
        assert!((9_000..=11_000).contains(&refused), "{refused}");
    }
}
