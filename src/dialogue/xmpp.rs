//! XMPP (RFC 6120) with STARTTLS, between client and server and between servers: ports xmpp-client and xmpp-server
//! and, inside direct TLS (XEP-0368), xmpps-client and xmpps-server.
//!
//! The greeting is the server's stream header: its attributes in the server's order, one a line, `name=value`;
//! namespace declarations are left out. Capabilities are what `<stream:features>` contains, in the server's order,
//! one item each: `{namespace}name`, then, behind blanks, its attributes as `name=value`, its own text, and for each
//! element inside its text, or else its attribute `type` (channel bindings, XEP-0440), or else its name:
//!
//! ```text
//! {urn:ietf:params:xml:ns:xmpp-tls}starttls required
//! {urn:ietf:params:xml:ns:xmpp-sasl}mechanisms SCRAM-SHA-1 PLAIN
//! {urn:xmpp:sasl:2}authentication SCRAM-SHA-1 PLAIN inline
//! {urn:xmpp:sasl-cb:0}sasl-channel-binding tls-server-end-point tls-exporter
//! ```
//!
//! Mechanisms are those of SASL and SASL2 (XEP-0388) together. A stream error refuses service, and so does a server
//! that closes its stream unasked. What clients authenticate with, and all stanzas, are not looked at: a client that
//! sends anything but a header or `<starttls/>` is not listened to any more.

mod stream;

use super::line::text;
use super::mechanism::mechanism;
use super::{Call, Capabilities, Direction, Expect, Findings, Next, Observe, Speak, Start, limits};
use std::net::Ipv4Addr;
use stream::{Element, Item, Stream, Unreadable};

const ROOT: &str = "{http://etherx.jabber.org/streams}stream";
const FEATURES: &str = "{http://etherx.jabber.org/streams}features";
const ERROR: &str = "{http://etherx.jabber.org/streams}error";
/// Namespace of a stream error's conditions (RFC 6120, section 4.9.3).
const CONDITIONS: &str = "{urn:ietf:params:xml:ns:xmpp-streams}";
const STARTTLS: &str = "{urn:ietf:params:xml:ns:xmpp-tls}starttls";
const PROCEED: &str = "{urn:ietf:params:xml:ns:xmpp-tls}proceed";
/// SASL (RFC 6120, section 6.4.2), SASL2 (XEP-0388), and what was before both (XEP-0078).
const AUTH: &str = "{urn:ietf:params:xml:ns:xmpp-sasl}auth";
const AUTHENTICATE: &str = "{urn:xmpp:sasl:2}authenticate";
const IQ: &str = "{jabber:client}iq";
const OLD_AUTH: &str = "{jabber:iq:auth}query";
const FAILURE: &str = "{urn:ietf:params:xml:ns:xmpp-tls}failure";

/// Whose stream it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// A client's (`jabber:client`).
    Client,
    /// A server's (`jabber:server`).
    Server,
}

/// How far the conversation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// A stream, or the wait for one.
    Open,
    /// Between the go-ahead and TLS.
    Tls,
    /// What came is no stream: the line is still collected.
    Alien,
    /// Over.
    Ended,
}

/// How the client's bytes are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hearing {
    /// As elements of a stream.
    Stream,
    /// Not until the reply to `<starttls/>`. `overrun`: the client went on without waiting.
    Held { overrun: bool },
    /// Not any more: it authenticates, or what it says is not understood.
    Deaf,
}

/// The element of the server's that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    Other,
    Features,
    Error,
    Proceed,
    Failure,
}

/// Understands XMPP.
#[derive(Debug)]
pub struct Xmpp {
    findings: Findings,
    party: Party,
    stage: Stage,
    hearing: Hearing,
    within: Within,
    /// Inside TLS.
    inside: bool,
    /// Inside TLS from the first byte.
    direct: bool,
    /// The server's stream header has come (since TLS started).
    headed: bool,
    /// It has a version: features follow (RFC 6120, section 4.7.5).
    versioned: bool,
    /// `<starttls/>` is among the features under way, and whether it is required.
    starttls: Option<bool>,
    /// The client's element under way is a query of which the child is awaited.
    asking: bool,
    /// The client has closed its stream.
    closing: bool,
    server: Stream,
    client: Stream,
    /// The server's header or element under way, as sent.
    seen: Box<[u8]>,
}

impl Xmpp {
    /// A client's stream, before the first byte.
    pub fn client(start: Start) -> Self {
        Self::new(Party::Client, start)
    }

    /// A server's stream, before the first byte.
    pub fn server(start: Start) -> Self {
        Self::new(Party::Server, start)
    }

    fn new(party: Party, start: Start) -> Self {
        let direct = start == Start::InsideTls;
        Self {
            findings: Findings::default(),
            party,
            stage: Stage::Open,
            hearing: Hearing::Stream,
            within: Within::Other,
            inside: direct,
            direct,
            headed: false,
            versioned: false,
            starttls: None,
            asking: false,
            closing: false,
            server: Stream::default(),
            client: Stream::default(),
            seen: Box::default(),
        }
    }

    /// The list of this side of the upgrade.
    fn capabilities(&self) -> &Capabilities {
        if self.inside { &self.findings.after } else { &self.findings.before }
    }

    fn capabilities_mut(&mut self) -> &mut Capabilities {
        if self.inside { &mut self.findings.after } else { &mut self.findings.before }
    }

    fn server_bytes(&mut self, mut bytes: &[u8]) {
        while self.stage == Stage::Open && !self.ignores_server() {
            let before = bytes;
            let item = self.server.next(&mut bytes);
            self.findings.truncated |= self.server.cut();
            self.see(&before[..before.len() - bytes.len()]);
            match item {
                None => return,
                Some(Ok(item)) => self.server_item(item),
                Some(Err(Unreadable)) => self.alien(),
            }
        }
        match self.stage {
            Stage::Tls => {
                let count = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                let injected = &mut self.findings.upgrade.injected;
                *injected = injected.saturating_add(count);
            }
            Stage::Alien => self.collect(bytes),
            Stage::Open | Stage::Ended => {}
        }
    }

    /// What follows the features when the client is not listened to is of no interest.
    fn ignores_server(&self) -> bool {
        self.hearing == Hearing::Deaf && self.capabilities().answered
    }

    /// Keeps the begin of what is under way.
    fn see(&mut self, bytes: &[u8]) {
        let bytes = if self.seen.is_empty() { bytes.trim_ascii_start() } else { bytes };
        let room = limits::VIOLATION.saturating_sub(self.seen.len());
        let mut seen = std::mem::take(&mut self.seen).into_vec();
        seen.extend_from_slice(&bytes[..room.min(bytes.len())]);
        self.seen = seen.into_boxed_slice();
    }

    fn server_item(&mut self, item: Item) {
        match item {
            Item::Root(root) => self.header(&root),
            Item::Begin(element) => self.begin(&element.name),
            Item::Child(child) => match self.within {
                Within::Features => self.feature(&child),
                Within::Error => self.condition(&child),
                Within::Other | Within::Proceed | Within::Failure => {}
            },
            Item::End => self.end_of_element(),
            Item::Close => {
                // After the refusal of STARTTLS it must close (RFC 6120, section 5.4.2.2).
                if !self.closing && self.findings.upgrade.accepted != Some(false) {
                    self.findings.refused = true;
                }
                self.end();
            }
        }
    }

    fn header(&mut self, root: &Element) {
        if root.name != ROOT {
            return self.alien();
        }
        self.seen = Box::default();
        self.headed = true;
        let from = root.attributes.iter().find(|(name, _)| name == "from");
        if let Some((_, name)) = from.filter(|(_, name)| !name.is_empty()) {
            self.findings.own_name = Some(text(name.as_bytes()).into());
        }
        self.versioned = root.attributes.iter().any(|(name, _)| name == "version");
        if self.findings.greeting.is_none() {
            let lines: Vec<String> =
                root.attributes.iter().map(|(name, value)| text(format!("{name}={value}").as_bytes())).collect();
            let mut greeting = lines.join("\n");
            self.findings.truncated |= super::talk::shorten(&mut greeting, limits::GREETING);
            self.findings.greeting = Some(greeting.into());
        }
    }

    fn begin(&mut self, name: &str) {
        let awaits_reply = self.findings.upgrade.sent && self.findings.upgrade.accepted.is_none();
        self.within = match name {
            FEATURES if !self.capabilities().answered => Within::Features,
            ERROR => Within::Error,
            PROCEED if awaits_reply && !self.inside => Within::Proceed,
            FAILURE if awaits_reply && !self.inside => Within::Failure,
            _ => Within::Other,
        };
        if self.within == Within::Features {
            self.starttls = None;
        }
    }

    fn end_of_element(&mut self) {
        let seen = std::mem::take(&mut self.seen);
        match std::mem::replace(&mut self.within, Within::Other) {
            Within::Features => self.listed(),
            Within::Error => {
                self.findings.refused = true;
                self.end();
            }
            Within::Proceed => {
                self.replied(&seen, true);
                self.stage = Stage::Tls;
            }
            Within::Failure => {
                self.replied(&seen, false);
                let waited = self.hearing == Hearing::Held { overrun: false };
                self.hearing = if waited { Hearing::Stream } else { Hearing::Deaf };
            }
            Within::Other => {}
        }
    }

    /// The features are complete.
    fn listed(&mut self) {
        self.capabilities_mut().answered = true;
        if !self.inside {
            self.findings.upgrade.offered = Some(self.starttls.is_some());
            self.findings.upgrade.required = Some(self.starttls == Some(true));
        }
    }

    fn replied(&mut self, seen: &[u8], accepted: bool) {
        self.findings.upgrade.reply = Some(text(seen).into());
        self.findings.upgrade.accepted = Some(accepted);
    }

    /// A child of the features.
    fn feature(&mut self, feature: &Element) {
        if feature.name == STARTTLS {
            self.starttls = Some(feature.children.iter().any(|child| local(&child.name) == "required"));
        }
        let mut item = written(feature);
        self.findings.truncated |= super::talk::shorten(&mut item, limits::LINE);
        self.findings.truncated |= !self.capabilities_mut().keep(&item);
        if !matches!(local(&feature.name), "mechanisms" | "authentication") {
            return;
        }
        for mechanism in feature.children.iter().filter(|child| local(&child.name) == "mechanism") {
            self.findings.truncated |= !self.capabilities_mut().keep_mechanism(mechanism.text.trim().as_bytes());
        }
    }

    /// A child of the stream error.
    fn condition(&mut self, child: &Element) {
        let Some(condition) = child.name.strip_prefix(CONDITIONS).filter(|name| *name != "text") else { return };
        if self.findings.refusal.is_some() {
            return;
        }
        self.findings.host_unknown = matches!(condition, "host-unknown" | "host-gone");
        let mut said = format!("{condition} {}", child.text.trim());
        self.findings.truncated |= super::talk::shorten(&mut said, limits::LINE);
        self.findings.refusal = Some(text(said.trim_end().as_bytes()).into());
    }

    /// What came is no stream, or not well-formed: the first such line is kept, and nothing more can be understood.
    fn alien(&mut self) {
        let awaited = matches!(self.expect(), Expect::Greeting | Expect::Capabilities | Expect::UpgradeReply);
        self.findings.derailed = awaited;
        self.stage = Stage::Alien;
        self.client = Stream::default();
        self.server = Stream::default();
        self.collect(&[]);
    }

    fn collect(&mut self, bytes: &[u8]) {
        self.see(bytes);
        let line = self.seen.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let whole = line.len() < self.seen.len();
        self.findings.violation = Some(text(line.trim_ascii_end()).into());
        if whole || self.seen.len() >= limits::VIOLATION {
            self.findings.truncated |= !whole;
            self.end();
        }
    }

    fn end(&mut self) {
        self.stage = Stage::Ended;
        self.server = Stream::default();
        self.client = Stream::default();
        self.seen = Box::default();
    }

    fn client_bytes(&mut self, mut bytes: &[u8]) {
        while self.stage == Stage::Open && self.hearing == Hearing::Stream {
            match self.client.next(&mut bytes) {
                None => return,
                Some(Ok(item)) => self.client_item(&item),
                Some(Err(Unreadable)) => self.go_deaf(),
            }
        }
        if let Hearing::Held { overrun } = &mut self.hearing {
            *overrun |= !bytes.is_empty();
        }
    }

    fn client_item(&mut self, item: &Item) {
        match item {
            Item::Root(root) if root.name == ROOT => self.capabilities_mut().asked = true,
            Item::Begin(element) if element.name == STARTTLS && !self.inside => self.findings.upgrade.sent = true,
            // What it is for, its child says.
            Item::Begin(element) if element.name == IQ && !self.inside => self.asking = true,
            Item::Begin(element) => {
                if matches!(element.name.as_str(), AUTH | AUTHENTICATE) {
                    let named = element.attributes.iter().find(|(name, _)| name == "mechanism");
                    self.authenticates(named.map_or("other", |(_, value)| mechanism(value.as_bytes())));
                }
                self.go_deaf();
            }
            Item::Root(_) => self.go_deaf(),
            Item::Child(child) if self.asking => {
                if child.name == OLD_AUTH {
                    self.authenticates("jabber:iq:auth");
                }
                self.go_deaf();
            }
            Item::End if self.asking => self.go_deaf(),
            Item::End => self.hearing = Hearing::Held { overrun: false },
            Item::Child(_) => {}
            Item::Close => self.closing = true,
        }
    }

    fn authenticates(&mut self, how: &'static str) {
        if !self.inside {
            self.findings.auth_clear.get_or_insert(how);
        }
    }

    fn go_deaf(&mut self) {
        self.asking = false;
        self.hearing = Hearing::Deaf;
        self.client = Stream::default();
    }
}

impl Observe for Xmpp {
    fn bytes(&mut self, from: Direction, bytes: &[u8]) {
        match from {
            Direction::Client => self.client_bytes(bytes),
            Direction::Server => self.server_bytes(bytes),
        }
    }

    fn join(&mut self) {
        // What follows cannot be read without the begin of the document.
        (self.stage, self.hearing) = (Stage::Ended, Hearing::Deaf);
    }

    fn closed(&mut self, _: Direction) {}

    fn tls_started(&mut self) {
        if self.direct {
            return;
        }
        self.end();
        self.stage = Stage::Open;
        self.hearing = Hearing::Stream;
        self.within = Within::Other;
        self.inside = true;
        self.headed = false;
        self.versioned = false;
        self.closing = false;
    }

    fn expect(&self) -> Expect {
        let upgrade = &self.findings.upgrade;
        match self.stage {
            Stage::Tls => Expect::Tls,
            Stage::Alien | Stage::Ended => Expect::End,
            Stage::Open if self.closing => Expect::Goodbye,
            Stage::Open if self.hearing == Hearing::Deaf => Expect::Command,
            Stage::Open if !self.capabilities().asked => Expect::Command,
            Stage::Open if !self.headed => Expect::Greeting,
            Stage::Open if upgrade.sent && upgrade.accepted.is_none() && !self.inside => Expect::UpgradeReply,
            Stage::Open if self.versioned && !self.capabilities().answered => Expect::Capabilities,
            Stage::Open => Expect::Command,
        }
    }

    fn findings(&self) -> &Findings {
        &self.findings
    }

    fn into_findings(self) -> Findings {
        self.findings
    }
}

/// The name without its namespace.
fn local(name: &str) -> &str {
    name.rsplit('}').next().unwrap_or_default()
}

/// A feature as an item of the list.
fn written(feature: &Element) -> String {
    let attributes = feature.attributes.iter().map(|(name, value)| format!("{name}={value}"));
    let children = feature.children.iter().map(|child| {
        let kind = child.attributes.iter().find(|(name, _)| name == "type").map(|(_, value)| value.trim());
        let said = Some(child.text.trim()).filter(|text| !text.is_empty());
        said.or(kind).unwrap_or_else(|| local(&child.name)).to_owned()
    });
    let words = std::iter::once(feature.name.clone()).chain(attributes).chain([feature.text.trim().to_owned()]);
    let words: Vec<String> = words.chain(children).filter(|word| !word.is_empty()).collect();
    text(words.join(" ").as_bytes())
}

/// What a stream is asked for (`to`) where the list of targets has no name for the server. None is ever guessed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum To {
    /// No `to`.
    None,
    /// An empty `to`.
    Empty,
    /// The server's address.
    #[default]
    Address,
}

impl To {
    /// Name on the command line and in the manifest.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Empty => "empty",
            Self::Address => "address",
        }
    }
}

/// Opens a stream; `<starttls/>` if it is among the features, and then another stream; closes it.
#[derive(Clone, Copy, Debug, Default)]
pub struct XmppSpeaker;

impl Speak for XmppSpeaker {
    type Observer = Xmpp;

    fn next(&self, observer: &Xmpp, call: &Call<'_>) -> Next {
        match observer.expect() {
            Expect::Command if observer.hearing == Hearing::Stream => {}
            Expect::Tls => return Next::StartTls,
            Expect::End => return Next::Close,
            _ => return Next::Wait,
        }
        let upgrade = &observer.findings.upgrade;
        Next::Say(if !observer.capabilities().asked {
            header(observer.party, call).into_bytes()
        } else if !observer.inside && upgrade.offered == Some(true) && !upgrade.sent {
            // No white space behind it (RFC 6120, section 5.3.1).
            b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>".to_vec()
        } else {
            b"</stream:stream>".to_vec()
        })
    }
}

/// Our stream header. A server's stream must say who opens it (RFC 6120, section 4.7.1).
fn header(party: Party, call: &Call<'_>) -> String {
    let address = Ipv4Addr::from_bits(call.address).to_string();
    let to = match (call.name, call.xmpp_to) {
        (Some(name), _) => Some(name),
        (None, To::None) => None,
        (None, To::Empty) => Some(""),
        (None, To::Address) => Some(address.as_str()),
    };
    let to = to.map_or_else(String::new, |to| format!(" to='{}'", escaped(to)));
    // An address stands in brackets in EHLO, and without in XMPP (RFC 7622, section 3.2).
    let ehlo = call.identity.ehlo.trim_matches(['[', ']']);
    let (namespace, from) = match party {
        Party::Client => ("jabber:client", String::new()),
        Party::Server => ("jabber:server", format!(" xmlns:db='jabber:server:dialback' from='{}'", escaped(ehlo))),
    };
    format!(
        "<?xml version='1.0'?><stream:stream xmlns='{namespace}' xmlns:stream='http://etherx.jabber.org/streams'\
         {from}{to} version='1.0'>"
    )
}

/// Text as the value of an attribute between apostrophes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '\'' => escaped.push_str("&apos;"),
            c if c.is_control() => {}
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
