//! A scan of real servers finds what independent clients see, and nobody else notices it.

use super::world::{Lab, errors, query, run, within};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// tcpdump in `namespace`, writing what matches `filter` to a text file.
struct Capture {
    child: Child,
    file: std::path::PathBuf,
}

impl Capture {
    fn start(lab: &Lab, namespace: &str, interface: &str, filter: &str, name: &str) -> Self {
        let file = lab.folder.path().join(name);
        let mut command = within(namespace, "tcpdump");
        command.args(["-n", "-l", "--immediate-mode", "-i", interface, "-Q", "inout", filter]);
        command.stdout(std::fs::File::create(&file).unwrap());
        command.stderr(std::fs::File::create(file.with_extension("err")).unwrap());
        let child = command.spawn().unwrap();
        let listening = file.with_extension("err");
        super::world::wait_until("tcpdump listens", || {
            std::fs::read_to_string(&listening).is_ok_and(|text| text.contains("listening on"))
        });
        Self { child, file }
    }

    fn stop(mut self) -> Vec<String> {
        std::thread::sleep(Duration::from_millis(200));
        run("kill", &format!("-INT {}", self.child.id()));
        self.child.wait().unwrap();
        let text = std::fs::read_to_string(&self.file).unwrap();
        text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }
}

#[test]
fn a_scan_of_real_servers_finds_what_independent_clients_see() {
    let lab = Lab::up();
    let census = lab.folder.path().join("census");
    // The kernel's own frames pass the tap of AF_PACKET, ours (AF_XDP) do not: a reset seen here is the kernel's.
    let resets = Capture::start(&lab, &lab.scanner, &lab.interface, "tcp[tcpflags] & tcp-rst != 0", "resets");
    let arrived = Capture::start(&lab, &lab.world, &lab.peer, "tcp[tcpflags] == tcp-syn", "probes");
    let ping = within(&lab.world, "ping")
        .args(["-q", "-i", "0.05", "-c", "80", "-W", "1", "10.77.0.2"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();

    let scan = lab.spawn_scan(&census, "-p smtp,imap,imaps,https -c 2 -e 11 198.18.0.0/20").wait_with_output().unwrap();
    assert_eq!(scan.status.code(), Some(0), "{}", errors(&scan));
    assert!(errors(&scan).starts_with("scanning 4096 addresses, 16384 targets, from st"), "{}", errors(&scan));
    let ping = String::from_utf8(ping.wait_with_output().unwrap().stdout).unwrap();
    assert!(ping.contains("80 packets transmitted, 80 received, 0% packet loss"), "{ping}");
    assert_eq!(resets.stop(), Vec::<String>::new(), "the kernel saw an answer that was not for it");
    let probes = arrived.stop();
    let distinct: std::collections::BTreeSet<&str> =
        probes.iter().filter_map(|line| line.split(" > ").nth(1)?.split(": ").next()).collect();
    assert_eq!((probes.len(), distinct.len()), (16_384, 16_384), "each target gets exactly one probe");

    let facts = lab.ask_the_oracle();
    let (said, equal) = lab.compare(&facts, &census);
    assert!(equal && said.contains("15 of 15 servers found, all facts equal"), "{said}");

    account_adds_up(&census);
}

fn account_adds_up(census: &std::path::Path) {
    let manifest = std::fs::read_to_string(census.join("run.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["state"], "complete");
    assert_eq!(manifest["config"]["seed"], 11);
    assert_eq!(manifest["ledger"]["probes"], 16_384);
    assert_eq!(manifest["ledger"]["answers"], 15);
    assert_eq!(manifest["ledger"]["bad_checksum"], 0);
    assert_eq!(manifest["link"]["bind"][0], "copy");
    // 2048 addresses of the lab are there; of their four ports each, 15 listen.
    assert_eq!(manifest["xdp"]["drop_closed"], 2_048 * 4 - 15);
    assert_eq!(manifest["xdp"]["up_syn_ack"], 15);
    assert_eq!(manifest["xdp"]["drop_no_socket"], 0);
    assert_eq!(manifest["rows"]["handshakes"], 15);
    assert_eq!(manifest["outcomes"]["complete"], 10);
    let counted = query(
        census,
        "SELECT protocol, count(*) AS n, count(tls_version) AS tls FROM handshakes GROUP BY 1 ORDER BY 1",
    );
    assert_eq!(
        serde_json::Value::from(counted),
        serde_json::json!([
            {"protocol": "https", "n": 4, "tls": 3},
            {"protocol": "imap", "n": 2, "tls": 1},
            {"protocol": "imaps", "n": 2, "tls": 2},
            {"protocol": "smtp", "n": 7, "tls": 4},
        ])
    );
}

#[test]
fn powers_are_given_up_before_anything_is_heard() {
    let lab = Lab::up();
    let census = lab.folder.path().join("census");
    let mut scan = lab.spawn_scan(&census, "-q -p smtp -c 3 198.18.1.0/24");
    super::world::wait_until("a row is due", || census.join("run.json").exists());
    std::thread::sleep(Duration::from_millis(500));
    let mut threads = 0;
    for task in std::fs::read_dir(format!("/proc/{}/task", scan.id())).unwrap() {
        let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        for line in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert!(status.contains(&format!("{line}:\t0000000000000000\n")), "{status}");
        }
        assert!(status.contains("NoNewPrivs:\t1"), "Landlock needs it: {status}");
        threads += 1;
    }
    assert!(threads >= 4, "main, signals, writer, lane: {threads}");
    assert_eq!(scan.wait().unwrap().code(), Some(0));
    let manifest = std::fs::read_to_string(census.join("run.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(
        manifest["privileges"],
        serde_json::json!({"capabilities": [], "other_files": "denied", "readable": []})
    );
    assert_eq!(manifest["xdp"]["up_syn_ack"], 2, "the program's counters are read without privileges");
}

#[test]
fn a_cold_neighbour_table_is_warmed_by_arp() {
    let lab = Lab::up();
    run("ip", &format!("-n {} neigh flush all", lab.scanner));
    let census = lab.folder.path().join("census");
    let scan = lab.spawn_scan(&census, "-q -p imaps -c 1 198.18.3.93").wait_with_output().unwrap();
    assert_eq!(scan.status.code(), Some(0), "{}", errors(&scan));
    let found = query(&census, "SELECT address, port, outcome FROM handshakes");
    assert_eq!(
        serde_json::Value::from(found),
        serde_json::json!([{"address": "198.18.3.93", "port": 993, "outcome": "complete"}])
    );
    let stderr = errors(&scan);
    assert!(stderr.starts_with("probes sent: 1 in "), "quiet leaves the summary: {stderr}");
    let doctor = lab.command(super::world::STARLING).args(["doctor", "-i", &lab.interface]).output().unwrap();
    assert_eq!(doctor.status.code(), Some(0), "{}", String::from_utf8_lossy(&doctor.stdout));
}

#[test]
fn the_readers_command_line_works_on_the_dataset() {
    let lab = Lab::up();
    let census = lab.folder.path().join("census");
    let scan = lab.spawn_scan(&census, "-q -p smtp,imap -c 1 198.18.1.0/24 198.18.4.0/24").wait_with_output().unwrap();
    assert_eq!(scan.status.code(), Some(0), "{}", errors(&scan));
    let duckdb = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/duckdb");
    let sql = "select protocol, count(*), count(tls_version) from handshakes group by 1 order by 1";
    let output = Command::new(duckdb)
        .current_dir(lab.folder.path())
        .args(["-init", "census/views.sql", "-csv", "-c", sql])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        text,
        "protocol,count_star(),count(tls_version)\nimap,1,0\nsmtp,3,3\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
