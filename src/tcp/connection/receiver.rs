//! The peer's half of a connection: which segments count, and what is owed in return.

use crate::base::{Duration, Instant};
use crate::tcp::assembler::Assembler;
use crate::tcp::seq;
use crate::wire::{Segment, flags};

/// Receive window that we announce, less what waits unread. That of the probe's SYN.
pub(super) const WINDOW: usize = 65_535;
/// Acknowledgements in answer to segments that bring nothing: so many at once...
const REPLIES_MAX: u8 = 10;
/// ...then one in this time (as Linux), until the conversation moves on. So two sides that find fault with each
/// other's acknowledgements do not keep each other busy.
const REPLY_EVERY: Duration = Duration::from_millis(500);
/// Duplicate acknowledgements owed at a time: three make the peer resend (RFC 5681, section 4.2).
const DUPLICATES_MAX: u8 = 3;

/// A stream position that is never reached.
const UNKNOWN: u64 = u64::MAX;

/// Where a segment lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Wholly before what is expected, by no more than a window: a duplicate, or a keep-alive.
    Old,
    /// In the window, at least in part; or at its edge while it is closed.
    Current,
    /// Elsewhere.
    Outside,
}

/// Receiving state.
#[derive(Clone, Debug)]
pub(super) struct Receiver {
    /// The peer's initial sequence number.
    irs: u32,
    assembler: Assembler,
    received: Vec<u8>,
    /// Stream position of the peer's FIN; [`UNKNOWN`] until it is seen.
    fin_position: u64,
    fin_received: bool,
    acks_due: u8,
    replies: u8,
    reply_after: Instant,
    /// Right edge of the window as last announced, as a stream position.
    announced: u64,
}

impl Receiver {
    pub(super) fn new(syn_ack: &Segment<'_>) -> Self {
        Self {
            irs: syn_ack.seq,
            assembler: Assembler::default(),
            received: Vec::new(),
            fin_position: UNKNOWN,
            fin_received: false,
            acks_due: 1,
            replies: 0,
            reply_after: Instant::ZERO,
            announced: WINDOW as u64,
        }
    }

    /// Takes what was received in order. Owes the peer the news if the window had become small.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let received = std::mem::take(&mut self.received);
        let known = self.announced.saturating_sub(self.assembler.next());
        if !received.is_empty() && known < WINDOW as u64 / 2 && !self.fin_received {
            self.owe();
        }
        received
    }

    pub(super) const fn fin_received(&self) -> bool {
        self.fin_received
    }

    /// Bytes received in order since the beginning.
    pub(super) const fn position(&self) -> u64 {
        self.assembler.next()
    }

    /// Next sequence number expected from the peer (its SYN and FIN count as one each).
    pub(super) fn nxt(&self) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "sequence numbers are modulo 2^32")]
        let position = self.assembler.next() as u32;
        self.irs.wrapping_add(1).wrapping_add(position).wrapping_add(u32::from(self.fin_received))
    }

    /// Its right edge never moves left (RFC 9293, section 3.8.6): what fills the buffer moves `nxt` as far.
    pub(super) fn window(&self) -> usize {
        WINDOW.saturating_sub(self.received.len())
    }

    /// The window as it is announced now.
    pub(super) fn announce(&mut self) -> u16 {
        self.announced = self.assembler.next() + self.window() as u64;
        u16::try_from(self.window()).unwrap_or(u16::MAX)
    }

    /// RFC 9293, section 3.10.7.4, first check.
    pub(super) fn place(&self, segment: &Segment<'_>) -> Place {
        let ahead = i64::from(seq::distance(self.nxt(), segment.seq));
        let length = length(segment);
        let window = self.window() as i64;
        if ahead < 0 && ahead + length <= 0 {
            if ahead + length >= -(WINDOW as i64) { Place::Old } else { Place::Outside }
        } else if ahead <= 0 || ahead < window {
            Place::Current
        } else {
            Place::Outside
        }
    }

    /// Bytes that wait for the caller, or behind a hole.
    #[cfg(test)]
    pub(super) fn buffered(&self) -> usize {
        self.received.len() + self.assembler.waiting_bytes()
    }

    /// Owes an acknowledgement.
    pub(super) fn owe(&mut self) {
        self.acks_due = self.acks_due.max(1);
    }

    /// Owes an acknowledgement to a segment that is old or not acceptable: always if it has data, which its sender
    /// repeats at its own pace; else only so often.
    pub(super) fn reply(&mut self, now: Instant, segment: &Segment<'_>) {
        if length(segment) > 0 && !segment.has(flags::SYN) && !segment.has(flags::RST) {
            return self.owe();
        }
        if self.replies < REPLIES_MAX || now >= self.reply_after {
            self.replies = self.replies.saturating_add(1);
            self.reply_after = now + REPLY_EVERY;
            self.owe();
        }
    }

    /// The conversation moved on.
    pub(super) fn progress(&mut self) {
        self.replies = 0;
    }

    /// What is owed is paid by a segment that goes for another reason; duplicates are not.
    pub(super) fn piggyback(&mut self) {
        if self.acks_due == 1 {
            self.acks_due = 0;
        }
    }

    /// Takes one acknowledgement that is owed.
    pub(super) fn pay(&mut self) -> bool {
        let due = self.acks_due > 0;
        self.acks_due = self.acks_due.saturating_sub(1);
        due
    }

    /// Owes nothing any more.
    pub(super) fn forgive(&mut self) {
        self.acks_due = 0;
    }

    /// Takes payload and FIN of a current segment.
    pub(super) fn handle_payload(&mut self, segment: &Segment<'_>) {
        if length(segment) == 0 {
            return;
        }
        let before = self.assembler.next();
        if !self.fin_received {
            self.insert(segment);
        }
        if self.assembler.next() > before {
            self.progress();
        }
        if self.assembler.next() > before || self.fin_received {
            self.owe();
        } else {
            self.acks_due = (self.acks_due + 1).min(DUPLICATES_MAX);
        }
    }

    fn insert(&mut self, segment: &Segment<'_>) {
        let ahead = i64::from(seq::distance(self.nxt(), segment.seq));
        let next = self.assembler.next();
        // A keep-alive's byte can stand before the stream's first.
        let known = usize::try_from(-ahead).unwrap_or(0).min(segment.payload.len());
        let data = &segment.payload[known..];
        let position = next + u64::try_from(ahead).unwrap_or(0);
        let window_end = next + self.window() as u64;
        let end = position + data.len() as u64;
        if segment.has(flags::FIN) && end <= window_end && self.fin_position == UNKNOWN && self.assembler.end() <= end {
            self.fin_position = end;
        }
        let limit = self.fin_position.min(window_end);
        let fits = usize::try_from(limit.saturating_sub(position)).unwrap_or(usize::MAX).min(data.len());
        self.assembler.insert(position, &data[..fits], &mut self.received);
        self.fin_received = self.fin_position == self.assembler.next();
    }
}

/// Sequence numbers that a segment takes, a SYN's not counted.
fn length(segment: &Segment<'_>) -> i64 {
    segment.payload.len() as i64 + i64::from(segment.has(flags::FIN))
}
