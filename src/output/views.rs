//! `views.sql`: what opens a dataset in DuckDB.
//!
//! DuckDB resolves relative paths against the working directory and does not tell a script its own path. So
//! the script looks for the run's part without rows: at the absolute path where the dataset was made, then in
//! and near the working directory. A dataset is recognised by its run, so a moved one is found where it is,
//! and no other one is ever taken for it.

use crate::record::row::{Connection, Handshake, Verdict};
use crate::record::schema::{Column, Kind, Row, TABLES, Table};

use super::manifest;
use super::parquet::schema_part;

/// The table that a dataset may hold several times.
const JUDGED: &str = Verdict::TABLE.name;

/// Name of the script in the dataset's folder.
pub const FILE: &str = "views.sql";

/// What is known of a table's files.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Files {
    /// They have every column of today.
    Whole,
    /// They may lack columns of today.
    OfAnyAge,
    /// There are none.
    Absent,
}

/// The script for the dataset that `run` made at the absolute path `location`; `resumed` if there are other runs too.
pub fn sql(location: &str, run: &str, resumed: bool) -> String {
    head(location, run) + &body(resumed, &|_| Files::Whole)
}

/// What opens one dataset, or several as one, by the text of this program instead of that of their own scripts.
///
/// `folder` is the dataset's folder, or the folder that holds `several`; `has` says which tables have files, the
/// others become views without rows, as do columns that older files lack; `repeated` if runs may tell the same twice.
pub fn open(folder: &str, several: bool, repeated: bool, has: &dyn Fn(&str) -> bool) -> String {
    let pattern = folder.replace('[', "[[]").replace('*', "[*]").replace('?', "[?]");
    let pattern = if several { pattern + "/*" } else { pattern };
    let files = |name: &str| if has(name) { Files::OfAnyAge } else { Files::Absent };
    format!("SET VARIABLE dataset = {};\n", quoted(&pattern)) + &body(repeated || several, &files)
}

/// Asks which columns of today not every file of `table` has; it has some.
pub fn lacking(table: &Table) -> String {
    let names: Vec<_> = table.columns.iter().map(|column| quoted(column.name)).collect();
    format!(
        "SELECT DISTINCT name FROM (SELECT unnest([{}]) AS name) AS today,
    (SELECT list(name) AS names FROM parquet_schema(getvariable('dataset') || '/{}/*.parquet') GROUP BY file_name)
WHERE NOT list_contains(names, name)",
        names.join(", "),
        table.name
    )
}

/// Macros and views, for a `dataset` that is known.
fn body(repeated: bool, files: &dyn Fn(&str) -> Files) -> String {
    let mut sql = MACROS.to_owned();
    for table in TABLES {
        sql.push_str(&view(table, repeated, files(table.name)));
    }
    sql.push_str(if files(manifest::FILE) == Files::Absent { NO_RUNS } else { RUNS });
    sql.push_str(DERIVED);
    for (name, from) in [("scan_results", Handshake::TABLE), ("monitored", Connection::TABLE)] {
        let derived = Table { name, ..from };
        sql.extend(derived.columns.iter().map(|column| comment(&derived, column)));
    }
    sql.push_str(&judgements(files(JUDGED)));
    sql
}

/// What every question needs.
const MACROS: &str = "
SET TimeZone = 'UTC';

-- An address as text.
CREATE OR REPLACE TEMP MACRO ipv4(ip) AS
    concat_ws('.', ip >> 24, (ip >> 16) & 255, (ip >> 8) & 255, ip & 255);

-- A share in percent; absent if there is nothing to have a share of.
CREATE OR REPLACE TEMP MACRO pct(part, whole) AS
    round(100.0 * part / nullif(whole, 0), 2)::DOUBLE;

-- The place of a protocol in the study's tables; others come behind.
CREATE OR REPLACE TEMP MACRO study_order(protocol) AS
    coalesce(list_position(['smtp', 'smtps', 'submission', 'imap', 'imaps', 'pop3', 'pop3s', 'irc', 'ircs', 'xmpp-client',
                            'xmpps-client', 'xmpp-server', 'xmpps-server', 'https'], protocol), 99);

-- A certificate as Tor relays make them (the paper leaves them out of its passive data, section III-B c).
CREATE OR REPLACE TEMP MACRO tor_like(subject, issuer) AS
    subject <> issuer AND regexp_full_match(subject, 'CN=www\\.[a-z2-7]{8,20}\\.(com|net)')
                      AND regexp_full_match(issuer, 'CN=www\\.[a-z2-7]{8,20}\\.(com|net)');
";

const RUNS: &str = "
CREATE OR REPLACE TEMP VIEW runs AS
SELECT filename AS file, content::JSON AS run FROM read_text(getvariable('dataset') || '/run.json');
COMMENT ON VIEW runs IS 'What was run, how, and what came of it: run.json as it is.';
";

const NO_RUNS: &str = "
CREATE OR REPLACE TEMP VIEW runs AS SELECT ''::VARCHAR AS file, NULL::JSON AS run WHERE false;
";

/// Views over the tables. A target whose first connection with today's offer came to TLS needs no comparison.
const DERIVED: &str = "
CREATE OR REPLACE TEMP VIEW unsettled AS
SELECT * FROM handshakes WHERE NOT (rung = 'modern' AND tls_version IS NOT NULL)
QUALIFY row_number() OVER (PARTITION BY ip, port ORDER BY tls_version IS NULL,
                           tls_cipher IS NULL, list_position(['modern', 'bare', 'legacy', 'ssl3'], rung), time) = 1;
COMMENT ON VIEW unsettled IS 'Of each address and port whose first connection did not come to TLS, the one that tells most.';

CREATE OR REPLACE TEMP VIEW scan_results AS
SELECT * FROM handshakes WHERE rung = 'modern' AND tls_version IS NOT NULL
UNION ALL
SELECT * FROM unsettled;
COMMENT ON VIEW scan_results IS 'A row per address and port, after all rungs: of its connections the one that came to TLS, \
of several the one with the newest offer; if none did, the first one with a ServerHello, or else the first.';

-- A monitored server that showed a certificate as Tor relays make them, by address and port.
CREATE OR REPLACE TEMP VIEW tor_servers AS
SELECT DISTINCT server_ip, server_port
FROM connections JOIN certificates ON sha256 = leaf_sha256
WHERE tor_like(subject, issuer);

CREATE OR REPLACE TEMP VIEW monitored AS
SELECT * FROM connections ANTI JOIN tor_servers USING (server_ip, server_port);
COMMENT ON VIEW monitored IS 'The connections without those to Tor relays: what the passive tables of the study count.';

-- What is known of ASes: replace them by tables of your own.
CREATE OR REPLACE TEMP VIEW as_names AS SELECT 0::UINTEGER AS asn, NULL::VARCHAR AS name WHERE false;
CREATE OR REPLACE TEMP VIEW as_ranks AS SELECT 0::UINTEGER AS asn, NULL::UINTEGER AS rank WHERE false;

CREATE OR REPLACE TEMP VIEW servers AS
SELECT h.time, h.address, h.port, h.protocol, h.outcome, h.tls_version, h.tls_cipher,
       c.subject_cn, c.issuer_cn, c.self_issued, v.verdict, h.auth_before, h.auth_after
FROM scan_results h LEFT JOIN certificates c ON c.sha256 = h.leaf_sha256 LEFT JOIN verdicts v ON v.chain_id = h.chain_id;
COMMENT ON VIEW servers IS 'A server, by address and port, with the certificate that it presented first, and the verdict on \
its chain.';
";

/// Every judgement, also those before the last.
fn judgements(files: Files) -> String {
    format!(
        "
CREATE OR REPLACE TEMP VIEW judgements AS
SELECT * EXCLUDE (filename), regexp_extract(filename, '([^/]*)-[^-/]*$', 1) AS judgement
FROM {};
COMMENT ON VIEW judgements IS 'Verdicts of each starling verify that --keep has kept; the view verdicts has the last one.';
",
        rows(&Verdict::TABLE, files, true)
    )
}

fn head(location: &str, run: &str) -> String {
    let marker = quoted(&format!("/hosts/{}", schema_part(run)));
    let made_at = quoted(location);
    format!(
        "\
-- Opens the dataset of run {run}:  duckdb -init views.sql
-- What each column means:  SELECT table_name, column_name, data_type, comment FROM duckdb_columns()
--                          WHERE comment IS NOT NULL;

-- Where the dataset was made. After moving it to another place, change this line, or start DuckDB in the
-- dataset's folder or in the one above it.
SET VARIABLE made_at = {made_at};

SET VARIABLE dataset = (
    SELECT coalesce(
        -- Characters that mean something in a pattern are put into brackets.
        arg_min(regexp_replace(left(file, -length({marker})), '([*?\\[])', '[\\1]', 'g'), distance),
        error('the dataset of run {run} is not at ' || getvariable('made_at') || ', nor near the working directory. '
              || 'Next step: put its path into the line SET VARIABLE made_at of views.sql'))
    FROM (
        SELECT file, 0 AS distance
        FROM glob(regexp_replace(getvariable('made_at'), '([*?\\[])', '[\\1]', 'g') || {marker})
        UNION ALL
        SELECT file, 1 AS distance
        FROM glob(['.' || {marker}, '*' || {marker}, '..' || {marker}, '../*' || {marker}])));
"
    )
}

/// What a resumed run says again is said once: of each target the rows of one run, of each certificate and chain the
/// first row; of verdicts the last judgement.
fn once(table: &Table) -> Option<String> {
    let rows_of_one_run = |score: &str| {
        format!(
            "FROM (
    SELECT *, max({score}) OVER (PARTITION BY ip, port, run) AS score FROM parts
) QUALIFY rank() OVER (PARTITION BY ip, port ORDER BY score DESC, run) = 1"
        )
    };
    let first = |key: &str| {
        format!(
            "FROM (SELECT *, 0 AS score FROM parts) QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY first_seen) = 1"
        )
    };
    match table.name {
        "hosts" => Some(rows_of_one_run("(answer = 'syn_ack')::INTEGER")),
        // The server told all it would; something went wrong; we were stopped, or asked to stop.
        "handshakes" => Some(rows_of_one_run(
            "CASE WHEN outcome IN ('complete', 'no_starttls', 'starttls_refused', 'service_refused') THEN 2
             WHEN outcome NOT IN ('interrupted', 'blocked') THEN 1 ELSE 0 END",
        )),
        "certificates" => Some(first("sha256")),
        "chains" => Some(first("chain_id")),
        // The last judgement has the greatest name.
        JUDGED => Some(
            "FROM (SELECT *, 0 AS score FROM parts) QUALIFY row_number() OVER (PARTITION BY chain_id ORDER BY run DESC) = 1"
                .to_owned(),
        ),
        _ => None,
    }
}

/// Where the rows of a table come from.
fn rows(table: &Table, files: Files, filename: bool) -> String {
    let read = |options: &str| format!("read_parquet(getvariable('dataset') || '/{}/*.parquet'{options})", table.name);
    let filename_option = if filename { ", filename = true" } else { "" };
    if files == Files::Whole {
        return read(filename_option);
    }
    let mut columns: Vec<_> =
        table.columns.iter().map(|column| format!("NULL::{} AS {}", column.kind.sql_type(), column.name)).collect();
    if filename {
        columns.push("NULL::VARCHAR AS filename".to_owned());
    }
    let none = format!("SELECT {} WHERE false", columns.join(", "));
    match files {
        Files::Absent => format!("({none})"),
        // The same in content and in plan as reading the files, but that columns which they lack are there, and empty.
        _ => format!(
            "({none} UNION ALL BY NAME SELECT * FROM {})",
            read(&format!(", union_by_name = true{filename_option}"))
        ),
    }
}

fn view(table: &Table, repeated: bool, files: Files) -> String {
    let Table { name, doc, columns } = table;
    let more: String = columns.iter().filter_map(text_form).map(|column| format!(", {column}")).collect();
    let comments: String = columns.iter().map(|column| comment(table, column)).collect();
    let (with, from) = match once(table).filter(|_| repeated || *name == JUDGED) {
        Some(once) => {
            let parts = format!(
                "WITH parts AS (
    SELECT * EXCLUDE (filename), regexp_extract(filename, '(.*)-[^-/]*$', 1) AS run
    FROM {}
)
",
                rows(table, files, true)
            );
            (parts, format!("* EXCLUDE (run, score){more}\n{once}"))
        }
        None => (String::new(), format!("*{more}\nFROM {}", rows(table, files, false))),
    };
    format!(
        "
CREATE OR REPLACE TEMP VIEW {name} AS
{with}SELECT {from};
COMMENT ON VIEW {name} IS {};
{comments}",
        quoted(doc.trim()),
    )
}

/// The further column that shows a column as text, if it needs one.
fn text_form(column: &Column) -> Option<String> {
    let name = column.name;
    match column.kind {
        Kind::U32 if name == "ip" || name.ends_with("_ip") => {
            Some(format!("ipv4({name}) AS {}address", name.strip_suffix("ip").unwrap_or_default()))
        }
        Kind::U32 if name == "responder" => {
            Some("CASE WHEN responder IS NOT NULL THEN ipv4(responder) END AS responder_address".to_owned())
        }
        Kind::Hash => Some(format!("lower(hex({name})) AS {name}_hex")),
        Kind::HashList => Some(format!("[lower(hex(hash)) FOR hash IN {name}] AS {name}_hex")),
        _ => None,
    }
}

fn comment(table: &Table, column: &Column) -> String {
    format!("COMMENT ON COLUMN {}.{} IS {};\n", table.name, column.name, quoted(column.doc.trim()))
}

/// Text as SQL has it.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
