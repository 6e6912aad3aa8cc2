//! An answer to a probe with all that its packet told: more than a row of `hosts` keeps, for those who want each
//! answer as a line.

use crate::base::UtcMicros;
use crate::record::row::Host;

/// What a target answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// SYN-ACK.
    SynAck,
    /// RST that refuses the probe.
    Rst,
    /// ICMP error that quotes the probe.
    Icmp,
}

impl Kind {
    /// Name in the rows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SynAck => "syn_ack",
            Self::Rst => "rst",
            Self::Icmp => "icmp",
        }
    }
}

/// What a TCP answer said. Sequence numbers as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Window, unscaled.
    pub window: u16,
    /// Maximum segment size.
    pub mss: Option<u16>,
    /// Window scale, as a shift count.
    pub window_scale: Option<u8>,
    /// Selective acknowledgements are permitted.
    pub sack_permitted: bool,
    /// Timestamps: the sender's clock, and the echo of ours.
    pub timestamps: Option<(u32, u32)>,
}

/// What an ICMP error said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// Who sent it.
    pub responder: u32,
    /// ICMP type.
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
}

/// What it was said in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// A SYN-ACK.
    SynAck(Tcp),
    /// A RST.
    Rst(Tcp),
    /// An ICMP error.
    Icmp(Icmp),
}

/// An answer to a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// When it arrived.
    pub time: UtcMicros,
    /// The target's address.
    pub ip: u32,
    /// The target's port.
    pub port: u16,
    /// Our address.
    pub source: u32,
    /// Our port.
    pub source_port: u16,
    /// Time to live of the answer's IPv4 header as it arrived.
    pub ttl: u8,
    /// Identification of that header.
    pub ip_id: u16,
    /// What it said.
    pub said: Said,
    /// A SYN-ACK of this target came before.
    pub repeat: bool,
    /// It came after the last probe.
    pub cooldown: bool,
    /// Round-trip time, if the answer gave our clock back. Microseconds.
    pub rtt_us: Option<u64>,
}

impl Answer {
    /// What kind of answer it is.
    pub const fn kind(&self) -> Kind {
        match self.said {
            Said::SynAck(_) => Kind::SynAck,
            Said::Rst(_) => Kind::Rst,
            Said::Icmp(_) => Kind::Icmp,
        }
    }

    /// What TCP said, if it was TCP.
    pub const fn tcp(&self) -> Option<&Tcp> {
        match &self.said {
            Said::SynAck(tcp) | Said::Rst(tcp) => Some(tcp),
            Said::Icmp(_) => None,
        }
    }

    /// What ICMP said, if it was ICMP.
    pub const fn icmp(&self) -> Option<&Icmp> {
        match &self.said {
            Said::Icmp(icmp) => Some(icmp),
            _ => None,
        }
    }

    /// Its row in `hosts`.
    pub fn row(&self) -> Host {
        let (tcp, icmp) = (self.tcp(), self.icmp());
        Host {
            time: self.time,
            ip: self.ip,
            port: self.port,
            answer: self.kind().name(),
            ttl: self.ttl,
            window: tcp.map(|tcp| tcp.window),
            mss: tcp.and_then(|tcp| tcp.mss),
            window_scale: tcp.and_then(|tcp| tcp.window_scale),
            sack_permitted: tcp.map(|tcp| tcp.sack_permitted),
            source_port: self.source_port,
            rtt_us: self.rtt_us,
            icmp_type: icmp.map(|icmp| icmp.kind),
            icmp_code: icmp.map(|icmp| icmp.code),
            responder: icmp.map(|icmp| icmp.responder).filter(|responder| *responder != self.ip),
        }
    }
}
