//! Both directions of a connection in an order that could have been: bytes of each direction as they were sent, and none
//! before what its sender had seen of the other side, as its acknowledgement tells. What the capture has lost is given
//! up after some patience, and said.

use super::packet::Segment;
use crate::base::UtcMicros;
use crate::dialogue::Direction;
use crate::tcp::assembler::Assembler;
use crate::tcp::seq::distance;
use crate::wire::flags;
use std::collections::VecDeque;

/// Further packets of the connection after which bytes are given up that the other side has acknowledged.
const PATIENCE_PACKETS: u32 = 32;
/// The time after which they are, in microseconds.
const PATIENCE_MICROS: i64 = 1_000_000;
/// The time after which bytes are given up that nobody has acknowledged, in microseconds: several retransmissions.
const LONG_PATIENCE_MICROS: i64 = 30_000_000;
/// Pieces of one direction that may wait out of order, and what their senders had seen. The scanner's peers repeat what it has no
/// room for; who only looks on is told once.
const PIECES_MAX: usize = 1_024;
/// Bytes of one direction that may wait out of order.
const WAITING_BYTES_MAX: usize = 128 << 10;
/// Bytes of one direction that may wait for the other.
const READY_BYTES_MAX: usize = 64 << 10;

/// What a direction shows next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// Bytes in order.
    Bytes(Direction, &'a [u8]),
    /// So many bytes are missing here.
    Gap(Direction, u64),
    /// It is closed.
    Closed(Direction),
}

/// Bytes in order that wait for the other direction. As they came in a segment or several, so they are given.
#[derive(Debug)]
struct Ready {
    /// Position in the other direction that their sender had seen.
    after: u64,
    bytes: Vec<u8>,
}

/// One direction.
#[derive(Debug, Default)]
struct Side {
    /// A packet of it was seen.
    seen: bool,
    /// The other side has acknowledged something of it, if only the SYN.
    answered: bool,
    /// Sequence number of the byte at position 0.
    base: Option<u32>,
    assembler: Assembler<WAITING_BYTES_MAX, PIECES_MAX>,
    /// Where pieces begin that wait behind a hole, and what their senders had seen; in order.
    marks: Vec<(u64, u64)>,
    ready: VecDeque<Ready>,
    /// Position up to which bytes were given out.
    given: u64,
    /// Position up to which the other side has acknowledged.
    acknowledged: u64,
    /// Position of FIN.
    fin: Option<u64>,
    closed: bool,
}

impl Side {
    /// Position of a sequence number; `None` if it lies before the first byte, or nothing is known to compare it with.
    fn position(&self, seq: u32) -> Option<i64> {
        let next = self.assembler.next();
        #[expect(clippy::cast_possible_truncation, reason = "sequence numbers are modulo 2^32")]
        let expected = self.base?.wrapping_add(next as u32);
        Some(next.cast_signed() + i64::from(distance(expected, seq)))
    }

    fn waits(&self) -> bool {
        !self.ready.is_empty() || self.assembler.first_waiting().is_some()
    }

    /// Keeps what the sender of a piece had seen that waits.
    fn mark(&mut self, position: u64, after: u64) {
        let at = self.marks.partition_point(|(known, _)| *known < position);
        if self.marks.len() < PIECES_MAX && self.marks.get(at).is_none_or(|(known, _)| *known != position) {
            self.marks.insert(at, (position, after));
        }
    }

    /// Bytes that are in order now, the first of which was sent after `after`; each piece waits for what its sender had seen.
    fn queue(&mut self, mut bytes: &[u8], mut after: u64) {
        let mut start = self.assembler.next() - bytes.len() as u64;
        let known = self.marks.partition_point(|(position, _)| *position < self.assembler.next());
        for (position, next_after) in self.marks.drain(..known) {
            let until = usize::try_from(position.saturating_sub(start)).unwrap_or(usize::MAX).min(bytes.len());
            let (piece, rest) = bytes.split_at(until);
            if !piece.is_empty() {
                self.ready.push_back(Ready { after, bytes: piece.to_vec() });
            }
            (bytes, after, start) = (rest, next_after, start + until as u64);
        }
        if !bytes.is_empty() {
            self.ready.push_back(Ready { after, bytes: bytes.to_vec() });
        }
        if self.marks.is_empty() {
            self.marks = Vec::new();
        }
    }

    /// Gives up what is missing up to `position` at most.
    fn skip(&mut self, from: Direction, position: u64, each: &mut impl FnMut(Event<'_>)) {
        let mut bytes = Vec::new();
        let lost = self.assembler.skip(position, &mut bytes);
        self.given += lost;
        // The byte before a FIN that was not seen is the FIN.
        if lost > 1 || !bytes.is_empty() {
            each(Event::Gap(from, lost));
        }
        self.queue(&bytes, 0);
    }

    fn ready_bytes(&self) -> usize {
        self.ready.iter().map(|ready| ready.bytes.len()).sum()
    }
}

/// Both directions, the client's first.
#[derive(Debug, Default)]
pub(super) struct Streams {
    sides: [Side; 2],
    /// Something waits: since when, and for how many packets.
    stuck: Option<(UtcMicros, u32)>,
}

const SIDES: [Direction; 2] = [Direction::Client, Direction::Server];

const fn index(direction: Direction) -> usize {
    match direction {
        Direction::Client => 0,
        Direction::Server => 1,
    }
}

const fn other(direction: Direction) -> Direction {
    match direction {
        Direction::Client => Direction::Server,
        Direction::Server => Direction::Client,
    }
}

impl Streams {
    /// Takes the next packet, which came at `now`.
    pub(super) fn segment(
        &mut self,
        from: Direction,
        segment: &Segment<'_>,
        now: UtcMicros,
        each: &mut impl FnMut(Event<'_>),
    ) {
        let after = self.acknowledge(from, segment);
        let side = &mut self.sides[index(from)];
        side.seen = true;
        let first = segment.first();
        // A SYN-ACK that nobody answered is void once there is another: the SYN was sent again to a server that had forgotten it.
        let anew = from == Direction::Server && segment.has(flags::SYN) && !side.answered && side.base != Some(first);
        if anew {
            *side = Side { seen: true, base: Some(first), ..Side::default() };
        } else if side.base.is_none() && (segment.has(flags::SYN) || segment.length > 0) {
            side.base = Some(first);
        }
        if let Some(position) = side.position(first) {
            if segment.has(flags::FIN) {
                let end = position + i64::from(segment.length);
                side.fin.get_or_insert(u64::try_from(end).unwrap_or(0));
            }
            let before_first = usize::try_from(-position.min(0)).unwrap_or(usize::MAX);
            let payload = segment.payload.get(before_first..).unwrap_or_default();
            if !payload.is_empty() {
                self.payload(from, u64::try_from(position).unwrap_or(0), payload, after, each);
            }
        }
        self.give(each);
        self.be_patient(now, each);
    }

    /// Nothing more will come: gives all there is, in the order in which it can be.
    pub(super) fn finish(&mut self, each: &mut impl FnMut(Event<'_>)) {
        while self.sides.iter().any(Side::waits) {
            self.give_up(each);
        }
    }

    /// Bytes that wait, in both directions.
    pub(super) fn held(&self) -> usize {
        self.sides.iter().map(|side| side.assembler.waiting_bytes() + side.ready_bytes()).sum()
    }

    /// Both directions are closed.
    pub(super) fn closed(&self) -> bool {
        self.sides.iter().all(|side| side.fin.is_some())
    }

    /// Whether the other side believes a RST with this sequence number: it must be the next that it expects (RFC 9293, section
    /// 3.10.7.4). Which that is, the capture may not know exactly: the byte behind those in order, behind the last, or behind
    /// those acknowledged, or behind a FIN.
    pub(super) fn believes_reset(&self, from: Direction, seq: u32) -> bool {
        let side = &self.sides[index(from)];
        side.position(seq).is_none_or(|position| {
            let expected = [side.assembler.next(), side.assembler.end(), side.acknowledged];
            u64::try_from(position).is_ok_and(|position| {
                expected.contains(&position) || side.fin.is_some_and(|fin| position == fin || position == fin + 1)
            })
        })
    }

    /// Position in the other direction that the sender has seen; keeps it.
    fn acknowledge(&mut self, from: Direction, segment: &Segment<'_>) -> u64 {
        if !segment.has(flags::ACK) || segment.has(flags::RST) {
            return 0;
        }
        let peer = &mut self.sides[index(other(from))];
        peer.answered = true;
        if peer.base.is_none() {
            peer.base = Some(segment.ack);
        }
        let seen = peer.position(segment.ack).map_or(0, |position| u64::try_from(position).unwrap_or(0));
        // FIN counts as a byte and is none.
        let seen = peer.fin.map_or(seen, |fin| seen.min(fin));
        peer.acknowledged = peer.acknowledged.max(seen);
        seen
    }

    fn payload(
        &mut self,
        from: Direction,
        position: u64,
        payload: &[u8],
        after: u64,
        each: &mut impl FnMut(Event<'_>),
    ) {
        let blocked = self.blocked(from, after);
        let side = &mut self.sides[index(from)];
        if !blocked
            && side.ready.is_empty()
            && let Some(fresh) = side.assembler.pass_through(position, payload)
        {
            side.given = side.assembler.next();
            if !fresh.is_empty() {
                each(Event::Bytes(from, fresh));
            }
            return;
        }
        let (start, mut bytes) = (side.assembler.next(), Vec::new());
        while side.assembler.insert(position, payload, &mut bytes) > 0 {
            // No room behind the hole: it is given up.
            flush(side, from, each);
            side.skip(from, position, each);
            flush(side, from, each);
        }
        if position > start {
            side.mark(position, after);
        }
        side.queue(&bytes, after);
        if side.ready_bytes() > READY_BYTES_MAX {
            flush(side, from, each);
        }
    }

    /// What was sent after its sender had seen `after` of the other direction cannot be given yet.
    fn blocked(&self, from: Direction, after: u64) -> bool {
        let peer = &self.sides[index(other(from))];
        peer.seen && peer.given < after
    }

    /// Gives what can be given.
    fn give(&mut self, each: &mut impl FnMut(Event<'_>)) {
        let mut progress = true;
        while std::mem::take(&mut progress) {
            for from in SIDES {
                while let Some(after) = self.sides[index(from)].ready.front().map(|ready| ready.after)
                    && !self.blocked(from, after)
                {
                    give_first(&mut self.sides[index(from)], from, each);
                    progress = true;
                }
            }
        }
        for from in SIDES {
            let side = &mut self.sides[index(from)];
            if !side.closed && side.fin.is_some_and(|fin| side.given >= fin) {
                side.closed = true;
                each(Event::Closed(from));
            }
        }
    }

    fn be_patient(&mut self, now: UtcMicros, each: &mut impl FnMut(Event<'_>)) {
        if !self.sides.iter().any(Side::waits) {
            self.stuck = None;
            return;
        }
        let (since, packets) = self.stuck.unwrap_or((now, 0));
        self.stuck = Some((since, packets + 1));
        let waited = now.0.saturating_sub(since.0);
        let lost = self.sides.iter().any(|side| side.acknowledged > side.given.max(side.assembler.next()));
        if waited > LONG_PATIENCE_MICROS || lost && (waited > PATIENCE_MICROS || packets >= PATIENCE_PACKETS) {
            self.give_up(each);
            self.stuck = None;
        }
    }

    /// Gives up the first bytes that something waits for.
    fn give_up(&mut self, each: &mut impl FnMut(Event<'_>)) {
        for from in SIDES {
            let awaited = self.sides[index(other(from))].ready.front().map_or(0, |ready| ready.after);
            let side = &mut self.sides[index(from)];
            let next = side.assembler.next();
            if !side.ready.is_empty() || (side.assembler.first_waiting().is_none() && awaited <= next) {
                continue;
            }
            side.skip(from, if awaited > next { awaited } else { u64::MAX }, each);
            return self.give(each);
        }
        // Both wait for each other: the acknowledgements cannot all be true.
        for from in SIDES {
            flush(&mut self.sides[index(from)], from, each);
        }
        self.give(each);
    }
}

fn give_first(side: &mut Side, from: Direction, each: &mut impl FnMut(Event<'_>)) {
    if let Some(ready) = side.ready.pop_front() {
        side.given += ready.bytes.len() as u64;
        each(Event::Bytes(from, &ready.bytes));
    }
}

fn flush(side: &mut Side, from: Direction, each: &mut impl FnMut(Event<'_>)) {
    while !side.ready.is_empty() {
        give_first(side, from, each);
    }
}

#[cfg(test)]
mod tests;
