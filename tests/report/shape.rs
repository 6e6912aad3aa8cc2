//! What is not there, what stands side by side, what is printed.

use crate::world::{dataset, duckdb, printed, report};
use serde_json::{Value, json};

#[test]
fn of_an_empty_dataset_every_question_is_answered_in_words() {
    let parent = tempfile::tempdir().unwrap();
    let empty = dataset(&parent.path().join("census"), false, false);
    let text = printed(&[empty.to_str().unwrap()]);
    let questions = printed(&["--list"]).lines().count();
    assert_eq!(text.matches("No answer from census: there is nothing in `").count(), questions, "{text}");
    assert!(!text.contains('│'), "{text}");
    assert!(
        text.contains("nothing in `handshakes` (filled by starling scan), `verdicts` (filled by starling verify).")
    );
}

#[test]
fn a_scan_and_a_monitor_stand_side_by_side_with_the_paper() {
    let parent = tempfile::tempdir().unwrap();
    let census = dataset(&parent.path().join("census"), true, false);
    let uplink = dataset(&parent.path().join("uplink"), false, true);
    let [census, uplink] = [&census, &uplink].map(|path| path.to_str().unwrap());
    let csv = printed(&[census, uplink, "table4", "--format", "csv"]);
    let expected = "\
version,census.servers,census.servers_pct,2015.servers_pct,uplink.connections,uplink.connections_pct,2015.connections_pct
SSLv3,1,10,0.02,1,10,1.74
TLSv1.0,1,10,39.26,1,10,58.79
TLSv1.1,,,0.23,,,0.1
TLSv1.2,3,30,60.48,5,50,39.37
TLSv1.3,5,50,,3,30,
";
    assert_eq!(csv, expected);
    let json: Value = serde_json::from_str(&printed(&[census, uplink, "dh", "--format", "json"])).unwrap();
    assert_eq!(
        json[0]["rows"][0],
        json!({"bits": 768, "uplink": {"connections": 1, "connections_pct": 100},
        "census": {"servers": null, "servers_pct": null}, "2015": {"connections_pct": 1.4}})
    );
    // The line of all protocols is there on either side alone.
    let ocsp: Value = serde_json::from_str(&printed(&[uplink, "ocsp", "--format", "json"])).unwrap();
    let rows = ocsp[0]["rows"].as_array().unwrap();
    let total: u64 = rows
        .iter()
        .filter(|row| row["protocol"] != "all")
        .filter_map(|row| row["uplink"]["connections"].as_u64())
        .sum();
    let row = rows.iter().find(|row| row["protocol"] == "all").unwrap();
    assert_eq!(row["uplink"]["connections"].as_u64(), Some(total));
    assert!(total > 0);
    let notes = [
        "census: there is nothing in `connections` (filled by starling monitor).",
        "uplink: there is nothing in `handshakes` (filled by starling scan).",
    ];
    assert_eq!(json[0]["notes"], json!(notes.map(|note| format!("Only part of an answer from {note}"))));
}

#[test]
fn datasets_of_two_dates_are_compared_column_by_column() {
    let parent = tempfile::tempdir().unwrap();
    let may = dataset(&parent.path().join("may"), true, false);
    let june = dataset(&parent.path().join("june"), true, false);
    let [may, june] = [&may, &june].map(|path| path.to_str().unwrap());
    let csv = printed(&[june, may, "rungs", "--format", "csv"]);
    let head = "protocol,june.servers,may.servers,june.modern_pct,may.modern_pct,june.legacy_pct,may.legacy_pct,\
                june.ssl3_pct,may.ssl3_pct";
    assert_eq!(csv.lines().take(2).collect::<Vec<_>>(), [head, "smtp,3,3,66.67,66.67,33.33,33.33,0,0"]);
}

#[test]
fn a_folder_of_datasets_is_one_dataset() {
    let parent = tempfile::tempdir().unwrap();
    let shards = parent.path().join("it's [all] *?");
    std::fs::create_dir(&shards).unwrap();
    dataset(&shards.join("shard-1"), true, false);
    dataset(&shards.join("shard-2"), true, false);
    let csv = printed(&[shards.to_str().unwrap(), "keys", "--format", "csv"]);
    let first = csv.lines().nth(1).unwrap();
    // The same targets in both: each counts once, and each certificate too.
    assert_eq!(first, "RSA 2048,5,50,2,40");
}

#[test]
fn an_older_dataset_is_read_and_what_it_does_not_know_is_said() {
    let parent = tempfile::tempdir().unwrap();
    let census = dataset(&parent.path().join("census"), true, false);
    let handshakes = census.join("handshakes");
    for part in std::fs::read_dir(&handshakes).unwrap().map(|entry| entry.unwrap().path()) {
        let file = part.to_str().unwrap();
        let copy =
            format!("COPY (SELECT * EXCLUDE (tls_ocsp) FROM read_parquet('{file}')) TO '{file}.new' (FORMAT parquet)");
        duckdb(&copy);
        std::fs::rename(format!("{file}.new"), file).unwrap();
    }
    let notes = |name: &str| {
        let answers: Value =
            serde_json::from_str(&printed(&[census.to_str().unwrap(), name, "--format", "json"])).unwrap();
        answers[0]["notes"].as_array().unwrap().iter().any(|note| {
            note == "census was made by an older starling: not all of its files have `tls_ocsp`, so what stands on that is too low."
        })
    };
    assert!(notes("ocsp"));
    assert!(!notes("table4"));
}

#[test]
fn what_cannot_be_done_is_said_in_one_line() {
    let parent = tempfile::tempdir().unwrap();
    let census = dataset(&parent.path().join("census"), true, false);
    let census = census.to_str().unwrap();
    let says = |words: &[&str]| {
        let output = report(words);
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        text
    };
    assert!(says(&[census, "table99"]).contains("table99 is no dataset, and no question. Next step: "));
    assert!(says(&["table1"]).contains("no dataset is named"));
    assert!(says(&["/proc"]).contains("/proc is no dataset of starling's"));
    assert!(says(&["--sql", "table99"]).contains("Next step: starling report --list"));
    assert!(says(&[census, "--as-names", "/nowhere.csv"]).contains("/nowhere.csv: there is no such file"));
    assert!(says(&[census, "--memory", "much"]).contains("opening the dataset"));
}

#[test]
fn the_page_needs_nothing_but_itself_and_trusts_no_name() {
    let parent = tempfile::tempdir().unwrap();
    let census = dataset(&parent.path().join("<b>census"), true, true);
    let page = parent.path().join("report.html");
    printed(&[census.to_str().unwrap(), "--html", page.to_str().unwrap()]);
    let page = std::fs::read_to_string(&page).unwrap();
    assert!(page.contains("&lt;b&gt;census") && !page.contains("<b>census"));
    for word in ["<script", "<link", "src=", "@import", "url("] {
        assert!(!page.contains(word), "{word}");
    }
    for line in printed(&["--list"]).lines() {
        let name = line.split_whitespace().next().unwrap();
        assert!(page.contains(&format!("<section id=\"{name}\">")), "{name}");
    }
    // A figure for each width: three versions of it would be one too many.
    let (wide, narrow) = (page.matches("width=\"860\"").count(), page.matches("width=\"360\"").count());
    assert!(wide >= 20 && wide == narrow, "{wide} {narrow}");
}
