//! What is meant: the typed arguments, resolved and validated into a [`Plan`]. Reads the list files.

use super::args::{
    AnswerArg, Monitor, OutputModule, ProbeOptions, Scan, TlsOffer, Transmit as TransmitArg, XdpMode,
    XmppTo as XmppToArg,
};
use crate::app::links::Transmit;
use crate::app::memory;
use crate::app::monitor;
use crate::app::noise::{self, Part};
use crate::app::resume::Former;
use crate::app::scan::{self, Offer, Plan, Rung, XmppTo};
use crate::app::sink::LinesPlan;
use crate::app::targets::{self, Sources};
use crate::base::mac::Mac;
use crate::nic::xdp::Mode;
use crate::output::lines::filter::{self, Filter};
use crate::output::lines::{Format, Selection, parse_fields};
use crate::record::answer::Kind;
use crate::scan::conversation::Limits;
use crate::scan::engine::Answers;
use crate::sim::swarm::{SOURCE, Swarm};
use crate::targets::cidr::AddressSet;
use crate::targets::{Space, permute, ports};
use crate::tcp::cookie::PortRange;
use crate::wire::probe::OptionSet;
use anyhow::{Context, Result, anyhow, bail, ensure};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes that a frame takes on the wire beside its own: 4 of check sequence, 20 of preamble and gap.
const WIRE_BYTES: usize = 24;
/// Rate if none is given: zmap's.
const RATE: f64 = 10_000.0;

/// Targets of a simulated world: what fits into memory with every host and every frame.
const WORLD_MAX: u64 = 1 << 18;

/// The plan that `args` describe.
///
/// # Errors
/// One line: what is wrong and what would be right.
pub fn resolve(args: &Scan) -> Result<Plan> {
    let words = std::env::args().skip(1).collect();
    resolve_as(args, None, words)
}

/// The plan of a further run of `former`: `args` are its options, with what was typed now in place of some, and
/// `words` the same as typed.
///
/// # Errors
/// As [`resolve`]; also if nothing is left to do.
pub fn resume(args: &Scan, former: Former, words: Vec<String>) -> Result<Plan> {
    let plan = resolve_as(args, Some(former), words)?;
    if let Some(former) = &plan.former {
        former.ensure_open(&plan.left())?;
    }
    Ok(plan)
}

fn resolve_as(args: &Scan, former: Option<Former>, words: Vec<String>) -> Result<Plan> {
    if let Some(part) = &args.noise_part {
        return noise_part(args, part);
    }
    match args.nic.as_deref().map(|nic| nic.split_once(':').unwrap_or((nic, ""))) {
        None => on_network(args, args.interface.clone(), former, words),
        Some(("xdp", name)) if !name.is_empty() => on_network(args, Some(name.to_owned()), former, words),
        Some(("sim", seed)) if seed.parse::<u64>().is_ok() => {
            in_world(args, Swarm::from_seed(seed.parse()?), former, words)
        }
        Some((what, which)) => {
            bail!("--nic {what}:{which}: xdp:IFACE or sim:SEED is wanted, as in xdp:eth0 or sim:42")
        }
    }
}

/// The plan of a simulated scan: the world's own, but for what the arguments replace.
fn in_world(args: &Scan, mut swarm: Swarm, mut former: Option<Former>, words: Vec<String>) -> Result<Plan> {
    ensure!(
        !args.probe_only && args.answers.is_empty() && args.metadata_file.is_none(),
        "--probe-only, --answers and -m need a network: a simulated world is there to be talked to"
    );
    if let Some(ports) = &args.ports {
        swarm.services = ports::parse(ports).context("-p")?;
    }
    let mut loaded = targets::Loaded::default();
    if let Some(former) = &mut former {
        (swarm.given, loaded) = (Some(former.space.clone()), former.load(args.blocklist_file.as_deref())?);
    } else if sources(args).named() {
        let (space, from) = targets::load(sources(args), Some(swarm.services.clone()))?;
        (swarm.given, loaded) = (Some(space), from);
    } else if let Some(path) = &args.blocklist_file {
        swarm.addresses = swarm.addresses.minus(&targets::blocklist(path)?);
        loaded.blocklist = Some(std::path::absolute(path)?);
    }
    if args.rate.is_some() || args.bandwidth.is_some() {
        swarm.rate = rate(args)?;
    }
    swarm.connections_max = args.max_connections.map_or(swarm.connections_max, |count| count.max(1));
    let space = swarm.space();
    ensure!(space.size() > 0, "no address is left to scan: all of the world's are blocked. Next step: see -b");
    ensure!(
        space.size() <= WORLD_MAX,
        "{} targets are too many for a simulated world: {WORLD_MAX} at most",
        space.size()
    );
    let targets_max = targets_max(args.max_targets.as_deref(), &space)?;
    Ok(Plan {
        interface: None,
        gateway: None,
        source: Some(SOURCE.into()),
        ports: swarm.ports(),
        seed: swarm.seed,
        shard: (0, 1),
        positions: scan::positions(&space, swarm.seed, (0, 1), targets_max),
        targets_max,
        probes: args.probes.max(1),
        lag: seconds("--probe-lag", args.probe_lag)?,
        former: former.map(Box::new),
        space,
        loaded,
        results_max: None,
        runtime_max: None,
        rate: swarm.rate,
        cooldown: swarm.cooldown,
        connections_max: swarm.connections_max,
        limits: swarm.limits,
        mode: Mode::Native,
        transmit: Transmit::Auto,
        lanes: None,
        busy_poll: None,
        ehlo: None,
        xmpp_to: XmppTo::default(),
        offer: Offer::default(),
        rungs: Rung::CONNECTIONS,
        contact: contact(args).map(str::to_owned),
        answers: Answers::default(),
        options: OptionSet::default(),
        output: output(args)?,
        lines: None,
        metadata: None,
        part_age: seconds("--part-age", args.part_age)?,
        quiet: args.quiet,
        described: described(args, words),
        world: Some(Box::new(swarm)),
        tap: args.tap.clone(),
    })
}

/// What `starling monitor` is to do.
///
/// # Errors
/// What is wrong with the command line.
pub fn monitor(args: &Monitor) -> Result<monitor::Plan> {
    ensure!(args.connections_max > 0, "--connections-max 0 would keep nothing. Next step: leave it out");
    ensure!(args.memory > 0, "--memory 0 would keep nothing. Next step: leave it out");
    let config = crate::monitor::Config {
        services: ports::parse(&args.ports).context("-p")?,
        any_port: args.any_port,
        connections_max: args.connections_max,
        bytes_max: args.memory << 20,
    };
    let source = match &args.interface {
        None => monitor::Source::Captures(args.pcap.clone()),
        Some(interface) => {
            ensure!(
                args.ring.is_power_of_two(),
                "--ring {}: a power of two is wanted. Next step: --ring {}",
                args.ring,
                args.ring.next_power_of_two()
            );
            // A ring's size is a number of 32 bits.
            let ring_bytes = args.ring << 20;
            monitor::Source::Link(monitor::link::Plan {
                interface: interface.clone(),
                mode: mode(args.xdp_mode),
                mirror: args.mirror,
                promiscuous: !args.no_promiscuous,
                lanes: args.lanes,
                ring_bytes,
                shunts_max: args.shunt,
                runtime_max: args.max_runtime.map(|limit| seconds("-t", limit)).transpose()?,
            })
        }
    };
    Ok(monitor::Plan {
        source,
        config,
        output: args.output.clone(),
        part_age: seconds("--part-age", args.part_age)?,
        quiet: args.quiet,
        described: serde_json::json!({ "command_line": std::env::args().collect::<Vec<_>>() }),
    })
}

/// Targets of each part of `--noise`, if nothing else is asked for: as many as the study's.
const NOISE_TARGETS: u64 = 100_000_000;

/// The folder of `--noise`, and the first seed. What is wrong with the rest shows here too.
///
/// # Errors
/// As [`resolve`].
pub fn noise(args: &Scan) -> Result<(PathBuf, u64)> {
    let seed = args.seed.map_or_else(scan::random, Ok)?;
    noise_part(args, &Part { port: noise::PORTS[0], seed }.to_string())?;
    Ok((output(args)?, seed))
}

fn noise_part(args: &Scan, part: &str) -> Result<Plan> {
    let part = Part::parse(part).ok_or_else(|| anyhow!("--noise-part {part}: PORT:SEED is wanted"))?;
    let args =
        Scan { ports: Some(format!("https:{}", part.port)), seed: Some(part.seed), rungs: Some(1), ..args.clone() };
    let words = std::env::args().skip(1).collect();
    let mut plan = on_network(&args, args.interface.clone(), None, words)?;
    if args.max_targets.is_none() {
        plan.targets_max = NOISE_TARGETS;
        plan.positions = scan::positions(&plan.space, plan.seed, plan.shard, plan.targets_max);
    }
    plan.metadata = Some(part.result(&plan.output));
    plan.output = part.folder(&plan.output);
    Ok(plan)
}

/// What goes into the manifest as it was given.
fn described(args: &Scan, words: Vec<String>) -> serde_json::Value {
    serde_json::json!({
        "command_line": std::env::args().collect::<Vec<_>>(),
        "options": words,
        "contact": contact(args),
    })
}

fn contact(args: &Scan) -> Option<&str> {
    args.contact.as_deref().map(str::trim).filter(|contact| !contact.is_empty())
}

fn on_network(args: &Scan, interface: Option<String>, mut former: Option<Former>, words: Vec<String>) -> Result<Plan> {
    let (space, mut loaded) = match &mut former {
        // The lists may be gone, or have changed.
        Some(former) => (former.space.clone(), former.load(args.blocklist_file.as_deref())?),
        None => {
            let parse = if args.probe_only { ports::parse_silent } else { ports::parse };
            let services = args.ports.as_deref().map(|ports| parse(ports).context("-p")).transpose()?;
            targets::load(sources(args), services)?
        }
    };
    ensure!(args.tap.is_none(), "--tap needs --nic sim:SEED. Next step: on a network, let tcpdump write the capture");
    let lines = lines(args)?;
    let contact = contact(args);
    let public = space.addresses().minus(&AddressSet::reserved());
    ensure!(
        contact.is_some() || public.is_empty() || args.dry_run,
        "{} public addresses would be probed, and nobody could find out by whom. Next step: name yourself with \
         --contact, and read the section Conduct of the README",
        public.len()
    );
    ensure!(space.size() <= permute::MAX_SIZE, "more than 2^48 targets. Next step: fewer ports or addresses");
    ensure!(
        args.shards > 0 && args.shard < args.shards,
        "--shard {} of --shards {}: shards are numbered from 0",
        args.shard,
        args.shards
    );
    ensure!(args.shards == 1 || args.seed.is_some(), "--shards needs --seed, the same on each machine");
    let seed = match (&former, args.seed) {
        (Some(former), _) => former.seed()?,
        (None, Some(seed)) => seed,
        (None, None) => scan::random()?,
    };
    let targets_max = targets_max(args.max_targets.as_deref(), &space)?;
    let rate = kind_rate(args, &space, &mut loaded)?;
    Ok(Plan {
        interface,
        gateway: args.gateway_mac.as_deref().map(gateway_mac).transpose()?,
        source: args.source_ip,
        ports: source_ports(&args.source_port)?,
        seed,
        shard: (args.shard, args.shards),
        positions: scan::positions(&space, seed, (args.shard, args.shards), targets_max),
        targets_max,
        probes: args.probes.max(1),
        lag: seconds("--probe-lag", args.probe_lag)?,
        space,
        results_max: results_max(args, former.as_ref())?,
        former: former.map(Box::new),
        loaded,
        runtime_max: args.max_runtime.map(|secs| seconds("-t", secs)).transpose()?,
        rate,
        cooldown: seconds("-c", args.cooldown_time)?,
        connections_max: args.max_connections.map_or_else(memory::connections, |count| count.max(1)),
        limits: Limits {
            greeting: seconds("--greeting-timeout", args.greeting_timeout)?,
            reply: seconds("--reply-timeout", args.reply_timeout)?,
            tls: seconds("--tls-timeout", args.tls_timeout)?,
            total: seconds("--total-timeout", args.total_timeout)?,
            ..Limits::default()
        },
        mode: mode(args.xdp_mode),
        transmit: match args.tx {
            TransmitArg::Auto => Transmit::Auto,
            TransmitArg::Zerocopy => Transmit::ZeroCopy,
            TransmitArg::Copy => Transmit::Copy,
            TransmitArg::Live => Transmit::Live,
        },
        lanes: args.lanes,
        busy_poll: args.busy_poll,
        contact: contact.map(str::to_owned),
        ehlo: args.ehlo.as_deref().map(ehlo).transpose()?,
        xmpp_to: match args.xmpp_to {
            XmppToArg::None => XmppTo::None,
            XmppToArg::Empty => XmppTo::Empty,
            XmppToArg::Address => XmppTo::Address,
        },
        offer: match args.tls {
            TlsOffer::Wide => Offer::Wide,
            TlsOffer::Usual => Offer::Usual,
            TlsOffer::Strong => Offer::Strong,
        },
        rungs: rungs(args)?,
        answers: answers(args, lines.as_ref()),
        options: options(args)?,
        output: output(args)?,
        lines,
        metadata: args.metadata_file.clone(),
        part_age: seconds("--part-age", args.part_age)?,
        quiet: args.quiet,
        described: described(args, words),
        world: None,
        tap: None,
    })
}

fn sources(args: &Scan) -> Sources<'_> {
    Sources {
        prefixes: &args.targets,
        allowlist: args.allowlist_file.as_deref(),
        list: args.list_of_ips_file.as_deref(),
        rib: args.allow_rib.as_deref(),
        blocklist: args.blocklist_file.as_deref(),
    }
}

fn source_ports(text: &str) -> Result<PortRange> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = first.trim().parse().ok().zip(last.trim().parse().ok());
    match range {
        Some((first, last)) if first > 0 && first <= last => Ok(PortRange { first, last }),
        _ => bail!("-s {text}: a range of ports is wanted, as in 61000-65535"),
    }
}

fn gateway_mac(text: &str) -> Result<Mac> {
    text.parse().map_err(|_| anyhow!("-G {text}: an Ethernet address is wanted, as in 02:00:00:00:00:01"))
}

fn ehlo(name: &str) -> Result<String> {
    let fits = !name.is_empty()
        && name.len() <= 255
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-[]:".contains(&byte));
    ensure!(fits, "--ehlo {name}: a domain or an address literal is wanted (RFC 5321, section 4.1.3)");
    Ok(name.to_owned())
}

fn output(args: &Scan) -> Result<PathBuf> {
    match &args.output {
        Some(path) => Ok(path.clone()),
        None if args.dry_run => Ok(PathBuf::new()),
        None if args.probe_only => {
            bail!("where to? Next step: -o - for standard output, -o results.csv for a file, -o census for a dataset")
        }
        None => bail!("where to? Next step: name a folder for the dataset, as in -o census"),
    }
}

/// The lines that are wanted instead of a dataset, if they are.
fn lines(args: &Scan) -> Result<Option<LinesPlan>> {
    let Some(path) = args.output.clone().filter(|_| !args.dry_run) else { return Ok(None) };
    let stdout = path.as_os_str() == "-";
    let by_name = match path.extension().and_then(|end| end.to_str()) {
        Some("csv") => Some(Format::Csv),
        Some("json" | "jsonl" | "ndjson") => Some(Format::Json),
        _ => None,
    };
    let asked = args.output_module.map(|module| match module {
        OutputModule::Csv => Format::Csv,
        OutputModule::Json => Format::Json,
    });
    ensure!(args.probe_only || !stdout, "-o -: only what --probe-only finds can be written as lines");
    let wanted = stdout || args.output_fields.is_some() || args.output_filter.is_some();
    let format = asked.or(by_name).or(wanted.then_some(Format::Csv)).filter(|_| args.probe_only);
    let Some(format) = format else { return Ok(None) };
    let fields =
        parse_fields(args.output_fields.as_deref().unwrap_or("saddr")).map_err(|error| anyhow!("-f: {error}"))?;
    let filter = Filter::parse(args.output_filter.as_deref().unwrap_or(filter::DEFAULT)).context("--output-filter")?;
    ensure!(
        !stdout || args.metadata_file.as_deref() != Some(Path::new("-")),
        "-o - and -m -: lines and metadata cannot both go to standard output. Next step: name a file for one"
    );
    Ok(Some(LinesPlan { path, selection: Selection { format, fields, filter } }))
}

fn answers(args: &Scan, lines: Option<&LinesPlan>) -> Answers {
    let wants = |kind, asked| match lines {
        Some(lines) => lines.selection.wants(kind),
        None => args.answers.contains(&asked),
    };
    Answers {
        probe_only: args.probe_only,
        reset: !args.no_reset,
        rst: wants(Kind::Rst, AnswerArg::Rst),
        icmp: wants(Kind::Icmp, AnswerArg::Icmp),
        every: lines.is_some(),
    }
}

fn probe_options(args: &Scan) -> OptionSet {
    match args.probe_options {
        ProbeOptions::SmallestProbes => OptionSet::Smallest,
        ProbeOptions::Windows => OptionSet::Windows,
        ProbeOptions::Linux => OptionSet::Linux,
        ProbeOptions::Bsd => OptionSet::Bsd,
    }
}

/// Connections to a target at most.
fn rungs(args: &Scan) -> Result<u8> {
    match (args.tls, args.rungs) {
        (TlsOffer::Wide | TlsOffer::Usual, rungs) => Ok(rungs.unwrap_or(Rung::CONNECTIONS)),
        (TlsOffer::Strong, None | Some(1)) => Ok(1),
        (TlsOffer::Strong, Some(rungs)) => Err(anyhow!(
            "--tls strong and --rungs {rungs} contradict each other: what is offered from the second connection on is \
             weak. Next step: leave one of them out"
        )),
    }
}

fn options(args: &Scan) -> Result<OptionSet> {
    let options = probe_options(args);
    // What the SYN offers must be spoken afterwards, and ours is a TCP without window scale and timestamps.
    ensure!(
        args.probe_only || options == OptionSet::Smallest,
        "--probe-options {}: only with --probe-only, for connections are held without these options",
        options.name()
    );
    Ok(options)
}

const fn mode(mode: XdpMode) -> Mode {
    match mode {
        XdpMode::Native => Mode::Native,
        XdpMode::Generic => Mode::Generic,
    }
}

fn seconds(option: &str, value: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(value).map_err(|_| anyhow!("{option} {value}: a number of seconds is wanted"))
}

/// Probes per second; `None` for no limit.
fn rate(args: &Scan) -> Result<Option<f64>> {
    let rate = match (&args.bandwidth, args.rate) {
        (Some(text), _) => bandwidth(text)? / ((probe_options(args).frame_length() + WIRE_BYTES) * 8) as f64,
        (None, rate) => rate.unwrap_or(RATE),
    };
    ensure!(rate.is_finite() && rate >= 0.0, "-r {rate}: a number of probes per second is wanted, 0 for no limit");
    Ok((rate > 0.0).then_some(rate))
}

/// The rate at which no /24 gets more than `--prefix-rate` on average, if that is lower; says so.
fn kind_rate(args: &Scan, space: &Space, loaded: &mut targets::Loaded) -> Result<Option<f64>> {
    let rate = rate(args)?;
    let Some(max) = args.prefix_rate else { return Ok(rate) };
    ensure!(max.is_finite() && max > 0.0, "--prefix-rate {max}: a number of probes per second above 0 is wanted");
    let kind = max * space.size() as f64 / space.densest_24().max(1) as f64;
    if rate.is_some_and(|rate| rate <= kind) {
        return Ok(rate);
    }
    let asked = rate.map_or_else(|| "no limit".to_owned(), |rate| format!("{rate:.1} p/s"));
    loaded.notes.push(format!("rate {kind:.1} p/s instead of {asked}: --prefix-rate {max} for any /24"));
    Ok(Some(kind))
}

fn bandwidth(text: &str) -> Result<f64> {
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 1e3),
        Some((at, 'm' | 'M')) => (&text[..at], 1e6),
        Some((at, 'g' | 'G')) => (&text[..at], 1e9),
        _ => (text, 1.0),
    };
    match digits.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value * unit),
        _ => bail!("-B {text}: bits per second are wanted, as in 10M"),
    }
}

/// How many more answers are wanted.
fn results_max(args: &Scan, former: Option<&Former>) -> Result<Option<u64>> {
    let Some(max) = args.max_results else { return Ok(None) };
    let found = former.map_or(0, Former::answers);
    ensure!(former.is_none() || found < max, "-N {max}: {found} targets have answered. Next step: a larger -N");
    Ok(Some(max - found.min(max)))
}

fn targets_max(text: Option<&str>, space: &Space) -> Result<u64> {
    let Some(text) = text else { return Ok(u64::MAX) };
    let wrong = || anyhow!("-n {text}: a count is wanted, or a share as in 0.1%");
    let Some(percent) = text.strip_suffix('%') else { return text.parse().map_err(|_| wrong()) };
    let percent: f64 = percent.parse().map_err(|_| wrong())?;
    ensure!((0.0..=100.0).contains(&percent), wrong());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of at most 2^48 targets")]
    let count = (space.size() as f64 * percent / 100.0).ceil() as u64;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{Args, Command};
    use clap::Parser;

    fn plan(line: &str) -> Result<Plan, String> {
        let words = ["starling", "scan"].into_iter().chain(line.split_whitespace());
        match Args::try_parse_from(words).map_err(|error| error.to_string())?.command {
            Command::Scan(args) => resolve(&args).map_err(|error| format!("{error:#}")),
            _ => Err("not a scan".into()),
        }
    }

    #[test]
    fn zmaps_letters_have_zmaps_meaning() {
        let plan = plan("-p smtp,993 -o x -i eth9 -r 500 -n 0.1% -N 7 -t 60 -c 2 -e 5 -s 62000-62010 -S 10.0.0.9 -G 02:00:00:00:00:01 198.18.0.0/20")
            .expect("well-formed");
        assert_eq!(plan.space.size(), 8_192);
        assert_eq!((plan.rate, plan.targets_max, plan.results_max), (Some(500.0), 9, Some(7)));
        assert_eq!((plan.runtime_max, plan.cooldown), (Some(Duration::from_secs(60)), Duration::from_secs(2)));
        assert_eq!((plan.seed, plan.shard), (5, (0, 1)));
        assert_eq!((plan.ports.first, plan.ports.last), (62_000, 62_010));
        assert_eq!(plan.source, Some(std::net::Ipv4Addr::new(10, 0, 0, 9)));
        assert_eq!(plan.gateway, Some(Mac([2, 0, 0, 0, 0, 1])));
    }

    #[test]
    fn limits_are_as_given_and_documented() {
        let default = plan("-p smtp -o x 198.18.0.1").expect("well-formed");
        assert_eq!(default.limits, Limits::default(), "the command line's defaults are the engine's");
        assert!((1_000..=1_000_000).contains(&default.connections_max));
        let line = "-p smtp -o x --max-connections 5 --greeting-timeout 1 --reply-timeout 2 --tls-timeout 3 \
                    --total-timeout 4 198.18.0.1";
        let given = plan(line).expect("well-formed");
        let seconds = [given.limits.greeting, given.limits.reply, given.limits.tls, given.limits.total];
        assert_eq!((given.connections_max, seconds.map(|limit| limit.as_secs())), (5, [1, 2, 3, 4]));
    }

    #[test]
    fn a_world_brings_its_own_targets_and_arguments_replace_them() {
        let own = plan("--nic sim:7 -o x").expect("well-formed");
        let world = own.world.expect("a world");
        assert_eq!((world.seed, own.seed, own.space.size()), (7, 7, world.space().size()));
        let given = plan("--nic sim:7 -o x -p smtp -r 50 198.18.0.0/24").expect("well-formed");
        assert_eq!((given.space.size(), given.rate), (256, Some(50.0)));
        assert_eq!(given.world.map(|world| world.space().size()), Some(256));
        let named = plan("--nic xdp:eth9 -o x -p smtp 198.18.0.1").expect("well-formed");
        assert!(named.interface.as_deref() == Some("eth9") && named.world.is_none());
    }

    #[test]
    fn the_transmit_path_and_the_lanes_are_as_asked_for() {
        let of = |line: &str| plan(&format!("-p smtp -o x {line} 198.18.0.1")).map(|plan| (plan.transmit, plan.lanes));
        assert_eq!(of(""), Ok((Transmit::Auto, None)));
        assert_eq!(of("--tx live -T 2"), Ok((Transmit::Live, Some(2))));
        assert_eq!(of("--tx zerocopy --sender-threads 3"), Ok((Transmit::ZeroCopy, Some(3))));
        assert_eq!(of("--bind copy --lanes 1"), Ok((Transmit::Copy, Some(1))));
        assert!(of("--tx fast").is_err());
    }

    #[test]
    fn shards_share_the_limit_of_targets_as_zmaps_do() {
        let part = |more: &str| {
            let plan = plan(&format!("-p smtp -o x -e 1 {more} 198.18.0.0/22")).expect("well-formed");
            plan.permutation().walk(plan.positions).collect::<Vec<_>>()
        };
        let shards: Vec<usize> =
            (0..3).map(|shard| part(&format!("-n 100 --shards 3 --shard {shard}")).len()).collect();
        assert_eq!(shards, [34, 33, 33]);
        assert_eq!(part("-n 100"), part("")[..100]);
        assert_eq!((part("-n 50%").len(), part("-n 5000").len(), part("-n 0").len()), (512, 1_024, 0));
    }

    #[test]
    fn a_network_gets_no_more_than_its_share_and_the_note_says_so() {
        let rate = |more: &str| {
            let plan = plan(&format!("-p smtp,imap -o x {more}")).expect("well-formed");
            (plan.rate, plan.loaded.notes.len())
        };
        assert_eq!(rate("--prefix-rate 5 198.18.0.0/22"), (Some(20.0), 1), "four networks");
        assert_eq!(rate("--prefix-rate 5 -r 0 198.18.0.0/24"), (Some(5.0), 1));
        assert_eq!(rate("--prefix-rate 5 198.18.0.0/25 198.18.1.0/24"), (Some(7.5), 1));
        assert_eq!(rate("--prefix-rate 5 -r 12 198.18.0.0/22"), (Some(12.0), 0));
        assert!(plan("-p smtp -o x --prefix-rate 0 198.18.0.1").is_err_and(|e| e.contains("--prefix-rate 0")));
    }

    #[test]
    fn bandwidth_counts_84_bytes_a_probe() {
        let rate = |text: &str| plan(&format!("-p smtp -o x -B {text} 198.18.0.1")).map(|plan| plan.rate);
        assert_eq!(rate("672"), Ok(Some(1.0)));
        assert_eq!(rate("10G"), Ok(Some(1e10 / 672.0)));
        assert_eq!(rate("0"), Ok(None));
        assert!(rate("fast").is_err_and(|error| error.contains("-B fast")));
    }

    #[test]
    fn wrong_usage_is_one_line_with_the_cause() {
        for (line, cause) in [
            ("-p gopher -o x 198.18.0.1", "-p: unknown port or protocol `gopher`"),
            ("-p smtp -o x 198.18.0.0/33", "`198.18.0.0/33` is not an IPv4 address or prefix"),
            ("-p smtp -o x 198.18.0.1/20", "did you mean 198.18.0.0/20?"),
            ("-p smtp 198.18.0.1", "-o census"),
            ("-o x 198.18.0.1", "-p smtp,imaps"),
            ("--nic sim:many -o x", "xdp:IFACE or sim:SEED"),
            ("--nic eth0 -o x", "xdp:IFACE or sim:SEED"),
            ("--nic sim:1 -o x -p smtp 198.0.0.0/8", "too many for a simulated world"),
            ("--nic xdp:eth0 --tap y -o x -p smtp 198.18.0.1", "--tap needs --nic sim:SEED"),
            ("-p smtp -o x 8.8.8.8", "1 public addresses would be probed"),
            ("-p smtp -o x --shards 2 198.18.0.1", "--shards needs --seed"),
            ("-p smtp -o x --shards 2 --shard 2 -e 1 198.18.0.1", "--shard 2 of --shards 2"),
            ("-p smtp -o x -s 9-7 198.18.0.1", "-s 9-7"),
            ("-p smtp -o x -G nonsense 198.18.0.1", "-G nonsense"),
            ("-p smtp -o x -b /nonexistent 198.18.0.1", "-b /nonexistent"),
            ("-p smtp -o x -n lots 198.18.0.1", "-n lots"),
            ("-p smtp -o x -c -1 198.18.0.1", "-c -1"),
            ("-p smtp -o x --ehlo a\u{7f}b 198.18.0.1", "--ehlo"),
        ] {
            let error = plan(line).map(|_| ()).expect_err(line);
            assert!(error.contains(cause) && !error.trim_end().contains('\n'), "{line}: {error}");
        }
    }

    #[test]
    fn blocking_everything_is_refused_and_reserved_space_is_left_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let list = folder.path().join("block");
        std::fs::write(&list, "198.18.0.0/24 # all of it\n").expect("written");
        let line = format!("-p smtp -o x -b {} 198.18.0.0/24", list.display());
        assert!(plan(&line).is_err_and(|error| error.contains("no address is left")));
        let all = plan("-p smtp -o x --contact me").expect("well-formed");
        assert_eq!(all.space.size(), 3_702_258_432);
    }
}
