//! What the user sees while a scan runs: a line a second in zmap's manner, a bar on a terminal.

use crate::app::interface::Interface;
use crate::app::lane::Snapshot;
use crate::app::say::say;
use crate::scan::engine::Hold;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;

/// Adds up the lanes.
pub fn total(lanes: &[Snapshot]) -> Snapshot {
    let mut sum = Snapshot { progress: 0.0, ..Snapshot::default() };
    for lane in lanes {
        sum.ledger.add(&lane.ledger);
        sum.outcomes.add(&lane.outcomes);
        sum.nic.add(&lane.nic);
        sum.open += lane.open;
        sum.progress += lane.progress / lanes.len() as f64;
        sum.sweeping |= lane.sweeping;
        sum.waiting += lane.waiting;
        sum.held.add(&lane.held);
        sum.unsettled += lane.unsettled;
        sum.slowed_by = sum.slowed_by.or(lane.slowed_by);
        sum.link_down |= lane.link_down;
    }
    sum
}

/// Prints the state once a second.
#[derive(Debug)]
pub struct Status {
    bar: Option<ProgressBar>,
    quiet: bool,
    /// Whether a rate was asked for.
    rated: bool,
    /// The interface, and what it had dropped before.
    link: Option<(String, u64)>,
    last_at: Duration,
    last_probes: u64,
    last_answers: u64,
}

impl Status {
    /// A status for a run, whose rate is given if `rated`; silent if `quiet`.
    pub fn new(quiet: bool, rated: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(Some(1_000), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{bar:30} {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { bar, quiet, rated, link: None, last_at: Duration::ZERO, last_probes: 0, last_answers: 0 }
    }

    /// Watches what the interface `name` drops instead of sending it, which no socket tells.
    #[must_use]
    pub fn watching(mut self, name: &str, dropped_before: u64) -> Self {
        self.link = Some((name.to_owned(), dropped_before));
        self
    }

    fn link_dropped(&self) -> u64 {
        let dropped =
            |(name, before): &(String, u64)| Some(Interface::find(name).ok()?.tx_dropped.saturating_sub(*before));
        self.link.as_ref().and_then(dropped).unwrap_or(0)
    }

    /// Shows `state` at `elapsed` since the start, if a second has passed since the last time.
    pub fn update(&mut self, elapsed: Duration, state: &Snapshot) {
        let since = elapsed.saturating_sub(self.last_at);
        if self.quiet || since < Duration::from_secs(1) {
            return;
        }
        let line = self.line(elapsed, since, state);
        match &self.bar {
            Some(bar) => {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 1000")]
                bar.set_position((state.progress * 1_000.0) as u64);
                bar.set_message(line);
            }
            None => say(format_args!("{line}")),
        }
        self.last_at = elapsed;
        self.last_probes = state.ledger.probes;
        self.last_answers = state.ledger.answers;
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&self, elapsed: Duration, since: Duration, state: &Snapshot) -> String {
        let ledger = &state.ledger;
        let rate = |now: u64, before: u64| (now - before) as f64 / since.as_secs_f64();
        let average = |now: u64| now as f64 / elapsed.as_secs_f64();
        let hit_rate = 100.0 * ledger.answers as f64 / ledger.probes.max(1) as f64;
        let nic = &state.nic;
        let received = nic.rx_dropped + nic.rx_ring_full + nic.rx_fill_empty;
        // What a driver refuses of live frames is sent again, and its statistics may count it.
        let drops = received + self.link_dropped().saturating_sub(nic.live_refused) + nic.live_lost;
        format!(
            "{} {:.0}%{}; send: {} {} ({} avg); recv: {} {} ({} avg); open: {}{}; \
             handshakes: {}; drops: {drops}; hitrate: {hit_rate:.2}%{}",
            clock(elapsed),
            100.0 * state.progress,
            remaining(elapsed, state),
            ledger.probes,
            per_second(rate(ledger.probes, self.last_probes)),
            per_second(average(ledger.probes)),
            ledger.answers,
            per_second(rate(ledger.answers, self.last_answers)),
            per_second(average(ledger.answers)),
            state.open,
            match state.waiting {
                0 => String::new(),
                count => format!(" and {count} waiting their turn"),
            },
            ledger.ended,
            self.speed(state)
        )
    }
}

impl Status {
    /// Why the sweep is as fast as it is.
    fn speed(&self, state: &Snapshot) -> &'static str {
        match state.slowed_by {
            _ if state.link_down => "; the link is down and waited for",
            _ if !state.sweeping => "",
            Some(Hold::Table) => "; speed: by free connections",
            Some(Hold::Turns) => "; speed: by answers waiting for their turn",
            Some(Hold::Writer) => "; speed: by the disk",
            None if self.rated => "; speed: as asked",
            None => "; speed: by the link",
        }
    }
}

fn remaining(elapsed: Duration, state: &Snapshot) -> String {
    if !state.sweeping {
        return " (done)".to_owned();
    }
    // As zmap: no forecast before there is something to forecast from.
    if elapsed < Duration::from_secs(5) || state.progress <= 0.0 {
        return String::new();
    }
    format!(" ({} left)", clock(elapsed.mul_f64((1.0 - state.progress) / state.progress)))
}

fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds / 3_600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

fn per_second(rate: f64) -> String {
    match rate {
        rate if rate >= 1e6 => format!("{:.2} Mp/s", rate / 1e6),
        rate if rate >= 1e3 => format!("{:.1} Kp/s", rate / 1e3),
        rate => format!("{rate:.0} p/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::ledger::Ledger;

    #[test]
    fn the_line_says_what_zmaps_says_and_more() {
        let ledger = Ledger { probes: 20_000, answers: 230, ended: 12, ..Ledger::default() };
        let state = Snapshot { ledger, open: 3, progress: 0.25, sweeping: true, ..Snapshot::default() };
        let status = Status {
            bar: None,
            quiet: false,
            rated: true,
            link: None,
            last_at: Duration::from_secs(9),
            last_probes: 10_000,
            last_answers: 100,
        };
        assert_eq!(
            status.line(Duration::from_secs(10), Duration::from_secs(1), &state),
            "0:10 25% (0:30 left); send: 20000 10.0 Kp/s (2.0 Kp/s avg); recv: 230 130 p/s (23 p/s avg); open: 3; \
             handshakes: 12; drops: 0; hitrate: 1.15%; speed: as asked"
        );
        let waiting =
            status.line(Duration::from_secs(10), Duration::from_secs(1), &Snapshot { waiting: 7, ..state.clone() });
        assert!(waiting.contains("open: 3 and 7 waiting their turn; handshakes"), "{waiting}");
        let line = |state: &Snapshot| status.line(Duration::from_secs(3_725), Duration::from_secs(1), state);
        for (by, why) in [
            (Hold::Table, "; speed: by free connections"),
            (Hold::Turns, "; speed: by answers waiting for their turn"),
            (Hold::Writer, "; speed: by the disk"),
        ] {
            let held = line(&Snapshot { slowed_by: Some(by), ..state.clone() });
            assert!(held.ends_with(why), "{held}");
        }
        let done = line(&Snapshot { sweeping: false, progress: 1.0, ..state.clone() });
        assert!(done.starts_with("1:02:05 100% (done);") && done.ends_with("hitrate: 1.15%"), "{done}");
    }
}
