//! IRC (RFC 1459, RFC 2812) with IRCv3 capabilities (CAP LS 302), SASL and STARTTLS: ports irc and, inside direct
//! TLS, ircs (RFC 7194).
//!
//! The client speaks first: CAP LS. That suspends registration, and our speaker never registers (no NICK, no
//! USER). A list can take several lines, all but the last marked by `*`. The capability `tls` advertises STARTTLS;
//! 670 agrees to it, 691 refuses it. A server that does not know CAP (421) or wants registration first (451, and
//! the like) cannot be asked, so our speaker tries STARTTLS and honours the refusal, which these numerics are too. Some servers do not answer
//! unregistered clients at all. `PING` is answered, as servers may demand it before anything else.
//!
//! The greeting is what the server says by NOTICE, until TLS. `ERROR` closes the link: unless the client has said
//! QUIT, service is refused. The first line must be a message with a prefix, or one of NOTICE, PING, ERROR and
//! CAP; anything else ends the conversation.
//!
//! Messages address the client by its nickname once it has told it. From its first NICK, USER or PASS on nothing is
//! kept of a message but capabilities and numerics; once it is registered (001) nothing is understood any more. A
//! welcome to a client that has not introduced itself is believed as far as that nothing more is kept.

use super::line::{Line, text, word};
use super::mechanism::mechanism;
use super::talk::{Stage, Talk};
use super::{Call, Direction, Expect, Findings, Next, Observe, Speak, Start, limits};

/// Bytes looked at of a client's line: the verb, CAP's subcommand, the mechanism of AUTHENTICATE. Arguments are never
/// stored.
const VERB: usize = 40;
/// Longest token of a PING that is given back (RFC 2812, section 2.3: a message has 512 bytes at most).
const TOKEN: usize = 400;
/// PINGs that are answered.
const PONGS: u8 = 4;
/// Longest message of QUIT.
const MESSAGE: usize = 200;

/// A server's message (RFC 2812, section 2.3.1).
struct Message<'a> {
    prefixed: bool,
    command: &'a [u8],
    /// Parameters, the trailing one included.
    parameters: Vec<&'a [u8]>,
}

impl<'a> Message<'a> {
    /// Parameters kept of a message (RFC 2812, section 2.3: at most 15).
    const PARAMETERS: usize = 15;

    fn parse(line: &'a [u8]) -> Option<Self> {
        let mut rest = line.trim_ascii_start();
        if rest.starts_with(b"@") {
            rest = word(rest).1;
        }
        let prefixed = rest.starts_with(b":");
        if prefixed {
            rest = word(rest).1;
        }
        let (command, mut rest) = word(rest);
        let numeric = command.len() == 3 && command.iter().all(u8::is_ascii_digit);
        let verb = !command.is_empty() && command.iter().all(u8::is_ascii_alphabetic);
        if !numeric && !verb {
            return None;
        }
        let mut parameters = Vec::new();
        while !rest.is_empty() && parameters.len() < Self::PARAMETERS {
            if let Some(trailing) = rest.strip_prefix(b":") {
                parameters.push(trailing);
                break;
            }
            let (parameter, after) = word(rest);
            parameters.push(parameter);
            rest = after;
        }
        Some(Self { prefixed, command, parameters })
    }

    fn is(&self, command: &[u8]) -> bool {
        self.command.eq_ignore_ascii_case(command)
    }

    /// The parameter with this number, from 0; empty if it is not there.
    fn parameter(&self, at: usize) -> &'a [u8] {
        self.parameters.get(at).copied().unwrap_or_default()
    }

    /// Without a prefix, only these are taken for a server's.
    fn may_begin(&self) -> bool {
        self.prefixed || [&b"NOTICE"[..], b"PING", b"ERROR", b"CAP"].iter().any(|known| self.is(known))
    }
}

/// What was asked and is not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Nothing,
    List,
    StartTls,
    Quit,
}

/// Understands IRC.
#[derive(Clone, Debug)]
pub struct Irc {
    talk: Talk,
    asked: Asked,
    /// Lines so far of the capability list under way, and whether `tls` was among its items.
    lines: usize,
    tls: bool,
    /// The client has introduced itself.
    introduced: bool,
    /// The server welcomes a client that has not.
    welcomed: bool,
    /// Token of a PING that the client has not answered.
    ping: Option<Box<[u8]>>,
    pongs: u8,
}

impl Irc {
    /// Before the first byte.
    pub fn new(start: Start) -> Self {
        Self {
            talk: Talk::new(start, VERB),
            asked: Asked::Nothing,
            lines: 0,
            tls: false,
            introduced: false,
            welcomed: false,
            ping: None,
            pongs: 0,
        }
    }

    fn command(&mut self, line: &[u8]) {
        let (verb, rest) = word(line);
        match verb.to_ascii_uppercase().as_slice() {
            b"CAP" if word(rest).0.eq_ignore_ascii_case(b"LS") => {
                self.talk.capabilities().asked = true;
                (self.asked, self.lines, self.tls) = (Asked::List, 0, false);
            }
            b"STARTTLS" if !self.talk.inside => {
                self.talk.findings.upgrade.sent = true;
                self.asked = Asked::StartTls;
                self.talk.hold(false);
            }
            b"QUIT" => self.asked = Asked::Quit,
            b"PONG" => {
                self.ping = None;
                self.pongs = self.pongs.saturating_add(1);
            }
            b"" | b"CAP" | b"PING" => {}
            // NICK, USER, WEBIRC...
            verb => {
                match verb {
                    b"PASS" => self.talk.authenticates("PASS"),
                    b"AUTHENTICATE" => self.talk.authenticates(mechanism(word(rest).0)),
                    _ => {}
                }
                self.introduced = true;
            }
        }
    }

    fn line(&mut self, line: &Line) {
        if line.bytes().is_empty() {
            return;
        }
        let message = Message::parse(line.bytes());
        let begins = self.talk.stage == Stage::Greeting;
        let Some(message) = message.filter(|message| !begins || message.may_begin()) else {
            self.talk.violation(line);
            if begins {
                self.talk.end();
            }
            return;
        };
        self.talk.stage = Stage::Open;
        self.message(&message, line);
    }

    fn message(&mut self, message: &Message<'_>, line: &Line) {
        match message.command.to_ascii_uppercase().as_slice() {
            b"NOTICE" if !self.named() && !self.talk.upgraded() => self.talk.keep_greeting(line),
            b"PING" => {
                let token = message.parameter(0);
                let end = token.iter().position(|byte| matches!(byte, b'\r' | 0)).unwrap_or(token.len());
                self.ping = Some(token[..end.min(TOKEN)].into());
            }
            b"CAP" if message.parameter(1).eq_ignore_ascii_case(b"LS") => self.listed(message, line),
            b"ERROR" => self.closing(line),
            b"001" if self.introduced => self.talk.go_deaf(),
            b"001" => self.welcomed = true,
            b"670" if self.asked == Asked::StartTls => self.upgrade_reply(true, line, message),
            b"691" if self.asked == Asked::StartTls => self.upgrade_reply(false, line, message),
            b"410" | b"421" | b"451" | b"461" => self.refused_command(line, message),
            _ => {}
        }
    }

    /// A line of the list. Without `LS 302` all servers send but one line.
    fn listed(&mut self, message: &Message<'_>, line: &Line) {
        if self.asked != Asked::List {
            return;
        }
        if self.lines == 0 {
            let capabilities = self.talk.capabilities();
            capabilities.list.clear();
            capabilities.auth.clear();
        }
        self.lines = self.lines.saturating_add(1);
        let more = message.parameter(2) == b"*" && message.parameters.len() > 3;
        // A list without its colon spreads over the parameters.
        let items = message.parameters.iter().skip(if more { 3 } else { 2 });
        let mut items = items.flat_map(|part| super::line::words(part)).peekable();
        while let Some(item) = items.next() {
            if line.cut() && items.peek().is_none() {
                break;
            }
            self.keep(item);
        }
        if !more {
            self.asked = Asked::Nothing;
            self.talk.capabilities().answered = true;
            self.talk.offered(self.tls);
        }
    }

    fn keep(&mut self, item: &[u8]) {
        let end = item.iter().position(|byte| *byte == b'=').unwrap_or(item.len());
        let (name, value) = item.split_at(end);
        // Before IRCv3.2 a capability could have signs before its name.
        let first = name.iter().position(u8::is_ascii_alphanumeric).unwrap_or(0);
        self.tls |= name[first..].eq_ignore_ascii_case(b"tls");
        if self.lines > limits::REPLY_LINES {
            self.talk.findings.truncated = true;
            return;
        }
        self.talk.keep_capability(text(item));
        if name[first..].eq_ignore_ascii_case(b"sasl") {
            let value = value.get(1..).unwrap_or_default();
            value.split(|byte| *byte == b',').for_each(|mechanism| self.talk.keep_mechanism(mechanism));
        }
    }

    /// A numeric that says no to a command.
    fn refused_command(&mut self, line: &Line, message: &Message<'_>) {
        match self.asked {
            // If it names a command, that must be ours.
            _ if message.is(b"421") && !self.is_asked(message.parameter(1)) => {}
            Asked::List => {
                self.asked = Asked::Nothing;
                let code = message.command.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
                let capabilities = self.talk.capabilities();
                capabilities.code = capabilities.code.or(Some(code));
            }
            Asked::StartTls => self.upgrade_reply(false, line, message),
            Asked::Nothing | Asked::Quit => {}
        }
    }

    fn is_asked(&self, command: &[u8]) -> bool {
        match self.asked {
            Asked::List => command.eq_ignore_ascii_case(b"CAP"),
            Asked::StartTls => command.eq_ignore_ascii_case(b"STARTTLS"),
            Asked::Nothing | Asked::Quit => false,
        }
    }

    fn upgrade_reply(&mut self, accepted: bool, line: &Line, message: &Message<'_>) {
        self.asked = Asked::Nothing;
        if self.named() {
            self.talk.upgrade_reply_text(accepted, text(message.command));
        } else {
            self.talk.upgrade_reply(accepted, line);
        }
    }

    /// The server may address the client by its name.
    fn named(&self) -> bool {
        self.introduced || self.welcomed
    }

    fn closing(&mut self, line: &Line) {
        if self.asked == Asked::Quit {
            self.talk.end();
        } else if self.named() {
            self.talk.refused_silently();
        } else {
            self.talk.refused(line);
        }
    }
}

impl Observe for Irc {
    fn bytes(&mut self, from: Direction, mut bytes: &[u8]) {
        match from {
            Direction::Client => {
                while let Some(line) = self.talk.client_line(&mut bytes) {
                    self.command(line.bytes());
                }
            }
            Direction::Server => {
                while let Some(line) = self.talk.server_line(&mut bytes, begins_message) {
                    self.line(&line);
                }
            }
        }
    }

    fn join(&mut self) {
        self.talk.join();
        self.introduced = true;
    }

    fn closed(&mut self, from: Direction) {
        if from == Direction::Server
            && let Some(line) = self.talk.server_rest()
        {
            self.line(&line);
        }
    }

    fn tls_started(&mut self) {
        if self.talk.tls_started() {
            (self.asked, self.lines, self.tls) = (Asked::Nothing, 0, false);
            (self.ping, self.pongs) = (None, 0);
        }
    }

    fn expect(&self) -> Expect {
        self.talk.expect(match self.asked {
            Asked::Nothing => Expect::Command,
            Asked::List => Expect::Capabilities,
            Asked::StartTls => Expect::UpgradeReply,
            Asked::Quit => Expect::Goodbye,
        })
    }

    fn findings(&self) -> &Findings {
        &self.talk.findings
    }

    fn into_findings(self) -> Findings {
        self.talk.findings
    }
}

/// Says CAP LS; STARTTLS if `tls` is listed, or if CAP is not known, and then CAP LS again; QUIT. Answers PING.
#[derive(Clone, Copy, Debug, Default)]
pub struct IrcSpeaker;

impl Speak for IrcSpeaker {
    type Observer = Irc;

    fn next(&self, observer: &Irc, call: &Call<'_>) -> Next {
        let expect = observer.expect();
        match expect {
            Expect::Tls => return Next::StartTls,
            Expect::End => return Next::Close,
            Expect::UpgradeReply => return Next::Wait,
            _ => {}
        }
        if let Some(token) = observer.ping.as_ref().filter(|_| observer.pongs < PONGS) {
            return Next::Say([b"PONG :", &token[..], b"\r\n"].concat());
        }
        if !observer.talk.asked() {
            return Next::Say(b"CAP LS 302\r\n".to_vec());
        }
        match expect {
            Expect::Command if observer.talk.may_upgrade() => Next::Say(b"STARTTLS\r\n".to_vec()),
            Expect::Command if observer.asked == Asked::Nothing => Next::Say(goodbye(call)),
            _ => Next::Wait,
        }
    }
}

/// QUIT, with who we are as its message.
fn goodbye(call: &Call<'_>) -> Vec<u8> {
    let Some(contact) = &call.identity.contact else { return b"QUIT\r\n".to_vec() };
    let message = contact.chars().filter(|c| !c.is_control());
    let message = message.scan(0, |length, c| {
        *length += c.len_utf8();
        (*length <= MESSAGE).then_some(c)
    });
    format!("QUIT :{}\r\n", message.collect::<String>()).into_bytes()
}

/// What a message can begin with: a prefix, tags, the verbs of [`Message::may_begin`], or an empty line.
fn begins_message(byte: u8) -> bool {
    matches!(byte, b':' | b'@' | b'\r' | b'\n') || matches!(byte.to_ascii_uppercase(), b'N' | b'P' | b'E' | b'C')
}

#[cfg(test)]
mod tests;
