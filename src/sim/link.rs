//! One direction of a link with faults: a frame and the time go in, deliveries come out.
//!
//! Pure, and ignorant of worlds: the simulator puts its results on the event heap, a bridge between two real
//! interfaces would send them when their time has come. The two directions of a path are two [`Direction`]s.

use super::random::Random;
use crate::base::{Duration, Instant};
use crate::counters;

/// First byte that a damaged link damages: what lies before is the Ethernet header, whose damage the
/// adapter's check sequence keeps from us.
const DAMAGE_FROM: usize = 14;

/// What a direction does to frames. Probabilities are per frame. The default does nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// Every frame takes so long.
    pub delay: Duration,
    /// And up to so much longer; without reordering, frames wait for those before them.
    pub jitter: Duration,
    /// A frame is lost.
    pub loss: f64,
    /// A burst of losses begins.
    pub burst: f64,
    /// Longest burst, in frames.
    pub burst_max: u64,
    /// A frame is held up, so that later ones overtake it.
    pub reorder: f64,
    /// For how long at most.
    pub reorder_max: Duration,
    /// A frame arrives twice.
    pub duplicate: f64,
    /// One bit of a frame is flipped: TCP's checksum catches every such damage.
    pub corrupt: f64,
    /// Larger frames (Ethernet header included) are dropped.
    pub frame_max: Option<usize>,
}

counters! {
    /// What became of frames: `sent + duplicated = delivered + lost + too_large`.
    pub struct Fates {
        /// Frames put on the link.
        sent,
        /// Second copies.
        duplicated,
        /// Frames that arrive, second copies and damaged ones included.
        delivered,
        /// Frames dropped by chance.
        lost,
        /// Frames dropped because of their size.
        too_large,
        /// Frames that arrive with a flipped bit.
        corrupted,
    }
}

impl Fates {
    /// Whether they add up.
    pub const fn conserved(&self) -> bool {
        self.sent + self.duplicated == self.delivered + self.lost + self.too_large
    }
}

/// A frame on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// When it arrives.
    pub at: Instant,
    /// Its bytes, as they arrive.
    pub frame: Vec<u8>,
    /// A bit was flipped.
    pub damaged: bool,
}

/// One direction of a link.
#[derive(Clone, Debug)]
pub struct Direction {
    faults: Faults,
    random: Random,
    /// Frames still to be lost in this burst.
    burst: u64,
    /// Arrival of the last frame that was not held up.
    last: Instant,
    fates: Fates,
}

impl Direction {
    /// A direction with these faults; `random` decides which frames they hit.
    pub fn new(faults: Faults, random: Random) -> Self {
        Self { faults, random, burst: 0, last: Instant::ZERO, fates: Fates::default() }
    }

    /// What became of the frames so far.
    pub const fn fates(&self) -> &Fates {
        &self.fates
    }

    /// Stops all faults but the delay.
    pub fn heal(&mut self) {
        self.burst = 0;
        self.faults = Faults { delay: self.faults.delay, ..Faults::default() };
    }

    /// Puts a frame on the link at `now` (which never decreases): its deliveries, none if it is lost.
    pub fn send(&mut self, now: Instant, frame: &[u8]) -> Vec<Delivery> {
        self.fates.sent += 1;
        if self.faults.frame_max.is_some_and(|max| frame.len() > max) {
            self.fates.too_large += 1;
            return Vec::new();
        }
        if self.loses() {
            self.fates.lost += 1;
            return Vec::new();
        }
        let mut deliveries = vec![self.delivery(now, frame)];
        if self.random.chance(self.faults.duplicate) {
            self.fates.duplicated += 1;
            deliveries.push(self.delivery(now, frame));
        }
        deliveries
    }

    fn loses(&mut self) -> bool {
        if self.burst == 0 && self.random.chance(self.faults.burst) {
            self.burst = self.random.between(1, self.faults.burst_max.max(1));
        }
        if self.burst > 0 {
            self.burst -= 1;
            return true;
        }
        self.random.chance(self.faults.loss)
    }

    fn delivery(&mut self, now: Instant, frame: &[u8]) -> Delivery {
        self.fates.delivered += 1;
        let mut at = now + self.faults.delay + self.random.up_to(self.faults.jitter);
        if self.random.chance(self.faults.reorder) {
            at += self.random.up_to(self.faults.reorder_max);
        } else {
            at = at.max(self.last);
            self.last = at;
        }
        let mut frame = frame.to_vec();
        let damaged = frame.len() > DAMAGE_FROM && self.random.chance(self.faults.corrupt);
        if damaged {
            self.fates.corrupted += 1;
            let byte = self.random.length(DAMAGE_FROM, frame.len() - 1);
            frame[byte] ^= 1 << self.random.between(0, 7);
        }
        Delivery { at, frame, damaged }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAMES: u64 = 20_000;

    /// Sends frames a microsecond apart; gives number and delivery of each that arrives, in order of arrival.
    fn arrivals(faults: Faults, seed: u64) -> (Vec<(u64, Delivery)>, Fates) {
        let mut link = Direction::new(faults, Random::new(seed, 1));
        let mut arrived = Vec::new();
        for number in 0..FRAMES {
            let mut frame = vec![0; 60];
            frame[20..28].copy_from_slice(&number.to_be_bytes());
            let now = Instant::from_nanos(number * 1_000);
            arrived.extend(link.send(now, &frame).into_iter().map(|delivery| (number, delivery)));
        }
        assert!(link.fates().conserved());
        arrived.sort_by_key(|(_, delivery)| delivery.at);
        (arrived, *link.fates())
    }

    fn share(count: u64) -> f64 {
        count as f64 / FRAMES as f64
    }

    #[test]
    fn a_link_without_faults_delays_and_nothing_else() {
        let (arrived, fates) = arrivals(Faults { delay: Duration::from_millis(7), ..Faults::default() }, 1);
        assert_eq!(fates, Fates { sent: FRAMES, delivered: FRAMES, ..Fates::default() });
        for (place, (number, delivery)) in (0..).zip(&arrived) {
            assert_eq!((place, delivery.at.as_nanos()), (*number, number * 1_000 + 7_000_000));
            assert_eq!((delivery.frame[20..28].to_vec(), delivery.damaged), (number.to_be_bytes().to_vec(), false));
        }
    }

    #[test]
    fn jitter_alone_keeps_the_order_and_reordering_breaks_it() {
        let jitter = Faults { jitter: Duration::from_millis(5), ..Faults::default() };
        let (arrived, _) = arrivals(jitter, 2);
        assert!(arrived.iter().map(|(number, _)| number).is_sorted());
        let reorder = Faults { reorder: 0.05, reorder_max: Duration::from_millis(1), ..jitter };
        let (arrived, _) = arrivals(reorder, 2);
        let overtaken = arrived.windows(2).filter(|pair| pair[0].0 > pair[1].0).count() as u64;
        assert!(overtaken > 100, "{overtaken}");
    }

    #[test]
    fn faults_come_as_often_as_told_and_from_the_seed() {
        let faults = Faults { loss: 0.05, duplicate: 0.02, corrupt: 0.01, ..Faults::default() };
        let (arrived, fates) = arrivals(faults, 3);
        assert!((0.045..0.055).contains(&share(fates.lost)), "{fates:?}");
        assert!((0.016..0.024).contains(&share(fates.duplicated)), "{fates:?}");
        assert!((0.007..0.013).contains(&share(fates.corrupted)), "{fates:?}");
        for (number, delivery) in &arrived {
            let mut sent = [0; 60];
            sent[20..28].copy_from_slice(&number.to_be_bytes());
            let flipped: u32 = sent.iter().zip(&delivery.frame).map(|(a, b)| (a ^ b).count_ones()).sum();
            assert_eq!(flipped, u32::from(delivery.damaged));
        }
        assert_eq!(arrivals(faults, 3), (arrived, fates));
        assert!(arrivals(faults, 4).1 != fates);
    }

    #[test]
    fn bursts_lose_frames_in_a_row_and_large_frames_do_not_fit() {
        let faults = Faults { burst: 0.01, burst_max: 9, ..Faults::default() };
        let (arrived, fates) = arrivals(faults, 5);
        let longest = arrived.windows(2).map(|pair| pair[1].0 - pair[0].0 - 1).max();
        assert!(longest.is_some_and(|longest| longest >= 8), "{longest:?}");
        assert!((0.03..0.07).contains(&share(fates.lost)), "{fates:?}");
        let mut narrow = Direction::new(Faults { frame_max: Some(100), ..Faults::default() }, Random::new(1, 1));
        assert_eq!(narrow.send(Instant::ZERO, &[0; 100]).len(), 1);
        assert_eq!(narrow.send(Instant::ZERO, &[0; 101]).len(), 0);
        assert_eq!(narrow.fates().too_large, 1);
        let mut lossy = Direction::new(Faults { loss: 1.0, ..Faults::default() }, Random::new(1, 1));
        assert_eq!(lossy.send(Instant::ZERO, &[0; 60]).len(), 0);
        lossy.heal();
        assert_eq!(lossy.send(Instant::ZERO, &[0; 60]).len(), 1);
    }
}
