//! What is spoken, by its first words: for ports that nothing is assigned to, and for those where something else turns up.

use crate::dialogue::Direction;
use crate::targets::ports::{Family, Protocol};

/// Bytes of a conversation's begin that are looked at.
pub(super) const BYTES_MAX: usize = 2_048;

/// What the first words say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// TLS from the first byte.
    Tls,
    /// A protocol that knows STARTTLS.
    Clear(Protocol),
    /// The same, but the begin is missing.
    Midway(Protocol),
    /// Nothing that is known.
    Nothing,
    /// Not to be said yet.
    More,
}

/// Whether bytes begin as a ClientHello: in a record (RFC 8446, sections 4 and 5.1), or in SSL 2.0's format (RFC 5246, appendix
/// E.2), of SSL 2.0 too. `None`: too few bytes to say.
pub(super) fn client_hello(bytes: &[u8]) -> Option<bool> {
    match bytes {
        [] => None,
        [22, rest @ ..] => match rest {
            [3, minor, _, _, kind, ..] => Some(*minor <= 4 && *kind == 1),
            [3, minor, ..] if *minor > 4 => Some(false),
            [] | [3, ..] => None,
            _ => Some(false),
        },
        [high, rest @ ..] if high & 0xc0 == 0x80 => match rest {
            [_, 1, 3, minor, ..] => Some(*minor <= 4),
            [_, 1, 0, minor, ..] => Some(*minor == 2),
            [_, kind, ..] if *kind != 1 => Some(false),
            [_, _, major, ..] if *major != 3 && *major != 0 => Some(false),
            _ => None,
        },
        _ => Some(false),
    }
}

/// Whether bytes begin as a whole ClientHello in a record does, up to its version: where anything else could stand too.
pub(super) fn surely_client_hello(bytes: &[u8]) -> bool {
    matches!(bytes, [22, 3, 0..=4, _, _, 1, 0, _, _, 3, 0..=4, ..])
}

/// Whether bytes begin as a ServerHello.
pub(super) fn server_hello(bytes: &[u8]) -> bool {
    matches!(bytes, [22, 3, 0..=4, _, _, 2, 0, _, _, 3, ..])
}

/// Whether bytes begin as a server's Certificate message before TLS 1.3 does: what is left of a flight whose hello is missing. A
/// client's looks the same.
pub(super) fn certificate(bytes: &[u8]) -> bool {
    matches!(bytes, [22, 3, 0..=3, _, _, 11, 0, _, _, 0, _, _, 0, _, _, 0x30, 0x82, ..])
}

/// Whether these can be the words of a conversation that began before: commands of a client's, replies of a server's.
pub(super) fn midway(family: Family, from: Direction, bytes: &[u8]) -> bool {
    let line = bytes.trim_ascii_start();
    let line = line.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let among = |word: &[u8], list: &str| list.split(' ').any(|known| word.eq_ignore_ascii_case(known.as_bytes()));
    let verb = |word: &[u8]| {
        (word.len() == 3 && word.iter().all(u8::is_ascii_digit))
            || (word.len() > 2 && word.iter().all(u8::is_ascii_uppercase))
    };
    match (family, from) {
        (Family::Smtp, Direction::Client) => {
            among(first, "EHLO HELO MAIL RCPT DATA BDAT RSET NOOP QUIT AUTH STARTTLS VRFY EXPN HELP")
        }
        (Family::Smtp, Direction::Server) => {
            matches!(line, [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9', b' ' | b'-', ..])
        }
        (Family::Pop3, Direction::Client) => {
            among(first, "USER PASS APOP AUTH CAPA STLS STAT LIST UIDL RETR TOP DELE NOOP RSET QUIT")
        }
        (Family::Pop3, Direction::Server) => among(first, "+OK -ERR"),
        (Family::Imap, Direction::Client) => {
            first.len() < 16
                && among(
                    second,
                    "CAPABILITY NOOP LOGOUT STARTTLS AUTHENTICATE LOGIN SELECT EXAMINE CREATE DELETE RENAME SUBSCRIBE \
                     UNSUBSCRIBE LIST LSUB STATUS APPEND CHECK CLOSE EXPUNGE SEARCH FETCH STORE COPY UID IDLE NAMESPACE ID \
                     ENABLE UNSELECT MOVE GETQUOTAROOT",
                )
        }
        (Family::Imap, Direction::Server) => {
            first == b"*" && !second.is_empty() || !first.is_empty() && among(second, "OK NO BAD")
        }
        (Family::Irc, Direction::Client) => among(
            first,
            "PRIVMSG NOTICE JOIN PART NICK USER PASS PING PONG MODE WHO WHOIS TOPIC QUIT CAP AUTHENTICATE ISON AWAY \
                 NAMES LIST INVITE KICK USERHOST OPER MOTD LUSERS",
        ),
        (Family::Irc, Direction::Server) => match first {
            [b':', _, ..] => verb(second),
            _ => among(first, "PING PONG NOTICE ERROR"),
        },
        (Family::XmppClient | Family::XmppServer, _) => {
            let name = |tag: &[u8]| tag.iter().position(|byte| b" >/".contains(byte)).map(|end| tag[..end].to_vec());
            let tag = line.strip_prefix(b"<").map(|rest| rest.strip_prefix(b"/").unwrap_or(rest)).and_then(name);
            tag.is_some_and(|tag| {
                among(
                    &tag,
                    "message presence iq stream:stream stream:features auth response challenge success r a starttls",
                )
            })
        }
        (Family::ManageSieve | Family::Silent, _) => false,
    }
}

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
pub(super) fn behind_proxy_header(bytes: &[u8]) -> &[u8] {
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

/// What a conversation is that began with these words.
pub(super) fn by_content(said: &[(Direction, Vec<u8>)]) -> Verdict {
    let of = |side| said.iter().find(|(from, _)| *from == side).map(|(_, bytes)| bytes.as_slice());
    let (client, server) = (of(Direction::Client), of(Direction::Server));
    let Some((first, bytes)) = said.first() else { return Verdict::More };
    let verdict = match first {
        Direction::Client => from_client(bytes, server),
        Direction::Server => from_server(bytes, client),
    };
    let total: usize = said.iter().map(|(_, bytes)| bytes.len()).sum();
    if verdict == Verdict::More && total >= BYTES_MAX { Verdict::Nothing } else { verdict }
}

fn from_client(bytes: &[u8], server: Option<&[u8]>) -> Verdict {
    match client_hello(bytes) {
        Some(true) => return Verdict::Tls,
        None => return Verdict::More,
        Some(false) => {}
    }
    let trimmed = bytes.trim_ascii_start();
    if trimmed.starts_with(b"<") {
        return stream(trimmed);
    }
    // A registration begins with one of these (RFC 2812, section 3.1; IRCv3 capability negotiation); others do too, so
    // the server's answer decides.
    if [&b"CAP LS"[..], b"NICK ", b"USER ", b"PASS "].iter().any(|verb| begins(bytes, verb)) {
        return match server {
            None => Verdict::More,
            Some([b':' | b'@', ..]) => Verdict::Clear(Protocol::Irc),
            Some(words) if [&b"NOTICE "[..], b"PING ", b"ERROR ", b"CAP "].iter().any(|verb| begins(words, verb)) => {
                Verdict::Clear(Protocol::Irc)
            }
            Some(_) => Verdict::Nothing,
        };
    }
    // The greeting can come later in a capture that begins in midstream.
    if [&b"EHLO "[..], b"HELO "].iter().any(|verb| begins(bytes, verb)) {
        return server.map_or(Verdict::More, |words| from_server(words, Some(bytes)));
    }
    Verdict::Nothing
}

fn from_server(bytes: &[u8], client: Option<&[u8]>) -> Verdict {
    if server_hello(bytes) {
        return Verdict::Tls;
    }
    // Of a capture that has one side only.
    let trimmed = bytes.trim_ascii_start();
    if trimmed.starts_with(b"<") {
        return stream(trimmed);
    }
    if bytes.len() < 4 && bytes.iter().all(|byte| b"220 -+OK*".contains(byte)) {
        return Verdict::More;
    }
    let said = |verbs: &[&[u8]]| client.map(|words| verbs.iter().any(|verb| begins(words, verb)));
    let (protocol, confirmed) = match bytes {
        [b'2', b'2', b'0', b' ' | b'-', ..] => (Protocol::Smtp, said(&[b"EHLO", b"HELO"])),
        [b'+', b'O', b'K', ..] => (Protocol::Pop3, said(&[b"CAPA", b"USER ", b"AUTH", b"APOP ", b"STLS", b"QUIT"])),
        _ if [&b"* OK"[..], b"* PREAUTH", b"* BYE"].iter().any(|status| begins(bytes, status)) => {
            return Verdict::Clear(Protocol::Imap);
        }
        [b':', ..] | [b'N', ..] if contains(bytes, b"NOTICE ") => return Verdict::Clear(Protocol::Irc),
        _ => return Verdict::Nothing,
    };
    match confirmed {
        None => Verdict::More,
        Some(true) => Verdict::Clear(protocol),
        Some(false) => Verdict::Nothing,
    }
}

/// An XMPP stream's header.
fn stream(bytes: &[u8]) -> Verdict {
    if contains(bytes, b"jabber:client") {
        Verdict::Clear(Protocol::XmppClient)
    } else if contains(bytes, b"jabber:server") {
        Verdict::Clear(Protocol::XmppServer)
    } else if [&b"<?xml"[..], b"<stream:stream"].iter().any(|head| begins(bytes, &head[..head.len().min(bytes.len())]))
    {
        Verdict::More
    } else {
        Verdict::Nothing
    }
}

fn begins(bytes: &[u8], with: &[u8]) -> bool {
    bytes.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with))
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Said = [(Direction, &'static [u8])];

    fn verdict(said: &[(Direction, &[u8])]) -> Verdict {
        by_content(&said.iter().map(|(from, bytes)| (*from, bytes.to_vec())).collect::<Vec<_>>())
    }

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
    fn words_of_a_conversation_that_began_before() {
        use Direction::{Client, Server};
        for (family, from, words, fits) in [
            (Family::Smtp, Client, &b"mail from:<a@b>\r\n"[..], true),
            (Family::Smtp, Client, b"Received: from x\r\n", false),
            (Family::Smtp, Server, b"250 ok\r\n", true),
            (Family::Smtp, Server, b"\x17\x03\x03\0\x20", false),
            (Family::Pop3, Client, b"RETR 1\r\n", true),
            (Family::Pop3, Server, b"+OK 120 octets\r\n", true),
            (Family::Pop3, Server, b"Subject: x\r\n", false),
            (Family::Imap, Client, b"a7 UID FETCH 1 FLAGS\r\n", true),
            (Family::Imap, Client, b"then we met\r\n", false),
            (Family::Imap, Server, b"* 12 EXISTS\r\n", true),
            (Family::Imap, Server, b"a7 OK done\r\n", true),
            (Family::Irc, Client, b"PRIVMSG #x :hi\r\n", true),
            (Family::Irc, Server, b":a!b@c PRIVMSG #x :hi\r\n", true),
            (Family::Irc, Server, b":smile and so on\r\n", false),
            (Family::XmppClient, Server, b"<message from='a'>", true),
            (Family::XmppClient, Client, b"</stream:stream>", true),
            (Family::XmppClient, Client, b"<html>", false),
        ] {
            assert_eq!(midway(family, from, words), fits, "{}", words.escape_ascii());
        }
    }

    #[test]
    fn first_words_of_each_protocol() {
        use Direction::{Client, Server};
        let cases: [(&Said, Verdict); 17] = [
            (&[(Client, b"\x16\x03\x01\x00\x10\x01")], Verdict::Tls),
            (&[(Client, b"\x16\x03\x01")], Verdict::More),
            (&[(Client, b"\x80\x2e\x01\x03\x01")], Verdict::Tls),
            (&[(Client, b"\x80\x2e\x01\x00\x02")], Verdict::Tls),
            (&[(Client, b"GET / HTTP/1.1\r\n")], Verdict::Nothing),
            (&[(Server, b"220 ftp ready\r\n"), (Client, b"USER x\r\n")], Verdict::Nothing),
            (&[(Server, b"220 mail ESMTP\r\n")], Verdict::More),
            (&[(Server, b"220 mail ESMTP\r\n"), (Client, b"ehlo x\r\n")], Verdict::Clear(Protocol::Smtp)),
            (&[(Server, b"* OK ready\r\n")], Verdict::Clear(Protocol::Imap)),
            (&[(Server, b"+OK ready\r\n"), (Client, b"CAPA\r\n")], Verdict::Clear(Protocol::Pop3)),
            (&[(Server, b"+OK\r\n"), (Client, b"$#")], Verdict::Nothing),
            (&[(Client, b"NICK x\r\n"), (Server, b":irc NOTICE * :hi\r\n")], Verdict::Clear(Protocol::Irc)),
            (&[(Client, b"USER x\r\n"), (Server, b"331 password\r\n")], Verdict::Nothing),
            (&[(Client, b"<?xml version='1.0'?>")], Verdict::More),
            (&[(Client, b"<stream:stream xmlns='jabber:server'")], Verdict::Clear(Protocol::XmppServer)),
            (&[(Client, b"<html>")], Verdict::Nothing),
            (&[(Server, b"<stream:stream xmlns='jabber:client'")], Verdict::Clear(Protocol::XmppClient)),
        ];
        for (said, expected) in cases {
            assert_eq!(verdict(said), expected, "{said:?}");
        }
        for (bytes, rest) in [
            (&b"PROXY TCP4 10.0.0.1 10.0.0.2 1 25\r\nEHLO x\r\n"[..], &b"EHLO x\r\n"[..]),
            (b"PROXY UNKNOWN\r\n", b""),
            (b"PROXY TCP4 10.0", b"PROXY TCP4 10.0"),
            (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x02ab\x16\x03", b"\x16\x03"),
            (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x09ab", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x09ab"),
            (b"EHLO x\r\n", b"EHLO x\r\n"),
        ] {
            assert_eq!(behind_proxy_header(bytes), rest, "{}", bytes.escape_ascii());
        }
        assert_eq!(verdict(&[(Server, &[b"220 ".to_vec(), vec![b'x'; BYTES_MAX]].concat())]), Verdict::Nothing);
    }
}
