//! The retransmission timeout (RFC 6298), in microseconds.

use crate::base::Duration;

/// Before the first sample; RFC 6298's minimum of 1 s is taken as 200 ms, as Linux does.
const INITIAL_US: u32 = 1_000_000;
const MIN_US: u32 = 200_000;
const MAX_US: u32 = 16_000_000;

/// Round-trip estimator and back-off.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rto {
    srtt_us: Option<u32>,
    rttvar_us: u32,
    rto_us: u32,
    /// How many times the timeout is doubled.
    backoff: u8,
}

impl Rto {
    pub(super) const fn new() -> Self {
        Self { srtt_us: None, rttvar_us: 0, rto_us: INITIAL_US, backoff: 0 }
    }

    /// Takes a measurement of a segment that was sent once (Karn), which also ends the back-off (section 5).
    pub(super) fn sample(&mut self, rtt: Duration) {
        let rtt = u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX).min(MAX_US);
        let srtt = match self.srtt_us {
            None => {
                self.rttvar_us = rtt / 2;
                rtt
            }
            Some(srtt) => {
                self.rttvar_us = (self.rttvar_us * 3 + srtt.abs_diff(rtt)) / 4;
                (srtt * 7 + rtt) / 8
            }
        };
        self.srtt_us = Some(srtt);
        self.rto_us = (srtt + self.rttvar_us * 4).clamp(MIN_US, MAX_US);
        self.backoff = 0;
    }

    /// The timeout to arm now.
    pub(super) fn current(&self) -> Duration {
        let doubled = u64::from(self.rto_us) << self.backoff;
        Duration::from_micros(doubled.min(u64::from(MAX_US)))
    }

    /// A timeout passed: the next one is twice as long.
    pub(super) fn back_off(&mut self) {
        self.backoff = (self.backoff + 1).min(8);
    }

    /// What made us wait is over.
    pub(super) fn end_back_off(&mut self) {
        self.backoff = 0;
    }

    /// Smoothed round-trip time, once measured.
    pub(super) fn srtt(&self) -> Option<Duration> {
        self.srtt_us.map(|micros| Duration::from_micros(u64::from(micros)))
    }
}
