//! Our half of a connection: what is sent, sent again, and when.

use super::rto::Rto;
use crate::base::Instant;
use crate::tcp::seq;
use crate::wire::{Segment, flags};
use std::ops::Range;

/// MSS of a peer that announces none (RFC 9293, section 3.7.1), and the least we believe (as Linux).
const MSS_DEFAULT: u16 = 536;
const MSS_MIN: u16 = 88;
/// What a frame of ours can carry.
const MSS_MAX: u16 = 1_460;
/// Retransmissions, or window probes, without any answer before the peer counts as gone.
const UNANSWERED_MAX: u8 = 5;
/// Duplicate acknowledgements that mean loss (RFC 5681, section 3.2).
const DUPLICATES: u8 = 3;

/// How lost segments are being sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recovery {
    None,
    /// By duplicate acknowledgements: each partial one resends the next hole (RFC 6582).
    Fast,
    /// By timeout: everything unacknowledged goes again, in slow start (RFC 5681, section 3.1).
    Timeout,
}

/// A segment that is to go now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) seq: u32,
    /// Besides ACK.
    pub(super) flags: u8,
    /// Which of [`Sender::bytes`].
    pub(super) range: Range<usize>,
    /// Some of it was sent before.
    pub(super) again: bool,
}

/// Sending state. Names as in RFC 9293, section 3.3.1, without their SND.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    /// Oldest unacknowledged sequence number; the first byte of `unacked`.
    una: u32,
    /// Next to send; pulled back to `una` when a timeout makes all of it go again.
    nxt: u32,
    /// Beyond the highest ever sent.
    max: u32,
    /// `max` when the loss was noticed: recovery ends here.
    recover: u32,
    /// Sequence and acknowledgement number of the segment that last set the window.
    wl1: u32,
    wl2: u32,
    /// Most that may be unacknowledged (a congestion window, while recovering from a timeout).
    flight_max: u32,
    wnd: u16,
    wnd_max: u16,
    mss: u16,
    duplicates: u8,
    unanswered: u8,
    recovery: Recovery,
    close_wanted: bool,
    fin_acked: bool,
    resend_first: bool,
    probe_due: bool,
    rto: Rto,
    /// Sequence number whose acknowledgement gives the next RTT sample, and when it was sent (Karn: never of one
    /// sent again); `FAR_FUTURE` if there is none.
    timed_seq: u32,
    timed_at: Instant,
    /// When the retransmission or persist timer fires; `FAR_FUTURE` if it is not set.
    resend_at: Instant,
    /// Bytes from `una` on: sent and not acknowledged, then not yet sent.
    unacked: Vec<u8>,
}

impl Sender {
    pub(super) fn new(syn_ack: &Segment<'_>) -> Self {
        Self {
            una: syn_ack.ack,
            nxt: syn_ack.ack,
            max: syn_ack.ack,
            recover: syn_ack.ack,
            wl1: syn_ack.seq,
            wl2: syn_ack.ack,
            flight_max: u32::MAX,
            wnd: syn_ack.window,
            wnd_max: syn_ack.window,
            mss: syn_ack.mss().unwrap_or(MSS_DEFAULT).clamp(MSS_MIN, MSS_MAX),
            duplicates: 0,
            unanswered: 0,
            recovery: Recovery::None,
            close_wanted: false,
            fin_acked: false,
            resend_first: false,
            probe_due: false,
            rto: Rto::new(),
            timed_seq: 0,
            timed_at: Instant::FAR_FUTURE,
            resend_at: Instant::FAR_FUTURE,
            unacked: Vec::new(),
        }
    }

    /// Queues bytes; false after [`Sender::close`].
    pub(super) fn queue(&mut self, bytes: &[u8]) -> bool {
        if !self.close_wanted {
            // Commands come one by one: no slack for more of them.
            self.unacked.reserve_exact(bytes.len());
            self.unacked.extend_from_slice(bytes);
        }
        !self.close_wanted
    }

    pub(super) fn close(&mut self) {
        self.close_wanted = true;
    }

    pub(super) const fn fin_acked(&self) -> bool {
        self.fin_acked
    }

    pub(super) const fn rto(&self) -> &Rto {
        &self.rto
    }

    pub(super) const fn next_timeout(&self) -> Instant {
        self.resend_at
    }

    /// What the ranges of [`Planned`] are of.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.unacked
    }

    /// Nothing is to be sent any more.
    pub(super) fn stop(&mut self) {
        self.resend_at = Instant::FAR_FUTURE;
        self.unacked = Vec::new();
    }

    /// Sequence number of a segment without data: the peer takes none beyond its window.
    pub(super) fn bare_seq(&self) -> u32 {
        let edge = self.una.wrapping_add(u32::from(self.wnd));
        if seq::before(edge, self.max) { edge } else { self.max }
    }

    /// RFC 5961, section 5: nothing that was not sent, nothing older than a window.
    pub(super) fn acceptable(&self, ack: u32) -> bool {
        seq::at_or_before(ack, self.max) && seq::distance(ack, self.una) <= i32::from(self.wnd_max)
    }

    /// Takes an acceptable acknowledgement; true if it acknowledged something new. `current`: the segment is not an
    /// old one, so it can be a duplicate acknowledgement.
    pub(super) fn handle_ack(&mut self, now: Instant, segment: &Segment<'_>, current: bool) -> bool {
        let progress = seq::before(self.una, segment.ack);
        if progress {
            self.advance(now, segment.ack);
        } else if current && self.is_duplicate(segment) {
            self.count_duplicate();
        }
        if self.wnd == 0 {
            self.unanswered = 0; // whoever answers a probe is alive (RFC 9293, section 3.8.6.1)
        }
        self.update_window(segment);
        progress
    }

    /// RFC 5681, section 2. Answers to window probes repeat the acknowledgement without a loss.
    fn is_duplicate(&self, segment: &Segment<'_>) -> bool {
        self.in_flight() > 0
            && segment.payload.is_empty()
            && !segment.has(flags::FIN)
            && segment.ack == self.una
            && segment.window == self.wnd
            && self.wnd > 0
    }

    fn count_duplicate(&mut self) {
        self.duplicates = self.duplicates.saturating_add(1);
        if self.duplicates == DUPLICATES && self.recovery == Recovery::None {
            self.recovery = Recovery::Fast;
            self.recover = self.max;
            self.resend_first = true;
        }
    }

    fn advance(&mut self, now: Instant, ack: u32) {
        let newly = ack.wrapping_sub(self.una);
        let data = (newly as usize).min(self.unacked.len());
        self.fin_acked |= newly as usize > data;
        self.unacked.drain(..data);
        if self.unacked.is_empty() {
            self.unacked = Vec::new();
        }
        self.una = ack;
        self.nxt = if seq::before(self.nxt, ack) { ack } else { self.nxt };
        // The right edge stays where it is until the segment is known to be fit to move it.
        self.wnd = self.wnd.saturating_sub(u16::try_from(newly).unwrap_or(u16::MAX));
        self.duplicates = 0;
        self.unanswered = 0;
        self.resend_first = false;
        self.probe_due = false;
        if self.timed_at != Instant::FAR_FUTURE && seq::at_or_before(self.timed_seq, ack) {
            self.rto.sample(now - self.timed_at);
            self.timed_at = Instant::FAR_FUTURE;
        }
        self.recover_on(newly);
        let timer = if self.in_flight() > 0 { now + self.rto.current() } else { Instant::FAR_FUTURE };
        self.resend_at = timer;
    }

    fn recover_on(&mut self, newly: u32) {
        if seq::at_or_before(self.recover, self.una) {
            self.recovery = Recovery::None;
            self.flight_max = u32::MAX;
        }
        match self.recovery {
            Recovery::None => {}
            Recovery::Fast => self.resend_first = true,
            Recovery::Timeout => {
                self.flight_max = self.flight_max.saturating_add(newly.min(u32::from(self.mss)));
            }
        }
    }

    /// RFC 9293, section 3.10.7.4: an older segment does not set the window.
    fn update_window(&mut self, segment: &Segment<'_>) {
        let newer =
            seq::before(self.wl1, segment.seq) || self.wl1 == segment.seq && seq::at_or_before(self.wl2, segment.ack);
        if segment.ack != self.una || !newer {
            return;
        }
        let opened = self.wnd == 0 && segment.window > 0;
        (self.wl1, self.wl2, self.wnd) = (segment.seq, segment.ack, segment.window);
        self.wnd_max = self.wnd_max.max(segment.window);
        if opened && self.nxt != self.una {
            // What went into the closed window was dropped there.
            self.nxt = self.una;
            self.recovery = Recovery::None;
            self.flight_max = u32::MAX;
            self.forget_timing();
        }
        if opened {
            self.probe_due = false;
            self.rto.end_back_off();
            self.resend_at = Instant::FAR_FUTURE;
        }
    }

    /// Data waits for a closed window to open.
    fn persisting(&self) -> bool {
        self.wnd == 0 && !self.unacked.is_empty()
    }

    /// Takes the passing of time; false if the peer is gone.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> bool {
        if now < self.resend_at {
            return true;
        }
        self.resend_at = Instant::FAR_FUTURE;
        if self.unanswered >= UNANSWERED_MAX {
            return false;
        }
        self.unanswered += 1;
        self.rto.back_off();
        self.forget_timing();
        if self.persisting() {
            self.probe_due = true;
            return true;
        }
        self.nxt = self.una;
        self.recover = self.max;
        self.recovery = Recovery::Timeout;
        self.flight_max = u32::from(self.mss);
        self.duplicates = 0;
        self.resend_first = false;
        true
    }

    fn forget_timing(&mut self) {
        self.timed_at = Instant::FAR_FUTURE;
    }

    /// What is to go now. Sets the timers.
    pub(super) fn plan(&mut self, now: Instant) -> Option<Planned> {
        if std::mem::take(&mut self.resend_first) && self.in_flight() > 0 {
            self.forget_timing();
            self.resend_at = now + self.rto.current();
            return Some(self.first_again());
        }
        if std::mem::take(&mut self.probe_due) && self.persisting() {
            self.nxt = self.una;
            self.resend_at = now + self.rto.current();
            return Some(self.emit(now, 0..1, false));
        }
        if let Some((range, fin)) = self.sendable() {
            let planned = self.emit(now, range, fin);
            // RFC 6298, section 5.1: a running timer runs on.
            self.resend_at = self.resend_at.min(now + self.rto.current());
            return Some(planned);
        }
        if self.persisting() && self.resend_at == Instant::FAR_FUTURE {
            self.resend_at = now + self.rto.current();
        }
        None
    }

    /// The oldest segment once more; `nxt` stays.
    fn first_again(&self) -> Planned {
        let sent = self.in_flight() as usize;
        let end = sent.min(self.unacked.len()).min(usize::from(self.mss));
        let fin = end == self.unacked.len() && sent > end;
        Planned { seq: self.una, flags: extra(end > 0, fin), range: 0..end, again: true }
    }

    /// Which bytes may go from `nxt` on, and whether FIN goes with them.
    fn sendable(&self) -> Option<(Range<usize>, bool)> {
        let from = self.nxt.wrapping_sub(self.una) as usize;
        let rest = self.unacked.len().checked_sub(from).filter(|_| !self.fin_acked)?;
        let window = usize::from(self.wnd).min(usize::try_from(self.flight_max).unwrap_or(usize::MAX));
        let room = window.saturating_sub(from);
        let length = rest.min(usize::from(self.mss)).min(room);
        // A bare FIN may go into a closed window: Linux takes it, and it is its own probe.
        let fin = self.close_wanted && length == rest && (length < room || from + length == 0);
        let cut = length < rest.min(usize::from(self.mss));
        // Silly windows (RFC 9293, section 3.8.6.2.1): of small parts only one at a time.
        let silly = cut && from > 0 && length * 2 < usize::from(self.wnd_max);
        (fin || length > 0 && !silly).then_some((from..from + length, fin))
    }

    fn emit(&mut self, now: Instant, range: Range<usize>, fin: bool) -> Planned {
        let seq = self.nxt;
        let length = u32::try_from(range.len()).unwrap_or(u32::MAX);
        let again = seq::before(seq, self.max);
        self.nxt = seq.wrapping_add(length).wrapping_add(u32::from(fin));
        self.max = if seq::before(self.max, self.nxt) { self.nxt } else { self.max };
        if !again && self.timed_at == Instant::FAR_FUTURE {
            (self.timed_seq, self.timed_at) = (self.nxt, now);
        }
        Planned { seq, flags: extra(length > 0, fin), range, again }
    }

    const fn in_flight(&self) -> u32 {
        self.max.wrapping_sub(self.una)
    }
}

/// Flags of a segment with data, with FIN.
const fn extra(data: bool, fin: bool) -> u8 {
    (if data { flags::PSH } else { 0 }) | (if fin { flags::FIN } else { 0 })
}
