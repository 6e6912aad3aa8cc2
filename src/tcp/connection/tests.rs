//! A connection, read as packet traces: the peer's segments and ours, with sequence numbers relative to
//! the first byte of each stream.

use super::*;
use proptest::prelude::*;

const ISS: u32 = u32::MAX - 2; // so that every test crosses the wrap
const IRS: u32 = u32::MAX - 1;

fn at(millis: u64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}

fn peer<'a>(seq: u32, ack: u32, flags: u8, payload: &'a [u8]) -> Segment<'a> {
    Segment {
        source: 1,
        destination: 2,
        source_port: 25,
        destination_port: 61_000,
        seq: IRS.wrapping_add(1).wrapping_add(seq),
        ack: ISS.wrapping_add(1).wrapping_add(ack),
        flags,
        window: 1_000,
        ttl: 64,
        options: &[],
        payload,
    }
}

fn open() -> Connection {
    let syn_ack = peer(u32::MAX, 0, flags::SYN | flags::ACK, &[]);
    let mut connection = Connection::open(&syn_ack);
    assert_eq!(poll(&mut connection, 0), Some((0, 0, flags::ACK, vec![])));
    assert_eq!(poll(&mut connection, 0), None);
    connection
}

/// Relative sequence and acknowledgement number, flags, payload.
fn poll(connection: &mut Connection, millis: u64) -> Option<(u32, u32, u8, Vec<u8>)> {
    let sent = connection.poll(at(millis))?;
    Some((
        sent.seq.wrapping_sub(ISS.wrapping_add(1)),
        sent.ack.wrapping_sub(IRS.wrapping_add(1)),
        sent.flags,
        sent.payload.to_vec(),
    ))
}

const ACK: u8 = flags::ACK;
const PSH: u8 = flags::ACK | flags::PSH;
const FIN: u8 = flags::ACK | flags::FIN;

#[test]
fn a_conversation_in_order_closes_on_both_sides() {
    let mut c = open();
    c.handle_segment(at(1), &peer(0, 0, PSH, b"220 hi\r\n"));
    assert_eq!(c.take_received(), b"220 hi\r\n");
    c.send(b"QUIT\r\n");
    assert_eq!(poll(&mut c, 1), Some((0, 8, PSH, b"QUIT\r\n".to_vec())));
    c.handle_segment(at(5), &peer(8, 6, FIN, b"221\r\n"));
    assert_eq!(c.take_received(), b"221\r\n");
    assert!(c.peer_closed());
    c.close();
    assert_eq!(poll(&mut c, 5), Some((6, 14, FIN, vec![])));
    assert_eq!(poll(&mut c, 5), None);
    c.handle_segment(at(6), &peer(14, 7, ACK, &[]));
    assert_eq!(c.ending(), Some(Ending::Closed));
    assert_eq!(c.srtt(), Some(Duration::from_nanos(3_625_000)));
    assert_eq!(c.traffic(), &Traffic { bytes_in: 13, bytes_out: 6, segments_in: 3, segments_out: 3, retransmits: 0 });
}

#[test]
fn the_peer_of_our_fin_gets_its_own_fin_acknowledged() {
    let mut c = open();
    c.close();
    assert_eq!(poll(&mut c, 0), Some((0, 0, FIN, vec![])));
    c.handle_segment(at(1), &peer(0, 1, FIN, &[]));
    assert_eq!(c.ending(), Some(Ending::Closed));
    assert_eq!(poll(&mut c, 1), Some((1, 1, ACK, vec![])));
    assert_eq!(poll(&mut c, 1), None);
}

#[test]
fn lost_data_is_sent_again_with_doubled_patience_and_given_up_with_a_reset() {
    let mut c = open();
    c.send(b"EHLO\r\n");
    assert!(poll(&mut c, 0).is_some());
    let mut waited = Vec::new();
    let mut last = 0;
    while c.ending().is_none() {
        let due = c.next_timeout().expect("armed").as_nanos() / 1_000_000;
        c.handle_timeout(at(due));
        waited.push(due - last);
        last = due;
        if c.ending().is_none() {
            assert_eq!(poll(&mut c, due), Some((0, 0, PSH, b"EHLO\r\n".to_vec())));
        }
    }
    assert_eq!(waited, [1_000, 2_000, 4_000, 8_000, 16_000, 16_000]);
    assert_eq!(c.ending(), Some(Ending::Unacknowledged));
    assert_eq!(poll(&mut c, last), Some((6, 0, ACK | flags::RST, vec![])));
    assert_eq!(poll(&mut c, last), None);
    assert_eq!(c.traffic().retransmits, 5);
}

#[test]
fn three_duplicate_acks_resend_at_once() {
    let mut c = open();
    c.send(&[7; 100]);
    assert!(poll(&mut c, 0).is_some());
    for _ in 0..2 {
        c.handle_segment(at(1), &peer(0, 0, ACK, &[]));
    }
    // The window of the SYN-ACK is that of `peer`, so these are duplicates in the sense of RFC 5681.
    assert_eq!(poll(&mut c, 1), None);
    c.handle_segment(at(1), &peer(0, 0, ACK, &[]));
    assert_eq!(poll(&mut c, 1), Some((0, 0, PSH, vec![7; 100])));
}

#[test]
fn a_lost_fin_is_sent_again() {
    let mut c = open();
    c.send(b"x");
    c.close();
    assert_eq!(poll(&mut c, 0), Some((0, 0, PSH | flags::FIN, b"x".to_vec())));
    c.handle_segment(at(1), &peer(0, 1, ACK, &[]));
    c.handle_timeout(at(5_000));
    assert_eq!(poll(&mut c, 5_000), Some((1, 0, FIN, vec![])));
}

#[test]
fn a_peer_that_never_closes_is_reset_after_the_linger() {
    let mut c = open();
    c.close();
    assert!(poll(&mut c, 0).is_some());
    c.handle_segment(at(10), &peer(0, 1, ACK, &[]));
    assert_eq!(c.next_timeout(), Some(at(2_010)));
    c.handle_timeout(at(2_010));
    assert_eq!(c.ending(), Some(Ending::Closed));
    assert_eq!(poll(&mut c, 2_010), Some((1, 0, ACK | flags::RST, vec![])));
}

#[test]
fn only_the_exact_reset_ends_the_connection() {
    let mut c = open();
    c.handle_segment(at(1), &peer(1, 0, flags::RST, &[]));
    assert_eq!(c.ending(), None);
    assert_eq!(poll(&mut c, 1), Some((0, 0, ACK, vec![])), "challenge ACK");
    c.handle_segment(at(1), &peer(u32::MAX - 5, 0, flags::RST, &[]));
    assert_eq!((c.ending(), poll(&mut c, 1)), (None, None));
    c.handle_segment(at(1), &peer(0, 0, flags::RST | flags::ACK, &[]));
    assert_eq!((c.ending(), poll(&mut c, 1)), (Some(Ending::Reset), None));
}

#[test]
fn a_repeated_syn_ack_a_keep_alive_and_an_old_segment_are_acknowledged() {
    let mut c = open();
    c.handle_segment(at(1), &peer(0, 0, PSH, b"hello"));
    assert_eq!(poll(&mut c, 1), Some((0, 5, ACK, vec![])));
    for segment in [
        peer(u32::MAX, 0, flags::SYN | flags::ACK, &[]),
        peer(4, 0, ACK, &[]),
        peer(0, 0, PSH, b"hello"),
        peer(0, 50, ACK, &[]),
    ] {
        c.handle_segment(at(2), &segment);
        assert_eq!(poll(&mut c, 2), Some((0, 5, ACK, vec![])), "{segment:?}");
        assert_eq!(poll(&mut c, 2), None);
    }
    assert_eq!(c.take_received(), b"hello");
    assert_eq!(c.take_received(), b"");
}

#[test]
fn large_data_is_cut_at_the_mss_and_held_by_the_window() {
    let mut c = open();
    c.send(&[1; 1_500]);
    assert_eq!(poll(&mut c, 0).map(|s| (s.0, s.3.len())), Some((0, 536)));
    assert_eq!(poll(&mut c, 0), None, "464 bytes of window are left: too small a part");
    c.handle_segment(at(1), &peer(0, 536, ACK, &[]));
    assert_eq!(poll(&mut c, 1).map(|s| (s.0, s.3.len())), Some((536, 536)));
    assert_eq!(poll(&mut c, 1).map(|s| (s.0, s.3.len())), Some((1_072, 428)), "the rest, small or not");
    assert_eq!(poll(&mut c, 1), None);
}

fn window(segment: Segment<'_>, window: u16) -> Segment<'_> {
    Segment { window, ..segment }
}

/// Lets the timer fire that is armed; when that was, in milliseconds.
fn fire(c: &mut Connection) -> u64 {
    let due = c.next_timeout().expect("a timer").as_nanos() / 1_000_000;
    c.handle_timeout(at(due));
    due
}

#[test]
fn a_closed_window_is_probed_with_one_byte_for_as_long_as_the_peer_answers() {
    let mut c = open();
    c.handle_segment(at(1), &window(peer(0, 0, ACK, &[]), 0));
    c.send(b"ab");
    assert_eq!(poll(&mut c, 1), None);
    let mut probed = Vec::new();
    for _ in 0..20 {
        let due = fire(&mut c);
        assert_eq!(poll(&mut c, due), Some((0, 0, PSH, b"a".to_vec())));
        assert_eq!(poll(&mut c, due), None);
        c.handle_segment(at(due), &window(peer(0, 0, ACK, &[]), 0));
        assert_eq!(poll(&mut c, due), None, "the answers are no duplicate acknowledgements");
        probed.push(due);
    }
    assert_eq!(probed[..6], [1_001, 3_001, 7_001, 15_001, 31_001, 47_001]);
    c.handle_segment(at(400_000), &window(peer(0, 0, ACK, &[]), 9));
    assert_eq!(poll(&mut c, 400_000), Some((0, 0, PSH, b"ab".to_vec())));
    assert_eq!(c.next_timeout(), Some(at(401_000)), "patience is as short as before");
    assert_eq!(c.ending(), None);
}

#[test]
fn a_probe_that_was_taken_moves_on_and_a_mute_peer_is_given_up() {
    let mut c = open();
    c.handle_segment(at(1), &window(peer(0, 0, ACK, &[]), 0));
    c.send(b"abc");
    assert_eq!(poll(&mut c, 1), None);
    let due = fire(&mut c);
    assert!(poll(&mut c, due).is_some());
    c.handle_segment(at(due), &window(peer(0, 1, ACK, &[]), 0));
    assert_eq!(poll(&mut c, due), None);
    let due = fire(&mut c);
    assert_eq!(poll(&mut c, due), Some((1, 0, PSH, b"b".to_vec())));
    for _ in 0..5 {
        let due = fire(&mut c);
        let _ = poll(&mut c, due);
    }
    assert_eq!(c.ending(), Some(Ending::Unacknowledged));
}

#[test]
fn a_bare_fin_goes_into_a_closed_window_and_waits_for_a_living_peer() {
    let mut c = open();
    c.handle_segment(at(1), &window(peer(0, 0, ACK, &[]), 0));
    c.close();
    assert_eq!(poll(&mut c, 1), Some((0, 0, FIN, vec![])));
    for _ in 0..10 {
        let due = fire(&mut c);
        assert_eq!(poll(&mut c, due), Some((0, 0, FIN, vec![])));
        c.handle_segment(at(due), &window(peer(0, 0, ACK, &[]), 0));
    }
    c.handle_segment(at(500_000), &window(peer(0, 1, ACK, &[]), 0));
    assert_eq!((c.ending(), c.next_timeout()), (None, Some(at(502_000))));
}

#[test]
fn a_fin_ahead_of_its_data_waits_for_it() {
    let mut c = open();
    c.handle_segment(at(1), &peer(3, 0, FIN, b"def"));
    assert!(!c.peer_closed());
    assert_eq!(poll(&mut c, 1), Some((0, 0, ACK, vec![])));
    c.handle_segment(at(1), &peer(0, 0, PSH, b"abc"));
    assert!(c.peer_closed());
    assert_eq!(c.take_received(), b"abcdef");
    assert_eq!(poll(&mut c, 1), Some((0, 7, ACK, vec![])));
    c.handle_segment(at(2), &peer(7, 0, PSH, b"after the end"));
    assert_eq!(c.take_received(), b"");
}

proptest! {
    #[test]
    fn arbitrary_segments_never_panic_and_buffers_stay_bounded(
        segments in proptest::collection::vec(
            (any::<u32>(), 0u32..10, any::<u8>(), any::<u16>(), 0usize..1_460, 0u64..3_000), 0..60),
    ) {
        let mut c = open();
        c.send(&[0; 3_000]);
        let mut now = 0;
        for (seq, ack, flags, window, length, pause) in segments {
            let payload = vec![0; length];
            let near = if seq % 3 == 0 { seq } else { seq % 70_000 };
            let mut segment = peer(near, ack * 300, flags, &payload);
            segment.window = window;
            now += pause;
            c.handle_segment(at(now), &segment);
            c.handle_timeout(at(now));
            for _ in 0..20 {
                if poll(&mut c, now).is_none() { break }
            }
            prop_assert!(poll(&mut c, now).is_none());
            prop_assert!(c.receiver.buffered() <= receiver::WINDOW);
            prop_assert!(c.sender.bytes().len() <= 3_000);
        }
    }
}
