//! `views.sql`: what opens a dataset in DuckDB.
//!
//! DuckDB resolves relative paths against the working directory and does not tell a script its own path. So
//! the script looks for the run's part without rows: at the absolute path where the dataset was made, then in
//! and near the working directory. A dataset is recognised by its run, so a moved one is found where it is,
//! and no other one is ever taken for it.

use crate::record::row::Verdict;
use crate::record::schema::{Column, Kind, Row, TABLES, Table};

use super::parquet::schema_part;

/// The table that a dataset may hold several times.
const JUDGED: &str = Verdict::TABLE.name;

/// Name of the script in the dataset's folder.
pub const FILE: &str = "views.sql";

/// The script for the dataset that `run` made at the absolute path `location`; `resumed` if there are other runs too.
pub fn sql(location: &str, run: &str, resumed: bool) -> String {
    let mut sql = head(location, run);
    for table in TABLES {
        sql.push_str(&view(table, resumed));
    }
    sql.push_str(JUDGEMENTS);
    sql.push_str(SERVERS);
    sql
}

const SERVERS: &str = "
CREATE OR REPLACE TEMP VIEW servers AS
SELECT h.time, h.address, h.port, h.protocol, h.outcome, h.tls_version, h.tls_cipher,
       c.subject_cn, c.issuer_cn, c.self_issued, v.verdict, h.auth_before, h.auth_after
FROM handshakes h LEFT JOIN certificates c ON c.sha256 = h.leaf_sha256 LEFT JOIN verdicts v ON v.chain_id = h.chain_id;
COMMENT ON VIEW servers IS 'A connection with the certificate that the server presented first, and the verdict on its chain.';
";

/// Every judgement, also those before the last.
const JUDGEMENTS: &str = "
CREATE OR REPLACE TEMP VIEW judgements AS
SELECT * EXCLUDE (filename), regexp_extract(filename, '([^/]*)-[^-/]*$', 1) AS judgement
FROM read_parquet(getvariable('dataset') || '/verdicts/*.parquet', filename = true);
COMMENT ON VIEW judgements IS 'Verdicts of each starling verify that --keep has kept; the view verdicts has the last one.';
";

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

SET TimeZone = 'UTC';

CREATE OR REPLACE TEMP MACRO ipv4(ip) AS
    concat_ws('.', ip >> 24, (ip >> 16) & 255, (ip >> 8) & 255, ip & 255);
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
            "FROM (SELECT *, 0 AS score FROM parts) WHERE run = (
    SELECT max(regexp_extract(file, '([^/]*)-[0-9]+[.]parquet$', 1))
    FROM glob(getvariable('dataset') || '/verdicts/*.parquet'))"
                .to_owned(),
        ),
        _ => None,
    }
}

fn view(table: &Table, resumed: bool) -> String {
    let Table { name, doc, columns } = table;
    let more: String = columns.iter().filter_map(text_form).map(|column| format!(", {column}")).collect();
    let comments: String = columns.iter().map(|column| comment(table, column)).collect();
    let (with, from) = match once(table).filter(|_| resumed || *name == JUDGED) {
        Some(once) => {
            let parts = format!(
                "WITH parts AS (
    SELECT * EXCLUDE (filename), regexp_extract(filename, '([^/]*)-[^-/]*$', 1) AS run
    FROM read_parquet(getvariable('dataset') || '/{name}/*.parquet', filename = true)
)
"
            );
            (parts, format!("* EXCLUDE (run, score){more}\n{once}"))
        }
        None => (String::new(), format!("*{more}\nFROM read_parquet(getvariable('dataset') || '/{name}/*.parquet')")),
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

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
