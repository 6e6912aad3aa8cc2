//! ICMP errors (RFC 792): which of our segments one is about.

use super::parse::{Malformed, be16, be32, datagram, network};
use super::{Tuple, checksum::Sum};

/// Type: destination unreachable.
pub const UNREACHABLE: u8 = 3;
/// Type: source quench (deprecated, RFC 6633).
pub const SOURCE_QUENCH: u8 = 4;
/// Type: time exceeded.
pub const TIME_EXCEEDED: u8 = 11;
/// Type: parameter problem.
pub const PARAMETER_PROBLEM: u8 = 12;

/// An ICMP error that quotes a TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Who sent it.
    pub responder: u32,
    /// Whom it was sent to.
    pub destination: u32,
    /// Time to live of its IPv4 header.
    pub ttl: u8,
    /// IPv4 identification.
    pub id: u16,
    /// ICMP type.
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
    /// The segment that it quotes, as we sent it: the quoted source is local.
    pub tuple: Tuple,
    /// That segment's sequence number.
    pub seq: u32,
}

/// The ICMP error in an Ethernet frame. Its checksums are verified; those of the quoted headers are not looked at,
/// as the verdict does, for routers are known to rewrite them.
pub fn report(frame: &[u8]) -> Result<Report, Malformed> {
    let outer = datagram(network(frame)?, 1)?;
    let head: &[u8; 8] = outer.payload.first_chunk().ok_or(Malformed::Length)?;
    if ![UNREACHABLE, SOURCE_QUENCH, TIME_EXCEEDED, PARAMETER_PROBLEM].contains(&head[0]) {
        return Err(Malformed::Protocol);
    }
    if Sum::default().bytes(outer.payload).finish() != 0 {
        return Err(Malformed::Checksum);
    }
    let quote = &outer.payload[8..];
    let inner: &[u8; 20] = quote.first_chunk().ok_or(Malformed::Length)?;
    let header_length = usize::from(inner[0] & 0x0f) * 4;
    if inner[0] >> 4 != 4 || inner[9] != 6 {
        return Err(Malformed::Protocol);
    }
    if header_length < 20 {
        return Err(Malformed::Length);
    }
    // Only the first fragment has the ports.
    if be16(inner, 6) & 0x1fff != 0 {
        return Err(Malformed::Fragment);
    }
    // RFC 792 promises eight bytes: ports and sequence number.
    let tcp: &[u8; 8] = quote.get(header_length..).and_then(<[u8]>::first_chunk).ok_or(Malformed::Length)?;
    let tuple =
        Tuple { remote: be32(inner, 16), local: be32(inner, 12), remote_port: be16(tcp, 2), local_port: be16(tcp, 0) };
    Ok(Report {
        responder: outer.source,
        destination: outer.destination,
        ttl: outer.ttl,
        id: outer.id,
        kind: head[0],
        code: head[1],
        tuple,
        seq: be32(tcp, 4),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::probe::{Facts, Template};
    use crate::wire::{Link, parse};
    use proptest::prelude::*;

    const LINK: Link = Link { source: [2, 0, 0, 0, 0, 1], destination: [2, 0, 0, 0, 0, 2] };
    const US: u32 = 0x0a4d_0002;

    /// Host unreachable from 10.9.9.9 about our probe to 198.18.0.1:25, quoting `quoted` bytes of it.
    fn unreachable(quoted: usize) -> Vec<u8> {
        let mut probe = [0; 64];
        let facts = Facts { address: 0xc612_0001, port: 25, source_port: 61_000, seq: 77 };
        Template::new(&LINK, US).write(&facts, &mut probe);
        let mut message = vec![3, 1, 0, 0, 0, 0, 0, 0];
        message.extend(&probe[14..14 + quoted]);
        let sum = Sum::default().bytes(&message).finish().to_be_bytes();
        message[2..4].copy_from_slice(&sum);
        let mut frame = vec![0; 12];
        frame.extend([8, 0]);
        let mut header = vec![0x45, 0, 0, 0, 0, 9, 0, 0, 250, 1, 0, 0, 10, 9, 9, 9, 10, 77, 0, 2];
        let total = u16::try_from(20 + message.len()).expect("small");
        header[2..4].copy_from_slice(&total.to_be_bytes());
        let sum = Sum::default().bytes(&header).finish().to_be_bytes();
        header[10..12].copy_from_slice(&sum);
        frame.extend(header);
        frame.extend(message);
        frame
    }

    #[test]
    fn a_report_names_the_probe_and_the_responder() {
        let expected = Report {
            responder: 0x0a09_0909,
            destination: US,
            ttl: 250,
            id: 9,
            kind: UNREACHABLE,
            code: 1,
            tuple: Tuple { remote: 0xc612_0001, local: US, remote_port: 25, local_port: 61_000 },
            seq: 77,
        };
        assert_eq!(report(&unreachable(28)), Ok(expected));
        assert_eq!(report(&unreachable(44)), Ok(expected));
        assert_eq!(parse::segment(&unreachable(28)), Err(Malformed::Protocol));
    }

    #[test]
    fn every_truncation_is_an_error_and_so_is_every_flipped_bit_of_the_message() {
        let frame = unreachable(28);
        for length in 0..frame.len() {
            assert!(report(&frame[..length]).is_err(), "{length}");
        }
        assert_eq!(report(&unreachable(27)), Err(Malformed::Length));
        for bit in 14 * 8..frame.len() * 8 {
            let mut bytes = frame.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(report(&bytes).is_err(), "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = report(&bytes);
        }
    }
}
