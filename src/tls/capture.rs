//! What rustls tells while it works: a verifier that accepts everything, a log of the one secret that the tap needs, and
//! a session store that keeps no session.
//!
//! rustls calls these from inside `process_new_packets`, with no word on which connection it is for. A
//! lane handles one connection at a time, so the session brackets that call with [`Capture::begin`] and
//! [`Capture::take`].

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, KeyLog, NamedGroup, SignatureScheme};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What one connection's handshake told.
#[derive(Clone, Debug, Default)]
pub(super) struct Captured {
    /// Secret of the server's handshake traffic in TLS 1.3.
    pub(super) secret: Option<Vec<u8>>,
    /// A ticket of TLS 1.3 came.
    pub(super) ticket: bool,
}

/// The listener. Its lock is never contended: each lane has its own.
#[derive(Debug, Default)]
pub(super) struct Capture {
    current: Mutex<Captured>,
}

impl Capture {
    pub(super) fn begin(&self) {
        *self.current() = Captured::default();
    }

    pub(super) fn take(&self) -> Captured {
        std::mem::take(&mut *self.current())
    }

    fn current(&self) -> MutexGuard<'_, Captured> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyLog for Capture {
    fn log(&self, _: &str, _: &[u8], secret: &[u8]) {
        self.current().secret = Some(secret.to_vec());
    }

    fn will_log(&self, label: &str) -> bool {
        label == "SERVER_HANDSHAKE_TRAFFIC_SECRET"
    }
}

/// With a store, the ClientHello says that tickets are welcome; they are seen and forgotten.
impl ClientSessionStore for Capture {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, _: Tls13ClientSessionValue) {
        self.current().ticket = true;
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}

impl ServerCertVerifier for Capture {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    /// What we offer in signature_algorithms: everything a server may have, SHA-1 last.
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::RSA_PKCS1_SHA256,
            SignatureScheme::ECDSA_NISTP384_SHA384,
            SignatureScheme::RSA_PSS_SHA384,
            SignatureScheme::RSA_PKCS1_SHA384,
            SignatureScheme::ED25519,
            SignatureScheme::ECDSA_NISTP521_SHA512,
            SignatureScheme::RSA_PSS_SHA512,
            SignatureScheme::RSA_PKCS1_SHA512,
            SignatureScheme::ED448,
            SignatureScheme::RSA_PKCS1_SHA1,
            SignatureScheme::ECDSA_SHA1_Legacy,
        ]
    }
}
