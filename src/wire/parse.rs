//! Reading a frame. Hostile input is normal: every length is checked before it is believed.

use super::Segment;
use super::checksum::Sum;

/// Why a frame gave no segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Not IPv4 over Ethernet (one VLAN tag tolerated), or not TCP.
    Protocol,
    /// A header or a declared length does not fit in the frame.
    Length,
    /// A fragment.
    Fragment,
    /// The IPv4 or the TCP checksum is wrong.
    Checksum,
}

const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];
const ETHERTYPE_VLAN: [[u8; 2]; 2] = [[0x81, 0x00], [0x88, 0xa8]];

/// The TCP segment in an Ethernet frame, checksums verified.
pub fn segment(frame: &[u8]) -> Result<Segment<'_>, Malformed> {
    tcp(&datagram(network(frame)?, 6)?)
}

/// What an Ethernet frame carries, if it says that this is IPv4.
pub(super) fn network(frame: &[u8]) -> Result<&[u8], Malformed> {
    let mut ethertype = frame.get(12..14).ok_or(Malformed::Length)?;
    let mut network = &frame[14..];
    if ETHERTYPE_VLAN.iter().any(|tag| tag == ethertype) {
        ethertype = network.get(2..4).ok_or(Malformed::Length)?;
        network = &network[4..];
    }
    if ethertype == ETHERTYPE_IPV4 { Ok(network) } else { Err(Malformed::Protocol) }
}

/// An IPv4 packet, in the parts that matter here.
pub(super) struct Datagram<'a> {
    pub(super) source: u32,
    pub(super) destination: u32,
    pub(super) ttl: u8,
    pub(super) id: u16,
    pub(super) payload: &'a [u8],
}

/// The IPv4 packet of `protocol`, its header's checksum verified; bytes behind its total length (padding) are
/// ignored.
pub(super) fn datagram(packet: &[u8], protocol: u8) -> Result<Datagram<'_>, Malformed> {
    let fixed: &[u8; 20] = packet.first_chunk().ok_or(Malformed::Length)?;
    let header_length = usize::from(fixed[0] & 0x0f) * 4;
    let total_length = usize::from(be16(fixed, 2));
    if fixed[0] >> 4 != 4 || fixed[9] != protocol {
        return Err(Malformed::Protocol);
    }
    if header_length < 20 || total_length < header_length || total_length > packet.len() {
        return Err(Malformed::Length);
    }
    if be16(fixed, 6) & 0x3fff != 0 {
        return Err(Malformed::Fragment);
    }
    if Sum::default().bytes(&packet[..header_length]).finish() != 0 {
        return Err(Malformed::Checksum);
    }
    Ok(Datagram {
        source: be32(fixed, 12),
        destination: be32(fixed, 16),
        ttl: fixed[8],
        id: be16(fixed, 4),
        payload: &packet[header_length..total_length],
    })
}

fn tcp<'a>(datagram: &Datagram<'a>) -> Result<Segment<'a>, Malformed> {
    let bytes = datagram.payload;
    let fixed: &[u8; 20] = bytes.first_chunk().ok_or(Malformed::Length)?;
    let header_length = usize::from(fixed[12] >> 4) * 4;
    if header_length < 20 || header_length > bytes.len() {
        return Err(Malformed::Length);
    }
    let length = u16::try_from(bytes.len()).map_err(|_| Malformed::Length)?;
    let Datagram { source, destination, ttl, id, .. } = *datagram;
    if Sum::default().pseudo_header(source, destination, length).bytes(bytes).finish() != 0 {
        return Err(Malformed::Checksum);
    }
    Ok(Segment {
        source,
        destination,
        source_port: be16(fixed, 0),
        destination_port: be16(fixed, 2),
        seq: be32(fixed, 4),
        ack: be32(fixed, 8),
        flags: fixed[13],
        window: be16(fixed, 14),
        ttl,
        id,
        options: &bytes[20..header_length],
        payload: &bytes[header_length..],
    })
}

pub(super) fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

pub(super) fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::emit::{Outgoing, segment as emit};
    use crate::wire::{Link, Tuple, flags};
    use proptest::prelude::*;

    const LINK: Link = Link { source: [2, 0, 0, 0, 0, 1], destination: [2, 0, 0, 0, 0, 2] };

    fn tuple() -> Tuple {
        Tuple { remote: 0xc612_0001, local: 0x0a4d_0002, remote_port: 25, local_port: 61_000 }
    }

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut buffer = [0; 1_518];
        let outgoing = Outgoing {
            tuple: tuple(),
            seq: 7,
            ack: 9,
            flags: flags::ACK | flags::PSH,
            window: 512,
            mss: Some(1_460),
            payload,
            id: 3,
        };
        let length = emit(&LINK, &outgoing, &mut buffer);
        buffer[..length].to_vec()
    }

    proptest! {
        #[test]
        fn parse_inverts_emit(payload in proptest::collection::vec(any::<u8>(), 0..1_400)) {
            let frame = frame(&payload);
            let parsed = segment(&frame).expect("well-formed");
            // We emitted towards `remote`, so it is the destination.
            prop_assert_eq!((parsed.source, parsed.destination), (tuple().local, tuple().remote));
            prop_assert_eq!((parsed.source_port, parsed.destination_port), (61_000, 25));
            prop_assert_eq!((parsed.seq, parsed.ack, parsed.window, parsed.mss()), (7, 9, 512, Some(1_460)));
            prop_assert_eq!(parsed.payload, &payload[..]);
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = segment(&bytes);
        }

        #[test]
        fn one_flipped_bit_behind_the_ethernet_header_is_never_taken_for_the_same(at in 14usize..74, bit in 0u8..8) {
            let mut bytes = frame(b"0123456789abcdef");
            bytes[at] ^= 1 << bit;
            prop_assert!(segment(&bytes).is_err());
        }
    }

    #[test]
    fn every_truncation_is_an_error() {
        let frame = frame(b"hello, longer than the minimal frame");
        for length in 0..frame.len() {
            assert!(segment(&frame[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn a_vlan_tag_and_padding_are_tolerated() {
        let mut bytes = frame(b"x");
        bytes.splice(12..12, [0x81, 0x00, 0x00, 0x05]);
        bytes.extend([0xff; 9]);
        assert_eq!(segment(&bytes).expect("well-formed").payload, b"x");
    }
}
