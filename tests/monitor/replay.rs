//! A scan of a simulated world, captured at the scanner's adapter and replayed through the monitor, gives the scanner's own
//! findings: every column that both have.

use starling::monitor::capture::Captured;
use starling::monitor::table::Monitor;
use starling::monitor::{Config, Recorded};
use starling::record::Fact;
use starling::record::row::Handshake;
use starling::sim::swarm::Swarm;
use starling::sim::world::World;
use std::collections::BTreeMap;

const SEEDS: u64 = 300;
/// Ethernet.
const LINK: i32 = 1;

/// A connection as the scanner tells it.
type Scanned = (Handshake, Vec<Vec<u8>>);
/// Server's address and port.
type Ends = (u32, u16);

/// What the scanner found and what the monitor did, of the same world.
fn scan_and_replay(seed: u64) -> (Vec<Scanned>, Vec<Recorded>) {
    let mut swarm = Swarm::from_seed(seed);
    // The adapter throws a damaged frame away, who captures before it does not.
    (swarm.up.corrupt, swarm.down.corrupt) = (0.0, 0.0);
    let config = Config {
        services: swarm.services.clone(),
        any_port: false,
        connections_max: Config::CONNECTIONS_MAX,
        bytes_max: Config::BYTES_MAX,
    };
    let clock = swarm.clock();
    let mut world = World::new(swarm, false).unwrap();
    world.tap();
    let (mut monitor, mut scanned) = (Monitor::new(config), Vec::new());
    let mut more = true;
    while more {
        more = world.advance();
        for (at, bytes) in world.take_tapped() {
            if let Ok(want) = std::env::var("DUMP") {
                let w: Vec<u32> = want.split(',').map(|x| x.parse().unwrap()).collect();
                let port = u16::try_from(w[2]).unwrap();
                if u64::from(w[0]) == seed && let Ok(s) = starling::monitor::packet::segment(&Captured { time: clock.utc(at), link: LINK, bytes: &bytes }) && (s.source.1 == port && s.source.0 as u32 == w[1] || s.destination.1 == port && s.destination.0 as u32 == w[1]) {
                    println!("PKT {:>12} {} fl {:02x} seq {} ack {} len {} {:?}", clock.utc(at).0 - 1_767_225_600_000_000, if s.source.1 == port {"S"} else {"C"}, s.flags, s.seq, s.ack, s.length, String::from_utf8_lossy(&s.payload[..s.payload.len().min(30)]));
                }
            }
            monitor.handle(&Captured { time: clock.utc(at), link: LINK, bytes: &bytes });
        }
        scanned.extend(world.take_facts().into_iter().filter_map(|fact| match fact {
            Fact::Handshake(row, chain) => Some((*row, chain)),
            _ => None,
        }));
    }
    assert_eq!(world.violations(), Vec::<String>::new(), "seed {seed}");
    monitor.finish();
    assert_eq!(monitor.account().wrong(), Vec::<String>::new(), "seed {seed}");
    (scanned, std::iter::from_fn(|| monitor.poll()).collect())
}

/// Both of each connection that came to its end, of servers that were talked to once.
fn pairs(seed: u64) -> Vec<(Scanned, Recorded)> {
    let (scanned, recorded) = scan_and_replay(seed);
    let mut sides: BTreeMap<Ends, (Vec<Scanned>, Vec<Recorded>)> = BTreeMap::new();
    for one in scanned {
        sides.entry((one.0.ip, one.0.port)).or_default().0.push(one);
    }
    for one in recorded {
        sides.entry((one.row.server_ipv4.unwrap(), one.row.server_port)).or_default().1.push(one);
    }
    let mut pairs = Vec::new();
    for (ends, (ours, theirs)) in sides {
        let [scanned] = &ours[..] else {
            println!("MANY seed {seed} {ends:?} {:?} | {:?}", ours.iter().map(|o| (o.0.outcome, o.0.stage, o.0.bytes_in, o.0.starttls_sent, o.0.tls_version.clone())).collect::<Vec<_>>(), theirs.iter().map(|t| (t.row.end, t.row.starttls_sent, t.row.tls_version.clone(), t.row.established)).collect::<Vec<_>>());
            continue
        };
        if theirs.len() > 1 {
            println!("MORE seed {seed} {ends:?} {:?} | {:?}", ours.iter().map(|o| (o.0.outcome, o.0.stage, o.0.bytes_in, o.0.starttls_sent, o.0.tls_version.clone())).collect::<Vec<_>>(), theirs.iter().map(|t| (t.row.end, t.row.starttls_sent, t.row.tls_version.clone(), t.row.established)).collect::<Vec<_>>());
        }
        if !["complete", "no_starttls"].contains(&scanned.0.outcome) {
            continue;
        }
        if theirs.len() != 1 {
            let row = &ours[0].0;
            println!(
                "COUNT seed {seed} {ends:?} {} {} {} in {} w {} gr {:?} {:?}",
                row.outcome,
                row.protocol,
                theirs.len(),
                row.bytes_in,
                row.waited_ms,
                row.greeting_us,
                row.starttls_offered
            );
        }
        pairs.extend(ours.into_iter().zip(theirs));
    }
    pairs
}

/// The columns that differ, with both values.
fn differences((row, chain): &Scanned, Recorded { row: seen, chain: passed }: &Recorded) -> Vec<String> {
    let mut found = Vec::new();
    let mut same = |column: &str, scanner: String, monitor: String| {
        if scanner != monitor {
            found.push(format!("{column}: scanner {scanner}, monitor {monitor}"));
        }
    };
    macro_rules! columns {
        ($($column:ident)*) => {
            $(same(stringify!($column), format!("{:?}", row.$column), format!("{:?}", seen.$column));)*
        };
    }
    columns!(protocol capabilities_before auth_before starttls_offered starttls_sent starttls_accepted starttls_injected);
    columns!(tls_cipher tls_cipher_class tls_group tls_dh_bits tls_retried);
    same("gaps", "0".to_owned(), seen.gaps.to_string());
    same("sni", format!("{:?}", row.name), format!("{:?}", seen.sni));
    let newest = seen.client_versions.first().map(String::as_str);
    same("offered", format!("{:?}", row.tls_offered), format!("{newest:?}"));
    if let Some(version) = row.tls_version {
        same("tls_version", format!("{version:?}"), format!("{:?}", seen.tls_version.as_deref().unwrap_or_default()));
        same("established", "Some(true)".to_owned(), format!("{:?}", seen.established));
    }
    let extensions = row.tls_extensions.get(..seen.tls_extensions.len());
    same("tls_extensions", format!("{extensions:?}"), format!("{:?}", Some(&seen.tls_extensions[..])));
    if seen.tls_version.as_deref() == Some("TLSv1.3") {
        same("certificates", "hidden, none".to_owned(), format!("{}, none", seen.certificates.unwrap_or_default()));
        same("chain", "0".to_owned(), passed.len().to_string());
    } else {
        columns!(tls_signature tls_compression tls_extensions tls_alpn tls_ticket tls_ticket_lifetime);
        columns!(tls_alert tls_alert_sent tls_client_certificate tls_ocsp tls_ocsp_status);
        columns!(tls_ocsp_this_update tls_ocsp_next_update tls_flight_bytes);
        same("tls_scts", format!("{:?}", row.tls_scts.filter(|count| *count > 0)), format!("{:?}", seen.tls_scts));
        same("chain", format!("{chain:?}"), format!("{passed:?}"));
    }
    found
}

#[test]
fn a_scan_replayed_gives_the_scanners_own_findings() {
    let (mut wrong, mut compared, mut versions) = (Vec::new(), 0, BTreeMap::new());
    let seeds = std::env::var("SEED").map_or(0..SEEDS, |s| { let s: u64 = s.parse().unwrap(); s..s + 1 });
    for seed in seeds {
        for (scanned, recorded) in pairs(seed) {
            compared += 1;
            *versions.entry((scanned.0.tls_version.unwrap_or_default(), scanned.0.starttls_sent)).or_insert(0) += 1;
            let found = differences(&scanned, &recorded);
            if !found.is_empty() {
                let (row, seen) = (&scanned.0, &recorded.row);
                let name = format!("seed {seed}, {}:{} {}, {}", seen.server_ip, row.port, row.outcome, seen.end);
                wrong.push(format!("{name}: {}", found.join("; ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {compared} differ\n{}", wrong.len(), wrong.join("\n"));
    println!("{compared} compared: {versions:?}");
}
