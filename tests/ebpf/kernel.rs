//! The program in the kernel, run on frames by `BPF_PROG_TEST_RUN`: no interface, no packet.
#![allow(unsafe_code, reason = "the generated skeleton, and AF_XDP sockets, which std does not know")]

use libbpf_rs::skel::{OpenSkel, SkelBuilder};
use libbpf_rs::{MapCore, MapFlags, ProgramInput};
use starling::nic::contract::{Config, Reason};
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd};
use std::time::Duration;

#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, reason = "generated")]
#[allow(clippy::undocumented_unsafe_blocks, clippy::unwrap_used, reason = "generated")]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "generated")]
mod skeleton {
    include!(concat!(env!("OUT_DIR"), "/starling.skel.rs"));
}

/// `enum xdp_action`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Aborted,
    Drop,
    Pass,
    Tx,
    Redirect,
}

/// The kernel refuses to run an XDP program on a shorter frame (no driver hands one up either).
pub(crate) const SHORTEST_FRAME: usize = 14;

/// The loaded program.
pub(crate) struct Kernel<'object> {
    skeleton: skeleton::StarlingSkel<'object>,
    socket: Option<File>,
    counted: Vec<u64>,
}

/// Loads the program with `config` and hands it to `run`.
pub(crate) fn with_program<T>(config: &Config, run: impl FnOnce(&mut Kernel<'_>) -> T) -> T {
    let mut object = MaybeUninit::uninit();
    let mut open = skeleton::StarlingSkelBuilder::default().open(&mut object).expect("the object opens");
    let Config { key, address, port_first, port_last, flags, reserved } = *config;
    open.maps.rodata_data.as_deref_mut().expect("the object has .rodata").config =
        skeleton::types::starling_config { key, address, port_first, port_last, flags, reserved };
    let skeleton = open.load().expect("the verifier accepts the program (needs root)");
    let counted = vec![0; Reason::ALL.len()];
    run(&mut Kernel { skeleton, socket: None, counted })
}

impl Kernel<'_> {
    /// Puts an AF_XDP socket into the slot of receive queue `queue`. It is bound to nothing: the
    /// program only asks whether there is one.
    pub(crate) fn place_socket(&mut self, queue: u32) {
        // SAFETY: no pointers; the descriptor is checked and owned by the File from here on.
        let socket = unsafe {
            let descriptor = libc::socket(libc::AF_XDP, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0);
            assert!(descriptor >= 0, "socket(AF_XDP): {}", std::io::Error::last_os_error());
            File::from_raw_fd(descriptor)
        };
        let entries: u32 = 64; // a socket without a ring is not let into the map
        // SAFETY: the option's value is the u32 at the address given, of the size given.
        let result = unsafe {
            let size = libc::socklen_t::try_from(size_of_val(&entries)).expect("four");
            let value = (&raw const entries).cast();
            libc::setsockopt(socket.as_raw_fd(), libc::SOL_XDP, libc::XDP_RX_RING, value, size)
        };
        assert_eq!(result, 0, "XDP_RX_RING: {}", std::io::Error::last_os_error());
        let descriptor = socket.as_raw_fd().to_ne_bytes();
        self.skeleton.maps.xsks.update(&queue.to_ne_bytes(), &descriptor, MapFlags::ANY).expect("the map takes it");
        self.socket = Some(socket);
    }

    /// Puts the program on the loopback device of a network namespace of this thread's own: so the kernel's dispatcher
    /// calls it as it does on behalf of a driver, not through a pointer.
    pub(crate) fn attach(&mut self) -> libbpf_rs::Link {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("a namespace of its own (needs root)");
        self.skeleton.progs.starling.attach_xdp(1).expect("the loopback device takes the program")
    }

    /// Runs the program once, as if `frame` had come in on queue 0: its action, and how often each reason
    /// was counted.
    pub(crate) fn run(&mut self, frame: &[u8]) -> (Action, Vec<(Reason, u64)>) {
        let action = self.test_run(frame, 1).0;
        let mut increments = vec![];
        for (index, &reason) in Reason::ALL.iter().enumerate() {
            let total = self.counter(reason);
            if total != self.counted[index] {
                increments.push((reason, total - self.counted[index]));
                self.counted[index] = total;
            }
        }
        (action, increments)
    }

    /// Runs the program `repeat` times: its action, and the time of one run.
    pub(crate) fn test_run(&mut self, frame: &[u8], repeat: u32) -> (Action, Duration) {
        let input = ProgramInput { data_in: Some(frame), repeat, ..Default::default() };
        let output = self.skeleton.progs.starling.test_run(input).expect("the program runs");
        let action = match output.return_value {
            0 => Action::Aborted,
            1 => Action::Drop,
            2 => Action::Pass,
            3 => Action::Tx,
            4 => Action::Redirect,
            other => panic!("the program returned {other}"),
        };
        (action, output.duration)
    }

    /// Number of counters.
    pub(crate) fn counters(&self) -> usize {
        self.skeleton.maps.counters.info().expect("a loaded map has information").info.max_entries as usize
    }

    fn counter(&self, reason: Reason) -> u64 {
        let key = (reason as u32).to_ne_bytes();
        let per_cpu = self.skeleton.maps.counters.lookup_percpu(&key, MapFlags::ANY);
        let per_cpu = per_cpu.expect("the lookup works").expect("there is a counter for each reason");
        per_cpu.iter().map(|value| u64::from_ne_bytes(value[..8].try_into().expect("eight bytes"))).sum()
    }
}
