//! Inputs that broke others, replayed through the monitor as packets: no panic, bounds kept, each packet and connection accounted
//! for. They have no expected facts.

use crate::Report;
use starling::base::UtcMicros;
use starling::dialogue::Direction::{self, Client, Server};
use starling::monitor::Config;
use starling::monitor::capture::Captured;
use starling::monitor::table::Monitor;
use starling::record::certificate::digest;
use starling::targets::ports;
use starling::wire::emit::{Outgoing, segment};
use starling::wire::flags::{ACK, FIN, SYN};
use starling::wire::{Link, Tuple};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Bytes that may wait: so few that bounds are met.
const BYTES_MAX: usize = 256 << 10;
const ENDS: [u32; 2] = [0x0a00_0001, 0x0a00_0002];
const CLIENT_PORT: u16 = 40_000;

/// Who says what.
type Said = Vec<(Direction, Vec<u8>)>;

/// The inputs of an archive, with their names.
fn inputs(archive: &Path) -> Vec<(String, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    let status = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(folder.path()).status().unwrap();
    assert!(status.success(), "{}", archive.display());
    let mut found: Vec<_> = folder
        .path()
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).unwrap()))
        .collect();
    found.sort();
    found
}

/// Zeek's inputs: both sides, each part after a mark and a byte whose lowest bit is set for the client's.
fn both_sides(input: &[u8]) -> Said {
    let mark = b"\x01PKT";
    let starts: Vec<usize> = (0..input.len()).filter(|at| input[*at..].starts_with(mark)).collect();
    let ends = starts.iter().skip(1).copied().chain([input.len()]);
    let parts = starts.iter().zip(ends).filter_map(|(start, end)| input[start + mark.len()..end].split_first());
    parts.map(|(side, bytes)| (if side & 1 == 1 { Client } else { Server }, bytes.to_vec())).collect()
}

/// The packets of a connection to `port` in which this is said.
fn packets(port: u16, said: &Said) -> Vec<Vec<u8>> {
    let link = Link { source: [2; 6], destination: [4; 6] };
    let (mut next, mut packets) = ([7u32, 99u32], Vec::new());
    let mut packet = |from: Direction, flags: u8, payload: &[u8]| {
        let (side, ports) = if from == Client { (0, (CLIENT_PORT, port)) } else { (1, (port, CLIENT_PORT)) };
        let tuple = Tuple { local: ENDS[side], remote: ENDS[1 - side], local_port: ports.0, remote_port: ports.1 };
        let (seq, ack) = (next[side], if flags & ACK > 0 { next[1 - side] } else { 0 });
        let outgoing = Outgoing { tuple, seq, ack, flags, window: 512, mss: None, payload, id: 1 };
        let mut frame = [0; 1_600];
        let length = segment(&link, &outgoing, &mut frame);
        packets.push(frame[..length].to_vec());
        let advance = payload.len() + usize::from(flags & (SYN | FIN) > 0);
        next[side] = seq.wrapping_add(u32::try_from(advance).unwrap());
    };
    packet(Client, SYN, b"");
    packet(Server, SYN | ACK, b"");
    packet(Client, ACK, b"");
    for (from, bytes) in said {
        bytes.chunks(1_400).for_each(|chunk| packet(*from, ACK, chunk));
    }
    packet(Client, FIN | ACK, b"");
    packet(Server, FIN | ACK, b"");
    packets
}

/// Replays it; rows.
fn replay(name: &str, port: u16, said: &Said) -> usize {
    let services = ports::parse("study").unwrap();
    let mut monitor = Monitor::new(Config { services, any_port: true, connections_max: 10, bytes_max: BYTES_MAX });
    for (at, bytes) in packets(port, said).iter().enumerate() {
        let time = UtcMicros(i64::try_from(at).unwrap() * 1_000);
        monitor.handle(&Captured { time, link: 1, bytes });
        assert!(monitor.held() <= BYTES_MAX, "{name}: {} bytes held", monitor.held());
    }
    monitor.finish();
    assert_eq!((monitor.account().wrong(), monitor.len(), monitor.held()), (vec![], 0, 0), "{name}");
    std::iter::from_fn(|| monitor.poll()).count()
}

pub(crate) fn hostile(folder: &Path, report: &mut Report) {
    let folder = folder.join("hostile");
    let mut archives: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    archives.sort();
    let (mut slowest, mut rows, mut certificates) = ((Duration::ZERO, String::new()), 0, 0);
    for archive in archives.iter().filter(|path| path.to_string_lossy().ends_with(".tar.gz")) {
        let kind = archive.file_name().unwrap().to_string_lossy().into_owned();
        let kind = kind.trim_end_matches(".tar.gz");
        for (file, input) in inputs(archive) {
            let name = format!("{kind} {file}");
            let begin = Instant::now();
            match kind {
                "boringssl-cert" | "boringssl-parse_certificate_fuzzer" | "openssl-x509" => {
                    digest(&input, UtcMicros(0));
                    certificates += 1;
                }
                _ if kind.starts_with("zeek-") => {
                    let port = match kind {
                        "zeek-imap" => 143,
                        "zeek-irc" => 6_667,
                        "zeek-pop3" => 110,
                        "zeek-smtp" => 25,
                        _ => 443,
                    };
                    rows += replay(&name, port, &both_sides(&input));
                }
                // One side alone, and which is not always told: as either, where TLS comes first and where anything may.
                _ => {
                    for (side, port) in [(Client, 443), (Server, 443), (Client, 4_444), (Server, 4_444)] {
                        rows += replay(&name, port, &vec![(side, input.clone())]);
                    }
                }
            }
            slowest = slowest.max((begin.elapsed(), name));
            report.right += 1;
        }
    }
    println!("hostile inputs: {rows} rows, {certificates} certificates; {:?} at most, for {}", slowest.0, slowest.1);
    report.part("hostile inputs, replayed");
}
