//! The XDP program in the kernel, `verdict.h` on the host and an oracle written in Rust must agree on
//! every frame. Needs root (BPF); makes no interface and sends no packet.

mod fixtures;
mod frames;
mod kernel;
mod monitor;
mod oracle;
mod random;

use kernel::{Action, Kernel, SHORTEST_FRAME, with_program};
use starling::base::keyed::Key;
use starling::nic::contract::{Config, FORWARD_CLOSED, FORWARD_ICMP, Reason, Verdict};
use starling::nic::verdict::verdict;

const KEY: Key = Key([0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344]);

/// 198.18.0.1, ports 61000 to 65000.
fn config(flags: u32) -> Config {
    Config { flags, ..Config::new(KEY, 0xc612_0001, 61_000, 65_000) }
}

/// What host and oracle say, which must be the same.
fn judge(frame: &[u8], config: &Config) -> (Verdict, Reason) {
    let judged = verdict(frame, config);
    assert_eq!(judged, oracle::expected(frame, config), "verdict.h, oracle: {config:x?} {frame:02x?}");
    judged
}

/// Host, oracle and kernel (with a socket on the queue) judge the frame alike.
fn all_judge(kernel: &mut Kernel<'_>, frame: &[u8], config: &Config) -> (Verdict, Reason) {
    let (verdict, reason) = judge(frame, config);
    if frame.len() >= SHORTEST_FRAME {
        let action = match verdict {
            Verdict::Pass => Action::Pass,
            Verdict::Up => Action::Redirect,
            Verdict::Drop => Action::Drop,
        };
        assert_eq!(kernel.run(frame), (action, vec![(reason, 1)]), "kernel: {config:x?} {frame:02x?}");
    }
    (verdict, reason)
}

#[test]
fn fixtures_get_their_verdict() {
    for flags in 0..4 {
        let config = config(flags);
        with_program(&config, |kernel| {
            kernel.place_socket(0);
            for (name, frame, expected) in fixtures::all(&config) {
                let expected = match expected {
                    Reason::DropClosed if flags & FORWARD_CLOSED != 0 => Reason::UpClosed,
                    Reason::DropIcmp if flags & FORWARD_ICMP != 0 => Reason::UpIcmp,
                    other => other,
                };
                let (_, reason) = all_judge(kernel, &frame, &config);
                assert_eq!(reason, expected, "{name}, flags {flags}");
            }
        });
    }
}

#[test]
fn a_truncated_frame_is_the_hosts() {
    let config = config(0);
    let frame = fixtures::syn_ack(&config).frame();
    with_program(&config, |kernel| {
        kernel.place_socket(0);
        for length in 0..frame.len() {
            let judged = all_judge(kernel, &frame[..length], &config);
            assert_eq!(judged, (Verdict::Pass, Reason::PassOther), "{length} bytes");
        }
        assert_eq!(all_judge(kernel, &frame, &config), (Verdict::Up, Reason::UpSynAck));
    });
}

/// The datagram itself is cut, its length fields agree: then the segment is to blame, once its port is ours.
#[test]
fn a_truncated_segment_to_our_port_is_dropped() {
    let config = config(0);
    let whole = fixtures::syn_ack(&config).datagram();
    with_program(&config, |kernel| {
        kernel.place_socket(0);
        for length in 0..whole.payload.len() {
            let mut cut = whole.clone();
            cut.payload.truncate(length);
            let mut frame = cut.frame();
            let expected = match length {
                0..4 => (Verdict::Pass, Reason::PassOther),
                _ => (Verdict::Drop, Reason::DropBadSegment),
            };
            assert_eq!(all_judge(kernel, &frame, &config), expected, "{length} bytes");
            frame.extend(&whole.payload[length..]); // now the rest is padding, and still not read
            assert_eq!(all_judge(kernel, &frame, &config), expected, "{length} bytes and padding");
        }
    });
}

/// A quote shorter than the IPv4 header and eight bytes tells nothing.
#[test]
fn a_truncated_quote_is_the_hosts() {
    let config = config(0);
    let whole = fixtures::unreachable(&config);
    let needed = 8 + 20 + 8;
    with_program(&config, |kernel| {
        kernel.place_socket(0);
        for length in 0..whole.payload.len() {
            let mut cut = whole.clone();
            cut.payload.truncate(length);
            let expected = match length {
                0..8 => Reason::PassOther,
                8.. if length < needed => Reason::PassNotOurs,
                _ => Reason::DropIcmp,
            };
            let mut frame = cut.frame();
            assert_eq!(all_judge(kernel, &frame, &config).1, expected, "{length} bytes");
            frame.extend(&whole.payload[length..]); // padding, not read
            assert_eq!(all_judge(kernel, &frame, &config).1, expected, "{length} and padding");
        }
    });
}

#[test]
fn without_a_socket_on_the_queue_nothing_goes_up() {
    let config = config(FORWARD_CLOSED | FORWARD_ICMP);
    with_program(&config, |kernel| {
        assert_eq!(kernel.counters(), Reason::ALL.len());
        kernel.place_socket(1); // queue 0 is where the frames come in
        for (name, frame, _) in fixtures::all(&config) {
            let expected = match judge(&frame, &config) {
                (Verdict::Pass, reason) => (Action::Pass, vec![(reason, 1)]),
                (Verdict::Up, _) => (Action::Drop, vec![(Reason::DropNoSocket, 1)]),
                (Verdict::Drop, reason) => (Action::Drop, vec![(reason, 1)]),
            };
            assert_eq!(kernel.run(&frame), expected, "{name}");
        }
    });
}

#[test]
fn random_frames_are_judged_alike() {
    const FRAMES_PER_CONFIG: usize = 4_000;
    let mut random = random::Random::new(0x5374_6172_6c69_6e67);
    let mut reached = vec![0_usize; Reason::ALL.len()];
    for flags in 0..4 {
        for (port_first, port_last) in [(61_000, 65_535), (0, 65_535), (40_000, 40_000), (50_000, 40_000)] {
            let key = Key([random.next(), random.next()]);
            let address = random.next_u32();
            let config = Config { flags, ..Config::new(key, address, port_first, port_last) };
            with_program(&config, |kernel| {
                kernel.place_socket(0);
                for _ in 0..FRAMES_PER_CONFIG {
                    let frame = random.frame(&config);
                    let (_, reason) = all_judge(kernel, &frame, &config);
                    reached[reason as usize] += 1;
                }
            });
        }
    }
    for (&reason, &count) in Reason::ALL.iter().zip(&reached) {
        println!("{:>8} {}", count, reason.name());
        match reason {
            Reason::DropNoSocket => assert_eq!(count, 0),
            _ => assert!(count >= 200, "{} of the frames were {}", count, reason.name()),
        }
    }
}

/// `cargo test --release --test ebpf -- --ignored --nocapture`
#[test]
#[ignore = "prints timings"]
fn time_per_frame() {
    const SHOWN: [&str; 6] = ["syn-ack", "syn-ack, ack one short", "other port", "other address", "udp", "unreachable"];
    let config = config(0);
    with_program(&config, |kernel| {
        kernel.place_socket(0);
        let _link = kernel.attach();
        for (name, frame, reason) in fixtures::all(&config).into_iter().filter(|(name, ..)| SHOWN.contains(name)) {
            let time = (0..5).map(|_| kernel.test_run(&frame, 2_000_000).1).min();
            println!("{name:<24} {:<16} {time:?}", reason.name());
        }
    });
}
