//! The encrypted part of a conversation.

use crate::base::Instant;
use crate::tls;

/// TLS once it was begun. It lies in a box: a connection in the clear has no room for it.
#[derive(Debug)]
pub(super) struct Secured {
    /// An error if it could not even begin (a bug or an exhausted system, not the peer).
    pub(super) session: Result<tls::Session, String>,
    pub(super) first_flight: FirstFlight,
    pub(super) started_at: Instant,
    pub(super) done_at: Instant,
}

/// What answered the ClientHello.
#[derive(Debug)]
pub(super) enum FirstFlight {
    Awaited,
    /// It begins like a TLS record.
    Tls,
    /// It does not: its first bytes.
    Alien(Box<[u8]>),
}

impl FirstFlight {
    /// Bytes kept of what is not TLS.
    const ALIEN: usize = 128;

    pub(super) fn take(&mut self, bytes: &[u8]) {
        match self {
            // Content types of RFC 8446, section 5.1.
            Self::Awaited if matches!(bytes, [20..=23, ..]) => *self = Self::Tls,
            Self::Awaited => *self = Self::Alien(bytes[..bytes.len().min(Self::ALIEN)].into()),
            Self::Alien(kept) => {
                let more = bytes.iter().take(Self::ALIEN - kept.len());
                *kept = kept.iter().chain(more).copied().collect();
            }
            Self::Tls => {}
        }
    }
}
