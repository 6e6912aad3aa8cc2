//! `starling monitor` as a program: captures in, a dataset out, with an account that adds up.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

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
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let bytes = capture();
    child.stdin.take().unwrap().write_all(&bytes[..bytes.len() - 3]).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
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
