//! What a routing table announces: IPv4 prefixes with their origin ASes, as disjoint ranges of addresses.
//!
//! Read are MRT dumps (RFC 6396: TABLE_DUMP and TABLE_DUMP_V2, unicast) and the text lists made of such dumps: pyasn's
//! (`prefix AS`), CAIDA's (`address length AS_AS,AS`), and ranges as those of iptoasn.com and ip-location-db (`first,last,AS`,
//! also with tabs), which are taken as the prefixes that they consist of. Decompression is the caller's.
//!
//! A prefix may have several origins: several peers of the collector see different ones, or a path ends in an
//! AS_SET, all of whose members count (RFC 6472 deprecates them). The one that most peers see comes first, of equals
//! the smallest number. Of overlapping prefixes the most specific one counts, as in forwarding.

use super::cidr::{AddressSet, Range, around};
use super::saved::prefixes;
use bgpkit_parser::models::{AsPathSegment, Attributes, MrtMessage, TableDumpV2Message, TableDumpV2Type};
use bgpkit_parser::{ParserError, chunk_mrt_record};
use std::io::{BufRead, Read};
use std::net::Ipv4Addr;

/// Shorter prefixes are no announcements of networks: default routes, and mistakes. IANA allocates /8 at most.
const SHORTEST: u8 = 8;

/// Why a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RibError {
    /// The file ends within a record, or cannot be read.
    #[error("unreadable after {0} records: {1}. Next step: fetch the file again")]
    Broken(u64, String),
    /// A line that is no prefix with its AS.
    #[error(
        "line {0}: `{1}` is no prefix with its AS, as in 198.18.0.0/15 64496, nor a range as in 198.18.0.0,198.19.255.255,64496"
    )]
    Line(u64, String),
    /// Nothing in it.
    #[error(
        "no IPv4 route in {0} records. Next step: give a dump of a routing table (a `rib` or `bview` file), not of updates"
    )]
    Empty(u64),
}

/// A prefix and one of its origins, seen by some peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Route {
    first: u32,
    length: u8,
    origin: Option<u32>,
    in_set: bool,
    peers: u32,
}

/// The routes of a table.
#[derive(Debug, Default)]
pub struct Rib {
    routes: Vec<Route>,
    /// Records or lines read.
    pub records: u64,
    /// Records that could not be understood.
    pub unreadable: u64,
    /// Routes left out because their prefix is shorter than /8, the default route for one.
    pub too_short: u64,
}

/// Addresses whose most specific announced prefix is the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// First and last address.
    pub range: Range,
    /// That prefix: its first address and its length.
    pub prefix: (u32, u8),
    /// Its origins, the one that most peers see first, then ascending.
    pub origins: Vec<u32>,
    /// Some of them come from an AS_SET.
    pub as_set: bool,
}

impl Rib {
    /// Reads a table; calls `progress` with the number of records now and then.
    ///
    /// # Errors
    /// The input ends too early or is something else.
    pub fn read(mut input: impl BufRead, progress: &mut dyn FnMut(u64)) -> Result<Self, RibError> {
        let mut rib = Self::default();
        let broken = |error: std::io::Error| RibError::Broken(0, error.to_string());
        // The header of an MRT record has zeros in the numbers of its type.
        let text = input.fill_buf().map_err(broken)?.iter().take(16).all(|byte| (b'\t'..=b'~').contains(byte));
        if text {
            rib.read_text(input, progress)?
        } else {
            rib.read_mrt(input, progress)?
        }
        rib.settle();
        if rib.routes.is_empty() { Err(RibError::Empty(rib.records)) } else { Ok(rib) }
    }

    fn read_mrt(&mut self, mut input: impl Read, progress: &mut dyn FnMut(u64)) -> Result<(), RibError> {
        loop {
            let record = match chunk_mrt_record(&mut input) {
                Ok(record) => record,
                Err(error) => match error.error {
                    ParserError::EofExpected => return Ok(()),
                    // A record of a kind that the parser does not know; what follows it is readable.
                    ParserError::Unsupported(_) | ParserError::ParseError(_) => {
                        self.records += 1;
                        self.unreadable += 1;
                        continue;
                    }
                    other => return Err(RibError::Broken(self.records, other.to_string())),
                },
            };
            self.records += 1;
            if self.records.is_multiple_of(1 << 14) {
                progress(self.records);
            }
            match record.parse() {
                Ok(record) => self.take_message(&record.message),
                Err(_) => self.unreadable += 1,
            }
        }
    }

    fn take_message(&mut self, message: &MrtMessage) {
        let from = self.routes.len();
        match message {
            MrtMessage::TableDumpMessage(entry) => self.take(&entry.prefix.prefix, &entry.attributes),
            MrtMessage::TableDumpMessageBatch(entries) => {
                for entry in entries {
                    self.take(&entry.prefix.prefix, &entry.attributes);
                }
            }
            MrtMessage::TableDumpV2Message(TableDumpV2Message::RibAfi(entries)) => {
                use TableDumpV2Type::{RibIpv4Unicast, RibIpv4UnicastAddPath};
                if matches!(entries.rib_type, RibIpv4Unicast | RibIpv4UnicastAddPath) {
                    for entry in &entries.rib_entries {
                        self.take(&entries.prefix.prefix, &entry.attributes);
                    }
                }
            }
            _ => {}
        }
        // A record has an entry for each of dozens of peers, nearly all with the same origin.
        merge(&mut self.routes, from);
    }

    fn take(&mut self, prefix: &ipnet::IpNet, attributes: &Attributes) {
        let ipnet::IpNet::V4(prefix) = prefix else { return };
        let path = attributes.effective_as_path();
        let in_set = path.as_ref().is_some_and(|path| matches!(path.segments.last(), Some(AsPathSegment::AsSet(_))));
        let mut origins = path.iter().flat_map(|path| path.iter_origins()).map(u32::from).peekable();
        if origins.peek().is_none() {
            return self.route(prefix.addr().into(), prefix.prefix_len(), None, false);
        }
        for origin in origins {
            self.route(prefix.addr().into(), prefix.prefix_len(), Some(origin), in_set);
        }
    }

    fn read_text(&mut self, input: impl BufRead, progress: &mut dyn FnMut(u64)) -> Result<(), RibError> {
        for line in input.lines() {
            let line = line.map_err(|error| RibError::Broken(self.records, error.to_string()))?;
            self.records += 1;
            if self.records.is_multiple_of(1 << 14) {
                progress(self.records);
            }
            let text = line.split([';', '#']).next().unwrap_or_default().trim();
            if !text.is_empty() && self.take_line(text).is_none() {
                return Err(RibError::Line(self.records, line));
            }
        }
        Ok(())
    }

    /// `None` if it is no line of such a list.
    fn take_line(&mut self, line: &str) -> Option<()> {
        if let Some(done) = self.take_range(line) {
            return Some(done);
        }
        let mut words = line.split_ascii_whitespace();
        let (address, length, ases) = match (words.next()?, words.next()?, words.next()) {
            (prefix, ases, None) => {
                let (address, length) = prefix.split_once('/')?;
                (address, length, ases)
            }
            (address, length, Some(ases)) => (address, length, ases),
        };
        if address.parse::<std::net::Ipv6Addr>().is_ok() {
            return Some(());
        }
        let address = u32::from(address.parse::<Ipv4Addr>().ok()?);
        let length = length.parse().ok().filter(|length| *length <= 32)?;
        // CAIDA: several origins are joined by `_`, the members of a set by `,`.
        for origin in ases.split('_') {
            let in_set = origin.contains(',');
            for member in origin.split(',') {
                self.route(address, length, Some(member.parse().ok()?), in_set);
            }
        }
        Some(())
    }

    /// `None` if it is no range of addresses with its AS. AS 0 stands for none.
    fn take_range(&mut self, line: &str) -> Option<()> {
        let mut fields = line.split([',', '\t']).map(|field| field.trim_matches(['"', ' ']));
        let (first, last, origin) = (fields.next()?, fields.next()?, fields.next()?);
        let [Ok(first), Ok(last)] = [first, last].map(str::parse::<std::net::IpAddr>) else { return None };
        let origin: u32 = origin.strip_prefix("AS").unwrap_or(origin).parse().ok()?;
        let (std::net::IpAddr::V4(first), std::net::IpAddr::V4(last)) = (first, last) else { return Some(()) };
        let (first, last) = (u32::from(first), u32::from(last));
        if origin == 0 || first > last {
            return (origin == 0).then_some(());
        }
        // Of what is wider than a /8 each /8 by itself: several of them in a row are no mistake here.
        for eighth in first >> 24..=last >> 24 {
            let whole = around(eighth << 24, SHORTEST);
            for (address, length) in prefixes((first.max(whole.0), last.min(whole.1))) {
                self.route(address, u8::try_from(length).ok()?, Some(origin), false);
            }
        }
        Some(())
    }

    fn route(&mut self, address: u32, length: u8, origin: Option<u32>, in_set: bool) {
        if length < SHORTEST {
            self.too_short += 1;
        } else {
            self.routes.push(Route { first: around(address, length).0, length, origin, in_set, peers: 1 });
        }
    }

    fn settle(&mut self) {
        merge(&mut self.routes, 0);
        self.routes.shrink_to_fit();
    }

    /// How many distinct prefixes there are.
    pub fn prefixes(&self) -> usize {
        self.routes.chunk_by(same_prefix).count()
    }

    /// The announced addresses that are in `wanted`, as disjoint ranges, ascending.
    pub fn announced(&self, wanted: &AddressSet) -> Vec<Announced> {
        let mut all = Vec::new();
        // The prefixes around the current place, shortest first, and up to where each is told.
        let mut around_here: Vec<&[Route]> = Vec::new();
        let mut told = 0u64;
        let tell = |all: &mut Vec<Announced>, told: &mut u64, routes: &[Route], end: u64| {
            #[expect(clippy::cast_possible_truncation, reason = "both are addresses, the end is behind the begin")]
            if *told < end {
                all.push(Announced::of(routes, (*told as u32, (end - 1) as u32)));
                *told = end;
            }
        };
        // A shorter prefix comes before the longer ones inside it.
        for routes in self.routes.chunk_by(same_prefix) {
            let begin = u64::from(routes[0].first);
            while let Some(outer) = around_here.pop_if(|outer| end_of(outer) <= begin) {
                tell(&mut all, &mut told, outer, end_of(outer));
            }
            if let Some(outer) = around_here.last() {
                tell(&mut all, &mut told, outer, begin);
            }
            told = begin;
            around_here.push(routes);
        }
        while let Some(outer) = around_here.pop() {
            tell(&mut all, &mut told, outer, end_of(outer));
        }
        clipped(all, wanted)
    }
}

fn same_prefix(one: &Route, other: &Route) -> bool {
    (one.first, one.length) == (other.first, other.length)
}

/// First address behind a prefix.
fn end_of(routes: &[Route]) -> u64 {
    u64::from(around(routes[0].first, routes[0].length).1) + 1
}

/// Sorts the routes from `from` on and adds up the peers of equal ones.
fn merge(routes: &mut Vec<Route>, from: usize) {
    let tail = &mut routes[from..];
    tail.sort_unstable();
    let mut kept = from;
    for at in from..routes.len() {
        let next = routes[at];
        let same =
            |known: &Route| Route { peers: 0, in_set: false, ..*known } == Route { peers: 0, in_set: false, ..next };
        if kept > from && same(&routes[kept - 1]) {
            routes[kept - 1].peers += next.peers;
            routes[kept - 1].in_set |= next.in_set;
        } else {
            routes[kept] = next;
            kept += 1;
        }
    }
    routes.truncate(kept);
}

impl Announced {
    fn of(routes: &[Route], range: Range) -> Self {
        let mut origins: Vec<u32> = routes.iter().filter_map(|route| route.origin).collect();
        let most = routes
            .iter()
            .filter(|route| route.origin.is_some())
            .max_by_key(|route| (route.peers, std::cmp::Reverse(route.origin)));
        if let Some(most) = most.and_then(|route| origins.iter().position(|origin| Some(*origin) == route.origin)) {
            origins[..=most].rotate_right(1);
        }
        let as_set = routes.iter().any(|route| route.in_set);
        Self { range, prefix: (routes[0].first, routes[0].length), origins, as_set }
    }
}

/// What of `all` is in `wanted`. Both are ascending.
fn clipped(all: Vec<Announced>, wanted: &AddressSet) -> Vec<Announced> {
    let mut left = Vec::with_capacity(all.len());
    let mut windows = wanted.ranges().peekable();
    for announced in all {
        let (first, last) = announced.range;
        while windows.next_if(|window| window.1 < first).is_some() {}
        while let Some(&window) = windows.peek().filter(|window| window.0 <= last) {
            let range = (first.max(window.0), last.min(window.1));
            left.push(Announced { range, ..announced.clone() });
            if window.1 > last {
                break;
            }
            windows.next();
        }
    }
    left
}

#[cfg(test)]
mod tests;
