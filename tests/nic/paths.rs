//! The ways that probes take: each one arrives once and as it should be, by whatever way, and the account says so.

use crate::frames::{KEY, config};
use crate::world::{FAR, FAR_MAC, NEAR, NEAR_ADDRESS, NEAR_MAC, Packets, World, run};
use crate::{PATIENCE, child, line, packets, refusal};
use starling::app::interface::Interface;
use starling::nic::xdp::{Bind, Constant, Error, Live, Mode, Program, Queues, Socket, SocketOptions};
use starling::nic::{FrameIo, NicCounters, ProbeFacts, Probes};
use starling::wire::Link;
use starling::wire::probe::{Facts, OptionSet, Template};
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Targets are 10.0.0.0 and what follows.
const FIRST: u32 = 0x0a00_0000;

fn template(options: OptionSet) -> Template {
    let link = Link { source: NEAR_MAC, destination: FAR_MAC };
    Template::with_options(&link, u32::from_be_bytes(NEAR_ADDRESS), options, KEY)
}

fn constant(template: &Template) -> Constant<'_> {
    Constant { frame: template.frame(), clock: template.clock() }
}

/// When probe `number` is made: several share a time, as in a round of a lane.
fn made_at(number: u32) -> starling::base::Instant {
    starling::base::Instant::from_nanos(u64::from(number / 16) * 50_000)
}

fn facts(number: u32) -> Facts {
    let port = 25 + (number % 7) as u16;
    Facts { address: FIRST + number, port, source_port: 61_000 + (number % 4_000) as u16, seq: number ^ 0xdead_beef }
}

/// Probes to so many addresses, each once.
struct Numbered {
    template: Template,
    next: u32,
    end: u32,
    /// Targets that a reset is due to.
    resets: std::ops::Range<u32>,
}

impl Numbered {
    fn new(count: u32) -> Self {
        Self::with_options(count, OptionSet::Smallest)
    }

    fn with_options(count: u32, options: OptionSet) -> Self {
        Self { template: template(options), next: 0, end: count, resets: 0..0 }
    }
}

impl Probes for Numbered {
    fn fill(&mut self, probes: &mut [ProbeFacts]) -> usize {
        // All of one time, as in a round of a lane.
        let same_time = (self.next..self.end).take_while(|number| made_at(*number) == made_at(self.next));
        let mut count = 0;
        for (probe, number) in probes.iter_mut().zip(same_time) {
            self.template.stamp(made_at(number));
            *probe = self.template.finish(&facts(number));
            count += 1;
        }
        self.next += u32::try_from(count).unwrap();
        count
    }

    fn clock(&self) -> [u8; 4] {
        self.template.stamped()
    }

    fn write(&self, facts: &ProbeFacts, buffer: &mut [u8]) -> usize {
        self.template.write_finished(facts, buffer)
    }

    fn next_reset(&mut self) -> Option<ProbeFacts> {
        self.resets.next().map(|number| self.template.reset(&facts(number)))
    }

    fn write_reset(&self, facts: &ProbeFacts, buffer: &mut [u8]) -> usize {
        self.template.write_reset(facts, buffer)
    }
}

/// How often each target was probed, from what arrives at the far end; every frame must be a probe as `wire` writes it.
struct Arrivals {
    template: Template,
    counts: Vec<u8>,
    resets: Vec<u8>,
    others: usize,
}

impl Arrivals {
    fn new(targets: u32, options: OptionSet) -> Self {
        let none = vec![0; targets as usize];
        Self { template: template(options), counts: none.clone(), resets: none, others: 0 }
    }

    fn take(&mut self, frame: &[u8]) {
        if frame[12..14] == [0x88, 0xb5] {
            self.others += 1;
            return;
        }
        let number = u32::from_be_bytes([frame[30], frame[31], frame[32], frame[33]]) - FIRST;
        let mut expected = [0; 128];
        if frame[47] == starling::wire::flags::RST {
            let length = self.template.write_reset(&self.template.reset(&facts(number)), &mut expected);
            assert_eq!(frame, &expected[..length], "reset {number}");
            self.resets[number as usize] += 1;
            return;
        }
        self.template.stamp(made_at(number));
        let length = self.template.write(&facts(number), &mut expected);
        assert_eq!(frame, &expected[..length], "probe {number}");
        self.counts[number as usize] += 1;
    }

    fn drain(&mut self, far: &Packets) {
        while let Some(frame) = far.receive() {
            self.take(&frame);
        }
    }

    /// How many targets were probed, and how many more than once.
    fn once_and_more(&self) -> (usize, usize) {
        let more = self.counts.iter().filter(|count| **count > 1).count();
        (self.counts.iter().filter(|count| **count == 1).count(), more)
    }
}

/// A lane's link with the program on the interface, which native transmission needs on many drivers.
fn lane(live: bool, ahead: usize) -> (Queues, Program) {
    lane_of(&template(OptionSet::Smallest), live, ahead)
}

fn lane_of(template: &Template, live: bool, ahead: usize) -> (Queues, Program) {
    let program = Program::attach(NEAR, Mode::Native, config()).unwrap();
    let socket = Socket::open(NEAR, 0, SocketOptions { bind: Bind::Copy, ..SocketOptions::default() }).unwrap();
    let live = live.then(|| Live::open(NEAR, constant(template), ahead).unwrap());
    let mut queues = Queues::new(vec![socket], live);
    queues.start().unwrap();
    (queues, program)
}

fn round(io: &mut Queues, probes: &mut Numbered) -> usize {
    let sent = io.transmit_probes(64, probes).unwrap();
    io.kick().unwrap();
    sent
}

/// Waits until nothing is under way, and returns the final account.
fn settle(io: &mut Queues) -> NicCounters {
    let give_up = Instant::now() + PATIENCE;
    while io.in_flight() > 0 {
        assert!(Instant::now() < give_up, "{:?}", io.counters());
        io.kick().unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    io.counters()
}

/// Sends `count` probes, slowly enough for a packet socket to see every one.
fn send_all(live: bool, count: u32, options: OptionSet) -> (Arrivals, NicCounters) {
    let world = World::new(1);
    world.take_redirected();
    let far = world.far(|| packets(FAR));
    world.near(|| {
        let (mut io, _program) = lane_of(&template(options), live, 256);
        let (mut probes, mut arrivals) = (Numbered::with_options(count, options), Arrivals::new(count, options));
        let give_up = Instant::now() + PATIENCE;
        while probes.next < count {
            assert!(Instant::now() < give_up, "{:?}", io.counters());
            round(&mut io, &mut probes);
            arrivals.drain(&far);
        }
        let counters = settle(&mut io);
        arrivals.drain(&far);
        // What the driver took the far end still has to take from it.
        while arrivals.once_and_more().0 < count as usize && Instant::now() < give_up {
            std::thread::sleep(Duration::from_millis(1));
            arrivals.drain(&far);
        }
        (arrivals, counters)
    })
}

#[test]
fn every_probe_arrives_once_by_copy() {
    for options in [OptionSet::Smallest, OptionSet::Bsd] {
        let (arrivals, counters) = send_all(false, 20_000, options);
        assert_eq!((arrivals.once_and_more(), arrivals.others), ((20_000, 0), 0));
        assert_eq!((counters.tx_frames, counters.tx_completed, counters.live_probes), (20_000, 20_000, 0));
    }
}

#[test]
fn every_probe_arrives_once_by_live_frames() {
    for options in [OptionSet::Smallest, OptionSet::Windows, OptionSet::Linux, OptionSet::Bsd] {
        let (arrivals, counters) = send_all(true, 20_000, options);
        assert_eq!((arrivals.once_and_more(), arrivals.others), ((20_000, 0), 1), "one frame of no type is the trial");
        assert_eq!((counters.live_probes, counters.live_sent), (20_000, 20_000));
        assert_eq!((counters.live_lost, counters.live_down, counters.tx_frames), (0, 0, 0));
    }
}

#[test]
fn at_full_speed_the_account_is_exact() {
    const COUNT: u32 = 2_000_000;
    let world = World::new(1);
    world.near(|| {
        let _far = world.far(|| Program::attach(FAR, Mode::Native, config()).unwrap());
        let (mut io, _program) = lane(true, 65_536);
        let mut probes = Numbered::new(COUNT);
        let before = world.far(received);
        while probes.next < COUNT {
            round(&mut io, &mut probes);
        }
        let counters = settle(&mut io);
        let count = u64::from(COUNT);
        assert_eq!((counters.live_probes, counters.live_sent, counters.live_lost), (count, count, 0), "{counters:?}");
        assert_eq!(world.far(received) - before, count, "{counters:?}");
    });
}

/// Resets leave among the probes, whatever options these have, and what is refused of them is sent again too.
#[test]
fn resets_leave_by_the_way_of_the_probes() {
    const COUNT: u32 = 100_000;
    for options in [OptionSet::Smallest, OptionSet::Windows, OptionSet::Linux, OptionSet::Bsd] {
        for by_live in [true, false] {
            let world = World::new(1);
            world.take_redirected();
            let far = world.far(|| packets(FAR));
            world.near(|| {
                let (mut io, _program) = lane_of(&template(options), by_live, 65_536);
                if by_live {
                    run("ip", &["netns", "exec", &world.far, "sh", "-c", "echo 1 > /sys/class/net/far0/threaded"]);
                }
                let (mut probes, mut arrivals) =
                    (Numbered::with_options(COUNT, options), Arrivals::new(COUNT, options));
                let mut reset = 0;
                while probes.next < COUNT || probes.resets.start < COUNT {
                    // As many in a round as were probed before it: sometimes few, sometimes many.
                    probes.resets = probes.resets.start..probes.next;
                    reset += io.transmit_resets(1_000, &mut probes).unwrap();
                    round(&mut io, &mut probes);
                    arrivals.drain(&far);
                }
                let counters = settle(&mut io);
                let (count, live) = (u64::from(COUNT), u64::from(by_live));
                assert_eq!(reset, COUNT as usize);
                assert_eq!((counters.live_probes, counters.live_resets), (live * count, live * count));
                assert_eq!((counters.live_sent, counters.tx_frames), (live * 2 * count, (1 - live) * 2 * count));
                assert_eq!((counters.live_refused > 0, counters.live_lost), (by_live, 0), "{counters:?}");
                arrivals.drain(&far);
                assert_eq!(arrivals.once_and_more(), (COUNT as usize, 0), "{counters:?}");
                assert!(arrivals.resets.iter().all(|count| *count == 1), "{counters:?}");
            });
        }
    }
}

/// Frames that the far end's driver received so far, as the kernel counts them.
fn received() -> u64 {
    let links: serde_json::Value = serde_json::from_str(&run("ip", &["-s", "-j", "link", "show", FAR])).unwrap();
    links[0]["stats64"]["rx"]["packets"].as_u64().unwrap()
}

/// The far end takes so few frames that its driver refuses many: the lane slows down, and each probe arrives once.
#[test]
fn what_a_driver_refuses_is_sent_again_and_slows_the_lane_down() {
    const COUNT: u32 = 300_000;
    for options in [OptionSet::Smallest, OptionSet::Bsd] {
        let world = World::new(1);
        world.take_redirected();
        let far = world.far(|| packets(FAR));
        world.near(|| {
            let (mut io, _program) = lane_of(&template(options), true, 65_536);
            // Frames wait at the far end for a thread that gets little done.
            run("ip", &["netns", "exec", &world.far, "sh", "-c", "echo 1 > /sys/class/net/far0/threaded"]);
            let (mut probes, mut arrivals) = (Numbered::with_options(COUNT, options), Arrivals::new(COUNT, options));
            let before = world.far(received);
            while probes.next < COUNT {
                round(&mut io, &mut probes);
                arrivals.drain(&far);
            }
            let counters = settle(&mut io);
            let count = u64::from(COUNT);
            assert_eq!((counters.live_probes, counters.live_sent, counters.live_lost), (count, count, 0));
            assert_eq!(world.far(received) - before, count, "{counters:?}");
            assert!(counters.live_refused > 0, "a ring of 256 was to overflow: {counters:?}");
            assert!(counters.live_refused < count / 5, "{counters:?}");
            arrivals.drain(&far);
            assert_eq!(arrivals.once_and_more(), (COUNT as usize, 0), "{counters:?}");
        });
    }
}

/// Trying and sending of one lane is not counted by another.
#[test]
fn each_lane_counts_what_it_sent() {
    let world = World::new(1);
    world.near(|| {
        let _far = world.far(|| Program::attach(FAR, Mode::Native, config()).unwrap());
        let _program = Program::attach(NEAR, Mode::Native, config()).unwrap();
        let template = template(OptionSet::Smallest);
        let mut lanes: Vec<Queues> = std::iter::repeat_with(|| Live::open(NEAR, constant(&template), 1_024).unwrap())
            .take(3)
            .map(|live| Queues::new(Vec::new(), Some(live)))
            .collect();
        lanes.iter_mut().for_each(|lane| lane.start().unwrap());
        for (lane, count) in lanes.iter_mut().zip([1_000, 500, 0]) {
            let mut probes = Numbered::new(count);
            while probes.next < count {
                round(lane, &mut probes);
            }
        }
        for (lane, count) in lanes.iter_mut().zip([1_000, 500, 0]) {
            let counters = settle(lane);
            assert_eq!((counters.live_probes, counters.live_sent), (count, count));
        }
    });
}

#[test]
fn a_driver_that_takes_no_redirected_frames_is_said_so() {
    let world = World::new(1);
    world.near(|| {
        let template = template(OptionSet::Smallest);
        let _program = Program::attach(NEAR, Mode::Native, config()).unwrap();
        let error = refusal(Live::open(NEAR, constant(&template), 256));
        assert!(matches!(error, Error::NoLive { .. }), "{error}");
        let text = line(&error);
        assert!(text.contains("other end") && text.contains("--tx copy"), "{text}");
        let error = refusal(Live::open("lo", constant(&template), 256));
        assert!(line(&error).contains("ndo_xdp_xmit"), "{error}");
        let error = refusal(Live::open("st-none", constant(&template), 256));
        assert!(matches!(error, Error::NoInterface { .. }), "{error}");
    });
}

/// Sends until the link fails; the failure.
fn fail(io: &mut Queues, probes: &mut Numbered) -> std::io::Error {
    let give_up = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < give_up, "nobody noticed");
        io.transmit_probes(64, probes).unwrap();
        if let Err(error) = io.kick() {
            line(&error);
            return error;
        }
    }
}

#[test]
fn a_link_that_goes_away_ends_the_lane_and_every_probe_is_accounted_for() {
    let world = World::new(1);
    world.take_redirected();
    world.near(|| {
        let (mut io, program) = lane(true, 1_024);
        let mut probes = Numbered::new(u32::MAX - FIRST);
        let give_up = Instant::now() + PATIENCE;
        while io.counters().live_sent < 1_000 {
            assert!(Instant::now() < give_up);
            round(&mut io, &mut probes);
        }
        world.ip("link del near0");
        while fail(&mut io, &mut probes).kind() == std::io::ErrorKind::NetworkDown {}
        let counters = settle_after_failure(&io);
        let known = counters.live_sent + counters.live_lost;
        assert_eq!((counters.live_probes, counters.live_lost > 0), (known, true), "{counters:?}");
        drop(program);
    });
}

/// A link that goes down and comes back, several times: not a probe is lost or doubled.
#[test]
fn a_link_that_comes_back_goes_on_where_it_was() {
    const COUNT: u32 = 200_000;
    for live in [true, false] {
        let world = World::new(1);
        world.take_redirected();
        let far = world.far(|| packets(FAR));
        world.near(|| {
            let (mut io, _program) = lane(live, 256);
            let mut probes = Numbered::new(COUNT);
            let mut arrivals = Arrivals::new(COUNT, OptionSet::Smallest);
            for flap in 1..=4 {
                while probes.next < COUNT / 5 * flap {
                    round(&mut io, &mut probes);
                    arrivals.drain(&far);
                }
                world.ip("link set near0 down");
                let error = fail(&mut io, &mut probes);
                assert_eq!(error.kind(), std::io::ErrorKind::NetworkDown, "{error}");
                assert!(error.to_string().starts_with("link down"), "{error}");
                world.ip("link set near0 up");
                let give_up = Instant::now() + PATIENCE;
                while let Err(error) = io.kick() {
                    assert!(Instant::now() < give_up, "live {live}: {error}: {:?}", io.counters());
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            while probes.next < COUNT {
                round(&mut io, &mut probes);
                arrivals.drain(&far);
            }
            let counters = settle(&mut io);
            arrivals.drain(&far);
            assert_eq!(arrivals.once_and_more(), (COUNT as usize, 0), "{counters:?}");
            assert_eq!((counters.live_lost, counters.live_down > 0), (0, live), "{counters:?}");
        });
    }
}

/// A cable that is pulled and put back, the interface being switched on all the while: what the wire held is lost, and
/// not what comes after.
#[test]
fn a_carrier_that_is_lost_is_waited_for() {
    const COUNT: u32 = 100_000;
    const FLAPS: u32 = 3;
    /// What a veth holds for its other end, and throws away with it.
    const WIRE: u32 = 300;
    for live in [true, false] {
        let world = World::new(1);
        world.take_redirected();
        let far = world.far(|| packets(FAR));
        let cable = |state: &str| world.far(|| run("ip", &["link", "set", FAR, state]));
        world.near(|| {
            let (mut io, _program) = lane(live, 256);
            let mut probes = Numbered::new(COUNT);
            let mut arrivals = Arrivals::new(COUNT, OptionSet::Smallest);
            for flap in 1..=FLAPS {
                while probes.next < COUNT / (FLAPS + 1) * flap {
                    round(&mut io, &mut probes);
                    arrivals.drain(&far);
                }
                cable("down");
                let error = fail(&mut io, &mut probes);
                assert!(error.to_string().contains("no carrier"), "live {live}: {error}");
                // Tried again and again, as a lane does.
                for _ in 0..100 {
                    let error = io.kick().unwrap_err();
                    assert_eq!(error.kind(), std::io::ErrorKind::NetworkDown, "live {live}: {error}");
                }
                cable("up");
                let give_up = Instant::now() + PATIENCE;
                while let Err(error) = io.kick() {
                    assert!(Instant::now() < give_up, "live {live}: {error}: {:?}", io.counters());
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            while probes.next < COUNT {
                round(&mut io, &mut probes);
                arrivals.drain(&far);
            }
            let counters = settle(&mut io);
            arrivals.drain(&far);
            let (once, more) = arrivals.once_and_more();
            assert_eq!(more, 0);
            assert!(once >= (COUNT - FLAPS * WIRE) as usize, "live {live}: {once} of {COUNT}: {counters:?}");
        });
    }
}

fn settle_after_failure(io: &Queues) -> NicCounters {
    let give_up = Instant::now() + PATIENCE;
    while io.in_flight() > 0 {
        assert!(Instant::now() < give_up, "{:?}", io.counters());
        std::thread::sleep(Duration::from_millis(1));
    }
    io.counters()
}

/// What is in the ring when nothing more comes is sent, and soon.
#[test]
fn a_stop_is_prompt_and_leaves_nothing_in_the_ring() {
    let world = World::new(1);
    world.near(|| {
        let _far = world.far(|| Program::attach(FAR, Mode::Native, config()).unwrap());
        let (mut io, _program) = lane(true, 65_536);
        let mut probes = Numbered::new(u32::MAX - FIRST);
        let before = world.far(received);
        while io.counters().live_sent < 100_000 {
            round(&mut io, &mut probes);
        }
        let stopped = Instant::now();
        let counters = settle(&mut io);
        assert!(stopped.elapsed() < Duration::from_secs(2), "{:?}", stopped.elapsed());
        assert_eq!(counters.live_probes, u64::from(probes.next));
        assert_eq!(counters.live_sent, counters.live_probes, "{counters:?}");
        assert_eq!(world.far(received) - before, counters.live_sent);
        drop(io);
        assert!(stopped.elapsed() < Duration::from_secs(4), "{:?}", stopped.elapsed());
    });
}

/// What is blocked while it waits to be sent is not sent.
#[test]
fn probes_taken_back_are_not_sent_and_the_others_are() {
    let world = World::new(1);
    world.take_redirected();
    let far = world.far(|| packets(FAR));
    world.near(|| {
        let (mut io, _program) = lane(true, 1_024);
        let mut probes = Numbered::new(1_000);
        // As the link is down, probes wait; some are on their way to the driver, some were already.
        world.ip("link set near0 down");
        fail(&mut io, &mut probes);
        let give_up = Instant::now() + PATIENCE;
        while probes.next < 1_000 {
            assert!(Instant::now() < give_up, "{:?}", io.counters());
            io.transmit_probes(64, &mut probes).unwrap();
        }
        probes.resets = 0..100;
        assert_eq!(io.transmit_resets(100, &mut probes).unwrap(), 100);
        io.withdraw(&|address| address % 2 == 1);
        world.ip("link set near0 up");
        while io.in_flight() > 0 {
            assert!(Instant::now() < give_up, "{:?}", io.counters());
            let _ = io.kick();
        }
        let mut arrivals = Arrivals::new(1_000, OptionSet::Smallest);
        arrivals.drain(&far);
        let counters = io.counters();
        let even: Vec<u8> = (0..1_000).map(|number| u8::from(number % 2 == 0)).collect();
        assert_eq!(arrivals.counts, even, "{counters:?}");
        assert_eq!((counters.live_probes, counters.live_withdrawn, counters.live_sent), (1_000, 500, 600));
        // What is open is closed, whatever was said since.
        assert!(arrivals.resets[..100].iter().all(|count| *count == 1), "{counters:?}");
    });
}

#[test]
#[ignore = "the part of kill_9_in_mid_run_leaves_nothing_behind that is killed"]
fn child_sends_live_frames() {
    if std::env::var_os("STARLING_TEST_CHILD").is_none() {
        return;
    }
    let (mut io, _program) = lane(true, 65_536);
    let mut probes = Numbered::new(u32::MAX - FIRST);
    let give_up = Instant::now() + PATIENCE;
    while Instant::now() < give_up {
        round(&mut io, &mut probes);
        if io.counters().live_sent > 100_000 {
            println!("\nSENDING");
        }
    }
}

#[test]
fn kill_9_in_mid_run_leaves_nothing_behind() {
    let world = World::new(1);
    let far = world.far(|| Program::attach(FAR, Mode::Native, config()).unwrap());
    for _ in 0..2 {
        let mut victim = child(&["ip", "netns", "exec", &world.near], "paths::child_sends_live_frames")
            .env("STARLING_TEST_CHILD", "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(victim.stdout.take().unwrap());
        assert!(output.lines().map_while(Result::ok).any(|line| line == "SENDING"));
        victim.kill().unwrap();
        victim.wait().unwrap();
        let before = world.far(received);
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(world.far(received), before, "somebody is still sending");
        world.near(|| {
            assert_eq!(Interface::find(NEAR).unwrap().program, None);
            drop(lane(true, 1_024));
        });
    }
    drop(far);
}
