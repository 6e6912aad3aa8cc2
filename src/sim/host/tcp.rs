//! The hosts' TCP: an honest server's side of a connection, written for itself and not from `crate::tcp`, so
//! that one misunderstanding cannot hide in both ends. [`Settings`] turn on habits that real servers have.
//!
//! It retransmits (timer and three duplicate ACKs), puts our bytes in order, keeps to our MSS and window.

use super::frame::{self, Header, URG};
use crate::base::{Duration, Instant};
use crate::sim::random::Random;
use crate::wire::{Link, Segment, Tuple, flags};
use std::collections::{BTreeMap, VecDeque};

/// Repetitions of the SYN-ACK, each after twice the time before: Linux' 63 seconds in all.
const SYN_ACKS_MAX: u32 = 5;
/// Retransmissions of the same bytes before the host gives up; timeouts.
const RETRIES_MAX: u32 = 10;
const TIMEOUT_MIN: Duration = Duration::from_millis(300);
const TIMEOUT_FIRST: Duration = Duration::from_secs(1);
const TIMEOUT_MAX: Duration = Duration::from_secs(8);
/// Bytes in flight at most.
const FLIGHT_MAX: usize = 16 * 1024;
/// Bytes in flight when they go one by one.
const FLIGHT_MAX_BYTES: usize = 400;
/// By how much an overlapping segment reaches back.
const OVERLAP_MAX: usize = 40;

/// How the byte stream is cut into segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cuts {
    /// As large as the MSS allows.
    #[default]
    Whole,
    /// At every byte.
    Bytes,
    /// Anywhere.
    Random,
}

/// A server's habits. The default is a plain one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// MSS announced; none if absent.
    pub mss: Option<u16>,
    /// Window announced.
    pub window: u16,
    /// How bytes are cut into segments.
    pub cuts: Cuts,
    /// New segments also repeat the end of what was sent before.
    pub overlap: bool,
    /// How long an ACK waits for data to ride on.
    pub delayed_ack: Duration,
    /// The window is zero for so long from the SYN on.
    pub closed_window: Duration,
    /// Further copies of the SYN-ACK, at once.
    pub storm: u32,
    /// The first bytes ride on the SYN-ACK, and are repeated later.
    pub early_data: bool,
    /// A keep-alive (RFC 9293, section 3.8.4) each so often.
    pub keep_alive: Option<Duration>,
    /// Data carries an urgent pointer.
    pub urgent: bool,
    /// Our FIN is acknowledged and never answered by one.
    pub never_closes: bool,
    /// Our FIN is answered by RST.
    pub resets_at_fin: bool,
    /// Somebody forges segments inside the window: RST beside the exact number, SYN (RFC 5961).
    pub forged: bool,
}

/// One connection, from the SYN on.
#[derive(Debug)]
pub struct Server {
    link: Link,
    tuple: Tuple,
    settings: Settings,
    random: Random,
    iss: u32,
    open: bool,
    dead: bool,
    /// Sequence number of `out[0]`.
    base: u32,
    out: Vec<u8>,
    /// How many bytes of `out` were sent.
    sent: usize,
    close_wanted: bool,
    fin_sent: bool,
    fin_acked: bool,
    peer_mss: usize,
    peer_window: usize,
    irs: u32,
    /// Position of the next byte expected.
    next: u64,
    waiting: BTreeMap<u64, Vec<u8>>,
    received: Vec<u8>,
    peer_fin: Option<u64>,
    peer_closed: bool,
    opened: Instant,
    timeout: Duration,
    resend_at: Option<Instant>,
    retries: u32,
    duplicate_acks: u32,
    recover: u32,
    ack_at: Option<Instant>,
    window_at: Option<Instant>,
    keep_alive_at: Option<Instant>,
    frames: VecDeque<Vec<u8>>,
}

impl Server {
    /// A connection asked for by `syn`; `early` goes on the SYN-ACK if the settings say so, and is queued.
    pub fn accept(
        link: Link,
        now: Instant,
        syn: &Segment<'_>,
        settings: Settings,
        mut random: Random,
        early: &[u8],
    ) -> Self {
        let iss = random.word();
        let mut server = Self {
            link,
            tuple: frame::way_back(syn),
            iss,
            open: false,
            dead: false,
            base: iss.wrapping_add(1),
            out: early.to_vec(),
            sent: 0,
            close_wanted: false,
            fin_sent: false,
            fin_acked: false,
            peer_mss: usize::from(syn.mss().unwrap_or(536)),
            peer_window: usize::from(syn.window),
            irs: syn.seq,
            next: 0,
            waiting: BTreeMap::new(),
            received: Vec::new(),
            peer_fin: None,
            peer_closed: false,
            opened: now,
            timeout: TIMEOUT_FIRST,
            resend_at: Some(now + TIMEOUT_FIRST),
            retries: 0,
            duplicate_acks: 0,
            recover: iss,
            ack_at: None,
            window_at: (settings.closed_window > Duration::ZERO).then(|| now + settings.closed_window),
            keep_alive_at: None,
            frames: VecDeque::new(),
            settings,
            random,
        };
        if settings.early_data {
            server.sent = server.out.len().min(server.peer_mss);
        }
        for _ in 0..=settings.storm {
            server.syn_ack();
        }
        server
    }

    /// Queues bytes.
    pub fn send(&mut self, now: Instant, bytes: &[u8]) {
        if !self.close_wanted {
            self.out.extend_from_slice(bytes);
        }
        self.flush(now);
    }

    /// Queues bytes, the last ones: the FIN rides on them.
    pub fn send_last(&mut self, now: Instant, bytes: &[u8]) {
        if !self.close_wanted {
            self.out.extend_from_slice(bytes);
        }
        self.close(now);
    }

    /// FIN behind what is queued.
    pub fn close(&mut self, now: Instant) {
        self.close_wanted = !self.settings.never_closes;
        self.flush(now);
    }

    /// RST, and nothing more.
    pub fn reset(&mut self) {
        let header = Header {
            seq: self.sent_up_to(),
            ack: self.expected(),
            flags: flags::RST | flags::ACK,
            window: 0,
            mss: None,
        };
        self.push(&header, &[]);
        self.dead = true;
    }

    /// Sends `bytes` behind everything, without queueing them: with a FIN sent, that is data after the end.
    pub fn blurt(&mut self, bytes: &[u8]) {
        let header = self.header(self.sent_up_to(), flags::ACK | flags::PSH);
        self.push(&header, bytes);
    }

    /// Queues `bytes` and sends them so that two segments disagree: first the second half, then the whole with
    /// `forged` in place of the second half.
    ///
    /// # Panics
    /// If something is queued already, or the lengths differ, or they exceed an MSS.
    pub fn contradict(&mut self, now: Instant, bytes: &[u8], forged: &[u8]) {
        assert!(self.out.is_empty() && bytes.len() == forged.len() && bytes.len() <= self.peer_mss);
        let half = bytes.len() / 2;
        let start = self.base;
        self.out = bytes.to_vec();
        self.sent = bytes.len();
        self.arm(now);
        let later = start.wrapping_add(u32::try_from(half).unwrap_or(0));
        self.push(&self.header(later, flags::ACK | flags::PSH), &bytes[half..]);
        let lying = [&bytes[..half], &forged[half..]].concat();
        self.push(&self.header(start, flags::ACK | flags::PSH), &lying);
    }

    /// Bytes received in order since the last call.
    pub fn take_received(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.received)
    }

    /// The handshake is complete.
    pub const fn established(&self) -> bool {
        self.open
    }

    /// The peer closed, and all it said was received.
    pub const fn peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// Nothing more will happen.
    pub const fn dead(&self) -> bool {
        self.dead
    }

    /// Bytes queued and not acknowledged.
    pub const fn queued(&self) -> usize {
        self.out.len()
    }

    /// The next frame to send.
    pub fn poll(&mut self) -> Option<Vec<u8>> {
        self.frames.pop_front()
    }

    /// When [`Server::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Instant {
        if self.dead {
            return Instant::FAR_FUTURE;
        }
        let timers = [self.resend_at, self.ack_at, self.window_at, self.keep_alive_at];
        timers.into_iter().flatten().min().unwrap_or(Instant::FAR_FUTURE)
    }

    /// Takes a segment of this connection.
    pub fn handle_segment(&mut self, now: Instant, segment: &Segment<'_>) {
        if segment.has(flags::RST) {
            let ahead = segment.seq.wrapping_sub(self.expected());
            self.dead |= ahead < 0x1_0000;
            return;
        }
        if self.dead {
            let header = Header { seq: segment.ack, flags: flags::RST, ..Header::default() };
            return self.push(&header, &[]);
        }
        if segment.has(flags::SYN) {
            return if self.open { self.ack() } else { self.syn_ack() };
        }
        if !segment.has(flags::ACK) || !self.take_ack(now, segment) {
            return;
        }
        self.take_payload(now, segment);
        self.flush(now);
    }

    /// Takes the passing of time.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.dead {
            return;
        }
        if due(&mut self.window_at, now) && self.open {
            self.ack();
        }
        if due(&mut self.ack_at, now) {
            self.ack();
        }
        if due(&mut self.keep_alive_at, now) {
            let header = self.header(self.sent_up_to().wrapping_sub(1), flags::ACK);
            self.push(&header, &[]);
            self.keep_alive_at = self.settings.keep_alive.map(|every| now + every);
        }
        if due(&mut self.resend_at, now) {
            self.retries += 1;
            let (retries_max, timeout_max) =
                if self.open { (RETRIES_MAX, TIMEOUT_MAX) } else { (SYN_ACKS_MAX, Duration::MAX) };
            self.timeout = (self.timeout * 2).min(timeout_max);
            if self.retries > retries_max {
                self.dead = true;
            } else if self.open {
                self.recover = self.sent_up_to();
                self.resend(now);
            } else {
                self.syn_ack();
                self.arm(now);
            }
        }
        self.flush(now);
    }

    /// Whether the segment's acknowledgement can be believed.
    fn take_ack(&mut self, now: Instant, segment: &Segment<'_>) -> bool {
        let ahead = segment.ack.wrapping_sub(self.base);
        let limit = self.sent + usize::from(self.fin_sent);
        if ahead as usize > limit {
            // Old ones are harmless, others are told what was sent.
            if ahead < 1 << 31 {
                self.ack();
            }
            return ahead >= 1 << 31 && self.open;
        }
        if !self.open {
            self.established_at(now);
        }
        if ahead > 0 {
            self.advance(now, ahead as usize);
        } else if segment.payload.is_empty()
            && limit > 0
            && !segment.has(flags::FIN)
            && usize::from(segment.window) == self.peer_window
        {
            self.duplicate_acks += 1;
            if self.duplicate_acks == 3 {
                self.recover = self.sent_up_to();
                self.resend(now);
            }
        }
        self.peer_window = usize::from(segment.window);
        true
    }

    fn established_at(&mut self, now: Instant) {
        self.open = true;
        self.retries = 0;
        self.timeout = ((now - self.opened) * 2 + Duration::from_millis(100)).clamp(TIMEOUT_MIN, TIMEOUT_FIRST * 3);
        self.resend_at = None;
        if self.sent > 0 {
            self.arm(now);
        }
        self.keep_alive_at = self.settings.keep_alive.map(|every| now + every);
        if self.settings.forged {
            let seq = self.sent_up_to().wrapping_add(1_000);
            self.push(&Header { seq, flags: flags::RST, ..Header::default() }, &[]);
            self.push(&Header { seq, ack: self.expected(), flags: flags::SYN | flags::ACK, window: 9, mss: None }, &[]);
        }
    }

    fn advance(&mut self, now: Instant, ahead: usize) {
        let bytes = ahead.min(self.out.len());
        self.out.drain(..bytes);
        self.sent -= bytes;
        self.base = self.base.wrapping_add(u32::try_from(bytes).unwrap_or(0));
        self.fin_acked |= ahead > bytes;
        self.retries = 0;
        self.duplicate_acks = 0;
        self.resend_at = None;
        if self.sent > 0 || (self.fin_sent && !self.fin_acked) {
            self.arm(now);
            if self.recover.wrapping_sub(self.base).wrapping_sub(1) < 1 << 31 {
                self.resend(now);
            }
        }
    }

    fn take_payload(&mut self, now: Instant, segment: &Segment<'_>) {
        if segment.payload.is_empty() && !segment.has(flags::FIN) {
            return;
        }
        let ahead = segment.seq.wrapping_sub(self.expected()).cast_signed();
        if self.window(now) == 0 || self.peer_closed || ahead.unsigned_abs() > 0xffff {
            return self.ack();
        }
        let skip = usize::try_from(-i64::from(ahead)).unwrap_or(0);
        let position = self.next + u64::try_from(ahead).unwrap_or(0);
        if let Some(fresh) = segment.payload.get(skip..).filter(|fresh| !fresh.is_empty()) {
            self.waiting.insert(position, fresh.to_vec());
        }
        if segment.has(flags::FIN) && skip <= segment.payload.len() {
            self.peer_fin = Some(position + (segment.payload.len() - skip) as u64);
        }
        let before = self.next;
        self.deliver();
        let at_once = self.next == before || self.peer_closed || self.settings.delayed_ack == Duration::ZERO;
        if self.peer_closed && self.settings.resets_at_fin {
            self.reset();
        } else if at_once {
            self.ack();
        } else {
            self.ack_at.get_or_insert(now + self.settings.delayed_ack);
        }
    }

    fn deliver(&mut self) {
        while let Some(entry) = self.waiting.first_entry() {
            let skip = usize::try_from(self.next.saturating_sub(*entry.key())).unwrap_or(usize::MAX);
            if *entry.key() > self.next {
                break;
            }
            let piece = entry.remove();
            let fresh = piece.get(skip..).unwrap_or_default();
            self.received.extend_from_slice(fresh);
            self.next += fresh.len() as u64;
        }
        self.peer_closed |= self.peer_fin == Some(self.next);
    }

    /// Sends what is new and may go.
    fn flush(&mut self, now: Instant) {
        let flight = if self.settings.cuts == Cuts::Bytes { FLIGHT_MAX_BYTES } else { FLIGHT_MAX };
        while self.open && !self.dead && !self.fin_sent {
            let room = self.peer_window.min(flight).saturating_sub(self.sent);
            let left = self.out.len() - self.sent;
            let length = left.min(room).min(self.cut());
            let last = self.close_wanted && length == left;
            if length == 0 && !last {
                return;
            }
            let back = if self.settings.overlap { self.sent.min(OVERLAP_MAX).min(self.peer_mss - length) } else { 0 };
            let (from, to) = (self.sent - back, self.sent + length);
            self.sent = to;
            self.fin_sent = last;
            self.data(from, to, last);
            if self.resend_at.is_none() {
                self.arm(now);
            }
        }
    }

    fn cut(&mut self) -> usize {
        match self.settings.cuts {
            Cuts::Whole => self.peer_mss,
            Cuts::Bytes => 1,
            Cuts::Random => self.random.length(1, self.peer_mss.min(200)),
        }
    }

    /// Sends the oldest unacknowledged bytes again, cut anew.
    fn resend(&mut self, now: Instant) {
        let to = self.sent.min(self.peer_mss);
        let fin = self.fin_sent && to == self.out.len();
        if to > 0 || fin {
            self.data(0, to, fin);
        }
        self.arm(now);
    }

    fn data(&mut self, from: usize, to: usize, fin: bool) {
        let seq = self.base.wrapping_add(u32::try_from(from).unwrap_or(0));
        let mut set = flags::ACK | flags::PSH | if fin { flags::FIN } else { 0 };
        if self.settings.urgent && to > from {
            set |= URG;
        }
        let payload = self.out[from..to].to_vec();
        self.ack_at = None;
        self.push(&self.header(seq, set), &payload);
    }

    fn ack(&mut self) {
        self.ack_at = None;
        self.push(&self.header(self.sent_up_to(), flags::ACK), &[]);
    }

    fn syn_ack(&mut self) {
        let header = Header { mss: self.settings.mss, ..self.header(self.iss, flags::SYN | flags::ACK) };
        let early = if self.settings.early_data { self.out[..self.sent].to_vec() } else { Vec::new() };
        self.push(&header, &early);
    }

    fn header(&self, seq: u32, flags: u8) -> Header {
        let window = if self.window_at.is_some() { 0 } else { self.settings.window };
        Header { seq, ack: self.expected(), flags, window, mss: None }
    }

    fn push(&mut self, header: &Header, payload: &[u8]) {
        self.frames.push_back(frame::tcp(&self.link, self.tuple, header, payload));
    }

    fn arm(&mut self, now: Instant) {
        self.resend_at = Some(now + self.timeout);
    }

    /// Next sequence number to send.
    fn sent_up_to(&self) -> u32 {
        self.base.wrapping_add(u32::try_from(self.sent).unwrap_or(0)).wrapping_add(u32::from(self.fin_sent))
    }

    /// Next sequence number expected.
    fn expected(&self) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "sequence numbers are modulo 2^32")]
        let next = self.next as u32;
        self.irs.wrapping_add(1).wrapping_add(next).wrapping_add(u32::from(self.peer_closed))
    }

    fn window(&self, now: Instant) -> u16 {
        if self.window_at.is_some_and(|at| now < at) { 0 } else { self.settings.window }
    }
}

/// Takes the timer if it is due.
fn due(timer: &mut Option<Instant>, now: Instant) -> bool {
    timer.take_if(|at| *at <= now).is_some()
}
