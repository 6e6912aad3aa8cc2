//! The two questions to a driver that only `ioctl(SIOCETHTOOL)` answers in every network namespace.
#![allow(unsafe_code, reason = "ioctl takes a pointer to a structure that holds a pointer")]

use netlink_sys::{Socket, protocols::NETLINK_GENERIC};
use std::io;
use std::os::fd::AsRawFd;

const SIOCETHTOOL: libc::Ioctl = 0x8946;
const ETHTOOL_GDRVINFO: u32 = 0x03;
const ETHTOOL_GCHANNELS: u32 = 0x3c;

/// `struct ethtool_drvinfo`.
#[repr(C)]
struct DriverInfo {
    command: u32,
    driver: [u8; 32],
    version: [u8; 32],
    firmware: [u8; 32],
    bus: [u8; 32],
    expansion_rom: [u8; 32],
    reserved: [u8; 12],
    lengths: [u32; 5],
}

/// `struct ethtool_channels`.
#[repr(C)]
#[derive(Default)]
struct Channels {
    command: u32,
    max_rx: u32,
    max_tx: u32,
    max_other: u32,
    max_combined: u32,
    rx: u32,
    tx: u32,
    other: u32,
    combined: u32,
}

/// Structures whose first word is an ethtool command and which that command fills within their own size.
///
/// # Safety
/// The implementor has the layout of the kernel's structure for every command it is used with.
unsafe trait Request {}

// SAFETY: the layout of <linux/ethtool.h>, used with ETHTOOL_GDRVINFO alone.
unsafe impl Request for DriverInfo {}
// SAFETY: the layout of <linux/ethtool.h>, used with ETHTOOL_GCHANNELS alone.
unsafe impl Request for Channels {}

fn ask<T: Request>(interface: &str, question: &mut T) -> io::Result<()> {
    if interface.len() >= libc::IFNAMSIZ {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    // Any socket of the namespace will do; this is the one ethtool(8) falls back to, and needs no IP.
    let socket = Socket::new(NETLINK_GENERIC)?;
    // SAFETY: ifreq is plain bytes and pointers, for which zero is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    request.ifr_ifru.ifru_data = std::ptr::from_mut(question).cast();
    // SAFETY: `request` names a terminated interface (checked above) and points at `question`, which outlives
    // the call and which the kernel fills within its size (contract of `Request`).
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, std::ptr::from_mut(&mut request)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Name of the driver behind `interface`. Errors: `ENODEV`; `EOPNOTSUPP` if the driver keeps it to itself.
pub fn driver(interface: &str) -> io::Result<String> {
    let mut info = DriverInfo {
        command: ETHTOOL_GDRVINFO,
        driver: [0; 32],
        version: [0; 32],
        firmware: [0; 32],
        bus: [0; 32],
        expansion_rom: [0; 32],
        reserved: [0; 12],
        lengths: [0; 5],
    };
    ask(interface, &mut info)?;
    let name = info.driver.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(name).into_owned())
}

/// Number of receive queues in use on `interface`. Errors: `ENODEV`; `EOPNOTSUPP` if the driver has no channels.
pub fn receive_queues(interface: &str) -> io::Result<u32> {
    let mut channels = Channels { command: ETHTOOL_GCHANNELS, ..Channels::default() };
    ask(interface, &mut channels)?;
    Ok(channels.rx.saturating_add(channels.combined))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn structures_have_the_kernel_s_sizes() {
        assert_eq!(size_of::<DriverInfo>(), 196);
        assert_eq!(size_of::<Channels>(), 36);
    }

    #[test]
    fn an_unknown_interface_is_enodev() {
        for name in ["st-no-such", "st-a-name-too-long-for-any"] {
            assert_eq!(driver(name).unwrap_err().raw_os_error(), Some(libc::ENODEV), "{name}");
        }
    }
}
