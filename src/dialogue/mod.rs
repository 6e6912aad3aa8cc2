//! Conversations in the clear and inside TLS: what is said, and what we say next.
//!
//! Each protocol is two halves. *Observe* ([`Observe::bytes`]) understands both directions of a
//! conversation at any split of bytes, yields [`Findings`], and never speaks: the monitor uses it
//! alone. *Speak* ([`Speak::next`]) looks at an observer and says the client's next line: the scanner
//! uses both, and feeds what it says back to the observer as the client's bytes.
//!
//! Nothing here knows TCP, TLS or who is talking. Every buffer is bounded.

pub mod imap;
pub mod line;
pub mod smtp;

/// Who sent the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The side that opened the connection.
    Client,
    /// The side that was called.
    Server,
}

/// Limits of what is kept from one conversation. What exceeds them is counted, not kept.
pub mod limits {
    /// Bytes kept of one line; the rest of it is skipped and `Findings::truncated` is set.
    pub const LINE: usize = 2_048;
    /// Lines kept of one reply.
    pub const REPLY_LINES: usize = 128;
    /// Bytes kept of a greeting.
    pub const GREETING: usize = 4_096;
}

/// What the server said it can do, in its own order, on one side of the upgrade.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// A capability query was sent.
    pub asked: bool,
    /// Its reply was complete.
    pub answered: bool,
    /// Reply code of a numeric protocol (SMTP: 250, 502...).
    pub code: Option<u16>,
    /// Capabilities as the server wrote them, one item each (an ESMTP keyword line with its
    /// parameters, an IMAP capability atom), in server order.
    pub list: Vec<String>,
    /// Authentication mechanisms, upper case, in server order, duplicates removed.
    pub auth: Vec<String>,
}

/// The upgrade, step by step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upgrade {
    /// The server advertised it. `None` until a capability list was seen.
    pub offered: Option<bool>,
    /// The client asked for it.
    pub sent: bool,
    /// The server's reply line.
    pub reply: Option<String>,
    /// Go-ahead or refusal. `None` until the reply is complete.
    pub accepted: Option<bool>,
    /// Bytes that came after the go-ahead and before the TLS handshake (response injection).
    pub injected: u32,
}

/// Everything a line protocol shows. Text is what the server sent, as UTF-8 with other bytes replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The server's first reply, lines joined by `\n`, without line ends.
    pub greeting: Option<String>,
    /// Reply code of the greeting, where the protocol has numbers.
    pub greeting_code: Option<u16>,
    /// Capabilities before encryption.
    pub before: Capabilities,
    /// The upgrade.
    pub upgrade: Upgrade,
    /// Capabilities inside TLS.
    pub after: Capabilities,
    /// Some line or list exceeded its limit and was cut.
    pub truncated: bool,
    /// The first thing that is not of the protocol, as the server sent it.
    pub violation: Option<String>,
}

/// Where a conversation stands: what it waits for. `Copy`, shown in the row as the stage reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The server's greeting.
    Greeting,
    /// The reply to a capability query.
    Capabilities,
    /// The reply to the request to upgrade.
    UpgradeReply,
    /// The TLS handshake: nothing is said here until [`Observe::tls_started`].
    Tls,
    /// The client's next command.
    Command,
    /// The reply to the goodbye, or the server's close.
    Goodbye,
    /// Nothing more: the server said goodbye or refused service.
    End,
}

/// The understanding half of a protocol.
pub trait Observe {
    /// Takes the next bytes of one direction. Any split of the same bytes gives the same findings.
    fn bytes(&mut self, from: Direction, bytes: &[u8]);

    /// Both sides are inside TLS from here on.
    fn tls_started(&mut self);

    /// Where the conversation stands.
    fn expect(&self) -> Expect;

    /// What was found so far.
    fn findings(&self) -> &Findings;

    /// Gives up the findings.
    fn into_findings(self) -> Findings
    where
        Self: Sized;
}

/// What the client does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Wait for the server.
    Wait,
    /// Send these bytes (whole lines).
    Say(Vec<u8>),
    /// The server agreed: begin the TLS handshake.
    StartTls,
    /// All said: close.
    Close,
}

/// The speaking half: pure decision from what was observed.
pub trait Speak {
    /// The observer of the same protocol.
    type Observer: Observe;

    /// What to do now, given what was observed. Asked again after each event until it answers `Wait`
    /// or `Close`; bytes said must have been fed to the observer in between.
    fn next(&self, observer: &Self::Observer) -> Next;
}

/// How we introduce ourselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Argument of EHLO: a domain or an address literal (RFC 5321, section 4.1.3).
    pub ehlo: String,
}
