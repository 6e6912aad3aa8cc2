//! Certificates and chains of the corpus: what openssl says of them.
//!
//! A disagreement with a reason that can be told from the verdict is printed and counted apart; any other is wrong.

use super::Report;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use starling::base::UtcMicros;
use starling::record::certificate::{digest, sha256};
use starling::record::row::Verdict;
use starling::verify::Judge;
use starling::verify::facts::Facts;
use starling::verify::store::Store;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

pub(crate) fn certificates(pem: &[u8]) -> Vec<Vec<u8>> {
    CertificateDer::pem_slice_iter(pem).map(|der| der.unwrap().as_ref().to_vec()).collect()
}

pub(crate) fn store(ders: &[Vec<u8>]) -> Store {
    let mut store = Store::default();
    for facts in ders.iter().filter_map(|der| Facts::read(Arc::from(&der[..]))) {
        store.add(Arc::new(facts));
    }
    store
}

pub(crate) fn judge(chain: &[Vec<u8>], roots: &Store, seconds: i64) -> Verdict {
    let presented: Vec<_> =
        chain.iter().map(|der| (sha256(der), Facts::read(Arc::from(&der[..])).map(Arc::new))).collect();
    Judge::new(roots, "corpus", &Store::default()).judge([0; 32], &presented, UtcMicros(seconds * 1_000_000))
}

/// Rows of a CSV file, by the names in its first line. Quoted fields may hold commas; none holds a line break.
fn table(path: &Path) -> Vec<BTreeMap<String, String>> {
    let file = std::fs::read_to_string(path).unwrap();
    let mut lines = file.lines().map(fields);
    let names = lines.next().unwrap();
    lines.map(|fields| names.iter().cloned().zip(fields).collect()).collect()
}

fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut quoted, mut characters) = (vec![String::new()], false, line.chars().peekable());
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                fields.last_mut().unwrap().push('"');
                characters.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => fields.last_mut().unwrap().push(other),
        }
    }
    fields
}

/// Chains of captures against two root stores.
pub(crate) fn chains(folder: &Path, report: &mut Report) {
    let folder = folder.join("certs");
    let pem = std::fs::read_to_string(folder.join("chains.pem")).unwrap();
    let chains: BTreeMap<&str, Vec<Vec<u8>>> = pem
        .split("# chain ")
        .skip(1)
        .map(|part| (part.lines().next().unwrap().trim(), certificates(part.as_bytes())))
        .collect();
    let stores = ["2015.04.28", "2026.10.18"].map(|date| {
        let ders =
            certificates(&std::fs::read(folder.join(format!("roots/mozilla-roots-certifi-{date}.pem"))).unwrap());
        let store = store(&ders);
        println!("roots of {date}: {} of {} can be parsed", store.len(), ders.len());
        store
    });
    for row in table(&folder.join("chains_expected.csv")) {
        let Some(chain) = chains.get(row["chain_id"].as_str()) else {
            println!("{}: not in chains.pem", row["chain_id"]);
            continue;
        };
        let at = row["capture_time"].parse().unwrap();
        for (store, column) in stores.iter().zip(["verify_mozilla2015", "verify_mozilla2026"]) {
            let verdict = judge(chain, store, at);
            let name = format!("{} {column}", row["chain_id"]);
            let words = verdict.problems.join(" ");
            let expected: &[&str] = match row[column].as_str() {
                "ok" => &["valid"],
                "self-signed certificate" => &["self_signed"],
                "unable to get local issuer certificate" => &["unknown_root"],
                "self-signed certificate in certificate chain" => &["unknown_root"],
                "certificate is not yet valid" => &["not_yet_valid"],
                "certificate has expired" => &["expired"],
                "certificate signature failure" => &["bad_signature"],
                _ => &["other"],
            };
            // openssl was not told that these are for TLS servers.
            let asked_more = !words.is_empty() && verdict.problems.iter().all(|word| word.contains("key_usage"));
            if !expected.contains(&verdict.verdict) && asked_more {
                report
                    .explained(&name, &format!("{} ({words}): openssl was not asked about purposes", verdict.verdict));
                continue;
            }
            let unread = verdict.problems == ["unparsable"];
            if unread && expected[0] != "other" || (verdict.verdict, expected[0]) == ("bad_signature", "self_signed") {
                let reason =
                    if unread { "the certificate is no DER" } else { "openssl does not check its own signature" };
                report.explained(&name, reason);
                continue;
            }
            let found = if expected.contains(&verdict.verdict) {
                expected[0].to_owned()
            } else {
                format!("{} {words}", verdict.verdict)
            };
            report.fact(&name, &format!("verdict beside {:?}", row[column]), &found, expected[0]);
        }
    }
    report.part("chains");
}

/// Facts of single certificates.
pub(crate) fn facts(folder: &Path, report: &mut Report) {
    let mut rows: BTreeMap<_, _> = BTreeMap::new();
    // One file has two rows, of which the last is the one of its first certificate.
    rows.extend(table(&folder.join("certs/cert_facts.csv")).into_iter().map(|row| (row["file"].clone(), row)));
    for row in rows.into_values() {
        let bytes = std::fs::read(folder.join(&row["file"])).unwrap();
        let der = if bytes.starts_with(b"-----") || row["file"].ends_with(".pem") {
            certificates(&bytes).into_iter().next().unwrap_or_default()
        } else {
            bytes
        };
        let found = digest(&der, UtcMicros(0));
        let name = row["file"].as_str();
        if found.version.is_none() {
            let reason = found.parse_error.unwrap_or_default();
            if row["parse_ok"] == "True" {
                report.explained(name, &format!("openssl reads it, we do not: {reason}"));
            }
            continue;
        }
        if row["parse_ok"] != "True" {
            report.explained(name, "we read it, openssl does not");
            continue;
        }
        let shown = |value: Option<String>| value.unwrap_or_default();
        let truth = |value: Option<bool>| shown(value.map(|is| if is { "True" } else { "False" }.to_owned()));
        report.fact(name, "version", &shown(found.version.map(|version| version.to_string())), &row["version"]);
        report.fact(name, "serial", &shown(found.serial).to_uppercase(), &row["serial"].to_uppercase());
        let bits = shown(found.key_bits.map(|bits| bits.to_string()));
        // openssl prints none for some kinds of keys.
        if !row["key_bits"].is_empty() {
            report.fact(name, "key bits", &bits, &row["key_bits"]);
        }
        report.fact(name, "CA", &truth(found.is_ca), &row["is_ca"]);
        report.fact(name, "self-issued", &truth(found.self_issued), &row["self_issued"]);
        let spki = shown(found.spki_sha256.map(|print| print.iter().map(|byte| format!("{byte:02x}")).collect()));
        if name.contains("ExplicitNullMissing") {
            report.explained(name, "the key's SHA-256 is of its octets as they are; openssl adds the missing NULL");
        } else if !row["spki_sha256"].is_empty() {
            report.fact(name, "key's SHA-256", &spki, &row["spki_sha256"]);
        }
    }
    report.part("certificates");
}
