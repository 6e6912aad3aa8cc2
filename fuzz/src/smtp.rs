//! Target `smtp`: `dialogue::smtp` as `lines` describes.

use super::lines;
use starling::dialogue::smtp::{Smtp, SmtpSpeaker};

/// The body.
pub fn run(data: &[u8]) {
    lines::run(data, &SmtpSpeaker, Smtp::new);
}
