//! One world, one command in it, one report.

use crate::model::World;
use crate::network::{End, FAR_MAC, NEAR, Network, Shape};
use crate::rates::Verdict;
use crate::responder::{Duties, Responder};
use crate::sample::{Sample, sweep};
use anyhow::{Context as _, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Map, Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::Write as _;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// How often the sweep is looked at.
const TICK: Duration = Duration::from_millis(20);
/// From SIGINT to SIGKILL.
const GRACE: Duration = Duration::from_secs(10);

/// Counters whose sum is all frames.
const FRAMES: &[&str] = &[
    "not_ipv4",
    "not_tcp",
    "malformed",
    "bad_checksum",
    "syn",
    "rst_received",
    "segment_reset",
    "segment_ignored",
    "segment_stray",
];
/// Counters whose sum is all SYNs.
const SYNS: &[&str] = &["syn_elsewhere", "lost", "syn_ack", "rst", "icmp", "syn_ack_only", "silent"];

/// Exit code: the command's, 128 + number of the signal that ended it, or 0 without one.
pub(crate) fn run(args: &crate::Run) -> Result<u8> {
    let world = args.space.world()?;
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let shape = Shape { queues: args.queues, scanner: args.scanner, gateway: args.gateway };
    let network = match &args.interface {
        Some(interface) => Network::at(interface),
        None => Network::new(shape).context("making the namespaces (needs root)")?,
    };
    let duties = Duties { remember: args.remember, verify: args.verify, pass: args.pass, router: args.gateway };
    let responder = Responder::attach(&network, &world, duties)?;
    let scanner_space = network.scanner.as_ref().and_then(|end| end.space.as_deref());
    let ready = json!({
        "scanner": scanner_space, "world": network.world.space, "interface": NEAR, "gateway_mac": FAR_MAC,
        "scanner_address": args.scanner, "gateway_address": args.gateway,
    });

    let limit = Duration::from_secs_f64(args.limit);
    let mut report = json!({ "seed": args.space.seed, "space": args.space.space, "ports": args.space.ports,
                             "targets": world.targets(), "queues": args.queues });
    let code = if args.command.is_empty() {
        writeln!(std::io::stdout(), "{ready}")?;
        wait(&mut signals, limit);
        0
    } else {
        let (status, part) = run_command(&args.command, &network, &responder, &mut signals, limit)?;
        report["command"] = part;
        let signal = status.signal().map(|signal| 128 + signal);
        u8::try_from(status.code().or(signal).unwrap_or(255)).unwrap_or(255)
    };

    let counts = responder.counts()?;
    let of = |name: &str| counts.get(name).copied().unwrap_or(0);
    let sum = |names: &[&str]| names.iter().map(|name| of(name)).sum::<u64>();
    let adds_up = of("frames") == sum(FRAMES) && of("syn") == sum(SYNS);
    report["adds_up"] = json!(adds_up);
    report["expected"] = expected(&world, of("syn") - of("syn_elsewhere"), of("hash_sum"));
    if args.remember {
        let probed = responder.probed()?;
        report["probed"] = json!(probed);
        report["never"] = json!(world.targets() - probed);
    }
    report["counts"] = json!(counts);
    if let Some(scanner) = &network.scanner {
        report["near"] = json!(scanner.statistics()?);
    }
    report["far"] = json!(network.world.statistics()?);
    match &args.report {
        Some(file) => std::fs::write(file, format!("{report:#}\n")).with_context(|| file.display().to_string())?,
        None => writeln!(std::io::stdout(), "{report:#}")?,
    }
    if !adds_up {
        bail!("the responder's counters do not add up, which is a bug: {counts:?}");
    }
    Ok(code)
}

/// What all targets do, and whether each got exactly one SYN: as many as there are, and the same sum of hashes.
fn expected(world: &World, syns: u64, hash_sum: u64) -> Value {
    let tally = world.tally();
    let mut expected = Map::new();
    for (verdict, count) in Verdict::ALL.iter().zip(tally.verdicts) {
        expected.insert(verdict.name().to_owned(), json!(count));
    }
    expected.insert("each_target_once".into(), json!(syns == world.targets() && hash_sum == tally.hash_sum));
    Value::Object(expected)
}

fn wait(signals: &mut Signals, limit: Duration) {
    let end = Instant::now() + limit;
    while Instant::now() < end && signals.pending().next().is_none() {
        std::thread::sleep(TICK);
    }
}

/// Runs the command to its end; what it took, and how fast its SYNs came.
fn run_command(
    command: &[String],
    network: &Network,
    responder: &Responder,
    signals: &mut Signals,
    limit: Duration,
) -> Result<(ExitStatus, Value)> {
    let before = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let start = Instant::now();
    let space = |end: &End| end.space.as_ref().map(|space| format!("/run/netns/{space}"));
    let mut words = Vec::new();
    if let Some(path) = network.scanner.as_ref().and_then(space) {
        words.extend(["nsenter".to_owned(), format!("--net={path}"), "--".to_owned()]);
    }
    words.extend_from_slice(command);
    // In a group of its own: a Ctrl-C reaches it once, by us.
    let mut child = Command::new(&words[0])
        .args(&words[1..])
        .env("LAB_WORLD", network.world.space.as_deref().unwrap_or_default())
        .process_group(0)
        .spawn()
        .with_context(|| format!("{} does not start", words[0]))?;
    let group = Pid::from_raw(i32::try_from(child.id())?);
    let result = watch(&mut child, group, responder, signals, start, limit);
    // What it left behind would go on sending into a world that is no more.
    let _ = killpg(group, Signal::SIGKILL);
    let _ = child.wait();
    let (status, samples) = result?;
    let wall = start.elapsed();
    let after = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |time: nix::sys::time::TimeVal| {
        Duration::new(time.tv_sec().unsigned_abs(), 0).as_secs_f64()
            + f64::from(i32::try_from(time.tv_usec()).unwrap_or(0)) * 1e-6
    };
    let part = json!({
        "arguments": command,
        "exit_code": status.code(),
        "signal": status.signal(),
        "wall_s": wall.as_secs_f64(),
        "user_s": seconds(after.user_time()) - seconds(before.user_time()),
        "system_s": seconds(after.system_time()) - seconds(before.system_time()),
        "memory_peak_kib": after.max_rss(),
        "sweep": sweep(&samples),
    });
    Ok((status, part))
}

fn watch(
    child: &mut Child,
    group: Pid,
    responder: &Responder,
    signals: &mut Signals,
    start: Instant,
    limit: Duration,
) -> Result<(ExitStatus, Vec<Sample>)> {
    let mut samples: Vec<Sample> = Vec::new();
    let mut kill_at = None;
    loop {
        let now = start.elapsed();
        let syns = responder.syns()?;
        // Nothing new is no sample: a long silence at the end does not count as sweep.
        if samples.last().is_none_or(|last| last.syns != syns) {
            samples.push(Sample::take(now, syns, child.id())?);
        }
        if let Some(status) = child.try_wait()? {
            return Ok((status, samples));
        }
        if signals.pending().next().is_some() || (now >= limit && kill_at.is_none()) {
            let _ = killpg(group, Signal::SIGINT);
            kill_at = Some(now + GRACE);
        }
        if kill_at.is_some_and(|at| now >= at) {
            eprintln!("starling-lab: the command does not end; it is killed");
            child.kill()?;
        }
        std::thread::sleep(TICK);
    }
}
