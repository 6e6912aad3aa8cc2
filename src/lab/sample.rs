//! How far the sweep and the processors are, at one moment.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::time::Duration;

/// Ticks of /proc/stat and /proc/PID/stat: USER_HZ, 100 on all of Linux's architectures that matter here.
const TICK: f64 = 0.01;

/// A moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) at: Duration,
    pub(crate) syns: u64,
    /// Processor time of the command's threads, seconds: in its own code, and in the kernel for it.
    tool: (f64, f64),
    /// Processor time of the machine that was not idle, seconds, and the part of it in softirqs.
    busy: (f64, f64),
}

impl Sample {
    pub(crate) fn take(at: Duration, syns: u64, process: u32) -> Result<Self> {
        let stat = std::fs::read_to_string("/proc/stat")?;
        let words: Vec<f64> = stat
            .lines()
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .skip(1)
            .filter_map(|word| word.parse().ok())
            .collect();
        let [user, nice, system, _idle, _iowait, irq, softirq, ..] = words[..] else {
            anyhow::bail!("/proc/stat is not as it is documented");
        };
        let busy = (user + nice + system + irq + softirq) * TICK;
        Ok(Self { at, syns, tool: processor_time(process)?, busy: (busy, softirq * TICK) })
    }
}

/// User and system time of a process and all its threads, also while it waits to be reaped.
fn processor_time(process: u32) -> Result<(f64, f64)> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name, in brackets, may have anything in it; user and system time are the 14th and 15th field.
    let (_, rest) = stat.rsplit_once(')').context("/proc/PID/stat is not as it is documented")?;
    let field = |number: usize| rest.split_whitespace().nth(number - 3).and_then(|word| word.parse::<f64>().ok());
    let (user, system) = field(14).zip(field(15)).context("/proc/PID/stat is not as it is documented")?;
    Ok((user * TICK, system * TICK))
}

/// What the samples say about the sweep: rate and processor time between its first and its last twentieth.
#[expect(clippy::cast_precision_loss, reason = "rates are no counts")]
pub(crate) fn sweep(samples: &[Sample]) -> Value {
    let Some(total) = samples.last().map(|last| last.syns).filter(|total| *total > 0) else { return Value::Null };
    let from = samples.iter().find(|sample| sample.syns >= total / 20);
    let to = samples.iter().rev().find(|sample| sample.syns <= total - total / 20);
    let (Some(from), Some(to)) = (from, to) else { return Value::Null };
    if to.at <= from.at || to.syns <= from.syns {
        return Value::Null;
    }
    let seconds = (to.at - from.at).as_secs_f64();
    let syns = (to.syns - from.syns) as f64;
    let per_probe = |to: f64, from: f64| (to - from) / syns * 1e9;
    json!({
        "seconds": seconds,
        "syns": to.syns - from.syns,
        "mpps": syns / seconds / 1e6,
        "mpps_slowest_second": slowest_second(samples.iter().filter(|sample| from.at <= sample.at && sample.at <= to.at)),
        "tool_user_ns": per_probe(to.tool.0, from.tool.0),
        "tool_system_ns": per_probe(to.tool.1, from.tool.1),
        "machine_busy_ns": per_probe(to.busy.0, from.busy.0),
        "machine_softirq_ns": per_probe(to.busy.1, from.busy.1),
    })
}

/// The least rate over any second that begins with a sample; none if there is no whole second.
#[expect(clippy::cast_precision_loss, reason = "rates are no counts")]
fn slowest_second<'a>(samples: impl Iterator<Item = &'a Sample>) -> Option<f64> {
    let samples: Vec<&Sample> = samples.collect();
    let mut slowest: Option<f64> = None;
    let mut end = 0;
    for from in &samples {
        while end < samples.len() && samples[end].at - from.at < Duration::from_secs(1) {
            end += 1;
        }
        let Some(to) = samples.get(end) else { break };
        let mpps = (to.syns - from.syns) as f64 / (to.at - from.at).as_secs_f64() / 1e6;
        slowest = Some(slowest.map_or(mpps, |least| least.min(mpps)));
    }
    slowest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sweep_is_measured_between_its_twentieths() {
        let sample = |ms: u64, syns| {
            let time = f64::from(u32::try_from(syns).expect("small")) * 1e-6;
            Sample { at: Duration::from_millis(ms), syns, tool: (time, 2.0 * time), busy: (4.0 * time, 3.0 * time) }
        };
        let samples =
            [sample(0, 0), sample(500, 10_000), sample(1000, 50_000), sample(2000, 90_000), sample(2500, 100_000)];
        let sweep = sweep(&samples);
        let value = |name: &str| sweep[name].as_f64().expect("a number");
        assert!((value("seconds") - 1.5).abs() < 1e-9 && sweep["syns"] == 80_000);
        assert!((value("mpps") - 80e-3 / 1.5).abs() < 1e-9);
        assert!((value("mpps_slowest_second") - 40e-3).abs() < 1e-9);
        assert!((value("tool_user_ns") - 1000.0).abs() < 1e-6 && (value("tool_system_ns") - 2000.0).abs() < 1e-6);
        assert!(
            (value("machine_busy_ns") - 4000.0).abs() < 1e-6 && (value("machine_softirq_ns") - 3000.0).abs() < 1e-6
        );
    }

    #[test]
    fn a_sweep_that_was_not_is_nothing() {
        assert_eq!(sweep(&[]), Value::Null);
    }

    #[test]
    fn the_own_process_has_used_time() {
        let mut sum = 0_u64;
        for number in 0..200_000_000_u64 {
            sum = std::hint::black_box(sum.wrapping_add(number));
        }
        let time = processor_time(std::process::id()).expect("there is a /proc");
        assert!(time.0 > 0.0, "{time:?} {sum}");
    }
}
