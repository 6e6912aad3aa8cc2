//! What the judge has to know of a certificate, read once from its DER.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use x509_parser::asn1_rs::{Any, FromDer, Oid, Tag, oid};
use x509_parser::certificate::{X509Certificate, X509CertificateParser};
use x509_parser::extensions::{AuthorityKeyIdentifier, BasicConstraints, KeyIdentifier, KeyUsage, NameConstraints};
use x509_parser::nom::Parser;

use super::signature::{Algorithm, Checked, Kind, check};
use crate::record::certificate::{canonical_name, sha256};
use crate::record::row::Sha256;

/// The first half of the SHA-256 of a canonical name, or of a key.
pub type Id = [u8; 16];

/// Extensions that may be critical: those that OpenSSL understands.
const KNOWN: &[Oid<'static>] = &[
    oid!(2.5.29.15),
    oid!(2.5.29.17),
    oid!(2.5.29.19),
    oid!(2.5.29.30),
    oid!(2.5.29.31),
    oid!(2.5.29.32),
    oid!(2.5.29.33),
    oid!(2.5.29.36),
    oid!(2.5.29.37),
    oid!(2.5.29.54),
    oid!(1.3.6.1.5.5.7.1.7),
    oid!(1.3.6.1.5.5.7.1.8),
    oid!(1.3.6.1.5.5.7.48.1.5),
    oid!(2.16.840.1.113730.1.1),
];

/// Purposes that let a server use a certificate for TLS (RFC 5280, section 4.2.1.12): serverAuth, any, and the two of
/// "server gated cryptography" of old.
const SERVER: &[Oid<'static>] =
    &[oid!(1.3.6.1.5.5.7.3.1), oid!(2.5.29.37.0), oid!(2.16.840.1.113730.4.1), oid!(1.3.6.1.4.1.311.10.3.3)];

/// Who a certificate is about, and whose it may be: what is needed to find issuers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    /// Subject, comparable.
    pub subject: Id,
    /// Issuer, comparable.
    pub issuer: Id,
    /// It is a CA, or does not say that it is none.
    pub may_issue: bool,
}

impl Names {
    /// Reads them; `None` if the certificate cannot be parsed.
    pub fn read(der: &[u8]) -> Option<Self> {
        let certificate = parse(der)?;
        let constraints = extension::<BasicConstraints>(&certificate, &oid!(2.5.29.19));
        Some(Self {
            subject: half(&sha256(&canonical_name(certificate.subject()))),
            issuer: half(&sha256(&canonical_name(certificate.issuer()))),
            may_issue: constraints.is_none_or(|constraints| constraints.ca),
        })
    }
}

/// What basic constraints say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Authority {
    /// A CA, over so many intermediates at most.
    Yes(Option<u32>),
    /// None.
    No,
    /// There is no such extension.
    Unsaid,
}

/// A certificate.
#[derive(Debug)]
pub struct Facts {
    /// SHA-256 of the DER.
    pub sha256: Sha256,
    /// Subject, comparable.
    pub subject: Id,
    /// Issuer, comparable.
    pub issuer: Id,
    /// Subject public key info.
    pub(super) spki: Id,
    /// Seconds since the UNIX epoch.
    pub(super) not_before: i64,
    /// Likewise.
    pub(super) not_after: i64,
    /// X.509 version.
    pub(super) version: u32,
    pub(super) authority: Authority,
    /// Key usage, if it says.
    pub(super) key_usage: Option<KeyUsage>,
    /// Extended key usage has a purpose of TLS servers, if there is one.
    pub(super) for_servers: Option<bool>,
    /// A critical extension is not understood.
    pub(super) unknown_critical: bool,
    /// An extension is there twice, or one that says who may issue what cannot be read: what it forbids is not known.
    pub(super) unclear: bool,
    /// It has name constraints.
    pub(super) constrains: bool,
    /// RSA modulus, in bits.
    pub(super) rsa_bits: Option<u64>,
    pub(super) algorithm: Algorithm,
    subject_key: Option<Box<[u8]>>,
    authority_key: Option<Box<[u8]>>,
    kind: Kind,
    key: Range<usize>,
    signed: Range<usize>,
    signature: Range<usize>,
    der: Arc<[u8]>,
}

impl Facts {
    /// Reads a certificate; `None` if it cannot be parsed. Bytes after it do not matter.
    pub fn read(der: Arc<[u8]>) -> Option<Self> {
        let certificate = parse(&der)?;
        let info = certificate.public_key();
        let kind = Kind::read(info);
        let key = within(&der, &info.subject_public_key.data)?;
        let rsa_bits = match kind {
            Kind::Rsa => x509_parser::public_key::RSAPublicKey::from_der(&der[key.clone()])
                .ok()
                .map(|(_, key)| super::rsa::PublicKey::new(key.modulus, key.exponent).bits()),
            _ => None,
        };
        let constraints = extension::<BasicConstraints>(&certificate, &oid!(2.5.29.19));
        let usage = certificate.extensions().iter().find(|extension| extension.oid == oid!(2.5.29.37));
        Some(Self {
            sha256: sha256(&der),
            subject: half(&sha256(&canonical_name(certificate.subject()))),
            issuer: half(&sha256(&canonical_name(certificate.issuer()))),
            spki: half(&sha256(info.raw)),
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
            version: certificate.version().0.saturating_add(1),
            authority: match constraints {
                Some(constraints) if constraints.ca => Authority::Yes(constraints.path_len_constraint),
                Some(_) => Authority::No,
                None => Authority::Unsaid,
            },
            key_usage: extension::<KeyUsage>(&certificate, &oid!(2.5.29.15)),
            for_servers: usage.map(|usage| has_purpose(usage.value)),
            unknown_critical: certificate
                .extensions()
                .iter()
                .any(|extension| extension.critical && !KNOWN.contains(&extension.oid)),
            unclear: is_unclear(&certificate),
            constrains: certificate.extensions().iter().any(|extension| extension.oid == oid!(2.5.29.30)),
            rsa_bits,
            // What is signed has to say the same (RFC 5280, section 4.1.1.2).
            algorithm: if certificate.signature_algorithm == certificate.tbs_certificate.signature {
                Algorithm::read(&certificate.signature_algorithm)
            } else {
                Algorithm::Malformed
            },
            subject_key: extension::<KeyIdentifier<'_>>(&certificate, &oid!(2.5.29.14)).map(|id| id.0.into()),
            authority_key: extension::<AuthorityKeyIdentifier<'_>>(&certificate, &oid!(2.5.29.35))
                .and_then(|id| Some(id.key_identifier?.0.into())),
            kind,
            key,
            signed: within(&der, certificate.tbs_certificate.as_ref())?,
            signature: within(&der, &certificate.signature_value.data)?,
            der: der.clone(),
        })
    }

    /// The DER.
    pub(super) fn der(&self) -> &[u8] {
        &self.der
    }

    /// Subject equals issuer.
    pub fn self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    /// It is a CA, or does not say that it is none.
    pub(super) fn may_issue(&self) -> bool {
        self.authority != Authority::No
    }

    /// Whether the authority key identifier names the key of `issuer`; `None` if one of them has no identifier.
    pub(super) fn names_key_of(&self, issuer: &Self) -> Option<bool> {
        Some(self.authority_key.as_ref()? == issuer.subject_key.as_ref()?)
    }

    /// Whether the key of `issuer` made the signature, and what it cost to know.
    pub(super) fn signed_by(&self, issuer: &Self) -> (Checked, u32) {
        let key = (issuer.kind, &issuer.der[issuer.key.clone()]);
        check(self.algorithm, key, &self.der[self.signed.clone()], &self.der[self.signature.clone()])
    }
}

/// The certificate in the DER.
pub(super) fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    X509CertificateParser::new().with_deep_parse_extensions(false).parse(der).ok().map(|(_, certificate)| certificate)
}

/// The first extension with this identifier, if it can be read.
pub(super) fn extension<'a, T>(certificate: &X509Certificate<'a>, identifier: &Oid<'_>) -> Option<T>
where
    T: FromDer<'a, x509_parser::error::X509Error>,
{
    let found = certificate.extensions().iter().find(|extension| extension.oid == *identifier)?;
    T::from_der(found.value).ok().map(|(_, value)| value)
}

/// Whether there is an extension that readers could take in two ways (RFC 5280, section 4.2: none may be there twice), or
/// one of those that limit an issuer that cannot be read, so that it would limit nothing.
fn is_unclear(certificate: &X509Certificate<'_>) -> bool {
    let mut seen = BTreeSet::new();
    certificate.extensions().iter().any(|one| {
        let unread = if one.oid == oid!(2.5.29.15) {
            KeyUsage::from_der(one.value).is_err()
        } else if one.oid == oid!(2.5.29.19) {
            BasicConstraints::from_der(one.value).is_err()
        } else {
            one.oid == oid!(2.5.29.30) && NameConstraints::from_der(one.value).is_err()
        };
        unread || !seen.insert(one.oid.as_bytes())
    })
}

/// Where `part`, a piece of `whole`, lies in it.
fn within(whole: &[u8], part: &[u8]) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let range = start..start.checked_add(part.len())?;
    (whole.get(range.clone())? == part).then_some(range)
}

/// Whether one of the purposes in the extension is one of TLS servers.
fn has_purpose(value: &[u8]) -> bool {
    let sequence = Any::from_der(value).ok().filter(|(_, sequence)| sequence.tag() == Tag::Sequence);
    let mut rest = sequence.map_or(&[][..], |(_, sequence)| sequence.data);
    while let Ok((after, purpose)) = Any::from_der(rest) {
        if purpose.oid().is_ok_and(|purpose| SERVER.contains(&purpose)) {
            return true;
        }
        rest = after;
    }
    false
}

/// The first half.
pub fn half(hash: &Sha256) -> Id {
    let mut id = Id::default();
    id.copy_from_slice(&hash[..16]);
    id
}
