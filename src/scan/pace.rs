//! A token bucket on given time: how many probes may go now.

use crate::base::{Duration, Instant};

/// How much the bucket holds, as time at the full rate: what a late wake-up may catch up.
const BURST: Duration = Duration::from_millis(10);

/// Lets `rate` probes a second pass.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Time a probe is worth, in 2^-16 nanoseconds.
    price: u64,
    /// Time in the bucket, same unit.
    saved: u64,
    limit: u64,
    last: Instant,
}

const SCALE: u32 = 16;

impl Pace {
    /// At most `rate` probes per second from `now` on; `None` for as fast as the link takes them.
    pub fn new(rate: Option<f64>, now: Instant) -> Self {
        let price = rate.map_or(0, |rate| scaled(Duration::from_secs_f64(1.0 / rate.max(1e-6))));
        // A slow pace still has to save up one whole probe.
        let limit = scaled(BURST).max(price);
        Self { price, saved: 0, limit, last: now }
    }

    /// Whether one more probe may go at `now`; if so it is counted.
    #[inline]
    pub fn take(&mut self, now: Instant) -> bool {
        if self.price == 0 {
            return true;
        }
        if now > self.last {
            self.saved = self.saved.saturating_add(scaled(now - self.last)).min(self.limit);
            self.last = now;
        }
        let allowed = self.saved >= self.price;
        if allowed {
            self.saved -= self.price;
        }
        allowed
    }

    /// When the next probe may go.
    pub fn next(&self) -> Instant {
        let missing = self.price.saturating_sub(self.saved);
        self.last + Duration::from_nanos(missing.div_ceil(1 << SCALE))
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
    fn the_rate_is_held_within_one_percent_of_every_second() {
        for (rate, step) in [(10_000.0, 50_000), (10_000.0, 1_000_000), (333.0, 700_000), (1_000_000.0, 90_000)] {
            for count in per_second(rate, step, 5) {
                let error = (count as f64 - rate).abs() / rate;
                assert!(error <= 0.011, "rate {rate} step {step}: {count}");
            }
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
        assert_eq!(burst, 10);
        assert!(pace.next() > late);
    }

    #[test]
    fn no_rate_is_no_limit() {
        let mut pace = Pace::new(None, Instant::ZERO);
        assert!((0..1_000).all(|_| pace.take(Instant::ZERO)));
    }
}
