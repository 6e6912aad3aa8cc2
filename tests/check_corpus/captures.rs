//! The monitor reads every capture; what it finds is compared, column by column, with what tshark, Zeek and others found.

use crate::{Report, read, text};
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use starling::monitor::capture;
use starling::monitor::table::Monitor;
use starling::monitor::{Config, Recorded};
use starling::record::certificate::sha256;
use starling::targets::ports;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;

/// Everything that a capture shows.
pub(crate) fn monitor(path: &Path) -> Vec<Recorded> {
    let file = File::open(path).unwrap();
    let reader: Box<dyn Read + Send> = if path.extension().is_some_and(|end| end == "gz") {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    let services = ports::parse("study").unwrap();
    let (connections_max, bytes_max) = (Config::CONNECTIONS_MAX, Config::BYTES_MAX);
    let mut monitor = Monitor::new(Config { services, any_port: true, connections_max, bytes_max });
    let end = capture::read(reader, |packet| {
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

/// Disagreements that stay, by file, column and reason. They are printed with it, and do not count as wrong.
const LISTED: &[(&str, &str, &str)] = &[
    (
        "arkime__arkime_synthetic.pcap 90",
        "",
        "the ServerHello is two messages short; tshark guesses from what is there",
    ),
    (
        "arkime__arkime_synthetic.pcap 10.0.18.100",
        "connection",
        "it has a ClientHello and nothing else; the corpus leaves it out",
    ),
    ("arkime__socks5-smtp-503.pcap", "connection", "SMTP inside a SOCKS tunnel: out of scope, as the corpus says"),
    ("mercury__capture2.pcap 1", "connection", "IRC in midstream, and client and server are exchanged there"),
    ("mercury__corner-cases.pcap 2", "connection", "not TLS (version 0x2175), as the corpus says"),
    (
        "mercury__encrypted_handshake_cert_false_positive.pcap",
        "connection",
        "not TLS (version 0x2175), as the corpus says",
    ),
    ("mercury__openvpn_tcp_multi.pcap", "connection", "TLS inside OpenVPN's packets: out of scope, as the corpus says"),
    (
        "ndpi__6in4tunnel.pcap",
        "connection",
        "the corpus has the outer addresses of the tunnel, the monitor the inner ones",
    ),
    ("ndpi__capwap_data.pcapng", "connection", "inside a CAPWAP tunnel over UDP"),
    (
        "ndpi__tls_invalid_reads.pcap 2",
        "SNI",
        "the hello is malformed: an extension says 47241 bytes and has 9; nothing of such a hello is kept",
    ),
    (
        "ipfixprobe__inputs_tls.pcap 12",
        "group",
        "a lost segment lies within the certificates; tshark does not read on after it",
    ),
    ("ndpi__jabber.pcap", "connection", "XMPP after its beginning: nothing of what rows tell is in it"),
    ("ndpi__whatsapp_login_call.pcap", "connection", "not XMPP, as the corpus says, on its port"),
    ("ndpi__heuristic_tcp_ack_payload.pcap", "connection", "encrypted records only: no hello, nothing to tell"),
    ("ndpi__riot.pcapng", "connection", "encrypted records only: no hello, nothing to tell"),
    ("retina__tls_ciphers.pcap", "JA3", "tshark computes none of a hello in SSL 2.0's format"),
    ("suricata-verify__bypass-depth-disabled.pcap", "JA3", "tshark computes none of a hello in SSL 2.0's format"),
    ("suricata-verify__tls-altname-zero.pcap", "JA3", "tshark computes none of a hello in SSL 2.0's format"),
    ("suricata-verify__tls-glupteba-mb.pcap", "JA3", "tshark computes none of a hello in SSL 2.0's format"),
    ("zeek__ssl.v3.pcap", "JA3", "tshark computes none of a hello in SSL 2.0's format"),
    (
        "zeek__chrome-63.0.3211.0-canary-tls_experiment.pcap",
        "resumed",
        "TLS 1.3 in the guise of a resumption: Zeek took it for one",
    ),
    (
        "suricata-verify__smtp-bug-6053.pcap",
        "STARTTLS offered",
        "the list has no end, so that STARTTLS is not in it stays open",
    ),
    (
        "ipfixprobe__inputs_tls.pcap 172.16.121.155:39",
        "connection",
        "the capture has these connections twice, the second time from the same start; tshark sees retransmissions",
    ),
    (
        "ipfixprobe__inputs_tls.pcap 22",
        "group",
        "lost segments: what follows a gap is not read on, as where a record begins is a guess",
    ),
    (
        "mercury__corner-cases.pcap 10.82.252.206",
        "connection",
        "a ServerHello's first segment and nothing else; the corpus leaves it out",
    ),
    ("ndpi__google_ssl.pcap 0", "JA3", "tshark computes none of a hello in SSL 2.0's format"),
    (
        "ndpi__google_ssl.pcap 0",
        "",
        "the server's flight arrives out of order, and its begin last: tshark does not put it together",
    ),
    ("ndpi__malware.pcap 3", "", "the certificates arrive out of order: tshark does not put them together"),
    (
        "zeek__psql-aws-ssl-require.pcap 0",
        "",
        "the certificates arrive out of order: tshark does not put them together",
    ),
    ("ndpi__ookla.pcap 192.168.1.128:35830", "connection", "TLS on port 8080, which tshark takes for HTTP"),
    ("ndpi__tls_cipher_lens.pcap 4", "JA3", "the hello is malformed: no suites, and more extensions than bytes"),
    ("ndpi__tls_invalid_reads.pcap 0", "JA3", "the hello is malformed: it has no compression methods"),
    (
        "suricata-verify__bug-1450-0",
        "leaf",
        "the certificate's DER is cut short: the hash is of its 9 bytes, tshark's of what the DER says",
    ),
    (
        "suricata-verify__tcp-async-01.pcap 0",
        "STARTTLS offered",
        "one direction only: which command a list answers is not seen",
    ),
];

/// Why the monitor's fact and that of others differ, where that is known.
pub(crate) fn listed(name: &str, what: &str) -> Option<&'static str> {
    let name = name.strip_prefix("pcaps/")?;
    let found = LISTED.iter().find(|(file, column, _)| name.starts_with(file) && what.starts_with(column));
    found.map(|(_, _, reason)| *reason)
}

/// Client's address and port, server's address and port.
pub(crate) type Ends = (String, u64, String, u64);

/// A connection as others have it, and as the monitor does.
pub(crate) struct Pair {
    pub(crate) name: String,
    pub(crate) expected: Value,
    pub(crate) recorded: Option<Recorded>,
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

pub(crate) fn captures(folder: &Path, report: &mut Report) -> Vec<Pair> {
    let expected = read(folder, "expected.json");
    let mut files: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for row in expected.as_array().unwrap() {
        files.entry(text(&row["file"])).or_default().push(row);
    }
    let (mut stated, mut pairs) = (0, Vec::new());
    for (file, rows) in files {
        let mut found = connections(&folder.join(file));
        for row in rows {
            let name = format!("{file} {}", row["stream"]);
            let number = |key: &str| row[key].as_u64().unwrap();
            let ends = (
                text(&row["client_ip"]).to_owned(),
                number("client_port"),
                text(&row["server_ip"]).to_owned(),
                number("server_port"),
            );
            let recorded = found.get_mut(&ends).filter(|list| !list.is_empty()).map(|list| list.remove(0));
            match &recorded {
                Some(recorded) => compare(&name, recorded, row, report, &mut stated),
                None => report.fact(&name, "connection", "absent", text(&row["protocol"])),
            }
            pairs.push(Pair { name, expected: row.clone(), recorded });
        }
        for recorded in found.values().flatten() {
            let row = &recorded.row;
            let name = format!("{file} {}:{} -> {}:{}", row.client_ip, row.client_port, row.server_ip, row.server_port);
            report.fact(&name, "connection", row.protocol, "absent");
        }
    }
    println!("captures, monitored: {stated} values that others only guess at (established, resumed) are not compared");
    report.part("captures, monitored");
    pairs
}

fn compare(name: &str, recorded: &Recorded, row: &Value, report: &mut Report, stated: &mut usize) {
    let found = &recorded.row;
    let optional = |value: Option<bool>| value.map_or(String::new(), |value| value.to_string());
    let plain = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Bool(value) => value.to_string(),
        other => other.to_string(),
    };
    let expected = |key: &str| plain(&row[key]);
    let mut fact = |what: &str, found: &str, expected: &str| report.fact(name, what, found, expected);
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
    fact("chain", &chain, &expected("chain_len"));
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
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
