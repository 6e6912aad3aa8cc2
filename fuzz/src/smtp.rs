//! Target `smtp`: `dialogue::smtp` as `lines` describes.

use super::lines;
use starling::dialogue::Identity;
use starling::dialogue::smtp::{Smtp, SmtpSpeaker};

/// The body.
pub fn run(data: &[u8]) {
    let speaker = SmtpSpeaker { identity: Identity { ehlo: "[198.18.0.1]".to_owned() } };
    lines::run(data, &speaker, Smtp::new);
}
