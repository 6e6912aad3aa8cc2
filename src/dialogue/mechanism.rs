//! SASL mechanisms by their registered names (IANA, Simple Authentication and Security Layer Mechanisms), with what is in use
//! without registration. What a client says is compared with the list, so that nothing it says is kept: in the place of
//! the name there may stand a password.

const NAMES: &[&str] = &[
    "9798-M-DSA-SHA1",
    "9798-M-ECDSA-SHA1",
    "9798-M-RSA-SHA1-ENC",
    "9798-U-DSA-SHA1",
    "9798-U-ECDSA-SHA1",
    "9798-U-RSA-SHA1-ENC",
    "ANONYMOUS",
    "CRAM-MD5",
    "DIGEST-MD5",
    "DIGEST-SHA1",
    "ECDH-X25519-CHALLENGE",
    "ECDSA-NIST256P-CHALLENGE",
    "EXTERNAL",
    "GS2-KRB5",
    "GS2-KRB5-PLUS",
    "GSS-SPNEGO",
    "GSSAPI",
    "KERBEROS_V4",
    "LOGIN",
    "NMAS-SAMBA-AUTH",
    "NMAS_AUTHEN",
    "NMAS_LOGIN",
    "NTLM",
    "OAUTH10A",
    "OAUTHBEARER",
    "OPENID20",
    "OTP",
    "PLAIN",
    "SAML20",
    "SCRAM-SHA-1",
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-256",
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-512",
    "SCRAM-SHA-512-PLUS",
    "SECURID",
    "SKEY",
    "SPNEGO",
    "SPNEGO-PLUS",
    "SXOVER-PLUS",
    "X-FACEBOOK-PLATFORM",
    "X-GOOGLE-TOKEN",
    "X-OAUTH2",
    "XOAUTH2",
    "XOAUTH",
    "XYMCOOKIEB64",
];

/// The mechanism with this name, in upper case; `other` if there is none.
pub fn mechanism(name: &[u8]) -> &'static str {
    NAMES.iter().find(|known| known.as_bytes().eq_ignore_ascii_case(name)).unwrap_or(&"other")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_the_list_are_kept() {
        assert_eq!(
            [&b"plain"[..], b"SCRAM-SHA-256-PLUS", b"AGpvZQBzZWNyZXQ=", b""].map(mechanism),
            ["PLAIN", "SCRAM-SHA-256-PLUS", "other", "other"]
        );
    }
}
