//! The DuckDB program: found, and asked.

use super::table::Table;
use anyhow::{Context, Result, anyhow, bail, ensure};
use std::env;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

/// Begin of the line before an answer. An answer's own lines begin with a bracket or a brace.
const MARK: &str = "@@ ";

/// Finds the program: the one that was `named`, or `duckdb` on PATH, or what `scripts/setup` has installed.
///
/// # Errors
/// There is none.
pub fn find(named: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = named {
        ensure!(path.is_file(), "--duckdb {}: there is no such file", path.display());
        return Ok(path.to_owned());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).map(|folder| folder.join("duckdb"));
    let program = env::current_exe().unwrap_or_default();
    let here = env::current_dir().unwrap_or_default();
    let above = program.ancestors().chain([here.as_path()]).map(|folder| folder.join(".venv/bin/duckdb"));
    on_path.chain(above).find(|path| path.is_file()).ok_or_else(|| {
        anyhow!(
            "there is no duckdb program on PATH. Next step: scripts/setup, or pip install duckdb-cli, or name one by --duckdb"
        )
    })
}

/// Runs `prelude`, then each query, in a database in memory, and tells `answered` each answer as it comes, by the
/// query's name. Queries run in order; the first that fails ends it.
///
/// # Errors
/// The program cannot be run, or says no: one line.
pub fn ask(
    program: &Path,
    prelude: &str,
    queries: &[(&str, &str)],
    answered: &mut dyn FnMut(&str, Table),
) -> Result<()> {
    let mut script = format!("{prelude}\n.mode json\n");
    for (name, sql) in queries {
        script.push_str(&format!(".print {MARK}{name}\n{sql}\n"));
    }
    script.push_str(&format!(".print {MARK}\n"));

    let failed = || format!("{} cannot be run", program.display());
    let mut child = Command::new(program)
        // No file of the user's may change what our queries mean.
        .args(["-batch", "-bail", "-init", "/dev/null", ":memory:"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(failed)?;
    let (Some(mut input), Some(output), Some(mut errors)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        bail!(failed());
    };
    // DuckDB answers while it still reads.
    let writer = thread::spawn(move || input.write_all(script.as_bytes()));
    let listener = thread::spawn(move || {
        let mut text = Vec::new();
        let _ = errors.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });

    let mut current: Option<String> = None;
    let mut text = String::new();
    for line in BufReader::new(output).lines() {
        let line = line.with_context(failed)?;
        let Some(next) = line.strip_prefix(MARK.trim_end()) else {
            text.push_str(&line);
            text.push('\n');
            continue;
        };
        if let Some(name) = &current {
            let json = if text.trim().is_empty() { "[]" } else { &text };
            let table = Table::from_json(json).with_context(|| format!("{name}: DuckDB's answer is not understood"))?;
            answered(name, table);
        }
        text.clear();
        current = Some(next.trim().to_owned());
    }
    let status = child.wait().with_context(failed)?;
    let said = listener.join().unwrap_or_default();
    let written = writer.join();
    if !status.success() || current.as_deref() != Some("") {
        let at = current.filter(|name| !name.is_empty()).unwrap_or_else(|| "opening the dataset".to_owned());
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        bail!("{at}: {} failed ({status}): {said}", program.display());
    }
    ensure!(matches!(written, Ok(Ok(()))), "{}: it did not take all questions", program.display());
    Ok(())
}
