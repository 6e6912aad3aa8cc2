//! SMTP (RFC 5321) with STARTTLS (RFC 3207) and AUTH (RFC 4954): ports smtp, submission and, inside direct
//! TLS, smtps.
//!
//! What is tolerated, as lenient clients do: in a reply of several lines the last line's code counts, and
//! lines without a code are text; a second `220` before the first other reply is a greeting whose author
//! forgot the hyphen (or, inside TLS, a greeting that RFC 3207 does not know); keywords in any case; `AUTH=`
//! (older than RFC 2554) beside `AUTH`. What the first line cannot be - anything that does not begin with a
//! reply code - ends the conversation at its first byte.
//!
//! Of a capture that may have the server's side only ([`Observe::alone`]), the first reply after the greeting can be the
//! one to EHLO. If it has several lines it is: the other command that comes first, HELO, is answered with one.
//!
//! The first line of an EHLO reply names the server and is no capability, whatever it says.
//!
//! Refusals: after a greeting that is not 2yz the server waits for QUIT (RFC 5321, section 3.1), so our
//! speaker says it; after 421 the server closes, and so do we. Without EHLO there is no STARTTLS, so a
//! server that refuses EHLO is not tried with HELO: nothing could be learned.

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
    Ehlo,
    StartTls,
    Quit,
    /// What may be followed by bytes that are not commands: AUTH, DATA, BDAT...
    Private,
    Other,
}

/// What a reply answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answered {
    Connect,
    /// The connection again: see the module's head.
    ConnectAgain,
    Command(Command),
    /// An EHLO that the capture does not have: see the module's head.
    Unseen,
    Nothing,
}

/// A reply of which not all lines have come.
#[derive(Clone, Copy, Debug)]
struct Reply {
    answers: Answered,
    lines: usize,
    starttls: bool,
}

/// Understands SMTP.
#[derive(Clone, Debug)]
pub struct Smtp {
    talk: Talk,
    outstanding: Outstanding<Command>,
    /// The reply under way.
    reply: Option<Reply>,
    /// A command was answered on this side of the upgrade.
    settled: bool,
    /// Nobody may be seen to ask, and nothing followed the greeting yet.
    alone: bool,
}

impl Smtp {
    /// Before the first byte.
    pub fn new(start: Start) -> Self {
        Self {
            talk: Talk::new(start, VERB),
            outstanding: Outstanding::default(),
            reply: None,
            settled: false,
            alone: false,
        }
    }

    fn command(&mut self, line: &[u8]) {
        let (verb, rest) = word(line);
        if verb.is_empty() {
            return;
        }
        let command = match verb.to_ascii_uppercase().as_slice() {
            b"EHLO" => Command::Ehlo,
            b"STARTTLS" if !self.talk.inside => Command::StartTls,
            b"QUIT" => Command::Quit,
            b"AUTH" | b"DATA" | b"BDAT" | b"X-ANONYMOUSTLS" => Command::Private,
            _ => Command::Other,
        };
        if self.outstanding.len() + 1 >= OUTSTANDING {
            self.outstanding.push(Command::Private);
            self.talk.hold(true);
            return;
        }
        self.outstanding.push(command);
        self.alone = false;
        if verb.eq_ignore_ascii_case(b"AUTH") {
            self.talk.authenticates(mechanism(word(rest).0));
        }
        match command {
            Command::Ehlo => self.talk.capabilities().asked = true,
            Command::StartTls => {
                self.talk.findings.upgrade.sent = true;
                self.talk.hold(false);
            }
            // The chunk follows BDAT at once (RFC 3030, section 2).
            Command::Private => self.talk.hold(verb.eq_ignore_ascii_case(b"BDAT")),
            Command::Quit | Command::Other => {}
        }
    }

    fn line(&mut self, line: &Line) {
        match code(line.bytes()) {
            Some((code, last)) => self.reply_line(line, code, last),
            None if self.reply.is_some() => {
                if self.reply.is_some_and(|reply| reply.answers == Answered::Connect) {
                    self.talk.keep_greeting(line);
                }
            }
            None if line.bytes().is_empty() => {}
            None => {
                self.talk.violation(line);
                if self.talk.stage == Stage::Greeting {
                    self.talk.end();
                }
            }
        }
    }

    fn reply_line(&mut self, line: &Line, code: u16, last: bool) {
        let answers = self.reply.map_or_else(|| self.answered_by(code, last), |reply| reply.answers);
        let mut reply = self.reply.unwrap_or(Reply { answers, lines: 0, starttls: false });
        match answers {
            Answered::Connect => self.talk.keep_greeting(line),
            Answered::ConnectAgain if !self.talk.inside => self.talk.keep_greeting(line),
            Answered::Command(Command::Ehlo) | Answered::Unseen if code == 250 => {
                self.capability_line(line, &mut reply)
            }
            _ => {}
        }
        reply.lines = reply.lines.saturating_add(1);
        self.reply = (!last).then_some(reply);
        if last {
            self.reply_end(line, code, reply);
        }
    }

    /// What the reply answers that begins with this code.
    fn answered_by(&self, code: u16, last: bool) -> Answered {
        let first = self.outstanding.first();
        if self.talk.stage == Stage::Greeting {
            Answered::Connect
        } else if code == 220 && !self.settled && matches!(first, None | Some(Command::Ehlo)) {
            Answered::ConnectAgain
        } else if let Some(command) = first {
            Answered::Command(command)
        } else if code == 250 && !last && !self.settled && self.alone && !self.talk.inside {
            Answered::Unseen
        } else {
            Answered::Nothing
        }
    }

    fn capability_line(&mut self, line: &Line, reply: &mut Reply) {
        if reply.lines == 0 {
            let capabilities = self.talk.capabilities();
            capabilities.list.clear();
            capabilities.auth.clear();
            let (domain, _) = word(line.bytes().get(4..).unwrap_or_default().trim_ascii());
            self.talk.findings.own_name = (!domain.is_empty()).then(|| text(domain).into());
            return;
        }
        let item = line.bytes().get(4..).unwrap_or_default().trim_ascii();
        let (keyword, _) = word(item);
        reply.starttls |= keyword.eq_ignore_ascii_case(b"STARTTLS");
        if keyword.is_empty() {
            return;
        }
        if reply.lines > limits::REPLY_LINES {
            self.talk.findings.truncated = true;
            return;
        }
        self.talk.keep_capability(text(item));
        if let Some(mechanisms) = mechanisms(item) {
            words(mechanisms).for_each(|name| self.talk.keep_mechanism(name));
        }
    }

    fn reply_end(&mut self, line: &Line, code: u16, reply: Reply) {
        if let Answered::Command(command) = reply.answers {
            self.outstanding.pop();
            self.settled = true;
            self.command_answered(command, line, code, reply);
        } else if reply.answers == Answered::Unseen {
            self.settled = true;
            self.talk.offered(reply.starttls);
        } else if reply.answers == Answered::Connect {
            self.talk.stage = Stage::Open;
            self.talk.findings.greeting_code = Some(code);
            if code / 100 != 2 {
                self.talk.findings.refused = true;
                self.talk.findings.refusal = Some(line.text().into());
            }
        }
        self.alone &= reply.answers != Answered::Nothing;
        let goodbye = reply.answers == Answered::Command(Command::Quit);
        if code == 421 && !goodbye {
            self.talk.refused(line);
        }
    }

    fn command_answered(&mut self, command: Command, line: &Line, code: u16, reply: Reply) {
        match command {
            Command::Ehlo => self.ehlo_answered(code, reply),
            Command::StartTls => self.talk.upgrade_reply(code == 220, line),
            Command::Quit => self.talk.end(),
            Command::Private => self.talk.release(code >= 400),
            Command::Other => {}
        }
    }

    fn ehlo_answered(&mut self, code: u16, reply: Reply) {
        let capabilities = self.talk.capabilities();
        if code == 250 {
            capabilities.answered = true;
            capabilities.code = Some(code);
            self.talk.offered(reply.starttls);
        } else if !capabilities.answered {
            // A refused EHLO changes nothing of what an earlier one found (RFC 5321, section 4.1.4).
            capabilities.code = Some(code);
            capabilities.list.clear();
            capabilities.auth.clear();
            // Who does not know EHLO has no extension (section 4.1.1.1).
            if code / 100 == 5 {
                self.talk.offered(false);
            }
        }
    }
}

impl Observe for Smtp {
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
        (self.settled, self.alone) = (true, false);
    }

    fn alone(&mut self) {
        self.alone = true;
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
            self.reply = None;
            self.settled = false;
        }
    }

    fn expect(&self) -> Expect {
        self.talk.expect(match self.outstanding.first() {
            Some(Command::Ehlo) => Expect::Capabilities,
            Some(Command::StartTls) => Expect::UpgradeReply,
            Some(Command::Quit) => Expect::Goodbye,
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

/// Says EHLO; STARTTLS if it was advertised, and then EHLO again; QUIT.
#[derive(Clone, Copy, Debug, Default)]
pub struct SmtpSpeaker;

impl Speak for SmtpSpeaker {
    type Observer = Smtp;

    fn next(&self, observer: &Smtp, call: &Call<'_>) -> Next {
        match observer.expect() {
            Expect::Command if observer.outstanding.is_empty() => {}
            Expect::Tls => return Next::StartTls,
            Expect::End => return Next::Close,
            _ => return Next::Wait,
        }
        let findings = observer.findings();
        // Without EHLO there is no STARTTLS (RFC 3207, section 4).
        let ask_upgrade = findings.upgrade.offered == Some(true) && observer.talk.may_upgrade();
        Next::Say(if findings.refused {
            b"QUIT\r\n".to_vec()
        } else if !observer.talk.asked() {
            format!("EHLO {}\r\n", call.identity.ehlo).into_bytes()
        } else if ask_upgrade {
            b"STARTTLS\r\n".to_vec()
        } else {
            b"QUIT\r\n".to_vec()
        })
    }
}

/// What a reply can begin with: the first digit of a code (RFC 5321, section 4.2.1), or an empty line.
fn begins_reply(byte: u8) -> bool {
    matches!(byte, b'2'..=b'5' | b'\r' | b'\n')
}

/// Reply code of a line, and whether it is the last of its reply.
fn code(line: &[u8]) -> Option<(u16, bool)> {
    let digits = line.get(..3)?;
    let last = match line.get(3) {
        Some(b'-') => false,
        Some(b' ' | b'\t') | None => true,
        Some(_) => return None,
    };
    if !matches!(digits[0], b'2'..=b'5') || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some((digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0')), last))
}

/// The mechanisms of an AUTH line, in both spellings.
fn mechanisms(item: &[u8]) -> Option<&[u8]> {
    let (keyword, rest) = item.split_at_checked(4)?;
    let announced = keyword.eq_ignore_ascii_case(b"AUTH") && matches!(rest.first(), Some(b' ' | b'\t' | b'='));
    announced.then(|| &rest[1..])
}

#[cfg(test)]
mod tests;
