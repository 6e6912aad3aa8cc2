//! Captures that come out of a pipe. Nothing may come for hours, and a stop does not wait for it.

use super::Progress;
use nix::poll::{PollFd, PollFlags, poll};
use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How long a stop may go unnoticed, in milliseconds.
const LOOK: u8 = 100;

/// What can keep its reader waiting: it ends with the stop, too.
pub(super) struct Pipe {
    file: File,
    progress: Arc<Progress>,
}

impl Pipe {
    pub(super) const fn new(file: File, progress: Arc<Progress>) -> Self {
        Self { file, progress }
    }

    /// Standard input.
    pub(super) fn stdin(progress: Arc<Progress>) -> Result<Self> {
        Ok(Self::new(std::io::stdin().as_fd().try_clone_to_owned()?.into(), progress))
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while !self.progress.stop.load(Ordering::Relaxed) {
            let ready = poll(&mut [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)], LOOK);
            match ready {
                Ok(0) | Err(nix::errno::Errno::EINTR) => {}
                Ok(_) => match self.file.read(buffer) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    result => return result,
                },
                Err(error) => return Err(Error::from(error)),
            }
        }
        Ok(0)
    }
}
