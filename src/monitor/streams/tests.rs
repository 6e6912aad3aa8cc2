//! Orders of arrival, and what is given out of them.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use super::*;
use crate::dialogue::Direction::{Client, Server};
use crate::wire::flags::{ACK, FIN, SYN};

const fn segment(flags: u8, seq: u32, ack: u32, payload: &[u8]) -> Segment<'_> {
    #[expect(clippy::cast_possible_truncation, reason = "test data")]
    let length = payload.len() as u32;
    Segment { source: (0, 0), destination: (0, 0), seq, ack, flags, payload, length }
}

/// What is given, as text; a gap as `<n>`, a close as `.`.
fn given(packets: &[(Direction, Segment<'_>, i64)]) -> String {
    let mut streams = Streams::default();
    let mut said = String::new();
    let mut last = None;
    let mut each = |event: Event<'_>| {
        let (from, text) = match event {
            Event::Bytes(from, bytes) => (from, String::from_utf8(bytes.to_vec()).unwrap()),
            Event::Gap(from, lost) => (from, format!("<{lost}>")),
            Event::Closed(from) => (from, ".".to_owned()),
        };
        if last != Some(from) {
            said.push_str(if from == Client { " C:" } else { " S:" });
        }
        last = Some(from);
        said.push_str(&text);
    };
    for (from, segment, millis) in packets {
        streams.segment(*from, segment, UtcMicros(millis * 1_000), &mut each);
    }
    streams.finish(&mut each);
    assert_eq!(streams.held(), 0);
    said
}

const OPEN: [(Direction, Segment<'static>, i64); 2] =
    [(Client, segment(SYN, 10, 0, b""), 0), (Server, segment(SYN | ACK, 50, 11, b""), 1)];

fn after_open(rest: &[(Direction, Segment<'_>, i64)]) -> String {
    given(&[&OPEN[..], rest].concat())
}

#[test]
fn an_answer_waits_for_what_it_answers() {
    let question = (Client, segment(ACK, 11, 51, b"question"), 2);
    let answer = (Server, segment(ACK, 51, 19, b"answer"), 3);
    assert_eq!(after_open(&[question, answer]), " C:question S:answer");
    assert_eq!(after_open(&[answer, question]), " C:question S:answer");
    // Its first half is late, and comes in two.
    let halves = [(Client, segment(ACK, 14, 51, b"stion"), 2), answer, (Client, segment(ACK, 11, 51, b"que"), 4)];
    assert_eq!(after_open(&halves), " C:question S:answer");
}

#[test]
fn what_was_acknowledged_and_never_seen_is_given_up() {
    let answer = (Server, segment(ACK, 51, 19, b"answer"), 3);
    assert_eq!(after_open(&[answer]), " C:<8> S:answer");
    let part = (Client, segment(ACK, 15, 51, b"tion"), 2);
    assert_eq!(after_open(&[part, answer]), " C:<4>tion S:answer");
    // After a second, not only at the end.
    let next = (Client, segment(ACK, 19, 57, b"next"), 1_500);
    let open = (Server, segment(ACK, 57, 23, b"open"), 1_501);
    assert_eq!(after_open(&[answer, next, open]), " C:<8> S:answer C:next S:open");
    let mut streams = Streams::default();
    let mut count = 0;
    for (from, segment, millis) in [&OPEN[..], &[answer, next]].concat() {
        streams.segment(from, &segment, UtcMicros(millis * 1_000), &mut |_| count += 1);
    }
    assert_eq!((count, streams.held()), (3, 0), "a gap, the answer, what followed it");
}

#[test]
fn what_nobody_acknowledged_is_waited_for_longer() {
    let part = (Client, segment(ACK, 15, 51, b"tion"), 2);
    let late = (Client, segment(ACK, 11, 51, b"ques"), 20_000);
    assert_eq!(after_open(&[part, late]), " C:question");
}

#[test]
fn fins_close_behind_the_last_byte_and_are_no_bytes() {
    let bye = (Client, segment(ACK | FIN, 11, 51, b"bye"), 2);
    let ok = (Server, segment(ACK | FIN, 51, 15, b"ok"), 3);
    let last = (Client, segment(ACK, 15, 54, b""), 4);
    assert_eq!(after_open(&[bye, ok, last]), " C:bye. S:ok.");
    assert_eq!(after_open(&[ok, last, bye]), " C:bye. S:ok.");
    // The FIN itself is not in the capture.
    let unclosed = (Client, segment(ACK, 11, 51, b"bye"), 2);
    assert_eq!(after_open(&[unclosed, ok]), " C:bye S:ok.");
}

#[test]
fn a_side_that_is_not_captured_is_not_waited_for() {
    let packets = [
        (Server, segment(SYN | ACK, 50, 11, b""), 1),
        (Server, segment(ACK, 51, 11, b"hello"), 2),
        (Server, segment(ACK, 56, 900, b"answer"), 3),
    ];
    assert_eq!(given(&packets), " S:helloanswer");
}

#[test]
fn keep_alives_and_old_bytes_say_nothing() {
    let said = (Client, segment(ACK, 11, 51, b"said"), 2);
    let keep_alive = (Client, segment(ACK, 14, 51, b"X"), 3);
    let before_first = (Client, segment(ACK, 5, 51, b"......xxx"), 4);
    assert_eq!(after_open(&[said, keep_alive, before_first]), " C:said");
}

#[test]
fn byte_by_byte_out_of_order_nothing_is_lost() {
    let text: Vec<u8> = (0..2_000_u32).map(|number| b'a' + u8::try_from(number % 26).unwrap()).collect();
    let mut order: Vec<usize> = (0..text.len()).collect();
    // Strides of 37 leave as many holes as pieces.
    order.sort_by_key(|at| (at / 1_850, at % 37, *at));
    let bytes: Vec<_> = order
        .iter()
        .map(|at| (Server, segment(ACK, 51 + u32::try_from(*at).unwrap(), 11, &text[*at..=*at]), 2))
        .collect();
    assert_eq!(after_open(&bytes), format!(" S:{}", String::from_utf8(text).unwrap()));
}

#[test]
fn a_syn_ack_that_nobody_answered_is_void_once_there_is_another() {
    let again = [(Client, segment(SYN, 10, 0, b""), 60_000), (Server, segment(SYN | ACK, 90_000, 11, b""), 60_001)];
    let rest = [(Client, segment(ACK, 11, 90_001, b"hi"), 60_002), (Server, segment(ACK, 90_001, 13, b"ho"), 60_003)];
    assert_eq!(after_open(&[again, rest].concat()), " C:hi S:ho");
    // An answered one is not: the client refuses the other (RFC 9293, section 3.10.7.4).
    let late = [rest[0], again[1], rest[1]];
    assert_eq!(after_open(&[&[again[1]], &late[..]].concat()), " C:hi S:ho");
    let foreign = (Server, segment(SYN | ACK, 5, 11, b""), 60_004);
    assert_eq!(after_open(&[again[1], rest[0], foreign, rest[1]]), " C:hi S:ho");
}

#[test]
fn a_reset_is_believed_where_the_other_side_expects_it() {
    let mut streams = Streams::default();
    let said = (Server, segment(ACK, 51, 11, b"said"), 2);
    // Bytes 4 and 5 are not in the capture.
    let later = (Server, segment(ACK, 57, 11, b"later"), 3);
    let acknowledged = (Client, segment(ACK, 11, 57, b""), 4);
    for (from, segment, _) in [&OPEN[..], &[said, later, acknowledged]].concat() {
        streams.segment(from, &segment, UtcMicros(0), &mut |_| ());
    }
    let believed: Vec<u32> = (0..200).filter(|seq| streams.believes_reset(Server, *seq)).collect();
    assert_eq!(believed, [55, 57, 62], "behind what is in order, what is acknowledged, what is there");
    assert!(Streams::default().believes_reset(Client, 7), "nothing is known");
}

#[test]
fn a_flood_behind_a_hole_is_bounded() {
    let mut streams = Streams::default();
    let mut bytes = 0;
    let mut each = |event: Event<'_>| {
        if let Event::Bytes(_, given) = event {
            bytes += given.len();
        }
    };
    for (from, segment, _) in OPEN {
        streams.segment(from, &segment, UtcMicros(0), &mut each);
    }
    let payload = [7; 1_000];
    for number in 0..1_000 {
        streams.segment(Client, &segment(ACK, 12 + number * 1_001, 51, &payload), UtcMicros(0), &mut each);
        assert!(streams.held() <= 200_000);
    }
    streams.finish(&mut each);
    assert_eq!(bytes, 1_000_000);
}
