//! What a driver can do with XDP, as it says itself: generic netlink family `netdev`
//! (Documentation/netlink/specs/netdev.yaml), Linux 6.3.

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_GENERIC};
use std::io;

const NLM_F_REQUEST: u16 = 1;
const NLMSG_ERROR: u16 = 2;
/// Sizes of `struct nlmsghdr`, `struct genlmsghdr` and `struct nlattr`.
const MESSAGE: usize = 16;
const GENERIC: usize = 4;
const ATTRIBUTE: usize = 4;

/// The family that knows the others, its command, its attributes.
const CONTROLLER: u16 = 0x10;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
/// The family `netdev`, likewise.
const NETDEV: &[u8] = b"netdev\0";
const GET_DEVICE: u8 = 1;
const INDEX: u16 = 1;
const XDP_FEATURES: u16 = 3;

/// A set of `enum netdev_xdp_act`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features(u64);

impl Features {
    /// Runs XDP programs in the driver.
    pub const fn native(self) -> bool {
        self.0 & 1 != 0
    }

    /// Sends frames that were redirected to it. Many drivers say so only while a program is attached to them.
    pub const fn takes_redirected(self) -> bool {
        self.0 & 4 != 0
    }

    /// Reads and writes the frames of AF_XDP sockets.
    pub const fn zero_copy(self) -> bool {
        self.0 & 8 != 0
    }
}

/// What the driver of the interface with the kernel's number `index` says of itself. Errors: `ENODEV`; `ENOENT` from
/// kernels that know no such question.
pub fn features(index: u32) -> io::Result<Features> {
    let answer = ask(CONTROLLER, GET_FAMILY, FAMILY_NAME, NETDEV)?;
    let family: [u8; 2] = attribute(&answer, FAMILY_ID).ok_or_else(unreadable)?;
    let answer = ask(u16::from_ne_bytes(family), GET_DEVICE, INDEX, &index.to_ne_bytes())?;
    let features: [u8; 8] = attribute(&answer, XDP_FEATURES).ok_or_else(unreadable)?;
    Ok(Features(u64::from_ne_bytes(features)))
}

fn unreadable() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "unreadable generic netlink answer")
}

/// Sends one command with one attribute; returns the answer's attributes.
fn ask(family: u16, command: u8, kind: u16, value: &[u8]) -> io::Result<Vec<u8>> {
    let mut socket = Socket::new(NETLINK_GENERIC)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&message(family, command, kind, value), 0)?;
    let mut answer = Vec::with_capacity(16 << 10);
    socket.recv(&mut answer, 0)?;
    if answer.get(4..6) == Some(&NLMSG_ERROR.to_ne_bytes()) {
        let code = answer.get(MESSAGE..MESSAGE + 4).and_then(|code| code.try_into().ok()).ok_or_else(unreadable)?;
        return Err(io::Error::from_raw_os_error(-i32::from_ne_bytes(code)));
    }
    answer.get(MESSAGE + GENERIC..).map(<[u8]>::to_vec).ok_or_else(unreadable)
}

#[expect(clippy::cast_possible_truncation, reason = "a few dozen bytes")]
fn message(family: u16, command: u8, kind: u16, value: &[u8]) -> Vec<u8> {
    let attribute = ATTRIBUTE + value.len();
    let length = MESSAGE + GENERIC + attribute.next_multiple_of(4);
    let mut bytes = Vec::with_capacity(length);
    bytes.extend((length as u32).to_ne_bytes());
    bytes.extend(family.to_ne_bytes());
    bytes.extend(NLM_F_REQUEST.to_ne_bytes());
    bytes.extend(1_u32.to_ne_bytes()); // sequence number
    bytes.extend(0_u32.to_ne_bytes()); // port
    bytes.extend([command, 1, 0, 0]);
    bytes.extend((attribute as u16).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(length, 0);
    bytes
}

/// The attribute of that kind, if it is there and of that size.
fn attribute<const SIZE: usize>(mut bytes: &[u8], wanted: u16) -> Option<[u8; SIZE]> {
    while let [l0, l1, k0, k1, rest @ ..] = bytes {
        let length = usize::from(u16::from_ne_bytes([*l0, *l1]));
        let value = rest.get(..length.checked_sub(ATTRIBUTE)?)?;
        if u16::from_ne_bytes([*k0, *k1]) == wanted {
            return value.try_into().ok();
        }
        bytes = bytes.get(length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_no_native_xdp() {
        let features = features(1).expect("Linux 6.3 or newer");
        assert!(!features.native() && !features.zero_copy() && !features.takes_redirected());
    }

    #[test]
    fn attributes_are_found_among_others_and_nowhere_else() {
        let mut bytes = vec![5, 0, 9, 0, 1, 0, 0, 0];
        bytes.extend([6, 0, 1, 0, 0x12, 0x34, 0, 0]);
        assert_eq!(attribute::<2>(&bytes, 1), Some([0x12, 0x34]));
        assert_eq!(attribute::<1>(&bytes, 9), Some([1]));
        assert_eq!(attribute::<4>(&bytes, 1), None);
        for (wrong, kind) in [(&[3, 0, 1, 0][..], 1), (&[9, 0, 1, 0, 0], 1), (&[4, 0, 2, 0], 1), (&[4, 0, 2], 2)] {
            assert_eq!(attribute::<2>(wrong, kind), None, "{wrong:?}");
        }
    }
}
