//! The world: a virtual clock that jumps from event to event, and everything that happens in it.

use super::check::{Checker, Hosts};
use super::link::Direction;
use super::nic::Nic;
use super::swarm::{SOURCE, Swarm};
use super::trace::{Trace, Way};
use crate::base::{Duration, Instant, UtcMicros};
use crate::dialogue::Identity;
use crate::lane::step;
use crate::nic::contract;
use crate::record::Fact;
use crate::scan::engine::{Config, Engine};
use crate::session::Context;
use crate::targets::cidr::AddressSet;
use crate::tls;
use crate::wire::parse;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// Events after which a world is taken for running away, per target.
const EVENTS_MAX: u64 = 100_000;
/// What the end of a sweep may lag behind its plan.
const SLACK: Duration = Duration::from_secs(15);

/// What may happen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A frame reaches the hosts' side.
    Out(Vec<u8>),
    /// A frame reaches our adapter.
    In(Vec<u8>),
    /// A host's time has come.
    Host(u32),
    /// The lane does a round.
    Lane,
}

/// A simulated world with one production engine in it.
#[derive(Debug)]
pub struct World {
    swarm: Swarm,
    now: Instant,
    events: BinaryHeap<Reverse<(Instant, u64, Event)>>,
    /// Events so far: breaks ties, first come first served.
    count: u64,
    engine: Engine,
    nic: Nic,
    round_at: Instant,
    up: Direction,
    down: Direction,
    hosts: Hosts,
    timers: BTreeMap<u32, Instant>,
    trace: Trace,
    checker: Checker,
    facts: Vec<Fact>,
    /// Frames that passed our adapter since they were last taken, if they are wanted.
    tapped: Option<Vec<(Instant, Vec<u8>)>>,
    targets: u64,
    /// What several probes a target add to the sweep.
    sweeping: Duration,
    swept: Option<Instant>,
    over: bool,
}

impl World {
    /// The world of `swarm`; keeps a readable log of events if `verbose`.
    ///
    /// # Errors
    /// If TLS does not start.
    pub fn new(swarm: Swarm, verbose: bool) -> Result<Self, rustls::Error> {
        let config = swarm.config();
        Self::of(swarm, config, verbose)
    }

    /// The world of `swarm` with an engine that is told `config`: the swarm's own, but for how and in which run its
    /// targets are swept.
    ///
    /// # Errors
    /// If TLS does not start.
    pub fn of(swarm: Swarm, config: Config, verbose: bool) -> Result<Self, rustls::Error> {
        let (ports, targets) = (config.ports, config.space.size());
        let sweeping = config.lag * config.probes.into();
        let checker = Checker::new(&swarm, &config);
        let verdict = contract::Config::new(config.key, SOURCE, ports.first, ports.last);
        let identity = Identity { ehlo: format!("[{}]", Ipv4Addr::from(SOURCE)), contact: None };
        let context =
            Context::new(tls::Client::new(tls::Offer::Wide)?, identity).with_names(Arc::clone(config.space.names()));
        let (up, down) = swarm.chances();
        let mut world = Self {
            now: Instant::ZERO,
            events: BinaryHeap::new(),
            count: 0,
            engine: Engine::new(config, context, Instant::ZERO),
            nic: Nic::new(verdict, swarm.ring),
            round_at: Instant::FAR_FUTURE,
            up: Direction::new(swarm.up, up),
            down: Direction::new(swarm.down, down),
            hosts: BTreeMap::new(),
            timers: BTreeMap::new(),
            trace: Trace::new(verbose),
            checker,
            sweeping,
            facts: Vec::new(),
            tapped: None,
            targets,
            swept: None,
            over: false,
            swarm,
        };
        world.schedule_round(Instant::ZERO);
        Ok(world)
    }

    /// Runs to the end.
    pub fn run(&mut self) {
        while self.advance() {}
    }

    /// Lets the next event happen. False once the engine is finished, or a checker has given the world up.
    pub fn advance(&mut self) -> bool {
        if self.over {
            return false;
        }
        let Some(Reverse((at, _, event))) = self.events.pop() else {
            self.checker.violation(self.now, "nothing is left to happen, and the engine is not finished");
            self.over = true;
            return false;
        };
        self.now = at;
        match event {
            Event::Out(frame) => self.frame_out(&frame),
            Event::In(frame) => self.frame_in(frame),
            Event::Host(address) => self.host_timeout(address),
            Event::Lane if at == self.round_at => self.round(),
            Event::Lane => {}
        }
        self.judge();
        !self.over
    }

    /// Stops probing, as a first Ctrl-C does. The checkers no longer ask for what was not tried.
    pub fn stop(&mut self) {
        self.checker.stopped();
        self.engine.stop(self.now);
    }

    /// Reads the blocklist again, as SIGHUP does.
    pub fn block(&mut self, list: Arc<AddressSet>) {
        self.checker.blocked(Arc::clone(&list));
        self.engine.block(list);
        self.schedule_round(self.now);
    }

    /// Resets what is open, as a second Ctrl-C does.
    pub fn interrupt(&mut self) {
        self.checker.stopped();
        self.engine.interrupt();
        self.schedule_round(self.now);
    }

    /// Virtual time, in UTC.
    pub fn utc(&self) -> UtcMicros {
        self.swarm.clock().utc(self.now)
    }

    /// Virtual time.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// The engine.
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The adapter.
    pub const fn nic(&self) -> &Nic {
        &self.nic
    }

    /// The events.
    pub const fn trace(&self) -> &Trace {
        &self.trace
    }

    /// What the world is made of.
    pub const fn swarm(&self) -> &Swarm {
        &self.swarm
    }

    /// From now on, frames that pass our adapter are kept for [`World::take_tapped`].
    pub fn tap(&mut self) {
        self.tapped = Some(Vec::new());
    }

    /// The frames since the last call, sent and arrived, in their order; none without [`World::tap`].
    pub fn take_tapped(&mut self) -> Vec<(Instant, Vec<u8>)> {
        self.tapped.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The facts since the last call.
    pub fn take_facts(&mut self) -> Vec<Fact> {
        std::mem::take(&mut self.facts)
    }

    /// What was violated so far.
    pub fn violations(&self) -> &[String] {
        self.checker.violations()
    }

    fn schedule(&mut self, at: Instant, event: Event) {
        self.count += 1;
        self.events.push(Reverse((at, self.count, event)));
    }

    fn schedule_round(&mut self, at: Instant) {
        if at < self.round_at {
            self.round_at = at;
            self.schedule(at, Event::Lane);
        }
    }

    /// One round of the lane, and when the next one is.
    fn round(&mut self) {
        self.round_at = Instant::FAR_FUTURE;
        let moved = match step(self.now, &mut self.nic, &mut self.engine) {
            Ok(moved) => moved.received + moved.sent,
            Err(error) => return self.checker.violation(self.now, format!("the adapter failed: {error}")),
        };
        for frame in self.nic.take_sent() {
            if let Some(tapped) = &mut self.tapped {
                tapped.push((self.now, frame.clone()));
            }
            let deliveries = self.up.send(self.now, &frame);
            let intact = deliveries.iter().any(|delivery| !delivery.damaged);
            self.trace.frame(self.now, Way::Out, if intact { "sent" } else { "sent, harmed" }, &frame);
            self.checker.sent(self.now, &frame, intact);
            for delivery in deliveries {
                self.schedule(delivery.at, Event::Out(delivery.frame));
            }
        }
        for fact in self.engine.take_facts() {
            self.checker.fact(self.now, &fact);
            if let Fact::Handshake(row, _) = &fact {
                let peer = Ipv4Addr::from(row.ip);
                let (port, outcome, bytes, lasted) = (row.port, row.outcome, row.bytes_in, row.duration_us);
                self.trace.note(self.now, &format!("== {peer}:{port} {outcome}, {bytes} bytes in, {lasted} us"));
            }
            self.facts.push(fact);
        }
        self.checker.stepped(self.now, &self.engine);
        let lag = Duration::from_nanos(1).max(self.swarm.lag);
        let next = if moved > 0 { self.now + lag } else { self.engine.next_timeout(self.now).max(self.now + lag) };
        self.schedule_round(next.min(self.now + self.swarm.nap.max(lag)));
    }

    fn frame_in(&mut self, frame: Vec<u8>) {
        if let Some(tapped) = &mut self.tapped {
            tapped.push((self.now, frame.clone()));
        }
        let reason = self.nic.arrive(frame.clone());
        self.trace.frame(self.now, Way::In, reason.name(), &frame);
        self.checker.arrived(self.now, &frame, reason);
        self.schedule_round(self.now + self.swarm.lag);
    }

    fn frame_out(&mut self, frame: &[u8]) {
        let Ok(segment) = parse::segment(frame) else { return };
        let address = segment.destination;
        let swarm = &self.swarm;
        if let Some(host) = self.hosts.entry(address).or_insert_with(|| swarm.host(address)) {
            host.handle_frame(self.now, frame);
            self.host_sends(address);
        }
    }

    fn host_timeout(&mut self, address: u32) {
        if self.timers.get(&address) != Some(&self.now) {
            return;
        }
        self.timers.remove(&address);
        if let Some(Some(host)) = self.hosts.get_mut(&address) {
            host.handle_timeout(self.now);
            self.host_sends(address);
        }
    }

    fn host_sends(&mut self, address: u32) {
        loop {
            let Some(Some(host)) = self.hosts.get_mut(&address) else { return };
            let Some(frame) = host.poll_frame(self.now) else { break };
            let deliveries = self.down.send(self.now, &frame);
            self.checker.host_sent(&frame, deliveries.iter().any(|delivery| !delivery.damaged));
            if deliveries.iter().all(|delivery| delivery.damaged) {
                self.trace.frame(self.now, Way::In, "harmed", &frame);
            }
            for delivery in deliveries {
                self.schedule(delivery.at, Event::In(delivery.frame));
            }
        }
        let Some(Some(host)) = self.hosts.get(&address) else { return };
        let next = host.next_timeout().max(self.now + Duration::from_nanos(1));
        if next < Instant::FAR_FUTURE && self.timers.get(&address).is_none_or(|at| next < *at || *at <= self.now) {
            self.timers.insert(address, next);
            self.schedule(next, Event::Host(address));
        }
    }

    /// Whether the world is at its end, in time.
    fn judge(&mut self) {
        if self.swept.is_none() && !self.engine.sweeping() {
            self.swept = Some(self.now);
        }
        if self.engine.finished(self.now) {
            self.over = true;
            self.facts.push(Fact::Checkpoint(Box::new(self.engine.checkpoint(self.now))));
            let links = (&self.up, &self.down);
            self.checker.ended(self.now, &self.swarm, &self.engine, &self.nic, links, &self.hosts);
        } else if let Some(text) = self.late() {
            let open = self.engine.open();
            self.checker.violation(self.now, format!("{text}; {open} connections are open"));
            self.over = true;
        }
    }

    /// What should be over by now: the sweep, or all that was open at its end.
    fn late(&self) -> Option<&'static str> {
        let targets = self.targets;
        if self.count > EVENTS_MAX * targets.max(1_000) {
            return Some("too many events");
        }
        let limits = &self.swarm.limits;
        let services = u32::try_from(self.swarm.services.len()).unwrap_or(u32::MAX);
        // Turns at the table, and at an address.
        let usable = (self.swarm.connections_max as u64 * 7 / 8).max(1);
        let turns = u32::try_from(targets / usable + 1).unwrap_or(u32::MAX);
        let talking = (limits.total + SLACK) * turns * services;
        match self.swept {
            Some(at) => {
                let patience = self.swarm.cooldown + talking;
                (self.now > at + patience).then_some("the world does not come to rest")
            }
            None => {
                let sending = Duration::from_secs_f64(self.swarm.rate.map_or(0.0, |rate| targets as f64 / rate));
                (self.now > Instant::ZERO + sending * 2 * self.engine.probes().into() + self.sweeping + talking)
                    .then_some("the sweep does not end")
            }
        }
    }
}
