//! The real servers of `scripts/lab`: up for a test, gone with it.

pub(crate) use super::pair::{Pair, STARLING, errors, query, root, run, wait_until, within};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

fn script(name: &str) -> PathBuf {
    root().join("scripts").join(name)
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
