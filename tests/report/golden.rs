//! Each question of the small world, answered.

use crate::world::{dataset, printed};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// What the dataset answers, without the paper: `name`, the columns, the rows.
fn ours(csv: &str) -> String {
    let mut out = String::new();
    for part in csv.split("# ").skip(1) {
        let (name, csv) = part.split_once('\n').unwrap();
        let mut reader = csv::ReaderBuilder::new().from_reader(csv.as_bytes());
        let headings = reader.headers().unwrap().clone();
        let is_key: Vec<bool> = headings.iter().map(|heading| !heading.contains('.')).collect();
        let is_ours: Vec<bool> = headings.iter().map(|heading| heading.starts_with("census.")).collect();
        let shown = |record: &csv::StringRecord| {
            let cells = record.iter().enumerate().filter(|(at, _)| is_key[*at] || is_ours[*at]);
            cells
                .map(|(_, cell)| if cell.is_empty() { "-" } else { cell.trim_start_matches("census.") })
                .collect::<Vec<_>>()
                .join(" | ")
        };
        writeln!(out, "{name}\n  {}", shown(&headings)).unwrap();
        for record in reader.records() {
            let record = record.unwrap();
            if record.iter().zip(&is_ours).any(|(cell, ours)| *ours && !cell.is_empty()) {
                writeln!(out, "  {}", shown(&record)).unwrap();
            }
        }
    }
    out
}

fn by_name(text: &str) -> BTreeMap<String, String> {
    let mut answers: BTreeMap<String, String> = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines() {
        match line.strip_prefix("  ") {
            Some(row) => writeln!(answers.entry(name.clone()).or_default(), "{}", row.trim()).unwrap(),
            None => name = line.trim().to_owned(),
        }
    }
    answers
}

#[test]
fn every_question_has_the_answer_that_can_be_counted_by_hand() {
    let parent = tempfile::tempdir().unwrap();
    let census = dataset(&parent.path().join("census"), true, true);
    std::fs::write(
        census.join("run.json"),
        r#"{"config": {"services": ["https:1337"], "seed": 7}, "ledger": {"probes": 2000, "answers": 2}, "outcomes": {"silent_after_synack": 1}}"#,
    )
    .unwrap();
    let names = parent.path().join("names.csv");
    std::fs::write(&names, "asn,name\nAS64500,\"Example, Inc\"\nAS64501,Other\n").unwrap();
    let ranks = parent.path().join("ranks.csv");
    std::fs::write(&ranks, "64501,77\n").unwrap();
    let [census, names, ranks] = [&census, &names, &ranks].map(|path| path.to_str().unwrap());
    let asked = [census, "--as-names", names, "--as-rank", ranks];
    let csv = printed(&[&asked[..], &["--format", "csv"]].concat());
    let found = ours(&csv);
    if std::env::var_os("STARLING_SHOW").is_some() {
        println!("{found}");
    }
    let (found, expected) = (by_name(&found), by_name(include_str!("golden.txt")));
    let listed: Vec<String> =
        printed(&["--list"]).lines().map(|line| line.split_whitespace().next().unwrap().to_owned()).collect();
    let mut sorted = listed.clone();
    sorted.sort();
    assert_eq!(expected.keys().cloned().collect::<Vec<_>>(), sorted, "each question has its truth in golden.txt");
    // None of the paper's is missing, and none has an empty answer here. Its figures 1 and 2 show no measurement.
    let numerals = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIII"];
    let tables = numerals.map(|numeral| format!("Table {numeral}"));
    let figures = ["3", "4", "5", "6a", "6b", "6c", "7"].map(|number| format!("Figure {number}"));
    let listing = printed(&["--list"]);
    for place in tables.iter().chain(&figures) {
        // A line is the name, the place in the paper, the title.
        let is_there = |line: &&str| {
            line.split_once(' ').is_some_and(|(_, rest)| rest.trim_start().starts_with(&format!("{place} ")))
        };
        let lines: Vec<&str> = listing.lines().filter(is_there).collect();
        assert_eq!(lines.len(), 1, "{place}: {lines:?}");
        let name = lines[0].split_whitespace().next().unwrap();
        assert!(expected[name].lines().count() >= 2, "{place}: {name} has no row in golden.txt");
    }
    for name in &listed {
        assert_eq!(found.get(name), expected.get(name), "{name}");
    }
    // A second count, by another program and from what the questions say, not from their queries.
    let duckdb = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/duckdb");
    let recount = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report/recount.py");
    let output = Command::new("python3").arg(recount).arg(duckdb).args([census, names, ranks]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let counted = by_name(&String::from_utf8(output.stdout).unwrap());
    for name in &listed {
        assert_eq!(counted.get(name), expected.get(name), "{name}, counted again");
    }
    // Few questions are asked of the views themselves, many of what is kept of these.
    let answers = |names: &[String]| -> Vec<Value> {
        let names = names.iter().map(String::as_str);
        let words: Vec<_> = asked.into_iter().chain(["--format", "json"]).chain(names).collect();
        serde_json::from_str(&printed(&words)).unwrap()
    };
    assert_eq!(listed.chunks(3).flat_map(answers).collect::<Vec<_>>(), answers(&listed));
}
