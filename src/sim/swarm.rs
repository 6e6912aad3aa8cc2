//! What a seed stands for. Each seed turns every fault and habit on or off and weighs the rest anew (swarm
//! testing): a world in which everything goes wrong at once would hide what one fault alone brings to light.

use super::host::script::{Manner, Tls};
use super::host::tcp::{Cuts, Settings};
use super::host::{Behaviour, Host, Hostile, Service};
use super::link::Faults;
use super::random::Random;
use crate::base::keyed::Key;
use crate::base::time::WallClock;
use crate::base::{Duration, UtcMicros};
use crate::record::checkpoint::Left;
use crate::scan::conversation::Limits;
use crate::scan::engine::{Answers, Config};
use crate::targets::Space;
use crate::targets::cidr::{AddressSet, Range};
use crate::targets::permute::Permutation;
use crate::targets::ports::{self, Protocol, Security};
use crate::tcp::cookie::PortRange;
use crate::wire::Link;
use crate::wire::probe::OptionSet;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Our address in every world.
pub const SOURCE: u32 = 0x0a4d_0002;
/// First address of every world's targets: 198.18.0.0.
const NET: u32 = 0xc612_0000;
/// Half of the secret of a world's first run.
pub const SECRET: u64 = 0x5eed;
/// Ethernet addresses: ours and the gateway's.
pub const LINK: Link = Link { source: [2, 0, 0, 0, 0, 1], destination: [2, 0, 0, 0, 0, 2] };
/// When every world begins: 2026-01-01, so that a seed's dataset is the same each time.
const START: UtcMicros = UtcMicros(1_767_225_600_000_000);
/// Most targets of a world that a seed makes.
const TARGETS_MAX: u64 = 600;

/// What random streams are for.
mod purpose {
    pub(super) const WORLD: u64 = 1;
    pub(super) const UP: u64 = 2;
    pub(super) const DOWN: u64 = 3;
    pub(super) const HOST: u64 = 1 << 40;
}

/// Which habits and vices the hosts of a world have.
#[derive(Clone, Debug)]
pub struct Mix {
    /// Addresses that have a host.
    pub inhabited: f64,
    /// Hosts that are honest.
    pub honest: f64,
    /// What the others are.
    pub hostiles: Vec<Hostile>,
    /// What the honest offer.
    pub manners: Vec<Manner>,
    /// How they cut their bytes.
    pub cuts: Vec<Cuts>,
    /// How often each further habit is had, zero for those that are off.
    pub habits: [f64; HABITS],
    /// How long they think at most.
    pub think: Duration,
}

const HABITS: usize = 12;

/// The properties of a world.
#[derive(Clone, Debug)]
pub struct Swarm {
    /// The seed.
    pub seed: u64,
    /// Addresses to scan. Some of those between them have hosts too.
    pub addresses: AddressSet,
    /// Ports.
    pub services: Vec<ports::Service>,
    /// What to scan instead of the product of both.
    pub given: Option<Space>,
    /// Probes per second.
    pub rate: Option<f64>,
    /// How long answers are awaited.
    pub cooldown: Duration,
    /// Connections open at a time.
    pub connections_max: usize,
    /// Deadlines and budgets.
    pub limits: Limits,
    /// From us to the hosts.
    pub up: Faults,
    /// From the hosts to us.
    pub down: Faults,
    /// How late the lane sees an arrival, at most.
    pub lag: Duration,
    /// How long an idle lane sleeps, at most.
    pub nap: Duration,
    /// Frames the transmit ring takes a round.
    pub ring: usize,
    /// The hosts.
    pub mix: Mix,
}

impl Swarm {
    /// The world of `seed`.
    pub fn from_seed(seed: u64) -> Self {
        let mut random = Random::new(seed, purpose::WORLD);
        let services = services(&mut random);
        let most = TARGETS_MAX / services.len() as u64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
        let addresses = (random.spread(16.0, 400.0) as u64).min(most);
        let (allow, block) = ranges(&mut random, addresses);
        let gentle = random.chance(0.25);
        Self {
            seed,
            addresses: AddressSet::allowed(&allow, &block),
            services,
            given: None,
            rate: random.chance(0.8).then(|| random.spread(20.0, 20_000.0)),
            cooldown: Duration::from_secs(random.between(4, 10)),
            connections_max: random.length(16, 64) * random.pick(&[1, 1, 1, 20]),
            limits: limits(&mut random),
            up: if gentle { Faults::default() } else { faults(&mut random) },
            down: if gentle { Faults::default() } else { faults(&mut random) },
            lag: random.up_to(Duration::from_micros(500)),
            nap: Duration::from_millis(random.between(1, 100)),
            ring: random.pick(&[1, 7, 256, 1_024]),
            mix: mix(&mut random),
        }
    }

    /// All targets.
    pub fn space(&self) -> Space {
        self.given.clone().unwrap_or_else(|| Space::new(self.addresses.clone(), self.services.clone()))
    }

    /// What the engine is told.
    pub fn config(&self) -> Config {
        let space = Arc::new(self.space());
        let permutation = Permutation::new(space.size(), self.seed);
        Config {
            lane: 0,
            left: Left::of(0..permutation.positions()),
            probes: 1,
            lag: Duration::ZERO,
            space,
            permutation,
            key: self.key(),
            source: SOURCE,
            ports: self.ports(),
            link: LINK,
            rate: self.rate,
            cooldown: self.cooldown,
            connections_max: self.connections_max,
            limits: self.limits,
            clock: self.clock(),
            claims: Arc::default(),
            answers: Answers::default(),
            answered: Arc::default(),
            options: OptionSet::default(),
        }
    }

    /// How virtual time maps to UTC.
    pub const fn clock(&self) -> WallClock {
        WallClock { start: START }
    }

    /// The secret of the run.
    pub fn key(&self) -> Key {
        Key([self.seed, SECRET])
    }

    /// Our ports.
    pub fn ports(&self) -> PortRange {
        PortRange { first: 61_000, last: 61_999 }
    }

    /// Chance on the way to the hosts, and back.
    pub fn chances(&self) -> (Random, Random) {
        (Random::new(self.seed, purpose::UP), Random::new(self.seed, purpose::DOWN))
    }

    /// The host at `address`, if there is one. The same whenever it is asked for.
    pub fn host(&self, address: u32) -> Option<Host> {
        let mut random = Random::new(self.seed, purpose::HOST | u64::from(address));
        if !random.chance(self.mix.inhabited) {
            return None;
        }
        let honest = random.chance(self.mix.honest);
        let mut services = BTreeMap::new();
        for service in &self.services {
            // Some ports of a host are closed.
            if random.chance(0.9) {
                services.insert(service.port, self.service(&mut random, service.protocol, honest));
            }
        }
        let link = Link { source: LINK.destination, destination: LINK.source };
        Some(Host::new(address, link, random, services))
    }

    fn service(&self, random: &mut Random, protocol: Protocol, honest: bool) -> Service {
        let behaviour = if honest {
            Behaviour::Honest {
                manner: random.pick(&self.mix.manners),
                tls: random.pick(&[Tls::V13, Tls::V13, Tls::V12, Tls::Strict12, Tls::NoAlpn12]),
                contradicts: random.chance(self.mix.habits[10]) && protocol.security() == Security::Upgrade,
            }
        } else {
            Behaviour::Hostile(random.pick(&self.mix.hostiles))
        };
        Service { protocol, behaviour, settings: self.settings(random), think: self.mix.think }
    }

    fn settings(&self, random: &mut Random) -> Settings {
        let [overlap, delayed, closed, storm, early, keep_alive, urgent, never, resets, forged, _, small] =
            self.mix.habits;
        Settings {
            mss: random.pick(&[None, Some(1_460), Some(1_400), Some(536), Some(100)]),
            window: if random.chance(small) { random.pick(&[256, 1_024]) } else { random.pick(&[8_192, 65_535]) },
            cuts: random.pick(&self.mix.cuts),
            overlap: random.chance(overlap),
            delayed_ack: if random.chance(delayed) { random.up_to(Duration::from_millis(200)) } else { Duration::ZERO },
            closed_window: if random.chance(closed) { random.up_to(Duration::from_secs(4)) } else { Duration::ZERO },
            storm: if random.chance(storm) { 20 } else { 0 },
            early_data: random.chance(early),
            keep_alive: random.chance(keep_alive).then(|| Duration::from_millis(random.between(300, 5_000))),
            urgent: random.chance(urgent),
            never_closes: random.chance(never),
            resets_at_fin: random.chance(resets),
            forged: random.chance(forged),
        }
    }
}

fn services(random: &mut Random) -> Vec<ports::Service> {
    let all = Protocol::ALL;
    let most = random.pick(&[4, all.len()]);
    let count = random.length(1, most);
    let first = random.length(0, all.len() - 1);
    let chosen = all.iter().cycle().skip(first).take(count);
    chosen.map(|&protocol| ports::Service { port: protocol.port(), protocol }).collect()
}

/// Up to three ranges of `addresses` in all, and holes in them.
fn ranges(random: &mut Random, addresses: u64) -> (Vec<Range>, Vec<Range>) {
    let count = random.between(1, 3);
    let (mut allow, mut block) = (Vec::new(), Vec::new());
    let mut at = NET;
    let word = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    for _ in 0..count {
        at += word(random.between(0, 1_000));
        let length = word((addresses / count).max(4));
        allow.push((at, at + length - 1));
        if random.chance(0.6) {
            let hole = at + word(random.between(0, u64::from(length) - 2));
            block.push((hole, hole + word(random.between(0, 5))));
        }
        at += length;
    }
    // Something is always left.
    block.retain(|(first, last)| *first > allow[0].0 || *last < allow[0].0);
    (allow, block)
}

/// Generous enough that an honest server on a poor link is in time: see [`super::check`].
fn limits(random: &mut Random) -> Limits {
    Limits {
        connect: Duration::from_secs(random.between(25, 35)),
        greeting: Duration::from_secs(random.between(25, 35)),
        reply: Duration::from_secs(random.between(25, 35)),
        tls: Duration::from_secs(random.between(25, 35)),
        total: Duration::from_secs(random.between(100, 140)),
        ..Limits::default()
    }
}

fn faults(random: &mut Random) -> Faults {
    let on = |random: &mut Random, low: f64, high: f64| {
        if random.chance(0.4) { random.spread(low, high) } else { 0.0 }
    };
    let loss = on(random, 0.002, 0.15);
    let burst = on(random, 0.0005, 0.02);
    let reorder = on(random, 0.01, 0.4);
    let duplicate = on(random, 0.005, 0.3);
    let corrupt = on(random, 0.002, 0.05);
    Faults {
        delay: Duration::from_micros(random.between(50, 100) * random.pick(&[1, 20, 400, 3_000])),
        jitter: if random.chance(0.5) { random.up_to(Duration::from_millis(100)) } else { Duration::ZERO },
        loss,
        burst,
        burst_max: random.between(2, 20),
        reorder,
        reorder_max: random.up_to(Duration::from_millis(400)),
        duplicate,
        corrupt,
        frame_max: random.chance(0.05).then(|| random.length(590, 1_500)),
    }
}

fn mix(random: &mut Random) -> Mix {
    let mut habits = [0.0; HABITS];
    for habit in &mut habits {
        if random.chance(0.4) {
            *habit = random.spread(0.05, 0.8);
        }
    }
    Mix {
        inhabited: random.spread(0.05, 1.0),
        honest: random.pick(&[0.1, 0.5, 0.8, 1.0]),
        hostiles: some(random, Hostile::ALL),
        manners: some(random, Manner::ALL),
        cuts: some(random, &[Cuts::Whole, Cuts::Bytes, Cuts::Random]),
        habits,
        think: if random.chance(0.5) { random.up_to(Duration::from_secs(2)) } else { Duration::ZERO },
    }
}

/// Some of `all`, at least one.
fn some<T: Copy>(random: &mut Random, all: &[T]) -> Vec<T> {
    let share = random.pick(&[0.2, 0.5, 1.0]);
    let mut chosen: Vec<T> = all.iter().filter(|_| random.chance(share)).copied().collect();
    if chosen.is_empty() {
        chosen.push(random.pick(all));
    }
    chosen
}
