//! Frames as a host sends them: what `wire` emits, and what no sane stack would.

use crate::wire::checksum::Sum;
use crate::wire::emit::{HEADERS, Outgoing, segment as emit};
use crate::wire::{Link, Segment, Tuple};

/// Largest frame a host sends.
const FRAME_MAX: usize = 1_514;
/// Urgent pointer is significant (RFC 9293, section 3.1).
pub const URG: u8 = 0x20;

/// Header fields of a host's segment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Header {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Flags.
    pub flags: u8,
    /// Window.
    pub window: u16,
    /// MSS option.
    pub mss: Option<u16>,
}

/// The way from the host that `segment` was sent to, back to its sender.
pub fn way_back(segment: &Segment<'_>) -> Tuple {
    Tuple {
        remote: segment.source,
        local: segment.destination,
        remote_port: segment.source_port,
        local_port: segment.destination_port,
    }
}

/// A TCP segment as a frame; with [`URG`] in its flags, its urgent pointer points at the first payload byte.
pub fn tcp(link: &Link, tuple: Tuple, header: &Header, payload: &[u8]) -> Vec<u8> {
    let mut buffer = [0; FRAME_MAX];
    let Header { seq, ack, flags, window, mss } = *header;
    let length = emit(link, &Outgoing { tuple, seq, ack, flags, window, mss, payload, id: 0 }, &mut buffer);
    let mut frame = buffer[..length].to_vec();
    if flags & URG != 0 {
        let end = HEADERS + if mss.is_some() { 4 } else { 0 } + payload.len();
        frame[HEADERS - 2..HEADERS].copy_from_slice(&1u16.to_be_bytes());
        frame[HEADERS - 4..HEADERS - 2].fill(0);
        let bytes = u16::try_from(end - 34).unwrap_or(u16::MAX);
        let sum = Sum::default().pseudo_header(tuple.local, tuple.remote, bytes).bytes(&frame[34..end]).finish();
        frame[HEADERS - 4..HEADERS - 2].copy_from_slice(&sum.to_be_bytes());
    }
    frame
}

/// An ICMP error (RFC 792) from the host itself that quotes the segment of `quoted`: type and code.
pub fn icmp(link: &Link, quoted: &[u8], kind: (u8, u8)) -> Vec<u8> {
    const QUOTED: usize = 28;
    let mut frame = Vec::with_capacity(14 + 20 + 8 + QUOTED);
    frame.extend(link.destination);
    frame.extend(link.source);
    frame.extend([0x08, 0x00]);
    let quote = &quoted[14..14 + QUOTED];
    let (from, to) = (&quote[16..20], &quote[12..16]);
    let mut ip = vec![0x45, 0, 0, 20 + 8 + 28, 0, 0, 0, 0, 64, 1, 0, 0];
    ip.extend(from);
    ip.extend(to);
    let sum = Sum::default().bytes(&ip).finish();
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    frame.extend(ip);
    let mut icmp = vec![kind.0, kind.1, 0, 0, 0, 0, 0, 0];
    icmp.extend(quote);
    let sum = Sum::default().bytes(&icmp).finish();
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    frame.extend(icmp);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::keyed::Key;
    use crate::nic::contract::{Config, Reason};
    use crate::nic::verdict::verdict;
    use crate::tcp::cookie::cookie;
    use crate::wire::{flags, parse};

    const LINK: Link = Link { source: [2, 0, 0, 0, 0, 1], destination: [2, 0, 0, 0, 0, 2] };
    const TUPLE: Tuple = Tuple { remote: 0x0a4d_0002, local: 0xc612_0001, remote_port: 61_000, local_port: 25 };

    #[test]
    fn urgent_segments_have_a_right_checksum() {
        let header = Header { seq: 1, ack: 2, flags: flags::ACK | URG, window: 3, mss: None };
        for payload in [&b"odd"[..], &b"even"[..], &[7; 1_000][..]] {
            let frame = tcp(&LINK, TUPLE, &header, payload);
            let segment = parse::segment(&frame).expect("well-formed");
            assert_eq!((segment.payload, segment.flags), (payload, flags::ACK | URG));
            assert_eq!(frame[HEADERS - 2..HEADERS], [0, 1]);
        }
    }

    #[test]
    fn errors_are_recognised_as_answers_to_our_probe() {
        let key = Key([1, 2]);
        let ours = Tuple { remote: TUPLE.local, local: TUPLE.remote, remote_port: 25, local_port: 61_000 };
        let syn = Header { seq: cookie(key, ours), flags: flags::SYN, ..Header::default() };
        let frame = icmp(&LINK, &tcp(&LINK, ours, &syn, &[]), (3, 1));
        let config = Config::new(key, ours.local, 61_000, 61_000);
        assert_eq!(verdict(&frame, &config).1, Reason::DropIcmp);
    }
}
