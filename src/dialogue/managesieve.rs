//! ManageSieve (RFC 5804) with STARTTLS: port managesieve.
//!
//! The server speaks first, and what it says is its capability list: a line each, closed by `OK`. It says the list
//! again, by itself, once TLS has begun (section 2.2), so nobody has to ask for it. `NO` and `BYE` in place of `OK`
//! refuse service, and so does a `BYE` that nobody asked for. The first line can only be one of these or a
//! capability, which is a quoted string.
//!
//! The greeting is the line that closes the list. Literals are not followed: capabilities are short, and no server
//! sends them so.

use super::line::{Line, text, word, words};
use super::mechanism::mechanism;
use super::outstanding::Outstanding;
use super::talk::{Stage, Talk};
use super::{Call, Direction, Expect, Findings, Next, Observe, Speak, Start, limits};

/// Bytes looked at of a client's line: the verb. Arguments are never stored.
const VERB: usize = 48;
/// Commands without their replies that are followed; pipelining beyond it is not understood.
const OUTSTANDING: usize = 32;

/// A client's command, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    /// CAPABILITY, or the list that comes by itself.
    List,
    StartTls,
    Logout,
    /// AUTHENTICATE: what follows are credentials.
    Private,
    Other,
}

/// Understands ManageSieve.
#[derive(Clone, Debug)]
pub struct ManageSieve {
    talk: Talk,
    outstanding: Outstanding<Command>,
    /// Lines so far of the list under way, and whether STARTTLS is among them.
    lines: usize,
    starttls: bool,
}

impl ManageSieve {
    /// Before the first byte.
    pub fn new(start: Start) -> Self {
        let talk = Talk::new(start, VERB);
        Self { talk, outstanding: Outstanding::default(), lines: 0, starttls: false }
    }

    fn command(&mut self, line: &[u8]) {
        let (verb, rest) = word(line);
        if verb.is_empty() {
            return;
        }
        let command = match verb.to_ascii_uppercase().as_slice() {
            b"CAPABILITY" => Command::List,
            b"STARTTLS" if !self.talk.inside => Command::StartTls,
            b"LOGOUT" => Command::Logout,
            b"AUTHENTICATE" => {
                self.talk.authenticates(mechanism(
                    word(rest)
                        .0
                        .trim_ascii()
                        .strip_prefix(b"\"")
                        .and_then(|name| name.strip_suffix(b"\""))
                        .unwrap_or_default(),
                ));
                Command::Private
            }
            _ => Command::Other,
        };
        if self.outstanding.len() + 1 >= OUTSTANDING {
            self.outstanding.push(Command::Private);
            self.talk.hold(true);
            return;
        }
        self.outstanding.push(command);
        match command {
            Command::List => self.talk.capabilities().asked = true,
            Command::StartTls => {
                self.talk.findings.upgrade.sent = true;
                self.talk.hold(false);
            }
            // The first response may come with the command (section 2.1).
            Command::Private => self.talk.hold(true),
            Command::Logout | Command::Other => {}
        }
    }

    /// What the server's lines are about now: its list as greeting, or the oldest command.
    fn answers(&self) -> Option<Command> {
        if self.talk.stage == Stage::Greeting { Some(Command::List) } else { self.outstanding.first() }
    }

    fn line(&mut self, line: &Line) {
        let (first, rest) = word(line.bytes());
        match first.to_ascii_uppercase().as_slice() {
            b"" => {}
            b"OK" => self.reply(true, line),
            b"NO" => self.reply(false, line),
            b"BYE" => self.bye(line),
            [b'"', ..] if self.answers() == Some(Command::List) => self.capability(first, rest, line),
            // Of other lists, and of what the server asks of a client that logs in, nothing is looked at.
            [b'"', ..] if self.talk.stage == Stage::Open => {}
            _ => {
                self.talk.violation(line);
                if self.talk.stage == Stage::Greeting && self.lines == 0 {
                    self.talk.end();
                }
            }
        }
    }

    fn capability(&mut self, first: &[u8], rest: &[u8], line: &Line) {
        if self.lines == 0 {
            let capabilities = self.talk.capabilities();
            capabilities.list.clear();
            capabilities.auth.clear();
        }
        self.lines = self.lines.saturating_add(1);
        let name = unquoted(first);
        self.starttls |= name.eq_ignore_ascii_case(b"STARTTLS");
        if self.lines > limits::REPLY_LINES {
            self.talk.findings.truncated = true;
            return;
        }
        self.talk.keep_capability(text(line.bytes().trim_ascii()));
        if name.eq_ignore_ascii_case(b"SASL") {
            words(unquoted(rest)).for_each(|name| self.talk.keep_mechanism(name));
        }
    }

    fn reply(&mut self, ok: bool, line: &Line) {
        let answers = self.answers();
        let greeting = self.talk.stage == Stage::Greeting;
        if greeting {
            self.talk.keep_greeting(line);
            self.talk.stage = Stage::Open;
            if !ok {
                self.talk.refused(line);
                return;
            }
        } else {
            self.outstanding.pop();
        }
        match answers {
            Some(Command::List) if ok => {
                self.talk.capabilities().answered = true;
                self.talk.offered(self.starttls);
                (self.lines, self.starttls) = (0, false);
            }
            Some(Command::StartTls) => self.talk.upgrade_reply(ok, line),
            Some(Command::Logout) => self.talk.end(),
            Some(Command::Private) => self.talk.release(!ok),
            Some(Command::List | Command::Other) | None => {}
        }
    }

    fn bye(&mut self, line: &Line) {
        if self.talk.stage == Stage::Greeting {
            self.talk.keep_greeting(line);
        }
        if self.answers() == Some(Command::Logout) {
            self.talk.end();
        } else {
            self.talk.refused(line);
        }
    }
}

impl Observe for ManageSieve {
    fn bytes(&mut self, from: Direction, mut bytes: &[u8]) {
        match from {
            Direction::Client => {
                while let Some(line) = self.talk.client_line(&mut bytes) {
                    self.command(line.bytes());
                }
            }
            Direction::Server => {
                while let Some(line) = self.talk.server_line(&mut bytes, begins_line) {
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
            self.outstanding.push(Command::List);
            (self.lines, self.starttls) = (0, false);
        }
    }

    fn expect(&self) -> Expect {
        self.talk.expect(match self.outstanding.first() {
            Some(Command::List) => Expect::Capabilities,
            Some(Command::StartTls) => Expect::UpgradeReply,
            Some(Command::Logout) => Expect::Goodbye,
            Some(Command::Private | Command::Other) | None => Expect::Command,
        })
    }

    fn findings(&self) -> &Findings {
        &self.talk.findings
    }

    fn into_findings(self) -> Findings {
        self.talk.findings
    }
}

/// Says STARTTLS if it was advertised; LOGOUT.
#[derive(Clone, Copy, Debug, Default)]
pub struct ManageSieveSpeaker;

impl Speak for ManageSieveSpeaker {
    type Observer = ManageSieve;

    fn next(&self, observer: &ManageSieve, _: &Call<'_>) -> Next {
        match observer.expect() {
            Expect::Command if observer.outstanding.is_empty() => {}
            Expect::Tls => return Next::StartTls,
            Expect::End => return Next::Close,
            _ => return Next::Wait,
        }
        let command: &[u8] = if observer.talk.may_upgrade() { b"STARTTLS\r\n" } else { b"LOGOUT\r\n" };
        Next::Say(command.to_vec())
    }
}

/// What a first line can begin with: a quoted string, OK, NO, BYE, or an empty line.
fn begins_line(byte: u8) -> bool {
    matches!(byte, b'"' | b'\r' | b'\n') || matches!(byte.to_ascii_uppercase(), b'O' | b'N' | b'B')
}

fn unquoted(string: &[u8]) -> &[u8] {
    let string = string.strip_prefix(b"\"").unwrap_or(string);
    string.strip_suffix(b"\"").unwrap_or(string)
}

#[cfg(test)]
mod tests;
