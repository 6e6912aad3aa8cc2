//! Puts a byte stream back in order: bounded bytes, bounded holes, overlaps resolved in favour of what
//! arrived first.

/// Bytes that may wait out of order.
pub const WAITING_BYTES_MAX: usize = 64 * 1024;
/// Pieces that may wait out of order.
pub const PIECES_MAX: usize = 32;

/// Reassembles one direction. Positions count from the stream's first byte.
#[derive(Clone, Debug, Default)]
pub struct Assembler {
    /// Position of the next byte in order.
    next: u64,
    /// Pieces beyond `next`: ascending, disjoint, not empty.
    waiting: Vec<(u64, Vec<u8>)>,
}

impl Assembler {
    /// Position of the next byte in order: how many were delivered.
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// Bytes that wait behind a hole.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting.iter().map(|(_, piece)| piece.len()).sum()
    }

    /// Position behind the last byte known, in order or not.
    pub fn end(&self) -> u64 {
        self.waiting.last().map_or(self.next, |(position, piece)| position + piece.len() as u64)
    }

    /// Takes `data` at `position`, appends whatever is now in order to `out`. Returns how many bytes had to be
    /// dropped because a limit was reached (the sender will repeat them).
    pub fn insert(&mut self, position: u64, data: &[u8], out: &mut Vec<u8>) -> usize {
        let known = usize::try_from(self.next.saturating_sub(position)).unwrap_or(usize::MAX);
        let Some(fresh) = data.get(known..).filter(|fresh| !fresh.is_empty()) else { return 0 };
        if position > self.next {
            return self.keep(position, fresh);
        }
        self.pass(fresh, out);
        0
    }

    /// Takes `data` at `position` without a copy, if it begins in order and nothing waits: what of it is new.
    pub fn pass_through<'a>(&mut self, position: u64, data: &'a [u8]) -> Option<&'a [u8]> {
        if position > self.next || !self.waiting.is_empty() {
            return None;
        }
        let known = usize::try_from(self.next - position).unwrap_or(usize::MAX);
        let fresh = data.get(known..).unwrap_or_default();
        self.next += fresh.len() as u64;
        Some(fresh)
    }

    /// Position of the first byte that waits behind a hole.
    pub fn first_waiting(&self) -> Option<u64> {
        self.waiting.first().map(|piece| piece.0)
    }

    /// Gives up the bytes up to `position`, or up to the first that wait if that is earlier; appends what is in order
    /// then to `out`. Returns how many bytes were given up.
    pub fn skip(&mut self, position: u64, out: &mut Vec<u8>) -> u64 {
        let to = self.first_waiting().map_or(position, |first| first.min(position));
        let lost = to.saturating_sub(self.next);
        self.next += lost;
        self.deliver(out);
        lost
    }

    /// Passes on what begins in order, with what waited behind it: no limit applies, however many holes it fills.
    fn pass(&mut self, mut data: &[u8], out: &mut Vec<u8>) {
        while !data.is_empty() {
            let from = self.next;
            let room = self.waiting.first().map_or(u64::MAX, |piece| piece.0 - from);
            let take = usize::try_from(room).unwrap_or(usize::MAX).min(data.len());
            out.extend_from_slice(&data[..take]);
            self.next += take as u64;
            self.deliver(out);
            let passed = usize::try_from(self.next - from).unwrap_or(usize::MAX).min(data.len());
            data = &data[passed..];
        }
    }

    /// Stores what of `data` is not yet waiting, piece by piece between the known pieces.
    fn keep(&mut self, mut position: u64, mut data: &[u8]) -> usize {
        let mut dropped = 0;
        let mut waiting_bytes = self.waiting_bytes();
        while !data.is_empty() {
            let after = self.waiting.partition_point(|piece| piece.0 <= position);
            if let Some(end) = after.checked_sub(1).map(|i| self.waiting[i].0 + self.waiting[i].1.len() as u64)
                && end > position
            {
                let covered = usize::try_from(end - position).unwrap_or(usize::MAX).min(data.len());
                position += covered as u64;
                data = &data[covered..];
                continue;
            }
            let room = self.waiting.get(after).map_or(u64::MAX, |piece| piece.0 - position);
            let take = usize::try_from(room).unwrap_or(usize::MAX).min(data.len());
            if self.waiting.len() >= PIECES_MAX || waiting_bytes + take > WAITING_BYTES_MAX {
                dropped += take;
            } else {
                self.waiting.insert(after, (position, data[..take].to_vec()));
                waiting_bytes += take;
            }
            position += take as u64;
            data = &data[take..];
        }
        dropped
    }

    fn deliver(&mut self, out: &mut Vec<u8>) {
        let mut ready = 0;
        for (position, piece) in &self.waiting {
            if *position != self.next {
                break;
            }
            out.extend_from_slice(piece);
            self.next += piece.len() as u64;
            ready += 1;
        }
        self.waiting.drain(..ready);
        if self.waiting.is_empty() {
            self.waiting = Vec::new(); // holes are rare: keep no room for them
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_order_overlap_and_repetition_gives_the_stream(
            stream in proptest::collection::vec(any::<u8>(), 1..400),
            cuts in proptest::collection::vec((0usize..400, 1usize..60), 0..60),
        ) {
            let mut assembler = Assembler::default();
            let mut out = Vec::new();
            for (from, length) in cuts {
                let from = from.min(stream.len());
                let to = (from + length).min(stream.len());
                assembler.insert(from as u64, &stream[from..to], &mut out);
                prop_assert_eq!(&out[..], &stream[..out.len()]);
                prop_assert!(assembler.waiting.len() <= PIECES_MAX);
                let waiting: usize = assembler.waiting.iter().map(|piece| piece.1.len()).sum();
                prop_assert_eq!(assembler.waiting_bytes(), waiting);
            }
            prop_assert_eq!(assembler.insert(0, &stream, &mut out), 0);
            prop_assert_eq!(out, stream);
            prop_assert_eq!(assembler.waiting_bytes(), 0);
        }
    }

    #[test]
    fn the_first_arrival_wins_an_overlap() {
        let (mut assembler, mut out) = (Assembler::default(), Vec::new());
        assembler.insert(2, b"CD", &mut out);
        assembler.insert(0, b"abcdef", &mut out);
        assert_eq!(out, b"abCDef");
    }

    #[test]
    fn a_hole_can_be_given_up_and_what_begins_in_order_is_not_copied() {
        let (mut assembler, mut out) = (Assembler::default(), Vec::new());
        assert_eq!(assembler.pass_through(0, b"ab"), Some(&b"ab"[..]));
        assert_eq!(assembler.pass_through(1, b"bc"), Some(&b"c"[..]));
        assert_eq!(assembler.pass_through(0, b"a"), Some(&b""[..]));
        assert_eq!(assembler.pass_through(5, b"f"), None);
        assembler.insert(5, b"f", &mut out);
        assert_eq!((assembler.pass_through(3, b"d"), assembler.first_waiting()), (None, Some(5)));
        assert_eq!((assembler.skip(100, &mut out), &out[..], assembler.next()), (2, &b"f"[..], 6));
        assert_eq!((assembler.skip(9, &mut out), assembler.skip(3, &mut out), assembler.next()), (3, 0, 9));
    }

    #[test]
    fn one_segment_fills_all_holes() {
        let (mut assembler, mut out) = (Assembler::default(), Vec::new());
        for piece in 1..=PIECES_MAX as u64 {
            assert_eq!(assembler.insert(2 * piece, b"P", &mut out), 0);
        }
        let whole = [b'h'; 2 * PIECES_MAX + 3];
        assert_eq!(assembler.insert(0, &whole, &mut out), 0);
        assert_eq!((out.len(), out.iter().filter(|byte| **byte == b'P').count()), (whole.len(), PIECES_MAX));
        assert_eq!((assembler.next(), assembler.waiting_bytes()), (whole.len() as u64, 0));
    }

    #[test]
    fn what_exceeds_the_limits_is_dropped_and_counted() {
        let (mut assembler, mut out) = (Assembler::default(), Vec::new());
        assert_eq!(assembler.insert(1, &vec![1; WAITING_BYTES_MAX], &mut out), 0);
        assert_eq!(assembler.insert(100_000, b"xyz", &mut out), 3);
        assert_eq!(assembler.insert(0, b"0", &mut out), 0);
        assert_eq!(out.len(), WAITING_BYTES_MAX + 1);
        for piece in 0..PIECES_MAX as u64 {
            assert_eq!(assembler.insert(200_000 + 2 * piece, b"p", &mut out), 0);
        }
        assert_eq!(assembler.insert(300_000, b"p", &mut out), 1);
    }
}
