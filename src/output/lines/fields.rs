//! The fields of a line: zmap's names, in zmap's meaning, and what an answer has for each.

use crate::base::UtcMicros;
use crate::record::answer::{Answer, Icmp, Kind, Said, Tcp};
use arrow::temporal_conversions::timestamp_us_to_datetime;
use std::borrow::Cow;
use std::net::Ipv4Addr;

/// A field's value in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// The answer has none.
    Null,
    /// A number.
    Int(u64),
    /// Yes or no: a number in CSV and in filters.
    Bool(bool),
    /// A text.
    Text(Cow<'static, str>),
}

/// What a field's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Numbers.
    Int,
    /// Numbers 0 and 1.
    Bool,
    /// Texts.
    String,
}

impl Type {
    /// Name in the list of fields.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Bool => "bool",
            Self::String => "string",
        }
    }
}

macro_rules! fields {
    ($($(#[doc = $doc:literal])+ $field:ident = $name:literal: $type:ident,)*) => {
        /// A field of a line.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Field { $($(#[doc = $doc])+ $field,)* }

        impl Field {
            /// Every field, in zmap's order.
            pub const ALL: &'static [Self] = &[$(Self::$field,)*];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$field => $name,)* }
            }

            /// What its values are.
            pub const fn value_type(self) -> Type {
                match self { $(Self::$field => Type::$type,)* }
            }

            /// What it says.
            pub const fn doc(self) -> &'static str {
                match self { $(Self::$field => concat!($($doc,)+),)* }
            }
        }
    };
}

fields! {
    /// Address that answered; of an ICMP error the address that was probed.
    Saddr = "saddr": String,
    /// The same as a number, in network byte order.
    SaddrRaw = "saddr_raw": Int,
    /// Our address.
    Daddr = "daddr": String,
    /// The same as a number, in network byte order.
    DaddrRaw = "daddr_raw": Int,
    /// IP identification of the answer.
    Ipid = "ipid": Int,
    /// Time to live of the answer.
    Ttl = "ttl": Int,
    /// TCP port that answered; of an ICMP error the port that was probed.
    Sport = "sport": Int,
    /// Our TCP port.
    Dport = "dport": Int,
    /// TCP sequence number.
    Seqnum = "seqnum": Int,
    /// TCP acknowledgement number.
    Acknum = "acknum": Int,
    /// TCP window, unscaled.
    Window = "window": Int,
    /// TCP option maximum segment size.
    TcpoptMss = "tcpopt_mss": Int,
    /// TCP option window scale, as a factor.
    TcpoptWscale = "tcpopt_wscale": Int,
    /// TCP option SACK permitted.
    TcpoptSackPerm = "tcpopt_sack_perm": Int,
    /// TCP option timestamp: the host's clock.
    TcpoptTsVal = "tcpopt_ts_val": Int,
    /// TCP option timestamp: the echo of ours.
    TcpoptTsEcr = "tcpopt_ts_ecr": Int,
    /// Kind of answer: synack, rst, icmp.
    Classification = "classification": String,
    /// The answer is a SYN-ACK.
    Success = "success": Bool,
    /// A SYN-ACK of this address and port came before.
    Repeat = "repeat": Bool,
    /// The answer came after the last probe.
    Cooldown = "cooldown": Bool,
    /// Who sent the ICMP error.
    IcmpResponder = "icmp_responder": String,
    /// ICMP type.
    IcmpType = "icmp_type": Int,
    /// ICMP code.
    IcmpCode = "icmp_code": Int,
    /// ICMP code of destination unreachable, in words.
    IcmpUnreachStr = "icmp_unreach_str": String,
    /// Round-trip time in milliseconds; needs --probe-options linux or bsd.
    Rtt = "rtt": String,
    /// When the answer arrived, as in ISO 8601.
    TimestampStr = "timestamp_str": String,
    /// When the answer arrived, in seconds since the epoch.
    TimestampTs = "timestamp_ts": Int,
    /// Microseconds within that second.
    TimestampUs = "timestamp_us": Int,
}

impl Field {
    /// The field of this name; zmap's older spelling with hyphens is understood.
    pub fn named(name: &str) -> Option<Self> {
        let name = name.replace('-', "_");
        Self::ALL.iter().copied().find(|field| field.name() == name)
    }

    /// Its value in `answer`.
    pub fn of(self, answer: &Answer) -> Value {
        let tcp = |value: fn(&Tcp) -> Option<u64>| answer.tcp().and_then(value).map_or(Value::Null, Value::Int);
        let icmp = |value: fn(&Icmp) -> Value| answer.icmp().map_or(Value::Null, value);
        match self {
            Self::Saddr => address(answer.ip),
            Self::SaddrRaw => Value::Int(answer.ip.swap_bytes().into()),
            Self::Daddr => address(answer.source),
            Self::DaddrRaw => Value::Int(answer.source.swap_bytes().into()),
            Self::Ipid => Value::Int(answer.ip_id.into()),
            Self::Ttl => Value::Int(answer.ttl.into()),
            Self::Sport => Value::Int(answer.port.into()),
            Self::Dport => Value::Int(answer.source_port.into()),
            Self::Seqnum => tcp(|tcp| Some(tcp.seq.into())),
            Self::Acknum => tcp(|tcp| Some(tcp.ack.into())),
            Self::Window => tcp(|tcp| Some(tcp.window.into())),
            Self::TcpoptMss => tcp(|tcp| tcp.mss.map(u64::from)),
            Self::TcpoptWscale => tcp(|tcp| tcp.window_scale.and_then(|shift| 1_u64.checked_shl(shift.into()))),
            Self::TcpoptSackPerm => tcp(|tcp| tcp.sack_permitted.then_some(1)),
            Self::TcpoptTsVal => tcp(|tcp| tcp.timestamps.map(|(value, _)| value.into())),
            Self::TcpoptTsEcr => tcp(|tcp| tcp.timestamps.map(|(_, echo)| echo.into())),
            Self::Classification => Value::Text(classification(answer.kind()).into()),
            Self::Success => Value::Bool(matches!(answer.said, Said::SynAck(_))),
            Self::Repeat => Value::Bool(answer.repeat),
            Self::Cooldown => Value::Bool(answer.cooldown),
            Self::IcmpResponder => icmp(|icmp| address(icmp.responder)),
            Self::IcmpType => icmp(|icmp| Value::Int(icmp.kind.into())),
            Self::IcmpCode => icmp(|icmp| Value::Int(icmp.code.into())),
            Self::IcmpUnreachStr => icmp(|icmp| Value::Text(unreachable(icmp).into())),
            Self::Rtt => answer
                .rtt_us
                .map_or(Value::Null, |micros| Value::Text(format!("{}.{:03}", micros / 1_000, micros % 1_000).into())),
            Self::TimestampStr => Value::Text(iso(answer.time).into()),
            Self::TimestampTs => Value::Int(answer.time.0.div_euclid(1_000_000).try_into().unwrap_or(0)),
            Self::TimestampUs => Value::Int(answer.time.0.rem_euclid(1_000_000).try_into().unwrap_or(0)),
        }
    }
}

/// zmap's word for a kind of answer.
pub(super) const fn classification(kind: Kind) -> &'static str {
    match kind {
        Kind::SynAck => "synack",
        Kind::Rst => "rst",
        Kind::Icmp => "icmp",
    }
}

fn address(address: u32) -> Value {
    Value::Text(Ipv4Addr::from(address).to_string().into())
}

fn iso(time: UtcMicros) -> String {
    formatted(time, "%Y-%m-%dT%H:%M:%S%.3f+0000")
}

/// A time as in ISO 8601, in seconds: `2026-11-23T14:01:02+0000`.
pub fn iso_seconds(time: UtcMicros) -> String {
    formatted(time, "%Y-%m-%dT%H:%M:%S+0000")
}

fn formatted(time: UtcMicros, format: &str) -> String {
    timestamp_us_to_datetime(time.0).map_or_else(String::new, |time| time.format(format).to_string())
}

/// RFC 792, RFC 1122 section 3.2.2.1 and RFC 1812 section 5.2.7.1, in zmap's words.
const fn unreachable(icmp: &Icmp) -> &'static str {
    match (icmp.kind, icmp.code) {
        (3, 0) => "network unreachable",
        (3, 1) => "host unreachable",
        (3, 2) => "protocol unreachable",
        (3, 3) => "port unreachable",
        (3, 4) => "fragments required",
        (3, 5) => "source route failed",
        (3, 6) => "network unknown",
        (3, 7) => "host unknown",
        (3, 8) => "source host isolated",
        (3, 9) => "network admin. prohibited",
        (3, 10) => "host admin. prohibited",
        (3, 11) => "network unreachable TOS",
        (3, 12) => "host unreachable TOS",
        (3, 13) => "communication admin. prohibited",
        (3, 14) => "host precedence violation",
        (3, 15) => "precedence cutoff",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_zmaps_in_both_spellings() {
        assert_eq!(Field::named("timestamp-str"), Some(Field::TimestampStr));
        assert_eq!(Field::named("saddr_raw"), Some(Field::SaddrRaw));
        assert_eq!(Field::named("Saddr"), None);
        for field in Field::ALL {
            assert_eq!(Field::named(field.name()), Some(*field));
        }
    }
}
