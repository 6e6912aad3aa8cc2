//! The XDP program's verdict, computed on the host: `ebpf/verdict.h` compiled natively.
//!
//! The simulator judges its frames with it, and the tests hold the kernel against it. It differs from
//! the program in the kernel in one point: it knows no sockets, so it never says [`Reason::DropNoSocket`].
#![allow(unsafe_code, reason = "the verdict is C, shared with the kernel")]

use crate::nic::contract::{Config, Reason, Verdict};

unsafe extern "C" {
    fn starling_host_verdict(data: *const u8, len: u32, config: *const Config, reason: *mut u32) -> i32;
}

/// What becomes of an Ethernet frame (without frame check sequence), and why.
pub fn verdict(frame: &[u8], config: &Config) -> (Verdict, Reason) {
    let len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
    let mut reason = 0;
    // SAFETY: `frame` has at least `len` readable bytes, `config` has the layout of `struct starling_config`
    // (tested below), and the function keeps none of the pointers.
    let verdict = unsafe { starling_host_verdict(frame.as_ptr(), len, config, &raw mut reason) };
    let verdict = match verdict {
        0 => Verdict::Pass,
        1 => Verdict::Up,
        _ => Verdict::Drop,
    };
    (verdict, Reason::ALL[reason as usize])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::keyed::Key;
    use crate::nic::contract::{ACK_WINDOW, FORWARD_CLOSED, FORWARD_ICMP};
    use std::ffi::{CStr, c_char};
    use std::mem::{align_of, offset_of, size_of};

    #[repr(C)]
    struct Fact {
        name: *const c_char,
        value: u64,
    }

    unsafe extern "C" {
        fn starling_host_fact(index: u32) -> *const Fact;
    }

    /// What the C compiler says about the header.
    fn header_facts() -> Vec<(String, u64)> {
        let fact = |index| {
            // SAFETY: the answer is null or a fact of static lifetime.
            let fact = unsafe { starling_host_fact(index).as_ref() }?;
            // SAFETY: a fact's name is a C string of static lifetime.
            let name = unsafe { CStr::from_ptr(fact.name) };
            Some((name.to_string_lossy().into_owned(), fact.value))
        };
        (0..).map_while(fact).collect()
    }

    #[test]
    fn contract_equals_the_header() {
        let field = |name: &str| format!("offsetof(struct starling_config, {name})");
        let mut expected = vec![
            ("sizeof(struct starling_config)".into(), size_of::<Config>() as u64),
            ("_Alignof(struct starling_config)".into(), align_of::<Config>() as u64),
            (field("key"), offset_of!(Config, key) as u64),
            (field("address"), offset_of!(Config, address) as u64),
            (field("port_first"), offset_of!(Config, port_first) as u64),
            (field("port_last"), offset_of!(Config, port_last) as u64),
            (field("flags"), offset_of!(Config, flags) as u64),
            (field("reserved"), offset_of!(Config, reserved) as u64),
            ("STARLING_FORWARD_CLOSED".into(), FORWARD_CLOSED.into()),
            ("STARLING_FORWARD_ICMP".into(), FORWARD_ICMP.into()),
            ("STARLING_ACK_WINDOW".into(), ACK_WINDOW.into()),
            ("STARLING_VERDICT_PASS".into(), Verdict::Pass as u64),
            ("STARLING_VERDICT_UP".into(), Verdict::Up as u64),
            ("STARLING_VERDICT_DROP".into(), Verdict::Drop as u64),
        ];
        for &reason in Reason::ALL {
            expected.push((format!("STARLING_{}", reason.name().to_uppercase()), reason as u64));
        }
        expected.push(("STARLING_REASONS".into(), Reason::ALL.len() as u64));
        assert_eq!(header_facts(), expected);
    }

    #[test]
    fn an_empty_frame_passes() {
        let config = Config::new(Key([1, 2]), 0x0a00_0001, 61_000, 65_535);
        assert_eq!(verdict(&[], &config), (Verdict::Pass, Reason::PassOther));
    }

    /// The whole way once by hand: header fields where the RFCs put them, hash as in `base::keyed`.
    #[test]
    fn a_syn_ack_that_acknowledges_our_cookie_goes_up() {
        let key = Key([0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908]);
        let config = Config::new(key, 0xc612_0001, 61_000, 65_535);
        let m0 = u64::from_le_bytes([10, 1, 2, 3, 198, 18, 0, 1]);
        let m1 = u32::from_le_bytes([0, 25, 0xee, 0x48]);
        let [a, b, c, d, ..] = key.hash12(m0, m1).to_le_bytes();
        let cookie = u32::from_le_bytes([a, b, c, d]);
        let mut frame = [0; 54];
        frame[12..14].copy_from_slice(&[0x08, 0x00]);
        frame[14..34].copy_from_slice(&[0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 1, 2, 3, 198, 18, 0, 1]);
        frame[34..38].copy_from_slice(&[0, 25, 0xee, 0x48]);
        frame[46..48].copy_from_slice(&[0x50, 0x12]);
        frame[42..46].copy_from_slice(&cookie.wrapping_add(1).to_be_bytes());
        assert_eq!(verdict(&frame, &config), (Verdict::Up, Reason::UpSynAck));
        frame[42..46].copy_from_slice(&cookie.wrapping_add(2).to_be_bytes());
        assert_eq!(verdict(&frame, &config), (Verdict::Drop, Reason::DropBadCookie));
    }
}
