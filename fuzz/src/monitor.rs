//! Target `monitor`: what passes by, from the bytes of a capture to rows.
//!
//! Of the first byte, bit 0 clear: the rest of the input is a capture file. Set: it is what happens on one pair of
//! connections, an event each: a byte (bit 0: from the server; bit 1: of the second connection; bits 2-4: see [`Event`]; bit 5:
//! captured in part), a byte for it, and for data so many bytes. Bit 1 of the first byte: other ports are watched too.
//!
//! Asserted: every packet and every connection has one fate, also in the middle; memory stays within its bounds; a row says nothing
//! that its other columns deny.

use super::input::Input;
use starling::base::UtcMicros;
use starling::monitor::capture::{self, Captured};
use starling::monitor::table::Monitor;
use starling::monitor::{Config, Recorded};
use starling::targets::ports;
use starling::wire::flags::{ACK, FIN, RST, SYN};
use std::ops::ControlFlow;

const CONNECTIONS_MAX: usize = 8;
const BYTES_MAX: usize = 64 << 10;
/// Raw IP.
const LINK: i32 = 101;
const PORTS: [(u16, u16); 2] = [(40_000, 25), (40_001, 4_433)];

/// What happens, by its number.
#[derive(Clone, Copy)]
pub(crate) enum Event {
    /// The next bytes.
    Data = 0,
    /// Bytes that begin elsewhere: so many before or behind the next ones.
    Shifted = 1,
    /// SYN.
    Syn = 2,
    /// FIN.
    Fin = 3,
    /// RST.
    Rst = 4,
    /// So many bytes are sent and not captured.
    Lost = 5,
    /// All that was sent until now is acknowledged.
    Ack = 6,
    /// So many hundredths of a second pass.
    Time = 7,
}

impl Event {
    fn of(number: u8) -> Self {
        [Self::Data, Self::Shifted, Self::Syn, Self::Fin, Self::Rst, Self::Lost, Self::Ack, Self::Time]
            [usize::from(number & 7)]
    }
}

/// The body.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mode = input.u8();
    let services = ports::parse("study").unwrap();
    let any_port = mode & 2 > 0;
    let config = Config { services, any_port, connections_max: CONNECTIONS_MAX, bytes_max: BYTES_MAX };
    let mut monitor = Monitor::new(config);
    let mut rows = 0;
    let mut take = |monitor: &mut Monitor, packet: &Captured<'_>| {
        monitor.handle(packet);
        rows += check(monitor);
    };
    if mode & 1 == 0 {
        let _ = capture::read(input.rest(), |packet| {
            take(&mut monitor, packet);
            ControlFlow::Continue(())
        });
    } else {
        live(&mut input, &mut |packet| take(&mut monitor, packet));
    }
    monitor.finish();
    rows += check(&mut monitor);
    let account = monitor.account();
    assert_eq!((account.open, account.recorded, monitor.len(), monitor.held()), (0, rows, 0, 0));
}

/// Checks the account, takes the rows and checks them; how many they are.
fn check(monitor: &mut Monitor) -> u64 {
    assert_eq!(monitor.account().wrong(), Vec::<String>::new());
    assert!(monitor.held() <= BYTES_MAX && monitor.len() <= CONNECTIONS_MAX);
    let mut rows = 0;
    while let Some(Recorded { row, chain }) = monitor.poll() {
        rows += 1;
        assert_eq!(row.certificates == Some("seen"), !chain.is_empty(), "{row:?}");
        assert!(row.established != Some(true) || row.tls_version.is_some(), "{row:?}");
        // In SSL 2.0 the client chooses, afterwards.
        let old = row.tls_version.as_deref() == Some("SSLv2");
        assert!(row.tls_cipher.is_some() == row.tls_version.is_some() || old, "{row:?}");
        assert!(row.starttls_accepted.is_none() || row.starttls_sent, "{row:?}");
        assert!(row.gaps == 0 || row.gap_bytes > 0, "{row:?}");
        assert!(row.packets_client + row.packets_server > 0, "{row:?}");
    }
    rows
}

fn live(input: &mut Input<'_>, each: &mut impl FnMut(&Captured<'_>)) {
    let mut next = [[u32::MAX - 40, 7_000]; 2];
    let mut time = 0;
    while !input.is_empty() {
        let (what, number) = (input.u8(), input.u8());
        let (side, which) = (usize::from(what & 1), usize::from(what >> 1 & 1));
        let event = Event::of(what >> 2);
        let mut seq = next[which][side];
        let (flags, payload) = match event {
            Event::Time => {
                time += i64::from(number) * 10_000;
                continue;
            }
            Event::Lost => {
                next[which][side] = seq.wrapping_add(number.into());
                continue;
            }
            Event::Data => (ACK, input.bytes(number.into())),
            Event::Shifted => {
                seq = seq.wrapping_add(u32::from(number)).wrapping_sub(128);
                (ACK, input.bytes(64))
            }
            Event::Syn if side == 0 => (SYN, &[][..]),
            Event::Syn => (SYN | ACK, &[][..]),
            Event::Fin => (FIN | ACK, input.bytes(number.into())),
            Event::Rst => (RST, &[][..]),
            Event::Ack => (ACK, &[][..]),
        };
        let ack = if flags & ACK > 0 { next[which][1 - side] } else { 0 };
        let bytes = packet(side, PORTS[which], seq, ack, flags, payload);
        if !matches!(event, Event::Shifted) {
            let length = u32::try_from(payload.len()).unwrap() + u32::from(flags & (SYN | FIN) > 0);
            next[which][side] = next[which][side].wrapping_add(length);
        }
        let kept = if what & 32 > 0 { bytes.len() - payload.len() / 2 } else { bytes.len() };
        time += 100;
        each(&Captured { time: UtcMicros(time), link: LINK, bytes: &bytes[..kept] });
    }
}

fn packet(side: usize, ports: (u16, u16), seq: u32, ack: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x45, 0];
    bytes.extend(u16::try_from(40 + payload.len()).unwrap().to_be_bytes());
    bytes.extend([0, 1, 0, 0, 64, 6, 0, 0]);
    let ends = [([10, 0, 0, 1], ports.0), ([10, 0, 0, 2], ports.1)];
    let (from, to) = (ends[side], ends[1 - side]);
    bytes.extend([from.0, to.0].concat());
    bytes.extend([from.1.to_be_bytes(), to.1.to_be_bytes()].concat());
    bytes.extend([seq.to_be_bytes(), ack.to_be_bytes()].concat());
    bytes.extend([0x50, flags, 2, 0, 0, 0, 0, 0]);
    bytes.extend(payload);
    bytes
}

/// A capture file of the events in `input`, for seeds.
pub(crate) fn capture_of(input: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let words = |file: &mut Vec<u8>, words: &[u32]| file.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    words(&mut file, &[0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 101]);
    live(&mut Input::new(input), &mut |packet| {
        let length = u32::try_from(packet.bytes.len()).unwrap();
        words(&mut file, &[0, u32::try_from(packet.time.0).unwrap(), length, length]);
        file.extend(packet.bytes);
    });
    file
}
