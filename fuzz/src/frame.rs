//! Target `frame`: the input is an Ethernet frame. Read by `wire::parse`, judged by `verdict.h` (compiled for
//! the host), as it is and in three repaired forms that get past the checks a random frame fails.
//!
//! Asserted: what is read lies in the frame and survives being written and read again; the verdict fits its
//! reason and does not depend on padding; kernel and userspace agree on what is ours:
//! - UP (TCP) implies that parsing fails on nothing but a checksum, which the kernel leaves to userspace;
//! - for a frame that parses, the verdict is what addresses, ports, flags and the Rust cookie demand. In
//!   particular `up_syn_ack` is said exactly if the engine would open a connection.

use starling::base::keyed::Key;
use starling::nic::contract::{ACK_WINDOW, Config, FORWARD_CLOSED, FORWARD_ICMP, Reason, Verdict};
use starling::nic::verdict::verdict;
use starling::tcp::cookie::cookie;
use starling::wire::checksum::Sum;
use starling::wire::emit::{HEADERS, Outgoing, segment as emit};
use starling::wire::icmp::report;
use starling::wire::parse::{Malformed, segment as parse};
use starling::wire::{Link, Segment, Tuple, flags};

/// The secret, address and ports of the run that the frames arrive at.
pub const KEY: Key = Key([0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344]);
/// See [`KEY`].
pub const ADDRESS: u32 = 0xc612_0001;
/// See [`KEY`].
pub const PORTS: (u16, u16) = (61_000, 65_000);

const LINK: Link = Link { source: [2, 0, 0, 0, 0, 1], destination: [2, 0, 0, 0, 0, 2] };

/// The body.
pub fn run(data: &[u8]) {
    check(data);
    let mut frame = data.to_vec();
    if let Some(at) = network(&frame) {
        repair(&mut frame, at);
        check(&frame);
        to_us(&mut frame, at);
        repair(&mut frame, at);
        check(&frame);
        if prove(&mut frame, at) {
            repair(&mut frame, at);
            check(&frame);
        }
    }
}

fn check(frame: &[u8]) {
    let parsed = parse(frame);
    if let Ok(segment) = &parsed {
        survives_a_round_trip(frame, segment);
    }
    for flags in [0, FORWARD_CLOSED | FORWARD_ICMP] {
        let config = Config { flags, ..Config::new(KEY, ADDRESS, PORTS.0, PORTS.1) };
        let (judged, reason) = verdict(frame, &config);
        assert_eq!(reason.name().split('_').next(), Some(name(judged)), "{reason:?}");
        padding_changes_nothing(frame, &config, reason);
        match (&parsed, reason) {
            (Ok(segment), _) => assert_eq!(reason, demanded(segment, flags), "{segment:?}"),
            // Userspace reads of a report what the kernel saw in it, but for the checksums.
            (_, Reason::UpIcmp) => match report(frame) {
                Ok(report) => {
                    let beyond = report.seq.wrapping_sub(cookie(KEY, report.tuple));
                    assert!(beyond <= ACK_WINDOW && report.tuple.local == ADDRESS, "{report:?}");
                }
                Err(error) => assert_eq!(error, Malformed::Checksum),
            },
            (Err(Malformed::Checksum), _) => {}
            (Err(error), _) => assert_ne!(judged, Verdict::Up, "{error:?}"),
        }
    }
}

fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Up => "up",
        Verdict::Drop => "drop",
    }
}

/// What the wire adds behind a packet must not matter once the packet was complete.
fn padding_changes_nothing(frame: &[u8], config: &Config, reason: Reason) {
    let padded = [frame, &[0xff; 46]].concat();
    if reason != Reason::PassOther {
        assert_eq!(verdict(&padded, config).1, reason);
    }
    if let Ok(segment) = parse(frame) {
        assert_eq!(parse(&padded).as_ref(), Ok(&segment));
    }
}

fn survives_a_round_trip(frame: &[u8], segment: &Segment<'_>) {
    assert!(HEADERS + segment.options.len() + segment.payload.len() <= frame.len());
    assert!(segment.options.len() <= 40);
    // Written from the sender's side; options but for the MSS and the time to live are not ours to choose.
    let tuple = Tuple {
        remote: segment.destination,
        local: segment.source,
        remote_port: segment.destination_port,
        local_port: segment.source_port,
    };
    let outgoing = Outgoing {
        tuple,
        seq: segment.seq,
        ack: segment.ack,
        flags: segment.flags,
        window: segment.window,
        mss: segment.mss(),
        payload: segment.payload,
        id: segment.id,
    };
    let mut buffer = vec![0xaa; HEADERS + 4 + segment.payload.len() + 60];
    let length = emit(&LINK, &outgoing, &mut buffer);
    let again = parse(&buffer[..length]).expect("we emit well-formed frames");
    assert_eq!(again.mss(), segment.mss());
    assert_eq!(Segment { ttl: segment.ttl, options: segment.options, ..again }, *segment);
}

/// The verdict on a TCP segment whose checksums are right, from what userspace reads of it.
fn demanded(segment: &Segment<'_>, forward: u32) -> Reason {
    if segment.destination != ADDRESS || !(PORTS.0..=PORTS.1).contains(&segment.destination_port) {
        return Reason::PassNotOurs;
    }
    let (syn, rst) = (segment.has(flags::SYN), segment.has(flags::RST));
    let ahead = segment.ack.wrapping_sub(cookie(KEY, segment.tuple()).wrapping_add(1));
    match (segment.has(flags::ACK), syn, rst) {
        (false, false, true) => Reason::UpSegment,
        (false, _, _) | (true, true, true) => Reason::DropBadSegment,
        (true, true, false) if ahead == 0 => Reason::UpSynAck,
        (true, true, false) => Reason::DropBadCookie,
        (true, false, true) if segment.seq == 0 && ahead == 0 => {
            if forward & FORWARD_CLOSED == 0 {
                Reason::DropClosed
            } else {
                Reason::UpClosed
            }
        }
        (true, false, _) if ahead <= ACK_WINDOW => Reason::UpSegment,
        (true, false, _) => Reason::DropBadSegment,
    }
}

/// Where the IPv4 header begins, if there is room for one: behind the Ethernet header and a VLAN tag.
fn network(frame: &[u8]) -> Option<usize> {
    let at = if matches!(frame.get(12..14)?, [0x81, 0x00] | [0x88, 0xa8]) { 18 } else { 14 };
    (frame.len() >= at + 20).then_some(at)
}

fn be16(frame: &[u8], at: usize) -> usize {
    usize::from(u16::from_be_bytes([frame[at], frame[at + 1]]))
}

/// The TCP or ICMP bytes, as far as the lengths in the header make sense.
fn transport(frame: &[u8], at: usize) -> Option<std::ops::Range<usize>> {
    let begin = at + usize::from(frame[at] & 0x0f) * 4;
    let end = at + be16(frame, at + 2);
    (begin >= at + 20 && begin <= end && end <= frame.len()).then_some(begin..end)
}

/// Writes the right IPv4 and TCP checksums into a packet whose lengths make sense.
fn repair(frame: &mut [u8], at: usize) {
    let Some(range) = transport(frame, at) else { return };
    frame[at + 10..at + 12].fill(0);
    let sum = Sum::default().bytes(&frame[at..range.start]).finish();
    frame[at + 10..at + 12].copy_from_slice(&sum.to_be_bytes());
    if frame[at + 9] != 6 || range.len() < 20 {
        return;
    }
    frame[range.start + 16..range.start + 18].fill(0);
    let length = u16::try_from(range.len()).expect("an IPv4 packet");
    let addresses = Sum::default().bytes(&frame[at + 12..at + 20]);
    let sum = addresses.u16(6).u16(length).bytes(&frame[range.clone()]).finish();
    frame[range.start + 16..range.start + 18].copy_from_slice(&sum.to_be_bytes());
}

/// Makes it a packet for us; its port stays if it is one of ours.
fn to_us(frame: &mut [u8], at: usize) {
    frame[at + 16..at + 20].copy_from_slice(&ADDRESS.to_be_bytes());
    if let Some(range) = transport(frame, at).filter(|range| range.len() >= 4) {
        let port = be16(frame, range.start + 2);
        if !(usize::from(PORTS.0)..=usize::from(PORTS.1)).contains(&port) {
            frame[range.start + 2..range.start + 4].copy_from_slice(&PORTS.0.to_be_bytes());
        }
    }
}

/// Makes a TCP segment acknowledge its cookie, or somewhat more if the acknowledgement it had was odd. An ICMP
/// error gets to quote a segment of ours. False if it is neither.
fn prove(frame: &mut [u8], at: usize) -> bool {
    let Some(range) = transport(frame, at) else { return false };
    let be32 = |frame: &[u8], at: usize| u32::from_be_bytes([frame[at], frame[at + 1], frame[at + 2], frame[at + 3]]);
    let port = |frame: &[u8], at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
    let begin = range.start;
    if frame[at + 9] == 6 && range.len() >= 20 {
        let (remote_port, local_port) = (port(frame, begin), port(frame, begin + 2));
        let tuple = Tuple { remote: be32(frame, at + 12), local: ADDRESS, remote_port, local_port };
        let had = be32(frame, begin + 8);
        let ahead = if had & 1 == 0 { 0 } else { had % (2 * ACK_WINDOW) };
        let ack = cookie(KEY, tuple).wrapping_add(1).wrapping_add(ahead);
        frame[begin + 8..begin + 12].copy_from_slice(&ack.to_be_bytes());
        return true;
    }
    // The quoted packet: its header where the error's eight bytes end, ours as its source.
    let quoted = begin + 8;
    if frame[at + 9] != 1 || range.len() < 8 + 28 {
        return false;
    }
    let inner = quoted + usize::from(frame[quoted] & 0x0f) * 4;
    if inner + 8 > range.end {
        return false;
    }
    frame[quoted + 12..quoted + 16].copy_from_slice(&ADDRESS.to_be_bytes());
    frame[inner..inner + 2].copy_from_slice(&PORTS.0.to_be_bytes());
    let (remote_port, local_port) = (port(frame, inner + 2), PORTS.0);
    let tuple = Tuple { remote: be32(frame, quoted + 16), local: ADDRESS, remote_port, local_port };
    let ahead = be32(frame, inner + 4) % (2 * ACK_WINDOW);
    frame[inner + 4..inner + 8].copy_from_slice(&cookie(KEY, tuple).wrapping_add(ahead).to_be_bytes());
    true
}
