//! `starling monitor -i` where it is not at home: on a port that carries a mirror's copies, with several queues and lanes; with XDP
//! in the kernel's stack; on the loopback.

use super::monitor::{Bulk, Capture, EVERYTHING, Finished, Monitor};
use super::world::{STARLING, errors, query, within};
use std::process::Command;

/// The rows of a monitor, and those of `--pcap` on a capture of the same link, are the same.
fn as_in(capture: &std::path::Path, finished: &Finished, expected: usize) {
    assert_eq!(finished.output.status.code(), Some(0), "{}", errors(&finished.output));
    let replayed = capture.with_extension("replayed");
    let output = Command::new(STARLING)
        .args(["monitor", "-q", "-p", "https", "--pcap"])
        .arg(capture)
        .arg("-o")
        .arg(&replayed)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let (live, replay) = (query(&finished.dataset, EVERYTHING), query(&replayed, EVERYTHING));
    assert_eq!((live.len(), finished.frames("ring_full")), (expected, 0));
    assert_eq!(live, replay);
    for row in &live {
        assert_eq!((&row["sni"], &row["established"]), (&"bulk.example".into(), &true.into()), "{row}");
        assert_eq!((&row["gaps"], &row["midstream"]), (&0.into(), &false.into()), "{row}");
    }
}

/// Frames that XDP saw on a receive queue.
fn queue(namespace: &str, interface: &str, number: usize) -> u64 {
    let output = within(namespace, "ethtool").args(["-S", interface]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let name = format!("rx_queue_{number}_xdp_packets:");
    let line = text.lines().find(|line| line.trim().starts_with(&name));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_mirror_port_with_two_queues_and_two_lanes() {
    let bulk = Bulk::up();
    let near = &bulk.pair.near;
    bulk.pair.ip("link add copies numtxqueues 2 numrxqueues 2 type veth peer port numtxqueues 2 numrxqueues 2");
    for device in ["copies", "port"] {
        bulk.pair.ip(&format!("link set {device} up"));
    }
    let tc = |arguments: &str| {
        let output = within(near, "tc").args(arguments.split_whitespace()).output().unwrap();
        assert!(output.status.success(), "tc {arguments}: {}", errors(&output));
    };
    // The switch: what passes near0 in either direction is copied; connections are spread over the queues by hash.
    tc("qdisc add dev near0 clsact");
    for direction in ["ingress", "egress"] {
        let every = "protocol all u32 match u32 0 0";
        tc(&format!("filter add dev near0 {direction} {every} action mirred egress mirror dev copies"));
    }
    let capture = Capture::start(near, "copies", bulk.folder.path().join("link.pcap"));
    let seen = bulk.folder.path().join("seen");
    let monitor = Monitor::start(near, "port", &seen, "-p https --mirror --lanes 2");
    bulk.transfer(40, 10_000);
    let queues = [queue(near, "port", 0), queue(near, "port", 1)];
    let finished = monitor.stop();
    assert!(queues.iter().all(|frames| *frames > 100), "{queues:?}");
    as_in(&capture.stop(), &finished, 40);
    assert_eq!(finished.account("connections"), 40, "both directions come to one lane");
}

#[test]
fn xdp_in_the_kernels_stack_sees_the_same() {
    let bulk = Bulk::up();
    let capture = Capture::start(&bulk.pair.near, "near0", bulk.folder.path().join("link.pcap"));
    let seen = bulk.folder.path().join("seen");
    let monitor = Monitor::start(&bulk.pair.near, "near0", &seen, "-p https --xdp-mode generic");
    bulk.transfer(10, 100_000);
    as_in(&capture.stop(), &monitor.stop(), 10);
}

#[test]
fn the_loopback_shows_what_a_host_says_to_itself() {
    let bulk = Bulk::up();
    let capture = Capture::start(&bulk.pair.far, "lo", bulk.folder.path().join("link.pcap"));
    let seen = bulk.folder.path().join("seen");
    let monitor = Monitor::start(&bulk.pair.far, "lo", &seen, "-p https --xdp-mode generic");
    bulk.transfer_from(&bulk.pair.far, 10, 100_000);
    as_in(&capture.stop(), &monitor.stop(), 10);
}
