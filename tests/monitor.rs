//! `starling monitor` as a program: captures in, a dataset out, with an account that adds up.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "monitor/day.rs"]
mod day;
#[path = "monitor/replay.rs"]
mod replay;
#[path = "../benches/traffic/mod.rs"]
#[allow(dead_code, reason = "not every test needs all of it")]
mod traffic;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use starling::base::UtcMicros;
use starling::output::dataset::Dataset;
use starling::output::parquet::Limits;
use starling::record::row::{Sha256, Verdict};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::Duration;

const STARLING: &str = env!("CARGO_BIN_EXE_starling");

/// The capture of a mail client that upgrades, from the corpus of the fuzzer.
fn capture() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/monitor/seed-file");
    std::fs::read(path).unwrap()[1..].to_vec()
}

fn monitor(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(STARLING).arg("monitor").args(arguments).arg("-o").arg(folder.join("seen")).output().unwrap()
}

fn manifest(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("seen/run.json")).unwrap()).unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn captures_become_a_dataset_that_checks() {
    let folder = tempfile::tempdir().unwrap();
    let plain = file(folder.path(), "one.pcap", &capture());
    let packed = file(folder.path(), "two.pcap.gz", &gzip(&capture()));
    let output = monitor(folder.path(), &["--pcap", plain.to_str().unwrap(), packed.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let manifest = manifest(folder.path());
    assert_eq!((&manifest["state"], &manifest["program"]), (&"complete".into(), &"monitor".into()));
    assert_eq!((&manifest["rows"]["connections"], &manifest["account"]["recorded"]), (&2.into(), &2.into()));
    assert_eq!(manifest["captures"][1]["end"], "whole");
    let check = Command::new(STARLING).arg("check").arg(folder.path().join("seen")).output().unwrap();
    assert_eq!(check.status.code(), Some(0), "{}", String::from_utf8_lossy(&check.stdout));
    assert!(folder.path().join("seen/connections").read_dir().unwrap().count() == 2, "a part, and that without rows");

    // A part that is missing is seen.
    let parts = folder.path().join("seen/connections").read_dir().unwrap();
    let part =
        parts.map(|entry| entry.unwrap().path()).find(|path| !path.to_str().unwrap().contains("schema")).unwrap();
    std::fs::remove_file(part).unwrap();
    let check = Command::new(STARLING).arg("check").arg(folder.path().join("seen")).output().unwrap();
    assert_eq!(check.status.code(), Some(1));
}

#[test]
fn standard_input_is_read_and_a_cut_file_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(STARLING)
        .args(["monitor", "--pcap", "-", "-o"])
        .arg(folder.path().join("seen"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let bytes = capture();
    child.stdin.take().unwrap().write_all(&bytes[..bytes.len() - 3]).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let said = errors(&output) + &String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("- ends in the middle of a packet, after "), "{said}");
    let manifest = manifest(folder.path());
    assert_eq!((&manifest["captures"][0]["end"], &manifest["rows"]["connections"]), (&"cut".into(), &1.into()));
}

#[test]
fn what_is_wrong_is_one_line_and_what_was_read_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str], code: i32, cause: &str| {
        let output = monitor(folder.path(), arguments);
        let text = errors(&output);
        assert_eq!(output.status.code(), Some(code), "{text}");
        let last = text.lines().last().unwrap();
        assert!(last.starts_with("starling: ") && last.contains(cause), "{text}");
    };
    refused(&["--pcap", "/nowhere.pcap"], 1, "--pcap /nowhere.pcap: No such file");
    refused(&["--pcap", "/"], 1, "is a folder");
    refused(&["--pcap", "/dev/null", "-p", "gopher"], 2, "unknown port or protocol `gopher`");
    assert!(!folder.path().join("seen").exists());

    let good = file(folder.path(), "good.pcap", &capture());
    let bad = file(folder.path(), "bad.pcap", b"220 mail.example, which is no capture file at all");
    let bent = file(folder.path(), "bent.gz", &gzip(&capture())[..60]);
    let names = [bad.to_str().unwrap(), bent.to_str().unwrap(), good.to_str().unwrap()];
    refused(&["--pcap", names[0], names[1], names[2]], 1, "bad.pcap: it is no capture file");
    assert_eq!(manifest(folder.path())["captures"][2]["end"], "whole");
    assert_eq!(manifest(folder.path())["account"]["recorded"], 1);
}

#[test]
fn more_files_than_a_shell_lets_open_are_read_as_one_stream() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second, packets) = two_pieces();
    let mut names = vec![file(folder.path(), "0.pcap", &first)];
    // Files without a packet between the two that have the connections.
    names.extend((1..200).map(|number| file(folder.path(), &format!("{number}.pcap"), &traffic::header())));
    names.push(file(folder.path(), "200.pcap", &[traffic::header(), second].concat()));
    let mut command = Command::new("bash");
    command.args(["-c", "ulimit -Sn 64; exec \"$0\" \"$@\"", STARLING, "monitor", "-q", "-o"]);
    let output = command.arg(folder.path().join("seen")).arg("--pcap").args(&names).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let manifest = manifest(folder.path());
    assert_eq!((&manifest["account"]["connections"], &manifest["account"]["recorded"]), (&10.into(), &10.into()));
    assert!(manifest["account"]["packets"].as_u64().unwrap() > packets);
    // What is not enough by far is said before anything is read.
    let mut command = Command::new("bash");
    command.args(["-c", "ulimit -n 64; exec \"$0\" \"$@\"", STARLING, "monitor", "-q", "-o"]);
    let output = command.arg(folder.path().join("other")).arg("--pcap").args(&names).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("Next step: raise `ulimit -Hn`"), "{}", errors(&output));
}

/// A monitor that reads a pipe which stays open, and closes a part as soon as it has a row.
fn piped(folder: &Path) -> (Child, ChildStdin) {
    let mut child = Command::new(STARLING)
        .args(["monitor", "-q", "--part-age", "0.05", "--pcap", "-", "-o"])
        .arg(folder.join("seen"))
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pipe = child.stdin.take().unwrap();
    (child, pipe)
}

/// Waits until so many parts with rows are there: then what was written until now is read.
fn wait_for_parts(folder: &Path, count: usize) {
    let parts = || {
        let files = folder.join("seen/connections").read_dir().into_iter().flatten();
        let names = files.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".parquet") && !name.contains("schema")).count()
    };
    for _ in 0..1_200 {
        if parts() >= count {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("no part appeared within a minute");
}

/// A capture of a few connections in two pieces, and the packets of the first.
fn two_pieces() -> (Vec<u8>, Vec<u8>, u64) {
    let conversations = traffic::handshakes();
    let mut traffic = traffic::Traffic::new(&conversations, 10, 10_000_000);
    let half = traffic.packets() / 2;
    let (mut pieces, mut count) = ([traffic::header(), Vec::new()], 0);
    while let Some((time, frame)) = traffic.next() {
        traffic::record(&mut pieces[usize::from(count >= half)], time, frame);
        count += 1;
    }
    let [first, second] = pieces;
    (first, second, half)
}

#[test]
fn a_capture_that_grows_is_recorded_as_it_grows() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, mut pipe) = piped(folder.path());
    let (first, second, _) = two_pieces();
    pipe.write_all(&first).unwrap();
    wait_for_parts(folder.path(), 1);
    pipe.write_all(&second).unwrap();
    drop(pipe);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let manifest = manifest(folder.path());
    assert_eq!((&manifest["captures"][0]["end"], &manifest["state"]), (&"whole".into(), &"complete".into()));
    assert_eq!((&manifest["rows"]["connections"], &manifest["account"]["connections"]), (&10.into(), &10.into()));
}

#[test]
fn a_stop_writes_what_was_read_and_does_not_wait_for_more() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, mut pipe) = piped(folder.path());
    let (first, _, packets) = two_pieces();
    pipe.write_all(&first).unwrap();
    wait_for_parts(folder.path(), 1);
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
    drop(pipe);
    let manifest = manifest(folder.path());
    let account = &manifest["account"];
    assert_eq!((&manifest["state"], &manifest["captures"][0]["end"]), (&"stopped".into(), &"stopped".into()));
    assert_eq!((&account["packets"], &account["open"]), (&packets.into(), &0.into()));
    assert_eq!(manifest["rows"]["connections"], account["recorded"]);
    assert!(account["recorded"].as_u64().unwrap() >= 4, "{account}");
    let check = Command::new(STARLING).arg("check").arg(folder.path().join("seen")).output().unwrap();
    assert_eq!(check.status.code(), Some(0), "{}", String::from_utf8_lossy(&check.stdout));
}

#[test]
fn a_simulated_scan_can_be_tapped_and_monitored() {
    let folder = tempfile::tempdir().unwrap();
    let (census, tap) = (folder.path().join("census"), folder.path().join("tap.pcap"));
    let scan = || {
        let mut command = Command::new(STARLING);
        command.args(["scan", "-q", "--nic", "sim:42", "--tap"]).arg(&tap).arg("-o").arg(&census).output().unwrap()
    };
    let output = scan();
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let output = monitor(folder.path(), &["--any-port", "--pcap", tap.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let seen = manifest(folder.path());
    assert_eq!(seen["captures"][0]["end"], "whole");
    assert!(seen["rows"]["connections"].as_u64().unwrap() > 10, "{seen}");
    // The capture is not overwritten.
    std::fs::remove_dir_all(&census).unwrap();
    let output = scan();
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("name another file, or remove this one"), "{}", errors(&output));
}

/// What the command prints; it must go well.
fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_dataset_is_verified_checked_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    // Ten connections in two captures, as a capture program that begins a new file leaves them.
    let (first, second, _) = two_pieces();
    let second = [traffic::header(), second].concat();
    let names = [file(folder.path(), "one.pcap", &first), file(folder.path(), "two.pcap", &second)];
    let output = monitor(folder.path(), &["--pcap", names[0].to_str().unwrap(), names[1].to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let seen = folder.path().join("seen");

    printed(Command::new(STARLING).args(["verify", "-q", "--at", "2026-01-01"]).arg(&seen));
    let check = printed(Command::new(STARLING).arg("check").arg(&seen));
    assert!(check.contains("1 rows in verdicts") && check.ends_with("lines add up\n"), "{check}");

    let duckdb = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/duckdb");
    let mut command = Command::new(STARLING);
    let tables = printed(command.args(["report", "--format", "csv"]).arg(&seen).arg("--duckdb").arg(&duckdb));
    // Two connections of each kind, each to a server of its own with the same certificate. The paper's numbers stand beside ours, so only the beginnings of lines are compared.
    for (table, begin) in [
        ("table2", "smtp,2,3870542,2,8626"),
        ("table2", "https,2,,2,"),
        ("table3", "smtp,2,100,59,2,100,97,100,"),
        ("table3", "pop3,2,100,55,2,100,73,0,"),
        ("table3", "imap,2,100,77,2,100,70,0,"),
        ("table4", "TLSv1.2,4,66.67,"),
        ("table4", "TLSv1.3,2,33.33,"),
        ("fig3", "imaps,ECDHE,2,100"),
        // Nobody knows their root.
        ("fig5", "smtp,2,0,0,0,100,100,2,0,0,0,100,100"),
        ("table7", "smtp,1,,1,877,100,,0,656,0,"),
        ("clear-login", "pop3,2,2,100,2,100,"),
        ("logindisabled", "imap,2,100,31,2,100,16"),
        ("hidden", "TLSv1.3,2,0,100,0,0"),
    ] {
        let all = tables.split_once(&format!("# {table}\n")).unwrap().1;
        let answer = all.split("\n\n").next().unwrap();
        assert!(answer.lines().any(|line| line.starts_with(begin)), "{table} has no line {begin}:\n{answer}");
    }
}

/// `starling check` on a dataset with one more judgement, of the chains `judged`: the lines that do not add up.
fn wrong(seen: &Path, judged: &[Sha256]) -> Vec<String> {
    let dataset = Dataset::judge(seen, UtcMicros(4_000_000_000_000_000)).unwrap();
    let mut writer = dataset.part_writer(Limits { rows: u64::MAX, age: Duration::MAX });
    for chain_id in judged {
        writer.write(&Verdict { chain_id: *chain_id, ..Verdict::default() }, UtcMicros(0)).unwrap();
    }
    writer.close().unwrap();
    dataset.remove_older_judgements().unwrap();
    drop(dataset);
    let output = Command::new(STARLING).arg("check").arg(seen).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.strip_prefix("WRONG  ")).map(str::to_owned).collect()
}

#[test]
fn verdicts_that_are_missing_or_doubled_or_strange_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let input = file(folder.path(), "one.pcap", &two_pieces().0);
    let output = monitor(folder.path(), &["--pcap", input.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let seen = folder.path().join("seen");
    let mut chains: Vec<Sha256> = Vec::new();
    for part in starling::output::stored::chain_parts(&seen).unwrap() {
        starling::output::stored::prints(&part, "chain_id", |id| chains.push(id)).unwrap();
    }
    let [chain] = chains[..] else { panic!("{} chains", chains.len()) };
    let name = "20961002T070640.000000";
    assert_eq!(wrong(&seen, &[chain, chain]), [format!("2 rows in verdicts of {name} = 1 distinct chains judged")]);
    assert_eq!(
        wrong(&seen, &[[7; 32]]),
        [
            "1 of them of no chain of the dataset = 0 expected",
            "1 of the chains found before it have no row in it = 0 expected"
        ]
    );
}
