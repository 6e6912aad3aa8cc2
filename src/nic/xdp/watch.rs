//! Other people's connections: the programs of `ebpf/monitor.bpf.c` on an interface, the rings in which they leave copies
//! of frames, and the map of connections that are not to be handed up any more.
//!
//! Every frame goes on to where it was going. AF_XDP would take frames away from the host, so it is not used here.
#![allow(unsafe_code, reason = "aya wants a promise that what lies in maps is plain bytes")]

use super::Error;
use super::program::{self, Mode, load_error, missing, one_line};
use crate::nic::netlink;
use crate::nic::object::MONITOR_OBJECT;
use crate::nic::promiscuous::Promiscuous;
use aya::maps::{ArrayOfMaps, HashMap, Map, MapData, PerCpuArray, RingBuf};
use aya::programs::links::FdLink;
use aya::programs::tc::{SchedClassifier, TcAttachOptions, TcAttachType};
use aya::programs::{LinkOrder, ProgramError, Xdp};
use aya::util::KernelVersion;
use aya::{Ebpf, EbpfLoader};
use aya_obj::generated::bpf_map_type::BPF_MAP_TYPE_RINGBUF;
use netlink_packet_route::link::{LinkFlags, LinkLayerType};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Names in `ebpf/monitor.bpf.c`.
const ARRIVING: &str = "arriving";
const LEAVING: &str = "leaving";
const CONFIG: &str = "config";
const RINGS: &str = "rings";
const SHUNTS: &str = "shunts";
const COUNTS: &str = "counts";

/// Rings at most (`STARLING_WATCH_LANES`).
const LANES_MAX: u32 = 64;
/// `STARLING_WATCH_ANY_PORT`.
const ANY_PORT: u32 = 1;
/// `STARLING_WATCH_MIRROR`.
const MIRROR: u32 = 2;
/// How long a shunted connection may be silent, in nanoseconds (`STARLING_SHUNT_SILENCE`).
const SILENCE: u64 = 300_000_000_000;
/// Size of what a frame in a ring begins with (`struct starling_seen`).
const HEAD: usize = 16;

/// `struct starling_watch_config`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Config {
    flags: u32,
    lanes: u32,
    ports: [u8; 8192],
}

// SAFETY: `repr(C)`, made of integers alone, without padding (4 + 4 + 8192 bytes).
unsafe impl aya::Pod for Config {}
const _: () = assert!(size_of::<Config>() == 8200);

/// A connection by its ends (`struct starling_flow`), the one of the lower address, then port, first.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ends {
    /// Addresses as on the wire; IPv4 as IPv6 that maps it.
    pub address: [[u8; 16]; 2],
    /// Ports.
    pub port: [u16; 2],
}

// SAFETY: `repr(C)`, made of integers alone, without padding (32 + 4 bytes).
unsafe impl aya::Pod for Ends {}
const _: () = assert!(size_of::<Ends>() == 36);

/// `struct starling_shunt`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Shunt {
    until: u64,
    fins: u32,
    closed: u32,
}

// SAFETY: `repr(C)`, made of integers alone, without padding (8 + 4 + 4 bytes).
unsafe impl aya::Pod for Shunt {}
const _: () = assert!(size_of::<Shunt>() == 16);

/// Frames and their bytes (`struct starling_watch_count`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Frames.
    pub frames: u64,
    /// Their bytes, from the Ethernet header on.
    pub bytes: u64,
}

// SAFETY: `repr(C)`, two integers of the same size.
unsafe impl aya::Pod for Count {}

impl Count {
    const fn add(&mut self, other: Self) {
        self.frames += other.frames;
        self.bytes += other.bytes;
    }
}

/// Where a frame went (`enum starling_watch_reason`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Fate {
    /// Neither IPv4 nor IPv6.
    NotIp,
    /// A fragment.
    Fragment,
    /// Another protocol than TCP.
    NotTcp,
    /// Ends before its headers do.
    Cut,
    /// Headers that contradict themselves.
    Malformed,
    /// Ports that are not watched.
    OtherPorts,
    /// Of a connection that is not handed up any more.
    Shunted,
    /// For userspace, which was too slow.
    RingFull,
    /// Copied into a ring.
    Up,
}

impl Fate {
    /// Every fate, in the order of the header.
    pub const ALL: &'static [Self] = &[
        Self::NotIp,
        Self::Fragment,
        Self::NotTcp,
        Self::Cut,
        Self::Malformed,
        Self::OtherPorts,
        Self::Shunted,
        Self::RingFull,
        Self::Up,
    ];

    /// Its name in accounts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotIp => "not_ip",
            Self::Fragment => "fragments",
            Self::NotTcp => "not_tcp",
            Self::Cut => "cut",
            Self::Malformed => "malformed",
            Self::OtherPorts => "other_ports",
            Self::Shunted => "shunted",
            Self::RingFull => "ring_full",
            Self::Up => "handed_up",
        }
    }
}

/// What the programs did so far, summed over the CPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WatchCounts([Count; Fate::ALL.len()]);

impl WatchCounts {
    /// What went there.
    pub const fn get(&self, fate: Fate) -> Count {
        self.0[fate as usize]
    }

    /// All that was seen.
    pub fn total(&self) -> Count {
        self.0.iter().fold(Count::default(), |mut sum, count| {
            sum.add(*count);
            sum
        })
    }
}

/// What is watched, and how.
#[derive(Clone, Debug)]
pub struct WatchOptions<'a> {
    /// Where the program for arriving frames runs.
    pub mode: Mode,
    /// Ports of servers.
    pub ports: &'a [u16],
    /// All others too.
    pub any_port: bool,
    /// Arriving frames end here, so that the host is spared those that are not for it.
    pub mirror: bool,
    /// Frames that are not addressed to the interface are wanted too.
    pub promiscuous: bool,
    /// Rings; a connection comes to one of them.
    pub lanes: u32,
    /// Bytes of a ring: a power of two, of whole pages.
    pub ring_bytes: u32,
    /// Connections that are kept in mind as not to be handed up.
    pub shunts_max: u32,
}

/// The programs on their interface. Dropping it takes them off.
pub struct Watch {
    attached: Option<Attached>,
    leaving: Result<(), String>,
    index: u32,
    ebpf: Ebpf,
}

/// Gone when dropped, and with the process.
struct Attached {
    _arriving: FdLink,
    _leaving: Option<FdLink>,
    _promiscuous: Option<Promiscuous>,
}

impl Watch {
    /// Loads the programs and puts them on `interface`, where no other XDP program may be.
    ///
    /// # Errors
    /// Each names its next step; an attached program is never replaced.
    pub fn attach(interface: &str, options: &WatchOptions<'_>) -> Result<(Self, Vec<Ring>, Shunts), Error> {
        let found = program::vacant(interface)?;
        let named = || interface.to_owned();
        if !netlink::is_up(&found) {
            return Err(Error::Down { interface: named() });
        }
        let is_loopback = found.header.flags.contains(LinkFlags::Loopback);
        if !is_loopback && found.header.link_layer_type != LinkLayerType::Ether {
            return Err(Error::NotEthernet { interface: named() });
        }
        let mut ebpf = load(options)?;
        let rings = make_rings(&mut ebpf, options)?;
        let shunts = Shunts::of(&mut ebpf)?;
        let promiscuous = (options.promiscuous && !is_loopback)
            .then(|| Promiscuous::ask(found.header.index))
            .transpose()
            .map_err(|source| Error::System { what: "asking for promiscuous mode", source })?;
        // What leaves by the loopback arrives there too.
        let leaving = if is_loopback { Ok(None) } else { leave(&mut ebpf, interface).map(Some) };
        let (leaving, why) = match leaving {
            Ok(link) => (link, Ok(())),
            Err(reason) => (None, Err(reason)),
        };
        let arriving = program::put(arriving(&mut ebpf)?, &found, interface, options.mode)?;
        let attached = Attached { _arriving: arriving, _leaving: leaving, _promiscuous: promiscuous };
        let index = found.header.index;
        Ok((Self { attached: Some(attached), leaving: why, index, ebpf }, rings, shunts))
    }

    /// Whether the kernel accepts the programs. Loads them, attaches nothing.
    ///
    /// # Errors
    /// As [`Watch::attach`].
    pub fn verify() -> Result<(), Error> {
        let options = WatchOptions {
            mode: Mode::Native,
            ports: &[],
            any_port: false,
            mirror: false,
            promiscuous: false,
            lanes: 1,
            ring_bytes: 1 << 16,
            shunts_max: 1,
        };
        let mut ebpf = load(&options)?;
        arriving(&mut ebpf)?;
        leaving(&mut ebpf).map(|_| ())
    }

    /// Whether frames that leave are seen; else why not.
    pub fn sees_leaving(&self) -> Result<(), &str> {
        match &self.leaving {
            Ok(()) => Ok(()),
            Err(reason) => Err(reason),
        }
    }

    /// Whether the interface is still there.
    pub fn is_there(&self) -> bool {
        netlink::link_by_index(self.index).is_ok()
    }

    /// Takes the programs off. What is in the rings stays there.
    pub fn detach(&mut self) {
        self.attached = None;
    }

    /// What the programs did so far.
    pub fn counts(&self) -> io::Result<WatchCounts> {
        let map: &Map = self.ebpf.map(COUNTS).ok_or_else(|| io::Error::other(missing(COUNTS)))?;
        let counts: PerCpuArray<&MapData, Count> = PerCpuArray::try_from(map).map_err(io::Error::other)?;
        let mut sums = WatchCounts::default();
        for (fate, sum) in Fate::ALL.iter().zip(&mut sums.0) {
            let by_cpu = counts.get(&(*fate as u32), 0).map_err(io::Error::other)?;
            by_cpu.iter().for_each(|count| sum.add(*count));
        }
        Ok(sums)
    }
}

fn load(options: &WatchOptions<'_>) -> Result<Ebpf, Error> {
    let flags = if options.any_port { ANY_PORT } else { 0 } | if options.mirror { MIRROR } else { 0 };
    let mut config = Config { flags, lanes: options.lanes.clamp(1, LANES_MAX), ports: [0; 8192] };
    for port in options.ports {
        config.ports[usize::from(port >> 3)] |= 1 << (port & 7);
    }
    EbpfLoader::new()
        .btf(None) // the programs read frames, not kernel structures: nothing to relocate
        .override_global(CONFIG, &config, true)
        .map_max_entries(SHUNTS, options.shunts_max.max(1))
        .load(MONITOR_OBJECT)
        .map_err(load_error)
}

fn make_rings(ebpf: &mut Ebpf, options: &WatchOptions<'_>) -> Result<Vec<Ring>, Error> {
    let failed = |error: &dyn std::error::Error| Error::Load { reason: format!("a ring: {}", one_line(error)) };
    let map = ebpf.map_mut(RINGS).ok_or_else(|| missing(RINGS))?;
    let mut array: ArrayOfMaps<&mut MapData, MapData> = ArrayOfMaps::try_from(map).map_err(|error| failed(&error))?;
    let mut rings = Vec::new();
    for lane in 0..options.lanes.clamp(1, LANES_MAX) {
        let ring = aya_obj::Map::new_from_params(BPF_MAP_TYPE_RINGBUF as u32, 0, 0, options.ring_bytes, 0);
        let ring = MapData::create(ring, "ring", None).map_err(|error| failed(&error))?;
        array.set(lane, &ring, 0).map_err(|error| failed(&error))?;
        rings.push(Ring(RingBuf::try_from(Map::RingBuf(ring)).map_err(|error| failed(&error))?));
    }
    Ok(rings)
}

fn arriving(ebpf: &mut Ebpf) -> Result<&mut Xdp, Error> {
    let program = ebpf.program_mut(ARRIVING).ok_or_else(|| missing(ARRIVING))?;
    let program: &mut Xdp = program.try_into().map_err(|error: ProgramError| load_error(error.into()))?;
    program.load().map_err(|error| load_error(error.into()))?;
    Ok(program)
}

fn leaving(ebpf: &mut Ebpf) -> Result<&mut SchedClassifier, Error> {
    let program = ebpf.program_mut(LEAVING).ok_or_else(|| missing(LEAVING))?;
    let program: &mut SchedClassifier = program.try_into().map_err(|error: ProgramError| load_error(error.into()))?;
    program.load().map_err(|error| load_error(error.into()))?;
    Ok(program)
}

/// Puts the program for leaving frames on the interface, or says why not.
fn leave(ebpf: &mut Ebpf, interface: &str) -> Result<FdLink, String> {
    if KernelVersion::current().is_ok_and(|version| version < KernelVersion::new(6, 6, 0)) {
        return Err("this needs Linux 6.6".to_owned());
    }
    let program = leaving(ebpf).map_err(|error| error.to_string())?;
    let order = TcAttachOptions::TcxOrder(LinkOrder::default());
    let link = program
        .attach_with_options(interface, TcAttachType::Egress, order)
        .and_then(|id| program.take_link(id))
        .map_err(|error| one_line(&error))?;
    FdLink::try_from(link).map_err(|error| one_line(&error))
}

/// A frame that was copied.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// When it came: nanoseconds of CLOCK_MONOTONIC.
    pub time: u64,
    /// Bytes that it had.
    pub length: u32,
    /// The first of them, from the Ethernet header on: all, but of giants.
    pub bytes: &'a [u8],
}

/// The ring of a lane.
pub struct Ring(RingBuf<MapData>);

impl Ring {
    /// Hands frames to `sink` until there are none, or `budget` were. Says how many.
    pub fn receive(&mut self, budget: usize, sink: &mut impl FnMut(&Seen<'_>)) -> usize {
        let mut count = 0;
        while count < budget
            && let Some(item) = self.0.next()
        {
            count += 1;
            if let Some(seen) = parse(&item) {
                sink(&seen);
            }
        }
        count
    }
}

/// `struct starling_seen`, as our own program wrote it.
fn parse(item: &[u8]) -> Option<Seen<'_>> {
    let (head, bytes) = item.split_first_chunk::<HEAD>()?;
    let four = |at: usize| u32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let (time, _) = head.split_first_chunk::<8>()?;
    Some(Seen { time: u64::from_ne_bytes(*time), length: four(8), bytes: bytes.get(..four(12) as usize)? })
}

/// The map of connections that are not handed up any more.
#[derive(Clone)]
pub struct Shunts(Arc<Mutex<HashMap<MapData, Ends, Shunt>>>);

impl Shunts {
    fn of(ebpf: &mut Ebpf) -> Result<Self, Error> {
        let map = ebpf.take_map(SHUNTS).ok_or_else(|| missing(SHUNTS))?;
        let map = HashMap::try_from(map).map_err(|error| Error::Load { reason: one_line(&error) })?;
        Ok(Self(Arc::new(Mutex::new(map))))
    }

    /// From now on frames of this connection are counted only, until it begins anew, or was silent for five minutes, or
    /// is over. `now`: nanoseconds of CLOCK_MONOTONIC.
    pub fn enter(&self, ends: &Ends, now: u64) -> io::Result<()> {
        let shunt = Shunt { until: now + SILENCE, fins: 0, closed: 0 };
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        map.insert(ends, shunt, 0).map_err(io::Error::other)
    }
}

const fn moves_to_its_thread<T: Send>() {}
const _: () = moves_to_its_thread::<Ring>();
const _: () = moves_to_its_thread::<Shunts>();
