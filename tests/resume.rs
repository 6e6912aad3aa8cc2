//! Killed at random moments and resumed, a scan finds what an undisturbed one finds: real processes in a simulated world,
//! so without root. `scripts/test-kills` runs more of them.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const STARLING: &str = env!("CARGO_BIN_EXE_starling");
/// Kills by default; `STARLING_KILLS` says otherwise.
const KILLS: u64 = 12;
/// What is scanned: 8192 targets. Parts of two virtual seconds, so that a kill meets many of them half written.
const TARGETS: &[&str] = &["-q", "-p", "smtp,imap,imaps,https", "--part-age", "2", "198.18.0.0/21"];
/// What is no finding: times, and what depends on them.
const TIMES: &str = "time, waited_ms, duration_us, greeting_us, tls_us, bytes_in, bytes_out, segments_in, segments_out, \
                     retransmits";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn scan(census: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(STARLING);
    command.arg("scan").args(words);
    if !words.contains(&"--resume") {
        command.arg("-o");
    }
    command.arg(census);
    command
}

#[track_caller]
fn done(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stderr)
}

fn resume(census: &Path) -> String {
    done(&mut scan(census, &["-q", "--resume"]))
}

fn check(census: &Path) -> Output {
    Command::new(STARLING).arg("check").arg(census).output().unwrap()
}

fn json(path: PathBuf) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What was found, a line for each row of the views.
fn findings(census: &Path) -> Vec<String> {
    let duckdb = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/duckdb");
    assert!(duckdb.is_file(), "no duckdb in .venv/bin. Next step: scripts/setup");
    let in_files = |table: &str, key: &str| {
        let files = census.join(table).join("*.parquet");
        format!("SELECT count(*) - count(DISTINCT {key}) AS again FROM read_parquet('{}')", files.display())
    };
    let queries = [
        format!("SELECT * EXCLUDE ({TIMES}) FROM handshakes ORDER BY ip, port"),
        "SELECT * EXCLUDE (time, source_port) FROM hosts ORDER BY ip, port".to_owned(),
        "SELECT * EXCLUDE (first_seen) FROM certificates ORDER BY sha256".to_owned(),
        "SELECT * EXCLUDE (first_seen) FROM chains ORDER BY chain_id".to_owned(),
        // The views would not show that a run has written again what an earlier one had.
        in_files("certificates", "sha256"),
        in_files("chains", "chain_id"),
    ];
    let mut command = Command::new(duckdb);
    command.arg("-init").arg(census.join("views.sql")).arg("-jsonlines");
    for query in &queries {
        command.args(["-c", query]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).lines().map(str::to_owned).collect()
}

/// How many rows of one are not in the other.
fn differences(one: &[String], other: &[String]) -> Vec<String> {
    let (a, b): (BTreeSet<&String>, BTreeSet<&String>) = (one.iter().collect(), other.iter().collect());
    let mut all: Vec<String> = a.symmetric_difference(&b).map(|line| (*line).clone()).collect();
    if all.is_empty() && one.len() != other.len() {
        all.push(format!("{} rows are not {}", one.len(), other.len()));
    }
    all
}

/// A world whose hosts say the same whenever they are asked, and what a scan in one go finds in it.
fn world(folder: &Path) -> (String, Vec<String>) {
    for seed in 0..100 {
        let nic = format!("sim:{seed}");
        let swarm = starling::sim::swarm::Swarm::from_seed(seed);
        if swarm.up != swarm.down || swarm.up != starling::sim::link::Faults::default() {
            continue; // a link that loses frames loses others at another time
        }
        let (whole, parts) = (folder.join(format!("{seed}-whole")), folder.join(format!("{seed}-parts")));
        done(scan(&whole, TARGETS).args(["--nic", &nic]));
        done(scan(&parts, TARGETS).args(["--nic", &nic, "-n", "2500"]));
        done(&mut scan(&parts, &["-q", "-n", "100%", "--resume"]));
        let found = findings(&whole);
        let outcomes: BTreeSet<&str> =
            found.iter().filter_map(|line| line.split("\"outcome\":\"").nth(1)?.split('"').next()).collect();
        if outcomes.len() >= 4 && found.len() > 1_000 && differences(&found, &findings(&parts)).is_empty() {
            println!("world {seed}: {} rows, outcomes {outcomes:?}", found.len());
            return (nic, found);
        }
    }
    panic!("no world is the same whenever it is asked");
}

/// SplitMix64, from 0 to 1.
struct Random(u64);

impl Random {
    fn draw(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Runs `command` and kills it after `patience`. False if it was over before.
fn kill(command: &mut Command, patience: Duration) -> bool {
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(patience);
    child.kill().unwrap();
    child.wait().unwrap().code().is_none()
}

fn unfinished(census: &Path) -> bool {
    let folder = std::fs::read_dir(census.join("handshakes")).unwrap();
    folder.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).any(|name| name.ends_with(".tmp"))
}

#[test]
fn killed_at_random_moments_and_resumed_it_finds_what_an_undisturbed_scan_finds() {
    let kills = std::env::var("STARLING_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let (nic, expected) = world(folder.path());
    let begun = Instant::now();
    done(scan(&folder.path().join("timed"), TARGETS).args(["--nic", &nic]));
    let whole = begun.elapsed();
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
    let mut random = Random(seed.into());
    let (mut count, mut differ, mut halves, mut open, mut tries) = (0, 0, 0, 0, 0);
    while count < kills {
        tries += 1;
        assert!(tries < 10 * kills + 20, "the scans are over before they are killed");
        let census = folder.path().join(format!("killed-{tries}"));
        let mut patience = || whole.mul_f64(random.draw());
        let mut killed = u64::from(kill(scan(&census, TARGETS).args(["--nic", &nic]), patience()));
        if !census.join("run.json").exists() {
            continue; // nothing was begun
        }
        halves += u64::from(unfinished(&census));
        // Some are killed once more.
        if killed == 1 && tries % 3 == 0 {
            killed += u64::from(kill(&mut scan(&census, &["-q", "--resume"]), patience()));
            halves += u64::from(unfinished(&census));
        }
        if json(census.join("run.json"))["state"] == "running" {
            let proof = check(&census);
            assert!(proof.status.success(), "after the kill: {}", text(&proof.stdout));
            resume(&census);
        }
        count += killed;
        let manifest = json(census.join("run.json"));
        assert_eq!(manifest["state"], "complete");
        open += u64::from(manifest["begun"]["again"].as_u64().unwrap() > 0);
        let found = differences(&expected, &findings(&census));
        differ += found.len();
        for line in found.iter().take(4) {
            println!("seed {seed}, {}: {line}", census.display());
        }
        let proof = check(&census);
        assert!(proof.status.success(), "{}", text(&proof.stdout));
        std::fs::remove_dir_all(&census).unwrap();
    }
    println!(
        "{count} kills: {differ} differences ({halves} met a part half written, {open} conversations that were open)"
    );
    assert_eq!(differ, 0);
    assert!(halves > 0 && open > 0, "the kills were too tame: {halves} half parts, {open} open conversations");
}

#[test]
fn what_a_resumed_scan_may_change_and_what_not() {
    let folder = tempfile::tempdir().unwrap();
    let census = folder.path().join("census");
    let begin = ["-q", "-p", "smtp,imaps", "--nic", "sim:3", "-n", "100", "198.18.0.0/24"];
    done(&mut scan(&census, &begin));
    let refused = |words: &[&str], cause: &str| {
        let mut all = words.to_vec();
        all.extend(["-q", "--resume"]);
        let output = scan(&census, &all).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(cause) && said.contains("Next step: ") && said.lines().count() == 1, "{cause}: {said}");
    };
    refused(&[], "nothing is left to do");
    refused(&["-n", "200", "-p", "smtp"], "--target-ports: the scan was begun with smtp,imaps, now smtp is asked for");
    refused(&["-n", "200", "-e", "4"], "--seed: the scan was begun with");
    refused(&["-n", "200", "-P", "2"], "--probes: the scan was begun with 1, now 2 is asked for");
    refused(&["-n", "200", "--shards", "2"], "--shards: the scan was begun with 1, now 2");
    refused(&["-n", "200", "--reply-timeout", "2"], "--reply-timeout");
    refused(&["-n", "200", "198.18.0.0/23"], "the targets: the scan was begun with 198.18.0.0/24, now 198.18.0.0/23");
    // The same said again, or in other words, is no difference.
    done(&mut scan(&census, &["-q", "-n", "200", "-p", "25,993", "-r", "500", "--max-connections", "64", "--resume"]));
    let manifest = json(census.join("run.json"));
    assert_eq!(manifest["ledger"]["walked"], 100);
    assert_eq!((&manifest["config"]["rate"], &manifest["config"]["connections_max"]), (&500.0.into(), &64.into()));
    assert_eq!(manifest["earlier"].as_array().unwrap().len(), 1);
    // What was chosen stays chosen.
    done(&mut scan(&census, &["-q", "-n", "100%", "--resume"]));
    let manifest = json(census.join("run.json"));
    assert_eq!((&manifest["config"]["rate"], &manifest["ledger"]["walked"]), (&500.0.into(), &312.into()));
    assert!(check(&census).status.success());

    let targets = census.join("targets.txt");
    let saved = std::fs::read_to_string(&targets).unwrap();
    assert_eq!(saved, "all smtp:25 imaps:993\n198.18.0.0/24\n");
    std::fs::write(&targets, saved.replace("/24", "/25")).unwrap();
    refused(&["-n", "300"], "targets.txt has been changed since the scan began");
    let nothing = scan(folder.path(), &["--resume"]).output().unwrap();
    assert!(text(&nothing.stderr).contains("is no dataset of starling's. Next step:"), "{}", text(&nothing.stderr));
}

#[test]
fn check_says_which_lines_no_longer_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let census = folder.path().join("census");
    done(scan(&census, TARGETS).args(["--nic", "sim:3"]));
    let proof = check(&census);
    assert_eq!(proof.status.code(), Some(0), "{}", text(&proof.stdout));
    let all = text(&proof.stdout);
    assert!(all.lines().last().unwrap().starts_with("all ") && !all.contains("WRONG"), "{all}");
    assert!(all.contains(" rows in handshakes with complete = "), "{all}");

    let part = |number: u32| {
        let name = json(census.join("run.json"))["run"].as_str().unwrap().to_owned();
        census.join(format!("handshakes/{name}-{number:05}.parquet"))
    };
    let wrong = |what: &str| {
        let proof = check(&census);
        assert_eq!(proof.status.code(), Some(1), "{what}");
        let said = text(&proof.stdout);
        said.lines().filter(|line| line.starts_with("WRONG")).map(str::to_owned).collect::<Vec<_>>()
    };
    let bytes = std::fs::read(part(1)).unwrap();
    std::fs::remove_file(part(1)).unwrap();
    let lines = wrong("a part is gone");
    assert!(lines[0].ends_with("-00001.parquet is missing"), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("rows in handshakes = ") && line.ends_with("counted by the writer")));
    assert!(lines.iter().any(|line| line.ends_with("connections that ended so")), "{lines:?}");
    assert!(lines.iter().all(|line| line.contains("handshakes")), "{lines:?}");
    std::fs::write(part(1), &bytes[..bytes.len() / 2]).unwrap();
    assert!(wrong("a part is cut")[0].contains("-00001.parquet: "));
    std::fs::write(part(1), &bytes).unwrap();
    assert_eq!(check(&census).status.code(), Some(0));
    // The last part: no gap tells of it.
    let last = (0..).find(|number| !part(*number).exists()).unwrap() - 1;
    std::fs::remove_file(part(last)).unwrap();
    assert!(wrong("the last part is gone").iter().any(|line| line.contains("parts of handshakes")));
}

/// A terminal that is gone, as after a log-out: nothing that is said arrives, and nothing is lost.
#[test]
fn a_terminal_that_is_gone_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let census = folder.path().join("census");
    let gone = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut words = vec!["--nic", "sim:3"];
    words.extend(TARGETS.iter().filter(|word| **word != "-q"));
    let ended = scan(&census, &words).stderr(gone).status().unwrap();
    assert_eq!(ended.code(), Some(0));
    assert_eq!(json(census.join("run.json"))["state"], "complete");
    assert!(check(&census).status.success());
}
