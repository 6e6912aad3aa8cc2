//! Sockets, program and transmit path on the interface: how a scan gets at the network.

use crate::app::interface::Interface;
use crate::app::scan::{Plan, Way};
use crate::base::keyed::Key;
use crate::nic::contract;
use crate::nic::xdp::{Bind, BoundMode, Constant, Error, Live, Mode, Program, Queues, Socket, SocketOptions};
use crate::wire::probe::Template;
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};

/// Probes per second and lane up to which AF_XDP's copy mode is plenty.
const COPY_RATE: f64 = 500_000.0;
/// How long an interface may be without carrier after a program or a socket came to it: some reset themselves.
const CARRIER: Duration = Duration::from_secs(10);
/// Slots and frames for receiving beside live frames, whose lane looks less often.
const LIVE_RECEIVE: u32 = 4_096;

/// Which way probes are to take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transmit {
    /// What the driver offers and the rate wants.
    #[default]
    Auto,
    /// AF_XDP, the NIC reading our frames, or an error.
    ZeroCopy,
    /// AF_XDP, the kernel copying each frame.
    Copy,
    /// Live frames, made by the kernel, or an error.
    Live,
}

/// Which way probes take, and why that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// `zerocopy`, `copy` or `live`.
    pub name: &'static str,
    /// Why.
    pub reason: String,
}

/// Sockets and program on the interface. Dropping it leaves the interface as it was.
pub struct Links {
    /// What each lane has, until it takes it.
    pub lanes: Vec<Queues>,
    /// The program.
    pub program: Program,
    /// How probes leave.
    pub path: Path,
}

impl Links {
    /// Occupies the interface as `plan` wants it.
    ///
    /// # Errors
    /// Each names its next step.
    pub fn open(plan: &Plan, way: &Way, key: Key) -> Result<Self> {
        let interface = &way.interface;
        let lanes = lanes(plan.lanes, interface, cpus().len())?;
        // The program first: it refuses an occupied interface before anything else is touched.
        let mut config = contract::Config::new(key, u32::from(way.source), plan.ports.first, plan.ports.last);
        config.flags |= if plan.answers.rst { contract::FORWARD_CLOSED } else { 0 };
        config.flags |= if plan.answers.icmp { contract::FORWARD_ICMP } else { 0 };
        let mut program = Program::attach(&interface.name, plan.mode, config)?;
        let mut queues: Vec<Vec<Socket>> = Vec::new();
        queues.resize_with(lanes, Vec::new);
        for queue in 0..interface.rx_queues {
            let socket = Socket::open(&interface.name, queue, socket_options(plan, lanes))?;
            program.register(queue, &socket)?;
            queues[queue as usize % lanes].push(socket);
        }
        await_carrier(&interface.name)?;
        let (path, live) = choose(plan, way, &queues)?;
        let lanes = queues.into_iter().zip(live).map(|(sockets, live)| Queues::new(sockets, live)).collect();
        Ok(Self { lanes, program, path })
    }
}

fn socket_options(plan: &Plan, lanes: usize) -> SocketOptions {
    let default = SocketOptions { busy_poll: plan.busy_poll, ..SocketOptions::default() };
    match plan.transmit {
        Transmit::Auto if copy_is_plenty(plan, lanes) => default,
        Transmit::ZeroCopy => SocketOptions { bind: Bind::ZeroCopy, ..default },
        Transmit::Copy => SocketOptions { bind: Bind::Copy, ..default },
        Transmit::Auto | Transmit::Live => SocketOptions { rx_frames: LIVE_RECEIVE, rx_ring: LIVE_RECEIVE, ..default },
    }
}

/// Whether the rate wants nothing better than copies of frames.
fn copy_is_plenty(plan: &Plan, lanes: usize) -> bool {
    plan.rate.is_some_and(|rate| rate / lanes as f64 <= COPY_RATE)
}

/// How many lanes serve the interface: one a queue, but no more than CPUs unless told.
fn lanes(wanted: Option<u32>, interface: &Interface, cpus: usize) -> Result<usize> {
    let (name, queues) = (&interface.name, interface.rx_queues as usize);
    let lanes = wanted.map_or_else(|| queues.min(cpus.max(1)), |wanted| wanted as usize);
    ensure!(lanes > 0, "--lanes 0: at least one is wanted");
    ensure!(
        lanes <= queues,
        "{lanes} lanes want {lanes} receive queues, {name} has {queues}. Next step: ethtool -L {name} combined {lanes} \
         (or rx and tx each), or --lanes {queues}"
    );
    Ok(lanes)
}

/// The CPUs that this process may use.
pub fn cpus() -> Vec<usize> {
    use nix::sched::{CpuSet, sched_getaffinity};
    let Ok(allowed) = sched_getaffinity(nix::unistd::Pid::from_raw(0)) else { return Vec::new() };
    (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false)).collect()
}

fn await_carrier(name: &str) -> Result<()> {
    let give_up = Instant::now() + CARRIER;
    while !Interface::find(name)?.carrier {
        ensure!(
            Instant::now() < give_up,
            "{name} lost its carrier when the XDP program came to it, and did not get it back. Next step: see \
             dmesg, or --xdp-mode generic"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// The way probes take from `queues`, and live frames for each lane if they are it.
fn choose(plan: &Plan, way: &Way, queues: &[Vec<Socket>]) -> Result<(Path, Vec<Option<Live>>)> {
    let zero_copy = queues.iter().flatten().all(|socket| socket.mode() == BoundMode::ZeroCopy);
    let by_socket = |name, reason: &str| {
        let path = Path { name, reason: reason.to_owned() };
        Ok((path, queues.iter().map(|_| None).collect()))
    };
    match plan.transmit {
        Transmit::ZeroCopy => by_socket("zerocopy", "asked for"),
        Transmit::Copy => by_socket("copy", "asked for"),
        Transmit::Live => Ok((Path { name: "live", reason: "asked for".to_owned() }, live(plan, way, queues)?)),
        Transmit::Auto if zero_copy => by_socket("zerocopy", "the driver has zero copy"),
        Transmit::Auto if copy_is_plenty(plan, queues.len()) => {
            by_socket("copy", "the driver has no zero copy, and the rate needs no more")
        }
        Transmit::Auto if plan.mode == Mode::Generic => {
            by_socket("copy", "in generic mode there is neither zero copy nor live frames")
        }
        Transmit::Auto => match live(plan, way, queues) {
            Ok(live) => {
                let reason = "the driver has no zero copy, and takes redirected frames".to_owned();
                Ok((Path { name: "live", reason }, live))
            }
            Err(Error::NoLive { reason, .. }) => by_socket("copy", &format!("no zero copy, no live frames: {reason}")),
            Err(error) => Err(error.into()),
        },
    }
}

fn live(plan: &Plan, way: &Way, queues: &[Vec<Socket>]) -> Result<Vec<Option<Live>>, Error> {
    // The clock's beginning is the engine's own affair: it comes with each probe.
    let template = Template::with_options(&way.link, way.source.into(), plan.options, Key([0, 0]));
    let constant = Constant { frame: template.frame(), clock: template.clock() };
    // What waits to be sent can be answered after the table is called full: a sixteenth of it is kept for that.
    let ahead = if plan.answers.probe_only { usize::MAX } else { plan.connections_max / queues.len() / 16 };
    queues.iter().map(|_| Live::open(&way.interface.name, constant, ahead).map(Some)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(rx_queues: u32) -> Interface {
        Interface {
            index: 1,
            name: "eth9".to_owned(),
            mac: None,
            up: true,
            carrier: true,
            mtu: 1_500,
            rx_queues,
            driver: None,
            addresses: Vec::new(),
            program: None,
            tx_dropped: 0,
        }
    }

    #[test]
    fn a_lane_serves_one_queue_or_several_but_no_queue_has_two() {
        let count = |wanted, queues, cpus| lanes(wanted, &interface(queues), cpus).map_err(|error| error.to_string());
        assert_eq!(count(None, 4, 8), Ok(4));
        assert_eq!(count(None, 64, 8), Ok(8));
        assert_eq!(count(None, 4, 0), Ok(1));
        assert_eq!(count(Some(2), 4, 1), Ok(2));
        assert!(count(Some(5), 4, 8).is_err_and(|error| error.contains("ethtool -L eth9 combined 5")));
        assert!(count(Some(0), 4, 8).is_err());
    }
}
