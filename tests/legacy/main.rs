//! The legacy engine against real servers, old and set to be old: what each was set to is what is recorded, and a line
//! comes back from inside. `scripts/lab-tls` prints the table.
//!
//! The same servers through `starling scan`: `scan`.
//!
//! The servers stand in a network namespace without a way out. `STARLING_RECORD=FOLDER` keeps what they said, for
//! `tests/data/legacy`.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod client;
mod hostile;
#[path = "../e2e/pair.rs"]
mod pair;
mod place;
mod scan;
mod stacks;

use client::{Seen, connect, talk};
use place::{Keys, Server, alone};
use stacks::{Case, Echo, Exchange};
use starling::tls::legacy::{Failure, State};
use starling::tls::suites::class;
use tls_parser::TlsCipherSuite;

const LINE: &[u8] = b"EHLO scanner.example\n";

fn version(version: u16) -> &'static str {
    match version {
        0x0300 => "SSLv3",
        0x0301 => "TLSv1.0",
        0x0302 => "TLSv1.1",
        0x0303 => "TLSv1.2",
        0x0304 => "TLSv1.3",
        _ => "?",
    }
}

fn exchange(exchange: Exchange) -> String {
    match exchange {
        Exchange::None => "RSA".to_owned(),
        Exchange::Bits(bits) => format!("DH {bits}"),
        Exchange::Curve(23) => "secp256r1".to_owned(),
        Exchange::Curve(24) => "secp384r1".to_owned(),
        Exchange::Curve(25) => "secp521r1".to_owned(),
        Exchange::Curve(29) => "x25519".to_owned(),
        Exchange::Curve(other) => format!("curve {other}"),
        Exchange::Temporary(bits) => format!("RSA {bits}"),
    }
}

/// Seen in others' hands only.
fn is_spoken(suite: &TlsCipherSuite) -> bool {
    !["CAMELLIA", "SEED", "IDEA", "EXPORT"].iter().any(|word| suite.name.contains(word))
}

/// Version, suite, key exchange, chain, request for a certificate, end.
type Facts = (&'static str, &'static str, String, Vec<Vec<u8>>, bool, String);

fn expected(case: &Case, keys: &Keys) -> Facts {
    let chain = case.certificate().map(|name| vec![keys.der(&format!("{name}.pem")), keys.der("root.pem")]);
    let end = if is_spoken(case.suite) {
        "line inside".to_owned()
    } else {
        format!("{:?}", State::Failed(Failure::Suite(case.suite.id.0)))
    };
    (version(case.version), case.suite.name, exchange(case.exchange), chain.unwrap_or_default(), case.asks, end)
}

fn recorded(case: &Case, seen: &Seen) -> Facts {
    let hello = seen.flight.server_hello.clone().unwrap_or_default();
    let kx = seen.flight.key_exchange;
    let found = match (kx.group, kx.dh_bits, kx.rsa_bits) {
        (Some(group), ..) => Exchange::Curve(group),
        (_, Some(bits), _) => Exchange::Bits(bits),
        (_, _, Some(bits)) => Exchange::Temporary(bits),
        _ => Exchange::None,
    };
    let same = match case.echo {
        Echo::Same => seen.plain == LINE,
        Echo::Reversed => seen.plain.iter().rev().skip(1).eq(LINE[..LINE.len() - 1].iter()),
        Echo::Http => seen.plain.starts_with(b"HTTP/1.0 200 OK"),
    };
    let end = if same { "line inside".to_owned() } else { format!("{:?}", seen.state) };
    let name = TlsCipherSuite::from_id(hello.suite).map_or("?", |suite| suite.name);
    let chain = seen.flight.certificates.as_ref().map(|certificates| certificates.chain.clone()).unwrap_or_default();
    (version(hello.version), name, exchange(found), chain, seen.flight.certificate_request, end)
}

fn try_out(case: &Case, server: &mut Server) -> Option<Seen> {
    let stream = connect(case.port, || server.alive())?;
    Some(match case.echo {
        Echo::Http => talk(stream, case.profile, case.piece, b"GET / HTTP/1.0\r\n\r\n", |plain| plain.len() > 15),
        _ => talk(stream, case.profile, case.piece, LINE, |plain| plain.ends_with(b"\n")),
    })
}

/// Keeps what a server said, under a name that says what it was set to.
fn keep(case: &Case, seen: &Seen) {
    if let Ok(folder) = std::env::var("STARLING_RECORD") {
        let stack = case.stack.replace([' ', '.', '-'], "");
        let exchange = exchange(case.exchange).replace(' ', "");
        let asks = if case.asks { "-asks" } else { "" };
        let (version, suite, profile) = (case.version, case.suite.id.0, case.profile);
        let name = format!("{stack}-{version:04x}-{suite:04x}-{profile:?}-{exchange}{asks}.bin").to_lowercase();
        std::fs::write(std::path::Path::new(&folder).join(name), &seen.received).unwrap();
    }
}

#[test]
fn what_a_server_was_set_to_is_what_is_recorded() {
    alone();
    let keys = Keys::make();
    let log = keys.file("servers.log");
    let starts = [
        stacks::old_openssl(&keys),
        stacks::new_openssl(&keys),
        stacks::gnutls(&keys),
        stacks::nss(&keys),
        stacks::java(&keys),
        stacks::tlslite(&keys),
    ];
    let (mut lines, mut wrong) = (Vec::new(), 0);
    for (cases, start) in starts.into_iter().flatten() {
        let mut server = start(&log);
        for case in cases {
            let Some(seen) = try_out(&case, &mut server) else {
                wrong += 1;
                lines.push(format!("{case:?}: the server does not start"));
                continue;
            };
            keep(&case, &seen);
            let (expected, recorded) = (expected(&case, &keys), recorded(&case, &seen));
            let equal = expected == recorded;
            wrong += usize::from(!equal);
            let show = |facts: &Facts| {
                let request = if facts.4 { ", asks for a certificate" } else { "" };
                format!("{} {} {} chain {}{request}", facts.0, facts.1, facts.2, facts.3.len())
            };
            let class = class(case.suite.id.0, None).name();
            let verdict = if equal { "equal".to_owned() } else { format!("WRONG: {} {}", show(&recorded), recorded.5) };
            lines.push(format!(
                "{:<15} {:<6} {:<95} {:<5} {:<24} {verdict}",
                case.stack,
                format!("{:?}", case.profile),
                show(&expected),
                class,
                expected.5
            ));
        }
    }
    println!("{:<15} {:<6} {:<95} {:<5} {:<24} recorded", "stack", "hello", "server set to", "class", "end");
    println!("{}\n{} servers, {wrong} wrong", lines.join("\n"), lines.len());
    assert!(lines.len() > 200, "servers are missing");
    if wrong > 0 {
        println!("{}", std::fs::read_to_string(&log).unwrap());
    }
    assert_eq!(wrong, 0);
}
