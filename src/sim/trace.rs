//! What happened, as one number, and on request as text: two runs of a seed must agree on it.

use crate::base::Instant;
use crate::base::keyed::Key;
use crate::wire::{Segment, flags, parse};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::Ipv4Addr;

/// Lines of text kept: the last ones.
const LINES_MAX: usize = 200_000;

/// Which way a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From us.
    Out,
    /// To us.
    In,
}

/// Initial sequence numbers of a flow, as far as seen: ours, theirs.
type Starts = (Option<u32>, Option<u32>);

/// The events so far.
#[derive(Debug, Default)]
pub struct Trace {
    digest: u64,
    events: u64,
    /// By remote address, remote port and our port.
    starts: BTreeMap<(u32, u16, u16), Starts>,
    lines: Option<Vec<String>>,
}

impl Trace {
    /// A trace that also keeps text if `verbose`.
    pub fn new(verbose: bool) -> Self {
        Self { lines: verbose.then(Vec::new), ..Self::default() }
    }

    /// The events as one number. Payload bytes are not part of it: TLS draws them anew each time.
    pub const fn digest(&self) -> u64 {
        self.digest
    }

    /// How many events there were.
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// The text, a line for each event.
    pub fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }

    /// A frame is put on the link (`what` says its fate) or arrives (`what` says the verdict).
    pub fn frame(&mut self, now: Instant, way: Way, what: &str, frame: &[u8]) {
        self.events += 1;
        self.mix(now.as_nanos());
        self.mix(way as u64 | (frame.len() as u64) << 8);
        self.text(what);
        let line = match parse::segment(frame) {
            Ok(segment) => self.segment(way, &segment),
            Err(error) => format!("{error:?}, {} bytes", frame.len()),
        };
        self.line(now, &format!("{} {what:<16} {line}", if way == Way::Out { "->" } else { "<-" }));
    }

    /// Something else happened.
    pub fn note(&mut self, now: Instant, text: &str) {
        self.events += 1;
        self.mix(now.as_nanos());
        self.text(text);
        self.line(now, text);
    }

    fn segment(&mut self, way: Way, segment: &Segment<'_>) -> String {
        let (remote, port, local) = match way {
            Way::Out => (segment.destination, segment.destination_port, segment.source_port),
            Way::In => (segment.source, segment.source_port, segment.destination_port),
        };
        let start = self.starts.entry((remote, port, local)).or_default();
        if segment.has(flags::SYN) {
            let _ = match way {
                Way::Out => start.0.get_or_insert(segment.seq),
                Way::In => start.1.get_or_insert(segment.seq),
            };
        }
        let (ours, theirs) = (start.0.unwrap_or(0), start.1.unwrap_or(0));
        let (from, to) = if way == Way::Out { (ours, theirs) } else { (theirs, ours) };
        let (seq, ack) = (segment.seq.wrapping_sub(from), segment.ack.wrapping_sub(to));
        self.mix(u64::from(remote) << 32 | u64::from(port) << 16 | u64::from(local));
        self.mix(u64::from(seq) << 32 | u64::from(ack));
        self.mix(u64::from(segment.flags) << 48 | u64::from(segment.window) << 32 | segment.payload.len() as u64);
        if self.lines.is_none() {
            return String::new();
        }
        let names = [(flags::SYN, 'S'), (flags::FIN, 'F'), (flags::RST, 'R'), (flags::PSH, 'P'), (flags::ACK, '.')];
        let set: String = names.iter().filter(|(flag, _)| segment.has(*flag)).map(|(_, name)| name).collect();
        let peer = Ipv4Addr::from(remote);
        let (length, window) = (segment.payload.len(), segment.window);
        format!("{peer}:{port} us:{local} [{set}] seq {seq} ack {ack} win {window} len {length}")
    }

    fn text(&mut self, text: &str) {
        for chunk in text.as_bytes().chunks(8) {
            let word = chunk.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
            self.mix(word);
        }
    }

    fn mix(&mut self, value: u64) {
        self.digest = Key([self.digest, 0x7472_6163_6500]).hash12(value, 0);
    }

    fn line(&mut self, now: Instant, text: &str) {
        let Some(lines) = &mut self.lines else { return };
        if lines.len() >= LINES_MAX {
            lines.drain(..LINES_MAX / 2);
        }
        let mut line = String::new();
        // Writing to a String cannot fail.
        let _ = write!(line, "{:>14.6} {text}", now.as_nanos() as f64 / 1e9);
        lines.push(line);
    }
}
