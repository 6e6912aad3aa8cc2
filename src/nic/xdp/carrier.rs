//! Whether an interface that is switched on has carrier.

use super::{Error, link, sys};
use crate::nic::netlink;
use std::io;
use std::time::{Duration, Instant};

/// How often the kernel is asked at most.
const EVERY: Duration = Duration::from_millis(1);

/// The carrier of one interface, asked for when a frame was not taken: what is sent without is dropped, or thrown away with
/// the driver's ring when it resets itself. It takes no privileges.
pub(super) struct Carrier {
    index: u32,
    asked: Option<Instant>,
    seen: Seen,
}

#[derive(Clone, Copy)]
enum Seen {
    There,
    Lost,
    SwitchedOff,
}

impl Carrier {
    /// Of `interface`, in the namespace of all threads that will ask.
    pub(super) fn of(interface: &str) -> Result<Self, Error> {
        Ok(Self { index: link(interface)?.header.index, asked: None, seen: Seen::There })
    }

    /// An error of the kind [`io::ErrorKind::NetworkDown`] if the interface is known to have none. Of one that is gone others
    /// tell.
    pub(super) fn check(&mut self) -> io::Result<()> {
        if self.asked.is_none_or(|at| at.elapsed() >= EVERY) {
            // Not the driver's own word (ETHTOOL_GLINK): some see a link before the kernel sends by it.
            self.seen = match netlink::link_by_index(self.index) {
                Ok(link) if !netlink::is_up(&link) => Seen::SwitchedOff,
                Ok(link) if !netlink::has_carrier(&link) => Seen::Lost,
                _ => Seen::There,
            };
            self.asked = Some(Instant::now());
        }
        match self.seen {
            Seen::There => Ok(()),
            Seen::Lost => Err(sys::no_carrier()),
            Seen::SwitchedOff => Err(sys::down()),
        }
    }
}
