//! Packets out of capture files: pcap (draft-ietf-opsawg-pcap) and pcapng (draft-ietf-opsawg-pcapng), of either byte order
//! and any resolution of time.

use crate::base::UtcMicros;
use pcap_parser::traits::PcapNGPacketBlock;
use pcap_parser::{Block, LegacyPcapBlock, Linktype, PcapBlockOwned, PcapError, create_reader};
use std::io::{Cursor, Read};
use std::ops::ControlFlow;

/// Bytes read ahead at the begin.
const BUFFER: usize = 1 << 20;
/// Longest block that is read: the longest packet that a capture file may have (`MAXIMUM_SNAPLEN` of libpcap) with its
/// options, many times over.
const BLOCK_MAX: usize = 16 << 20;
/// Length of a pcap file's header.
const PCAP_HEADER: u32 = 24;
/// Longest section header of a pcapng file.
const HEAD_MAX: u32 = 1 << 19;
const MICROS: u64 = 1_000_000;
/// How files begin that other programs packed.
const PACKED: [(&[u8], &str); 4] =
    [(b"\x28\xb5\x2f\xfd", "zstd"), (b"\x04\x22\x4d\x18", "lz4"), (b"\xfd7zXZ", "xz"), (b"BZh", "bzip2")];
/// pcapng's first kind of packets, which old programs still write.
const PACKET_BLOCK: u32 = 2;

/// A packet as it was captured: perhaps not all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Captured<'a> {
    /// When.
    pub time: UtcMicros,
    /// What its first header is: a number of the list at <https://www.tcpdump.org/linktypes.html>.
    pub link: i32,
    /// The bytes.
    pub bytes: &'a [u8],
}

/// Link type of a packet whose interface the file does not describe.
pub const UNKNOWN_LINK: i32 = -1;

/// How a file came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Where a packet ends.
    Whole,
    /// In the middle of a packet: whoever wrote it was interrupted, or still writes.
    Cut,
    /// Who takes the packets wants no more.
    Stopped,
}

/// Why a file could not be read. What was before the fault was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It has no bytes.
    #[error("it is empty")]
    Empty,
    /// It does not begin as one.
    #[error(
        "it is no capture file: neither pcap nor pcapng, nor one of them packed by gzip; `editcap -F pcapng` converts others"
    )]
    NotACapture,
    /// It is packed by another program than gzip.
    #[error("it is packed by {by}, which is not unpacked here: `{by} -dc FILE | starling monitor --pcap -` does it")]
    Packed {
        /// The program.
        by: &'static str,
    },
    /// A block breaks its own lengths.
    #[error("it is damaged after {after} packets")]
    Damaged {
        /// Packets before the damage.
        after: u64,
    },
    /// The file system, or what unpacks it, refused.
    #[error(
        "it cannot be read on after {after} packets: it was cut off or damaged when it was packed, or the disk fails"
    )]
    Unreadable {
        /// Packets before.
        after: u64,
    },
}

/// An interface of a pcapng section.
#[derive(Clone, Copy)]
struct Interface {
    link: i32,
    /// Units of time in a second.
    resolution: u64,
    /// Seconds to be added.
    offset: i64,
}

/// Gives each packet of a file to `each`, in the order of the file, until it breaks off.
pub fn read<'r>(
    mut reader: impl Read + Send + 'r,
    mut each: impl FnMut(&Captured<'_>) -> ControlFlow<()>,
) -> Result<End, Error> {
    let head = head(&mut reader);
    if head.is_empty() {
        return Err(Error::Empty);
    }
    let packed = PACKED.iter().find(|(magic, _)| head.starts_with(magic));
    if let Some((_, by)) = packed {
        return Err(Error::Packed { by });
    }
    let mut reader = create_reader(BUFFER, Cursor::new(head).chain(reader)).map_err(|_| Error::NotACapture)?;
    let mut sections = Sections::default();
    let (mut after, mut capacity) = (0, BUFFER);
    loop {
        match reader.next() {
            Ok((length, block)) => {
                if let Some(packet) = sections.packet(&block) {
                    after += 1;
                    if each(&packet).is_break() {
                        return Ok(End::Stopped);
                    }
                }
                reader.consume(length);
            }
            Err(PcapError::Eof) => return Ok(End::Whole),
            Err(PcapError::UnexpectedEof) => return Ok(End::Cut),
            Err(PcapError::Incomplete(_)) => {
                let before = reader.data().len();
                if before >= capacity {
                    return Err(Error::Damaged { after });
                }
                reader.refill().map_err(|_| Error::Unreadable { after })?;
                if reader.data().len() == before && reader.reader_exhausted() {
                    return Ok(if before == 0 { End::Whole } else { End::Cut });
                }
            }
            Err(PcapError::BufferTooSmall) if capacity < BLOCK_MAX => {
                capacity *= 2;
                reader.grow(capacity);
            }
            Err(PcapError::ReadError) => return Err(Error::Unreadable { after }),
            Err(_) => return Err(Error::Damaged { after }),
        }
    }
}

/// The file's first block: what is recognised by it must come in one piece, also out of a pipe.
fn head(reader: &mut impl Read) -> Vec<u8> {
    let mut head = Vec::new();
    let mut fill = |head: &mut Vec<u8>, length: usize| {
        // What cannot be read is missing, and then this is no capture.
        let _ = reader.by_ref().take((length - head.len()) as u64).read_to_end(head);
    };
    fill(&mut head, 12);
    let length = match head.as_slice() {
        [0x0a, 0x0d, 0x0d, 0x0a, a, b, c, d, magic, ..] => {
            let length = [*a, *b, *c, *d];
            if *magic == 0x1a { u32::from_be_bytes(length) } else { u32::from_le_bytes(length) }
        }
        _ => PCAP_HEADER,
    };
    fill(&mut head, usize::try_from(length.clamp(PCAP_HEADER, HEAD_MAX)).unwrap_or(0).max(12));
    head
}

/// What the blocks before a packet said of it.
#[derive(Default)]
struct Sections {
    link: i32,
    nanoseconds: bool,
    interfaces: Vec<Interface>,
    big_endian: bool,
    /// Time of the last packet, for those that have none.
    last: UtcMicros,
}

impl Sections {
    /// Interfaces that are kept of a section; packets of others are of an unknown link.
    const INTERFACES_MAX: usize = 4_096;

    fn packet<'a>(&mut self, block: &'a PcapBlockOwned<'_>) -> Option<Captured<'a>> {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                let Linktype(link) = header.network;
                // The upper bits say how long the frame check sequence is.
                (self.link, self.nanoseconds) = (link & 0x03ff_ffff, header.is_nanosecond_precision());
                None
            }
            PcapBlockOwned::Legacy(packet) => Some(self.legacy(packet)),
            PcapBlockOwned::NG(block) => self.next_generation(block),
        }
    }

    fn legacy<'a>(&self, packet: &LegacyPcapBlock<'a>) -> Captured<'a> {
        let fraction = if self.nanoseconds { packet.ts_usec / 1_000 } else { packet.ts_usec };
        let time = UtcMicros(i64::from(packet.ts_sec) * 1_000_000 + i64::from(fraction));
        Captured { time, link: self.link, bytes: packet.data }
    }

    fn next_generation<'a>(&mut self, block: &'a Block<'_>) -> Option<Captured<'a>> {
        match block {
            Block::SectionHeader(section) => {
                self.interfaces.clear();
                self.big_endian = section.big_endian();
            }
            Block::InterfaceDescription(found) if self.interfaces.len() < Self::INTERFACES_MAX => {
                let Linktype(link) = found.linktype;
                let resolution = found.ts_resolution().filter(|units| *units > 0).unwrap_or(MICROS);
                // pcap-parser 0.17 reads it as little-endian always.
                let offset = if self.big_endian { found.ts_offset().swap_bytes() } else { found.ts_offset() };
                self.interfaces.push(Interface { link, resolution, offset });
            }
            Block::EnhancedPacket(packet) => {
                let interface = usize::try_from(packet.if_id).ok().and_then(|at| self.interfaces.get(at)).copied();
                let units = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                self.last = interface.map_or(self.last, |interface| interface.time(units));
                let link = interface.map_or(UNKNOWN_LINK, |interface| interface.link);
                return Some(Captured { time: self.last, link, bytes: packet.packet_data() });
            }
            // pcap-parser 0.17 reads the type of what it does not know as little-endian always.
            Block::Unknown(block) if [PACKET_BLOCK, PACKET_BLOCK.swap_bytes()].contains(&block.block_type) => {
                return self.packet_block(block.data);
            }
            Block::SimplePacket(packet) => {
                let link = self.interfaces.first().map_or(UNKNOWN_LINK, |interface| interface.link);
                let bytes = packet.packet_data();
                let kept = usize::try_from(packet.origlen).unwrap_or(usize::MAX).min(bytes.len());
                return Some(Captured { time: self.last, link, bytes: &bytes[..kept] });
            }
            _ => {}
        }
        None
    }

    /// Interface, drops, time, lengths, bytes.
    fn packet_block<'a>(&mut self, body: &'a [u8]) -> Option<Captured<'a>> {
        let (head, bytes) = body.split_first_chunk::<20>()?;
        let number = |at: usize| {
            let four = [head[at], head[at + 1], head[at + 2], head[at + 3]];
            if self.big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
        };
        let interface = [head[0], head[1]];
        let interface = if self.big_endian { u16::from_be_bytes(interface) } else { u16::from_le_bytes(interface) };
        let interface = self.interfaces.get(usize::from(interface)).copied();
        let units = u64::from(number(4)) << 32 | u64::from(number(8));
        let kept = usize::try_from(number(12)).unwrap_or(usize::MAX).min(bytes.len());
        self.last = interface.map_or(self.last, |interface| interface.time(units));
        let link = interface.map_or(UNKNOWN_LINK, |interface| interface.link);
        Some(Captured { time: self.last, link, bytes: &bytes[..kept] })
    }
}

impl Interface {
    fn time(&self, units: u64) -> UtcMicros {
        let micros = u128::from(units) * u128::from(MICROS) / u128::from(self.resolution);
        let micros = i64::try_from(micros).unwrap_or(i64::MAX);
        UtcMicros(micros.saturating_add(self.offset.saturating_mul(1_000_000)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;

    type Packet = (i64, i32, Vec<u8>);

    fn all(file: &[u8]) -> (Vec<Packet>, Result<End, Error>) {
        let mut found = Vec::new();
        let end = read(file, |packet| {
            found.push((packet.time.0, packet.link, packet.bytes.to_vec()));
            ControlFlow::Continue(())
        });
        (found, end)
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// Big-endian: two packets, of three bytes and of one.
    fn pcap(magic: u32) -> Vec<u8> {
        let mut file = words(&[magic, 0x0002_0004, 0, 0, 65_535, 101, 7, 5_000, 3, 60]);
        file.extend(b"abc");
        file.extend(words(&[8, 999_999, 1, 1]));
        file.extend(b"d");
        file
    }

    #[test]
    fn pcap_of_both_resolutions() {
        let (found, end) = all(&pcap(0xa1b2_c3d4));
        assert_eq!(end, Ok(End::Whole));
        assert_eq!(found, [(7_005_000, 101, b"abc".to_vec()), (8_999_999, 101, b"d".to_vec())]);
        assert_eq!(all(&pcap(0xa1b2_3c4d)).0[0].0, 7_000_005);
        // Kuznetsov's, with an interface's number, a protocol and a type behind each packet's head.
        let head: [u32; 12] = [0xa1b2_cd34, 0x0004_0002, 0, 0, 65_535, 101, 7, 5_000, 3, 60, 0, 0];
        let mut file: Vec<u8> = head.iter().flat_map(|word| word.to_le_bytes()).collect();
        file.extend(b"abc");
        assert_eq!(all(&file), (vec![(7_005_000, 101, b"abc".to_vec())], Ok(End::Whole)));
    }

    #[test]
    fn a_file_that_is_cut_gives_what_is_whole() {
        let whole = pcap(0xa1b2_c3d4);
        for length in 44..whole.len() {
            let (found, end) = all(&whole[..length]);
            let second = length > 43;
            assert_eq!(
                (found.len(), end),
                (1, Ok(if length == 43 { End::Whole } else { End::Cut })),
                "{length} {second}"
            );
        }
        assert_eq!(all(b"").1, Err(Error::Empty));
        assert_eq!(all(b"\xd4\xc3").1, Err(Error::NotACapture));
        assert_eq!(all(b"\x28\xb5\x2f\xfd and so on").1, Err(Error::Packed { by: "zstd" }));
        assert_eq!(all(b"220 mail.example ESMTP and so on, no capture file").1, Err(Error::NotACapture));
    }

    #[test]
    fn pcapng_with_its_own_clock_and_two_interfaces() {
        let block = |kind: u32, body: &[u8]| {
            let length = u32::try_from(body.len()).unwrap() + 12;
            [words(&[kind, length]), body.to_vec(), words(&[length])].concat()
        };
        let section = block(0x0a0d_0d0a, &words(&[0x1a2b_3c4d, 0x0001_0000, u32::MAX, u32::MAX]));
        let ethernet = block(1, &words(&[0x0001_0000, 0]));
        // Option 9: a tenth of a second; option 14: an hour later.
        let raw = block(1, &words(&[0x0065_0000, 0, 0x0009_0001, 0x0100_0000, 0x000e_0008, 0, 3_600, 0]));
        let packet = |interface, units| block(6, &[words(&[interface, 0, units, 2, 9]), b"xy\0\0".to_vec()].concat());
        let old = block(2, &[words(&[0x0001_0007, 0, 30, 2, 9]), b"xy\0\0".to_vec()].concat());
        let short = block(2, &words(&[0, 0]));
        let file = [section, ethernet, raw, packet(0, 5), packet(1, 25), old, short, packet(2, 1)].concat();
        let (found, end) = all(&file);
        assert_eq!(end, Ok(End::Whole));
        let xy = || b"xy".to_vec();
        let late = 3_603_000_000;
        assert_eq!(found, [(5, 1, xy()), (3_602_500_000, 101, xy()), (late, 101, xy()), (late, UNKNOWN_LINK, xy())]);
    }

    #[test]
    fn a_pipe_that_gives_byte_after_byte_is_read() {
        struct Drip(Cursor<Vec<u8>>);
        impl Read for Drip {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                let room = buffer.len().min(1);
                self.0.read(&mut buffer[..room])
            }
        }
        let mut count = 0;
        let end = read(Drip(Cursor::new(pcap(0xa1b2_c3d4))), |_| {
            count += 1;
            ControlFlow::Continue(())
        });
        assert_eq!((count, end), (2, Ok(End::Whole)));
    }

    #[test]
    fn who_has_enough_is_given_no_more() {
        let mut count = 0;
        let end = read(&pcap(0xa1b2_c3d4)[..], |_| {
            count += 1;
            ControlFlow::Break(())
        });
        assert_eq!((count, end), (1, Ok(End::Stopped)));
    }
}
