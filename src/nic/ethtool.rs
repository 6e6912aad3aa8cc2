//! The questions to a driver that only `ioctl(SIOCETHTOOL)` answers in every network namespace.
#![allow(unsafe_code, reason = "ioctl takes a pointer to a structure that holds a pointer")]

use netlink_sys::{Socket, protocols::NETLINK_GENERIC};
use std::io;
use std::os::fd::AsRawFd;

const SIOCETHTOOL: libc::Ioctl = 0x8946;
const ETHTOOL_GDRVINFO: u32 = 0x03;
const ETHTOOL_GLINK: u32 = 0x0a;
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

/// `struct ethtool_value`.
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
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
// SAFETY: the layout of <linux/ethtool.h>, used with ETHTOOL_GLINK alone.
unsafe impl Request for Value {}

/// Any socket of the namespace will do; this is the one ethtool(8) falls back to, and needs no IP.
fn socket() -> io::Result<Socket> {
    Socket::new(NETLINK_GENERIC)
}

fn ask<T: Request>(socket: &Socket, interface: &str, question: &mut T) -> io::Result<()> {
    if interface.len() >= libc::IFNAMSIZ {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
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
    ask(&socket()?, interface, &mut info)?;
    let name = info.driver.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(name).into_owned())
}

/// Number of receive queues in use on `interface`. Errors: `ENODEV`; `EOPNOTSUPP` if the driver has no channels.
pub fn receive_queues(interface: &str) -> io::Result<u32> {
    let mut channels = Channels { command: ETHTOOL_GCHANNELS, ..Channels::default() };
    ask(&socket()?, interface, &mut channels)?;
    Ok(channels.rx.saturating_add(channels.combined))
}

/// Whether an interface has carrier, asked again and again: it can be, for the namespace is that of its making, and
/// no privileges are needed.
pub struct Carrier {
    socket: Socket,
    interface: String,
}

impl Carrier {
    /// Of `interface` of the current namespace.
    ///
    /// # Errors
    /// No socket is to be had.
    pub fn of(interface: &str) -> io::Result<Self> {
        Ok(Self { socket: socket()?, interface: interface.to_owned() })
    }

    /// Whether the interface is known to have none, though it may be switched on: what is sent then is dropped, or thrown
    /// away with the driver's ring when it resets itself.
    pub fn is_lost(&self) -> bool {
        let mut value = Value { command: ETHTOOL_GLINK, data: 0 };
        ask(&self.socket, &self.interface, &mut value).is_ok() && value.data == 0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn structures_have_the_kernel_s_sizes() {
        assert_eq!(size_of::<DriverInfo>(), 196);
        assert_eq!(size_of::<Channels>(), 36);
        assert_eq!(size_of::<Value>(), 8);
    }

    #[test]
    fn an_unknown_interface_is_enodev() {
        for name in ["st-no-such", "st-a-name-too-long-for-any"] {
            assert_eq!(driver(name).unwrap_err().raw_os_error(), Some(libc::ENODEV), "{name}");
        }
    }
}
