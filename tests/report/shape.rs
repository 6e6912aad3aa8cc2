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
    // Each says its part, so nothing is missing; of one alone it is.
    assert_eq!(json[0]["notes"], json!([]));
    let alone: Value = serde_json::from_str(&printed(&[census, "dh", "--format", "json"])).unwrap();
    let note = "Only part of an answer from census: there is nothing in `connections` (filled by starling monitor).";
    assert_eq!(alone[0]["notes"], json!([note]));
}

#[test]
fn rows_of_several_sources_stand_in_the_order_of_their_keys_or_behind_those_of_the_first() {
    let parent = tempfile::tempdir().unwrap();
    let census = dataset(&parent.path().join("census"), true, false);
    let uplink = dataset(&parent.path().join("uplink"), false, true);
    let [census, uplink] = [&census, &uplink].map(|path| path.to_str().unwrap());
    let keys = |name: &str, keys: usize| -> Vec<String> {
        let csv = printed(&[uplink, census, name, "--format", "csv"]);
        csv.lines().skip(1).map(|line| line.split(',').take(keys).collect::<Vec<_>>().join(" ")).collect()
    };
    // By class within a protocol, by number.
    assert_eq!(keys("fig3", 2)[..3], ["smtp ECDHE", "smtp DHE", "smtp AES"]);
    assert_eq!(keys("dh", 1), ["768", "1024", "2048"]);
    // The paper's certificates of one protocol are not between those of another.
    let names = ["xmpp-client localhost", "xmpps-client incapsula.com", "xmpps-client courier.push.apple.com"];
    assert_eq!(keys("xmpp-names", 2)[..3], names);
    // The first source's order, what others have besides, what the paper has besides.
    assert_eq!(keys("curves", 1), ["secp256r1", "x25519", "X25519MLKEM768", "secp384r1", "sect571r1"]);
    assert_eq!(keys("table7", 1).last().map(String::as_str), Some("all"));
}

#[test]
fn what_is_not_among_the_most_frequent_is_added_up_with_its_kinds() {
    let parent = tempfile::tempdir().unwrap();
    let census = dataset(&parent.path().join("census"), true, true);
    let rows = |name: &str| {
        let csv = printed(&[census.to_str().unwrap(), name, "--top", "1", "--format", "csv"]);
        // The first two lines are ours, if not what the paper has besides comes before the rest.
        let ours = csv.lines().filter(|line| !line.contains(",,,")).map(str::to_owned);
        ours.collect::<Vec<_>>()
    };
    let head = "mechanism,census.advertised,2015.advertised,census.servers_pct,2015.servers_pct,census.of_servers,census.kinds,2015.kinds";
    let table = rows("table8");
    assert_eq!((table[0].as_str(), table[1].as_str()), (head, "PLAIN,3,2764157,100,99.27,3,,"));
    assert_eq!(table.last().map(String::as_str), Some("other,3,5329,100,0.19,3,2,591"));
    let issuers = [
        "issuer,census.servers,census.servers_pct,census.certificates,census.certificates_pct,census.kinds",
        "Let's Encrypt,4,40,2,40,",
        "other,6,60,3,60,3",
    ];
    assert_eq!(rows("issuers"), issuers);
}

#[test]
fn a_dataset_named_as_the_paper_or_a_key_and_one_named_twice_are_told_apart() {
    let parent = tempfile::tempdir().unwrap();
    for name in ["2015", "version"] {
        let census = dataset(&parent.path().join(name), true, false);
        let path = census.to_str().unwrap();
        let csv = printed(&[path, path, "table4", "--format", "csv"]);
        let own = format!("{}/{name}", parent.path().file_name().unwrap().display());
        let head = format!("version,{own}.servers,{own}.servers_pct,2015.servers_pct,2015.connections_pct");
        assert_eq!(csv.lines().next(), Some(head.as_str()));
    }
}

#[test]
fn datasets_of_two_dates_are_compared_column_by_column() {
    let parent = tempfile::tempdir().unwrap();
    let may = dataset(&parent.path().join("may"), true, false);
    let june = dataset(&parent.path().join("june"), true, false);
    let [may, june] = [&may, &june].map(|path| path.to_str().unwrap());
    let notes: Value = serde_json::from_str(&printed(&[june, may, "tor", "--format", "json"])).unwrap();
    let note = "No answer from june, may: there is nothing in `connections` (filled by starling monitor).";
    assert_eq!(notes[0]["notes"], json!([note]));
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
    assert!(says(&[census, "no/such/folder"]).contains("no/such/folder is no dataset, and no question. Next step: "));
    assert!(says(&[census, "--html", "/nowhere/report.html"]).contains("there is no folder /nowhere"));
    assert!(says(&["/proc"]).contains("/proc is no dataset of starling's"));
    assert!(says(&["--sql", "table99"]).contains("Next step: starling report --list"));
    assert!(says(&[census, "--as-names", "/nowhere.csv"]).contains("--as-names /nowhere.csv: No such file"));
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
