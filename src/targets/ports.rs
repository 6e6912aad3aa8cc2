//! Ports by number and by name.

use std::fmt;

/// A language: what is said, on whatever port, before and inside TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// RFC 5321.
    Smtp,
    /// RFC 9051.
    Imap,
    /// RFC 1939.
    Pop3,
    /// RFC 1459, RFC 2812, IRCv3.
    Irc,
    /// RFC 6120, a client's stream (`jabber:client`).
    XmppClient,
    /// RFC 6120, a server's stream (`jabber:server`).
    XmppServer,
    /// RFC 5804.
    ManageSieve,
    /// Nothing is said: the TLS handshake is all.
    Silent,
}

/// How a connection comes to TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Security {
    /// It begins in the clear and is upgraded (STARTTLS).
    Upgrade,
    /// It begins with TLS.
    Direct,
}

macro_rules! protocols {
    ($($(#[doc = $doc:literal])+ $variant:ident: $name:literal, $port:literal, $family:ident, $security:ident;)*) => {
        /// The protocols that can be spoken.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Protocol { $($(#[doc = $doc])+ $variant,)* }

        impl Protocol {
            /// Every protocol.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Name on the command line and in rows.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Its usual port.
            pub const fn port(self) -> u16 {
                match self { $(Self::$variant => $port,)* }
            }

            /// What is said.
            pub const fn family(self) -> Family {
                match self { $(Self::$variant => Family::$family,)* }
            }

            /// How it comes to TLS.
            pub const fn security(self) -> Security {
                match self { $(Self::$variant => Security::$security,)* }
            }
        }
    };
}

// In the order of the study's port table; what is not in it last.
protocols! {
    /// SMTP between servers, with STARTTLS (RFC 5321, RFC 3207).
    Smtp: "smtp", 25, Smtp, Upgrade;
    /// SMTP inside TLS (RFC 8314).
    Smtps: "smtps", 465, Smtp, Direct;
    /// SMTP for clients, with STARTTLS (RFC 6409).
    Submission: "submission", 587, Smtp, Upgrade;
    /// IMAP with STARTTLS (RFC 9051).
    Imap: "imap", 143, Imap, Upgrade;
    /// IMAP inside TLS (RFC 8314).
    Imaps: "imaps", 993, Imap, Direct;
    /// POP3 with STLS (RFC 1939, RFC 2595).
    Pop3: "pop3", 110, Pop3, Upgrade;
    /// POP3 inside TLS (RFC 8314).
    Pop3s: "pop3s", 995, Pop3, Direct;
    /// IRC with STARTTLS (IRCv3).
    Irc: "irc", 6667, Irc, Upgrade;
    /// IRC inside TLS (RFC 7194).
    Ircs: "ircs", 6697, Irc, Direct;
    /// XMPP for clients, with STARTTLS (RFC 6120).
    XmppClient: "xmpp-client", 5222, XmppClient, Upgrade;
    /// XMPP for clients inside TLS (XEP-0368).
    XmppsClient: "xmpps-client", 5223, XmppClient, Direct;
    /// XMPP between servers, with STARTTLS (RFC 6120).
    XmppServer: "xmpp-server", 5269, XmppServer, Upgrade;
    /// XMPP between servers inside TLS (XEP-0368).
    XmppsServer: "xmpps-server", 5270, XmppServer, Direct;
    /// TLS on the web's port; nothing is said inside.
    Https: "https", 443, Silent, Direct;
    /// ManageSieve with STARTTLS (RFC 5804).
    Managesieve: "managesieve", 4190, ManageSieve, Upgrade;
}

impl Protocol {
    /// The fourteen ports of the study: `study` in a port list.
    pub const STUDY: &'static [Self] = &[
        Self::Smtp,
        Self::Smtps,
        Self::Submission,
        Self::Imap,
        Self::Imaps,
        Self::Pop3,
        Self::Pop3s,
        Self::Irc,
        Self::Ircs,
        Self::XmppClient,
        Self::XmppsClient,
        Self::XmppServer,
        Self::XmppsServer,
        Self::Https,
    ];
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A port and what is spoken on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Service {
    /// Port.
    pub port: u16,
    /// Protocol.
    pub protocol: Protocol,
}

/// Why a port list was refused. One line, with what would have been right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// Neither a known name nor a known port.
    #[error("unknown port or protocol `{0}`; known are {known}, each also on another port as in `smtp:2525`, and `study` for the study's fourteen", known = known())]
    Unknown(String),
    /// The number after the colon is not a port.
    #[error("`{0}` is not a port: a number from 1 to 65535 is wanted, as in `smtp:2525`")]
    NotAPort(String),
    /// Two services on one port.
    #[error("port {0} is named twice: one protocol can be spoken on a port in one scan")]
    Twice(u16),
    /// Nothing in the list.
    #[error("no port is named: give some, as in `-p smtp,imaps`")]
    Empty,
}

/// Every protocol with its port, in words.
pub fn known() -> String {
    let names: Vec<String> = Protocol::ALL.iter().map(|p| format!("{p} ({})", p.port())).collect();
    names.join(", ")
}

/// Reads a list such as `smtp,imaps`, `25,993`, `smtp:2525` or `study`.
pub fn parse(list: &str) -> Result<Vec<Service>, PortError> {
    let mut services: Vec<Service> = Vec::new();
    for item in list.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let named = if item.eq_ignore_ascii_case("study") {
            Protocol::STUDY.iter().map(|&protocol| Service { port: protocol.port(), protocol }).collect()
        } else {
            vec![parse_one(item)?]
        };
        for service in named {
            if services.iter().any(|known| known.port == service.port) {
                return Err(PortError::Twice(service.port));
            }
            services.push(service);
        }
    }
    if services.is_empty() { Err(PortError::Empty) } else { Ok(services) }
}

/// Reads a list of ports on which nothing will be spoken: numbers, ranges and names, as in `80,8000-8010,smtp`.
/// The protocol of a port to which none is assigned is without meaning.
pub fn parse_silent(list: &str) -> Result<Vec<Service>, PortError> {
    let mut services = Vec::new();
    let mut seen = [false; 1 << 16];
    for item in list.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        for port in silent_ports(item)? {
            if std::mem::replace(&mut seen[usize::from(port)], true) {
                return Err(PortError::Twice(port));
            }
            let protocol = Protocol::ALL.iter().find(|protocol| protocol.port() == port);
            services.push(Service { port, protocol: *protocol.unwrap_or(&Protocol::Https) });
        }
    }
    if services.is_empty() { Err(PortError::Empty) } else { Ok(services) }
}

fn silent_ports(item: &str) -> Result<Vec<u16>, PortError> {
    let number = |text: &str| text.trim().parse().ok().filter(|port| *port != 0);
    if item.starts_with(|letter: char| letter.is_ascii_digit()) {
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        let range = number(first).zip(number(last)).filter(|(first, last)| first <= last);
        return range.map(|(first, last)| (first..=last).collect()).ok_or_else(|| PortError::NotAPort(item.to_owned()));
    }
    Ok(parse(item)?.iter().map(|service| service.port).collect())
}

fn parse_one(item: &str) -> Result<Service, PortError> {
    let (name, port) = match item.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (item, None),
    };
    let unknown = || PortError::Unknown(item.to_owned());
    let protocol = match (name.parse::<u16>(), port) {
        (Ok(number), None) => Protocol::ALL.iter().find(|p| p.port() == number).ok_or_else(unknown)?,
        _ => Protocol::ALL.iter().find(|p| p.name().eq_ignore_ascii_case(name)).ok_or_else(unknown)?,
    };
    let port = match port {
        None => protocol.port(),
        Some(text) => {
            text.parse().ok().filter(|port| *port != 0).ok_or_else(|| PortError::NotAPort(text.to_owned()))?
        }
    };
    Ok(Service { port, protocol: *protocol })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;

    fn service(port: u16, protocol: Protocol) -> Service {
        Service { port, protocol }
    }

    #[test]
    fn names_numbers_and_other_ports() {
        assert_eq!(
            parse("smtp, 993,https:8443"),
            Ok(vec![service(25, Protocol::Smtp), service(993, Protocol::Imaps), service(8_443, Protocol::Https)])
        );
    }

    #[test]
    fn the_study_has_fourteen_ports() {
        let services = parse("study").unwrap();
        let ports: Vec<u16> = services.iter().map(|service| service.port).collect();
        assert_eq!(ports, [25, 465, 587, 143, 993, 110, 995, 6_667, 6_697, 5_222, 5_223, 5_269, 5_270, 443]);
        assert_eq!(parse("smtp:2525,Study").unwrap().len(), 15);
        assert_eq!(parse("study,imap"), Err(PortError::Twice(143)));
    }

    #[test]
    fn each_protocol_has_a_name_and_a_port_of_its_own() {
        for (at, one) in Protocol::ALL.iter().enumerate() {
            for other in &Protocol::ALL[..at] {
                assert!(one.name() != other.name() && one.port() != other.port(), "{one} and {other}");
            }
        }
    }

    #[test]
    fn where_nothing_is_spoken_any_port_and_range_will_do() {
        let ports = |list: &str| parse_silent(list).map(|all| all.iter().map(|s| s.port).collect::<Vec<_>>());
        assert_eq!(ports("80, 8000-8002,smtp,imap:77"), Ok(vec![80, 8_000, 8_001, 8_002, 25, 77]));
        assert_eq!(ports("1-65535").map(|all| all.len()), Ok(65_535));
        assert_eq!(ports("80,79-81"), Err(PortError::Twice(80)));
        for wrong in ["0", "9-7", "70000", "80-", "80x", "0-9"] {
            assert_eq!(ports(wrong), Err(PortError::NotAPort(wrong.into())));
        }
        assert_eq!(ports("gopher"), Err(PortError::Unknown("gopher".into())));
        assert_eq!(ports(","), Err(PortError::Empty));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(parse("gopher"), Err(PortError::Unknown("gopher".into())));
        assert_eq!(parse("7"), Err(PortError::Unknown("7".into())));
        assert_eq!(parse("smtp:0"), Err(PortError::NotAPort("0".into())));
        assert_eq!(parse("smtp:70000"), Err(PortError::NotAPort("70000".into())));
        assert_eq!(parse("smtp,25"), Err(PortError::Twice(25)));
        assert_eq!(parse(" ,"), Err(PortError::Empty));
    }
}
