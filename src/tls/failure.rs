//! Why a handshake or a session failed: a kind that can be counted, and words.

use super::{legacy, names};
use rustls::{Error, InvalidMessage};

/// What kind of failure: the column `tls_error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A fatal alert came.
    Alert,
    /// A message or record breaks its own format.
    Malformed,
    /// A message or record is longer than is taken.
    TooLarge,
    /// A well-formed message at the wrong time.
    Unexpected,
    /// The server chose what was not offered, or what cannot be spoken.
    Incompatible,
    /// The server broke the protocol in another way.
    Misbehaved,
    /// A record does not decrypt, or Finished does not fit.
    Decrypt,
    /// Ours: the system's randomness, a bug.
    Internal,
}

impl Kind {
    /// Name in rows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Unexpected => "unexpected",
            Self::Incompatible => "incompatible",
            Self::Misbehaved => "misbehaved",
            Self::Decrypt => "decrypt",
            Self::Internal => "internal",
        }
    }
}

/// A failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind.
    pub kind: Kind,
    /// The alert, if that is it.
    pub alert: Option<u8>,
    /// In words.
    pub words: String,
}

impl Failure {
    pub(super) fn new(kind: Kind, words: impl Into<String>) -> Self {
        Self { kind, alert: None, words: words.into() }
    }

    pub(super) fn alert(description: u8) -> Self {
        let words = format!("the server sent the alert {}", names::alert(description));
        Self { kind: Kind::Alert, alert: Some(description), words }
    }
}

impl From<legacy::Failure> for Failure {
    fn from(failure: legacy::Failure) -> Self {
        use legacy::Failure as Legacy;
        let kind = match failure {
            Legacy::Alert(description) => return Self::alert(description),
            Legacy::NotTls | Legacy::Message(_) => Kind::Malformed,
            Legacy::UnexpectedMessage(_) | Legacy::UnexpectedRecord(_) => Kind::Unexpected,
            Legacy::Version(_) | Legacy::Suite(_) | Legacy::Compression(_) | Legacy::Group(_) => Kind::Incompatible,
            Legacy::ServerKey | Legacy::Flood => Kind::Misbehaved,
            Legacy::Record | Legacy::Finished => Kind::Decrypt,
        };
        Self::new(kind, failure.to_string())
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let kind = match error {
            Error::AlertReceived(description) => {
                return Self::alert(u8::from(*description));
            }
            Error::InvalidMessage(
                InvalidMessage::HandshakePayloadTooLarge
                | InvalidMessage::CertificatePayloadTooLarge
                | InvalidMessage::MessageTooLarge,
            )
            | Error::PeerSentOversizedRecord => Kind::TooLarge,
            Error::InvalidMessage(_) => Kind::Malformed,
            Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => Kind::Unexpected,
            Error::PeerIncompatible(_) | Error::NoApplicationProtocol => Kind::Incompatible,
            Error::DecryptError => Kind::Decrypt,
            Error::PeerMisbehaved(_) | Error::NoCertificatesPresented | Error::InvalidCertificate(_) => {
                Kind::Misbehaved
            }
            _ => Kind::Internal,
        };
        Self::new(kind, error.to_string())
    }
}
