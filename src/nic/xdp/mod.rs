//! AF_XDP: the program that sorts arriving frames in the driver, and the sockets that send and receive.
//!
//! [`Program::attach`], then [`Socket::open`] on every receive queue of the interface and [`Program::register`]
//! for each. A queue without a socket loses the answers that arrive on it
//! (`drop_no_socket`). The program leaves the interface when [`Program`] is dropped or the process ends,
//! however it ends. Frames in flight belong to the socket that sent them.
//!
//! Everything concerns the network namespace of the calling thread. Needs Linux 5.9; root, or CAP_NET_ADMIN,
//! CAP_NET_RAW and CAP_BPF.

mod carrier;
mod live;
mod options;
mod program;
mod queues;
mod ring;
mod socket;
mod sys;
mod throttle;
mod watch;
mod window;

pub use live::{Constant, Live};
pub use options::{Bind, SocketOptions};
pub use program::{Mode, Program, VerdictCounts};
pub use queues::Queues;
pub use socket::{BoundMode, Socket};
pub use watch::{Count, Ends, Fate, Ring, Seen, Shunts, Watch, WatchCounts, WatchOptions};

use super::netlink::AttachedProgram;
use std::io;

/// Why there is no program on the interface or no socket on its queue: the cause and the next step, in one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No interface of that name in this network namespace.
    #[error("there is no interface {interface:?} here: `ip link` lists them; name one with -i")]
    NoInterface {
        /// The name.
        interface: String,
    },
    /// The interface is switched off.
    #[error("interface {interface} is down: `ip link set {interface} up` switches it on")]
    Down {
        /// Its name.
        interface: String,
    },
    /// Somebody else's program, or another run's, is on the interface, or on one that it is part of.
    #[error("interface {interface} already has an XDP program{}, which is left alone: stop what attached it, or, if \
             nothing owns it, `ip link set dev {interface} {} off`", named_id(*.program), keyword(*.program))]
    AlreadyAttached {
        /// Its name.
        interface: String,
        /// That program, if the kernel tells.
        program: Option<AttachedProgram>,
    },
    /// It carries no Ethernet frames.
    #[error("interface {interface} carries no Ethernet frames: capture there with tcpdump, and read that with --pcap")]
    NotEthernet {
        /// Its name.
        interface: String,
    },
    /// The driver cannot run XDP programs.
    #[error("the driver of {interface} has no native XDP: use the option `--xdp-mode generic`, which is slower")]
    NoNative {
        /// The interface.
        interface: String,
    },
    /// The kernel cannot, or will not, attach the program.
    #[error(
        "the XDP program does not attach to {interface}: {source}; if the MTU or the number of queues is beyond \
             what the driver takes with XDP, lower it, or use the option `--xdp-mode generic`"
    )]
    Attach {
        /// The interface.
        interface: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Programs cannot be bound to the life of their process here.
    #[error("this kernel cannot tie an XDP program to the process that attached it: use Linux 5.9 or newer")]
    KernelTooOld,
    /// Privileges are missing.
    #[error("{what} needs privileges that this process lacks: run as root (sudo)")]
    NotPermitted {
        /// What was tried.
        what: &'static str,
    },
    /// The kernel refuses our program.
    #[error("the kernel does not load the XDP program: {reason}; it is tested on Linux 6.18, please report yours")]
    Load {
        /// What the loader or the verifier said, in one line.
        reason: String,
    },
    /// The queue is beyond those that the program's map has room for, or the kernel refuses the socket.
    #[error(
        "the socket of queue {queue} does not go into the XDP program's map: {reason}; \
             fewer queues (`ethtool -L IFACE combined 64`) always fit"
    )]
    Register {
        /// The queue.
        queue: u32,
        /// What the kernel or the loader said.
        reason: String,
    },
    /// The numbers in [`SocketOptions`] do not fit together.
    #[error("socket options: {0}")]
    Options(&'static str),
    /// Not enough memory may be locked for the frames.
    #[error(
        "{need} bytes of frame memory cannot be locked, the limit is {limit}: raise it (`ulimit -l unlimited`), \
             or run as root, or ask for fewer frames"
    )]
    LockedMemory {
        /// Size of the frame memory, bytes.
        need: u64,
        /// RLIMIT_MEMLOCK, bytes.
        limit: u64,
    },
    /// Another socket has the queue.
    #[error("queue {queue} of {interface} is taken by another AF_XDP socket: stop the program that holds it")]
    QueueTaken {
        /// The interface.
        interface: String,
        /// The queue.
        queue: u32,
    },
    /// The interface has no such queue, or not with these options.
    #[error(
        "queue {queue} of {interface} takes no AF_XDP socket: {source}; `ethtool -l {interface}` counts its queues"
    )]
    Queue {
        /// The interface.
        interface: String,
        /// The queue.
        queue: u32,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Zero copy was asked for and the driver cannot.
    #[error("the driver of {interface} has no zero copy on queue {queue}: let the driver choose, or ask for copy mode")]
    NoZeroCopy {
        /// The interface.
        interface: String,
        /// The queue.
        queue: u32,
    },
    /// Probes cannot be sent as live frames here.
    #[error("{interface} sends no live frames: {reason}; use the option `--tx copy`")]
    NoLive {
        /// The interface.
        interface: String,
        /// What is in the way.
        reason: String,
    },
    /// A system call failed in a way that has no better name.
    #[error("{what} failed: {source}; `starling doctor` checks what is needed")]
    System {
        /// What was tried.
        what: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
}

fn named_id(program: Option<AttachedProgram>) -> String {
    program.map(|program| format!(" (id {})", program.id)).unwrap_or_default()
}

/// How ip(8) calls the place where the program is: it takes one off only where it was put.
fn keyword(program: Option<AttachedProgram>) -> &'static str {
    if program.is_some_and(|program| program.generic) { "xdpgeneric" } else { "xdp" }
}

/// What the kernel knows about `interface`.
fn link(interface: &str) -> Result<netlink_packet_route::link::LinkMessage, Error> {
    super::netlink::link(interface).map_err(|source| match source.raw_os_error() {
        Some(libc::ENODEV) => Error::NoInterface { interface: interface.to_owned() },
        _ => Error::System { what: "asking the kernel about the interface", source },
    })
}
