//! What honest servers say: SMTP, IMAP and HTTPS over the byte stream, with real TLS, and what a scan must
//! therefore find. Bytes in, bytes out.

use crate::targets::ports::Protocol;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection};
use std::io::{Read, Write};
use std::sync::{Arc, OnceLock};

/// The certificate that every host presents: self-signed, Ed25519, so that signatures have one length.
pub const CERTIFICATE: &[u8] = include_bytes!("../data/ed25519.der");
const KEY: &[u8] = include_bytes!("../data/ed25519.key.der");

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
    /// The greeting refuses service and the server closes (SMTP 421, IMAP BYE).
    Busy,
    /// The greeting refuses service and the server waits for QUIT (SMTP 554, IMAP BYE).
    NoService,
}

impl Manner {
    /// Every manner.
    pub const ALL: &'static [Self] = &[Self::Secure, Self::Plain, Self::RefusesTls, Self::Busy, Self::NoService];
}

/// An honest server's part of one connection.
#[derive(Debug)]
pub struct Script {
    protocol: Protocol,
    manner: Manner,
    newest_tls: bool,
    name: String,
    /// Instead of the built-in certificate.
    config: Option<Arc<ServerConfig>>,
    tls: Option<Box<ServerConnection>>,
    line: Vec<u8>,
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

const SMTP_CLEAR: &[&str] = &["PIPELINING", "SIZE 10240000", "8BITMIME"];
const SMTP_INSIDE: &[&str] = &["PIPELINING", "AUTH PLAIN LOGIN", "8BITMIME"];
const IMAP_CLEAR: &[&str] = &["IMAP4rev1", "LITERAL+", "LOGINDISABLED"];
const IMAP_INSIDE: &[&str] = &["IMAP4rev1", "AUTH=PLAIN", "AUTH=SCRAM-SHA-256"];

impl Script {
    /// A server called `name`; `newest_tls` takes TLS 1.3 where the client has it, else TLS 1.2.
    pub fn new(protocol: Protocol, manner: Manner, newest_tls: bool, name: String) -> Self {
        let direct = matches!(protocol, Protocol::Imaps | Protocol::Https);
        let tls = if direct { server(newest_tls) } else { None };
        Self { protocol, manner, newest_tls, name, config: None, tls, line: Vec::new(), closing: false }
    }

    /// The same, but what it upgrades to has a TLS configuration of its own. Too late for TLS from the start.
    pub fn with_tls(mut self, config: Arc<ServerConfig>) -> Self {
        self.config = Some(config);
        self
    }

    /// What it says as soon as it is connected to. Inside TLS it is kept until the handshake is over.
    pub fn greet(&mut self, out: &mut Vec<u8>) {
        let greeting = match self.protocol {
            Protocol::Https => return,
            Protocol::Smtp => self.smtp_greeting() + "\r\n",
            Protocol::Imap | Protocol::Imaps => self.imap_greeting() + "\r\n",
        };
        self.closing = self.manner == Manner::Busy;
        match &mut self.tls {
            Some(tls) => {
                // The buffer of a new connection takes a line.
                let _ = tls.writer().write_all(greeting.as_bytes());
            }
            None => out.extend(greeting.as_bytes()),
        }
    }

    /// Takes bytes from the client.
    pub fn receive(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        if self.tls.is_none() {
            self.listen(bytes, out);
            return;
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
        for &byte in bytes {
            if byte != b'\n' {
                if self.line.len() < LINE_MAX {
                    self.line.push(byte);
                }
                continue;
            }
            let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).trim_end().to_owned();
            let mut upgrade = false;
            let reply = match self.protocol {
                Protocol::Smtp => self.smtp(&line, &mut upgrade),
                Protocol::Imap | Protocol::Imaps => self.imap(&line, &mut upgrade),
                Protocol::Https => String::new(),
            };
            match &mut self.tls {
                Some(tls) => {
                    // Replies are far smaller than the buffer, which is emptied after each call.
                    let _ = tls.writer().write_all(reply.as_bytes());
                }
                None => out.extend(reply.as_bytes()),
            }
            if upgrade {
                self.tls = match self.config.take() {
                    Some(config) => ServerConnection::new(config).ok().map(Box::new),
                    None => server(self.newest_tls),
                };
                return;
            }
        }
    }

    fn offers(&self) -> bool {
        self.tls.is_none() && matches!(self.manner, Manner::Secure | Manner::RefusesTls)
    }

    fn smtp_greeting(&self) -> String {
        let name = &self.name;
        match self.manner {
            Manner::Busy => format!("421 {name} busy"),
            Manner::NoService => format!("554 {name} no service"),
            _ => format!("220 {name} ESMTP"),
        }
    }

    fn imap_greeting(&self) -> String {
        let name = &self.name;
        match self.manner {
            Manner::Busy | Manner::NoService => format!("* BYE {name} busy"),
            _ => format!("* OK {name} ready"),
        }
    }

    fn smtp(&mut self, line: &str, upgrade: &mut bool) -> String {
        let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => {
                let mut reply = format!("250-{}\r\n", self.name);
                let list = if self.tls.is_some() { SMTP_INSIDE } else { SMTP_CLEAR };
                if self.offers() {
                    reply += "250-STARTTLS\r\n";
                }
                for (left, word) in (0..list.len()).rev().zip(list) {
                    reply += &format!("250{}{word}\r\n", if left == 0 { ' ' } else { '-' });
                }
                reply
            }
            "STARTTLS" if self.manner == Manner::Secure && self.tls.is_none() => {
                *upgrade = true;
                "220 go ahead\r\n".into()
            }
            "STARTTLS" => "454 TLS not available\r\n".into(),
            "QUIT" => {
                self.closing = true;
                "221 bye\r\n".into()
            }
            _ => "500 unknown command\r\n".into(),
        }
    }

    fn imap(&mut self, line: &str, upgrade: &mut bool) -> String {
        let mut words = line.split(' ');
        let tag = words.next().unwrap_or_default();
        match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
            "CAPABILITY" => {
                let list = if self.tls.is_some() { IMAP_INSIDE } else { IMAP_CLEAR };
                let offer = if self.offers() { " STARTTLS" } else { "" };
                format!("* CAPABILITY {}{offer}\r\n{tag} OK done\r\n", list.join(" "))
            }
            "STARTTLS" if self.manner == Manner::Secure && self.tls.is_none() => {
                *upgrade = true;
                format!("{tag} OK begin\r\n")
            }
            "STARTTLS" => format!("{tag} NO not today\r\n"),
            "LOGOUT" => {
                self.closing = true;
                format!("* BYE\r\n{tag} OK bye\r\n")
            }
            _ => format!("{tag} BAD what?\r\n"),
        }
    }

    /// What a scan must find.
    pub fn truth(&self) -> Truth {
        let version = if self.newest_tls { "TLSv1.3" } else { "TLSv1.2" };
        let owned = |list: &[&str]| -> Vec<String> { list.iter().map(|word| (*word).to_owned()).collect() };
        let refused = matches!(self.manner, Manner::Busy | Manner::NoService);
        let (banner, clear, inside, auth): (_, _, _, &[&str]) = match self.protocol {
            Protocol::Https => {
                return Truth { outcome: "complete", tls: Some(version), ..Truth::default() };
            }
            Protocol::Smtp => (self.smtp_greeting(), SMTP_CLEAR, SMTP_INSIDE, &["PLAIN", "LOGIN"]),
            _ => (self.imap_greeting(), IMAP_CLEAR, IMAP_INSIDE, &["PLAIN", "SCRAM-SHA-256"]),
        };
        let direct = self.protocol == Protocol::Imaps;
        let banner_code = if self.protocol == Protocol::Smtp { banner[..3].parse().ok() } else { None };
        let greeted = Truth { banner: Some(banner), banner_code, ..Truth::default() };
        let inside = Truth { after: owned(inside), auth_after: owned(auth), tls: Some(version), ..Truth::default() };
        if refused {
            let tls = direct.then_some(version);
            return Truth { outcome: "service_refused", tls, ..greeted };
        }
        if direct {
            return Truth { outcome: "complete", banner: greeted.banner, ..inside };
        }
        let offers = self.offers();
        let mut before = owned(clear);
        if offers {
            let place = if self.protocol == Protocol::Smtp { 0 } else { before.len() };
            before.insert(place, "STARTTLS".into());
        }
        let accepted = offers.then_some(self.manner == Manner::Secure);
        let clear = Truth { before, offered: Some(offers), accepted, ..greeted };
        match self.manner {
            Manner::Secure => Truth {
                outcome: "complete",
                after: inside.after,
                auth_after: inside.auth_after,
                tls: inside.tls,
                ..clear
            },
            Manner::RefusesTls => Truth { outcome: "starttls_refused", ..clear },
            _ => Truth { outcome: "no_starttls", ..clear },
        }
    }
}

/// A new TLS server; `None` cannot happen with the certificate that is built in.
fn server(newest: bool) -> Option<Box<ServerConnection>> {
    static CONFIGS: OnceLock<Option<[Arc<ServerConfig>; 2]>> = OnceLock::new();
    let configs =
        CONFIGS.get_or_init(|| Some([config(&[&rustls::version::TLS12])?, config(&[&rustls::version::TLS13])?]));
    let config = configs.as_ref()?[usize::from(newest)].clone();
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
