//! The client's half of a key exchange: RSA (RFC 5246, section 7.4.7.1), Diffie-Hellman over finite fields (section
//! 7.4.7.2) and over elliptic curves (RFC 8422, section 5.7).

use super::Failure;
use super::schedule::SSL_3;
use crate::tls::Pairs;
use crate::tls::random::Random;
use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};
use x509_parser::certificate::X509CertificateParser;
use x509_parser::nom::Parser as _;
use x509_parser::public_key::PublicKey;

/// Bits of a modulus that are computed with: what a server costs us is bounded.
const MODULUS_BITS: std::ops::RangeInclusive<u32> = 256..=8_192;
/// Bytes of an RSA exponent that are computed with.
const EXPONENT_MAX: usize = 8;
/// Padding of a message for RSA, at least (RFC 8017, section 7.2.1).
const PADDING_MIN: usize = 8;

/// What the server has given for the exchange.
#[derive(Debug)]
pub(super) enum Server {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    FiniteField { prime: Vec<u8>, generator: Vec<u8>, public: Vec<u8> },
    Curve { group: u16, public: Vec<u8> },
}

/// The body of ClientKeyExchange, and the premaster secret.
pub(super) struct Client {
    pub(super) body: Vec<u8>,
    pub(super) premaster: Vec<u8>,
}

impl Server {
    /// The key of an RSA certificate, DER.
    pub(super) fn certificate(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509CertificateParser::new().with_deep_parse_extensions(false).parse(der).ok()?;
        match certificate.public_key().parsed().ok()? {
            PublicKey::RSA(key) => Some(Self::Rsa {
                modulus: significant(key.modulus).to_vec(),
                exponent: significant(key.exponent).to_vec(),
            }),
            _ => None,
        }
    }

    /// Our half. `offered`: the version of our ClientHello; `version`: the negotiated one.
    pub(super) fn answer(
        &self,
        offered: u16,
        version: u16,
        random: &mut Random,
        pairs: &Pairs,
    ) -> Result<Client, Failure> {
        match self {
            Self::Rsa { modulus, exponent } => rsa(modulus, exponent, offered, version, random),
            Self::FiniteField { prime, generator, public } => finite_field(prime, generator, public, random),
            Self::Curve { group, public } => curve(*group, public, pairs),
        }
    }
}

fn rsa(modulus: &[u8], exponent: &[u8], offered: u16, version: u16, random: &mut Random) -> Result<Client, Failure> {
    let field = Field::new(modulus).ok_or(Failure::ServerKey)?;
    let mut premaster = vec![0; 48];
    random.fill(&mut premaster);
    premaster[..2].copy_from_slice(&offered.to_be_bytes());
    let padding = modulus.len().saturating_sub(premaster.len() + 3);
    if padding < PADDING_MIN || exponent.len() > EXPONENT_MAX {
        return Err(Failure::ServerKey);
    }
    let mut block = vec![0; padding];
    random.fill(&mut block);
    block.iter_mut().for_each(|byte| *byte = (*byte).max(1));
    let block = [&[0, 2][..], &block, &[0], &premaster].concat();
    let encrypted = field.power_public(&block, exponent).ok_or(Failure::ServerKey)?;
    // SSL 3.0 has no length here.
    let body = if version == SSL_3 { encrypted } else { vector16(&encrypted) };
    Ok(Client { body, premaster })
}

fn finite_field(prime: &[u8], generator: &[u8], public: &[u8], random: &mut Random) -> Result<Client, Failure> {
    let field = Field::new(significant(prime)).ok_or(Failure::ServerKey)?;
    // As long as the group is strong (RFC 7919, section 5.2), and shorter than a small prime.
    let bits = match field.bits {
        0..=1_024 => 160,
        1_025..=2_048 => 225,
        2_049..=3_072 => 275,
        3_073..=4_096 => 325,
        _ => 400,
    };
    let mut secret = vec![0; usize::div_ceil(bits, 8)];
    random.fill(&mut secret);
    let ours = field.power_secret(generator, &secret).ok_or(Failure::ServerKey)?;
    let premaster = field.power_secret(public, &secret).ok_or(Failure::ServerKey)?;
    Ok(Client { body: vector16(&ours), premaster: significant(&premaster).to_vec() })
}

fn curve(group: u16, public: &[u8], pairs: &Pairs) -> Result<Client, Failure> {
    let pair = pairs.of(group).ok_or(Failure::Group(group))?;
    let premaster = pair.agree(public, <[u8]>::to_vec).ok_or(Failure::ServerKey)?;
    let ours = pair.public();
    let length = u8::try_from(ours.len()).map_err(|_| Failure::ServerKey)?;
    Ok(Client { body: [&[length][..], ours].concat(), premaster })
}

/// Arithmetic modulo an odd number.
struct Field {
    parameters: BoxedMontyParams,
    precision: u32,
    bits: u32,
    length: usize,
}

impl Field {
    fn new(modulus: &[u8]) -> Option<Self> {
        let precision = u32::try_from(modulus.len().checked_mul(8)?).ok()?.checked_next_multiple_of(64)?;
        let bits = u32::try_from(modulus.len()).ok()? * 8 - modulus.first()?.leading_zeros();
        if !MODULUS_BITS.contains(&bits) {
            return None;
        }
        let modulus_number = BoxedUint::from_be_slice(modulus, precision).ok()?;
        let modulus_number: Option<Odd<BoxedUint>> = Odd::new(modulus_number).into();
        Some(Self {
            parameters: BoxedMontyParams::new_vartime(modulus_number?),
            precision,
            bits,
            length: modulus.len(),
        })
    }

    /// A number of the field that is neither 0 nor too large.
    fn number(&self, bytes: &[u8]) -> Option<BoxedMontyForm> {
        let bytes = significant(bytes);
        let number = BoxedUint::from_be_slice(bytes, self.precision).ok()?;
        (!bytes.is_empty() && number < *self.parameters.modulus().as_ref())
            .then(|| BoxedMontyForm::new(number, &self.parameters))
    }

    fn bytes(&self, number: &BoxedMontyForm) -> Option<Vec<u8>> {
        let bytes = number.retrieve().to_be_bytes();
        bytes.get(bytes.len().checked_sub(self.length)?..).map(<[u8]>::to_vec)
    }

    /// `base` to a short exponent that is no secret, as long as the modulus.
    fn power_public(&self, base: &[u8], exponent: &[u8]) -> Option<Vec<u8>> {
        let base = self.number(base)?;
        let bits = exponent.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1));
        let mut result: Option<BoxedMontyForm> = None;
        for bit in bits {
            result = result.map(|number| number.square());
            if bit {
                result = Some(result.map_or_else(|| base.clone(), |number| number.mul(&base)));
            }
        }
        self.bytes(&result?)
    }

    fn power_secret(&self, base: &[u8], exponent: &[u8]) -> Option<Vec<u8>> {
        let bits = u32::try_from(exponent.len()).ok()? * 8;
        let exponent = BoxedUint::from_be_slice(exponent, bits.next_multiple_of(64)).ok()?;
        self.bytes(&self.number(base)?.pow_bounded_exp(&exponent, bits))
    }
}

/// Without the zeros in front.
fn significant(number: &[u8]) -> &[u8] {
    number.iter().position(|byte| *byte != 0).map_or(&[], |first| &number[first..])
}

fn vector16(bytes: &[u8]) -> Vec<u8> {
    #[expect(clippy::cast_possible_truncation, reason = "a modulus has at most a thousand bytes")]
    let length = (bytes.len() as u16).to_be_bytes();
    [&length[..], bytes].concat()
}
