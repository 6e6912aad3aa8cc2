//! Whose an address is.

use crate::world::{START, dataset, printed, report, write};
use starling::output::dataset::Dataset;
use starling::record::row::{Connection, Handshake};
use std::net::Ipv4Addr;

/// A longer prefix inside a shorter one, one inside that, a single address at its end; several origins; a gap.
const TABLE: &str = "\
20.0.0.0/16 7
20.0.1.0/24 8_9
20.0.1.128/25 10
20.0.1.255/32 11
20.2.0.0/24 12
2001:db8::/32 13
";

/// The first and last address of each stretch, and whose they are.
const PLACES: &[(&str, u32)] = &[
    ("0.0.0.0", 0),
    ("19.255.255.255", 0),
    ("20.0.0.0", 7),
    ("20.0.0.255", 7),
    ("20.0.1.0", 8),
    ("20.0.1.127", 8),
    ("20.0.1.128", 10),
    ("20.0.1.254", 10),
    ("20.0.1.255", 11),
    ("20.0.2.0", 7),
    ("20.0.255.255", 7),
    ("20.1.0.0", 0),
    ("20.1.255.255", 0),
    ("20.2.0.0", 12),
    ("20.2.0.255", 12),
    ("20.2.1.0", 0),
    ("255.255.255.255", 0),
];

fn number(address: &str) -> u32 {
    address.parse::<Ipv4Addr>().unwrap().into()
}

#[test]
fn each_address_belongs_to_its_most_specific_prefix_and_to_none_in_a_gap() {
    let parent = tempfile::tempdir().unwrap();
    let table = parent.path().join("table.txt");
    std::fs::write(&table, TABLE).unwrap();
    let scanned = Dataset::create(&parent.path().join("census"), START).unwrap();
    let listened = Dataset::create(&parent.path().join("uplink"), START).unwrap();
    let (mut handshakes, mut connections) = (Vec::new(), Vec::new());
    for (address, asn) in PLACES {
        // Alone in its dataset an address can only be counted for its own AS.
        let alone = Dataset::create(&parent.path().join(address), START).unwrap();
        let row = Handshake {
            time: START,
            ip: number(address),
            port: 25,
            protocol: "smtp",
            outcome: "reset",
            rung: "modern",
            ..Handshake::default()
        };
        write(&alone, std::slice::from_ref(&row));
        handshakes.push(row);
        connections.push(Connection {
            time: START,
            server_ip: (*address).to_owned(),
            server_ipv4: Some(number(address)),
            server_port: 25,
            protocol: "smtp",
            ..Connection::default()
        });
        let words = [alone.root().to_str().unwrap(), "networks", "--rib", table.to_str().unwrap(), "--format", "csv"];
        let csv = printed(&words);
        assert_eq!(
            csv.lines().nth(1).map(|line| line.split(',').next().unwrap().to_owned()),
            Some(asn.to_string()),
            "{address}"
        );
    }
    write(&scanned, &handshakes);
    write(&listened, &connections);
    let words = |folder: &Dataset| {
        let words = [folder.root().to_str().unwrap(), "networks", "--rib", table.to_str().unwrap(), "--format", "csv"];
        printed(&words)
    };
    let rows = "0,6,0,0\n7,4,0,0\n8,2,0,0\n10,2,0,0\n12,2,0,0\n11,1,0,0\n";
    assert_eq!(words(&scanned), format!("asn,census.servers,census.tls,census.tls_pct\n{rows}"));
    assert_eq!(words(&listened), format!("asn,uplink.used_servers,uplink.used_tls,uplink.used_tls_pct\n{rows}"));
}

#[test]
fn a_table_given_takes_the_place_of_the_scans_own_and_names_come_from_any_list() {
    let parent = tempfile::tempdir().unwrap();
    let census = dataset(&parent.path().join("census"), true, false);
    let file = |name: &str, text: &str| {
        let path = parent.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let table = file("table.csv", "10.0.0.0,10.0.255.255,64999,\"Ranges, Inc\"\n");
    let census = census.to_str().unwrap();
    let head = "asn,census.registration,census.servers,census.tls,census.tls_pct\n";
    for names in [
        file("asn.txt", "64999 \"RANGES\", Inc, US\n"),
        file("asns.csv", "asn,name,class,cc\nAS64999,\"\"\"RANGES\"\", Inc, US\",Content,US\n"),
        file("asnames.json", "{\"64999\": \"\\\"RANGES\\\", Inc, US\"}"),
    ] {
        let csv = printed(&[census, "networks", "--rib", &table, "--as-names", &names, "--format", "csv"]);
        assert_eq!(csv, format!("{head}64999,\"\"\"RANGES\"\", Inc, US\",13,10,76.92\n"), "{names}");
    }
    let refused = |words: &[&str]| {
        let output = report(&[&[census, "networks"], words].concat());
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let nothing = file("nothing.csv", "country,code\nGermany,DE\n");
    let said = refused(&["--as-names", &nothing]);
    assert!(said.contains("no line has the number of an AS and its name. Next step: "), "{said}");
    assert!(refused(&["--as-rank", &nothing]).contains("--as-rank "));
    assert!(refused(&["--rib", &nothing]).contains("line 1: `country,code` is no prefix with its AS"));
}
