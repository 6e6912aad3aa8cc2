//! A token bucket on given time: how many probes may go now.

use crate::base::{Duration, Instant};

/// How much the bucket holds beside a whole probe, as time at the full rate: what a late wake-up may catch up. Less than a hundredth of a
/// second, so that no second has a hundredth too much.
const BURST: Duration = Duration::from_millis(9);

/// What [`Pace::slow_down`] counts in: so many parts are the whole speed.
pub const FULL_SPEED: u32 = 256;
/// A pace without a rate is slowed down by pausing for a part of each slice of time.
const SLICE_NANOS: u64 = 10_000_000;

/// Lets `rate` probes a second pass.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Time a probe is worth, in 2^-16 nanoseconds.
    price: u64,
    /// Time in the bucket, same unit.
    saved: u64,
    limit: u64,
    last: Instant,
    share: u32,
}

const SCALE: u32 = 16;

impl Pace {
    /// At most `rate` probes per second from `now` on; `None` for as fast as the link takes them.
    pub fn new(rate: Option<f64>, now: Instant) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and floats saturate")]
        // In whole nanoseconds the price would be off by a third of a percent at line rate.
        let price = rate.map_or(0, |rate| (1e9 * f64::from(1 << SCALE) / rate.max(1e-6)).round() as u64);
        // However slow the pace: a probe is saved up and sent late without the next one being late too.
        let limit = price.saturating_add(scaled(BURST));
        Self { price, saved: 0, limit, last: now, share: FULL_SPEED }
    }

    /// Slows down to `share` of [`FULL_SPEED`] from `now` on.
    pub fn slow_down(&mut self, now: Instant, share: u32) {
        if share != self.share {
            self.save(now);
            self.share = share.min(FULL_SPEED);
        }
    }

    /// Whether one more probe may go at `now`; if so it is counted.
    pub fn take(&mut self, now: Instant) -> bool {
        self.take_of(1, now) == 1
    }

    /// How many of `wanted` probes may go at `now`; they are counted.
    #[inline]
    pub fn take_of(&mut self, wanted: usize, now: Instant) -> usize {
        if self.price == 0 && self.share == FULL_SPEED {
            return wanted;
        }
        self.save(now);
        if self.price == 0 {
            let on = u64::from(self.share) * SLICE_NANOS > now.as_nanos() % SLICE_NANOS * u64::from(FULL_SPEED);
            return if on { wanted } else { 0 };
        }
        let allowed = (self.saved / self.price).min(wanted as u64);
        self.saved -= allowed * self.price;
        usize::try_from(allowed).unwrap_or(wanted)
    }

    /// Takes back so many probes that [`Pace::take_of`] let pass and that were not sent.
    pub fn give_back(&mut self, count: usize) {
        self.saved = self.saved.saturating_add(self.price.saturating_mul(count as u64)).min(self.limit);
    }

    /// When the next probe may go.
    pub fn next(&self) -> Instant {
        if self.price == 0 {
            let wait = if self.share == FULL_SPEED { 0 } else { SLICE_NANOS - self.last.as_nanos() % SLICE_NANOS };
            return self.last + Duration::from_nanos(wait);
        }
        if self.share == 0 {
            return Instant::FAR_FUTURE;
        }
        let missing = self.price.saturating_sub(self.saved);
        let nanos = u128::from(missing.div_ceil(1 << SCALE)) * u128::from(FULL_SPEED);
        self.last + Duration::from_nanos(u64::try_from(nanos.div_ceil(u128::from(self.share))).unwrap_or(u64::MAX))
    }

    fn save(&mut self, now: Instant) {
        if now > self.last {
            let fresh = u128::from(scaled(now - self.last)) * u128::from(self.share) / u128::from(FULL_SPEED);
            self.saved = self.saved.saturating_add(u64::try_from(fresh).unwrap_or(u64::MAX)).min(self.limit);
            self.last = now;
        }
    }
}

fn scaled(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos() << SCALE).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Probes let through in each of `seconds` when asked every `step` nanoseconds.
    fn per_second(rate: f64, step: u64, seconds: u64) -> Vec<u64> {
        let mut pace = Pace::new(Some(rate), Instant::ZERO);
        let mut counts = vec![0; usize::try_from(seconds).expect("few")];
        let mut now = 0;
        while now < seconds * 1_000_000_000 {
            while pace.take(Instant::from_nanos(now)) {
                counts[usize::try_from(now / 1_000_000_000).expect("few")] += 1;
            }
            now += step;
        }
        counts
    }

    #[test]
    fn the_rate_is_held_within_one_percent_of_any_second() {
        // Irregular steps up to nine milliseconds; windows that begin at every tenth of a second.
        for (rate, longest, seconds) in [
            (10_000.0, 50_000, 20),
            (10_000.0, 8_900_000, 600),
            (333.0, 700_000, 600),
            (7.5, 5_000_000, 600),
            (1_000_000.0, 3_000_000, 4),
            (14_880_952.0, 1_000_000, 1),
        ] {
            let mut pace = Pace::new(Some(rate), Instant::ZERO);
            let (mut now, mut step, mut tenths) = (0u64, 1u64, vec![0u64; seconds * 10]);
            while now < seconds as u64 * 1_000_000_000 {
                while pace.take(Instant::from_nanos(now)) {
                    tenths[usize::try_from(now / 100_000_000).expect("few")] += 1;
                }
                step = step.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                now += 1 + (step >> 33) % longest;
            }
            for window in tenths.windows(10) {
                let count: u64 = window.iter().sum();
                assert!((count as f64 - rate).abs() <= 0.01 * rate + 1.0, "rate {rate}, longest {longest}: {count}");
            }
            let total: u64 = tenths.iter().sum();
            let whole = rate * seconds as f64;
            assert!((total as f64 - whole).abs() <= 0.001 * whole + 2.0, "rate {rate}: {total} in all");
        }
    }

    #[test]
    fn a_slow_pace_sends_its_probes_too() {
        let total: u64 = per_second(0.5, 10_000_000, 10).iter().sum();
        assert_eq!(total, 4, "one each two seconds, the first after two");
    }

    #[test]
    fn a_pause_is_not_caught_up_beyond_the_burst() {
        let mut pace = Pace::new(Some(1_000.0), Instant::ZERO);
        let late = Instant::from_nanos(60_000_000_000);
        let burst = std::iter::repeat_with(|| pace.take(late)).take_while(|allowed| *allowed).count();
        assert_eq!(burst, 10, "the burst, and the one that was due");
        assert!(pace.next() > late);
    }

    #[test]
    fn slowed_down_a_share_of_the_rate_passes_and_none_at_all_when_stopped() {
        for rate in [Some(10_000.0), None] {
            let mut pace = Pace::new(rate, Instant::ZERO);
            let mut passed = |from: u64, share: u32| {
                let mut count = 0;
                for step in 0..10_000 {
                    let now = Instant::from_nanos(from + step * 100_000);
                    pace.slow_down(now, share);
                    count += u32::from(pace.take(now));
                    assert!(pace.next() <= now + Duration::from_millis(10) || share == 0);
                }
                count
            };
            assert!((9_990..=10_000).contains(&passed(0, FULL_SPEED)));
            assert!((2_490..=2_600).contains(&passed(1_000_000_000, FULL_SPEED / 4)));
            assert!(passed(2_000_000_000, 0) <= 1);
        }
    }

    #[test]
    fn no_rate_is_no_limit() {
        let mut pace = Pace::new(None, Instant::ZERO);
        assert!((0..1_000).all(|_| pace.take(Instant::ZERO)));
    }
}
