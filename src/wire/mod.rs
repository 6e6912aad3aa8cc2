//! Frames as bytes: checked parsing and emission of Ethernet, IPv4 and TCP, ICMP errors, and the probe template.
//!
//! Reading gives a [`Segment`] or the reason why there is none; writing fills the caller's buffer and
//! returns the frame's length. No state beyond the frame.

pub mod checksum;
pub mod emit;
pub mod icmp;
pub mod options;
pub mod parse;
pub mod probe;

use options::Options;

/// TCP flags (RFC 9293, section 3.1), as in the header's fourteenth byte.
pub mod flags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronize sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// Push function.
    pub const PSH: u8 = 0x08;
    /// The acknowledgement field is significant.
    pub const ACK: u8 = 0x10;
}

/// Both ends of a TCP connection as we see it. Addresses in host order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tuple {
    /// The other side's address.
    pub remote: u32,
    /// Our address.
    pub local: u32,
    /// The other side's port.
    pub remote_port: u16,
    /// Our port.
    pub local_port: u16,
}

/// The link-layer way to the next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Our MAC address.
    pub source: [u8; 6],
    /// MAC address of the gateway.
    pub destination: [u8; 6],
}

/// A TCP segment as received, borrowed from its frame. Addresses in host order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Source address.
    pub source: u32,
    /// Destination address.
    pub destination: u32,
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Flags, see [`flags`].
    pub flags: u8,
    /// Window, unscaled.
    pub window: u16,
    /// Time to live of the IPv4 header.
    pub ttl: u8,
    /// IPv4 identification.
    pub id: u16,
    /// Options, undecoded.
    pub options: &'a [u8],
    /// Payload.
    pub payload: &'a [u8],
}

impl Segment<'_> {
    /// The connection it belongs to, seen from the destination.
    pub fn tuple(&self) -> Tuple {
        Tuple {
            remote: self.source,
            local: self.destination,
            remote_port: self.source_port,
            local_port: self.destination_port,
        }
    }

    /// Whether all of `wanted` are set.
    pub fn has(&self, wanted: u8) -> bool {
        self.flags & wanted == wanted
    }

    /// What its options say.
    pub fn parsed_options(&self) -> Options {
        Options::parse(self.options)
    }

    /// Maximum segment size option (RFC 9293, section 3.7.1), if present and well-formed.
    pub fn mss(&self) -> Option<u16> {
        self.parsed_options().mss
    }
}
