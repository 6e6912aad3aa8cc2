//! IMAP (RFC 9051, RFC 3501) with STARTTLS and AUTH= (RFC 2595): ports imap and, inside direct TLS, imaps.
//!
//! The answer to a CAPABILITY command is what counts: all its untagged lines and the tagged line's response
//! code together, an atom that comes twice once. A list that the greeting announces in its response code
//! stands only until then ([`Capabilities::answered`](super::Capabilities) tells which of them it is). Other
//! lists, such as that after LOGIN, are not looked at; but of a capture that may have the server's side only
//! ([`Observe::alone`]) the first list before the first tagged line stands likewise.
//!
//! After `PREAUTH` there is no upgrade (STARTTLS is a command of the not-authenticated state), so our speaker
//! does not ask for it. A greeting of `BYE` refuses service. The first line can only be one of these
//! (section 7.1); anything else ends the conversation.

use super::line::{Line, text, word, words};
use super::mechanism::mechanism;
use super::talk::{Stage, Talk};
use super::{Call, Direction, Expect, Findings, Next, Observe, Speak, Start, limits};

/// Bytes of a tag that is followed.
const TAG: usize = 32;
/// Bytes looked at of a client's line: tag and verb. Arguments are never stored.
const COMMAND: usize = 64;
/// Commands without their replies that are followed.
const OUTSTANDING: usize = 16;
/// Longest contact in ID.
const CONTACT: usize = 200;

/// A client's command whose reply matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    Capability,
    StartTls,
    Logout,
    Id,
    /// What may be followed by bytes that are not commands: LOGIN, AUTHENTICATE, literals...
    Private,
}

/// The answer to a CAPABILITY command under way.
#[derive(Clone, Copy, Debug, Default)]
struct Answer {
    /// Lines with a list so far.
    lines: usize,
    starttls: bool,
}

/// Understands IMAP.
#[derive(Clone, Debug)]
pub struct Imap {
    talk: Talk,
    /// Tags of commands without their replies, oldest first.
    outstanding: Vec<(Box<[u8]>, Command)>,
    /// Commands the client has sent.
    commands: u32,
    /// The client has said who it is.
    identified: bool,
    /// The server logged us in by itself.
    preauth: bool,
    /// The begin was not seen: the state that the session is in is not known.
    joined: bool,
    answer: Answer,
    /// Nobody may be seen to ask, and nothing was answered yet.
    alone: bool,
    server_literal: Literal,
    client_literal: Literal,
    /// Bytes of a server's literal still to come.
    skip: u64,
    /// The next line goes on with a response that a literal interrupted.
    goes_on: bool,
}

impl Imap {
    /// Before the first byte.
    pub fn new(start: Start) -> Self {
        Self {
            talk: Talk::new(start, COMMAND),
            outstanding: Vec::new(),
            commands: 0,
            identified: false,
            preauth: false,
            joined: false,
            answer: Answer::default(),
            alone: false,
            server_literal: Literal::None,
            client_literal: Literal::None,
            skip: 0,
            goes_on: false,
        }
    }

    fn command(&mut self, line: &Line, literal: Option<u32>) {
        let (tag, rest) = word(line.bytes());
        let (verb, arguments) = word(rest);
        if verb.is_empty() && !line.cut() {
            return;
        }
        self.commands = self.commands.wrapping_add(1);
        let command = match verb.to_ascii_uppercase().as_slice() {
            b"CAPABILITY" => Command::Capability,
            b"STARTTLS" if !self.talk.inside => Command::StartTls,
            b"LOGOUT" => Command::Logout,
            b"ID" if literal.is_none() => Command::Id,
            b"LOGIN" | b"AUTHENTICATE" | b"COMPRESS" => Command::Private,
            _ if literal.is_some() || verb.is_empty() => Command::Private,
            _ => return,
        };
        if verb.eq_ignore_ascii_case(b"LOGIN") {
            self.talk.authenticates("LOGIN command");
        } else if verb.eq_ignore_ascii_case(b"AUTHENTICATE") {
            self.talk.authenticates(mechanism(word(arguments).0));
        }
        if tag.len() > TAG || self.outstanding.len() >= OUTSTANDING {
            self.talk.go_deaf();
            return;
        }
        self.outstanding.push((tag.into(), command));
        match command {
            Command::Capability => self.talk.capabilities().asked = true,
            Command::StartTls => {
                self.talk.findings.upgrade.sent = true;
                self.talk.hold(false);
            }
            Command::Private => self.talk.hold(false),
            Command::Id => self.identified = true,
            Command::Logout => {}
        }
    }

    fn line(&mut self, line: &Line, literal: Option<u32>) {
        if std::mem::take(&mut self.goes_on) {
            self.skip_literal(literal);
            return;
        }
        let (first, rest) = word(line.bytes());
        match first {
            b"" => {}
            _ if self.talk.stage == Stage::Greeting => self.greeting(first, rest, line),
            b"*" => self.untagged(rest, line, literal),
            [b'+', ..] => {}
            tag => self.tagged(tag, rest, line),
        }
    }

    fn greeting(&mut self, first: &[u8], rest: &[u8], line: &Line) {
        let (status, rest) = word(rest);
        let status = status.to_ascii_uppercase();
        if first != b"*" || !matches!(status.as_slice(), b"OK" | b"PREAUTH" | b"BYE") {
            self.talk.violation(line);
            self.talk.end();
            return;
        }
        self.talk.keep_greeting(line);
        self.talk.stage = Stage::Open;
        self.preauth = status == b"PREAUTH";
        if status == b"BYE" {
            self.talk.refused(line);
        } else if let Some(code) = capability_code(rest) {
            let starttls = self.keep_list(code.atoms, line.cut() && !code.closed);
            self.talk.offered(starttls);
        }
    }

    fn untagged(&mut self, rest: &[u8], line: &Line, literal: Option<u32>) {
        let (name, rest) = word(rest);
        match name.to_ascii_uppercase().as_slice() {
            b"CAPABILITY" if self.awaits(Command::Capability) => self.listed(rest, line.cut()),
            b"CAPABILITY" if self.alone && self.commands == 0 && self.talk.findings.upgrade.offered.is_none() => {
                self.listed(rest, line.cut());
                // It can be the list after a LOGIN that was not seen, where STARTTLS has no place any more.
                if std::mem::take(&mut self.answer).starttls {
                    self.talk.offered(true);
                }
            }
            b"CAPABILITY" => {}
            b"BYE" if self.awaits(Command::Logout) => {}
            b"BYE" => self.talk.refused(line),
            // Text may look like a literal and is none (RFC 9051, section 9, resp-text).
            b"OK" | b"NO" | b"BAD" | b"PREAUTH" => {}
            _ => self.skip_literal(literal),
        }
    }

    fn skip_literal(&mut self, literal: Option<u32>) {
        if let Some(count) = literal {
            self.skip = u64::from(count);
            self.goes_on = true;
        }
    }

    fn tagged(&mut self, tag: &[u8], rest: &[u8], line: &Line) {
        self.alone = false;
        let (status, rest) = word(rest);
        let ok = status.eq_ignore_ascii_case(b"OK");
        let is_reply = ok || status.eq_ignore_ascii_case(b"NO") || status.eq_ignore_ascii_case(b"BAD");
        let Some(at) = self.outstanding.iter().position(|(sent, _)| **sent == *tag).filter(|_| is_reply) else {
            // A reply to a command that is not followed; or, where no mail can show up, a violation.
            if !is_reply && !self.preauth && !self.joined {
                self.talk.violation(line);
            }
            return;
        };
        match self.outstanding.remove(at).1 {
            Command::Capability => self.capability_answered(ok, rest, line),
            Command::StartTls => self.talk.upgrade_reply(ok, line),
            Command::Logout => self.talk.end(),
            Command::Id => {}
            Command::Private => self.talk.release(!ok),
        }
    }

    fn awaits(&self, command: Command) -> bool {
        self.outstanding.iter().any(|(_, sent)| *sent == command)
    }

    /// A list of the answer to a CAPABILITY command.
    fn listed(&mut self, atoms: &[u8], cut: bool) {
        if self.answer.lines == 0 {
            let capabilities = self.talk.capabilities();
            capabilities.list.clear();
            capabilities.auth.clear();
        }
        self.answer.lines = self.answer.lines.saturating_add(1);
        if self.answer.lines > limits::REPLY_LINES {
            self.talk.findings.truncated = true;
            return;
        }
        self.answer.starttls |= self.keep_list(atoms, cut);
    }

    fn capability_answered(&mut self, ok: bool, rest: &[u8], line: &Line) {
        if let Some(code) = capability_code(rest).filter(|_| ok) {
            self.listed(code.atoms, line.cut() && !code.closed);
        }
        let answer = std::mem::take(&mut self.answer);
        if ok && answer.lines > 0 {
            self.talk.capabilities().answered = true;
            self.talk.offered(answer.starttls);
        }
    }

    /// Keeps the atoms that are new; whether STARTTLS is among them. `cut`: the last one is incomplete.
    fn keep_list(&mut self, atoms: &[u8], cut: bool) -> bool {
        let mut starttls = false;
        let mut atoms = words(atoms).peekable();
        while let Some(atom) = atoms.next() {
            if cut && atoms.peek().is_none() {
                break;
            }
            starttls |= atom.eq_ignore_ascii_case(b"STARTTLS");
            let item = text(atom);
            if self.talk.capabilities().list.iter().any(|kept| kept.eq_ignore_ascii_case(&item)) {
                continue;
            }
            self.talk.keep_capability(item);
            if let Some((prefix, name)) = atom.split_at_checked(5)
                && prefix.eq_ignore_ascii_case(b"AUTH=")
            {
                self.talk.keep_mechanism(name);
            }
        }
        starttls
    }
}

impl Observe for Imap {
    fn bytes(&mut self, from: Direction, bytes: &[u8]) {
        match from {
            Direction::Client => self.client_bytes(bytes),
            Direction::Server => self.server_bytes(bytes),
        }
    }

    fn join(&mut self) {
        self.talk.join();
        (self.joined, self.alone) = (true, false);
    }

    fn alone(&mut self) {
        self.alone = true;
    }

    fn closed(&mut self, from: Direction) {
        if from == Direction::Server
            && let Some(line) = self.talk.server_rest()
        {
            self.line(&line, None);
        }
    }

    fn tls_started(&mut self) {
        if self.talk.tls_started() {
            self.outstanding.clear();
            self.answer = Answer::default();
            self.server_literal = Literal::None;
            self.client_literal = Literal::None;
            self.skip = 0;
            self.goes_on = false;
        }
    }

    fn expect(&self) -> Expect {
        self.talk.expect(match self.outstanding.first() {
            Some((_, Command::Capability)) => Expect::Capabilities,
            Some((_, Command::StartTls)) => Expect::UpgradeReply,
            Some((_, Command::Logout)) => Expect::Goodbye,
            Some((_, Command::Id | Command::Private)) | None => Expect::Command,
        })
    }

    fn findings(&self) -> &Findings {
        &self.talk.findings
    }

    fn into_findings(self) -> Findings {
        self.talk.findings
    }
}

impl Imap {
    fn client_bytes(&mut self, mut bytes: &[u8]) {
        loop {
            let before = bytes;
            let line = self.talk.client_line(&mut bytes);
            self.client_literal.scan(&before[..before.len() - bytes.len()]);
            let Some(line) = line else { return };
            let literal = self.client_literal.take();
            self.command(&line, literal);
        }
    }

    fn server_bytes(&mut self, mut bytes: &[u8]) {
        loop {
            if self.skip > 0 && self.talk.stage == Stage::Open {
                let count = usize::try_from(self.skip).map_or(bytes.len(), |skip| skip.min(bytes.len()));
                bytes = &bytes[count..];
                self.skip -= count as u64;
            }
            let before = bytes;
            let line = self.talk.server_line(&mut bytes, begins_greeting);
            self.server_literal.scan(&before[..before.len() - bytes.len()]);
            let Some(line) = line else { return };
            let literal = self.server_literal.take();
            self.line(&line, literal);
        }
    }
}

/// Asks CAPABILITY; STARTTLS if it was advertised, or if CAPABILITY was refused, and then CAPABILITY again; ID if the server
/// offers it and there is something to say; LOGOUT. Tags are `a1`, `a2`...
#[derive(Clone, Copy, Debug, Default)]
pub struct ImapSpeaker;

impl Speak for ImapSpeaker {
    type Observer = Imap;

    fn next(&self, observer: &Imap, call: &Call<'_>) -> Next {
        match observer.expect() {
            Expect::Command if observer.outstanding.is_empty() => {}
            Expect::Tls => return Next::StartTls,
            Expect::End => return Next::Close,
            _ => return Next::Wait,
        }
        let offers_id = || observer.talk.listed().iter().any(|atom| atom.eq_ignore_ascii_case("ID"));
        let id = call.identity.contact.as_deref().filter(|_| !observer.identified && offers_id()).map(id);
        let command = if !observer.talk.asked() {
            "CAPABILITY"
        } else if !observer.preauth && observer.talk.may_upgrade() {
            "STARTTLS"
        } else {
            id.as_deref().unwrap_or("LOGOUT")
        };
        Next::Say(format!("a{} {command}\r\n", observer.commands.wrapping_add(1)).into_bytes())
    }
}

/// ID with whom to ask about us (RFC 2971, section 3.3), as a quoted string.
fn id(contact: &str) -> String {
    let plain = |c: &char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
    format!("ID (\"support-url\" \"{}\")", contact.chars().filter(plain).take(CONTACT).collect::<String>())
}

/// What a greeting can begin with, or an empty line.
fn begins_greeting(byte: u8) -> bool {
    matches!(byte, b'*' | b'\r' | b'\n')
}

/// The capability list of a response code.
struct CapabilityCode<'a> {
    atoms: &'a [u8],
    /// The closing bracket is there.
    closed: bool,
}

/// The list in the `[CAPABILITY ...]` that the text of a status response can begin with.
fn capability_code(text: &[u8]) -> Option<CapabilityCode<'_>> {
    let code = text.strip_prefix(b"[")?;
    let end = code.iter().position(|byte| *byte == b']');
    let (name, atoms) = word(&code[..end.unwrap_or(code.len())]);
    name.eq_ignore_ascii_case(b"CAPABILITY").then_some(CapabilityCode { atoms, closed: end.is_some() })
}

/// Finds out whether a line ends with a literal's announcement, `{n}` or `{n+}` (RFC 9051, section 4.3;
/// RFC 7888), however long the line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Literal {
    None,
    /// After `{`.
    Open,
    /// After digits.
    Count(u32),
    /// After `+`.
    Plus(u32),
    /// After `}`: it is one if the line ends here.
    Closed(u32),
}

impl Literal {
    /// Goes on with bytes of the line, its end included.
    fn scan(&mut self, bytes: &[u8]) {
        for byte in bytes {
            *self = match (*self, byte) {
                (_, b'{') => Self::Open,
                (Self::Open, b'0'..=b'9') => Self::Count(u32::from(byte - b'0')),
                (Self::Count(count), b'0'..=b'9') => count
                    .checked_mul(10)
                    .and_then(|count| count.checked_add(u32::from(byte - b'0')))
                    .map_or(Self::None, Self::Count),
                (Self::Count(count), b'+') => Self::Plus(count),
                (Self::Count(count) | Self::Plus(count), b'}') => Self::Closed(count),
                (closed @ Self::Closed(_), b'\r' | b'\n') => closed,
                _ => Self::None,
            };
        }
    }

    /// At the line's end: the count, and ready for the next line.
    fn take(&mut self) -> Option<u32> {
        match std::mem::replace(self, Self::None) {
            Self::Closed(count) => Some(count),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
