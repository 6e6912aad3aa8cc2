//! HMAC for the key schedules (RFC 8446, section 7.1; RFC 5246, section 5): RustCrypto's, which keeps the state behind a
//! key. A secret of TLS 1.3 is expanded several times, and each time then costs half the compressions that it costs where
//! the key is given anew, as with aws-lc.

use hmac::{Hmac, KeyInit, Mac};
use rustls::crypto::hmac::{Hmac as Function, Key, Tag};
use rustls::crypto::tls12::PrfUsingHmac;
use rustls::crypto::tls13::HkdfUsingHmac;
use sha2::{Sha256, Sha384};
use std::marker::PhantomData;

pub(super) static HKDF_SHA256: HkdfUsingHmac<'static> = HkdfUsingHmac(&SHA256);
pub(super) static HKDF_SHA384: HkdfUsingHmac<'static> = HkdfUsingHmac(&SHA384);
pub(super) static PRF_SHA256: PrfUsingHmac<'static> = PrfUsingHmac(&SHA256);
pub(super) static PRF_SHA384: PrfUsingHmac<'static> = PrfUsingHmac(&SHA384);

static SHA256: Of<Hmac<Sha256>> = Of(PhantomData);
static SHA384: Of<Hmac<Sha384>> = Of(PhantomData);

/// A MAC as rustls takes one.
struct Of<M>(PhantomData<fn() -> M>);

impl<M: Mac + KeyInit + Clone + Send + Sync + 'static> Function for Of<M> {
    fn with_key(&self, key: &[u8]) -> Box<dyn Key> {
        Box::new(Keyed(<M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length")))
    }

    fn hash_output_len(&self) -> usize {
        M::output_size()
    }
}

/// With its key.
struct Keyed<M>(M);

impl<M: Mac + Clone + Send + Sync> Key for Keyed<M> {
    fn sign_concat(&self, first: &[u8], middle: &[&[u8]], last: &[u8]) -> Tag {
        let mut state = self.0.clone();
        state.update(first);
        middle.iter().for_each(|part| state.update(part));
        state.update(last);
        Tag::new(&state.finalize().into_bytes())
    }

    fn tag_len(&self) -> usize {
        M::output_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::crypto::aws_lc_rs::cipher_suite::{TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384};
    use rustls::crypto::tls13::{Hkdf, OkmBlock};

    /// The same as what it stands for.
    #[test]
    fn secrets_are_those_of_aws_lc() {
        for (ours, theirs, length) in
            [(&HKDF_SHA256, TLS13_AES_128_GCM_SHA256, 32), (&HKDF_SHA384, TLS13_AES_256_GCM_SHA384, 48)]
        {
            let theirs = theirs.tls13().expect("of TLS 1.3").hkdf_provider;
            let secret = OkmBlock::new(&[7; 64][..length]);
            let of = |hkdf: &dyn Hkdf| {
                let (mut short, mut long) = ([0; 12], [0; 150]);
                let info: [&[u8]; 3] = [b"tls13 ", b"", b"key"];
                let expander = hkdf.expander_for_okm(&secret);
                assert_eq!(expander.hash_len(), length);
                expander.expand_slice(&info, &mut short).expect("short");
                expander.expand_slice(&info, &mut long).expect("not too long");
                let block = hkdf.extract_from_secret(Some(b"salt"), b"shared").expand_block(&info);
                let mac = hkdf.hmac_sign(&secret, b"message");
                let empty = hkdf.extract_from_zero_ikm(None).expand_block(&info);
                (short, long, block.as_ref().to_vec(), mac.as_ref().to_vec(), empty.as_ref().to_vec())
            };
            assert_eq!(of(ours), of(theirs));
        }
    }
}
