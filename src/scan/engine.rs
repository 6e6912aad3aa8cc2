//! The engine of one lane: probes its share of the targets, finishes the handshake of each that answers,
//! holds the conversation, gives rows.

mod answers;
mod probes;

pub use answers::Answers;

use super::answered::Answered;
use super::conversation::{Conversation, Limits};
use super::ledger::{Held, Ledger, Outcomes};
use super::pace::{FULL_SPEED, Pace};
use super::sweep::Sweep;
use super::turns::{Claims, Turn, Turns, Waiting};
use crate::base::keyed::Key;
use crate::base::time::WallClock;
use crate::base::{Duration, Instant};
use crate::record::Fact;
use crate::record::checkpoint::{Checkpoint, Left, Target as Pair};
use crate::session::{Context, Rung};
use crate::targets::Space;
use crate::targets::cidr::AddressSet;
use crate::targets::permute::Permutation;
use crate::targets::ports::Protocol;
use crate::tcp::cookie::{ACK_WINDOW, Batch, PortRange, SourcePorts, cookie};
use crate::tcp::table::{Id, Table};
use crate::tcp::wheel::Wheel;
use crate::wire::emit::{Outgoing, segment as emit};
use crate::wire::icmp;
use crate::wire::parse::{Malformed, segment as parse};
use crate::wire::probe::{Facts, Finished, OptionSet, Template};
use crate::wire::{Link, Segment, Tuple, flags};
use std::collections::VecDeque;
use std::sync::Arc;

/// Resets that may wait for the link; more are not sent (their cause comes again).
const RESETS_MAX: usize = 1_024;
/// How often a lane says how far it is.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);

/// What an engine is to do.
#[derive(Clone, Debug)]
pub struct Config {
    /// All targets of the run.
    pub space: Arc<Space>,
    /// Their order.
    pub permutation: Permutation,
    /// Number of this lane.
    pub lane: usize,
    /// What it is to do: positions in that order, and targets to probe again.
    pub left: Left,
    /// Probes of each target.
    pub probes: u8,
    /// How long after one probe of a target the next one follows.
    pub lag: Duration,
    /// Secret of the run.
    pub key: Key,
    /// Our address.
    pub source: u32,
    /// Our ports.
    pub ports: PortRange,
    /// The way to the gateway.
    pub link: Link,
    /// Probes per second; `None` for as fast as the link takes them.
    pub rate: Option<f64>,
    /// How long answers are awaited after the last probe.
    pub cooldown: Duration,
    /// Connections open at a time.
    pub connections_max: usize,
    /// Deadlines and budgets of a connection.
    pub limits: Limits,
    /// Maps the run's clock to UTC.
    pub clock: WallClock,
    /// The addresses being talked to: the same for all lanes of a run.
    pub claims: Arc<Claims>,
    /// What is done with answers.
    pub answers: Answers,
    /// Who has answered: the same for all lanes of a run.
    pub answered: Arc<Answered>,
    /// TCP options of the probes. All but the smallest only if the scan makes no connections of the answers.
    pub options: OptionSet,
}

/// What makes the sweep slower than asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// The connection table is nearly full.
    Table,
    /// Nearly as many answers as may wait for their turn.
    Turns,
    /// The writer is behind.
    Writer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Sweeping,
    Cooldown { until: Instant },
    Interrupted,
}

/// One lane's scanner.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    context: Context,
    sweep: Sweep,
    checkpoint_at: Instant,
    /// Targets whose connections were interrupted.
    abandoned: Vec<Pair>,
    /// What is blocked since the blocklist was read again.
    blocked: Option<Arc<AddressSet>>,
    template: Template,
    source_ports: SourcePorts,
    /// Probes in the making, and the indices of their targets.
    batch: Batch,
    indices: [u64; Batch::SIZE],
    pace: Pace,
    phase: Phase,
    writer_behind: bool,
    table: Table<Conversation>,
    wheel: Wheel<Id>,
    due: Vec<Id>,
    ready: VecDeque<Id>,
    resets: VecDeque<(Tuple, u32)>,
    turns: Turns,
    /// SYNs to repeat.
    asks: VecDeque<Tuple>,
    held: Held,
    held_until: Instant,
    facts: Vec<Fact>,
    ledger: Ledger,
    outcomes: Outcomes,
    segment_id: u16,
}

impl Engine {
    /// An engine that begins at `now`.
    pub fn new(config: Config, context: Context, now: Instant) -> Self {
        Self {
            sweep: Sweep::new(config.permutation, config.left.clone(), config.probes, config.lag),
            checkpoint_at: now + CHECKPOINT_EVERY,
            abandoned: Vec::new(),
            blocked: None,
            template: Template::with_options(&config.link, config.source, config.options, derived(config.key, 2)),
            source_ports: SourcePorts::new(config.ports, derived(config.key, 3)),
            batch: Batch::default(),
            indices: [0; Batch::SIZE],
            pace: Pace::new(config.rate, now),
            phase: Phase::Sweeping,
            writer_behind: false,
            table: Table::new(config.connections_max, derived(config.key, 1)),
            wheel: Wheel::default(),
            due: Vec::new(),
            ready: VecDeque::new(),
            resets: VecDeque::new(),
            turns: Turns::new(Arc::clone(&config.claims), config.connections_max),
            asks: VecDeque::new(),
            held: Held::default(),
            held_until: now,
            facts: Vec::new(),
            ledger: Ledger::default(),
            outcomes: Outcomes::default(),
            segment_id: 0,
            config,
            context,
        }
    }

    /// Takes a frame from the link.
    pub fn handle_frame(&mut self, now: Instant, frame: &[u8]) {
        self.ledger.frames += 1;
        match parse(frame) {
            Ok(segment) => self.handle_segment(now, &segment),
            Err(Malformed::Protocol) if self.config.answers.icmp => match icmp::report(frame) {
                Ok(report) => self.handle_report(now, &report),
                Err(Malformed::Checksum) => self.ledger.bad_checksum += 1,
                Err(_) => self.ledger.malformed += 1,
            },
            Err(Malformed::Checksum) => self.ledger.bad_checksum += 1,
            Err(_) => self.ledger.malformed += 1,
        }
    }

    /// Takes the passing of time.
    pub fn handle_timeout(&mut self, now: Instant) {
        let mut due = std::mem::take(&mut self.due);
        self.wheel.expire(now, &mut due);
        for id in due.drain(..) {
            if let Some(conversation) = self.table.get_mut(id) {
                if now < conversation.hint {
                    continue; // superseded: another hint comes
                }
                conversation.hint = Instant::FAR_FUTURE;
                if conversation.next_timeout(&self.config.limits) <= now {
                    conversation.handle_timeout(&self.config.limits, now);
                }
                self.touched(id);
            }
        }
        self.due = due;
        while self.table.room() > 0 {
            let ledger = &mut self.ledger;
            let Some(turn) = self.turns.due(now, |waiting| lose(ledger, waiting)) else { break };
            self.take_turn(now, turn);
        }
        self.govern(now);
        self.note(now);
    }

    /// Writes the next frame to send into `buffer`, a reset, a segment or else a probe, and returns its length; `None` when
    /// nothing is due.
    pub fn poll_frame(&mut self, now: Instant, buffer: &mut [u8]) -> Option<usize> {
        if let Some(reset) = self.poll_reset() {
            return Some(self.template.write_reset(&reset, buffer));
        }
        if let Some(length) = self.poll_segment(now, buffer) {
            return Some(length);
        }
        let mut probe = [Finished::default()];
        let made = self.poll_probes(now, &mut probe);
        (made > 0).then(|| self.template.write_finished(&probe[0], buffer))
    }

    /// The next reset of what no connection knows, to be written by [`Engine::template`]; `None` when none is due.
    pub fn poll_reset(&mut self) -> Option<Finished> {
        let (tuple, seq) = self.resets.pop_front()?;
        let facts = Facts { address: tuple.remote, port: tuple.remote_port, source_port: tuple.local_port, seq };
        Some(self.template.reset(&facts))
    }

    /// As [`Engine::poll_frame`], of the frames that belong to connections.
    pub fn poll_segment(&mut self, now: Instant, buffer: &mut [u8]) -> Option<usize> {
        while let Some(id) = self.ready.front().copied() {
            if let Some(length) = self.poll_conversation(now, id, buffer) {
                return Some(length);
            }
            self.ready.pop_front();
            self.rest(now, id);
        }
        None
    }

    /// The constant part of its probes, with the clock of the last one.
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// Takes the facts gathered since the last call.
    pub fn take_facts(&mut self) -> Vec<Fact> {
        std::mem::take(&mut self.facts)
    }

    /// Tells whether the writer is behind: no new probes while it is.
    pub fn set_writer_behind(&mut self, behind: bool) {
        self.writer_behind = behind;
    }

    /// Stops probing; what is open is finished.
    pub fn stop(&mut self, now: Instant) {
        if self.phase == Phase::Sweeping {
            self.phase = Phase::Cooldown { until: now + self.config.cooldown };
        }
    }

    /// Tells that probes may be sent as late as `now`, the link having kept them: answers are awaited from then on.
    pub fn put_off(&mut self, now: Instant) {
        self.sweep.put_off(now);
        if let Phase::Cooldown { until } = &mut self.phase {
            *until = (*until).max(now + self.config.cooldown);
        }
    }

    /// Stops probing and resets what is open, and what waits to be.
    pub fn interrupt(&mut self) {
        if self.phase == Phase::Interrupted {
            return;
        }
        self.abandoned = self.open_targets();
        self.phase = Phase::Interrupted;
        self.asks.clear();
        for waiting in self.turns.give_up(|_| true) {
            self.forgo(&waiting);
        }
        let mut last = None;
        while let Some(id) = self.table.next_id(last) {
            if let Some(conversation) = self.table.get_mut(id) {
                conversation.interrupt();
            }
            self.touched(id);
            last = Some(id);
        }
    }

    /// From now on nothing goes to the addresses in `list`, which takes the place of any earlier one: they are not
    /// probed, and what is open or waits is reset. Targets keep their places in the order.
    pub fn block(&mut self, list: Arc<AddressSet>) {
        self.asks.retain(|tuple| !list.contains(tuple.remote));
        for waiting in self.turns.give_up(|address| list.contains(address)) {
            self.forgo(&waiting);
        }
        let mut last = None;
        while let Some(id) = self.table.next_id(last) {
            if let Some(conversation) = self.table.get_mut(id).filter(|open| list.contains(open.tuple.remote)) {
                conversation.block();
                self.touched(id);
            }
            last = Some(id);
        }
        self.blocked = Some(list);
    }

    /// Whether probes are still to be sent.
    pub fn sweeping(&self) -> bool {
        self.phase == Phase::Sweeping
    }

    /// How many probes a target gets.
    pub fn probes(&self) -> u8 {
        self.config.probes
    }

    /// How far the sweep is: from 0 to 1.
    pub fn progress(&self) -> f64 {
        if self.phase != Phase::Sweeping {
            return 1.0;
        }
        self.sweep.progress()
    }

    /// How far the lane is at `now`. It covers the facts given so far; take it for the last time when all is done.
    pub fn checkpoint(&mut self, now: Instant) -> Checkpoint {
        self.settle(now);
        let mut left = self.sweep.left();
        left.again.extend(self.open_targets());
        left.again.extend(&self.abandoned);
        let mut account = self.ledger.named();
        account.extend([("open", self.open()), ("waiting", self.waiting())]);
        Checkpoint { lane: self.config.lane, left, account }
    }

    /// Positions that were walked and are still left, because answers to their probes were due.
    pub fn unsettled(&self) -> u64 {
        self.sweep.unsettled()
    }

    /// The targets that answered and have no row yet.
    fn open_targets(&self) -> Vec<Pair> {
        let open = self.table.entries().map(|conversation| conversation.tuple);
        open.chain(self.turns.tuples()).map(|tuple| (tuple.remote, tuple.remote_port)).collect()
    }

    /// Keeps account of what is settled.
    fn settle(&mut self, now: Instant) {
        match self.phase {
            // Answers are no longer taken.
            Phase::Interrupted => {}
            Phase::Cooldown { until } if now >= until => self.sweep.settle(),
            _ => self.sweep.note(now, self.config.cooldown),
        }
    }

    /// Says every so often how far the lane is.
    fn note(&mut self, now: Instant) {
        self.settle(now);
        if now >= self.checkpoint_at && self.phase != Phase::Interrupted {
            self.checkpoint_at = now + CHECKPOINT_EVERY;
            let checkpoint = self.checkpoint(now);
            self.facts.push(Fact::Checkpoint(Box::new(checkpoint)));
        }
    }

    /// Whether all is done: no probe to send, no answer awaited, no connection open, nobody waiting for a turn.
    pub fn finished(&self, now: Instant) -> bool {
        let awaited = match self.phase {
            Phase::Sweeping => true,
            Phase::Cooldown { until } => now < until,
            Phase::Interrupted => false,
        };
        !awaited && self.table.is_empty() && self.resets.is_empty() && self.turns.is_empty()
    }

    /// Why no probe goes out although targets are left.
    pub fn hold(&self) -> Option<Hold> {
        let (share, by) = self.speed();
        by.filter(|_| share == 0)
    }

    /// Whether anything does, which is asked for each probe.
    #[inline]
    fn held_up(&self) -> bool {
        let none_left = |room: usize, capacity: usize| {
            let (above, range) = beyond_need(room, capacity);
            above < range
        };
        self.writer_behind
            || none_left(self.table.room(), self.config.connections_max)
            || none_left(self.turns.room(), self.turns.capacity())
    }

    /// What slows the sweep down or holds it, if anything does.
    pub fn slowed_by(&self) -> Option<Hold> {
        self.speed().1.filter(|_| self.sweeping())
    }

    /// For how long what has slowed it down.
    pub fn held(&self) -> &Held {
        &self.held
    }

    /// The speed of the sweep, as a share of [`FULL_SPEED`], and what it is limited by: full while a quarter of
    /// the entries is free, none at a sixteenth, which is for the answers under way, in proportion between.
    fn speed(&self) -> (u32, Option<Hold>) {
        if self.writer_behind {
            return (0, Some(Hold::Writer));
        }
        let share = |room: usize, capacity: usize| {
            let (above, range) = beyond_need(room, capacity);
            u32::try_from(above / range).unwrap_or(FULL_SPEED).min(FULL_SPEED)
        };
        let (table, turns) =
            (share(self.table.room(), self.config.connections_max), share(self.turns.room(), self.turns.capacity()));
        match (table, turns) {
            (FULL_SPEED, FULL_SPEED) => (FULL_SPEED, None),
            _ if turns < table => (turns, Some(Hold::Turns)),
            _ => (table, Some(Hold::Table)),
        }
    }

    /// Fits the pace to what is free, and keeps account of it.
    fn govern(&mut self, now: Instant) {
        let (share, by) = self.speed();
        // What is asked again makes room; only the sweep slows down.
        self.pace.slow_down(now, if self.asks.is_empty() { share } else { FULL_SPEED });
        let passed = now - self.held_until;
        self.held_until = now;
        let micros = u64::try_from(passed.as_micros()).unwrap_or(u64::MAX);
        if self.sweeping() {
            match by {
                Some(Hold::Table) => self.held.table_us += micros,
                Some(Hold::Turns) => self.held.turns_us += micros,
                Some(Hold::Writer) => self.held.writer_us += micros,
                None => {}
            }
        }
    }

    /// When something is due next, at the latest.
    pub fn next_timeout(&self, now: Instant) -> Instant {
        let probe = match self.phase {
            Phase::Sweeping if self.hold().is_none() => self.pace.next().max(self.sweep.due()),
            Phase::Cooldown { until } if until > now => until,
            _ => Instant::FAR_FUTURE,
        };
        let ask = if self.asks.is_empty() { Instant::FAR_FUTURE } else { self.pace.next() };
        let turn = if self.table.room() > 0 { self.turns.next_timeout() } else { Instant::FAR_FUTURE };
        let timer = self.wheel.next().unwrap_or(Instant::FAR_FUTURE);
        let now_due = !self.ready.is_empty() || !self.resets.is_empty();
        if now_due { now } else { probe.min(timer).min(ask).min(turn) }
    }

    /// Its account so far.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Connections that ended, by outcome.
    pub fn outcomes(&self) -> &Outcomes {
        &self.outcomes
    }

    /// Connections open now.
    pub fn open(&self) -> u64 {
        self.table.len() as u64
    }

    /// Answers that wait for their turn: another port of their address is being talked to.
    pub fn waiting(&self) -> u64 {
        self.turns.len() as u64
    }

    /// What it takes to know again who has answered, in bytes, all lanes together.
    pub fn answered_bytes(&self) -> u64 {
        self.config.answered.bytes()
    }

    /// Whether the account adds up at this moment: the first equation that does not hold.
    pub fn check(&self) -> Result<(), String> {
        self.ledger.check(self.open(), self.waiting())
    }

    fn handle_segment(&mut self, now: Instant, segment: &Segment<'_>) {
        let tuple = segment.tuple();
        let ahead = segment.ack.wrapping_sub(cookie(self.config.key, tuple).wrapping_add(1));
        if let Some(id) = self.table.find(&tuple) {
            self.ledger.segments += 1;
            if let Some(conversation) = self.table.get_mut(id) {
                conversation.handle_segment(&self.context, &self.config.limits, now, segment);
            }
            self.touched(id);
        } else if segment.has(flags::SYN | flags::ACK) && !segment.has(flags::RST) {
            self.handle_answer(now, segment, ahead);
        } else if segment.has(flags::RST) {
            if self.refuses(segment, ahead) {
                self.handle_refusal(now, segment);
            } else {
                self.ledger.late += 1;
            }
        } else if segment.has(flags::ACK) && ahead <= ACK_WINDOW && self.ours(&tuple) && self.may_answer(&tuple) {
            // RFC 9293, section 3.10.7.1: the peer of a connection that is over learns it at once.
            self.ledger.late += 1;
            // One that waits for its turn has nothing to say yet, and shall not be told off.
            if !self.turns.waits(&tuple) && !self.is_blocked(tuple.remote) {
                self.reset(tuple, segment.ack);
            }
        } else {
            self.ledger.strays += 1;
        }
    }

    /// Gives up what waits.
    fn forgo(&mut self, waiting: &Waiting) {
        lose(&mut self.ledger, waiting);
        if waiting.answered() {
            let segment = waiting.segment();
            self.reset(segment.tuple(), segment.ack);
        }
    }

    /// The caller has seen that there is room.
    fn open_connection(&mut self, now: Instant, protocol: Protocol, syn_ack: &Segment<'_>, of: (Rung, Instant)) {
        let conversation = Conversation::open(&self.context, protocol, now, syn_ack, of);
        if let Ok(id) = self.table.insert(&syn_ack.tuple(), conversation) {
            self.ledger.opened += 1;
            self.touched(id);
        }
    }

    fn take_turn(&mut self, now: Instant, turn: Turn) {
        match turn {
            Turn::Open(waiting) => {
                let segment = waiting.segment();
                if let Some(protocol) = self.protocol(segment.source_port) {
                    self.open_connection(now, protocol, &segment, (waiting.rung, waiting.since));
                }
            }
            Turn::Ask(tuple) => self.asks.push_back(tuple),
            Turn::Nothing => {}
        }
    }

    /// Only who may be probed gets an answer: a forged source must not draw our frames to a blocked address.
    fn may_answer(&self, tuple: &Tuple) -> bool {
        self.config.space.contains(tuple.remote, tuple.remote_port)
    }

    #[inline]
    fn is_blocked(&self, address: u32) -> bool {
        self.blocked.as_ref().is_some_and(|list| list.contains(address))
    }

    fn ours(&self, tuple: &Tuple) -> bool {
        tuple.local == self.config.source && self.config.ports.contains(tuple.local_port)
    }

    fn protocol(&self, port: u16) -> Option<Protocol> {
        self.config.space.protocol(port)
    }

    fn reset(&mut self, tuple: Tuple, seq: u32) {
        if self.resets.len() < RESETS_MAX {
            self.resets.push_back((tuple, seq));
        } else {
            self.ledger.resets_unsent += 1;
        }
    }

    /// A connection may want to send, and its next timeout may have moved.
    fn touched(&mut self, id: Id) {
        let Some(conversation) = self.table.get_mut(id) else { return };
        if !conversation.ready {
            conversation.ready = true;
            self.ready.push_back(id);
        }
    }

    fn poll_conversation(&mut self, now: Instant, id: Id, buffer: &mut [u8]) -> Option<usize> {
        let conversation = self.table.get_mut(id)?;
        let tuple = conversation.tuple;
        let sent = conversation.tcp().poll(now)?;
        self.segment_id = self.segment_id.wrapping_add(1);
        let outgoing = Outgoing {
            tuple,
            seq: sent.seq,
            ack: sent.ack,
            flags: sent.flags,
            window: sent.window,
            mss: None,
            payload: sent.payload,
            id: self.segment_id,
        };
        Some(emit(&self.config.link, &outgoing, buffer))
    }

    /// A connection has nothing to send for now: its row, or its next timeout.
    fn rest(&mut self, now: Instant, id: Id) {
        let Some(conversation) = self.table.get_mut(id) else { return };
        conversation.ready = false;
        if conversation.over() {
            let Tuple { remote: address, remote_port, .. } = conversation.tuple;
            // Of its protocol there is only one copy: that of the scan's services.
            if let (Some(conversation), Some(protocol)) = (self.table.remove(id), self.protocol(remote_port)) {
                let name = self.config.space.name(address, remote_port).map(str::to_owned);
                let (tuple, next_rung) = (conversation.tuple, conversation.next_rung());
                let (outcome, row, chain) = conversation.into_row(protocol, name, self.config.clock, now);
                self.ledger.ended += 1;
                self.outcomes.count(outcome);
                self.facts.push(Fact::Handshake(Box::new(row), chain));
                if let Some(rung) = next_rung {
                    self.ledger.retried += 1;
                    self.turns.again(now, tuple, rung);
                    return;
                }
                let turn = self.turns.next(now, address);
                self.take_turn(now, turn);
            }
            return;
        }
        let next = conversation.next_timeout(&self.config.limits);
        conversation.hint = self.wheel.set_by(next, conversation.hint, id);
    }
}

/// How much room there is beyond what answers under way may need, times [`FULL_SPEED`], and how much makes full speed.
#[inline]
fn beyond_need(room: usize, capacity: usize) -> (usize, usize) {
    let (full, none) = ((capacity / 4).max(1), capacity / 16);
    (room.saturating_sub(none) * FULL_SPEED as usize, (full - none).max(1))
}

/// Counts what waited in vain.
fn lose(ledger: &mut Ledger, waiting: &Waiting) {
    match waiting.rung {
        Rung::Modern => ledger.turns_lost += 1,
        Rung::Bare | Rung::Legacy | Rung::Ssl3 => ledger.retries_lost += 1,
    }
}

/// A key for another purpose, from the run's secret.
fn derived(key: Key, purpose: u32) -> Key {
    Key([key.hash12(0, purpose), key.hash12(1, purpose)])
}

#[cfg(test)]
mod tests;
