//! The checkers: what holds in every world, whatever its faults, and what must be found.
//!
//! While the world runs: nothing leaves for an address or port outside the plan or from a port that is not
//! ours, nor to an address that has been blocked in mid-run (but a reset); every target is probed once at most (again only after it answered and had to wait for its turn), at no
//! more than the rate in any window; the connection table
//! keeps its bound; no segment exceeds the peer's MSS or window or acknowledges what never arrived; the ledger
//! adds up. At the end: every target was probed; frames are conserved on each link, in the verdict and in the
//! ledger; connections to one address follow each other; each valid answer that reached the engine has its row in `hosts`; each connection has its row in
//! `handshakes`, those to one target one a rung and in order, is closed on the wire (FIN both ways, or RST) and lasted no longer than the limits allow; the
//! world came to rest in time.
//!
//! **The fault level below which an honest server must be understood exactly:** the links harmed (lost,
//! dropped for size, damaged) at most [`HARM_MAX`] frames of its connection ([`HARM_MAX_CLOSED`] if its window
//! is closed at first). Three losses in a row cost at
//! most 1 + 2 + 4 seconds of backed-off timeouts; delays and thinking add less than ten; every deadline of a
//! simulated world is at least 25 seconds. Above that level an honest server may also time out, be reset or
//! be silent, but what is found must not be wrong. Reordering, duplication and delay never excuse anything.
//! Below the level it must also be understood in time (see `in_time`), so that a late timer shows.
//! An answer that found the connection table full excuses like a loss above the level, since the host has
//! spent its patience on it; so does any loss once an answer waited three seconds for its turn. One exception more: which of two contradicting segments counts is only sure if neither is harmed or overtaken.

use super::host::script::{CERTIFICATE, Truth};
use super::host::{Behaviour, Host};
use super::link::{Direction, Faults};
use super::nic::Nic;
use super::swarm::{SOURCE, Swarm};
use crate::base::{Duration, Instant};
use crate::nic::contract::Reason;
use crate::record::Fact;
use crate::record::row::Handshake;
use crate::scan::engine::{Config, Engine};
use crate::targets::cidr::AddressSet;
use crate::targets::ports::{Family, Security};
use crate::tls::Rung;
use crate::wire::{Segment, flags, parse};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// Harmed frames of a connection up to which an honest server must be understood exactly.
pub const HARM_MAX: u32 = 3;
/// The same where the host's window is closed at first: waiting for it has backed the timer off already.
pub const HARM_MAX_CLOSED: u32 = 1;
/// Violations kept: the first ones.
const VIOLATIONS_MAX: usize = 20;
/// The rungs that connections to an honest host may climb, in order.
const LADDERS: [&[&str]; 2] = [&["modern", "legacy", "ssl3"], &["modern", "bare"]];
/// What a late wake-up of the engine may catch up, as time at the full rate.
const BURST: f64 = 0.010;
/// What a connection may last beyond its limits: lingering, and the grain of timers.
const GRACE: Duration = Duration::from_secs(5);
/// How long after the first answer a connection is opened at the latest, if the table had room.
const PATIENCE: Duration = Duration::from_millis(200);
/// Milliseconds of waiting for a turn after which losses excuse.
const QUEUED_MS: u32 = 3_000;
/// How an honest or hostile connection may end above the fault level. `timeout` stands for all of them.
const EXCUSED: &[&str] = &["timeout", "silent_after_synack", "reset", "closed", "tls_failed", "tarpit"];

/// A connection's row and the certificates it came with.
type Row = (Handshake, Vec<Vec<u8>>);

/// Remote address and port, our port.
type Key = (u32, u16, u16);

/// Hosts by address, as far as they were asked for.
pub type Hosts = BTreeMap<u32, Option<Host>>;

/// What is known of one 4-tuple.
#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    /// When the first valid SYN-ACK reached the engine.
    answered: Option<Instant>,
    /// Frames of it that did not arrive intact, both ways.
    harmed: u32,
    mss: usize,
    /// Right edge of the peer's window, and the highest sequence number that arrived.
    edge: u32,
    highest: u32,
    /// We have answered the SYN-ACK: another one changes nothing any more.
    talking: bool,
    fin_out: bool,
    fin_in: bool,
    reset: bool,
}

/// Watches one world.
#[derive(Debug)]
pub struct Checker {
    /// What is to be probed, and how often.
    planned: BTreeSet<(u32, u16)>,
    probes_each: u64,
    /// Some were left open by an earlier run, and may be in the order again.
    resumed: bool,
    rate: Option<f64>,
    bucket: f64,
    bucket_at: Instant,
    connections_max: u64,
    total: Duration,
    probes: BTreeMap<(u32, u16), u64>,
    flows: BTreeMap<Key, Flow>,
    /// When each was opened, how often, and to which port of ours.
    hosts: BTreeMap<(u32, u16), (Instant, u64, u16)>,
    handshakes: BTreeMap<(u32, u16), Vec<Row>>,
    frames_out: u64,
    frames_in: u64,
    stopped: bool,
    blocked: Arc<AddressSet>,
    /// What ever was.
    excused: AddressSet,
    violations: Vec<String>,
}

impl Checker {
    /// Watches over the world of `swarm`.
    pub fn new(swarm: &Swarm, config: &Config) -> Self {
        let space = swarm.space();
        let walks = config.left.positions.iter().map(|range| config.permutation.walk(range.clone()));
        let targets = walks.flatten().map(|index| space.target(index)).map(|target| (target.address, target.port));
        Self {
            planned: targets.chain(config.left.again.iter().copied()).collect(),
            probes_each: config.probes.into(),
            resumed: !config.left.again.is_empty(),
            rate: swarm.rate,
            bucket: 0.0,
            bucket_at: Instant::ZERO,
            connections_max: swarm.connections_max as u64,
            total: swarm.limits.total + GRACE,
            probes: BTreeMap::new(),
            flows: BTreeMap::new(),
            hosts: BTreeMap::new(),
            handshakes: BTreeMap::new(),
            frames_out: 0,
            frames_in: 0,
            stopped: false,
            blocked: Arc::default(),
            excused: AddressSet::default(),
            violations: Vec::new(),
        }
    }

    /// What was violated so far.
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// The run is stopped early: what was not tried need not be found.
    pub fn stopped(&mut self) {
        self.stopped = true;
    }

    /// From now on these addresses are blocked: nothing but a reset may go there, and nothing need be found.
    pub fn blocked(&mut self, list: Arc<AddressSet>) {
        self.excused = self.excused.plus(&list);
        self.blocked = list;
    }

    /// Notes a violation.
    pub fn violation(&mut self, now: Instant, text: impl Display) {
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(format!("at {:.6} s: {text}", now.as_nanos() as f64 / 1e9));
        }
    }

    /// The engine sent `frame`; `intact` says whether it will arrive as it is.
    pub fn sent(&mut self, now: Instant, frame: &[u8], intact: bool) {
        self.frames_out += 1;
        let Ok(segment) = parse::segment(frame) else {
            return self.violation(now, "a malformed frame was sent");
        };
        let target = (segment.destination, segment.destination_port);
        let name = format_args!("{}:{}", Ipv4Addr::from(target.0), target.1).to_string();
        if !self.planned.contains(&target) || segment.source != SOURCE {
            self.violation(now, format!("a frame was sent to {name}, which is not in the plan"));
        }
        if self.blocked.contains(target.0) && !segment.has(flags::RST) {
            self.violation(now, format!("a frame was sent to {name}, which is blocked"));
        }
        let syn = segment.flags == flags::SYN;
        if syn {
            self.probe(now, target, &name);
        }
        let each = self.each();
        let flow = self.flows.entry((target.0, target.1, segment.source_port)).or_default();
        if syn && flow.answered.is_none() && self.probes.get(&target).is_some_and(|count| *count > each) {
            self.violations.push(format!("{name} was probed again without having answered"));
        }
        flow.talking = !syn && !segment.has(flags::RST);
        flow.harmed += u32::from(!intact);
        flow.fin_out |= segment.has(flags::FIN);
        flow.reset |= segment.has(flags::RST);
        let known = *flow;
        if known.answered.is_some() && !segment.has(flags::RST) {
            self.segment_sent(now, &known, &segment, &name);
        }
    }

    fn probe(&mut self, now: Instant, target: (u32, u16), name: &str) {
        let each = self.each();
        let count = self.probes.entry(target).or_default();
        *count += 1;
        // Who answered and had to wait for his turn may be asked again, three times, and so may he for each further rung.
        if *count > each + 3 * u64::from(Rung::CONNECTIONS) {
            let count = *count;
            self.violation(now, format!("{name} was probed {count} times"));
        }
        // A bucket that leaks at the rate never holds more than the burst: so in every window.
        let Some(rate) = self.rate else { return };
        let leaked = (now - self.bucket_at).as_secs_f64() * rate;
        self.bucket = (self.bucket - leaked).max(0.0) + 1.0;
        self.bucket_at = now;
        if self.bucket > (rate * BURST).max(1.0) + 1.001 {
            let held = self.bucket;
            self.violation(now, format!("{held:.1} probes too close together for {rate:.1} a second"));
        }
    }

    /// How often a target may be probed without having answered.
    fn each(&self) -> u64 {
        self.probes_each * if self.resumed { 2 } else { 1 }
    }

    fn segment_sent(&mut self, now: Instant, flow: &Flow, segment: &Segment<'_>, name: &str) {
        let length = segment.payload.len();
        if length > flow.mss {
            self.violation(now, format!("{length} bytes in a segment to {name}, whose MSS is {}", flow.mss));
        }
        let end = segment.seq.wrapping_add(u32::try_from(length).unwrap_or(u32::MAX));
        // One byte may probe a closed window.
        if length > 1 && flow.edge.wrapping_sub(end) > 1 << 31 {
            self.violation(now, format!("bytes beyond the window of {name}"));
        }
        if segment.has(flags::ACK) && flow.highest.wrapping_sub(segment.ack) > 1 << 31 {
            self.violation(now, format!("bytes acknowledged that never came from {name}"));
        }
    }

    /// A host sent `frame`; `intact` says whether it will arrive as it is.
    pub fn host_sent(&mut self, frame: &[u8], intact: bool) {
        if let Ok(segment) = parse::segment(frame)
            && let Some(flow) = self.flows.get_mut(&key(&segment))
        {
            flow.harmed += u32::from(!intact);
        }
    }

    /// A frame reached our adapter, and the program said this.
    pub fn arrived(&mut self, now: Instant, frame: &[u8], reason: Reason) {
        self.frames_in += 1;
        if !matches!(reason, Reason::UpSynAck | Reason::UpSegment) {
            return;
        }
        let Ok(segment) = parse::segment(frame) else { return };
        let Some(flow) = self.flows.get_mut(&key(&segment)) else { return };
        let taken = segment.payload.len() + usize::from(segment.has(flags::SYN)) + usize::from(segment.has(flags::FIN));
        let end = segment.seq.wrapping_add(u32::try_from(taken).unwrap_or(0));
        let edge = segment.ack.wrapping_add(u32::from(segment.window));
        if reason == Reason::UpSynAck && !flow.talking {
            let mss = usize::from(segment.mss().unwrap_or(536));
            let answered = flow.answered.or(Some(now));
            // A further connection has the same ports, and an end of its own.
            *flow = Flow { answered, mss, edge, highest: end, fin_out: false, fin_in: false, reset: false, ..*flow };
        }
        if flow.edge.wrapping_sub(edge) > 1 << 31 {
            flow.edge = edge;
        }
        if flow.highest.wrapping_sub(end) > 1 << 31 {
            flow.highest = end;
        }
        flow.fin_in |= segment.has(flags::FIN);
        flow.reset |= segment.has(flags::RST);
    }

    /// The engine reported a fact.
    pub fn fact(&mut self, now: Instant, fact: &Fact) {
        match fact {
            Fact::Host(row) => {
                let (_, count, _) = self.hosts.entry((row.ip, row.port)).or_insert((now, 0, row.source_port));
                *count += 1;
                if *count > 1 {
                    self.violation(now, format!("{}:{} has two rows in hosts", Ipv4Addr::from(row.ip), row.port));
                }
            }
            Fact::Answer(_) => self.violation(now, "an answer as a line, which nobody asked for".to_owned()),
            Fact::Handshake(row, chain) => {
                let lasted = Duration::from_micros(row.duration_us);
                let name = format!("{}:{}", Ipv4Addr::from(row.ip), row.port);
                if lasted > self.total {
                    self.violation(now, format!("the connection to {name} lasted {lasted:?}"));
                }
                self.handshakes.entry((row.ip, row.port)).or_default().push(((**row).clone(), chain.clone()));
            }
            Fact::Checkpoint(_) => {}
        }
    }

    /// A round of the lane is over.
    pub fn stepped(&mut self, now: Instant, engine: &Engine) {
        if engine.open() > self.connections_max {
            let open = engine.open();
            self.violation(now, format!("{open} connections are open, {} are allowed", self.connections_max));
        }
        if let Err(text) = engine.check() {
            self.violation(now, format!("the ledger does not add up: {text}"));
        }
    }

    /// The world has come to rest.
    pub fn ended(
        &mut self,
        now: Instant,
        swarm: &Swarm,
        engine: &Engine,
        nic: &Nic,
        (up, down): (&Direction, &Direction),
        hosts: &Hosts,
    ) {
        self.frames_conserved(now, engine, nic, up, down);
        self.every_answer_has_its_rows(now, engine, hosts);
        self.one_at_a_time(now);
        if !self.stopped {
            self.every_target_probed(now);
            self.rows_are_right(now, swarm, hosts);
        }
    }

    fn every_target_probed(&mut self, now: Instant) {
        let missed = self.planned.iter().filter(|(address, _)| !self.excused.contains(*address));
        let missed: Vec<_> = missed.filter(|target| !self.probes.contains_key(target)).copied().collect();
        for (address, port) in missed {
            self.violation(now, format!("{}:{port} was never probed", Ipv4Addr::from(address)));
        }
    }

    fn frames_conserved(&mut self, now: Instant, engine: &Engine, nic: &Nic, up: &Direction, down: &Direction) {
        let judged: u64 = nic.verdicts().iter().map(|(_, count)| count).sum();
        let raised: u64 = [Reason::UpSynAck, Reason::UpSegment, Reason::UpClosed, Reason::UpIcmp]
            .iter()
            .map(|reason| nic.count(*reason))
            .sum();
        let ledger = engine.ledger();
        let counters = crate::nic::FrameIo::counters(nic);
        let equations = [
            ("frames sent = frames on the link", counters.tx_frames, up.fates().sent),
            ("frames sent = frames seen", counters.tx_frames, self.frames_out),
            ("frames arrived = verdicts", self.frames_in, judged),
            ("frames let up = frames taken + waiting", raised, counters.rx_frames + nic.waiting() as u64),
            ("frames taken = the ledger's", counters.rx_frames, ledger.frames),
            ("SYNs = the ledger's", self.probes.values().sum(), ledger.probes + ledger.asked_again),
            (
                "answers without a connection = the ledger's",
                (self.hosts.len() as u64).saturating_sub(self.handshakes.len() as u64),
                ledger.turns_lost,
            ),
        ];
        let targets = ("targets probed = the ledger's", self.probes.len() as u64, ledger.probes);
        let once = !self.resumed && self.probes_each == 1;
        for (equation, left, right) in equations.into_iter().chain(once.then_some(targets)) {
            if left != right {
                self.violation(now, format!("{equation}: {left} is not {right}"));
            }
        }
        for (name, link) in [("up", up), ("down", down)] {
            if !link.fates().conserved() {
                self.violation(now, format!("frames are not conserved on the way {name}: {:?}", link.fates()));
            }
        }
    }

    /// Whether this is the flow that the target's rows are about: the answer to another probe changes nothing.
    fn counts(&self, (address, port, ours): &Key) -> bool {
        self.hosts.get(&(*address, *port)).is_none_or(|(_, _, source_port)| source_port == ours)
    }

    fn every_answer_has_its_rows(&mut self, now: Instant, engine: &Engine, hosts: &Hosts) {
        // An answer that the full table turned away comes again, perhaps too late.
        let lenient = engine.ledger().no_room > 0;
        let mut found = Vec::new();
        for ((address, port, _), flow) in self.flows.iter().filter(|(key, _)| self.counts(key)) {
            let name = format!("{}:{port}", Ipv4Addr::from(*address));
            let host = self.hosts.contains_key(&(*address, *port));
            let rungs = self.handshakes.get(&(*address, *port)).into_iter().flatten().map(|(row, _)| row.rung);
            let rungs: Vec<&str> = rungs.collect();
            let rows = rungs.len();
            let lenient = lenient || self.stopped || self.excused.contains(*address);
            if flow.answered.is_some() && !host && !lenient {
                found.push(format!("{name} answered and has no row in hosts"));
            }
            if rows > 0 && !host || !LADDERS.iter().any(|ladder| ladder.starts_with(&rungs)) {
                found.push(format!("{name} has the rows {rungs:?} in handshakes, and in hosts: {host}"));
            }
            let honest = hosts
                .get(address)
                .and_then(Option::as_ref)
                .is_some_and(|host| host.truth(*port, Rung::Modern).is_some());
            let lost = flow.harmed > 0 || self.stopped || self.excused.contains(*address);
            if host && rows == 0 && honest && !lost {
                found.push(format!("{name} answered and its turn never came"));
            }
            if rows > 0 && !(flow.reset || (flow.fin_out && flow.fin_in)) {
                found.push(format!("the connection to {name} was not closed on the wire"));
            }
        }
        for text in found {
            self.violation(now, text);
        }
    }

    /// By the rows: connections to one address do not overlap.
    fn one_at_a_time(&mut self, now: Instant) {
        let mut busy: BTreeMap<u32, Vec<(i64, i64, u16)>> = BTreeMap::new();
        for (row, _) in self.handshakes.values().flatten() {
            let lasted = i64::try_from(row.duration_us).unwrap_or(i64::MAX);
            busy.entry(row.ip).or_default().push((row.time.0, row.time.0.saturating_add(lasted), row.port));
        }
        for (address, mut spans) in busy {
            spans.sort_unstable();
            for pair in spans.windows(2).filter(|pair| pair[1].0 < pair[0].1) {
                let ports = (pair[0].2, pair[1].2);
                self.violation(now, format!("{} was talked to on ports {ports:?} at once", Ipv4Addr::from(address)));
            }
        }
    }

    fn rows_are_right(&mut self, now: Instant, swarm: &Swarm, hosts: &Hosts) {
        let mut found = Vec::new();
        for ((address, port, _), flow) in self.flows.iter().filter(|(key, _)| self.counts(key)) {
            // A reset on its way may end what is opened later, when the address is free again.
            if self.excused.contains(*address) {
                continue;
            }
            let host = hosts.get(address).and_then(Option::as_ref);
            let service = host.and_then(|host| host.service(*port));
            let name = format!("{}:{port}", Ipv4Addr::from(*address));
            // Answers that the full table turned away are repeated with less and less patience.
            let opened = self.hosts.get(&(*address, *port)).map_or(now, |(at, ..)| *at);
            let waited = flow.answered.is_some_and(|answered| opened - answered > PATIENCE);
            let harmed = flow.harmed > 0 || waited;
            for (row, chain) in self.handshakes.get(&(*address, *port)).into_iter().flatten() {
                let rung = Rung::ALL.into_iter().find(|rung| rung.name() == row.rung).unwrap_or_default();
                let truth = host.and_then(|host| host.truth(*port, rung));
                let wrong = match (service.map(|service| service.behaviour), truth) {
                    (Some(Behaviour::Honest { .. }), Some(_)) if rung == Rung::Ssl3 => {
                        let fits = harmed && is_one_of(row.outcome, EXCUSED);
                        (!fits).then(|| format!("an honest server was offered SSL 3.0: {}", row.outcome))
                    }
                    (Some(Behaviour::Honest { contradicts, .. }), Some(mut truth)) => {
                        if contradicts && (flow.harmed > 0 || swarm.down.reorder > 0.0) {
                            truth.banner = None;
                        }
                        let content = || {
                            host.and_then(|host| host.truth(*port, Rung::Modern))
                                .is_some_and(|truth| truth.tls.is_some())
                        };
                        if rung == Rung::Legacy && truth.tls.is_none() || rung == Rung::Bare && content() {
                            found.push(format!("{name} was offered less, without a reason"));
                        }
                        let closed = service.map_or(Duration::ZERO, |service| service.settings.closed_window);
                        let harm_max = if closed > Duration::ZERO { HARM_MAX_CLOSED } else { HARM_MAX };
                        // By the end of a long wait the host repeats its SYN-ACK only every so often.
                        let queued = row.waited_ms > QUEUED_MS && flow.harmed > 0;
                        let excused = flow.harmed > harm_max || waited || queued;
                        let late =
                            (!excused && closed == Duration::ZERO && row.duration_us > in_time(swarm, flow.harmed))
                                .then(|| format!("understood only after {} us", row.duration_us));
                        differs(row, chain, &truth, excused).or(late)
                    }
                    (Some(Behaviour::Hostile(kind)), _) => {
                        let right = kind.outcomes();
                        let excused = if harmed { EXCUSED } else { &[] };
                        // Our hostile hosts speak SMTP, if anything.
                        let foreign = service.is_some_and(|service| {
                            service.protocol.family() != Family::Smtp || service.protocol.security() == Security::Direct
                        });
                        let other: &[&str] = if foreign { &["protocol_error", "not_tls", "tls_failed"] } else { &[] };
                        let fits = is_one_of(row.outcome, right)
                            || is_one_of(row.outcome, excused)
                            || (is_one_of(row.outcome, other) && !right.is_empty());
                        (!fits).then(|| format!("outcome {} of a host that is {kind:?}", row.outcome))
                    }
                    _ => Some("a row of a host that does not exist".to_owned()),
                };
                if let Some(wrong) = wrong {
                    let rung = row.rung;
                    found.push(format!(
                        "{name}, {rung}: {wrong} ({} of its frames were harmed; {:?})",
                        flow.harmed, row.error
                    ));
                }
            }
        }
        for text in found {
            self.violation(now, text);
        }
    }
}

fn key(from_host: &Segment<'_>) -> Key {
    (from_host.source, from_host.source_port, from_host.destination_port)
}

/// Microseconds in which an honest server is understood: thinking, round trips, the goodbye and lingering, and
/// for the harmed frames the timeouts of both sides, which double. A timer that fires late shows here.
fn in_time(swarm: &Swarm, harmed: u32) -> u64 {
    let trip = |link: &Faults| link.delay + link.jitter + link.reorder_max;
    let round_trips = (trip(&swarm.up) + trip(&swarm.down)) * 40;
    let timeouts = Duration::from_secs(4) * (2u32.saturating_pow(harmed) - 1);
    let all = swarm.mix.think * 8 + round_trips + timeouts + Duration::from_secs(7);
    u64::try_from(all.as_micros()).unwrap_or(u64::MAX)
}

/// Whether `outcome` is listed; a listed `timeout` stands for every name that begins so.
fn is_one_of(outcome: &str, list: &[&str]) -> bool {
    list.iter().any(|name| *name == outcome || (*name == "timeout" && outcome.starts_with("timeout")))
}

/// The first thing that is wrong in an honest server's row. `partial`: it may have ended early.
fn differs(row: &Handshake, chain: &[Vec<u8>], truth: &Truth, partial: bool) -> Option<String> {
    let cut_short = partial && is_one_of(row.outcome, EXCUSED);
    if row.outcome != truth.outcome && !cut_short {
        return Some(format!("outcome {} instead of {} in stage {}", row.outcome, truth.outcome, row.stage));
    }
    if cut_short {
        return None;
    }
    let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    let presented: &[&[u8]] = if truth.tls.is_some() { &[CERTIFICATE] } else { &[] };
    let pairs = [
        ("banner_code", format!("{:?}", row.banner_code), format!("{:?}", truth.banner_code)),
        ("capabilities_before", format!("{:?}", row.capabilities_before), format!("{:?}", truth.before)),
        ("starttls_offered", format!("{:?}", row.starttls_offered), format!("{:?}", truth.offered)),
        ("starttls_accepted", format!("{:?}", row.starttls_accepted), format!("{:?}", truth.accepted)),
        ("starttls_injected", format!("{:?}", row.starttls_injected), "0".to_owned()),
        ("capabilities_after", format!("{:?}", row.capabilities_after), format!("{:?}", truth.after)),
        ("auth_after", format!("{:?}", row.auth_after), format!("{:?}", truth.auth_after)),
        ("tls_version", format!("{:?}", row.tls_version), format!("{:?}", truth.tls)),
        ("certificates", (chain == presented).to_string(), "true".to_owned()),
    ];
    for (column, found, right) in pairs {
        if found != right {
            return Some(format!("{column} {found} instead of {right}"));
        }
    }
    let banner = truth.banner.is_none() || row.banner == truth.banner;
    (!banner).then(|| format!("banner {:?} instead of {:?}", row.banner, truth.banner))
}
