//! Conversations as packets, as a capture could have them: whole, shuffled, with losses, from one side.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use super::capture::Captured;
use super::table::Monitor;
use super::{Config, Recorded};
use crate::base::UtcMicros;
use crate::dialogue::Direction::{self, Client, Server};
use crate::targets::ports;
use crate::wire::emit::{Outgoing, segment};
use crate::wire::flags::{ACK, FIN, RST, SYN};
use crate::wire::{Link, Tuple};
use proptest::prelude::*;

mod release;

const CLIENT: u32 = 0x0a00_0001;
const SERVER: u32 = 0x0a00_0002;
const CLIENT_ISN: u32 = u32::MAX - 20;
const SERVER_ISN: u32 = 5_000;

/// Writes the packets of one connection.
struct Wire {
    port: u16,
    client_port: u16,
    next: [u32; 2],
    packets: Vec<Vec<u8>>,
}

impl Wire {
    fn new(port: u16) -> Self {
        Self { port, client_port: 40_000, next: [CLIENT_ISN, SERVER_ISN], packets: Vec::new() }
    }

    /// With its handshake.
    fn open(port: u16) -> Self {
        let mut wire = Self::new(port);
        wire.packet(Client, SYN, b"");
        wire.packet(Server, SYN | ACK, b"");
        wire.packet(Client, ACK, b"");
        wire
    }

    fn packet(&mut self, from: Direction, flags: u8, payload: &[u8]) {
        let (side, peer) = if from == Client { (0, 1) } else { (1, 0) };
        let (local, remote) = if from == Client { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
        let (local_port, remote_port) =
            if from == Client { (self.client_port, self.port) } else { (self.port, self.client_port) };
        let tuple = Tuple { remote, local, remote_port, local_port };
        let ack = if flags & ACK == 0 { 0 } else { self.next[peer] };
        let outgoing = Outgoing { tuple, seq: self.next[side], ack, flags, window: 512, mss: None, payload, id: 1 };
        let mut frame = [0; 1_600];
        let link = Link { source: [2; 6], destination: [4; 6] };
        let length = segment(&link, &outgoing, &mut frame);
        self.packets.push(frame[..length].to_vec());
        let advance = payload.len() + usize::from(flags & SYN > 0) + usize::from(flags & FIN > 0);
        self.next[side] = self.next[side].wrapping_add(u32::try_from(advance).unwrap());
    }

    fn says(&mut self, from: Direction, bytes: &[u8]) {
        bytes.chunks(100).for_each(|part| self.packet(from, ACK, part));
    }

    fn close(&mut self) {
        self.packet(Client, FIN | ACK, b"");
        self.packet(Server, FIN | ACK, b"");
        self.packet(Client, ACK, b"");
    }
}

fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [&[kind, 3, 3, high, low], payload].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let [_, high, middle, low] = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind, high, middle, low], body].concat()
}

/// Two suites, the name `a.example`.
fn client_hello() -> Vec<u8> {
    let extension = [&[0, 0, 0, 14, 0, 12, 0, 0, 9][..], b"a.example"].concat();
    let body = [&[3, 3][..], &[7; 32], &[0, 0, 4, 0xc0, 0x2f, 0, 0x2f, 1, 0, 0, 18], &extension].concat();
    record(22, &message(1, &body))
}

/// TLS 1.2, RSA with AES-128, the certificates, done.
fn server_flight(certificates: &[&[u8]]) -> Vec<u8> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_be_bytes()[1..].to_vec();
    let hello = message(2, &[&[3, 3][..], &[9; 32], &[0, 0, 0x2f, 0]].concat());
    let list: Vec<u8> = certificates.iter().flat_map(|der| [length(der), der.to_vec()].concat()).collect();
    let chain = message(11, &[length(&list), list.clone()].concat());
    record(22, &[hello, chain, message(14, b"")].concat())
}

/// ChangeCipherSpec and Finished.
fn finished() -> Vec<u8> {
    [record(20, &[1]), record(22, &[0xee; 40])].concat()
}

fn handshake(wire: &mut Wire, certificates: &[&[u8]]) {
    wire.says(Client, &client_hello());
    wire.says(Server, &server_flight(certificates));
    wire.says(Client, &finished());
    wire.says(Server, &finished());
}

/// A mail client that upgrades.
fn upgraded() -> Wire {
    let mut wire = Wire::open(25);
    wire.says(Server, b"220 mail.example ESMTP\r\n");
    wire.says(Client, b"EHLO me.example\r\n");
    wire.says(Server, b"250-mail.example\r\n250-AUTH PLAIN LOGIN\r\n250 STARTTLS\r\n");
    wire.says(Client, b"STARTTLS\r\n");
    wire.says(Server, b"220 go ahead\r\n");
    handshake(&mut wire, &[&[0x30; 400], &[0x31; 300]]);
    wire.says(Client, &record(23, &[1; 50]));
    wire.close();
    wire
}

fn config() -> Config {
    Config { services: ports::parse("study").unwrap(), any_port: false, connections_max: 1_000, bytes_max: 1 << 20 }
}

fn monitored<'a>(config: Config, packets: impl IntoIterator<Item = &'a Vec<u8>>) -> (Vec<Recorded>, Monitor) {
    let mut monitor = Monitor::new(config);
    for (at, bytes) in packets.into_iter().enumerate() {
        let time = UtcMicros(i64::try_from(at).unwrap() * 1_000);
        monitor.handle(&Captured { time, link: 1, bytes });
    }
    monitor.finish();
    assert_eq!((monitor.account().wrong(), monitor.len()), (Vec::new(), 0));
    (std::iter::from_fn(|| monitor.poll()).collect(), monitor)
}

fn one(packets: &[Vec<u8>]) -> Recorded {
    let (mut recorded, _) = monitored(config(), packets);
    assert_eq!(recorded.len(), 1, "{recorded:?}");
    recorded.remove(0)
}

/// What no order of arrival may change.
fn facts(recorded: &Recorded) -> Recorded {
    let mut same = recorded.clone();
    let row = &mut same.row;
    (row.time, row.duration_us) = (UtcMicros(0), 0);
    (row.packets_client, row.packets_server, row.bytes_client, row.bytes_server) = (0, 0, 0, 0);
    same
}

#[test]
fn an_upgraded_connection_is_understood() {
    let Recorded { row, chain } = one(&upgraded().packets);
    assert_eq!(
        (row.client_ip.as_str(), row.server_ip.as_str(), row.server_ipv4),
        ("10.0.0.1", "10.0.0.2", Some(SERVER))
    );
    assert_eq!((row.client_port, row.server_port, row.protocol, row.recognised), (40_000, 25, "smtp", "port"));
    assert_eq!((row.starttls_offered, row.starttls_sent, row.starttls_accepted), (Some(true), true, Some(true)));
    assert_eq!(
        (row.capabilities_before.join("|"), row.auth_before.join("|")),
        ("AUTH PLAIN LOGIN|STARTTLS".into(), "PLAIN|LOGIN".into())
    );
    assert_eq!((row.established, row.resumed, row.certificates), (Some(true), Some(false), Some("seen")));
    assert_eq!(
        (row.tls_version.as_deref(), row.tls_cipher.as_deref()),
        (Some("TLSv1.2"), Some("TLS_RSA_WITH_AES_128_CBC_SHA"))
    );
    assert_eq!(
        (row.sni.as_deref(), row.tls_cipher_class, row.client_suites),
        (Some("a.example"), Some("AES"), vec![0xc02f, 0x2f])
    );
    assert_eq!((row.end, row.midstream, row.gaps, row.auth_clear, row.error), ("handshake_over", false, 0, None, None));
    assert_eq!(chain, [vec![0x30; 400], vec![0x31; 300]]);
}

proptest! {
    #[test]
    fn any_order_within_a_window_and_any_repetition_gives_the_same(
        swaps in proptest::collection::vec((0usize..60, 0usize..6), 0..40),
        repeats in proptest::collection::vec(0usize..60, 0..10),
    ) {
        let mut packets = upgraded().packets;
        let expected = facts(&one(&packets));
        for at in repeats {
            let again = packets[at % packets.len()].clone();
            packets.push(again);
            let last = packets.len() - 1;
            packets[(at + 1).min(last)..].rotate_right(1);
        }
        // Nothing overtakes TCP's handshake, or a connection would begin with what is between its packets.
        let first = packets.iter().position(|packet| packet[16..18] != [0, 40]).unwrap();
        for (at, by) in swaps {
            let (one, other) = (first + at % (packets.len() - first), first + (at + by) % (packets.len() - first));
            if one.abs_diff(other) <= 5 {
                packets.swap(one, other);
            }
        }
        let found = monitored(config(), &packets).0;
        prop_assert_eq!(found.iter().map(facts).collect::<Vec<_>>(), [expected]);
    }

    #[test]
    fn any_loss_is_survived_and_said(lost in proptest::collection::btree_set(0usize..30, 1..12)) {
        let packets = upgraded().packets;
        let kept: Vec<_> = packets.iter().enumerate().filter(|(at, _)| !lost.contains(at)).map(|(_, p)| p.clone()).collect();
        let (found, monitor) = monitored(config(), &kept);
        prop_assert!(found.len() <= 1);
        prop_assert_eq!(monitor.account().packets, kept.len() as u64);
        if let Some(Recorded { row, chain }) = found.first() {
            // What was found is true.
            prop_assert!(row.tls_version.is_none() || row.tls_version.as_deref() == Some("TLSv1.2"));
            prop_assert!(chain.is_empty() || *chain == [vec![0x30; 400], vec![0x31; 300]]);
            prop_assert!(row.starttls_offered != Some(false));
        }
    }
}

#[test]
fn a_hole_in_the_certificates_hides_them_and_is_counted() {
    let mut wire = Wire::open(443);
    wire.says(Client, &client_hello());
    let from = wire.packets.len();
    wire.says(Server, &server_flight(&[&[0x30; 900]]));
    wire.says(Client, &finished());
    wire.close();
    wire.packets.remove(from + 3);
    let Recorded { row, chain } = one(&wire.packets);
    assert_eq!((row.protocol, row.gaps, row.gap_bytes, chain.len()), ("https", 1, 100, 0));
    assert_eq!((row.certificates, row.tls_cipher.is_some()), (Some("hidden"), true));
    assert_eq!(row.error.as_deref(), Some("server: bytes of the handshake are missing"));
}

#[test]
fn a_short_snap_length_leaves_gaps() {
    let packets: Vec<_> =
        upgraded().packets.iter().map(|packet| packet[..packet.len().min(54 + 60)].to_vec()).collect();
    let Recorded { row, chain } = one(&packets);
    assert_eq!((row.starttls_offered, row.starttls_accepted, chain.len()), (Some(true), Some(true), 0));
    assert!(row.gaps > 0 && row.gap_bytes > 200, "{row:?}");
}

#[test]
fn one_side_alone_shows_what_it_can() {
    let packets = upgraded().packets;
    let source = |packet: &[u8]| u32::from_be_bytes([packet[26], packet[27], packet[28], packet[29]]);
    let side = |address| packets.iter().filter(|packet| source(packet) == address).cloned().collect::<Vec<_>>();
    let Recorded { row, chain } = one(&side(SERVER));
    assert_eq!((row.server_port, row.midstream, row.packets_client), (25, true, 0));
    assert_eq!((row.tls_version.as_deref(), chain.len(), row.sni), (Some("TLSv1.2"), 2, None));
    let Recorded { row, .. } = one(&side(CLIENT));
    assert_eq!((row.server_port, row.midstream, row.packets_server), (25, false, 0));
    assert_eq!((row.sni.as_deref(), row.tls_version, row.starttls_sent), (Some("a.example"), None, true));
}

#[test]
fn picked_up_in_midstream_it_is_read_from_the_hello_on() {
    let packets = upgraded().packets;
    let hello = packets.iter().position(|packet| packet[54..].starts_with(&[22, 3, 3])).unwrap();
    let Recorded { row, chain } = one(&packets[hello..]);
    assert_eq!((row.protocol, row.midstream, row.starttls_offered, chain.len()), ("smtp", true, None, 2));
    assert_eq!((row.established, row.gaps), (Some(true), 0));
}

#[test]
fn ports_that_are_used_again_are_two_connections() {
    let mut first = Wire::open(110);
    first.says(Server, b"+OK ready\r\n");
    first.says(Client, b"USER joe\r\nPASS secret\r\n");
    let mut second = upgraded();
    let mut again = Wire { next: [77, 99], port: 110, client_port: 40_000, packets: Vec::new() };
    again.packet(Client, SYN, b"");
    again.packet(Server, SYN | ACK, b"");
    again.says(Server, b"+OK ready\r\n");
    again.says(Client, b"AUTH AGpvZQBzZWNyZXQ=\r\n");
    again.packet(Server, RST | ACK, b"");
    second.packets.splice(0..0, first.packets);
    second.packets.extend(again.packets);
    let (recorded, monitor) = monitored(config(), &second.packets);
    let found: Vec<_> =
        recorded.iter().map(|found| (found.row.protocol, found.row.end, found.row.auth_clear)).collect();
    assert_eq!(
        found,
        [("smtp", "handshake_over", None), ("pop3", "reused", Some("USER")), ("pop3", "reset", Some("other"))]
    );
    assert!(!format!("{recorded:?}").contains("secret") && !format!("{recorded:?}").contains("joe"));
    assert_eq!(monitor.account().after_handshake, 4);
}

#[test]
fn the_same_syn_opens_another_connection_once_stragglers_are_over() {
    let packets = upgraded().packets;
    for (after, connections) in [(500_000, 1), (3_000_000, 2), (10_000_000, 2)] {
        let mut monitor = Monitor::new(config());
        let handle = |monitor: &mut Monitor, from: i64| {
            for (at, bytes) in (0..).zip(&packets) {
                monitor.handle(&Captured { time: UtcMicros(from + at * 1_000), link: 1, bytes });
            }
        };
        handle(&mut monitor, 0);
        handle(&mut monitor, after + i64::try_from(packets.len()).unwrap() * 1_000);
        monitor.finish();
        let account = monitor.account();
        assert_eq!(
            (account.connections, account.recorded, account.wrong()),
            (connections, connections, vec![]),
            "{after}"
        );
    }
}

#[test]
fn files_in_a_row_are_one_stream_unless_time_goes_back() {
    // The connection is open where the file ends.
    let packets = &upgraded().packets[..9];
    for (begins, connections) in [(0, 2), (-2_000_000, 2), (packets.len() as i64 * 1_000, 1), (-500_000, 1)] {
        let mut monitor = Monitor::new(config());
        let start = 10_000_000;
        for begin in [start, start + begins] {
            monitor.next_file(UtcMicros(begin));
            for (at, bytes) in (0..).zip(packets) {
                // Ten seconds of capture.
                let time = UtcMicros(begin + if begins == 0 { at * 1_000_000 } else { at * 1_000 });
                monitor.handle(&Captured { time, link: 1, bytes });
            }
        }
        monitor.finish();
        let account = monitor.account();
        assert_eq!((account.connections, account.wrong()), (connections, vec![]), "{begins}");
        assert_eq!(account.recorded, connections);
    }
}

#[test]
fn behind_a_load_balancers_header_the_conversation_is_understood() {
    let mut wire = Wire::open(25);
    wire.says(Client, b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 25\r\n");
    wire.says(Server, b"220 mail ready\r\n");
    wire.says(Client, b"EHLO client\r\n");
    wire.says(Server, b"250-mail\r\n250 STARTTLS\r\n");
    wire.close();
    let row = one(&wire.packets).row;
    assert_eq!(
        (row.protocol, row.starttls_offered, row.capabilities_before),
        ("smtp", Some(true), vec!["STARTTLS".into()])
    );
    let mut wire = Wire::open(443);
    wire.says(Client, &[&b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 443\r\n"[..], &client_hello()].concat());
    wire.says(Server, &server_flight(&[b"leaf"]));
    wire.close();
    let row = one(&wire.packets).row;
    assert_eq!((row.protocol, row.client_ja3.is_some(), row.certificates), ("https", true, Some("seen")));
}

#[test]
fn what_is_said_through_a_proxy_is_understood() {
    let mut wire = Wire::open(1_080);
    wire.packet(Client, ACK, b"\x05\x01\x02");
    wire.packet(Server, ACK, b"\x05\x02");
    wire.packet(Client, ACK, b"\x01\x02me\x06secret");
    wire.packet(Server, ACK, b"\x01\0");
    wire.packet(Client, ACK, b"\x05\x01\0\x01\x0a\0\0\x09\0\x19");
    wire.packet(Server, ACK, b"\x05\0\0\x01\x0a\0\0\x01\0\x19220 mail.example ESMTP\r\n");
    wire.packet(Client, ACK, b"EHLO me\r\n");
    wire.packet(Server, ACK, b"250-mail.example\r\n250 AUTH PLAIN\r\n");
    let wanted = Config { any_port: true, ..config() };
    let found = monitored(wanted, &wire.packets).0;
    let row = &found[0].row;
    assert_eq!((row.protocol, row.recognised, row.starttls_offered), ("smtp", "content", Some(false)));
    assert_eq!(row.auth_before, ["PLAIN"]);
    assert!(!format!("{found:?}").contains("secret"));
}

#[test]
fn a_conversation_that_is_joined_late_is_one_all_the_same() {
    let joined = |port, said: &[(Direction, &[u8])]| {
        let mut wire = Wire::new(port);
        said.iter().for_each(|(from, words)| wire.packet(*from, ACK, words));
        one(&wire.packets).row
    };
    let row = joined(25, &[(Client, b"MAIL FROM:<a@b>\r\n"), (Server, b"250 ok\r\n")]);
    assert_eq!((row.protocol, row.midstream, row.starttls_offered, row.error), ("smtp", true, None, None));
    let row = joined(
        25,
        &[(Client, b"STARTTLS\r\n"), (Server, b"220 go\r\n"), (Client, &client_hello()), (Server, &server_flight(&[]))],
    );
    assert_eq!((row.protocol, row.starttls_sent, row.starttls_accepted), ("smtp", true, Some(true)));
    assert_eq!((row.tls_version.as_deref(), row.midstream), (Some("TLSv1.2"), true));
    let row =
        joined(110, &[(Server, b"+OK 12 octets\r\n"), (Server, b"Subject: private\r\n\r\n* CAPABILITY x\r\n.\r\n")]);
    assert_eq!((row.protocol, row.capabilities_before.len(), row.error), ("pop3", 0, None));
    let row = joined(143, &[(Server, b"* 1 FETCH (BODY[] {20}\r\n* CAPABILITY private)\r\n")]);
    assert_eq!((row.protocol, row.capabilities_before.len(), row.starttls_offered), ("imap", 0, None));
    let row = joined(5_222, &[(Client, b"<message to='a@b'><body>private</body></message>")]);
    assert_eq!((row.protocol, row.starttls_offered, row.auth_clear), ("xmpp-client", None, None));
}

#[test]
fn a_servers_side_alone_lists_what_it_offers() {
    let alone = |port, words: &[&[u8]]| {
        let mut wire = Wire::new(port);
        wire.packet(Server, SYN | ACK, b"");
        words.iter().for_each(|words| wire.packet(Server, ACK, words));
        one(&wire.packets).row
    };
    let row = alone(25, &[b"220 x\r\n", b"250-x\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n", b"250-secret\r\n250 list\r\n"]);
    assert_eq!((row.starttls_offered, &row.auth_before[..]), (Some(true), &["PLAIN".to_owned()][..]));
    assert_eq!(row.capabilities_before, ["STARTTLS", "AUTH PLAIN"]);
    let row = alone(25, &[b"220 x\r\n", b"250 x\r\n", b"250-secret\r\n250 list\r\n"]);
    assert_eq!((row.starttls_offered, row.capabilities_before.len()), (None, 0));
    let greeting: &[u8] = b"* OK [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n";
    let row = alone(143, &[greeting, b"* CAPABILITY IDLE\r\na OK\r\n"]);
    assert_eq!((row.starttls_offered, row.capabilities_before.len()), (Some(true), 2), "a list after LOGIN");
    let row = alone(143, &[b"* OK hi\r\n", b"* CAPABILITY IDLE\r\na OK\r\n"]);
    assert_eq!((row.starttls_offered, row.capabilities_before), (None, vec!["IDLE".into()]));
    let row = alone(143, &[b"* OK hi\r\n", b"* CAPABILITY IMAP4rev1 STARTTLS\r\na OK\r\n", b"* CAPABILITY IDLE\r\n"]);
    assert_eq!(
        (row.starttls_offered, row.capabilities_before),
        (Some(true), vec!["IMAP4rev1".into(), "STARTTLS".into()])
    );
}

#[test]
fn a_flight_without_its_hello_still_shows_certificates() {
    let der = [&[0x30, 0x82, 1, 0][..], &[7; 256]].concat();
    let flight = server_flight(&[&der]);
    let certificate = message(11, &[&[0, 1, 7, 0, 1, 4][..], &der].concat());
    assert!(flight.windows(certificate.len()).any(|part| part == certificate));
    let mut wire = Wire::new(443);
    wire.packet(Server, ACK, &record(22, &certificate));
    let found = one(&wire.packets);
    assert_eq!((found.row.protocol, found.row.certificates, found.row.tls_version), ("https", Some("seen"), None));
    assert_eq!(found.chain, [der]);
}

#[test]
fn what_is_on_other_ports_is_recognised_only_if_wanted() {
    let mut wire = upgraded();
    for packet in &mut wire.packets {
        // Port 25 becomes 2525.
        for at in [34, 36] {
            if packet[at..at + 2] == [0, 25] {
                packet[at..at + 2].copy_from_slice(&2_525u16.to_be_bytes());
            }
        }
    }
    let (none, monitor) = monitored(config(), &wire.packets);
    assert_eq!((none.len(), monitor.account().other_ports), (0, wire.packets.len() as u64));
    let (recorded, _) = monitored(Config { any_port: true, ..config() }, &wire.packets);
    let row = &recorded[0].row;
    assert_eq!(
        (row.protocol, row.recognised, row.server_port, row.established),
        ("smtp", "content", 2_525, Some(true))
    );
}

#[test]
fn memory_is_bounded_and_who_was_silent_longest_goes_first() {
    let config = Config { connections_max: 50, ..config() };
    let mut packets = Vec::new();
    for client_port in 1_000..1_200 {
        let mut wire = Wire { client_port, ..Wire::new(25) };
        wire.packet(Client, SYN, b"");
        wire.packet(Server, SYN | ACK, b"");
        wire.says(Server, b"220 hi\r\n");
        packets.extend(wire.packets);
    }
    let (recorded, monitor) = monitored(config, &packets);
    let ends = |end| recorded.iter().filter(|found| found.row.end == end).count();
    assert_eq!(
        (recorded.len(), ends("evicted"), ends("capture_ended"), monitor.account().evicted),
        (200, 150, 50, 150)
    );
    assert!(recorded.windows(2).all(|pair| pair[0].row.client_port < pair[1].row.client_port));
}

#[test]
fn bytes_that_wait_are_bounded_over_all_connections() {
    let config = Config { bytes_max: 10_000, ..config() };
    let mut packets = Vec::new();
    for client_port in 1_000..1_100 {
        let mut wire = Wire { client_port, ..Wire::new(443) };
        wire.packet(Client, SYN, b"");
        wire.says(Client, &client_hello()[..60]);
        // A hole before what waits.
        wire.next[0] = wire.next[0].wrapping_add(10);
        wire.says(Client, &[5; 500]);
        packets.extend(wire.packets);
    }
    let mut monitor = Monitor::new(config);
    for bytes in &packets {
        monitor.handle(&Captured { time: UtcMicros(0), link: 1, bytes });
        assert!(monitor.held() <= 10_000);
    }
    assert!(monitor.account().evicted > 50);
}
