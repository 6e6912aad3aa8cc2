//! Time as an argument: nanoseconds on a monotonic clock that only the shell (or the simulator) reads.

use std::ops::{Add, AddAssign, Sub};

pub use std::time::Duration;

/// A point on the run's monotonic clock, in nanoseconds since the run began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The run's beginning.
    pub const ZERO: Self = Self(0);
    /// Later than anything that will happen.
    pub const FAR_FUTURE: Self = Self(u64::MAX);

    /// A point `nanos` nanoseconds after the run's beginning.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the run's beginning.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time since `earlier`; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        let nanos = u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, rhs: Duration) {
        *self = *self + rhs;
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, rhs: Self) -> Duration {
        self.since(rhs)
    }
}

/// Wall-clock time in microseconds since the UNIX epoch, UTC: what rows carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcMicros(pub i64);

/// Maps the run's clock to UTC. Fixed at start, so that rows stay in order when the wall clock is stepped.
#[derive(Clone, Copy, Debug, Default)]
pub struct WallClock {
    /// UTC at [`Instant::ZERO`].
    pub start: UtcMicros,
}

impl WallClock {
    /// UTC at `at`.
    pub fn utc(self, at: Instant) -> UtcMicros {
        let micros = i64::try_from(at.as_nanos() / 1_000).unwrap_or(i64::MAX);
        UtcMicros(self.start.0.saturating_add(micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_saturate_instead_of_wrapping() {
        let now = Instant::from_nanos(5);
        assert_eq!(now - Instant::from_nanos(9), Duration::ZERO);
        assert_eq!(now + Duration::MAX, Instant::FAR_FUTURE);
        assert_eq!((now + Duration::from_nanos(7)).as_nanos(), 12);
    }

    #[test]
    fn wall_clock_counts_from_the_start() {
        let clock = WallClock { start: UtcMicros(1_000_000) };
        assert_eq!(clock.utc(Instant::from_nanos(2_500_000)), UtcMicros(1_002_500));
    }
}
