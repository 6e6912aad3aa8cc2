//! Names for the numbers that a handshake shows: IANA's, where it has one.

use super::names;
use rustls::{AlertDescription, NamedGroup, SignatureScheme};
use tls_parser::{TlsCipherEnc, TlsCipherKx, TlsCipherSuite};

/// Protocol version: `SSLv3`, `TLSv1.0` to `TLSv1.3`; drafts and experiments of TLS 1.3 by name; else `0x` and four digits.
pub fn version(version: u16) -> String {
    let [high, low] = version.to_be_bytes();
    match (high, low) {
        (0, 2) => "SSLv2".to_owned(),
        (3, 0) => "SSLv3".to_owned(),
        (3, 1..=4) => format!("TLSv1.{}", low - 1),
        (0x7f, _) => format!("TLSv1.3-draft{low}"),
        (0x7e, _) => format!("TLSv1.3-experiment-{version:04x}"),
        (0xfb, _) => format!("TLSv1.3-{version:04x}"),
        _ => format!("0x{version:04x}"),
    }
}

/// Cipher suite; `0x` and four digits if it has no name.
pub fn suite(suite: u16) -> String {
    TlsCipherSuite::from_id(suite).map_or_else(|| format!("0x{suite:04x}"), |known| known.name.to_owned())
}

/// Class of a suite as in the study's Fig. 3: forward secret ones by their key exchange, `AES` and `RC4` of the others; TLS 1.3
/// by its group.
pub fn suite_class(suite: u16, group: Option<u16>) -> &'static str {
    let Some(suite) = TlsCipherSuite::from_id(suite) else { return "other" };
    match (suite.kx, suite.enc) {
        // ffdhe2048 to ffdhe8192 (RFC 7919).
        (TlsCipherKx::Tls13, _) if group.is_some_and(|group| (0x0100..=0x01ff).contains(&group)) => "DHE",
        (TlsCipherKx::Tls13, _) if group.is_none() => "other",
        (TlsCipherKx::Tls13 | TlsCipherKx::Ecdhe, _) => "ECDHE",
        (TlsCipherKx::Dhe, _) => "DHE",
        (_, TlsCipherEnc::Aes) => "AES",
        (_, TlsCipherEnc::Rc4) => "RC4",
        _ => "other",
    }
}

/// Supported group.
pub fn group(group: u16) -> String {
    names::group(NamedGroup::from(group))
}

/// Signature scheme.
pub fn signature(scheme: u16) -> String {
    names::signature(SignatureScheme::from(scheme))
}

/// Alert description.
pub fn alert(description: u8) -> String {
    names::alert(AlertDescription::from(description))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_names_of_the_registries() {
        assert_eq!([0x0300, 0x0301, 0x0304].map(version), ["SSLv3", "TLSv1.0", "TLSv1.3"]);
        assert_eq!(
            [0x7f1c, 0x7e01, 0xfb1a, 0x0505].map(version),
            ["TLSv1.3-draft28", "TLSv1.3-experiment-7e01", "TLSv1.3-fb1a", "0x0505"]
        );
        assert_eq!(
            (suite(0xc02f), suite(0x5555)),
            ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256".to_owned(), "0x5555".to_owned())
        );
        let classes = [
            (0xc02f, None),
            (0x0033, None),
            (0x002f, None),
            (0x0005, None),
            (0x000a, None),
            (0x1301, Some(29)),
            (0x1301, Some(0x100)),
        ];
        let found = classes.map(|(suite, group)| suite_class(suite, group));
        assert_eq!(found, ["ECDHE", "DHE", "AES", "RC4", "other", "ECDHE", "DHE"]);
        assert_eq!(
            (group(29), signature(0x0804), alert(40)),
            ("x25519".to_owned(), "rsa_pss_rsae_sha256".to_owned(), "handshake_failure".to_owned())
        );
    }
}
