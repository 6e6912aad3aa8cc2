//! What is probed next, and how far the sweep is.
//!
//! A walker goes through what is left: first the targets that an earlier run had left open, then the positions of the
//! order. With several probes a target there are as many walkers, each following the one before at a lag, so that one
//! outage on the way does not cost all probes of a target.
//!
//! A position is settled once every walker has passed it and no answer to its last probe is due any more. What is
//! settled need not be walked again when the run dies: who of it answered is known.

use crate::base::{Duration, Instant};
use crate::record::checkpoint::{Left, Target};
use crate::targets::permute::{Permutation, Walk};
use std::collections::VecDeque;

/// How often a cursor is noted.
const NOTE_EVERY: Duration = Duration::from_millis(500);
/// Into how many parts a lag is divided: so much later than the lag a follower may come.
const LAG_PARTS: u32 = 32;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// So many targets, whose indices are in the place given, for the `number`-th time, from 0. So many positions among
    /// them and behind them stand for no target. One of both is not zero.
    Indices { count: usize, number: u8, empty: u64 },
    /// This target, which an earlier run had left open.
    Again { target: Target, number: u8 },
    /// Nothing before this time.
    Wait(Instant),
    /// Nothing any more.
    Over,
}

/// How far a walker is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cursor {
    again: usize,
    range: usize,
    position: u64,
}

/// One pass over what is left.
#[derive(Clone, Debug)]
struct Walker {
    again: usize,
    /// The range that is being walked.
    range: usize,
    walk: Walk,
    over: bool,
    /// Steps done.
    steps: u64,
    /// When the walker before it had done so many steps.
    marks: VecDeque<(Instant, u64)>,
    /// Steps that may be done.
    allowed: u64,
}

/// The sweep of one lane.
#[derive(Debug)]
pub(super) struct Sweep {
    permutation: Permutation,
    left: Left,
    /// Never empty.
    walkers: Vec<Walker>,
    lag: Duration,
    /// Whose turn it is.
    turn: usize,
    notes: VecDeque<(Instant, Cursor)>,
    settled: Cursor,
}

impl Sweep {
    /// A sweep of `left` with so many probes a target, each `lag` after the one before.
    pub(super) fn new(permutation: Permutation, left: Left, probes: u8, lag: Duration) -> Self {
        let walk = permutation.walk(left.positions.first().cloned().unwrap_or(0..0));
        let walker = |number: u8| Walker {
            again: 0,
            range: 0,
            walk,
            over: false,
            steps: 0,
            marks: VecDeque::new(),
            allowed: if number == 0 { u64::MAX } else { 0 },
        };
        let walkers: Vec<Walker> = (0..probes.max(1)).map(walker).collect();
        let settled = walkers[0].cursor();
        Self { permutation, left, walkers, lag, turn: 0, notes: VecDeque::new(), settled }
    }

    /// The next step; of targets by index no more than there is room for in `indices`, which has some.
    #[inline]
    pub(super) fn next(&mut self, now: Instant, indices: &mut [u64]) -> Step {
        let count = self.walkers.len();
        let mut wait = None;
        for _ in 0..count {
            let number = self.turn;
            self.turn = if number + 1 == count { 0 } else { number + 1 };
            let walker = &mut self.walkers[number];
            if walker.over {
                continue;
            }
            if let Some(at) = walker.waits(now, self.lag) {
                wait = Some(wait.unwrap_or(at).min(at));
                continue;
            }
            #[expect(clippy::cast_possible_truncation, reason = "as many walkers as a u8 says")]
            let step = walker.next(&self.left, &self.permutation, number as u8, indices);
            if number + 1 < count {
                self.mark(now, number);
            }
            if let Some(step) = step {
                return step;
            }
        }
        wait.map_or(Step::Over, Step::Wait)
    }

    /// Tells the follower of a walker how far that is.
    fn mark(&mut self, now: Instant, number: usize) {
        let (steps, over) = (self.walkers[number].steps, self.walkers[number].over);
        let follower = &mut self.walkers[number + 1];
        if over || follower.marks.back().is_none_or(|(at, _)| now >= *at + self.lag / LAG_PARTS) {
            follower.marks.push_back((now, steps));
        }
        if over {
            // A mark that brings nothing new is the last one.
            follower.marks.push_back((now, steps));
        }
    }

    /// When [`Sweep::next`] has something to say, if only that nothing is left.
    pub(super) fn due(&self) -> Instant {
        let open = self.walkers.iter().filter(|walker| !walker.over);
        open.map(|walker| walker.due(self.lag)).min().unwrap_or(Instant::ZERO)
    }

    /// How far it is, from 0 to 1: the walker that is last counts.
    pub(super) fn progress(&self) -> f64 {
        let whole = self.left.count() + self.left.again.len() as u64;
        self.walked(self.last()) as f64 / whole.max(1) as f64
    }

    /// Notes how far it is at `now`; what was noted `cooldown` ago is settled.
    pub(super) fn note(&mut self, now: Instant, cooldown: Duration) {
        if self.notes.back().is_none_or(|(at, _)| now >= *at + NOTE_EVERY) {
            self.notes.push_back((now, self.last()));
        }
        while let Some((_, cursor)) = self.notes.front().copied().filter(|(at, _)| *at + cooldown <= now) {
            self.settled = cursor;
            self.notes.pop_front();
        }
    }

    /// What was walked and is not settled may be sent as late as `now`.
    pub(super) fn put_off(&mut self, now: Instant) {
        self.notes.iter_mut().for_each(|(at, _)| *at = now);
    }

    /// No answer is due any more: all that was walked is settled.
    pub(super) fn settle(&mut self) {
        self.notes.clear();
        self.settled = self.last();
    }

    /// What is not settled.
    pub(super) fn left(&self) -> Left {
        let Cursor { again, range, position } = self.settled;
        let mut positions = self.left.positions[range.min(self.left.positions.len())..].to_vec();
        if let Some(first) = positions.first_mut() {
            first.start = position;
        }
        positions.retain(|range| !range.is_empty());
        Left { positions, again: self.left.again[again..].to_vec() }
    }

    /// Positions that the first walker has passed and that are not settled.
    pub(super) fn unsettled(&self) -> u64 {
        let positions = |cursor: Cursor| self.walked(cursor) - cursor.again as u64;
        positions(self.walkers[0].cursor()) - positions(self.settled)
    }

    /// The walker that is last.
    fn last(&self) -> Cursor {
        self.walkers[self.walkers.len() - 1].cursor()
    }

    /// Targets again and positions before `cursor`.
    fn walked(&self, cursor: Cursor) -> u64 {
        let before = &self.left.positions[..cursor.range];
        let begun = self.left.positions.get(cursor.range).map_or(0, |range| cursor.position - range.start);
        before.iter().map(|range| range.end - range.start).sum::<u64>() + begun + cursor.again as u64
    }
}

impl Walker {
    fn cursor(&self) -> Cursor {
        Cursor { again: self.again, range: self.range, position: self.walk.position() }
    }

    /// Until when it has to wait at `now`, if it has to.
    #[inline]
    fn waits(&mut self, now: Instant, lag: Duration) -> Option<Instant> {
        while self.steps >= self.allowed {
            let (at, steps) = self.marks.front().copied().unwrap_or((Instant::FAR_FUTURE, 0));
            if at + lag > now {
                return Some(at + lag);
            }
            self.marks.pop_front();
            if steps == self.allowed {
                return None; // the walker before it is over: so is this one
            }
            self.allowed = steps;
        }
        None
    }

    fn due(&self, lag: Duration) -> Instant {
        let mark = self.marks.front().map_or(Instant::FAR_FUTURE, |(at, _)| *at + lag);
        if self.steps < self.allowed { Instant::ZERO } else { mark }
    }

    /// The next step, if there is one. It has been asked whether it [`waits`](Self::waits).
    #[inline]
    fn next(&mut self, left: &Left, permutation: &Permutation, number: u8, indices: &mut [u64]) -> Option<Step> {
        if let Some(target) = left.again.get(self.again) {
            self.again += 1;
            self.steps += 1;
            return Some(Step::Again { target: *target, number });
        }
        // If no more is allowed the walker before it is over, and positions without a target may be left.
        let most = usize::try_from(self.allowed - self.steps).unwrap_or(usize::MAX).clamp(1, indices.len());
        let (mut count, mut empty) = (0, 0);
        loop {
            let (from, found) = (self.walk.position(), self.walk.fill(&mut indices[count..most]));
            empty += self.walk.position() - from - found as u64;
            count += found;
            if count == most {
                break;
            }
            let Some(next) = left.positions.get(self.range + 1) else {
                self.over = true;
                break;
            };
            self.range += 1;
            self.walk = permutation.walk(next.clone());
        }
        self.steps += count as u64;
        (count > 0 || empty > 0).then_some(Step::Indices { count, number, empty })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    fn sweep(left: Left, probes: u8) -> Sweep {
        Sweep::new(Permutation::new(100, 3), left, probes, Duration::from_secs(1))
    }

    /// The next step with room for so many, and the indices.
    fn some(sweep: &mut Sweep, now: Instant, room: usize) -> (Step, Vec<u64>) {
        let mut indices = vec![0; room];
        let step = sweep.next(now, &mut indices);
        indices.truncate(if let Step::Indices { count, .. } = step { count } else { 0 });
        (step, indices)
    }

    /// The next step with room for one.
    fn one(sweep: &mut Sweep, now: Instant) -> (Step, Option<u64>) {
        let (step, indices) = some(sweep, now, 1);
        (step, indices.first().copied())
    }

    /// All indices to the end, some at a time.
    fn indices(sweep: &mut Sweep, now: Instant) -> Vec<u64> {
        let mut rooms = (1..=7).cycle();
        let steps = std::iter::from_fn(|| Some(some(sweep, now, rooms.next()?)));
        steps.take_while(|(step, _)| matches!(step, Step::Indices { .. })).flat_map(|(_, indices)| indices).collect()
    }

    #[test]
    fn what_was_left_open_comes_first_and_ranges_follow_each_other() {
        let order = Permutation::new(100, 3);
        let whole: Vec<u64> = order.walk(0..order.positions()).collect();
        let again = vec![(1, 25), (2, 25)];
        let mut sweep = sweep(Left { positions: vec![5..10, 50..100], again }, 1);
        assert_eq!(one(&mut sweep, at(0)).0, Step::Again { target: (1, 25), number: 0 });
        assert_eq!(one(&mut sweep, at(0)).0, Step::Again { target: (2, 25), number: 0 });
        let expected: Vec<u64> = order.walk(5..10).chain(order.walk(50..100)).collect();
        assert_eq!(indices(&mut sweep, at(0)), expected);
        assert_eq!(one(&mut sweep, at(0)).0, Step::Over);
        assert!(expected.iter().all(|index| whole.contains(index)) && (sweep.progress() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_left_at_any_moment_completes_what_was_walked() {
        let order = Permutation::new(100, 3);
        let left = Left { positions: vec![0..30, 40..order.positions()], again: vec![(9, 9)] };
        let expected = indices(&mut sweep(Left { again: Vec::new(), ..left.clone() }, 1), at(0));
        for stop in 0..expected.len() {
            let mut first = sweep(left.clone(), 1);
            assert_eq!(one(&mut first, at(0)).0, Step::Again { target: (9, 9), number: 0 });
            let mut walked: Vec<u64> = Vec::new();
            while walked.len() < stop
                && let Some(index) = one(&mut first, at(0)).1
            {
                walked.push(index);
            }
            assert_eq!(first.left(), left, "nothing is settled yet");
            first.settle();
            assert!(first.left().again.is_empty() && first.unsettled() == 0);
            walked.extend(indices(&mut sweep(first.left(), 1), at(0)));
            assert_eq!(walked, expected, "stopped after {stop}");
        }
    }

    #[test]
    fn a_position_is_settled_when_its_answer_is_no_longer_due() {
        let cooldown = Duration::from_secs(2);
        let mut sweep = sweep(Left::of(0..100), 1);
        for second in 0..10 {
            sweep.note(at(second * 1_000), cooldown);
            for _ in 0..5 {
                one(&mut sweep, at(second * 1_000));
            }
            let settled = 100 - sweep.left().count();
            let sent_by_then = second.saturating_sub(2) * 5;
            assert!(settled >= sent_by_then && settled <= sent_by_then + 1, "at {second} s {settled} are settled");
            assert!(sweep.notes.len() <= 5);
        }
    }

    #[test]
    fn repeats_follow_at_their_lag_in_the_same_order() {
        let order = Permutation::new(100, 3);
        let whole: Vec<u64> = order.walk(0..order.positions()).collect();
        let mut sweep = sweep(Left::of(0..order.positions()), 3);
        let mut seen: Vec<Vec<(u64, u64)>> = vec![Vec::new(); 3];
        let mut now = 0;
        loop {
            let (step, index) = one(&mut sweep, at(now));
            match step {
                Step::Indices { number, .. } => seen[usize::from(number)].extend(index.map(|index| (index, now))),
                Step::Wait(until) => {
                    assert_eq!(until, sweep.due());
                    assert!(until > at(now) && until <= at(now) + Duration::from_secs(1));
                }
                other => {
                    assert_eq!(other, Step::Over);
                    break;
                }
            }
            now += 20;
        }
        for (number, pass) in seen.iter().enumerate() {
            assert_eq!(pass.iter().map(|(index, _)| *index).collect::<Vec<_>>(), whole, "probe {number} of each");
        }
        for pair in seen.windows(2) {
            let lags: Vec<u64> = pair[0].iter().zip(&pair[1]).map(|((_, first), (_, second))| second - first).collect();
            assert!(lags.iter().all(|lag| (1_000..=3_100).contains(lag)), "{lags:?}");
        }
    }

    #[test]
    fn the_last_of_the_walkers_decides_what_is_settled() {
        let mut sweep = sweep(Left::of(0..100), 2);
        for _ in 0..10 {
            one(&mut sweep, at(0));
        }
        sweep.settle();
        assert_eq!((sweep.left().count(), sweep.unsettled()), (100, 10));
    }

    #[test]
    fn each_position_is_counted_those_at_the_end_too() {
        for (size, seed) in (1..=60).flat_map(|size| [(size, 1), (size, 2), (size, 3)]) {
            let order = Permutation::new(size, seed);
            let (middle, end) = (order.positions() / 2, order.positions());
            for cut in [end, middle] {
                let left = Left { positions: vec![0..cut, cut..end], again: Vec::new() };
                let mut sweep = Sweep::new(order, left, 2, Duration::ZERO);
                let (mut targets, mut positions, mut now) = ([0; 2], [0; 2], 0);
                loop {
                    let room = 1 + usize::try_from(now % 5).expect("few");
                    let (number, target, empty) = match some(&mut sweep, at(now), room).0 {
                        Step::Indices { count, number, empty } => (number, count as u64, empty),
                        Step::Wait(_) => (0, 0, 0),
                        Step::Again { .. } => unreachable!("nothing was left open"),
                        Step::Over => break,
                    };
                    targets[usize::from(number)] += target;
                    positions[usize::from(number)] += target + empty;
                    now += 1;
                }
                assert_eq!((targets, positions), ([size; 2], [end; 2]), "size {size}, seed {seed}");
            }
        }
    }

    #[test]
    fn a_sweep_of_nothing_is_over() {
        let mut sweep = sweep(Left::default(), 2);
        assert!(matches!(one(&mut sweep, at(0)).0, Step::Wait(_)));
        assert_eq!(one(&mut sweep, at(5_000)).0, Step::Over);
        assert!(sweep.left().is_empty());
    }
}
