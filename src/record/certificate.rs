//! A certificate's row: what its DER says, without judging it.
//!
//! Hostile input: nothing here panics, time is linear in the size of the DER, and every text and list has a
//! limit. What cannot be read stays absent and is named in `parse_error`; the row always has the SHA-256 and
//! the DER itself. Bytes after the certificate do not hide it: its columns are filled, and `parse_error`
//! tells how many bytes follow.

mod extensions;

use aws_lc_rs::digest::{SHA256, digest as hash};
use x509_parser::asn1_rs::{Any, FromDer, Tag};
use x509_parser::certificate::{X509Certificate, X509CertificateParser};
use x509_parser::error::X509Error;
use x509_parser::nom::{Err as NomErr, Parser};
use x509_parser::public_key::{ECPoint, RSAPublicKey};
use x509_parser::time::ASN1Time;
use x509_parser::x509::{SubjectPublicKeyInfo, X509Name};

use super::oid::{dotted, hex, lookup, name_or_dotted};
use super::{distinguished_name, row};
use crate::base::UtcMicros;
use row::{Certificate, Sha256};

/// Longest text kept, in bytes.
const MAX_TEXT: usize = 4_096;

/// Key types by algorithm (RFC 3279, RFC 4055, RFC 5480, RFC 8410).
const KEY_TYPES: &[(&str, &str)] = &[
    ("1.2.840.113549.1.1.1", "RSA"),
    ("1.2.840.113549.1.1.10", "RSA"),
    ("1.2.840.10045.2.1", "EC"),
    ("1.3.101.112", "Ed25519"),
    ("1.3.101.113", "Ed448"),
    ("1.2.840.10040.4.1", "DSA"),
];

/// Signature algorithms (RFC 3279, RFC 4055, RFC 5758, RFC 8410), spelled as OpenSSL prints them, but for DSA,
/// which follows the RFC.
const SIGNATURES: &[(&str, &str)] = &[
    ("1.2.840.113549.1.1.2", "md2WithRSAEncryption"),
    ("1.2.840.113549.1.1.3", "md4WithRSAEncryption"),
    ("1.2.840.113549.1.1.4", "md5WithRSAEncryption"),
    ("1.2.840.113549.1.1.5", "sha1WithRSAEncryption"),
    ("1.2.840.113549.1.1.10", "rsassaPss"),
    ("1.2.840.113549.1.1.11", "sha256WithRSAEncryption"),
    ("1.2.840.113549.1.1.12", "sha384WithRSAEncryption"),
    ("1.2.840.113549.1.1.13", "sha512WithRSAEncryption"),
    ("1.2.840.113549.1.1.14", "sha224WithRSAEncryption"),
    ("1.3.14.3.2.29", "sha1WithRSA"),
    ("1.2.840.10045.4.1", "ecdsa-with-SHA1"),
    ("1.2.840.10045.4.3.1", "ecdsa-with-SHA224"),
    ("1.2.840.10045.4.3.2", "ecdsa-with-SHA256"),
    ("1.2.840.10045.4.3.3", "ecdsa-with-SHA384"),
    ("1.2.840.10045.4.3.4", "ecdsa-with-SHA512"),
    ("1.2.840.10040.4.3", "dsa-with-sha1"),
    ("2.16.840.1.101.3.4.3.1", "dsa-with-sha224"),
    ("2.16.840.1.101.3.4.3.2", "dsa-with-sha256"),
    ("1.3.101.112", "ED25519"),
    ("1.3.101.113", "ED448"),
];

/// Curves: object identifier, name (SEC 2, RFC 5639), size of the field in bits.
const CURVES: &[(&str, &str, u32)] = &[
    ("1.2.840.10045.3.1.1", "secp192r1", 192),
    ("1.3.132.0.33", "secp224r1", 224),
    ("1.2.840.10045.3.1.7", "secp256r1", 256),
    ("1.3.132.0.34", "secp384r1", 384),
    ("1.3.132.0.35", "secp521r1", 521),
    ("1.3.132.0.10", "secp256k1", 256),
    ("1.3.36.3.3.2.8.1.1.1", "brainpoolP160r1", 160),
    ("1.3.36.3.3.2.8.1.1.3", "brainpoolP192r1", 192),
    ("1.3.36.3.3.2.8.1.1.5", "brainpoolP224r1", 224),
    ("1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1", 256),
    ("1.3.36.3.3.2.8.1.1.9", "brainpoolP320r1", 320),
    ("1.3.36.3.3.2.8.1.1.11", "brainpoolP384r1", 384),
    ("1.3.36.3.3.2.8.1.1.13", "brainpoolP512r1", 512),
];

/// The row of a certificate first seen at `first_seen`.
pub fn digest(der: &[u8], first_seen: UtcMicros) -> Certificate {
    digest_known(sha256(der), der, first_seen)
}

/// [`digest`] for a caller that has the SHA-256 of the DER already.
pub(super) fn digest_known(sha256: Sha256, der: &[u8], first_seen: UtcMicros) -> Certificate {
    let mut row = Certificate { sha256, first_seen, der: der.to_vec(), ..Certificate::default() };
    let mut notes = Notes::default();
    // Only extensions that have a column are taken apart: the less code a stranger reaches, the better.
    match X509CertificateParser::new().with_deep_parse_extensions(false).parse(der) {
        Ok((rest, certificate)) => {
            if !rest.is_empty() {
                notes.add(format!("{} bytes follow the certificate", rest.len()));
            }
            fill(&mut row, &certificate, &mut notes);
        }
        Err(error) => notes.add(reason(error)),
    }
    row.parse_error = notes.text();
    row
}

/// A name in the form in which equal names are equal bytes (RFC 5280, section 7.1, as OpenSSL does it).
pub fn canonical_name(name: &X509Name<'_>) -> Vec<u8> {
    distinguished_name::canonical(name)
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> Sha256 {
    let mut out = Sha256::default();
    out.copy_from_slice(hash(&SHA256, bytes).as_ref());
    out
}

/// What could not be read.
#[derive(Default)]
struct Notes(Vec<String>);

impl Notes {
    fn add(&mut self, note: impl Into<String>) {
        self.0.push(note.into());
    }

    /// `text`, cut to the limit; a cut is noted.
    fn limit(&mut self, what: &str, mut text: String) -> String {
        if text.len() > MAX_TEXT {
            self.add(format!("{what} cut to {MAX_TEXT} of {} bytes", text.len()));
            let end = (0..=MAX_TEXT).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
            text.truncate(end);
        }
        text
    }

    fn text(self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.0.join("; "))
    }
}

fn reason(error: NomErr<X509Error>) -> String {
    match error {
        NomErr::Incomplete(_) => "the certificate is cut short".to_owned(),
        NomErr::Error(error) | NomErr::Failure(error) => error.to_string(),
    }
}

fn fill(row: &mut Certificate, certificate: &X509Certificate<'_>, notes: &mut Notes) {
    (row.subject, row.subject_cn) = name("subject", certificate.subject(), notes);
    (row.issuer, row.issuer_cn) = name("issuer", certificate.issuer(), notes);
    row.self_issued = Some(certificate.subject().as_raw() == certificate.issuer().as_raw());
    row.serial = Some(notes.limit("serial number", serial(certificate.raw_serial())));
    row.version = certificate.version().0.checked_add(1).and_then(|version| u8::try_from(version).ok());
    row.not_before = time(certificate.validity().not_before);
    row.not_after = time(certificate.validity().not_after);
    row.signature_algorithm = Some(name_or_dotted(certificate.signature_algorithm.oid(), SIGNATURES));
    row.spki_sha256 = Some(sha256(certificate.public_key().raw));
    key(row, certificate.public_key(), notes);
    extensions::fill(row, certificate, notes);
}

fn name(what: &str, name: &X509Name<'_>, notes: &mut Notes) -> (Option<String>, Option<String>) {
    let common_name = distinguished_name::common_name(name);
    (
        Some(notes.limit(what, distinguished_name::text(name))),
        common_name.map(|text| notes.limit(&format!("{what} common name"), text)),
    )
}

/// The number in hex, as many digits as its octets have, the sign octet left out.
fn serial(octets: &[u8]) -> String {
    match octets {
        [first, ..] if first & 0x80 != 0 => format!("-{}", hex(&negated(octets))),
        [0, rest @ ..] if !rest.is_empty() => hex(rest),
        _ => hex(octets),
    }
}

/// Magnitude of a negative number in two's complement (X.690, section 8.3).
fn negated(octets: &[u8]) -> Vec<u8> {
    let mut magnitude: Vec<u8> = octets.iter().map(|octet| !octet).collect();
    for octet in magnitude.iter_mut().rev() {
        let carry;
        (*octet, carry) = octet.overflowing_add(1);
        if !carry {
            break;
        }
    }
    magnitude
}

fn time(time: ASN1Time) -> Option<UtcMicros> {
    time.timestamp().checked_mul(1_000_000).map(UtcMicros)
}

/// Key type, size and curve.
fn key(row: &mut Certificate, key: &SubjectPublicKeyInfo<'_>, notes: &mut Notes) {
    let algorithm = dotted(key.algorithm.oid());
    let parameters = key.algorithm.parameters();
    let octets = &key.subject_public_key.data;
    let kind = lookup(&algorithm, KEY_TYPES);
    row.key_bits = match kind {
        Some("RSA") => RSAPublicKey::from_der(octets).ok().and_then(|(_, rsa)| bits(rsa.modulus)),
        Some("DSA") => parameters.and_then(first_integer).and_then(bits),
        Some("EC") => {
            let curve = parameters.and_then(curve);
            let known = curve.as_deref().and_then(|curve| CURVES.iter().find(|(_, name, _)| *name == curve));
            row.key_curve = curve;
            known.map_or_else(|| point_bits(octets), |&(_, _, bits)| Some(bits))
        }
        Some("Ed25519") => Some(256),
        Some("Ed448") => Some(456),
        _ => None,
    };
    if row.key_bits.is_none() && kind.is_some() {
        notes.add("key: size unknown");
    }
    row.key_type = Some(kind.map_or(algorithm, str::to_owned));
}

/// Bits of a positive integer's content octets. None for zero and for a negative number.
fn bits(integer: &[u8]) -> Option<u32> {
    if integer.first()? & 0x80 != 0 {
        return None;
    }
    let significant = integer.iter().position(|octet| *octet != 0).map(|start| &integer[start..])?;
    u32::try_from(significant.len()).ok()?.checked_mul(8)?.checked_sub(significant[0].leading_zeros())
}

/// The prime modulus of DSA parameters (RFC 3279, section 2.3.2): first integer of the sequence.
fn first_integer<'a>(sequence: &Any<'a>) -> Option<&'a [u8]> {
    if sequence.tag() != Tag::Sequence {
        return None;
    }
    let (_, first) = Any::from_der(sequence.data).ok()?;
    (first.tag() == Tag::Integer).then_some(first.data)
}

/// The curve (RFC 5480, section 2.1.1): its name, its OID, or `explicit` where its parameters are spelled out.
fn curve(parameters: &Any<'_>) -> Option<String> {
    match parameters.tag() {
        Tag::Oid => {
            let identifier = dotted(&x509_parser::asn1_rs::Oid::new(parameters.data.into()));
            let known = CURVES.iter().find(|(known, _, _)| *known == identifier);
            Some(known.map_or(identifier, |&(_, name, _)| name.to_owned()))
        }
        Tag::Sequence => Some("explicit".to_owned()),
        _ => None,
    }
}

/// Size of the field of an unknown curve, from the length of the point: rounded up to whole octets.
fn point_bits(point: &[u8]) -> Option<u32> {
    u32::try_from(ECPoint::from(point).key_size()).ok().filter(|bits| *bits > 0)
}

#[cfg(test)]
mod tests;
