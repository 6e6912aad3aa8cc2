//! One connection, from the SYN-ACK on. Takes segments and time, gives segments to send.

mod receiver;
mod rto;
mod sender;

use super::seq;
use crate::base::{Duration, Instant};
use crate::wire::{Segment, flags};
use receiver::{Place, Receiver};
use sender::Sender;

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
    sender: Sender,
    receiver: Receiver,
    reset_due: bool,
    ending: Option<Ending>,
    /// When we stop waiting for the peer's FIN; `FAR_FUTURE` before it has acknowledged ours.
    linger_until: Instant,
    traffic: Traffic,
}

impl Connection {
    /// A connection opened by `syn_ack`, which acknowledges our SYN (the caller has checked the cookie).
    ///
    /// Data and FIN on it are taken (RFC 9293, section 3.10.7.3): look at [`Connection::take_received`] at once.
    pub fn open(syn_ack: &Segment<'_>) -> Self {
        let mut receiver = Receiver::new(syn_ack);
        // The payload stands behind the SYN.
        receiver.handle_payload(&Segment { seq: syn_ack.seq.wrapping_add(1), ..*syn_ack });
        let traffic = Traffic { bytes_in: receiver.position(), ..Traffic::default() };
        let sender = Sender::new(syn_ack);
        Self { sender, receiver, reset_due: false, ending: None, linger_until: Instant::FAR_FUTURE, traffic }
    }

    /// Queues bytes for sending. Ignored after [`Connection::close`].
    pub fn send(&mut self, bytes: &[u8]) {
        if self.ending.is_none() && self.sender.queue(bytes) {
            self.traffic.bytes_out += bytes.len() as u64;
        }
    }

    /// Sends FIN behind what is queued. What the peer still sends is taken.
    pub fn close(&mut self) {
        self.sender.close();
    }

    /// Sends RST at once and ends.
    pub fn abort(&mut self) {
        self.reset_due |= self.ending.is_none();
    }

    /// Owes the peer an acknowledgement, as if something had come.
    pub fn acknowledge(&mut self) {
        self.receiver.owe();
    }

    /// Takes the bytes received in order since the last call.
    pub fn take_received(&mut self) -> Vec<u8> {
        self.receiver.take()
    }

    /// The peer sent FIN and everything before it was delivered. We may still send.
    pub const fn peer_closed(&self) -> bool {
        self.receiver.fin_received()
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
    pub fn srtt(&self) -> Option<Duration> {
        self.sender.rto().srtt()
    }

    /// Takes a segment of this connection (RFC 9293, section 3.10.7.4, with the checks of RFC 5961).
    pub fn handle_segment(&mut self, now: Instant, segment: &Segment<'_>) {
        if self.ending.is_some() {
            return;
        }
        self.traffic.segments_in = self.traffic.segments_in.saturating_add(1);
        if segment.has(flags::RST) {
            return self.handle_reset(now, segment);
        }
        if segment.has(flags::SYN) {
            // A repeated SYN-ACK wants our ACK again; any other SYN gets a challenge ACK.
            return self.receiver.reply(now, segment);
        }
        let place = self.receiver.place(segment);
        if place != Place::Current {
            self.receiver.reply(now, segment);
        }
        if place == Place::Outside || !segment.has(flags::ACK) {
            return;
        }
        if !self.sender.acceptable(segment.ack) {
            return self.receiver.reply(now, segment);
        }
        self.handle_ack(now, segment, place);
        if place == Place::Current {
            self.receiver.handle_payload(segment);
            self.traffic.bytes_in = self.receiver.position();
        }
        if self.sender.fin_acked() && self.receiver.fin_received() {
            // The ACK of the peer's FIN still goes out: `poll` sends what is due before it reports nothing.
            self.end(Ending::Closed);
        }
    }

    /// RFC 5961, section 3: only the exact sequence number resets; one in the window gets a challenge ACK.
    fn handle_reset(&mut self, now: Instant, segment: &Segment<'_>) {
        let ahead = seq::distance(self.receiver.nxt(), segment.seq);
        // Some stacks (macOS) do not count their own FIN; Linux takes that, too.
        if ahead == 0 || ahead == -1 && self.receiver.fin_received() {
            self.reset_due = false;
            self.end(Ending::Reset);
        } else if usize::try_from(ahead).is_ok_and(|ahead| ahead < self.receiver.window()) {
            self.receiver.reply(now, segment);
        }
    }

    fn handle_ack(&mut self, now: Instant, segment: &Segment<'_>, place: Place) {
        let before = self.sender.fin_acked();
        if self.sender.handle_ack(now, segment, place == Place::Current) {
            self.receiver.progress();
        }
        if self.sender.fin_acked() && !before {
            self.linger_until = now + LINGER;
        }
    }

    fn end(&mut self, ending: Ending) {
        self.ending.get_or_insert(ending);
        self.sender.stop();
        self.linger_until = Instant::FAR_FUTURE;
        if ending != Ending::Closed {
            self.receiver.forgive();
        }
    }

    /// Takes the passing of time.
    pub fn handle_timeout(&mut self, now: Instant) {
        if !self.sender.handle_timeout(now) {
            self.reset_due = true;
            self.end(Ending::Unacknowledged);
        }
        if self.linger_until <= now {
            self.reset_due = true;
            self.end(Ending::Closed);
        }
    }

    /// When [`Connection::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Option<Instant> {
        let next = self.sender.next_timeout().min(self.linger_until);
        (next != Instant::FAR_FUTURE).then_some(next)
    }

    /// The next segment to send, if any is due now. Call until it answers `None`.
    pub fn poll(&mut self, now: Instant) -> Option<ToSend<'_>> {
        let (seq, extra, range) = self.plan(now)?;
        self.traffic.segments_out = self.traffic.segments_out.saturating_add(1);
        let (ack, window) = (self.receiver.nxt(), self.receiver.announce());
        let payload = &self.sender.bytes()[range];
        Some(ToSend { seq, ack, flags: flags::ACK | extra, window, payload })
    }

    /// Decides what goes next: sequence number, flags besides ACK, and which of the sender's bytes.
    fn plan(&mut self, now: Instant) -> Option<(u32, u8, std::ops::Range<usize>)> {
        if std::mem::take(&mut self.reset_due) {
            let seq = self.sender.bare_seq();
            self.end(Ending::Aborted);
            self.receiver.forgive();
            return Some((seq, flags::RST, 0..0));
        }
        if self.ending.is_none()
            && let Some(planned) = self.sender.plan(now)
        {
            self.traffic.retransmits = self.traffic.retransmits.saturating_add(u32::from(planned.again));
            self.receiver.piggyback();
            return Some((planned.seq, planned.flags, planned.range));
        }
        self.receiver.pay().then(|| (self.sender.bare_seq(), 0, 0..0))
    }
}

#[cfg(test)]
mod tests;
