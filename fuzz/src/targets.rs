//! Target `targets`: the first byte chooses a reader, the rest is the file: a blocklist, a list of targets, a routing
//! table, a space of targets as a dataset keeps it.
//!
//! Asserted: errors name a line that exists; each target of a list is in its space, once for its index, and never a
//! blocked one; announced ranges are disjoint, ascending and inside what is wanted; a space that was kept is the
//! same when it is kept again.

use starling::targets::cidr::AddressSet;
use starling::targets::input::Input;
use starling::targets::list;
use starling::targets::ports;
use starling::targets::rib::Rib;
use starling::targets::saved;

/// Targets looked at, from both ends.
const LOOKED_AT: u64 = 200;

/// The body.
pub fn run(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    match choice % 4 {
        0 => blocklist(&String::from_utf8_lossy(rest)),
        1 => targets(&String::from_utf8_lossy(rest)),
        2 => routes(rest),
        _ => saved_space(&String::from_utf8_lossy(rest)),
    }
}

/// Some names have addresses.
fn resolve(name: &str) -> Result<Vec<u32>, String> {
    if name.len() < 9 { Err("not known".to_owned()) } else { Ok(vec![0x0808_0808; name.len() % 3]) }
}

fn blocklist(text: &str) {
    match list::parse(text, &mut resolve) {
        Ok(ranges) => {
            let set = AddressSet::new(ranges.clone());
            assert!(ranges.iter().all(|range| set.contains(range.0) && set.contains(range.1)));
            assert_eq!(AddressSet::new(set.ranges().collect()), set);
        }
        Err(error) => assert!((1..=text.lines().count() as u64).contains(&error.line)),
    }
}

fn targets(text: &str) {
    let services = ports::parse("smtp,imap:1143").expect("well-formed");
    let block = AddressSet::new(vec![(0x0808_0800, 0x0808_0807)]);
    let mut input = Input::default();
    for line in text.lines() {
        let _ = input.add(line, &services, &mut resolve);
    }
    let (space, _) = input.into_space(services, None, &block);
    let from_the_end = space.size().saturating_sub(LOOKED_AT)..space.size();
    let mut before = None;
    for index in (0..LOOKED_AT.min(space.size())).chain(from_the_end) {
        let target = space.target(index);
        assert!(space.contains(target.address, target.port) && !block.contains(target.address));
        assert!(space.protocol(target.port).is_some());
        let name = space.name(target.address, target.port);
        assert!(name.is_none_or(list::is_host_name));
        assert!(before != Some((target, index.wrapping_sub(1))), "twice");
        before = Some((target, index));
    }
}

fn routes(bytes: &[u8]) {
    let Ok(rib) = Rib::read(bytes, &mut |_| ()) else { return };
    let wanted = AddressSet::named(vec![(0, u32::MAX)]);
    let announced = rib.announced(&wanted);
    assert!(announced.is_sorted_by(|one, next| one.range.1 < next.range.0));
    for one in announced {
        let (first, length) = one.prefix;
        assert!(wanted.contains(one.range.0) && wanted.contains(one.range.1) && one.range.0 <= one.range.1);
        assert!((8..=32).contains(&length) && first <= one.range.0);
    }
}

fn saved_space(text: &str) {
    match saved::read(text) {
        Ok(space) => {
            let kept = saved::write(&space);
            let again = saved::read(&kept).expect("what was written is read");
            assert_eq!((saved::write(&again), again.size()), (kept, space.size()));
        }
        Err(error) => assert!(error.to_string().starts_with("line ")),
    }
}
