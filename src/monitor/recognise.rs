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

pub(super) fn begins(bytes: &[u8], with: &[u8]) -> bool {
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
        assert_eq!(verdict(&[(Server, &[b"220 ".to_vec(), vec![b'x'; BYTES_MAX]].concat())]), Verdict::Nothing);
    }
}
