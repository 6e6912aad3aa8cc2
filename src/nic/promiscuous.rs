//! Promiscuous mode: an interface takes frames that are not addressed to it.
#![allow(unsafe_code, reason = "a packet socket, which std does not know")]

use std::io;
use std::mem::zeroed;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Keeps an interface in promiscuous mode. The kernel counts who wants it, so it ends with the last of them, however that ends.
#[derive(Debug)]
pub(super) struct Promiscuous(#[expect(dead_code, reason = "kept open")] OwnedFd);

impl Promiscuous {
    /// Asks it of the interface of number `index`. Needs CAP_NET_RAW.
    pub(super) fn ask(index: u32) -> io::Result<Self> {
        // SAFETY: plain call. Protocol 0: no frame comes to this socket.
        let socket = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        if socket < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: fresh from the kernel, owned by nobody else.
        let socket = unsafe { OwnedFd::from_raw_fd(socket) };
        // SAFETY: zero is a value of the structure.
        let mut wanted: libc::packet_mreq = unsafe { zeroed() };
        wanted.mr_ifindex = libc::c_int::try_from(index).map_err(io::Error::other)?;
        #[expect(clippy::cast_possible_truncation, reason = "one")]
        {
            wanted.mr_type = libc::PACKET_MR_PROMISC as libc::c_ushort;
        }
        #[expect(clippy::cast_possible_truncation, reason = "the structure is a few bytes long")]
        let length = size_of_val(&wanted) as libc::socklen_t;
        // SAFETY: `wanted` is live for the call and of the length said.
        let result = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_ADD_MEMBERSHIP,
                (&raw const wanted).cast(),
                length,
            )
        };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(Self(socket)) }
    }
}
