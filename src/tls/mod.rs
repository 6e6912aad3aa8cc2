//! TLS on in-memory buffers: the handshake with any server, and the facts it shows.
//!
//! [`Client`] is what all connections of a lane share (offers, keys); [`Session`] is one connection.
//! Nothing is verified here: every certificate is accepted and recorded, judging them is `verify`'s job.
//!
//! What the server shows is read by the [`tap`], from the same bytes, whoever holds the handshake: so facts are the same
//! for all versions, and are there if it fails.

mod capture;
mod connection;
mod facts;
mod failure;
pub mod legacy;
mod mac;
mod modern;
pub mod names;
pub mod ocsp;
mod pairs;
mod random;
mod requests;
mod rung;
mod session;
pub mod suites;
pub mod tap;

use capture::Capture;
pub use facts::Facts;
pub use failure::{Failure, Kind};
pub use pairs::Pairs;
pub use rung::Rung;
use rustls::ClientConfig;
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

/// Which cipher suites are offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offer {
    /// What rustls has, and after it what old servers want: CBC, RC4, 3DES, RSA and finite-field key exchange; anonymous
    /// ones, export and NULL last.
    #[default]
    Wide,
    /// The same without anonymous, export and NULL suites, which clients do not offer unless they are told to.
    Usual,
    /// What rustls has: forward secret and authenticated encryption.
    Strong,
}

/// What all sessions of a lane share.
#[derive(Clone, Debug)]
pub struct Client {
    /// One for each of [`Alpn::ALL`].
    configs: [Arc<ClientConfig>; Alpn::ALL.len()],
    capture: Arc<Capture>,
    pairs: Arc<Pairs>,
    offer: Offer,
}

impl Client {
    /// A client that begins with TLS 1.3 and 1.2, AES-128 first, as browsers do.
    pub fn new(offer: Offer) -> Result<Self, rustls::Error> {
        let capture = Arc::new(Capture::default());
        let pairs = Pairs::new(modern::random()?).ok_or(rustls::Error::FailedToGetRandomBytes)?;
        let base = modern::config(&capture, &pairs, offer)?;
        let configs = Alpn::ALL.map(|alpn| {
            let mut config = base.clone();
            config.alpn_protocols = alpn.names().iter().map(|name| name.as_bytes().to_vec()).collect();
            Arc::new(config)
        });
        Ok(Self { configs, capture, pairs: Arc::new(pairs), offer })
    }

    /// Our own engine, for a connection on which `hello` was sent.
    fn engine(&self, hello: &[u8]) -> Result<legacy::Engine, rustls::Error> {
        Ok(legacy::Engine::take_over(hello, modern::random()?, Arc::clone(&self.pairs)))
    }

    /// The cipher suites offered on a rung, in order, by IANA name: part of what was measured.
    pub fn suites(&self, rung: Rung) -> Vec<String> {
        let own: &[u16] = match rung {
            Rung::Modern | Rung::Bare => {
                let suites = &self.configs[0].crypto_provider().cipher_suites;
                return suites.iter().map(|suite| names::cipher(suite.suite().into())).collect();
            }
            Rung::Legacy => &suites::MODERN,
            Rung::Ssl3 => suites::offered(self.offer, &suites::SSL3),
        };
        let old = if rung == Rung::Legacy { suites::offered(self.offer, &suites::OLD) } else { &[] };
        own.iter().chain(old).map(|suite| names::cipher(*suite)).collect()
    }

    /// The groups offered, in order, by IANA name.
    pub fn groups(&self) -> Vec<String> {
        self.configs[0].crypto_provider().kx_groups.iter().map(|group| names::group(group.name().into())).collect()
    }
}

#[cfg(test)]
mod tests;
