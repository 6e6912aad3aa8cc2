//! How far it is: a bar on a terminal, else a line every few seconds.

use crate::app::say::say;
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

/// How often a line is printed.
const EVERY: Duration = Duration::from_secs(5);

/// Tells on standard error how far the work is.
pub(super) struct Progress {
    bar: ProgressBar,
    quiet: bool,
    what: &'static str,
    told: Instant,
}

impl Progress {
    /// Nothing begun yet; silent if `quiet`.
    pub(super) fn new(quiet: bool) -> Self {
        let terminal = !quiet && std::io::stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template("{bar:30} {human_pos} of {human_len} {msg}, {per_sec}, {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, quiet: quiet || terminal, what: "", told: Instant::now() }
    }

    /// `what` begins, of which there are `all`.
    pub(super) fn stage(&mut self, what: &'static str, all: u64) {
        self.what = what;
        self.bar.reset();
        self.bar.set_length(all);
        self.bar.set_message(what);
    }

    /// So many more are done.
    pub(super) fn add(&mut self, count: u64) {
        self.bar.inc(count);
        if !self.quiet && self.told.elapsed() >= EVERY {
            self.told = Instant::now();
            let (done, all) = (self.bar.position(), self.bar.length().unwrap_or(0));
            say(format_args!("{} of {} {}", HumanCount(done), HumanCount(all), self.what));
        }
    }

    /// All is done.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
