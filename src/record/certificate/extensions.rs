//! The extensions that have a column.

use std::net::{Ipv4Addr, Ipv6Addr};

use x509_parser::asn1_rs::{Any, FromDer, Oid, Tag};
use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;
use x509_parser::extensions::{
    AuthorityKeyIdentifier, BasicConstraints, GeneralName, KeyIdentifier, SubjectAlternativeName,
};

use super::super::oid::{dotted, hex, name_or_dotted};
use super::super::row::Certificate;
use super::{Notes, reason};

/// Most names kept, and most elements of any other list. Public certificates have at most some hundred.
const MAX_NAMES: usize = 1_000;

const SUBJECT_KEY_ID: &str = "2.5.29.14";
const SUBJECT_ALTERNATIVE_NAME: &str = "2.5.29.17";
const BASIC_CONSTRAINTS: &str = "2.5.29.19";
const CERTIFICATE_POLICIES: &str = "2.5.29.32";
const AUTHORITY_KEY_ID: &str = "2.5.29.35";
const EXTENDED_KEY_USAGE: &str = "2.5.29.37";
const TLS_FEATURE: &str = "1.3.6.1.5.5.7.1.24";
const SCT_LIST: &str = "1.3.6.1.4.1.11129.2.4.2";

/// Extension number of `status_request` (RFC 6066, section 8) as an integer's content.
const STATUS_REQUEST: &[u8] = &[5];

/// Purposes (RFC 5280, section 4.2.1.12), as OpenSSL names them.
const PURPOSES: &[(&str, &str)] = &[
    ("1.3.6.1.5.5.7.3.1", "serverAuth"),
    ("1.3.6.1.5.5.7.3.2", "clientAuth"),
    ("1.3.6.1.5.5.7.3.3", "codeSigning"),
    ("1.3.6.1.5.5.7.3.4", "emailProtection"),
    ("1.3.6.1.5.5.7.3.8", "timeStamping"),
    ("1.3.6.1.5.5.7.3.9", "OCSPSigning"),
    ("2.5.29.37.0", "anyExtendedKeyUsage"),
];

/// Fills the columns that come from extensions.
pub(super) fn fill(row: &mut Certificate, certificate: &X509Certificate<'_>, notes: &mut Notes) {
    row.names = extension::<SubjectAlternativeName<'_>>(certificate, SUBJECT_ALTERNATIVE_NAME, notes)
        .map_or_else(|_| Vec::new(), |found| names(found.as_ref(), notes));
    row.is_ca = extension::<BasicConstraints>(certificate, BASIC_CONSTRAINTS, notes)
        .map_or(None, |found| Some(found.is_some_and(|constraints| constraints.ca)));
    row.subject_key_id = extension::<KeyIdentifier<'_>>(certificate, SUBJECT_KEY_ID, notes)
        .map_or(None, |found| found.map(|id| notes.limit("subject key id", hex(id.0))));
    row.authority_key_id = extension::<AuthorityKeyIdentifier<'_>>(certificate, AUTHORITY_KEY_ID, notes)
        .map_or(None, |found| found?.key_identifier)
        .map(|id| notes.limit("authority key id", hex(id.0)));
    row.extended_key_usage = list(certificate, EXTENDED_KEY_USAGE, notes, |purpose| {
        (purpose.tag() == Tag::Oid).then(|| name_or_dotted(&Oid::new(purpose.data.into()), PURPOSES))
    })
    .unwrap_or_default();
    row.policies = list(certificate, CERTIFICATE_POLICIES, notes, |policy| {
        let (_, identifier) = Any::from_der(policy.data).ok()?;
        (identifier.tag() == Tag::Oid).then(|| dotted(&Oid::new(identifier.data.into())))
    })
    .unwrap_or_default();
    row.must_staple = list(certificate, TLS_FEATURE, notes, |feature| {
        (feature.tag() == Tag::Integer).then_some(feature.data == STATUS_REQUEST)
    })
    .map(|features| features.contains(&true));
    row.scts = match raw(certificate, SCT_LIST, notes) {
        Some(octets) => timestamps(octets).or_else(|| {
            notes.add(format!("extension {SCT_LIST} cannot be read"));
            None
        }),
        None => Some(0),
    };
}

/// How many elements a list of signed certificate timestamps has (RFC 6962, section 3.3): in an octet string, in a
/// vector of vectors with lengths of two octets.
fn timestamps(der: &[u8]) -> Option<u32> {
    let (_, string) = Any::from_der(der).ok()?;
    let (length, mut rest) = string.data.split_first_chunk::<2>()?;
    if string.tag() != Tag::OctetString || usize::from(u16::from_be_bytes(*length)) != rest.len() {
        return None;
    }
    let mut count = 0;
    while !rest.is_empty() {
        let (length, more) = rest.split_first_chunk::<2>()?;
        rest = more.get(usize::from(u16::from_be_bytes(*length))..)?;
        count += 1;
    }
    Some(count)
}

/// What `read` makes of each element of an extension that is a SEQUENCE; empty if the certificate has no such
/// extension, absent if it cannot be read.
fn list<T>(
    certificate: &X509Certificate<'_>,
    identifier: &str,
    notes: &mut Notes,
    read: impl Fn(&Any<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let Some(octets) = raw(certificate, identifier, notes) else { return Some(Vec::new()) };
    let mut found = Vec::new();
    let elements = Any::from_der(octets).ok().filter(|(_, sequence)| sequence.tag() == Tag::Sequence);
    let mut rest = elements.map(|(_, sequence)| sequence.data);
    while let Some(octets) = rest.filter(|octets| !octets.is_empty()) {
        if found.len() == MAX_NAMES {
            notes.add(format!("extension {identifier} cut to {MAX_NAMES} elements"));
            return Some(found);
        }
        rest = Any::from_der(octets).ok().and_then(|(after, element)| {
            found.push(read(&element)?);
            Some(after)
        });
    }
    if rest.is_none() {
        notes.add(format!("extension {identifier} cannot be read"));
    }
    rest.map(|_| found)
}

/// The value of the first extension with this identifier.
fn raw<'a>(certificate: &X509Certificate<'a>, identifier: &str, notes: &mut Notes) -> Option<&'a [u8]> {
    let mut found = certificate.extensions().iter().filter(|extension| dotted(&extension.oid) == identifier);
    let first = found.next()?;
    if found.next().is_some() {
        notes.add(format!("extension {identifier} more than once"));
    }
    Some(first.value)
}

/// The first extension with this identifier, taken apart. What is wrong with it is noted.
fn extension<'a, T>(certificate: &X509Certificate<'a>, identifier: &str, notes: &mut Notes) -> Result<Option<T>, ()>
where
    T: FromDer<'a, X509Error>,
{
    let Some(value) = raw(certificate, identifier, notes) else { return Ok(None) };
    match T::from_der(value) {
        Ok((_, value)) => Ok(Some(value)),
        Err(error) => {
            notes.add(format!("extension {identifier}: {}", reason(error)));
            Err(())
        }
    }
}

/// DNS names and IP addresses. Other kinds of names have no column; the DER has them.
fn names(extension: Option<&SubjectAlternativeName<'_>>, notes: &mut Notes) -> Vec<String> {
    let mut names = Vec::new();
    let mut unreadable = 0usize;
    for name in extension.into_iter().flat_map(|extension| &extension.general_names) {
        let text = match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(octets) => address(octets),
            GeneralName::Invalid(..) => None,
            _ => continue,
        };
        match text {
            Some(_) if names.len() == MAX_NAMES => {
                notes.add(format!("names cut to {MAX_NAMES}"));
                break;
            }
            Some(text) => names.push(notes.limit("name", text)),
            None => unreadable += 1,
        }
    }
    if unreadable > 0 {
        notes.add(format!("unreadable names: {unreadable}"));
    }
    names
}

fn address(octets: &[u8]) -> Option<String> {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return Some(Ipv4Addr::from(octets).to_string());
    }
    <[u8; 16]>::try_from(octets).ok().map(|octets| Ipv6Addr::from(octets).to_string())
}
