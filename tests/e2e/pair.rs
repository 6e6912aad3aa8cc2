//! Two namespaces with a veth pair, programs in them, what a dataset says: made by a test, gone with it.

use std::path::Path;
use std::process::{Command, Output};
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

/// A command in a network namespace.
pub(crate) fn within(namespace: &str, program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace, program]);
    command
}

/// Two namespaces and a veth pair, nothing behind it.
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
