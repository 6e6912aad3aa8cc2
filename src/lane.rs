//! One round of a lane: where an engine and a link meet.
//!
//! Production calls it from a pinned thread (`app::lane`), the simulator from its virtual world.

use crate::base::Instant;
use crate::nic::FrameIo;
use crate::scan::engine::Engine;
use std::io;

/// Frames sent in one round, so that receiving never waits long.
pub const BATCH: usize = 256;

/// One round: receive a batch, let time pass, send what is due. Returns how many frames moved.
///
/// # Errors
/// Of the link as a whole.
pub fn step(now: Instant, io: &mut impl FrameIo, engine: &mut Engine) -> io::Result<usize> {
    let received = io.receive(&mut |frame| engine.handle_frame(now, frame))?;
    engine.handle_timeout(now);
    let sent = io.transmit(BATCH, &mut |buffer| engine.poll_frame(now, buffer))?;
    io.kick()?;
    Ok(received + sent)
}
