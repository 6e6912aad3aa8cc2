//! Names as IANA registers them, from the numbers on the wire.

use rustls::{AlertDescription, NamedGroup};
use tls_parser::TlsCipherSuite;

/// Protocol version.
pub const fn version(version: u16) -> Option<&'static str> {
    match version {
        0x0300 => Some("SSLv3"),
        0x0301 => Some("TLSv1.0"),
        0x0302 => Some("TLSv1.1"),
        0x0303 => Some("TLSv1.2"),
        0x0304 => Some("TLSv1.3"),
        _ => None,
    }
}

/// Protocol version, whatever a peer may have chosen: as above; drafts and experiments of TLS 1.3 by name; else `0x` and four
/// digits.
pub fn any_version(version: u16) -> String {
    match version.to_be_bytes() {
        [0, 2] => "SSLv2".to_owned(),
        [0x7f, draft] => format!("TLSv1.3-draft{draft}"),
        [0x7e, _] => format!("TLSv1.3-experiment-{version:04x}"),
        [0xfb, _] => format!("TLSv1.3-{version:04x}"),
        _ => self::version(version).map_or_else(|| format!("0x{version:04x}"), str::to_owned),
    }
}

/// Cipher suite.
pub fn cipher(suite: u16) -> String {
    TlsCipherSuite::from_id(suite).map_or_else(|| format!("0x{suite:04x}"), |suite| suite.name.to_owned())
}

/// Cipher kind of SSL 2.0 (draft-hickman-netscape-ssl-00, section 4; 3DES as it came to be).
pub fn v2_cipher(kind: u32) -> String {
    let name = match kind {
        0x01_0080 => "SSL_CK_RC4_128_WITH_MD5",
        0x02_0080 => "SSL_CK_RC4_128_EXPORT40_WITH_MD5",
        0x03_0080 => "SSL_CK_RC2_128_CBC_WITH_MD5",
        0x04_0080 => "SSL_CK_RC2_128_CBC_EXPORT40_WITH_MD5",
        0x05_0080 => "SSL_CK_IDEA_128_CBC_WITH_MD5",
        0x06_0040 => "SSL_CK_DES_64_CBC_WITH_MD5",
        0x07_00c0 => "SSL_CK_DES_192_EDE3_CBC_WITH_MD5",
        other => return format!("0x{other:06x}"),
    };
    name.to_owned()
}

/// Supported group.
pub fn group(group: u16) -> String {
    // Experiments that were widely deployed (draft-tls-westerbaan-xyber768d00, Google's CECPQ2).
    match group {
        0x6399 => return "X25519Kyber768Draft00".to_owned(),
        0x4138 => return "CECPQ2".to_owned(),
        _ => {}
    }
    let group = NamedGroup::from(group);
    match group {
        NamedGroup::X25519 | NamedGroup::X448 => group.as_str().unwrap_or_default().to_lowercase(),
        _ => group.as_str().map_or_else(|| format!("0x{:04x}", u16::from(group)), str::to_owned),
    }
}

/// Signature scheme.
pub fn signature(scheme: u16) -> String {
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
pub fn alert(description: u8) -> String {
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
        let versions = [0x0300, 0x0304, 0x7f1c, 0x7e01, 0xfb1a, 0x0505].map(any_version);
        let drafts = ["TLSv1.3-draft28", "TLSv1.3-experiment-7e01", "TLSv1.3-fb1a"];
        assert_eq!(versions, ["SSLv3", "TLSv1.3", drafts[0], drafts[1], drafts[2], "0x0505"]);
        assert_eq!((group(0x6399), group(0x4138)), ("X25519Kyber768Draft00".to_owned(), "CECPQ2".to_owned()));
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
