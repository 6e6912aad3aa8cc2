//! A stapled OCSP response (RFC 6960, section 4.2.1): what it says of the leaf, and when. Its signature is not
//! checked, nor whether it is about this certificate.

use crate::base::UtcMicros;
use x509_parser::asn1_rs::{Any, Class, FromDer, GeneralizedTime, Tag};

/// Longest response looked into: those of real responders have one to three kilobytes, with their certificates.
const RESPONSE_MAX: usize = 64 << 10;
/// `id-pkix-ocsp-basic`, 1.3.6.1.5.5.7.48.1.1.
const BASIC: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1];

/// What a response says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ocsp {
    /// `good`, `revoked`, `unknown`, or the error that the response is, or `unreadable`.
    pub status: &'static str,
    /// When that was known to be right.
    pub this_update: Option<UtcMicros>,
    /// When newer information was to be there.
    pub next_update: Option<UtcMicros>,
}

impl Ocsp {
    /// Reads a response, DER.
    pub fn parse(response: &[u8]) -> Self {
        let unreadable = Self { status: "unreadable", this_update: None, next_update: None };
        if response.len() > RESPONSE_MAX {
            return unreadable;
        }
        parse(response).unwrap_or(unreadable)
    }
}

fn parse(response: &[u8]) -> Option<Ocsp> {
    let mut response = content(&mut &*response, Tag::Sequence)?;
    let error = match content(&mut response, Tag::Enumerated)? {
        [0] => None,
        [1] => Some("malformed_request"),
        [2] => Some("internal_error"),
        [3] => Some("try_later"),
        [5] => Some("sig_required"),
        [6] => Some("unauthorized"),
        _ => return None,
    };
    if let Some(status) = error {
        return Some(Ocsp { status, this_update: None, next_update: None });
    }
    let mut explicit = next(&mut response).filter(|any| is_context(any, 0))?.data;
    let mut bytes = content(&mut explicit, Tag::Sequence)?;
    (content(&mut bytes, Tag::Oid)? == BASIC).then_some(())?;
    let mut basic = content(&mut bytes, Tag::OctetString)?;
    let mut basic = content(&mut basic, Tag::Sequence)?;
    let mut data = content(&mut basic, Tag::Sequence)?;
    // Version, if it is not the first, and who responds, by name or key; then when.
    let mut item = next(&mut data)?;
    if is_context(&item, 0) {
        item = next(&mut data)?;
    }
    (item.class() == Class::ContextSpecific).then_some(())?;
    content(&mut data, Tag::GeneralizedTime)?;
    let mut answers = content(&mut data, Tag::Sequence)?;
    let mut answer = content(&mut answers, Tag::Sequence)?;
    content(&mut answer, Tag::Sequence)?;
    let status = next(&mut answer).filter(|any| any.class() == Class::ContextSpecific)?;
    let status = match status.tag().0 {
        0 => "good",
        1 => "revoked",
        2 => "unknown",
        _ => return None,
    };
    let this_update = Some(time(next(&mut answer)?)?);
    let next_update = match next(&mut answer) {
        Some(any) if is_context(&any, 0) => Some(time(next(&mut &*any.data)?)?),
        _ => None,
    };
    Some(Ocsp { status, this_update, next_update })
}

/// The next element.
fn next<'a>(bytes: &mut &'a [u8]) -> Option<Any<'a>> {
    let (rest, any) = Any::from_der(bytes).ok()?;
    *bytes = rest;
    Some(any)
}

/// Content of the next element, which has to be of this kind.
fn content<'a>(bytes: &mut &'a [u8], tag: Tag) -> Option<&'a [u8]> {
    next(bytes).filter(|any| any.class() == Class::Universal && any.tag() == tag).map(|any| any.data)
}

fn is_context(any: &Any<'_>, number: u32) -> bool {
    any.class() == Class::ContextSpecific && any.tag().0 == number
}

fn time(any: Any<'_>) -> Option<UtcMicros> {
    let time = GeneralizedTime::try_from(any).ok()?.utc_datetime().ok()?;
    Some(UtcMicros(time.unix_timestamp().checked_mul(1_000_000)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &[u8] = include_bytes!("../../tests/data/ocsp-good.der");
    /// 2026-11-23 21:04:12, when `openssl ocsp` made the four.
    const MADE: i64 = 1_795_467_852_000_000;
    const WEEK: i64 = 7 * 86_400 * 1_000_000;

    #[test]
    fn what_openssl_said_is_read() {
        for (response, status, next) in [
            (GOOD, "good", Some(UtcMicros(MADE + WEEK))),
            (include_bytes!("../../tests/data/ocsp-revoked.der"), "revoked", Some(UtcMicros(MADE + WEEK))),
            (include_bytes!("../../tests/data/ocsp-unknown.der"), "unknown", Some(UtcMicros(MADE + WEEK))),
            // The responder by its key, and no nextUpdate.
            (include_bytes!("../../tests/data/ocsp-bykey.der"), "good", None),
        ] {
            let due = Ocsp { status, this_update: Some(UtcMicros(MADE)), next_update: next };
            assert_eq!(Ocsp::parse(response), due);
        }
    }

    #[test]
    fn errors_have_their_names() {
        for (response, status) in [
            (&[0x30, 3, 10, 1, 3], "try_later"),
            (&[0x30, 3, 10, 1, 6], "unauthorized"),
            (&[0x30, 3, 10, 1, 4], "unreadable"),
            // Successful, and nothing in it.
            (&[0x30, 3, 10, 1, 0], "unreadable"),
        ] {
            assert_eq!(Ocsp::parse(response), Ocsp { status, this_update: None, next_update: None });
        }
    }

    #[test]
    fn no_byte_string_does_harm() {
        for end in 0..GOOD.len() {
            assert_eq!(Ocsp::parse(&GOOD[..end]).status, "unreadable", "{end}");
            let mut damaged = GOOD.to_vec();
            damaged[end] ^= 0x81;
            Ocsp::parse(&damaged);
        }
    }
}
