//! The server's messages after its hello: certificates, key exchange, what else it sends before it is done.

use super::hello::{each_extension, extension};
use super::reader::Reader;
use tls_parser::{TlsCipherAu, TlsCipherKx, TlsCipherSuite};

/// Certificates kept of a chain.
const CERTIFICATES_MAX: usize = 32;

/// What a Certificate message shows, and with it in TLS 1.3 what each certificate's extensions do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificates {
    /// DER, as presented, leaf first.
    pub chain: Vec<Vec<u8>>,
    /// Extensions of the leaf's entry, by type (TLS 1.3).
    pub extensions: Vec<u16>,
    /// The OCSP response that came with the leaf, DER.
    pub ocsp: Option<Vec<u8>>,
    /// Signed certificate timestamps that came with the leaf.
    pub timestamps: u16,
}

/// The server's part of the key exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyExchange {
    /// Named group (RFC 8422, section 5.4; TLS 1.3: of the key share).
    pub group: Option<u16>,
    /// Bits of the prime of finite-field Diffie-Hellman.
    pub dh_bits: Option<u32>,
    /// Bits of the temporary RSA modulus of the export suites.
    pub rsa_bits: Option<u32>,
    /// Signature scheme of the message, or of CertificateVerify; before TLS 1.2 it is not said.
    pub signature: Option<u16>,
}

impl Certificates {
    /// Reads the body of TLS 1.2 and older (RFC 5246, section 7.4.2).
    pub(in crate::tls) fn parse(body: &[u8]) -> Option<Self> {
        let (found, whole) = Self::read(body);
        whole.then_some(found)
    }

    /// The same as far as it can be read, and whether that is all of it.
    pub(super) fn read(body: &[u8]) -> (Self, bool) {
        let mut found = Self::default();
        let Some(mut list) = Reader::new(body).vector24() else { return (found, false) };
        while !list.is_empty() {
            let Some(mut certificate) = list.vector24() else { return (found, false) };
            found.keep(certificate.rest());
        }
        (found, true)
    }

    /// Reads the body of TLS 1.3 (RFC 8446, section 4.4.2).
    pub(super) fn parse_13(body: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        reader.vector8()?;
        let (mut list, mut found) = (reader.vector24()?, Self::default());
        let mut leaf = true;
        while !list.is_empty() {
            found.keep(list.vector24()?.rest());
            each_extension(&mut list, |kind, data| if leaf { found.extension(kind, data) } else { Some(()) })?;
            leaf = false;
        }
        Some(found)
    }

    fn keep(&mut self, der: &[u8]) {
        if self.chain.len() < CERTIFICATES_MAX {
            self.chain.push(der.to_vec());
        }
    }

    fn extension(&mut self, kind: u16, data: Reader<'_>) -> Option<()> {
        self.extensions.push(kind);
        match kind {
            extension::STATUS_REQUEST => self.ocsp = status(data),
            extension::SIGNED_CERTIFICATE_TIMESTAMP => self.timestamps = timestamps(data)?,
            _ => {}
        }
        Some(())
    }
}

/// The OCSP response of a CertificateStatus (RFC 6066, section 8). Of several, the first: the leaf's (RFC 6961, section 2.2).
pub(super) fn status(mut data: Reader<'_>) -> Option<Vec<u8>> {
    let (kind, mut response) = (data.u8()?, data.vector24()?);
    match kind {
        1 => Some(response.rest().to_vec()),
        2 => Some(response.vector24()?.rest().to_vec()),
        _ => None,
    }
}

/// How many timestamps a list has (RFC 6962, section 3.3).
pub(super) fn timestamps(mut data: Reader<'_>) -> Option<u16> {
    let (mut list, mut count) = (data.vector16()?, 0);
    while !list.is_empty() {
        list.vector16()?;
        count += 1;
    }
    Some(count)
}

/// The server's half of an exchange, as its message gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tls) enum Parameters<'a> {
    /// A named group, and a point of it.
    Curve { group: u16, public: &'a [u8] },
    /// A curve that is spelt out (RFC 4492, section 5.4); it is not taken apart.
    ExplicitCurve,
    /// Finite-field Diffie-Hellman.
    FiniteField { prime: &'a [u8], generator: &'a [u8], public: &'a [u8] },
    /// The temporary RSA key of the export suites.
    Rsa { modulus: &'a [u8] },
    /// Of a key exchange that is not known here.
    Other,
}

impl<'a> Parameters<'a> {
    /// Takes them off the front of a ServerKeyExchange (RFC 5246, section 7.4.3; RFC 8422, section 5.4; RFC 2246,
    /// section 7.4.3 for the temporary RSA key). With a pre-shared key a hint of it comes first (RFC 4279, sections 2 to 4; RFC
    /// 5489, section 2).
    pub(in crate::tls) fn take(suite: &TlsCipherSuite, reader: &mut Reader<'a>) -> Option<Self> {
        let shared = is_shared(suite);
        if shared {
            reader.vector16()?;
        }
        Some(match suite.kx {
            // The registry calls the anonymous suites DH and ECDH.
            TlsCipherKx::Ecdhe | TlsCipherKx::Ecdh => match reader.u8()? {
                3 => Self::Curve { group: reader.u16()?, public: reader.vector8()?.rest() },
                _ => Self::ExplicitCurve,
            },
            kx if matches!(kx, TlsCipherKx::Dhe | TlsCipherKx::Dh) || suite.au == TlsCipherAu::Dhe => {
                Self::FiniteField {
                    prime: reader.vector16()?.rest(),
                    generator: reader.vector16()?.rest(),
                    public: reader.vector16()?.rest(),
                }
            }
            TlsCipherKx::Rsa if !shared => {
                let modulus = reader.vector16()?.rest();
                reader.vector16()?;
                Self::Rsa { modulus }
            }
            _ => Self::Other,
        })
    }
}

/// Whether a key that both know authenticates them. The registry calls two suites PSK_DHE instead of DHE_PSK.
fn is_shared(suite: &TlsCipherSuite) -> bool {
    suite.au == TlsCipherAu::Psk || suite.kx == TlsCipherKx::Psk
}

impl KeyExchange {
    /// Reads a ServerKeyExchange.
    pub(super) fn parse(suite: &TlsCipherSuite, version: u16, body: &[u8]) -> Option<Self> {
        let (mut reader, mut found) = (Reader::new(body), Self::default());
        match Parameters::take(suite, &mut reader)? {
            Parameters::Curve { group, .. } => found.group = Some(group),
            Parameters::FiniteField { prime, .. } => found.dh_bits = Some(bits(prime)),
            Parameters::Rsa { modulus } => found.rsa_bits = Some(bits(modulus)),
            Parameters::ExplicitCurve | Parameters::Other => return Some(found),
        }
        if version == 0x0303 && suite.au != TlsCipherAu::Null && !is_shared(suite) {
            found.signature = Some(reader.u16()?);
        }
        Some(found)
    }
}

/// Length in bits of a number written big-endian.
fn bits(number: &[u8]) -> u32 {
    let significant = number.iter().position(|byte| *byte != 0).map_or(&[][..], |first| &number[first..]);
    let bytes = u32::try_from(significant.len()).unwrap_or(0);
    significant.first().map_or(0, |first| bytes * 8 - first.leading_zeros())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;

    fn suite(id: u16) -> &'static TlsCipherSuite {
        TlsCipherSuite::from_id(id).unwrap()
    }

    #[test]
    fn a_number_has_as_many_bits_as_its_highest_needs() {
        assert_eq!(
            [bits(&[]), bits(&[0, 0]), bits(&[1]), bits(&[0, 0x80, 0]), bits(&[0xff; 128])],
            [0, 0, 1, 16, 1_024]
        );
    }

    #[test]
    fn key_exchanges_of_every_kind() {
        let ecdhe = KeyExchange::parse(suite(0xc02f), 0x0303, &[3, 0, 29, 1, 9, 8, 4, 0, 1, 7]);
        assert_eq!(ecdhe.map(|kx| (kx.group, kx.signature)), Some((Some(29), Some(0x0804))));
        let anonymous = KeyExchange::parse(suite(0xc018), 0x0303, &[3, 0, 23, 1, 9]);
        assert_eq!(anonymous.map(|kx| (kx.group, kx.signature)), Some((Some(23), None)));
        let dhe = [0, 2, 0x80, 0, 0, 1, 2, 0, 1, 3, 0, 1, 9];
        let old = KeyExchange { dh_bits: Some(16), ..KeyExchange::default() };
        assert_eq!(KeyExchange::parse(suite(0x0033), 0x0301, &dhe), Some(old), "before TLS 1.2 no scheme is said");
        assert_eq!(KeyExchange::parse(suite(0x0034), 0x0303, &dhe[..10]), Some(old), "anonymous: no signature");
        assert_eq!(KeyExchange::parse(suite(0x0033), 0x0303, &dhe).and_then(|kx| kx.signature), Some(1));
        let export = KeyExchange::parse(
            suite(0x0003),
            0x0300,
            &[0, 64, 0x80].iter().copied().chain([0; 67]).collect::<Vec<_>>(),
        );
        assert_eq!(export.and_then(|kx| kx.rsa_bits), Some(512));
        assert_eq!(KeyExchange::parse(suite(0xc02f), 0x0303, &[3, 0]), None);
    }

    #[test]
    fn of_several_staples_the_first_is_the_leafs() {
        assert_eq!(status(Reader::new(&[1, 0, 0, 2, 7, 8])), Some(vec![7, 8]));
        assert_eq!(status(Reader::new(&[2, 0, 0, 9, 0, 0, 2, 7, 8, 0, 0, 1, 9])), Some(vec![7, 8]));
        assert_eq!(status(Reader::new(&[3, 0, 0, 2, 7, 8])), None);
        assert_eq!(status(Reader::new(&[1, 0, 0, 3, 7, 8])), None);
    }

    #[test]
    fn a_hint_of_the_key_comes_before_the_exchange() {
        let hint = [0, 3, b'k', b'e', b'y'];
        let of = |id, rest: &[u8]| KeyExchange::parse(suite(id), 0x0303, &[&hint, rest].concat());
        let curve = KeyExchange { group: Some(23), ..KeyExchange::default() };
        assert_eq!(of(0xc037, &[3, 0, 23, 1, 9]), Some(curve), "ECDHE_PSK, and nothing is signed");
        let field = KeyExchange { dh_bits: Some(16), ..KeyExchange::default() };
        for id in [0x0090, 0xc0aa] {
            assert_eq!(of(id, &[0, 2, 0x80, 0, 0, 1, 2, 0, 1, 3]), Some(field), "0x{id:04x}");
        }
        assert_eq!(of(0x0094, &[]), Some(KeyExchange::default()), "RSA_PSK has the hint only");
        assert_eq!(of(0x008c, &[]), Some(KeyExchange::default()));
    }
}
