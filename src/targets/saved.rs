//! A space of targets as text: what a dataset keeps, so that a resumed run needs no list.
//!
//! Sections, each begun by its word and what it is about: `all smtp:25 imap:143`, then prefixes that are probed on all
//! of these; `only imaps:993`, then prefixes that are probed there beside; `names`, then `prefix,port,name`, port 0 for
//! any. One prefix a line, in the order of their numbers: where a target stands in the space depends on it.

use super::cidr::{AddressSet, CidrError, Range, parse};
use super::names::{self, Names};
use super::ports::{self, PortError, Service};
use super::{Single, Space};
use std::fmt::Write;
use std::net::Ipv4Addr;

/// Why text is not a space of targets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SavedError {
    /// No section, or a word that begins none.
    #[error("line {0}: `all`, `only` or `names` is wanted")]
    Section(usize),
    /// Not a prefix.
    #[error("line {0}: {1}")]
    Prefix(usize, CidrError),
    /// Not a service.
    #[error("line {0}: {1}")]
    Service(usize, PortError),
    /// Not a name.
    #[error("line {0}: `prefix,port,name` is wanted")]
    Name(usize),
}

/// `space` as text.
pub fn write(space: &Space) -> String {
    let mut text = String::from("all");
    // Writing to a string does not fail.
    for service in &space.services {
        let _ = write!(text, " {}:{}", service.protocol, service.port);
    }
    text.push('\n');
    write_set(&mut text, &space.addresses);
    for Single { service, addresses, .. } in &space.single {
        let _ = writeln!(text, "only {}:{}", service.protocol, service.port);
        write_set(&mut text, addresses);
    }
    if !space.names.is_empty() {
        text.push_str("names\n");
    }
    for (first, length, port, name) in space.names.iter() {
        let _ = writeln!(text, "{}/{length},{port},{name}", Ipv4Addr::from(first));
    }
    text
}

fn write_set(text: &mut String, addresses: &AddressSet) {
    for (first, length) in addresses.ranges().flat_map(prefixes) {
        let _ = writeln!(text, "{}/{length}", Ipv4Addr::from(first));
    }
}

enum Section {
    None,
    Set,
    Names,
}

/// The space that `text` describes.
///
/// # Errors
/// The first line that is none of [`write()`]'s.
pub fn read(text: &str) -> Result<Space, SavedError> {
    let mut section = Section::None;
    let mut all: Vec<Service> = Vec::new();
    let mut sets: Vec<(Option<Service>, Vec<Range>)> = Vec::new();
    let mut names = names::Builder::default();
    for (number, line) in (1..).zip(text.lines()) {
        let mut words = line.split(' ');
        let service = |word: &str| {
            let services = ports::parse(word).map_err(|error| SavedError::Service(number, error))?;
            services.first().copied().ok_or(SavedError::Section(number))
        };
        match (words.next(), &section) {
            (Some("all"), Section::None) => {
                all = words.map(service).collect::<Result<_, _>>()?;
                sets.push((None, Vec::new()));
                section = Section::Set;
            }
            (Some("only"), Section::Set) => {
                sets.push((Some(service(words.next().unwrap_or_default())?), Vec::new()));
            }
            (Some("names"), Section::Set) => section = Section::Names,
            (Some(prefix), Section::Set) => {
                let range = parse(prefix).map_err(|error| SavedError::Prefix(number, error))?;
                if let Some((_, ranges)) = sets.last_mut() {
                    ranges.push(range);
                }
            }
            (_, Section::Names) => read_name(line, &mut names).ok_or(SavedError::Name(number))?,
            _ => return Err(SavedError::Section(number)),
        }
    }
    let mut sets = sets.into_iter();
    let addresses = sets.next().map(|(_, ranges)| AddressSet::new(ranges)).unwrap_or_default();
    let single = sets.filter_map(|(service, ranges)| {
        service.map(|service| Single { service, addresses: AddressSet::new(ranges), before: 0 })
    });
    Ok(Space::of(addresses, all, single.collect(), names.build().0))
}

fn read_name(line: &str, names: &mut names::Builder) -> Option<()> {
    let mut fields = line.splitn(3, ',');
    let range = parse(fields.next()?).ok()?;
    let port: u16 = fields.next()?.parse().ok()?;
    let name = fields.next()?;
    names.add(range, (port != Names::ANY).then_some(port), name).then_some(())
}

/// The fewest prefixes that make up a range: first address and length of each.
pub(super) fn prefixes((first, last): Range) -> impl Iterator<Item = (u32, u32)> {
    let mut next = Some(first);
    std::iter::from_fn(move || {
        let from = next?;
        // As large as the alignment of its first address and what is left of the range allow.
        let left = u64::from(last - from) + 1;
        let bits = from.trailing_zeros().min(left.ilog2());
        next = u32::try_from(u64::from(from) + (1 << bits)).ok().filter(|after| *after <= last);
        Some((from, 32 - bits))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::input::Input;
    use proptest::prelude::*;

    fn targets(space: &Space) -> Vec<(u32, u16, Option<String>)> {
        let all = (0..space.size()).map(|index| space.target(index));
        all.map(|target| {
            let name = space.name(target.address, target.port).map(str::to_owned);
            (target.address, target.port, name)
        })
        .collect()
    }

    #[test]
    fn ranges_become_the_fewest_prefixes() {
        let text = |ranges: &[Range]| write(&Space::new(AddressSet::new(ranges.to_vec()), Vec::new()));
        assert_eq!(text(&[(0, u32::MAX)]), "all\n0.0.0.0/0\n");
        assert_eq!(
            text(&[(0xc612_0000, 0xc612_0fff), (u32::MAX, u32::MAX)]),
            "all\n198.18.0.0/20\n255.255.255.255/32\n"
        );
        assert_eq!(text(&[(1, 6)]), "all\n0.0.0.1/32\n0.0.0.2/31\n0.0.0.4/31\n0.0.0.6/32\n");
    }

    #[test]
    fn a_list_with_ports_and_names_comes_back_as_it_was() {
        let list = "8.8.8.0/29\n8.8.8.8:25\n8.8.8.9,mx.example,,993\n8.8.8.1,ns.example\n9.9.9.9:8025\n";
        let services = ports::parse("imap,smtp,smtp:8025").expect("well-formed");
        let mut input = Input::default();
        for line in list.lines() {
            input.add(line, &services, &mut |_: &str| Err(String::new())).expect(line);
        }
        let (space, _) = input.into_space(services, None, &AddressSet::default());
        let again = read(&write(&space)).expect("what was written");
        assert_eq!(targets(&again), targets(&space));
        assert_eq!(again.services().collect::<Vec<_>>(), space.services().collect::<Vec<_>>());
        assert_eq!(targets(&space).iter().filter(|(.., name)| name.is_some()).count(), 4);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(ranges in proptest::collection::vec((any::<u32>(), 0u32..5_000), 0..30)) {
            let ranges = ranges.into_iter().map(|(first, more)| (first, first.saturating_add(more))).collect();
            let space = Space::new(AddressSet::new(ranges), ports::parse("imaps,smtp").expect("well-formed"));
            let again = read(&write(&space)).expect("well-formed");
            prop_assert!(again.addresses().ranges().eq(space.addresses().ranges()));
            prop_assert_eq!(again.size(), space.size());
        }

        #[test]
        fn any_text_is_read_or_refused(text in "(all|only|names|smtp:25|[0-9./, a-z]|\n){0,40}") {
            let _ = read(&text);
        }
    }
}
