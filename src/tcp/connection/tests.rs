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
        id: 0,
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

mod reference;

#[test]
fn after_a_timeout_everything_unacknowledged_goes_again_in_slow_start() {
    let mut c = open();
    c.handle_segment(at(0), &window(peer(0, 0, ACK, &[]), 9_000));
    c.send(&[3; 2_000]);
    let sent: Vec<_> = std::iter::from_fn(|| poll(&mut c, 0)).map(|s| (s.0, s.3.len())).collect();
    assert_eq!(sent, [(0, 536), (536, 536), (1_072, 536), (1_608, 392)]);
    let due = fire(&mut c);
    assert_eq!(poll(&mut c, due).map(|s| (s.0, s.3.len())), Some((0, 536)));
    assert_eq!(poll(&mut c, due), None, "one segment probes the way");
    // The first was lost alone: all is well at once.
    let mut lucky = c.clone();
    lucky.handle_segment(at(due + 9), &window(peer(0, 2_000, ACK, &[]), 9_000));
    assert_eq!((poll(&mut lucky, due + 9), lucky.next_timeout()), (None, None));
    // All were lost: two go for the one acknowledged, and so on, without another timeout.
    c.handle_segment(at(due + 9), &window(peer(0, 536, ACK, &[]), 9_000));
    let sent: Vec<_> = std::iter::from_fn(|| poll(&mut c, due + 9)).map(|s| (s.0, s.3.len())).collect();
    assert_eq!(sent, [(536, 536), (1_072, 536)]);
    c.handle_segment(at(due + 18), &window(peer(0, 1_608, ACK, &[]), 9_000));
    assert_eq!(poll(&mut c, due + 18).map(|s| (s.0, s.3.len())), Some((1_608, 392)));
    assert_eq!(c.srtt(), None, "nothing of this gives a round-trip time (Karn)");
    assert_eq!(c.traffic().retransmits, 4);
}

#[test]
fn a_partial_acknowledgement_resends_the_next_hole() {
    let mut c = open();
    c.handle_segment(at(0), &window(peer(0, 0, ACK, &[]), 9_000));
    c.send(&[3; 3_000]);
    assert_eq!(std::iter::from_fn(|| poll(&mut c, 0)).count(), 6);
    for _ in 0..3 {
        c.handle_segment(at(1), &window(peer(0, 536, ACK, &[]), 9_000));
    }
    assert_eq!(poll(&mut c, 1), None);
    c.handle_segment(at(1), &window(peer(0, 536, ACK, &[]), 9_000));
    assert_eq!(poll(&mut c, 1).map(|s| (s.0, s.3.len())), Some((536, 536)), "third duplicate");
    c.handle_segment(at(2), &window(peer(0, 1_608, ACK, &[]), 9_000));
    assert_eq!(poll(&mut c, 2).map(|s| (s.0, s.3.len())), Some((1_608, 536)), "partial");
    c.handle_segment(at(3), &window(peer(0, 3_000, ACK, &[]), 9_000));
    assert_eq!((poll(&mut c, 3), c.next_timeout(), c.traffic().retransmits), (None, None, 2));
}

#[test]
fn backed_off_patience_ends_with_the_next_measurement() {
    let mut c = open();
    c.send(b"a");
    assert!(poll(&mut c, 0).is_some());
    assert_eq!(fire(&mut c), 1_000);
    assert!(poll(&mut c, 1_000).is_some());
    c.handle_segment(at(1_010), &peer(0, 1, ACK, &[]));
    assert_eq!(c.srtt(), None);
    c.send(b"b");
    assert!(poll(&mut c, 1_020).is_some());
    assert_eq!(c.next_timeout(), Some(at(3_020)), "still doubled (RFC 6298, section 5)");
    c.handle_segment(at(1_030), &peer(0, 2, ACK, &[]));
    c.send(b"c");
    assert!(poll(&mut c, 2_000).is_some());
    assert_eq!(c.next_timeout(), Some(at(2_200)));
}

#[test]
fn a_running_timer_runs_on_when_more_is_sent() {
    let mut c = open();
    c.send(b"a");
    assert!(poll(&mut c, 0).is_some());
    c.send(b"b");
    assert!(poll(&mut c, 900).is_some());
    assert_eq!(c.next_timeout(), Some(at(1_000)));
    c.handle_segment(at(950), &peer(0, 1, ACK, &[]));
    assert!(c.next_timeout() > Some(at(1_000)), "and starts anew with progress");
}

#[test]
fn an_old_segment_does_not_set_the_window() {
    let mut c = open();
    c.handle_segment(at(1), &window(peer(0, 0, PSH, b"one"), 2_000));
    c.handle_segment(at(1), &window(peer(3, 0, PSH, b"two"), 3_000));
    c.handle_segment(at(2), &window(peer(0, 0, PSH, b"one"), 0));
    c.handle_segment(at(2), &window(peer(2, 0, ACK, &[]), 0));
    assert_eq!(poll(&mut c, 2).map(|s| (s.1, s.2)), Some((6, ACK)));
    c.send(&[0; 100]);
    assert_eq!(poll(&mut c, 2).map(|s| s.3.len()), Some(100), "the window is open");
}

#[test]
fn data_and_fin_on_the_syn_ack_are_taken() {
    let mut c = Connection::open(&peer(u32::MAX, 0, flags::SYN | flags::ACK, b"220 hi\r\n"));
    assert_eq!((c.take_received(), c.traffic().bytes_in), (b"220 hi\r\n".to_vec(), 8));
    assert_eq!(poll(&mut c, 0), Some((0, 8, ACK, vec![])));
    assert_eq!(poll(&mut c, 0), None);
    let c = Connection::open(&peer(u32::MAX, 0, flags::SYN | FIN, b"go away"));
    assert!(c.peer_closed());
}

#[test]
fn a_peer_that_closes_first_still_hears_us_out() {
    let mut c = open();
    c.handle_segment(at(1), &peer(0, 0, FIN, b"bye"));
    assert!(c.peer_closed());
    c.send(b"QUIT\r\n");
    assert_eq!(poll(&mut c, 1), Some((0, 4, PSH, b"QUIT\r\n".to_vec())));
    c.handle_segment(at(2), &peer(4, 6, ACK, &[]));
    c.close();
    assert_eq!(poll(&mut c, 2), Some((6, 4, FIN, vec![])));
    // Its FIN comes again, as our ACK was lost; then ours is acknowledged.
    c.handle_segment(at(3), &peer(0, 6, FIN, b"bye"));
    assert_eq!(poll(&mut c, 3), Some((7, 4, ACK, vec![])));
    c.handle_segment(at(4), &peer(4, 7, ACK, &[]));
    assert_eq!((c.ending(), poll(&mut c, 4), c.next_timeout()), (Some(Ending::Closed), None, None));
}

#[test]
fn fins_that_cross_close_both_sides() {
    let mut c = open();
    c.close();
    assert_eq!(poll(&mut c, 0), Some((0, 0, FIN, vec![])));
    c.handle_segment(at(1), &peer(0, 0, FIN, &[]));
    assert_eq!((c.ending(), poll(&mut c, 1)), (None, Some((1, 1, ACK, vec![]))));
    c.handle_segment(at(2), &peer(1, 1, ACK, &[]));
    assert_eq!(c.ending(), Some(Ending::Closed));
}

#[test]
fn late_data_is_taken_after_our_fin_until_the_linger_ends() {
    let mut c = open();
    c.close();
    assert!(poll(&mut c, 0).is_some());
    c.handle_segment(at(10), &peer(0, 1, PSH, b"wait"));
    assert_eq!((c.take_received(), poll(&mut c, 10)), (b"wait".to_vec(), Some((1, 4, ACK, vec![]))));
    c.handle_segment(at(2_000), &peer(4, 1, PSH, b", more"));
    assert_eq!(c.take_received(), b", more");
    assert_eq!(c.next_timeout(), Some(at(2_010)), "and does not prolong it");
}

#[test]
fn each_segment_out_of_order_gets_its_duplicate_acknowledgement() {
    let mut c = open();
    for at_byte in [100, 200, 300, 400] {
        c.handle_segment(at(1), &peer(at_byte, 0, PSH, &[1; 100]));
    }
    let acks: Vec<_> = std::iter::from_fn(|| poll(&mut c, 1)).collect();
    assert_eq!(acks, [(0, 0, ACK, vec![]), (0, 0, ACK, vec![]), (0, 0, ACK, vec![])], "three are enough");
    c.handle_segment(at(2), &peer(0, 0, PSH, &[1; 100]));
    assert_eq!((poll(&mut c, 2), poll(&mut c, 2)), (Some((0, 500, ACK, vec![])), None));
}

#[test]
fn the_right_edge_of_the_window_never_moves_left_and_opening_it_is_told() {
    let mut c = open();
    let mut edge = 65_535;
    for part in 0..47 {
        c.handle_segment(at(1), &peer(part * 1_400, 0, PSH, &[1; 1_400]));
        let sent = c.poll(at(1)).expect("an acknowledgement");
        let right = sent.ack.wrapping_sub(IRS.wrapping_add(1)) + u32::from(sent.window);
        assert!(right >= edge);
        edge = right;
    }
    assert_eq!((c.take_received().len(), edge), (65_535, 65_535), "no byte beyond the window was taken");
    let update = c.poll(at(2)).expect("a window update");
    assert_eq!((update.window, update.payload.len()), (65_535, 0));
    assert_eq!(poll(&mut c, 2), None);
}

#[test]
fn acknowledgements_outside_what_was_sent_are_challenged_and_their_data_dropped() {
    let mut c = open();
    c.send(&[0; 400]);
    assert!(poll(&mut c, 0).is_some());
    c.handle_segment(at(1), &peer(0, 400, ACK, &[]));
    for ack in [401, 400u32.wrapping_sub(1_001)] {
        c.handle_segment(at(2), &peer(0, ack, PSH, b"forged"));
        assert_eq!((poll(&mut c, 2), c.take_received()), (Some((400, 0, ACK, vec![])), vec![]));
    }
    c.handle_segment(at(3), &peer(0, 0, PSH, b"late"));
    assert_eq!(c.take_received(), b"late", "an old acknowledgement within a window is normal");
    c.handle_segment(at(3), &peer(0x7000_0000, 400, PSH, b"far"));
    assert_eq!(c.take_received(), b"");
}

#[test]
fn a_reset_one_short_counts_once_the_fin_is_in_and_silences_what_was_due() {
    let mut c = open();
    c.handle_segment(at(1), &peer(0, 0, FIN, &[]));
    c.send(b"x");
    c.handle_segment(at(1), &peer(0, 0, flags::RST, &[]));
    assert_eq!((c.ending(), poll(&mut c, 1), c.next_timeout()), (Some(Ending::Reset), None, None));
    let mut c = open();
    c.abort();
    c.handle_segment(at(1), &peer(0, 0, flags::RST, &[]));
    assert_eq!((c.ending(), poll(&mut c, 1)), (Some(Ending::Reset), None), "no reset is answered by one");
}

#[test]
fn a_fin_before_what_was_received_is_no_end() {
    let mut c = open();
    c.handle_segment(at(1), &peer(0, 0, PSH, b"abcdef"));
    c.handle_segment(at(2), &peer(0, 0, FIN, b"abc"));
    c.handle_segment(at(3), &peer(10, 0, PSH, b"klm"));
    c.handle_segment(at(3), &peer(6, 0, FIN, b"gh"));
    assert!(!c.peer_closed(), "bytes beyond it have come first");
    c.handle_segment(at(4), &peer(6, 0, FIN, b"ghijklm"));
    assert_eq!((c.take_received(), c.peer_closed()), (b"abcdefghijklm".to_vec(), true));
}

#[test]
fn segments_larger_than_our_mss_are_taken_and_urgent_data_is_data() {
    const URG: u8 = 0x20;
    let mut c = open();
    c.handle_segment(at(1), &peer(0, 0, PSH | URG, &[9; 9_000]));
    assert_eq!(c.take_received().len(), 9_000);
    assert_eq!(poll(&mut c, 1), Some((0, 9_000, ACK, vec![])));
}

#[test]
fn a_keep_alive_is_answered_with_and_without_its_byte() {
    let mut c = open();
    for round in 0..50u64 {
        let byte: &[u8] = if round % 2 == 0 { b"" } else { b"?" };
        c.handle_segment(at(round * 1_000), &peer(u32::MAX, 0, ACK, byte));
        assert_eq!(poll(&mut c, round * 1_000), Some((0, 0, ACK, vec![])), "{round}");
    }
    assert_eq!(c.take_received(), b"");
}
