//! Conversations in the clear and inside TLS: what is said, and what we say next.
//!
//! Each protocol is two halves. *Observe* ([`Observe::bytes`]) understands both directions of a
//! conversation at any split of bytes, yields [`Findings`], and never speaks: the monitor uses it
//! alone. *Speak* ([`Speak::next`]) looks at an observer and says the client's next line: the scanner
//! uses both, and feeds what it says back to the observer as the client's bytes.
//!
//! Nothing here knows TCP, TLS or who is talking. Every buffer is bounded.

pub mod imap;
pub mod irc;
pub mod line;
pub mod managesieve;
pub mod mechanism;
mod outstanding;
pub mod pop3;
pub mod smtp;
pub mod software;
mod talk;
#[cfg(test)]
mod testing;
pub mod texts;
pub mod xmpp;

use texts::Texts;

/// Who sent the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The side that opened the connection.
    Client,
    /// The side that was called.
    Server,
}

/// How the connection begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// In the clear (smtp, submission, imap): TLS may follow by upgrade.
    Clear,
    /// Inside TLS (smtps, imaps): capabilities go to [`Findings::after`], there is no upgrade.
    InsideTls,
}

/// Limits of what is kept from one conversation. What exceeds one is left out, and
/// [`Findings::truncated`] is set. Bytes are the server's own; text can be up to three times as long,
/// as one byte that is not text becomes U+FFFD.
pub mod limits {
    /// Bytes kept of one line; the rest of it is skipped.
    pub const LINE: usize = 2_048;
    /// Lines looked at of one capability list.
    pub const REPLY_LINES: usize = 128;
    /// Bytes of text kept of a greeting.
    pub const GREETING: usize = 4_096;
    /// Capabilities kept of one list.
    pub const CAPABILITIES: usize = 256;
    /// Bytes of text kept of one capability list, all its items together.
    pub const CAPABILITY_BYTES: usize = 8_192;
    /// Authentication mechanisms kept of one list.
    pub const MECHANISMS: usize = 64;
    /// Bytes kept of what is not of the protocol.
    pub const VIOLATION: usize = 512;
}

/// What the server said it can do, in its own order, on one side of the upgrade.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// A capability query was sent.
    pub asked: bool,
    /// Its reply was complete and gave a list (an empty one is a list: a lone SMTP `250`).
    pub answered: bool,
    /// Code of the complete reply of a numeric protocol (SMTP: 250, 502...; IRC: 421, 451...). `Some` without
    /// `answered` means that the query was refused.
    pub code: Option<u16>,
    /// Capabilities as the server wrote them, one item each (an ESMTP keyword line with its
    /// parameters, an IMAP capability atom), in server order. Without `answered`: as far as the list
    /// came, or what the greeting announced (IMAP response code).
    pub list: Texts,
    /// Authentication mechanisms, upper case, in server order, duplicates removed.
    pub auth: Texts,
}

/// The upgrade, step by step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upgrade {
    /// The server advertised it. `None` until a capability list was seen; a server that does not know the query at all
    /// (SMTP 5yz to EHLO) advertises nothing.
    pub offered: Option<bool>,
    /// The server says that nothing goes without it (XMPP `<required/>`). `None` until a list was seen, and where
    /// the protocol cannot say so.
    pub required: Option<bool>,
    /// The client asked for it.
    pub sent: bool,
    /// The server's reply: the line that decides, as sent (SMTP: the last; IMAP: the tagged one).
    pub reply: Option<Box<str>>,
    /// Go-ahead or refusal. `None` until the reply is complete.
    pub accepted: Option<bool>,
    /// Bytes the server sent after the go-ahead's line end and before the TLS handshake (response
    /// injection). The server must not speak first in TLS, so every byte between its go-ahead and the
    /// ClientHello counts, whatever it looks like.
    pub injected: u32,
}

/// Everything a line protocol shows. Text is what the server sent, as [`line::text`] makes it safe to
/// show. Of the client nothing is kept but which commands it sent: no names, passwords or messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The server's first reply, lines joined by `\n`, without line ends; as far as it came (IRC: its notices).
    pub greeting: Option<Box<str>>,
    /// Reply code of the complete greeting, where the protocol has numbers.
    pub greeting_code: Option<u16>,
    /// What the server calls itself: the domain of SMTP's reply to EHLO (RFC 5321, section 4.1.1.1), `from` of XMPP's
    /// stream header (RFC 6120, section 4.7.1). Inside TLS it may say another name: the last one counts.
    pub own_name: Option<Box<str>>,
    /// The server refused service: a greeting that says no (SMTP 4yz and 5yz, IMAP BYE, POP3 -ERR), or a shutdown
    /// nobody asked for (SMTP 421, IMAP BYE, IRC ERROR, XMPP stream error).
    pub refused: bool,
    /// It refused because it does not serve the name it was asked for (XMPP `host-unknown` or `host-gone`).
    pub host_unknown: bool,
    /// What it said when it refused: the last line of the greeting or the shutdown (XMPP: the stream error's
    /// condition).
    pub refusal: Option<Box<str>>,
    /// The greeting has a timestamp for APOP (POP3).
    pub apop: bool,
    /// Capabilities before encryption.
    pub before: Capabilities,
    /// The upgrade.
    pub upgrade: Upgrade,
    /// Capabilities inside TLS.
    pub after: Capabilities,
    /// How the client began to authenticate before encryption: with which mechanism, by [`mechanism`], or with which command.
    pub auth_clear: Option<&'static str>,
    /// Some line or list exceeded its limit and was cut.
    pub truncated: bool,
    /// The first line that is not of the protocol, as the server sent it. In place of a greeting it ends the
    /// conversation (`greeting` is `None`); later on it is noted and skipped, if the protocol lets that be done.
    pub violation: Option<Box<str>>,
    /// It does not (XMPP: XML that is not well-formed), so what was waited for will not be understood.
    pub derailed: bool,
}

/// Where a conversation stands: what it waits for. `Copy`, shown in the row as the stage reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The server's greeting, or the rest of it; where the client speaks first, the server's first words.
    Greeting,
    /// The reply to a capability query, or the rest of it.
    Capabilities,
    /// The reply to the request to upgrade, or the rest of it.
    UpgradeReply,
    /// The TLS handshake, after a go-ahead: nothing is said here until [`Observe::tls_started`].
    Tls,
    /// The client's next command; or the reply to one that is of no interest here (never the case when
    /// our speaker is the client); or nothing more of interest, as the client has logged in or sends
    /// mail.
    Command,
    /// The reply to the goodbye, or the server's close.
    Goodbye,
    /// Nothing more: the server said goodbye, shut the service down, or does not speak the protocol
    /// ([`Findings::violation`]). What comes now is ignored.
    End,
}

/// The understanding half of a protocol. It must see the conversation from its first byte, or be told that it does not
/// ([`Observe::join`]).
pub trait Observe {
    /// Takes the next bytes of one direction. Any split of the same bytes gives the same findings.
    ///
    /// In one chunk, what follows a go-ahead is counted as injected. While [`Expect::Tls`], the caller
    /// gives only what the server sends before the ClientHello, and nothing of the TLS handshake.
    fn bytes(&mut self, from: Direction, bytes: &[u8]);

    /// The conversation began before, and its greeting will not come. Said before the first byte.
    fn join(&mut self);

    /// The client's side may not be there at all: then a list counts that it is not seen to ask for. Said before the first byte.
    fn alone(&mut self) {}

    /// One direction was closed: an unfinished last line of the server counts as a line.
    fn closed(&mut self, from: Direction);

    /// Both sides are inside TLS from here on. Not needed with [`Start::InsideTls`], and without effect
    /// there.
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
    /// The server agreed: begin the TLS handshake. The answer stays the same until
    /// [`Observe::tls_started`].
    StartTls,
    /// All said: close.
    Close,
}

/// The speaking half: pure decision from what was observed.
pub trait Speak {
    /// The observer of the same protocol.
    type Observer: Observe;

    /// What to do now, given what was observed. Asked again after each event until it answers anything
    /// but `Say`; bytes said must have been fed to the observer in between.
    fn next(&self, observer: &Self::Observer, call: &Call<'_>) -> Next;
}

/// Who calls whom.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Who we are.
    pub identity: &'a Identity,
    /// The name that the list of targets has for the server.
    pub name: Option<&'a str>,
    /// The server's address.
    pub address: u32,
    /// What stands for a name in XMPP if there is none.
    pub xmpp_to: xmpp::To,
}

/// How we introduce ourselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Argument of EHLO: a domain or an address literal (RFC 5321, section 4.1.3).
    pub ehlo: String,
    /// Who runs the scan and how to reach them; said where the protocol has room for it: IRC
    /// in the message of QUIT, IMAP in ID (RFC 2971) if the server offers that.
    pub contact: Option<String>,
}
