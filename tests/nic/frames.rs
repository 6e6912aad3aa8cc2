//! Frames by hand.

use crate::world::{FAR_ADDRESS, FAR_MAC, NEAR_ADDRESS, NEAR_MAC};
use starling::base::keyed::Key;
use starling::nic::contract::Config;

pub(crate) const KEY: Key = Key([0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210]);
pub(crate) const OUR_PORT: u16 = 61_234;
pub(crate) const THEIR_PORT: u16 = 25;
pub(crate) const SYN_ACK: u8 = 0x12;
pub(crate) const ACK: u8 = 0x10;

pub(crate) fn config() -> Config {
    Config::new(KEY, u32::from_be_bytes(NEAR_ADDRESS), 61_000, 65_535)
}

/// A frame of a type that no kernel answers (IEEE 802 local experimental), `length` bytes, told apart by `number`.
pub(crate) fn numbered(number: u32, length: usize) -> Vec<u8> {
    let mut frame = Vec::with_capacity(length);
    frame.extend(FAR_MAC);
    frame.extend(NEAR_MAC);
    frame.extend([0x88, 0xb5]);
    frame.extend(number.to_be_bytes());
    while frame.len() < length {
        frame.push((frame.len() as u8).wrapping_mul(31).wrapping_add(number as u8));
    }
    frame
}

/// Our SYN's sequence number, as `ebpf/verdict.h` defines it.
fn cookie() -> u32 {
    let wire = |port: u16| u32::from(u16::from_le_bytes(port.to_be_bytes()));
    let addresses = u64::from(u32::from_le_bytes(FAR_ADDRESS)) | u64::from(u32::from_le_bytes(NEAR_ADDRESS)) << 32;
    KEY.hash12(addresses, wire(THEIR_PORT) | wire(OUR_PORT) << 16) as u32
}

/// A TCP segment from the far end that acknowledges `cookie + 1 + off_by`.
pub(crate) fn segment(flags: u8, off_by: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend(NEAR_MAC);
    frame.extend(FAR_MAC);
    frame.extend([0x08, 0x00]);
    let mut ip = vec![0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 6, 0, 0];
    ip.extend(FAR_ADDRESS);
    ip.extend(NEAR_ADDRESS);
    let total = 40 + payload.len() as u16;
    ip[2..4].copy_from_slice(&total.to_be_bytes());
    let sum: u32 = ip.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    ip[10..12].copy_from_slice(&(!(folded as u16)).to_be_bytes());
    frame.extend(ip);
    frame.extend(THEIR_PORT.to_be_bytes());
    frame.extend(OUR_PORT.to_be_bytes());
    frame.extend(7_u32.to_be_bytes());
    frame.extend(cookie().wrapping_add(1).wrapping_add(off_by).to_be_bytes());
    frame.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    frame.extend(payload);
    frame
}
