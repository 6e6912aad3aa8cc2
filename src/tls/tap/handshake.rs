//! Handshake messages from record payloads (RFC 8446, section 4): a message may span records, a record may hold
//! several.

/// Longest message kept: a certificate chain of the longest kind seen, several times over.
const BODY_MAX: usize = 256 << 10;
const HEADER: usize = 4;

/// Types of handshake messages (IANA, TLS HandshakeType).
pub(in crate::tls) mod kind {
    pub(in crate::tls) const HELLO_REQUEST: u8 = 0;
    pub(in crate::tls) const CLIENT_HELLO: u8 = 1;
    pub(in crate::tls) const SERVER_HELLO: u8 = 2;
    pub(in crate::tls) const NEW_SESSION_TICKET: u8 = 4;
    pub(in crate::tls) const HELLO_RETRY_REQUEST: u8 = 6;
    pub(in crate::tls) const ENCRYPTED_EXTENSIONS: u8 = 8;
    pub(in crate::tls) const CERTIFICATE: u8 = 11;
    pub(in crate::tls) const SERVER_KEY_EXCHANGE: u8 = 12;
    pub(in crate::tls) const CERTIFICATE_REQUEST: u8 = 13;
    pub(in crate::tls) const SERVER_HELLO_DONE: u8 = 14;
    pub(in crate::tls) const CERTIFICATE_VERIFY: u8 = 15;
    pub(in crate::tls) const CLIENT_KEY_EXCHANGE: u8 = 16;
    pub(in crate::tls) const FINISHED: u8 = 20;
    pub(in crate::tls) const CERTIFICATE_STATUS: u8 = 22;
}

/// Reassembles messages; holds at most one.
#[derive(Debug, Default)]
pub(in crate::tls) struct Messages {
    header: [u8; HEADER],
    have: usize,
    left: usize,
    body: Vec<u8>,
    too_long: bool,
    /// Bytes of the message under way are missing.
    holed: bool,
}

impl Messages {
    /// Bytes kept of a message under way.
    pub(super) fn held(&self) -> usize {
        self.body.capacity()
    }

    /// The message under way: its type, and what of its body has come; `None` if bytes of it are missing.
    pub(super) fn under_way(&self) -> Option<(u8, &[u8])> {
        (self.have == HEADER && !self.holed).then_some((self.header[0], &self.body[..]))
    }

    /// A message has begun and is not complete.
    pub(in crate::tls) const fn is_partial(&self) -> bool {
        self.have > 0
    }

    /// Passes over `count` bytes that are missing, if they lie within one message; it is not given then.
    pub(super) fn skip(&mut self, count: usize) -> bool {
        let within = self.have == HEADER && count <= self.left;
        if within {
            self.left -= count;
            (self.holed, self.body) = (true, Vec::new());
        }
        if within && self.left == 0 {
            (self.have, self.holed) = (0, false);
        }
        within
    }

    /// Takes the first complete message off the front of `bytes` and gives it to `each`, with its type; false when
    /// more bytes are needed. A message that is too long is given as `None`.
    pub(in crate::tls) fn next(&mut self, bytes: &mut &[u8], each: impl FnOnce(u8, Option<&[u8]>)) -> bool {
        if self.have < HEADER {
            let count = bytes.len().min(HEADER - self.have);
            self.header[self.have..self.have + count].copy_from_slice(&bytes[..count]);
            self.have += count;
            *bytes = &bytes[count..];
            if self.have < HEADER {
                return false;
            }
            let [_, high, middle, low] = self.header;
            self.left = u32::from_be_bytes([0, high, middle, low]) as usize;
            self.too_long = self.left > BODY_MAX;
        }
        let count = bytes.len().min(self.left);
        let (now, rest) = bytes.split_at(count);
        let whole = count == self.left && self.body.is_empty();
        if !self.too_long && !self.holed && !whole {
            self.body.extend_from_slice(now);
        }
        *bytes = rest;
        self.left -= count;
        if self.left > 0 {
            return false;
        }
        self.have = 0;
        if std::mem::take(&mut self.holed) {
            return true;
        }
        let body = std::mem::take(&mut self.body);
        let complete = if whole { now } else { &body };
        each(self.header[0], (!self.too_long).then_some(complete));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8], step: usize) -> Vec<(u8, Option<Vec<u8>>)> {
        let (mut messages, mut found) = (Messages::default(), Vec::new());
        for mut chunk in bytes.chunks(step) {
            while !chunk.is_empty() {
                messages.next(&mut chunk, |kind, body| found.push((kind, body.map(<[u8]>::to_vec))));
            }
        }
        found
    }

    #[test]
    fn any_portions_give_the_same_messages() {
        let bytes = [2, 0, 0, 3, 7, 8, 9, 14, 0, 0, 0, 20, 0, 0, 1, 5];
        let whole = vec![(2, Some(vec![7, 8, 9])), (14, Some(vec![])), (20, Some(vec![5]))];
        for step in 1..=bytes.len() {
            assert_eq!(all(&bytes, step), whole, "{step}");
        }
    }

    #[test]
    fn a_message_that_is_too_long_is_skipped_and_not_kept() {
        let length = BODY_MAX + 1;
        let mut bytes = vec![11, 4, 0, 1];
        assert_eq!(length, 0x04_00_01);
        bytes.resize(HEADER + length, 0);
        bytes.extend_from_slice(&[14, 0, 0, 0]);
        assert_eq!(all(&bytes, 1_000), [(11, None), (14, Some(vec![]))]);
    }
}
