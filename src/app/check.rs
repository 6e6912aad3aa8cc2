//! `starling check`: proves from the files that a dataset's account adds up.
//!
//! Each run has its account in `run.json`: what was to be done, what was sent, what became of each answer. The rows are
//! counted from the Parquet files themselves. A run that was killed has an account as of its last checkpoint only; its
//! successor has done again what came after.

use crate::app::resume::Former;
use crate::monitor::account::Account;
use crate::output::checkpoint::Saved;
use crate::output::counted::{self, Counted};
use crate::output::{self, dataset, manifest, stored};
use crate::record::row::Verdict;
use crate::record::schema::Row as _;
use crate::scan::ledger::Ledger;
use crate::verify::facts::{Id, half};
use anyhow::Result;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

/// The column whose values the account has too.
const VALUES: &[(&str, Option<&str>)] = &[
    ("hosts", Some("answer")),
    ("handshakes", Some("outcome")),
    ("certificates", None),
    ("chains", None),
    ("prefixes", None),
];

/// Kinds of answer in the rows of hosts, and the counter of each.
const ANSWERS: &[(&str, &str)] = &[("syn_ack", "answers"), ("rst", "refused"), ("icmp", "unreachable")];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grade {
    Holds,
    /// What the reader should know.
    Note,
    Wrong,
}

/// What was found, line by line.
#[derive(Debug, Default)]
pub struct Report(Vec<(Grade, String)>);

impl Report {
    /// Whether every equation holds.
    pub fn adds_up(&self) -> bool {
        self.0.iter().all(|(grade, _)| *grade != Grade::Wrong)
    }

    fn note(&mut self, text: impl Into<String>) {
        self.0.push((Grade::Note, text.into()));
    }

    fn wrong(&mut self, text: impl Into<String>) {
        self.0.push((Grade::Wrong, text.into()));
    }

    /// `text` says both sides with their numbers.
    fn line(&mut self, holds: bool, text: impl Into<String>) {
        self.0.push((if holds { Grade::Holds } else { Grade::Wrong }, text.into()));
    }

    fn equal(&mut self, left: (&str, u64), right: (&str, u64)) {
        self.line(left.1 == right.1, format!("{} {} = {} {}", left.1, left.0, right.1, right.0));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (grade, text) in &self.0 {
            let mark = match grade {
                Grade::Holds => "ok   ",
                Grade::Note => "     ",
                Grade::Wrong => "WRONG",
            };
            writeln!(f, "{mark}  {text}")?;
        }
        let (all, wrong) = (self.count(Grade::Holds), self.count(Grade::Wrong));
        match wrong {
            0 => writeln!(f, "all {all} lines add up"),
            wrong => writeln!(f, "{wrong} of {} lines do not add up", all + wrong),
        }
    }
}

impl Report {
    fn count(&self, of: Grade) -> usize {
        self.0.iter().filter(|(grade, _)| *grade == of).count()
    }
}

/// Checks the dataset in `folder`.
///
/// # Errors
/// There is no dataset, or its manifest cannot be read.
pub fn check(folder: &Path) -> Result<Report> {
    let manifest = manifest::read(folder)?;
    if manifest["program"] == "monitor" {
        return check_monitor(folder, &manifest);
    }
    let saved = Saved::read(folder)?;
    let runs = Former::runs_of(&manifest, saved.as_ref());
    let mut report = Report::default();
    for run in &runs {
        check_run(folder, run, &mut report)?;
    }
    check_plan(&runs, saved.as_ref(), &mut report);
    check_verdicts(folder, &mut report);
    let known: Vec<&str> = runs.iter().filter_map(|run| run["run"].as_str()).collect();
    for stranger in counted::runs(folder)?.iter().filter(|run| !known.contains(&run.as_str())) {
        report.wrong(format!("there are parts of run {stranger}, which run.json does not know"));
    }
    if manifest["state"] == "running" {
        report.note(if dataset::busy(folder) {
            "the last run is still writing: what is counted here is as of its last checkpoint".to_owned()
        } else {
            format!("the last run was killed. Next step: starling scan --resume {}", folder.display())
        });
    }
    Ok(report)
}

/// A dataset of `starling monitor`: one run, whose account is of packets and connections.
fn check_monitor(folder: &Path, manifest: &Value) -> Result<Report> {
    let run = manifest["run"].as_str().unwrap_or_default();
    let mut report = Report::default();
    report.note(format!("run {run}: {}", manifest["state"].as_str().unwrap_or("of unknown state")));
    let Some(account) = Account::from_names(|name| manifest["account"][name].as_u64()) else {
        report.wrong("it was killed: its account was not written. The rows in its finished parts are whole");
        return Ok(report);
    };
    for (name, left, fates) in account.sums() {
        report.equal((name, left), ("of all their fates", fates));
    }
    for table in ["connections", "certificates", "chains"] {
        let counted = counted::count(folder, table, run, None)?;
        for part in counted.missing.iter().map(|part| format!("{part} is missing")).chain(counted.damaged.clone()) {
            report.wrong(part);
        }
        check_table(table, &counted, manifest, &mut report);
        if table == "connections" {
            report.equal(("rows in connections", counted.rows), ("connections recorded", account.recorded));
        }
    }
    check_verdicts(folder, &mut report);
    Ok(report)
}

/// Each judgement has one row for each distinct chain that there was.
fn check_verdicts(folder: &Path, report: &mut Report) {
    let found = stored::parts(folder, Verdict::TABLE.name);
    match found.and_then(|parts| if parts.is_empty() { Ok(None) } else { Ok(Some((parts, chain_ids(folder)?))) }) {
        Ok(None) => report.note("no chain was judged. starling verify does that"),
        Ok(Some((parts, chains))) => {
            for part in parts {
                check_judgement(&part, &chains, report);
            }
        }
        Err(error) => report.wrong(error.to_string()),
    }
}

/// The first halves of all chains' fingerprints, by the run that found each first, in order.
fn chain_ids(folder: &Path) -> Result<Vec<(String, BTreeSet<Id>)>, output::Error> {
    let mut runs: Vec<(String, BTreeSet<Id>)> = Vec::new();
    for part in stored::chain_parts(folder)? {
        let (mut ids, run) = (BTreeSet::new(), run_of(&part));
        stored::prints(&part, "chain_id", |id| {
            if !runs.iter().any(|(_, known)| known.contains(&half(&id))) {
                ids.insert(half(&id));
            }
        })?;
        match runs.last_mut().filter(|(last, _)| *last == run) {
            Some((_, known)) => known.append(&mut ids),
            None => runs.push((run, ids)),
        }
    }
    Ok(runs)
}

/// Name of the run that wrote a part.
fn run_of(part: &Path) -> String {
    let name = part.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    name.rsplit_once('-').map_or(name.clone(), |(run, _)| run.to_owned())
}

fn check_judgement(part: &Path, runs: &[(String, BTreeSet<Id>)], report: &mut Report) {
    let (mut judged, mut rows, mut strange) = (BTreeSet::new(), 0_u64, 0_u64);
    let read = stored::prints(part, "chain_id", |id| {
        rows += 1;
        strange += u64::from(!runs.iter().any(|(_, known)| known.contains(&half(&id))));
        judged.insert(half(&id));
    });
    if let Err(error) = read {
        return report.wrong(error.to_string());
    }
    let name = run_of(part);
    let what = format!("rows in verdicts of {name}");
    report.equal((&what, rows), ("distinct chains judged", judged.len() as u64));
    report.equal(("of them of no chain of the dataset", strange), ("expected", 0));
    // Runs are named by their start, and none goes on while a dataset is judged.
    let (mut missing, mut later) = (0, 0);
    for (run, chains) in runs {
        let count = chains.difference(&judged).count() as u64;
        *(if *run < name { &mut missing } else { &mut later }) += count;
    }
    report.equal(("of the chains found before it have no row in it", missing), ("expected", 0));
    if later > 0 {
        report.note(format!("{later} chains came after they were judged. Next step: starling verify"));
    }
}

fn check_run(folder: &Path, run: &Value, report: &mut Report) -> Result<()> {
    let name = run["run"].as_str().unwrap_or_default();
    report.note(format!("run {name}: {}", run["state"].as_str().unwrap_or("of unknown state")));
    let killed = run["state"] == "killed";
    let source = if killed { &run["killed"] } else { run };
    let account = if killed { &source["account"] } else { &source["ledger"] };
    let of = |name: &str| account[name].as_u64();
    if let Some(ledger) = Ledger::from_names(of) {
        let (open, waiting) = (of("open").unwrap_or(0), of("waiting").unwrap_or(0));
        let value = |word: &str| match word {
            "open" => Some(open),
            "waiting" => Some(waiting),
            word => of(word),
        };
        for (equation, left, right) in ledger.sums(open, waiting) {
            report.line(left == right, with_numbers(equation, value));
        }
        check_probed(&ledger, report);
    } else if killed {
        report.note(
            "it was killed before its first checkpoint: nothing of it is counted, all of it was to be done again",
        );
    } else {
        report.wrong("its ledger in run.json is not complete");
    }
    for (table, column) in VALUES {
        let counted = counted::count(folder, table, name, *column)?;
        for part in &counted.missing {
            report.wrong(format!("{part} is missing"));
        }
        for part in &counted.damaged {
            report.wrong(part.to_string());
        }
        if killed {
            check_killed(table, &counted, source, report);
        } else {
            check_table(table, &counted, run, report);
        }
    }
    if !killed {
        check_sweep(run, report);
        check_frames(run, report);
    }
    Ok(())
}

/// Every target that was probed answered, or it was silent or refused.
fn check_probed(ledger: &Ledger, report: &mut Report) {
    let probed = ledger.walked + ledger.resumed;
    let silent = probed.checked_sub(ledger.answers);
    let rest = silent.map_or_else(|| "more than that".to_owned(), |silent| silent.to_string());
    report.line(silent.is_some(), format!("{probed} targets probed = {} answered + {rest} did not", ledger.answers));
}

fn check_table(table: &str, counted: &Counted, run: &Value, report: &mut Report) {
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let rows = format!("rows in {table}");
    report.equal((&rows, counted.rows), ("counted by the writer", number(&run["rows"][table])));
    let parts = format!("parts of {table}");
    report.equal((&parts, counted.parts), ("closed by the writer", number(&run["parts"][table])));
    match table {
        "hosts" => {
            for (kind, counter) in ANSWERS {
                let found = counted.values.get(*kind).copied().unwrap_or(0);
                let what = format!("rows in hosts with {kind}");
                report.equal((&what, found), ("targets that answered so", number(&run["ledger"][*counter])));
            }
        }
        "handshakes" => {
            report.equal((&rows, counted.rows), ("connections ended", number(&run["ledger"]["ended"])));
            for (outcome, count) in run["outcomes"].as_object().into_iter().flatten() {
                let found = counted.values.get(outcome).copied().unwrap_or(0);
                if found > 0 || number(count) > 0 {
                    let what = format!("rows in handshakes with {outcome}");
                    report.equal((&what, found), ("connections that ended so", number(count)));
                }
            }
        }
        _ => {}
    }
}

/// Of a killed run at least what its last checkpoint covers is there.
fn check_killed(table: &str, counted: &Counted, known: &Value, report: &mut Report) {
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let counts = match table {
        "hosts" => ANSWERS.iter().map(|(_, counter)| number(&known["account"][*counter])).sum(),
        "handshakes" => number(&known["account"]["ended"]),
        _ => 0,
    };
    let (rows, parts) = (number(&known["rows"][table]).max(counts), number(&known["parts"][table]));
    let holds = counted.rows >= rows && counted.parts >= parts;
    let more = counted.rows.saturating_sub(rows);
    report.line(
        holds,
        format!(
            "{} rows in {} parts of {table} >= {rows} in {parts} at its last checkpoint ({more} came after)",
            counted.rows, counted.parts
        ),
    );
}

/// What was to be done is done or left.
fn check_sweep(run: &Value, report: &mut Report) {
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let (begun, left) = (number(&run["begun"]["positions"]), number(&run["left"]["positions"]));
    let again = number(&run["left"]["walked"]);
    let (walked, empty) = (number(&run["ledger"]["walked"]), number(&run["ledger"]["empty"]));
    report.line(
        begun + again == walked + empty + left,
        format!(
            "{begun} positions to walk + {again} walked and to be walked again = {walked} targets walked + {empty} empty + \
             {left} left"
        ),
    );
}

/// What the program let up, the sockets took; what they took, the engines counted.
fn check_frames(run: &Value, report: &mut Report) {
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let (taken, frames) = (number(&run["sockets"]["rx_frames"]), number(&run["ledger"]["frames"]));
    report.equal(("frames taken by the sockets", taken), ("counted by the engines", frames));
    let Some(xdp) = run["xdp"].as_object() else {
        return report.note("the XDP program's counters could not be read");
    };
    let up: u64 = xdp.iter().filter(|(name, _)| name.starts_with("up_")).map(|(_, count)| number(count)).sum();
    let dropped: u64 = ["rx_dropped", "rx_ring_full"].iter().map(|name| number(&run["sockets"][*name])).sum();
    let unread = up.checked_sub(taken + dropped);
    let rest = unread.map_or_else(|| "fewer than none".to_owned(), |unread| unread.to_string());
    report.line(
        unread.is_some(),
        format!("{up} frames let up by XDP = {taken} taken + {dropped} dropped by the kernel + {rest} after the end"),
    );
}

/// Each run begins with what the one before left, and the checkpoint says what the last one left.
fn check_plan(runs: &[Value], saved: Option<&Saved>, report: &mut Report) {
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let planned = |run: &Value| {
        let edge = |at: usize| number(&run["config"]["positions"][at]);
        (edge(0), edge(1))
    };
    let what = "what the whole dataset was to do";
    report.note(what);
    let mut left: Option<(u64, &Value)> = None;
    for run in runs {
        let (begun, plan) = (number(&run["begun"]["positions"]), planned(run));
        let name = run["run"].as_str().unwrap_or_default();
        match left {
            None => report
                .equal(("positions planned", plan.1 - plan.0.min(plan.1)), ("that the first run began with", begun)),
            Some((left, before)) if planned(before) == plan => {
                report.equal(("positions left", left), (&format!("that run {name} began with"), begun));
            }
            Some(_) => report.note(format!("run {name} had another -n: it began with {begun} positions")),
        }
        left = Some((number(&run["left"]["positions"]), run));
    }
    match (left, saved) {
        (Some((left, _)), Some(saved)) => {
            let (found, again) = (saved.left().count(), saved.left().again.len());
            report.equal(("positions left", left), ("in the checkpoint", found));
            report.note(format!("{left} positions are left to walk, and {again} targets to ask again"));
        }
        _ => report.note("there is no checkpoint: the first run was killed before it"),
    }
}

/// An equation with the value behind each name.
fn with_numbers(equation: &str, value: impl Fn(&str) -> Option<u64>) -> String {
    let words = equation.split(' ').map(|word| match value(word) {
        Some(count) => format!("{count} {word}"),
        None => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}
