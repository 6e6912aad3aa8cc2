//! Target `connection`: one `tcp::connection::Connection` against any segments, at any times, with any calls.
//!
//! The input is decoded into a SYN-ACK and up to [`EVENTS_MAX`] events. Whatever the peer sends at a position
//! of its stream is the same byte, so what is received can be checked against the stream itself.
//!
//! Asserted after each event, against a model that knows only what crossed the wire:
//! - `poll` comes to an end; no timeout is left in the past;
//! - what is sent lies within what was queued, is what was queued, exceeds neither the MSS nor the peer's window
//!   (but for the one byte that probes a closed one); FIN stands behind the last queued byte and nothing follows;
//! - acknowledgements never go back and never cover what was not delivered; the announced window never shrinks;
//! - received bytes are the peer's stream from its beginning, in bounded portions, without what came after its FIN;
//!   whatever came before, the next bytes in order are taken;
//! - an ending is final, sends no data, and comes within [`PATIENCE`] once we close and the peer falls silent.

#![allow(clippy::cast_possible_truncation, reason = "sequence numbers are positions modulo 2^32")]

use super::input::Input;
use starling::base::{Duration, Instant};
use starling::tcp::connection::{Connection, Ending};
use starling::wire::{Segment, flags};

/// Events decoded from one input.
pub const EVENTS_MAX: usize = 256;
/// From the close, with a silent peer, to the ending.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// Bytes queued for sending at most.
const QUEUED_MAX: usize = 16 * 1024;
/// What we announce at most, so what may wait unread.
const WINDOW: usize = 65_535;
/// The least segment size that is believed, the one in place of none, and the largest that fits our frames.
const MSS: (u16, u16, u16) = (88, 536, 1_460);

/// The body.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut world = World::new(&mut input);
    for _ in 0..EVENTS_MAX {
        if input.is_empty() {
            break;
        }
        world.event(&mut input);
    }
    world.goes_on();
    world.comes_to_an_end();
}

/// The connection, and what a witness on the wire knows of it. Positions are offsets in a stream.
struct World {
    connection: Connection,
    now: Instant,
    /// Our initial sequence number and the peer's.
    initial: (u32, u32),
    mss: usize,
    /// Bytes queued for sending, whether no more may be, and how often a segment was asked for.
    queued: usize,
    closed: bool,
    segments_out: u32,
    /// Positions of ours: end of what was sent, whether FIN was, highest valid acknowledgement, right edge of the
    /// peer's window.
    sent: u64,
    fin_sent: bool,
    acknowledged: u64,
    edge: u64,
    /// The peer's stream: what was delivered from its beginning, what beyond, where FINs stood.
    delivered: u64,
    beyond: Vec<(u64, u64)>,
    fins: Vec<u64>,
    /// Our last acknowledgement (a FIN counts), and the right edge of our window.
    acking: u64,
    window_edge: u64,
    /// Bytes taken.
    taken: u64,
    ending: Option<Ending>,
}

/// Byte of either stream at a position.
fn byte(position: u64) -> u8 {
    let mixed = position.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 56) as u8
}

impl World {
    fn new(input: &mut Input<'_>) -> Self {
        // Close to the wrap or not.
        let ours = u32::from(input.u8()) << 24 | 0x00ff_ff00;
        let theirs = u32::from(input.u8()) << 24 | 0x00ff_fff0;
        let options = input.u8();
        let mss = u16::from_be_bytes([options, 0x40]);
        let option = [2, 4, options, 0x40];
        let window = input.u16();
        let syn_ack = Segment {
            seq: theirs,
            ack: ours.wrapping_add(1),
            flags: flags::SYN | flags::ACK,
            window,
            options: if options == 0 { &[] } else { &option },
            ..blank()
        };
        let believed = if options == 0 { MSS.1 } else { mss.clamp(MSS.0, MSS.2) };
        let mut world = Self {
            connection: Connection::open(&syn_ack),
            now: Instant::ZERO,
            initial: (ours, theirs),
            mss: usize::from(believed),
            queued: 0,
            closed: false,
            segments_out: 0,
            sent: 0,
            fin_sent: false,
            acknowledged: 0,
            edge: u64::from(window),
            delivered: 0,
            beyond: Vec::new(),
            fins: Vec::new(),
            acking: 0,
            window_edge: 0,
            taken: 0,
            ending: None,
        };
        world.after();
        world
    }

    fn event(&mut self, input: &mut Input<'_>) {
        match input.u8() % 16 {
            0 => self.pass(Duration::from_millis(u64::from(input.u8()))),
            1 => self.pass(Duration::from_millis(u64::from(input.u16()) * 8)),
            2 => {
                let due = self.connection.next_timeout().unwrap_or(self.now);
                self.pass(due - self.now);
            }
            3 => self.send(usize::from(input.u8())),
            4 => self.send(usize::from(input.u16() % 4_096)),
            5 => {
                self.connection.close();
                self.closed = true;
            }
            6 if input.u8() == 0xab => self.connection.abort(),
            6 | 7 => self.take(),
            // The next bytes of the peer's stream, everything of ours acknowledged.
            8 | 9 => {
                let (length, window) = (usize::from(input.u8()) * 4, input.u16());
                self.segment(self.delivered, self.sent_end(), flags::ACK | flags::PSH, window, length);
            }
            // An acknowledgement of some of what is in flight.
            10 => {
                let flight = self.sent_end() - self.acknowledged;
                let ack = self.acknowledged + u64::from(input.u8()) % (flight + 1);
                let window = input.u16();
                self.segment(self.delivered, ack, flags::ACK, window, 0);
            }
            // The peer's FIN, with or without data.
            11 => {
                let length = usize::from(input.u8());
                self.segment(self.delivered, self.sent_end(), flags::ACK | flags::FIN, 1_000, length);
            }
            // Around the expected numbers.
            12..=14 => {
                let seq = self.acking.wrapping_add_signed(i64::from(input.u16().cast_signed()));
                let ack = self.sent.wrapping_add_signed(i64::from(input.u8().cast_signed()));
                let (flags, window, length) = (input.u8(), input.u16(), usize::from(input.u8()) * 6);
                self.segment(seq, ack, flags, window, length);
            }
            // Anything.
            _ => {
                let (seq, ack, flags) = (u64::from(input.u32()), u64::from(input.u32()), input.u8());
                let (window, length) = (input.u16(), usize::from(input.u16() % 1_461));
                self.segment(seq, ack, flags, window, length);
            }
        }
        self.after();
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.connection.handle_timeout(self.now);
    }

    fn send(&mut self, length: usize) {
        if self.closed || self.ending.is_some() || self.queued + length > QUEUED_MAX {
            return;
        }
        let begin = self.queued as u64;
        let bytes: Vec<u8> = (begin..begin + length as u64).map(byte).collect();
        self.connection.send(&bytes);
        self.queued += length;
    }

    /// End of what we sent, FIN included: what a peer that got everything acknowledges.
    fn sent_end(&self) -> u64 {
        self.sent + u64::from(self.fin_sent)
    }

    /// The peer sends; `seq` and `ack` are positions, of which the low 32 bits count.
    fn segment(&mut self, seq: u64, ack: u64, flags: u8, window: u16, length: usize) {
        let first = self.initial.1.wrapping_add(1);
        // A sequence number means the position that is closest to what we have acknowledged.
        let distance = i64::from((seq as u32).wrapping_sub(self.acking as u32).cast_signed());
        let position = self.acking.checked_add_signed(distance);
        let payload: Vec<u8> = (0..length as u64).map(|at| byte(position.unwrap_or(0).wrapping_add(at))).collect();
        let before_the_stream = position.is_none();
        let payload = if before_the_stream { &[][..] } else { &payload };
        let segment = Segment {
            seq: first.wrapping_add(seq as u32),
            ack: self.initial.0.wrapping_add(1).wrapping_add(ack as u32),
            flags,
            window,
            payload,
            ..blank()
        };
        if let Some(position) = position {
            self.note_delivery(position, payload.len() as u64, flags);
        }
        self.note_acknowledgement(ack as u32, flags, window);
        self.connection.handle_segment(self.now, &segment);
    }

    fn note_delivery(&mut self, position: u64, length: u64, flags: u8) {
        if flags & flags::FIN != 0 {
            self.fins.push(position + length);
        }
        self.beyond.push((position, position + length));
        while let Some(at) = self.beyond.iter().position(|(from, to)| *from <= self.delivered && *to > self.delivered) {
            self.delivered = self.beyond.swap_remove(at).1;
        }
        let delivered = self.delivered;
        self.beyond.retain(|(_, to)| *to > delivered);
    }

    fn note_acknowledgement(&mut self, ack: u32, flags: u8, window: u16) {
        let newly = u64::from(ack.wrapping_sub(self.acknowledged as u32));
        let ack = self.acknowledged + newly;
        if flags & flags::ACK == 0 {
            return;
        }
        if ack <= self.sent_end() {
            self.acknowledged = ack;
        }
        // An old acknowledgement may move the edge too, though never further than the newest would.
        self.edge = self.edge.max(self.acknowledged + u64::from(window));
    }

    fn take(&mut self) {
        let received = self.connection.take_received();
        assert!(received.len() <= WINDOW, "{} bytes waited unread", received.len());
        for (at, found) in (self.taken..).zip(&received) {
            assert_eq!(*found, byte(at), "byte {at} of the stream");
        }
        self.taken += received.len() as u64;
        assert_eq!(self.taken, self.connection.traffic().bytes_in);
        assert!(self.taken <= self.delivered, "{} of {} delivered bytes received", self.taken, self.delivered);
    }

    /// Lets it send, and holds it against the model.
    fn after(&mut self) {
        let limit = self.queued / usize::from(MSS.0) + 8;
        for count in 0.. {
            assert!(count <= limit, "poll does not come to an end");
            let ended = self.connection.ending();
            let Some(sent) = self.connection.poll(self.now) else { break };
            let (seq, ack, flags, window) = (sent.seq, sent.ack, sent.flags, sent.window);
            let payload = sent.payload.to_vec();
            self.segments_out += 1;
            assert!(ended.is_none() || payload.is_empty(), "data after the end");
            self.check_sent(seq, flags, &payload);
            if flags & flags::RST == 0 {
                self.check_acknowledgement(ack, window);
            }
        }
        let ending = self.connection.ending();
        assert!(self.ending.is_none() || self.ending == ending, "{:?}, then {ending:?}", self.ending);
        self.ending = ending;
        let next = self.connection.next_timeout();
        assert!(next.is_none_or(|at| at > self.now), "{next:?} is not after {:?}", self.now);
        let traffic = *self.connection.traffic();
        assert_eq!((traffic.bytes_out, traffic.segments_out), (self.queued as u64, self.segments_out));
        if self.connection.peer_closed() {
            assert!(self.fins.contains(&traffic.bytes_in), "{} is no end of the peer's stream", traffic.bytes_in);
        }
    }

    fn check_sent(&mut self, seq: u32, flags: u8, payload: &[u8]) {
        assert!(flags & flags::SYN == 0 && flags & flags::ACK != 0, "flags {flags:#x}");
        let offset = u64::from(seq.wrapping_sub(self.initial.0.wrapping_add(1)));
        let end = offset + payload.len() as u64;
        assert!(end <= self.queued as u64 + 1, "{offset} to {end} of {} queued bytes", self.queued);
        assert!(offset <= self.sent_end(), "{offset} leaves a hole behind {}", self.sent_end());
        assert!(payload.len() <= self.mss, "{} bytes, MSS {}", payload.len(), self.mss);
        let probe = self.acknowledged + 1;
        assert!(
            payload.is_empty() || end <= self.edge.max(probe).max(self.sent),
            "{offset} to {end} beyond the window's edge {} ({} acknowledged, {} sent)",
            self.edge,
            self.acknowledged,
            self.sent
        );
        for (at, found) in (offset..).zip(payload) {
            assert_eq!(*found, byte(at), "byte {at} of what was queued");
        }
        if flags & flags::RST != 0 {
            assert!(payload.is_empty() && flags & flags::FIN == 0);
            return;
        }
        if flags & flags::FIN != 0 {
            assert!(self.closed && end == self.queued as u64, "FIN at {end} of {}", self.queued);
            self.fin_sent = true;
        } else if payload.is_empty() {
            assert!(offset <= self.sent_end());
        }
        self.sent = self.sent.max(end.min(self.queued as u64));
    }

    fn check_acknowledgement(&mut self, ack: u32, window: u16) {
        let ack =
            self.acking + u64::from(ack.wrapping_sub(self.initial.1.wrapping_add(1)).wrapping_sub(self.acking as u32));
        assert!(ack - self.acking <= 2 * WINDOW as u64, "the acknowledgement goes back, from {}", self.acking);
        let covers_fin = ack > 0 && self.fins.contains(&(ack - 1)) && ack - 1 <= self.delivered;
        assert!(ack <= self.delivered || covers_fin, "acknowledges {ack} of {}", self.delivered);
        let edge = ack + u64::from(window);
        assert!(edge >= self.window_edge, "the window shrinks: {edge} after {}", self.window_edge);
        (self.acking, self.window_edge) = (ack, edge);
    }

    /// The peer repeats its stream from where we stand, and no more goes wrong.
    fn goes_on(&mut self) {
        for _ in 0..3 {
            self.take();
            self.after();
            let before = self.acking;
            self.segment(before, self.acknowledged, flags::ACK, 1_000, 1_000);
            self.after();
            let over = self.connection.peer_closed() || self.ending.is_some();
            assert!(over || self.acking >= before + 1_000, "in order, and still {before} is wanted");
        }
    }

    /// We close and the peer says nothing more.
    fn comes_to_an_end(&mut self) {
        self.take();
        self.connection.close();
        self.closed = true;
        self.after();
        let limit = self.now + PATIENCE;
        while self.connection.ending().is_none() {
            let next = self.connection.next_timeout().expect("a connection that is not over waits for something");
            assert!(next <= limit, "still open at {next:?}");
            self.pass(next - self.now);
            self.after();
        }
        self.take();
        self.pass(PATIENCE);
        self.after();
        assert_eq!(self.connection.poll(self.now), None, "all was said");
    }
}

/// What no event varies.
fn blank() -> Segment<'static> {
    Segment {
        source: 1,
        destination: 2,
        source_port: 25,
        destination_port: 61_000,
        seq: 0,
        ack: 0,
        flags: 0,
        window: 0,
        ttl: 64,
        id: 0,
        options: &[],
        payload: &[],
    }
}
