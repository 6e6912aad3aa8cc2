//! The probe: a SYN that is constant but for sixteen bytes.
//!
//! The constant part is built once; a probe is the template plus [`Facts`], with checksums completed
//! from the template's partial sums.

use super::checksum::Sum;
use super::emit::{FRAME_MIN, Outgoing, segment};
use super::{Link, Tuple, flags};

/// Window of our SYN: what we can buffer, without scaling.
pub const WINDOW: u16 = u16::MAX;
/// Maximum segment size that we announce: Ethernet's MTU less IPv4 and TCP headers.
pub const MSS: u16 = 1_460;

const ID: usize = 14 + 4;
const IP_CHECKSUM: usize = 14 + 10;
const DESTINATION: usize = 14 + 16;
const PORTS: usize = 34;
const SEQ: usize = 34 + 4;
const TCP_CHECKSUM: usize = 34 + 16;

/// What varies from probe to probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Where it goes. Host order.
    pub address: u32,
    /// Destination port.
    pub port: u16,
    /// Source port.
    pub source_port: u16,
    /// Sequence number: the cookie.
    pub seq: u32,
    /// IPv4 identification.
    pub id: u16,
}

/// The constant part of every probe, and the sums over it.
#[derive(Clone, Debug)]
pub struct Template {
    frame: [u8; FRAME_MIN],
    network: Sum,
    transport: Sum,
}

impl Template {
    /// A template for probes from `source` over `link`.
    pub fn new(link: &Link, source: u32) -> Self {
        let tuple = Tuple { remote: 0, local: source, remote_port: 0, local_port: 0 };
        let syn =
            Outgoing { tuple, seq: 0, ack: 0, flags: flags::SYN, window: WINDOW, mss: Some(MSS), payload: &[], id: 0 };
        let mut frame = [0; FRAME_MIN];
        segment(link, &syn, &mut frame);
        frame[IP_CHECKSUM..IP_CHECKSUM + 2].fill(0);
        frame[TCP_CHECKSUM..TCP_CHECKSUM + 2].fill(0);
        Self {
            network: Sum::default().bytes(&frame[14..34]),
            transport: Sum::default().pseudo_header(source, 0, 24).bytes(&frame[34..58]),
            frame,
        }
    }

    /// Writes the probe into `buffer` and returns its length.
    ///
    /// # Panics
    /// If `buffer` is shorter than [`FRAME_MIN`].
    #[inline]
    pub fn write(&self, facts: &Facts, buffer: &mut [u8]) -> usize {
        let frame = &mut buffer[..FRAME_MIN];
        frame.copy_from_slice(&self.frame);
        let network = self.network.u32(facts.address).u16(facts.id).finish();
        let ports = u32::from(facts.source_port) << 16 | u32::from(facts.port);
        let transport = self.transport.u32(facts.address).u32(ports).u32(facts.seq).finish();
        frame[ID..ID + 2].copy_from_slice(&facts.id.to_be_bytes());
        frame[IP_CHECKSUM..IP_CHECKSUM + 2].copy_from_slice(&network.to_be_bytes());
        frame[DESTINATION..DESTINATION + 4].copy_from_slice(&facts.address.to_be_bytes());
        frame[PORTS..PORTS + 4].copy_from_slice(&ports.to_be_bytes());
        frame[SEQ..SEQ + 4].copy_from_slice(&facts.seq.to_be_bytes());
        frame[TCP_CHECKSUM..TCP_CHECKSUM + 2].copy_from_slice(&transport.to_be_bytes());
        FRAME_MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_probe_equals_the_segment_emitted_whole(
            source: u32, address: u32, port: u16, source_port: u16, seq: u32, id: u16,
        ) {
            let link = Link { source: [2, 0, 0, 0, 0, 1], destination: [2, 0, 0, 0, 0, 2] };
            let mut probe = [0xaa; 64];
            let facts = Facts { address, port, source_port, seq, id };
            let length = Template::new(&link, source).write(&facts, &mut probe);
            let mut whole = [0xbb; 64];
            let tuple = Tuple { remote: address, local: source, remote_port: port, local_port: source_port };
            let syn = Outgoing {
                tuple, seq, ack: 0, flags: flags::SYN, window: WINDOW, mss: Some(MSS), payload: &[], id,
            };
            prop_assert_eq!(length, segment(&link, &syn, &mut whole));
            prop_assert_eq!(&probe[..length], &whole[..length]);
        }
    }
}
