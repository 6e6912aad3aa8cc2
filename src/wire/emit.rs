//! Writing a TCP segment into a frame buffer.

use super::checksum::Sum;
use super::{Link, Tuple};

/// Bytes of Ethernet, IPv4 and TCP headers without options.
pub const HEADERS: usize = 14 + 20 + 20;
/// Smallest frame we put on the wire, without frame check sequence (IEEE 802.3 pads to it).
pub const FRAME_MIN: usize = 60;
/// Time to live of everything we send.
pub const TTL: u8 = 64;

/// A segment of ours.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// The connection.
    pub tuple: Tuple,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Flags, see [`super::flags`].
    pub flags: u8,
    /// Window, unscaled.
    pub window: u16,
    /// Maximum segment size option, for SYNs.
    pub mss: Option<u16>,
    /// Payload.
    pub payload: &'a [u8],
    /// IPv4 identification.
    pub id: u16,
}

/// Writes `outgoing` into `buffer` and returns the frame's length.
///
/// # Panics
/// If headers and payload do not fit in `buffer`, or exceed an IPv4 packet: the caller cuts at the MSS.
pub fn segment(link: &Link, outgoing: &Outgoing<'_>, buffer: &mut [u8]) -> usize {
    let options: u8 = if outgoing.mss.is_some() { 4 } else { 0 };
    let tcp_length = 20 + usize::from(options) + outgoing.payload.len();
    let length = 14 + 20 + tcp_length;
    let (ethernet, rest) = buffer[..length.max(FRAME_MIN)].split_at_mut(14);
    ethernet_header(link, ethernet);
    let (network, transport) = rest.split_at_mut(20);
    let total_length = u16::try_from(20 + tcp_length).expect("a segment fits in an IPv4 packet");
    ipv4_header(outgoing, total_length, network);
    let (transport, padding) = transport.split_at_mut(tcp_length);
    padding.fill(0);
    tcp_segment(outgoing, options, transport);
    length.max(FRAME_MIN)
}

pub(super) fn ethernet_header(link: &Link, out: &mut [u8]) {
    out[..6].copy_from_slice(&link.destination);
    out[6..12].copy_from_slice(&link.source);
    out[12..14].copy_from_slice(&[0x08, 0x00]);
}

fn ipv4_header(outgoing: &Outgoing<'_>, total_length: u16, out: &mut [u8]) {
    out[..2].copy_from_slice(&[0x45, 0]);
    out[2..4].copy_from_slice(&total_length.to_be_bytes());
    out[4..6].copy_from_slice(&outgoing.id.to_be_bytes());
    out[6..8].copy_from_slice(&[0x40, 0]); // don't fragment
    out[8] = TTL;
    out[9] = 6;
    out[10..12].fill(0);
    out[12..16].copy_from_slice(&outgoing.tuple.local.to_be_bytes());
    out[16..20].copy_from_slice(&outgoing.tuple.remote.to_be_bytes());
    let checksum = Sum::default().bytes(out).finish();
    out[10..12].copy_from_slice(&checksum.to_be_bytes());
}

fn tcp_segment(outgoing: &Outgoing<'_>, options: u8, out: &mut [u8]) {
    out[..2].copy_from_slice(&outgoing.tuple.local_port.to_be_bytes());
    out[2..4].copy_from_slice(&outgoing.tuple.remote_port.to_be_bytes());
    out[4..8].copy_from_slice(&outgoing.seq.to_be_bytes());
    out[8..12].copy_from_slice(&outgoing.ack.to_be_bytes());
    out[12] = (20 + options) << 2;
    out[13] = outgoing.flags;
    out[14..16].copy_from_slice(&outgoing.window.to_be_bytes());
    out[16..20].fill(0);
    if let Some(mss) = outgoing.mss {
        let [high, low] = mss.to_be_bytes();
        out[20..24].copy_from_slice(&[2, 4, high, low]);
    }
    out[20 + usize::from(options)..].copy_from_slice(outgoing.payload);
    let length = u16::try_from(out.len()).expect("a segment fits in an IPv4 packet");
    let checksum =
        Sum::default().pseudo_header(outgoing.tuple.local, outgoing.tuple.remote, length).bytes(out).finish();
    out[16..18].copy_from_slice(&checksum.to_be_bytes());
}
