//! Packets inside packets, as mirror ports, clouds and mobile networks send them on. Who hands a packet on is not who talks: the
//! addresses are those inside.

use super::{IPV4, IPV6, MPLS, Segment, Unusable, be16, below_labels, ethertype, ip};

/// So many wrappings are taken off.
const DEPTH_MAX: u8 = 4;

/// Ports of UDP that say what is inside.
const GTP_USER: u16 = 2_152;
const VXLAN: u16 = 4_789;
const GENEVE: u16 = 6_081;

/// Types of Ethernet that are not a header of their own.
const ETHERNET: u16 = 0x6558;
const ERSPAN: u16 = 0x88be;
const ERSPAN_III: u16 = 0x22eb;

/// The segment in the payload of an IP packet that is not TCP.
pub(super) fn inside(protocol: u8, payload: &[u8], depth: u8) -> Result<Segment<'_>, Unusable> {
    if depth >= DEPTH_MAX {
        return Err(Unusable::NotTcp);
    }
    let depth = depth + 1;
    match protocol {
        // IP in IP (RFC 2003; RFC 2473; RFC 4213, section 3.5).
        4 | 41 => ip(payload, depth),
        17 => udp(payload, depth),
        47 => gre(payload, depth),
        _ => Err(Unusable::NotTcp),
    }
}

/// What a port promises and the bytes do not keep is UDP like any other.
fn udp(bytes: &[u8], depth: u8) -> Result<Segment<'_>, Unusable> {
    let Some(payload) = bytes.get(8..) else { return Err(Unusable::NotTcp) };
    let inside = match be16(bytes, 2)? {
        GTP_USER => gtp(payload, depth),
        // RFC 7348, section 5: the bit that says that there is a network's number. Others are reserved, and in use.
        VXLAN if payload.first().is_some_and(|flags| flags & 8 != 0) => ethernet(payload.get(8..), depth),
        // RFC 8926, section 3.4.
        GENEVE if payload.len() >= 8 && payload[0] >> 6 == 0 => {
            let options = 4 * usize::from(payload[0] & 0x3f);
            of_type(be16(payload, 2)?, payload.get(8 + options..), depth)
        }
        _ => Err(Unusable::NotTcp),
    };
    inside.map_err(|unusable| if unusable == Unusable::Fragment { unusable } else { Unusable::NotTcp })
}

/// RFC 2784 and RFC 2890; of version 0, without its source routes.
fn gre(bytes: &[u8], depth: u8) -> Result<Segment<'_>, Unusable> {
    let (flags, kind) = (be16(bytes, 0)?, be16(bytes, 2)?);
    if flags & 0x4007 != 0 {
        return Err(Unusable::NotTcp);
    }
    let sequenced = flags & 0x1000 != 0;
    let options = [0x8000, 0x2000, 0x1000].iter().filter(|option| flags & **option != 0).count();
    let rest = bytes.get(4 + 4 * options..).ok_or(Unusable::Cut)?;
    match kind {
        // draft-foschiano-erspan: type I has no header, and no sequence number.
        ERSPAN => ethernet(rest.get(if sequenced { 8 } else { 0 }..), depth),
        ERSPAN_III => {
            let further = be16(rest, 10)? & 1 == 1;
            ethernet(rest.get(if further { 20 } else { 12 }..), depth)
        }
        kind => of_type(kind, Some(rest), depth),
    }
}

/// What follows a type of Ethernet's.
fn of_type(kind: u16, rest: Option<&[u8]>, depth: u8) -> Result<Segment<'_>, Unusable> {
    match kind {
        IPV4 | IPV6 => ip(rest.ok_or(Unusable::Cut)?, depth),
        MPLS => ip(below_labels(rest.ok_or(Unusable::Cut)?)?, depth),
        ETHERNET => ethernet(rest, depth),
        _ => Err(Unusable::NotTcp),
    }
}

fn ethernet(frame: Option<&[u8]>, depth: u8) -> Result<Segment<'_>, Unusable> {
    ethertype(frame.ok_or(Unusable::Cut)?, 12, 14, depth)
}

/// 3GPP TS 29.281, section 5.1: a user's packet, behind what options and extension headers there are.
fn gtp(bytes: &[u8], depth: u8) -> Result<Segment<'_>, Unusable> {
    let [flags, 0xff, ..] = bytes else { return Err(Unusable::NotTcp) };
    if flags >> 4 != 3 {
        return Err(Unusable::NotTcp);
    }
    let mut at = if flags & 7 == 0 { 8 } else { 12 };
    if flags & 4 != 0 {
        let mut next = *bytes.get(11).ok_or(Unusable::Cut)?;
        while next != 0 {
            let length = 4 * usize::from(*bytes.get(at).ok_or(Unusable::Cut)?);
            if length == 0 {
                return Err(Unusable::Malformed);
            }
            at += length;
            next = *bytes.get(at - 1).ok_or(Unusable::Cut)?;
        }
    }
    ip(bytes.get(at..).ok_or(Unusable::Cut)?, depth)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests;
