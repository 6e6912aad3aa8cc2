//! The ring through which the facts of probes reach the program that sends them: `struct starling_ring` of
//! `ebpf/live.h`, mapped into this process.
//!
//! One thread writes ([`Ring::places`], [`Ring::add`], [`Ring::publish`]), one runs the program; everybody may read the counts.
#![allow(unsafe_code, reason = "memory shared with a BPF program")]

use crate::nic::ProbeFacts;
use std::cell::UnsafeCell;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Probes in the ring (`STARLING_RING_SIZE`): a power of two.
pub(super) const SIZE: usize = 65_536;

/// `STARLING_GIVEN_SIZE`.
const GIVEN_SIZE: usize = 64;

/// `struct starling_kept`: facts, clock, nothing.
type Kept = UnsafeCell<[u64; 3]>;
/// Where a probe has its ports, which are never zero.
const PORTS_AT: usize = 4;
/// And the checksums of IPv4, which tells a reset, and TCP.
const CHECKSUMS_AT: usize = 12;
/// `STARLING_RESET`, as it stands in memory.
const RESET: [u8; 2] = [0xff; 2];

/// `struct starling_ring`.
#[repr(C)]
pub(super) struct Layout {
    made: AtomicU64,
    made_line: [u64; 7],
    next: AtomicU64,
    seen: AtomicU64,
    idle: AtomicU64,
    gone: AtomicU64,
    hold: AtomicU64,
    pause: AtomicU64,
    given: AtomicU64,
    known: AtomicU64,
    taken: AtomicU64,
    taken_line: [u64; 7],
    thread: AtomicU64,
    thread_line: [u64; 7],
    sent: AtomicU64,
    refused: AtomicU64,
    down: AtomicU64,
    again: AtomicU64,
    again_next: AtomicU64,
    withdrawn: AtomicU64,
    resets: AtomicU64,
    sent_line: u64,
    /// Those given to the driver of which it is not known what became, and those to be given again.
    kept: [Kept; 2 * GIVEN_SIZE],
    probes: [UnsafeCell<ProbeFacts>; SIZE],
    clocks: [UnsafeCell<[u8; 4]>; SIZE],
}

/// What became of the probes, as counts since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Put into the ring.
    pub(super) made: u64,
    /// Taken out of it by the program.
    pub(super) next: u64,
    /// Resets among those taken.
    pub(super) resets: u64,
    /// Frames that the driver took.
    pub(super) sent: u64,
    /// Frames that the driver refused, its ring being full. Their probes are sent again.
    pub(super) refused: u64,
    /// Frames that came to no driver, the interface being down. Their probes are sent again.
    pub(super) down: u64,
    /// Runs of the program that found no interface.
    pub(super) gone: u64,
    /// Probes taken back before they were sent.
    pub(super) withdrawn: u64,
    /// Runs of the program that sent nothing.
    pub(super) idle: u64,
}

/// The mapping; gone with its last user.
pub(super) struct Mapping(NonNull<Layout>);

// SAFETY: all of the layout that is looked at is atomic, but for the probes, which the one `Ring` writes.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the only value of the array `map`, which must be a `struct starling_ring`.
    pub(super) fn new(map: BorrowedFd<'_>) -> io::Result<Self> {
        // SAFETY: a new mapping at an address of the kernel's choice; the kernel checks its length against the map.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size_of::<Layout>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                map.as_raw_fd(),
                0,
            )
        };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        NonNull::new(at.cast()).map(Self).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))
    }

    const fn layout(&self) -> &Layout {
        // SAFETY: the mapping is as long as the layout, zeroed by the kernel, aligned to a page, and lives as long
        // as `self`; what others change of it is atomic or in cells.
        unsafe { self.0.as_ref() }
    }

    /// What became of the probes so far.
    pub(super) fn counts(&self) -> Counts {
        let layout = self.layout();
        // In this order, so that no probe is counted as taken that is not counted as made.
        let sent = layout.sent.load(Ordering::Acquire);
        let withdrawn = layout.withdrawn.load(Ordering::Acquire);
        let refused = layout.refused.load(Ordering::Acquire);
        let next = layout.next.load(Ordering::Acquire);
        let made = layout.made.load(Ordering::Acquire);
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (idle, down, gone) = (count(&layout.idle), count(&layout.down), count(&layout.gone));
        Counts { made, next, resets: count(&layout.resets), sent, refused, down, gone, withdrawn, idle }
    }

    /// Probes in place that the driver has not taken. For the thread that runs the program, while it does not.
    pub(super) fn ready(&self) -> u64 {
        let layout = self.layout();
        let done = layout.sent.load(Ordering::Relaxed) + layout.withdrawn.load(Ordering::Relaxed);
        layout.made.load(Ordering::SeqCst) - done
    }

    /// Gives the places of all probes back that were taken. For the thread that runs the program, while it does
    /// not: the program itself tells only now and then.
    pub(super) fn give_back(&self) {
        let layout = self.layout();
        layout.taken.store(layout.next.load(Ordering::Relaxed), Ordering::Release);
    }

    /// Has the program send at once, whatever the driver refused last. For the thread that runs it, while it does not.
    pub(super) fn go_on(&self) {
        self.layout().hold.store(0, Ordering::Relaxed);
    }

    /// Forgets what was counted while trying.
    pub(super) fn forget_sent(&self) {
        let layout = self.layout();
        for counter in [&layout.sent, &layout.refused, &layout.down, &layout.given, &layout.known, &layout.again] {
            counter.store(0, Ordering::Relaxed);
        }
    }
}

impl Counts {
    /// Probes that may still be sent.
    pub(super) fn unsent(&self) -> u64 {
        self.made - self.sent - self.withdrawn
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping that `new` made, which nobody uses any more.
        unsafe { libc::munmap(self.0.as_ptr().cast(), size_of::<Layout>()) };
    }
}

/// The writing end.
pub(super) struct Ring {
    mapping: Arc<Mapping>,
    made: u64,
    /// Where the reading end was last seen.
    taken: u64,
}

impl Ring {
    /// The only writing end of `mapping`.
    pub(super) fn new(mapping: Arc<Mapping>) -> Self {
        Self { mapping, made: 0, taken: 0 }
    }

    /// Places in use: probes that wait, and those just taken.
    pub(super) fn used(&mut self) -> usize {
        self.taken = self.mapping.layout().taken.load(Ordering::Acquire);
        usize::try_from(self.made - self.taken).unwrap_or(SIZE)
    }

    /// Free places in a row for probes, at most so many; there must be room. What is written there counts from
    /// [`Ring::add`] on.
    #[inline]
    pub(super) fn places(&mut self, most: usize) -> &mut [ProbeFacts] {
        assert!(self.made - self.taken + most as u64 <= SIZE as u64, "the ring is full");
        let at = place(self.made);
        let free = &self.mapping.layout().probes[at..SIZE.min(at + most)];
        // SAFETY: `taken`, read with Acquire, says that the program is done with these places, and `made` does not yet
        // count them; this is the only writing end, and borrowed for as long as the slice lives.
        unsafe { std::slice::from_raw_parts_mut(UnsafeCell::raw_get(free.as_ptr()), free.len()) }
    }

    /// Adds the first `count` probes of the places given last, with this clock, if they have one.
    #[inline]
    pub(super) fn add(&mut self, count: usize, clock: Option<[u8; 4]>) {
        if let Some(clock) = clock {
            let at = place(self.made);
            for place in &self.mapping.layout().clocks[at..at + count] {
                // SAFETY: as in `places`.
                unsafe { *place.get() = clock };
            }
        }
        self.made += count as u64;
    }

    /// Takes back the probes to addresses that `whose` says, but for those that leave at this very moment.
    pub(super) fn withdraw(&mut self, whose: &dyn Fn(u32) -> bool) {
        let layout = self.mapping.layout();
        let next = layout.next.load(Ordering::Acquire);
        let waiting = (next..self.made).map(|number| layout.probes[place(number)].get().cast::<u8>());
        for probe in waiting.chain(layout.kept.iter().map(|kept| kept.get().cast())) {
            // SAFETY: a probe of the mapping, aligned to eight bytes at least; the program writes some of these words as
            // well, of the size that is read here, and whichever value is read is of some probe.
            let address = unsafe { AtomicU32::from_ptr(probe.cast()) }.load(Ordering::Relaxed);
            // SAFETY: as above.
            let checksums = unsafe { AtomicU32::from_ptr(probe.add(CHECKSUMS_AT).cast()) }.load(Ordering::Relaxed);
            // What is open is closed all the same.
            let is_reset = checksums.to_ne_bytes()[..2] == RESET;
            if !is_reset && whose(u32::from_be(address)) {
                // SAFETY: as above.
                unsafe { AtomicU32::from_ptr(probe.add(PORTS_AT).cast()) }.store(0, Ordering::Relaxed);
            }
        }
    }

    /// Lets the program see what was put into place.
    pub(super) fn publish(&self) {
        self.mapping.layout().made.store(self.made, Ordering::SeqCst);
    }
}

/// Where a probe lies, by its number.
#[expect(clippy::cast_possible_truncation, reason = "less than the ring's size")]
const fn place(number: u64) -> usize {
    (number % SIZE as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    /// `_Static_assert`s in `ebpf/live.bpf.c` say the same of the header.
    #[test]
    fn layout_equals_the_header() {
        assert_eq!(offset_of!(Layout, made), 0);
        assert_eq!(offset_of!(Layout, next), 64);
        assert_eq!(offset_of!(Layout, idle), 80);
        assert_eq!(offset_of!(Layout, taken), 128);
        assert_eq!(offset_of!(Layout, thread), 192);
        assert_eq!(offset_of!(Layout, sent), 256);
        assert_eq!(offset_of!(Layout, again_next), 288);
        assert_eq!(offset_of!(Layout, withdrawn), 296);
        assert_eq!(offset_of!(Layout, resets), 304);
        assert_eq!(offset_of!(Layout, kept), 320);
        assert_eq!(offset_of!(Layout, probes), 3_392);
        assert_eq!(offset_of!(Layout, clocks), 3_392 + 16 * SIZE);
        assert_eq!(size_of::<Layout>(), 3_392 + 20 * SIZE);
    }
}
