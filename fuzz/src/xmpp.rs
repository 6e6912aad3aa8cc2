//! Target `xmpp`: `dialogue::xmpp` as `lines` describes. What it says are whole tags.

use super::lines;
use starling::dialogue::xmpp::{Xmpp, XmppSpeaker};

/// The body. A client's stream and a server's differ in our header only.
pub fn run(data: &[u8]) {
    lines::run(data, &XmppSpeaker, Xmpp::server);
}
