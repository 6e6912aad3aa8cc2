//! The shell's clock: the only place where the run's time is read.

use crate::base::time::WallClock;
use crate::base::{Instant, UtcMicros};
use nix::time::{ClockId, clock_gettime};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// CLOCK_MONOTONIC, as BPF programs have it: nanoseconds.
pub fn monotonic() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// What has to be added to [`monotonic`], in microseconds, to have UTC. It changes when the machine's clock is set.
pub fn monotonic_to_utc() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let micros = |nanos: u128| i64::try_from(nanos / 1_000).unwrap_or(i64::MAX);
    micros(since_epoch.as_nanos()) - micros(monotonic().into())
}

/// Time since the run began, and when that was.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: std::time::Instant,
    wall: WallClock,
}

impl Clock {
    /// A clock that begins now.
    pub fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let start = UtcMicros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX));
        Self { start: std::time::Instant::now(), wall: WallClock { start } }
    }

    /// Now.
    pub fn now(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// How run time maps to UTC.
    pub const fn wall(&self) -> WallClock {
        self.wall
    }

    /// Now, in UTC.
    pub fn utc(&self) -> UtcMicros {
        self.wall.utc(self.now())
    }
}
