//! AF_XDP and netlink against the real kernel: fresh namespaces, a veth pair, packet sockets at the far end.
//!
//! Needs root and BPF, and fails where it has them not.
#![allow(unsafe_code, reason = "setns and packet sockets")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "numbers of the tests' own making")]

mod frames;
mod paths;
mod world;

use frames::{ACK, SYN_ACK, config, numbered, segment};
use starling::app::interface::{self, Interface};
use starling::base::Mac;
use starling::nic::FrameIo;
use starling::nic::contract::Reason;
use starling::nic::netlink::AttachedProgram;
use starling::nic::xdp::{Bind, BoundMode, Error, Mode, Program, Socket, SocketOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use world::{FAR, FAR_ADDRESS, FAR_MAC, NEAR, NEAR_ADDRESS, NEAR_MAC, Packets, World, run};

const PATIENCE: Duration = Duration::from_secs(20);

fn packets(device: &str) -> Packets {
    Packets::open(Interface::find(device).unwrap().index)
}

/// Every error is one line that ends in a next step.
fn line(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    assert!(!text.contains('\n') && !text.contains("  "), "{text:?}");
    text
}

fn refusal<T>(result: Result<T, Error>) -> Error {
    let Err(error) = result else { panic!("it worked") };
    line(&error);
    error
}

/// Sends numbered frames of every length and holds what the far end gets against them.
fn transmit_and_compare(options: SocketOptions, count: u32) -> starling::nic::NicCounters {
    let world = World::new(1);
    let far = world.far(|| packets(FAR));
    world.near(|| {
        let mut socket = Socket::open(NEAR, 0, options).unwrap();
        let length = |number: u32| 60 + (number as usize * 7) % 1455;
        let mut filled = 0;
        let mut seen = 0;
        let give_up = Instant::now() + PATIENCE;
        while seen < count {
            assert!(Instant::now() < give_up, "{seen} of {count} arrived, {:?}", socket.counters());
            let before = filled;
            let queued = socket
                .transmit(256, &mut |buffer| {
                    assert!(buffer.len() >= starling::nic::FRAME_CAPACITY);
                    if filled == count {
                        return None;
                    }
                    let frame = numbered(filled, length(filled));
                    buffer[..frame.len()].copy_from_slice(&frame);
                    filled += 1;
                    Some(frame.len())
                })
                .unwrap();
            assert_eq!(queued, (filled - before) as usize, "a frame that could not go was asked for");
            socket.kick().unwrap();
            while let Some(frame) = far.receive() {
                assert_eq!(frame, numbered(seen, length(seen)), "frame {seen}");
                seen += 1;
            }
        }
        assert_eq!(socket.in_flight(), 0);
        assert_eq!(far.receive(), None);
        let counters = socket.counters();
        assert_eq!((counters.tx_frames, counters.tx_completed), (u64::from(count), u64::from(count)));
        assert_eq!(counters.tx_invalid, 0);
        counters
    })
}

#[test]
fn ten_thousand_frames_arrive_once_each_in_order_and_unchanged() {
    let counters = transmit_and_compare(SocketOptions::default(), 10_000);
    assert_eq!(counters.tx_busy, 0);
}

#[test]
fn scarce_frames_and_rings_delay_but_lose_nothing() {
    let options = SocketOptions {
        tx_frames: 100,
        rx_frames: 64,
        tx_ring: 64,
        rx_ring: 64,
        frame_size: 2048,
        send_budget: 1,
        ..SocketOptions::default()
    };
    let counters = transmit_and_compare(options, 5_000);
    assert!(counters.tx_busy > 0, "{counters:?}");
}

#[test]
fn frames_of_impossible_length_are_counted_and_cost_no_buffer() {
    let world = World::new(1);
    let far = world.far(|| packets(FAR));
    world.near(|| {
        let mut socket = Socket::open(NEAR, 0, SocketOptions { tx_frames: 8, ..SocketOptions::default() }).unwrap();
        for length in [0, 13, 4096, usize::MAX] {
            assert_eq!(socket.transmit(8, &mut |_| Some(length)).unwrap(), 0, "{length}");
        }
        assert_eq!(socket.counters().tx_invalid, 32);
        let mut left = 8;
        let queued = socket.transmit(8, &mut |buffer| {
            left -= 1;
            let frame = numbered(left, 60);
            buffer[..60].copy_from_slice(&frame);
            Some(60)
        });
        assert_eq!(queued.unwrap(), 8);
        socket.kick().unwrap();
        assert_eq!(std::iter::from_fn(|| far.receive()).count(), 8);
        assert_eq!(socket.in_flight(), 0);
    });
}

/// What the verdict sends up arrives unchanged; what it does not, the kernel gets, or nobody.
fn receive_and_compare(mode: Mode) {
    let world = World::new(1);
    let far = world.far(|| packets(FAR));
    // Fewer frames than are sent, so that every one is used many times.
    let options = SocketOptions { rx_frames: 64, rx_ring: 64, ..SocketOptions::default() };
    let (mut socket, program) = world.near(|| {
        let socket = Socket::open(NEAR, 0, options).unwrap();
        let mut program = Program::attach(NEAR, mode, config()).unwrap();
        program.register(0, &socket).unwrap();
        (socket, program)
    });
    for round in 0..100_u32 {
        let mut expected = Vec::new();
        for number in 0..10 {
            let payload = vec![number as u8; (round * 14 + number) as usize];
            expected.push(segment(SYN_ACK, 0, &[]));
            expected.push(segment(ACK, round * 600 + number, &payload));
            far.send(&segment(SYN_ACK, 1, &[]));
            far.send(&segment(ACK, 70_000, &payload));
            expected.iter().rev().take(2).rev().for_each(|frame| far.send(frame));
        }
        let mut received = Vec::new();
        let give_up = Instant::now() + PATIENCE;
        while received.len() < expected.len() && Instant::now() < give_up {
            socket.receive(&mut |frame| received.push(frame.to_vec())).unwrap();
            socket.kick().unwrap();
        }
        assert_eq!(received, expected, "round {round}");
    }
    run("ip", &["netns", "exec", &world.far, "ping", "-c", "3", "-i", "0.2", "-W", "2", "198.18.0.1"]);
    assert_eq!(socket.receive(&mut |_| ()).unwrap(), 0);

    let counts = program.counters().unwrap();
    assert_eq!(counts.get(Reason::UpSynAck), 1000);
    assert_eq!(counts.get(Reason::UpSegment), 1000);
    assert_eq!(counts.get(Reason::DropBadCookie), 1000);
    assert_eq!(counts.get(Reason::DropBadSegment), 1000);
    assert_eq!(counts.get(Reason::DropNoSocket), 0);
    assert!(counts.get(Reason::PassOther) >= 3, "{:?}", counts.named());
    let counters = socket.counters();
    assert_eq!(counters.rx_frames, 2000);
    assert_eq!((counters.rx_dropped, counters.rx_ring_full, counters.rx_fill_empty, counters.rx_invalid), (0, 0, 0, 0));
}

#[test]
fn native_mode_hands_up_what_is_ours_and_leaves_the_rest_to_the_kernel() {
    receive_and_compare(Mode::Native);
}

#[test]
fn generic_mode_hands_up_what_is_ours_and_leaves_the_rest_to_the_kernel() {
    receive_and_compare(Mode::Generic);
}

#[test]
fn frames_lost_to_a_slow_reader_are_counted_and_the_next_ones_arrive() {
    let world = World::new(1);
    let far = world.far(|| packets(FAR));
    let options = SocketOptions { rx_frames: 64, rx_ring: 64, ..SocketOptions::default() };
    let (mut socket, program) = world.near(|| {
        let socket = Socket::open(NEAR, 0, options).unwrap();
        let mut program = Program::attach(NEAR, Mode::Native, config()).unwrap();
        program.register(0, &socket).unwrap();
        (socket, program)
    });
    for _ in 0..3 {
        let before = socket.counters();
        let up_before = program.counters().unwrap().get(Reason::UpSynAck);
        for _ in 0..200 {
            far.send(&segment(SYN_ACK, 0, &[]));
        }
        let give_up = Instant::now() + PATIENCE;
        while program.counters().unwrap().get(Reason::UpSynAck) < up_before + 200 {
            assert!(Instant::now() < give_up);
        }
        let mut received = 0;
        loop {
            match socket.receive(&mut |frame| assert_eq!(frame, segment(SYN_ACK, 0, &[]))).unwrap() {
                0 => break,
                count => received += count as u64,
            }
        }
        let after = socket.counters();
        let lost = after.rx_ring_full + after.rx_fill_empty - before.rx_ring_full - before.rx_fill_empty;
        assert_eq!((received, lost), (64, 136), "{after:?}");
    }
}

/// More than a batch: whoever takes less than comes falls behind and loses.
#[test]
fn all_that_has_arrived_is_taken_at_once() {
    let world = World::new(1);
    let far = world.far(|| packets(FAR));
    let (mut socket, program) = world.near(|| {
        let socket = Socket::open(NEAR, 0, SocketOptions::default()).unwrap();
        let mut program = Program::attach(NEAR, Mode::Native, config()).unwrap();
        program.register(0, &socket).unwrap();
        (socket, program)
    });
    for round in 1..=5 {
        for _ in 0..1_500 {
            far.send(&segment(SYN_ACK, 0, &[]));
        }
        let give_up = Instant::now() + PATIENCE;
        while program.counters().unwrap().get(Reason::UpSynAck) < round * 1_500 {
            assert!(Instant::now() < give_up);
        }
        assert_eq!(socket.receive(&mut |_| ()).unwrap(), 1_500, "{:?}", socket.counters());
    }
}

#[test]
fn a_queue_without_a_socket_is_counted() {
    let world = World::new(1);
    let far = world.far(|| packets(FAR));
    let program = world.near(|| Program::attach(NEAR, Mode::Native, config()).unwrap());
    far.send(&segment(SYN_ACK, 0, &[]));
    let give_up = Instant::now() + PATIENCE;
    while program.counters().unwrap().get(Reason::DropNoSocket) == 0 && Instant::now() < give_up {}
    assert_eq!(program.counters().unwrap().get(Reason::DropNoSocket), 1);
}

#[test]
fn every_queue_takes_a_socket_and_none_beyond() {
    let world = World::new(2);
    world.near(|| {
        assert_eq!(Interface::find(NEAR).unwrap().rx_queues, 2);
        let sockets = [0, 1].map(|queue| Socket::open(NEAR, queue, SocketOptions::default()).unwrap());
        assert!(sockets.iter().all(|socket| socket.mode() == BoundMode::Copy));
        let error = refusal(Socket::open(NEAR, 2, SocketOptions::default()));
        assert!(matches!(error, Error::Queue { queue: 2, .. }), "{error}");
    });
}

#[test]
fn a_queue_that_is_taken_is_waited_for_and_then_named() {
    let world = World::new(1);
    world.near(|| {
        let first = Socket::open(NEAR, 0, SocketOptions::default()).unwrap();
        let started = Instant::now();
        let error = refusal(Socket::open(NEAR, 0, SocketOptions::default()));
        assert!(matches!(error, Error::QueueTaken { queue: 0, .. }), "{error}");
        assert!((Duration::from_secs(2)..Duration::from_secs(4)).contains(&started.elapsed()));

        std::thread::scope(|scope| {
            let second = Interface::find(NEAR).map(|_| Instant::now()).unwrap();
            scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(300));
                drop(first);
            });
            Socket::open(NEAR, 0, SocketOptions::default()).unwrap();
            assert!(second.elapsed() >= Duration::from_millis(300));
        });
    });
}

#[test]
fn the_mode_is_what_the_kernel_says() {
    let world = World::new(1);
    world.near(|| {
        for bind in [Bind::Auto, Bind::Copy] {
            let socket = Socket::open(NEAR, 0, SocketOptions { bind, ..SocketOptions::default() }).unwrap();
            assert_eq!(socket.mode(), BoundMode::Copy, "{bind:?}");
        }
        let options = SocketOptions { bind: Bind::ZeroCopy, ..SocketOptions::default() };
        let error = refusal(Socket::open(NEAR, 0, options));
        assert!(matches!(error, Error::NoZeroCopy { .. }), "{error}");
    });
}

#[test]
fn missing_and_switched_off_interfaces_are_named() {
    let world = World::new(1);
    world.near(|| {
        for name in ["st-none", "", "st-a-name-too-long-for-any-interface", "st\0x"] {
            let error = refusal(Socket::open(name, 0, SocketOptions::default()));
            assert!(matches!(error, Error::NoInterface { .. }), "{error}");
            let error = refusal(Program::attach(name, Mode::Native, config()));
            assert!(matches!(error, Error::NoInterface { .. }), "{error}");
            let error = Interface::find(name).unwrap_err();
            assert!(matches!(error, interface::Error::NoInterface(_)), "{}", line(&error));
        }
        world.ip("link set near0 down");
        let error = refusal(Socket::open(NEAR, 0, SocketOptions::default()));
        assert!(matches!(error, Error::Down { .. }), "{error}");
        assert!(line(&error).contains("ip link set near0 up"), "{error}");
    });
}

#[test]
fn a_link_that_goes_down_or_away_while_sending_is_an_error() {
    let world = World::new(1);
    world.near(|| {
        let mut socket = Socket::open(NEAR, 0, SocketOptions::default()).unwrap();
        let mut send = || {
            let queued = socket.transmit(1, &mut |buffer| {
                buffer[..60].copy_from_slice(&numbered(0, 60));
                Some(60)
            });
            assert_eq!(queued.unwrap(), 1);
            socket.kick()
        };
        send().unwrap();
        world.ip("link set near0 down");
        let error = send().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NetworkDown, "{error}");
        assert!(line(&error).starts_with("link down"), "{error}");
        world.ip("link set near0 up");
        send().unwrap();
        world.ip("link del near0");
        let error = send().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}");
        assert!(line(&error).starts_with("link gone"), "{error}");
    });
}

fn already_attached(mode: Mode, there: AttachedProgram) -> String {
    let error = refusal(Program::attach(NEAR, mode, config()));
    assert!(matches!(error, Error::AlreadyAttached { program: Some(found), .. } if found == there), "{error}");
    line(&error)
}

#[test]
fn a_program_that_is_attached_is_named_and_left_alone() {
    let world = World::new(1);
    world.near(|| {
        let attached = || Interface::find(NEAR).unwrap().program;
        assert_eq!(attached(), None);
        let program = Program::attach(NEAR, Mode::Native, config()).unwrap();
        let id = attached().unwrap();
        for mode in [Mode::Native, Mode::Generic] {
            let text = already_attached(mode, AttachedProgram { id, generic: false });
            assert!(text.contains(&format!("(id {id})")) && text.contains("near0 xdp off"), "{text}");
        }
        assert_eq!(attached(), Some(id));
        drop(program);
        // A child that another test is just forking has a copy of the link until it calls exec.
        let give_up = Instant::now() + Duration::from_secs(2);
        while attached().is_some() && Instant::now() < give_up {}
        assert_eq!(attached(), None);
    });
}

#[test]
fn another_s_program_attached_by_netlink_is_named_and_left_alone() {
    let world = World::new(1);
    let mut object = tempfile::NamedTempFile::new().unwrap();
    object.write_all(starling::nic::object::OBJECT).unwrap();
    world.ip(&format!("link set dev near0 xdpgeneric obj {} sec xdp", object.path().display()));
    world.near(|| {
        let id = Interface::find(NEAR).unwrap().program.unwrap();
        for mode in [Mode::Native, Mode::Generic] {
            let text = already_attached(mode, AttachedProgram { id, generic: true });
            assert!(text.contains("near0 xdpgeneric off"), "{text}");
        }
        assert_eq!(Interface::find(NEAR).unwrap().program, Some(id));
        world.ip("link set dev near0 xdpgeneric off");
        Program::attach(NEAR, Mode::Native, config()).unwrap();
    });
}

#[test]
fn a_driver_without_native_mode_is_said_so() {
    let world = World::new(1);
    world.near(|| {
        let error = refusal(Program::attach("lo", Mode::Native, config()));
        assert!(matches!(error, Error::NoNative { .. }), "{error}");
        assert!(line(&error).contains("--xdp-mode generic"), "{error}");
        Program::attach("lo", Mode::Generic, config()).unwrap();
    });
}

#[test]
fn a_driver_that_refuses_for_its_own_reasons_is_quoted() {
    let world = World::new(1);
    run("ip", &["-n", &world.far, "link", "set", "far0", "mtu", "9000"]);
    world.near(|| {
        let error = refusal(Program::attach(NEAR, Mode::Native, config()));
        assert!(matches!(error, Error::Attach { .. }), "{error}");
        assert!(line(&error).contains("MTU"), "{error}");
        assert_eq!(Interface::find(NEAR).unwrap().program, None);
        Program::attach(NEAR, Mode::Generic, config()).unwrap();
    });
}

/// This test binary again, running one of the tests that are marked as ignored; `wrapper` goes before it.
fn child(wrapper: &[&str], test: &str) -> Command {
    let mut command = Command::new(wrapper[0]);
    command.args(&wrapper[1..]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"]);
    command
}

#[test]
#[ignore = "the part of kill_9_leaves_nothing_behind that is killed"]
fn child_attaches_and_waits() {
    if std::env::var_os("STARLING_TEST_CHILD").is_none() {
        return;
    }
    let socket = Socket::open(NEAR, 0, SocketOptions::default()).unwrap();
    let mut program = Program::attach(NEAR, Mode::Native, config()).unwrap();
    program.register(0, &socket).unwrap();
    println!("\nATTACHED");
    std::thread::sleep(PATIENCE);
}

#[test]
fn kill_9_leaves_nothing_behind() {
    let world = World::new(1);
    for _ in 0..3 {
        let mut victim = child(&["ip", "netns", "exec", &world.near], "child_attaches_and_waits")
            .env("STARLING_TEST_CHILD", "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(victim.stdout.take().unwrap());
        assert!(output.lines().map_while(Result::ok).any(|line| line == "ATTACHED"));
        world.near(|| {
            assert!(Interface::find(NEAR).unwrap().program.is_some());
            victim.kill().unwrap();
            victim.wait().unwrap();
            assert_eq!(Interface::find(NEAR).unwrap().program, None);
            let mut program = Program::attach(NEAR, Mode::Native, config()).unwrap();
            let socket = Socket::open(NEAR, 0, SocketOptions::default()).unwrap();
            program.register(0, &socket).unwrap();
        });
    }
}

#[test]
#[ignore = "the part of missing_privileges_are_named that lacks them"]
fn child_lacks_privileges() {
    let expected = match std::env::var("STARLING_TEST_CHILD") {
        Ok(expected) => expected,
        Err(_) => return,
    };
    let text = match expected.as_str() {
        "memory" => line(&refusal(Socket::open(NEAR, 0, SocketOptions::default()))),
        "bpf" => line(&refusal(Program::attach(NEAR, Mode::Native, config()))),
        "raw" => line(&refusal(Socket::open(NEAR, 0, SocketOptions::default()))),
        _ => {
            let interface = Interface::find(NEAR).unwrap();
            line(&interface::neighbour(&interface, Ipv4Addr::from(FAR_ADDRESS)).unwrap_err())
        }
    };
    println!("\nSAID {text}");
}

#[test]
fn missing_privileges_are_named() {
    let world = World::new(1);
    let said = |kind: &str, without: &str| {
        let bound = format!("--bounding-set={without}");
        let wrapper = ["ip", "netns", "exec", &world.near, "prlimit", "--memlock=65536:65536", "setpriv", &bound];
        let output = child(&wrapper, "child_lacks_privileges").env("STARLING_TEST_CHILD", kind).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = text.lines().find_map(|line| line.strip_prefix("SAID ")).map(str::to_owned);
        said.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
    };
    let memory = said("memory", "-ipc_lock,-sys_resource");
    assert!(memory.contains("the limit is 65536") && memory.contains("10485760 bytes"), "{memory}");
    let bpf = said("bpf", "-bpf,-sys_admin");
    assert!(bpf.contains("loading the XDP program needs privileges"), "{bpf}");
    let raw = said("raw", "-net_raw");
    assert!(raw.contains("opening an AF_XDP socket needs privileges"), "{raw}");
    let neighbour = said("neighbour", "-net_admin");
    assert!(neighbour.contains("CAP_NET_ADMIN") && neighbour.contains("-G"), "{neighbour}");
}

#[test]
fn an_interface_is_described_as_it_is() {
    let world = World::new(1);
    world.ip("link set near0 mtu 1400");
    world.ip("address add 10.1.2.3/24 dev near0");
    world.near(|| {
        let near = Interface::find(NEAR).unwrap();
        assert_eq!((near.name.as_str(), near.mac, near.mtu), (NEAR, Some(Mac(NEAR_MAC)), 1400));
        assert_eq!((near.up, near.carrier, near.rx_queues), (true, true, 1));
        assert_eq!(near.driver.as_deref(), Some("veth"));
        assert_eq!(near.addresses, [Ipv4Addr::from(NEAR_ADDRESS), Ipv4Addr::new(10, 1, 2, 3)]);
        assert_eq!(near.program, None);
        assert_eq!(Interface::with_index(near.index).unwrap(), near);
        world.ip("link set near0 down");
        let near = Interface::find(NEAR).unwrap();
        assert_eq!((near.up, near.carrier), (false, false));
    });
}

#[test]
fn routes_are_on_link_or_by_a_gateway_or_not_there() {
    let world = World::new(1);
    world.near(|| {
        let near = Interface::find(NEAR).unwrap().index;
        let source = Some(Ipv4Addr::from(NEAR_ADDRESS));
        let gateway = Ipv4Addr::from(FAR_ADDRESS);
        let on_link = interface::Route { interface: near, gateway: None, source };
        let routed = interface::Route { interface: near, gateway: Some(gateway), source };
        let outside = Ipv4Addr::new(10, 9, 9, 9);

        assert_eq!(interface::route(gateway).unwrap(), on_link);
        let error = interface::route(outside).unwrap_err();
        assert!(matches!(error, interface::Error::NoRoute(address) if address == outside), "{}", line(&error));
        let error = interface::default_interface().unwrap_err();
        assert!(matches!(error, interface::Error::NoDefaultRoute), "{}", line(&error));

        world.ip("route add default via 198.18.0.2");
        world.ip("route add blackhole 10.10.0.0/16");
        assert_eq!(interface::route(outside).unwrap(), routed);
        assert_eq!(interface::default_interface().unwrap().name, NEAR);
        for (kind, prefix) in [("prohibit", 11), ("unreachable", 12)] {
            world.ip(&format!("route add {kind} 10.{prefix}.0.0/16"));
        }
        for prefix in [10, 11, 12] {
            let error = interface::route(Ipv4Addr::new(10, prefix, 0, 1)).unwrap_err();
            assert!(matches!(error, interface::Error::Refused(_)), "{}", line(&error));
        }
    });
}

#[test]
fn a_cold_neighbour_is_resolved_and_a_silent_one_named() {
    let world = World::new(1);
    world.near(|| {
        let near = Interface::find(NEAR).unwrap();
        let (far, silent) = (Ipv4Addr::from(FAR_ADDRESS), Ipv4Addr::new(198, 18, 0, 99));
        assert_eq!(world.ip("neigh show dev near0"), "");
        assert_eq!(interface::neighbour(&near, far).unwrap(), Mac(FAR_MAC));
        assert!(world.ip("neigh show dev near0").contains("198.18.0.2"));
        assert_eq!(interface::neighbour(&near, far).unwrap(), Mac(FAR_MAC));
        world.ip("neigh add 198.18.0.98 lladdr 02:00:00:00:00:62 dev near0 nud permanent");
        let permanent = interface::neighbour(&near, Ipv4Addr::new(198, 18, 0, 98)).unwrap();
        assert_eq!(permanent, Mac([2, 0, 0, 0, 0, 0x62]));

        let started = Instant::now();
        let error = interface::neighbour(&near, silent).unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(5));
        assert!(matches!(error, interface::Error::Silent { .. }), "{error}");
        let text = line(&error);
        assert!(text.contains("198.18.0.99") && text.contains("-G"), "{text}");

        world.ip("link set near0 down");
        let near = Interface::find(NEAR).unwrap();
        let error = interface::neighbour(&near, far).unwrap_err();
        assert!(matches!(error, interface::Error::Down { .. }), "{}", line(&error));
    });
}

#[test]
fn the_host_s_own_ports_are_those_of_this_namespace() {
    let world = World::new(1);
    run("ip", &["netns", "exec", &world.near, "sysctl", "-qw", "net.ipv4.ip_local_port_range=40000 50000"]);
    world.near(|| assert_eq!(interface::ip_local_port_range().unwrap(), 40_000..=50_000));
}
