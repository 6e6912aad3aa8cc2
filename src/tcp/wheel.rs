//! A timer wheel: constant time to set and to expire, bounded error, lazy cancellation.
//!
//! An entry is a hint that something may be due: on expiry the owner looks at its own deadlines and sets the
//! wheel again if none has passed. A hint is never removed before its time: the owner remembers when its latest one
//! comes, lets a later deadline wait for it ([`Wheel::set_by`] does both), and on expiry ignores any other. So a
//! moved deadline costs nothing, an owner's superseded hints vanish within [`Wheel::REACH`], and they do not multiply.

use crate::base::{Duration, Instant};

const WORDS: usize = 64;
const SLOTS: u64 = 64 * WORDS as u64;
const TICK_NANOS: u64 = 4_000_000;
/// End of a list.
const NONE: u32 = u32::MAX;

/// Hints by time, in ticks of four milliseconds, at most sixteen seconds ahead (later ones are hinted early).
///
/// Memory: the item and four bytes per hint, as many as were ever set at a time, and 16 KiB.
#[derive(Clone, Debug)]
pub struct Wheel<T> {
    /// Head of each slot's list, in `hints`.
    heads: Vec<u32>,
    /// Which slots are not empty.
    occupied: [u64; WORDS],
    /// Hints, and where the list of each goes on.
    hints: Vec<(T, u32)>,
    /// Head of the list of hints that are free.
    free: u32,
    /// The next tick to expire.
    tick: u64,
    len: usize,
}

impl<T: Copy> Default for Wheel<T> {
    fn default() -> Self {
        Self { heads: vec![NONE; WORDS * 64], occupied: [0; WORDS], hints: Vec::new(), free: NONE, tick: 0, len: 0 }
    }
}

impl<T: Copy> Wheel<T> {
    /// How late an expiry may be.
    pub const RESOLUTION: Duration = Duration::from_nanos(TICK_NANOS);
    /// How far ahead a hint can be set; a later deadline is hinted at this early.
    pub const REACH: Duration = Duration::from_nanos(TICK_NANOS * (SLOTS - 1));

    /// Hints at `item` not before `at`, unless that is further ahead than the wheel reaches. Returns when.
    pub fn set(&mut self, at: Instant, item: T) -> Instant {
        let tick = at.as_nanos().div_ceil(TICK_NANOS).clamp(self.tick, self.tick + SLOTS - 1);
        let slot = slot(tick);
        let hint = (item, self.heads[slot]);
        if self.free == NONE {
            self.heads[slot] = u32::try_from(self.hints.len()).expect("fewer hints than 2^32");
            self.hints.push(hint);
        } else {
            let at = self.free;
            self.free = std::mem::replace(&mut self.hints[at as usize], hint).1;
            self.heads[slot] = at;
        }
        self.occupied[slot / 64] |= 1 << (slot % 64);
        self.len += 1;
        Instant::from_nanos(tick * TICK_NANOS)
    }

    /// Hints at `item` by `at`, where `latest` is when the latest hint of its owner comes (`FAR_FUTURE` if there is
    /// none). Returns when it comes now.
    pub fn set_by(&mut self, at: Instant, latest: Instant, item: T) -> Instant {
        let in_time = latest.as_nanos() / TICK_NANOS <= at.as_nanos().div_ceil(TICK_NANOS);
        if in_time { latest } else { self.set(at, item) }
    }

    /// Moves everything hinted at up to `now` into `due`.
    pub fn expire(&mut self, now: Instant, due: &mut Vec<T>) {
        let until = now.as_nanos() / TICK_NANOS + 1;
        while let Some(tick) = self.next_tick().filter(|tick| *tick < until) {
            self.empty(slot(tick), due);
        }
        self.tick = self.tick.max(until);
    }

    /// When the next hint comes; exact, so that an idle owner can sleep until then.
    pub fn next(&self) -> Option<Instant> {
        self.next_tick().map(|tick| Instant::from_nanos(tick * TICK_NANOS))
    }

    /// The first tick whose slot is not empty: a look at no more than 65 words.
    fn next_tick(&self) -> Option<u64> {
        if self.len == 0 {
            return None;
        }
        let first = slot(self.tick);
        let words = self.occupied.len();
        (0..=words).find_map(|step| {
            let word = (first / 64 + step) % words;
            let mut bits = self.occupied[word];
            let ahead = !0 << (first % 64);
            match step {
                0 => bits &= ahead,
                _ if step == words => bits &= !ahead,
                _ => {}
            }
            (bits != 0).then(|| {
                let found = word * 64 + bits.trailing_zeros() as usize;
                self.tick + (found as u64).wrapping_sub(first as u64) % SLOTS
            })
        })
    }

    fn empty(&mut self, slot: usize, due: &mut Vec<T>) {
        let mut at = std::mem::replace(&mut self.heads[slot], NONE);
        while at != NONE {
            let (item, next) = self.hints[at as usize];
            due.push(item);
            self.len -= 1;
            self.hints[at as usize].1 = self.free;
            self.free = at;
            at = next;
        }
        self.occupied[slot / 64] &= !(1 << (slot % 64));
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
                let when = wheel.set(Instant::from_nanos(*at), *at).as_nanos();
                prop_assert!(*at <= when && when < at + TICK_NANOS);
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
                let next = timers.iter().map(|at| at.div_ceil(TICK_NANOS) * TICK_NANOS).filter(|at| *at > now).min();
                prop_assert_eq!(wheel.next().map(Instant::as_nanos), next);
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

    #[test]
    fn a_moved_deadline_sets_a_hint_only_if_it_is_earlier() {
        let mut wheel = Wheel::default();
        let at = |nanos| Instant::from_nanos(nanos);
        let mut hint = wheel.set_by(at(1_000_000_001), Instant::FAR_FUTURE, 'x');
        assert_eq!(hint, at(1_004_000_000));
        for deadline in [1_000_000_001, 1_003_000_000, 2_000_000_000, u64::MAX] {
            hint = wheel.set_by(at(deadline), hint, 'x');
            assert_eq!((hint, wheel.len()), (at(1_004_000_000), 1));
        }
        hint = wheel.set_by(at(1_000_000_000), hint, 'x');
        assert_eq!((hint, wheel.len()), (at(1_000_000_000), 2));
    }

    #[test]
    fn hints_of_one_owner_do_not_multiply() {
        // A deadline of thirty seconds, and a timer of a second set and stopped again every 50 milliseconds.
        let (mut wheel, mut due) = (Wheel::default(), Vec::new());
        let mut hint = Instant::FAR_FUTURE;
        let mut most = 0;
        for step in 1..4_000u64 {
            let now = Instant::from_nanos(step * 25_000_000);
            wheel.expire(now, &mut due);
            for () in due.drain(..) {
                hint = if now < hint { hint } else { Instant::FAR_FUTURE };
            }
            let patience = Duration::from_secs(if step % 2 == 0 { 1 } else { 30 });
            hint = wheel.set_by(now + patience, hint, ());
            most = most.max(wheel.len());
        }
        assert!(most <= 20, "{most}");
    }

    #[test]
    fn memory_is_that_of_the_most_hints_at_a_time() {
        let mut wheel = Wheel::default();
        let mut due = Vec::new();
        for round in 1..1_000u64 {
            for item in 0..100 {
                wheel.set(Instant::from_nanos((round * 37 + item % 7) * TICK_NANOS), item);
            }
            wheel.expire(Instant::from_nanos((round * 37 + 7) * TICK_NANOS), &mut due);
            assert_eq!((due.len(), wheel.len(), wheel.hints.len(), wheel.next()), (100, 0, 100, None));
            due.clear();
        }
    }

    #[test]
    fn a_hint_in_the_slot_behind_the_hand_is_the_last_of_the_turn() {
        let mut wheel = Wheel::default();
        let mut due = Vec::new();
        wheel.expire(Instant::from_nanos(70 * TICK_NANOS), &mut due);
        let far = wheel.set(Instant::FAR_FUTURE, 'f');
        assert_eq!((far.as_nanos(), wheel.next()), ((71 + SLOTS - 1) * TICK_NANOS, Some(far)));
        wheel.expire(Instant::from_nanos(far.as_nanos() - 1), &mut due);
        assert!(due.is_empty());
        wheel.expire(far, &mut due);
        assert_eq!(due, ['f']);
    }
}
