//! One connection, from the SYN-ACK on. Takes segments and time, gives segments to send.

use super::assembler::Assembler;
use super::seq;
use crate::base::{Duration, Instant};
use crate::wire::{Segment, flags};

/// Receive window that we announce, less what waits unread.
const WINDOW: usize = 65_535;
/// MSS of a peer that announces none (RFC 9293, section 3.7.1), and the least we believe.
const MSS_DEFAULT: u16 = 536;
const MSS_MIN: u16 = 88;
/// What a frame of ours can carry.
const MSS_MAX: u16 = 1_460;
/// Retransmission timeouts (RFC 6298: initial 1 s; its minimum of 1 s is taken as 200 ms as Linux does).
const RTO_INITIAL: Duration = Duration::from_secs(1);
const RTO_MIN: Duration = Duration::from_millis(200);
const RTO_MAX: Duration = Duration::from_secs(16);
/// Retransmissions of the same bytes before the connection is given up.
const RETRANSMISSIONS_MAX: u32 = 5;
/// How long we wait for the peer's FIN once it has acknowledged ours, before RST.
const LINGER: Duration = Duration::from_secs(2);

/// Why a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Both sides sent FIN and had it acknowledged.
    Closed,
    /// The peer reset it.
    Reset,
    /// The peer stopped acknowledging.
    Unacknowledged,
    /// We reset it.
    Aborted,
}

/// A segment to send on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToSend<'a> {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Flags.
    pub flags: u8,
    /// Window.
    pub window: u16,
    /// Payload.
    pub payload: &'a [u8],
}

/// What was sent and received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Payload bytes received in order.
    pub bytes_in: u64,
    /// Payload bytes queued for sending.
    pub bytes_out: u64,
    /// Segments received, the SYN-ACK not counted.
    pub segments_in: u32,
    /// Segments sent, the SYN not counted.
    pub segments_out: u32,
    /// Segments sent again.
    pub retransmits: u32,
}

/// A connection.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Oldest unacknowledged sequence number; the first byte of `unacked`.
    snd_una: u32,
    /// Next sequence number to send.
    snd_nxt: u32,
    snd_wnd: u32,
    mss: u16,
    /// Bytes from `snd_una` on: sent and not acknowledged, then not yet sent.
    unacked: Vec<u8>,
    close_wanted: bool,
    fin_sent: bool,
    fin_acked: bool,
    /// The peer's initial sequence number.
    irs: u32,
    assembler: Assembler,
    received: Vec<u8>,
    /// Stream position of the peer's FIN, once seen.
    fin_position: Option<u64>,
    fin_received: bool,
    ack_due: bool,
    resend_due: bool,
    reset_due: bool,
    duplicate_acks: u8,
    srtt: Option<Duration>,
    rttvar: Duration,
    rto: Duration,
    /// Sequence number whose acknowledgement gives the next RTT sample, and when it was sent (Karn: never
    /// one that was sent again).
    timed: Option<(u32, Instant)>,
    resend_at: Option<Instant>,
    resends: u32,
    linger_until: Option<Instant>,
    ending: Option<Ending>,
    traffic: Traffic,
}

impl Connection {
    /// A connection opened by `syn_ack`, which acknowledges our SYN (the caller has checked the cookie).
    /// Data on the SYN-ACK is ignored: without TCP Fast Open there is none, and it would be repeated.
    pub fn open(syn_ack: &Segment<'_>) -> Self {
        Self {
            snd_una: syn_ack.ack,
            snd_nxt: syn_ack.ack,
            snd_wnd: u32::from(syn_ack.window),
            mss: syn_ack.mss().unwrap_or(MSS_DEFAULT).clamp(MSS_MIN, MSS_MAX),
            unacked: Vec::new(),
            close_wanted: false,
            fin_sent: false,
            fin_acked: false,
            irs: syn_ack.seq,
            assembler: Assembler::default(),
            received: Vec::new(),
            fin_position: None,
            fin_received: false,
            ack_due: true,
            resend_due: false,
            reset_due: false,
            duplicate_acks: 0,
            srtt: None,
            rttvar: Duration::ZERO,
            rto: RTO_INITIAL,
            timed: None,
            resend_at: None,
            resends: 0,
            linger_until: None,
            ending: None,
            traffic: Traffic::default(),
        }
    }

    /// Queues bytes for sending. Ignored after [`Connection::close`].
    pub fn send(&mut self, bytes: &[u8]) {
        if !self.close_wanted && self.ending.is_none() {
            self.unacked.extend_from_slice(bytes);
            self.traffic.bytes_out += bytes.len() as u64;
        }
    }

    /// Sends FIN behind what is queued.
    pub fn close(&mut self) {
        self.close_wanted = true;
    }

    /// Sends RST at once and ends.
    pub fn abort(&mut self) {
        if self.ending.is_none() {
            self.reset_due = true;
        }
    }

    /// Takes the bytes received in order since the last call.
    pub fn take_received(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.received)
    }

    /// The peer sent FIN and everything before it was delivered.
    pub const fn peer_closed(&self) -> bool {
        self.fin_received
    }

    /// Why it is over, once it is.
    pub const fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// What was sent and received so far.
    pub const fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Smoothed round-trip time, once measured.
    pub const fn srtt(&self) -> Option<Duration> {
        self.srtt
    }

    /// Takes a segment of this connection (RFC 9293, section 3.10.7.4).
    pub fn handle_segment(&mut self, now: Instant, segment: &Segment<'_>) {
        if self.ending.is_some() {
            return;
        }
        self.traffic.segments_in += 1;
        if segment.has(flags::RST) {
            self.handle_reset(segment.seq);
        } else if segment.has(flags::SYN) {
            // A repeated SYN-ACK wants our ACK again; any other SYN gets the challenge ACK of RFC 5961.
            self.ack_due = true;
        } else if segment.has(flags::ACK) {
            self.handle_ack(now, segment);
            self.handle_payload(segment);
            self.finish_if_both_closed();
        }
    }

    /// RFC 5961, section 3: only the exact sequence number resets; one in the window gets a challenge ACK.
    fn handle_reset(&mut self, seq: u32) {
        let ahead = seq::distance(self.rcv_nxt(), seq);
        if ahead == 0 {
            self.end(Ending::Reset);
        } else if usize::try_from(ahead).is_ok_and(|ahead| ahead < WINDOW) {
            self.ack_due = true;
        }
    }

    fn handle_ack(&mut self, now: Instant, segment: &Segment<'_>) {
        let highest_sent = self.snd_nxt;
        if seq::before(highest_sent, segment.ack) {
            self.ack_due = true;
            return;
        }
        if seq::before(self.snd_una, segment.ack) {
            self.advance(now, segment.ack);
            self.snd_wnd = u32::from(segment.window);
        } else if segment.ack == self.snd_una {
            let repeats = segment.payload.is_empty() && !segment.has(flags::FIN);
            if repeats && self.in_flight() > 0 && u32::from(segment.window) == self.snd_wnd {
                self.duplicate_acks = self.duplicate_acks.saturating_add(1);
                if self.duplicate_acks == 3 {
                    self.resend_due = true;
                    self.timed = None;
                }
            }
            self.snd_wnd = u32::from(segment.window);
        }
    }

    fn advance(&mut self, now: Instant, ack: u32) {
        let newly = ack.wrapping_sub(self.snd_una) as usize;
        let data = newly.min(self.unacked.len());
        self.unacked.drain(..data);
        if newly > data && self.fin_sent {
            self.fin_acked = true;
            self.linger_until = Some(now + LINGER);
        }
        self.snd_una = ack;
        self.duplicate_acks = 0;
        self.resends = 0;
        if let Some((seq, sent)) = self.timed
            && seq::at_or_before(seq, ack)
        {
            self.timed = None;
            self.sample_rtt(now - sent);
        }
        self.resend_at = (self.in_flight() > 0).then(|| now + self.rto);
    }

    /// RFC 6298, section 2.
    fn sample_rtt(&mut self, rtt: Duration) {
        match self.srtt {
            None => {
                self.srtt = Some(rtt);
                self.rttvar = rtt / 2;
            }
            Some(srtt) => {
                self.rttvar = (self.rttvar * 3 + srtt.abs_diff(rtt)) / 4;
                self.srtt = Some((srtt * 7 + rtt) / 8);
            }
        }
        self.rto = (self.srtt.unwrap_or(rtt) + self.rttvar * 4).clamp(RTO_MIN, RTO_MAX);
    }

    fn handle_payload(&mut self, segment: &Segment<'_>) {
        if segment.payload.is_empty() && !segment.has(flags::FIN) {
            // A keep-alive lies before the window and wants an ACK.
            self.ack_due |= seq::before(segment.seq, self.rcv_nxt());
            return;
        }
        self.ack_due = true;
        let offset = seq::distance(self.rcv_nxt(), segment.seq);
        let Some(position) = self.assembler.next().checked_add_signed(i64::from(offset)) else {
            return; // before the stream's first byte
        };
        let window_end = self.assembler.next() + self.window() as u64;
        let end = position + segment.payload.len() as u64;
        let fits = usize::try_from(window_end.saturating_sub(position)).unwrap_or(usize::MAX);
        let payload = &segment.payload[..segment.payload.len().min(fits)];
        if segment.has(flags::FIN) && end <= window_end && self.fin_position.is_none() {
            self.fin_position = Some(end);
        }
        let usable = self.fin_position.map_or(payload.len(), |fin| {
            usize::try_from(fin.saturating_sub(position)).unwrap_or(usize::MAX).min(payload.len())
        });
        let before = self.assembler.next();
        self.assembler.insert(position, &payload[..usable], &mut self.received);
        self.traffic.bytes_in += self.assembler.next() - before;
        self.fin_received |= self.fin_position == Some(self.assembler.next());
    }

    fn finish_if_both_closed(&mut self) {
        // The ACK of the peer's FIN still goes out: `poll` sends what is due before it reports nothing.
        if self.fin_acked && self.fin_received {
            self.end(Ending::Closed);
        }
    }

    fn end(&mut self, ending: Ending) {
        self.ending.get_or_insert(ending);
        self.resend_at = None;
        self.linger_until = None;
        self.ack_due &= ending == Ending::Closed;
    }

    /// Takes the passing of time.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.resend_at.is_some_and(|at| at <= now) {
            self.resend_at = None;
            self.timed = None;
            if self.resends >= RETRANSMISSIONS_MAX {
                self.reset_due = true;
                self.end(Ending::Unacknowledged);
            } else {
                self.resends += 1;
                self.resend_due = true;
                self.rto = (self.rto * 2).min(RTO_MAX);
            }
        }
        if self.linger_until.is_some_and(|until| until <= now) {
            self.reset_due = true;
            self.end(Ending::Closed);
        }
    }

    /// When [`Connection::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Option<Instant> {
        [self.resend_at, self.linger_until].into_iter().flatten().min()
    }

    /// The next segment to send, if any is due now. Call until it answers `None`.
    pub fn poll(&mut self, now: Instant) -> Option<ToSend<'_>> {
        let (seq, extra, range) = self.plan(now)?;
        let flags = flags::ACK | extra;
        self.traffic.segments_out += 1;
        let window = u16::try_from(self.window()).unwrap_or(u16::MAX);
        Some(ToSend { seq, ack: self.rcv_nxt(), flags, window, payload: &self.unacked[range] })
    }

    /// Decides what goes next: sequence number, flags besides ACK, and which of the unacknowledged bytes.
    fn plan(&mut self, now: Instant) -> Option<(u32, u8, std::ops::Range<usize>)> {
        if std::mem::take(&mut self.reset_due) {
            self.end(Ending::Aborted);
            self.ack_due = false;
            return Some((self.snd_nxt, flags::RST, 0..0));
        }
        if self.ending.is_none() {
            let sent_data = (self.snd_nxt.wrapping_sub(self.snd_una) as usize).min(self.unacked.len());
            if std::mem::take(&mut self.resend_due) && self.in_flight() > 0 {
                self.traffic.retransmits += 1;
                self.ack_due = false;
                self.arm(now);
                let end = sent_data.min(usize::from(self.mss));
                let fin = self.fin_sent && end == self.unacked.len();
                return Some((self.snd_una, if fin { flags::FIN } else { flags::PSH }, 0..end));
            }
            if let Some(range) = self.sendable(sent_data) {
                return Some(self.plan_new(now, range));
            }
        }
        std::mem::take(&mut self.ack_due).then_some((self.snd_nxt, 0, 0..0))
    }

    /// Which unsent bytes may go: within the MSS and the peer's window. An empty range is a bare FIN.
    fn sendable(&self, sent_data: usize) -> Option<std::ops::Range<usize>> {
        if self.fin_sent {
            return None;
        }
        // A closed window is probed with one byte, which the retransmission timer repeats.
        let window = (self.snd_wnd as usize).max(usize::from(self.in_flight() == 0));
        let end = (sent_data + usize::from(self.mss)).min(self.unacked.len()).min(window.max(sent_data));
        let all_sent = sent_data == self.unacked.len();
        (end > sent_data || (all_sent && self.close_wanted)).then_some(sent_data..end)
    }

    fn plan_new(&mut self, now: Instant, range: std::ops::Range<usize>) -> (u32, u8, std::ops::Range<usize>) {
        let seq = self.snd_nxt;
        let fin = self.close_wanted && range.end == self.unacked.len();
        let length = u32::try_from(range.len()).unwrap_or(u32::MAX);
        self.snd_nxt = self.snd_nxt.wrapping_add(length).wrapping_add(u32::from(fin));
        self.fin_sent |= fin;
        self.ack_due = false;
        self.timed.get_or_insert((self.snd_nxt, now));
        self.arm(now);
        let extra = if range.is_empty() { 0 } else { flags::PSH } | if fin { flags::FIN } else { 0 };
        (seq, extra, range)
    }

    fn arm(&mut self, now: Instant) {
        self.resend_at = Some(now + self.rto);
    }

    const fn in_flight(&self) -> u32 {
        self.snd_nxt.wrapping_sub(self.snd_una)
    }

    /// Next sequence number expected from the peer (its SYN and FIN count as one each).
    fn rcv_nxt(&self) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "sequence numbers are modulo 2^32")]
        let position = self.assembler.next() as u32;
        self.irs.wrapping_add(1).wrapping_add(position).wrapping_add(u32::from(self.fin_received))
    }

    fn window(&self) -> usize {
        WINDOW.saturating_sub(self.received.len())
    }
}

#[cfg(test)]
mod tests;
