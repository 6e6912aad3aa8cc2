//! `ebpf/shared.h` as Rust sees it. A test compares sizes, offsets and names with the header.

use crate::base::keyed::Key;

/// Configuration of the XDP program (`struct starling_config`). Addresses and ports in host order.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Key of the cookie.
    pub key: [u64; 2],
    /// Our source address.
    pub address: u32,
    /// First of our source ports.
    pub port_first: u16,
    /// Last of our source ports.
    pub port_last: u16,
    /// `FORWARD_*`.
    pub flags: u32,
    /// Zero.
    pub reserved: u32,
}

/// Hand RSTs that refuse a probe up to userspace.
pub const FORWARD_CLOSED: u32 = 1;
/// Hand ICMP errors that quote our segments up to userspace.
pub const FORWARD_ICMP: u32 = 2;
/// How far beyond cookie + 1 an acknowledgement may lie.
pub const ACK_WINDOW: u32 = 65_536;

impl Config {
    /// A configuration that takes answers to `address`, ports `port_first..=port_last`, and forwards no refusals.
    pub const fn new(key: Key, address: u32, port_first: u16, port_last: u16) -> Self {
        Self { key: key.0, address, port_first, port_last, flags: 0, reserved: 0 }
    }
}

macro_rules! reasons {
    ($($(#[$meta:meta])* $name:ident = $text:literal,)*) => {
        /// Why a frame got its verdict (`enum starling_reason`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum Reason { $($(#[$meta])* $name,)* }

        impl Reason {
            /// Every reason, in the header's order: index = counter index.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Name as it appears in the ledger.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

reasons! {
    /// Not IPv4, not TCP or ICMP, truncated: the host's business.
    PassOther = "pass_other",
    /// An IPv4 fragment.
    PassFragment = "pass_fragment",
    /// Another address, or a port outside our range.
    PassNotOurs = "pass_not_ours",
    /// SYN-ACK whose acknowledgement matches the cookie.
    UpSynAck = "up_syn_ack",
    /// Segment that can belong to a connection of ours.
    UpSegment = "up_segment",
    /// RST refusing a probe, forwarded on request.
    UpClosed = "up_closed",
    /// ICMP error quoting a segment of ours, forwarded on request.
    UpIcmp = "up_icmp",
    /// RST refusing a probe.
    DropClosed = "drop_closed",
    /// ICMP error quoting a segment of ours.
    DropIcmp = "drop_icmp",
    /// SYN-ACK that acknowledges nothing we sent.
    DropBadCookie = "drop_bad_cookie",
    /// Other segment to our ports that cannot belong to a connection.
    DropBadSegment = "drop_bad_segment",
    /// Meant for userspace, but no AF_XDP socket on this queue.
    DropNoSocket = "drop_no_socket",
}

/// What becomes of a frame (`enum starling_verdict`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Verdict {
    /// On to the host's own stack.
    Pass,
    /// Into the AF_XDP ring.
    Up,
    /// Nowhere.
    Drop,
}
