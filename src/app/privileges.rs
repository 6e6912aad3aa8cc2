//! Gives up what starting needed, before the first byte from the network is parsed.
//!
//! Capabilities and Landlock rules belong to threads and are inherited: call [`give_up`] before the first thread
//! is started. The run goes on with open descriptors alone: sockets, program, maps.

use anyhow::{Context, Result};
use caps::{CapSet, Capability, CapsHashSet};
use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus,
    path_beneath_rules,
};
use serde::Serialize;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Privileges {
    /// Capabilities that were kept, by name.
    capabilities: Vec<String>,
    /// File access outside the output folder (the list of CPUs and what may be read again excepted): `denied`, `partly denied` or `as before` (kernel without Landlock).
    other_files: &'static str,
    /// What may still be read: the blocklist's folder, since a new list may take the old one's place, and where names
    /// are resolved.
    readable: Vec<PathBuf>,
}

/// Drops all capabilities but those that the run needs later, and all access to files outside the folder `output`
/// (without one, to all files), but for reading `again`.
///
/// # Errors
/// The kernel refuses to take capabilities away. A kernel without Landlock is no error.
pub fn give_up(output: Option<&Path>, again: Option<&Path>) -> Result<Privileges> {
    let kept = kept(output)?;
    // Landlock first: without capabilities it still works, but the order of least surprise is files, then powers.
    let readable = readable(again);
    let other_files = confine(output, &readable)?;
    for set in [CapSet::Ambient, CapSet::Inheritable] {
        caps::clear(None, set).context("capabilities cannot be dropped")?;
    }
    for set in [CapSet::Effective, CapSet::Permitted] {
        let have = caps::read(None, set).context("capabilities cannot be read")?;
        let keep: CapsHashSet = have.intersection(&kept).copied().collect();
        caps::set(None, set, &keep).context("capabilities cannot be dropped")?;
    }
    let capabilities = caps::read(None, CapSet::Permitted).context("capabilities cannot be read")?;
    let mut capabilities: Vec<String> = capabilities.iter().map(ToString::to_string).collect();
    capabilities.sort();
    Ok(Privileges { capabilities, other_files, readable })
}

/// What the run needs to its end.
fn kept(output: Option<&Path>) -> Result<CapsHashSet> {
    let mut kept = CapsHashSet::new();
    // Before 5.19 even reading a map that is open, or running a program, needs it.
    let old = aya::util::KernelVersion::current().is_ok_and(|v| v < aya::util::KernelVersion::new(5, 19, 0));
    if old {
        kept.insert(Capability::CAP_BPF);
    }
    if let Some(output) = output {
        let owner = std::fs::metadata(output).context("the output folder is gone")?.uid();
        if owner != nix::unistd::geteuid().as_raw() {
            kept.insert(Capability::CAP_DAC_OVERRIDE);
        }
    }
    Ok(kept)
}

/// Where aya looks up the number of CPUs each time the program's counters are read.
const CPUS: &str = "/sys/devices/system/cpu";

/// What resolving a name reads.
const RESOLVER: [&str; 5] = ["/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf"];

fn readable(again: Option<&Path>) -> Vec<PathBuf> {
    let Some(folder) = again.and_then(Path::parent) else { return Vec::new() };
    let resolver = RESOLVER.iter().map(PathBuf::from).filter(|path| path.exists());
    std::iter::once(folder.to_owned()).chain(resolver).collect()
}

fn confine(output: Option<&Path>, readable: &[PathBuf]) -> Result<&'static str> {
    let abi = ABI::V3;
    let all = AccessFs::from_all(abi);
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)
        .and_then(Ruleset::create)
        .and_then(|rules| rules.add_rules(path_beneath_rules(output, all)))
        .and_then(|rules| rules.add_rules(path_beneath_rules([CPUS], AccessFs::from_read(abi))))
        .and_then(|rules| rules.add_rules(path_beneath_rules(readable, AccessFs::from_read(abi))))
        .and_then(|rules| rules.restrict_self())
        .context("file access cannot be confined (Landlock)")?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => "denied",
        RulesetStatus::PartiallyEnforced => "partly denied",
        RulesetStatus::NotEnforced => "as before",
    })
}
