//! Whose turn it is: at most one connection at a time to one address, over all ports and all lanes.
//!
//! The sweep is stateless and in random order, so a second port of an address may answer while the first is
//! being talked to. Its handshake is then not completed: what the SYN-ACK said is kept, and the connection is
//! opened from it when the turn comes. A half-open connection lives as long as its host repeats the SYN-ACK,
//! each time after about twice the time before (RFC 6298, section 5.5). About the time that a repetition is due it
//! may just be given up, so nothing is sent until that is known. One whose repetition is overdue has been given up,
//! or never was more than an answer. Such a host is asked again by repeating the very same
//! SYN, as any client would: a half-open connection repeats its SYN-ACK, a forgotten one begins anew, and the
//! answer comes to the same lane. (A SYN from another port would come to any lane, and a RST before it could
//! overtake it.)
//!
//! A server that answered no ClientHello gets a further connection, with another one. It waits at the head of its address's
//! queue, and is opened by the same SYN too.
//!
//! Bounded: answers that wait, times that a host is asked.

use crate::base::{Duration, Instant};
use crate::session::Rung;
use crate::wire::{Segment, Tuple, flags};
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A host repeats its SYN-ACK after this long for the first time (RFC 6298, section 2.1).
const FIRST_REPETITION: Duration = Duration::from_secs(1);
/// How long before it is due the next repetition is left to decide: our acknowledgement shall be there in time.
const FLIGHT: Duration = Duration::from_millis(250);
/// How long after the next repetition was due a host is taken to have given up.
const DECISION: Duration = Duration::from_secs(1);
/// How long a further connection waits after the one before it, so that nothing of that is under way any more: a
/// straggler is answered by a reset, which would hit the new connection.
const REST: Duration = Duration::from_secs(3);
/// How long the answer to a repeated SYN is awaited.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// How often a SYN is repeated before the target is given up.
const ASK_MAX: u8 = 3;
/// How often a lane looks whether another lane has finished with an address.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Locks that share the addresses, so that lanes do not meet.
const SHARDS: usize = 64;

/// The addresses that are being talked to, by any lane: what the lanes of a run share, and nothing else.
#[derive(Debug)]
pub struct Claims {
    lanes: AtomicU32,
    shards: [Mutex<HashSet<u32>>; SHARDS],
}

impl Default for Claims {
    fn default() -> Self {
        Self { lanes: AtomicU32::new(0), shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Claims {
    /// How many addresses are claimed.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, address: u32) -> MutexGuard<'_, HashSet<u32>> {
        // Neighbours differ in their low bits.
        self.shards[address as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether `address` was free, and now is not.
    fn claim(&self, address: u32) -> bool {
        self.shard(address).insert(address)
    }

    fn release(&self, address: u32) {
        self.shard(address).remove(&address);
    }
}

/// An answer that waits: what a connection is opened from.
#[derive(Debug)]
pub(super) struct Waiting {
    tuple: Tuple,
    seq: u32,
    ack: u32,
    window: u16,
    ttl: u8,
    options: Box<[u8]>,
    /// When it came first: the wait is counted from here.
    pub(super) since: Instant,
    /// What is offered.
    pub(super) rung: Rung,
    /// First and last SYN-ACK of this half-open connection. None before a further connection's SYN is answered.
    heard: Option<(Instant, Instant)>,
}

impl Waiting {
    fn new(now: Instant, syn_ack: &Segment<'_>) -> Self {
        Self {
            tuple: syn_ack.tuple(),
            seq: syn_ack.seq,
            ack: syn_ack.ack,
            window: syn_ack.window,
            ttl: syn_ack.ttl,
            options: syn_ack.options.into(),
            since: now,
            rung: Rung::Modern,
            heard: Some((now, now)),
        }
    }

    /// A further connection, for which a SYN has to go first.
    fn again(now: Instant, tuple: Tuple, rung: Rung) -> Self {
        Self { tuple, seq: 0, ack: 0, window: 0, ttl: 0, options: Box::default(), since: now, rung, heard: None }
    }

    /// There is a half-open connection, as far as we know.
    pub(super) const fn answered(&self) -> bool {
        self.heard.is_some()
    }

    /// The SYN-ACK, without the data it may have carried: unacknowledged, its sender repeats them.
    pub(super) fn segment(&self) -> Segment<'_> {
        Segment {
            source: self.tuple.remote,
            destination: self.tuple.local,
            source_port: self.tuple.remote_port,
            destination_port: self.tuple.local_port,
            seq: self.seq,
            ack: self.ack,
            flags: flags::SYN | flags::ACK,
            window: self.window,
            ttl: self.ttl,
            id: 0,
            options: &self.options,
            payload: &[],
        }
    }

    fn repeated(&mut self, now: Instant, syn_ack: &Segment<'_>) {
        let first = self.heard.filter(|_| self.seq == syn_ack.seq).map_or(now, |(first, _)| first);
        let (since, rung) = (self.since, self.rung);
        *self = Self { since, rung, heard: Some((first, now)), ..Self::new(now, syn_ack) };
    }

    /// What is to be expected of its host. One that gives up does so when the next repetition would be due: our
    /// acknowledgement, or its answer to a repeated SYN, would then cross the end of the half-open connection, and
    /// be met by a reset.
    fn half_open(&self, now: Instant) -> HalfOpen {
        let Some((first, last)) = self.heard else { return HalfOpen::Overdue };
        let interval = (last - first) + FIRST_REPETITION;
        let decided = last + interval + DECISION;
        if now <= last + (interval - FLIGHT.max(interval / 8)) {
            HalfOpen::Alive
        } else if now < decided {
            HalfOpen::AtItsEnd { until: decided }
        } else {
            HalfOpen::Overdue
        }
    }
}

/// How a half-open connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HalfOpen {
    /// Its host waits for our acknowledgement, and will for a while.
    Alive,
    /// Its host repeats its SYN-ACK about now or gives up: known at `until`.
    AtItsEnd { until: Instant },
    /// The repetition did not come.
    Overdue,
}

/// What an address's queue waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The connection that this lane has open.
    Connection,
    /// A connection, perhaps another lane's, of whose end nobody tells.
    AnyLane,
    /// The answer to the `times`-th repetition of the SYN, until `until` (far off until it is sent); with none sent
    /// yet, the SYN-ACK that its host may repeat by itself.
    Answer { times: u8, until: Instant },
}

impl State {
    /// A SYN was sent.
    fn asked(self) -> bool {
        matches!(self, Self::Answer { times, until } if times > 1 || times == 1 && until < Instant::FAR_FUTURE)
    }
}

#[derive(Debug)]
struct Queue {
    state: State,
    /// Never empty.
    waiting: VecDeque<Waiting>,
}

/// What an address's turn leads to.
#[derive(Debug)]
pub(super) enum Turn {
    /// Open this one.
    Open(Waiting),
    /// Repeat the SYN of this one.
    Ask(Tuple),
    /// Nothing now: nobody is left and the address is free, or its time comes.
    Nothing,
}

/// A SYN-ACK of a target that answered before.
#[derive(Debug)]
pub(super) enum Repetition {
    /// It does not wait.
    Unknown,
    /// It goes on waiting.
    Waits,
    /// It was asked again, and this is the answer: open it.
    Open(Waiting),
}

/// One lane's queues.
#[derive(Debug)]
pub(super) struct Turns {
    claims: std::sync::Arc<Claims>,
    queues: BTreeMap<u32, Queue>,
    waiting: usize,
    waiting_max: usize,
    /// When to look at an address again: its half-open connection has been decided on, or a repeated SYN answered.
    looks: BTreeSet<(Instant, u32)>,
    /// The same of addresses that may be another lane's, in order of time.
    others: VecDeque<(Instant, u32)>,
}

impl Turns {
    pub(super) fn new(claims: std::sync::Arc<Claims>, waiting_max: usize) -> Self {
        claims.lanes.fetch_add(1, Ordering::Relaxed);
        Self {
            claims,
            queues: BTreeMap::new(),
            waiting: 0,
            waiting_max,
            looks: BTreeSet::new(),
            others: VecDeque::new(),
        }
    }

    /// How many answers wait.
    pub(super) const fn len(&self) -> usize {
        self.waiting
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// How many may wait.
    pub(super) const fn capacity(&self) -> usize {
        self.waiting_max
    }

    /// How many more may.
    pub(super) const fn room(&self) -> usize {
        self.waiting_max.saturating_sub(self.waiting)
    }

    /// Whether a connection to `address` may be opened now; if so, it is this lane's until [`Turns::next`]
    /// says that it is free.
    pub(super) fn claim(&mut self, address: u32) -> bool {
        !self.queues.contains_key(&address) && self.claims.claim(address)
    }

    /// Gives back a claim that led to nothing.
    pub(super) fn release(&mut self, address: u32) {
        self.claims.release(address);
    }

    /// Keeps the answer of an address that could not be claimed until its turn comes. False if too many wait.
    pub(super) fn wait(&mut self, now: Instant, syn_ack: &Segment<'_>) -> bool {
        if self.room() == 0 {
            return false;
        }
        self.waiting += 1;
        let waiting = Waiting::new(now, syn_ack);
        let address = syn_ack.source;
        if let Some(queue) = self.queues.get_mut(&address) {
            queue.waiting.push_back(waiting);
            return true;
        }
        let alone = self.claims.lanes.load(Ordering::Relaxed) == 1;
        let state = if alone { State::Connection } else { State::AnyLane };
        if state == State::AnyLane {
            self.others.push_back((now + LOOK_EVERY, address));
        }
        self.queues.insert(address, Queue { state, waiting: VecDeque::from([waiting]) });
        true
    }

    /// All that wait.
    pub(super) fn tuples(&self) -> impl Iterator<Item = Tuple> {
        self.queues.values().flat_map(|queue| queue.waiting.iter().map(|waiting| waiting.tuple))
    }

    /// Whether an answer on `tuple` waits.
    pub(super) fn waits(&self, tuple: &Tuple) -> bool {
        let queue = self.queues.get(&tuple.remote);
        let answered = |waiting: &Waiting| waiting.tuple == *tuple && waiting.answered();
        queue.is_some_and(|queue| queue.waiting.iter().any(answered))
    }

    /// A further connection is due to the target of `tuple`, whose connection is over: it is next at its address.
    pub(super) fn again(&mut self, now: Instant, tuple: Tuple, rung: Rung) {
        // However many wait already: it leaves an entry of the connection table for this one.
        self.waiting += 1;
        let waiting = Waiting::again(now, tuple, rung);
        let queue = self.queues.entry(tuple.remote);
        queue
            .or_insert_with(|| Queue { state: State::Connection, waiting: VecDeque::new() })
            .waiting
            .push_front(waiting);
        self.look_at(tuple.remote, now + REST, 0);
    }

    /// Takes a SYN-ACK of a target that answered before. `room`: whether a connection could be opened now.
    pub(super) fn repeated(&mut self, now: Instant, syn_ack: &Segment<'_>, room: bool) -> Repetition {
        let tuple = syn_ack.tuple();
        let Some(queue) = self.queues.get_mut(&tuple.remote) else { return Repetition::Unknown };
        let Some(place) = queue.waiting.iter().position(|waiting| waiting.tuple == tuple) else {
            return Repetition::Unknown;
        };
        // Of a further connection nothing can have come before its SYN went: this is a straggler.
        if !queue.waiting[place].answered() && !queue.state.asked() {
            return Repetition::Unknown;
        }
        queue.waiting[place].repeated(now, syn_ack);
        if place > 0 || !room || !matches!(queue.state, State::Answer { .. }) {
            return Repetition::Waits;
        }
        self.pop(tuple.remote).map_or(Repetition::Unknown, Repetition::Open)
    }

    /// The turn of `address`, whose connection is over.
    pub(super) fn next(&mut self, now: Instant, address: u32) -> Turn {
        let Some(queue) = self.queues.get_mut(&address) else {
            self.claims.release(address);
            return Turn::Nothing;
        };
        let Some(first) = queue.waiting.front() else { return Turn::Nothing };
        match first.half_open(now) {
            HalfOpen::Alive => self.pop(address).map_or(Turn::Nothing, Turn::Open),
            HalfOpen::AtItsEnd { until } => {
                self.look_at(address, until, 0);
                Turn::Nothing
            }
            HalfOpen::Overdue => self.ask(address, 1),
        }
    }

    /// A further address whose time has come, and what it leads to; ends those who were asked in vain and
    /// hands them to `lost`. Call it until `None`, and only while there is room for a connection.
    pub(super) fn due(&mut self, now: Instant, mut lost: impl FnMut(&Waiting)) -> Option<Turn> {
        while let Some((at, address)) = self.others.front().copied().filter(|(at, _)| *at <= now) {
            self.others.pop_front();
            if self.queues.get(&address).is_none_or(|queue| queue.state != State::AnyLane) {
                continue;
            }
            if self.claims.claim(address) {
                return Some(self.next(now, address));
            }
            self.others.push_back((at.max(now) + LOOK_EVERY, address));
        }
        while let Some((at, address)) = self.looks.first().copied().filter(|(at, _)| *at <= now) {
            self.looks.pop_first();
            let Some(queue) = self.queues.get(&address) else { continue };
            let State::Answer { times, until } = queue.state else { continue };
            let (true, Some(first)) = (until == at, queue.waiting.front()) else { continue };
            match first.half_open(now) {
                HalfOpen::AtItsEnd { until } => self.look_at(address, until, times),
                HalfOpen::Overdue if times < ASK_MAX => return Some(self.ask(address, times + 1)),
                HalfOpen::Overdue => {
                    if let Some(first) = self.pop(address) {
                        lost(&first);
                    }
                    return Some(self.next(now, address));
                }
                HalfOpen::Alive => return Some(self.next(now, address)),
            }
        }
        None
    }

    /// When something is due next.
    pub(super) fn next_timeout(&self) -> Instant {
        let fronts = [self.others.front(), self.looks.first()];
        fronts.into_iter().flatten().map(|(at, _)| *at).min().unwrap_or(Instant::FAR_FUTURE)
    }

    /// Gives up all that wait at the addresses that `whose` says. Those with an open connection stay claimed until that
    /// ends.
    pub(super) fn give_up(&mut self, whose: impl Fn(u32) -> bool) -> Vec<Waiting> {
        let mut all = Vec::new();
        self.queues.retain(|address, queue| {
            let stays = !whose(*address);
            if !stays {
                if matches!(queue.state, State::Answer { .. }) {
                    self.claims.release(*address);
                }
                all.extend(queue.waiting.drain(..));
            }
            stays
        });
        self.waiting -= all.len();
        self.looks.retain(|(_, address)| !whose(*address));
        self.others.retain(|(_, address)| !whose(*address));
        all
    }

    /// The SYN that was to be repeated has been.
    pub(super) fn sent(&mut self, now: Instant, address: u32) {
        if let Some(State::Answer { times, .. }) = self.queues.get(&address).map(|queue| queue.state) {
            self.look_at(address, now + ASK_EVERY, times);
        }
    }

    fn look_at(&mut self, address: u32, until: Instant, times: u8) {
        if let Some(queue) = self.queues.get_mut(&address) {
            queue.state = State::Answer { times, until };
            self.looks.insert((until, address));
        }
    }

    fn ask(&mut self, address: u32, times: u8) -> Turn {
        let Some(queue) = self.queues.get_mut(&address) else { return Turn::Nothing };
        queue.state = State::Answer { times, until: Instant::FAR_FUTURE };
        queue.waiting.front().map_or(Turn::Nothing, |waiting| Turn::Ask(waiting.tuple))
    }

    /// Takes the first out of its queue: the connection is this lane's.
    fn pop(&mut self, address: u32) -> Option<Waiting> {
        let queue = self.queues.get_mut(&address)?;
        queue.state = State::Connection;
        let first = queue.waiting.pop_front();
        self.waiting -= usize::from(first.is_some());
        if queue.waiting.is_empty() {
            self.queues.remove(&address);
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_not_opened_when_its_host_is_about_to_give_up() {
        let tuple = Tuple { remote: 1, local: 2, remote_port: 25, local_port: 61_000 };
        let at = |millis| Instant::ZERO + Duration::from_millis(millis);
        let waiting = |first, last| Waiting {
            tuple,
            seq: 0,
            ack: 0,
            window: 0,
            ttl: 64,
            options: Box::default(),
            since: at(first),
            rung: Rung::Modern,
            heard: Some((at(first), at(last))),
        };
        // A SYN-ACK sent at 0, 1, 3, 7, 15 and 31 s; its host gives up at 63 s (Linux's default).
        let half_open = waiting(0, 31_000);
        assert_eq!(half_open.half_open(at(59_000)), HalfOpen::Alive);
        let at_its_end = HalfOpen::AtItsEnd { until: at(64_000) };
        assert_eq!(half_open.half_open(at(62_999)), at_its_end, "the reset would meet our acknowledgement");
        assert_eq!(half_open.half_open(at(63_100)), at_its_end, "or the answer to a repeated SYN");
        assert_eq!(half_open.half_open(at(64_000)), HalfOpen::Overdue);
        assert_eq!(waiting(0, 0).half_open(at(750)), HalfOpen::Alive);
        assert_eq!(waiting(0, 0).half_open(at(751)), HalfOpen::AtItsEnd { until: at(2_000) });
    }
}
