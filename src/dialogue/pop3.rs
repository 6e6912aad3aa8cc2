//! POP3 (RFC 1939) with CAPA (RFC 2449), STLS (RFC 2595) and SASL (RFC 5034): ports pop3 and, inside direct TLS,
//! pop3s.
//!
//! Replies come in the order of commands and begin with `+OK` or `-ERR`, in any case; a list follows `+OK` to CAPA
//! until a line of one dot. The first line can only be one of the two; anything else ends the conversation. A
//! greeting of `-ERR` refuses service, and so does a `-ERR` that nobody asked for.
//!
//! A server that does not know CAPA cannot be asked, so our speaker tries STLS and honours the refusal.
//! Mechanisms are those of the `SASL` lines, and of the answer to an `AUTH` without one; the `USER` line is a capability as any other, and
//! [`Findings::apop`] says whether the greeting has a timestamp (RFC 1939, section 7).

use super::line::{Line, text, word, words};
use super::mechanism::mechanism;
use super::outstanding::Outstanding;
use super::talk::{Stage, Talk};
use super::{Call, Direction, Expect, Findings, Next, Observe, Speak, Start, limits};

/// Bytes looked at of a client's line: the verb, and the mechanism of AUTH. Arguments are never stored.
const VERB: usize = 40;
/// Commands without their replies that are followed; pipelining beyond it is not understood.
const OUTSTANDING: usize = 128;

/// A client's command, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    Capa,
    Stls,
    Quit,
    /// Logs in if it succeeds: PASS, APOP.
    Login,
    /// AUTH: what follows may be credentials.
    Private,
    /// AUTH without a mechanism asks which there are, as it did before CAPA.
    Mechanisms,
    Other,
}

/// A capability list under way.
#[derive(Clone, Copy, Debug, Default)]
struct List {
    lines: usize,
    stls: bool,
    /// Of mechanisms, one a line.
    mechanisms: bool,
}

/// Understands POP3.
#[derive(Clone, Debug)]
pub struct Pop3 {
    talk: Talk,
    outstanding: Outstanding<Command>,
    list: Option<List>,
    /// AUTH has listed mechanisms on this side of the upgrade.
    mechanisms: bool,
}

impl Pop3 {
    /// Before the first byte.
    pub fn new(start: Start) -> Self {
        Self { talk: Talk::new(start, VERB), outstanding: Outstanding::default(), list: None, mechanisms: false }
    }

    fn command(&mut self, line: &[u8]) {
        let (verb, rest) = word(line);
        if verb.is_empty() {
            return;
        }
        let command = match verb.to_ascii_uppercase().as_slice() {
            b"CAPA" => Command::Capa,
            b"STLS" if !self.talk.inside => Command::Stls,
            b"QUIT" => Command::Quit,
            b"PASS" | b"APOP" => Command::Login,
            b"AUTH" if rest.is_empty() => Command::Mechanisms,
            b"AUTH" => Command::Private,
            _ => Command::Other,
        };
        if self.outstanding.len() + 1 >= OUTSTANDING {
            self.outstanding.push(Command::Private);
            self.talk.hold(true);
            return;
        }
        self.outstanding.push(command);
        match verb.to_ascii_uppercase().as_slice() {
            b"PASS" => self.talk.authenticates("USER"),
            b"APOP" => self.talk.authenticates("APOP"),
            b"AUTH" if !rest.is_empty() => self.talk.authenticates(mechanism(word(rest).0)),
            _ => {}
        }
        match command {
            Command::Capa => self.talk.capabilities().asked = true,
            Command::Stls => {
                self.talk.findings.upgrade.sent = true;
                self.talk.hold(false);
            }
            Command::Private => self.talk.hold(false),
            Command::Quit | Command::Login | Command::Mechanisms | Command::Other => {}
        }
    }

    fn line(&mut self, line: &Line) {
        if let Some(list) = self.list {
            self.listed(line, list);
            return;
        }
        let ok = match status(line.bytes()) {
            Some(ok) => ok,
            // The server asks for more of a command that is not followed.
            None if self.outstanding.first() == Some(Command::Private) && line.bytes().starts_with(b"+") => true,
            None if line.bytes().is_empty() => return,
            None => {
                self.talk.violation(line);
                if self.talk.stage == Stage::Greeting {
                    self.talk.end();
                }
                return;
            }
        };
        if self.talk.stage == Stage::Greeting {
            self.greeting(ok, line);
        } else {
            self.reply(ok, line);
        }
    }

    fn greeting(&mut self, ok: bool, line: &Line) {
        self.talk.keep_greeting(line);
        self.talk.findings.apop = timestamp(line.bytes());
        self.talk.stage = Stage::Open;
        if !ok {
            self.talk.refused(line);
        }
    }

    fn reply(&mut self, ok: bool, line: &Line) {
        let Some(command) = self.outstanding.first() else {
            if !ok {
                self.talk.refused(line);
            }
            return;
        };
        self.outstanding.pop();
        match command {
            Command::Capa if ok => {
                let capabilities = self.talk.capabilities();
                capabilities.list.clear();
                if !self.mechanisms {
                    capabilities.auth.clear();
                }
                self.list = Some(List::default());
            }
            Command::Mechanisms if ok => {
                self.mechanisms = true;
                self.list = Some(List { mechanisms: true, ..List::default() });
            }
            Command::Stls => self.talk.upgrade_reply(ok, line),
            Command::Quit => self.talk.end(),
            Command::Login if ok => self.talk.go_deaf(),
            Command::Private => self.talk.release(!ok),
            Command::Capa | Command::Login | Command::Mechanisms | Command::Other => {}
        }
    }

    fn listed(&mut self, line: &Line, mut list: List) {
        let bytes = line.bytes();
        if bytes == b"." {
            self.list = None;
            if !list.mechanisms {
                self.talk.capabilities().answered = true;
                self.talk.offered(list.stls);
            }
            return;
        }
        // A dot that begins a line is doubled (RFC 1939, section 3).
        let item = bytes.strip_prefix(b".").unwrap_or(bytes).trim_ascii();
        let (keyword, rest) = word(item);
        list.stls |= keyword.eq_ignore_ascii_case(b"STLS");
        list.lines = list.lines.saturating_add(1);
        self.list = Some(list);
        if keyword.is_empty() {
            return;
        }
        if list.lines > limits::REPLY_LINES {
            self.talk.findings.truncated = true;
            return;
        }
        if list.mechanisms {
            return self.talk.keep_mechanism(keyword);
        }
        self.talk.keep_capability(text(item));
        if keyword.eq_ignore_ascii_case(b"SASL") {
            words(rest).for_each(|name| self.talk.keep_mechanism(name));
        }
    }
}

impl Observe for Pop3 {
    fn bytes(&mut self, from: Direction, mut bytes: &[u8]) {
        match from {
            Direction::Client => {
                while let Some(line) = self.talk.client_line(&mut bytes) {
                    self.command(line.bytes());
                }
            }
            Direction::Server => {
                while let Some(line) = self.talk.server_line(&mut bytes, begins_reply) {
                    self.line(&line);
                }
            }
        }
    }

    fn join(&mut self) {
        self.talk.join();
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
            self.outstanding = Outstanding::default();
            (self.list, self.mechanisms) = (None, false);
        }
    }

    fn expect(&self) -> Expect {
        self.talk.expect(match self.outstanding.first() {
            _ if self.list.is_some() => Expect::Capabilities,
            Some(Command::Capa) => Expect::Capabilities,
            Some(Command::Stls) => Expect::UpgradeReply,
            Some(Command::Quit) => Expect::Goodbye,
            Some(Command::Login | Command::Private | Command::Mechanisms | Command::Other) | None => Expect::Command,
        })
    }

    fn findings(&self) -> &Findings {
        &self.talk.findings
    }

    fn into_findings(self) -> Findings {
        self.talk.findings
    }
}

/// Says CAPA; STLS if it was advertised, or if CAPA is not known, and then CAPA again; QUIT.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pop3Speaker;

impl Speak for Pop3Speaker {
    type Observer = Pop3;

    fn next(&self, observer: &Pop3, _: &Call<'_>) -> Next {
        match observer.expect() {
            Expect::Command if observer.outstanding.is_empty() => {}
            Expect::Tls => return Next::StartTls,
            Expect::End => return Next::Close,
            _ => return Next::Wait,
        }
        let command: &[u8] = if !observer.talk.asked() {
            b"CAPA\r\n"
        } else if observer.talk.may_upgrade() {
            b"STLS\r\n"
        } else {
            b"QUIT\r\n"
        };
        Next::Say(command.to_vec())
    }
}

/// What a reply can begin with, or an empty line.
fn begins_reply(byte: u8) -> bool {
    matches!(byte, b'+' | b'-' | b'\r' | b'\n')
}

/// Whether a reply is positive; `None` if it is none.
fn status(line: &[u8]) -> Option<bool> {
    let (first, _) = word(line);
    if first.eq_ignore_ascii_case(b"+OK") { Some(true) } else { first.eq_ignore_ascii_case(b"-ERR").then_some(false) }
}

/// Whether a greeting has a timestamp in the form of a message identifier: `<...@...>` without blanks.
fn timestamp(greeting: &[u8]) -> bool {
    words(greeting).any(|word| {
        let inside = word.iter().position(|byte| *byte == b'<').and_then(|from| {
            let to = word.iter().rposition(|byte| *byte == b'>')?;
            word.get(from + 1..to)
        });
        inside.is_some_and(|inside| inside.contains(&b'@'))
    })
}

#[cfg(test)]
mod tests;
