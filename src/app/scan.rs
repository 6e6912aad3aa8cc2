//! A scan from beginning to end: interface, sockets, program, lanes, writer; status while it runs, manifest
//! and summary when it is over.

use crate::app::clock::Clock;
use crate::app::interface::{self, Interface};
use crate::app::lane::{Control, Lane, Published, Snapshot};
use crate::app::links::{self, Links, Transmit};
use crate::app::metadata::{self, Metadata};
use crate::app::privileges;
use crate::app::reload::Reload;
use crate::app::resume::Former;
use crate::app::say::say;
use crate::app::simulate;
use crate::app::sink::{self, LinesPlan, Place, Sink};
use crate::app::status::{self, Status};
use crate::app::summary::{Ended, Latencies, Summary, link_json};
use crate::app::targets::Loaded;
use crate::base::keyed::Key;
use crate::base::mac::Mac;
use crate::dialogue::Identity;
pub use crate::dialogue::xmpp::To as XmppTo;
use crate::nic::contract;
use crate::nic::xdp::{Mode, VerdictCounts};
use crate::output::dataset::Dataset;
use crate::output::writer::Written;
use crate::record::Fact;
use crate::record::checkpoint::Left;
use crate::scan::answered::Answered;
use crate::scan::conversation::Limits;
use crate::scan::engine::{Answers, Config, Engine};
use crate::session::Context;
use crate::sim::swarm::Swarm;
use crate::targets::permute::Permutation;
use crate::targets::{Space, saved};
use crate::tcp::cookie::{self, PortRange};
use crate::tls;
pub use crate::tls::{Offer, Rung};
use crate::wire::Link;
use crate::wire::probe::OptionSet;
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

// The program and the engine must agree on which segments can belong to a connection.
const _: () = assert!(contract::ACK_WINDOW == cookie::ACK_WINDOW);

/// Rows on their way to the writer before the lanes have to wait.
const QUEUE: usize = 65_536;
/// So many facts are written in no time.
const A_MOMENT: usize = 256;
/// How long the writer lets them gather: each that finds it waiting costs a lane several microseconds, to wake it.
const GATHER: Duration = Duration::from_millis(5);
/// How often the main thread looks at signals and lanes.
const POLL: Duration = Duration::from_millis(20);

/// What to do, resolved and validated.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The simulated world to scan instead of a network. Its properties are in the other fields too.
    pub world: Option<Box<Swarm>>,
    /// Capture file of all that passes that world's adapter.
    pub tap: Option<PathBuf>,
    /// Where to send from; the route to the first target decides if absent.
    pub interface: Option<String>,
    /// Ethernet address of the gateway; asked of the kernel if absent.
    pub gateway: Option<Mac>,
    /// Source address; the interface's if absent.
    pub source: Option<Ipv4Addr>,
    /// Source ports.
    pub ports: PortRange,
    /// Targets.
    pub space: Space,
    /// What else the files of targets held.
    pub loaded: Loaded,
    /// Seed of the order.
    pub seed: u64,
    /// This machine's part of the targets: number and count.
    pub shard: (u64, u64),
    /// The positions of this machine's targets in the order, whatever was probed of them already.
    pub positions: std::ops::Range<u64>,
    /// At most this many targets, over all shards.
    pub targets_max: u64,
    /// Probes of each target.
    pub probes: u8,
    /// How long after one probe of a target the next one follows.
    pub lag: Duration,
    /// The dataset to go on with, instead of a new one.
    pub former: Option<Box<Former>>,
    /// Stop probing once so many targets answered.
    pub results_max: Option<u64>,
    /// Stop probing after so long.
    pub runtime_max: Option<Duration>,
    /// Probes per second; as fast as the link takes them if absent.
    pub rate: Option<f64>,
    /// Wait for answers after the last probe.
    pub cooldown: Duration,
    /// Connections open at a time.
    pub connections_max: usize,
    /// Deadlines and budgets of a connection.
    pub limits: Limits,
    /// Where the program runs.
    pub mode: Mode,
    /// Which way probes take.
    pub transmit: Transmit,
    /// Lanes; one a queue if absent, as far as there are CPUs.
    pub lanes: Option<u32>,
    /// Microseconds for which a system call polls the driver; interrupts alone if absent.
    pub busy_poll: Option<u32>,
    /// Name in EHLO; the source address if absent.
    pub ehlo: Option<String>,
    /// What XMPP streams are asked for where the server's name is unknown.
    pub xmpp_to: XmppTo,
    /// Which cipher suites are offered.
    pub offer: tls::Offer,
    /// Connections to a target that answers no ClientHello.
    pub rungs: u8,
    /// Who runs the scan; said where a protocol has room for it.
    pub contact: Option<String>,
    /// What is done with answers.
    pub answers: Answers,
    /// TCP options of the probes.
    pub options: OptionSet,
    /// The dataset's folder, or the file of the lines.
    pub output: PathBuf,
    /// Answers as lines instead of a dataset.
    pub lines: Option<LinesPlan>,
    /// File for zmap's metadata.
    pub metadata: Option<PathBuf>,
    /// Parts of tables are closed after so long.
    pub part_age: Duration,
    /// No status on the terminal.
    pub quiet: bool,
    /// The command line as typed and the contact: goes into the manifest as it is.
    pub described: serde_json::Value,
}

impl Plan {
    /// The order of the targets.
    pub fn permutation(&self) -> Permutation {
        Permutation::new(self.space.size(), self.seed)
    }

    /// What this run is to do.
    pub fn left(&self) -> Left {
        let former = self.former.as_ref();
        former.map_or_else(|| Left::of(self.positions.clone()), |former| former.left(&self.positions))
    }

    /// The dataset to write.
    pub(super) fn dataset(&self, start: crate::base::UtcMicros) -> Result<Dataset> {
        if self.former.is_some() {
            return Ok(Dataset::reopen(&self.output, start)?);
        }
        let dataset = Dataset::create(&self.output, start)?;
        dataset.keep_targets(&saved::write(&self.space))?;
        Ok(dataset)
    }
}

/// Runs the plan.
///
/// # Errors
/// One line with cause and next step. Rows gathered before an error are written.
pub fn run(plan: &Plan) -> Result<Ended> {
    if let Some(swarm) = &plan.world {
        return simulate::run(plan, swarm);
    }
    let way = Way::find(plan)?;
    check_ports(plan.ports)?;
    let tls = tls::Client::new(plan.offer).map_err(|error| anyhow!("TLS does not start: {error}"))?;
    let key = secret()?;
    let mut links = Links::open(plan, &way, key)?;
    let clock = Clock::start();
    let begin = clock.utc();
    let place = Place::open(plan, begin)?;
    // As long as this lives, the dataset is this run's.
    let _held = place.dataset();
    let folder = place.folder().map(Path::to_owned);
    let metadata = plan.metadata.as_deref().map(Metadata::open).transpose()?;
    place.write_announced(&plan.loaded.announced, begin)?;
    let privileges = privileges::give_up(folder.as_deref(), plan.loaded.blocklist.as_deref())?;
    // The account at the end needs them, so find out now whether they can still be read.
    links.program.counters().context("the XDP program's counters cannot be read without privileges")?;
    let signals = Signals::install()?;
    let left = plan.left();
    let mut summary = Summary::new(plan, place.run(), &left, link_json(&way, &links), &tls, privileges, begin);
    let lefts = left.divide(links.lanes.len());
    // In this order: the manifest holds what is known of a killed run from the checkpoint that is then replaced.
    sink::manifest(folder.as_deref(), &summary)?;
    let sink = place.sink(plan, lefts.clone())?;
    if !plan.quiet {
        say(format_args!("{}", summary.announcement()));
    }

    let (sender, receiver) = sync_channel(QUEUE);
    let writer = spawn_writer(sink, receiver, clock)?;
    let control = Arc::new(Control::default());
    let lanes = Lanes::spawn(plan, &way, &mut links, lefts, key, tls, clock, &control, &sender)?;
    drop(sender);

    let dropped_before = way.interface.tx_dropped;
    let stopped = supervise(plan, &way, clock, &signals, &control, &lanes, &writer);
    let state = lanes.state();
    let answered_bytes = lanes.answered.bytes();
    let lane_errors = lanes.join();
    let written = writer.join();
    summary.xdp = links.program.counters().ok().map(|counts: VerdictCounts| counts.named());
    summary.tx_dropped =
        Interface::find(&way.interface.name).ok().map(|now| now.tx_dropped.saturating_sub(dropped_before));
    drop(links);

    let (written, latencies) = written?;
    let end = clock.utc();
    summary.finish(end, &state, written.clone(), latencies, stopped, answered_bytes);
    sink::manifest(folder.as_deref(), &summary)?;
    if let Some(metadata) = metadata {
        metadata.write(&metadata::json(plan, &way, &state, &written, begin, end))?;
    }
    if let Some(error) = lane_errors.into_iter().next() {
        bail!("the link failed in mid-scan: {error}; what was found until then is in {}", plan.output.display());
    }
    summary.check()?;
    Ok(summary.into_ended())
}

/// The way to the targets, as the kernel knows it.
#[derive(Clone, Debug)]
pub struct Way {
    /// The interface.
    pub interface: Interface,
    /// Our address there.
    pub source: Ipv4Addr,
    /// The gateway's address, if it was looked up.
    pub gateway: Option<Ipv4Addr>,
    /// Ethernet addresses.
    pub link: Link,
}

impl Way {
    /// Asks the kernel for what the plan leaves open.
    pub fn find(plan: &Plan) -> Result<Self> {
        let first = Ipv4Addr::from(plan.space.target(0).address);
        let interface = match &plan.interface {
            Some(name) => Interface::find(name)?,
            None => Interface::with_index(interface::route(first)?.interface)?,
        };
        let name = &interface.name;
        ensure!(interface.up, "interface {name} is down. Next step: ip link set {name} up");
        ensure!(interface.carrier, "interface {name} has no carrier. Next step: check the cable or the peer's end");
        let own = interface
            .mac
            .ok_or_else(|| anyhow!("interface {name} is not Ethernet. Next step: name another with -i"))?;
        let source = plan.source.or_else(|| interface.addresses.first().copied()).ok_or_else(|| {
            anyhow!("interface {name} has no IPv4 address. Next step: ip addr add ADDRESS dev {name}, or -S ADDRESS")
        })?;
        let (gateway, mac) = match plan.gateway {
            Some(mac) => (None, mac),
            None => {
                let gateway = gateway(&interface, first)?;
                (Some(gateway), interface::neighbour(&interface, gateway)?)
            }
        };
        let link = Link { source: own.0, destination: mac.0 };
        Ok(Self { interface, source, gateway, link })
    }
}

fn gateway(interface: &Interface, first: Ipv4Addr) -> Result<Ipv4Addr> {
    let route = interface::route(first)?;
    let name = &interface.name;
    ensure!(
        route.interface == interface.index,
        "the route to {first} does not leave by {name}. Next step: name the gateway's Ethernet address with -G"
    );
    route.gateway.ok_or_else(|| {
        anyhow!(
            "{first} is on the link of {name}, without a gateway, and starling sends all probes to one Ethernet \
             address. Next step: name it with -G"
        )
    })
}

/// The kernel must not use our ports for its own connections: their segments would be taken from it.
pub(super) fn check_ports(ports: PortRange) -> Result<()> {
    let kernel = interface::ip_local_port_range()?;
    ensure!(
        ports.last < *kernel.start() || *kernel.end() < ports.first,
        "source ports {}-{} overlap the kernel's own ({}-{}). Next step: other ports with -s, or sysctl -w \
         net.ipv4.ip_local_port_range=\"32768 60999\"",
        ports.first,
        ports.last,
        kernel.start(),
        kernel.end()
    );
    Ok(())
}

/// A random number of the system's.
pub fn random() -> Result<u64> {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| anyhow!("the system gives no randomness"))?;
    Ok(u64::from_be_bytes(bytes))
}

/// A secret that nobody else has.
pub(super) fn secret() -> Result<Key> {
    Ok(Key([random()?, random()?]))
}

/// SIGINT and SIGTERM, and SIGHUP, counted.
pub(super) struct Signals {
    stops: Arc<AtomicUsize>,
    reloads: Arc<AtomicUsize>,
}

impl Signals {
    pub(super) fn install() -> Result<Self> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        let (stops, reloads) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        // Counting in a handler wants `unsafe`; a thread that waits for signals does not.
        let mut waiting =
            signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP]).context("signals cannot be caught")?;
        let counted = (Arc::clone(&stops), Arc::clone(&reloads));
        Builder::new().name("signals".into()).spawn(move || {
            for signal in waiting.forever() {
                let count = if signal == SIGHUP { &counted.1 } else { &counted.0 };
                count.fetch_add(1, Ordering::Relaxed);
            }
        })?;
        Ok(Self { stops, reloads })
    }

    pub(super) fn received(&self) -> usize {
        self.stops.load(Ordering::Relaxed)
    }

    /// How often the blocklist was to be read again.
    pub(super) fn reloads(&self) -> usize {
        self.reloads.load(Ordering::Relaxed)
    }
}

struct Lanes {
    threads: Vec<JoinHandle<std::io::Result<()>>>,
    published: Vec<Published>,
    answered: Arc<Answered>,
}

impl Lanes {
    #[expect(clippy::too_many_arguments, reason = "everything that a lane is made of, once")]
    fn spawn(
        plan: &Plan,
        way: &Way,
        links: &mut Links,
        lefts: Vec<Left>,
        key: Key,
        tls: tls::Client,
        clock: Clock,
        control: &Arc<Control>,
        facts: &SyncSender<Fact>,
    ) -> Result<Self> {
        let links = std::mem::take(&mut links.lanes);
        let count = links.len() as u64;
        let cpus = links::cpus();
        let ehlo = plan.ehlo.clone().unwrap_or_else(|| format!("[{}]", way.source));
        let identity = Identity { ehlo, contact: plan.contact.clone() };
        let space = Arc::new(plan.space.clone());
        let permutation = plan.permutation();
        let (claims, answered) = (Arc::default(), Arc::<Answered>::default());
        let mut lanes = Self { threads: Vec::new(), published: Vec::new(), answered: Arc::clone(&answered) };
        for ((number, io), left) in (0..).zip(links).zip(lefts) {
            let config = Config {
                space: Arc::clone(&space),
                permutation,
                lane: lanes.threads.len(),
                left,
                probes: plan.probes,
                lag: plan.lag,
                key,
                source: u32::from(way.source),
                ports: plan.ports,
                link: way.link,
                rate: plan.rate.map(|rate| rate / count as f64),
                cooldown: plan.cooldown,
                connections_max: (plan.connections_max / usize::try_from(count)?).max(16),
                limits: plan.limits,
                clock: clock.wall(),
                claims: Arc::clone(&claims),
                answers: plan.answers,
                answered: Arc::clone(&answered),
                options: plan.options,
            };
            // Each lane has a TLS client of its own: the lanes share nothing.
            let tls = if number == 0 { tls.clone() } else { tls::Client::new(plan.offer)? };
            let published = Published::default();
            let mut lane = Lane {
                io,
                engine: Engine::new(
                    config,
                    Context::new(tls, identity.clone())
                        .with_names(Arc::clone(space.names()))
                        .with_xmpp_to(plan.xmpp_to)
                        .with_rungs(plan.rungs),
                    clock.now(),
                ),
                clock,
                control: Arc::clone(control),
                published: published.clone(),
                facts: facts.clone(),
            };
            if let Some(list) = plan.former.as_ref().and_then(|former| former.blocked.clone()) {
                lane.engine.block(list);
            }
            let (own, beside) = places(&cpus, number, count);
            let thread = Builder::new().name(format!("lane-{number}")).spawn(move || {
                // What runs beside the lane stays where the thread is that starts it.
                pin(beside);
                lane.io.start()?;
                pin(own);
                lane.run()
            })?;
            lanes.threads.push(thread);
            lanes.published.push(published);
        }
        Ok(lanes)
    }

    fn state(&self) -> Snapshot {
        let states: Vec<Snapshot> = self.published.iter().map(Published::get).collect();
        status::total(&states)
    }

    fn running(&self) -> bool {
        self.threads.iter().any(|thread| !thread.is_finished())
    }

    fn join(self) -> Vec<std::io::Error> {
        let died = || std::io::Error::other("a lane died, which is a bug");
        self.threads.into_iter().filter_map(|thread| thread.join().unwrap_or_else(|_| Err(died())).err()).collect()
    }
}

/// The positions of a shard in the order of `space`, if `targets_max` are to be probed by all shards together.
pub fn positions(space: &Space, seed: u64, (shard, shards): (u64, u64), targets_max: u64) -> std::ops::Range<u64> {
    let order = Permutation::new(space.size(), seed);
    let targets = if targets_max == u64::MAX { u64::MAX } else { share(targets_max, shard, shards) };
    order.first(order.part(shard, shards), targets)
}

/// Part `number` of `count` of `whole`; the first parts take the remainder.
const fn share(whole: u64, number: u64, count: u64) -> u64 {
    whole / count + if number < whole % count { 1 } else { 0 }
}

/// The CPU of lane `number` of `count`, and that of what runs beside it: another one if there are enough.
fn places(cpus: &[usize], number: u64, count: u64) -> (Option<usize>, Option<usize>) {
    let nth = |place: u64| cpus.get(usize::try_from(place).ok()? % cpus.len().max(1)).copied();
    let beside = if 2 * count <= cpus.len() as u64 { count + number } else { number };
    (nth(number), nth(beside))
}

/// Binds the thread to that CPU. Without it the lane is slower, not wrong.
fn pin(cpu: Option<usize>) {
    use nix::sched::{CpuSet, sched_setaffinity};
    let mut one = CpuSet::new();
    if cpu.is_some_and(|cpu| one.set(cpu).is_ok()) {
        let _ = sched_setaffinity(nix::unistd::Pid::from_raw(0), &one);
    }
}

/// Why the sweep ended before its targets did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// By a signal.
    Signal,
    /// `--max-runtime` was reached.
    Runtime,
    /// `--max-results` was reached.
    Results,
}

/// Watches over the lanes until they are through. Says why they were stopped early, if they were.
fn supervise(
    plan: &Plan,
    way: &Way,
    clock: Clock,
    signals: &Signals,
    control: &Control,
    lanes: &Lanes,
    writer: &WriterThread,
) -> Option<Stopped> {
    let Interface { name, tx_dropped, .. } = &way.interface;
    let mut status = Status::new(plan.quiet, plan.rate.is_some()).watching(name, *tx_dropped);
    let mut reload = Reload::new(plan.loaded.blocklist.clone());
    let mut stopped = None;
    while lanes.running() {
        std::thread::sleep(POLL);
        if let Some(list) = reload.list(signals.reloads()) {
            control.block(list);
        }
        let state = lanes.state();
        let elapsed = clock.now() - crate::base::Instant::ZERO;
        status.update(elapsed, &state);
        let reason = match signals.received() {
            0 if plan.runtime_max.is_some_and(|max| elapsed >= max) => Some(Stopped::Runtime),
            0 if plan.results_max.is_some_and(|max| state.ledger.answers >= max) => Some(Stopped::Results),
            0 => None,
            _ => Some(Stopped::Signal),
        };
        if reason.is_some() && (state.sweeping || reason == Some(Stopped::Signal)) && stopped != Some(Stopped::Signal) {
            stopped = reason;
            control.stop();
            if reason == Some(Stopped::Signal) && !plan.quiet {
                say(format_args!(
                    "stopping: no more probes, finishing {} open connections; again to end at once",
                    state.open
                ));
            }
        }
        if signals.received() > 1 || writer.failed() {
            control.interrupt();
        }
    }
    status.finish();
    stopped
}

struct WriterThread {
    thread: JoinHandle<Result<(Written, Latencies)>>,
    failed: Arc<Mutex<bool>>,
}

impl WriterThread {
    fn failed(&self) -> bool {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(self) -> Result<(Written, Latencies)> {
        self.thread.join().unwrap_or_else(|_| Err(anyhow!("the writer died, which is a bug")))
    }
}

fn spawn_writer(mut writer: Sink, facts: Receiver<Fact>, clock: Clock) -> Result<WriterThread> {
    let failed = Arc::new(Mutex::new(false));
    let flag = Arc::clone(&failed);
    let thread = Builder::new().name("writer".into()).spawn(move || {
        let result = write_all(&mut writer, &facts, clock);
        if result.is_err() {
            *flag.lock().unwrap_or_else(PoisonError::into_inner) = true;
        }
        let latencies = result?;
        Ok((writer.finish()?, latencies))
    })?;
    Ok(WriterThread { thread, failed })
}

fn write_all(writer: &mut Sink, facts: &Receiver<Fact>, clock: Clock) -> Result<Latencies> {
    let mut latencies = Latencies::new()?;
    loop {
        match facts.recv_timeout(Duration::from_secs(1)) {
            Ok(fact) => {
                let mut now = clock.utc();
                for (nth, fact) in std::iter::once(fact).chain(facts.try_iter()).enumerate() {
                    if nth % A_MOMENT == A_MOMENT - 1 {
                        now = clock.utc();
                    }
                    latencies.record(&fact);
                    writer.write(fact, now)?;
                }
                std::thread::sleep(GATHER);
            }
            Err(RecvTimeoutError::Timeout) => writer.tick(clock.utc())?,
            Err(RecvTimeoutError::Disconnected) => return Ok(latencies),
        }
    }
}
