//! The command line: what was typed ([`args`]), what is meant ([`config`]), what it ends with ([`Exit`]).

pub mod args;
pub mod config;
mod dry_run;
mod report;
mod resume;

use crate::app::say::{say, show};
use crate::app::{check, doctor, heap, monitor, noise, scan, verify};
use args::{Args, Command};
use clap::Parser;
use std::io::Write;
use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All done.
    Done = 0,
    /// Something failed; standard error says what and what to do.
    Fatal = 1,
    /// The command line or an input file is wrong.
    Usage = 2,
    /// Stopped by a signal before all was done; what was found is written.
    Stopped = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Reads the command line and does what it says.
pub fn run() -> Exit {
    heap::give_back();
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version come as errors too, for standard output and with code 0.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done };
        }
    };
    match args.command {
        Command::Scan(args) => scan(&args),
        Command::Monitor(args) => monitor(&args),
        Command::Check(args) => match check::check(&args.dataset) {
            Ok(report) => {
                print(&report);
                if report.adds_up() { Exit::Done } else { Exit::Fatal }
            }
            Err(error) => complain(&error, Exit::Fatal),
        },
        Command::Verify(args) => verify(args),
        Command::Report(args) => report::run(&args),
        Command::Doctor(args) => {
            let report = doctor::examine(args.interface.as_deref());
            print(&report);
            if report.healthy() { Exit::Done } else { Exit::Fatal }
        }
    }
}

fn verify(args: args::Verify) -> Exit {
    let all = || std::thread::available_parallelism().map_or(1, usize::from);
    let plan = verify::Plan {
        dataset: args.dataset,
        roots: args.roots,
        at: args.at,
        keep: args.keep,
        threads: args.threads.map_or_else(all, usize::from),
        pool_bytes: verify::POOL_BYTES,
        quiet: args.quiet,
    };
    match verify::run(&plan) {
        Ok(summary) => {
            print(&summary);
            Exit::Done
        }
        Err(error) => complain(&error, Exit::Fatal),
    }
}

fn scan(args: &args::Scan) -> Exit {
    if args.list_output_fields {
        return list_output_fields();
    }
    if args.noise && args.noise_part.is_none() {
        return noise(args);
    }
    let plan = match &args.resume {
        Some(folder) => resume::resume(folder, &std::env::args_os().skip(1).collect::<Vec<_>>()),
        None => config::resolve(args),
    };
    let plan = match plan {
        Ok(plan) => plan,
        Err(error) => return complain(&error, Exit::Usage),
    };
    if !args.quiet {
        for note in &plan.loaded.notes {
            say(format_args!("{note}"));
        }
    }
    if args.dry_run {
        return match dry_run::print(&plan, args.format) {
            // A reader that has seen enough is no error.
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                complain(&anyhow::anyhow!("targets cannot be printed: {error}"), Exit::Fatal)
            }
            _ => Exit::Done,
        };
    }
    match scan::run(&plan) {
        Ok(ended) => {
            show(&ended.text);
            if ended.stopped == Some(scan::Stopped::Signal) { Exit::Stopped } else { Exit::Done }
        }
        Err(error) => complain(&error, Exit::Fatal),
    }
}

fn monitor(args: &args::Monitor) -> Exit {
    let plan = match config::monitor(args) {
        Ok(plan) => plan,
        Err(error) => return complain(&error, Exit::Usage),
    };
    match monitor::run(&plan) {
        Ok(ended) => {
            show(&ended.text);
            if ended.stopped { Exit::Stopped } else { Exit::Done }
        }
        Err(error) => complain(&error, Exit::Fatal),
    }
}

fn noise(args: &args::Scan) -> Exit {
    let (output, seed) = match config::noise(args) {
        Ok(noise) => noise,
        Err(error) => return complain(&error, Exit::Usage),
    };
    match noise::run(&output, seed) {
        Ok(ended) => {
            show(&ended.text);
            if ended.stopped == Some(scan::Stopped::Signal) { Exit::Stopped } else { Exit::Done }
        }
        Err(error) => complain(&error, Exit::Fatal),
    }
}

fn list_output_fields() -> Exit {
    let mut out = std::io::stdout().lock();
    for field in crate::output::lines::fields::Field::ALL {
        // A reader that has seen enough is no error.
        let _ = writeln!(out, "{:<16} {:>6}: {}", field.name(), field.value_type().name(), field.doc().trim());
    }
    Exit::Done
}

/// A reader that has seen enough is no error.
fn print(text: &impl std::fmt::Display) {
    let _ = write!(std::io::stdout(), "{text}");
}

fn complain(error: &anyhow::Error, exit: Exit) -> Exit {
    // One line: the whole chain of causes.
    say(format_args!("starling: {error:#}"));
    exit
}
