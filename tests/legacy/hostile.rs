//! Servers that go too far, through `starling scan`: each costs what it may, and ends in the row that says so.

use super::pair::{query, run, wait_until};
use super::place::{Keys, Server};
use super::scan::{far_end, scan};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// What a server does, its key exchange (RSA is the legacy engine's) or TLS 1.3, and what is due: the outcome, kind of error,
/// whether the handshake was completed, and certificates.
type Due = (&'static str, &'static str, &'static str, Option<&'static str>, bool, usize);

const SERVERS: &[Due] = &[
    ("splits", "rsa", "complete", None, true, 2),
    ("splits", "ecdhe", "complete", None, true, 2),
    ("splits", "1.3", "complete", None, true, 2),
    ("long", "rsa", "complete", None, true, 31),
    ("long", "ecdhe", "complete", None, true, 31),
    ("long", "1.3", "complete", None, true, 31),
    // The legacy engine takes twice as much as rustls; the certificates are read all the same.
    ("huge", "rsa", "complete", None, true, 31),
    ("huge", "ecdhe", "tls_too_large", Some("too_large"), false, 31),
    ("huge", "1.3", "tls_too_large", Some("too_large"), false, 31),
    ("asks", "rsa", "complete", None, true, 2),
    ("asks", "ecdhe", "complete", None, true, 2),
    ("asks", "1.3", "complete", None, true, 2),
    ("asks-ever", "ecdhe", "too_much_data", None, false, 0),
    ("renegotiates", "rsa", "complete", None, true, 2),
    ("renegotiates", "ecdhe", "complete", None, true, 2),
    ("renegotiates-ever", "rsa", "tls_failed", Some("misbehaved"), true, 2),
    ("renegotiates-ever", "ecdhe", "tls_failed", Some("misbehaved"), true, 2),
    ("tickets", "1.3", "complete", None, true, 2),
    ("updates", "1.3", "complete", None, true, 2),
    ("updates-ever", "1.3", "tls_failed", Some("misbehaved"), true, 2),
];

/// A chain of a leaf and 30 certificates with so many bytes of comment each.
fn chain(keys: &Keys, name: &str, bytes: usize) {
    let mut command = Command::new("openssl");
    command.args([
        "req", "-x509", "-newkey", "rsa:1024", "-nodes", "-keyout", "long.key", "-out", "long.pem", "-days", "30",
    ]);
    command.args(["-subj", "/CN=long", "-addext", &format!("nsComment={}", "x".repeat(bytes))]);
    super::place::run(command.current_dir(keys.folder.path()));
    let [leaf, long] = ["rsa.pem", "long.pem"].map(|file| std::fs::read_to_string(keys.file(file)).unwrap());
    std::fs::write(keys.file(name), leaf + &long.repeat(30)).unwrap();
}

#[test]
fn servers_that_go_too_far_end_in_the_row_that_says_so() {
    let pair = far_end();
    let keys = Keys::make();
    chain(&keys, "long.chain", 1_450);
    chain(&keys, "huge.chain", 4_600);
    let address = |place: usize| format!("198.18.6.{}", place + 1);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(root.join(".venv/bin/python"));
    command.arg(root.join("tests/legacy/hostile_server.py"));
    command.args(["rsa.chain", "long.chain", "huge.chain", "rsa.key"]).current_dir(keys.folder.path());
    for (place, (habit, exchange, ..)) in SERVERS.iter().enumerate() {
        command.args([address(place).as_str(), habit, exchange]);
    }
    let log = keys.file("servers.log");
    let server = Server::start(&mut command, &log);
    wait_until("all servers listen", || {
        run("ip", &format!("netns exec {} ss -Hltn", pair.far)).lines().count() == SERVERS.len()
    });
    let census = keys.file("census");
    scan(&pair, &census, "smtp", &(0..SERVERS.len()).map(address).collect::<Vec<_>>());
    // Of a complete conversation a close_notify in two records may be left, which is an error (RFC 8446, section 5.1).
    let rows = query(
        &census,
        "SELECT address, outcome, CASE WHEN outcome <> 'complete' THEN tls_error END AS tls_error, tls_version, coalesce(len(certificates), 0)::int AS certificates
         FROM handshakes LEFT JOIN chains USING (chain_id) ORDER BY ip, time",
    );
    let due: Vec<Value> = SERVERS
        .iter()
        .enumerate()
        .map(|(place, (_, exchange, outcome, error, complete, certificates))| {
            let version = complete.then_some(if *exchange == "1.3" { "TLSv1.3" } else { "TLSv1.2" });
            json!({"address": address(place), "outcome": outcome, "tls_error": error, "tls_version": version,
                   "certificates": certificates})
        })
        .collect();
    for (row, due) in rows.iter().zip(&due) {
        println!("{} {row}", if row == due { "equal" } else { "WRONG" });
    }
    println!("{}", std::fs::read_to_string(&log).unwrap());
    assert_eq!(rows, due);
    drop(server);
}
