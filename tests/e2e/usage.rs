//! Bad input: one line with cause and next step, the right exit code, nothing left behind.

use super::world::{Pair, STARLING, errors, within};
use std::path::Path;
use std::process::{Command, Output};

/// Runs a scan of one address in the pair's near namespace.
fn scan(pair: &Pair, output: &Path, arguments: &str) -> Output {
    let mut command = within(&pair.near, STARLING);
    command.args(["scan", "-q", "-p", "smtp", "-c", "0", "-o"]).arg(output);
    command.args(arguments.split_whitespace()).output().unwrap()
}

#[track_caller]
fn assert_refused(output: &Output, code: i32, cause: &str) {
    let text = errors(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.contains(cause), "{cause:?} is not in: {text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("starling: "), "{text}");
}

#[test]
fn what_the_machine_lacks_is_said_in_one_line_and_nothing_is_left() {
    let pair = Pair::new();
    let folder = tempfile::tempdir().unwrap();
    let census = folder.path().join("census");
    let cases = [
        ("-i nowhere0 198.18.0.1", "there is no interface \"nowhere0\" here"),
        ("-i near0 203.0.113.1", "there is no route to 203.0.113.1"),
        ("-i near0 10.77.0.77", "without a gateway"),
        ("-i lo 198.18.0.1", "does not leave by lo"),
        ("-s 40000-50000 198.18.0.1", "overlap the kernel's own"),
    ];
    for (arguments, cause) in cases {
        assert_refused(&scan(&pair, &census, arguments), 1, cause);
        assert!(!census.exists(), "{arguments}");
    }

    pair.ip("route add 198.51.100.0/24 via 10.77.0.99");
    assert_refused(&scan(&pair, &census, "198.51.100.1"), 1, "10.77.0.99 does not answer ARP");
    // The loopback interface is one whose driver has no native XDP.
    let no_native = scan(&pair, &census, "-i lo -G 02:00:00:00:00:01 198.18.0.1");
    assert_refused(&no_native, 1, "no native XDP: use the option `--xdp-mode generic`");
    pair.ip("link set near0 down");
    assert_refused(&scan(&pair, &census, "-i near0 198.18.0.1"), 1, "near0 is down");
    assert!(!census.exists());
    assert!(!pair.ip("link show").contains("xdp"));
}

#[test]
fn privileges_and_limits_that_are_missing_are_named() {
    let pair = Pair::new();
    let folder = tempfile::tempdir().unwrap();
    let census = folder.path().join("census");
    let run = |wrapper: &str| {
        let mut words = wrapper.split_whitespace();
        let mut command = within(&pair.near, words.next().unwrap());
        command.args(words).arg(STARLING).args(["scan", "-q", "-p", "smtp", "-o"]).arg(&census).arg("198.18.0.1");
        command.output().unwrap()
    };
    let unprivileged = run("setpriv --bounding-set=-all --inh-caps=-all --reuid=65534 --clear-groups");
    assert_eq!(unprivileged.status.code(), Some(1), "{}", errors(&unprivileged));
    assert!(errors(&unprivileged).contains("run as root"), "{}", errors(&unprivileged));
    assert_eq!(errors(&unprivileged).lines().count(), 1);
    let no_bpf = run("setpriv --bounding-set=-bpf,-sys_admin --inh-caps=-all");
    assert_refused(&no_bpf, 1, "root");
    let no_memory = run("prlimit --memlock=0:0 setpriv --bounding-set=-ipc_lock,-sys_resource --inh-caps=-all");
    assert_refused(&no_memory, 1, "cannot be locked, the limit is 0: raise it");
    assert!(!census.exists());
    assert!(!pair.ip("link show").contains("xdp"));
}

#[test]
fn a_foreign_program_and_another_run_are_left_alone() {
    let pair = Pair::new();
    let folder = tempfile::tempdir().unwrap();
    let first = within(&pair.near, STARLING)
        .args(["scan", "-q", "-p", "smtp", "-c", "20", "-o"])
        .arg(folder.path().join("first"))
        .arg("198.18.0.1")
        .spawn()
        .unwrap();
    super::world::wait_until("the first run has begun", || folder.path().join("first/run.json").exists());
    let second = folder.path().join("second");
    assert_refused(&scan(&pair, &second, "198.18.0.1"), 1, "near0 already has an XDP program");
    assert!(!second.exists());
    assert!(pair.ip("link show near0").contains("xdp"), "the first run goes on");
    super::world::run("kill", &format!("-INT {}", first.id()));
    super::world::run("kill", &format!("-INT {}", first.id()));
    let mut first = first;
    first.wait().unwrap();
}

#[test]
fn lanes_and_ways_that_the_interface_has_not_are_refused() {
    let pair = Pair::new();
    let folder = tempfile::tempdir().unwrap();
    let census = folder.path().join("census");
    let refused = |arguments: &str, cause| assert_refused(&scan(&pair, &census, arguments), 1, cause);
    refused(
        "--lanes 2 198.18.0.1",
        "2 lanes want 2 receive queues, near0 has 1. Next step: ethtool -L near0 combined 2",
    );
    refused("-T 0 198.18.0.1", "--lanes 0: at least one is wanted");
    refused("--tx zerocopy 198.18.0.1", "no zero copy");
    refused("--tx live 198.18.0.1", "near0 sends no live frames: its driver does not take redirected frames");
    assert!(!census.exists());
    assert!(!pair.ip("link show").contains("xdp"));
}

/// Live frames where the far end takes them, chosen by the rate; the way and the reason are told.
#[test]
fn the_way_chosen_and_why_stand_in_the_first_line_the_summary_and_the_manifest() {
    let pair = Pair::new();
    super::world::run("ip", &format!("netns exec {} ethtool -K far0 gro on", pair.far));
    let folder = tempfile::tempdir().unwrap();
    for (arguments, way, reason) in [
        ("-r 1000", "copy", "the driver has no zero copy, and the rate needs no more"),
        ("-r 0", "live", "the driver has no zero copy, and takes redirected frames"),
        ("-r 0 --tx copy", "copy", "asked for"),
        ("-r 0 --tx live", "live", "asked for"),
    ] {
        let census = folder.path().join(arguments.replace(' ', "_"));
        let output = within(&pair.near, STARLING)
            .args(["scan", "-p", "smtp", "-c", "0.1", "-o"])
            .arg(&census)
            .args(arguments.split_whitespace())
            .arg("198.18.0.0/24")
            .output()
            .unwrap();
        let text = errors(&output);
        assert_eq!(output.status.code(), Some(0), "{text}");
        let told = format!("by {way} ({reason})");
        assert_eq!(text.matches(&told).count(), 2, "{told:?} is not twice in: {text}");
        let manifest: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(census.join("run.json")).unwrap()).unwrap();
        assert_eq!((&manifest["link"]["tx"], &manifest["link"]["tx_reason"]), (&way.into(), &reason.into()));
        let live =
            manifest["sockets"]["live_sent"].as_u64().unwrap() + manifest["sockets"]["live_refused"].as_u64().unwrap();
        assert_eq!(live, if way == "live" { 256 } else { 0 });
        assert_eq!(manifest["ledger"]["probes"], 256);
    }
}

#[test]
fn output_that_cannot_be_written_is_refused() {
    let pair = Pair::new();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("precious"), "data").unwrap();
    assert_refused(&scan(&pair, folder.path(), "198.18.0.1"), 1, "is not empty. Next step:");
    assert_refused(&scan(&pair, &folder.path().join("precious"), "198.18.0.1"), 1, "is not a folder");
    assert_refused(&scan(&pair, &folder.path().join("no/such"), "198.18.0.1"), 1, "cannot create the output folder");
    assert_refused(&scan(&pair, Path::new("/proc/census"), "198.18.0.1"), 1, "cannot create the output folder");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(!pair.ip("link show").contains("xdp"));
}

#[test]
fn wrong_usage_ends_with_code_2() {
    let usage = |arguments: &str| Command::new(STARLING).args(arguments.split_whitespace()).output().unwrap();
    assert_refused(&usage("scan -p smtp -o x 198.18.0.0/40"), 2, "`198.18.0.0/40` is not an IPv4 address or prefix");
    assert_refused(&usage("scan -p gopher -o x 198.18.0.1"), 2, "unknown port or protocol `gopher`");
    assert_refused(&usage("scan -p smtp -o x 192.0.32.8"), 2, "--contact");
    for arguments in ["scan", "scan -p smtp --nonsense", "", "nonsense"] {
        assert_eq!(usage(arguments).status.code(), Some(2), "{arguments}");
    }
    for arguments in ["--help", "scan --help", "doctor --help", "--version"] {
        assert_eq!(usage(arguments).status.code(), Some(0), "{arguments}");
    }
}

#[test]
fn a_dry_run_prints_every_target_once_and_shards_divide_them() {
    let targets = |arguments: &str| -> Vec<String> {
        let output = Command::new(STARLING)
            .args(["scan", "-d", "-e", "3", "-p", "smtp,imaps", "198.18.0.0/24"])
            .args(arguments.split_whitespace())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    };
    let all = targets("");
    let mut sorted = all.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!((all.len(), sorted.len()), (512, 512));
    assert!(sorted.contains(&"198.18.0.255,993".to_owned()));
    let shards: Vec<String> = (0..3).flat_map(|shard| targets(&format!("--shards 3 --shard {shard}"))).collect();
    assert_eq!(shards, all, "shards are consecutive parts of the same order");
    assert_eq!(targets("-n 10"), all[..10]);
    assert_eq!(targets("-n 1%").len(), 6);
}
