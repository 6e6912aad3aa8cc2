//! A timer wheel: constant time to set, bounded error, lazy cancellation.
//!
//! An entry is a hint that something may be due: on expiry the owner looks at its own deadlines and sets the
//! wheel again if none has passed. So nothing is ever removed, and a moved deadline costs nothing.

use crate::base::{Duration, Instant};

const SLOTS: u64 = 4_096;
const TICK_NANOS: u64 = 4_000_000;

/// Hints by time, in ticks of four milliseconds, at most sixteen seconds ahead (later ones are hinted early).
#[derive(Clone, Debug)]
pub struct Wheel<T> {
    slots: Vec<Vec<T>>,
    /// The next tick to expire.
    tick: u64,
    len: usize,
}

impl<T> Default for Wheel<T> {
    fn default() -> Self {
        Self { slots: (0..SLOTS).map(|_| Vec::new()).collect(), tick: 0, len: 0 }
    }
}

impl<T> Wheel<T> {
    /// How late an expiry may be.
    pub const RESOLUTION: Duration = Duration::from_nanos(TICK_NANOS);

    /// Hints at `item` not before `at`, unless that is further ahead than the wheel reaches.
    pub fn set(&mut self, at: Instant, item: T) {
        let tick = at.as_nanos().div_ceil(TICK_NANOS).clamp(self.tick, self.tick + SLOTS - 1);
        self.slots[slot(tick)].push(item);
        self.len += 1;
    }

    /// Moves everything hinted at up to `now` into `due`.
    pub fn expire(&mut self, now: Instant, due: &mut Vec<T>) {
        let until = now.as_nanos() / TICK_NANOS + 1;
        if self.len == 0 || until > self.tick + SLOTS {
            // Nothing to walk for, or every slot is due.
            for slot in &mut self.slots {
                if self.len == 0 {
                    break;
                }
                self.len -= slot.len();
                due.append(slot);
            }
            self.tick = self.tick.max(until);
            return;
        }
        while self.tick < until {
            let slot = &mut self.slots[slot(self.tick)];
            self.len -= slot.len();
            due.append(slot);
            self.tick += 1;
        }
    }

    /// Hints set.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether no hint is set.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

fn slot(tick: u64) -> usize {
    usize::try_from(tick % SLOTS).expect("a slot is an index")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_expires_early_within_reach_and_nothing_is_late(
            timers in proptest::collection::vec(0u64..16_000_000_000, 1..100),
            steps in proptest::collection::vec(1u64..2_000_000_000, 1..60),
        ) {
            let mut wheel = Wheel::default();
            for at in &timers {
                wheel.set(Instant::from_nanos(*at), *at);
            }
            let (mut now, mut fired) = (0, 0);
            for step in steps {
                now += step;
                let mut due = Vec::new();
                wheel.expire(Instant::from_nanos(now), &mut due);
                fired += due.len();
                for at in due {
                    prop_assert!(at <= now);
                }
                let late = timers.iter().filter(|at| **at + TICK_NANOS <= now).count();
                prop_assert!(fired >= late);
                prop_assert_eq!(wheel.len(), timers.len() - fired);
            }
        }
    }

    #[test]
    fn far_timers_are_hinted_early_and_past_ones_at_once() {
        let mut wheel = Wheel::default();
        wheel.set(Instant::FAR_FUTURE, 'f');
        let mut due = Vec::new();
        wheel.expire(Instant::from_nanos(17_000_000_000), &mut due);
        assert_eq!(due, ['f']);
        wheel.set(Instant::ZERO, 'p');
        due.clear();
        wheel.expire(Instant::from_nanos(17_004_000_000), &mut due);
        assert_eq!(due, ['p']);
    }
}
