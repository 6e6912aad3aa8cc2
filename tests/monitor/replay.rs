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
/// What leaves the monitor without a row: connections on which nothing was said, or nothing of a protocol, or whose server did not let
/// the ClientHello out (it kept its window closed, or spoke out of turn and went).
const NOTHING_SAID: [(&str, &str); 10] = [
    ("closed", "greeting"),
    ("reset", "greeting"),
    ("silent_after_synack", "greeting"),
    ("tarpit", "greeting"),
    ("timeout_greeting", "greeting"),
    ("too_much_data", "greeting"),
    ("too_many_segments", "greeting"),
    ("protocol_error", "done"),
    ("not_tls", "tls"),
    ("tls_failed", "tls"),
];
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

/// Both of each connection, and those of the scanner that the monitor has no row of. Each row of the monitor is of one of the
/// scanner's, which was opened while it saw packets of it.
fn pairs(seed: u64) -> (Vec<(Scanned, Recorded)>, Vec<Scanned>) {
    let (scanned, recorded) = scan_and_replay(seed);
    let mut seen: BTreeMap<Ends, Vec<Recorded>> = BTreeMap::new();
    for one in recorded {
        seen.entry((one.row.server_ipv4.unwrap(), one.row.server_port)).or_default().push(one);
    }
    let (mut pairs, mut alone) = (Vec::new(), Vec::new());
    for one in scanned {
        let recorded = seen.entry((one.0.ip, one.0.port)).or_default();
        let at = recorded.iter().position(|recorded| {
            let (row, opened) = (&recorded.row, one.0.time.0);
            let end = row.time.0 + i64::try_from(row.duration_us).unwrap();
            (row.time.0..=end).contains(&opened)
        });
        match at {
            Some(at) => pairs.push((one, recorded.remove(at))),
            None => alone.push(one),
        }
    }
    for recorded in seen.into_values().flatten() {
        let row = recorded.row;
        // A SYN-ACK with bytes in it for which the scanner had no room: it never opened the connection.
        let unopened = row.packets_client == 1 && row.bytes_client == 0 && row.tls_version.is_none();
        assert!(unopened, "seed {seed}: the scanner knows nothing of {row:?}");
    }
    (pairs, alone)
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
    // Where the scanner gave up, bytes may have been missing: they are to both.
    if row.outcome == "complete" {
        same("gaps", "0".to_owned(), seen.gaps.to_string());
    }
    same("sni", format!("{:?}", row.name), format!("{:?}", seen.sni));
    let newest = seen.client_versions.first().map(String::as_str);
    // A server may keep its window so small that only a part of the ClientHello leaves, or reset the connection before.
    if row.tls_version.is_some() || newest.is_some() {
        same("offered", format!("{:?}", row.tls_offered), format!("{newest:?}"));
    }
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
        columns!(tls_alert tls_client_certificate tls_ocsp tls_ocsp_status);
        columns!(tls_ocsp_this_update tls_ocsp_next_update tls_flight_bytes);
        // An alert that is due when the server resets the connection does not leave.
        if seen.end != "reset" || seen.tls_alert_sent.is_some() {
            columns!(tls_alert_sent);
        }
        same("tls_scts", format!("{:?}", row.tls_scts.filter(|count| *count > 0)), format!("{:?}", seen.tls_scts));
        same("chain", format!("{chain:?}"), format!("{passed:?}"));
    }
    found
}

#[test]
fn a_scan_replayed_gives_the_scanners_own_findings() {
    let (mut wrong, mut compared, mut kinds) = (Vec::new(), 0, BTreeMap::new());
    for seed in 0..SEEDS {
        let (pairs, alone) = pairs(seed);
        for (row, _) in alone {
            let said = row.starttls_sent || !NOTHING_SAID.contains(&(row.outcome, row.stage));
            assert!(!said, "seed {seed}: the monitor knows nothing of {row:?}");
        }
        for (scanned, recorded) in pairs {
            let (row, seen) = (&scanned.0, &recorded.row);
            compared += 1;
            *kinds.entry((row.outcome, row.tls_version, row.starttls_sent)).or_insert(0) += 1;
            let found = differences(&scanned, &recorded);
            if !found.is_empty() {
                let name = format!("seed {seed}, {}:{} {}, {}", seen.server_ip, row.port, row.outcome, seen.end);
                wrong.push(format!("{name}: {}", found.join("; ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {compared} differ\n{}", wrong.len(), wrong.join("\n"));
    println!("{compared} compared: {kinds:?}");
    for kind in
        [("complete", Some("TLSv1.3"), true), ("complete", Some("TLSv1.2"), false), ("no_starttls", None, false)]
    {
        assert!(kinds.get(&kind).is_some_and(|count| *count > 300), "{kind:?} in {kinds:?}");
    }
}
