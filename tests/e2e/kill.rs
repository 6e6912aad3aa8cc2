//! Stopped in every way: what was found stays, the interface is left clean.

use super::world::{Lab, STARLING, errors, query, run, wait_until};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

pub(crate) fn parts(census: &Path, table: &str) -> usize {
    let Ok(folder) = std::fs::read_dir(census.join(table)) else { return 0 };
    let names = folder.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.ends_with(".parquet") && !name.ends_with("-schema.parquet")).count()
}

pub(crate) fn state(census: &Path) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(census.join("run.json")).unwrap()).unwrap()
}

pub(crate) fn signal(child: &Child, name: &str) {
    // `ip netns exec` replaces itself by the program, so the child is the scanner.
    run("kill", &format!("-{name} {}", child.id()));
}

#[test]
fn kill_9_in_mid_scan_leaves_the_interface_clean_and_finished_parts_readable() {
    let lab = Lab::up();
    let census = lab.folder.path().join("census");
    // 16384 targets at 2000 a second take eight seconds; parts are closed each second.
    let arguments = "-q -p smtp,imap,imaps,https -r 2000 --part-age 1 -e 5 198.18.0.0/20";
    let mut scan = lab.spawn_scan(&census, arguments);
    wait_until("a part of handshakes is finished", || parts(&census, "handshakes") > 0);
    assert!(lab.attached().contains(&lab.interface), "attached while it runs: {}", lab.attached());
    signal(&scan, "KILL");
    assert!(!scan.wait().unwrap().success());

    wait_until("the kernel has taken the program off", || !lab.attached().contains(&lab.interface));
    assert!(!run("ip", &format!("-n {} link show {}", lab.scanner, lab.interface)).contains("xdp"));
    assert_eq!(state(&census)["state"], "running", "the manifest says that the run did not end by itself");
    let rows = query(&census, "SELECT count(*) AS n, count(DISTINCT (ip, port)) AS servers FROM handshakes");
    let (n, servers) = (rows[0]["n"].as_u64().unwrap(), rows[0]["servers"].as_u64().unwrap());
    assert!(n > 0 && n == servers && n < 15, "{n} of 15 rows were durable");
    let dangling = query(
        &census,
        "SELECT count(*) AS n FROM handshakes h ANTI JOIN certificates c ON h.leaf_sha256 = c.sha256 WHERE leaf_sha256 IS NOT NULL",
    );
    assert_eq!(dangling[0]["n"], 0, "a durable row points at a certificate that was lost");

    // And the next run starts at once, on the same interface.
    let again = lab.folder.path().join("again");
    let scan = lab.spawn_scan(&again, "-q -p smtp -c 1 198.18.1.10").wait_with_output().unwrap();
    assert_eq!(scan.status.code(), Some(0), "{}", errors(&scan));
    assert_eq!(query(&again, "SELECT outcome FROM handshakes")[0]["outcome"], "complete");
}

#[test]
fn an_interrupt_finishes_what_is_open_and_says_so() {
    let lab = Lab::up();
    let census = lab.folder.path().join("census");
    let scan = lab.spawn_scan(&census, "-p smtp,imap,imaps,https -r 1000 -c 1 198.18.0.0/20");
    wait_until("the scan has begun", || census.join("run.json").exists());
    std::thread::sleep(Duration::from_millis(1_500));
    signal(&scan, "INT");
    let scan = scan.wait_with_output().unwrap();
    let text = errors(&scan);
    assert_eq!(scan.status.code(), Some(3), "{text}");
    assert!(text.contains("stopping: no more probes"), "{text}");
    let manifest = state(&census);
    assert_eq!((&manifest["state"], &manifest["stopped_by"]), (&"stopped".into(), &"signal".into()));
    let probes = manifest["ledger"]["probes"].as_u64().unwrap();
    assert!((500..8_000).contains(&probes), "{probes}");
    let rows = query(&census, "SELECT count(*) AS n FROM handshakes");
    assert_eq!(rows[0]["n"], manifest["ledger"]["answers"]);
    assert!(!lab.attached().contains(&lab.interface));
}

#[test]
fn a_second_interrupt_ends_at_once_and_still_writes() {
    let lab = Lab::up();
    let census = lab.folder.path().join("census");
    // A cooldown far beyond the test's patience, which only the second signal ends.
    let scan = lab.spawn_scan(&census, "-p smtp -c 600 198.18.1.0/24");
    wait_until("the scan has begun", || census.join("run.json").exists());
    std::thread::sleep(Duration::from_millis(1_000));
    signal(&scan, "INT");
    std::thread::sleep(Duration::from_millis(300));
    signal(&scan, "INT");
    let begun = Instant::now();
    let scan = scan.wait_with_output().unwrap();
    assert_eq!(scan.status.code(), Some(3), "{}", errors(&scan));
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert_eq!(query(&census, "SELECT count(*) AS n FROM handshakes")[0]["n"], 2);
}

#[test]
fn killed_again_and_again_and_resumed_it_finds_what_independent_clients_see() {
    let lab = Lab::up();
    let census = lab.folder.path().join("census");
    let arguments = "-q -p smtp,imap,imaps,https -r 1500 -c 1 --part-age 1 -e 5 198.18.0.0/20";
    let resume = |more: &str| {
        let mut command = lab.command(STARLING);
        command.args(["scan", "-q"]).args(more.split_whitespace()).arg("--resume").arg(&census);
        command.stderr(Stdio::piped());
        command
    };
    let mut scan = lab.spawn_scan(&census, arguments);
    // A checkpoint is noted after five seconds, and durable a second later.
    for pause in [7_500, 900, 2_200] {
        wait_until("the scan has begun", || lab.attached().contains(&lab.interface));
        std::thread::sleep(Duration::from_millis(pause));
        signal(&scan, "KILL");
        assert!(!scan.wait().unwrap().success());
        wait_until("the kernel has taken the program off", || !lab.attached().contains(&lab.interface));
        assert_eq!(state(&census)["state"], "running");
        scan = resume("").spawn().unwrap();
    }
    // Another run of the same dataset is refused as long as this one lives.
    wait_until("the scan has begun", || lab.attached().contains(&lab.interface));
    std::thread::sleep(Duration::from_millis(700));
    let second = resume("").output().unwrap();
    assert!(errors(&second).contains("is being written to by another run"), "{}", errors(&second));
    signal(&scan, "INT");
    let scan = scan.wait_with_output().unwrap();
    assert_eq!(scan.status.code(), Some(3), "{}", errors(&scan));
    let stopped = state(&census);
    assert_eq!(
        (&stopped["state"], &stopped["left"]["again"]),
        (&"stopped".into(), &0.into()),
        "all that was open is over"
    );

    let last = resume("-r 9000").output().unwrap();
    assert_eq!(last.status.code(), Some(0), "{}", errors(&last));
    let manifest = state(&census);
    assert!(manifest["earlier"][0]["left"]["positions"].as_u64().unwrap() < 13_000, "the first kill lost little");
    assert_eq!((&manifest["state"], manifest["earlier"].as_array().unwrap().len()), (&"complete".into(), 4));
    assert_eq!(manifest["begun"]["positions"], stopped["left"]["positions"]);
    let proof = lab.command(STARLING).arg("check").arg(&census).output().unwrap();
    assert!(proof.status.success(), "{}", String::from_utf8_lossy(&proof.stdout));
    let facts = lab.ask_the_oracle();
    let (said, equal) = lab.compare(&facts, &census);
    assert!(equal && said.contains("15 of 15 servers found, all facts equal"), "{said}");
}
