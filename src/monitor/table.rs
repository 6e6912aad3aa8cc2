//! The connections that are known, by addresses and ports: bounded, the one that was silent longest goes first.

use super::account::Account;
use super::capture::Captured;
use super::conversation::{Conversation, Known};
use super::packet::{self, Address, Segment, Unusable};
use super::streams::Streams;
use super::{Config, Recorded, recognise, row};
use crate::base::UtcMicros;
use crate::dialogue::Direction;
use crate::record::row::Connection;
use crate::targets::ports::Protocol;
use crate::wire::flags;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};

/// After this time without a packet a connection is over, in microseconds.
const SILENCE: i64 = 300_000_000;
/// How long a closed connection is still read, for what comes late, in microseconds.
const LINGER: i64 = 5_000_000;
/// How long it is kept in mind, so that what is sent again after its close is not taken for a connection, in microseconds: as
/// long as hosts do (TIME-WAIT).
const QUIET_TIME: i64 = 60_000_000;
/// How long after the close the connection's own SYN is a straggler, in microseconds: later it opens another connection, as
/// scanners do that derive the SYN from the target.
const STRAGGLER: i64 = 1_000_000;
/// How long what comes of a released connection was under way already, in microseconds.
const UNDER_WAY: i64 = 1_000_000;
/// How far the clock of captures in a row may go back, in microseconds: packets at the seam of two files may be exchanged.
const BACK: i64 = 1_000_000;
/// No neighbour in a list.
const NONE: u32 = u32::MAX;

/// An address and a port.
pub type End = (Address, u16);

/// A connection by its ends, the lower one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow(pub End, pub End);

/// The lists by time of the last packet: of connections that go on, of those that were closed or released, and of those closed of
/// which nothing more is read.
const OPEN: usize = 0;
const CLOSING: usize = 1;
const QUIET: usize = 2;

/// How far a connection is.
#[derive(Debug)]
enum State {
    /// It is being read.
    Reading(Box<Reading>),
    /// Nothing more of it is of interest.
    Read,
}

#[derive(Debug)]
struct Reading {
    row: Connection,
    last: UtcMicros,
    streams: Streams,
    conversation: Conversation,
    /// What was held of it when the total was last put right.
    held: usize,
    /// How it ended, once it did.
    end: &'static str,
}

#[derive(Debug)]
struct Entry {
    client: End,
    server: End,
    /// Sequence number of the client's SYN.
    syn: Option<u32>,
    state: State,
    /// A FIN came from the client, from the server.
    fins: [bool; 2],
    seen: UtcMicros,
    /// When it was closed, if it is.
    closed: UtcMicros,
    /// When it was last said that nothing more of it is wanted, or agreed to that.
    released: Option<UtcMicros>,
    list: usize,
    before: u32,
    after: u32,
}

/// A list of entries, oldest first.
#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    last: u32,
}

/// The monitor: packets in, rows out.
#[derive(Debug)]
pub struct Monitor {
    services: Box<[Option<Protocol>]>,
    config: Config,
    index: HashMap<(End, End), u32>,
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    lists: [List; 3],
    held: usize,
    /// Connections that are being read.
    reading: u64,
    now: UtcMicros,
    account: Account,
    recorded: VecDeque<Recorded>,
}

impl Monitor {
    /// A monitor that has seen nothing.
    pub fn new(config: Config) -> Self {
        let mut services = vec![None; 1 << 16].into_boxed_slice();
        for service in &config.services {
            services[usize::from(service.port)] = Some(service.protocol);
        }
        Self {
            services,
            config,
            index: HashMap::new(),
            entries: Vec::new(),
            free: Vec::new(),
            lists: [List { first: NONE, last: NONE }; 3],
            held: 0,
            reading: 0,
            now: UtcMicros(i64::MIN),
            account: Account::default(),
            recorded: VecDeque::new(),
        }
    }

    /// Takes the next packet. Says of which connection nothing more is wanted, if that is the case from this packet on:
    /// whoever can keep its packets away may do so, and [`release`](Self::release) it.
    pub fn handle(&mut self, captured: &Captured<'_>) -> Option<Flow> {
        self.account.packets += 1;
        match packet::segment(captured) {
            Ok(segment) => self.segment(&segment, captured.time),
            Err(unusable) => {
                *self.unusable(unusable) += 1;
                None
            }
        }
    }

    /// Another file begins, with a packet of this time. Files in a row are one stream, as capture programs write them: a connection
    /// goes on in the next. If time goes back they are not, and every connection is over.
    pub fn next_file(&mut self, first: UtcMicros) {
        if first.0 < self.now.0.saturating_sub(BACK) {
            self.finish();
            self.now = first;
        }
    }

    /// Nothing more of this connection will come but what is under way: it is forgotten soon. Should more come after all,
    /// [`handle`](Self::handle) says so again.
    pub fn release(&mut self, flow: &Flow) {
        let Some(&at) = self.index.get(&(flow.0, flow.1)) else { return };
        self.unlink(at);
        let now = self.now;
        if let Some(entry) = self.entry_mut(at) {
            entry.released = Some(now);
        }
        self.link(at, CLOSING);
    }

    /// The next connection that is to be recorded.
    pub fn poll(&mut self) -> Option<Recorded> {
        self.recorded.pop_front()
    }

    /// Time passes without packets.
    pub fn tick(&mut self, now: UtcMicros) {
        self.now = self.now.max(now);
        self.expire();
    }

    /// Nothing more will come: every connection is over.
    pub fn finish(&mut self) {
        for list in [QUIET, CLOSING, OPEN] {
            while self.lists[list].first != NONE {
                self.remove(self.lists[list].first, "capture_ended");
            }
        }
    }

    /// Where everything went.
    pub fn account(&self) -> Account {
        Account { open: self.reading, ..self.account }
    }

    /// Connections that are kept in mind.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Bytes kept of all connections until more come.
    pub const fn held(&self) -> usize {
        self.held
    }

    /// None is.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    const fn unusable(&mut self, unusable: Unusable) -> &mut u64 {
        match unusable {
            Unusable::Link => &mut self.account.unknown_link,
            Unusable::NotIp => &mut self.account.not_ip,
            Unusable::Fragment => &mut self.account.fragments,
            Unusable::NotTcp => &mut self.account.not_tcp,
            Unusable::Cut => &mut self.account.cut,
            Unusable::Malformed => &mut self.account.malformed,
        }
    }

    fn service(&self, port: u16) -> Option<Protocol> {
        self.services[usize::from(port)]
    }

    fn segment(&mut self, segment: &Segment<'_>, time: UtcMicros) -> Option<Flow> {
        let known = self.service(segment.source.1).is_some() || self.service(segment.destination.1).is_some();
        if !known && !self.config.any_port {
            self.account.other_ports += 1;
            return None;
        }
        self.now = self.now.max(time);
        self.expire();
        let key = key(segment);
        let mut at = self.index.get(&key).copied();
        if let Some(old) = at
            && self.begins_anew(old, segment, time)
        {
            self.remove(old, "reused");
            at = None;
        }
        let Some(at) = at.or_else(|| self.open(key, segment, time)) else {
            self.account.strays += 1;
            return None;
        };
        self.take(at, segment, time).then_some(Flow(key.0, key.1))
    }

    /// A SYN of another connection between the same ports. The same SYN is a repetition, unless it comes long after the
    /// close, or time has gone back: then another capture has begun that has the connection too.
    fn begins_anew(&self, at: u32, segment: &Segment<'_>, time: UtcMicros) -> bool {
        let Some(entry) = self.entry(at) else { return false };
        let syn = segment.has(flags::SYN) && !segment.has(flags::ACK);
        // Without a SYN seen, one that comes late can be its own: then it has seen nothing yet.
        syn && match entry.syn {
            Some(seq) => {
                let since = time.0.saturating_sub(entry.closed.0);
                let late = time < entry.seen || since > STRAGGLER;
                seq != segment.seq || segment.source != entry.client || (entry.list != OPEN && late)
            }
            None => entry.list != OPEN || matches!(&entry.state, State::Read),
        }
    }

    /// Begins a connection, if the segment shows that there is one.
    fn open(&mut self, key: (End, End), segment: &Segment<'_>, time: UtcMicros) -> Option<u32> {
        let syn = segment.has(flags::SYN);
        if segment.has(flags::RST) || (!syn && segment.length == 0) {
            return None;
        }
        let from_server = if syn { segment.has(flags::ACK) } else { self.is_servers(segment) };
        let (client, server) =
            if from_server { (segment.destination, segment.source) } else { (segment.source, segment.destination) };
        let service = self.service(server.1);
        if service.is_none() && !self.config.any_port {
            return None;
        }
        if self.index.len() >= self.config.connections_max {
            self.evict();
        }
        let clients_syn = syn && !from_server;
        let known = Known { service, any_port: self.config.any_port, midstream: !syn, server_first: from_server };
        let row = Connection {
            time,
            client_ip: text(client.0),
            server_ip: text(server.0),
            server_ipv4: ipv4(server.0),
            client_port: client.1,
            server_port: server.1,
            midstream: !clients_syn,
            ..Connection::default()
        };
        let reading = Reading {
            row,
            last: time,
            streams: Streams::default(),
            conversation: Conversation::new(known),
            held: 0,
            end: "capture_ended",
        };
        let entry = Entry {
            client,
            server,
            syn: clients_syn.then_some(segment.seq),
            state: State::Reading(Box::new(reading)),
            fins: [false; 2],
            seen: self.now,
            closed: self.now,
            released: None,
            list: OPEN,
            before: NONE,
            after: NONE,
        };
        self.account.connections += 1;
        self.reading += 1;
        let at = match self.free.pop() {
            Some(at) => {
                self.entries[at as usize] = Some(entry);
                at
            }
            None => {
                self.entries.push(Some(entry));
                u32::try_from(self.entries.len() - 1).unwrap_or(NONE)
            }
        };
        self.link(at, OPEN);
        self.index.insert(key, at);
        Some(at)
    }

    /// Whether a segment of a connection in midstream comes from the server: by what it says, else by the ports.
    fn is_servers(&self, segment: &Segment<'_>) -> bool {
        if recognise::surely_client_hello(segment.payload) {
            return false;
        }
        if recognise::server_hello(segment.payload) {
            return true;
        }
        match (self.service(segment.source.1).is_some(), self.service(segment.destination.1).is_some()) {
            (true, false) => true,
            (false, true) => false,
            _ => segment.source.1 < segment.destination.1,
        }
    }

    /// Says whether nothing more of the connection is wanted from here on.
    fn take(&mut self, at: u32, segment: &Segment<'_>, time: UtcMicros) -> bool {
        let now = self.now;
        self.unlink(at);
        let Some(entry) = self.entries[at as usize].as_mut() else { return false };
        entry.seen = now;
        let from = if segment.source == entry.client { Direction::Client } else { Direction::Server };
        let side = usize::from(from == Direction::Server);
        entry.fins[side] |= segment.has(flags::FIN);
        let mut list = entry.list;
        let (mut over, mut again) = (false, false);
        match &mut entry.state {
            State::Read => {
                self.account.after_handshake += 1;
                if entry.fins == [true; 2] || segment.has(flags::RST) {
                    list = list.max(CLOSING);
                }
                again = entry.released.is_some_and(|released| now.0 - released.0 > UNDER_WAY);
                if again {
                    entry.released = Some(now);
                }
            }
            State::Reading(reading) => {
                self.account.taken += 1;
                reading.count(from, segment, time);
                if segment.has(flags::SYN) && from == Direction::Client {
                    reading.row.midstream = false;
                    entry.syn.get_or_insert(segment.seq);
                }
                let Reading { streams, conversation, .. } = &mut **reading;
                streams.segment(from, segment, now, &mut |event| conversation.take(event));
                if segment.has(flags::RST) && reading.streams.believes_reset(from, segment.seq) {
                    (list, reading.end) = (CLOSING, "reset");
                } else if reading.streams.closed() && list == OPEN {
                    (list, reading.end) = (CLOSING, "closed");
                }
                let held = reading.streams.held() + reading.conversation.held();
                self.held = self.held - reading.held + held;
                reading.held = held;
                over = reading.conversation.over() || reading.conversation.hopeless();
                if over {
                    reading.end = "handshake_over";
                }
            }
        }
        if list == CLOSING && entry.list == OPEN {
            entry.closed = now;
        }
        self.link(at, list);
        if over {
            self.read(at);
        }
        while self.held > self.config.bytes_max && !self.index.is_empty() {
            self.evict();
        }
        over || again
    }

    /// Ends the reading of a connection: its row, if it has one.
    fn read(&mut self, at: u32) {
        let Some(entry) = self.entries[at as usize].as_mut() else { return };
        let State::Reading(reading) = std::mem::replace(&mut entry.state, State::Read) else { return };
        let Reading { mut row, last, mut streams, mut conversation, held, end } = *reading;
        self.held -= held;
        self.reading -= 1;
        streams.finish(&mut |event| conversation.take(event));
        row.end = end;
        row.duration_us = u64::try_from(last.0.saturating_sub(row.time.0)).unwrap_or(0);
        match conversation.finish() {
            Some(shown) => {
                self.account.recorded += 1;
                self.account.with_gaps += u64::from(shown.gaps > 0);
                self.recorded.push_back(row::recorded(shown, row));
            }
            None => self.account.unrecognised += 1,
        }
    }

    /// Forgets a connection. `end`: how it ended, if it had not before.
    fn remove(&mut self, at: u32, end: &'static str) {
        self.unlink(at);
        if let Some(entry) = self.entries[at as usize].as_mut()
            && let State::Reading(reading) = &mut entry.state
            && entry.list == OPEN
        {
            reading.end = end;
        }
        self.read(at);
        if let Some(entry) = self.entries[at as usize].take() {
            self.index.remove(&ordered(entry.client, entry.server));
            self.free.push(at);
        }
    }

    fn evict(&mut self) {
        let oldest = [QUIET, CLOSING, OPEN].map(|list| self.lists[list].first);
        if let Some(at) = oldest.into_iter().find(|at| *at != NONE) {
            let reading = |entry: &Entry| entry.list == OPEN && matches!(entry.state, State::Reading(_));
            self.account.evicted += u64::from(self.entry(at).is_some_and(reading));
            self.remove(at, "evicted");
        }
    }

    fn expire(&mut self) {
        for (list, after) in [(OPEN, SILENCE), (CLOSING, LINGER), (QUIET, QUIET_TIME)] {
            while let Some(entry) = self.entry(self.lists[list].first)
                && self.now.0.saturating_sub(entry.seen.0) > after
            {
                let (at, released) = (self.lists[list].first, entry.released.is_some());
                if list == CLOSING && !released {
                    self.read(at);
                    self.unlink(at);
                    self.link(at, QUIET);
                } else {
                    self.remove(at, "silent");
                }
            }
        }
    }

    fn entry(&self, at: u32) -> Option<&Entry> {
        self.entries.get(at as usize)?.as_ref()
    }

    fn entry_mut(&mut self, at: u32) -> Option<&mut Entry> {
        self.entries.get_mut(at as usize)?.as_mut()
    }

    /// Puts an entry at the young end of a list.
    fn link(&mut self, at: u32, list: usize) {
        let last = self.lists[list].last;
        if let Some(entry) = self.entry_mut(at) {
            (entry.list, entry.before, entry.after) = (list, last, NONE);
        }
        match self.entry_mut(last) {
            Some(before) => before.after = at,
            None => self.lists[list].first = at,
        }
        self.lists[list].last = at;
    }

    fn unlink(&mut self, at: u32) {
        let Some((list, before, after)) = self.entry(at).map(|entry| (entry.list, entry.before, entry.after)) else {
            return;
        };
        match self.entry_mut(before) {
            Some(entry) => entry.after = after,
            None => self.lists[list].first = after,
        }
        match self.entry_mut(after) {
            Some(entry) => entry.before = before,
            None => self.lists[list].last = before,
        }
    }
}

impl Reading {
    fn count(&mut self, from: Direction, segment: &Segment<'_>, time: UtcMicros) {
        let row = &mut self.row;
        row.time = row.time.min(time);
        self.last = self.last.max(time);
        let (packets, bytes) = match from {
            Direction::Client => (&mut row.packets_client, &mut row.bytes_client),
            Direction::Server => (&mut row.packets_server, &mut row.bytes_server),
        };
        *packets = packets.saturating_add(1);
        *bytes += u64::from(segment.length);
    }
}

fn key(segment: &Segment<'_>) -> (End, End) {
    ordered(segment.source, segment.destination)
}

fn ordered(one: End, other: End) -> (End, End) {
    if one <= other { (one, other) } else { (other, one) }
}

fn text(address: Address) -> String {
    let address = Ipv6Addr::from_bits(address);
    address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4).to_string()
}

fn ipv4(address: Address) -> Option<u32> {
    Ipv6Addr::from_bits(address).to_ipv4_mapped().map(u32::from)
}
