//! What the observers of line protocols share: how far the conversation is, how much of the client's side
//! is understood, and keeping what was found within its limits.

use super::line::{Line, Lines, text};
use super::texts::Texts;
use super::{Capabilities, Expect, Findings, Start, limits};

/// How far the conversation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before the end of the greeting.
    Greeting,
    /// Commands and replies.
    Open,
    /// Between the go-ahead and TLS.
    Tls,
    /// The first byte was not of the protocol: the first line is still collected.
    Alien,
    /// Over.
    Ended,
}

/// How the client's bytes are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hearing {
    /// As commands.
    Commands,
    /// Not at all until the reply to a command that may be followed by something else (TLS, credentials, a
    /// message). `overrun`: the client went on without waiting.
    Held { overrun: bool },
    /// Not any more: the client has logged in, sends mail, or went on without waiting, so that which reply
    /// answers what is unknown. The server's side is ignored too.
    Opaque,
}

/// The shared half of an observer.
#[derive(Clone, Debug)]
pub(super) struct Talk {
    pub(super) findings: Findings,
    pub(super) stage: Stage,
    /// Inside TLS.
    pub(super) inside: bool,
    /// Inside TLS from the first byte.
    direct: bool,
    hearing: Hearing,
    server: Lines,
    client: Lines,
}

impl Talk {
    /// `command_bytes`: how much of a client's line is looked at.
    pub(super) fn new(start: Start, command_bytes: usize) -> Self {
        let direct = start == Start::InsideTls;
        Self {
            findings: Findings::default(),
            stage: Stage::Greeting,
            inside: direct,
            direct,
            hearing: Hearing::Commands,
            server: Lines::new(limits::LINE),
            client: Lines::new(command_bytes),
        }
    }

    /// The greeting is over, and was not seen.
    pub(super) fn join(&mut self) {
        self.stage = Stage::Open;
    }

    /// Where the conversation stands, if the first command without its reply is waited for by `awaited`.
    pub(super) fn expect(&self, awaited: Expect) -> Expect {
        match self.stage {
            Stage::Greeting => Expect::Greeting,
            Stage::Open if self.hearing == Hearing::Opaque => Expect::Command,
            Stage::Open => awaited,
            Stage::Tls => Expect::Tls,
            Stage::Alien | Stage::Ended => Expect::End,
        }
    }

    /// The server's next line out of `bytes`, which it uses up; `None` when they are used up.
    /// `begins` says which bytes the protocol's first line can begin with.
    pub(super) fn server_line<'a>(&mut self, bytes: &mut &'a [u8], begins: fn(u8) -> bool) -> Option<Line<'a>> {
        match self.stage {
            Stage::Tls => {
                let count = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                self.findings.upgrade.injected = self.findings.upgrade.injected.saturating_add(count);
                *bytes = &[];
            }
            Stage::Ended => *bytes = &[],
            _ if self.hearing == Hearing::Opaque => *bytes = &[],
            Stage::Greeting if self.at_first_byte() && bytes.first().is_some_and(|byte| !begins(*byte)) => {
                self.stage = Stage::Alien;
            }
            _ => {}
        }
        let (taken, line) = self.server.take(bytes);
        *bytes = &bytes[taken..];
        if self.stage != Stage::Alien {
            return line.inspect(|line| self.findings.truncated |= line.cut());
        }
        *bytes = &[];
        let whole = line.is_some();
        let seen = line.map_or_else(|| self.server.so_far().bytes().to_vec(), |line| line.bytes().to_vec());
        self.keep_violation(&seen);
        if whole || seen.len() > limits::VIOLATION {
            self.end();
        }
        None
    }

    fn at_first_byte(&self) -> bool {
        self.findings.greeting.is_none() && !self.server.under_way()
    }

    /// The client's next command line out of `bytes`; `None` when they are used up or not listened to.
    pub(super) fn client_line<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Line<'a>> {
        let listening = matches!(self.stage, Stage::Greeting | Stage::Open);
        match &mut self.hearing {
            Hearing::Commands if listening => {
                let (taken, line) = self.client.take(bytes);
                *bytes = &bytes[taken..];
                return line;
            }
            Hearing::Held { overrun } => *overrun |= !bytes.is_empty(),
            _ => {}
        }
        *bytes = &[];
        None
    }

    /// The server's unfinished last line.
    pub(super) fn server_rest(&mut self) -> Option<Line<'static>> {
        let open = matches!(self.stage, Stage::Greeting | Stage::Open) && self.hearing != Hearing::Opaque;
        self.server.rest().filter(|_| open).inspect(|line| self.findings.truncated |= line.cut())
    }

    /// Listens to the client no more until [`Talk::release`]. `overrun`: what follows the command is not
    /// another command, whatever the reply says.
    pub(super) fn hold(&mut self, overrun: bool) {
        self.hearing = Hearing::Held { overrun };
        self.client.clear();
    }

    /// The reply to the command that made us hold has come. Listens again only if it refused, and the
    /// client had waited for it.
    pub(super) fn release(&mut self, refused: bool) {
        match self.hearing {
            Hearing::Held { overrun: false } if refused => self.hearing = Hearing::Commands,
            _ => self.go_deaf(),
        }
    }

    /// Understands nothing more of this conversation, unless TLS starts.
    pub(super) fn go_deaf(&mut self) {
        self.hearing = Hearing::Opaque;
        self.client.clear();
        self.server.clear();
    }

    /// The reply to the request to upgrade is complete.
    pub(super) fn upgrade_reply(&mut self, accepted: bool, line: &Line) {
        self.upgrade_reply_text(accepted, line.text());
    }

    /// The same, with what is to be shown of the reply.
    pub(super) fn upgrade_reply_text(&mut self, accepted: bool, text: String) {
        self.findings.upgrade.reply = Some(text.into());
        self.findings.upgrade.accepted = Some(accepted);
        if accepted {
            self.stage = Stage::Tls;
            self.client.clear();
        } else {
            self.release(true);
        }
    }

    /// Goes inside TLS; false if it is there from the first byte.
    pub(super) fn tls_started(&mut self) -> bool {
        if self.direct {
            return false;
        }
        self.inside = true;
        self.stage = Stage::Open;
        self.hearing = Hearing::Commands;
        self.client.clear();
        self.server.clear();
        true
    }

    /// The conversation is over.
    pub(super) fn end(&mut self) {
        self.stage = Stage::Ended;
        self.client.clear();
        self.server.clear();
    }

    /// The server shuts down with this line; nobody asked it to.
    pub(super) fn refused(&mut self, line: &Line) {
        self.findings.refusal = Some(line.text().into());
        self.refused_silently();
    }

    /// The same, but what it said is not to be kept.
    pub(super) fn refused_silently(&mut self) {
        self.findings.refused = true;
        self.end();
    }

    /// TLS was started by an upgrade.
    pub(super) fn upgraded(&self) -> bool {
        self.inside && !self.direct
    }

    /// Capabilities were asked for on this side of the upgrade.
    pub(super) fn asked(&self) -> bool {
        if self.inside { self.findings.after.asked } else { self.findings.before.asked }
    }

    /// What is listed on this side of the upgrade.
    pub(super) fn listed(&self) -> &Texts {
        if self.inside { &self.findings.after.list } else { &self.findings.before.list }
    }

    /// A complete list says whether the upgrade is offered. Inside TLS that means nothing.
    pub(super) fn offered(&mut self, starttls: bool) {
        if !self.inside {
            self.findings.upgrade.offered = Some(starttls);
        }
    }

    /// The upgrade may be asked for: it is offered, or the server let nobody ask; and it was not yet.
    pub(super) fn may_upgrade(&self) -> bool {
        !self.inside && !self.findings.upgrade.sent && self.findings.upgrade.offered != Some(false)
    }

    /// The list of this side of the upgrade.
    pub(super) fn capabilities(&mut self) -> &mut Capabilities {
        if self.inside { &mut self.findings.after } else { &mut self.findings.before }
    }

    /// Adds to the list of this side of the upgrade.
    pub(super) fn keep_capability(&mut self, item: String) {
        self.findings.truncated |= !self.capabilities().keep(&item);
    }

    /// Adds to the mechanisms of this side of the upgrade.
    pub(super) fn keep_mechanism(&mut self, name: &[u8]) {
        self.findings.truncated |= !self.capabilities().keep_mechanism(name);
    }

    /// Adds a line to the greeting.
    pub(super) fn keep_greeting(&mut self, line: &Line) {
        let used = self.findings.greeting.as_ref().map_or(0, |greeting| greeting.len() + 1);
        if used >= limits::GREETING {
            self.findings.truncated = true;
            return;
        }
        let mut text = line.text();
        self.findings.truncated |= shorten(&mut text, limits::GREETING - used);
        let greeting = &mut self.findings.greeting;
        *greeting = Some(match greeting.take() {
            Some(before) => format!("{before}\n{text}").into(),
            None => text.into(),
        });
    }

    /// The client begins to authenticate.
    pub(super) fn authenticates(&mut self, how: &'static str) {
        if !self.inside {
            self.findings.auth_clear.get_or_insert(how);
        }
    }

    /// A line that is not of the protocol: the first one is kept.
    pub(super) fn violation(&mut self, line: &Line) {
        if self.findings.violation.is_none() {
            self.keep_violation(line.bytes());
        }
    }

    fn keep_violation(&mut self, bytes: &[u8]) {
        let part = &bytes[..bytes.len().min(limits::VIOLATION)];
        self.findings.truncated |= part.len() < bytes.len();
        self.findings.violation = Some(text(part).into());
    }
}

impl Capabilities {
    /// Adds to the list; false if there is no room.
    pub(super) fn keep(&mut self, item: &str) -> bool {
        let list = &mut self.list;
        let room = list.len() < limits::CAPABILITIES && list.bytes() + item.len() <= limits::CAPABILITY_BYTES;
        if room {
            list.push(item);
        }
        room
    }

    /// Adds to the mechanisms, each once; false if there is no room.
    pub(super) fn keep_mechanism(&mut self, name: &[u8]) -> bool {
        let name = text(name).to_ascii_uppercase();
        if name.is_empty() || self.auth.iter().any(|known| known == name) {
            return true;
        }
        let room = self.auth.len() < limits::MECHANISMS;
        if room {
            self.auth.push(&name);
        }
        room
    }
}

/// Cuts text to at most `max` bytes, between characters; true if something was cut.
pub(super) fn shorten(text: &mut String, max: usize) -> bool {
    if text.len() <= max {
        return false;
    }
    let end = (0..=max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.truncate(end);
    true
}
