//! Lines out of a byte stream, split anywhere, and text that is safe to show.
//!
//! LF ends a line. CRs directly before it belong to the line end (CRLF, and the CR CR LF of some servers); a
//! CR elsewhere is content, so a peer that ends lines by CR alone never completes one (RFC 5321, section
//! 2.3.8, knows CRLF only). A line that arrives in one piece is lent, not copied; while none is under way
//! nothing is allocated.

use std::borrow::Cow;

/// Splits one direction of a stream into lines.
#[derive(Clone, Debug)]
pub struct Lines {
    /// Bytes kept of one line.
    limit: u32,
    /// Most lines come whole: what a connection holds for the others is a pointer.
    under_way: Option<Box<UnderWay>>,
}

/// A line of which a part has come.
#[derive(Clone, Debug, Default)]
struct UnderWay {
    /// Its begin, at most `limit + LINE_END` bytes.
    kept: Vec<u8>,
    /// It is longer than `kept`.
    overflow: bool,
}

/// Room beyond the limit, so that the CRs of the line end do not count as content.
const LINE_END: usize = 2;

/// A line without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// At most the limit's bytes.
    bytes: Cow<'a, [u8]>,
    /// The line was longer.
    cut: bool,
}

impl Lines {
    /// A splitter that keeps `limit` bytes of each line and skips the rest.
    pub fn new(limit: usize) -> Self {
        Self { limit: u32::try_from(limit).unwrap_or(u32::MAX), under_way: None }
    }

    /// Takes bytes up to and including the first LF: how many it took (all, if there is no LF), and the
    /// line that ended there.
    pub fn take<'a>(&mut self, bytes: &'a [u8]) -> (usize, Option<Line<'a>>) {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let part = &bytes[..end.unwrap_or(bytes.len())];
        let limit = self.limit();
        let before = self.under_way.as_ref().map_or(0, |line| line.kept.len());
        let kept = &part[..part.len().min(limit + LINE_END - before)];
        let overflow = kept.len() < part.len();
        let Some(end) = end else {
            if !part.is_empty() {
                self.under_way.get_or_insert_default().add(kept, overflow);
            }
            return (part.len(), None);
        };
        let line = match self.under_way.take() {
            None => Line::new(Cow::Borrowed(kept), limit, overflow),
            Some(mut line) => {
                line.add(kept, overflow);
                line.finish(limit)
            }
        };
        (end + 1, Some(line))
    }

    /// The unfinished line, at the end of the stream.
    pub fn rest(&mut self) -> Option<Line<'static>> {
        self.under_way.take().map(|line| line.finish(self.limit()))
    }

    /// Some bytes of an unfinished line have come.
    pub fn under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// The unfinished line as far as it has come.
    pub fn so_far(&self) -> Line<'_> {
        let (kept, overflow) = self.under_way.as_ref().map_or((&[][..], false), |line| (&line.kept, line.overflow));
        Line::new(Cow::Borrowed(kept), self.limit(), overflow)
    }

    /// Forgets the unfinished line.
    pub fn clear(&mut self) {
        self.under_way = None;
    }

    fn limit(&self) -> usize {
        self.limit as usize
    }
}

impl UnderWay {
    fn add(&mut self, part: &[u8], overflow: bool) {
        self.kept.extend_from_slice(part);
        self.overflow |= overflow;
    }

    fn finish(self, limit: usize) -> Line<'static> {
        Line::new(Cow::Owned(self.kept), limit, self.overflow)
    }
}

impl<'a> Line<'a> {
    fn new(bytes: Cow<'a, [u8]>, limit: usize, overflow: bool) -> Self {
        // What overflowed has lost its end: a CR there is content.
        let end = bytes.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1);
        let content = if overflow { bytes.len() } else { end };
        let cut = overflow || content > limit;
        let len = content.min(limit);
        let bytes = match bytes {
            Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[..len]),
            Cow::Owned(mut bytes) => {
                bytes.truncate(len);
                Cow::Owned(bytes)
            }
        };
        Self { bytes, cut }
    }

    /// The bytes kept, without the line end.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The line was longer than what is kept.
    pub fn cut(&self) -> bool {
        self.cut
    }

    /// The line as [`text`].
    pub fn text(&self) -> String {
        text(&self.bytes)
    }
}

/// Bytes as UTF-8 text in which nothing can hurt a terminal or a CSV file: what is not UTF-8, and every
/// control character but TAB (C0, DEL, C1), becomes U+FFFD.
pub fn text(bytes: &[u8]) -> String {
    let plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
    let lossy = String::from_utf8_lossy(bytes);
    if bytes.iter().all(plain) {
        return lossy.into_owned();
    }
    if lossy.contains(hostile) { lossy.replace(hostile, "\u{fffd}") } else { lossy.into_owned() }
}

fn hostile(c: char) -> bool {
    c.is_control() && c != '\t'
}

/// The first word of a line and what follows it; blanks (space, TAB) around words are skipped.
pub fn word(bytes: &[u8]) -> (&[u8], &[u8]) {
    let bytes = bytes.trim_ascii();
    let end = bytes.iter().position(|byte| is_blank(*byte)).unwrap_or(bytes.len());
    (&bytes[..end], bytes[end..].trim_ascii_start())
}

/// The words of a line, in order.
pub fn words(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| is_blank(*byte)).filter(|word| !word.is_empty())
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

#[cfg(test)]
mod tests;
