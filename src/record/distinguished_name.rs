//! Names of X.501 as text: RFC 4514.
//!
//! Most specific part first, parts joined by `,`, attributes of one part by `+`. Attribute types that are in
//! [`TYPES`] are named; any other, and any value that is no text, is written as RFC 4514, section 2.4 says:
//! dotted type, `#`, the value's DER in hex. So no two names have the same text, unless they differ only in
//! the kind of string they use.

use std::fmt::Write as _;

use x509_parser::asn1_rs::{Any, Class, Tag, ToDer};
use x509_parser::x509::X509Name;

use super::oid::{dotted, hex, lookup};

/// Names of attribute types: RFC 4514, section 3, and those of RFC 4519, RFC 2985 and the CA/Browser Forum.
const TYPES: &[(&str, &str)] = &[
    (COMMON_NAME, "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.13", "description"),
    ("2.5.4.15", "businessCategory"),
    ("2.5.4.17", "postalCode"),
    ("2.5.4.20", "telephoneNumber"),
    ("2.5.4.41", "name"),
    ("2.5.4.42", "givenName"),
    ("2.5.4.43", "initials"),
    ("2.5.4.44", "generationQualifier"),
    ("2.5.4.46", "dnQualifier"),
    ("2.5.4.65", "pseudonym"),
    ("2.5.4.97", "organizationIdentifier"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
    ("1.2.840.113549.1.9.2", "unstructuredName"),
    ("1.2.840.113549.1.9.8", "unstructuredAddress"),
    ("1.3.6.1.4.1.311.60.2.1.1", "jurisdictionL"),
    ("1.3.6.1.4.1.311.60.2.1.2", "jurisdictionST"),
    ("1.3.6.1.4.1.311.60.2.1.3", "jurisdictionC"),
];

const COMMON_NAME: &str = "2.5.4.3";

/// The whole name. At most about three times as long as its DER.
pub(super) fn text(name: &X509Name<'_>) -> String {
    let parts: Vec<_> = name.iter().collect();
    let mut text = String::new();
    for (index, part) in parts.into_iter().rev().enumerate() {
        for (position, attribute) in part.iter().enumerate() {
            match (index, position) {
                (0, 0) => {}
                (_, 0) => text.push(','),
                _ => text.push('+'),
            }
            let kind = dotted(attribute.attr_type());
            let value = attribute.attr_value();
            match (lookup(&kind, TYPES), decode(value)) {
                (Some(named), Some(decoded)) => {
                    text.push_str(named);
                    text.push('=');
                    escape(&decoded, &mut text);
                }
                (named, _) => {
                    text.push_str(named.unwrap_or(&kind));
                    text.push_str("=#");
                    text.push_str(&hex(&encoding(value)));
                }
            }
        }
    }
    text
}

/// The name in the form in which equal names are equal bytes (RFC 5280, section 7.1, as OpenSSL does it): text as UTF-8 of
/// any string type, ASCII letters in lower case, outer space gone and inner space single; everything else as its DER.
pub(super) fn canonical(name: &X509Name<'_>) -> Vec<u8> {
    let mut canonical = Vec::new();
    for part in name.iter() {
        canonical.push(b'/');
        for attribute in part.iter() {
            let kind = attribute.attr_type().as_bytes();
            let value = match decode(attribute.attr_value()) {
                Some(text) => {
                    let words: Vec<&str> = text.split_ascii_whitespace().collect();
                    words.join(" ").to_ascii_lowercase().into_bytes()
                }
                None => encoding(attribute.attr_value()),
            };
            for octets in [kind, &value] {
                canonical.extend((octets.len() as u64).to_be_bytes());
                canonical.extend(octets);
            }
        }
    }
    canonical
}

/// The first common name, unescaped; as `#` and hex if it is no text.
pub(super) fn common_name(name: &X509Name<'_>) -> Option<String> {
    let first = name.iter_common_name().next()?.attr_value();
    Some(decode(first).unwrap_or_else(|| format!("#{}", hex(&encoding(first)))))
}

/// The characters of a string type (X.680, section 41). None for other types and for octets that are not
/// of the string's alphabet.
fn decode(value: &Any<'_>) -> Option<String> {
    let octets = value.data;
    if value.class() != Class::Universal || value.header.constructed() {
        return None;
    }
    let utf8 = || std::str::from_utf8(octets).ok().map(str::to_owned);
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString | Tag::VisibleString => utf8(),
        // Nobody implements T.61; what is found under this type is UTF-8 or Latin-1.
        Tag::T61String => utf8().or_else(|| Some(octets.iter().copied().map(char::from).collect())),
        Tag::BmpString => {
            let (units, rest) = octets.as_chunks::<2>();
            let units: Vec<u16> = units.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
            String::from_utf16(&units).ok().filter(|_| rest.is_empty())
        }
        Tag::UniversalString => {
            let (units, rest) = octets.as_chunks::<4>();
            let text: Option<String> = units.iter().map(|unit| char::from_u32(u32::from_be_bytes(*unit))).collect();
            text.filter(|_| rest.is_empty())
        }
        _ => None,
    }
}

/// The value's DER; its content alone if it cannot be encoded.
fn encoding(value: &Any<'_>) -> Vec<u8> {
    value.to_der_vec().unwrap_or_else(|_| value.data.to_vec())
}

/// RFC 4514, section 2.4; control characters are written as hex pairs as well, so that a name is one line.
fn escape(value: &str, text: &mut String) {
    let last = value.chars().count().saturating_sub(1);
    for (index, character) in value.chars().enumerate() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => text.extend(['\\', character]),
            ' ' | '#' if index == 0 => text.extend(['\\', character]),
            ' ' if index == last => text.push_str("\\ "),
            control if control.is_ascii_control() => {
                // Writing to a String does not fail.
                let _ = write!(text, "\\{:02X}", u32::from(control));
            }
            plain => text.push(plain),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;
    use x509_parser::asn1_rs::{FromDer, oid};
    use x509_parser::x509::{AttributeTypeAndValue, RelativeDistinguishedName};

    fn attribute(value: Any<'static>) -> AttributeTypeAndValue<'static> {
        AttributeTypeAndValue::new(oid!(2.5.4.3), value)
    }

    fn string(tag: Tag, octets: &'static [u8]) -> Any<'static> {
        Any::from_tag_and_data(tag, octets)
    }

    fn one(value: Any<'static>) -> X509Name<'static> {
        [RelativeDistinguishedName::new(vec![attribute(value)])].into_iter().collect()
    }

    #[test]
    fn special_characters_are_escaped_as_rfc_4514_says() {
        let cases: [(&'static [u8], &str); 7] = [
            (b"a,b+c\"d\\e<f>g;h", "CN=a\\,b\\+c\\\"d\\\\e\\<f\\>g\\;h"),
            (b" x ", "CN=\\ x\\ "),
            (b" ", "CN=\\ "),
            (b"#1 #2", "CN=\\#1 #2"),
            (b"bank\0.evil\r\n", "CN=bank\\00.evil\\0D\\0A"),
            ("Bücher".as_bytes(), "CN=Bücher"),
            (b"", "CN="),
        ];
        for (octets, expected) in cases {
            assert_eq!(text(&one(string(Tag::Utf8String, octets))), expected);
        }
        assert_eq!(common_name(&one(string(Tag::Utf8String, b"bank\0.evil"))).unwrap(), "bank\0.evil");
    }

    #[test]
    fn every_string_type_is_read_and_anything_else_is_hex() {
        let cases = [
            (string(Tag::T61String, b"M\xfcller"), "CN=Müller"),
            (string(Tag::T61String, "Müller".as_bytes()), "CN=Müller"),
            (string(Tag::BmpString, b"\x00A\x26\x3a"), "CN=A☺"),
            (string(Tag::BmpString, b"\x00A\x26"), "CN=#1e03004126"),
            (string(Tag::BmpString, b"\xd8\x00"), "CN=#1e02d800"),
            (string(Tag::UniversalString, b"\x00\x00\x00A"), "CN=A"),
            (string(Tag::UniversalString, b"\x00\x11\x00\x00"), "CN=#1c0400110000"),
            (string(Tag::Utf8String, b"\xff"), "CN=#0c01ff"),
            (string(Tag::Integer, b"\x05"), "CN=#020105"),
        ];
        for (value, expected) in cases {
            assert_eq!(text(&one(value)), expected);
        }
        assert_eq!(common_name(&one(string(Tag::Integer, b"\x05"))).unwrap(), "#020105");
    }

    #[test]
    fn parts_are_reversed_and_unknown_types_are_dotted() {
        let unknown = AttributeTypeAndValue::new(oid!(1.2.3), string(Tag::Utf8String, b"x"));
        let name: X509Name<'_> = [
            RelativeDistinguishedName::new(vec![unknown]),
            RelativeDistinguishedName::new(vec![
                attribute(string(Tag::Utf8String, b"a")),
                attribute(string(Tag::Utf8String, b"b")),
            ]),
        ]
        .into_iter()
        .collect();
        assert_eq!(text(&name), "CN=a+CN=b,1.2.3=#0c0178");
        assert_eq!(text(&X509Name::from_der(&[0x30, 0x00]).unwrap().1), "");
    }
}
