//! All fourteen ports: twelve kinds of real servers, and scripted ones that refuse, do not offer, speak garbage,
//! slip bytes in or keep one waiting.

use super::world::{Lab, errors, query};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A row per server: who it is, its protocol, what the scan says of STARTTLS and TLS, mechanisms before and after.
fn table(lab: &Lab, census: &Path) -> Vec<serde_json::Value> {
    let servers = lab.folder.path().join("servers.tsv");
    let sql = format!(
        "SELECT what, h.port, h.protocol, outcome, starttls_offered AS offered, starttls_injected AS injected,
                tls_version AS version, auth_before, auth_after
         FROM handshakes h
         JOIN read_csv('{}', delim = '\\t', header = false, names = ['ip', 'port', 'protocol', 'what']) s
           ON s.ip = h.address AND s.port = h.port
         ORDER BY h.ip, h.port",
        servers.display()
    );
    query(census, &sql)
}

#[test]
fn every_cell_of_all_fourteen_ports_is_what_independent_clients_see() {
    let lab = Lab::study();
    let census = lab.folder.path().join("census");
    let scan = lab.spawn_scan(&census, "-p study -r 20000 -c 2 -e 14 198.18.0.0/21");
    // The host keeps its network: other clients talk to the same servers while the scan runs.
    let facts = lab.ask_the_oracle();
    let scan = scan.wait_with_output().unwrap();
    assert_eq!(scan.status.code(), Some(0), "{}", errors(&scan));

    let (said, equal) = lab.compare(&facts, &census);
    assert!(equal, "{said}");
    let expected: Vec<serde_json::Value> = serde_json::from_slice(&std::fs::read(&facts).unwrap()).unwrap();
    assert_eq!(said, format!("{0} of {0} servers found, all facts equal\n", expected.len()));

    let rows = table(&lab, &census);
    assert_eq!(rows.len(), expected.len());
    let protocols: BTreeSet<&str> = rows.iter().filter_map(|row| row["protocol"].as_str()).collect();
    assert_eq!(protocols.len(), 14, "{protocols:?}");
    trouble_has_names(&rows);
    a_wrong_cell_is_printed(&lab, &facts, &census, expected);
}

/// A sweep of addresses gets no features from most XMPP servers; a list with names does, from all of them.
#[test]
fn xmpp_servers_asked_by_name_show_their_features() {
    let lab = Lab::study();
    let census = lab.folder.path().join("census");
    let named = lab.folder.path().join("named");
    std::fs::create_dir(&named).unwrap();
    let servers = std::fs::read_to_string(lab.folder.path().join("servers.tsv")).unwrap();
    let servers: Vec<&str> = servers.lines().filter(|line| line.contains("\txmpp")).collect();
    let addresses: BTreeSet<&str> = servers.iter().filter_map(|line| line.split('\t').next()).collect();
    std::fs::write(named.join("servers.tsv"), servers.join("\n")).unwrap();
    let list: String = addresses.iter().map(|address| format!("{address},chat.example,lab\n")).collect();
    let list_file = named.join("names.csv");
    std::fs::write(&list_file, list).unwrap();

    let arguments = format!("-p xmpp-client,xmpps-client,xmpp-server,xmpps-server -c 1 -I {}", list_file.display());
    let scan = lab.spawn_scan(&census, &arguments).wait_with_output().unwrap();
    assert_eq!(scan.status.code(), Some(0), "{}", errors(&scan));
    let (said, equal) = lab.compare(&lab.ask_the_oracle_of(&named, Some("chat.example")), &census);
    assert!(equal, "{said}");
    assert_eq!(said, format!("{0} of {0} servers found, all facts equal\n", servers.len()));
    let rows = query(&census, "SELECT outcome, count(*) AS n FROM handshakes GROUP BY ALL ORDER BY ALL");
    assert_eq!(
        serde_json::Value::from(rows),
        serde_json::json!([
            {"outcome": "complete", "n": 12},
            {"outcome": "no_starttls", "n": 1},
            {"outcome": "not_tls", "n": 1},
            {"outcome": "starttls_refused", "n": 1},
        ])
    );
}

/// Refused, not offered, and garbage are three outcomes, the same three in each of the five families.
fn trouble_has_names(rows: &[serde_json::Value]) {
    let mut found: BTreeMap<(&str, &str), String> = BTreeMap::new();
    for row in rows {
        let Some(kind) = row["what"].as_str().and_then(|what| what.strip_prefix("scripted: ")) else { continue };
        let outcome = format!("{}, offered {}, injected {}", row["outcome"], row["offered"], row["injected"]);
        found.insert((row["protocol"].as_str().unwrap(), kind), outcome.replace('"', ""));
    }
    let mut expected = BTreeMap::new();
    for (protocol, slipped_in) in [("smtp", 22), ("imap", 35), ("pop3", 16), ("irc", 40), ("xmpp-client", 29)] {
        expected.insert((protocol, "refuse"), "starttls_refused, offered true, injected 0".to_owned());
        expected.insert((protocol, "absent"), "no_starttls, offered false, injected 0".to_owned());
        expected.insert((protocol, "garbage"), "not_tls, offered true, injected 0".to_owned());
        expected.insert((protocol, "inject"), format!("complete, offered true, injected {slipped_in}"));
    }
    expected.insert(("smtp", "slow"), "no_starttls, offered false, injected 0".to_owned());
    for protocol in ["pop3", "irc"] {
        expected.insert((protocol, "unasked"), "complete, offered null, injected 0".to_owned());
    }
    assert_eq!(found, expected);
}

/// The comparison itself: one cell that differs is one line.
fn a_wrong_cell_is_printed(lab: &Lab, facts: &Path, census: &Path, mut expected: Vec<serde_json::Value>) {
    let server = expected.iter_mut().find(|server| server["ip"] == "198.18.5.60" && server["port"] == 110).unwrap();
    assert_eq!(server["auth_after"], serde_json::json!(["PLAIN", "LOGIN"]));
    server["auth_after"] = serde_json::json!(["LOGIN", "PLAIN"]);
    std::fs::write(facts, serde_json::to_vec(&expected).unwrap()).unwrap();
    let difference = "198.18.5.60:110 auth_after: expected [\"LOGIN\", \"PLAIN\"], census has [\"PLAIN\", \"LOGIN\"]\n";
    assert_eq!(lab.compare(facts, census), (difference.to_owned(), false));
}
