//! Frames of IEEE 802.11, and the headers that those who capture them put before: what was sent in the clear, or captured
//! where it was no longer encrypted.

use super::{Segment, Unusable, be16, ethertype, le16, le32, link, llc};

/// Frame control: what kind of frame it is (IEEE 802.11-2020, section 9.2.4.1).
const KIND: u8 = 0x0f;
const DATA: u8 = 0x08;
/// Of data: without any, and of quality of service.
const EMPTY: u8 = 0x40;
const QUALITY: u8 = 0x80;
/// Frame control, second byte.
const BOTH_WAYS: u8 = 0x03;
const MORE_FRAGMENTS: u8 = 0x04;
const PROTECTED: u8 = 0x40;
const ORDER: u8 = 0x80;
/// Where the sequence number stands.
const SEQUENCE: usize = 22;

/// A frame. `padded`: its header was filled up to a multiple of four bytes.
pub(super) fn frame(bytes: &[u8], padded: bool, depth: u8) -> Result<Segment<'_>, Unusable> {
    let sequence = le16(bytes, SEQUENCE);
    of_kind(*bytes.first_chunk().ok_or(Unusable::Cut)?, sequence, bytes, padded, depth)
}

/// `sequence`: its number, and that of a fragment.
fn of_kind(
    [kind, flags]: [u8; 2],
    sequence: Result<u16, Unusable>,
    bytes: &[u8],
    padded: bool,
    depth: u8,
) -> Result<Segment<'_>, Unusable> {
    if kind & KIND != DATA || kind & EMPTY != 0 || flags & PROTECTED != 0 {
        return Err(Unusable::NotIp);
    }
    let quality = kind & QUALITY != 0;
    let addresses = if flags & BOTH_WAYS == BOTH_WAYS { 30 } else { 24 };
    let high_throughput = quality && flags & ORDER != 0;
    let header = addresses + if quality { 2 } else { 0 } + if high_throughput { 4 } else { 0 };
    if flags & MORE_FRAGMENTS != 0 || sequence? & 0x0f != 0 {
        return Err(Unusable::Fragment);
    }
    // Several frames in one, each with addresses and a length: the first of them is read.
    let several = quality && bytes.get(addresses).is_some_and(|control| control & 0x80 != 0);
    let start = if padded { header.next_multiple_of(4) } else { header };
    let rest = bytes.get(start..).ok_or(Unusable::Cut)?;
    if several { ethertype(rest, 12, 14, depth) } else { llc(rest, depth) }
}

/// <https://www.radiotap.org>: a header of fields, of which one says how the frame behind it lies.
pub(super) fn radiotap(bytes: &[u8], depth: u8) -> Result<Segment<'_>, Unusable> {
    const FLAGS: u32 = 2;
    const CLOCK: u32 = 1;
    const PADDED: u8 = 0x20;
    let length = usize::from(le16(bytes, 2)?);
    let header = bytes.get(..length).ok_or(Unusable::Cut)?;
    let present = le32(header, 4)?;
    let (mut fields, mut word) = (8, present);
    while word >> 31 == 1 {
        word = le32(header, fields)?;
        fields += 4;
    }
    if present & CLOCK != 0 {
        fields = fields.next_multiple_of(8) + 8;
    }
    let flags = if present & FLAGS != 0 { *header.get(fields).ok_or(Unusable::Malformed)? } else { 0 };
    frame(&bytes[length..], flags & PADDED != 0, depth)
}

/// "Per-packet information": a length, and the link type of what follows.
pub(super) fn per_packet(bytes: &[u8], depth: u8) -> Result<Segment<'_>, Unusable> {
    let (length, kind) = (usize::from(le16(bytes, 2)?), le32(bytes, 4)?);
    inner(bytes, length, kind, depth)
}

/// Apple's: the same with longer numbers.
pub(super) fn pktap(bytes: &[u8], depth: u8) -> Result<Segment<'_>, Unusable> {
    let (length, kind) = (usize::try_from(le32(bytes, 0)?).unwrap_or(usize::MAX), le32(bytes, 8)?);
    inner(bytes, length, kind, depth)
}

fn inner(bytes: &[u8], length: usize, kind: u32, depth: u8) -> Result<Segment<'_>, Unusable> {
    let kind = i32::try_from(kind).map_err(|_| Unusable::Link)?;
    link(kind, bytes.get(length..).ok_or(Unusable::Cut)?, depth + 1)
}

/// RFC 5415, section 4.3: what an access point hands to its controller, frames of Ethernet's or of the radio's.
pub(super) fn capwap(bytes: &[u8], depth: u8) -> Result<Segment<'_>, Unusable> {
    let [kind, first, second, third, ..] = *bytes else { return Err(Unusable::Cut) };
    if kind != 0 {
        return Err(Unusable::NotTcp);
    }
    if third & 0x80 != 0 {
        return Err(Unusable::Fragment);
    }
    let rest = bytes.get(4 * usize::from(first >> 3)..).ok_or(Unusable::Cut)?;
    let native = second & 1 == 1;
    match rest {
        _ if !native => ethertype(rest, 12, 14, depth),
        // Some send numbers with their bytes exchanged.
        [flags, kind, ..] if flags & KIND != DATA && kind & KIND == DATA => {
            of_kind([*kind, *flags], be16(rest, SEQUENCE), rest, false, depth)
        }
        _ => frame(rest, false, depth),
    }
}
