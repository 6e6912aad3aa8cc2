//! The XDP program that plays the Internet: loads it, attaches it, reads what it counted.

use crate::model::World;
use crate::network::{End, Network};
use anyhow::{Context as _, Result, bail, ensure};
use libbpf_rs::{Link, MapCore, MapFlags, MapHandle, ObjectBuilder, OpenObject};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

#[repr(align(8))]
struct Aligned<T: ?Sized>(T);

/// ELF object of `ebpf/responder.bpf.c`.
static OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/responder.bpf.o")));

/// `LAB_REMEMBER`, `LAB_VERIFY`.
const REMEMBER: u32 = 1;
const VERIFY: u32 = 2;
/// `LAB_NOWHERE`.
const NOWHERE: u16 = 0xffff;
/// Targets of a page of the memory: 2^`LAB_PAGE_BITS_LOG2`.
const PAGE_BITS: u64 = 1 << 15;
/// Targets that are remembered at most: a gigabyte of bits.
const REMEMBERED_MAX: u64 = 1 << 33;

/// What the responder is to do beside answering.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Duties {
    /// Keep a bit a target.
    pub(crate) remember: bool,
    /// Check checksums.
    pub(crate) verify: bool,
    /// Attach a program that passes everything to the scanner's end too.
    pub(crate) pass: bool,
    /// Where ICMP errors come from.
    pub(crate) router: Ipv4Addr,
}

/// The program at work. Dropping it takes it off.
pub(crate) struct Responder {
    _links: Vec<Link>,
    counters: MapHandle,
    seen: MapHandle,
    names: Vec<String>,
}

impl Responder {
    /// Leaves the calling thread in the world's namespace.
    pub(crate) fn attach(network: &Network, world: &World, duties: Duties) -> Result<Self> {
        let mut open = ObjectBuilder::default().open_memory(&OBJECT.0).context("the responder's object")?;
        let names = configure(&mut open, world, duties)?;
        let object = open.load().context("the kernel does not load the responder. Next step: run as root")?;
        let map = |name: &str| -> Result<MapHandle> {
            let map = object.maps().find(|map| map.name() == name).with_context(|| format!("no map {name}"))?;
            Ok(MapHandle::try_from(&map)?)
        };
        let zero = 0_u32.to_ne_bytes();
        map("world")?.update(&zero, &tables(world), MapFlags::ANY)?;

        let attach = |program: &str, end: &End| -> Result<(Link, i32)> {
            let index = end.enter()?;
            let program = object.progs_mut().find(|found| found.name() == program).context("no such program")?;
            let link = program.attach_xdp(index).with_context(|| format!("attaching to {}", end.device))?;
            Ok((link, index))
        };
        let mut links = Vec::new();
        if let Some(scanner) = network.scanner.as_ref().filter(|_| duties.pass) {
            links.push(attach("pass", scanner)?.0);
        }
        let (link, index) = attach("respond", &network.world)?;
        links.push(link);
        for slot in [0_u32, 1] {
            map("twice")?.update(&slot.to_ne_bytes(), &index.to_ne_bytes(), MapFlags::ANY)?;
        }
        Ok(Self { _links: links, counters: map("counters")?, seen: map("seen")?, names })
    }

    /// Everything that was counted, by name.
    pub(crate) fn counts(&self) -> Result<BTreeMap<&str, u64>> {
        let sums = self.sums()?;
        Ok(self.names.iter().map(String::as_str).zip(sums).collect())
    }

    /// SYNs so far.
    pub(crate) fn syns(&self) -> Result<u64> {
        let at = self.names.iter().position(|name| name == "syn").context("no counter of SYNs")?;
        Ok(self.sums()?[at])
    }

    fn sums(&self) -> Result<Vec<u64>> {
        let per_cpu = self.counters.lookup_percpu(&0_u32.to_ne_bytes(), MapFlags::ANY)?.context("no counters")?;
        let mut sums = vec![0_u64; self.names.len()];
        for values in &per_cpu {
            ensure!(values.len() == 8 * sums.len(), "the counters are not those of the list");
            for (sum, value) in sums.iter_mut().zip(values.chunks_exact(8)) {
                *sum = sum.wrapping_add(u64::from_ne_bytes(value.try_into()?));
            }
        }
        Ok(sums)
    }

    /// Targets that got a SYN, if the responder remembers.
    pub(crate) fn probed(&self) -> Result<u64> {
        let mut probed = 0;
        for page in 0..self.seen.max_entries() {
            let bits = self.seen.lookup(&page.to_ne_bytes(), MapFlags::ANY)?.context("a page is missing")?;
            probed += bits.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>();
        }
        Ok(probed)
    }
}

/// Fills in what the verifier must see; gives the names of the counters.
fn configure(open: &mut OpenObject, world: &World, duties: Duties) -> Result<Vec<String>> {
    let flags = if duties.remember { REMEMBER } else { 0 } | if duties.verify { VERIFY } else { 0 };
    let mut names = Vec::new();
    for mut map in open.maps_mut() {
        let name = map.name().to_string_lossy().into_owned();
        // libbpf puts the object's name in front.
        if name.ends_with(".rodata.names") {
            let text = map.initial_value_mut().context("no names")?;
            names = String::from_utf8_lossy(text).split([' ', '\0']).map(str::to_owned).collect();
            names.retain(|name| !name.is_empty());
        } else if name.ends_with(".rodata") {
            let mut config = world.key.to_ne_bytes().to_vec();
            for word in [world.addresses.0, world.addresses.1, duties.router.to_bits(), flags] {
                config.extend(word.to_ne_bytes());
            }
            map.initial_value_mut().context("no configuration")?[..config.len()].copy_from_slice(&config);
        } else if name == "seen" && duties.remember {
            ensure!(
                world.targets() <= REMEMBERED_MAX,
                "{} targets are too many to remember: at most {REMEMBERED_MAX}",
                world.targets()
            );
            map.set_max_entries(u32::try_from(world.targets().div_ceil(PAGE_BITS))?)?;
        }
    }
    if names.is_empty() {
        bail!("the responder's object does not name its counters");
    }
    Ok(names)
}

/// `struct lab_world`.
fn tables(world: &World) -> Vec<u8> {
    let mut ranks = vec![NOWHERE; 1 << 16];
    for (rank, port) in (0_u16..).zip(&world.ports) {
        ranks[usize::from(*port)] = rank;
    }
    let mut bytes = Vec::new();
    for (rule, rank) in world.rates.of_port.iter().zip(ranks) {
        bytes.extend(rule.to_ne_bytes());
        bytes.extend(rank.to_ne_bytes());
    }
    for number in 0..crate::rates::RULES_MAX {
        let rule = world.rates.rules.get(number).copied().unwrap_or_default();
        rule.words().iter().for_each(|word| bytes.extend(word.to_ne_bytes()));
    }
    bytes
}
