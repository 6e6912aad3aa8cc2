//! A scan of a simulated world: the same engine, dataset, manifest and summary as on a network, in virtual time,
//! and the checkers' verdict at the end.

use crate::app::lane::Snapshot;
use crate::app::privileges;
use crate::app::reload::Reload;
use crate::app::scan::{Plan, Signals, Stopped};
use crate::app::status::Status;
use crate::app::summary::{Ended, Latencies, Summary};
use crate::app::targets;
use crate::base::Instant;
use crate::base::keyed::Key;
use crate::nic::FrameIo;
use crate::output::manifest::write_manifest;
use crate::output::parquet::Limits as PartLimits;
use crate::output::pcap::Pcap;
use crate::output::writer::Writer;
use crate::scan::engine::Config;
use crate::sim::swarm::{SECRET, SOURCE, Swarm};
use crate::sim::world::World;
use crate::tls;
use anyhow::{Result, anyhow, bail};
use serde_json::json;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Virtual time between two lines of status.
const STATUS_EVERY: Duration = Duration::from_secs(10);

/// Runs the world of `swarm` to its end.
///
/// # Errors
/// One line with cause and next step; also if a checker found a rule broken. The rows are written all the same.
pub(super) fn run(plan: &Plan, swarm: &Swarm) -> Result<Ended> {
    let no_tls = |error| anyhow!("TLS does not start: {error}");
    let tls = tls::Client::new(plan.offer).map_err(no_tls)?;
    let left = plan.left();
    let runs = plan.former.as_ref().map_or(0, |former| former.runs());
    // The secret of a run is its own: an answer to a probe of the killed one is none.
    let key = Key([swarm.seed, SECRET + runs as u64]);
    let config = Config { left: left.clone(), probes: plan.probes, lag: plan.lag, key, ..swarm.config() };
    let mut world = World::of(swarm.clone(), config, false).map_err(no_tls)?;
    let mut tap = plan.tap.as_deref().map(Pcap::create).transpose()?;
    if tap.is_some() {
        world.tap();
    }
    let dataset = plan.dataset(world.utc())?;
    let link = json!({ "simulated": swarm.seed, "source": Ipv4Addr::from(SOURCE) });
    targets::write_announced(&dataset, &plan.loaded.announced, world.utc())?;
    let privileges = privileges::give_up(Some(dataset.root()), plan.loaded.blocklist.as_deref())?;
    let signals = Signals::install()?;
    let mut summary = Summary::new(plan, dataset.run(), &left, link, &tls, privileges, world.utc());
    let mut writer = Writer::new(&dataset, PartLimits { age: plan.part_age, ..PartLimits::default() }, key);
    writer.recall(&dataset)?;
    write_manifest(dataset.root(), &summary)?;
    writer.keep_checkpoint(&dataset, vec![left])?;

    let mut latencies = Latencies::new()?;
    let mut status = Status::new(plan.quiet, plan.rate.is_some());
    let mut shown = Duration::ZERO;
    let mut obeyed = 0;
    if let Some(list) = plan.former.as_ref().and_then(|former| former.blocked.clone()) {
        world.block(list);
    }
    let mut reload = Reload::new(plan.loaded.blocklist.clone());
    while world.advance() {
        capture(&mut world, swarm, tap.as_mut())?;
        write(&mut world, &mut writer, &mut latencies)?;
        let elapsed = world.now() - Instant::ZERO;
        if elapsed >= shown + STATUS_EVERY {
            shown = elapsed;
            status.update(elapsed, &snapshot(&world));
        }
        if let Some(list) = reload.list(signals.reloads()) {
            world.block(list);
        }
        let received = signals.received();
        if received > obeyed {
            obeyed = received;
            if received == 1 { world.stop() } else { world.interrupt() }
        }
    }
    capture(&mut world, swarm, tap.as_mut())?;
    write(&mut world, &mut writer, &mut latencies)?;
    tap.map_or(Ok(()), Pcap::finish)?;
    status.finish();
    summary.xdp = Some(world.nic().verdicts());
    let stopped = (obeyed > 0).then_some(Stopped::Signal);
    summary.finish(
        world.utc(),
        &snapshot(&world),
        writer.finish()?,
        latencies,
        stopped,
        world.engine().answered_bytes(),
    );
    write_manifest(dataset.root(), &summary)?;
    summary.check()?;
    if let [first, others @ ..] = world.violations() {
        bail!(
            "the simulated world {} broke a rule, which is a bug: {first} (and {} more). Next step: STARLING_SEED={} \
             cargo test --test sim, if targets and options are the seed's own",
            swarm.seed,
            others.len(),
            swarm.seed
        );
    }
    let mut ended = summary.into_ended();
    ended.text += &format!(
        "simulated world {}: {} events, digest {:016x}, no rule broken\n",
        swarm.seed,
        world.trace().events(),
        world.trace().digest()
    );
    Ok(ended)
}

fn snapshot(world: &World) -> Snapshot {
    Snapshot::of(world.engine(), world.nic().counters())
}

fn capture(world: &mut World, swarm: &Swarm, tap: Option<&mut Pcap>) -> Result<()> {
    let Some(tap) = tap else { return Ok(()) };
    for (at, frame) in world.take_tapped() {
        tap.frame(swarm.clock().utc(at), &frame)?;
    }
    Ok(())
}

fn write(world: &mut World, writer: &mut Writer, latencies: &mut Latencies) -> Result<()> {
    for fact in world.take_facts() {
        latencies.record(&fact);
        writer.write(fact, world.utc())?;
    }
    Ok(())
}
