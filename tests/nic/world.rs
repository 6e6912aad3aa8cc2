//! Two network namespaces joined by a veth pair, without a way out, gone when the test is.

use std::ffi::OsStr;
use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) const NEAR: &str = "near0";
pub(crate) const FAR: &str = "far0";
pub(crate) const NEAR_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub(crate) const FAR_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
pub(crate) const NEAR_ADDRESS: [u8; 4] = [198, 18, 0, 1];
pub(crate) const FAR_ADDRESS: [u8; 4] = [198, 18, 0, 2];

/// Runs a program and returns what it printed; its failure fails the test.
pub(crate) fn run(program: &str, arguments: &[impl AsRef<OsStr>]) -> String {
    let output = output(program, arguments);
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn output(program: &str, arguments: &[impl AsRef<OsStr>]) -> Output {
    Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"))
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

pub(crate) struct World {
    pub(crate) near: String,
    pub(crate) far: String,
}

impl World {
    /// A pair with `queues` queues at either end, both up, with addresses, nothing attached.
    pub(crate) fn new(queues: u32) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("stnic{}x{count}", std::process::id());
        let world = Self { near: format!("{prefix}n"), far: format!("{prefix}f") };
        for name in [&world.near, &world.far] {
            run("ip", &["netns", "add", name]);
            // Nothing but what the tests send shall be on the link.
            for scope in ["all", "default"] {
                let setting = format!("net.ipv6.conf.{scope}.disable_ipv6=1");
                run("ip", &["netns", "exec", name, "sysctl", "-qw", &setting]);
            }
        }
        let (near, far) = (&world.near, &world.far);
        let sizes = format!("numrxqueues {queues} numtxqueues {queues}");
        run("ip", &words(&format!("link add {NEAR} netns {near} {sizes} type veth peer {FAR} netns {far} {sizes}")));
        for (space, device, mac, address) in [(near, NEAR, NEAR_MAC, NEAR_ADDRESS), (far, FAR, FAR_MAC, FAR_ADDRESS)] {
            let mac = mac.map(|byte| format!("{byte:02x}")).join(":");
            let address = address.map(|byte| byte.to_string()).join(".");
            run("ip", &words(&format!("-n {space} address add {address}/24 dev {device}")));
            run("ip", &words(&format!("-n {space} link set {device} address {mac} up")));
            run("ip", &words(&format!("-n {space} link set lo up")));
        }
        world
    }

    /// Has the far end take redirected frames and frames sent by XDP, as a NIC would.
    pub(crate) fn take_redirected(&self) {
        run("ip", &["netns", "exec", &self.far, "ethtool", "-K", FAR, "gro", "on"]);
    }

    /// `ip` within the near namespace.
    pub(crate) fn ip(&self, arguments: &str) -> String {
        run("ip", &words(&format!("-n {} {arguments}", self.near)))
    }

    /// Runs `body` on a thread of its own in the near namespace.
    pub(crate) fn near<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        within(&self.near, body)
    }

    /// Runs `body` on a thread of its own in the far namespace.
    pub(crate) fn far<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        within(&self.far, body)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for name in [&self.near, &self.far] {
            let _ = output("ip", &["netns", "del", name]);
        }
    }
}

fn within<T: Send>(space: &str, body: impl FnOnce() -> T + Send) -> T {
    let file = std::fs::File::open(format!("/run/netns/{space}")).unwrap();
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            // SAFETY: a call with a live descriptor; it changes the namespace of this thread alone.
            let result = unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) };
            assert_eq!(result, 0, "{}", io::Error::last_os_error());
            body()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A raw packet socket: the peer that shares no code with what is tested.
pub(crate) struct Packets(OwnedFd);

impl Packets {
    /// On the interface of number `index`, seeing frames of every type.
    pub(crate) fn open(index: u32) -> Self {
        let every = (libc::ETH_P_ALL as u16).to_be();
        // SAFETY: plain call.
        let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_NONBLOCK, 0) };
        assert!(fd >= 0, "{}", io::Error::last_os_error());
        // SAFETY: fresh from the kernel, owned by nobody else.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        let size: libc::c_int = 64 << 20;
        // SAFETY: `size` is live and of the length said.
        let result =
            unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, (&raw const size).cast(), 4) };
        assert_eq!(result, 0, "{}", io::Error::last_os_error());
        // SAFETY: zero is a value of the structure.
        let mut address: libc::sockaddr_ll = unsafe { zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = every;
        address.sll_ifindex = index as i32;
        // SAFETY: `address` is live and of the length said.
        let result = unsafe { libc::bind(fd, (&raw const address).cast(), size_of::<libc::sockaddr_ll>() as u32) };
        assert_eq!(result, 0, "{}", io::Error::last_os_error());
        Self(socket)
    }

    pub(crate) fn send(&self, frame: &[u8]) {
        // SAFETY: the frame is live for the call.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
        assert_eq!(sent, frame.len() as isize, "{}", io::Error::last_os_error());
    }

    /// The next frame that the link brought (not one that we sent), if there is one.
    pub(crate) fn receive(&self) -> Option<Vec<u8>> {
        loop {
            let mut frame = vec![0; 65536];
            // SAFETY: zero is a value of the structure.
            let mut from: libc::sockaddr_ll = unsafe { zeroed() };
            let mut length = size_of::<libc::sockaddr_ll>() as u32;
            // SAFETY: buffer and address are live and of the lengths said.
            let count = unsafe {
                libc::recvfrom(
                    self.0.as_raw_fd(),
                    frame.as_mut_ptr().cast(),
                    frame.len(),
                    0,
                    (&raw mut from).cast(),
                    &raw mut length,
                )
            };
            if count < 0 {
                let error = io::Error::last_os_error();
                // Of an interface that was switched off the socket says so once.
                if error.kind() == io::ErrorKind::NetworkDown {
                    continue;
                }
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{error}");
                return None;
            }
            if from.sll_pkttype != libc::PACKET_OUTGOING {
                frame.truncate(count as usize);
                return Some(frame);
            }
        }
    }
}
