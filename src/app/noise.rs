//! `--noise`: hosts that answer a SYN and never complete the handshake, on ports where nobody is expected. The study
//! found 0.07 to 0.1 % of all addresses to be such (section III-A c).
//!
//! Ten scans, one for each port and seed, each a process of its own: a scan gives up its privileges for good, and one
//! that fails takes nothing with it. What is spoken is TLS: where we speak first, any TCP that is there acknowledges
//! our ClientHello, so that silence means that no handshake was completed.

use crate::app::say::say;
use crate::app::scan::{Signals, Stopped};
use crate::app::sink;
use crate::app::summary::Ended;
use anyhow::{Context, Result, anyhow, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fmt;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

/// The study's arbitrary ports.
pub const PORTS: [u16; 5] = [1_337, 7_583, 46_721, 58_976, 65_322];

/// How often signals are looked at.
const POLL: Duration = Duration::from_millis(50);
/// Exit code of a scan that was stopped: [`crate::cli::Exit::Stopped`].
const STOPPED: i32 = 3;

/// One port with one seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The port.
    pub port: u16,
    /// The seed.
    pub seed: u64,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.port, self.seed)
    }
}

impl Part {
    /// Reads `PORT:SEED`.
    pub fn parse(text: &str) -> Option<Self> {
        let (port, seed) = text.split_once(':')?;
        Some(Self { port: port.parse().ok()?, seed: seed.parse().ok()? })
    }

    /// Its dataset.
    pub fn folder(self, output: &Path) -> PathBuf {
        output.join(format!("{}-{}", self.port, self.seed))
    }

    /// What came of it, in zmap's terms.
    pub fn result(self, output: &Path) -> PathBuf {
        output.join(format!("{}-{}.json", self.port, self.seed))
    }
}

/// A line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    part: Part,
    probes: u64,
    responders: u64,
    never_completed: u64,
    reset: u64,
}

/// Runs all parts into `output`, with `seed` and the next one.
///
/// # Errors
/// One line: a part failed, or the folder cannot be used.
pub fn run(output: &Path, seed: u64) -> Result<Ended> {
    prepare(output)?;
    let program = std::env::current_exe().context("the program does not find itself")?;
    let signals = Signals::install()?;
    let mut rows = Vec::new();
    let mut stopped = None;
    let parts = [seed, seed.wrapping_add(1)].into_iter().flat_map(|seed| PORTS.map(|port| Part { port, seed }));
    for part in parts {
        if signals.received() > 0 {
            stopped = Some(Stopped::Signal);
            break;
        }
        say(format_args!("noise: port {}, seed {}", part.port, part.seed));
        let mut command = Command::new(&program);
        command.args(std::env::args_os().skip(1)).args(["--noise-part", &part.to_string()]);
        // A group of its own: the terminal's Ctrl-C reaches it through us, once.
        let child = command.process_group(0).spawn().context("the part cannot be started")?;
        let status = watch(child, &signals)?;
        match status.code() {
            Some(0) => {}
            Some(STOPPED) => stopped = Some(Stopped::Signal),
            _ => bail!(
                "port {}, seed {}: the scan failed ({status}); what was found before is in {}",
                part.port,
                part.seed,
                output.display()
            ),
        }
        rows.push(read(part, &part.result(output))?);
        write_csv(output, &rows)?;
    }
    Ok(Ended { stopped, text: table(&rows) })
}

/// An empty folder.
fn prepare(output: &Path) -> Result<()> {
    std::fs::create_dir_all(output).with_context(|| format!("-o {}", output.display()))?;
    let mut inside = std::fs::read_dir(output).with_context(|| format!("-o {}", output.display()))?;
    ensure!(
        inside.next().is_none(),
        "the output folder {} is not empty. Next step: name another folder",
        output.display()
    );
    Ok(())
}

/// Waits for the part and hands signals on to it.
fn watch(mut child: Child, signals: &Signals) -> Result<ExitStatus> {
    let mut handed_on = signals.received();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        while handed_on < signals.received() {
            handed_on += 1;
            // One that has ended in between needs no signal.
            let _ = kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT);
        }
        std::thread::sleep(POLL);
    }
}

fn read(part: Part, path: &Path) -> Result<Row> {
    let missing = || anyhow!("{} does not tell what was found", path.display());
    let text = std::fs::read_to_string(path).with_context(missing)?;
    let metadata: Value = serde_json::from_str(&text).with_context(missing)?;
    let number = |value: &Value| value.as_u64().ok_or_else(missing);
    Ok(Row {
        part,
        probes: number(&metadata["total_sent"])?,
        responders: number(&metadata["success_unique"])?,
        never_completed: number(&metadata["outcomes"]["silent_after_synack"])?,
        reset: number(&metadata["outcomes"]["reset"])?,
    })
}

fn write_csv(output: &Path, rows: &[Row]) -> Result<()> {
    let path = output.join("noise.csv");
    let mut text = "port,seed,probes,responders,never_completed,reset,completed\n".to_owned();
    for row in rows {
        let Part { port, seed } = row.part;
        let Row { probes, responders, never_completed, reset, .. } = row;
        writeln!(text, "{port},{seed},{probes},{responders},{never_completed},{reset},{}", row.completed())?;
    }
    let _ = std::fs::remove_file(&path);
    sink::create(&path)
        .and_then(|mut file| Ok(file.write_all(text.as_bytes())?))
        .with_context(|| path.display().to_string())
}

impl Row {
    /// Responders that are there: their TCP took what we said.
    const fn completed(&self) -> u64 {
        self.responders.saturating_sub(self.never_completed + self.reset)
    }
}

fn table(rows: &[Row]) -> String {
    let mut text = "background noise: who answers a SYN on a port where nobody is expected\n".to_owned();
    text += "  port                  seed      probes  responders  of probes  never completed      reset  completed\n";
    for row in rows {
        let share = 100.0 * row.responders as f64 / row.probes.max(1) as f64;
        let _ = writeln!(
            text,
            "{:>6}  {:>20}  {:>10}  {:>10}  {share:>8.3}%  {:>15}  {:>9}  {:>9}",
            row.part.port,
            row.part.seed,
            row.probes,
            row.responders,
            row.never_completed,
            row.reset,
            row.completed()
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_written_as_it_is_read() {
        let part = Part { port: 1_337, seed: u64::MAX };
        assert_eq!(Part::parse(&part.to_string()), Some(part));
        for wrong in ["", "1", "1:", ":1", "70000:1", "1:-1", "1:2:3"] {
            assert_eq!(Part::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_table_has_a_line_for_each_port_and_seed() {
        let part = Part { port: 7_583, seed: 5 };
        let row = Row { part, probes: 100_000, responders: 85, never_completed: 70, reset: 10 };
        let text = table(&[row]);
        let last: Vec<&str> = text.lines().last().expect("a line").split_whitespace().collect();
        assert_eq!(last, ["7583", "5", "100000", "85", "0.085%", "70", "10", "5"]);
    }
}
