//! Network namespaces for a scan: a scanner, a world, and if wanted a middle through which all frames go.
//! Without a way out; gone when dropped.

use starling::base::Mac;
use starling::sim::swarm::LINK;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

const STARLING: &str = env!("CARGO_BIN_EXE_starling");
/// Interfaces: the scanner's and the world's.
pub(crate) const NEAR: &str = "near0";
pub(crate) const FAR: &str = "far0";
/// The middle's, facing the scanner and facing the world.
pub(crate) const MIDDLE: [&str; 2] = ["middle0", "middle1"];

/// Runs a program and gives what it printed; its failure fails the test.
pub(crate) fn run(program: &str, arguments: &str) -> String {
    let output = Command::new(program).args(arguments.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "{program} {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The namespaces. The scanner is 10.77.0.2, the world's gateway 10.77.0.1; Ethernet addresses are those of the
/// simulated world.
pub(crate) struct Place {
    pub(crate) near: String,
    pub(crate) far: String,
    pub(crate) middle: Option<String>,
}

impl Place {
    pub(crate) fn new(with_middle: bool) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let prefix = format!("starm{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let name = |end: &str| format!("{prefix}{end}");
        let place = Self { near: name("n"), far: name("f"), middle: with_middle.then(|| name("m")) };
        for space in place.spaces() {
            run("ip", &format!("netns add {space}"));
            let settings = "net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 \
                            net.ipv4.ip_forward=0 net.core.somaxconn=65535 net.ipv4.tcp_max_syn_backlog=65535 \
                            net.ipv4.tcp_syncookies=0";
            run("ip", &format!("netns exec {space} sysctl -qw {settings}"));
            run("ip", &format!("-n {space} link set lo up"));
        }
        let (near, far) = (&place.near, &place.far);
        match &place.middle {
            Some(middle) => {
                pair((near, NEAR), (middle, MIDDLE[0]));
                pair((middle, MIDDLE[1]), (far, FAR));
            }
            None => pair((near, NEAR), (far, FAR)),
        }
        for (space, device, mac, address) in
            [(near, NEAR, LINK.source, "10.77.0.2"), (far, FAR, LINK.destination, "10.77.0.1")]
        {
            run("ip", &format!("-n {space} link set {device} address {}", Mac(mac)));
            run("ip", &format!("-n {space} addr add {address}/24 dev {device}"));
        }
        run("ip", &format!("-n {near} route add 198.18.0.0/15 via 10.77.0.1"));
        place
    }

    /// Makes an address, or a prefix, the world's own.
    pub(crate) fn inhabit(&self, prefix: &str) {
        run("ip", &format!("-n {} route add local {prefix} dev lo", self.far));
    }

    /// A scan that runs to its good end; gives what it said.
    pub(crate) fn scan(&self, census: &Path, arguments: &str) -> String {
        let mut command = Command::new("timeout");
        command.args(["80", "ip", "netns", "exec", &self.near, STARLING, "scan", "-i", NEAR, "-o"]);
        command.arg(census).args(arguments.split_whitespace()).stdin(Stdio::null());
        let output: Output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{text}");
        text
    }

    /// Frames for the scanner that its interface had no room for.
    pub(crate) fn dropped(&self) -> u64 {
        let text = run("ip", &format!("-n {} -s -j link show {FAR}", self.far));
        let links: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        links[0]["stats64"]["tx"]["dropped"].as_u64().unwrap()
    }

    fn spaces(&self) -> impl Iterator<Item = &String> {
        [&self.near, &self.far].into_iter().chain(&self.middle)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for space in self.spaces() {
            let _ = Command::new("ip").args(["netns", "del", space]).output();
        }
    }
}

/// A veth pair, both ends up, that carries frames as they would be on a wire.
fn pair(one: (&String, &str), other: (&String, &str)) {
    run("ip", &format!("link add {} netns {} type veth peer {} netns {}", one.1, one.0, other.1, other.0));
    for (space, device) in [one, other] {
        run("ip", &format!("netns exec {space} ethtool -K {device} tx off gso off tso off gro off"));
        run("ip", &format!("-n {space} link set {device} up"));
    }
}

/// Moves the calling thread into a namespace; threads that it starts are born there.
pub(crate) fn enter(space: &str) {
    let file = std::fs::File::open(format!("/run/netns/{space}")).unwrap();
    nix::sched::setns(file.as_fd(), nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
}

/// What DuckDB answers to `sql` over the dataset's views, as JSON rows.
pub(crate) fn query(census: &Path, sql: &str) -> Vec<serde_json::Value> {
    let duckdb = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/duckdb");
    assert!(duckdb.is_file(), "no duckdb in .venv/bin. Next step: scripts/setup");
    let views = census.join("views.sql");
    let output = Command::new(duckdb).arg("-init").arg(views).args(["-json", "-c", sql]).output().unwrap();
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(if text.trim().is_empty() { "[]" } else { &text }).unwrap()
}
