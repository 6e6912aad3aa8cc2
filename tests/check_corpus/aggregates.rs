//! The totals of `expected_aggregates.json`, by protocol, held against those of the monitor's rows. What a connection's explained
//! disagreements change is put aside, so that a total can differ for one of their reasons only.

use crate::monitored::Pair;
use crate::{Report, read, text};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A total: protocol, column, value.
type Cell = (String, &'static str, String);

/// What a column of the totals is called among the facts, where disagreements are listed.
const COLUMNS: [(&str, &str); 10] = [
    ("auth_mechanisms", "mechanisms"),
    ("ciphers", "cipher"),
    ("dh_bits", "dh_bits"),
    ("groups", "group"),
    ("ocsp_stapled", "OCSP"),
    ("starttls_offered", "STARTTLS offered"),
    ("starttls_requested", "STARTTLS requested"),
    ("starttls_upgraded", "STARTTLS"),
    ("tls_server_hello", "version"),
    ("versions", "version"),
];

/// Whether others do not say this of a connection.
fn unsaid(pair: &Pair, column: &str) -> bool {
    column == "starttls_offered" && !pair.expected[column].is_boolean()
}

/// What a connection adds: to which columns, and with which values.
type Adds = BTreeSet<(&'static str, String)>;

fn expected(row: &Value) -> Adds {
    let mut adds = Adds::new();
    let mut add = |column, value: &str| {
        if !value.is_empty() {
            adds.insert((column, value.to_owned()));
        }
    };
    text(&row["auth_mechanisms"]).split(' ').for_each(|mechanism| add("auth_mechanisms", mechanism));
    add("ciphers", text(&row["cipher"]));
    add("groups", text(&row["curve_or_group"]));
    add("dh_bits", &row["dh_bits"].as_u64().map_or(String::new(), |bits| bits.to_string()));
    add("versions", text(&row["tls_version"]));
    let mut count = |column, counts: bool| add(column, if counts { "all" } else { "" });
    count("tls_server_hello", !text(&row["tls_version"]).is_empty());
    count("ocsp_stapled", row["ocsp_stapled"] == true);
    count("starttls_offered", row["starttls_offered"] == true);
    count("starttls_requested", row["starttls_requested"] == true);
    count("starttls_upgraded", row["starttls"] == true);
    adds
}

fn found(pair: &Pair) -> Adds {
    let mut adds = Adds::new();
    let Some(recorded) = &pair.recorded else { return adds };
    let row = &recorded.row;
    let mut add = |column, value: &str| {
        if !value.is_empty() {
            adds.insert((column, value.to_owned()));
        }
    };
    row.auth_before.iter().for_each(|mechanism| add("auth_mechanisms", mechanism));
    add("ciphers", row.tls_cipher.as_deref().unwrap_or_default());
    add("groups", row.tls_group.as_deref().unwrap_or_default());
    add("dh_bits", &row.tls_dh_bits.map_or(String::new(), |bits| bits.to_string()));
    add("versions", row.tls_version.as_deref().unwrap_or_default());
    let mut count = |column, counts: bool| add(column, if counts { "all" } else { "" });
    count("tls_server_hello", row.tls_version.is_some());
    count("ocsp_stapled", row.tls_ocsp == Some(true));
    count("starttls_offered", row.starttls_offered == Some(true));
    count("starttls_requested", row.starttls_sent);
    count("starttls_upgraded", row.starttls_accepted == Some(true) && row.established.is_some());
    adds
}

pub(crate) fn totals(folder: &Path, pairs: &[Pair], report: &mut Report) {
    let theirs = read(folder, "expected_aggregates.json");
    let mut ours: BTreeMap<Cell, i64> = BTreeMap::new();
    let mut connections: BTreeMap<String, u64> = BTreeMap::new();
    for pair in pairs {
        let protocol = text(&pair.expected["protocol"]);
        *connections.entry(protocol.to_owned()).or_default() += 1;
        let (found, expected) = (found(pair), expected(&pair.expected));
        for (column, value) in found.union(&expected) {
            let (_, what) = COLUMNS.iter().find(|(name, _)| name == column).unwrap();
            let what = if pair.recorded.is_none() { "connection" } else { what };
            let here = found.contains(&(*column, value.clone()));
            // A disagreement with a reason, and what others do not say, counts as the others have it.
            let counts = if pair.explained.contains(what) || unsaid(pair, column) {
                expected.contains(&(*column, value.clone()))
            } else {
                here
            };
            *ours.entry((protocol.to_owned(), column, value.clone())).or_default() += i64::from(counts);
        }
    }
    for (protocol, totals) in theirs.as_object().unwrap() {
        let count = connections.get(protocol).copied().unwrap_or_default();
        report.fact(protocol, "connections", &count.to_string(), &totals["connections"].to_string());
        for (column, _) in COLUMNS {
            let of_column =
                ours.iter().filter(|((of, name, _), count)| of == protocol && *name == column && **count != 0);
            let ours: BTreeMap<&str, i64> = of_column.map(|((_, _, value), count)| (value.as_str(), *count)).collect();
            let theirs: BTreeMap<&str, i64> = match &totals[column] {
                Value::Object(values) => {
                    values.iter().map(|(value, count)| (value.as_str(), count.as_i64().unwrap())).collect()
                }
                total => [("all", total.as_i64().unwrap())].into_iter().filter(|(_, count)| *count != 0).collect(),
            };
            report.fact(protocol, column, &format!("{ours:?}"), &format!("{theirs:?}"));
        }
    }
    report.part("totals by protocol");
}
