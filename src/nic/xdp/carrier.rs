//! Whether an interface that is switched on has carrier.

use super::{Error, link};
use crate::nic::netlink;
use std::time::{Duration, Instant};

/// How often the kernel is asked at most.
const EVERY: Duration = Duration::from_millis(1);

/// The carrier of one interface, asked for when a frame was not taken: what is sent without is dropped, or thrown away with
/// the driver's ring when it resets itself. It takes no privileges.
pub(super) struct Carrier {
    index: u32,
    asked: Option<Instant>,
    lost: bool,
}

impl Carrier {
    /// Of `interface`, in the namespace of all threads that will ask.
    pub(super) fn of(interface: &str) -> Result<Self, Error> {
        Ok(Self { index: link(interface)?.header.index, asked: None, lost: false })
    }

    /// Whether the interface is known to have none.
    pub(super) fn is_lost(&mut self) -> bool {
        if self.asked.is_none_or(|at| at.elapsed() >= EVERY) {
            // Not the driver's own word (ETHTOOL_GLINK): some see a link before the kernel sends by it.
            self.lost = netlink::link_by_index(self.index).is_ok_and(|link| !netlink::has_carrier(&link));
            self.asked = Some(Instant::now());
        }
        self.lost
    }
}
