//! Signatures of certificates, old ones too: whether a key made them.
//!
//! RSA by PKCS #1 v1.5 and PSS with MD5 to SHA-512 and moduli of any size up to 16,384 bits; ECDSA over P-256, P-384, P-521
//! and secp256k1 with SHA-1 to SHA-512; Ed25519. Anything else (DSA, Ed448, brainpool, MD2) is [`Checked::Unknown`].
//! aws-lc does the work; what it refuses because of size or age goes to `rsa`.

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::signature::{self, RsaParameters, UnparsedPublicKey, VerificationAlgorithm};
use md5::Digest as _;
use x509_parser::asn1_rs::{Any, FromDer, Oid, oid};
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

use super::rsa::{self, PublicKey};

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// The key made the signature.
    Good,
    /// It did not.
    Bad,
    /// Nobody here can tell.
    Unknown,
}

/// Hash function of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// How a signature was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// RSASSA-PKCS1-v1_5 (RFC 8017, section 8.2).
    Pkcs1(Hash),
    /// RSASSA-PSS (RFC 8017, section 8.1).
    Pss { hash: Hash, mask: Hash, salt: usize },
    /// ECDSA (RFC 5758).
    Ecdsa(Hash),
    /// Ed25519 (RFC 8410).
    Ed25519,
    /// One of the old hashes that nobody computes any more: MD2, MD4.
    Ancient,
    /// PSS with parameters that are none, or another algorithm than that in what is signed: no key makes such a signature.
    Malformed,
    /// Another one.
    Unknown,
}

/// Kind of a public key; its octets are elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The octets are an RSAPublicKey (RFC 8017, appendix A.1.1).
    Rsa,
    /// They are a point.
    P256,
    /// Likewise.
    P384,
    /// Likewise.
    P521,
    /// Likewise, on secp256k1.
    K256,
    /// RFC 8410.
    Ed25519,
    /// Another one.
    Unknown,
}

const SIGNATURES: &[(Oid<'static>, Algorithm)] = &[
    (oid!(1.2.840.113549.1.1.2), Algorithm::Ancient),
    (oid!(1.2.840.113549.1.1.3), Algorithm::Ancient),
    (oid!(1.2.840.113549.1.1.4), Algorithm::Pkcs1(Hash::Md5)),
    (oid!(1.2.840.113549.1.1.5), Algorithm::Pkcs1(Hash::Sha1)),
    (oid!(1.3.14.3.2.29), Algorithm::Pkcs1(Hash::Sha1)),
    (oid!(1.2.840.113549.1.1.14), Algorithm::Pkcs1(Hash::Sha224)),
    (oid!(1.2.840.113549.1.1.11), Algorithm::Pkcs1(Hash::Sha256)),
    (oid!(1.2.840.113549.1.1.12), Algorithm::Pkcs1(Hash::Sha384)),
    (oid!(1.2.840.113549.1.1.13), Algorithm::Pkcs1(Hash::Sha512)),
    (oid!(1.2.840.10045.4.1), Algorithm::Ecdsa(Hash::Sha1)),
    (oid!(1.2.840.10045.4.3.1), Algorithm::Ecdsa(Hash::Sha224)),
    (oid!(1.2.840.10045.4.3.2), Algorithm::Ecdsa(Hash::Sha256)),
    (oid!(1.2.840.10045.4.3.3), Algorithm::Ecdsa(Hash::Sha384)),
    (oid!(1.2.840.10045.4.3.4), Algorithm::Ecdsa(Hash::Sha512)),
    (oid!(1.3.101.112), Algorithm::Ed25519),
];

const HASHES: &[(Oid<'static>, Hash)] = &[
    (oid!(1.2.840.113549.2.5), Hash::Md5),
    (oid!(1.3.14.3.2.26), Hash::Sha1),
    (oid!(2.16.840.1.101.3.4.2.4), Hash::Sha224),
    (oid!(2.16.840.1.101.3.4.2.1), Hash::Sha256),
    (oid!(2.16.840.1.101.3.4.2.2), Hash::Sha384),
    (oid!(2.16.840.1.101.3.4.2.3), Hash::Sha512),
];

const PSS: Oid<'static> = oid!(1.2.840.113549.1.1.10);

const CURVES: &[(Oid<'static>, Kind)] = &[
    (oid!(1.2.840.10045.3.1.7), Kind::P256),
    (oid!(1.3.132.0.34), Kind::P384),
    (oid!(1.3.132.0.35), Kind::P521),
    (oid!(1.3.132.0.10), Kind::K256),
];

fn lookup<T: Copy>(identifier: &Oid<'_>, table: &[(Oid<'static>, T)]) -> Option<T> {
    table.iter().find(|(known, _)| known == identifier).map(|(_, value)| *value)
}

impl Algorithm {
    pub(super) fn read(identifier: &AlgorithmIdentifier<'_>) -> Self {
        let oid = identifier.oid();
        if *oid == PSS {
            return identifier.parameters().map_or(Self::Malformed, pss);
        }
        lookup(oid, SIGNATURES).unwrap_or(Self::Unknown)
    }

    /// Made with MD5, or something older.
    pub(super) fn is_md5(self) -> bool {
        matches!(self, Self::Ancient | Self::Pkcs1(Hash::Md5) | Self::Pss { hash: Hash::Md5, .. })
    }

    /// Made with SHA-1.
    pub(super) fn is_sha1(self) -> bool {
        matches!(self, Self::Pkcs1(Hash::Sha1) | Self::Pss { hash: Hash::Sha1, .. } | Self::Ecdsa(Hash::Sha1))
    }
}

/// Parameters of PSS (RFC 4055, section 3.1). Only the usual mask function and trailer are known.
fn pss(parameters: &Any<'_>) -> Algorithm {
    let Ok(read) = RsaSsaPssParams::try_from(parameters) else { return Algorithm::Malformed };
    let Ok(mask) = read.mask_gen_algorithm() else { return Algorithm::Malformed };
    let hashes = lookup(read.hash_algorithm_oid(), HASHES).zip(lookup(&mask.hash, HASHES));
    match (hashes, usize::try_from(read.salt_length()), read.trailer_field()) {
        (Some((hash, mask)), Ok(salt), 1) => Algorithm::Pss { hash, mask, salt },
        _ => Algorithm::Unknown,
    }
}

impl Kind {
    pub(super) fn read(key: &SubjectPublicKeyInfo<'_>) -> Self {
        let kind = key.algorithm.oid();
        if *kind == oid!(1.2.840.113549.1.1.1) || *kind == PSS {
            Self::Rsa
        } else if *kind == oid!(1.3.101.112) {
            Self::Ed25519
        } else if *kind == oid!(1.2.840.10045.2.1) {
            let curve = key.algorithm.parameters().and_then(|parameters| parameters.clone().oid().ok());
            curve.and_then(|curve| lookup(&curve, CURVES)).unwrap_or(Self::Unknown)
        } else {
            Self::Unknown
        }
    }
}

impl Hash {
    pub(super) fn of(self, message: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Md5 => return md5::Md5::digest(message).to_vec(),
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha224 => &digest::SHA224,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, message).as_ref().to_vec()
    }
}

/// Checks a signature of `message`, and says what it cost in units of the usual check (some 20 to 60 us).
pub(super) fn check(
    algorithm: Algorithm,
    (kind, key): (Kind, &[u8]),
    message: &[u8],
    signature: &[u8],
) -> (Checked, u32) {
    let known = match (algorithm, kind) {
        (Algorithm::Malformed, _) => return (Checked::Bad, 0),
        (Algorithm::Unknown | Algorithm::Ancient, _) | (_, Kind::Unknown) => return (Checked::Unknown, 0),
        (Algorithm::Pkcs1(_) | Algorithm::Pss { .. }, Kind::Rsa) => {
            let Ok((_, key_parsed)) = x509_parser::public_key::RSAPublicKey::from_der(key) else {
                return (Checked::Bad, 0);
            };
            let parsed = PublicKey::new(key_parsed.modulus, key_parsed.exponent);
            return check_rsa(algorithm, (&parsed, key), message, signature);
        }
        (Algorithm::Ecdsa(hash), Kind::P256 | Kind::P384 | Kind::P521 | Kind::K256) => {
            ecdsa(hash, kind, key, message, signature)
        }
        (Algorithm::Ed25519, Kind::Ed25519) => verified(&signature::ED25519, key, message, signature),
        // A key of another kind cannot have made it.
        _ => false,
    };
    (if known { Checked::Good } else { Checked::Bad }, 1)
}

fn verified(algorithm: &'static dyn VerificationAlgorithm, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok()
}

/// ECDSA takes the leftmost bits of the hash as a number (FIPS 186-5, section 6.4.2), so a shorter hash is the same number
/// with zeros before it, and a longer one is cut: one algorithm a curve serves every hash.
fn ecdsa(hash: Hash, kind: Kind, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let (algorithm, digest, length) = match kind {
        Kind::P384 => (&signature::ECDSA_P384_SHA384_ASN1, &digest::SHA384, 48),
        Kind::P521 => (&signature::ECDSA_P521_SHA512_ASN1, &digest::SHA512, 64),
        Kind::K256 => (&signature::ECDSA_P256K1_SHA256_ASN1, &digest::SHA256, 32),
        _ => (&signature::ECDSA_P256_SHA256_ASN1, &digest::SHA256, 32),
    };
    let mut hashed = hash.of(message);
    hashed.truncate(length);
    let padded = [vec![0; length - hashed.len()], hashed].concat();
    Digest::import_less_safe(&padded, digest)
        .and_then(|digest| UnparsedPublicKey::new(algorithm, key).verify_digest(&digest, signature))
        .is_ok()
}

fn check_rsa(
    algorithm: Algorithm,
    (parsed, key): (&PublicKey, &[u8]),
    message: &[u8],
    signature: &[u8],
) -> (Checked, u32) {
    let fast: Option<&'static RsaParameters> = match (algorithm, parsed.bits()) {
        _ if !parsed.is_usual() => None,
        (Algorithm::Pkcs1(Hash::Sha1), 1_024..=8_192) => Some(&signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY),
        (Algorithm::Pkcs1(Hash::Sha256), 1_024..=8_192) => {
            Some(&signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY)
        }
        (Algorithm::Pkcs1(Hash::Sha384), 2_048..=8_192) => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        (Algorithm::Pkcs1(Hash::Sha512), 1_024..=8_192) => {
            Some(&signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY)
        }
        _ => None,
    };
    if let Some(fast) = fast {
        let good = verified(fast, key, message, signature);
        return (if good { Checked::Good } else { Checked::Bad }, 1);
    }
    let Some(cost) = parsed.cost() else { return (Checked::Unknown, 0) };
    let good = match algorithm {
        Algorithm::Pkcs1(hash) => rsa::pkcs1(parsed, hash, message, signature),
        Algorithm::Pss { hash, mask, salt } => rsa::pss(parsed, (hash, mask, salt), message, signature),
        _ => false,
    };
    (if good { Checked::Good } else { Checked::Bad }, cost)
}
