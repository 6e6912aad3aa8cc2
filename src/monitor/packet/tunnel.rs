//! Packets inside packets, as mirror ports, clouds and mobile networks send them on. Who hands a packet on is not who talks: the
//! addresses are those inside.

use super::{IPV4, IPV6, MPLS, Segment, Unusable, be16, below_labels, ethertype, ip, ppp, radio};

/// So many wrappings are taken off.
pub(super) const DEPTH_MAX: u8 = 4;

/// Ports of UDP that say what is inside.
const GTP_USER: u16 = 2_152;
const VXLAN: u16 = 4_789;
const GENEVE: u16 = 6_081;
const TZSP: u16 = 37_008;
/// On these the port of either side says it.
const CAPWAP: u16 = 5_247;
const TEREDO: u16 = 3_544;

/// Types of Ethernet that are not a header of their own.
const ETHERNET: u16 = 0x6558;
const ERSPAN: u16 = 0x88be;
const ERSPAN_III: u16 = 0x22eb;
const PPP: u16 = 0x880b;
/// What caches are sent (WCCP).
const REDIRECTED: u16 = 0x883e;

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
        TZSP => tzsp(payload, depth),
        destination => match (be16(bytes, 0)?, destination) {
            (CAPWAP, _) | (_, CAPWAP) => radio::capwap(payload, depth),
            (TEREDO, _) | (_, TEREDO) => teredo(payload, depth),
            _ => Err(Unusable::NotTcp),
        },
    };
    inside.map_err(|unusable| if unusable == Unusable::Fragment { unusable } else { Unusable::NotTcp })
}

/// <https://en.wikipedia.org/wiki/TZSP>: what some access points and routers send to a sniffer. Fields of a type and a length,
/// some without, then a frame.
fn tzsp(bytes: &[u8], depth: u8) -> Result<Segment<'_>, Unusable> {
    let ([1, 0, ..], kind) = (bytes, be16(bytes, 2)?) else { return Err(Unusable::NotTcp) };
    let mut fields = &bytes[4..];
    loop {
        fields = match fields {
            [0, rest @ ..] => rest,
            [1, frame @ ..] => {
                return match kind {
                    1 => ethernet(Some(frame), depth),
                    18 => radio::frame(frame, false, depth),
                    _ => Err(Unusable::NotTcp),
                };
            }
            [_, length, rest @ ..] => rest.get(usize::from(*length)..).ok_or(Unusable::Cut)?,
            _ => return Err(Unusable::Cut),
        };
    }
}

/// RFC 4380, section 5.1.1: IPv6 behind indications of who sends it and from where it came.
fn teredo(mut bytes: &[u8], depth: u8) -> Result<Segment<'_>, Unusable> {
    if let [0, 1, client, key, ..] = bytes {
        bytes = bytes.get(13 + usize::from(*client) + usize::from(*key)..).ok_or(Unusable::Cut)?;
    }
    if let [0, 0, ..] = bytes {
        bytes = bytes.get(8..).ok_or(Unusable::Cut)?;
    }
    match bytes.first() {
        Some(0x60..=0x6f) => ip(bytes, depth),
        _ => Err(Unusable::NotTcp),
    }
}

/// RFC 2784 and RFC 2890; of version 0, without its source routes. Of version 1 what is not compressed: RFC 2637, section 4.1.
fn gre(bytes: &[u8], depth: u8) -> Result<Segment<'_>, Unusable> {
    let (flags, kind) = (be16(bytes, 0)?, be16(bytes, 2)?);
    if flags & 7 == 1 && kind == PPP {
        let numbers = [0x1000, 0x0080].iter().filter(|number| flags & **number != 0).count();
        let inside = ppp(bytes.get(8 + 4 * numbers..).ok_or(Unusable::Cut)?, depth);
        return inside.map_err(|unusable| if unusable == Unusable::NotIp { Unusable::NotTcp } else { unusable });
    }
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
        // Version 2 has a header of its own.
        REDIRECTED => ip(
            if rest.first().is_some_and(|byte| byte >> 4 == 4) { rest } else { rest.get(4..).unwrap_or_default() },
            depth,
        ),
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

pub(super) fn ethernet(frame: Option<&[u8]>, depth: u8) -> Result<Segment<'_>, Unusable> {
    if depth > DEPTH_MAX {
        return Err(Unusable::NotTcp);
    }
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
