//! `--metadata-file`: what zmap's users read about a scan, under zmap's names.

use crate::app::lane::Snapshot;
use crate::app::scan::{Plan, Way};
use crate::app::sink;
use crate::base::UtcMicros;
use crate::base::mac::Mac;
use crate::output::lines::fields::iso_seconds;
use crate::output::writer::Written;
use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// The file, opened before privileges are given up.
pub(super) struct Metadata {
    out: Box<dyn Write>,
    file: Option<File>,
    name: String,
}

impl Metadata {
    /// Opens the file at `path`; `-` is standard output.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let name = format!("-m {}", path.display());
        if path.as_os_str() == "-" {
            return Ok(Self { out: Box::new(std::io::stdout()), file: None, name });
        }
        let file = sink::create(path).with_context(|| name.clone())?;
        let copy = file.try_clone().with_context(|| name.clone())?;
        Ok(Self { out: Box::new(file), file: Some(copy), name })
    }

    /// Writes the object on a line of its own.
    pub(super) fn write(mut self, metadata: &Value) -> Result<()> {
        let written = writeln!(self.out, "{metadata}").and_then(|()| self.out.flush());
        // Not every file can be synced: a pipe cannot.
        let _ = self.file.map(|file| file.sync_all());
        written.with_context(|| self.name)
    }
}

/// What there is to say at the end of a run from `start` to `end`.
pub(super) fn json(
    plan: &Plan,
    way: &Way,
    state: &Snapshot,
    written: &Written,
    start: UtcMicros,
    end: UtcMicros,
) -> Value {
    let ledger = &state.ledger;
    let ports: Vec<u16> = plan.space.services().map(|service| service.port).collect();
    let addresses = plan.space.addresses().len();
    let mut all = Map::new();
    let mut add = |key: &str, value: Value| drop(all.insert(key.to_owned(), value));
    add("starling", env!("CARGO_PKG_VERSION").into());
    if let [port] = ports[..] {
        add("target_port", port.into());
    }
    add("target_ports", json!(ports));
    add("source_port_first", plan.ports.first.into());
    add("source_port_last", plan.ports.last.into());
    add("source_ips", json!([way.source.to_string()]));
    add("iface", way.interface.name.clone().into());
    add("source_mac", Mac(way.link.source).to_string().into());
    add("gateway_mac", Mac(way.link.destination).to_string().into());
    add("gateway_ip", json!(way.gateway.map(|gateway| gateway.to_string())));
    add("max_targets", json!((plan.targets_max != u64::MAX).then_some(plan.targets_max)));
    add("max_runtime", json!(plan.runtime_max.map(|max| max.as_secs_f64())));
    add("max_results", json!(plan.results_max));
    add("rate", json!(plan.rate));
    add("cooldown_secs", json!(plan.cooldown.as_secs_f64()));
    add("seed", plan.seed.into());
    add("shard_num", plan.shard.0.into());
    add("total_shards", plan.shard.1.into());
    add("probe_module", "tcp_synscan".into());
    add("probe_args", plan.options.name().into());
    add("output_module", plan.lines.as_ref().map_or("parquet", |lines| lines.selection.format.name()).into());
    add("output_filename", plan.output.display().to_string().into());
    if let Some(lines) = &plan.lines {
        let names: Vec<&str> = lines.selection.fields.iter().map(|field| field.name()).collect();
        add("output_fields", json!(names));
        add("output_filter", lines.selection.filter.to_string().into());
    }
    add("blocklist_total_allowed", addresses.into());
    add("blocklist_total_not_allowed", (u64::from(u32::MAX) + 1 - addresses).into());
    add("total_sent", ledger.probes.into());
    add("success_unique", ledger.answers.into());
    add("hitrate", json!(100.0 * ledger.answers as f64 / ledger.probes.max(1) as f64));
    add("duplicates", ledger.duplicates.into());
    add("failure_unique", (ledger.refused + ledger.unreachable).into());
    add("validation_failed", (ledger.bad_cookie + ledger.bad_quotes + ledger.strays).into());
    add("output_results", written.lines.unwrap_or(written.rows.hosts).into());
    add(
        "outcomes",
        state.outcomes.named().map(|(name, count)| (name.to_owned(), count.into())).collect::<Map<_, _>>().into(),
    );
    add("pcap_recv", state.nic.rx_frames.into());
    add("pcap_drop", (state.nic.rx_ring_full + state.nic.rx_fill_empty).into());
    add("pcap_ifdrop", state.nic.rx_dropped.into());
    add("send_start_time", iso_seconds(start).into());
    add("recv_start_time", iso_seconds(start).into());
    add("recv_end_time", iso_seconds(end).into());
    Value::Object(all)
}
