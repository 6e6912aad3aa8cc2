//! One round of a lane: where an engine and a link meet.
//!
//! Production calls it from a pinned thread (`app::lane`), the simulator from its virtual world.

use crate::base::Instant;
use crate::nic::{FrameIo, ProbeFacts, Probes};
use crate::scan::engine::Engine;
use std::io;

/// Frames sent in one round, so that receiving never waits long.
pub const BATCH: usize = 256;

/// The frames that a round moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// From the link to the engine.
    pub received: usize,
    /// From the engine to the link.
    pub sent: usize,
}

/// One round: receive a batch, let time pass, send what is due: first what belongs to connections, then probes.
///
/// # Errors
/// Of the link as a whole.
pub fn step(now: Instant, io: &mut impl FrameIo, engine: &mut Engine) -> io::Result<Moved> {
    let received = io.receive(&mut |frame| engine.handle_frame(now, frame))?;
    engine.handle_timeout(now);
    let resets = io.transmit_resets(BATCH, &mut Due { now, engine })?;
    let segments = io.transmit(BATCH - resets, &mut |buffer| engine.poll_segment(now, buffer))?;
    let probes = io.transmit_probes(BATCH - resets - segments, &mut Due { now, engine })?;
    io.kick()?;
    Ok(Moved { received, sent: resets + segments + probes })
}

/// The probes that are due now, and the resets.
struct Due<'engine> {
    now: Instant,
    engine: &'engine mut Engine,
}

impl Probes for Due<'_> {
    #[inline]
    fn fill(&mut self, probes: &mut [ProbeFacts]) -> usize {
        self.engine.poll_probes(self.now, probes)
    }

    #[inline]
    fn clock(&self) -> [u8; 4] {
        self.engine.template().stamped()
    }

    #[inline]
    fn write(&self, facts: &ProbeFacts, buffer: &mut [u8]) -> usize {
        self.engine.template().write_finished(facts, buffer)
    }

    fn next_reset(&mut self) -> Option<ProbeFacts> {
        self.engine.poll_reset()
    }

    fn write_reset(&self, facts: &ProbeFacts, buffer: &mut [u8]) -> usize {
        self.engine.template().write_reset(facts, buffer)
    }
}
