//! A list of single targets, as `-I` takes it: addresses as zmap's `-I`, `address:port`, what zmap and `-d` print
//! (`address,port`), zgrab2's lines `IP, DOMAIN, TAG, PORT`, and masscan's `open tcp PORT IP TIME` (`-oL`).
//!
//! A line without a port stands for its address on all ports of the scan, a line with one for that target alone. A
//! prefix stands for all its addresses, a line without an address for those that its name resolves to. Tags are
//! not used. `#` begins a comment.

use super::cidr::{self, AddressSet, Range};
use super::list::{Resolve, is_host_name, without_comment};
use super::names::Builder;
use super::ports::{Protocol, Service};
use super::{Single, Space};
use std::net::{Ipv4Addr, Ipv6Addr};

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// Not a target.
    #[error("`{0}` is no target: write it as 198.18.0.1, 198.18.0.1:25, or IP,DOMAIN,TAG,PORT")]
    Malformed(String),
    /// A name that cannot be one.
    #[error("`{0}` is no host name: letters, digits, hyphens and dots are wanted (others in their xn-- form)")]
    NotAName(String),
    /// Not a port.
    #[error("`{0}` is not a port: a number from 1 to 65535 is wanted")]
    NotAPort(String),
    /// A port whose protocol is not known.
    #[error("which protocol is spoken on port {0}? Next step: say it, as in -p smtp:{0}")]
    NoProtocol(u16),
    /// More than 4 GiB of names.
    #[error("more names than fit into memory. Next step: a list without names, or several runs")]
    TooManyNames,
}

/// What a list held, in targets unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Lines that say something.
    pub lines: u64,
    /// Given more than once.
    pub duplicates: u64,
    /// In reserved ranges, and not named.
    pub reserved: u64,
    /// Not in the allowlist.
    pub outside: u64,
    /// In the blocklist.
    pub blocked: u64,
    /// Lines with an IPv6 address.
    pub ipv6_lines: u64,
    /// Lines whose name has no IPv4 address.
    pub unresolved_lines: u64,
    /// Names that are not used, because an earlier line has one for the same servers.
    pub names_unused: u64,
}

/// Gathers the lines of a list.
#[derive(Debug, Default)]
pub struct Input {
    /// Addresses of lines without a port.
    everywhere: Vec<Range>,
    /// Addresses of lines with a port, for each service that occurs.
    single: Vec<(Service, Vec<Range>)>,
    names: Builder,
    counts: Counts,
}

/// A line, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Line<'a> {
    host: &'a str,
    port: Option<u16>,
    name: Option<&'a str>,
}

impl Input {
    /// Takes a line. `services` says what is spoken on ports that are no protocol's own.
    ///
    /// # Errors
    /// The line is no target.
    pub fn add(&mut self, line: &str, services: &[Service], resolve: Resolve<'_>) -> Result<(), InputError> {
        let Some(line) = take_apart(line)? else { return Ok(()) };
        if self.counts.lines == 0 && ["saddr", "ip"].contains(&line.host) && line.port.is_none() {
            return Ok(()); // the header of what zmap and others print
        }
        self.counts.lines += 1;
        let Line { host, port, name } = line;
        let malformed = || InputError::Malformed(host.to_owned());
        let (base, length) = cidr::split(host).unwrap_or((host, 32));
        if let Ok(address) = base.parse::<Ipv4Addr>() {
            if base.len() < host.len() && cidr::split(host).is_none() {
                return Err(malformed());
            }
            return self.target(cidr::around(address.into(), length), port, name, services);
        }
        let v6 = base.trim_start_matches('[').trim_end_matches(']').split('/').next().unwrap_or_default();
        if v6.parse::<Ipv6Addr>().is_ok() {
            self.counts.ipv6_lines += 1;
            return Ok(());
        }
        if !is_host_name(host) {
            return Err(malformed());
        }
        let addresses = resolve(host).unwrap_or_default();
        self.counts.unresolved_lines += u64::from(addresses.is_empty());
        for address in addresses {
            self.target((address, address), port, name.or(Some(host)), services)?;
        }
        Ok(())
    }

    fn target(
        &mut self,
        range: Range,
        port: Option<u16>,
        name: Option<&str>,
        services: &[Service],
    ) -> Result<(), InputError> {
        if let Some(name) = name {
            let name = name.strip_suffix('.').unwrap_or(name);
            if !self.names.add(range, port, name) {
                return Err(InputError::TooManyNames);
            }
        }
        match port {
            None => self.everywhere.push(range),
            Some(port) => {
                let service = service(port, services).ok_or(InputError::NoProtocol(port))?;
                match self.single.iter_mut().find(|(known, _)| *known == service) {
                    Some((_, ranges)) => ranges.push(range),
                    None => self.single.push((service, vec![range])),
                }
            }
        }
        Ok(())
    }

    /// Whether some line has no port.
    pub fn wants_ports(&self) -> bool {
        !self.everywhere.is_empty()
    }

    /// The targets, where lines without a port stand for `services`: those in `allow`, if there is one, and not in
    /// `block`.
    pub fn into_space(self, services: Vec<Service>, allow: Option<&AddressSet>, block: &AddressSet) -> (Space, Counts) {
        let mut counts = self.counts;
        let mut admit = |ranges: Vec<Range>, known: Option<&AddressSet>, ports: u64| {
            let given: u64 = ranges.iter().map(|range| u64::from(range.1 - range.0) + 1).sum();
            let distinct = AddressSet::new(ranges.clone());
            let new = known.map_or_else(|| distinct.clone(), |known| distinct.minus(known));
            let named = AddressSet::named(ranges).and(&new);
            let inside = allow.map_or_else(|| named.clone(), |allow| named.and(allow));
            let left = inside.minus(block);
            counts.duplicates += (given - new.len()) * ports;
            counts.reserved += (new.len() - named.len()) * ports;
            counts.outside += (named.len() - inside.len()) * ports;
            counts.blocked += (inside.len() - left.len()) * ports;
            left
        };
        let everywhere = AddressSet::new(self.everywhere.clone());
        let addresses = admit(self.everywhere, None, services.len() as u64);
        let single = self
            .single
            .into_iter()
            .map(|(service, ranges)| {
                let known = services.contains(&service).then_some(&everywhere);
                Single { service, addresses: admit(ranges, known, 1), before: 0 }
            })
            .collect();
        let (names, unused) = self.names.build();
        counts.names_unused = unused;
        (Space::of(addresses, services, single, names), counts)
    }
}

fn service(port: u16, services: &[Service]) -> Option<Service> {
    let own = || Protocol::ALL.iter().find(|p| p.port() == port).map(|protocol| Service { port, protocol: *protocol });
    services.iter().find(|service| service.port == port).copied().or_else(own)
}

fn take_apart(line: &str) -> Result<Option<Line<'_>>, InputError> {
    let text = without_comment(line).trim();
    if text.is_empty() {
        return Ok(None);
    }
    // masscan's banners repeat targets that it has said to be open before.
    let mut words = text.split_ascii_whitespace();
    match [(); 4].map(|()| words.next()) {
        [Some("open"), Some("tcp"), Some(port), Some(host)] => {
            return Ok(Some(Line { host, port: number(port)?, name: None }));
        }
        [Some("banner"), Some("tcp"), Some(_), Some(_)] => return Ok(None),
        _ => {}
    }
    let mut fields = [""; 4];
    let mut count = 0;
    for field in text.split(',') {
        let Some(place) = fields.get_mut(count) else { return Err(InputError::Malformed(text.to_owned())) };
        *place = field.trim().trim_matches('"').trim();
        count += 1;
    }
    let [mut host, mut name, _tag, mut port] = fields;
    // What zmap and `-d` print has the port in the second field; no name is a number.
    if count == 2 && !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
        (name, port) = ("", name);
    }
    // Only an address or a name in front: IPv6 addresses have more colons.
    if let Some((front, behind)) = host.split_once(':').filter(|(_, behind)| !behind.contains(':')) {
        (host, port) = (front, behind);
    }
    if host.is_empty() {
        host = name;
    }
    if host.is_empty() {
        return Err(InputError::Malformed(text.to_owned()));
    }
    if !name.is_empty() && !is_host_name(name) {
        return Err(InputError::NotAName(name.to_owned()));
    }
    Ok(Some(Line { host, port: number(port)?, name: (!name.is_empty()).then_some(name) }))
}

/// A port, or none.
fn number(port: &str) -> Result<Option<u16>, InputError> {
    let number = || port.parse().ok().filter(|port| *port != 0);
    if port.is_empty() { Ok(None) } else { number().map(Some).ok_or_else(|| InputError::NotAPort(port.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::{Target, ports};
    use std::collections::BTreeSet;

    const NET: u32 = 0x0808_0800;

    fn known(name: &str) -> Result<Vec<u32>, String> {
        if name == "mx.example" { Ok(vec![NET + 7]) } else { Err("not known".to_owned()) }
    }

    fn input(text: &str) -> Input {
        let mut input = Input::default();
        for line in text.lines() {
            input.add(line, &services(), &mut known).expect(line);
        }
        input
    }

    fn services() -> Vec<Service> {
        ports::parse("smtp,imap:1143").expect("well-formed")
    }

    fn space(text: &str, block: &[Range]) -> (Space, Counts) {
        input(text).into_space(services(), None, &AddressSet::new(block.to_vec()))
    }

    fn targets(space: &Space) -> BTreeSet<(u32, u16)> {
        let all: Vec<Target> = (0..space.size()).map(|index| space.target(index)).collect();
        let set: BTreeSet<_> = all.iter().map(|target| (target.address, target.port)).collect();
        assert_eq!(set.len(), all.len(), "each target once");
        set
    }

    #[test]
    fn every_form_of_a_line_is_understood() {
        for (line, host, port, name) in [
            ("8.8.8.8", "8.8.8.8", None, None),
            (" 8.8.8.8:25 # mail", "8.8.8.8", Some(25), None),
            ("8.8.8.8,993", "8.8.8.8", Some(993), None),
            ("8.8.8.0/24", "8.8.8.0/24", None, None),
            ("8.8.8.8, mx.example, tag, 25", "8.8.8.8", Some(25), Some("mx.example")),
            ("8.8.8.8,\"mx.example\"", "8.8.8.8", None, Some("mx.example")),
            ("8.8.8.8,,,", "8.8.8.8", None, None),
            (",mx.example,,143", "mx.example", Some(143), Some("mx.example")),
            ("mx.example", "mx.example", None, None),
            ("2001:db8::1", "2001:db8::1", None, None),
            ("open tcp 25 8.8.8.8 1480000000", "8.8.8.8", Some(25), None),
        ] {
            assert_eq!(take_apart(line), Ok(Some(Line { host, port, name })), "{line}");
        }
        assert_eq!(take_apart(" # nothing"), Ok(None));
        assert_eq!(take_apart("banner tcp 25 8.8.8.8 1480000000 smtp 220 mx.example"), Ok(None));
        assert_eq!(take_apart("open tcp 0 8.8.8.8 1480000000"), Err(InputError::NotAPort("0".into())));
        assert_eq!(take_apart("8.8.8.8:0"), Err(InputError::NotAPort("0".into())));
        assert_eq!(take_apart("8.8.8.8,,,70000"), Err(InputError::NotAPort("70000".into())));
        assert_eq!(take_apart("8.8.8.8,b\u{fc}cher.example"), Err(InputError::NotAName("b\u{fc}cher.example".into())));
        assert_eq!(take_apart("1,2,3,4,5"), Err(InputError::Malformed("1,2,3,4,5".into())));
        assert_eq!(take_apart(",,tag,25"), Err(InputError::Malformed(",,tag,25".into())));
    }

    #[test]
    fn what_is_no_target_is_said() {
        let wrong = |line: &str| Input::default().add(line, &services(), &mut known).expect_err(line);
        assert_eq!(wrong("8.8.8"), InputError::Malformed("8.8.8".into()));
        assert_eq!(wrong("8.8.8.8/33"), InputError::Malformed("8.8.8.8/33".into()));
        assert_eq!(wrong("8.8.8.8:4444"), InputError::NoProtocol(4_444));
    }

    #[test]
    fn a_line_with_a_port_is_one_target_and_one_without_is_all_ports() {
        let text = "saddr\n8.8.8.1\n8.8.8.2:25\n8.8.8.2:993\n8.8.8.3,1143\n8.8.8.1:25\n8.8.8.1\nmx.example:25\n\
                    2001:db8::1\ngone.example\n";
        let (space, counts) = space(text, &[]);
        let expected = [(1, 25), (1, 1_143), (2, 25), (2, 993), (3, 1_143), (7, 25)];
        assert_eq!(targets(&space), expected.map(|(host, port)| (NET + host, port)).into());
        let duplicates = 2 + 1;
        let expected = Counts { lines: 9, duplicates, ipv6_lines: 1, unresolved_lines: 1, ..Counts::default() };
        assert_eq!(counts, expected);
        assert!(space.contains(NET + 2, 993) && !space.contains(NET + 3, 25) && !space.contains(NET + 1, 993));
        assert_eq!(space.protocol(993), Some(Protocol::Imaps));
        assert_eq!((space.protocol(1_143), space.protocol(143)), (Some(Protocol::Imap), None));
        assert_eq!((space.name(NET + 7, 25), space.name(NET + 1, 25)), (Some("mx.example"), None));
    }

    #[test]
    fn the_blocklist_wins_and_is_counted() {
        let (space, counts) = space("8.8.8.0/30\n8.8.8.9:25\n8.0.0.0/30", &[(NET, NET + 1), (NET + 9, NET + 9)]);
        assert_eq!(space.size(), 2 * 2 + 2 * 4);
        assert_eq!(counts.blocked, 2 * 2 + 1);
        assert!(!space.contains(NET + 1, 25) && !space.contains(NET + 9, 25) && space.contains(NET + 2, 25));
        let allow = AddressSet::new(vec![(NET, NET + 2)]);
        let (space, counts) =
            input("8.8.8.0/30\n10.0.0.1:25").into_space(services(), Some(&allow), &AddressSet::default());
        assert_eq!((space.size(), counts.outside), (6, 2 + 1));
    }

    #[test]
    fn reserved_addresses_must_be_named() {
        let (space, counts) = space("10.0.0.1:25\n0.0.0.0/0,,,25", &[]);
        assert_eq!(space.size(), 3_702_258_432 + 1);
        assert_eq!((counts.duplicates, counts.reserved), (1, (1 << 32) - 3_702_258_432 - 1));
        assert!(space.contains(0x0a00_0001, 25) && !space.contains(0x0a00_0002, 25));
    }
}
