//! `--probe-only` beside Debian's zmap: the same /16, the same answers, field by field. And the study's noise.

use super::world::{Pair, STARLING, errors, query, root, run, within};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// Listeners: every seventh address of 198.18.0.0/18 until there are so many.
const LISTENERS: u32 = 1_500;
const STEP: u32 = 7;
const PORT: u16 = 8_080;

/// A /16 behind a [`Pair`]: in its first quarter some listen and the others refuse, the second is reported
/// unreachable, the rest is silent.
struct Net {
    pair: Pair,
    listeners: Child,
    folder: tempfile::TempDir,
    mac: String,
}

impl Net {
    fn up() -> Self {
        let pair = Pair::new();
        let far = &pair.far;
        for (namespace, interface) in [(&pair.near, "near0"), (far, "far0")] {
            run("ip", &format!("netns exec {namespace} ethtool -K {interface} tx off gso off tso off"));
        }
        let settings = "net.ipv4.ip_forward=1 net.ipv4.tcp_syncookies=0 \
                        net.ipv4.tcp_max_syn_backlog=65535 net.ipv4.tcp_invalid_ratelimit=0";
        run("ip", &format!("netns exec {far} sysctl -qw {settings}"));
        run("ip", &format!("-n {far} route add local 198.18.0.0/18 dev lo"));
        run("ip", &format!("-n {far} route add unreachable 198.18.64.0/18"));
        run("ip", &format!("-n {far} route add blackhole 198.18.128.0/17"));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/listeners.py");
        let mut command = within(far, "python3");
        command.arg(script).args(["198.18.0.0", &LISTENERS.to_string(), &STEP.to_string(), &PORT.to_string()]);
        let mut listeners = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(listeners.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        let link = run("ip", &format!("-n {far} -o link show far0"));
        let mac = link.split("link/ether ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        Self { pair, listeners, folder: tempfile::tempdir().unwrap(), mac }
    }

    fn starling(&self, arguments: &[&str]) -> Output {
        let mut command = within(&self.pair.near, STARLING);
        command.args(["scan", "--probe-only", "-q", "-i", "near0", "-p", "8080", "-r", "20000", "-c", "2", "-e", "3"]);
        let output = command.args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", errors(&output));
        output
    }

    /// The lines zmap writes. On a busy machine its capture loses an answer now and then, what it does find is the same
    /// each time: it is run until all that are due have been found, five times at most.
    fn zmap(&self, fields: &str, filter: &str, due: usize) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for _ in 0..5 {
            let text = self.zmap_once(fields, filter);
            found.extend(lines(&text).into_iter().map(str::to_owned));
            if found.len() >= due {
                break;
            }
        }
        found
    }

    fn zmap_once(&self, fields: &str, filter: &str) -> String {
        let empty = self.folder.path().join("empty");
        std::fs::write(&empty, "").unwrap();
        let mut command = within(&self.pair.near, "zmap");
        command.args(["-q", "-v", "0", "-i", "near0", "-G", &self.mac, "-p", "8080", "-r", "20000", "-c", "2"]);
        command.arg("-C").arg(&empty).arg("-b").arg(&empty).args(["--disable-syslog", "-e", "3", "-S", "10.77.0.2"]);
        command.args(["-O", "csv", "-f", fields, "--output-filter", filter, "-o", "-", "198.18.0.0/16"]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "zmap: {}. Next step: scripts/setup", errors(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Connections that hosts believe to be half open.
    fn half_open(&self) -> usize {
        run("ip", &format!("netns exec {} ss -Hnt state syn-recv", self.pair.far)).lines().count()
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        let _ = self.listeners.kill();
        let _ = self.listeners.wait();
    }
}

/// Lines, but for one of names where there is one; each once.
fn lines(text: &str) -> BTreeSet<&str> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("saddr")).collect();
    let set: BTreeSet<&str> = lines.iter().copied().collect();
    assert_eq!(set.len(), lines.len(), "a line comes twice");
    set
}

#[test]
fn the_same_answers_as_zmap_field_by_field() {
    let net = Net::up();
    let fields = "saddr,saddr-raw,daddr,daddr-raw,ipid,ttl,sport,window,classification,success,repeat";
    let everything = "success = 1 || classification = rst";
    let file = net.folder.path().join("answers.csv");
    net.starling(&["-f", fields, "--output-filter", everything, "-o", file.to_str().unwrap(), "198.18.0.0/16"]);
    assert_eq!(net.half_open(), 0, "we reset what we do not want");
    let ours = std::fs::read_to_string(&file).unwrap();
    let ours = lines(&ours);
    assert_eq!(ours.len(), 64 * 256, "a quarter of the /16 answers");
    let theirs = net.zmap(fields, "ttl > 0", ours.len());
    let theirs = theirs.iter().map(String::as_str).collect();
    let differing: Vec<_> = ours.symmetric_difference(&theirs).take(10).collect();
    assert!(differing.is_empty(), "{differing:#?}");
    assert_eq!(ours.iter().filter(|line| line.contains(",synack,1,0")).count(), LISTENERS as usize);
    println!("{} answers of 65536 addresses, 0 differences from zmap's", ours.len());

    // What both do if nothing else is asked for.
    let default = net.starling(&["-o", "-", "198.18.0.0/16"]);
    let found = String::from_utf8(default.stdout).unwrap();
    let found: BTreeSet<String> = lines(&found).into_iter().map(str::to_owned).collect();
    let listening = (0..LISTENERS).map(|n| std::net::Ipv4Addr::from(0xc612_0000 + n * STEP).to_string());
    assert_eq!(found, listening.collect());
    assert_eq!(found, net.zmap("saddr", "success = 1 && repeat = 0", found.len()));
}

#[test]
fn icmp_is_told_and_so_are_round_trips() {
    let net = Net::up();
    let census = net.folder.path().join("census");
    let metadata = net.folder.path().join("metadata.json");
    let arguments = ["--answers", "rst,icmp", "--probe-options", "linux", "-m", metadata.to_str().unwrap(), "-o"];
    net.starling(&[&arguments[..], &[census.to_str().unwrap(), "198.18.0.0/16"]].concat());
    let rows = query(
        &census,
        "SELECT answer, count(*)::int AS n, count(DISTINCT ip)::int AS addresses, count(rtt_us)::int AS timed,
                count(responder)::int AS reported, max(responder_address) AS responder, max(icmp_type)::int AS type,
                max(icmp_code)::int AS code, count(window_scale)::int AS scaled, max(rtt_us)::int AS longest
         FROM hosts GROUP BY answer ORDER BY answer",
    );
    let of = |row: usize, name: &str| rows[row][name].as_u64().unwrap_or_else(|| panic!("{name} in {rows:?}"));
    assert_eq!(rows.iter().map(|row| row["answer"].as_str().unwrap()).collect::<Vec<_>>(), ["icmp", "rst", "syn_ack"]);
    let listeners = u64::from(LISTENERS);
    assert_eq!((of(1, "n"), of(2, "n")), (16_384 - listeners, listeners));
    // Linux sends a few such reports at once and then one a second, and that is a setting of the whole machine.
    let reports = of(0, "n");
    assert!((1..50).contains(&reports), "{rows:?}");
    assert_eq!((of(0, "addresses"), of(0, "reported"), of(0, "type"), of(0, "code")), (reports, reports, 3, 1));
    assert_eq!(rows[0]["responder"], "10.77.0.1");
    // Linux answers a SYN with timestamps by a SYN-ACK with them; its RSTs have none.
    assert_eq!((of(2, "timed"), of(2, "scaled"), of(1, "timed"), of(0, "timed")), (listeners, listeners, 0, 0));
    assert!((1..5_000_000).contains(&of(2, "longest")), "{rows:?}");

    let manifest = std::fs::read_to_string(census.join("run.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["latency_us"]["round_trip"]["count"], listeners);
    assert_eq!((&manifest["answered"]["icmp"], &manifest["xdp"]["up_icmp"]), (&reports.into(), &reports.into()));
    let metadata: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(&std::fs::read_to_string(metadata).unwrap()).unwrap();
    assert_eq!((&metadata["total_sent"], &metadata["success_unique"]), (&65_536.into(), &listeners.into()));
    assert_eq!(
        (&metadata["seed"], &metadata["target_port"], &metadata["probe_args"]),
        (&3.into(), &PORT.into(), &"linux".into())
    );
}

#[test]
fn a_sweep_without_conversations_is_resumed_and_a_grown_blocklist_is_heeded() {
    let net = Net::up();
    let census = net.folder.path().join("census");
    let folder = census.to_str().unwrap();
    net.starling(&["-n", "30000", "-o", folder, "198.18.0.0/16"]);
    let block = net.folder.path().join("block");
    std::fs::write(&block, "198.18.16.0/20 # asked us meanwhile\n").unwrap();
    let found = |condition: &str| -> BTreeSet<u64> {
        let rows = query(&census, &format!("SELECT ip, port FROM hosts WHERE answer = 'syn_ack' AND {condition}"));
        let ips: Vec<u64> = rows.iter().map(|row| row["ip"].as_u64().unwrap()).collect();
        let set: BTreeSet<u64> = ips.iter().copied().collect();
        assert_eq!(set.len(), ips.len(), "a host comes twice");
        set
    };
    let before = found("true");
    let mut command = within(&net.pair.near, STARLING);
    let list = block.to_str().unwrap();
    let output = command.args(["scan", "--resume", folder, "-n", "100%", "-b", list]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));

    let blocked = |ip: &u64| (0xc612_1000..0xc612_2000).contains(ip);
    let listening = (0..u64::from(LISTENERS)).map(|n| 0xc612_0000 + n * u64::from(STEP));
    let due: BTreeSet<u64> = listening.filter(|ip| !blocked(ip) || before.contains(ip)).collect();
    assert_eq!(found("true"), due);
    let manifest = std::fs::read_to_string(census.join("run.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let of = |name: &str| manifest["ledger"][name].as_u64().unwrap();
    assert_eq!(of("walked") + of("resumed"), 65_536 - 30_000);
    assert_eq!(of("probes") + of("blocked_since"), 65_536 - 30_000);
    // Of 4096 blocked addresses those that the first run had not come to: 2221 on average, 32 the standard deviation.
    assert!((2_060..2_380).contains(&of("blocked_since")), "{}", of("blocked_since"));
    let check = Command::new(STARLING).args(["check", folder]).output().unwrap();
    assert_eq!(check.status.code(), Some(0), "{}", String::from_utf8_lossy(&check.stdout));
}

#[test]
fn half_open_connections_are_left_alone_on_request_and_lines_are_json_on_request() {
    let net = Net::up();
    let output = net.starling(&["--no-reset", "-O", "json", "-f", "saddr,sport,success", "-o", "-", "198.18.0.0/25"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 19, "{text}");
    assert!(text.lines().any(|line| line == "{\"saddr\":\"198.18.0.126\",\"sport\":8080,\"success\":true}"), "{text}");
    assert_eq!(net.half_open(), 19);
}

#[test]
fn wrong_usage_of_lines_is_one_line_and_a_reader_may_leave() {
    let refused = |arguments: &str, cause: &str| {
        let output = Command::new(STARLING).arg("scan").args(arguments.split_whitespace()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
        assert!(errors(&output).contains(cause), "{cause:?} is not in: {}", errors(&output));
    };
    refused("-p smtp -o - 198.18.0.1", "-o -: only what --probe-only finds");
    refused("-p smtp -o x -O csv 198.18.0.1", "--probe-only");
    refused("-p smtp -o x --probe-options linux 198.18.0.1", "only with --probe-only");
    refused("--probe-only -p 80 198.18.0.1", "-o - for standard output");
    refused("--probe-only -p 80 -o - -f nonsense 198.18.0.1", "unknown field `nonsense`");
    refused("--probe-only -p 80 -o - --output-filter success=yes 198.18.0.1", "success is a number");
    refused("--probe-only -p 80 -o - -m - 198.18.0.1", "cannot both go to standard output");

    let net = Net::up();
    let precious = net.folder.path().join("old.csv");
    std::fs::write(&precious, "precious\n").unwrap();
    let mut command = within(&net.pair.near, STARLING);
    command.args(["scan", "--probe-only", "-q", "-i", "near0", "-p", "8080", "-o"]).arg(&precious).arg("198.18.0.1");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("the file is not empty. Next step:"), "{}", errors(&output));
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "precious\n");

    // As in `starling ... -o - | head -1`.
    let mut command = within(&net.pair.near, STARLING);
    command.args(["scan", "--probe-only", "-q", "-i", "near0", "-p", "8080", "-r", "500", "-c", "60", "-o", "-"]);
    let mut scan = command.arg("198.18.0.0/18").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(scan.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("198.18."), "{line}");
    let output = scan.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("has closed it, so the scan was ended"), "{}", errors(&output));
}

#[test]
fn noise_is_told_from_hosts_that_are_there() {
    let net = Net::up();
    let far = &net.pair.far;
    run("ip", &format!("-n {far} route add blackhole 198.19.0.0/16"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e");
    let started = |command: &mut Command| {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        child
    };
    let mut raw = started(within(far, "python3").arg(script.join("noise.py")).args(["far0", "198.19.0.0/25"]));
    // They accept nothing, but their kernel takes what they are told.
    let listeners = [script.join("listeners.py").to_str().unwrap(), "198.18.0.0", "8", "1", "1337"].map(str::to_owned);
    let mut there = started(within(far, "python3").args(listeners));
    let folder = net.folder.path().join("noise");
    let mut command = within(&net.pair.near, STARLING);
    command.args([
        "scan",
        "--noise",
        "-q",
        "-i",
        "near0",
        "-r",
        "5000",
        "-c",
        "0.5",
        "-e",
        "5",
        "--total-timeout",
        "2",
    ]);
    command.args(["--tls-timeout", "1", "-n", "100%", "-o"]).arg(&folder).args(["198.18.0.0/24", "198.19.0.0/24"]);
    let output = command.output().unwrap();
    for child in [&mut raw, &mut there] {
        let _ = child.kill();
        let _ = child.wait();
    }
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let mut expected = "port,seed,probes,responders,never_completed,reset,completed\n".to_owned();
    for seed in [5, 6] {
        for (port, there) in [(1_337, 8), (7_583, 0), (46_721, 0), (58_976, 0), (65_322, 0)] {
            expected += &format!("{port},{seed},512,{},128,0,{there}\n", 128 + there);
        }
    }
    assert_eq!(std::fs::read_to_string(folder.join("noise.csv")).unwrap(), expected, "{}", errors(&output));
    let shown = errors(&output);
    let line = shown.lines().find(|line| line.trim_start().starts_with("1337 ")).unwrap();
    let line: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(line, ["1337", "5", "512", "136", "26.562%", "128", "0", "8"]);
    let silent = query(
        &folder.join("7583-6"),
        "SELECT count(*)::int AS n FROM handshakes WHERE outcome = 'silent_after_synack'",
    );
    assert_eq!(silent[0]["n"], 128);
    // The folder and the question have the same name.
    let mut report = Command::new(STARLING);
    report.args(["report", "noise", "noise", "--format", "csv", "--duckdb"]).arg(root().join(".venv/bin/duckdb"));
    let output = report.current_dir(net.folder.path()).output().unwrap();
    let mut expected = "port,seed,noise.probes,noise.responders,noise.responders_pct,noise.never_completed,\
                        noise.never_completed_pct\n"
        .to_owned();
    for (port, answers) in
        [(1_337, "136,26.56"), (7_583, "128,25"), (46_721, "128,25"), (58_976, "128,25"), (65_322, "128,25")]
    {
        for seed in [5, 6] {
            expected += &format!("{port},{seed},512,{answers},128,25\n");
        }
    }
    assert_eq!(String::from_utf8(output.stdout.clone()).unwrap(), expected, "{}", errors(&output));
}
