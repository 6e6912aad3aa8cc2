//! Live frames: probes that the kernel makes from our facts, without socket buffers (`ebpf/live.bpf.c`).
//!
//! The lane puts facts into a ring; a thread of its own has the kernel run the program on fresh frames
//! (BPF_PROG_RUN with BPF_F_TEST_XDP_LIVE_FRAMES), once for each, as long as there are facts. Both need no
//! privileges once they are set up (Linux 5.19; before, CAP_BPF). What the driver refuses is sent again: a probe that was
//! put into the ring leaves, or is lost with the interface, which is counted.
#![allow(unsafe_code, reason = "aya wants a promise that the template is plain bytes")]

use super::carrier::Carrier;
use super::ring::{Counts, Mapping, Ring, SIZE};
use super::throttle::{Fate, Throttle};
use super::{Error, link, program, sys};
use crate::nic::object::LIVE_OBJECT;
use crate::nic::{NicCounters, ProbeFacts, Probes};
use aya::maps::{DevMap, Map, MapData};
use aya::programs::links::FdLink;
use aya::programs::{
    BtfTracePoint, Program, ProgramError, RawTracePoint, RawTracePointRunOptions, TestRun, TestRunAttrs,
    TestRunOptions, Xdp, XdpMode,
};
use aya::{Btf, Ebpf, EbpfLoader};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// Names in `ebpf/live.bpf.c`.
const SEND: &str = "starling_send";
const TRY: &str = "starling_try";
const CLAIM: &str = "starling_claim";
const SENT: &str = "starling_sent";
const DOWN: &str = "starling_down";
const RING: &str = "ring";
const INTERFACE: &str = "interface";
const TEMPLATE: &str = "template";
/// The programs that count, and their tracepoints.
const COUNTING: [(&str, &str); 2] = [(SENT, "xdp_devmap_xmit"), (DOWN, "xdp_redirect_err")];

/// `STARLING_FRAME_MIN` and `STARLING_FRAME_MAX`.
const FRAME_MIN: usize = 54;
const FRAME_MAX: usize = 128;

/// Frames that the kernel makes at a time. More of them overrun short rings (256 on a veth).
const BATCH: u32 = 128;
/// Frames of one call, when probes come faster than they are sent: some tens of milliseconds, so that the end of
/// a run is never far.
const CALL: u32 = 1 << 18;
/// Where few probes may be in the ring, so many times as many: runs in vain take the CPU from those who make probes.
const CALL_LIMITS: u32 = 16;
/// Probes in the ring that make such a call worth while, unless a quarter of those that may be there is less.
const PLENTY: usize = 16_384;
/// Fewer are let gather for so long: each call leaves its pages with the kernel for a second.
const GATHER: Duration = Duration::from_millis(5);
/// As above, where each call waits for the whole kernel (see [`keep`]).
const GATHER_UNKEPT: Duration = Duration::from_millis(100);
const CALL_UNKEPT: u32 = 1 << 20;
/// How long a probe may wait in the ring at a pace that the driver sets: what is blocked meanwhile is still sent.
const SOON: Duration = Duration::from_millis(20);
/// So many probes may always wait.
const AHEAD_MIN: usize = 256;
/// How long the lane may leave a ring alone that is full.
const REST: Duration = Duration::from_micros(300);
/// How long the sending thread sleeps at most before it looks again.
const NAP: Duration = Duration::from_millis(100);
/// How long it leaves a link alone that is down.
const DOWN_NAP: Duration = Duration::from_millis(10);
/// A driver that took nothing for so long, although it was asked, is as good as down.
const STUCK: Duration = Duration::from_secs(1);

/// What the lane is told of the link ([`Shared`]).
const UP: u8 = 0;
const IS_DOWN: u8 = 1;
const IS_STUCK: u8 = 2;
const IS_WITHOUT_CARRIER: u8 = 3;

/// IEEE 802 local experimental EtherType 1: of no meaning to anybody.
const EXPERIMENTAL: [u8; 2] = [0x88, 0xb5];

/// The constant part of every probe.
#[derive(Clone, Copy, Debug)]
pub struct Constant<'a> {
    /// Its frame: Ethernet, IPv4 without options, TCP.
    pub frame: &'a [u8],
    /// Where in it a clock of four bytes stands, if it has one, that varies as well.
    pub clock: Option<usize>,
}

/// `struct starling_template`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Template {
    frame: [u8; FRAME_MAX],
    length: u32,
    clock: u32,
}
const _: () = assert!(size_of::<Template>() == FRAME_MAX + 8);

// SAFETY: `Template` is `repr(C)`, made of integers alone, and has no padding (128 + 4 + 4 bytes).
unsafe impl aya::Pod for Template {}

/// The probes of one lane, sent by the driver of one interface.
pub struct Live {
    ring: Ring,
    mapping: Arc<Mapping>,
    /// Most probes in the ring ever, and now.
    ahead: usize,
    limit: usize,
    /// The ring is being filled up; otherwise it has enough.
    filling: bool,
    /// Resets put into the ring.
    resets: u64,
    has_clock: bool,
    throttle: Throttle,
    began: Instant,
    shared: Arc<Shared>,
    /// Until it is started.
    sender: Option<Sender>,
    thread: Option<JoinHandle<()>>,
}

/// What lane and sending thread tell each other.
#[derive(Default)]
struct Shared {
    end: AtomicBool,
    asleep: AtomicBool,
    /// Most probes in the ring, for now.
    limit: AtomicUsize,
    /// Whether the driver takes frames.
    link: AtomicU8,
    failure: Mutex<Option<io::Error>>,
}

impl Live {
    /// Sets everything up to send probes from `interface`: `template` and the facts of each, of which at most
    /// `ahead` wait to be sent. Sends one frame to the template's destination, of a type without meaning, to find out
    /// whether the driver takes such frames.
    ///
    /// # Errors
    /// [`Error::NoLive`] says why not; the others name their next step.
    pub fn open(interface: &str, template: Constant<'_>, ahead: usize) -> Result<Self, Error> {
        let refused = |reason: String| Error::NoLive { interface: interface.to_owned(), reason };
        let length = template.frame.len();
        let clock_fits = template.clock.is_none_or(|at| (FRAME_MIN..=length.saturating_sub(4)).contains(&at));
        if !(FRAME_MIN..=FRAME_MAX).contains(&length) || !clock_fits {
            return Err(refused(format!("a probe of {length} bytes does not fit")));
        }
        let index = link(interface)?.header.index;
        let carrier = Carrier::of(interface)?;
        let sender = Sender::load(index, carrier, template).map_err(|error| error.named(interface))?;
        let mapping = Arc::clone(&sender.mapping);
        sender.try_frame(template.frame).map_err(refused)?;
        Ok(Self {
            ring: Ring::new(Arc::clone(&mapping)),
            mapping,
            ahead: ahead.clamp(AHEAD_MIN, SIZE),
            limit: 0,
            filling: true,
            resets: 0,
            has_clock: template.clock.is_some(),
            throttle: Throttle::default(),
            began: Instant::now(),
            shared: Arc::default(),
            sender: Some(sender),
            thread: None,
        })
    }

    /// Starts the sending thread, which runs where the calling one may.
    pub fn start(&mut self) -> io::Result<()> {
        if let Some(sender) = self.sender.take() {
            let shared = Arc::clone(&self.shared);
            self.thread = Some(Builder::new().name("live".into()).spawn(move || sender.run(&shared))?);
        }
        Ok(())
    }

    /// Probes that the driver took, but for a few.
    pub(super) fn probed(&self) -> u64 {
        let Counts { sent, resets, .. } = self.mapping.counts();
        sent.saturating_sub(resets)
    }

    /// Puts up to `budget` probes into the ring, where no more than `window` shall wait.
    pub(super) fn send(&mut self, budget: usize, window: usize, probes: &mut impl Probes) -> usize {
        let soon = self.throttle.within(SOON).map_or(SIZE, |probes| probes.max(AHEAD_MIN));
        self.limit = self.ahead.min(window).min(soon);
        self.shared.limit.store(self.limit, Ordering::Relaxed);
        let used = self.ring.used();
        let room = self.limit.saturating_sub(used);
        // Once full it is left alone until half of it is taken: many probes in a row cost less than few at a time.
        self.filling = if self.filling { room > 0 } else { used <= self.limit / 2 };
        if !self.filling {
            return 0;
        }
        let Counts { made, sent, refused, .. } = self.mapping.counts();
        let room = self.throttle.allow(self.began.elapsed(), Fate { made, sent, refused }, room.min(budget));
        let mut count = 0;
        while count < room {
            let places = self.ring.places(room - count);
            let (wanted, made) = (places.len(), probes.fill(places));
            self.ring.add(made, self.has_clock.then(|| probes.clock()));
            count += made;
            if made < wanted {
                break;
            }
        }
        if count > 0 {
            self.throttle.made(count);
            self.ring.publish();
            self.wake();
        }
        count
    }

    /// Puts up to `budget` resets into the ring.
    pub(super) fn send_resets(&mut self, budget: usize, probes: &mut impl Probes) -> usize {
        let room = if self.stopped() { 0 } else { SIZE - self.ring.used() };
        let mut count = 0;
        while count < room.min(budget) {
            let Some(reset) = probes.next_reset() else { break };
            self.ring.places(1)[0] = reset;
            self.ring.add(1, None);
            count += 1;
        }
        if count > 0 {
            self.resets += count as u64;
            self.ring.publish();
            self.wake();
        }
        count
    }

    fn wake(&self) {
        if self.shared.asleep.load(Ordering::SeqCst)
            && let Some(thread) = &self.thread
        {
            thread.thread().unpark();
        }
    }

    /// What the sending thread failed at, or what keeps it from sending for now.
    pub(super) fn check(&self) -> io::Result<()> {
        match self.shared.link.load(Ordering::Acquire) {
            UP => {}
            IS_DOWN => return Err(sys::down()),
            IS_WITHOUT_CARRIER => return Err(sys::no_carrier()),
            _ => {
                let text = "link down: its driver takes no frames; see `ip -s link` and `dmesg`";
                return Err(io::Error::new(io::ErrorKind::NetworkDown, text));
            }
        }
        if self.stopped() {
            return self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err);
        }
        Ok(())
    }

    /// Probes that the driver has not taken yet, and may.
    pub(super) fn in_flight(&self) -> usize {
        if self.stopped() { 0 } else { usize::try_from(self.mapping.counts().unsent()).unwrap_or(usize::MAX) }
    }

    /// Takes back the probes to addresses that `whose` says and that are still to be sent.
    pub(super) fn withdraw(&mut self, whose: &dyn Fn(u32) -> bool) {
        self.ring.withdraw(whose);
    }

    fn stopped(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// How long nothing is wanted: the ring has enough, or the driver no more.
    pub(super) fn rest(&self) -> Duration {
        if !self.filling || self.throttle.holds() { REST } else { Duration::ZERO }
    }

    /// Adds what became of the probes.
    pub(super) fn count(&self, counters: &mut NicCounters) {
        let counts = self.mapping.counts();
        counters.live_probes += counts.made - self.resets;
        counters.live_resets += self.resets;
        counters.live_sent += counts.sent;
        counters.live_refused += counts.refused;
        counters.live_down += counts.down;
        counters.live_idle += counts.idle;
        // Of a thread that is no more nothing else is to come.
        counters.live_lost += if self.stopped() { counts.unsent() } else { 0 };
        counters.live_withdrawn += counts.withdrawn;
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.shared.end.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

/// The loaded programs, and what has to stay open for them.
struct Sender {
    ebpf: Ebpf,
    carrier: Carrier,
    mapping: Arc<Mapping>,
    template: Vec<u8>,
    kept: Option<Kept>,
    _counting: Vec<FdLink>,
}

/// A loopback device that nobody else sees, with our program on it.
struct Kept {
    _link: FdLink,
    _namespace: File,
}

/// Why programs are not loaded: an error with a name, or a reason.
enum Failure {
    Named(Error),
    Reason(String),
}

impl Failure {
    fn named(self, interface: &str) -> Error {
        match self {
            Self::Named(error) => error,
            Self::Reason(reason) => Error::NoLive { interface: interface.to_owned(), reason },
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Named(error)
    }
}

fn unsendable(error: &ProgramError) -> io::Error {
    io::Error::other(format!("live frames cannot be sent any more: {}", program::one_line(error)))
}

fn because(what: &str, error: &dyn std::error::Error) -> Failure {
    Failure::Reason(format!("{what}: {}", program::one_line(error)))
}

impl Sender {
    /// The caller has seen that the template fits.
    #[expect(clippy::cast_possible_truncation, reason = "at most FRAME_MAX")]
    fn load(index: u32, carrier: Carrier, template: Constant<'_>) -> Result<Self, Failure> {
        let length = template.frame.len();
        let mut constant =
            Template { frame: [0; FRAME_MAX], length: length as u32, clock: template.clock.unwrap_or(0) as u32 };
        constant.frame[..length].copy_from_slice(template.frame);
        let btf =
            Btf::from_sys_fs().map_err(|error| because("the kernel's types (/sys/kernel/btf/vmlinux)", &error))?;
        let mut ebpf = EbpfLoader::new()
            .btf(Some(&btf)) // for the place of a device's index
            .override_global(TEMPLATE, &constant, true)
            .load(LIVE_OBJECT)
            .map_err(program::load_error)?;

        let map = ebpf.map_mut(INTERFACE).ok_or_else(|| program::missing(INTERFACE))?;
        let mut devices: DevMap<&mut MapData> =
            DevMap::try_from(map).map_err(|error| because("the map of devices", &error))?;
        devices.set(0, index, None, 0).map_err(|error| because("the driver takes no redirected frames", &error))?;
        let Some(Map::Array(ring)) = ebpf.map(RING) else { return Err(program::missing(RING).into()) };
        let mapping = Mapping::new(ring.fd().as_fd()).map_err(|error| because("mapping the ring", &error))?;

        for name in [SEND, TRY] {
            of_kind::<Xdp>(&mut ebpf, name)?.load().map_err(|error| program::load_error(error.into()))?;
        }
        of_kind::<RawTracePoint>(&mut ebpf, CLAIM)?.load().map_err(|error| program::load_error(error.into()))?;
        let mut counting = Vec::new();
        for (name, tracepoint) in COUNTING {
            let tracing: &mut BtfTracePoint = of_kind(&mut ebpf, name)?;
            tracing.load(tracepoint, &btf).map_err(|error| program::load_error(error.into()))?;
            let id = tracing.attach().map_err(|error| because(tracepoint, &error))?;
            counting.push(tracing.take_link(id).map_err(|error| because("the tracepoint's link", &error))?.into());
        }
        let kept = keep(of_kind(&mut ebpf, SEND)?);
        Ok(Self {
            ebpf,
            carrier,
            mapping: Arc::new(mapping),
            template: template.frame.to_vec(),
            kept,
            _counting: counting,
        })
    }

    /// Has the driver send one frame, by the way that probes will take.
    fn try_frame(&self, template: &[u8]) -> Result<(), String> {
        let mut frame = [0; 60];
        frame[..12].copy_from_slice(&template[..12]);
        frame[12..14].copy_from_slice(&EXPERIMENTAL);
        self.claim().map_err(|error| format!("the counting program does not run: {}", program::one_line(&error)))?;
        self.call(TRY, &frame, 1).map_err(|error| match program::errno(&error) {
            Some(libc::EINVAL) => "this kernel has no live frames, Linux 5.18 has".to_owned(),
            _ => format!("BPF_PROG_RUN: {}", program::one_line(&error)),
        })?;
        let counts = self.mapping.counts();
        self.mapping.forget_sent();
        if counts.sent == 1 {
            return Ok(());
        }
        Err("its driver does not take redirected frames (ndo_xdp_xmit; a veth takes them if its other end has an XDP \
             program or GRO)"
            .to_owned())
    }

    /// Has what this thread sends counted.
    fn claim(&self) -> Result<(), ProgramError> {
        let program = self.ebpf.program(CLAIM).ok_or(ProgramError::NotLoaded)?;
        let claim: &RawTracePoint = program.try_into()?;
        claim.test_run(RawTracePointRunOptions::new()).map(|_| ())
    }

    fn call(&self, name: &str, frame: &[u8], repeat: u32) -> Result<(), ProgramError> {
        let program: &Xdp = self.ebpf.program(name).ok_or(ProgramError::NotLoaded)?.try_into()?;
        let attrs = TestRunAttrs::new().xdp_live_frames(BATCH);
        let options = TestRunOptions { data_in: Some(frame), repeat, attrs, ..TestRunOptions::new() };
        program.test_run(options).map(|_| ())
    }

    /// Sends what is in the ring until the end is wanted.
    fn run(mut self, shared: &Shared) {
        let (call, gather) = if self.kept.is_some() { (CALL, GATHER) } else { (CALL_UNKEPT, GATHER_UNKEPT) };
        let claimed = self.claim().map_err(|error| unsendable(&error));
        // Until now it was the thread that tried for which all lanes counted.
        self.mapping.forget_sent();
        if let Err(error) = claimed.and_then(|()| self.serve(shared, call, gather)) {
            *shared.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    }

    fn serve(&mut self, shared: &Shared, call: u32, gather: Duration) -> io::Result<()> {
        let mut called = Instant::now();
        let mut before = self.mapping.counts();
        let mut took = called;
        // A driver took less than it was given: none of the rest is given before its carrier is seen.
        let mut doubted = false;
        while !shared.end.load(Ordering::SeqCst) {
            let mut ready = self.mapping.ready();
            if ready == 0 {
                shared.link.store(UP, Ordering::Release);
                shared.asleep.store(true, Ordering::SeqCst);
                if self.mapping.ready() == 0 && !shared.end.load(Ordering::SeqCst) {
                    std::thread::park_timeout(NAP);
                }
                shared.asleep.store(false, Ordering::SeqCst);
                took = Instant::now();
                continue;
            }
            if doubted && self.carrier.check().is_err() {
                shared.link.store(IS_WITHOUT_CARRIER, Ordering::Release);
                std::thread::park_timeout(DOWN_NAP);
                took = Instant::now();
                continue;
            }
            let limit = shared.limit.load(Ordering::Relaxed);
            let plenty = (limit / 4).min(PLENTY) as u64;
            if ready < plenty {
                let due = called + gather;
                let now = Instant::now();
                if now < due {
                    std::thread::sleep(due - now);
                    ready = self.mapping.ready();
                    self.mapping.go_on();
                }
            }
            called = Instant::now();
            let longest = call.min(u32::try_from(limit).unwrap_or(call).saturating_mul(CALL_LIMITS));
            let repeat = if ready < plenty { u32::try_from(ready).unwrap_or(call) } else { longest };
            match self.call(SEND, &self.template, repeat) {
                Err(error) if program::errno(&error) != Some(libc::EINTR) => return Err(unsendable(&error)),
                _ => self.mapping.give_back(),
            }
            let counts = self.mapping.counts();
            if counts.gone > 0 {
                return Err(sys::gone());
            }
            took = if counts.sent > before.sent { Instant::now() } else { took };
            let is_down = counts.down > before.down;
            let link = if is_down {
                IS_DOWN
            } else if took.elapsed() > STUCK {
                IS_STUCK
            } else {
                UP
            };
            shared.link.store(link, Ordering::Release);
            doubted = is_down || counts.refused > before.refused;
            before = counts;
            if is_down {
                std::thread::park_timeout(DOWN_NAP);
                self.mapping.go_on();
            }
        }
        Ok(())
    }
}

/// A program of this kind.
fn of_kind<'ebpf, Kind>(ebpf: &'ebpf mut Ebpf, name: &str) -> Result<&'ebpf mut Kind, Failure>
where
    &'ebpf mut Kind: TryFrom<&'ebpf mut Program, Error = ProgramError>,
{
    let program = ebpf.program_mut(name).ok_or_else(|| program::missing(name))?;
    program.try_into().map_err(|error: ProgramError| program::load_error(error.into()).into())
}

/// Puts the program on the loopback device of a network namespace of its own, through which nothing passes.
///
/// The kernel calls XDP programs through a dispatcher, and lets every CPU come to rest (`synchronize_rcu`) whenever
/// one is put into it or taken out: twice with each BPF_PROG_RUN, ten milliseconds each time, unless the program is
/// in it anyway, because it is attached somewhere. `None` where no namespace can be made (CAP_SYS_ADMIN).
fn keep(program: &mut Xdp) -> Option<Kept> {
    let attach = || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).ok()?;
        let namespace = File::open("/proc/thread-self/ns/net").ok()?;
        let id = program.attach_to_if_index(1, XdpMode::Skb).ok()?;
        let link = FdLink::try_from(program.take_link(id).ok()?).ok()?;
        Some(Kept { _link: link, _namespace: namespace })
    };
    std::thread::scope(|scope| scope.spawn(attach).join().ok().flatten())
}

/// The probes' type is known to the ring alone.
const _: () = assert!(size_of::<ProbeFacts>() == 16);

const fn moves_to_its_thread<T: Send>() {}
const _: () = moves_to_its_thread::<Live>();
