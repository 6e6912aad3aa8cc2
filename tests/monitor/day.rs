//! A day's connections: the table stays as small as what goes on at a time, and each of them has its end.

use crate::traffic::{BEGIN, Traffic, handshakes};
use starling::monitor::Config;
use starling::monitor::capture::Captured;
use starling::monitor::table::Monitor;
use starling::targets::ports;
use std::collections::BTreeMap;

const FLOWS: u64 = 20_000;
/// 24 hours, in microseconds.
const SPAN: i64 = 86_400_000_000;
/// What is kept in mind at most: those that begin in five minutes and a little more, of which each fifth says no word of
/// its end.
const KNOWN_MAX: usize = 40;

#[test]
fn a_days_connections_need_no_more_memory_than_five_minutes_of_them() {
    let conversations = handshakes();
    let mut traffic = Traffic::new(&conversations, FLOWS, SPAN);
    let services = ports::parse("study").unwrap();
    let (connections_max, bytes_max) = (Config::CONNECTIONS_MAX, Config::BYTES_MAX);
    let mut monitor = Monitor::new(Config { services, any_port: false, connections_max, bytes_max });
    let (mut known, mut held, mut packets) = (0, 0, 0);
    let mut ends: BTreeMap<&str, u64> = BTreeMap::new();
    let mut late = 0;
    while let Some((time, bytes)) = traffic.next() {
        monitor.handle(&Captured { time, link: 1, bytes });
        (known, held, packets) = (known.max(monitor.len()), held.max(monitor.held()), packets + 1);
        while let Some(recorded) = monitor.poll() {
            *ends.entry(recorded.row.end).or_default() += 1;
            late += u64::from(time.0 - BEGIN.0 > SPAN / 2);
        }
    }
    monitor.finish();
    while let Some(recorded) = monitor.poll() {
        *ends.entry(recorded.row.end).or_default() += 1;
    }
    let account = monitor.account();
    assert_eq!((account.packets, account.connections, account.recorded), (packets, FLOWS, FLOWS));
    assert_eq!((account.wrong(), account.evicted, account.with_gaps, account.open), (vec![], 0, 0, 0));
    // Three of five have a handshake, one is closed, one is silent, the last of them until the capture ends.
    let silent = ends["silent"] + ends["capture_ended"];
    assert_eq!((ends["handshake_over"], ends["closed"], silent), (FLOWS / 5 * 3, FLOWS / 5, FLOWS / 5), "{ends:?}");
    assert!(ends["capture_ended"] < 30 && late > FLOWS * 2 / 5, "{ends:?}, {late} in the second half");
    assert!(known <= KNOWN_MAX && held < 64 << 10, "{known} connections known, {held} bytes held");
}
