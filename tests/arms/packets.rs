//! Packet sockets: whole frames from and to an interface.

use starling::app::interface::Interface;
use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// No frame on these links is longer.
const LONGEST: usize = 2_048;

/// A raw packet socket that does not block.
pub(crate) struct Packets(OwnedFd);

impl Packets {
    /// On `device` of the calling thread's namespace, seeing frames of every type.
    pub(crate) fn open(device: &str) -> Self {
        let index = Interface::find(device).unwrap().index;
        // SAFETY: plain call.
        let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0) };
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
        address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
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

    /// The next frame that the link brought (not one that this end sent), if there is one.
    pub(crate) fn receive(&self) -> Option<Vec<u8>> {
        let mut frame = [0; LONGEST];
        loop {
            // SAFETY: zero is a value of the structure.
            let mut from: libc::sockaddr_ll = unsafe { zeroed() };
            let mut length = size_of::<libc::sockaddr_ll>() as u32;
            let (fd, from_at) = (self.0.as_raw_fd(), (&raw mut from).cast());
            // SAFETY: buffer and address are live and of the lengths said.
            let count = unsafe {
                libc::recvfrom(fd, frame.as_mut_ptr().cast(), LONGEST, libc::MSG_TRUNC, from_at, &raw mut length)
            };
            if count < 0 {
                let error = io::Error::last_os_error();
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{error}");
                return None;
            }
            assert!(count as usize <= LONGEST, "a frame of {count} bytes: segmentation offload is on");
            if from.sll_pkttype != libc::PACKET_OUTGOING {
                return Some(frame[..count as usize].to_vec());
            }
        }
    }

    /// Frames that came and found no room, since the last call.
    pub(crate) fn dropped(&self) -> u32 {
        // SAFETY: zero is a value of the structure.
        let mut counts: libc::tpacket_stats = unsafe { zeroed() };
        let mut length = size_of::<libc::tpacket_stats>() as u32;
        let (fd, counts_at) = (self.0.as_raw_fd(), (&raw mut counts).cast());
        // SAFETY: the structure is live and of the length said.
        let result =
            unsafe { libc::getsockopt(fd, libc::SOL_PACKET, libc::PACKET_STATISTICS, counts_at, &raw mut length) };
        assert_eq!(result, 0, "{}", io::Error::last_os_error());
        counts.tp_drops
    }
}

impl AsRawFd for Packets {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Waits until there is something to take from one of `sockets`, at most so long.
pub(crate) fn wait(sockets: &[impl AsRawFd], most: Duration) {
    let entry = |socket: &_| libc::pollfd { fd: AsRawFd::as_raw_fd(socket), events: libc::POLLIN, revents: 0 };
    let mut entries: Vec<_> = sockets.iter().map(entry).collect();
    let most = libc::timespec { tv_sec: most.as_secs() as i64, tv_nsec: i64::from(most.subsec_nanos()) };
    // SAFETY: entries and time are live, no signal mask is given. A failure is a wait cut short.
    unsafe { libc::ppoll(entries.as_mut_ptr(), entries.len() as u64, &raw const most, std::ptr::null()) };
}
