//! `scan --resume`: the options of the dataset, with those typed now in the place of some.

use super::args::{Args, Command as Sub};
use super::config;
use crate::app::resume::Former;
use crate::app::scan::Plan;
use crate::targets::ports;
use anyhow::{Result, anyhow, ensure};
use clap::{ArgAction, ArgMatches, Command, CommandFactory, Parser};
use std::ffi::OsString;
use std::path::Path;

/// Options that may differ from one run of a dataset to the next: they change how fast and from where, how long and how
/// much at a time, but not what is found.
const HARMLESS: &[&str] = &[
    "rate",
    "bandwidth",
    "prefix_rate",
    "max_targets",
    "max_results",
    "max_runtime",
    "cooldown_time",
    "blocklist_file",
    "nic",
    "tap",
    "interface",
    "source_ip",
    "source_port",
    "gateway_mac",
    "xdp_mode",
    "max_connections",
    "part_age",
    "ehlo",
    "contact",
    "quiet",
    "metadata_file",
    "tx",
    "lanes",
    "busy_poll",
];

/// Options of which one takes the place of the others.
const RIVALS: &[&[&str]] = &[&["rate", "bandwidth"], &["nic", "interface"]];

/// The plan that resumes the dataset in `folder` with what was `typed`, the words after the program's name.
///
/// # Errors
/// One line: there is no such dataset, nothing is left to do, or an option would change what is measured.
pub(super) fn resume(folder: &Path, typed: &[OsString]) -> Result<Plan> {
    let former = Former::open(folder)?;
    let words = merge(&former.options(), typed, &former)?;
    let parsed = Args::try_parse_from(std::iter::once("starling".to_owned()).chain(words.iter().cloned()))
        .map_err(|error| anyhow!("the options in run.json are not understood: {}", first_line(&error)))?;
    let Sub::Scan(mut args) = parsed.command else { return Err(anyhow!("run.json is of no scan")) };
    args.output = Some(folder.to_owned());
    config::resume(&args, former, words)
}

/// The words of the resumed command line.
fn merge(before: &[String], typed: &[OsString], former: &Former) -> Result<Vec<String>> {
    let scan = scan_command();
    let matches = |words: Vec<OsString>| -> Result<ArgMatches> {
        let all = Args::command().try_get_matches_from(std::iter::once(OsString::from("starling")).chain(words));
        let all = all.map_err(|error| anyhow!("the options in run.json are not understood: {}", first_line(&error)))?;
        all.subcommand_matches("scan").cloned().ok_or_else(|| anyhow!("run.json is of no scan"))
    };
    let old = matches(before.iter().map(OsString::from).collect())?;
    let new = matches(typed.to_vec())?;
    let mut words = vec!["scan".to_owned()];
    let mut operands = Vec::new();
    for arg in
        scan.get_arguments().filter(|arg| !["resume", "output", "help", "version"].contains(&arg.get_id().as_str()))
    {
        let id = arg.get_id().as_str();
        let given = |matches: &ArgMatches| matches.value_source(id) == Some(clap::parser::ValueSource::CommandLine);
        if given(&new) && !HARMLESS.contains(&id) {
            unchanged(arg, &old, &new, former)?;
        }
        let rival = RIVALS.iter().find(|rivals| rivals.contains(&id));
        let replaced = rival.is_some_and(|rivals| {
            rivals.iter().any(|rival| new.value_source(rival) == Some(clap::parser::ValueSource::CommandLine))
        });
        let from = if given(&new) || replaced { &new } else { &old };
        if !given(from) {
            continue;
        }
        let values = values(from, id);
        match arg.get_long() {
            None => operands.extend(values),
            Some(long) if matches!(arg.get_action(), ArgAction::SetTrue) => words.push(format!("--{long}")),
            Some(long) => words.extend(values.iter().map(|value| format!("--{long}={value}"))),
        }
    }
    words.extend(operands);
    Ok(words)
}

/// Refuses a value that is not the former one.
fn unchanged(arg: &clap::Arg, old: &ArgMatches, new: &ArgMatches, former: &Former) -> Result<()> {
    let id = arg.get_id().as_str();
    let (before, now) = (values(old, id).join(" "), values(new, id).join(" "));
    let same = match id {
        "ports" => {
            before == now || ports::parse(&now).is_ok_and(|services| services.into_iter().eq(former.space.services()))
        }
        "seed" => former.seed().is_ok_and(|seed| seed.to_string() == now),
        _ => before == now,
    };
    let name = arg.get_long().map_or_else(|| "the targets".to_owned(), |long| format!("--{long}"));
    let before = if before.is_empty() { "nothing".to_owned() } else { before };
    ensure!(
        same,
        "{name}: the scan was begun with {before}, now {now} is asked for, and the dataset would hold two different \
         measurements. Next step: leave it out, or begin a new dataset with -o"
    );
    Ok(())
}

fn values(matches: &ArgMatches, id: &str) -> Vec<String> {
    let raw = matches.get_raw(id);
    raw.into_iter().flatten().map(|value| value.to_string_lossy().into_owned()).collect()
}

fn scan_command() -> Command {
    Args::command().find_subcommand("scan").cloned().unwrap_or_default()
}

fn first_line(error: &clap::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
