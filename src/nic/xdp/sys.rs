//! The system calls that xsk-rs has no word for.
#![allow(unsafe_code, reason = "system calls on the descriptor of a live socket")]

use std::io;
use std::os::fd::{AsRawFd, RawFd};

/// `XDP_MAX_TX_SKB_BUDGET` of <linux/if_xdp.h>, newer than libc's list.
const XDP_MAX_TX_SKB_BUDGET: libc::c_int = 9;
/// Frames that the kernel takes from a driver at a time when it polls it, as in Documentation/networking/af_xdp.rst.
const POLL_BUDGET: u32 = 64;

/// What a link says that is switched off: it may come back.
pub(super) fn down() -> io::Error {
    io::Error::new(
        io::ErrorKind::NetworkDown,
        "link down: the interface was switched off; `ip link set IFACE up` switches it on",
    )
}

/// What a link says that is switched on and has no carrier: it may come back.
pub(super) fn no_carrier() -> io::Error {
    io::Error::new(
        io::ErrorKind::NetworkDown,
        "link down: the interface has no carrier; check the cable or the peer's end",
    )
}

/// What is said of a link that will not come back.
pub(super) fn gone() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        "link gone: the interface was removed or reset; see `ip link`, then start again",
    )
}

/// Whether the kernel bound the socket in zero-copy mode.
pub(super) fn is_zero_copy(socket: &impl AsRawFd) -> io::Result<bool> {
    let mut options = libc::xdp_options { flags: 0 };
    let size = length_of(&options);
    let mut length = size;
    // SAFETY: `options` and `length` are live and ours; the kernel writes at most `length` bytes.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_XDP,
            libc::XDP_OPTIONS,
            std::ptr::from_mut(&mut options).cast(),
            &raw mut length,
        )
    };
    check(result)?;
    Ok(options.flags & libc::XDP_OPTIONS_ZEROCOPY != 0)
}

/// Has system calls on the socket poll its driver for so many microseconds, at most [`POLL_BUDGET`] frames at a time, and
/// the driver's interrupts put off while that goes on.
pub(super) fn prefer_busy_poll(socket: &impl AsRawFd, micros: u32) -> io::Result<()> {
    for (option, value) in
        [(libc::SO_PREFER_BUSY_POLL, 1), (libc::SO_BUSY_POLL, micros), (libc::SO_BUSY_POLL_BUDGET, POLL_BUDGET)]
    {
        set_option(socket, libc::SOL_SOCKET, option, value)?;
    }
    Ok(())
}

fn set_option(socket: &impl AsRawFd, level: libc::c_int, name: libc::c_int, value: u32) -> io::Result<()> {
    // SAFETY: `value` is live for the call and four bytes long, as said.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, name, std::ptr::from_ref(&value).cast(), length_of(&value))
    };
    check(result)
}

/// How many frames one wake-up sends in copy mode. `ENOPROTOOPT` from kernels (Linux 6.18 is not one) that know only 32.
pub(super) fn set_send_budget(socket: &impl AsRawFd, frames: u32) -> io::Result<()> {
    set_option(socket, libc::SOL_XDP, XDP_MAX_TX_SKB_BUDGET, frames)
}

/// Has the kernel work on the transmit ring.
#[inline]
pub(super) fn wake_transmit(socket: RawFd) -> io::Result<()> {
    // SAFETY: no data and no address are passed.
    let result = unsafe { libc::sendto(socket, std::ptr::null(), 0, libc::MSG_DONTWAIT, std::ptr::null(), 0) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Has the driver look at the fill ring.
#[inline]
pub(super) fn wake_receive(socket: RawFd) -> io::Result<()> {
    // SAFETY: no buffer and no address are passed.
    let result = unsafe {
        libc::recvfrom(socket, std::ptr::null_mut(), 0, libc::MSG_DONTWAIT, std::ptr::null_mut(), std::ptr::null_mut())
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Raises this process's limit of locked memory as far as it may, and returns the limit in force, in bytes.
///
/// Processes with CAP_IPC_LOCK are not bound by it.
pub(super) fn raise_locked_memory() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is live and ours.
    check(unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) })?;
    let unlimited = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    let up_to_maximum = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
    for wanted in [unlimited, up_to_maximum] {
        // SAFETY: `wanted` is live for the call.
        if unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const wanted) } == 0 {
            return Ok(wanted.rlim_cur);
        }
    }
    Ok(limit.rlim_cur)
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[expect(clippy::cast_possible_truncation, reason = "options are a few bytes long")]
fn length_of<T>(_: &T) -> libc::socklen_t {
    size_of::<T>() as libc::socklen_t
}
