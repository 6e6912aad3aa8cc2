//! Rows to compare: of a dataset, or as the engine gave them, column by column.

use super::place::query;
use serde_json::{Map, Value};
use starling::record::schema::{Kind, Row, Value as Cell};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::Path;

/// Columns that tell time or count what time decides; among these the bytes sent, because TLS is only closed
/// towards a server that has not closed it yet.
fn timing(column: &str) -> bool {
    let named = ["time", "bytes_out", "segments_in", "segments_out", "retransmits", "tls_flight_bytes"];
    // A signature has one length or another. Of answers also what the run's secret decides.
    named.contains(&column) || column.ends_with("_us") || column.ends_with("_ms") || column == "source_port"
}

/// Outcomes of conversations that came to their end: time has no say in how much the server said, except about the
/// end of TLS.
const ENDED: &[&str] = &["complete", "no_starttls", "starttls_refused", "service_refused"];
/// Outcomes of those who talk until they are stopped: time decides when.
const CUT_SHORT: &[&str] = &["too_much_data", "too_many_segments", "tarpit"];
/// Last stages of a conversation after which everything is known: our goodbye waits three seconds for an answer, less
/// than a server may take to repeat a lost one.
const GOODBYE: &[&str] = &["goodbye", "done"];
/// The error of a server that resets: in TLS, what it said before may have been seen to be none, or not yet.
const RESET: &str = "the server reset the connection";
/// How errors begin that quote as much of a line as had come by then.
const QUOTING: &[&str] = &["not of the protocol: ", "not TLS: "];

/// Address, port and, of handshakes, rung.
pub(crate) type Key = (u32, u16, String);

/// Rows.
pub(crate) type Rows = BTreeMap<Key, Map<String, Value>>;

/// What a row is known by.
pub(crate) fn key(row: &Map<String, Value>) -> Key {
    let number = |name: &str| row[name].as_u64().unwrap();
    let rung = row.get("rung").and_then(Value::as_str).unwrap_or_default();
    (number("ip") as u32, number("port") as u16, rung.to_owned())
}

/// A row as DuckDB would show it.
pub(crate) fn given<R: Row>(row: &R) -> Map<String, Value> {
    let columns = R::TABLE.columns.iter().zip(row.values());
    let shown = columns.filter(|(column, _)| !timing(column.name));
    shown.map(|(column, cell)| (column.name.to_owned(), json(cell))).collect()
}

fn json(cell: Cell<'_>) -> Value {
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02X}")).collect() };
    match cell {
        Cell::Null => Value::Null,
        Cell::Bool(value) => value.into(),
        Cell::Uint(value) => value.into(),
        Cell::Timestamp(value) => value.0.into(),
        Cell::Text(text) => text.into(),
        Cell::Bytes(bytes) => hex(bytes).into(),
        Cell::TextList(list) => list.into(),
        Cell::Uints(list) => list.into(),
        Cell::Hashes(list) => list.iter().map(|hash| hex(hash)).collect(),
    }
}

/// The rows of a table on disk.
pub(crate) fn measured<R: Row>(census: &Path) -> Rows {
    let columns = R::TABLE.columns.iter().filter(|column| !timing(column.name));
    let shown: Vec<_> = columns
        .map(|column| match column.kind {
            Kind::Hash | Kind::Bytes => format!("hex({0}) AS {0}", column.name),
            // Larger integers are quoted in JSON.
            Kind::U64 => format!("{0}::UINTEGER AS {0}", column.name),
            _ => format!("\"{}\"", column.name),
        })
        .collect();
    let rows = query(census, &format!("SELECT {} FROM {}", shown.join(", "), R::TABLE.name));
    let mut found = Rows::new();
    for row in rows {
        let Value::Object(row) = row else { panic!("{row}") };
        let twice = found.insert(key(&row), row.clone());
        assert_eq!(twice, None);
    }
    found
}

/// A line for each column of each row that is not the same in both.
pub(crate) fn differences(expected: &Rows, found: &Rows) -> Vec<String> {
    let mut lines = Vec::new();
    for key in expected.keys().chain(found.keys()).collect::<BTreeSet<_>>() {
        let name = format!("{}:{} {}", Ipv4Addr::from(key.0), key.1, key.2);
        match (expected.get(key), found.get(key)) {
            (Some(expected), Some(found)) => {
                let columns = expected.iter().filter(|(column, _)| !same(column, expected, found));
                lines.extend(
                    columns.map(|(column, value)| format!("{name}: {column} is {}, not {value}", found[column])),
                );
            }
            (None, _) => lines.push(format!("{name}: an unexpected row")),
            (_, None) => lines.push(format!("{name}: no row")),
        }
    }
    lines
}

fn same(column: &str, expected: &Map<String, Value>, found: &Map<String, Value>) -> bool {
    let (one, other) = (&expected[column], &found[column]);
    let outcome = found.get("outcome").and_then(Value::as_str).unwrap_or_default();
    one == other
        || match (column, one.as_str(), other.as_str()) {
            ("bytes_in", ..) => !ENDED.contains(&outcome) || !found["tls_version"].is_null(),
            ("banner", Some(one), Some(other)) => CUT_SHORT.contains(&outcome) && same_start(one, other),
            ("stage", Some(one), Some(other)) => GOODBYE.contains(&one) && GOODBYE.contains(&other),
            ("truncated", ..) => CUT_SHORT.contains(&outcome),
            ("error", Some(one), Some(other)) if outcome == "tls_failed" => [one, other].contains(&RESET),
            ("error", Some(one), Some(other)) => {
                QUOTING.iter().any(|begin| one.starts_with(begin)) && same_start(one, other)
            }
            _ => false,
        }
}

fn same_start(one: &str, other: &str) -> bool {
    one.starts_with(other) || other.starts_with(one)
}
