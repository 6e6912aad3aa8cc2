//! The blocklist, read again when SIGHUP asks for it.

use crate::app::say::say;
use crate::app::targets;
use crate::targets::cidr::AddressSet;
use std::path::PathBuf;
use std::sync::Arc;

/// Reads a blocklist again.
#[derive(Debug)]
pub(super) struct Reload {
    path: Option<PathBuf>,
    asked: usize,
}

impl Reload {
    /// Of the blocklist at `path`, if the scan has one.
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self { path, asked: 0 }
    }

    /// The list as it is now, if it was asked for since the last call: `asked` is how often it ever was. A list that
    /// cannot be read changes nothing, and the user is told.
    pub(super) fn list(&mut self, asked: usize) -> Option<Arc<AddressSet>> {
        if asked == self.asked {
            return None;
        }
        self.asked = asked;
        let Some(path) = &self.path else {
            say(format_args!(
                "SIGHUP: there is no blocklist to read again; the scan goes on. Next time: name one with -b"
            ));
            return None;
        };
        match targets::blocklist(path) {
            Ok(list) => {
                say(format_args!("SIGHUP: {} read again: {} addresses are blocked now", path.display(), list.len()));
                Some(Arc::new(list))
            }
            Err(error) => {
                say(format_args!("SIGHUP: the blocklist stays as it was: {error:#}"));
                None
            }
        }
    }
}
