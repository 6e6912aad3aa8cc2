//! Names as IANA registers them, from rustls' own.

use rustls::{AlertDescription, CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme};

/// Version of a complete handshake.
pub(super) fn version(version: ProtocolVersion) -> Option<&'static str> {
    match version {
        ProtocolVersion::TLSv1_2 => Some("TLSv1.2"),
        ProtocolVersion::TLSv1_3 => Some("TLSv1.3"),
        _ => None,
    }
}

/// Cipher suite: rustls marks those of TLS 1.3 by a prefix of its own.
pub(super) fn cipher(suite: CipherSuite) -> String {
    match suite.as_str() {
        Some(name) => name.replacen("TLS13_", "TLS_", 1),
        None => format!("0x{:04x}", u16::from(suite)),
    }
}

/// Supported group.
pub(super) fn group(group: NamedGroup) -> String {
    match group {
        NamedGroup::X25519 | NamedGroup::X448 => group.as_str().unwrap_or_default().to_lowercase(),
        _ => group.as_str().map_or_else(|| format!("0x{:04x}", u16::from(group)), str::to_owned),
    }
}

/// Signature scheme.
pub(super) fn signature(scheme: SignatureScheme) -> String {
    let name = match u16::from(scheme) {
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
        other => return format!("0x{other:04x}"),
    };
    name.to_owned()
}

/// Alert description: `HandshakeFailure` becomes `handshake_failure`.
pub(super) fn alert(description: AlertDescription) -> String {
    let Some(name) = description.as_str() else { return format!("alert_{}", u8::from(description)) };
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
        assert_eq!(cipher(CipherSuite::TLS13_AES_128_GCM_SHA256), "TLS_AES_128_GCM_SHA256");
        assert_eq!(cipher(CipherSuite::from(0x5555)), "0x5555");
        assert_eq!(group(NamedGroup::X25519), "x25519");
        assert_eq!(group(NamedGroup::secp256r1), "secp256r1");
        assert_eq!(signature(SignatureScheme::RSA_PSS_SHA256), "rsa_pss_rsae_sha256");
        assert_eq!(signature(SignatureScheme::from(0x0101)), "0x0101");
        assert_eq!(alert(AlertDescription::HandshakeFailure), "handshake_failure");
        assert_eq!(alert(AlertDescription::UnknownCA), "unknown_ca");
        assert_eq!(alert(AlertDescription::ProtocolVersion), "protocol_version");
        assert_eq!(alert(AlertDescription::from(200)), "alert_200");
    }
}
