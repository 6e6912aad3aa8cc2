//! Names as IANA registers them, from the numbers on the wire.

use rustls::{AlertDescription, NamedGroup};
use tls_parser::TlsCipherSuite;

/// Protocol version.
pub(super) const fn version(version: u16) -> Option<&'static str> {
    match version {
        0x0300 => Some("SSLv3"),
        0x0301 => Some("TLSv1.0"),
        0x0302 => Some("TLSv1.1"),
        0x0303 => Some("TLSv1.2"),
        0x0304 => Some("TLSv1.3"),
        _ => None,
    }
}

/// Cipher suite.
pub(super) fn cipher(suite: u16) -> String {
    TlsCipherSuite::from_id(suite).map_or_else(|| format!("0x{suite:04x}"), |suite| suite.name.to_owned())
}

/// Supported group.
pub(super) fn group(group: u16) -> String {
    let group = NamedGroup::from(group);
    match group {
        NamedGroup::X25519 | NamedGroup::X448 => group.as_str().unwrap_or_default().to_lowercase(),
        _ => group.as_str().map_or_else(|| format!("0x{:04x}", u16::from(group)), str::to_owned),
    }
}

/// Signature scheme.
pub(super) fn signature(scheme: u16) -> String {
    let name = match scheme {
        0x0201 => "rsa_pkcs1_sha1",
        0x0203 => "ecdsa_sha1",
        0x0401 => "rsa_pkcs1_sha256",
        0x0403 => "ecdsa_secp256r1_sha256",
        0x0501 => "rsa_pkcs1_sha384",
        0x0503 => "ecdsa_secp384r1_sha384",
        0x0601 => "rsa_pkcs1_sha512",
        0x0603 => "ecdsa_secp521r1_sha512",
        0x0804 => "rsa_pss_rsae_sha256",
        0x0805 => "rsa_pss_rsae_sha384",
        0x0806 => "rsa_pss_rsae_sha512",
        0x0807 => "ed25519",
        0x0808 => "ed448",
        0x0809 => "rsa_pss_pss_sha256",
        0x080a => "rsa_pss_pss_sha384",
        0x080b => "rsa_pss_pss_sha512",
        other => return format!("0x{other:04x}"),
    };
    name.to_owned()
}

/// Alert description: `HandshakeFailure` becomes `handshake_failure`.
pub(super) fn alert(description: u8) -> String {
    let known = AlertDescription::from(description);
    let Some(name) = known.as_str() else { return format!("alert_{description}") };
    let mut snake = String::with_capacity(name.len() + 4);
    for (i, letter) in name.char_indices() {
        if letter.is_ascii_uppercase() && i > 0 && !name[..i].ends_with(|c: char| c.is_ascii_uppercase()) {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_iana() {
        assert_eq!(version(0x0300), Some("SSLv3"));
        assert_eq!(version(0x0305), None);
        assert_eq!(cipher(0x1301), "TLS_AES_128_GCM_SHA256");
        assert_eq!(cipher(0x0005), "TLS_RSA_WITH_RC4_128_SHA");
        assert_eq!(cipher(0x5555), "0x5555");
        assert_eq!(group(29), "x25519");
        assert_eq!(group(23), "secp256r1");
        assert_eq!(group(9), "0x0009");
        assert_eq!(signature(0x0804), "rsa_pss_rsae_sha256");
        assert_eq!(signature(0x0101), "0x0101");
        assert_eq!(alert(40), "handshake_failure");
        assert_eq!(alert(48), "unknown_ca");
        assert_eq!(alert(70), "protocol_version");
        assert_eq!(alert(200), "alert_200");
    }
}
