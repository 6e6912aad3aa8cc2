//! What was typed. No IO, no meaning: [`super::config`] resolves it.

use crate::base::UtcMicros;
use crate::targets::ports;
use arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;
use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Measures who on the IPv4 Internet offers mail and chat, and how well it is secured.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 110)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sweep addresses x ports, talk to what answers, write a Parquet dataset.
    Scan(Box<Scan>),
    /// Read captures, or watch a link: what mail, chat and web servers and their clients negotiate, a row a connection.
    Monitor(Box<Monitor>),
    /// Prove from a dataset's files that its account adds up: every target, every answer, every row.
    Check(Check),
    /// Judge the certificate chains of a dataset: valid, self-signed, expired, and what else the study tells apart.
    Verify(Verify),
    /// Print every table and figure of the study from datasets, or write them as a page. Asks the duckdb program.
    Report(Report),
    /// Say whether this machine can scan, and what to do if not. Changes nothing, sends nothing but ARP.
    Doctor(Doctor),
}

/// `starling scan`.
#[derive(Clone, Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
#[command(after_help = "\
Letters have zmap's meaning. Probing public addresses needs --contact; reserved ranges (RFC 6890) are left out \
unless named. Ctrl-C stops probing and finishes what is open, twice ends at once; both write everything. --resume goes on.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 stopped early by a signal.

Examples:
  starling scan -p smtp,imaps --contact noc@example.org -o census -r 50000 -b blocklist.txt
  starling scan -i eth1 -p smtp -o lab 198.18.0.0/20
  starling scan -p 25 -d 198.18.0.0/28
  starling scan --probe-only -p 80 -o - 198.18.0.0/16
  starling scan --probe-only -p 80,8000-8010 -o results.csv -f saddr,sport,ttl,classification \
      --output-filter \"success = 1 || classification = rst\" 198.18.0.0/16
  starling scan --noise --contact noc@example.org -n 1000000 -r 50000 -o noise
  starling scan --nic sim:42 -o census")]
pub struct Scan {
    /// Addresses to scan, as prefixes or single addresses. All of IPv4 if neither these nor -w are given.
    #[arg(value_name = "CIDR")]
    pub targets: Vec<String>,

    /// Ports.
    #[arg(short = 'p', long = "target-ports", value_name = "PORTS", help = ports_help())]
    pub ports: Option<String>,

    /// Folder of the dataset; it must not exist, or be empty. With --probe-only also a file of lines, if its name ends
    /// in .csv, .json or .jsonl or -O, -f or --output-filter is given, or - for lines on standard output.
    #[arg(short = 'o', long = "output", visible_alias = "output-file", value_name = "FOLDER")]
    pub output: Option<PathBuf>,

    /// Go on with the scan of this dataset, with the options it was begun with. Options about speed, limits, interface
    /// and blocklist may be given anew; what would change what is measured is refused. Nothing is probed twice but what
    /// a killed run may not have finished.
    #[arg(long, value_name = "FOLDER", conflicts_with = "output")]
    pub resume: Option<PathBuf>,

    /// Only probe, as zmap does: record who answers and make no connection. Ports are then any numbers and ranges, as
    /// in 80,8000-8010.
    #[arg(long)]
    pub probe_only: bool,

    /// Answers to record beside SYN-ACKs: rst (port closed) and icmp (errors that quote a probe). Lines of --probe-only
    /// have what their filter lets through.
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    pub answers: Vec<AnswerArg>,

    /// TCP options of the probes, as those of an operating system's SYN; more hosts answer to more options, and a probe
    /// takes 84, 90, 98 or 102 bytes on the wire. linux and bsd have timestamps, which give round-trip times. All but
    /// smallest-probes need --probe-only [zmap: --probe-args].
    #[arg(long, visible_alias = "probe-args", value_name = "SET", default_value = "smallest-probes")]
    pub probe_options: ProbeOptions,

    /// With --probe-only: leave half-open connections to the hosts' own patience instead of resetting them.
    #[arg(long, requires = "probe_only")]
    pub no_reset: bool,

    /// With --probe-only: lines instead of a dataset.
    #[arg(short = 'O', long, value_name = "FORMAT", requires = "probe_only")]
    pub output_module: Option<OutputModule>,

    /// With --probe-only: fields of a line, by zmap's names; * is all [default: saddr].
    #[arg(short = 'f', long, value_name = "FIELDS", requires = "probe_only")]
    pub output_fields: Option<String>,

    /// With --probe-only: which answers become lines, in zmap's language: field = value, also != < <= > >=, && || ( )
    /// [default: success = 1 && repeat = 0].
    #[arg(long, value_name = "FILTER", requires = "probe_only")]
    pub output_filter: Option<String>,

    /// List the fields of lines, and do nothing else.
    #[arg(long)]
    pub list_output_fields: bool,

    /// Measure the background noise as the study did: -n probes [default: 100000000] to each of the ports 1337, 7583,
    /// 46721, 58976 and 65322, with two seeds (-e and the next one). Each of the ten is a dataset below the folder of
    /// -o; noise.csv there, and a table at the end, tell how many answered and how many of these never completed a
    /// handshake. What is said to those who do is a TLS ClientHello.
    #[arg(long, conflicts_with_all = ["probe_only", "ports", "nic", "dry_run", "metadata_file", "shards"])]
    pub noise: bool,

    /// The part of --noise that this process does, as PORT:SEED.
    #[arg(long, hide = true, requires = "noise")]
    pub noise_part: Option<String>,

    /// Write a JSON object about the scan at its end, with zmap's keys; - is standard output.
    #[arg(short = 'm', long, value_name = "FILE")]
    pub metadata_file: Option<PathBuf>,

    /// File of prefixes, addresses and host names to scan, one a line, # comments; together with those named here.
    #[arg(short = 'w', long, value_name = "FILE")]
    pub allowlist_file: Option<PathBuf>,

    /// File of prefixes, addresses and host names never to probe, likewise. It wins over everything else. SIGHUP makes
    /// a running scan read it again.
    #[arg(short = 'b', long, value_name = "FILE")]
    pub blocklist_file: Option<PathBuf>,

    /// File of single targets, - for standard input: an address (on all ports of -p), address:port, zgrab2's
    /// IP,DOMAIN,TAG,PORT, or what masscan -oL writes. A domain is sent as SNI. Only what -w and CIDR allow, if they are given.
    #[arg(short = 'I', long, value_name = "FILE")]
    pub list_of_ips_file: Option<PathBuf>,

    /// Routing table whose announced prefixes are allowed, together with those of -w and CIDR: an MRT dump (TABLE_DUMP
    /// or TABLE_DUMP_V2, also .gz or .bz2), or pyasn's or CAIDA's list of prefixes. - is standard input. Reserved
    /// ranges and prefixes shorter than /8 are left out. The table prefixes holds its ranges with their AS.
    #[arg(long, value_name = "FILE")]
    pub allow_rib: Option<PathBuf>,

    /// Probes per second; 0 is as fast as the link takes them [default: 10000].
    #[arg(short = 'r', long, value_name = "PPS", conflicts_with = "bandwidth")]
    pub rate: Option<f64>,

    /// Bits per second on the wire, with suffix K, M or G; a probe takes 84 bytes of it.
    #[arg(short = 'B', long, value_name = "BPS")]
    pub bandwidth: Option<String>,

    /// Send any /24 at most so many probes a second on average, by lowering the rate if the targets lie densely. They
    /// come in random order, so a large scan asks little of any one network; a small one may ask much of few.
    #[arg(long, value_name = "PPS")]
    pub prefix_rate: Option<f64>,

    /// Probe at most so many targets of all shards together, or so many percent of them as in 0.1%.
    #[arg(short = 'n', long, value_name = "N")]
    pub max_targets: Option<String>,

    /// Send each target so many probes. Each further one follows --probe-lag after the one before, and only to who has
    /// not answered; the rate counts all of them.
    #[arg(short = 'P', long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    pub probes: u8,

    /// How many seconds lie between two probes of a target.
    #[arg(long, value_name = "SECS", default_value_t = 10.0)]
    pub probe_lag: f64,

    /// Stop probing once so many targets answered.
    #[arg(short = 'N', long, value_name = "N")]
    pub max_results: Option<u64>,

    /// Stop probing after so many seconds.
    #[arg(short = 't', long, value_name = "SECS")]
    pub max_runtime: Option<f64>,

    /// Wait so many seconds for answers after the last probe.
    #[arg(short = 'c', long, value_name = "SECS", default_value_t = 8.0)]
    pub cooldown_time: f64,

    /// Seed of the order of targets; random if not given, and then printed and in run.json.
    #[arg(short = 'e', long, value_name = "N")]
    pub seed: Option<u64>,

    /// Divide the targets among so many machines. Needs --seed, the same on each.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub shards: u64,

    /// Which of the shards to scan, from 0.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub shard: u64,

    /// What to scan by: xdp:IFACE is -i IFACE; sim:SEED is a simulated world, without root and without a packet on
    /// any network. A world brings its own targets, ports, rate, deadlines and faults; CIDR, -w, -b, -p, -r, -B and
    /// --max-connections replace them, the other options about network, TLS and time have no effect.
    #[arg(long, value_name = "WHAT", conflicts_with = "interface")]
    pub nic: Option<String>,

    /// With --nic sim:SEED: write every frame that passes the scanner's adapter to a new capture file (pcap), for starling
    /// monitor, tcpdump or Wireshark. On a network tcpdump does that.
    #[arg(long, value_name = "FILE", requires = "nic")]
    pub tap: Option<PathBuf>,

    /// Interface to scan from [default: that of the route to the first target].
    #[arg(short = 'i', long, value_name = "NAME")]
    pub interface: Option<String>,

    /// Source address [default: the interface's first].
    #[arg(short = 'S', long, value_name = "ADDRESS")]
    pub source_ip: Option<std::net::Ipv4Addr>,

    /// Source ports; the kernel must not use them (net.ipv4.ip_local_port_range).
    #[arg(short = 's', long, value_name = "FIRST-LAST", default_value = "61000-65535")]
    pub source_port: String,

    /// Ethernet address of the gateway [default: asked of the kernel, by ARP if need be].
    #[arg(short = 'G', long, value_name = "MAC")]
    pub gateway_mac: Option<String>,

    /// Where the XDP program runs.
    #[arg(long, value_name = "MODE", default_value = "native")]
    pub xdp_mode: XdpMode,

    /// Which way probes take; everything else leaves by AF_XDP. The way chosen and why stand in the first line and in
    /// run.json.
    #[arg(long, value_name = "PATH", default_value = "auto", alias = "bind")]
    pub tx: Transmit,

    /// Lanes: threads that send and receive, each pinned to a CPU, with a share of the targets and of the receive
    /// queues. A queue has one lane, so there are no more of them than queues [default: a lane a queue, as far as there
    /// are CPUs].
    #[arg(short = 'T', long, value_name = "N", visible_alias = "sender-threads")]
    pub lanes: Option<u32>,

    /// Have each look at a queue poll its driver for so many microseconds instead of waiting for interrupts (Linux
    /// 5.11). Of no use on a veth.
    #[arg(long, value_name = "MICROS")]
    pub busy_poll: Option<u32>,

    /// Connections open at a time, over all queues; the sweep slows down when they are nearly all in use
    /// [default: what fits into a quarter of the free memory at 12 KiB each, from 1000 to 1000000].
    #[arg(long, value_name = "N")]
    pub max_connections: Option<usize>,

    /// Wait so many seconds for a server's greeting.
    #[arg(long, value_name = "SECS", default_value_t = 30.0)]
    pub greeting_timeout: f64,

    /// Wait so many seconds for a reply to a command.
    #[arg(long, value_name = "SECS", default_value_t = 15.0)]
    pub reply_timeout: f64,

    /// Wait so many seconds for the TLS handshake.
    #[arg(long, value_name = "SECS", default_value_t = 30.0)]
    pub tls_timeout: f64,

    /// Give a connection so many seconds in all.
    #[arg(long, value_name = "SECS", default_value_t = 90.0)]
    pub total_timeout: f64,

    /// Close a Parquet part after so many seconds; a crash loses at most the rows of that time.
    #[arg(long, value_name = "SECS", default_value_t = 60.0)]
    pub part_age: f64,

    /// Name in EHLO: a domain that resolves to the source address [default: the address, as in [198.18.0.1]].
    #[arg(long, value_name = "NAME")]
    pub ehlo: Option<String>,

    /// What an XMPP server without a known name is asked for in `to`; docs/XMPP.md says what servers answer.
    #[arg(long, value_name = "WHAT", value_enum, default_value = "address")]
    pub xmpp_to: XmppTo,

    /// Cipher suites to offer, which is part of what is measured: some servers choose the worst that is offered. run.json has
    /// them all, under tls_offer.
    #[arg(long, value_name = "OFFER", value_enum, default_value = "wide")]
    pub tls: TlsOffer,

    /// Connections to a target at most. One that answers no ClientHello of TLS 1.3 and 1.2 is offered TLS 1.2 as clients did
    /// before TLS 1.3 on a second connection, and SSL 3.0 on a third; one that refuses the name or the protocols it was told
    /// gets a second hello without them. Each is a row, with its rung [default: 3, with --tls strong 1].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=3))]
    pub rungs: Option<u8>,

    /// Who runs this scan and how to reach them: an e-mail address or URL. Kept in run.json. Needed for public
    /// addresses.
    #[arg(long, value_name = "TEXT")]
    pub contact: Option<String>,

    /// Print the targets in probing order, and send nothing.
    #[arg(short = 'd', long)]
    pub dry_run: bool,

    /// How -d prints: text is a line address,port each; binary six bytes each, address and port, both with their least
    /// significant byte first.
    #[arg(long, value_name = "FORM", default_value = "text", requires = "dry_run")]
    pub format: Format,

    /// No status lines.
    #[arg(short = 'q', long)]
    pub quiet: bool,
}

/// Which cipher suites are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TlsOffer {
    /// All that old servers may want: after the strong ones CBC, RC4, 3DES, RSA and finite-field key exchange;
    /// anonymous, export and NULL last.
    Wide,
    /// The same without anonymous, export and NULL suites, which clients do not offer unless they are told to.
    Usual,
    /// TLS 1.3, and forward secrecy with authenticated encryption in TLS 1.2; no second connection to who refuses that.
    Strong,
}

/// What stands for the name of an XMPP server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum XmppTo {
    /// No `to`.
    None,
    /// An empty `to`.
    Empty,
    /// Its address.
    Address,
}

fn ports_help() -> String {
    format!(
        "Ports, by name or number; study is the study's fourteen; a protocol on another port as in smtp:2525. Known \
         are {}",
        ports::known()
    )
}

/// Answers to record beside SYN-ACKs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AnswerArg {
    /// RSTs that refuse a probe.
    Rst,
    /// ICMP errors that quote a probe.
    Icmp,
}

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputModule {
    /// Comma-separated values; a line of names first if there is more than one field.
    Csv,
    /// A JSON object a line.
    Json,
}

/// TCP options of the probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProbeOptions {
    /// Maximum segment size: 84 bytes on the wire.
    SmallestProbes,
    /// And window scale, selective acknowledgements: 90 bytes.
    Windows,
    /// And timestamps: 98 bytes.
    Linux,
    /// The same in BSD's order: 102 bytes.
    Bsd,
}

/// Where the XDP program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum XdpMode {
    /// In the driver.
    Native,
    /// In the kernel's stack: slower, works with every driver.
    Generic,
}

/// How a dry run prints targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// `address,port`, a line each.
    Text,
    /// Six bytes each.
    Binary,
}

/// Which way probes take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Transmit {
    /// Zero copy if the driver has it, else live frames if the rate wants them (beyond 500,000 probes a second and lane)
    /// and the driver takes them, else copy.
    Auto,
    /// AF_XDP, the NIC reading our frames, or nothing.
    Zerocopy,
    /// AF_XDP, the kernel copying each frame: works everywhere, about 2 million probes a second and CPU.
    Copy,
    /// Frames made by the kernel from 16 bytes each and redirected to the driver, or nothing: for drivers with native
    /// XDP and no zero copy; needs Linux 5.18 and a CPU's full attention while it sends.
    Live,
}

/// `starling monitor`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Of every connection with TLS, or with the clear-text part of a protocol that knows STARTTLS, what was offered and what was \
agreed on goes into the table connections, the server's certificates into certificates and chains. User names, passwords and \
messages are never kept, and nothing after the handshake is looked at. Ctrl-C writes what was read until then.

Live (-i): an XDP program sees what arrives, a tc program what leaves (Linux 6.6; a mirror port needs none). Both copy the \
frames of watched ports and let every frame go on to where it was going. Once a connection's handshake is over the kernel \
hands it up no more. Needs root to start; capabilities are dropped before the first frame is parsed. Nothing stays on the \
interface, however the program ends. Finished parts can be read while it runs (--part-age).

Captures: pcap and pcapng, also packed by gzip; Ethernet, VLAN, raw IP, Linux SLL and SLL2, BSD loopback; IPv4 and IPv6; any \
snap length. What is missing in a capture is counted (columns gaps, gap_bytes).

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 stopped early by a signal (of -i without -t Ctrl-C is the usual end: 0).

Examples:
  starling monitor --pcap monday.pcap tuesday.pcap.gz -o week
  starling monitor --pcap capture.pcapng --any-port -o seen
  tcpdump -i eth1 -w - tcp port 25 | starling monitor --pcap - -p smtp -o mail
  starling monitor -i eth1 -o live
  starling monitor -i eth2 --mirror --any-port -T 4 -t 86400 --part-age 3600 -o day
  duckdb -init week/views.sql -c \"select protocol, tls_version, count(*) from connections group by all\"")]
#[command(group = clap::ArgGroup::new("source").required(true).args(["pcap", "interface"]))]
pub struct Monitor {
    /// Capture files, in the order of time; - is standard input. They are read as one stream, as capture programs write them: a
    /// connection goes on in the next file. Where time goes back from one to the next it does not.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub pcap: Vec<PathBuf>,

    /// Interface to watch: Ethernet, or the loopback (with --xdp-mode generic).
    #[arg(short = 'i', long, value_name = "NAME")]
    pub interface: Option<String>,

    /// Ports of servers.
    #[arg(short = 'p', long = "ports", value_name = "PORTS", default_value = "study", help = ports_help())]
    pub ports: String,

    /// Watch all other ports too, and recognise by its first words what is spoken there.
    #[arg(long)]
    pub any_port: bool,

    /// Folder of the dataset; it must not exist, or be empty.
    #[arg(short = 'o', long, value_name = "FOLDER")]
    pub output: PathBuf,

    /// Close the parts of the dataset after this time, in seconds: then they can be read.
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    pub part_age: f64,

    /// Connections that are kept in mind at the same time. If there are more, the one that was silent longest is given up.
    #[arg(long, value_name = "N", default_value_t = crate::monitor::Config::CONNECTIONS_MAX)]
    pub connections_max: usize,

    /// Megabytes that all connections together may keep until more bytes come.
    #[arg(long, value_name = "MIB", default_value_t = crate::monitor::Config::BYTES_MAX >> 20)]
    pub memory: usize,

    /// Live: end after so many seconds.
    #[arg(short = 't', long, value_name = "SECS", requires = "interface")]
    pub max_runtime: Option<f64>,

    /// Live: lanes, threads that read; both directions of a connection come to one of them, whatever receive queue they
    /// come by [default: one for each CPU, at most 4].
    #[arg(short = 'T', long, value_name = "N", requires = "interface", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub lanes: Option<u32>,

    /// Live: where the XDP program runs.
    #[arg(long, value_name = "MODE", default_value = "native", requires = "interface")]
    pub xdp_mode: XdpMode,

    /// Live: the interface carries a mirror port's copies and nothing for this host. What arrives ends there, which spares
    /// the host most of the work; the interface is useless for anything else meanwhile.
    #[arg(long, requires = "interface")]
    pub mirror: bool,

    /// Live: leave the interface as it is, and see only what is addressed to it. Else it is asked for everything.
    #[arg(long, requires = "interface")]
    pub no_promiscuous: bool,

    /// Live: megabytes of the ring of each lane, a power of two. What comes while it is full is lost, and counted (ring_full).
    #[arg(long, value_name = "MIB", default_value = "32", requires = "interface", value_parser = clap::value_parser!(u32).range(1..=2048))]
    pub ring: u32,

    /// Live: connections already read that the kernel keeps in mind and hands up no more. When there are more, the
    /// one that was silent longest is handed up again. 0: everything is handed up.
    #[arg(long, value_name = "N", default_value = "262144", requires = "interface")]
    pub shunt: u32,

    /// No status on standard error.
    #[arg(short = 'q', long)]
    pub quiet: bool,
}

/// `starling check`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 everything adds up, 1 something does not: the lines say what, 2 wrong usage.")]
pub struct Check {
    /// Folder of the dataset.
    #[arg(value_name = "DATASET")]
    pub dataset: PathBuf,
}

/// `starling report`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A folder that holds datasets (shards of one scan, or what --noise made) counts as one dataset. Several datasets, of other \
dates or of scan and monitor, are answered side by side, and the paper's numbers of 2015 stand behind them. What a dataset \
cannot answer is said in words.

Exit codes: 0 done, 1 failed, 2 wrong usage.

Examples:
  starling report census
  starling report census table1 table4
  starling report census-may census-june monitor --html report.html
  starling report census table6 --as-names asns.csv --as-rank ranking.csv
  starling report census fig6a --format csv > fig6a.csv
  starling report --sql table9 | duckdb -init census/views.sql")]
pub struct Report {
    /// Folders of datasets, as given to -o, and names of tables and figures (--list); all of them if none is named.
    #[arg(value_name = "DATASET|NAME", required_unless_present_any = ["list", "sql"])]
    pub asked: Vec<String>,

    /// List the names of all tables and figures, with their place in the paper.
    #[arg(long)]
    pub list: bool,

    /// Print the query of this table or figure, to take it along: it runs on the views of any dataset.
    #[arg(long, value_name = "NAME")]
    pub sql: Option<String>,

    /// How tables are printed.
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,

    /// Write one page with all tables and figures to this file instead. It needs no network.
    #[arg(long, value_name = "FILE", conflicts_with = "format")]
    pub html: Option<PathBuf>,

    /// Rows of lists of the most frequent.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub top: u32,

    /// Routing table that tells the AS of an address, as for scan --allow-rib: of datasets without one, or in place of theirs.
    #[arg(long, value_name = "FILE")]
    pub rib: Option<PathBuf>,

    /// Names of ASes: CSV with the columns asn and name (bgp.tools, CAIDA, MaxMind, iptoasn), lines of number and name
    /// (RIPE's asn.txt), or pyasn's asnames.json. Numbers may be written AS64496.
    #[arg(long, value_name = "FILE")]
    pub as_names: Option<PathBuf>,

    /// Ranks of ASes by reputation: likewise, with a column rank.
    #[arg(long, value_name = "FILE")]
    pub as_rank: Option<PathBuf>,

    /// Common name of the certificate that Table VI follows over ASes [default: that of the invalid certificate on most
    /// addresses].
    #[arg(long, value_name = "NAME")]
    pub certificate: Option<String>,

    /// The duckdb program [default: the one on PATH, or what scripts/setup has installed].
    #[arg(long, value_name = "PATH")]
    pub duckdb: Option<PathBuf>,

    /// Memory that DuckDB may take before it uses the disk.
    #[arg(long, value_name = "SIZE", default_value = "6GB")]
    pub memory: String,

    /// No progress on standard error.
    #[arg(short = 'q', long)]
    pub quiet: bool,
}

/// How `starling report` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// Tables for a terminal.
    Text,
    /// Comma-separated values; of several tables each begins with a line `# name`.
    Csv,
    /// An array of one object a table.
    Json,
    /// Markdown.
    Markdown,
}

/// `starling verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each distinct chain gets a row in the table verdicts: one word, the flags behind it (which overlap), weak algorithms by \
flags of their own, and the best path. Certificates that a server did not send are looked for in all other chains; such \
chains are missing_intermediate, with completed set. Verdicts are written as a whole: until then the earlier ones stay.

Exit codes: 0 done, 1 failed, 2 wrong usage.

Examples:
  starling verify census
  starling verify --at 2015-07-29 --roots mozilla-2015.pem --keep census
  duckdb -init census/views.sql -c 'select verdict, count(*) from verdicts group by 1'")]
pub struct Verify {
    /// Folder of the dataset.
    #[arg(value_name = "DATASET")]
    pub dataset: PathBuf,

    /// File of trusted root certificates, PEM [default: those that Mozilla trusts, as of the version that the summary
    /// tells].
    #[arg(long, value_name = "FILE")]
    pub roots: Option<PathBuf>,

    /// Time to judge at, UTC: 2015-07-29, 2015-07-29T12:00:00Z, or seconds since 1970 [default: when each chain was
    /// first seen].
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub at: Option<UtcMicros>,

    /// Leave the verdicts of earlier calls in the dataset; the view judgements has all of them, verdicts the last ones.
    #[arg(long)]
    pub keep: bool,

    /// Threads [default: one a CPU].
    #[arg(short = 'T', long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,

    /// No progress.
    #[arg(short = 'q', long)]
    pub quiet: bool,
}

/// A time in UTC.
fn time(text: &str) -> Result<UtcMicros, String> {
    if let Ok(seconds) = text.parse::<i64>() {
        return seconds.checked_mul(1_000_000).map(UtcMicros).ok_or_else(|| "too late".to_owned());
    }
    let nanos = string_to_timestamp_nanos(text);
    nanos.map(|nanos| UtcMicros(nanos / 1_000)).map_err(|_| "write it as 2015-07-29 or 2015-07-29T12:00:00Z".to_owned())
}

/// `starling doctor`.
#[derive(Debug, clap::Args)]
pub struct Doctor {
    /// Interface to look at [default: that of the default route].
    #[arg(short = 'i', long, value_name = "NAME")]
    pub interface: Option<String>,
}
