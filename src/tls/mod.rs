//! TLS on in-memory buffers: the handshake with any server, and the facts it shows.
//!
//! [`Client`] is what all connections of a lane share (offers, keys); [`Session`] is one connection.
//! Nothing is verified here: every certificate is accepted and recorded, judging them is `verify`'s job.
//!
//! What the server shows is read by the [`tap`], from the same bytes, whoever holds the handshake: so facts are the same
//! for all versions, and are there if it fails.

mod capture;
mod facts;
mod failure;
mod modern;
mod names;
pub mod ocsp;
mod rung;
mod session;
pub mod tap;

use capture::Capture;
pub use facts::Facts;
pub use failure::{Failure, Kind};
use rustls::ClientConfig;
pub use rung::Rung;
pub use session::Session;
use std::sync::Arc;

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The handshake goes on.
    Handshaking,
    /// Application data flows.
    Established,
    /// The server sent close_notify.
    Closed,
    /// An error or a fatal alert ended it.
    Failed,
}

/// What is offered to a server in ALPN (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alpn {
    /// Nothing: mail and chat servers may refuse what they do not know.
    None,
    /// `h2` and `http/1.1`.
    Web,
    /// `xmpp-client` (XEP-0368, as the next one): who shares a port among protocols goes by it.
    XmppClient,
    /// `xmpp-server`.
    XmppServer,
}

impl Alpn {
    /// Every offer.
    pub const ALL: [Self; 4] = [Self::None, Self::Web, Self::XmppClient, Self::XmppServer];

    /// The names offered, in order.
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::None => &[],
            Self::Web => &["h2", "http/1.1"],
            Self::XmppClient => &["xmpp-client"],
            Self::XmppServer => &["xmpp-server"],
        }
    }
}

/// What all sessions of a lane share.
#[derive(Clone, Debug)]
pub struct Client {
    /// One for each of [`Alpn::ALL`].
    configs: [Arc<ClientConfig>; Alpn::ALL.len()],
    capture: Arc<Capture>,
}

impl Client {
    /// A client that offers TLS 1.3 and 1.2 with what rustls has, AES-128 first, as browsers do.
    pub fn new() -> Result<Self, rustls::Error> {
        let capture = Arc::new(Capture::default());
        let base = modern::config(&capture)?;
        let configs = Alpn::ALL.map(|alpn| {
            let mut config = base.clone();
            config.alpn_protocols = alpn.names().iter().map(|name| name.as_bytes().to_vec()).collect();
            Arc::new(config)
        });
        Ok(Self { configs, capture })
    }

    /// The cipher suites and groups offered, in order, by IANA name: part of what was measured.
    pub fn offer(&self) -> (Vec<String>, Vec<String>) {
        let provider = self.configs[0].crypto_provider();
        let suites = provider.cipher_suites.iter().map(|suite| names::cipher(suite.suite().into())).collect();
        let groups = provider.kx_groups.iter().map(|group| names::group(group.name().into())).collect();
        (suites, groups)
    }
}

#[cfg(test)]
mod tests;
