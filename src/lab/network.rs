//! Where the world is: two network namespaces joined by a veth pair, without a way out, gone when dropped; or an
//! interface that is there already.

use anyhow::{Context as _, Result, bail, ensure};
use nix::sched::{CloneFlags, setns};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

/// The scanner's interface, in its namespace.
pub(crate) const NEAR: &str = "near0";
/// The responder's interface, in its namespace.
pub(crate) const FAR: &str = "far0";
const NEAR_MAC: &str = "02:00:00:00:00:01";
/// The gateway, from the scanner's point of view.
pub(crate) const FAR_MAC: &str = "02:00:00:00:00:02";

/// One end of the link.
#[derive(Clone, Debug)]
pub(crate) struct End {
    /// Namespace by name; the caller's if absent.
    pub(crate) space: Option<String>,
    /// Interface.
    pub(crate) device: String,
}

/// The link and its ends.
pub(crate) struct Network {
    /// The scanner's; absent if somebody else made it.
    pub(crate) scanner: Option<End>,
    pub(crate) world: End,
}

/// How to build it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Queues at either end.
    pub(crate) queues: u32,
    /// Address of the scanner.
    pub(crate) scanner: Ipv4Addr,
    /// Address of the gateway, in the same /24.
    pub(crate) gateway: Ipv4Addr,
}

/// Runs a program and gives what it printed.
pub(crate) fn run(program: &str, arguments: &str) -> Result<String> {
    let output = Command::new(program)
        .args(arguments.split_whitespace())
        .output()
        .with_context(|| format!("{program} does not start. Next step: scripts/setup"))?;
    if !output.status.success() {
        bail!("{program} {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Takes this thread into a namespace.
fn enter(space: &str) -> Result<()> {
    let file = File::open(format!("/run/netns/{space}")).with_context(|| format!("namespace {space}"))?;
    setns(file, CloneFlags::CLONE_NEWNET).with_context(|| format!("entering namespace {space}"))
}

impl End {
    /// Runs a program where the interface is.
    fn run(&self, program: &str, arguments: &str) -> Result<String> {
        match &self.space {
            Some(space) => run("ip", &format!("netns exec {space} {program} {arguments}")),
            None => run(program, arguments),
        }
    }

    /// Takes this thread to where the interface is, and gives its index.
    pub(crate) fn enter(&self) -> Result<i32> {
        if let Some(space) = &self.space {
            enter(space)?;
        }
        let links: Value = serde_json::from_str(&self.run("ip", &format!("-j link show {}", self.device))?)?;
        let index = links[0]["ifindex"].as_i64().and_then(|index| i32::try_from(index).ok());
        index.with_context(|| format!("{} has no index", self.device))
    }

    /// What driver and kernel count, zeros left out.
    pub(crate) fn statistics(&self) -> Result<BTreeMap<String, u64>> {
        let device = &self.device;
        let mut counts = BTreeMap::new();
        for line in self.run("ethtool", &format!("-S {device}"))?.lines() {
            if let Some((name, value)) = line.rsplit_once(':') {
                counts.insert(name.trim().to_owned(), value.trim().parse().unwrap_or(0));
            }
        }
        counts.remove("peer_ifindex");
        let links: Value = serde_json::from_str(&self.run("ip", &format!("-j -s link show {device}"))?)?;
        let stats = &links[0]["stats64"];
        ensure!(stats.is_object(), "`ip -s link show {device}` has no statistics");
        for direction in ["rx", "tx"] {
            for kind in ["packets", "dropped", "errors"] {
                counts.insert(format!("{direction}_{kind}"), stats[direction][kind].as_u64().unwrap_or(0));
            }
        }
        counts.retain(|_, count| *count > 0);
        Ok(counts)
    }
}

impl Network {
    /// An interface of the caller's namespace is the world's end.
    pub(crate) fn at(interface: &str) -> Self {
        Self { scanner: None, world: End { space: None, device: interface.to_owned() } }
    }

    /// Both interfaces are up; the scanner's default route is the gateway, whose Ethernet address it knows.
    pub(crate) fn new(shape: Shape) -> Result<Self> {
        let id = RandomState::new().build_hasher().finish() & 0xffff_ffff;
        let end = |name: &str, device: &str| End {
            space: Some(format!("starling-lab-{id:08x}-{name}")),
            device: device.to_owned(),
        };
        // From here on, what was made ends with it.
        let network = Self { scanner: Some(end("scanner", NEAR)), world: end("world", FAR) };
        network.build(shape)?;
        Ok(network)
    }

    fn build(&self, shape: Shape) -> Result<()> {
        for space in self.spaces() {
            run("ip", &format!("netns add {space}"))?;
            let settings =
                "net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 net.ipv4.ip_forward=0";
            run("ip", &format!("netns exec {space} sysctl -qw {settings}"))?;
            run("ip", &format!("-n {space} link set lo up"))?;
        }
        let [scanner, world] = self.spaces()[..] else { return Ok(()) };
        let Shape { queues, scanner: address, gateway } = shape;
        let sizes = format!("numrxqueues {queues} numtxqueues {queues}");
        run("ip", &format!("link add {NEAR} netns {scanner} {sizes} type veth peer {FAR} netns {world} {sizes}"))?;
        // A veth hands over partial checksums and frames of up to 64 kB unless both ends are told not to.
        for (space, device) in [(scanner, NEAR), (world, FAR)] {
            run("ip", &format!("netns exec {space} ethtool -K {device} tx off gso off tso off"))?;
        }
        run("ip", &format!("-n {scanner} address add {address}/24 dev {NEAR}"))?;
        run("ip", &format!("-n {world} address add {gateway}/24 dev {FAR}"))?;
        run("ip", &format!("-n {scanner} link set {NEAR} address {NEAR_MAC} up"))?;
        run("ip", &format!("-n {world} link set {FAR} address {FAR_MAC} up"))?;
        run("ip", &format!("-n {scanner} neighbour replace {gateway} lladdr {FAR_MAC} dev {NEAR} nud permanent"))?;
        run("ip", &format!("-n {scanner} route add default via {gateway} dev {NEAR}"))?;
        Ok(())
    }

    /// The namespaces that were made: the scanner's and the world's.
    fn spaces(&self) -> Vec<&str> {
        self.scanner.iter().chain([&self.world]).filter_map(|end| end.space.as_deref()).collect()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for space in self.spaces() {
            if !Path::new("/run/netns").join(space).exists() {
                continue;
            }
            if let Err(error) = run("ip", &format!("netns del {space}")) {
                eprintln!("starling-lab: {error:#}");
            }
        }
    }
}
