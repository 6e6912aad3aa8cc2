//! Peers that waste one's time, by the ten thousand, on kernel sockets: what they cost, and what they hide.

use super::world::{Pair, STARLING, errors, query, run, within};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

/// Servers on every address behind a [`Pair`].
struct Servers {
    children: Vec<(Child, Option<ChildStdin>, BufReader<ChildStdout>)>,
    pair: Pair,
}

impl Servers {
    /// `processes` of them that share the work: one alone may not have enough open files.
    fn up(processes: u32, arguments: &str) -> Self {
        let pair = Pair::new();
        let far = &pair.far;
        for (namespace, interface) in [(&pair.near, "near0"), (far, "far0")] {
            run("ip", &format!("netns exec {namespace} ethtool -K {interface} tx off gso off tso off"));
        }
        run("ip", &format!("-n {far} route add local 198.18.0.0/15 dev lo"));
        let sysctl = "net.core.somaxconn=65535 net.ipv4.tcp_max_syn_backlog=65535 net.ipv4.tcp_syncookies=0";
        run("ip", &format!("netns exec {far} sysctl -qw {sysctl}"));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/tarpit.py");
        let start = || {
            let mut command = within(far, "python3");
            command.arg(&script).args(arguments.split_whitespace()).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let (stdin, stdout) = (child.stdin.take(), child.stdout.take().unwrap());
            (child, stdin, BufReader::new(stdout))
        };
        let mut children: Vec<_> = (0..processes).map(|_| start()).collect();
        for (_, _, stdout) in &mut children {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            assert_eq!(line, "ready\n");
        }
        Self { children, pair }
    }

    fn scan(&self, census: &Path, arguments: &str) -> Command {
        let mut command = within(&self.pair.near, STARLING);
        command.args(["scan", "-i", "near0", "-o"]).arg(census).args(arguments.split_whitespace());
        command.stderr(Stdio::piped());
        command
    }

    /// Ends the servers; the most connections that one address had at a time.
    fn most_at_a_time(mut self) -> u32 {
        let mut most = 0;
        for (_, stdin, stdout) in &mut self.children {
            drop(stdin.take());
            let mut text = String::new();
            stdout.read_to_string(&mut text).unwrap();
            most = most.max(text.trim().parse().unwrap());
        }
        most
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for (child, ..) in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Runs a scan to its good end: what it said, its peak of resident memory in MiB, and of open connections.
fn watch(mut scan: Command) -> (String, u64, u64) {
    let mut scan = scan.spawn().unwrap();
    let status = format!("/proc/{}/status", scan.id());
    let (mut text, mut memory, mut open) = (String::new(), 0, 0);
    for line in BufReader::new(scan.stderr.take().unwrap()).lines().map_while(Result::ok) {
        // One line a second, so the peak is read while it is reached; the kernel keeps it anyway.
        let known = std::fs::read_to_string(&status).unwrap_or_default();
        let peak = known.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        memory = memory.max(peak.unwrap_or(0) / 1024);
        let shown = line.split("open: ").nth(1).and_then(|rest| rest.split(';').next()?.parse().ok());
        open = open.max(shown.unwrap_or(0));
        text += &line;
        text.push('\n');
    }
    assert_eq!(scan.wait().unwrap().code(), Some(0), "{text}");
    (text, memory, open)
}

/// Resident memory that a scan may take, in MiB: rings, buffers, the program and Parquet for itself, and what each of
/// its connections is promised: 1 KiB, and as much again for its row on the way to the disk.
const MEMORY_BASE: u64 = 56;
const MEMORY_OF_CONNECTIONS: u64 = 2 * 22_528 / 1_024;

#[test]
fn twenty_thousand_tarpits_hide_none_of_two_thousand_honest_servers() {
    // 22528 addresses: one in eleven honest, five drip, five are silent.
    let servers = Servers::up(4, "honest,drip,silent,drip,silent,drip,silent,drip,silent,drip,silent 0 25");
    let folder = tempfile::tempdir().unwrap();
    let census = folder.path().join("census");
    let (_, base, _) = watch(servers.scan(&folder.path().join("one"), "-p smtp -c 2 198.18.0.0"));
    assert!(base > 0 && base <= MEMORY_BASE, "{base} MiB for nothing");

    let begun = Instant::now();
    let arguments = "-p smtp -r 8000 -c 3 --greeting-timeout 12 --max-connections 32000 -e 1 \
                     198.18.0.0/18 198.18.64.0/20 198.18.80.0/21";
    let (text, memory, open) = watch(servers.scan(&census, arguments));
    let took = begun.elapsed();
    println!("{base} MiB for one connection, {memory} MiB at most, {open} connections open at most, {took:?}\n{text}");

    let rows = query(
        &census,
        "SELECT ((ip - 3323068416) % 11)::int AS kind, outcome, count(*)::int AS n, max(duration_us)::int AS longest
         FROM handshakes GROUP BY ALL",
    );
    let mut found: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for row in &rows {
        let kind = match row["kind"].as_u64().unwrap() {
            0 => "honest",
            kind if kind % 2 == 1 => "drip",
            _ => "silent",
        };
        *found.entry((kind, row["outcome"].as_str().unwrap())).or_default() += row["n"].as_u64().unwrap();
        let longest = row["longest"].as_u64().unwrap();
        // Twelve seconds, and what a busy machine adds; the drip would go on for ever.
        assert!(longest < 30_000_000, "no connection outlives its deadline: {row}");
    }
    let expected =
        [(("honest", "no_starttls"), 2_048), (("drip", "tarpit"), 10_240), (("silent", "silent_after_synack"), 10_240)];
    assert_eq!(found, BTreeMap::from(expected), "{text}");
    assert!(open > 20_000, "{open} of 20480 tarpits were open at a time");
    assert!(memory <= base + MEMORY_OF_CONNECTIONS, "{memory} MiB, {base} of them for nothing");
}

#[test]
fn an_address_is_talked_to_on_one_port_at_a_time() {
    // Two seconds until the greeting: the fourth port has its turn after six.
    let servers = Servers::up(1, "honest 2 25 26 587 2525");
    let folder = tempfile::tempdir().unwrap();
    let census = folder.path().join("census");
    let arguments = "-q -p smtp:25,smtp:26,smtp:587,smtp:2525 -r 2000 -c 1 198.18.0.0/26";
    let scan = servers.scan(&census, arguments).output().unwrap();
    assert_eq!(scan.status.code(), Some(0), "{}", errors(&scan));
    let rows = query(
        &census,
        "SELECT outcome, count(*)::int AS n, count(DISTINCT ip)::int AS addresses, count(DISTINCT port)::int AS ports,
                (max(waited_ms) // 1000)::int AS waited
         FROM handshakes GROUP BY ALL",
    );
    assert_eq!(rows.len(), 1, "{rows:?}");
    let row = &rows[0];
    let of = |name: &str| row[name].as_u64().unwrap();
    assert_eq!((&row["outcome"], of("n"), of("addresses"), of("ports")), (&"no_starttls".into(), 256, 64, 4));
    assert!(of("waited") >= 5, "the fourth waits for three times two seconds: {row}");
    let manifest = std::fs::read_to_string(census.join("run.json")).unwrap();
    let ledger = &serde_json::from_str::<serde_json::Value>(&manifest).unwrap()["ledger"];
    assert_eq!((&ledger["waited"], &ledger["turns_lost"]), (&192.into(), &0.into()), "{ledger}");
    assert_eq!(servers.most_at_a_time(), 1);
}
