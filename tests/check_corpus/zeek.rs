//! The rows of Zeek's own test baselines, held against the monitor's, column by column. A test of Zeek's reads several captures
//! into one log, so a row counts for the capture that has its connection.

use crate::monitored::{connections, hex};
use crate::{Report, read, text};
use serde_json::Value;
use starling::monitor::Recorded;
use starling::record::certificate::sha256;
use starling::tls::names;
use std::collections::BTreeSet;
use std::path::Path;

pub(crate) fn rows(folder: &Path, report: &mut Report) {
    let baselines = read(folder, "zeek_baseline_rows.json");
    let mut elsewhere = 0;
    for (file, rows) in baselines.as_object().unwrap() {
        let found = connections(&folder.join(file));
        let mut seen = BTreeSet::new();
        for entry in rows.as_array().unwrap() {
            let row = &entry["row"];
            let log = text(&entry["log"]);
            if !["ssl", "smtp"].contains(&log) || !seen.insert(row.to_string()) {
                continue;
            }
            let port = |key: &str| text(&row[key]).parse::<u64>().unwrap();
            let ends = (
                text(&row["id.orig_h"]).to_owned(),
                port("id.orig_p"),
                text(&row["id.resp_h"]).to_owned(),
                port("id.resp_p"),
            );
            let Some(recorded) = found.get(&ends).and_then(|list| list.first()) else {
                elsewhere += 1;
                continue;
            };
            let name = format!("{file} Zeek {}:{}", ends.0, ends.1);
            if log == "ssl" {
                ssl(&name, row, recorded, report);
            } else {
                let tls = if recorded.row.tls_version.is_some() { "T" } else { "F" };
                report.fact(&name, "TLS in SMTP", tls, text(&row["tls"]));
            }
        }
    }
    println!("Zeek's baselines: {elsewhere} rows are of other captures of the same test");
    report.part("Zeek's baselines");
}

fn ssl(name: &str, row: &Value, recorded: &Recorded, report: &mut Report) {
    let seen = &recorded.row;
    // `-` is unset, `(empty)` an empty list.
    let said = |key: &str| match row[key].as_str() {
        None => None,
        Some("-" | "(empty)") => Some(""),
        Some(value) => Some(value),
    };
    let mut fact = |what: &str, key: &str, found: String| {
        if let Some(expected) = said(key) {
            report.fact(name, what, &found, expected);
        }
    };
    let flag = |value: Option<bool>| if value == Some(true) { "T" } else { "F" }.to_owned();
    let list = |numbers: &[u32]| numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    let number = |value: Option<u32>| value.map(|value| value.to_string()).unwrap_or_default();
    fact("version", "version", seen.tls_version.as_deref().map(version).unwrap_or_default());
    fact("cipher", "cipher", seen.tls_cipher.clone().unwrap_or_default());
    fact("curve", "curve", seen.tls_group.clone().unwrap_or_default());
    fact("SNI", "server_name", seen.sni.clone().unwrap_or_default());
    fact("ALPN", "next_protocol", seen.tls_alpn.clone().unwrap_or_default());
    fact("resumed", "resumed", flag(seen.resumed));
    fact("established", "established", flag(seen.established));
    let prints: Vec<String> = recorded.chain.iter().map(|der| hex(&sha256(der))).collect();
    fact("chain", "cert_chain_fps", prints.join(","));
    let alerts = [seen.tls_alert.as_deref(), seen.tls_alert_sent.as_deref()];
    let alert = alerts.into_iter().flatten().find(|alert| said("last_alert") == Some(alert));
    fact("alert", "last_alert", alert.or(alerts.into_iter().flatten().next()).unwrap_or_default().to_owned());
    fact("suites", "client_ciphers", list(&seen.client_suites));
    fact("groups", "client_curves", list(&seen.client_groups));
    fact("key shares", "client_key_share_groups", list(&seen.client_key_shares));
    fact("ALPN offered", "orig_alpn", seen.client_alpn.join(","));
    fact("dh_bits", "dh_param_size", number(seen.tls_dh_bits));
    fact("ticket", "ticket_lifetime_hint", number(seen.tls_ticket_lifetime));
    fact("client's extensions", "ssl_client_exts", list(&seen.client_extensions));
    fact("server's extensions", "ssl_server_exts", list(&seen.tls_extensions));
    if let (Some(hashes), Some(signatures)) = (said("hashalgs"), said("sigalgs")) {
        let numbers = |text: &str| text.split(',').filter_map(|one| one.parse().ok()).collect::<Vec<u32>>();
        let schemes: Vec<u32> =
            numbers(hashes).iter().zip(numbers(signatures)).map(|(hash, signature)| hash << 8 | signature).collect();
        report.fact(name, "signatures", &list(&seen.client_signatures), &list(&schemes));
    }
    if let Some(versions) = said("client_supported_versions").filter(|versions| !versions.is_empty()) {
        let versions: Vec<String> = versions.split(',').map(|one| names::any_version(one.parse().unwrap())).collect();
        report.fact(name, "versions", &seen.client_versions.join(","), &versions.join(","));
    }
}

/// A version as Zeek writes it.
fn version(name: &str) -> String {
    match name.split_once("experiment-") {
        Some((_, number)) => format!("unknown-{}", u16::from_str_radix(number, 16).unwrap()),
        None => name.replacen("v1.", "v1", 1),
    }
}
