//! `starling-lab`: a simulated Internet of any size behind one veth pair, for tests and benchmarks.
//!
//! An XDP program answers SYNs at driver speed; what each target does follows from a keyed hash and from the
//! rates of its port, so what is due is known exactly without having seen a packet. No packet leaves the two
//! network namespaces, which end with the program.

mod liveonly;
mod model;
mod network;
mod rates;
mod responder;
mod run;
mod sample;
mod truth;
mod txonly;

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand};
use model::World;
use rates::Rates;
use starling::targets::cidr;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;

/// A simulated Internet behind a veth pair: answers SYNs at driver speed, counts every frame, knows what is due.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 110)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the world; run COMMAND in the scanner's namespace, or wait for a signal; report as JSON; end the world.
    Run(Run),
    /// Write what the targets of a world do, as Parquet or CSV: columns ip, port, verdict.
    Truth(Truth),
    /// Send one frame for ever by AF_XDP copy mode, in the current namespace: what a scanner can reach at best.
    Txonly(Txonly),
    /// Send SYNs to the addresses of a prefix in turn by live frames, in the current namespace, without any work a probe:
    /// what a scanner can reach at best. Their checksums are wrong.
    Liveonly(Liveonly),
}

/// What the world is.
#[derive(Debug, clap::Args)]
struct Space {
    /// Addresses of the world: one prefix.
    #[arg(long, value_name = "CIDR", default_value = "10.0.0.0/8")]
    space: String,

    /// Ports of the world, as in 25,1000-1220.
    #[arg(long, value_name = "PORTS", default_value = "80")]
    ports: String,

    /// Rules `PORTS NAME=SHARE ...`, separated by semicolons: PORTS is a list or * for the others; NAME is syn_ack
    /// (answers a further segment by an RST), rst, icmp (host unreachable), syn_ack_only (and nothing more), loss (of
    /// SYNs) or duplicate (of SYN-ACKs); SHARE is as in 1%, 0.01 or 1/64. The rest of the targets is silent.
    #[arg(long, value_name = "RULES", default_value = "* syn_ack=1%", conflicts_with = "rates_file")]
    rates: String,

    /// The same rules from a file, one a line, # comments.
    #[arg(long, value_name = "FILE")]
    rates_file: Option<PathBuf>,

    /// Seed of the hash that says what a target does.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The scanner's interface is near0, its gateway has the Ethernet address 02:00:00:00:00:02.

Example: one port of a /12, 1 % answering, everything counted:
  starling-lab run --space 10.16.0.0/12 -- starling scan -i near0 -p smtp:80 -r 0 -o /tmp/census 10.16.0.0/12")]
struct Run {
    #[command(flatten)]
    space: Space,

    /// Answer on this interface of the current namespace, whose other end is somebody else's, and make nothing.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["queues", "scanner", "pass"])]
    interface: Option<String>,

    /// Queues of either interface.
    #[arg(long, value_name = "N", default_value_t = 1)]
    queues: u32,

    /// Keep a bit a target, so that targets probed twice or never are counted. Costs the responder a cache miss a SYN.
    #[arg(long)]
    remember: bool,

    /// Check the checksums of every segment; one that is wrong is counted and not answered.
    #[arg(long)]
    verify: bool,

    /// Attach an XDP program that passes everything to the scanner's interface: a veth takes the answers in only if
    /// there is one, and zmap and masscan bring none.
    #[arg(long)]
    pass: bool,

    /// Address of the scanner.
    #[arg(long, value_name = "ADDRESS", default_value = "198.18.0.1")]
    scanner: Ipv4Addr,

    /// Address of its gateway, in the same /24; ICMP errors come from it.
    #[arg(long, value_name = "ADDRESS", default_value = "198.18.0.2")]
    gateway: Ipv4Addr,

    /// End after so many seconds: SIGINT to the command, SIGKILL ten seconds later.
    #[arg(long, value_name = "SECS", default_value_t = 3600.0)]
    limit: f64,

    /// Where the report goes [default: standard output].
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Command and arguments. It finds the name of the world's namespace in LAB_WORLD.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct Truth {
    #[command(flatten)]
    space: Space,

    /// Silent targets too.
    #[arg(long)]
    silent: bool,

    /// File to write: .parquet, or .csv.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Debug, clap::Args)]
struct Txonly {
    /// Interface.
    #[arg(short, long, value_name = "NAME", default_value = network::NEAR)]
    interface: String,

    /// Queue, whose number is also that of the processor to run on.
    #[arg(long, value_name = "N", default_value_t = 0)]
    queue: u32,

    /// Frames to send.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 4_000_000)]
    frames: u64,
}

#[derive(Debug, clap::Args)]
struct Liveonly {
    /// Interface.
    #[arg(short, long, value_name = "NAME", default_value = network::NEAR)]
    interface: String,

    /// Sending threads, each on a processor of its own.
    #[arg(long, value_name = "N", default_value_t = 1)]
    lanes: u32,

    /// Addresses to send to: one prefix, whose length leaves a power of two to each lane.
    #[arg(long, value_name = "CIDR", default_value = "10.0.0.0/8")]
    space: String,

    /// Port to send to.
    #[arg(long, value_name = "PORT", default_value_t = 80)]
    port: u16,

    /// Frames to send, in all.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1 << 28)]
    frames: u64,
}

impl Space {
    fn world(&self) -> Result<World> {
        let text = match &self.rates_file {
            Some(file) => std::fs::read_to_string(file).with_context(|| file.display().to_string())?,
            None => self.rates.clone(),
        };
        let ports = rates::parse_ports(&self.ports)?;
        ensure!(!ports.is_empty() && ports.len() < 1 << 16, "--ports: from one to 65535 ports are wanted");
        Ok(World {
            key: World::key_of(self.seed),
            addresses: cidr::parse(&self.space)?,
            ports,
            rates: Rates::parse(&text)?,
        })
    }
}

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Truth(args) => {
            args.space.world().and_then(|world| truth::write(&world, args.silent, &args.output)).map(|()| 0)
        }
        Command::Liveonly(args) => liveonly::send(&args).map(|()| 0),
        Command::Txonly(args) => txonly::send(&args.interface, args.queue, args.frames).map(|()| 0),
    };
    result.map(ExitCode::from).unwrap_or_else(|error| {
        eprintln!("starling-lab: {error:#}");
        ExitCode::FAILURE
    })
}
