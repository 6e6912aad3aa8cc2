//! `starling report`.

use super::args::{Report, ReportFormat};
use super::{Exit, complain};
use crate::app::report::{self, Format, Plan};
use std::io::{ErrorKind, IsTerminal as _, Write as _};

pub(super) fn run(args: &Report) -> Exit {
    let text = match (&args.sql, args.list) {
        (Some(name), _) => report::sql(name).map(str::to_owned),
        (None, true) => report::list(),
        (None, false) => report::run(&plan(args)),
    };
    let text = match text {
        Ok(text) => text,
        Err(error) => return complain(&error, Exit::Fatal),
    };
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        // A reader that has seen enough is no error.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            complain(&anyhow::anyhow!("the report cannot be printed: {error}"), Exit::Fatal)
        }
        _ => Exit::Done,
    }
}

fn plan(args: &Report) -> Plan {
    let format = match args.format {
        ReportFormat::Text => Format::Text,
        ReportFormat::Csv => Format::Csv,
        ReportFormat::Json => Format::Json,
        ReportFormat::Markdown => Format::Markdown,
    };
    let width = std::io::stdout().is_terminal().then(terminal_size::terminal_size).flatten();
    Plan {
        asked: args.asked.clone(),
        format,
        html: args.html.clone(),
        duckdb: args.duckdb.clone(),
        rib: args.rib.clone(),
        as_names: args.as_names.clone(),
        as_rank: args.as_rank.clone(),
        top: args.top,
        certificate: args.certificate.clone(),
        memory: args.memory.clone(),
        quiet: args.quiet || !std::io::stderr().is_terminal(),
        width: width.map(|(width, _)| width.0),
    }
}
