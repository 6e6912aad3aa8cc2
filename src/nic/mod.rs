//! Frames in, frames out. Knows bytes and interfaces, no protocol.

pub mod contract;
pub mod ethtool;
pub mod features;
pub mod netlink;
pub mod object;
mod promiscuous;
pub mod verdict;
pub mod xdp;

use crate::counters;
use std::io;
use std::time::Duration;

/// What moves frames between an engine and a link: AF_XDP in production, a virtual link in the simulator.
///
/// One thread owns it; nothing blocks. Errors are of the link as a whole: while it is down, of the kind
/// [`io::ErrorKind::NetworkDown`], and then nothing is lost that was not on its way; anything that a retry heals is
/// handled inside and counted.
pub trait FrameIo {
    /// Hands each frame that has arrived to `sink`, at most as many as the link can hold, then recycles its memory.
    /// Returns how many there were.
    fn receive(&mut self, sink: &mut impl FnMut(&[u8])) -> io::Result<usize>;

    /// Sends up to `budget` frames: `fill` writes a frame into the buffer it is given (at least
    /// [`FRAME_CAPACITY`] bytes) and returns its length, or `None` when it has nothing more to send.
    /// Returns how many were queued; fewer than `budget` also when the link is busy, and then `fill`
    /// was not asked for a frame that could not go.
    fn transmit(&mut self, budget: usize, fill: &mut impl FnMut(&mut [u8]) -> Option<usize>) -> io::Result<usize>;

    /// Of `budget` frames, so many go for certain if they are given to [`FrameIo::transmit`] next.
    fn room(&mut self, budget: usize) -> usize {
        budget.min(1)
    }

    /// Probes that were given to [`FrameIo::transmit_probes`] and are still to be sent.
    fn unsent_probes(&self) -> usize {
        0
    }

    /// Takes back the probes to addresses (host order) that `whose` says, of those that are still to be sent.
    fn withdraw(&mut self, _whose: &dyn Fn(u32) -> bool) {}

    /// Sends up to `budget` probes, as [`FrameIo::transmit`] does: frames of their own kind, which some links make
    /// themselves.
    fn transmit_probes(&mut self, budget: usize, probes: &mut impl Probes) -> io::Result<usize> {
        // Many are made at once, as that costs hardly more than one, but none that could be left over.
        let mut room = self.room(budget);
        let mut facts = [ProbeFacts::default(); AT_ONCE];
        let mut waiting = 0..0;
        self.transmit(budget, &mut |buffer| {
            if waiting.is_empty() {
                waiting = 0..probes.fill(&mut facts[..room.clamp(1, AT_ONCE)]);
                room = room.saturating_sub(waiting.len());
            }
            Some(probes.write(&facts[waiting.next()?], buffer))
        })
    }

    /// Sends up to `budget` resets of what probes opened, as [`FrameIo::transmit_probes`] does.
    fn transmit_resets(&mut self, budget: usize, probes: &mut impl Probes) -> io::Result<usize> {
        self.transmit(budget, &mut |buffer| {
            let facts = probes.next_reset()?;
            Some(probes.write_reset(&facts, buffer))
        })
    }

    /// Wakes the kernel if it asked for it, takes back completed buffers. Called once per round.
    fn kick(&mut self) -> io::Result<()>;

    /// Frames queued and not yet completed by the link.
    fn in_flight(&self) -> usize;

    /// How long the link has enough to send without being given more.
    fn rest(&self) -> Duration {
        Duration::ZERO
    }

    /// What happened so far on this link's own level.
    fn counters(&self) -> NicCounters;
}

/// What varies from one probe to the next, as it stands in the frame (`struct starling_probe` in `ebpf/live.h`):
/// address, ports, sequence number, checksums of IPv4 and TCP.
pub type ProbeFacts = [u8; 16];

/// So many probes are made at once for links that take frames.
const AT_ONCE: usize = 64;

/// Where probes come from.
pub trait Probes {
    /// Puts the facts of the next ones into place, as many as there is room for, and says how many there were. Fewer
    /// when no more are due.
    fn fill(&mut self, probes: &mut [ProbeFacts]) -> usize;

    /// The clock in the probes given since the last call, as it stands in the frame; of no meaning if they have none.
    fn clock(&self) -> [u8; 4];

    /// Writes the frame of a probe into `buffer` and returns its length.
    fn write(&self, facts: &ProbeFacts, buffer: &mut [u8]) -> usize;

    /// The facts of the next reset, or `None` when none is due.
    fn next_reset(&mut self) -> Option<ProbeFacts>;

    /// Writes the frame of a reset into `buffer` and returns its length.
    fn write_reset(&self, facts: &ProbeFacts, buffer: &mut [u8]) -> usize;
}

/// Every frame buffer handed to `transmit`'s `fill` has at least this many bytes: an Ethernet frame of
/// the standard MTU with one VLAN tag.
pub const FRAME_CAPACITY: usize = 1518;

counters! {
    /// Frame counts of one [`FrameIo`]. The kernel's drops are those of `XDP_STATISTICS`.
    pub struct NicCounters {
        /// Frames taken from the receive ring.
        rx_frames,
        /// Frames put on the transmit ring.
        tx_frames,
        /// Frames the kernel reported as sent.
        tx_completed,
        /// Rounds in which the transmit ring or the buffers were exhausted.
        tx_busy,
        /// Wake-ups the kernel answered with EAGAIN, EBUSY or ENOBUFS (it is asked again).
        kicks_retried,
        /// Dropped by the kernel: frame larger than a buffer, or another reason of its own.
        rx_dropped,
        /// Dropped by the kernel: receive ring full, we were too slow.
        rx_ring_full,
        /// Dropped by the kernel: no free buffer in the fill ring.
        rx_fill_empty,
        /// Dropped by the kernel: invalid receive descriptors.
        rx_invalid,
        /// Not sent: a length that no frame has, refused by us, or a descriptor the kernel found invalid.
        tx_invalid,
        /// Live frames: probes put into the ring; with the resets sent, withdrawn, lost or still in it.
        live_probes,
        /// Live frames: resets put into the ring.
        live_resets,
        /// Live frames: frames that the driver took.
        live_sent,
        /// Live frames: frames that the driver refused, its ring being full. Their probes are sent again.
        live_refused,
        /// Live frames: frames that came to no driver, the interface being down. Their probes are sent again.
        live_down,
        /// Live frames: probes taken back before they were sent, the blocklist having them now.
        live_withdrawn,
        /// Live frames: probes and resets that were never sent, the interface being gone or the run over.
        live_lost,
        /// Live frames: frames made in vain, no probe being due or the driver being given time.
        live_idle,
    }
}
