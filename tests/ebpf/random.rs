//! Random frames: answers that are right or nearly so, then bent; and plain noise. The seed decides all.
#![allow(clippy::cast_possible_truncation, reason = "random bits, cut to size")]

use crate::frames::{Datagram, Segment, icmp};
use crate::oracle::cookie;
use starling::nic::contract::{ACK_WINDOW, Config};
use std::net::{Ipv4Addr, SocketAddrV4};

/// SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn next_u32(&mut self) -> u32 {
        (self.next() >> 32) as u32
    }

    /// A frame for a program with `config`.
    pub(crate) fn frame(&mut self, config: &Config) -> Vec<u8> {
        let mut frame = match self.below(16) {
            0 => {
                let length = 14 + self.below(150);
                return self.bytes(length);
            }
            1..=5 => self.icmp(config).frame(),
            _ => self.answer(config).frame(),
        };
        for _ in 0..self.pick(&[0, 0, 0, 1, 1, 2, 3]) {
            self.bend(&mut frame);
        }
        frame
    }

    /// An answer of some server to some probe, with any flags, acknowledging near the window's ends.
    fn answer(&mut self, config: &Config) -> Datagram {
        let (from, to) = (self.remote(), self.local(config));
        let ack = cookie(config, from, to).wrapping_add(1).wrapping_add(self.distance());
        let seq = self.pick(&[0, 0, 1, 0xffff_ffff, 0x1234_5678]);
        let flags = self.pick(&[0x12, 0x12, 0x12, 0x10, 0x14, 0x14, 0x14, 0x18, 0x04, 0x11, 0x02, 0x16, 0x06, 0x00]);
        let (options, data) = (self.words(), self.below(40));
        let data = self.bytes(data);
        self.envelope(Segment { from, to, seq, ack, flags, options, data }.datagram())
    }

    /// An ICMP message that quotes some segment that we can have sent, or nearly so.
    fn icmp(&mut self, config: &Config) -> Datagram {
        let (from, to) = (self.local(config), self.remote());
        let seq = cookie(config, to, from).wrapping_add(self.distance());
        let (options, ack) = (self.words(), self.next_u32());
        let quoted = Segment { from, to, seq, ack, flags: 0x02, options, data: vec![] }.datagram();
        let mut quoted = self.envelope(quoted).bytes();
        if self.below(4) == 0 {
            quoted.truncate(28 + self.below(12));
        }
        let kind = self.pick(&[3, 3, 3, 4, 11, 12, 0, 5, 8]);
        let receiver = SocketAddrV4::new(Ipv4Addr::from_bits(config.address), 0);
        let message = Datagram::new(self.remote(), receiver, 1, icmp(kind, &quoted));
        self.envelope(message)
    }

    /// IP options; seldom also a tag or two, or fragment fields.
    fn envelope(&mut self, mut datagram: Datagram) -> Datagram {
        datagram.options = self.words();
        if self.below(6) == 0 {
            datagram.tags = self.pick(&[vec![0x8100], vec![0x8100], vec![0x88a8], vec![0x88a8, 0x8100]]);
        }
        if self.below(10) == 0 {
            datagram.fragment = self.pick(&[0, 0x8000, 0x2000, 1, 0x2001, 0x1fff]);
        }
        datagram
    }

    /// Bends one thing in a frame.
    fn bend(&mut self, frame: &mut Vec<u8>) {
        if frame.is_empty() {
            return;
        }
        let headers = self.below(frame.len().min(90));
        match self.below(6) {
            0 => frame[headers] ^= 1 << self.below(8),
            1 => frame[headers] = self.pick(&[0, 1, 0x40, 0x44, 0x45, 0x46, 0x4f, 0x50, 0xf0, 0xff]),
            2 => frame[headers] = self.bytes(1)[0],
            3 => frame.truncate(self.below(frame.len() + 1)),
            4 => {
                let extra = self.below(32);
                let extra = self.bytes(extra);
                frame.extend(extra);
            }
            _ => self.bend_length(frame),
        }
    }

    /// Gives an untagged frame an IP total length of about what it has.
    fn bend_length(&mut self, frame: &mut [u8]) {
        if let Some(total) = frame.len().checked_sub(14).filter(|&total| total >= 4) {
            let total = (total + 2).saturating_sub(self.below(30));
            frame[16..18].copy_from_slice(&u16::try_from(total).expect("frames here are short").to_be_bytes());
        }
    }

    fn remote(&mut self) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::from_bits(self.next_u32()), (self.next() & 0xffff) as u16)
    }

    /// Our address; a port in or next to our range.
    fn local(&mut self, config: &Config) -> SocketAddrV4 {
        let (first, last) = (config.port_first, config.port_last);
        let inside = first.saturating_add((self.next() % (u64::from(last.saturating_sub(first)) + 1)) as u16);
        let port =
            self.pick(&[first, last, inside, inside, inside, inside, first.wrapping_sub(1), last.wrapping_add(1)]);
        SocketAddrV4::new(Ipv4Addr::from_bits(config.address), port)
    }

    fn distance(&mut self) -> u32 {
        let inside = self.next_u32() % ACK_WINDOW;
        let any = self.next_u32();
        self.pick(&[0, 0, 0, 0, 1, u32::MAX, inside, ACK_WINDOW - 1, ACK_WINDOW, ACK_WINDOW + 1, any])
    }

    /// Options: up to 40 bytes, a multiple of four, most often none.
    fn words(&mut self) -> Vec<u8> {
        let words = self.pick(&[0, 0, 0, 1, 2, 10]);
        self.bytes(words * 4)
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| (self.next() >> 56) as u8).collect()
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(crate) fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }
}
