use super::*;
use crate::base::UtcMicros;
use proptest::prelude::*;

const CLIENT: u128 = 0xffff_0a00_0001;
const SERVER: u128 = 0xffff_0a00_0002;

fn tcp_bytes(payload: &[u8]) -> Vec<u8> {
    let header = [0x04, 0xd2, 0x00, 0x19, 0, 0, 0, 7, 0, 0, 0, 9, 0x50, 0x18, 2, 0, 0, 0, 0, 0];
    [&header[..], payload].concat()
}

pub(super) fn ipv4_packet(payload: &[u8]) -> Vec<u8> {
    ipv4_of(6, &tcp_bytes(payload))
}

/// With the payload of another protocol.
pub(super) fn ipv4_of(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
    let header = [0x45, 0, high, low, 0, 1, 0x40, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    [&header[..], payload].concat()
}

/// With the extension headers `extensions`, the first of which is `next`.
fn ipv6_packet(next: u8, extensions: &[u8], payload: &[u8]) -> Vec<u8> {
    ipv6_of(next, &[extensions, &tcp_bytes(payload)].concat())
}

/// With the payload of another protocol.
pub(super) fn ipv6_of(next: u8, rest: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(rest.len()).unwrap().to_be_bytes();
    let mut packet = vec![0x60, 0, 0, 0, high, low, next, 64];
    packet.extend(0x2001_0db8_0000_0000_0000_0000_0000_0001_u128.to_be_bytes());
    packet.extend(0x2001_0db8_0000_0000_0000_0000_0000_0002_u128.to_be_bytes());
    packet.extend(rest);
    packet
}

fn parse(link: i32, bytes: &[u8]) -> Result<Segment<'_>, Unusable> {
    segment(&Captured { time: UtcMicros(0), link, bytes })
}

#[test]
fn every_link_type_leads_to_the_same_segment() {
    let packet = ipv4_packet(b"EHLO x");
    let with = |header: &[u8]| [header, &packet[..]].concat();
    let ethernet = [&[0; 12][..], &[8, 0]].concat();
    let frames = [
        (1, with(&ethernet)),
        (1, with(&[&[0; 12][..], &[0x81, 0, 0, 5, 8, 0]].concat())),
        (1, with(&[&[0; 12][..], &[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0]].concat())),
        (1, with(&[&[0; 12][..], &[0x88, 0x64, 0x11, 0, 0, 1, 0, 50, 0, 0x21]].concat())),
        (1, with(&[&[0; 12][..], &[0x88, 0x47, 0, 0, 0x10, 64, 0, 0, 0x11, 64]].concat())),
        (0, with(&[2, 0, 0, 0])),
        (108, with(&[0, 0, 0, 2])),
        (101, packet.clone()),
        (228, packet.clone()),
        (113, with(&[&[0; 14][..], &[8, 0]].concat())),
        (276, with(&[&[8, 0][..], &[0; 18]].concat())),
        (9, with(&[0xff, 0x03, 0, 0x21])),
        (9, with(&[0x21])),
        (50, with(&[0xff, 0x03, 0x21])),
        (50, with(&[0x0f, 0, 8, 0])),
        (51, with(&[0x11, 0, 0, 1, 0, 50, 0, 0x21])),
        (1, with(&[&[0; 12][..], &[0, 60], &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0]].concat())),
        (1, with(&[&[0; 12][..], &[0x89, 0x26, 0, 1, 0, 2, 8, 0]].concat())),
        (1, with(&[&[0; 12][..], &[0x89, 0x03, 0, 1], &[2; 12], &[8, 0]].concat())),
        (1, with(&[&[0; 12][..], &[0x88, 0xe7, 0, 1, 2, 3], &[2; 12], &[0x81, 0, 0, 5, 8, 0]].concat())),
        (239, with(&[&[2, 0, 0, 1][..], &[5, 0, 10, 0, b'x', 0, 0, 0], &[50, 0, 9, 0]].concat())),
        (192, with(&[&[0, 0, 12, 0, 1, 0, 0, 0][..], &[7; 4], &ethernet].concat())),
        (258, with(&[&[12, 0, 0, 0][..], &[0; 4], &[1, 0, 0, 0], &ethernet].concat())),
    ];
    for (link, frame) in &frames {
        let found = parse(*link, frame).unwrap();
        assert_eq!((found.source, found.destination), ((CLIENT, 1_234), (SERVER, 25)), "{link}");
        assert_eq!((found.seq, found.ack, found.flags, found.payload, found.length), (7, 9, 0x18, &b"EHLO x"[..], 6));
    }
    assert_eq!(parse(147, &packet), Err(Unusable::Link));
    assert_eq!(parse(1, &with(&[&[0; 12][..], &[8, 6]].concat())), Err(Unusable::NotIp));
    assert_eq!(parse(1, &with(&[&[0; 12][..], &[0, 60, 0x42, 0x42, 3]].concat())), Err(Unusable::NotIp), "no SNAP");
    let nested = [[0, 0, 8, 0, 192, 0, 0, 0]; 9].concat();
    assert_eq!(parse(192, &nested), Err(Unusable::NotTcp), "headers without end");
    assert_eq!(parse(239, &[2, 0, 0, 1, 3, 0, 9, 0]), Err(Unusable::Malformed), "a field shorter than its head");
}

#[test]
fn frames_of_the_radio_lead_to_their_segment_if_they_are_in_the_clear() {
    let packet = ipv4_packet(b"EHLO x");
    let body = [&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0][..], &packet].concat();
    let frame = |control: [u8; 2], more: &[u8], body: &[u8]| [&control[..], &[0; 22], more, body].concat();
    let read = |link, bytes: &[u8]| parse(link, bytes).map(|segment| segment.payload.to_vec());
    let found = Ok(b"EHLO x".to_vec());
    assert_eq!(read(105, &frame([8, 1], &[], &body)), found);
    assert_eq!(read(105, &frame([0x88, 2], &[0; 2], &body)), found, "with quality of service");
    assert_eq!(read(105, &frame([0x88, 0x82], &[0; 6], &body)), found, "and high throughput");
    assert_eq!(read(105, &frame([8, 3], &[0; 6], &body)), found, "between access points");
    let inner = [&[2; 12][..], &[0, 60], &body].concat();
    assert_eq!(read(105, &frame([0x88, 1], &[0x80, 0], &inner)), found, "several in one");
    assert_eq!(read(105, &frame([8, 0x41], &[], &body)), Err(Unusable::NotIp), "encrypted");
    assert_eq!(read(105, &frame([0x48, 1], &[], &body)), Err(Unusable::NotIp), "without data");
    assert_eq!(read(105, &frame([0x80, 0], &[], &body)), Err(Unusable::NotIp), "a beacon");
    assert_eq!(read(105, &frame([8, 5], &[], &body)), Err(Unusable::Fragment));
    // Two words of fields; a clock, aligned; the flag of a header that was filled up, by two bytes.
    let head = [&[0, 0, 25, 0, 3, 0, 0, 0x80, 1, 0, 0, 0, 0, 0, 0, 0][..], &[9; 8], &[0x20]].concat();
    assert_eq!(read(127, &[head, frame([0x88, 1], &[0; 4], &body)].concat()), found);
    assert_eq!(read(127, &[&[0, 0, 8, 0, 0, 0, 0, 0][..], &frame([8, 1], &[], &body)].concat()), found);
    assert_eq!(read(127, &[0, 0, 8, 0, 0, 0, 0, 0x80]), Err(Unusable::Cut));
}

#[test]
fn ipv6_with_extension_headers() {
    let plain = ipv6_packet(6, &[], b"x");
    let found = parse(101, &plain).unwrap();
    assert_eq!((found.source.0 & 0xffff, found.destination, found.payload), (1, (found.source.0 + 1, 25), &b"x"[..]));
    let options = [[0; 8], [43, 0, 0, 0, 0, 0, 0, 0]];
    let mut chain = options[0].to_vec();
    chain[0] = 60;
    chain.extend([6, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(parse(101, &ipv6_packet(0, &chain, b"yz")).unwrap().payload, b"yz");
    // A fragment header on a whole packet (RFC 6946), and on a part of one.
    assert_eq!(parse(101, &ipv6_packet(44, &[6, 0, 0, 0, 0, 0, 0, 1], b"a")).unwrap().payload, b"a");
    assert_eq!(parse(101, &ipv6_packet(44, &[6, 0, 0, 1, 0, 0, 0, 1], b"a")), Err(Unusable::Fragment));
    assert_eq!(parse(101, &ipv6_packet(58, &[], b"a")), Err(Unusable::NotTcp));
}

#[test]
fn what_was_not_captured_is_missing_and_padding_is_not_payload() {
    let packet = ipv4_packet(b"0123456789");
    let found = parse(101, &packet[..44]).unwrap();
    assert_eq!((found.payload, found.length), (&b"0123"[..], 10));
    assert_eq!(parse(101, &packet[..39]), Err(Unusable::Cut));
    let padded = [&packet[..], &[0; 9]].concat();
    assert_eq!(parse(101, &padded).unwrap().payload, b"0123456789");
    let mut offloaded = packet.clone();
    offloaded[2..4].fill(0);
    assert_eq!(parse(101, &offloaded).unwrap().payload, b"0123456789");
    let mut fragment = packet.clone();
    fragment[6] = 0x20;
    assert_eq!(parse(101, &fragment), Err(Unusable::Fragment));
    let mut short = packet.clone();
    short[3] = 39;
    assert_eq!(parse(101, &short), Err(Unusable::Malformed));
}

proptest! {
    #[test]
    fn any_bytes_are_survived(
        link in prop_oneof![Just(1), Just(101), Just(113), Just(276), Just(0), Just(9)],
        bytes in proptest::collection::vec(any::<u8>(), 0..150),
    ) {
        if let Ok(found) = parse(link, &bytes) {
            prop_assert!(found.payload.len() <= bytes.len());
        }
    }

    #[test]
    fn truncated_packets_of_both_families_are_survived(length in 0usize..100) {
        for packet in [ipv4_packet(&[7; 40]), ipv6_packet(0, &[6, 0, 0, 0, 0, 0, 0, 0], &[7; 40])] {
            let length = length.min(packet.len());
            if let Ok(found) = parse(101, &packet[..length]) {
                prop_assert_eq!(found.length, 40);
            }
        }
    }
}
