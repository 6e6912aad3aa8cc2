//! What rustls offers and with which cryptography: cheap where a measurement may be.
//!
//! AES-128 comes first: a server that leaves the choice to us then hashes with SHA-256, which CPUs have instructions for.

use super::Offer;
use super::capture::Capture;
use super::mac::{HKDF_SHA256, HKDF_SHA384, PRF_SHA256, PRF_SHA384};
use super::pairs::{Pair, Pairs};
use super::suites::{OLD, offered};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::{cipher_suite as suite, default_provider};
use rustls::crypto::hash::HashAlgorithm;
use rustls::crypto::{ActiveKeyExchange, CryptoProvider, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use rustls::{
    CipherSuite, CipherSuiteCommon, ClientConfig, Error, NamedGroup, PeerMisbehaved, ProtocolVersion,
    SupportedCipherSuite, Tls12CipherSuite, Tls13CipherSuite,
};
use std::sync::{Arc, LazyLock};

/// The configuration of a lane, which shows `capture` what rustls alone sees.
pub(super) fn config(capture: &Arc<Capture>, pairs: &Pairs, offer: Offer) -> Result<ClientConfig, Error> {
    let mut config = ClientConfig::builder_with_details(Arc::new(provider(pairs, offer)), Arc::new(NoClock))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(capture) as Arc<_>)
        .with_no_client_auth();
    config.resumption = Resumption::store(Arc::clone(capture) as Arc<_>);
    config.key_log = Arc::clone(capture) as Arc<_>;
    Ok(config)
}

fn provider(pairs: &Pairs, offer: Offer) -> CryptoProvider {
    let stubs = &STUBS[..offered(offer, &OLD).len()];
    let newest = TLS13.iter().map(SupportedCipherSuite::Tls13);
    let cipher_suites = newest.chain(TLS12.iter().chain(stubs).map(SupportedCipherSuite::Tls12)).collect();
    CryptoProvider { cipher_suites, kx_groups: groups(pairs), ..default_provider() }
}

/// Random bytes from where rustls has its own.
pub(super) fn random() -> Result<[u8; 32], Error> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Error::FailedToGetRandomBytes)?;
    Ok(bytes)
}

/// Whether rustls goes on with what a server chose.
pub(super) fn speaks(version: u16, suite: u16) -> bool {
    let real =
        |version| SUITES.iter().any(|real| real.version().version == version && u16::from(real.suite()) == suite);
    match version {
        0x0304 => real(ProtocolVersion::TLSv1_3),
        0x0303 => real(ProtocolVersion::TLSv1_2),
        _ => false,
    }
}

/// What rustls itself goes on with.
static SUITES: [SupportedCipherSuite; 9] = [
    suite::TLS13_AES_128_GCM_SHA256,
    suite::TLS13_CHACHA20_POLY1305_SHA256,
    suite::TLS13_AES_256_GCM_SHA384,
    suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
];

/// Those of TLS 1.3, with our MAC.
static TLS13: LazyLock<Vec<Tls13CipherSuite>> = LazyLock::new(|| {
    let with_our_mac = |suite: &SupportedCipherSuite| {
        let SupportedCipherSuite::Tls13(real) = suite else { return None };
        Some(Tls13CipherSuite {
            common: CipherSuiteCommon { ..real.common },
            hkdf_provider: if is_sha384(&real.common) { &HKDF_SHA384 } else { &HKDF_SHA256 },
            aead_alg: real.aead_alg,
            quic: None,
        })
    };
    SUITES.iter().filter_map(with_our_mac).collect()
});

/// Those of TLS 1.2, with our MAC.
static TLS12: LazyLock<Vec<Tls12CipherSuite>> = LazyLock::new(|| {
    let with_our_mac = |suite: &SupportedCipherSuite| {
        let SupportedCipherSuite::Tls12(real) = suite else { return None };
        Some(Tls12CipherSuite {
            common: CipherSuiteCommon { ..real.common },
            prf_provider: if is_sha384(&real.common) { &PRF_SHA384 } else { &PRF_SHA256 },
            kx: real.kx,
            sign: real.sign,
            aead_alg: real.aead_alg,
        })
    };
    SUITES.iter().filter_map(with_our_mac).collect()
});

fn is_sha384(suite: &CipherSuiteCommon) -> bool {
    suite.hash_provider.algorithm() == HashAlgorithm::SHA384
}

/// Suites that rustls offers and would not know how to speak: what a server has to show that prefers one of these is
/// known before rustls learns of it, and the legacy engine goes on.
static STUBS: LazyLock<Vec<Tls12CipherSuite>> = LazyLock::new(|| {
    let Some(real) = TLS12.first() else { return Vec::new() };
    let stub = |number: &u16| Tls12CipherSuite {
        common: CipherSuiteCommon { suite: CipherSuite::from(*number), ..real.common },
        prf_provider: real.prf_provider,
        kx: real.kx,
        sign: real.sign,
        aead_alg: real.aead_alg,
    };
    OLD.iter().map(stub).collect()
});

/// A share is sent for the first; the others come by HelloRetryRequest, or in TLS 1.2.
fn groups(pairs: &Pairs) -> Vec<&'static dyn SupportedKxGroup> {
    let group = |pair: &Arc<Pair>| -> &'static dyn SupportedKxGroup {
        // rustls wants groups that live for ever; a client is made once a lane.
        Box::leak(Box::new(Group(Arc::clone(pair))))
    };
    pairs.all().iter().map(group).collect()
}

/// A group with the one key pair that all handshakes use.
#[derive(Debug)]
struct Group(Arc<Pair>);

impl SupportedKxGroup for Group {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        Ok(Box::new(Exchange(Arc::clone(&self.0))))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        self.0.group.into()
    }
}

struct Exchange(Arc<Pair>);

impl Exchange {
    /// Whether `point` is written as TLS has it (RFC 8446, section 4.2.8.2); aws-lc takes other forms too.
    fn well_formed(&self, point: &[u8]) -> bool {
        match self.group() {
            NamedGroup::X25519 => point.len() == 32,
            _ => point.first() == Some(&4),
        }
    }
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let shared = self.well_formed(peer).then(|| self.0.agree(peer, |secret| SharedSecret::from(secret))).flatten();
        shared.ok_or_else(|| PeerMisbehaved::InvalidKeyShare.into())
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn pub_key(&self) -> &[u8] {
        self.0.public()
    }

    fn group(&self) -> NamedGroup {
        self.0.group.into()
    }
}

/// rustls asks for the time only to hand it to the verifier, and ours does not look at it.
#[derive(Debug)]
struct NoClock;

impl TimeProvider for NoClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(std::time::Duration::ZERO))
    }
}
