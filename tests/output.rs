//! The dataset as DuckDB, a reader that shares no code with the writer, finds it.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};
use starling::base::UtcMicros;
use starling::base::keyed::Key;
use starling::output::dataset::Dataset;
use starling::output::parquet::Limits;
use starling::output::writer::{Tables, Writer};
use starling::record::Fact;
use starling::record::certificate::sha256;
use starling::record::row::{Handshake, Host};
use starling::record::schema::TABLES;
use starling::report::question;
use starling::targets::ports::Protocol;

const START: UtcMicros = UtcMicros(1_795_442_462_000_123);

fn duckdb() -> PathBuf {
    let in_venv = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/duckdb");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("duckdb"));
    let found = std::iter::once(in_venv).chain(on_path).find(|program| program.is_file());
    found.expect("no duckdb in .venv/bin or on PATH. Next step: scripts/setup")
}

fn run(folder: &Path, options: &[&str]) -> Output {
    Command::new(duckdb()).args(options).current_dir(folder).output().unwrap()
}

/// Rows of a query, asked in `folder` of the dataset that `views` opens.
fn query_from(folder: &Path, views: &str, sql: &str) -> Vec<Value> {
    let output = run(folder, &["-init", views, "-json", "-c", sql]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{sql}: {errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(if text.trim().is_empty() { "[]" } else { &text }).unwrap()
}

fn query(dataset: &Dataset, sql: &str) -> Vec<Value> {
    query_from(dataset.root().parent().unwrap(), "census/views.sql", sql)
}

fn at(seconds: i64) -> UtcMicros {
    UtcMicros(START.0 + seconds * 1_000_000)
}

fn host(ip: u32) -> Fact {
    Fact::Host(Host { time: at(1), ip, port: 143, answer: "syn_ack", ttl: 57, mss: Some(1460), ..Host::default() })
}

fn handshake(ip: u32, ders: &[&[u8]]) -> Fact {
    let row = Handshake {
        time: at(2),
        ip,
        port: 143,
        protocol: "imap",
        stage: "done",
        outcome: "complete",
        banner: Some("* OK it's \"ready\"\n\u{fc}".to_owned()),
        auth_before: vec!["PLAIN".to_owned(), "LOGIN".to_owned()],
        tls_version: (!ders.is_empty()).then_some("TLSv1.3"),
        starttls_offered: Some(true),
        duration_us: u64::MAX,
        rung: "modern",
        ..Handshake::default()
    };
    Fact::Handshake(Box::new(row), ders.iter().map(|der| der.to_vec()).collect())
}

/// A certificate by the openssl program.
fn certificate() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let words =
        "req -x509 -newkey ed25519 -nodes -keyout key.pem -outform DER -out cert.der -days 1 -subj /CN=mail.example";
    let output = Command::new("openssl").args(words.split(' ')).current_dir(folder.path()).output();
    let output = output.expect("no openssl program. Next step: scripts/setup");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read(folder.path().join("cert.der")).unwrap()
}

fn create(parent: &Path) -> (Dataset, Writer) {
    let dataset = Dataset::create(&parent.join("census"), START).unwrap();
    let writer = Writer::new(&dataset, Limits::default(), Key([1, 2]));
    (dataset, writer)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_table_and_view_holds_what_was_written() {
    let parent = tempfile::tempdir().unwrap();
    let (dataset, mut writer) = create(parent.path());
    let der = certificate();
    writer.write(host(0xc612_0001), at(3)).unwrap();
    writer.write(host(0xffff_ffff), at(3)).unwrap();
    writer.write(handshake(0xc612_0001, &[&der, b"no certificate"]), at(4)).unwrap();
    writer.write(handshake(0x0a00_00ff, &[&der, b"no certificate"]), at(5)).unwrap();
    writer.write(handshake(0x0a00_0001, &[]), at(6)).unwrap();
    let written = writer.finish().unwrap();
    assert_eq!(written.rows, Tables { hosts: 2, handshakes: 3, certificates: 2, chains: 1, ..Tables::default() });
    assert_eq!(written.parts, Tables { hosts: 1, handshakes: 1, certificates: 1, chains: 1, ..Tables::default() });

    let (leaf, second) = (sha256(&der), sha256(b"no certificate"));
    let chain_id = hex(&sha256(&[leaf, second].concat()));
    let hosts = "select address, ip, port, answer, ttl, mss, source_port from hosts order by ip";
    let host = |address: &str, ip: u32| {
        json!({"address": address, "ip": ip, "port": 143, "answer": "syn_ack", "ttl": 57, "mss": 1460,
               "source_port": 0})
    };
    assert_eq!(query(&dataset, hosts), [host("198.18.0.1", 0xc612_0001), host("255.255.255.255", u32::MAX)]);

    let handshakes = "select time::varchar as time, address, banner, auth_before, auth_after, starttls_offered,
        duration_us::varchar as duration_us, greeting_us, tls_version, leaf_sha256_hex, chain_id_hex
        from handshakes where tls_version is not null order by ip";
    let time = "2026-11-23 14:01:04.000123+00";
    let handshake = |address: &str| {
        json!({"time": time, "address": address, "banner": "* OK it's \"ready\"\n\u{fc}",
               "auth_before": ["PLAIN", "LOGIN"], "auth_after": [], "starttls_offered": true,
               "duration_us": u64::MAX.to_string(), "greeting_us": null, "tls_version": "TLSv1.3",
               "leaf_sha256_hex": hex(&leaf), "chain_id_hex": chain_id})
    };
    assert_eq!(query(&dataset, handshakes), ["10.0.0.255", "198.18.0.1"].map(handshake));

    let chains = "select chain_id_hex, certificates_hex, first_seen::varchar as seen from chains";
    let both = [hex(&leaf), hex(&second)];
    assert_eq!(query(&dataset, chains), [json!({"chain_id_hex": chain_id, "certificates_hex": both, "seen": time})]);

    let certificates = "select sha256_hex, lower(hex(der)) as der, sha256(der) = sha256_hex as agrees, subject,
        key_bits, parse_error is null as parsed from certificates order by parsed";
    let certificate = |hash: &[u8], der: &[u8], subject: Option<&str>, bits: Option<u32>| {
        json!({"sha256_hex": hex(hash), "der": hex(der), "agrees": true, "subject": subject, "key_bits": bits,
               "parsed": subject.is_some()})
    };
    assert_eq!(
        query(&dataset, certificates),
        [
            certificate(&second, b"no certificate", None, None),
            certificate(&leaf, &der, Some("CN=mail.example"), Some(256)),
        ]
    );

    let servers = query(&dataset, "select * exclude (time) from servers order by address");
    let server = |address: &str, cn: Option<&str>| {
        json!({"address": address, "port": 143, "protocol": "imap", "outcome": "complete",
               "tls_version": cn.map(|_| "TLSv1.3"), "tls_cipher": null, "subject_cn": cn, "issuer_cn": cn,
               "self_issued": cn.map(|_| true), "verdict": null, "auth_before": ["PLAIN", "LOGIN"], "auth_after": []})
    };
    let cn = Some("mail.example");
    assert_eq!(servers, [server("10.0.0.1", None), server("10.0.0.255", cn), server("198.18.0.1", cn)]);
}

#[test]
fn a_dataset_without_rows_opens_and_has_every_column_with_its_type_and_meaning() {
    let parent = tempfile::tempdir().unwrap();
    let (dataset, _writer) = create(parent.path());
    for table in TABLES {
        assert_eq!(query(&dataset, &format!("select count(*) as n from {}", table.name)), [json!({"n": 0})]);
        let folder = format!("census/{}/*.parquet", table.name);
        let described = query(&dataset, &format!("select column_name, column_type from (describe from '{folder}')"));
        let expected: Vec<Value> = table
            .columns
            .iter()
            .map(|column| json!({"column_name": column.name, "column_type": column.kind.sql_type()}))
            .collect();
        assert_eq!(described, expected, "{}", table.name);

        let comments = "select column_name, comment from duckdb_columns() where comment is not null and table_name =";
        let commented: BTreeMap<String, String> = query(&dataset, &format!("{comments} '{}'", table.name))
            .into_iter()
            .map(|row| (row["column_name"].as_str().unwrap().into(), row["comment"].as_str().unwrap().into()))
            .collect();
        let expected = table.columns.iter().map(|column| (column.name.to_owned(), column.doc.trim().to_owned()));
        assert_eq!(commented, expected.collect(), "{}", table.name);

        let metadata =
            format!("select count(*) as n from parquet_kv_metadata('{folder}') where decode(key) like 'column.%'");
        assert_eq!(query(&dataset, &metadata), [json!({"n": table.columns.len()})]);
    }
    assert_eq!(query(&dataset, "select count(*) as n from servers"), [json!({"n": 0})]);
}

#[test]
fn the_order_of_the_study_is_one_wherever_it_stands() {
    let parent = tempfile::tempdir().unwrap();
    let (dataset, _writer) = create(parent.path());
    let study: Vec<_> = Protocol::STUDY.iter().map(|protocol| protocol.name()).collect();
    assert_eq!(question::STUDY[..], study);
    let places: Vec<_> = study.iter().map(|name| format!("study_order('{name}')")).collect();
    let rows = query(&dataset, &format!("SELECT [{}, study_order('x')] AS places", places.join(", ")));
    assert_eq!(rows, [json!({ "places": (1..=14).chain([99]).collect::<Vec<_>>() })]);
}

#[test]
fn the_documentation_names_each_view_and_macro() {
    let parent = tempfile::tempdir().unwrap();
    let (dataset, _writer) = create(parent.path());
    let names = "SELECT view_name AS name FROM duckdb_views() WHERE NOT internal
                 UNION SELECT function_name FROM duckdb_functions() WHERE NOT internal AND function_type = 'macro'";
    let names: Vec<_> = query(&dataset, names).iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect();
    assert!(names.len() > TABLES.len() + 9, "{names:?}");
    let text = include_str!("../docs/OUTPUT.md");
    for name in names {
        let spelled = [format!("`{name}`"), format!("`{name}("), format!("## {name}\n")];
        assert!(spelled.iter().any(|name| text.contains(name)), "{name} is not in docs/OUTPUT.md");
    }
}

#[test]
fn the_dataset_opens_from_anywhere_and_after_a_move() {
    let parent = tempfile::tempdir().unwrap();
    // Everything that means something to a pattern or to SQL.
    let odd = parent.path().join("it's [odd] *?");
    fs::create_dir(&odd).unwrap();
    let (dataset, mut writer) = create(&odd);
    writer.write(host(1), at(3)).unwrap();
    writer.finish().unwrap();
    let count = "select count(*) as n from hosts";
    let one = [json!({"n": 1})];
    let views = dataset.root().join("views.sql");
    assert_eq!(query_from(&odd, "census/views.sql", count), one);
    assert_eq!(query_from(dataset.root(), "views.sql", count), one);
    assert_eq!(query_from(Path::new("/"), views.to_str().unwrap(), count), one);

    // Another dataset now lies where this one was: it must not be taken for it.
    let moved = parent.path().join("moved");
    fs::rename(dataset.root(), &moved).unwrap();
    Dataset::create(&odd.join("census"), at(1)).unwrap();
    assert_eq!(query_from(parent.path(), "moved/views.sql", count), one);
    assert_eq!(query_from(&moved, "views.sql", count), one);
    assert_eq!(query_from(&moved.join("hosts"), "../views.sql", count), one);
    let views = moved.join("views.sql");
    let lost = run(Path::new("/"), &["-init", views.to_str().unwrap(), "-c", count]);
    let errors = String::from_utf8_lossy(&lost.stderr).into_owned();
    assert!(!lost.status.success() && errors.contains("Next step: put its path into the line"), "{errors}");

    let text = fs::read_to_string(&views).unwrap();
    let (before, line, after) = (
        text.find("SET VARIABLE made_at = ").unwrap(),
        "SET VARIABLE made_at = ",
        text.find(";\n\nSET VARIABLE dataset").unwrap(),
    );
    fs::write(&views, format!("{}{line}'{}'{}", &text[..before], moved.display(), &text[after..])).unwrap();
    assert_eq!(query_from(Path::new("/"), views.to_str().unwrap(), count), one);
}

#[test]
fn the_command_of_the_readme_works() {
    let parent = tempfile::tempdir().unwrap();
    let (_, mut writer) = create(parent.path());
    writer.write(handshake(1, &[b"x"]), at(3)).unwrap();
    writer.write(handshake(2, &[]), at(3)).unwrap();
    writer.finish().unwrap();
    let sql = "select protocol, count(*), count(tls_version) from handshakes group by 1";
    let output = run(parent.path(), &["-init", "census/views.sql", "-csv", "-c", sql]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "protocol,count_star(),count(tls_version)\nimap,2,1\n");
}

#[test]
fn a_killed_run_leaves_whole_parts_and_no_dangling_reference() {
    let parent = tempfile::tempdir().unwrap();
    let dataset = Dataset::create(&parent.path().join("census"), START).unwrap();
    // Handshakes fill a part every three rows, their certificates would not for a minute.
    let mut writer = Writer::new(&dataset, Limits { rows: 3, age: Duration::from_secs(60) }, Key([1, 2]));
    for number in 0..8u32 {
        let leaf = number.min(3).to_be_bytes();
        writer.write(handshake(number, &[&leaf, b"shared"]), at(3)).unwrap();
        writer.write(host(number), at(3)).unwrap();
    }
    let written = writer.written();
    drop(writer);
    assert_eq!((written.rows.handshakes, written.rows.hosts), (6, 6));

    let counts = "select (select count(*) from hosts) as hosts, (select count(*) from handshakes) as handshakes";
    assert_eq!(query(&dataset, counts), [json!({"hosts": 6, "handshakes": 6})]);
    let dangling = "select
        (select count(*) from handshakes where chain_id not in (select chain_id from chains)) as chains,
        (select count(*) from (select unnest(certificates) as hash from chains)
         where hash not in (select sha256 from certificates)) as certificates";
    assert_eq!(query(&dataset, dangling), [json!({"chains": 0, "certificates": 0})]);
    let left = fs::read_dir(dataset.root().join("hosts")).unwrap();
    let unfinished = left.filter(|entry| entry.as_ref().unwrap().path().extension().unwrap() == "tmp");
    assert_eq!(unfinished.count(), 1);
}

#[test]
fn age_makes_rows_durable_without_further_facts() {
    let parent = tempfile::tempdir().unwrap();
    let (dataset, mut writer) = create(parent.path());
    writer.write(handshake(1, &[b"x"]), at(3)).unwrap();
    writer.write(host(1), at(10)).unwrap();
    writer.tick(at(62)).unwrap();
    assert_eq!(writer.written().rows, Tables::default());
    writer.tick(at(63)).unwrap();
    let durable = Tables { handshakes: 1, certificates: 1, chains: 1, ..Tables::default() };
    assert_eq!((writer.written().rows, writer.written().parts), (durable, durable));
    assert_eq!(query(&dataset, "select count(*) as n from servers"), [json!({"n": 1})]);
    writer.tick(at(70)).unwrap();
    assert_eq!(writer.written().rows.hosts, 1);
    assert_eq!(writer.finish().unwrap().parts, Tables { hosts: 1, ..durable });
}
