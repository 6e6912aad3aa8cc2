//! The monitor's programs in the kernel: they hand up what `src/monitor/packet.rs` finds a segment of a watched port in,
//! whole, to one lane for both directions; and they leave out what was entered into their map.
#![allow(unsafe_code, reason = "the generated skeleton")]

use crate::random::Random;
use libbpf_rs::libbpf_sys::bpf_map_create_opts;
use libbpf_rs::skel::{OpenSkel, SkelBuilder};
use libbpf_rs::{MapCore, MapFlags, MapHandle, MapType, ProgramInput, RingBufferBuilder};
use starling::base::UtcMicros;
use starling::monitor::capture::Captured;
use starling::monitor::packet::{Segment, Unusable, segment};
use starling::nic::xdp::{Ends, Fate};
use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

#[allow(missing_docs, unreachable_pub, dead_code, clippy::all, clippy::pedantic, reason = "generated")]
#[allow(clippy::undocumented_unsafe_blocks, clippy::unwrap_used, reason = "generated")]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "generated")]
mod skeleton {
    include!(concat!(env!("OUT_DIR"), "/monitor.skel.rs"));
}

const WATCHED: [u16; 3] = [25, 443, 993];
const LANES: u32 = 4;
const RING: u32 = 1 << 20;
const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;
const SECOND: u64 = 1_000_000_000;

/// The loaded programs.
struct Kernel<'object> {
    skeleton: skeleton::MonitorSkel<'object>,
    rings: Vec<MapHandle>,
    counted: Vec<u64>,
}

/// Which of the two programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Arriving,
    Leaving,
}

fn with_programs(flags: u32, run: impl FnOnce(&mut Kernel<'_>)) {
    let mut object = MaybeUninit::uninit();
    let mut open = skeleton::MonitorSkelBuilder::default().open(&mut object).expect("the object opens");
    let mut ports = [0_u8; 8192];
    WATCHED.iter().for_each(|port| ports[usize::from(port / 8)] |= 1 << (port % 8));
    let config = skeleton::types::starling_watch_config { flags, lanes: LANES, ports };
    open.maps.rodata_data.as_deref_mut().expect("the object has .rodata").config = config;
    let skeleton = open.load().expect("the verifier accepts the programs (needs root)");
    let options = bpf_map_create_opts { sz: size_of::<bpf_map_create_opts>() as u64, ..Default::default() };
    let mut rings = Vec::new();
    for lane in 0..LANES {
        let ring = MapHandle::create(MapType::RingBuf, Some("ring"), 0, 0, RING, &options).expect("a ring");
        let descriptor = ring.as_fd().as_raw_fd().to_ne_bytes();
        skeleton.maps.rings.update(&lane.to_ne_bytes(), &descriptor, MapFlags::ANY).expect("the map takes it");
        rings.push(ring);
    }
    run(&mut Kernel { skeleton, rings, counted: vec![0; Fate::ALL.len()] });
}

impl Kernel<'_> {
    /// Runs a program once: what it says to the kernel, and where it counted the frame.
    fn run(&mut self, way: Way, frame: &[u8]) -> (i32, Fate) {
        let input = ProgramInput { data_in: Some(frame), repeat: 1, ..Default::default() };
        let program = match way {
            Way::Arriving => &mut self.skeleton.progs.arriving,
            Way::Leaving => &mut self.skeleton.progs.leaving,
        };
        let said = program.test_run(input).expect("the program runs").return_value;
        let mut fates = Vec::new();
        for (index, fate) in Fate::ALL.iter().enumerate() {
            let (frames, bytes) = self.count(*fate);
            if frames != self.counted[index] {
                assert_eq!(frames, self.counted[index] + 1);
                assert!(bytes >= frames);
                self.counted[index] = frames;
                fates.push(*fate);
            }
        }
        assert_eq!(fates.len(), 1, "{fates:?} {frame:02x?}");
        (said.cast_signed(), fates[0])
    }

    fn arrive(&mut self, frame: &[u8]) -> Fate {
        self.run(Way::Arriving, frame).1
    }

    fn count(&self, fate: Fate) -> (u64, u64) {
        let key = (fate as u32).to_ne_bytes();
        let per_cpu = self.skeleton.maps.counts.lookup_percpu(&key, MapFlags::ANY);
        let per_cpu = per_cpu.expect("the lookup works").expect("there is a counter for each fate");
        let number = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().expect("eight bytes"));
        per_cpu.iter().fold((0, 0), |sum, value| (sum.0 + number(&value[..8]), sum.1 + number(&value[8..16])))
    }

    /// What is in the rings, by lane: times, lengths, captured bytes.
    fn drain(&self) -> Vec<(usize, u64, u32, Vec<u8>)> {
        let taken = RefCell::new(Vec::new());
        for (lane, ring) in self.rings.iter().enumerate() {
            let mut builder = RingBufferBuilder::new();
            builder
                .add(ring, |item: &[u8]| {
                    let four = |at: usize| u32::from_ne_bytes(item[at..at + 4].try_into().expect("four"));
                    let time = u64::from_ne_bytes(item[..8].try_into().expect("eight"));
                    let bytes = item[16..16 + four(12) as usize].to_vec();
                    taken.borrow_mut().push((lane, time, four(8), bytes));
                    0
                })
                .expect("the ring is read");
            builder.build().expect("the ring is read").consume().expect("the ring is read");
        }
        taken.into_inner()
    }

    fn enter(&self, frame: &[u8], until: u64) {
        let mut shunt = until.to_ne_bytes().to_vec();
        shunt.extend([0; 8]);
        let key = key(&segment_of(frame).expect("a segment"));
        self.skeleton.maps.shunts.update(&key, &shunt, MapFlags::ANY).expect("the map takes it");
    }

    /// Until when frames of this connection stay away from userspace, if they do.
    fn entered(&self, frame: &[u8]) -> Option<u64> {
        let key = key(&segment_of(frame).expect("a segment"));
        let found = self.skeleton.maps.shunts.lookup(&key, MapFlags::ANY).expect("the lookup works")?;
        Some(u64::from_ne_bytes(found[..8].try_into().expect("eight bytes")))
    }
}

/// As `src/app/monitor/link.rs` and `src/nic/xdp/watch.rs` make it.
fn key(segment: &Segment<'_>) -> Vec<u8> {
    let (one, other) = (segment.source.min(segment.destination), segment.source.max(segment.destination));
    let ends = Ends { address: [one.0.to_be_bytes(), other.0.to_be_bytes()], port: [one.1, other.1] };
    let mut key = ends.address.concat();
    ends.port.iter().for_each(|port| key.extend(port.to_ne_bytes()));
    key
}

fn now() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).expect("there is a clock");
    u64::try_from(Duration::from(now).as_nanos()).expect("not yet")
}

fn segment_of(frame: &[u8]) -> Result<Segment<'_>, Unusable> {
    segment(&Captured { time: UtcMicros(0), link: 1, bytes: frame })
}

fn tcp(ports: (u16, u16), flags: u8, payload: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(ports.0.to_be_bytes());
    bytes.extend(ports.1.to_be_bytes());
    bytes.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    bytes.resize(20 + payload, 0xaa);
    bytes
}

fn ipv4(from: [u8; 4], to: [u8; 4], protocol: u8, options: usize, payload: &[u8]) -> Vec<u8> {
    let header = u8::try_from(20 + options).expect("short");
    let total = u16::try_from(usize::from(header) + payload.len()).expect("a datagram").to_be_bytes();
    let mut bytes = vec![0x40 | (header / 4), 0, total[0], total[1], 0, 0, 0x40, 0, 64, protocol, 0, 0];
    bytes.extend(from);
    bytes.extend(to);
    bytes.resize(usize::from(header), 1);
    bytes.extend(payload);
    bytes
}

fn ipv6(from: u8, to: u8, next: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("a datagram").to_be_bytes();
    let mut bytes = vec![0x60, 0, 0, 0, length[0], length[1], next, 64];
    for last in [from, to] {
        bytes.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    bytes.extend(payload);
    bytes
}

fn ethernet(between: &[u8], kind: u16, packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    frame.extend(between);
    frame.extend(kind.to_be_bytes());
    frame.extend(packet);
    frame
}

const CLIENT: [u8; 4] = [198, 18, 0, 2];
const SERVER: [u8; 4] = [198, 18, 0, 1];

fn to_server(client_port: u16, flags: u8, payload: usize) -> Vec<u8> {
    ethernet(&[], 0x0800, &ipv4(CLIENT, SERVER, 6, 0, &tcp((client_port, 443), flags, payload)))
}

fn to_client(client_port: u16, flags: u8, payload: usize) -> Vec<u8> {
    ethernet(&[], 0x0800, &ipv4(SERVER, CLIENT, 6, 0, &tcp((443, client_port), flags, payload)))
}

/// Frames of every shape that is known, and where each goes.
fn shapes() -> Vec<(&'static str, Vec<u8>, Fate)> {
    let watched = tcp((40_000, 25), ACK, 33);
    let packet = ipv4(CLIENT, SERVER, 6, 0, &watched);
    let packet6 = ipv6(1, 2, 6, &watched);
    let mut fragment = packet.clone();
    fragment[6] = 0x20;
    let hop_by_hop = [&[60, 1][..], &[1; 14], &[6, 0], &[1; 6]].concat();
    let authentication = [&[6, 4][..], &[0; 22]].concat();
    let no_fragment = [6, 0, 0, 0, 0, 0, 0, 7];
    let a_fragment = [6, 0, 0, 1, 0, 0, 0, 7];
    let pppoe = |kind: [u8; 2], packet: &[u8]| [&[0x11, 0, 0, 1, 0, 99][..], &kind, packet].concat();
    let with = |headers: &[u8]| [headers, &watched].concat();
    vec![
        ("to a watched port", ethernet(&[], 0x0800, &packet), Fate::Up),
        ("from one", ethernet(&[], 0x0800, &ipv4(SERVER, CLIENT, 6, 0, &tcp((993, 40_000), ACK, 0))), Fate::Up),
        ("others", ethernet(&[], 0x0800, &ipv4(SERVER, CLIENT, 6, 0, &tcp((992, 442), ACK, 9))), Fate::OtherPorts),
        ("options", ethernet(&[], 0x0800, &ipv4(CLIENT, SERVER, 6, 40, &watched)), Fate::Up),
        ("a tag", ethernet(&[0x81, 0, 0, 5], 0x0800, &packet), Fate::Up),
        ("two tags", ethernet(&[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6], 0x86dd, &packet6), Fate::Up),
        ("metadata", ethernet(&[0x89, 9, 1, 1, 0, 1, 0, 9], 0x0800, &packet), Fate::Up),
        ("IPv6", ethernet(&[], 0x86dd, &packet6), Fate::Up),
        ("extensions", ethernet(&[], 0x86dd, &ipv6(1, 2, 0, &with(&hop_by_hop))), Fate::Up),
        ("authentication", ethernet(&[], 0x86dd, &ipv6(1, 2, 51, &with(&authentication))), Fate::Up),
        ("a fragment that is whole", ethernet(&[], 0x86dd, &ipv6(1, 2, 44, &with(&no_fragment))), Fate::Up),
        ("a fragment of IPv6", ethernet(&[], 0x86dd, &ipv6(1, 2, 44, &with(&a_fragment))), Fate::Fragment),
        ("a fragment of IPv4", ethernet(&[], 0x0800, &fragment), Fate::Fragment),
        ("UDP", ethernet(&[], 0x0800, &ipv4(CLIENT, SERVER, 17, 0, &watched)), Fate::NotTcp),
        ("ICMPv6", ethernet(&[], 0x86dd, &ipv6(1, 2, 58, &watched)), Fate::NotTcp),
        ("no next header", ethernet(&[], 0x86dd, &ipv6(1, 2, 59, &[])), Fate::NotTcp),
        ("IPv6 in IPv4", ethernet(&[], 0x0800, &ipv4(CLIENT, SERVER, 41, 0, &packet6)), Fate::Up),
        ("IPv4 in IPv4", ethernet(&[], 0x0800, &ipv4(CLIENT, SERVER, 4, 0, &packet)), Fate::NotTcp),
        ("labels", ethernet(&[], 0x8847, &[&[0, 1, 0, 9, 0, 2, 1, 9][..], &packet].concat()), Fate::Up),
        ("PPPoE", ethernet(&[], 0x8864, &pppoe([0, 0x21], &packet)), Fate::Up),
        ("PPPoE's own", ethernet(&[], 0x8864, &pppoe([0xc0, 0x21], &packet)), Fate::NotIp),
        ("ARP", ethernet(&[], 0x0806, &[0; 46]), Fate::NotIp),
        ("neither version", ethernet(&[], 0x0800, &[0x50; 46]), Fate::NotIp),
        ("a short header", ethernet(&[], 0x0800, &[&[0x44][..], &packet[1..]].concat()), Fate::Malformed),
        ("cut in IPv4", ethernet(&[], 0x0800, &packet[..19]), Fate::Cut),
        ("cut in TCP", ethernet(&[], 0x0800, &packet[..39]), Fate::Cut),
        ("cut in IPv6", ethernet(&[], 0x86dd, &packet6[..39]), Fate::Cut),
    ]
}

/// Where userspace would count the frame.
fn userspace(frame: &[u8]) -> Result<Fate, Unusable> {
    segment_of(frame).map(|segment| {
        let watched = [segment.source.1, segment.destination.1].iter().any(|port| WATCHED.contains(port));
        if watched { Fate::Up } else { Fate::OtherPorts }
    })
}

/// Whether the frame's IP carries what may be a tunnel: captures are looked into, on a link its packets pass as not TCP.
fn is_tunnel(frame: &[u8]) -> bool {
    let carries = |at: usize| frame.get(at).is_some_and(|protocol| [4, 17, 41, 47].contains(protocol));
    (14..=26).step_by(4).any(|ip| match frame.get(ip).map(|byte| byte >> 4) {
        Some(4) => carries(ip + 9),
        Some(6) => carries(ip + 6) || (40..120).step_by(4).any(|header| carries(ip + header)),
        _ => false,
    })
}

/// Whether the frame is of a kind that only captures are looked into for: LLC, frames within frames, MPLS in PPP.
fn is_for_captures(frame: &[u8]) -> bool {
    let number = |at: usize| frame.get(at..at + 2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
    let mut at = 12;
    loop {
        at += match number(at) {
            Some(0x8100 | 0x88a8 | 0x9100) => 4,
            Some(0x8909) => 4 + 4 * frame.get(at + 3).map_or(0, |words| usize::from(*words)),
            Some(0x8864) => return number(at + 8) == Some(0x0281),
            kind => return matches!(kind, Some(0..=1500 | 0x8903 | 0x8926 | 0x88e7)),
        };
    }
}

/// Kernel and userspace agree; what only a look at all of TCP's header shows is left to userspace.
fn agree(kernel: Fate, frame: &[u8]) {
    let expected = match userspace(frame) {
        _ if kernel == Fate::NotTcp && is_tunnel(frame) => kernel,
        _ if kernel == Fate::NotIp && is_for_captures(frame) => kernel,
        Ok(fate) => fate,
        Err(Unusable::NotIp) => Fate::NotIp,
        Err(Unusable::Fragment) => Fate::Fragment,
        Err(Unusable::NotTcp) => Fate::NotTcp,
        Err(Unusable::Cut) => Fate::Cut,
        Err(Unusable::Malformed) if matches!(kernel, Fate::Up | Fate::OtherPorts) => kernel,
        Err(Unusable::Malformed) => Fate::Malformed,
        Err(Unusable::Link) => panic!("Ethernet is known"),
    };
    assert_eq!(kernel, expected, "{frame:02x?}");
}

#[test]
fn frames_of_every_shape_go_where_userspace_would_count_them() {
    with_programs(0, |kernel| {
        for (name, frame, expected) in shapes() {
            for (way, on) in [(Way::Arriving, 2), (Way::Leaving, -1)] {
                if way == Way::Leaving && name.starts_with("cut in IP") {
                    continue; // the kernel makes no test run of tc on these
                }
                assert_eq!(kernel.run(way, &frame), (on, expected), "{name}, {way:?}");
            }
            agree(expected, &frame);
        }
    });
}

#[test]
fn all_ports_if_asked_and_no_further_if_nothing_is_for_the_host() {
    let frame = ethernet(&[], 0x0800, &ipv4(SERVER, CLIENT, 6, 0, &tcp((992, 442), ACK, 9)));
    with_programs(1, |kernel| assert_eq!(kernel.run(Way::Arriving, &frame), (2, Fate::Up)));
    with_programs(2, |kernel| {
        assert_eq!(kernel.run(Way::Arriving, &frame), (1, Fate::OtherPorts));
        assert_eq!(kernel.run(Way::Leaving, &frame), (-1, Fate::OtherPorts));
    });
}

#[test]
fn bent_frames_are_sorted_as_userspace_sorts_them() {
    const FRAMES: usize = 20_000;
    let mut random = Random::new(0x6d6f_6e69_746f_7273);
    let shapes = shapes();
    with_programs(0, |kernel| {
        let mut reached = vec![0; Fate::ALL.len()];
        for number in 0..FRAMES {
            let mut frame = shapes[number % shapes.len()].1.clone();
            for _ in 0..random.below(4) {
                let at = random.below(frame.len().min(110));
                frame[at] = random.pick(&[0, 1, 4, 6, 8, 25, 41, 43, 44, 51, 60, 0x45, 0x60, 0x81, 0xff]);
            }
            if random.below(4) == 0 {
                frame.truncate(14 + random.below(frame.len() - 13));
            }
            let fate = kernel.arrive(&frame);
            agree(fate, &frame);
            reached[fate as usize] += 1;
            if number % 1_000 == 0 {
                kernel.drain();
            }
        }
        for fate in [Fate::NotIp, Fate::Fragment, Fate::NotTcp, Fate::Cut, Fate::Malformed, Fate::OtherPorts, Fate::Up]
        {
            assert!(reached[fate as usize] >= 100, "{fate:?}: {reached:?}");
        }
    });
}

#[test]
fn a_copy_is_whole_and_comes_to_one_lane_from_both_sides() {
    with_programs(0, |kernel| {
        let before = now();
        for payload in [0, 1, 58, 59, 442, 443, 1_460, 1_594, 1_595, 9_000, 16_314, 16_315, 60_000] {
            for way in [Way::Arriving, Way::Leaving] {
                let frame = to_server(40_000, ACK, payload);
                if way == Way::Leaving && frame.len() > 4_000 {
                    continue; // more than a test run of tc takes
                }
                assert_eq!(kernel.run(way, &frame).1, Fate::Up, "{payload}, {way:?}");
                let taken = kernel.drain();
                assert_eq!(taken.len(), 1);
                let (_, time, length, bytes) = &taken[0];
                assert_eq!((*length as usize, bytes == &frame), (frame.len(), true), "{payload} bytes, {way:?}");
                assert!((before..now()).contains(time));
            }
        }
        let mut lanes = [0; LANES as usize];
        for port in 40_000..40_200 {
            kernel.arrive(&to_server(port, SYN, 0));
            kernel.run(Way::Leaving, &to_client(port, SYN | ACK, 0));
            let taken = kernel.drain();
            assert_eq!((taken.len(), taken[0].0), (2, taken[1].0), "port {port}");
            lanes[taken[0].0] += 1;
        }
        assert!(lanes.iter().all(|lane| *lane >= 20), "{lanes:?}");
    });
}

#[test]
fn what_finds_the_ring_full_is_counted() {
    with_programs(0, |kernel| {
        let frame = to_server(40_000, ACK, 1_400);
        let fates: Vec<Fate> = (0..1_000).map(|_| kernel.arrive(&frame)).collect();
        let up = fates.iter().filter(|fate| **fate == Fate::Up).count();
        assert!((500..800).contains(&up), "{up}");
        assert!(fates[up..].iter().all(|fate| *fate == Fate::RingFull));
        assert_eq!(kernel.drain().len(), up);
        assert_eq!(kernel.arrive(&frame), Fate::Up);
    });
}

#[test]
fn a_connection_is_left_out_until_it_begins_anew_is_silent_or_over() {
    with_programs(0, |kernel| {
        let data = |port| to_server(port, ACK, 100);
        let far = || now() + 300 * SECOND;

        // Both directions, and no other connection.
        kernel.enter(&data(1), far());
        assert_eq!(kernel.arrive(&data(1)), Fate::Shunted);
        assert_eq!(kernel.run(Way::Leaving, &to_client(1, ACK, 1_000)), (-1, Fate::Shunted));
        assert_eq!(kernel.arrive(&data(2)), Fate::Up);

        // A SYN begins another connection; a SYN-ACK does not.
        assert_eq!(kernel.arrive(&to_client(1, SYN | ACK, 0)), Fate::Shunted);
        assert_eq!(kernel.arrive(&to_server(1, SYN, 0)), Fate::Up);
        assert_eq!((kernel.entered(&data(1)), kernel.arrive(&data(1))), (None, Fate::Up));

        // Packets keep it; silence ends it.
        kernel.enter(&data(3), now() + 10 * SECOND);
        assert_eq!(kernel.arrive(&data(3)), Fate::Shunted);
        assert!(kernel.entered(&data(3)).expect("it is kept") > now() + 290 * SECOND);
        kernel.enter(&data(3), now() - 1);
        assert_eq!(kernel.arrive(&data(3)), Fate::Up);
        assert_eq!(kernel.entered(&data(3)), None);

        // One FIN is not the end, two are; then a few seconds remain for stragglers, whatever comes.
        kernel.enter(&data(4), far());
        for (frame, over) in [
            (to_server(4, FIN | ACK, 0), false),
            (to_server(4, FIN | ACK, 0), false),
            (to_client(4, ACK, 500), false),
            (to_client(4, FIN | ACK, 0), true),
            (to_server(4, ACK, 0), true),
        ] {
            assert_eq!(kernel.arrive(&frame), Fate::Shunted);
            assert_eq!(kernel.entered(&frame).expect("still") < now() + 6 * SECOND, over, "{frame:02x?}");
        }
        kernel.enter(&data(5), far());
        assert_eq!(kernel.arrive(&to_client(5, RST, 0)), Fate::Shunted);
        assert!(kernel.entered(&data(5)).expect("still") < now() + 6 * SECOND);

        // IPv6 has its own.
        let packet = |from, to, ports| ethernet(&[], 0x86dd, &ipv6(from, to, 6, &tcp(ports, ACK, 7)));
        kernel.enter(&packet(1, 2, (6, 443)), far());
        assert_eq!(kernel.arrive(&packet(1, 2, (6, 443))), Fate::Shunted);
        assert_eq!(kernel.arrive(&packet(2, 1, (443, 6))), Fate::Shunted);
        assert_eq!(kernel.arrive(&packet(2, 1, (6, 443))), Fate::Up);
    });
}

/// `cargo test --release --test ebpf -- --ignored --nocapture`
#[test]
#[ignore = "prints timings"]
fn time_per_frame() {
    with_programs(0, |kernel| {
        let shunted = to_server(1, ACK, 1_400);
        kernel.enter(&shunted, now() + 300 * SECOND);
        let other = ethernet(&[], 0x0800, &ipv4(SERVER, CLIENT, 6, 0, &tcp((992, 442), ACK, 1_400)));
        let arp = ethernet(&[], 0x0806, &[0; 46]);
        let _link = {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("a namespace of its own (needs root)");
            kernel.skeleton.progs.arriving.attach_xdp(1).expect("the loopback device takes the program")
        };
        for (name, frame) in [("shunted", shunted), ("other ports", other), ("not IP", arp)] {
            let time = (0..5).map(|_| {
                let input = ProgramInput { data_in: Some(&frame), repeat: 2_000_000, ..Default::default() };
                kernel.skeleton.progs.arriving.test_run(input).expect("the program runs").duration
            });
            println!("{name:<24} {:?}", time.min());
        }
        // Each run needs its place in the ring, which nobody empties meanwhile.
        for payload in [0, 400, 1_400] {
            let frame = to_server(2, ACK, payload);
            let repeat = 400_u32;
            let time = (0..50).map(|_| {
                kernel.drain();
                let input = ProgramInput { data_in: Some(&frame), repeat, ..Default::default() };
                kernel.skeleton.progs.arriving.test_run(input).expect("the program runs").duration
            });
            println!("handed up, {:<13} {:?}", format!("{} bytes", frame.len()), time.min());
        }
    });
}
