use crate::base::UtcMicros;
use crate::monitor::Config;
use crate::monitor::capture::Captured;
use crate::monitor::packet::tests::{ipv4_of, ipv4_packet, ipv6_of};
use crate::monitor::packet::{Segment, Unusable, segment};
use crate::monitor::table::Monitor;
use crate::targets::ports;

type Wrap = fn(&[u8]) -> Vec<u8>;

const IP_IN_IP: u8 = 4;
const IPV6_IN_IP: u8 = 41;
const UDP: u8 = 17;
const GRE: u8 = 47;

fn parse(packet: &[u8]) -> Result<Segment<'_>, Unusable> {
    segment(&Captured { time: UtcMicros(0), link: 101, bytes: packet })
}

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// With UDP's header, to `port`.
fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(8 + payload.len()).unwrap().to_be_bytes();
    joined(&[&40_000_u16.to_be_bytes(), &port.to_be_bytes(), &[high, low, 0, 0], payload])
}

/// In an Ethernet frame.
fn frame(packet: &[u8]) -> Vec<u8> {
    joined(&[&[2; 12], &[8, 0], packet])
}

/// Every wrapping, with its name, its protocol in IP and the packet in it.
fn wrappings(packet: &[u8]) -> Vec<(&'static str, u8, Vec<u8>)> {
    let gre = |flags: [u8; 2], kind: [u8; 2], rest: &[u8]| joined(&[&flags, &kind, rest]);
    let framed = frame(packet);
    let tagged = joined(&[&[2; 12], &[0x81, 0, 0, 5, 8, 0], packet]);
    let with = |header: &[u8]| joined(&[header, packet]);
    vec![
        ("IP in IP", IP_IN_IP, packet.to_vec()),
        ("GRE", GRE, gre([0, 0], [8, 0], packet)),
        ("GRE with checksum, key and sequence number", GRE, gre([0xb0, 0], [8, 0], &with(&[9; 12]))),
        ("Ethernet in GRE", GRE, gre([0, 0], [0x65, 0x58], &framed)),
        ("MPLS in GRE", GRE, gre([0, 0], [0x88, 0x47], &with(&[0, 1, 0, 64, 0, 2, 1, 64]))),
        ("ERSPAN I", GRE, gre([0, 0], [0x88, 0xbe], &framed)),
        ("ERSPAN II", GRE, gre([0x10, 0], [0x88, 0xbe], &joined(&[&[0, 0, 0, 1], &[0x10; 8], &tagged]))),
        ("ERSPAN III", GRE, gre([0x10, 0], [0x22, 0xeb], &joined(&[&[0, 0, 0, 1], &[0x20; 12], &framed]))),
        ("ERSPAN III with a platform's header", GRE, {
            let header = joined(&[&[0x20; 11], &[1], &[7; 8]]);
            gre([0x10, 0], [0x22, 0xeb], &joined(&[&[0, 0, 0, 1], &header, &framed]))
        }),
        ("VXLAN", UDP, udp(4_789, &joined(&[&[8, 0, 0, 0, 0, 0, 5, 0], &framed]))),
        ("VXLAN with a group", UDP, udp(4_789, &joined(&[&[0x88, 0, 0, 9, 0, 0, 5, 0], &tagged]))),
        ("Geneve", UDP, udp(6_081, &joined(&[&[0, 0, 0x65, 0x58, 0, 0, 5, 0], &framed]))),
        ("Geneve with options, of IP", UDP, udp(6_081, &joined(&[&[2, 0, 8, 0, 0, 0, 5, 0], &[1; 8], packet]))),
        ("WCCP", GRE, gre([0, 0], [0x88, 0x3e], packet)),
        ("PPTP", GRE, joined(&[&[0x30, 0x81, 0x88, 0x0b, 0, 9, 0, 1], &[0; 8], &[0xff, 3, 0, 0x21], packet])),
        ("TZSP", UDP, udp(37_008, &joined(&[&[1, 0, 0, 1, 0, 10, 1, 9, 1], &framed]))),
        ("CAPWAP", UDP, udp(5_247, &joined(&[&[0, 0x10, 2, 0, 0, 0, 0, 0], &framed]))),
        ("CAPWAP of the radio, its control exchanged", UDP, {
            let radio = joined(&[&[0x11, 8], &[0; 20], &[0x76, 0x30], &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], packet]);
            udp(5_247, &joined(&[&[0, 0x20, 3, 0x20], &[0; 12], &radio]))
        }),
        ("GTP-U", UDP, udp(2_152, &with(&[0x30, 0xff, 0, 60, 0, 0, 0, 1]))),
        ("GTP-U with a sequence number", UDP, udp(2_152, &with(&[0x32, 0xff, 0, 60, 0, 0, 0, 1, 0, 7, 0, 0]))),
        ("GTP-U with extension headers", UDP, {
            let headers = [0x34, 0xff, 0, 60, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0, 9, 0xc0, 2, 1, 2, 3, 4, 5, 6, 0];
            udp(2_152, &with(&headers))
        }),
    ]
}

#[test]
fn every_tunnel_leads_to_the_packet_inside() {
    let packet = ipv4_packet(b"EHLO x");
    let due = parse(&packet).unwrap();
    assert_eq!((due.source.1, due.destination.1, due.payload), (1_234, 25, &b"EHLO x"[..]));
    for (name, protocol, wrapped) in wrappings(&packet) {
        assert_eq!(parse(&ipv4_of(protocol, &wrapped)), Ok(due), "{name}");
        assert_eq!(parse(&ipv6_of(protocol, &wrapped)), Ok(due), "{name} in IPv6");
        // Cut anywhere: what is missing is missing, nothing is invented.
        let whole = ipv4_of(protocol, &wrapped);
        for length in 0..whole.len() {
            match parse(&whole[..length]) {
                Ok(found) => assert_eq!((found.length, found.seq, found.source), (6, 7, due.source), "{name} {length}"),
                Err(reason) => assert_ne!(reason, Unusable::Malformed, "{name} cut after {length}"),
            }
        }
    }
    let six = ipv6_of(6, &packet[20..]);
    let found = parse(&six).unwrap();
    assert_eq!(found.payload, b"EHLO x");
    assert_eq!(parse(&ipv4_of(IPV6_IN_IP, &six)), Ok(found), "IPv6 in IPv4");
    for before in [&[][..], &[0; 8], &[0, 1, 1, 2, 9, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9, 9, 9]] {
        assert_eq!(parse(&ipv4_of(UDP, &udp(3_544, &joined(&[before, &six])))), Ok(found), "Teredo");
    }
}

#[test]
fn what_only_looks_like_a_tunnel_is_another_protocol() {
    let packet = ipv4_packet(b"x");
    let others = [
        (UDP, udp(4_789, &joined(&[&[0; 8], &frame(&packet)]))),
        (UDP, udp(53, &packet)),
        (UDP, udp(2_152, &joined(&[&[0x30, 1, 0, 60, 0, 0, 0, 1], &packet]))),
        (UDP, udp(2_152, &joined(&[&[0x50, 0xff, 0, 60, 0, 0, 0, 1], &packet]))),
        (UDP, udp(6_081, &joined(&[&[0x40, 0, 8, 0, 0, 0, 5, 0], &packet]))),
        (UDP, udp(6_081, &joined(&[&[0, 0, 8, 6, 0, 0, 5, 0], &packet]))),
        // Source routes of RFC 1701, and PPTP's version of GRE.
        (GRE, joined(&[&[0x40, 0, 8, 0, 0, 0, 0, 0], &packet])),
        (GRE, joined(&[&[0x30, 1, 0x88, 0x0b, 0, 0, 0, 0], &packet])),
        (GRE, joined(&[&[0, 0, 8, 6], &packet])),
        (50, packet.clone()),
    ];
    for (protocol, wrapped) in others {
        assert_eq!(parse(&ipv4_of(protocol, &wrapped)), Err(Unusable::NotTcp), "{wrapped:?}");
    }
    // An extension header of length 0 would never end.
    let endless = udp(2_152, &joined(&[&[0x34, 0xff, 0, 60, 0, 0, 0, 1, 0, 0, 0, 0x85, 0, 0, 0, 0x85], &packet]));
    assert_eq!(parse(&ipv4_of(UDP, &endless)), Err(Unusable::NotTcp));
}

#[test]
fn nesting_ends_after_four() {
    let packet = ipv4_packet(b"deep");
    let nested = |depth: usize, wrap: Wrap| (0..depth).fold(packet.clone(), |inner, _| wrap(&inner));
    let wraps: [Wrap; 3] = [
        |inner| ipv4_of(IP_IN_IP, inner),
        |inner| ipv4_of(GRE, &joined(&[&[0, 0, 0x65, 0x58], &frame(inner)])),
        |inner| ipv4_of(UDP, &udp(4_789, &joined(&[&[8, 0, 0, 0, 0, 0, 5, 0], &frame(inner)]))),
    ];
    for wrap in wraps {
        assert_eq!(parse(&nested(4, wrap)).unwrap().payload, b"deep");
        assert_eq!(parse(&nested(5, wrap)), Err(Unusable::NotTcp));
        assert_eq!(parse(&nested(500, wrap)), Err(Unusable::NotTcp));
    }
}

#[test]
fn a_fragment_of_a_tunnel_counts_as_one_and_the_account_adds_up() {
    let services = ports::parse("smtp").unwrap();
    let mut monitor = Monitor::new(Config { services, any_port: false, connections_max: 10, bytes_max: 1 << 20 });
    let mut inner = ipv4_packet(b"x");
    inner[6] = 0x20;
    let whole = ipv4_packet(b"x");
    for packet in [ipv4_of(IP_IN_IP, &inner), ipv4_of(UDP, &udp(2_152, &whole)), ipv4_of(IP_IN_IP, &whole)] {
        monitor.handle(&Captured { time: UtcMicros(0), link: 101, bytes: &packet });
    }
    let account = monitor.account();
    assert_eq!((account.packets, account.fragments, account.not_tcp, account.taken), (3, 1, 1, 1));
    assert_eq!(account.wrong(), Vec::<String>::new());
}
