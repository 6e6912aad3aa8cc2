//! A poor link changes when a conversation ends, and never what is found.

use super::bridge::{Account, Bridge};
use super::peers::Servers;
use super::place::{Place, query};
use super::rows::{Rows, differences, measured};
use ::aws_lc_rs::digest::{SHA256, digest};
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::PrivateKeyDer;
use rustls::version::{TLS12, TLS13};
use serde_json::Value;
use starling::record::row::Handshake;
use starling::sim::host::script::{CERTIFICATE, Manner, Script, Tls};
use starling::sim::host::tcp::Cuts;
use starling::sim::link::{Fates, Faults};
use starling::targets::ports::Protocol;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// Exactly 2,000 addresses.
const TARGETS: &str = "198.18.0.0/22 198.18.4.0/23 198.18.6.0/24 198.18.7.0/25 198.18.7.128/26 198.18.7.192/28";
const COUNT: usize = 2_000;

/// 5 % loss, 2 % duplicates, and each frame up to 30 ms late, whatever the others do.
const POOR: Faults = Faults {
    delay: Duration::from_millis(5),
    jitter: Duration::ZERO,
    loss: 0.05,
    burst: 0.0,
    burst_max: 0,
    reorder: 1.0,
    reorder_max: Duration::from_millis(30),
    duplicate: 0.02,
    corrupt: 0.0,
    frame_max: None,
};

/// An end-entity certificate of P-256, and where the last bytes of its serial number are.
const LEAF: &[u8] = include_bytes!("../data/p256.der");
const LEAF_KEY: &[u8] = include_bytes!("../data/p256.key.der");
const SERIAL_END: usize = 35;
/// Further certificates of the chain: the server's flight takes three segments.
const CHAIN: usize = 8;

/// Each address has a certificate of its own: its serial number ends in the address. That breaks its signature,
/// which a census does not look at.
fn leaf(address: u32) -> Vec<u8> {
    let mut leaf = LEAF.to_vec();
    leaf[SERIAL_END - 4..SERIAL_END].copy_from_slice(&address.to_be_bytes());
    leaf
}

fn newest(address: u32) -> bool {
    address.is_multiple_of(2)
}

fn script(address: u32) -> Script {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));
    let version = if newest(address) { &TLS13 } else { &TLS12 };
    let mut chain = vec![leaf(address).into()];
    chain.resize(1 + CHAIN, CERTIFICATE.to_vec().into());
    let config = ServerConfig::builder_with_provider(PROVIDER.clone())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::try_from(LEAF_KEY.to_vec()).unwrap())
        .unwrap();
    let name = format!("mx-{address:08x}.example");
    Script::new(Protocol::Smtp, Manner::Secure, if newest(address) { Tls::V13 } else { Tls::V12 }, name)
        .with_tls(Arc::new(config))
}

const EFFORT: &str = "SELECT sum(retransmits)::int AS retransmits, (max(duration_us) // 1000)::int AS longest_ms,
                             (median(duration_us) // 1000)::int AS median_ms FROM handshakes";

struct Run {
    findings: Rows,
    effort: Value,
    account: Account,
    said: String,
}

fn scan(place: &Place, census: &Path, faults: Faults, arguments: &str) -> Run {
    let begun = Instant::now();
    let bridge = Bridge::start(place.middle.as_ref().unwrap(), faults, 3);
    let said = place.scan(census, &format!("-q -p smtp -e 3 {arguments} {TARGETS}"));
    let account = bridge.stop();
    let effort = query(census, EFFORT).remove(0);
    println!("{:?}: {effort}, {account:?}", begun.elapsed());
    Run { findings: measured::<Handshake>(census), effort, account, said }
}

#[test]
fn two_thousand_conversations_find_the_same_on_a_poor_link_as_on_a_clean_one() {
    let place = Place::new(true);
    place.inhabit("198.18.0.0/20");
    let servers = Servers::start(&place.far, vec![(Ipv4Addr::UNSPECIFIED, 25)], |address, _| {
        Some((script(address), Cuts::Whole))
    });
    let folder = tempfile::tempdir().unwrap();
    // Not a port twice: the servers remember for a minute whom they talked to (TIME-WAIT).
    let clean = scan(&place, &folder.path().join("clean"), Faults::default(), "-s 61000-62999 -r 800 -c 2");
    // The servers repeat their SYN-ACKs after 1, 3, 7 and 15 seconds. Linux then begins with a timeout of three
    // seconds, so two losses in a row would pass the TLS handshake's ten: one in ten thousand does.
    let arguments = "-s 63000-65535 -r 800 -c 17 --reply-timeout 45 --tls-timeout 45";
    let poor = scan(&place, &folder.path().join("poor"), POOR, arguments);
    servers.stop();

    assert_eq!(clean.findings.len(), COUNT, "{}", clean.said);
    for ((address, ..), row) in &clean.findings {
        for (column, right) in truth(*address) {
            assert_eq!(row[column], right, "{column} of {}", Ipv4Addr::from(*address));
        }
    }
    let differing = differences(&clean.findings, &poor.findings);
    assert!(differing.is_empty(), "{} differ\n{}\n{}", differing.len(), differing.join("\n"), poor.said);

    assert_eq!(clean.account.up.lost + clean.account.down.lost + clean.account.overtook, 0);
    for fates in [poor.account.up, poor.account.down] {
        let Fates { sent, lost, duplicated, .. } = fates;
        assert!((0.035..0.055).contains(&(lost as f64 / sent as f64)), "{fates:?}");
        assert!((0.015..0.025).contains(&(duplicated as f64 / sent as f64)), "{fates:?}");
    }
    assert!(poor.account.overtook > 1_000, "{:?}", poor.account);
    assert!(poor.effort["retransmits"].as_u64().unwrap() > 500, "{}", poor.effort);
}

/// What every row must say: written by hand, not taken from the script.
fn truth(address: u32) -> Vec<(&'static str, Value)> {
    let list = |words: &[&str]| -> Value { words.iter().map(|word| (*word).to_owned()).collect() };
    let sha256 = digest(&SHA256, &leaf(address));
    let sha256: String = sha256.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    vec![
        ("outcome", "complete".into()),
        ("stage", "done".into()),
        ("error", Value::Null),
        ("banner", format!("220 mx-{address:08x}.example ESMTP").into()),
        ("banner_code", 220.into()),
        ("capabilities_before", list(&["STARTTLS", "PIPELINING", "SIZE 10240000", "8BITMIME"])),
        ("starttls_offered", true.into()),
        ("starttls_accepted", true.into()),
        ("starttls_injected", 0.into()),
        ("capabilities_after", list(&["PIPELINING", "AUTH PLAIN LOGIN", "8BITMIME"])),
        ("auth_after", list(&["PLAIN", "LOGIN"])),
        ("tls_version", if newest(address) { "TLSv1.3" } else { "TLSv1.2" }.into()),
        ("leaf_sha256", sha256.into()),
    ]
}
