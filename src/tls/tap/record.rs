//! The record layer of one direction (RFC 8446, section 5.1; RFC 6101, section 5.2): bytes in any portions become
//! portions of records.

/// Longest record payload: 2^14 bytes and what encryption may add (RFC 5246, section 6.2.3).
pub(in crate::tls) const PAYLOAD_MAX: usize = (1 << 14) + 2_048;
/// Length of a record's header.
pub(in crate::tls) const HEADER: usize = 5;

/// What a record carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tls) enum Content {
    ChangeCipherSpec,
    Alert,
    Handshake,
    ApplicationData,
    /// RFC 6520.
    Heartbeat,
}

/// A record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tls) struct Header {
    pub(in crate::tls) content: Content,
    pub(in crate::tls) version: u16,
    pub(in crate::tls) length: u16,
}

/// A part of a record's payload: never empty unless the record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tls) struct Portion<'a> {
    pub(in crate::tls) header: Header,
    pub(in crate::tls) bytes: &'a [u8],
    /// The record's first.
    pub(in crate::tls) first: bool,
    /// The record's last.
    pub(in crate::tls) last: bool,
}

/// These bytes are no record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tls) struct NotTls;

/// The deframer: holds a header, never a payload.
#[derive(Debug, Default)]
pub(in crate::tls) struct Records {
    partial: [u8; HEADER],
    have: usize,
    current: Option<(Header, u16)>,
}

impl Records {
    /// Takes the next portion off the front of `bytes`; `None` when more bytes are needed.
    pub(in crate::tls) fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Option<Portion<'a>>, NotTls> {
        let (header, left) = match self.current {
            Some(current) => current,
            None => match self.header(bytes)? {
                Some(header) => (header, header.length),
                None => return Ok(None),
            },
        };
        if bytes.is_empty() && left > 0 {
            self.current = Some((header, left));
            return Ok(None);
        }
        let first = left == header.length;
        let count = bytes.len().min(usize::from(left));
        let (portion, rest) = bytes.split_at(count);
        *bytes = rest;
        #[expect(clippy::cast_possible_truncation, reason = "at most `left`")]
        let left = left - count as u16;
        self.current = (left > 0).then_some((header, left));
        Ok(Some(Portion { header, bytes: portion, first, last: left == 0 }))
    }

    /// Passes over `count` bytes that are missing, if they lie within one record: its header.
    pub(super) fn skip(&mut self, count: u64) -> Option<Header> {
        let (header, left) = self.current?;
        let left = left.checked_sub(u16::try_from(count).ok()?)?;
        self.current = (left > 0).then_some((header, left));
        Some(header)
    }

    fn header(&mut self, bytes: &mut &[u8]) -> Result<Option<Header>, NotTls> {
        let count = bytes.len().min(HEADER - self.have);
        let (now, rest) = bytes.split_at(count);
        self.partial[self.have..self.have + count].copy_from_slice(now);
        self.have += count;
        *bytes = rest;
        let content = match (self.have, self.partial[0]) {
            (0, _) => return Ok(None),
            (_, 20) => Content::ChangeCipherSpec,
            (_, 21) => Content::Alert,
            (_, 22) => Content::Handshake,
            (_, 23) => Content::ApplicationData,
            (_, 24) => Content::Heartbeat,
            _ => return Err(NotTls),
        };
        if self.have > 1 && self.partial[1] != 3 {
            return Err(NotTls);
        }
        if self.have < HEADER {
            return Ok(None);
        }
        self.have = 0;
        let [_, major, minor, high, low] = self.partial;
        let length = u16::from_be_bytes([high, low]);
        if usize::from(length) > PAYLOAD_MAX {
            return Err(NotTls);
        }
        Ok(Some(Header { content, version: u16::from_be_bytes([major, minor]), length }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8], step: usize) -> Result<Vec<(Content, Vec<u8>)>, NotTls> {
        let (mut records, mut found, mut payload) = (Records::default(), Vec::new(), Vec::new());
        for mut chunk in bytes.chunks(step) {
            while let Some(portion) = records.next(&mut chunk)? {
                payload.extend_from_slice(portion.bytes);
                if portion.last {
                    found.push((portion.header.content, std::mem::take(&mut payload)));
                }
            }
        }
        Ok(found)
    }

    #[test]
    fn any_portions_give_the_same_records() {
        let bytes =
            [22, 3, 1, 0, 3, 1, 2, 3, 21, 3, 0, 0, 2, 2, 40, 23, 3, 3, 0, 0, 20, 3, 3, 0, 1, 1, 24, 3, 2, 0, 1, 1];
        let whole = vec![
            (Content::Handshake, vec![1, 2, 3]),
            (Content::Alert, vec![2, 40]),
            (Content::ApplicationData, vec![]),
            (Content::ChangeCipherSpec, vec![1]),
            (Content::Heartbeat, vec![1]),
        ];
        for step in 1..=bytes.len() {
            assert_eq!(all(&bytes, step), Ok(whole.clone()), "{step}");
        }
    }

    #[test]
    fn other_protocols_are_recognised_at_their_first_bytes() {
        assert_eq!(all(b"220 ready\r\n", 1), Err(NotTls));
        assert_eq!(all(&[22, 2], 2), Err(NotTls));
        assert_eq!(all(&[22, 3, 1, 0x48, 0x01], 5), Err(NotTls), "a record of 18,433 bytes");
        assert_eq!(all(&[22, 3, 1, 0x48], 5), Ok(vec![]));
    }
}
