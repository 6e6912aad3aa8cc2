//! What honest servers say over the byte stream, with real TLS, and what a scan must therefore find. Bytes in,
//! bytes out. Each family has a `Part` in a file of its own.

mod imap;
mod irc;
mod managesieve;
mod pop3;
mod smtp;
mod xmpp;

use crate::session::alpn;
use crate::targets::ports::{Family, Protocol, Security};
use crate::tls::tap::Tap;
use crate::tls::{Alpn, Rung};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, ServerConnection};
use std::io::{Read, Write};
use std::sync::{Arc, OnceLock};

/// The certificate that every host presents: self-signed, Ed25519, so that signatures have one length.
pub const CERTIFICATE: &[u8] = include_bytes!("../data/ed25519.der");
const KEY: &[u8] = include_bytes!("../data/ed25519.key.der");

/// Alert of a server that wants another version (RFC 8446, section 6.2).
const PROTOCOL_VERSION: u8 = 70;
/// Alert of a server that speaks none of the protocols asked for (RFC 7301, section 3.2).
const NO_APPLICATION_PROTOCOL: u8 = 120;
/// Longest line a server listens to.
const LINE_MAX: usize = 2_048;

/// What a server offers. What does not apply to its protocol makes no difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// STARTTLS, or TLS from the start, and everything works.
    Secure,
    /// No STARTTLS.
    Plain,
    /// STARTTLS is offered and refused.
    RefusesTls,
    /// STARTTLS is offered and agreed to, and what follows is not TLS; where TLS comes first, it is not TLS either.
    NotTls,
    /// The first words refuse service and the server closes (SMTP 421, IMAP BYE).
    Busy,
    /// The first words refuse service and the server waits for the goodbye, where the protocol has that (SMTP 554).
    NoService,
}

impl Manner {
    /// Every manner.
    pub const ALL: &'static [Self] =
        &[Self::Secure, Self::Plain, Self::RefusesTls, Self::NotTls, Self::Busy, Self::NoService];
}

/// What TLS a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// TLS 1.3.
    V13,
    /// TLS 1.2.
    V12,
    /// TLS 1.2, and it answers who speaks of anything newer with an alert.
    Strict12,
    /// TLS 1.2, and it answers who asks for a protocol inside (ALPN) with an alert.
    NoAlpn12,
}

/// The situation in which a server says something.
#[derive(Clone, Copy, Debug)]
struct Scene<'a> {
    name: &'a str,
    manner: Manner,
    inside: bool,
}

impl Scene<'_> {
    /// STARTTLS is offered here.
    fn offers(&self) -> bool {
        !self.inside && matches!(self.manner, Manner::Secure | Manner::RefusesTls | Manner::NotTls)
    }

    /// STARTTLS is agreed to here.
    fn agrees(&self) -> bool {
        self.offers() && self.manner != Manner::RefusesTls
    }

    /// Service is refused.
    fn refuses(&self) -> bool {
        matches!(self.manner, Manner::Busy | Manner::NoService)
    }
}

/// What comes after a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Listen,
    Upgrade,
    Close,
}

/// What a scan must find of what was said in one scene.
#[derive(Clone, Debug, Default)]
struct Told {
    banner: Option<String>,
    banner_code: Option<u16>,
    capabilities: Vec<String>,
    auth: Vec<String>,
}

/// A family's server.
#[derive(Debug)]
struct Part {
    /// What ends an utterance of the client's.
    end: u8,
    /// Said as soon as it is connected to; may be nothing.
    greeting: fn(&Scene<'_>) -> String,
    /// Said as soon as an upgrade has brought TLS; may be nothing.
    upgraded: fn(&Scene<'_>) -> String,
    /// The reply to an utterance, line ends cut off.
    reply: fn(&Scene<'_>, &str) -> (String, Then),
    /// What these tell.
    told: fn(&Scene<'_>) -> Told,
}

fn part(family: Family) -> Option<&'static Part> {
    match family {
        Family::Smtp => Some(&smtp::PART),
        Family::Imap => Some(&imap::PART),
        Family::Pop3 => Some(&pop3::PART),
        Family::Irc => Some(&irc::PART),
        Family::ManageSieve => Some(&managesieve::PART),
        Family::XmppClient | Family::XmppServer => Some(&xmpp::PART),
        Family::Silent => None,
    }
}

/// For a part that keeps silent.
fn nothing(_: &Scene<'_>) -> String {
    String::new()
}

fn owned(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

/// An honest server's part of one connection.
#[derive(Debug)]
pub struct Script {
    protocol: Protocol,
    manner: Manner,
    version: Tls,
    name: String,
    /// Instead of the built-in certificate.
    config: Option<Arc<ServerConfig>>,
    tls: Option<Box<ServerConnection>>,
    line: Vec<u8>,
    /// Reads the ClientHello of who is to be refused.
    strict: Option<Box<(Tap, Vec<u8>)>>,
    /// It has agreed to TLS and will speak something else.
    nonsense: bool,
    closing: bool,
}

/// What a scan must find out about an honest server. Columns of `handshakes`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// `outcome`.
    pub outcome: &'static str,
    /// `banner`; not looked at if absent.
    pub banner: Option<String>,
    /// `banner_code`.
    pub banner_code: Option<u16>,
    /// `capabilities_before`.
    pub before: Vec<String>,
    /// `starttls_offered`.
    pub offered: Option<bool>,
    /// `starttls_accepted`.
    pub accepted: Option<bool>,
    /// `capabilities_after`.
    pub after: Vec<String>,
    /// `auth_after`.
    pub auth_after: Vec<String>,
    /// `tls_version`.
    pub tls: Option<&'static str>,
}

impl Script {
    /// A server called `name` with TLS of this `version`.
    pub fn new(protocol: Protocol, manner: Manner, version: Tls, name: String) -> Self {
        let direct = protocol.security() == Security::Direct;
        let nonsense = direct && manner == Manner::NotTls;
        let tls = if direct && !nonsense { server(version) } else { None };
        let strict = matches!(version, Tls::Strict12 | Tls::NoAlpn12).then(|| Box::new((Tap::client(), Vec::new())));
        Self { protocol, manner, version, name, config: None, tls, line: Vec::new(), strict, nonsense, closing: false }
    }

    /// The same, but what it upgrades to has a TLS configuration of its own. Too late for TLS from the start.
    pub fn with_tls(mut self, config: Arc<ServerConfig>) -> Self {
        self.config = Some(config);
        self
    }

    fn part(&self) -> Option<&'static Part> {
        part(self.protocol.family())
    }

    fn scene(&self) -> Scene<'_> {
        Scene { name: &self.name, manner: self.manner, inside: self.tls.is_some() }
    }

    /// What it says as soon as it is connected to. Inside TLS it is kept until the handshake is over.
    pub fn greet(&mut self, out: &mut Vec<u8>) {
        let Some(part) = self.part().filter(|_| !self.nonsense) else { return };
        let greeting = (part.greeting)(&self.scene());
        self.closing = self.manner == Manner::Busy && !greeting.is_empty();
        match &mut self.tls {
            Some(tls) => {
                // The buffer of a new connection takes a line.
                let _ = tls.writer().write_all(greeting.as_bytes());
            }
            None => out.extend(greeting.as_bytes()),
        }
    }

    /// Takes bytes from the client.
    pub fn receive(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.nonsense {
            out.extend(b"this is not TLS at all\r\n");
            self.closing = true;
            return;
        }
        if self.tls.is_none() {
            if !self.closing {
                self.listen(bytes, out);
            }
            return;
        }
        let held;
        let mut bytes = bytes;
        if let Some(strict) = &mut self.strict {
            let (tap, hello) = &mut **strict;
            tap.feed(bytes);
            hello.extend_from_slice(bytes);
            let Some(offered) = &tap.flight().client_hello else { return };
            let refusal = match self.version {
                Tls::NoAlpn12 => (!offered.alpn.is_empty()).then_some(NO_APPLICATION_PROTOCOL),
                _ => (!offered.versions.is_empty()).then_some(PROTOCOL_VERSION),
            };
            if let Some(alert) = refusal {
                out.extend([21, 3, 1, 0, 2, 2, alert]);
                (self.closing, self.tls) = (true, None);
                return;
            }
            held = std::mem::take(hello);
            (bytes, self.strict) = (&held, None);
        }
        let mut plain = Vec::new();
        if let Some(tls) = &mut self.tls {
            while !bytes.is_empty() {
                let taken = tls.read_tls(&mut bytes).is_ok_and(|count| count > 0);
                if !taken || tls.process_new_packets().map(|state| self.closing |= state.peer_has_closed()).is_err() {
                    self.closing = true;
                    break;
                }
                // Reads what is there; that there is no more shows as an error.
                let _ = tls.reader().read_to_end(&mut plain);
            }
        }
        self.listen(&plain, out);
        self.flush(out);
    }

    /// It has said its last: close behind what it said.
    pub fn closing(&self) -> bool {
        let handshaking = self.tls.as_ref().is_some_and(|tls| tls.is_handshaking());
        self.closing && !handshaking
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        let closing = self.closing();
        let Some(tls) = &mut self.tls else { return };
        if closing {
            tls.send_close_notify();
        }
        while tls.wants_write() && tls.write_tls(out).is_ok_and(|count| count > 0) {}
    }

    fn listen(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let Some(part) = self.part() else { return };
        for &byte in bytes {
            if byte != part.end {
                if self.line.len() < LINE_MAX {
                    self.line.push(byte);
                }
                continue;
            }
            let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).trim_end().to_owned();
            let (reply, then) = (part.reply)(&self.scene(), &line);
            self.closing |= then == Then::Close;
            match &mut self.tls {
                Some(tls) => {
                    // Replies are far smaller than the buffer, which is emptied after each call.
                    let _ = tls.writer().write_all(reply.as_bytes());
                }
                None => out.extend(reply.as_bytes()),
            }
            if then == Then::Upgrade {
                self.upgrade();
                return;
            }
        }
    }

    fn upgrade(&mut self) {
        self.nonsense = self.manner == Manner::NotTls;
        if !self.nonsense {
            self.tls = match self.config.take() {
                Some(config) => ServerConnection::new(config).ok().map(Box::new),
                None => server(self.version),
            };
        }
        let said = self.part().map(|part| (part.upgraded)(&self.scene())).unwrap_or_default();
        if let Some(tls) = &mut self.tls {
            let _ = tls.writer().write_all(said.as_bytes());
        }
    }

    /// What a scan must find with what it offers on a rung; on the first one of a server that is strict, that it is.
    pub fn truth(&self, rung: Rung) -> Truth {
        let version = Some(if self.version == Tls::V13 && rung == Rung::Modern { "TLSv1.3" } else { "TLSv1.2" });
        let direct = self.protocol.security() == Security::Direct;
        let clear = Scene { inside: direct, ..self.scene() };
        if direct && self.manner == Manner::NotTls {
            return Truth { outcome: "not_tls", ..Truth::default() };
        }
        let refused = rung == Rung::Modern
            && match self.version {
                Tls::Strict12 => true,
                Tls::NoAlpn12 => alpn(self.protocol) != Alpn::None,
                Tls::V12 | Tls::V13 => false,
            };
        if direct && refused {
            return Truth { outcome: "tls_failed", ..Truth::default() };
        }
        let Some(part) = self.part() else {
            return Truth { outcome: "complete", tls: version, ..Truth::default() };
        };
        let first = (part.told)(&clear);
        let greeted = Truth { banner: first.banner, banner_code: first.banner_code, ..Truth::default() };
        if clear.refuses() {
            return Truth { outcome: "service_refused", tls: version.filter(|_| direct), ..greeted };
        }
        let inside = (part.told)(&Scene { inside: true, ..clear });
        if refused && self.manner == Manner::Secure {
            let (offered, accepted) = (Some(true), Some(true));
            return Truth { outcome: "tls_failed", before: first.capabilities, offered, accepted, ..greeted };
        }
        let complete = Truth {
            outcome: "complete",
            after: inside.capabilities,
            auth_after: inside.auth,
            tls: version,
            ..greeted.clone()
        };
        if direct {
            return complete;
        }
        let accepted = clear.offers().then_some(clear.agrees());
        let said = Truth { before: first.capabilities, offered: Some(clear.offers()), accepted, ..greeted };
        match self.manner {
            Manner::Secure => Truth { before: said.before, offered: said.offered, accepted, ..complete },
            Manner::RefusesTls => Truth { outcome: "starttls_refused", ..said },
            Manner::NotTls => Truth { outcome: "not_tls", ..said },
            _ => Truth { outcome: "no_starttls", ..said },
        }
    }
}

/// A new TLS server; `None` cannot happen with the certificate that is built in.
fn server(version: Tls) -> Option<Box<ServerConnection>> {
    static CONFIGS: OnceLock<Option<[Arc<ServerConfig>; 2]>> = OnceLock::new();
    let configs = CONFIGS.get_or_init(|| Some([config(&[&TLS12])?, config(&[&TLS12, &TLS13])?]));
    let config = configs.as_ref()?[usize::from(version == Tls::V13)].clone();
    ServerConnection::new(config).ok().map(Box::new)
}

fn config(versions: &[&'static rustls::SupportedProtocolVersion]) -> Option<Arc<ServerConfig>> {
    let key = PrivateKeyDer::try_from(KEY.to_vec()).ok()?;
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .ok()?
        .with_no_client_auth()
        .with_single_cert(vec![CERTIFICATE.to_vec().into()], key)
        .ok()?;
    Some(Arc::new(config))
}
