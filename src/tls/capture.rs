//! A verifier that accepts everything and writes down what it was shown.
//!
//! rustls calls the verifier from inside `process_new_packets`, with no word on which connection it is for. A
//! lane handles one connection at a time, so the session brackets that call with [`Capture::begin`] and
//! [`Capture::take`].

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What one connection's server showed.
#[derive(Clone, Debug, Default)]
pub(super) struct Captured {
    pub(super) chain: Vec<Vec<u8>>,
    /// There was a chain.
    pub(super) seen: bool,
    pub(super) ocsp: bool,
    pub(super) signature: Option<SignatureScheme>,
}

impl Captured {
    pub(super) fn merge(&mut self, more: Self) {
        if !self.seen {
            self.seen = !more.chain.is_empty();
            self.chain = more.chain;
            self.ocsp = more.ocsp;
        }
        self.signature = self.signature.or(more.signature);
    }

    /// Gives up the chain if `kept` has it.
    pub(super) fn release(&mut self, kept: Option<&[CertificateDer<'_>]>) {
        let same =
            |kept: &[CertificateDer<'_>]| kept.iter().map(AsRef::as_ref).eq(self.chain.iter().map(Vec::as_slice));
        if kept.is_some_and(same) {
            self.chain = Vec::new();
        }
    }
}

/// The verifier. Its lock is never contended: each lane has its own.
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

    fn signed(&self, signed: &DigitallySignedStruct) -> HandshakeSignatureValid {
        self.current().signature = Some(signed.scheme);
        HandshakeSignatureValid::assertion()
    }
}

impl ServerCertVerifier for Capture {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp_response: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut current = self.current();
        current.chain = std::iter::once(end_entity).chain(intermediates).map(|der| der.to_vec()).collect();
        current.ocsp = !ocsp_response.is_empty();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(self.signed(signed))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(self.signed(signed))
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
