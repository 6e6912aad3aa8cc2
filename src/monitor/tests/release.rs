//! Connections of which nothing more is wanted: when that is said, and what becomes of them then.

use super::*;
use crate::monitor::table::Flow;

const SECOND: i64 = 1_000_000;
const MAPPED: u128 = 0xffff_0000_0000;

fn flow() -> Flow {
    Flow((MAPPED | u128::from(CLIENT), 40_000), (MAPPED | u128::from(SERVER), 443))
}

fn give(monitor: &mut Monitor, packets: &[Vec<u8>], from: i64) -> Vec<Option<Flow>> {
    let each = packets.iter().zip(from..);
    each.map(|(bytes, time)| monitor.handle(&Captured { time: UtcMicros(time), link: 1, bytes })).collect()
}

/// A client and a server of TLS, and the packets of both from its end on.
fn over() -> (Wire, Vec<Vec<u8>>) {
    let mut wire = Wire::open(443);
    handshake(&mut wire, &[&[0x30; 400]]);
    let mut after = Wire { packets: Vec::new(), ..wire };
    after.says(Server, &record(23, &[1; 500]));
    after.close();
    (wire, after.packets)
}

#[test]
fn the_last_packet_of_a_handshake_says_so_once() {
    let (wire, after) = over();
    let mut monitor = Monitor::new(config());
    let said = give(&mut monitor, &wire.packets, 0);
    let (last, before) = said.split_last().unwrap();
    assert_eq!((*last, before.iter().flatten().count()), (Some(flow()), 0));
    assert_eq!(give(&mut monitor, &after, 100), vec![None; after.len()]);
    assert_eq!(monitor.account().after_handshake, after.len() as u64);
}

#[test]
fn a_released_connection_is_forgotten_soon_and_stragglers_are_its_own() {
    let (wire, after) = over();
    let mut monitor = Monitor::new(config());
    give(&mut monitor, &wire.packets, 0);
    monitor.release(&flow());
    assert_eq!(give(&mut monitor, &after, 1_000), vec![None; after.len()]);
    assert_eq!((monitor.account().connections, monitor.len()), (1, 1));
    monitor.tick(UtcMicros(6 * SECOND));
    assert_eq!(monitor.len(), 0);
    assert_eq!((monitor.account().recorded, monitor.account().wrong()), (1, Vec::new()));

    // One that is not known, or not any more, is no matter.
    monitor.release(&flow());
}

#[test]
fn what_comes_all_the_same_is_said_again() {
    let (wire, after) = over();
    let mut monitor = Monitor::new(config());
    give(&mut monitor, &wire.packets, 0);
    monitor.release(&flow());
    assert_eq!(give(&mut monitor, &after[..1], 2 * SECOND), [Some(flow())]);
    assert_eq!(give(&mut monitor, &after[1..2], 2 * SECOND + 1), [None]);
    assert_eq!(give(&mut monitor, &after[2..3], 4 * SECOND), [Some(flow())]);
}

#[test]
fn a_connection_that_begins_anew_is_another() {
    let (wire, _) = over();
    let mut monitor = Monitor::new(config());
    give(&mut monitor, &wire.packets, 0);
    monitor.release(&flow());
    let mut again = Wire::new(443);
    again.next = [77, 88];
    for (from, flags) in [(Client, SYN), (Server, SYN | ACK), (Client, ACK)] {
        again.packet(from, flags, b"");
    }
    handshake(&mut again, &[&[0x31; 400]]);
    let said = give(&mut monitor, &again.packets, 1_000);
    assert_eq!(said.last(), Some(&Some(flow())));
    assert_eq!((monitor.account().connections, monitor.account().recorded), (2, 2));
}

/// Bulk of which nothing is understood is not read for ever: from a server in midstream, or of TLS of which one side is not
/// seen.
#[test]
fn bulk_without_a_meaning_is_given_up() {
    let mut midstream = Wire::new(443);
    let mut one_sided = Wire::open(443);
    handshake(&mut one_sided, &[&[0x30; 400]]);
    for _ in 0..400 {
        midstream.packet(Server, ACK, &[0xaa; 1_000]);
        one_sided.says(Server, &record(23, &[1; 1_000]));
    }
    let of_server = |packet: &&Vec<u8>| packet[34..36] == 443_u16.to_be_bytes();
    let one_sided: Vec<_> = one_sided.packets.iter().filter(of_server).cloned().collect();
    for (packets, recorded) in [(midstream.packets, 0), (one_sided, 1)] {
        let mut monitor = Monitor::new(config());
        let said = give(&mut monitor, &packets, 0);
        let at = said.iter().position(Option::is_some).unwrap();
        let bytes: usize = packets[..=at].iter().map(|packet| packet.len() - 54).sum();
        assert!((256 << 10..264 << 10).contains(&bytes), "{bytes}");
        assert_eq!((said.iter().flatten().count(), monitor.account().recorded), (1, recorded));
    }
}
