//! One dry run of the real program over all of IPv4 and three ports, held against a bitmap: every target once, none
//! of them reserved. Nothing is sent. Not part of `cargo test`: `scripts/check-sweep` runs it.
//!
//! Arguments: further ones for `starling scan` (a seed, shards). Eleven thousand million bits in random order
//! would each be a cache miss, so that a batch of records is first sorted into parts of the address space that fit
//! into the cache.

#![allow(clippy::unwrap_used, reason = "a check may stop at the first surprise")]

use std::io::Read;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::Instant;

const PORTS: [u16; 3] = [25, 143, 443];
/// What may not occur: first and last address. Written down anew, not taken from the program that is checked.
const RESERVED: [(u32, u32); 15] = [
    (0x0000_0000, 0x00ff_ffff),
    (0x0a00_0000, 0x0aff_ffff),
    (0x6440_0000, 0x647f_ffff),
    (0x7f00_0000, 0x7fff_ffff),
    (0xa9fe_0000, 0xa9fe_ffff),
    (0xac10_0000, 0xac1f_ffff),
    (0xc000_0000, 0xc000_00ff),
    (0xc000_0200, 0xc000_02ff),
    (0xc058_6300, 0xc058_63ff),
    (0xc0a8_0000, 0xc0a8_ffff),
    (0xc612_0000, 0xc613_ffff),
    (0xc633_6400, 0xc633_64ff),
    (0xcb00_7100, 0xcb00_71ff),
    (0xe000_0000, 0xefff_ffff),
    (0xf000_0000, 0xffff_ffff),
];
/// Bytes of a record: address and port, least significant byte first.
const RECORD: usize = 6;
/// Records sorted at a time.
const BATCH: usize = 1 << 23;
/// Parts of the address space: the bits of one fit into the second-level cache.
const PARTS: usize = 512;
const PART_SHIFT: u32 = 32 - PARTS.trailing_zeros();

struct Bitmap {
    /// A word for 64 addresses on one port; the ports of an address lie beside each other.
    words: Vec<u64>,
    parts: Vec<Vec<u32>>,
    records: u64,
    doubled: u64,
    foreign: u64,
}

impl Bitmap {
    fn new() -> Self {
        let parts = (0..PARTS).map(|_| Vec::with_capacity(BATCH / PARTS * 2)).collect();
        Self { words: vec![0; (1 << 26) * 4], parts, records: 0, doubled: 0, foreign: 0 }
    }

    fn take(&mut self, bytes: &[u8]) {
        for record in bytes.chunks_exact(RECORD) {
            let address = u32::from_le_bytes([record[0], record[1], record[2], record[3]]);
            let port = u16::from_le_bytes([record[4], record[5]]);
            let Some(port) = PORTS.iter().position(|known| *known == port) else {
                self.foreign += 1;
                continue;
            };
            let part = (address >> PART_SHIFT) as usize;
            // The address within the part, and the number of the port.
            self.parts[part]
                .push(address << (32 - PART_SHIFT) >> (32 - PART_SHIFT) << 2 | u32::try_from(port).unwrap());
        }
        self.records += (bytes.len() / RECORD) as u64;
        for (part, entries) in self.parts.iter_mut().enumerate() {
            let words = &mut self.words[part << (PART_SHIFT - 4)..(part + 1) << (PART_SHIFT - 4)];
            for entry in entries.drain(..) {
                let address = entry >> 2;
                let word = &mut words[((address >> 6) << 2 | entry & 3) as usize];
                let bit = 1 << (address & 63);
                self.doubled += u64::from(*word & bit != 0);
                *word |= bit;
            }
        }
    }

    /// Missed, and reserved but there.
    fn holes(&self) -> (u64, u64) {
        let (mut missed, mut reserved) = (0, 0);
        for block in 0..1u32 << 26 {
            let first = block << 6;
            // Reserved ranges begin and end at multiples of 64.
            let blocked = RESERVED.iter().any(|range| range.0 <= first && first <= range.1);
            for port in 0..PORTS.len() {
                let seen = u64::from(self.words[(block as usize) << 2 | port].count_ones());
                if blocked { reserved += seen } else { missed += 64 - seen }
            }
        }
        (missed, reserved)
    }
}

fn main() -> ExitCode {
    let begin = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_starling"));
    command.args(["scan", "-d", "--format", "binary", "-p", "smtp,imap,https", "--nic", "xdp:none"]);
    let mut child = command.args(std::env::args().skip(1)).stdout(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdout.take().unwrap();
    let _ = nix::fcntl::fcntl(&pipe, nix::fcntl::FcntlArg::F_SETPIPE_SZ(1 << 20));
    let (full, filled) = sync_channel::<Vec<u8>>(1);
    let reader = std::thread::spawn(move || {
        loop {
            let mut bytes = Vec::with_capacity(BATCH * RECORD);
            let read = pipe.by_ref().take((BATCH * RECORD) as u64).read_to_end(&mut bytes).unwrap();
            if read == 0 {
                return;
            }
            full.send(bytes).unwrap();
        }
    });
    let mut bitmap = Bitmap::new();
    let mut told = 0;
    for bytes in filled {
        assert!(bytes.len().is_multiple_of(RECORD), "the last record is cut");
        bitmap.take(&bytes);
        if bitmap.records >> 30 > told {
            told = bitmap.records >> 30;
            eprintln!("{:.0} s: {} targets", begin.elapsed().as_secs_f64(), bitmap.records);
        }
    }
    reader.join().unwrap();
    let ended = child.wait().unwrap();
    let (missed, reserved) = bitmap.holes();
    let Bitmap { records, doubled, foreign, .. } = bitmap;
    println!(
        "{records} targets in {:.0} s: {missed} missed, {doubled} doubled, {reserved} blocked, {foreign} on other ports",
        begin.elapsed().as_secs_f64()
    );
    let right = ended.success() && (missed, doubled, reserved, foreign) == (0, 0, 0, 0);
    if right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
