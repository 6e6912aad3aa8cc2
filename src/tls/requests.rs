//! HelloRequests taken out of what a server sends in the clear: they may come at any time, are to be ignored, and are no
//! part of the handshake (RFC 5246, section 7.4.1.1). rustls ends the handshake at one.

use super::tap::record::{HEADER, PAYLOAD_MAX};

const HANDSHAKE: u8 = 22;
const ALERT: u8 = 21;
const MESSAGE_HEADER: usize = 4;

/// The filter: holds a record that is not whole, which rustls could not read either.
#[derive(Debug, Default)]
pub(super) struct Requests {
    record: Vec<u8>,
    /// Begin of the header of the message under way.
    header: [u8; MESSAGE_HEADER],
    have: usize,
    /// Bytes that its body still has.
    left: usize,
}

impl Requests {
    /// Appends to `to` the bytes of whole records without the HelloRequests in them. False once all that follows is to be
    /// passed on as it is: it is encrypted, or no TLS.
    pub(super) fn filter(&mut self, bytes: &[u8], to: &mut Vec<u8>) -> bool {
        self.record.extend_from_slice(bytes);
        let mut waiting = std::mem::take(&mut self.record);
        let mut rest = &waiting[..];
        while let [content, more @ ..] = rest {
            let foreign = more.first().is_some_and(|major| *major != 3);
            if !matches!(*content, HANDSHAKE | ALERT) || foreign {
                return self.end(rest, to);
            }
            let Some((header, payload)) = rest.split_at_checked(HEADER) else { break };
            let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
            if length > PAYLOAD_MAX {
                return self.end(rest, to);
            }
            let Some((payload, next)) = payload.split_at_checked(length) else { break };
            if *content == ALERT || payload.is_empty() {
                to.extend_from_slice(&rest[..HEADER + length]);
            } else if !self.messages(header, payload, to) {
                to.extend_from_slice(next);
                return false;
            }
            rest = next;
        }
        let done = waiting.len() - rest.len();
        if done < waiting.len() {
            waiting.drain(..done);
            self.record = waiting;
        }
        true
    }

    /// Passes on a record of messages; false if one has the type of a HelloRequest and a body, which none has.
    fn messages(&mut self, header: &[u8], payload: &[u8], to: &mut Vec<u8>) -> bool {
        let begin = to.len();
        to.extend_from_slice(header);
        let mut rest = payload;
        let mut sound = true;
        while !rest.is_empty() {
            if self.have < MESSAGE_HEADER {
                let (now, more) = rest.split_at(rest.len().min(MESSAGE_HEADER - self.have));
                self.header[self.have..self.have + now.len()].copy_from_slice(now);
                self.have += now.len();
                rest = more;
                let [kind, high, middle, low] = self.header;
                if kind != 0 {
                    to.extend_from_slice(now);
                }
                if self.have < MESSAGE_HEADER {
                    break;
                }
                self.left = u32::from_be_bytes([0, high, middle, low]) as usize;
                if kind == 0 && self.left > 0 {
                    to.extend_from_slice(&self.header);
                    to.extend_from_slice(rest);
                    sound = false;
                    break;
                }
            }
            let (now, more) = rest.split_at(rest.len().min(self.left));
            to.extend_from_slice(now);
            self.left -= now.len();
            rest = more;
            if self.left == 0 {
                self.have = 0;
            }
        }
        let length = to.len() - begin - HEADER;
        if length == 0 {
            to.truncate(begin);
        } else {
            let length = u16::try_from(length).unwrap_or(u16::MAX);
            to[begin + HEADER - 2..begin + HEADER].copy_from_slice(&length.to_be_bytes());
        }
        sound
    }

    /// Passes on the rest as it is, after what was held back of a header that did not come to its end.
    fn end(&mut self, rest: &[u8], to: &mut Vec<u8>) -> bool {
        if self.have > 0 && self.have < MESSAGE_HEADER && self.header[0] == 0 {
            #[expect(clippy::cast_possible_truncation, reason = "less than a header")]
            to.extend_from_slice(&[HANDSHAKE, 3, 3, 0, self.have as u8]);
            to.extend_from_slice(&self.header[..self.have]);
        }
        to.extend_from_slice(rest);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: [u8; 4] = [0; 4];
    const HELLO: [u8; 7] = [2, 0, 0, 3, 0, 0, 0];
    const DONE: [u8; 4] = [14, 0, 0, 0];
    const ENCRYPTED: [u8; 6] = [20, 3, 3, 0, 1, 1];

    fn record(payload: &[u8]) -> Vec<u8> {
        [&[HANDSHAKE, 3, 3, 0, u8::try_from(payload.len()).expect("a short one")], payload].concat()
    }

    fn filtered(bytes: &[u8], step: usize) -> Vec<u8> {
        let (mut requests, mut to, mut clear) = (Requests::default(), Vec::new(), true);
        for chunk in bytes.chunks(step) {
            if clear {
                clear = requests.filter(chunk, &mut to);
            } else {
                to.extend_from_slice(chunk);
            }
        }
        to
    }

    #[track_caller]
    fn becomes(bytes: &[u8], due: &[u8]) {
        for step in 1..=bytes.len() {
            assert_eq!(filtered(bytes, step), due, "in pieces of {step}");
        }
    }

    #[test]
    fn requests_go_wherever_they_stand_and_however_they_are_cut() {
        let due = [record(&HELLO), record(&DONE), ENCRYPTED.to_vec()].concat();
        // Alone, several in a record, between and after other messages.
        becomes(&[record(&REQUEST), due.clone()].concat(), &due);
        becomes(&[record(&[REQUEST; 3].concat()), due.clone()].concat(), &due);
        let mixed = [record(&[&REQUEST[..], &HELLO, &REQUEST].concat()), record(&DONE), ENCRYPTED.to_vec()].concat();
        becomes(&mixed, &due);
        // Cut across records, with the next message in the same one.
        let cut = [record(&[0]), record(&[0, 0]), record(&[&[0][..], &HELLO].concat())].concat();
        becomes(&[cut, record(&DONE), ENCRYPTED.to_vec()].concat(), &due);
        // Zeros within a message, though cut at each of its bytes, are no request.
        let split: Vec<u8> = HELLO.iter().flat_map(|byte| record(&[*byte])).collect();
        becomes(&[&split[..], &ENCRYPTED].concat(), &[&split[..], &ENCRYPTED].concat());
    }

    #[test]
    fn what_is_encrypted_or_no_request_or_no_tls_passes_as_it_is() {
        becomes(&[ENCRYPTED.to_vec(), record(&REQUEST)].concat(), &[ENCRYPTED.to_vec(), record(&REQUEST)].concat());
        becomes(b"HTTP/1.1 400 Bad Request\r\n", b"HTTP/1.1 400 Bad Request\r\n");
        let alert = [21, 3, 3, 0, 2, 1, 90];
        becomes(&[&alert[..], &record(&HELLO)].concat(), &[&alert[..], &record(&HELLO)].concat());
        // A request with a body is none.
        let body = record(&[0, 0, 0, 1, 7]);
        becomes(&[&body[..], &record(&REQUEST)].concat(), &[&body[..], &record(&REQUEST)].concat());
        // Too long a record, and half a request before encryption.
        becomes(&[22, 3, 3, 0x48, 1, 0, 0], &[22, 3, 3, 0x48, 1, 0, 0]);
        becomes(&[&record(&[0, 0])[..], &ENCRYPTED].concat(), &[&record(&[0, 0])[..], &ENCRYPTED].concat());
    }

    #[test]
    fn a_flood_keeps_nothing() {
        let flood = [&REQUEST[..]; 4_000].concat();
        let flood = [&[HANDSHAKE, 3, 3, 0x3e, 0x80], &flood[..]].concat();
        let (mut requests, mut to) = (Requests::default(), Vec::new());
        for _ in 0..100 {
            assert!(requests.filter(&flood, &mut to));
        }
        assert_eq!((to.len(), requests.record.capacity()), (0, 0));
    }
}
