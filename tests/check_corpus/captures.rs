//! The monitor reads every capture; what it finds is compared, column by column, with what tshark, Zeek and others found.

use crate::{Report, read, text};
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use starling::monitor::capture;
use starling::monitor::packet;
use starling::monitor::table::Monitor;
use starling::monitor::{Config, Recorded};
use starling::record::certificate::sha256;
use starling::targets::ports;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::ControlFlow;
use std::path::Path;

fn open(path: &Path) -> Box<dyn Read + Send> {
    let file = File::open(path).unwrap();
    if path.extension().is_some_and(|end| end == "gz") { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) }
}

/// Everything that a capture shows.
pub(crate) fn monitor(path: &Path) -> Vec<Recorded> {
    let services = ports::parse("study").unwrap();
    let (connections_max, bytes_max) = (Config::CONNECTIONS_MAX, Config::BYTES_MAX);
    let mut monitor = Monitor::new(Config { services, any_port: true, connections_max, bytes_max });
    let end = capture::read(open(path), |packet| {
        monitor.handle(packet);
        ControlFlow::Continue(())
    });
    if let Err(error) = end {
        println!("{}: {error}", path.display());
    }
    monitor.finish();
    assert_eq!(monitor.account().wrong(), Vec::<String>::new(), "{}", path.display());
    std::iter::from_fn(|| monitor.poll()).collect()
}

/// Protocols by the names that the corpus has for them.
fn protocol(name: &str) -> &str {
    match name {
        // Upgrades of other protocols and tunnels are TLS to the monitor.
        name if name.starts_with("tls-in-") => "tls",
        "xmpp-client" => "xmpp-c2s",
        "xmpp-server" => "xmpp-s2s",
        "xmpps-client" => "xmpps-c2s",
        name => name,
    }
}

/// Disagreements that stay and are singular, by file, column and reason. They are printed with it, and do not count as wrong. Of those
/// that have their reason in the data see [`reason`].
const LISTED: &[(&str, &str, &str)] = &[(
    "zeek__chrome-63.0.3211.0-canary-tls_experiment.pcap",
    "resumed",
    "TLS 1.3 in the guise of a resumption: Zeek took it for one",
)];

/// Why the monitor's fact and that of others differ, where that is known by name.
pub(crate) fn listed(name: &str, what: &str) -> Option<&'static str> {
    let name = name.strip_prefix("pcaps/")?;
    let found = LISTED.iter().find(|(file, column, _)| name.starts_with(file) && what.starts_with(column));
    found.map(|(_, _, reason)| *reason)
}

/// Others that disagree with the main one, one of which says what the monitor does.
fn seconded(found: &str, row: &Value) -> Option<&'static str> {
    let seconded = !found.is_empty() && text(&row["disagreement"]).contains(&format!("'{found}'"));
    seconded.then_some("another of the corpus' witnesses says as the monitor does")
}

/// Why a fact differs, told by the data: what the monitor's row says of the connection, and how its packets came.
fn reason(what: &str, found: &str, expected: &str, recorded: &Recorded, disordered: bool) -> Option<&'static str> {
    let row = &recorded.row;
    let one_side = row.packets_client == 0 || row.packets_server == 0;
    let of_server = ["version", "cipher", "group", "dh_bits", "ALPN", "chain", "leaf", "OCSP"].contains(&what);
    let unknown = |value: &str| ["", "0", "false"].contains(&value);
    let hello_broken = row.error.as_ref().is_some_and(|error| error.contains("message 1 "));
    let whole_der = |der: &[u8]| match der {
        [0x30, 0x82, high, low, rest @ ..] => rest.len() == usize::from(u16::from_be_bytes([*high, *low])),
        _ => false,
    };
    match what {
        "JA3" if row.client_v2_hello && expected.is_empty() => {
            Some("tshark computes none of a hello in SSL 2.0's format")
        }
        "JA3" if found.is_empty() && (hello_broken || row.gaps > 0) => {
            Some("the hello is malformed or not whole: of a part there is no fingerprint")
        }
        "leaf" if recorded.chain.first().is_some_and(|leaf| !whole_der(leaf)) => {
            Some("the certificate's DER is cut short: the hash is of what was sent, tshark's of what the DER says")
        }
        "STARTTLS offered" if found.is_empty() && one_side => {
            Some("one direction only: which command a list answers is not seen")
        }
        "SNI" if expected.is_empty() && (hello_broken || row.gaps > 0) => {
            Some("the hello is not whole: tshark does not read its begin")
        }
        "STARTTLS offered" if found.is_empty() && expected == "false" => {
            Some("the list has no end, so that STARTTLS is not in it stays open")
        }
        _ if of_server && row.gaps > 0 && unknown(found) != unknown(expected) => {
            Some("bytes are lost: what follows is read where a message has its known end behind them, and nowhere else")
        }
        _ if of_server && disordered && unknown(expected) => {
            Some("the server's bytes arrive out of order: tshark does not put them together")
        }
        _ => None,
    }
}

/// Why the monitor has no row for a connection that others have.
fn reason_absent(row: &Value) -> Option<&'static str> {
    let protocol = text(&row["protocol"]);
    let facts = ["tls_version", "sni", "ja3", "leaf_sha256", "auth_mechanisms", "alpn"];
    let clear = ["smtp", "submission", "imap", "pop3", "irc", "xmpp-c2s", "xmpp-s2s"].contains(&protocol);
    if text(&row["notes"]).contains("not genuine TLS") {
        Some("no TLS, as the corpus says")
    } else if protocol == "other" {
        Some("not the protocol of its port, as the corpus says")
    } else if protocol.starts_with("tls-in-") {
        Some("TLS inside another protocol's packets: out of scope, as the corpus says")
    } else if !clear && facts.iter().all(|fact| text(&row[*fact]).is_empty()) {
        Some("encrypted records only: no hello, nothing to tell")
    } else {
        None
    }
}

/// Why others have no row for a connection that the monitor has. `again`: they have another between the same ends.
fn reason_alone(recorded: &Recorded, again: bool) -> Option<&'static str> {
    let row = &recorded.row;
    let incomplete = row.error.as_ref().is_some_and(|error| error.contains("not complete"));
    if again && row.midstream {
        Some("it goes on after five minutes of silence: a row of its own")
    } else if again {
        Some("the capture has the connection twice, the second time from the same start: tshark sees retransmissions")
    } else if incomplete || (row.certificates.is_none() && row.packets_client == 0) {
        Some("the record that has the hello is not whole: tshark does not read it, and the corpus leaves it out")
    } else if row.recognised == "content" {
        Some("TLS on a port that tshark has another protocol for")
    } else {
        None
    }
}

/// Who sends to whom bytes that come before others that came already: out of order, or again.
fn disordered(path: &Path) -> BTreeSet<(String, u16, String, u16)> {
    let (mut ends, mut found) = (BTreeMap::new(), BTreeSet::new());
    // A file that is damaged was read before.
    let _ = capture::read(open(path), |packet| {
        if let Ok(segment) = packet::segment(packet)
            && segment.length > 0
        {
            let end = segment.first().wrapping_add(segment.length);
            let last = ends.entry((segment.source, segment.destination)).or_insert(end);
            if end.wrapping_sub(*last) > 1 << 31 {
                let text = |address: u128| {
                    let address = Ipv6Addr::from_bits(address);
                    address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4).to_string()
                };
                let (from, to) = (segment.source, segment.destination);
                found.insert((text(from.0), from.1, text(to.0), to.1));
            } else {
                *last = end;
            }
        }
        ControlFlow::Continue(())
    });
    found
}

/// Client's address and port, server's address and port.
pub(crate) type Ends = (String, u64, String, u64);

/// A connection as others have it, and as the monitor does.
pub(crate) struct Pair {
    pub(crate) name: String,
    pub(crate) expected: Value,
    pub(crate) recorded: Option<Recorded>,
    /// What differs for a reason.
    pub(crate) explained: BTreeSet<&'static str>,
}

/// Everything that a capture shows by its ends; those of the same ends in the order in which they began.
pub(crate) fn connections(path: &Path) -> BTreeMap<Ends, Vec<Recorded>> {
    let mut found: BTreeMap<Ends, Vec<Recorded>> = BTreeMap::new();
    for recorded in monitor(path) {
        let row = &recorded.row;
        let ends = (row.client_ip.clone(), row.client_port.into(), row.server_ip.clone(), row.server_port.into());
        found.entry(ends).or_default().push(recorded);
    }
    found.values_mut().for_each(|list| list.sort_by_key(|recorded| recorded.row.time));
    found
}

/// A row's ends.
fn ends(row: &Value) -> Ends {
    let number = |key: &str| row[key].as_u64().unwrap();
    let address = |key: &str| text(&row[key]).to_owned();
    (address("client_ip"), number("client_port"), address("server_ip"), number("server_port"))
}

/// Takes the first of those ends.
fn take(found: &mut BTreeMap<Ends, Vec<Recorded>>, ends: &Ends) -> Option<Recorded> {
    found.get_mut(ends).filter(|list| !list.is_empty()).map(|list| list.remove(0))
}

pub(crate) fn captures(folder: &Path, report: &mut Report) -> Vec<Pair> {
    let expected = read(folder, "expected.json");
    let mut files: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for row in expected.as_array().unwrap() {
        files.entry(text(&row["file"])).or_default().push(row);
    }
    let (mut stated, mut pairs) = (0, Vec::new());
    for (file, rows) in files {
        let path = folder.join(file);
        let (mut found, disordered) = (connections(&path), disordered(&path));
        let mut taken: Vec<_> = rows.iter().map(|row| take(&mut found, &ends(row))).collect();
        let known: BTreeSet<Ends> = rows.iter().map(|row| ends(row)).collect();
        // What the packets' addresses did not find: who was called is not in every capture, and tunnels have two addresses.
        for (row, taken) in rows.iter().zip(&mut taken).filter(|(_, taken)| taken.is_none()) {
            let (client, client_port, server, server_port) = ends(row);
            *taken = take(&mut found, &(server, server_port, client, client_port)).or_else(|| {
                let inner = found.iter().find(|(other, list)| {
                    (other.1, other.3) == (client_port, server_port) && !list.is_empty() && !known.contains(*other)
                });
                let inner = inner.map(|(other, _)| other.clone());
                inner.and_then(|other| take(&mut found, &other))
            });
            if let Some(recorded) = taken {
                let row_of_ours = &recorded.row;
                let reason = if row_of_ours.midstream && u64::from(row_of_ours.client_port) != client_port {
                    "the capture does not have who called whom: tshark takes the first sender, the monitor looks at the ports"
                } else {
                    "in a tunnel: the monitor has the addresses inside"
                };
                report.explained(&format!("{file} {}", row["stream"]), reason);
            }
        }
        for (row, recorded) in rows.into_iter().zip(taken) {
            let name = format!("{file} {}", row["stream"]);
            let explained = match &recorded {
                Some(recorded) => {
                    let ours = &recorded.row;
                    let from_server =
                        (ours.server_ip.clone(), ours.server_port, ours.client_ip.clone(), ours.client_port);
                    compare(&name, recorded, row, disordered.contains(&from_server), report, &mut stated)
                }
                None => {
                    let reason = reason_absent(row);
                    let explained = report.fact_or(&name, "connection", "absent", text(&row["protocol"]), reason);
                    explained.then_some("connection").into_iter().collect()
                }
            };
            pairs.push(Pair { name, expected: row.clone(), recorded, explained });
        }
        for (ends, recorded) in found.iter().flat_map(|(ends, list)| list.iter().map(move |one| (ends, one))) {
            let row = &recorded.row;
            let name = format!("{file} {}:{} -> {}:{}", row.client_ip, row.client_port, row.server_ip, row.server_port);
            report.fact_or(&name, "connection", row.protocol, "absent", reason_alone(recorded, known.contains(ends)));
        }
    }
    println!("captures, monitored: {stated} values that others only guess at (established, resumed) are not compared");
    report.part("captures, monitored");
    pairs
}

/// What differs for a reason is returned.
fn compare(
    name: &str,
    recorded: &Recorded,
    row: &Value,
    disordered: bool,
    report: &mut Report,
    stated: &mut usize,
) -> BTreeSet<&'static str> {
    let mut explained = BTreeSet::new();
    let found = &recorded.row;
    let optional = |value: Option<bool>| value.map_or(String::new(), |value| value.to_string());
    let plain = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Bool(value) => value.to_string(),
        other => other.to_string(),
    };
    let expected = |key: &str| plain(&row[key]);
    let mut fact = |what: &'static str, found: &str, expected: &str| {
        let reason = reason(what, found, expected, recorded, disordered).or_else(|| seconded(found, row));
        if report.fact_or(name, what, found, expected, reason) {
            explained.insert(what);
        }
    };
    fact("protocol", protocol(found.protocol), protocol(&expected("protocol")));
    let upgraded = found.starttls_accepted == Some(true) && found.established.is_some();
    fact("STARTTLS", &upgraded.to_string(), &expected("starttls"));
    if row["starttls_offered"].is_boolean() {
        fact("STARTTLS offered", &optional(found.starttls_offered), &expected("starttls_offered"));
    }
    if row["starttls_requested"].is_boolean() {
        fact("STARTTLS requested", &found.starttls_sent.to_string(), &expected("starttls_requested"));
    }
    fact("mechanisms", &found.auth_before.join(" "), &expected("auth_mechanisms"));
    fact("version", found.tls_version.as_deref().unwrap_or_default(), &expected("tls_version"));
    fact("cipher", found.tls_cipher.as_deref().unwrap_or_default(), &expected("cipher"));
    fact("group", found.tls_group.as_deref().unwrap_or_default(), &expected("curve_or_group"));
    fact("dh_bits", &found.tls_dh_bits.map_or(String::new(), |bits| bits.to_string()), &expected("dh_bits"));
    fact("SNI", found.sni.as_deref().unwrap_or_default(), &expected("sni"));
    fact("ALPN", found.tls_alpn.as_deref().unwrap_or_default(), &expected("alpn"));
    // Where there is no chain others say so in two ways.
    let chain = if recorded.chain.is_empty() && expected("chain_len") != "0" {
        String::new()
    } else {
        recorded.chain.len().to_string()
    };
    // Without a ServerHello others do not say.
    if row["chain_len"].is_number() || text(&row["leaf_sha256"]).is_empty() {
        fact("chain", &chain, &expected("chain_len"));
    }
    let leaf = recorded.chain.first().map_or(String::new(), |leaf| hex(&sha256(leaf)));
    fact("leaf", &leaf, &expected("leaf_sha256"));
    if row["ocsp_stapled"].is_boolean() {
        fact("OCSP", &optional(found.tls_ocsp.or(Some(false))), &expected("ocsp_stapled"));
    }
    fact("JA3", found.client_ja3.as_deref().unwrap_or_default(), &expected("ja3"));
    for (what, value, key) in [("established", found.established, "established"), ("resumed", found.resumed, "resumed")]
    {
        let said = expected(key);
        if said.ends_with("(heur)") || said.is_empty() {
            *stated += 1;
        } else {
            fact(what, &optional(value), &said.to_lowercase());
        }
    }
    explained
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
