//! The ClientHellos of the second and the third connection to a server that rustls' hello did not suit.

use crate::tls::Offer;
use crate::tls::suites::{self, offered};
use rustls::pki_types::DnsName;

/// Which hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// TLS 1.2 at most, and no word of anything newer: what clients said before 2018.
    Legacy,
    /// SSL 3.0, without extensions.
    Ssl3,
}

/// TLS_EMPTY_RENEGOTIATION_INFO_SCSV (RFC 5746, section 3.3).
const RENEGOTIATION_INFO: u16 = 0x00ff;
/// x25519, secp256r1, secp384r1, secp521r1.
const GROUPS: [u16; 4] = [29, 23, 24, 25];
/// Everything a server may sign with; nothing is verified. SHA-1, DSA and MD5 last.
const SIGNATURES: [u16; 17] = [
    0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0807, 0x0603, 0x0806, 0x0601, 0x0808, 0x0201, 0x0203, 0x0402,
    0x0202, 0x0301, 0x0101,
];
const MESSAGE_HEADER: usize = 4;
/// Some load balancers hang on hellos of these lengths, header included (RFC 7685, section 1).
const AVOIDED: std::ops::Range<usize> = 256..512;

/// A ClientHello in a record of its own. `random` goes out as it is; a `name` is sent as SNI where there are
/// extensions.
pub fn hello(profile: Profile, offer: Offer, name: Option<&DnsName<'_>>, random: [u8; 32]) -> Vec<u8> {
    let (version, record_version): (u16, u16) = match profile {
        Profile::Legacy => (0x0303, 0x0301),
        Profile::Ssl3 => (0x0300, 0x0300),
    };
    let mut body = version.to_be_bytes().to_vec();
    body.extend_from_slice(&random);
    body.push(0);
    match profile {
        Profile::Legacy => {
            let suites = suites::MODERN.iter().chain(offered(offer, &suites::OLD)).chain([&RENEGOTIATION_INFO]);
            vector16(&mut body, |list| numbers(list, suites));
        }
        Profile::Ssl3 => vector16(&mut body, |list| numbers(list, offered(offer, &suites::SSL3))),
    }
    body.extend_from_slice(&[1, 0]);
    if profile == Profile::Legacy {
        vector16(&mut body, |body| extensions(body, name));
    }
    let mut record = vec![22];
    record.extend_from_slice(&record_version.to_be_bytes());
    vector16(&mut record, |record| {
        record.extend_from_slice(&[1, 0]);
        vector16(record, |message| message.extend_from_slice(&body));
    });
    record
}

/// Appends the extensions to the message's body.
fn extensions(body: &mut Vec<u8>, name: Option<&DnsName<'_>>) {
    if let Some(name) = name {
        extension(body, 0, |data| {
            vector16(data, |names| {
                names.push(0);
                vector16(names, |host| host.extend_from_slice(name.as_ref().as_bytes()));
            });
        });
    }
    extension(body, 5, |data| data.extend_from_slice(&[1, 0, 0, 0, 0]));
    extension(body, 10, |data| vector16(data, |groups| numbers(groups, &GROUPS)));
    extension(body, 11, |data| data.extend_from_slice(&[1, 0]));
    extension(body, 13, |data| vector16(data, |schemes| numbers(schemes, &SIGNATURES)));
    // Signed certificate timestamps, extended master secret, session ticket.
    for kind in [18, 23, 35] {
        extension(body, kind, |_| {});
    }
    let length = MESSAGE_HEADER + body.len();
    if AVOIDED.contains(&length) {
        let padding = AVOIDED.end.saturating_sub(length + 4);
        extension(body, 21, |data| data.resize(data.len() + padding, 0));
    }
}

fn extension(list: &mut Vec<u8>, kind: u16, data: impl FnOnce(&mut Vec<u8>)) {
    list.extend_from_slice(&kind.to_be_bytes());
    vector16(list, data);
}

fn numbers<'a>(out: &mut Vec<u8>, numbers: impl IntoIterator<Item = &'a u16>) {
    out.extend(numbers.into_iter().flat_map(|number| number.to_be_bytes()));
}

/// What `content` writes, behind its length in two bytes.
fn vector16(out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0, 0]);
    content(out);
    #[expect(clippy::cast_possible_truncation, reason = "a hello is far shorter, with the longest name too")]
    let length = (out.len() - at - 2) as u16;
    out[at..at + 2].copy_from_slice(&length.to_be_bytes());
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;
    use crate::tls::tap::Tap;

    fn read(hello: &[u8]) -> crate::tls::tap::Flight {
        let mut tap = Tap::client();
        tap.feed(hello);
        tap.into_flight()
    }

    #[test]
    fn the_second_hello_speaks_of_nothing_after_tls_1_2() {
        let name = DnsName::try_from("mx.example").unwrap();
        let bytes = hello(Profile::Legacy, Offer::Wide, Some(&name), [7; 32]);
        let flight = read(&bytes);
        let hello = flight.client_hello.unwrap();
        assert_eq!((flight.record_version, hello.version, hello.session_id), (Some(0x0301), 0x0303, 0));
        assert_eq!((hello.versions, hello.key_shares, hello.compressions), (vec![], vec![], vec![0]));
        assert_eq!(hello.server_name.as_deref(), Some("mx.example"));
        assert_eq!((hello.suites[0], *hello.suites.last().unwrap()), (0xc02b, 0x00ff));
        assert_eq!(hello.suites.len(), suites::MODERN.len() + suites::OLD.len() + 1);
        assert_eq!(hello.extensions, [0, 5, 10, 11, 13, 18, 23, 35, 21]);
        assert_eq!((hello.groups, hello.signatures), (GROUPS.to_vec(), SIGNATURES.to_vec()));
        assert_eq!(&bytes[11..43], &[7; 32]);
    }

    #[test]
    fn the_usual_offer_has_nothing_anonymous_or_in_the_clear() {
        for (profile, own, list) in
            [(Profile::Legacy, suites::MODERN.len() + 1, &suites::OLD[..]), (Profile::Ssl3, 0, &suites::SSL3)]
        {
            let flight = read(&hello(profile, Offer::Usual, None, [7; 32]));
            let suites = flight.client_hello.unwrap().suites;
            assert_eq!(suites.len(), own + offered(Offer::Usual, list).len());
            assert!([0x0034, 0x0003, 0x0002].iter().all(|suite| !suites.contains(suite)), "{profile:?}");
            assert!(suites.contains(&0x0005), "{profile:?}");
        }
    }

    #[test]
    fn no_hello_has_a_length_that_load_balancers_hang_on() {
        for letters in 1..=63 {
            let name = "a".repeat(letters) + "." + &"b".repeat(60) + "." + &"c".repeat(letters);
            let name = DnsName::try_from(name).unwrap();
            for name in [None, Some(&name)] {
                let message = hello(Profile::Legacy, Offer::Wide, name, [7; 32]).len() - 5;
                assert!(!AVOIDED.contains(&message), "{message}");
                assert!(message <= 520, "{message}");
            }
        }
    }

    #[test]
    fn the_third_hello_is_ssl_3_without_extensions() {
        let flight = read(&hello(Profile::Ssl3, Offer::Wide, None, [7; 32]));
        let hello = flight.client_hello.unwrap();
        assert_eq!((flight.record_version, hello.version), (Some(0x0300), 0x0300));
        assert_eq!((hello.extensions.len(), hello.suites), (0, suites::SSL3.to_vec()));
        assert!(flight.error.is_none());
    }
}
