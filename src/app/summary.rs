//! The account of a run: `run.json`, the summary on the terminal, and the proof that it adds up.

use crate::app::lane::Snapshot;
use crate::app::links::Links;
use crate::app::privileges::Privileges;
use crate::app::resume;
use crate::app::scan::{Plan, Stopped, Way};
use crate::base::UtcMicros;
use crate::nic::contract::Reason;
use crate::nic::xdp::{BoundMode, Queues, Socket};
use crate::output::writer::{Tables, Written};
use crate::record::Fact;
use crate::record::checkpoint::Left;
use crate::scan::ledger::Ledger;
use crate::targets::saved;
use crate::{session, tls};
use anyhow::{Result, anyhow, ensure};
use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::fmt;

/// Percentiles that the manifest holds.
const PERCENTILES: [f64; 5] = [50.0, 90.0, 99.0, 99.9, 100.0];
/// Longest latency told apart: above any deadline.
const LATENCY_MAX_US: u64 = 600_000_000;

/// How long things took, in microseconds.
#[derive(Clone, Debug)]
pub struct Latencies {
    round_trip: Histogram<u64>,
    greeting: Histogram<u64>,
    tls: Histogram<u64>,
    connection: Histogram<u64>,
}

impl Latencies {
    /// Nothing recorded yet.
    pub fn new() -> Result<Self> {
        let histogram = || Histogram::new_with_bounds(1, LATENCY_MAX_US, 3);
        Ok(Self { round_trip: histogram()?, greeting: histogram()?, tls: histogram()?, connection: histogram()? })
    }

    /// Takes what a row says.
    pub fn record(&mut self, fact: &Fact) {
        let row = match fact {
            Fact::Handshake(row, _) => row,
            Fact::Host(row) => return self.round_trip(row.rtt_us),
            Fact::Answer(answer) => return self.round_trip(answer.rtt_us),
            Fact::Checkpoint(_) => return,
        };
        self.connection.saturating_record(row.duration_us);
        if let Some(greeting) = row.greeting_us {
            self.greeting.saturating_record(greeting);
        }
        if let Some(tls) = row.tls_us {
            self.tls.saturating_record(tls);
        }
    }

    fn round_trip(&mut self, rtt_us: Option<u64>) {
        if let Some(rtt) = rtt_us {
            self.round_trip.saturating_record(rtt);
        }
    }

    fn json(&self) -> Value {
        let of = |histogram: &Histogram<u64>| {
            let mut percentiles = Map::new();
            percentiles.insert("count".into(), histogram.len().into());
            if !histogram.is_empty() {
                for percentile in PERCENTILES {
                    let key = format!("p{percentile}");
                    percentiles.insert(key, histogram.value_at_percentile(percentile).into());
                }
            }
            Value::Object(percentiles)
        };
        json!({ "round_trip": of(&self.round_trip), "greeting": of(&self.greeting), "tls": of(&self.tls), "connection": of(&self.connection) })
    }
}

/// The manifest: what was to be done, on what, and what came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Version of starling.
    starling: &'static str,
    /// Name of the run: its parts' names begin so.
    run: String,
    /// `running` until the run ends by itself, then `complete` if nothing is left to do, else `stopped`.
    state: &'static str,
    /// Why it was stopped, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_by: Option<&'static str>,
    /// Begin, microseconds since the UNIX epoch, UTC.
    start_us: i64,
    /// End, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    end_us: Option<i64>,
    /// What it had to do: positions of the order, and targets that an earlier run had left open.
    begun: Value,
    /// What it has left: likewise, and how many of these positions it had walked when the end came.
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<Value>,
    /// What was asked for.
    config: Value,
    /// What it ran on.
    link: Value,
    /// What the process could still do while it ran.
    privileges: Privileges,
    /// What was offered in TLS: what one offers changes what one measures.
    tls_offer: Value,
    /// Verdicts of the XDP program.
    #[serde(serialize_with = "as_map")]
    pub(super) xdp: Option<Vec<(&'static str, u64)>>,
    /// Frames that the link dropped instead of sending them; AF_XDP counts those as sent.
    pub(super) tx_dropped: Option<u64>,
    /// Counters of the engines.
    #[serde(serialize_with = "as_map")]
    ledger: Option<Vec<(&'static str, u64)>>,
    /// For how long the sweep was slower than asked for, by cause, in microseconds; the lanes' times added up.
    #[serde(serialize_with = "as_map")]
    held: Option<Vec<(&'static str, u64)>>,
    /// Connections by outcome.
    #[serde(serialize_with = "as_map")]
    outcomes: Option<Vec<(&'static str, u64)>>,
    /// Counters of the sockets.
    #[serde(serialize_with = "as_map")]
    sockets: Option<Vec<(&'static str, u64)>>,
    /// Targets that answered, by kind of answer, and what it took to know them again.
    answered: Option<Value>,
    /// Rows on disk.
    rows: Option<Tables>,
    /// Parts on disk, those without rows not counted.
    parts: Option<Tables>,
    /// Percentiles in microseconds.
    latency_us: Option<Value>,
    /// The runs before this one, in order; one that was killed has what is known of it in `killed`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    earlier: Vec<Value>,
    #[serde(skip)]
    account: Option<(Snapshot, Written)>,
    #[serde(skip)]
    stopped: Option<Stopped>,
    /// Every answer is written, repeated ones too.
    #[serde(skip)]
    every: bool,
}

/// Answers that were handed to the writer.
fn recorded(ledger: &Ledger, every: bool) -> u64 {
    let first = ledger.answers + ledger.refused + ledger.unreachable;
    first + if every { ledger.duplicates } else { 0 }
}

fn as_map<S: serde::Serializer>(named: &Option<Vec<(&'static str, u64)>>, to: S) -> Result<S::Ok, S::Error> {
    match named {
        Some(named) => to.collect_map(named.iter().copied()),
        None => to.serialize_none(),
    }
}

impl Summary {
    /// The account at the begin of a run on `link` (see [`link_json`]).
    pub fn new(
        plan: &Plan,
        run: &str,
        left: &Left,
        link: Value,
        tls: &tls::Client,
        privileges: Privileges,
        start: UtcMicros,
    ) -> Self {
        Self {
            starling: env!("CARGO_PKG_VERSION"),
            run: run.to_owned(),
            state: "running",
            begun: left_json(left),
            left: None,
            earlier: plan.former.as_ref().map(|former| former.earlier()).unwrap_or_default(),
            stopped_by: None,
            start_us: start.0,
            end_us: None,
            config: config_json(plan),
            link,
            privileges,
            tls_offer: offer_json(plan, tls),
            xdp: None,
            tx_dropped: None,
            ledger: None,
            held: None,
            outcomes: None,
            sockets: None,
            answered: None,
            rows: None,
            parts: None,
            latency_us: None,
            account: None,
            stopped: None,
            every: plan.answers.every,
        }
    }

    /// Takes the account at the end.
    pub fn finish(
        &mut self,
        end: UtcMicros,
        state: &Snapshot,
        written: Written,
        latencies: Latencies,
        stopped: Option<Stopped>,
        answered_bytes: u64,
    ) {
        self.end_us = Some(end.0);
        self.state = if written.left.is_empty() { "complete" } else { "stopped" };
        let mut left = left_json(&written.left);
        left["walked"] = state.unsettled.into();
        self.left = Some(left);
        self.stopped_by = stopped.map(|stopped| match stopped {
            Stopped::Signal => "signal",
            Stopped::Runtime => "max_runtime",
            Stopped::Results => "max_results",
        });
        self.ledger = Some(state.ledger.named());
        self.held = Some(state.held.named());
        self.outcomes = Some(state.outcomes.named().collect());
        self.sockets = Some(state.nic.named());
        self.answered = Some(json!({
            "syn_ack": state.ledger.answers,
            "rst": state.ledger.refused,
            "icmp": state.ledger.unreachable,
            "memory_bytes": answered_bytes,
        }));
        self.rows = Some(written.rows);
        self.parts = Some(written.parts);
        self.latency_us = Some(latencies.json());
        self.account = Some((state.clone(), written));
        self.stopped = stopped;
    }

    /// Proves that the account adds up: frames, answers, connections, rows.
    pub fn check(&self) -> Result<()> {
        let Some((state, written)) = &self.account else { return Ok(()) };
        let wrong = |text: String| anyhow!("the ledger does not add up, which is a bug: {text}");
        state.ledger.check(state.open, state.waiting).map_err(wrong)?;
        let nic = &state.nic;
        let made = nic.live_sent + nic.live_withdrawn + nic.live_lost;
        let pairs = [
            ("live probes and resets", nic.live_probes + nic.live_resets, "sent, withdrawn or lost", made),
            (
                "answers of all kinds",
                recorded(&state.ledger, self.every),
                "rows in hosts or lines heard",
                written.rows.hosts,
            ),
            ("connections ended", state.ledger.ended, "rows in handshakes", written.rows.handshakes),
            ("connections ended", state.ledger.ended, "outcomes", state.outcomes.total()),
        ];
        for (left, count, right, other) in pairs {
            ensure!(count == other, wrong(format!("{count} {left}, {other} {right}")));
        }
        Ok(())
    }

    /// The end of the run, for the caller.
    pub fn into_ended(self) -> Ended {
        Ended { stopped: self.stopped, text: self.to_string() }
    }
}

fn left_json(left: &Left) -> Value {
    json!({ "positions": left.count(), "again": left.again.len() })
}

/// What a run on an interface runs on.
pub fn link_json(way: &Way, links: &Links) -> Value {
    let modes: Vec<&str> = links.lanes.iter().flat_map(Queues::sockets).map(mode_name).collect();
    json!({
        "interface": way.interface.name,
        "driver": way.interface.driver,
        "source": way.source,
        "gateway": way.gateway,
        "gateway_mac": crate::base::mac::Mac(way.link.destination).to_string(),
        "queues": modes.len(),
        "lanes": links.lanes.len(),
        "tx": links.path.name,
        "tx_reason": links.path.reason,
        "bind": modes,
    })
}

fn mode_name(socket: &Socket) -> &'static str {
    match socket.mode() {
        BoundMode::ZeroCopy => "zerocopy",
        BoundMode::Copy => "copy",
    }
}

/// What is offered in TLS: what one offers changes what one measures.
fn offer_json(plan: &Plan, tls: &tls::Client) -> Value {
    let rungs = tls::Rung::ALL.iter().filter(|rung| rung.within(plan.rungs));
    let rungs: Vec<Value> = rungs
        .map(|rung| json!({ "rung": rung.name(), "version": rung.offered(), "suites": tls.suites(*rung) }))
        .collect();
    json!({ "groups": tls.groups(), "alpn": alpn_json(plan), "rungs": rungs })
}

/// What is offered in ALPN, by service; only where something is.
fn alpn_json(plan: &Plan) -> Value {
    let offers = plan.space.services().map(|service| (service, session::alpn(service.protocol).names()));
    let offers = offers.filter(|(_, names)| !names.is_empty());
    offers.map(|(service, names)| (format!("{}:{}", service.protocol, service.port), json!(names))).collect()
}

fn config_json(plan: &Plan) -> Value {
    let services: Vec<String> =
        plan.space.services().map(|service| format!("{}:{}", service.protocol, service.port)).collect();
    json!({
        "asked": plan.described,
        "services": services,
        "addresses": plan.space.addresses().len(),
        "targets": plan.space.size(),
        "targets_sha256": resume::fingerprint(&saved::write(&plan.space)),
        "positions": [plan.positions.start, plan.positions.end],
        "probes": plan.probes,
        "lag_secs": plan.lag.as_secs_f64(),
        "loaded": plan.loaded.manifest,
        "targets_max": (plan.targets_max != u64::MAX).then_some(plan.targets_max),
        "seed": plan.seed,
        "shard": plan.shard.0,
        "shards": plan.shard.1,
        "rate": plan.rate,
        "probe_only": plan.answers.probe_only,
        "probe_options": plan.options.name(),
        "answers": {
            "rst": plan.answers.rst,
            "icmp": plan.answers.icmp,
            "reset": plan.answers.reset,
        },
        "cooldown_secs": plan.cooldown.as_secs_f64(),
        "xmpp_to": plan.xmpp_to.name(),
        "source_port_first": plan.ports.first,
        "source_port_last": plan.ports.last,
        "connections_max": plan.connections_max,
        "limits": {
            "connect_secs": plan.limits.connect.as_secs_f64(),
            "greeting_secs": plan.limits.greeting.as_secs_f64(),
            "reply_secs": plan.limits.reply.as_secs_f64(),
            "tls_secs": plan.limits.tls.as_secs_f64(),
            "goodbye_secs": plan.limits.goodbye.as_secs_f64(),
            "total_secs": plan.limits.total.as_secs_f64(),
            "bytes_in": plan.limits.bytes_in,
            "segments_in": plan.limits.segments_in,
        },
    })
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Why it was stopped early, if it was.
    pub stopped: Option<Stopped>,
    /// The summary for the terminal.
    pub text: String,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((state, written)) = &self.account else { return Ok(()) };
        let ledger = &state.ledger;
        let closed = self.verdicts(Reason::DropClosed) + self.verdicts(Reason::UpClosed);
        let unreachable = self.verdicts(Reason::DropIcmp) + self.verdicts(Reason::UpIcmp);
        let seconds = self.end_us.map_or(0.0, |end| (end - self.start_us) as f64 / 1e6);
        writeln!(f, "probes sent: {} in {seconds:.1} s{}", ledger.probes, self.path())?;
        writeln!(f, "  {:>10} answered by SYN-ACK ({} further copies)", ledger.answers, ledger.duplicates)?;
        writeln!(f, "  {closed:>10} refused by RST")?;
        writeln!(f, "  {unreachable:>10} reported by ICMP")?;
        let told = ledger.answers + closed + unreachable + state.nic.live_withdrawn + state.nic.live_lost;
        writeln!(f, "  {:>10} silent", ledger.probes.saturating_sub(told))?;
        let count = ledger.blocked_since + state.nic.live_withdrawn;
        if count > 0 {
            writeln!(f, "  {count:>10} more were not sent: the blocklist that was read again has their targets")?;
        }
        if let Some(lines) = written.lines {
            return writeln!(f, "lines written: {lines}").and_then(|()| self.losses(f, state));
        }
        if ledger.not_opened == 0 {
            writeln!(f, "connections: {}", ledger.ended)?;
        }
        for (name, count) in state.outcomes.named().filter(|(_, count)| *count > 0) {
            writeln!(f, "  {count:>10} {name}")?;
        }
        writeln!(
            f,
            "rows: {} in hosts, {} in handshakes, {} in certificates, {} in chains",
            written.rows.hosts, written.rows.handshakes, written.rows.certificates, written.rows.chains
        )?;
        if !written.left.is_empty() {
            writeln!(
                f,
                "left: {} of the {} positions of the order, and {} targets whose connection did not come to its end",
                written.left.count(),
                self.config["positions"][1].as_u64().unwrap_or(0) - self.config["positions"][0].as_u64().unwrap_or(0),
                written.left.again.len()
            )?;
        }
        self.losses(f, state)
    }
}

impl Summary {
    /// What is about to begin, in a line.
    pub fn announcement(&self) -> String {
        let of = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let rate = self.config["rate"].as_f64().map_or_else(|| "no limit".to_owned(), |rate| format!("{rate:.0} p/s"));
        let what = match self.begun["positions"].as_u64().filter(|_| !self.earlier.is_empty()) {
            Some(positions) => format!(
                "resuming run {}: {positions} positions of the order are left, and {} targets to ask again; ",
                self.earlier.len() + 1,
                self.begun["again"]
            ),
            None => String::new(),
        };
        format!(
            "{what}scanning {} addresses, {} targets, from {} ({}, {} lanes on {} queues), by {} ({}), rate {rate}, seed {}",
            self.config["addresses"],
            self.config["targets"],
            of(&self.link["interface"]),
            of(&self.link["driver"]),
            self.link["lanes"],
            self.link["queues"],
            of(&self.link["tx"]),
            of(&self.link["tx_reason"]),
            self.config["seed"]
        )
    }

    /// By which way probes were sent, and why, if it was a network.
    fn path(&self) -> String {
        match (self.link["tx"].as_str(), self.link["tx_reason"].as_str()) {
            (Some(name), Some(reason)) => format!(" by {name} ({reason})"),
            _ => String::new(),
        }
    }

    /// How many frames the XDP program judged for `reason`.
    fn verdicts(&self, reason: Reason) -> u64 {
        let named = self.xdp.iter().flatten().find(|(name, _)| *name == reason.name());
        named.map_or(0, |(_, count)| *count)
    }

    /// What may have cost results, if anything did.
    fn losses(&self, f: &mut fmt::Formatter<'_>, state: &Snapshot) -> fmt::Result {
        let losses = [
            (state.nic.rx_dropped, "frames dropped by the kernel"),
            (state.nic.rx_ring_full, "frames dropped: receive ring full"),
            (state.nic.rx_fill_empty, "frames dropped: no free buffer"),
            (self.verdicts(Reason::DropNoSocket), "frames dropped: no socket on their queue"),
            (self.verdicts(Reason::DropBadCookie), "SYN-ACKs to nothing we sent"),
            // Among them drivers count what they refuse of live frames.
            (
                self.tx_dropped.unwrap_or(0).saturating_sub(state.nic.live_refused),
                "frames dropped by the link instead of sent",
            ),
            (state.nic.live_refused, "frames refused by the driver, its ring being full, and sent again"),
            (state.nic.live_lost, "probes lost: the interface was down or gone"),
            (state.ledger.no_room, "answers not taken at once: connection table full"),
            (state.ledger.turns_lost, "answers without a connection: gone, or the run over, when their turn came"),
            (state.ledger.resets_unsent, "resets not sent: too many at a time"),
            (state.ledger.malformed, "malformed frames"),
            (
                state.ledger.bad_checksum,
                "frames with a wrong checksum (many of them on a veth: ethtool -K PEER tx off at its other end)",
            ),
        ];
        for (count, what) in losses.iter().filter(|(count, _)| *count > 0) {
            writeln!(f, "  {count:>10} {what}")?;
        }
        Ok(())
    }
}
