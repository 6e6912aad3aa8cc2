//! The XDP program: load, attach, configure, read its counters.
#![allow(unsafe_code, reason = "aya wants a promise that the configuration is plain bytes")]

use super::{Error, Socket, link};
use crate::base::keyed::Key;
use crate::nic::contract::{Config, Reason};
use crate::nic::netlink;
use crate::nic::object::OBJECT;
use aya::maps::{Map, MapData, PerCpuArray, XskMap};
use aya::programs::links::FdLink;
use aya::programs::{ProgramError, Xdp, XdpError, XdpMode};
use aya::util::KernelVersion;
use aya::{Ebpf, EbpfError, EbpfLoader};
use netlink_packet_route::link::LinkMessage;
use std::io;
use std::os::fd::AsRawFd;

/// Names in `ebpf/starling.bpf.c`.
const PROGRAM: &str = "starling";
const CONFIG: &str = "config";
const SOCKETS: &str = "xsks";
const COUNTERS: &str = "counters";

/// Longest excerpt of what a loader says that goes into an error line, in characters.
const EXCERPT: usize = 240;

// SAFETY: `Config` is `repr(C)`, made of integers alone, and has no padding (16 + 4 + 2 + 2 + 4 + 4 bytes).
unsafe impl aya::Pod for Config {}
const _: () = assert!(size_of::<Config>() == 32);

/// Where on the frame's way the program runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// In the driver, before a frame costs the kernel anything.
    #[default]
    Native,
    /// In the kernel's stack: slower, works on every driver.
    Generic,
}

/// Frames by the program's reason, summed over the CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerdictCounts([u64; Reason::ALL.len()]);

impl VerdictCounts {
    /// How many frames got their verdict for that reason.
    pub const fn get(&self, reason: Reason) -> u64 {
        self.0[reason as usize]
    }

    /// Names and values, in the order of `enum starling_reason`.
    pub fn named(&self) -> Vec<(&'static str, u64)> {
        Reason::ALL.iter().map(|reason| (reason.name(), self.get(*reason))).collect()
    }
}

/// The program on its interface. Dropping it takes it off.
pub struct Program {
    /// Detaches when its descriptor is closed: by `drop`, and by the kernel when the process dies.
    _link: FdLink,
    ebpf: Ebpf,
}

impl Program {
    /// Loads the program with `config` and attaches it to `interface`, where no other may be.
    ///
    /// # Errors
    /// Each names its next step; an attached program is never replaced.
    pub fn attach(interface: &str, mode: Mode, config: Config) -> Result<Self, Error> {
        let found = vacant(interface)?;
        let mut ebpf = load(config)?;
        let program = program_of(&mut ebpf)?;
        program.load().map_err(|error| load_error(error.into()))?;
        let link = put(program, &found, interface, mode)?;
        Ok(Self { _link: link, ebpf })
    }

    /// Whether the kernel accepts the program. Loads it, attaches nothing.
    ///
    /// # Errors
    /// As [`Program::attach`].
    pub fn verify() -> Result<(), Error> {
        let mut ebpf = load(Config::new(Key([0; 2]), 0, 1, 1))?;
        program_of(&mut ebpf)?.load().map_err(|error| load_error(error.into()))
    }

    /// Sends the frames for userspace that arrive on `queue` into `socket`, which must be bound to it.
    pub fn register(&mut self, queue: u32, socket: &Socket) -> Result<(), Error> {
        let refused = |reason: String| Error::Register { queue, reason };
        let map = self.ebpf.map_mut(SOCKETS).ok_or_else(|| missing(SOCKETS))?;
        let mut sockets: XskMap<&mut MapData> = XskMap::try_from(map).map_err(|error| refused(one_line(&error)))?;
        sockets.set(queue, socket.as_raw_fd(), 0).map_err(|error| refused(one_line(&error)))
    }

    /// What the program did so far.
    pub fn counters(&self) -> io::Result<VerdictCounts> {
        let map: &Map = self.ebpf.map(COUNTERS).ok_or_else(|| io::Error::other(missing(COUNTERS)))?;
        let counters: PerCpuArray<&MapData, u64> = PerCpuArray::try_from(map).map_err(io::Error::other)?;
        let mut sums = [0_u64; Reason::ALL.len()];
        for (reason, sum) in Reason::ALL.iter().zip(&mut sums) {
            let by_cpu = counters.get(&(*reason as u32), 0).map_err(io::Error::other)?;
            *sum = by_cpu.iter().sum();
        }
        Ok(VerdictCounts(sums))
    }
}

/// What the kernel knows about `interface`, where no program is yet.
pub(super) fn vacant(interface: &str) -> Result<LinkMessage, Error> {
    if KernelVersion::current().is_ok_and(|version| version < KernelVersion::new(5, 9, 0)) {
        // aya would attach by netlink, and the program would outlive the process.
        return Err(Error::KernelTooOld);
    }
    let found = link(interface)?;
    match netlink::attached_program(&found) {
        Some(program) => Err(Error::AlreadyAttached { interface: interface.to_owned(), program: Some(program) }),
        None => Ok(found),
    }
}

/// Puts a loaded program on the interface. It leaves when what is given back is dropped.
pub(super) fn put(program: &mut Xdp, found: &LinkMessage, interface: &str, mode: Mode) -> Result<FdLink, Error> {
    let mode_flag = match mode {
        Mode::Native => XdpMode::Driver,
        Mode::Generic => XdpMode::Skb,
    };
    let id = program
        .attach_to_if_index(found.header.index, mode_flag)
        .map_err(|error| attach_error(interface, mode, error))?;
    let link = program.take_link(id).map_err(|error| attach_error(interface, mode, error))?;
    FdLink::try_from(link).map_err(|_| Error::KernelTooOld)
}

fn load(config: Config) -> Result<Ebpf, Error> {
    EbpfLoader::new()
        .btf(None) // the program reads frames, not kernel structures: nothing to relocate
        .override_global(CONFIG, &config, true)
        .load(OBJECT)
        .map_err(load_error)
}

fn program_of(ebpf: &mut Ebpf) -> Result<&mut Xdp, Error> {
    let program = ebpf.program_mut(PROGRAM).ok_or_else(|| missing(PROGRAM))?;
    program.try_into().map_err(|error: ProgramError| load_error(error.into()))
}

pub(super) fn missing(name: &str) -> Error {
    Error::Load { reason: format!("the object has no `{name}`") }
}

pub(super) fn load_error(error: EbpfError) -> Error {
    match errno(&error) {
        Some(libc::EPERM | libc::EACCES) if !mentions_verifier(&error) => {
            Error::NotPermitted { what: "loading the XDP program" }
        }
        _ => Error::Load { reason: one_line(&error) },
    }
}

/// The verifier's own refusal is EACCES as well; it comes with a log.
fn mentions_verifier(error: &EbpfError) -> bool {
    matches!(error, EbpfError::ProgramError(ProgramError::LoadError { verifier_log, .. })
        if !verifier_log.to_string().trim().is_empty())
}

fn attach_error(interface: &str, mode: Mode, error: ProgramError) -> Error {
    let interface = interface.to_owned();
    match errno(&error) {
        Some(libc::ENODEV) => Error::NoInterface { interface },
        Some(libc::EPERM | libc::EACCES) => Error::NotPermitted { what: "attaching the XDP program" },
        Some(libc::EBUSY | libc::EEXIST) => {
            let program = netlink::link(&interface).ok().and_then(|link| netlink::attached_program(&link));
            Error::AlreadyAttached { interface, program }
        }
        Some(libc::EOPNOTSUPP) if mode == Mode::Native => Error::NoNative { interface },
        Some(code) => Error::Attach { interface, source: io::Error::from_raw_os_error(code) },
        None => Error::Attach { interface, source: io::Error::other(one_line(&error)) },
    }
}

/// The errno at the bottom of a chain of errors.
pub(super) fn errno(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
    let mut next = Some(error);
    while let Some(error) = next {
        let code = match error.downcast_ref::<ProgramError>() {
            Some(ProgramError::LoadError { io_error, .. }) => io_error.raw_os_error(),
            Some(ProgramError::SyscallError(call)) => call.io_error.raw_os_error(),
            Some(ProgramError::XdpError(XdpError::NetlinkError(error))) => error.raw_os_error(),
            _ => error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error),
        };
        if code.is_some() {
            return code;
        }
        next = error.source();
    }
    None
}

/// An error and its causes without line breaks and bounded: verifier logs run to thousands of lines, and the
/// cause stands in the last ones.
pub(super) fn one_line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let characters = words.chars().count();
    if characters <= EXCERPT {
        return words;
    }
    let half = EXCERPT / 2;
    let head: String = words.chars().take(half).collect();
    let tail: String = words.chars().skip(characters - half).collect();
    format!("{head} ... {tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_become_one_bounded_line_with_the_end_kept() {
        let log = (0..1000).map(|line| format!("{line}: r1 = r2\n")).collect::<String>() + "invalid access to packet";
        let line = one_line(&io::Error::other(log));
        assert!(line.chars().count() <= EXCERPT + 5, "{line}");
        assert!(!line.contains('\n'));
        assert!(line.ends_with("invalid access to packet"), "{line}");
    }
}
