//! What stands before a conversation that passes through others: the words to a proxy, and the header of a load balancer.

use super::recognise::begins;
use crate::dialogue::Direction;

/// What was said to a proxy, and what behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Proxied {
    /// Not to a proxy.
    No,
    /// That is still going on.
    More,
    /// The proxy has agreed; this was said since.
    Behind(Vec<(Direction, Vec<u8>)>),
}

/// The words of a client's that has a proxy connect it, and the proxy's: SOCKS 4 and 5 (RFC 1928, RFC 1929), CONNECT of HTTP (RFC
/// 9110, section 9.3.6). Who the client says it is goes no further than here.
pub(super) fn proxied(said: &[(Direction, Vec<u8>)]) -> Proxied {
    let Some((Direction::Client, first)) = said.first() else { return Proxied::No };
    let steps: &[Step] = match first.as_slice() {
        [5, count, methods @ ..] if *count > 0 && methods.len() <= usize::from(*count) => match said.get(1) {
            Some((_, chosen)) if chosen.get(1) == Some(&2) => &[hello5, chosen5, password, admitted, request5, reply5],
            _ => &[hello5, chosen5, request5, reply5],
        },
        [4, 1, ..] => &[request4, reply4],
        words if begins(words, b"CONNECT ") => &[request_http, reply_http],
        _ => return Proxied::No,
    };
    let (mut at, mut used) = (0, 0);
    for (number, step) in steps.iter().enumerate() {
        let from = if number % 2 == 0 { Direction::Client } else { Direction::Server };
        // What one side said is used up when it is the other's turn.
        if number > 0 {
            let Some((_, before)) = said.get(at) else { return Proxied::More };
            if before.len() > used {
                return Proxied::No;
            }
            at += 1;
        }
        match said.get(at) {
            None => return Proxied::More,
            Some((side, _)) if *side != from => return Proxied::No,
            Some((_, bytes)) => match step(bytes) {
                Some(Some(length)) => used = length,
                Some(None) => return Proxied::More,
                None => return Proxied::No,
            },
        }
    }
    let mut behind = vec![(Direction::Server, said[at].1[used..].to_vec())];
    behind.extend_from_slice(&said[at + 1..]);
    behind.retain(|(_, bytes)| !bytes.is_empty());
    Proxied::Behind(behind)
}

/// The length of a message that bytes begin with; `Some(None)`: more are needed; `None`: it is none.
type Step = fn(&[u8]) -> Option<Option<usize>>;

/// `length` of bytes, once they are there.
fn of(bytes: &[u8], length: usize) -> Option<Option<usize>> {
    Some((bytes.len() >= length).then_some(length))
}

fn hello5(bytes: &[u8]) -> Option<Option<usize>> {
    bytes.get(1).map_or(Some(None), |count| of(bytes, 2 + usize::from(*count)))
}

fn chosen5(bytes: &[u8]) -> Option<Option<usize>> {
    match bytes {
        [5, 0 | 2, ..] | [5] => of(bytes, 2),
        _ => None,
    }
}

fn password(bytes: &[u8]) -> Option<Option<usize>> {
    match bytes {
        [1, name, rest @ ..] => match rest.get(usize::from(*name)) {
            Some(password) => of(bytes, 3 + usize::from(*name) + usize::from(*password)),
            None => Some(None),
        },
        [1] => Some(None),
        _ => None,
    }
}

fn admitted(bytes: &[u8]) -> Option<Option<usize>> {
    match bytes {
        [_, 0, ..] | [_] => of(bytes, 2),
        _ => None,
    }
}

fn request5(bytes: &[u8]) -> Option<Option<usize>> {
    match bytes {
        [5, 1, ..] | [5] => address5(bytes),
        _ => None,
    }
}

fn reply5(bytes: &[u8]) -> Option<Option<usize>> {
    match bytes {
        [5, 0, ..] | [5] => address5(bytes),
        _ => None,
    }
}

fn address5(bytes: &[u8]) -> Option<Option<usize>> {
    match bytes {
        [_, _, _, 1, ..] => of(bytes, 10),
        [_, _, _, 4, ..] => of(bytes, 22),
        [_, _, _, 3, length, ..] => of(bytes, 7 + usize::from(*length)),
        [_, _, _, 3] | [_] | [_, _] | [_, _, _] => Some(None),
        _ => None,
    }
}

/// With a name in place of the address in version 4a.
fn request4(bytes: &[u8]) -> Option<Option<usize>> {
    let Some(user) = bytes.get(8..) else { return Some(None) };
    let Some(end) = user.iter().position(|byte| *byte == 0) else { return Some(None) };
    let named = bytes[4..7] == [0; 3] && bytes[7] != 0;
    let name = if named { user[end + 1..].iter().position(|byte| *byte == 0).map(|name| name + 1) } else { Some(0) };
    Some(name.map(|name| 8 + end + 1 + name))
}

fn reply4(bytes: &[u8]) -> Option<Option<usize>> {
    match bytes {
        [0, 90, ..] | [0] => of(bytes, 8),
        _ => None,
    }
}

fn request_http(bytes: &[u8]) -> Option<Option<usize>> {
    Some(bytes.windows(4).position(|end| end == b"\r\n\r\n").map(|end| end + 4))
}

fn reply_http(bytes: &[u8]) -> Option<Option<usize>> {
    match bytes {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', _, b' ', b'2', ..] => request_http(bytes),
        _ if bytes.len() < 10 && b"HTTP/1.".starts_with(&bytes[..bytes.len().min(7)]) => Some(None),
        _ => None,
    }
}

/// What follows the header of the PROXY protocol (versions 1 and 2 of
/// <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>), in which a load balancer says who its client is. It is sent at once,
/// so it is whole in the first portion or it is none.
pub(super) fn behind_header(bytes: &[u8]) -> &[u8] {
    const LINE_MAX: usize = 107;
    const MAGIC: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
    let length = if bytes.starts_with(b"PROXY ") {
        bytes.iter().take(LINE_MAX).position(|byte| *byte == b'\n').map_or(0, |end| end + 1)
    } else if let [version, _, high, low, ..] = bytes.strip_prefix(MAGIC).unwrap_or_default()
        && version >> 4 == 2
    {
        MAGIC.len() + 4 + usize::from(u16::from_be_bytes([*high, *low]))
    } else {
        0
    };
    bytes.get(length..).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_behind_a_proxy_is_told_from_what_is_said_to_it() {
        use Direction::{Client, Server};
        let behind = |said: &[(Direction, &[u8])]| {
            proxied(&said.iter().map(|(from, bytes)| (*from, bytes.to_vec())).collect::<Vec<_>>())
        };
        let rest = |said: &[(Direction, &[u8])]| {
            Proxied::Behind(said.iter().map(|(from, bytes)| (*from, bytes.to_vec())).collect())
        };
        let name = b"\x05\x01\0\x03\x03a.b\0\x19";
        let reply = b"\x05\0\0\x01\x0a\0\0\x01\0\x19";
        let greeted = [&reply[..], b"220 x\r\n"].concat();
        let open = [(Client, &b"\x05\x01\0"[..]), (Server, b"\x05\0"), (Client, name)];
        assert_eq!(behind(&[&open[..], &[(Server, &greeted)]].concat()), rest(&[(Server, b"220 x\r\n")]));
        assert_eq!(
            behind(&[&open[..], &[(Server, reply), (Client, b"EHLO y\r\n")]].concat()),
            rest(&[(Client, b"EHLO y\r\n")])
        );
        for length in 1..reply.len() {
            let said = [&open[..], &[(Server, &reply[..length])]].concat();
            assert_eq!(behind(&said), Proxied::More, "{length}");
        }
        let login = [
            (Client, &b"\x05\x02\0\x02"[..]),
            (Server, b"\x05\x02"),
            (Client, b"\x01\x02me\x03abc"),
            (Server, b"\x01\0"),
            (Client, b"\x05\x01\0\x01\x0a\0\0\x01\0\x19"),
            (Server, reply),
        ];
        assert_eq!(behind(&login), rest(&[]));
        let refused = [&login[..3], &[(Server, &b"\x01\x01"[..])]].concat();
        assert_eq!(behind(&refused), Proxied::No);
        let four = b"\x04\x01\0\x19\x0a\0\0\x01me\0";
        assert_eq!(behind(&[(Client, four), (Server, b"\0\x5a\0\0\0\0\0\0* OK\r\n")]), rest(&[(Server, b"* OK\r\n")]));
        let named = b"\x04\x01\0\x19\0\0\0\x01me\0a.b\0";
        assert_eq!(behind(&[(Client, named), (Server, b"\0\x5a\0\0\0\0\0\0")]), rest(&[]));
        assert_eq!(behind(&[(Client, named), (Server, b"\0\x5b\0\0\0\0\0\0")]), Proxied::No, "refused");
        let connect = (Client, &b"CONNECT a.b:25 HTTP/1.1\r\nHost: a.b\r\n\r\n"[..]);
        assert_eq!(behind(&[connect]), Proxied::More);
        assert_eq!(behind(&[connect, (Server, b"HTTP/1.1 200 OK\r\n\r\n220 x\r\n")]), rest(&[(Server, b"220 x\r\n")]));
        assert_eq!(behind(&[connect, (Server, b"HTTP/1.1 403 no\r\n\r\n")]), Proxied::No);
        assert_eq!(behind(&[(Client, b"GET / HTTP/1.1\r\n\r\n")]), Proxied::No);
    }

    #[test]
    fn the_header_of_a_load_balancer_is_passed_over_if_it_is_whole() {
        for (bytes, rest) in [
            (&b"PROXY TCP4 10.0.0.1 10.0.0.2 1 25\r\nEHLO x\r\n"[..], &b"EHLO x\r\n"[..]),
            (b"PROXY UNKNOWN\r\n", b""),
            (b"PROXY TCP4 10.0", b"PROXY TCP4 10.0"),
            (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x02ab\x16\x03", b"\x16\x03"),
            (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x09ab", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x09ab"),
            (b"EHLO x\r\n", b"EHLO x\r\n"),
        ] {
            assert_eq!(behind_header(bytes), rest, "{}", bytes.escape_ascii());
        }
    }
}
