//! Namespaces, programs in them, datasets: made by a test, gone with it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The program under test.
pub(crate) const STARLING: &str = env!("CARGO_BIN_EXE_starling");

/// Runs a program and gives what it printed; its failure fails the test.
pub(crate) fn run(program: &str, arguments: &str) -> String {
    let output = Command::new(program).args(arguments.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "{program} {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Standard error as text.
pub(crate) fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Waits until `condition` holds, ten seconds at most.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < give_up, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn script(name: &str) -> PathBuf {
    root().join("scripts").join(name)
}

/// What DuckDB answers to `sql` over the dataset's views, as JSON rows.
pub(crate) fn query(census: &Path, sql: &str) -> Vec<serde_json::Value> {
    let duckdb = root().join(".venv/bin/duckdb");
    assert!(duckdb.is_file(), "no duckdb in .venv/bin. Next step: scripts/setup");
    let views = census.join("views.sql");
    let output = Command::new(duckdb).arg("-init").arg(views).args(["-json", "-c", sql]).output().unwrap();
    assert!(output.status.success(), "{sql}: {}", errors(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(if text.trim().is_empty() { "[]" } else { &text }).unwrap()
}

/// The real servers of `scripts/lab`.
pub(crate) struct Lab {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) scanner: String,
    pub(crate) world: String,
    pub(crate) interface: String,
    pub(crate) peer: String,
}

impl Lab {
    /// Postfix, Dovecot and nginx on four ports.
    pub(crate) fn up() -> Self {
        Self::of_set("small")
    }

    /// All servers, on all fourteen ports.
    pub(crate) fn study() -> Self {
        Self::of_set("study")
    }

    fn of_set(set: &str) -> Self {
        // The servers' own users must be able to reach their files.
        let folder = tempfile::Builder::new().prefix("st-lab.").tempdir_in("/tmp").unwrap();
        let output = Command::new(script("lab")).arg("up").arg(folder.path()).arg(set).output().unwrap();
        assert!(output.status.success(), "scripts/lab up: {}", errors(&output));
        let env = std::fs::read_to_string(folder.path().join("env")).unwrap();
        let get = |name: &str| {
            let line = env.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
            line.unwrap_or_else(|| panic!("no {name} in the lab's env")).to_owned()
        };
        let (scanner, world) = (get("SCANNER_NS"), get("WORLD_NS"));
        Self { scanner, world, interface: get("IFACE"), peer: get("PEER_IFACE"), folder }
    }

    /// A command in the scanner's namespace.
    pub(crate) fn command(&self, program: &str) -> Command {
        within(&self.scanner, program)
    }

    /// A scan of the servers' addresses that has begun.
    pub(crate) fn spawn_scan(&self, census: &Path, arguments: &str) -> Child {
        let mut command = self.command(STARLING);
        command.args(["scan", "-i", &self.interface, "-o"]).arg(census).args(arguments.split_whitespace());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// What independent clients see, written to a file.
    pub(crate) fn ask_the_oracle(&self) -> PathBuf {
        self.ask_the_oracle_of(self.folder.path(), None)
    }

    /// The same of the servers listed in `folder`, each asked for by `name`.
    pub(crate) fn ask_the_oracle_of(&self, folder: &Path, name: Option<&str>) -> PathBuf {
        let facts = folder.join("facts.json");
        let output = self.command(script("lab-oracle").to_str().unwrap()).arg(folder).args(name).output().unwrap();
        assert!(output.status.success(), "scripts/lab-oracle: {}", errors(&output));
        std::fs::write(&facts, output.stdout).unwrap();
        facts
    }

    /// Compares a dataset with the oracle's facts: what `scripts/lab-compare` says, and whether all is equal.
    pub(crate) fn compare(&self, facts: &Path, census: &Path) -> (String, bool) {
        let output = Command::new(script("lab-compare")).arg(facts).arg(census).output().unwrap();
        (String::from_utf8_lossy(&output.stdout).into_owned() + &errors(&output), output.status.success())
    }

    /// Whether any XDP program is attached in the scanner's namespace, as bpftool tells.
    pub(crate) fn attached(&self) -> String {
        let output = self.command("bpftool").args(["net", "show"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = Command::new(script("lab")).arg("down").arg(self.folder.path()).output();
    }
}

/// A command in a network namespace.
pub(crate) fn within(namespace: &str, program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace, program]);
    command
}

/// Two namespaces and a veth pair, nothing behind it: for a scan that must not start.
pub(crate) struct Pair {
    pub(crate) near: String,
    pub(crate) far: String,
}

impl Pair {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let prefix = format!("ste2e{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let pair = Self { near: format!("{prefix}n"), far: format!("{prefix}f") };
        for name in [&pair.near, &pair.far] {
            run("ip", &format!("netns add {name}"));
            run("ip", &format!("-n {name} link set lo up"));
        }
        run("ip", &format!("link add near0 netns {} type veth peer far0 netns {}", pair.near, pair.far));
        run("ip", &format!("-n {} addr add 10.77.0.1/24 dev far0", pair.far));
        run("ip", &format!("-n {} link set far0 up", pair.far));
        pair.ip("addr add 10.77.0.2/24 dev near0");
        pair.ip("link set near0 up");
        pair.ip("route add 198.18.0.0/15 via 10.77.0.1");
        pair
    }

    /// `ip` in the near namespace.
    pub(crate) fn ip(&self, arguments: &str) -> String {
        run("ip", &format!("-n {} {arguments}", self.near))
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for name in [&self.near, &self.far] {
            let _ = Command::new("ip").args(["netns", "del", name]).output();
        }
    }
}
