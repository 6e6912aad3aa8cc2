//! `docs/OUTPUT.md`, generated from the one list of columns.

use std::fmt::Write as _;

use super::schema::{Kind, TABLES, Table};

const HEAD: &str = "\
<!-- Generated from src/record/row.rs. To write it again: STARLING_BLESS=1 cargo test output_md -->
# The dataset

A run writes one folder:

```text
census/
  run.json               what was run, how, and what came of it
  checkpoint.json        what a scan has left to do
  targets.txt            what it was to probe
  views.sql              duckdb -init census/views.sql opens the dataset
  hosts/*.parquet        one folder of parts for each table below
  handshakes/*.parquet
  certificates/*.parquet
  chains/*.parquet
  prefixes/*.parquet
  connections/*.parquet  by `starling monitor`
  verdicts/*.parquet     by `starling verify`
```

- A part is written as `*.parquet.tmp`, and renamed when it is complete and on disk: whatever matches `*.parquet`
  can be read, also while the run goes on and after it was killed. A part is closed after a million rows or
  `--part-age` (a minute). What a row refers to is on disk before the row itself.
- `<run>-schema.parquet` has no rows: it gives each table its columns before the first row is found.
- Times are microseconds in UTC. Addresses are numbers in host order. Texts are UTF-8. Compression is zstd. Each
  column's documentation is in the files too: as metadata of the Arrow field, and under `column.<name>` in the
  file's metadata (`select decode(key), decode(value) from parquet_kv_metadata('census/hosts/*.parquet')`).

`views.sql` makes a view for each table, with the columns below and a few more: `address` is `ip` as text, and
`<column>_hex` is a fingerprint as lower-case hex. The last judgement of `starling verify` is in `verdicts`. Further views:

- `scan_results`: a row of `handshakes` for each address and port, that of the connection which tells most, after all rungs.
  `unsettled` is a part of it.
- `servers`: the same, with the first certificate: time, address, port, protocol, outcome, tls_version, tls_cipher,
  subject_cn, issuer_cn, self_issued, verdict, auth_before, auth_after.
- `monitored`: `connections` without those to `tor_servers`, which showed a certificate as Tor relays make them.
- `judgements`: all verdicts that `starling verify --keep` has kept, by the column `judgement`.
- `runs`: `run.json` as JSON, in the column `run`.
- `as_names` (`asn`, `name`) and `as_ranks` (`asn`, `rank`): empty, to be replaced by what you know of ASes.

And macros: `ipv4(ip)` is an address as text, `pct(part, whole)` a share in percent (absent if there is nothing to have a
share of), `study_order(protocol)` the place in the study's tables, `tor_like(subject, issuer)` whether names are as Tor's.
";

/// The whole text of `docs/OUTPUT.md`.
pub fn markdown() -> String {
    let mut text = HEAD.to_owned();
    for table in TABLES {
        section(&mut text, table);
    }
    text
}

fn section(text: &mut String, table: &Table) {
    // Writing to a String does not fail.
    let _ = write!(text, "\n## {}\n\n{}\n\n", table.name, table.doc.trim());
    text.push_str("| column | type | may be absent | meaning |\n|---|---|---|---|\n");
    for column in table.columns {
        let absent = if column.nullable { "yes" } else { "" };
        let doc = column.doc.trim().replace('|', "\\|");
        let _ = writeln!(text, "| `{}` | {} | {absent} | {doc} |", column.name, type_text(column.kind));
    }
}

fn type_text(kind: Kind) -> String {
    let sql = kind.sql_type();
    match kind {
        Kind::Enum => format!("{sql}, dictionary"),
        Kind::Hash => format!("{sql}, 32 bytes"),
        Kind::HashList => format!("{sql}, 32 bytes each"),
        _ => sql.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn output_md_is_what_the_columns_say() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/OUTPUT.md");
        if std::env::var_os("STARLING_BLESS").is_some() {
            std::fs::write(&path, markdown()).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap();
        assert!(committed == markdown(), "docs/OUTPUT.md is stale. Next step: STARLING_BLESS=1 cargo test output_md");
    }
}
