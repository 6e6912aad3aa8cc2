//! Names as IANA registers them, from the numbers on the wire.

use super::suites;

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
    unregistered(suite)
        .or_else(|| suites::parts(suite).map(|suite| suite.name))
        .map_or_else(|| format!("0x{suite:04x}"), str::to_owned)
}

/// Cipher suites that tls-parser does not have: of GOST (RFC 9189, RFC 9367, and the drafts before), and Netscape's of its FIPS mode.
const fn unregistered(suite: u16) -> Option<&'static str> {
    Some(match suite {
        0x0080 => "TLS_GOSTR341094_WITH_28147_CNT_IMIT",
        0x0081 => "TLS_GOSTR341001_WITH_28147_CNT_IMIT",
        0x0082 => "TLS_GOSTR341094_WITH_NULL_GOSTR3411",
        0x0083 => "TLS_GOSTR341001_WITH_NULL_GOSTR3411",
        0xc100 => "TLS_GOSTR341112_256_WITH_KUZNYECHIK_CTR_OMAC",
        0xc101 => "TLS_GOSTR341112_256_WITH_MAGMA_CTR_OMAC",
        0xc102 => "TLS_GOSTR341112_256_WITH_28147_CNT_IMIT",
        0xc103 => "TLS_GOSTR341112_256_WITH_KUZNYECHIK_MGM_L",
        0xc104 => "TLS_GOSTR341112_256_WITH_MAGMA_MGM_L",
        0xc105 => "TLS_GOSTR341112_256_WITH_KUZNYECHIK_MGM_S",
        0xc106 => "TLS_GOSTR341112_256_WITH_MAGMA_MGM_S",
        0xfefe | 0xffe1 => "SSL_RSA_FIPS_WITH_DES_CBC_SHA",
        0xfeff | 0xffe0 => "SSL_RSA_FIPS_WITH_3DES_EDE_CBC_SHA",
        _ => return None,
    })
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

/// Supported groups 1 to 41.
const GROUPS: [&str; 41] = [
    "sect163k1",
    "sect163r1",
    "sect163r2",
    "sect193r1",
    "sect193r2",
    "sect233k1",
    "sect233r1",
    "sect239k1",
    "sect283k1",
    "sect283r1",
    "sect409k1",
    "sect409r1",
    "sect571k1",
    "sect571r1",
    "secp160k1",
    "secp160r1",
    "secp160r2",
    "secp192k1",
    "secp192r1",
    "secp224k1",
    "secp224r1",
    "secp256k1",
    "secp256r1",
    "secp384r1",
    "secp521r1",
    "brainpoolP256r1",
    "brainpoolP384r1",
    "brainpoolP512r1",
    "x25519",
    "x448",
    "brainpoolP256r1tls13",
    "brainpoolP384r1tls13",
    "brainpoolP512r1tls13",
    "GC256A",
    "GC256B",
    "GC256C",
    "GC256D",
    "GC512A",
    "GC512B",
    "GC512C",
    "curveSM2",
];

/// Supported group.
pub fn group(group: u16) -> String {
    let name = match group {
        1..=41 => GROUPS[usize::from(group) - 1],
        0x0100 => "ffdhe2048",
        0x0101 => "ffdhe3072",
        0x0102 => "ffdhe4096",
        0x0103 => "ffdhe6144",
        0x0104 => "ffdhe8192",
        0x0200 => "MLKEM512",
        0x0201 => "MLKEM768",
        0x0202 => "MLKEM1024",
        0x11eb => "SecP256r1MLKEM768",
        0x11ec => "X25519MLKEM768",
        0x11ed => "SecP384r1MLKEM1024",
        0x11ee => "curveSM2MLKEM768",
        0x6399 => "X25519Kyber768Draft00",
        0x639a => "SecP256r1Kyber768Draft00",
        0xff01 => "arbitrary_explicit_prime_curves",
        0xff02 => "arbitrary_explicit_char2_curves",
        // Google's experiment that was widely deployed.
        0x4138 => "CECPQ2",
        other => return format!("0x{other:04x}"),
    };
    name.to_owned()
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
        0x0708 => "sm2sig_sm3",
        0x0804 => "rsa_pss_rsae_sha256",
        0x0805 => "rsa_pss_rsae_sha384",
        0x0806 => "rsa_pss_rsae_sha512",
        0x0807 => "ed25519",
        0x0808 => "ed448",
        0x0809 => "rsa_pss_pss_sha256",
        0x080a => "rsa_pss_pss_sha384",
        0x080b => "rsa_pss_pss_sha512",
        0x081a => "ecdsa_brainpoolP256r1tls13_sha256",
        0x081b => "ecdsa_brainpoolP384r1tls13_sha384",
        0x081c => "ecdsa_brainpoolP512r1tls13_sha512",
        other => return format!("0x{other:04x}"),
    };
    name.to_owned()
}

/// Alert description, without the suffix of those that are reserved today; by number what has no name: `alert_200`.
pub fn alert(description: u8) -> String {
    let name = match description {
        0 => "close_notify",
        1 => "end_of_early_data",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        21 => "decryption_failed",
        22 => "record_overflow",
        30 => "decompression_failure",
        40 => "handshake_failure",
        41 => "no_certificate",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        60 => "export_restriction",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        100 => "no_renegotiation",
        109 => "missing_extension",
        110 => "unsupported_extension",
        111 => "certificate_unobtainable",
        112 => "unrecognized_name",
        113 => "bad_certificate_status_response",
        114 => "bad_certificate_hash_value",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        120 => "no_application_protocol",
        121 => "ech_required",
        other => return format!("alert_{other}"),
    };
    name.to_owned()
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
        assert_eq!(cipher(0xcc13), "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256");
        assert_eq!(cipher(0xfeff), "SSL_RSA_FIPS_WITH_3DES_EDE_CBC_SHA");
        assert_eq!(group(29), "x25519");
        assert_eq!(group(23), "secp256r1");
        assert_eq!(
            [group(1), group(13), group(26), group(41)],
            ["sect163k1", "sect571k1", "brainpoolP256r1", "curveSM2"]
        );
        assert_eq!([group(256), group(0x11eb)], ["ffdhe2048", "SecP256r1MLKEM768"], "as the reports look for them");
        assert_eq!([group(0), group(42), group(0x0a0a)], ["0x0000", "0x002a", "0x0a0a"]);
        assert_eq!(signature(0x0804), "rsa_pss_rsae_sha256");
        assert_eq!(signature(0x0101), "0x0101");
        assert_eq!(alert(40), "handshake_failure");
        assert_eq!(alert(48), "unknown_ca");
        assert_eq!(alert(70), "protocol_version");
        assert_eq!(alert(112), "unrecognized_name", "the British spelling is rustls' alone");
        assert_eq!(alert(115), "unknown_psk_identity");
        assert_eq!(alert(200), "alert_200");
    }
}
