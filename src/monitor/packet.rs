//! TCP segments out of captured packets. Hostile input is normal: every length is checked before it is believed.
//!
//! Checksums are not looked at: what a host captures of its own sending has none yet (offloading).

mod radio;
mod tunnel;

use super::capture::Captured;
use crate::wire::flags;

/// Why a packet is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// Its link type is not known.
    Link,
    /// It carries neither IPv4 nor IPv6.
    NotIp,
    /// It is a fragment.
    Fragment,
    /// It carries another protocol than TCP.
    NotTcp,
    /// Its headers were not captured as a whole.
    Cut,
    /// Its headers contradict themselves.
    Malformed,
}

/// An address: IPv4 as IPv6 that maps it (RFC 4291, section 2.5.5.2).
pub type Address = u128;

/// A segment, as far as it was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Source address and port.
    pub source: (Address, u16),
    /// Destination address and port.
    pub destination: (Address, u16),
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Flags, see [`flags`].
    pub flags: u8,
    /// Payload, as far as it was captured.
    pub payload: &'a [u8],
    /// Bytes of payload that it had.
    pub length: u32,
}

impl Segment<'_> {
    /// Whether all of `wanted` are set.
    pub const fn has(&self, wanted: u8) -> bool {
        self.flags & wanted == wanted
    }

    /// Sequence number of its first byte of payload.
    pub const fn first(&self) -> u32 {
        if self.has(flags::SYN) { self.seq.wrapping_add(1) } else { self.seq }
    }
}

const ETHERNET: i32 = 1;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: [u16; 3] = [0x8100, 0x88a8, 0x9100];
const PPPOE_SESSION: u16 = 0x8864;
const MPLS: u16 = 0x8847;
/// Cisco's metadata header: security group tags.
const METADATA: u16 = 0x8909;
/// Cisco's tags of virtual interfaces, and of paths: another frame follows.
const VN_TAG: u16 = 0x8926;
const FABRIC_PATH: u16 = 0x8903;
/// A provider's tag before a customer's frame (IEEE 802.1ah).
const BACKBONE: u16 = 0x88e7;
/// What is no type of Ethernet's is a length (IEEE 802.3).
const LENGTH_MAX: u16 = 1_500;
const TCP: u8 = 6;

/// The segment in a packet.
pub fn segment<'a>(captured: &Captured<'a>) -> Result<Segment<'a>, Unusable> {
    link(captured.link, captured.bytes, 0)
}

/// What a header of this link type leads to; inside of `depth` others.
fn link(kind: i32, bytes: &[u8], depth: u8) -> Result<Segment<'_>, Unusable> {
    if depth > tunnel::DEPTH_MAX {
        return Err(Unusable::NotTcp);
    }
    match kind {
        ETHERNET => ethertype(bytes, 12, 14, depth),
        // BSD's loopback: an address family in the byte order of who captured, which is not always that of the file.
        0 | 108 => {
            let family: [u8; 4] = *bytes.first_chunk().ok_or(Unusable::Cut)?;
            if family.contains(&0) { ip(&bytes[4..], depth) } else { Err(Unusable::NotIp) }
        }
        // DLT_RAW has had several numbers.
        12 | 14 | 101 | 228 | 229 => ip(bytes, depth),
        // Linux "cooked": https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL.html and _SLL2.
        113 => ethertype(bytes, 14, 16, depth),
        276 => ethertype(bytes, 0, 20, depth),
        // PPP on serial lines can be Cisco's too.
        50 if matches!(bytes, [0x0f | 0x8f, 0, ..]) => ethertype(bytes, 2, 4, depth),
        9 | 50 => ppp(bytes, depth),
        51 => pppoe(bytes, depth),
        // Cisco's HDLC: an address, a byte, a type of Ethernet's.
        104 => ethertype(bytes, 2, 4, depth),
        105 => radio::frame(bytes, false, depth),
        127 => radio::radiotap(bytes, depth),
        192 => radio::per_packet(bytes, depth),
        258 => radio::pktap(bytes, depth),
        239 => ip(logged(bytes)?, depth),
        _ => Err(Unusable::Link),
    }
}

/// PPP, perhaps in HDLC-like framing, perhaps with shortened numbers (RFC 1661, section 6.5; RFC 1662).
fn ppp(bytes: &[u8], depth: u8) -> Result<Segment<'_>, Unusable> {
    match bytes.strip_prefix(&[0xff, 0x03]).unwrap_or(bytes) {
        [0x00, 0x21 | 0x57, packet @ ..] | [0x21 | 0x57, packet @ ..] => ip(packet, depth),
        [0x02, 0x81, rest @ ..] => ip(below_labels(rest)?, depth),
        [] => Err(Unusable::Cut),
        _ => Err(Unusable::NotIp),
    }
}

/// RFC 2516, section 4: PPP without framing, and its numbers are whole.
fn pppoe(bytes: &[u8], depth: u8) -> Result<Segment<'_>, Unusable> {
    match be16(bytes, 6)? {
        0x0021 | 0x0057 => ip(&bytes[8..], depth),
        0x0281 => ip(below_labels(&bytes[8..])?, depth),
        _ => Err(Unusable::NotIp),
    }
}

/// The packet among what Linux' firewall logged: <https://www.tcpdump.org/linktypes/LINKTYPE_NFLOG.html>.
fn logged(bytes: &[u8]) -> Result<&[u8], Unusable> {
    const PACKET: u16 = 9;
    let mut fields = bytes.get(4..).ok_or(Unusable::Cut)?;
    loop {
        let (length, kind) = (usize::from(le16(fields, 0)?), le16(fields, 2)?);
        if length < 4 {
            return Err(Unusable::Malformed);
        }
        if kind & 0x7fff == PACKET {
            return Ok(&fields[4..length.min(fields.len())]);
        }
        fields = fields.get(length.next_multiple_of(4)..).ok_or(Unusable::Cut)?;
    }
}

/// IEEE 802.2, with the type of Ethernet's that SNAP adds (RFC 1042).
fn llc(bytes: &[u8], depth: u8) -> Result<Segment<'_>, Unusable> {
    match bytes {
        [0xaa, 0xaa, 0x03, ..] => ethertype(bytes, 6, 8, depth),
        [_, _, _, ..] => Err(Unusable::NotIp),
        _ => Err(Unusable::Cut),
    }
}

/// What follows the EtherType at `at`, with its header up to `header`; inside of `depth` other packets.
fn ethertype(bytes: &[u8], at: usize, header: usize, depth: u8) -> Result<Segment<'_>, Unusable> {
    let mut kind = be16(bytes, at)?;
    let mut rest = bytes.get(header..).ok_or(Unusable::Cut)?;
    loop {
        let tag = match kind {
            _ if VLAN.contains(&kind) => 4,
            // Version, length in words of four bytes and one more, options, the next EtherType.
            METADATA => 4 + 4 * usize::from(*rest.get(1).ok_or(Unusable::Cut)?),
            VN_TAG => 6,
            _ => break,
        };
        kind = be16(rest, tag - 2)?;
        rest = &rest[tag..];
    }
    match kind {
        IPV4 | IPV6 => ip(rest, depth),
        PPPOE_SESSION => pppoe(rest, depth),
        FABRIC_PATH => tunnel::ethernet(rest.get(2..), depth + 1),
        BACKBONE => tunnel::ethernet(rest.get(4..), depth + 1),
        0..=LENGTH_MAX => llc(rest, depth),
        MPLS => ip(below_labels(rest)?, depth),
        _ => Err(Unusable::NotIp),
    }
}

/// What MPLS labels lead to (RFC 3032, section 2.1).
fn below_labels(mut bytes: &[u8]) -> Result<&[u8], Unusable> {
    loop {
        let label: &[u8; 4] = bytes.first_chunk().ok_or(Unusable::Cut)?;
        bytes = &bytes[4..];
        if label[2] & 1 == 1 {
            return Ok(bytes);
        }
    }
}

fn ip(packet: &[u8], depth: u8) -> Result<Segment<'_>, Unusable> {
    match packet.first().ok_or(Unusable::Cut)? >> 4 {
        4 => ipv4(packet, depth),
        6 => ipv6(packet, depth),
        _ => Err(Unusable::NotIp),
    }
}

/// RFC 791.
fn ipv4(packet: &[u8], depth: u8) -> Result<Segment<'_>, Unusable> {
    let fixed: &[u8; 20] = packet.first_chunk().ok_or(Unusable::Cut)?;
    let header = usize::from(fixed[0] & 0x0f) * 4;
    // Segments that the network card will cut have no length yet.
    let total = match usize::from(be16(fixed, 2)?) {
        0 => packet.len(),
        total => total,
    };
    if header < 20 || total < header {
        return Err(Unusable::Malformed);
    }
    if be16(fixed, 6)? & 0x3fff != 0 {
        return Err(Unusable::Fragment);
    }
    let payload = packet.get(header..packet.len().min(total)).ok_or(Unusable::Cut)?;
    if fixed[9] != TCP {
        return tunnel::inside(fixed[9], payload, depth);
    }
    let address = |at| Ok(0xffff_0000_0000 | u128::from(be32(fixed, at)?));
    tcp(address(12)?, address(16)?, payload, total - header)
}

/// RFC 8200, with the extension headers of its section 4.
fn ipv6(packet: &[u8], depth: u8) -> Result<Segment<'_>, Unusable> {
    let fixed: &[u8; 40] = packet.first_chunk().ok_or(Unusable::Cut)?;
    let mut left = match usize::from(be16(fixed, 4)?) {
        0 => packet.len() - 40,
        length => length,
    };
    let mut next = fixed[6];
    let mut rest = &packet[40..packet.len().min(40 + left)];
    loop {
        let length = match next {
            TCP => break,
            // Hop-by-hop options, routing, destination options, mobility, host identity.
            0 | 43 | 60 | 135 | 139 => 8 + 8 * usize::from(*rest.get(1).ok_or(Unusable::Cut)?),
            // Authentication (RFC 4302, section 2.2).
            51 => 8 + 4 * usize::from(*rest.get(1).ok_or(Unusable::Cut)?),
            44 => {
                if be16(rest, 2)? & 0xfff9 != 0 {
                    return Err(Unusable::Fragment);
                }
                8
            }
            other => return tunnel::inside(other, rest, depth),
        };
        left = left.checked_sub(length).ok_or(Unusable::Malformed)?;
        next = *rest.first().ok_or(Unusable::Cut)?;
        rest = rest.get(length..).ok_or(Unusable::Cut)?;
    }
    let address = |at: usize| fixed[at..at + 16].iter().fold(0, |sum, byte| sum << 8 | u128::from(*byte));
    tcp(address(8), address(24), rest, left)
}

/// RFC 9293, section 3.1. `length` is what the packet had, header and payload.
fn tcp(source: Address, destination: Address, bytes: &[u8], length: usize) -> Result<Segment<'_>, Unusable> {
    let fixed: &[u8; 20] = bytes.first_chunk().ok_or(if length < 20 { Unusable::Malformed } else { Unusable::Cut })?;
    let header = usize::from(fixed[12] >> 4) * 4;
    if header < 20 || header > length {
        return Err(Unusable::Malformed);
    }
    let payload = bytes.get(header..).unwrap_or_default();
    Ok(Segment {
        source: (source, be16(fixed, 0)?),
        destination: (destination, be16(fixed, 2)?),
        seq: be32(fixed, 4)?,
        ack: be32(fixed, 8)?,
        flags: fixed[13],
        payload,
        length: u32::try_from(length - header).map_err(|_| Unusable::Malformed)?,
    })
}

fn be16(bytes: &[u8], at: usize) -> Result<u16, Unusable> {
    let two = bytes.get(at..at + 2).ok_or(Unusable::Cut)?;
    Ok(u16::from_be_bytes([two[0], two[1]]))
}

fn le16(bytes: &[u8], at: usize) -> Result<u16, Unusable> {
    be16(bytes, at).map(u16::swap_bytes)
}

fn le32(bytes: &[u8], at: usize) -> Result<u32, Unusable> {
    be32(bytes, at).map(u32::swap_bytes)
}

fn be32(bytes: &[u8], at: usize) -> Result<u32, Unusable> {
    let four = bytes.get(at..at + 4).ok_or(Unusable::Cut)?;
    Ok(u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests;
