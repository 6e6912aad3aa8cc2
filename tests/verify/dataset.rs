//! `starling verify` on a dataset, read back by DuckDB.

use super::*;
use serde_json::{Value, json};
use starling::app::verify;
use starling::base::keyed::Key;
use starling::output::dataset::Dataset;
use starling::output::manifest::write_manifest;
use starling::output::parquet::Limits;
use starling::output::writer::{Tables, Writer};
use starling::record::Fact;
use starling::record::row::Handshake;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const SEEN: UtcMicros = UtcMicros(1_795_442_462_000_123);

fn duckdb(folder: &Path, sql: &str) -> Value {
    let in_venv = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/duckdb");
    let program = if in_venv.is_file() { in_venv } else { "duckdb".into() };
    let output = Command::new(program).args(["-init", "views.sql", "-json", "-c", sql]).current_dir(folder).output();
    let output = output.expect("no duckdb. Next step: scripts/setup");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(if text.trim().is_empty() { "[]" } else { &text }).unwrap()
}

fn verified(words: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_starling")).arg("verify").args(words).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn met(writer: &mut Writer, ip: u32, at: UtcMicros, chain: &[&[u8]]) {
    let row = Handshake { time: at, ip, port: 993, outcome: "complete", ..Handshake::default() };
    let ders = chain.iter().map(|der| der.to_vec()).collect();
    writer.write(Fact::Handshake(Box::new(row), ders), at).unwrap();
}

fn parts(folder: &Path) -> usize {
    let names = std::fs::read_dir(folder.join("verdicts")).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| !name.to_str().unwrap().ends_with("-schema.parquet")).count()
}

/// What `starling verify` says of each of the chains, all in one dataset and first seen at a time in seconds.
pub(crate) fn words(chains: &[&[&Made]], roots: &Path, at: i64) -> Vec<String> {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("census");
    let dataset = Dataset::create(&folder, SEEN).unwrap();
    let mut writer = Writer::new(&dataset, Limits::default(), Key([1, 2]));
    for chain in chains {
        let ders: Vec<&[u8]> = chain.iter().map(|made| &made.der[..]).collect();
        met(&mut writer, 1, UtcMicros(at * 1_000_000), &ders);
    }
    writer.finish().unwrap();
    drop(dataset);
    write_manifest(&folder, &json!({ "state": "complete" })).unwrap();
    let (code, said, complained) = verified(&["-q", "--roots", roots.to_str().unwrap(), folder.to_str().unwrap()]);
    assert_eq!(code, 0, "{said}{complained}");
    let rows = duckdb(&folder, "select lower(hex(chain_id)) as id, verdict from verdicts");
    let word = |chain: &&[&Made]| {
        let id: String = presented(chain).0.iter().map(|octet| format!("{octet:02x}")).collect();
        let row = rows.as_array().unwrap().iter().find(|row| row["id"] == id.as_str());
        row.unwrap()["verdict"].as_str().unwrap().to_owned()
    };
    chains.iter().map(word).collect()
}

#[test]
fn a_dataset_is_judged_again_and_again() {
    let pki = Pki::new();
    let ca = Wish { subject: "/CN=Root", extensions: CA, ..Wish::default() };
    let root = pki.make(&ca, None);
    let middle = pki.make(&Wish { subject: "/CN=Middle", ..ca }, Some(&root));
    let short = Wish { options: "-sha256 -days 10", ..Wish::default() };
    let (one, two, lone) = (pki.make(&short, Some(&middle)), pki.make(&short, Some(&middle)), pki.make(&short, None));
    let trusted = pki.bundle("trusted.pem", &[&root]);
    let trusted = trusted.to_str().unwrap();

    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("census");
    let path = folder.to_str().unwrap();
    let at = |days: i64| UtcMicros((now() + days * DAY) * 1_000_000);
    let dataset = Dataset::create(&folder, SEEN).unwrap();
    let mut writer = Writer::new(&dataset, Limits { rows: 2, age: Duration::from_secs(60) }, Key([1, 2]));
    met(&mut writer, 1, at(1), &[&one.der, &middle.der]);
    met(&mut writer, 2, at(1), &[&two.der]);
    met(&mut writer, 3, at(30), &[&lone.der]);
    met(&mut writer, 4, at(1), &[b"no certificate", &middle.der]);
    met(&mut writer, 5, at(1), &[&one.der, &middle.der]);
    writer.finish().unwrap();
    drop(dataset);
    write_manifest(&folder, &json!({ "state": "complete" })).unwrap();

    assert_eq!(duckdb(&folder, "select * from verdicts"), json!([]), "none yet");
    let (code, said, complained) = verified(&["--roots", trusted, path]);
    assert_eq!((code, complained.as_str()), (0, ""), "{said}");
    assert!(
        said.starts_with(
            "4 distinct chains of 5 certificates (1 possible issuers), judged at the time each was first seen"
        ),
        "{said}"
    );
    assert!(said.contains("1 certificates cannot be parsed"), "{said}");
    let sql = "select h.ip, v.verdict, v.expired, v.completed, len(v.path) as steps, v.roots, s.verdict as shown
        from handshakes h join verdicts v using (chain_id) join servers s using (chain_id, time) order by h.ip";
    let sql = sql.replace("join servers s using (chain_id, time)", "join servers s on s.address = h.address");
    let print = sha256(&std::fs::read(trusted).unwrap());
    let roots = format!("trusted.pem (sha256 {:02x}{:02x}{:02x}{:02x})", print[0], print[1], print[2], print[3]);
    let row = |ip: u32, verdict: &str, expired: bool, completed: bool, steps: u32| {
        json!({"ip": ip, "verdict": verdict, "expired": expired, "completed": completed, "steps": steps, "roots": roots,
               "shown": verdict})
    };
    let first = json!([
        row(1, "valid", false, false, 3),
        row(2, "missing_intermediate", false, true, 3),
        row(3, "self_signed", true, false, 1),
        row(4, "other", false, false, 1),
        row(5, "valid", false, false, 3),
    ]);
    assert_eq!(duckdb(&folder, &sql), first);

    // Another time takes the place of the first.
    let words = "select verdict, count(*)::int as chains from verdicts group by 1 order by 1";
    let (code, ..) = verified(&["-q", "--roots", trusted, "--at", "2100-01-01", path]);
    assert_eq!((code, parts(&folder)), (0, 1));
    let later = json!([
        {"verdict": "expired", "chains": 1},
        {"verdict": "missing_intermediate", "chains": 1},
        {"verdict": "other", "chains": 1},
        {"verdict": "self_signed", "chains": 1},
    ]);
    assert_eq!(duckdb(&folder, words), later);

    // Mozilla's roots stand beside it; what a killed call left does not matter.
    std::fs::write(folder.join("verdicts/20990101T000000.000000-00000.parquet.tmp"), b"half").unwrap();
    let (code, said, _) = verified(&["--keep", path]);
    assert_eq!((code, parts(&folder)), (0, 2), "{said}");
    assert!(said.contains("by mozilla (webpki-root-certs "), "{said}");
    let words = duckdb(&folder, "select distinct verdict from verdicts order by 1");
    assert_eq!(words, json!([{"verdict": "other"}, {"verdict": "self_signed"}, {"verdict": "unknown_root"}]));
    let both = duckdb(
        &folder,
        "select judgement = max(judgement) over () as last, roots[:7] as roots, count(*)::int as chains from judgements group by judgement, roots order by judgement",
    );
    assert_eq!(
        both,
        json!([{"last": false, "roots": "trusted", "chains": 4}, {"last": true, "roots": "mozilla", "chains": 4}])
    );
    let (code, said, complained) = verified(&[path]);
    assert_eq!((code, parts(&folder)), (0, 1), "{said}{complained}");
}

#[test]
fn issuers_that_do_not_fit_into_memory_are_told_of() {
    let pki = Pki::new();
    let ca = Wish { subject: "/CN=Root", extensions: CA, ..Wish::default() };
    let root = pki.make(&ca, None);
    let middle = pki.make(&Wish { subject: "/CN=Middle", ..ca }, Some(&root));
    let (one, two) = (pki.make(&Wish::default(), Some(&middle)), pki.make(&Wish::default(), Some(&middle)));
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("census");
    let dataset = Dataset::create(&folder, SEEN).unwrap();
    let mut writer = Writer::new(&dataset, Limits::default(), Key([1, 2]));
    met(&mut writer, 1, SEEN, &[&one.der, &middle.der]);
    met(&mut writer, 2, SEEN, &[&two.der]);
    writer.finish().unwrap();
    drop(dataset);
    let trusted = pki.bundle("trusted.pem", &[&root]);
    let said = |pool_bytes| {
        let at = Some(UtcMicros((now() + DAY) * 1_000_000));
        let plan = verify::Plan {
            dataset: folder.clone(),
            roots: Some(trusted.clone()),
            at,
            keep: false,
            threads: 1,
            pool_bytes,
            quiet: true,
        };
        verify::run(&plan).unwrap().to_string()
    };
    let (all, none) = (said(verify::POOL_BYTES), said(0));
    assert!(all.contains("(1 possible issuers)") && !all.contains("fit"), "{all}");
    // What a server presents itself is read all the same.
    assert!(none.contains("1 possible issuers did not fit into memory: chains may lack them"), "{none}");
    for (text, words) in [(&all, ["valid", "missing_intermediate"]), (&none, ["unknown_root", "valid"])] {
        let rows = words.map(|word| format!("\n{word:<30} {:>10} {:>7.2}%", 1, 50.0));
        assert!(rows.iter().all(|row| text.contains(row)), "{text}");
    }
}

#[test]
fn many_chains_are_judged_once_each_in_their_order() {
    const CHAINS: u32 = 20_000;
    let pki = Pki::new();
    let ca = Wish { subject: "/CN=Root", extensions: CA, ..Wish::default() };
    let root = pki.make(&ca, None);
    let leaf = pki.make(&Wish::default(), Some(&root));
    let trusted = pki.bundle("trusted.pem", &[&root]);
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("census");
    let dataset = Dataset::create(&folder, SEEN).unwrap();
    let mut writer = Writer::new(&dataset, Limits { rows: 7_000, age: Duration::from_secs(60) }, Key([1, 2]));
    for number in 0..CHAINS {
        let mut der = leaf.der.clone();
        let end = der.len() - 4;
        der[end..].copy_from_slice(&number.to_be_bytes());
        met(&mut writer, number, UtcMicros(SEEN.0 + i64::from(number)), &[&der]);
    }
    writer.finish().unwrap();
    drop(dataset);
    let roots = trusted.to_str().unwrap();
    let (code, said, _) =
        verified(&["-q", "-T", "3", "--roots", roots, "--at", &now().to_string(), folder.to_str().unwrap()]);
    assert_eq!(code, 0, "{said}");
    let sql = "select verdict, count(*)::int as rows, count(distinct chain_id)::int as chains from verdicts group by 1";
    assert_eq!(duckdb(&folder, sql), json!([{"verdict": "bad_signature", "rows": CHAINS, "chains": CHAINS}]));
    let order = "select count(*)::int as same from (
            select chain_id, file_row_number + 1 as n
            from read_parquet(getvariable('dataset') || '/verdicts/*.parquet', file_row_number = true)) v
        join (select chain_id, row_number() over (order by first_seen) as n from chains) c using (chain_id, n)";
    assert_eq!(duckdb(&folder, order), json!([{ "same": CHAINS }]));
}

#[test]
fn a_resumed_run_writes_no_certificate_again() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("census");
    let dataset = Dataset::create(&folder, SEEN).unwrap();
    let mut writer = Writer::new(&dataset, Limits::default(), Key([1, 2]));
    met(&mut writer, 1, SEEN, &[b"one", b"middle"]);
    writer.finish().unwrap();
    drop(dataset);
    let dataset = Dataset::reopen(&folder, UtcMicros(SEEN.0 + 1)).unwrap();
    let mut writer = Writer::new(&dataset, Limits::default(), Key([1, 2]));
    writer.recall(&dataset).unwrap();
    met(&mut writer, 2, SEEN, &[b"one", b"middle"]);
    met(&mut writer, 3, SEEN, &[b"two", b"middle"]);
    let written = writer.finish().unwrap();
    assert_eq!(written.rows, Tables { handshakes: 2, certificates: 1, chains: 1, ..Tables::default() });
    drop(dataset);
    let (code, said, _) = verified(&["-q", folder.to_str().unwrap()]);
    assert_eq!((code, said.contains("2 distinct chains of 3 certificates")), (0, true), "{said}");
}

#[test]
fn what_cannot_be_judged_is_told_with_the_next_step() {
    let parent = tempfile::tempdir().unwrap();
    let empty = parent.path().to_str().unwrap();
    let refused = |words: &[&str], code: i32, parts: &[&str]| {
        let (found, said, complained) = verified(words);
        assert_eq!((found, said.as_str()), (code, ""), "{complained}");
        assert!(parts.iter().all(|part| complained.contains(part)), "{complained}");
    };
    refused(&[empty], 1, &["is no dataset of starling's", "Next step: "]);
    refused(&["/nowhere/census"], 1, &["/nowhere/census", "No such file"]);
    refused(&["--at", "soon", empty], 2, &["2015-07-29"]);
    let file = parent.path().join("roots.pem");
    std::fs::write(&file, "no certificate here").unwrap();
    refused(
        &["--roots", file.to_str().unwrap(), empty],
        1,
        &["roots.pem", "there is no certificate in it", "Next step: "],
    );
    let folder = parent.path().join("census");
    let dataset = Dataset::create(&folder, SEEN).unwrap();
    refused(&[folder.to_str().unwrap()], 1, &["is being written to by another run"]);
    drop(dataset);
    std::fs::write(folder.join("certificates/20261123T140102.000123-00000.parquet"), b"PAR1 and not more").unwrap();
    refused(&[folder.to_str().unwrap()], 1, &["certificates/20261123T140102.000123-00000.parquet", "Next step: "]);
}
