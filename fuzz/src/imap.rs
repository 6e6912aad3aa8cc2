//! Target `imap`: `dialogue::imap` as `lines` describes.

use super::lines;
use starling::dialogue::imap::{Imap, ImapSpeaker};

/// The body.
pub fn run(data: &[u8]) {
    lines::run(data, &ImapSpeaker, Imap::new);
}
