//! Frames by name, each with the reason it must get. Reasons are those of a configuration that forwards
//! no refusals.

use crate::frames::{ACK, DONT_FRAGMENT, Datagram, ECE, FIN, MORE_FRAGMENTS, PSH, RST, SYN, Segment, icmp};
use crate::oracle::cookie;
use starling::nic::contract::{ACK_WINDOW, Config, Reason};
use std::net::{Ipv4Addr, SocketAddrV4};

/// Name, frame, reason.
pub(crate) type Fixture = (&'static str, Vec<u8>, Reason);

const REMOTE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 1, 2, 3), 25);
const LOCAL_PORT: u16 = 61_007;
const SERVER_SEQ: u32 = 0xfeed_0001;

fn local(config: &Config) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::from_bits(config.address), LOCAL_PORT)
}

/// What the server says with `flags`, acknowledging `beyond` bytes after our SYN.
fn answer(config: &Config, flags: u8, beyond: u32) -> Segment {
    let to = local(config);
    let ack = cookie(config, REMOTE, to).wrapping_add(1).wrapping_add(beyond);
    Segment { from: REMOTE, to, seq: SERVER_SEQ, ack, flags, options: vec![], data: vec![] }
}

/// The SYN-ACK we hope for, with an MSS option.
pub(crate) fn syn_ack(config: &Config) -> Segment {
    Segment { options: vec![2, 4, 5, 0xb4], ..answer(config, SYN | ACK, 0) }
}

/// The SYN that we sent, `beyond` bytes on.
fn probe(config: &Config, beyond: u32) -> Segment {
    let from = local(config);
    let seq = cookie(config, REMOTE, from).wrapping_add(beyond);
    Segment { from, to: REMOTE, seq, ack: 0, flags: SYN, options: vec![], data: vec![] }
}

/// A router's message about `quoted`.
fn message(config: &Config, kind: u8, quoted: &[u8]) -> Datagram {
    let router = SocketAddrV4::new(Ipv4Addr::new(10, 9, 9, 9), 0);
    Datagram::new(router, local(config), 1, icmp(kind, quoted))
}

/// Destination unreachable, quoting our whole SYN.
pub(crate) fn unreachable(config: &Config) -> Datagram {
    message(config, 3, &probe(config, 0).datagram().bytes())
}

/// Every fixture.
pub(crate) fn all(config: &Config) -> Vec<Fixture> {
    let mut all = handshakes(config);
    all.extend(envelopes(config));
    all.extend(segments(config));
    all.extend(malformed(config));
    all.extend(icmp_messages(config));
    all.extend(icmp_quotes(config));
    all.extend(other_protocols(config));
    all
}

fn handshakes(config: &Config) -> Vec<Fixture> {
    let with = |flags, beyond| answer(config, flags, beyond).frame();
    let mut with_data = syn_ack(config);
    with_data.data = b"220 early\r\n".to_vec();
    vec![
        ("syn-ack", syn_ack(config).frame(), Reason::UpSynAck),
        ("syn-ack, data", with_data.frame(), Reason::UpSynAck),
        ("syn-ack, ece", with(SYN | ACK | ECE, 0), Reason::UpSynAck),
        ("syn-ack, fin", with(SYN | ACK | FIN, 0), Reason::UpSynAck),
        ("syn-ack, ack one short", with(SYN | ACK, u32::MAX), Reason::DropBadCookie),
        ("syn-ack, ack one too far", with(SYN | ACK, 1), Reason::DropBadCookie),
        ("syn-ack, ack in the window", with(SYN | ACK, 1000), Reason::DropBadCookie),
        ("syn", with(SYN, 0), Reason::DropBadSegment),
        ("syn-rst", with(SYN | RST, 0), Reason::DropBadSegment),
        ("syn-rst-ack", with(SYN | RST | ACK, 0), Reason::DropBadSegment),
    ]
}

fn envelopes(config: &Config) -> Vec<Fixture> {
    let varied = |vary: &dyn Fn(&mut Datagram)| {
        let mut datagram = syn_ack(config).datagram();
        vary(&mut datagram);
        datagram.frame()
    };
    let to = |port| {
        let mut segment = syn_ack(config);
        segment.to.set_port(port);
        segment.ack = cookie(config, segment.from, segment.to).wrapping_add(1);
        segment.frame()
    };
    let other_address = SocketAddrV4::new(Ipv4Addr::from_bits(config.address + 1), LOCAL_PORT);
    let mut padded = syn_ack(config).frame();
    padded.resize(64, 0);
    vec![
        ("802.1Q tag", varied(&|d| d.tags = vec![0x8100]), Reason::UpSynAck),
        ("802.1ad tag", varied(&|d| d.tags = vec![0x88a8]), Reason::UpSynAck),
        ("two tags", varied(&|d| d.tags = vec![0x88a8, 0x8100]), Reason::PassOther),
        ("ip options, 4 bytes", varied(&|d| d.options = vec![1; 4]), Reason::UpSynAck),
        ("ip options, 40 bytes", varied(&|d| d.options = vec![1; 40]), Reason::UpSynAck),
        ("tag and ip options", varied(&|d| (d.tags, d.options) = (vec![0x8100], vec![1; 8])), Reason::UpSynAck),
        ("padding", padded, Reason::UpSynAck),
        ("may be fragmented", varied(&|d| d.fragment = 0), Reason::UpSynAck),
        ("first fragment", varied(&|d| d.fragment = MORE_FRAGMENTS), Reason::PassFragment),
        ("middle fragment", varied(&|d| d.fragment = MORE_FRAGMENTS | 185), Reason::PassFragment),
        ("last fragment", varied(&|d| d.fragment = 1), Reason::PassFragment),
        ("last fragment, far", varied(&|d| d.fragment = DONT_FRAGMENT | 0x1fff), Reason::PassFragment),
        ("fragment to another", varied(&|d| (d.fragment, d.to) = (1, other_address)), Reason::PassFragment),
        ("other address", varied(&|d| d.to = other_address), Reason::PassNotOurs),
        ("other port", to(25), Reason::PassNotOurs),
        ("port below the first", to(config.port_first - 1), Reason::PassNotOurs),
        ("first port", to(config.port_first), Reason::UpSynAck),
        ("last port", to(config.port_last), Reason::UpSynAck),
        ("port beyond the last", to(config.port_last + 1), Reason::PassNotOurs),
    ]
}

fn segments(config: &Config) -> Vec<Fixture> {
    let with = |flags, beyond| answer(config, flags, beyond).frame();
    let refusal = |beyond| Segment { seq: 0, ..answer(config, RST | ACK, beyond) }.frame();
    let data = |beyond| Segment { data: b"220 mx\r\n".to_vec(), ..answer(config, PSH | ACK, beyond) }.frame();
    let bare_reset = Segment { seq: 0, ack: 0, ..answer(config, RST, 0) }.frame();
    vec![
        ("rst-ack refusing", refusal(0), Reason::DropClosed),
        ("rst-ack, sequence 0, later", refusal(5), Reason::UpSegment),
        ("rst-ack, sequence 0, beyond", refusal(ACK_WINDOW + 1), Reason::DropBadSegment),
        ("rst-ack, of a connection", with(RST | ACK, 0), Reason::UpSegment),
        ("rst-ack, end of window", with(RST | ACK, ACK_WINDOW), Reason::UpSegment),
        ("rst-ack, beyond", with(RST | ACK, ACK_WINDOW + 1), Reason::DropBadSegment),
        ("rst-ack, before", with(RST | ACK, u32::MAX), Reason::DropBadSegment),
        ("rst", with(RST, 0), Reason::UpSegment),
        ("rst, all zero", bare_reset, Reason::UpSegment),
        ("rst, foreign ack field", with(RST, 1 << 20), Reason::UpSegment),
        ("data, nothing said yet", data(0), Reason::UpSegment),
        ("data, end of window", data(ACK_WINDOW), Reason::UpSegment),
        ("data, beyond the window", data(ACK_WINDOW + 1), Reason::DropBadSegment),
        ("data, syn not acknowledged", data(u32::MAX), Reason::DropBadSegment),
        ("ack", with(ACK, 6), Reason::UpSegment),
        ("fin-ack", with(FIN | ACK, 6), Reason::UpSegment),
        ("fin", with(FIN, 6), Reason::DropBadSegment),
        ("push without ack", with(PSH, 6), Reason::DropBadSegment),
        ("no flags", with(0, 0), Reason::DropBadSegment),
    ]
}

fn malformed(config: &Config) -> Vec<Fixture> {
    let patched = |patches: &[(usize, u8)]| {
        let mut frame = syn_ack(config).frame();
        for &(at, value) in patches {
            frame[at] = value;
        }
        frame
    };
    vec![
        ("ip version 6", patched(&[(14, 0x65)]), Reason::PassOther),
        ("ip header of 16 bytes", patched(&[(14, 0x44)]), Reason::PassOther),
        ("ip header of 0 bytes", patched(&[(14, 0x40)]), Reason::PassOther),
        ("ip header beyond the datagram", patched(&[(14, 0x4f)]), Reason::PassOther),
        ("ip length beyond the frame", patched(&[(17, 45)]), Reason::PassOther),
        ("ip length far beyond the frame", patched(&[(16, 255), (17, 255)]), Reason::PassOther),
        ("ip length below its header", patched(&[(17, 19)]), Reason::PassOther),
        ("ip length zero", patched(&[(17, 0)]), Reason::PassOther),
        ("tcp header of 16 bytes", patched(&[(46, 0x40)]), Reason::DropBadSegment),
        ("tcp header of 0 bytes", patched(&[(46, 0)]), Reason::DropBadSegment),
        ("tcp header without its options", patched(&[(46, 0x50)]), Reason::UpSynAck),
        ("tcp header beyond the datagram", patched(&[(46, 0x70)]), Reason::DropBadSegment),
        ("tcp header of 60 bytes", patched(&[(46, 0xf0)]), Reason::DropBadSegment),
    ]
}

fn icmp_messages(config: &Config) -> Vec<Fixture> {
    let kind = |kind| message(config, kind, &probe(config, 0).datagram().bytes()).frame();
    let varied = |vary: &dyn Fn(&mut Datagram)| {
        let mut datagram = unreachable(config);
        vary(&mut datagram);
        datagram.frame()
    };
    let other_address = SocketAddrV4::new(Ipv4Addr::from_bits(config.address + 1), 0);
    vec![
        ("unreachable", unreachable(config).frame(), Reason::DropIcmp),
        ("source quench", kind(4), Reason::DropIcmp),
        ("time exceeded", kind(11), Reason::DropIcmp),
        ("parameter problem", kind(12), Reason::DropIcmp),
        ("echo reply", kind(0), Reason::PassOther),
        ("redirect", kind(5), Reason::PassOther),
        ("echo request", kind(8), Reason::PassOther),
        ("unreachable, tag", varied(&|d| d.tags = vec![0x8100]), Reason::DropIcmp),
        ("unreachable, ip options", varied(&|d| d.options = vec![1; 12]), Reason::DropIcmp),
        ("unreachable, fragment", varied(&|d| d.fragment = MORE_FRAGMENTS), Reason::PassFragment),
        ("unreachable to another", varied(&|d| d.to = other_address), Reason::PassNotOurs),
    ]
}

fn icmp_quotes(config: &Config) -> Vec<Fixture> {
    let beyond = |beyond| message(config, 3, &probe(config, beyond).datagram().bytes()).frame();
    let varied = |vary: &dyn Fn(&mut Datagram)| {
        let mut quoted = probe(config, 0).datagram();
        vary(&mut quoted);
        message(config, 3, &quoted.bytes()).frame()
    };
    let patched = |at: usize, value: u8| {
        let mut quoted = probe(config, 0).datagram().bytes();
        quoted[at] = value;
        message(config, 3, &quoted).frame()
    };
    let from = |address: u32, port: u16| {
        let mut sent = probe(config, 0);
        sent.from = SocketAddrV4::new(Ipv4Addr::from_bits(address), port);
        sent.seq = cookie(config, sent.to, sent.from);
        message(config, 3, &sent.datagram().bytes()).frame()
    };
    // Read with its ports at byte 16, where its destination is, this one would match.
    let short_header = {
        let from = local(config);
        let to = SocketAddrV4::new(Ipv4Addr::from_bits(u32::from(LOCAL_PORT) << 16 | 25), 25);
        let [a, b, c, d] = cookie(config, to, from).to_be_bytes();
        let ports = vec![a, b, c, d, 0, 0, 0, 0];
        let mut quoted = Datagram::new(from, to, 6, ports).bytes();
        quoted[0] = 0x44;
        message(config, 3, &quoted).frame()
    };
    vec![
        ("quote of the window's end", beyond(ACK_WINDOW), Reason::DropIcmp),
        ("quote beyond the window", beyond(ACK_WINDOW + 1), Reason::PassNotOurs),
        ("quote before the cookie", beyond(u32::MAX), Reason::PassNotOurs),
        ("quote with ip options", varied(&|q| q.options = vec![1; 40]), Reason::DropIcmp),
        ("quote of eight bytes", varied(&|q| q.payload.truncate(8)), Reason::DropIcmp),
        ("quote of seven bytes", varied(&|q| q.payload.truncate(7)), Reason::PassNotOurs),
        ("quote of a first fragment", varied(&|q| q.fragment = MORE_FRAGMENTS), Reason::DropIcmp),
        ("quote of a later fragment", varied(&|q| q.fragment = 3), Reason::PassNotOurs),
        ("quote of udp", varied(&|q| q.protocol = 17), Reason::PassNotOurs),
        ("quote with a rewritten length", patched(3, 0xff), Reason::DropIcmp),
        ("quote of ip version 6", patched(0, 0x65), Reason::PassNotOurs),
        ("quote with a header of 16 bytes", short_header, Reason::PassNotOurs),
        ("quote with a header beyond the message", patched(0, 0x4f), Reason::PassNotOurs),
        ("quote of another destination", patched(19, 9), Reason::PassNotOurs),
        ("quote of another address", from(config.address + 1, LOCAL_PORT), Reason::PassNotOurs),
        ("quote of another port", from(config.address, config.port_first - 1), Reason::PassNotOurs),
        ("quote of the last port", from(config.address, config.port_last), Reason::DropIcmp),
        ("no quote", message(config, 3, &[]).frame(), Reason::PassNotOurs),
    ]
}

fn other_protocols(config: &Config) -> Vec<Fixture> {
    let with_type = |kind: u16| {
        let mut frame = syn_ack(config).frame();
        frame[12..14].copy_from_slice(&kind.to_be_bytes());
        frame
    };
    let protocol = |protocol| Datagram { protocol, ..syn_ack(config).datagram() }.frame();
    let mut ipv6 = with_type(0x86dd);
    ipv6[14] = 0x60;
    vec![
        ("arp", with_type(0x0806), Reason::PassOther),
        ("ipv6", ipv6, Reason::PassOther),
        ("length instead of a type", with_type(46), Reason::PassOther),
        ("udp", protocol(17), Reason::PassOther),
        ("sctp", protocol(132), Reason::PassOther),
        ("igmp", protocol(2), Reason::PassOther),
        ("ethernet header alone", syn_ack(config).frame()[..14].to_vec(), Reason::PassOther),
    ]
}
