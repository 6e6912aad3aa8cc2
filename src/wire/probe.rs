//! The probe: a SYN that is constant but for sixteen bytes.
//!
//! The constant part is built once; a probe is the template plus [`Finished`] facts: those that vary, and the
//! checksums completed from the template's partial sums.

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
    /// Sequence number: the cookie. Its halves, xored, vary the IPv4 identification.
    pub seq: u32,
}

/// A probe without its template: address, both ports, sequence number, checksums of IPv4 and TCP, as they stand in
/// the frame (`struct starling_probe` in `ebpf/live.h`).
pub type Finished = [u8; 16];

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

    /// Completes the checksums.
    #[inline]
    pub fn finish(&self, facts: &Facts) -> Finished {
        let ports = u32::from(facts.source_port) << 16 | u32::from(facts.port);
        let network = self.network.u32(facts.address).u16(identification(facts.seq)).finish();
        let transport = self.transport.u32(facts.address).u32(ports).u32(facts.seq).finish();
        let high = u64::from(facts.address) << 32 | u64::from(ports);
        let low = u64::from(facts.seq) << 32 | u64::from(network) << 16 | u64::from(transport);
        (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
    }

    /// Writes the probe into `buffer` and returns its length.
    ///
    /// # Panics
    /// If `buffer` is shorter than [`FRAME_MIN`].
    #[inline]
    pub fn write(&self, facts: &Facts, buffer: &mut [u8]) -> usize {
        self.write_finished(&self.finish(facts), buffer)
    }

    /// As [`Template::write`], with checksums that are complete.
    ///
    /// # Panics
    /// As [`Template::write`].
    #[inline]
    pub fn write_finished(&self, probe: &Finished, buffer: &mut [u8]) -> usize {
        let frame = &mut buffer[..FRAME_MIN];
        frame.copy_from_slice(&self.frame);
        let seq = u32::from_be_bytes([probe[8], probe[9], probe[10], probe[11]]);
        frame[ID..ID + 2].copy_from_slice(&identification(seq).to_be_bytes());
        frame[IP_CHECKSUM..IP_CHECKSUM + 2].copy_from_slice(&probe[12..14]);
        frame[DESTINATION..DESTINATION + 4].copy_from_slice(&probe[..4]);
        frame[PORTS..PORTS + 8].copy_from_slice(&probe[4..12]);
        frame[TCP_CHECKSUM..TCP_CHECKSUM + 2].copy_from_slice(&probe[14..]);
        FRAME_MIN
    }

    /// The constant part, what varies being zero.
    pub fn frame(&self) -> &[u8] {
        &self.frame
    }
}

#[expect(clippy::cast_possible_truncation, reason = "both halves are used")]
const fn identification(seq: u32) -> u16 {
    (seq >> 16) as u16 ^ seq as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_probe_equals_the_segment_emitted_whole(
            source: u32, address: u32, port: u16, source_port: u16, seq: u32,
        ) {
            let link = Link { source: [2, 0, 0, 0, 0, 1], destination: [2, 0, 0, 0, 0, 2] };
            let mut probe = [0xaa; 64];
            let template = Template::new(&link, source);
            let length = template.write(&Facts { address, port, source_port, seq }, &mut probe);
            let mut whole = [0xbb; 64];
            let tuple = Tuple { remote: address, local: source, remote_port: port, local_port: source_port };
            let syn = Outgoing {
                tuple, seq, ack: 0, flags: flags::SYN, window: WINDOW, mss: Some(MSS), payload: &[],
                id: identification(seq),
            };
            prop_assert_eq!(length, segment(&link, &syn, &mut whole));
            prop_assert_eq!(&probe[..length], &whole[..length]);
        }
    }
}
