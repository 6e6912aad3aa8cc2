//! The lab's responder, judged by those who know nothing of it: the kernel's TCP, DuckDB, and starling itself.
//!
//! Needs root and BPF, and fails where it has them not.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

const LAB: &str = env!("CARGO_BIN_EXE_starling-lab");
const STARLING: &str = env!("CARGO_BIN_EXE_starling");
/// Beyond it a test has failed.
const LIMIT: &str = "120";

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// Runs `command` in a world made by `options`; the report.
fn run(options: &[&str], command: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let output = Command::new(LAB)
        .args(["run", "--limit", LIMIT, "--report"])
        .arg(&file)
        .args(options)
        .arg("--")
        .args(command)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// Sweeps `space` on port 80 with starling.
fn scan<'a>(space: &'a str, census: &'a Path) -> Vec<&'a str> {
    let mut command = vec![STARLING];
    command.extend(words("scan -q -i near0 -p smtp:80 -r 0 -c 1 --greeting-timeout 1 -o"));
    command.extend([census.to_str().unwrap(), space]);
    command
}

fn count(report: &Value, name: &str) -> u64 {
    report["counts"][name].as_u64().unwrap_or_else(|| panic!("no counter {name} in {report:#}"))
}

fn duckdb(query: &str) -> String {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/duckdb");
    let output = Command::new(program).args(["-csv", "-noheader", "-c", query]).output().expect("run scripts/setup");
    assert!(output.status.success(), "{query}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A world that waits.
struct Waiting {
    child: Child,
    stdout: BufReader<ChildStdout>,
    ready: Value,
}

impl Waiting {
    fn new(options: &[&str]) -> Self {
        let mut child =
            Command::new(LAB).args(["run", "--limit", LIMIT]).args(options).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        Self { child, stdout, ready: serde_json::from_str(&line).unwrap() }
    }

    /// Runs `body` on a thread of its own in the scanner's namespace.
    fn scanner<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        let file = std::fs::File::open(format!("/run/netns/{}", self.ready["scanner"].as_str().unwrap())).unwrap();
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                setns(file, CloneFlags::CLONE_NEWNET).unwrap();
                body()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn interrupt(&self) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGINT).unwrap();
    }

    /// Ends the world; the report.
    fn end(mut self) -> Value {
        self.interrupt();
        let mut report = String::new();
        self.stdout.read_to_string(&mut report).unwrap();
        assert!(self.child.wait().unwrap().success());
        for name in ["scanner", "world"] {
            let space = format!("/run/netns/{}", self.ready[name].as_str().unwrap());
            assert!(!Path::new(&space).exists(), "{space} is left behind");
        }
        serde_json::from_str(&report).unwrap()
    }
}

impl Drop for Waiting {
    /// A test that failed leaves no world behind.
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.interrupt();
            let _ = self.child.wait();
        }
    }
}

/// What the world does, as text: address and verdict.
fn truth(options: &[&str]) -> Vec<(Ipv4Addr, String)> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("truth.csv");
    let status = Command::new(LAB).args(["truth", "--silent", "-o"]).arg(&file).args(options).status().unwrap();
    assert!(status.success());
    let text = std::fs::read_to_string(file).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("ip,port,verdict"));
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            (fields[0].parse().unwrap(), fields[2].to_owned())
        })
        .collect()
}

/// Linux checks ACK, checksums, the timestamp echoed (RFC 7323) and what an ICMP error quotes.
#[test]
fn the_kernel_finds_each_target_as_the_truth_says() {
    let world = words("--space 10.20.30.0/26 --ports 80 --seed 5 --rates");
    let rates = "* syn_ack=25% rst=25% icmp=20% syn_ack_only=20%";
    let world: Vec<&str> = world.into_iter().chain([rates]).collect();
    let truth = truth(&world);
    assert_eq!(truth.len(), 64);

    let options: Vec<&str> = world.iter().copied().chain(["--pass", "--verify"]).collect();
    let waiting = Waiting::new(&options);
    let wait = Duration::from_millis(300);
    for (address, verdict) in &truth {
        let found = waiting.scanner(|| {
            let target = SocketAddr::from((*address, 80));
            match TcpStream::connect_timeout(&target, wait) {
                Ok(mut stream) => {
                    stream.set_read_timeout(Some(wait)).unwrap();
                    let written = stream.write_all(b"x");
                    match written.and_then(|()| stream.read(&mut [0])).map_err(|error| error.kind()) {
                        Err(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => "syn_ack",
                        Err(ErrorKind::WouldBlock) => "syn_ack_only",
                        other => panic!("{address}: {other:?}"),
                    }
                }
                Err(error) => match error.kind() {
                    // The RST to the ACK of the handshake can be here first.
                    ErrorKind::ConnectionReset => "syn_ack",
                    ErrorKind::ConnectionRefused => "rst",
                    ErrorKind::HostUnreachable => "icmp",
                    ErrorKind::TimedOut => "silent",
                    other => panic!("{address}: {other:?}"),
                },
            }
        });
        assert_eq!(found, verdict, "{address}");
    }
    let report = waiting.end();
    assert_eq!(report["adds_up"], true);
    assert_eq!(count(&report, "syn_elsewhere") + count(&report, "bad_checksum") + count(&report, "failed"), 0);
    for verdict in ["syn_ack", "rst", "icmp", "syn_ack_only", "silent"] {
        let due = u64::try_from(truth.iter().filter(|(_, found)| found == verdict).count()).unwrap();
        assert!(due > 3 && report["expected"][verdict] == due && count(&report, verdict) >= due, "{report:#}");
    }
}

#[test]
fn starling_finds_what_is_due_and_the_join_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let census = folder.path().join("census");
    let file = folder.path().join("truth.parquet");
    let world = ["--space", "10.32.0.0/16", "--rates", "80 syn_ack=2% rst=10% icmp=10% syn_ack_only=1%; * syn_ack=1"];
    let options: Vec<&str> = world.iter().copied().chain(["--verify", "--remember"]).collect();
    let report = run(&options, &scan("10.32.0.0/16", &census));

    assert_eq!((&report["adds_up"], &report["targets"]), (&true.into(), &65_536.into()));
    assert_eq!((&report["expected"]["each_target_once"], &report["never"]), (&true.into(), &0.into()));
    assert_eq!((count(&report, "syn"), count(&report, "syn_again")), (65_536, 0));
    for verdict in ["syn_ack", "rst", "icmp", "syn_ack_only", "silent"] {
        assert_eq!(report["expected"][verdict], count(&report, verdict), "{verdict}");
    }

    let status = Command::new(LAB).arg("truth").args(world).arg("-o").arg(&file).status().unwrap();
    assert!(status.success());
    let (hosts, truth) = (census.join("hosts/*.parquet"), file);
    let (hosts, truth) = (hosts.display(), truth.display());
    let due = count(&report, "syn_ack") + count(&report, "syn_ack_only");
    assert!((1_600..2_400).contains(&due), "{due}");
    let joined = format!(
        "select count(*), count(distinct (h.ip, h.port)), count(*) filter (t.verdict in ('syn_ack', 'syn_ack_only')) \
         from '{hosts}' h left join '{truth}' t using (ip, port) where h.answer = 'syn_ack'"
    );
    assert_eq!(duckdb(&joined), format!("{due},{due},{due}"));
}

/// As fast as it goes, with an answer for each probe: none is lost for want of room, no target for want of a driver's.
#[test]
fn where_all_answer_all_are_found_by_every_way() {
    for (way, queues) in [("copy", "1"), ("live", "1"), ("copy", "2"), ("live", "2")] {
        let folder = tempfile::tempdir().unwrap();
        let census = folder.path().join("census");
        let world = ["--space", "10.64.0.0/14", "--rates", "* syn_ack=1", "--queues", queues, "--remember"];
        let mut command = vec![STARLING];
        command.extend(words("scan -q -i near0 -p 80 --probe-only -r 0 -c 1 --tx"));
        command.extend([way, "--lanes", queues, "-o", census.to_str().unwrap(), "10.64.0.0/14"]);
        let report = run(&world, &command);

        assert_eq!((&report["adds_up"], &report["never"]), (&true.into(), &0.into()), "{way}, {queues}");
        assert_eq!((count(&report, "syn"), count(&report, "syn_again")), (262_144, 0), "{way}, {queues}");
        let run: Value = serde_json::from_str(&std::fs::read_to_string(census.join("run.json")).unwrap()).unwrap();
        let found =
            duckdb(&format!("select count(*), count(distinct ip) from '{}'", census.join("hosts/*.parquet").display()));
        // A veth has room for 256 frames, and who plays the hosts sends no SYN-ACK again: what the driver counts as lost
        // there, when the machine is busy, was never on the scanner's side.
        let lost = lost_on_the_wire(&report);
        assert!(lost <= 262, "{way}, {queues}: more than a thousandth: {lost}");
        let due = 262_144 - lost;
        assert_eq!(found, format!("{due},{due}"), "{way}, {queues}: {}", run["sockets"]);
    }
}

/// Answers for which the driver had no room on their way to the scanner.
fn lost_on_the_wire(report: &Value) -> u64 {
    let far = report["far"].as_object().unwrap().iter();
    far.filter(|(name, _)| name.ends_with("_xdp_tx_errors")).map(|(_, count)| count.as_u64().unwrap()).sum()
}

#[test]
fn duplicates_go_twice_and_losses_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let census = folder.path().join("census");
    let options = ["--space", "10.40.0.0/18", "--rates", "* syn_ack=10% duplicate=50% loss=25%"];
    let report = run(&options, &scan("10.40.0.0/18", &census));

    assert_eq!(report["adds_up"], true);
    let (lost, answers, twice) = (count(&report, "lost"), count(&report, "syn_ack"), count(&report, "duplicated"));
    // Six standard deviations.
    assert!((3_763..4_429).contains(&lost), "{lost}");
    assert!((994..1_466).contains(&answers), "{answers}");
    assert!(twice * 2 > answers - 220 && twice * 2 < answers + 220, "{twice} of {answers}");
    let arrived = answers + twice + count(&report, "segment_reset");
    assert_eq!(report["near"]["rx_packets"], arrived);
    let hosts = duckdb(&format!("select count(distinct ip) from '{}'", census.join("hosts/*.parquet").display()));
    assert_eq!(hosts, answers.to_string());
}

#[test]
fn a_target_probed_again_is_noticed() {
    let options = words("--space 10.0.0.0/16 --ports 80,443 --remember --verify");
    let report = run(&options, &[LAB, "txonly", "-n", "512"]);
    assert_eq!((count(&report, "syn"), count(&report, "syn_again"), count(&report, "bad_checksum")), (512, 511, 0));
    assert_eq!((&report["probed"], &report["never"]), (&1.into(), &131_071.into()));
    assert_eq!(report["expected"]["each_target_once"], false);
}

#[test]
fn the_bare_loop_of_live_frames_sends_to_each_address_of_each_lane() {
    let options = ["--space", "10.0.0.0/20", "--ports", "443", "--queues", "2", "--rates", "* syn_ack=1"];
    let bare = words("liveonly --lanes 2 --space 10.0.0.0/20 --port 443 -n 4096");
    let report = run(&options, &[&[LAB], &bare[..]].concat());
    let refused: u64 = report["near"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| name.ends_with("xdp_xmit_errors"))
        .filter_map(|(_, count)| count.as_u64())
        .sum();
    assert_eq!(count(&report, "syn") + refused, 4_096, "{report:#}");
    assert_eq!(report["expected"]["each_target_once"], refused == 0);
    assert_eq!(count(&report, "syn_ack"), count(&report, "syn"));
}

#[test]
fn what_lies_elsewhere_is_not_answered() {
    let options = ["--space", "10.1.0.0/16", "--rates", "* syn_ack=1"];
    let report = run(&options, &[LAB, "txonly", "-n", "512"]);
    assert_eq!((count(&report, "syn_elsewhere"), count(&report, "syn_ack"), count(&report, "silent")), (512, 0, 0));
}

#[test]
fn wrong_checksums_are_noticed() {
    let options = ["--space", "10.0.0.0/24", "--rates", "* syn_ack=1", "--pass", "--verify"];
    // With offload the kernel leaves the sum to a card, which a veth is not.
    let connect = "ethtool -K near0 tx on && timeout 0.5 bash -c 'exec 3<>/dev/tcp/10.0.0.9/80' || true";
    let report = run(&options, &["bash", "-c", connect]);
    assert!(count(&report, "bad_checksum") >= 1 && count(&report, "syn") == 0, "{report:#}");
}

#[test]
fn the_end_of_the_command_is_the_end_of_the_world() {
    let output = Command::new(LAB).args(["run", "--", "bash", "-c", "exit 7"]).output().unwrap();
    assert_eq!(output.status.code(), Some(7));
    let output = Command::new(LAB).args(["run", "--limit", "0.2", "--", "sleep", "60"]).output().unwrap();
    assert_eq!(output.status.code(), Some(130), "SIGINT at its limit: {}", String::from_utf8_lossy(&output.stderr));
    let output = Command::new(LAB).args(["run", "--rates", "* open=1"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("no such thing as `open`") && output.status.code() == Some(1), "{said}");
}
