//! What is scanned: loads the files that say it. The names in them are resolved here, and nowhere later but when a
//! blocklist is read again.

use crate::app::say::say;
use crate::base::UtcMicros;
use crate::output::dataset::Dataset;
use crate::output::parquet::Limits;
use crate::record::row::Prefix;
use crate::targets::Space;
use crate::targets::cidr::{self, AddressSet, Range};
use crate::targets::input::{Counts, Input, InputError};
use crate::targets::list::{self, LineError};
use crate::targets::ports::Service;
use crate::targets::rib::{Announced, Rib};
use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Where the targets come from. The allowed addresses are those of `prefixes`, `allowlist` and `rib` together, all of
/// IPv4 if there is none of them; of them `list` picks single ones, and `blocklist` wins over everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sources<'a> {
    /// Prefixes and addresses from the command line.
    pub prefixes: &'a [String],
    /// `-w`.
    pub allowlist: Option<&'a Path>,
    /// `-I`; `-` is standard input.
    pub list: Option<&'a Path>,
    /// `--allow-rib`.
    pub rib: Option<&'a Path>,
    /// `-b`.
    pub blocklist: Option<&'a Path>,
}

impl Sources<'_> {
    /// Whether anything says what is to be scanned.
    pub fn named(&self) -> bool {
        !self.prefixes.is_empty() || self.allowlist.is_some() || self.list.is_some() || self.rib.is_some()
    }
}

/// What was loaded beside the targets themselves.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The blocklist, absolute: it is read again on SIGHUP.
    pub blocklist: Option<PathBuf>,
    /// What the routing table announces.
    pub announced: Arc<Vec<Announced>>,
    /// What the user should know, a line each.
    pub notes: Vec<String>,
    /// The same for the manifest.
    pub manifest: Map<String, Value>,
}

/// Loads the targets: `services` on all of them, but for those that a list gives a port of their own.
///
/// # Errors
/// A file cannot be read, or a line of it not be understood; nothing is left to scan.
pub fn load(sources: Sources<'_>, services: Option<Vec<Service>>) -> Result<(Space, Loaded)> {
    let mut loaded = Loaded::default();
    let block = match sources.blocklist {
        Some(path) => {
            loaded.blocklist = Some(std::path::absolute(path).with_context(|| format!("-b {}", path.display()))?);
            blocklist(path)?
        }
        None => AddressSet::default(),
    };
    let allow = allowed(sources, &mut loaded)?;
    let which_ports = || anyhow!("which ports? Next step: name them, as in -p smtp,imaps");
    let space = match sources.list {
        Some(path) => {
            let (space, counts) = target_list(path, services, allow.as_ref(), &block)?;
            loaded.notes.push(note(path, &space, &counts));
            loaded.manifest.insert("list".to_owned(), json!(counts));
            loaded.manifest.insert("names".to_owned(), json!(space.names().len()));
            space
        }
        None => {
            let everything = || AddressSet::named(vec![(0, u32::MAX)]);
            Space::new(allow.unwrap_or_else(everything).minus(&block), services.ok_or_else(which_ports)?)
        }
    };
    ensure!(space.size() > 0, "no address is left to scan: all are blocked or reserved. Next step: see -b, -w and -I");
    Ok((space, loaded))
}

/// The allowed addresses, if anything says which.
fn allowed(sources: Sources<'_>, loaded: &mut Loaded) -> Result<Option<AddressSet>> {
    let mut named: Vec<Range> = Vec::new();
    for prefix in sources.prefixes {
        named.push(cidr::parse(prefix)?);
    }
    if let Some(path) = sources.allowlist {
        named.extend(prefixes("-w", path)?);
    }
    let routed = sources.rib.map(|path| routing_table(path, loaded)).transpose()?;
    if sources.prefixes.is_empty() && sources.allowlist.is_none() {
        return Ok(routed);
    }
    let named = AddressSet::named(named);
    Ok(Some(routed.map_or_else(|| named.clone(), |routed| named.plus(&routed))))
}

/// The addresses of a blocklist.
///
/// # Errors
/// It cannot be read, or a line of it not be understood.
pub fn blocklist(path: &Path) -> Result<AddressSet> {
    Ok(AddressSet::new(prefixes("-b", path)?))
}

fn prefixes(option: &str, path: &Path) -> Result<Vec<Range>> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .with_context(|| format!("{option} {}", path.display()))?;
    // Whatever stands in a comment.
    let text = String::from_utf8_lossy(&bytes);
    list::parse(&text, &mut resolve).map_err(|error| anyhow!("{option} {}:{error}", path.display()))
}

/// The addresses that a routing table announces, less the reserved ones: dumps hold private prefixes, too.
fn routing_table(path: &Path, loaded: &mut Loaded) -> Result<AddressSet> {
    let context = || format!("--allow-rib {}", path.display());
    let rib = read_rib(path).with_context(context)?;
    let announced = rib.announced(&AddressSet::named(vec![(0, u32::MAX)]));
    let routed = AddressSet::new(announced.iter().map(|announced| announced.range).collect());
    let mut text = format!("{}: {} prefixes, {} addresses", context(), rib.prefixes(), routed.len());
    for (count, what) in
        [(rib.too_short, "routes shorter than /8 left out"), (rib.unreadable, "records that could not be understood")]
    {
        if count > 0 {
            text += &format!("; {count} {what}");
        }
    }
    loaded.notes.push(text);
    let account = json!({
        "file": path,
        "records": rib.records,
        "unreadable": rib.unreadable,
        "too_short": rib.too_short,
        "prefixes": rib.prefixes(),
        "ranges": announced.len(),
        "addresses": routed.len(),
    });
    loaded.manifest.insert("rib".to_owned(), account);
    loaded.announced = Arc::new(announced);
    Ok(routed)
}

/// Reads a routing table, plain or compressed.
///
/// # Errors
/// It cannot be read, or is none.
pub(super) fn read_rib(path: &Path) -> Result<Rib> {
    let mut progress = Progress::new(path);
    Ok(Rib::read(decompressed(opened(path)?)?, &mut |records| progress.tell(records, "records"))?)
}

/// A file, or standard input for `-`.
pub(super) fn opened(path: &Path) -> std::io::Result<Box<dyn BufRead>> {
    Ok(if path == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(BufReader::with_capacity(1 << 20, File::open(path)?))
    })
}

/// What is in a file that may be compressed, as its first bytes say.
pub(super) fn decompressed(mut file: Box<dyn BufRead>) -> Result<Box<dyn BufRead>> {
    let begin = file.fill_buf()?;
    let buffered = |reader: Box<dyn Read>| Box::new(BufReader::with_capacity(1 << 20, reader));
    Ok(if begin.starts_with(&[0x1f, 0x8b]) {
        buffered(Box::new(flate2::bufread::MultiGzDecoder::new(file)))
    } else if begin.starts_with(b"BZh") {
        buffered(Box::new(bzip2::bufread::MultiBzDecoder::new(file)))
    } else if begin.starts_with(b"\xfd7zXZ") || begin.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        bail!("of compressed files gzip and bzip2 are read. Next step: unpack it, as in xzcat FILE | starling ... -")
    } else {
        file
    })
}

/// Writes the table `prefixes`.
///
/// # Errors
/// Of the dataset.
pub fn write_announced(dataset: &Dataset, announced: &[Announced], now: UtcMicros) -> Result<()> {
    let mut writer = dataset.part_writer::<Prefix>(Limits { rows: u64::MAX, ..Limits::default() });
    for Announced { range, prefix: (first, length), origins, as_set } in announced {
        let row = Prefix {
            first_ip: range.0,
            last_ip: range.1,
            prefix: format!("{}/{length}", Ipv4Addr::from(*first)),
            origin_as: origins.first().copied(),
            origins: origins.clone(),
            as_set: *as_set,
        };
        writer.write(&row, now)?;
    }
    Ok(writer.close()?)
}

/// The addresses of a host name, as the system knows them.
fn resolve(name: &str) -> Result<Vec<u32>, String> {
    let found = (name, 0).to_socket_addrs().map_err(|error| error.to_string())?;
    Ok(found
        .filter_map(|address| match address {
            SocketAddr::V4(address) => Some(u32::from(*address.ip())),
            SocketAddr::V6(_) => None,
        })
        .collect())
}

fn target_list(
    path: &Path,
    services: Option<Vec<Service>>,
    allow: Option<&AddressSet>,
    block: &AddressSet,
) -> Result<(Space, Counts)> {
    let context = || format!("-I {}", path.display());
    let services = services.unwrap_or_default();
    let mut input = Input::default();
    let mut progress = Progress::new(path);
    let mut reader = opened(path).with_context(context)?;
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        if reader.read_until(b'\n', &mut bytes).with_context(context)? == 0 {
            break;
        }
        let wrong = |cause: InputError| anyhow!("{}:{}", context(), LineError { line: number, cause });
        input.add(&String::from_utf8_lossy(&bytes), &services, &mut resolve).map_err(wrong)?;
        // Looking at the clock costs more than reading a line without a name.
        if number.is_multiple_of(16) {
            progress.tell(number, "lines");
        }
    }
    if services.is_empty() && input.wants_ports() {
        bail!("{}: which ports? Some lines have none. Next step: name them, as in -p smtp,imaps", context());
    }
    Ok(input.into_space(services, allow, block))
}

/// A line now and then while a file is read: names take their time, and so do millions of routes.
struct Progress<'a> {
    path: &'a Path,
    told: Instant,
}

impl<'a> Progress<'a> {
    fn new(path: &'a Path) -> Self {
        Self { path, told: Instant::now() }
    }

    fn tell(&mut self, count: u64, what: &str) {
        if self.told.elapsed().as_secs() >= 5 {
            self.told = Instant::now();
            say(format_args!("reading {}: {count} {what}", self.path.display()));
        }
    }
}

fn note(path: &Path, space: &Space, counts: &Counts) -> String {
    let mut text = format!("-I {}: {} lines, {} targets", path.display(), counts.lines, space.size());
    for (count, what) in [
        (counts.duplicates, "given more than once"),
        (counts.blocked, "blocked"),
        (counts.outside, "not in the allowlist"),
        (counts.reserved, "reserved"),
        (counts.ipv6_lines, "lines with IPv6 addresses"),
        (counts.unresolved_lines, "lines whose name has no IPv4 address"),
        (counts.names_unused, "names not used: an earlier line has another one"),
    ] {
        if count > 0 {
            text += &format!("; {count} {what}");
        }
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;
    use crate::targets::ports;
    use std::fs;

    fn smtp() -> Option<Vec<Service>> {
        ports::parse("smtp").ok()
    }

    #[test]
    fn lists_resolve_names_and_errors_have_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let block = file("block", b"# M\xfcller\nlocalhost/8 # ourselves\n8.8.8.8\n");
        assert_eq!(
            blocklist(&block).unwrap().ranges().collect::<Vec<_>>(),
            [(0x0808_0808, 0x0808_0808), (0x7f00_0000, 0x7fff_ffff)]
        );

        let wrong = file("wrong", b"8.8.8.8\nno.such.host.invalid\n");
        let error = format!("{:#}", blocklist(&wrong).unwrap_err());
        assert!(
            error.starts_with(&format!("-b {}:2: `no.such.host.invalid` is no address", wrong.display())),
            "{error}"
        );
        let list = file("list", b"8.8.8.7\n8.8.8.8:25\n8.8.8.9:sip\n");
        let sources = Sources { list: Some(&list), ..Sources::default() };
        let error = format!("{:#}", load(sources, smtp()).unwrap_err());
        assert_eq!(error, format!("-I {}:3: `sip` is not a port: a number from 1 to 65535 is wanted", list.display()));
        let error = format!(
            "{:#}",
            load(Sources { list: Some(Path::new("/nonexistent")), ..Sources::default() }, smtp()).unwrap_err()
        );
        assert_eq!(error, "-I /nonexistent: No such file or directory (os error 2)");

        let list = file("list", b"8.8.8.7\n8.8.8.8:25\n8.8.8.9\n");
        let sources = Sources { list: Some(&list), blocklist: Some(&block), ..Sources::default() };
        let (space, loaded) = load(sources, smtp()).unwrap();
        assert_eq!(space.size(), 2);
        assert_eq!(loaded.notes, [format!("-I {}: 3 lines, 2 targets; 1 blocked", list.display())]);
        assert_eq!(loaded.manifest["list"]["blocked"], 1);
        let error = format!("{:#}", load(sources, None).unwrap_err());
        assert!(error.contains("which ports? Some lines have none"), "{error}");
    }
}
