//! Puts a byte stream back in order: bounded bytes, bounded holes, overlaps resolved in favour of what
//! arrived first.

/// Bytes that may wait out of order.
pub const WAITING_BYTES_MAX: usize = 64 * 1024;
/// Pieces that may wait out of order.
pub const PIECES_MAX: usize = 32;

/// Reassembles one direction. Positions count from the stream's first byte. `BYTES` and `PIECES` may wait out of order.
#[derive(Clone, Debug, Default)]
pub struct Assembler<const BYTES: usize = WAITING_BYTES_MAX, const PIECES: usize = PIECES_MAX> {
    /// Position of the next byte in order.
    next: u64,
    /// Pieces beyond `next`: ascending, with a hole before each, not empty.
    waiting: Vec<(u64, Vec<u8>)>,
}

impl<const BYTES: usize, const PIECES: usize> Assembler<BYTES, PIECES> {
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
            if waiting_bytes + take <= BYTES && self.store(after, position, &data[..take]) {
                waiting_bytes += take;
            } else {
                dropped += take;
            }
            position += take as u64;
            data = &data[take..];
        }
        dropped
    }

    /// Stores a piece before the one at `after`, as one with its neighbours if it touches them. Says whether there is room.
    fn store(&mut self, after: usize, position: u64, data: &[u8]) -> bool {
        let touches = self.waiting.get(after).is_some_and(|piece| piece.0 == position + data.len() as u64);
        let before = after.checked_sub(1).and_then(|at| self.waiting.get_mut(at));
        if let Some((_, piece)) = before.filter(|(start, piece)| start + piece.len() as u64 == position) {
            piece.extend_from_slice(data);
            if touches {
                let (_, behind) = self.waiting.remove(after);
                self.waiting[after - 1].1.extend_from_slice(&behind);
            }
        } else if touches {
            let piece = &mut self.waiting[after];
            piece.0 = position;
            piece.1.splice(..0, data.iter().copied());
        } else if self.waiting.len() < PIECES {
            self.waiting.insert(after, (position, data.to_vec()));
        } else {
            return false;
        }
        true
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
            let mut assembler = <Assembler>::default();
            let mut out = Vec::new();
            for (from, length) in cuts {
                let from = from.min(stream.len());
                let to = (from + length).min(stream.len());
                assembler.insert(from as u64, &stream[from..to], &mut out);
                prop_assert_eq!(&out[..], &stream[..out.len()]);
                prop_assert!(assembler.waiting.len() <= PIECES_MAX);
                let ends = assembler.waiting.iter().map(|piece| piece.0 + piece.1.len() as u64);
                prop_assert!(ends.zip(assembler.waiting.iter().skip(1)).all(|(end, next)| end < next.0));
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
        let (mut assembler, mut out) = (<Assembler>::default(), Vec::new());
        assembler.insert(2, b"CD", &mut out);
        assembler.insert(0, b"abcdef", &mut out);
        assert_eq!(out, b"abCDef");
    }

    #[test]
    fn a_hole_can_be_given_up_and_what_begins_in_order_is_not_copied() {
        let (mut assembler, mut out) = (<Assembler>::default(), Vec::new());
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
        let (mut assembler, mut out) = (<Assembler>::default(), Vec::new());
        for piece in 1..=PIECES_MAX as u64 {
            assert_eq!(assembler.insert(2 * piece, b"P", &mut out), 0);
        }
        let whole = [b'h'; 2 * PIECES_MAX + 3];
        assert_eq!(assembler.insert(0, &whole, &mut out), 0);
        assert_eq!((out.len(), out.iter().filter(|byte| **byte == b'P').count()), (whole.len(), PIECES_MAX));
        assert_eq!((assembler.next(), assembler.waiting_bytes()), (whole.len() as u64, 0));
    }

    #[test]
    fn pieces_that_touch_are_one() {
        let (mut assembler, mut out) = (<Assembler>::default(), Vec::new());
        for position in (1..=1_000).rev().chain(1_001..2_000) {
            assert_eq!(assembler.insert(position, b"a", &mut out), 0);
        }
        assert_eq!(assembler.insert(3_000, b"c", &mut out), 0);
        assert_eq!(assembler.insert(2_000, &[b'b'; 1_000], &mut out), 0);
        assert_eq!((assembler.waiting.len(), assembler.waiting_bytes()), (1, 3_000));
        assert_eq!((assembler.insert(0, b"!", &mut out), assembler.next(), out[3_000]), (0, 3_001, b'c'));
    }

    #[test]
    fn what_exceeds_the_limits_is_dropped_and_counted() {
        let (mut assembler, mut out) = (<Assembler>::default(), Vec::new());
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
