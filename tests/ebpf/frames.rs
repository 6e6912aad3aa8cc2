//! Frames that arrive at us. Checksums are zero: the verdict does not look at them.

use std::net::SocketAddrV4;

pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
pub(crate) const PSH: u8 = 0x08;
pub(crate) const ACK: u8 = 0x10;
pub(crate) const ECE: u8 = 0x40;

pub(crate) const DONT_FRAGMENT: u16 = 0x4000;
pub(crate) const MORE_FRAGMENTS: u16 = 0x2000;

/// A TCP segment. `options` is a multiple of four bytes, at most 40.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) from: SocketAddrV4,
    pub(crate) to: SocketAddrV4,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: u8,
    pub(crate) options: Vec<u8>,
    pub(crate) data: Vec<u8>,
}

impl Segment {
    /// Header and data.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(self.from.port().to_be_bytes());
        bytes.extend(self.to.port().to_be_bytes());
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(self.ack.to_be_bytes());
        let words = 5 + u8::try_from(self.options.len() / 4).expect("at most ten words of options");
        bytes.extend([words << 4, self.flags, 0xff, 0xff, 0, 0, 0, 0]);
        bytes.extend(&self.options);
        bytes.extend(&self.data);
        bytes
    }

    /// In its datagram.
    pub(crate) fn datagram(&self) -> Datagram {
        Datagram::new(self.from, self.to, 6, self.bytes())
    }

    /// In a plain frame.
    pub(crate) fn frame(&self) -> Vec<u8> {
        self.datagram().frame()
    }
}

/// An IPv4 datagram in an Ethernet frame.
#[derive(Clone, Debug)]
pub(crate) struct Datagram {
    /// EtherTypes of the VLAN tags, outermost first.
    pub(crate) tags: Vec<u16>,
    pub(crate) from: SocketAddrV4,
    pub(crate) to: SocketAddrV4,
    pub(crate) protocol: u8,
    /// Flags and fragment offset.
    pub(crate) fragment: u16,
    /// A multiple of four bytes, at most 40.
    pub(crate) options: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

impl Datagram {
    /// Without tags and options, not a fragment. The ports of `from` and `to` are not looked at.
    pub(crate) fn new(from: SocketAddrV4, to: SocketAddrV4, protocol: u8, payload: Vec<u8>) -> Self {
        Self { tags: vec![], from, to, protocol, fragment: DONT_FRAGMENT, options: vec![], payload }
    }

    /// Header and payload.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let words = 5 + u8::try_from(self.options.len() / 4).expect("at most ten words of options");
        let total = 20 + self.options.len() + self.payload.len();
        let mut bytes = vec![0x40 | words, 0];
        bytes.extend(u16::try_from(total).expect("a datagram has at most 65,535 bytes").to_be_bytes());
        bytes.extend([0x12, 0x34]);
        bytes.extend(self.fragment.to_be_bytes());
        bytes.extend([64, self.protocol, 0, 0]);
        bytes.extend(self.from.ip().octets());
        bytes.extend(self.to.ip().octets());
        bytes.extend(&self.options);
        bytes.extend(&self.payload);
        bytes
    }

    /// With its Ethernet header.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        for tag in &self.tags {
            frame.extend(tag.to_be_bytes());
            frame.extend([0x20, 0x07]);
        }
        frame.extend([0x08, 0x00]);
        frame.extend(self.bytes());
        frame
    }
}

/// An ICMP message of `kind` that quotes `quoted`.
pub(crate) fn icmp(kind: u8, quoted: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind, 1, 0, 0, 0, 0, 0, 0];
    bytes.extend(quoted);
    bytes
}
