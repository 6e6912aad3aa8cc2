//! The simulator's hosts behind a real link: honest ones on kernel sockets, the others frame by frame. The rows
//! must be those of the simulated world, timings aside.

use super::packets::{Packets, wait};
use super::peers::Servers;
use super::place::{FAR, Place, enter};
use super::rows::{Rows, differences, given, key, measured};
use serde_json::{Map, Value};
use starling::base::Instant;
use starling::base::keyed::Key;
use starling::record::Fact;
use starling::record::fold::Chains;
use starling::record::row::{Handshake, Host as Answer};
use starling::scan::conversation::Limits;
use starling::sim::host::script::Manner;
use starling::sim::host::tcp::Cuts;
use starling::sim::host::{Behaviour, Host, Hostile};
use starling::sim::link::Faults;
use starling::sim::swarm::{Mix, Swarm};
use starling::sim::world::World;
use starling::targets::cidr::AddressSet;
use starling::targets::ports::{Protocol, Service};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

const FIRST: u32 = 0xc612_0000;
const TARGETS: &str = "198.18.0.0/24";
const ADDRESSES: u32 = 256;
const SEED: u64 = 3;
/// Longest wait of the frame-by-frame hosts, so that the end is heard.
const NAP: Duration = Duration::from_millis(20);

/// Deadlines and other options, the same for both.
const GREETING: u64 = 6;
const REPLY: u64 = 4;
const TLS: u64 = 5;
const TOTAL: u64 = 20;
const COOLDOWN: u64 = 3;
const RATE: u32 = 400;

/// Who speaks first and how TLS begins, each way. More of them would only take longer, as an address has one
/// connection at a time.
const SPOKEN: &[Protocol] = &[Protocol::Smtp, Protocol::Imaps, Protocol::Pop3, Protocol::Irc, Protocol::Https];

/// A perfect link, and hosts of every kind.
fn swarm() -> Swarm {
    let seconds = Duration::from_secs;
    // All of them now and then, but for windows that stay closed until about when the deadline is.
    let mut habits = [0.2; 12];
    habits[2] = 0.0;
    let service = |protocol: &Protocol| Service { port: protocol.port(), protocol: *protocol };
    Swarm {
        addresses: AddressSet::allowed(&[(FIRST, FIRST + ADDRESSES - 1)], &[]),
        services: SPOKEN.iter().map(service).collect(),
        rate: Some(f64::from(RATE)),
        cooldown: seconds(COOLDOWN),
        connections_max: 4_096,
        limits: Limits {
            greeting: seconds(GREETING),
            reply: seconds(REPLY),
            tls: seconds(TLS),
            total: seconds(TOTAL),
            ..Limits::default()
        },
        up: Faults::default(),
        down: Faults::default(),
        mix: Mix {
            inhabited: 0.9,
            honest: 0.35,
            hostiles: Hostile::ALL.to_vec(),
            manners: Manner::ALL.to_vec(),
            cuts: vec![Cuts::Whole, Cuts::Bytes, Cuts::Random],
            habits,
            think: Duration::ZERO,
        },
        ..Swarm::from_seed(SEED)
    }
}

/// What the simulated world finds: answers and handshakes.
fn simulate(swarm: Swarm) -> (Rows, Rows) {
    let mut world = World::new(swarm, false).unwrap();
    world.run();
    assert!(world.violations().is_empty(), "{:?}", world.violations());
    let (mut answers, mut handshakes, mut chains) = (Rows::new(), Rows::new(), Chains::new(Key([1, 2])));
    for fact in world.take_facts() {
        match fact {
            Fact::Answer(answer) => panic!("not asked for: {answer:?}"),
            Fact::Host(row) => insert(&mut answers, given(&row)),
            Fact::Handshake(mut row, certificates) => {
                let new = chains.fold(row.time, &certificates);
                (row.chain_id, row.leaf_sha256) = (new.chain_id, new.leaf_sha256);
                insert(&mut handshakes, given(&*row));
            }
            Fact::Checkpoint(_) => {}
        }
    }
    (answers, handshakes)
}

fn insert(rows: &mut Rows, row: Map<String, Value>) {
    rows.insert(key(&row), row);
}

/// The hosts of the world by address: those played on kernel sockets, and those played frame by frame. The former are
/// honest, without what a kernel would not do. Every third of these is played by frames too.
fn hosts(swarm: &Swarm) -> (BTreeMap<u32, Host>, BTreeMap<u32, Host>) {
    let all = FIRST..FIRST + ADDRESSES;
    let all = all.filter_map(|address| swarm.host(address).map(|host| (address, host)));
    all.partition(|(address, host)| {
        let services: Vec<_> = swarm.services.iter().filter_map(|service| host.service(service.port)).collect();
        let fit = |behaviour| matches!(behaviour, Behaviour::Honest { contradicts: false, .. });
        !services.is_empty() && services.iter().all(|service| fit(service.behaviour)) && !address.is_multiple_of(3)
    })
}

/// Plays hosts frame by frame on the world's interface until told to end.
fn play(mut hosts: BTreeMap<u32, Host>, ready: &Sender<()>, end: &AtomicBool) {
    let packets = Packets::open(FAR);
    ready.send(()).unwrap();
    let start = std::time::Instant::now();
    while !end.load(Ordering::Relaxed) {
        let now = Instant::from_nanos(start.elapsed().as_nanos() as u64);
        while let Some(frame) = packets.receive() {
            let destination = frame.get(30..34).map(|bytes| u32::from_be_bytes(bytes.try_into().unwrap()));
            if let Some(host) = destination.and_then(|address| hosts.get_mut(&address)) {
                host.handle_frame(now, &frame);
            }
        }
        let mut next = now + NAP;
        for host in hosts.values_mut() {
            if host.next_timeout() <= now {
                host.handle_timeout(now);
            }
            while let Some(frame) = host.poll_frame(now) {
                packets.send(&frame);
            }
            next = next.min(host.next_timeout());
        }
        wait(std::slice::from_ref(&packets), next.since(now));
    }
    assert_eq!(packets.dropped(), 0);
}

/// Makes the one who plays the hosts leave, however the scan ends.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Scans the hosts behind a real link: answers and handshakes.
fn measure(swarm: &Swarm, honest: BTreeMap<u32, Host>, others: BTreeMap<u32, Host>) -> (Rows, Rows) {
    let place = Place::new(false);
    let mut doors = Vec::new();
    for (address, host) in &honest {
        let address = Ipv4Addr::from(*address);
        place.inhabit(&address.to_string());
        let ports = swarm.services.iter().filter(|service| host.service(service.port).is_some());
        doors.extend(ports.map(|service| (address, service.port)));
    }
    let scripts = move |address: u32, port| {
        let host = honest.get(&address)?;
        let service = host.service(port)?;
        Some((host.script(service)?, service.settings.cuts))
    };
    let servers = Servers::start(&place.far, doors, scripts);
    let end = AtomicBool::new(false);
    let folder = tempfile::tempdir().unwrap();
    let census = folder.path().join("census");
    let (ready, is_ready) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            enter(&place.far);
            play(others, &ready, &end);
        });
        is_ready.recv().unwrap();
        let _end = End(&end);
        let arguments = format!(
            "-q -p smtp,imaps,pop3,irc,https -r {RATE} -c {COOLDOWN} --greeting-timeout {GREETING} --reply-timeout {REPLY} \
             --tls-timeout {TLS} --total-timeout {TOTAL} --max-connections 4096 -s 61000-61999 {TARGETS}"
        );
        println!("{}", place.scan(&census, &arguments));
    });
    servers.stop();
    println!("frames that found no room at the scanner's interface: {}", place.dropped());
    (measured::<Answer>(&census), measured::<Handshake>(&census))
}

/// What the hosts do, so that none of the ways is missing.
fn ways(swarm: &Swarm, hosts: &BTreeMap<u32, Host>) -> BTreeSet<String> {
    let services = hosts.values().flat_map(|host| swarm.services.iter().map(|service| host.service(service.port)));
    let ways = services.flatten().map(|service| match service.behaviour {
        Behaviour::Honest { manner, .. } => format!("{:?} {manner:?}", service.protocol),
        Behaviour::Hostile(kind) => format!("{:?} {kind:?}", service.protocol),
    });
    ways.collect()
}

#[test]
fn the_same_hosts_give_the_same_rows_behind_a_real_link_as_in_the_simulator() {
    let swarm = swarm();
    let (honest, others) = hosts(&swarm);
    let protocols = SPOKEN.len();
    assert_eq!(ways(&swarm, &honest).len(), protocols * Manner::ALL.len());
    assert_eq!(ways(&swarm, &others).len(), protocols * (Manner::ALL.len() + Hostile::ALL.len()));

    let by_frames: BTreeSet<u32> = others.keys().copied().collect();
    let (mut simulated_answers, simulated) = simulate(swarm.clone());
    let (mut answers, handshakes) = measure(&swarm, honest, others);
    let mut differing = differences(&simulated, &handshakes);
    // A kernel's SYN-ACK is its own.
    for answers in [&mut simulated_answers, &mut answers] {
        answers.retain(|(address, ..), _| by_frames.contains(address));
    }
    differing.extend(differences(&simulated_answers, &answers));
    println!("{} handshakes, {} answers of hosts played frame by frame", handshakes.len(), answers.len());
    assert!(differing.is_empty(), "{} differences\n{}", differing.len(), differing.join("\n"));
}
