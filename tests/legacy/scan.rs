//! The servers through `starling scan`, on a veth pair: each is asked for directly (HTTPS) and behind STARTTLS (SMTP), which
//! a relay says before it passes bytes on as they are. DuckDB holds what was recorded against what was set.

use super::pair::{Pair, STARLING, errors, query, run, wait_until, within};
use super::place::{Keys, Server, enter};
use super::stacks::{self, Case, Exchange};
use super::{is_spoken, version};
use serde_json::{Value, json};
use starling::tls::suites::class;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::thread;

/// A pair whose far end has all of 198.18.0.0/15; this thread and what it starts are there.
pub(crate) fn far_end() -> Pair {
    let pair = Pair::new();
    for (namespace, interface) in [(&pair.near, "near0"), (&pair.far, "far0")] {
        run("ip", &format!("netns exec {namespace} ethtool -K {interface} tx off gso off tso off"));
    }
    run("ip", &format!("-n {} route add local 198.18.0.0/15 dev lo", pair.far));
    enter(&pair.far);
    pair
}

/// Scans `targets` to their ends.
pub(crate) fn scan(pair: &Pair, census: &Path, ports: &str, targets: &[String]) {
    let mut scan = within(&pair.near, STARLING);
    scan.args(["scan", "-q", "-i", "near0", "-c", "4", "-r", "200", "-p", ports, "-o"]).arg(census).args(targets);
    let scan = scan.output().unwrap();
    assert_eq!(scan.status.code(), Some(0), "{}", errors(&scan));
    let check = within(&pair.near, STARLING).arg("check").arg(census).output().unwrap();
    assert_eq!(check.status.code(), Some(0), "{}", String::from_utf8_lossy(&check.stdout));
}

/// Address of the server at a place of the list.
fn address(place: usize) -> String {
    format!("198.18.{}.{}", 8 + place / 250, 1 + place % 250)
}

fn place(address: IpAddr) -> Option<usize> {
    let IpAddr::V4(address) = address else { return None };
    let [_, _, high, low] = address.octets();
    Some(usize::from(high.checked_sub(8)?) * 250 + usize::from(low.checked_sub(1)?))
}

/// Passes connections on to the servers on the loopback, behind the dialogue of SMTP or as they are.
fn relay(ports: &[u16], listen: u16, smtp: bool) {
    let listener = TcpListener::bind(("0.0.0.0", listen)).unwrap();
    let ports = ports.to_vec();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let server = stream.local_addr().ok().and_then(|at| place(at.ip())).and_then(|place| ports.get(place));
            if let Some(port) = server.copied() {
                thread::spawn(move || pass(stream, port, smtp));
            }
        }
    });
}

fn pass(mut near: TcpStream, port: u16, smtp: bool) -> Option<()> {
    if smtp {
        for reply in ["220 relay ESMTP\r\n", "250-relay\r\n250 STARTTLS\r\n", "220 go\r\n"] {
            near.write_all(reply.as_bytes()).ok()?;
            if reply != "220 go\r\n" {
                let mut byte = [0];
                while byte != *b"\n" {
                    near.read_exact(&mut byte).ok()?;
                }
            }
        }
    }
    let far = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let (mut from, mut to) = (far.try_clone().ok()?, near.try_clone().ok()?);
    let back = thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let mut far = far;
    let _ = std::io::copy(&mut near, &mut far);
    let _ = far.shutdown(Shutdown::Both);
    back.join().ok()
}

/// What is to be recorded of a case.
fn due(keys: &Keys, case: &Case) -> Value {
    let (suite, exchange) = (case.suite, case.exchange);
    let curve = if let Exchange::Curve(group) = exchange { Some(group) } else { None };
    let group = curve.map(|_| super::exchange(exchange));
    let bits = if let Exchange::Bits(bits) = exchange { Some(bits) } else { None };
    // rustls goes on in TLS 1.3, and in TLS 1.2 with what it has.
    let modern =
        case.version == 0x0304 || case.version == 0x0303 && starling::tls::suites::MODERN.contains(&suite.id.0);
    let leaf = case.certificate().map(|name| sha256(&keys.der(&format!("{name}.pem"))));
    json!({
        "version": is_spoken(suite).then(|| version(case.version)), "cipher": suite.name,
        "class": class(suite.id.0, curve).name(), "group": group, "dh_bits": bits, "asks": case.asks,
        "engine": if modern { "rustls" } else { "legacy" }, "certificates": if leaf.is_some() { 2 } else { 0 }, "leaf": leaf,
    })
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Version, suite, class and key exchange, as set or as recorded.
fn shown(facts: &Value) -> [String; 4] {
    let text = |key: &str| facts[key].as_str().map(str::to_owned);
    let bits = facts["dh_bits"].as_u64().map(|bits| format!("DH {bits}"));
    let exchange = text("group").or(bits).unwrap_or_else(|| "RSA".to_owned());
    let [version, cipher, class] =
        ["version", "cipher", "class"].map(|key| text(key).unwrap_or_else(|| "-".to_owned()));
    [version, cipher, class, exchange]
}

/// Prints what was set beside what was recorded, and how many there are of each stack, version and class. Says how many
/// are not equal.
fn print(rows: &[Value]) -> usize {
    let (mut wrong, mut groups) = (0, BTreeMap::<_, [usize; 2]>::new());
    println!("{:<15} {:<6} {:<6} {:<73} recorded", "stack", "port", "rung", "set to");
    for row in rows {
        let text = |key: &str| row[key].as_str().unwrap_or("-").to_owned();
        let equal = row["equal"] == json!(true);
        let (set, recorded) = (shown(&row["set"]), shown(&row["facts"]));
        let line = |[version, cipher, class, exchange]: &[String; 4]| {
            format!("{version:<8} {cipher:<47} {class:<6} {exchange:<9}")
        };
        let verdict = if equal { "equal".to_owned() } else { format!("WRONG: {} {}", text("outcome"), row["facts"]) };
        let (stack, protocol, rung) = (text("stack"), text("protocol"), text("rung"));
        println!("{stack:<15} {protocol:<6} {rung:<6} {} {} {verdict}", line(&set), line(&recorded));
        let [version, _, class, _] = set;
        let counts = groups.entry((stack, version, class)).or_default();
        counts[0] += 1;
        counts[1] += usize::from(equal);
        wrong += usize::from(!equal);
    }
    println!("\n{:<15} {:<8} {:<6} {:>5} {:>6}", "stack", "version", "class", "rows", "equal");
    for ((stack, version, class), [all, equal]) in groups {
        println!("{stack:<15} {version:<8} {class:<6} {all:>5} {equal:>6}");
    }
    wrong
}

#[test]
fn a_scan_records_what_each_server_was_set_to() {
    let pair = far_end();
    let keys = Keys::make();
    let log = keys.file("servers.log");
    let starts = [
        stacks::old_openssl(&keys),
        stacks::new_openssl(&keys),
        stacks::gnutls(&keys),
        stacks::nss(&keys),
        stacks::java(&keys),
        stacks::tlslite(&keys),
        stacks::modern(&keys),
    ];
    let (mut cases, mut servers) = (Vec::new(), Vec::<Server>::new());
    for (group, start) in starts.into_iter().flatten() {
        servers.push(start(&log));
        cases.extend(group);
    }
    let ports: Vec<u16> = cases.iter().map(|case| case.port).collect();
    wait_until("all servers listen", || {
        let listening = run("ip", &format!("netns exec {} ss -Hltn", pair.far));
        let listens = |port: &u16| listening.lines().any(|line| line.contains(&format!(":{port} ")));
        ports.iter().all(listens)
    });
    relay(&ports, 443, false);
    relay(&ports, 25, true);
    let census = keys.file("census");
    let targets: Vec<String> = (0..cases.len()).map(address).collect();
    scan(&pair, &census, "https,smtp", &targets);

    let set: Vec<Value> = cases
        .iter()
        .enumerate()
        .map(|(place, case)| json!({"address": address(place), "stack": case.stack, "set": due(&keys, case)}))
        .collect();
    let file = keys.file("set.json");
    std::fs::write(&file, serde_json::to_string(&set).unwrap()).unwrap();
    let rows = query(
        &census,
        &format!(
            "WITH recorded AS (
                 SELECT address, protocol, rung, outcome, {{'version': tls_version, 'cipher': tls_cipher,
                        'class': tls_cipher_class, 'group': tls_group, 'dh_bits': tls_dh_bits,
                        'asks': tls_client_certificate, 'engine': tls_engine,
                        'certificates': coalesce(len(certificates), 0), 'leaf': lower(hex(leaf_sha256))}} AS facts
                 FROM scan_results LEFT JOIN chains USING (chain_id))
             SELECT stack, address, protocol, rung, outcome, \"set\", facts, \"set\" IS NOT DISTINCT FROM facts AS equal
             FROM read_json('{}', columns = {{address: 'VARCHAR', stack: 'VARCHAR', \"set\": 'STRUCT(version VARCHAR, \
                  cipher VARCHAR, class VARCHAR, \"group\" VARCHAR, dh_bits UINTEGER, asks BOOLEAN, engine VARCHAR, \
                  certificates BIGINT, leaf VARCHAR)'}})
                  CROSS JOIN (VALUES ('https'), ('smtp')) AS protocols(protocol)
                  LEFT JOIN recorded USING (address, protocol)
             ORDER BY stack, \"set\".version, \"set\".cipher, address, protocol",
            file.display()
        ),
    );
    let wrong = print(&rows);
    println!("{} servers by HTTPS and by STARTTLS; {wrong} of {} rows wrong", cases.len(), rows.len());
    assert_eq!(rows.len(), 2 * cases.len());
    assert!(cases.len() > 320, "servers are missing");
    if wrong > 0 {
        println!("{}", std::fs::read_to_string(&log).unwrap());
    }
    assert_eq!(wrong, 0);
    // Java's SSL 3.0 with RSA comes to TLS only by the hello that is for it.
    let last = "SELECT count(DISTINCT address)::int AS n FROM handshakes WHERE rung = 'ssl3' AND tls_version = 'SSLv3'";
    let java = cases
        .iter()
        .filter(|case| case.stack.starts_with("SunJSSE") && case.profile == starling::tls::legacy::Profile::Ssl3);
    let java = java.filter(|case| is_spoken(case.suite)).count();
    assert_eq!(query(&census, last), [json!({"n": java})]);
    drop(servers);
}
