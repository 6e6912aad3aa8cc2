//! The verdict a third time, written from the rules and not from `verdict.h`: slices cut to what the
//! lengths promise, the reference SipHash, flags as booleans.

use siphasher::sip::SipHasher13;
use starling::nic::contract::{ACK_WINDOW, Config, FORWARD_CLOSED, FORWARD_ICMP, Reason, Verdict};
use std::hash::Hasher;
use std::net::{Ipv4Addr, SocketAddrV4};

/// Verdict and reason that the rules demand.
pub(crate) fn expected(frame: &[u8], config: &Config) -> (Verdict, Reason) {
    let reason = reason(frame, config);
    let verdict = match reason.name().split('_').next() {
        Some("pass") => Verdict::Pass,
        Some("up") => Verdict::Up,
        _ => Verdict::Drop,
    };
    (verdict, reason)
}

/// Sequence number of the SYN from `local` to `remote`.
pub(crate) fn cookie(config: &Config, remote: SocketAddrV4, local: SocketAddrV4) -> u32 {
    let mut hasher = SipHasher13::new_with_keys(config.key[0], config.key[1]);
    hasher.write(&remote.ip().octets());
    hasher.write(&local.ip().octets());
    hasher.write(&remote.port().to_be_bytes());
    hasher.write(&local.port().to_be_bytes());
    let [a, b, c, d, ..] = hasher.finish().to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

fn reason(frame: &[u8], config: &Config) -> Reason {
    let Some(datagram) = ethernet_payload(frame).and_then(Datagram::parse) else {
        return Reason::PassOther;
    };
    if datagram.more_fragments || datagram.fragment_offset != 0 {
        return Reason::PassFragment;
    }
    let for_us = datagram.destination == Ipv4Addr::from_bits(config.address);
    match datagram.protocol {
        1 | 6 if !for_us => Reason::PassNotOurs,
        6 => segment(&datagram, config),
        1 => icmp(datagram.payload, config),
        _ => Reason::PassOther,
    }
}

fn ethernet_payload(frame: &[u8]) -> Option<&[u8]> {
    match frame.get(12..)? {
        [0x81, 0x00, _, _, 0x08, 0x00, payload @ ..] | [0x88, 0xa8, _, _, 0x08, 0x00, payload @ ..] => Some(payload),
        [0x08, 0x00, payload @ ..] => Some(payload),
        _ => None,
    }
}

struct Datagram<'a> {
    more_fragments: bool,
    fragment_offset: u16,
    protocol: u8,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    payload: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// A datagram at the start of `bytes`, all of it.
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let total = usize::from(be16(bytes, 2)?);
        let whole = bytes.get(..total)?;
        Self::parse_head(whole)
    }

    /// A datagram of which `bytes` may be only the beginning, its total length unread.
    fn parse_head(bytes: &'a [u8]) -> Option<Self> {
        let (version, words) = (bytes.first()? / 16, bytes.first()? % 16);
        if version != 4 || words < 5 {
            return None;
        }
        let payload = bytes.get(usize::from(words) * 4..)?;
        let fragment = be16(bytes, 6)?;
        Some(Self {
            more_fragments: fragment & 0x2000 != 0,
            fragment_offset: fragment % 0x2000,
            protocol: *bytes.get(9)?,
            source: Ipv4Addr::from_bits(be32(bytes, 12)?),
            destination: Ipv4Addr::from_bits(be32(bytes, 16)?),
            payload,
        })
    }
}

fn segment(datagram: &Datagram<'_>, config: &Config) -> Reason {
    let tcp = datagram.payload;
    let (Some(remote_port), Some(local_port)) = (be16(tcp, 0), be16(tcp, 2)) else {
        return Reason::PassOther;
    };
    if !(config.port_first..=config.port_last).contains(&local_port) {
        return Reason::PassNotOurs;
    }
    let (Some(seq), Some(ack), Some(&[offset, flags]), Some(_)) =
        (be32(tcp, 4), be32(tcp, 8), tcp.get(12..14), tcp.get(19))
    else {
        return Reason::DropBadSegment;
    };
    let header = usize::from(offset / 16) * 4;
    if header < 20 || tcp.len() < header {
        return Reason::DropBadSegment;
    }
    let remote = SocketAddrV4::new(datagram.source, remote_port);
    let local = SocketAddrV4::new(datagram.destination, local_port);
    let first = cookie(config, remote, local).wrapping_add(1);
    let in_window = ack.wrapping_sub(first) <= ACK_WINDOW;
    let has = |bit: u8| flags & bit != 0;
    match (has(0x02), has(0x04), has(0x10)) {
        (true, false, true) if ack == first => Reason::UpSynAck,
        (true, false, true) => Reason::DropBadCookie,
        (true, _, _) => Reason::DropBadSegment,
        (false, true, false) => Reason::UpSegment,
        (false, true, true) if seq == 0 && ack == first && config.flags & FORWARD_CLOSED != 0 => Reason::UpClosed,
        (false, true, true) if seq == 0 && ack == first => Reason::DropClosed,
        (false, _, true) if in_window => Reason::UpSegment,
        _ => Reason::DropBadSegment,
    }
}

fn icmp(message: &[u8], config: &Config) -> Reason {
    let Some((head, quote)) = message.split_at_checked(8) else {
        return Reason::PassOther;
    };
    if ![3, 4, 11, 12].contains(&head[0]) {
        return Reason::PassOther;
    }
    match quotes_us(quote, config) {
        Some(true) if config.flags & FORWARD_ICMP != 0 => Reason::UpIcmp,
        Some(true) => Reason::DropIcmp,
        _ => Reason::PassNotOurs,
    }
}

fn quotes_us(quote: &[u8], config: &Config) -> Option<bool> {
    let sent = Datagram::parse_head(quote)?;
    let local = SocketAddrV4::new(sent.source, be16(sent.payload, 0)?);
    let remote = SocketAddrV4::new(sent.destination, be16(sent.payload, 2)?);
    let distance = be32(sent.payload, 4)?.wrapping_sub(cookie(config, remote, local));
    let is_first_part_of_tcp = sent.protocol == 6 && sent.fragment_offset == 0;
    let from_us = sent.source == Ipv4Addr::from_bits(config.address)
        && (config.port_first..=config.port_last).contains(&local.port());
    Some(is_first_part_of_tcp && from_us && distance <= ACK_WINDOW)
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
