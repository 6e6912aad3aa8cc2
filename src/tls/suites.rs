//! Cipher suites: which class of the study's Figure 3 one belongs to, and which ones are offered to servers whose
//! best is not in rustls. Names and parts (key exchange, authentication, cipher, MAC) are those of IANA's registry, as
//! the crate tls-parser has them ([`TlsCipherSuite::from_id`]).

use super::Offer;
use tls_parser::{TlsCipherAu, TlsCipherEnc, TlsCipherKx, TlsCipherSuite};

/// Classes of cipher suites in Figure 3 of the study.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Forward secure over elliptic curves (or, in TLS 1.3, over a hybrid with one).
    Ecdhe,
    /// Forward secure over a finite field.
    Dhe,
    /// Not forward secure, with AES.
    Aes,
    /// Not forward secure, with RC4.
    Rc4,
    /// Neither: 3DES, Camellia, NULL, export, and whatever is anonymous.
    Other,
}

impl Class {
    /// As columns say it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ecdhe => "ECDHE",
            Self::Dhe => "DHE",
            Self::Aes => "AES",
            Self::Rc4 => "RC4",
            Self::Other => "other",
        }
    }
}

/// The parts of a cipher suite. Suites that never came into the registry have those of their equals there: drafts of ChaCha20
/// (draft-agl-tls-chacha20poly1305), and Netscape's of its FIPS mode.
pub(super) fn parts(suite: u16) -> Option<&'static TlsCipherSuite> {
    TlsCipherSuite::from_id(match suite {
        0xcc13 => 0xcca8,
        0xcc14 => 0xcca9,
        0xcc15 => 0xccaa,
        0xfefe | 0xffe1 => 0x0009,
        0xfeff | 0xffe0 => 0x000a,
        registered => registered,
    })
}

/// The class of a cipher suite. In TLS 1.3 it follows from the `group` of the key exchange (RFC 8446, section
/// 4.2.7); without one it is the elliptic curves that all servers speak.
pub fn class(suite: u16, group: Option<u16>) -> Class {
    let Some(suite) = parts(suite) else { return Class::Other };
    match (suite.kx, suite.au, suite.enc) {
        (TlsCipherKx::Tls13, ..) if matches!(group, Some(0x0100..=0x01ff)) => Class::Dhe,
        (TlsCipherKx::Tls13, ..) => Class::Ecdhe,
        _ if is_export(suite) => Class::Other,
        (_, TlsCipherAu::Null, _) | (_, _, TlsCipherEnc::Null) => Class::Other,
        (TlsCipherKx::Ecdhe, ..) => Class::Ecdhe,
        // The registry calls two suites PSK_DHE.
        (TlsCipherKx::Dhe, ..) | (_, TlsCipherAu::Dhe, _) => Class::Dhe,
        (_, _, TlsCipherEnc::Aes) => Class::Aes,
        (_, _, TlsCipherEnc::Rc4) => Class::Rc4,
        _ => Class::Other,
    }
}

/// The class of a cipher kind of SSL 2.0.
pub const fn v2_class(kind: u32) -> Class {
    if kind == 0x01_0080 { Class::Rc4 } else { Class::Other }
}

/// Made weak by law (RFC 2246, appendix D.1): the names of these suites say so.
pub(super) fn is_export(suite: &TlsCipherSuite) -> bool {
    suite.name.contains("EXPORT")
}

/// The suites of TLS 1.2 that rustls has, in the order they are offered in.
pub const MODERN: [u16; 6] = [0xc02b, 0xc02f, 0xcca9, 0xcca8, 0xc02c, 0xc030];

/// What is offered after [`MODERN`], so that a server whose best is none of those answers at all. By falling
/// strength; anonymous, export and NULL suites are last, and taken by servers that have nothing else.
pub const OLD: [u16; 68] = [
    // DHE with an AEAD cipher.
    0x009e, 0xccaa, 0x009f, 0x00a2, 0x00a3, // ECDHE with AES-CBC.
    0xc009, 0xc013, 0xc023, 0xc027, 0xc00a, 0xc014, 0xc024, 0xc028, // DHE with AES-CBC, signed by RSA and by DSA.
    0x0033, 0x0067, 0x0039, 0x006b, 0x0032, 0x0040, 0x0038, 0x006a, // RSA with AES.
    0x009c, 0x009d, 0x002f, 0x003c, 0x0035, 0x003d, // 3DES.
    0xc008, 0xc012, 0x0016, 0x0013, 0x000a, // RC4.
    0xc007, 0xc011, 0x0066, 0x0005, 0x0004, // Camellia, SEED and IDEA, which are seen but not spoken.
    0x0045, 0x0088, 0x0041, 0x0084, 0x009a, 0x0096, 0x0007, // DES.
    0x0015, 0x0012, 0x0009, // Anonymous.
    0x00a6, 0xc018, 0xc019, 0x0034, 0x003a, 0x006c, 0xc017, 0x001b, 0xc016, 0x0018, 0x001a,
    // Export, which is seen but not spoken.
    0x0014, 0x0008, 0x0003, 0x0006, 0x0019, 0x0017, // NULL.
    0xc006, 0xc010, 0x003b, 0x0002,
];

/// What is offered in SSL 3.0, which knows neither curves nor SHA-2 (RFC 6101, appendix C, and what its servers took
/// from TLS since).
pub const SSL3: [u16; 26] = [
    0x0033, 0x0039, 0x0032, 0x0038, 0x002f, 0x0035, 0x0016, 0x0013, 0x000a, 0x0005, 0x0004, 0x0007, 0x0015, 0x0012,
    0x0009, 0x0034, 0x003a, 0x001b, 0x0018, 0x001a, 0x0014, 0x0008, 0x0003, 0x0006, 0x0019, 0x0002,
];

/// What of [`OLD`] or [`SSL3`] an offer has: each ends with what only [`Offer::Wide`] has.
pub(super) fn offered(offer: Offer, suites: &'static [u16]) -> &'static [u16] {
    match offer {
        Offer::Wide => suites,
        Offer::Usual => &suites[..suites.iter().position(|suite| is_naked(*suite)).unwrap_or(suites.len())],
        Offer::Strong => &[],
    }
}

/// Anonymous, made weak by law, or without encryption: what clients offer only if they are told to.
fn is_naked(suite: u16) -> bool {
    parts(suite)
        .is_none_or(|suite| suite.au == TlsCipherAu::Null || suite.enc == TlsCipherEnc::Null || is_export(suite))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn what_clients_do_not_offer_unasked_comes_last() {
        for suites in [&OLD[..], &SSL3] {
            let usual = offered(Offer::Usual, suites);
            assert!(usual.iter().all(|suite| !is_naked(*suite)));
            assert!(suites[usual.len()..].iter().all(|suite| is_naked(*suite)));
            assert_eq!(usual.last(), Some(&0x0009), "DES with RSA is the last of the others");
            assert_eq!((offered(Offer::Wide, suites), offered(Offer::Strong, suites)), (suites, &[][..]));
        }
        assert_eq!((offered(Offer::Usual, &OLD).len(), offered(Offer::Usual, &SSL3).len()), (47, 15));
    }

    #[test]
    fn classes_are_those_of_figure_3() {
        for (suite, group, expected) in [
            (0x1301, Some(29), "ECDHE"),
            (0x1301, Some(0x11ec), "ECDHE"),
            (0x1302, Some(0x0100), "DHE"),
            (0xc02f, Some(23), "ECDHE"),
            (0xc007, None, "ECDHE"),
            (0x0032, None, "DHE"),
            (0x0016, None, "DHE"),
            (0x009c, None, "AES"),
            (0x0035, None, "AES"),
            (0xc004, None, "AES"),
            (0x0004, None, "RC4"),
            (0x000a, None, "other"),
            (0x0041, None, "other"),
            (0x0034, None, "other"),
            (0xc018, None, "other"),
            (0x0003, None, "other"),
            (0x0014, None, "other"),
            (0xc010, None, "other"),
            (0x5555, None, "other"),
            (0xcc13, Some(23), "ECDHE"),
            (0xfeff, None, "other"),
            (0xc0aa, None, "DHE"),
            (0xc037, None, "ECDHE"),
            (0x008c, None, "AES"),
        ] {
            assert_eq!(class(suite, group).name(), expected, "0x{suite:04x}");
        }
    }

    #[test]
    fn an_offer_has_each_suite_once_and_all_are_known() {
        let offered: HashSet<u16> = MODERN.iter().chain(&OLD).copied().collect();
        assert_eq!(offered.len(), MODERN.len() + OLD.len());
        for suite in offered.iter().chain(&SSL3) {
            assert!(TlsCipherSuite::from_id(*suite).is_some(), "0x{suite:04x}");
        }
        assert!(SSL3.iter().all(|suite| offered.contains(suite)));
        assert_eq!(SSL3.iter().collect::<HashSet<_>>().len(), SSL3.len());
    }
}
