//! What the monitor costs.
//!
//! - `cargo bench --bench monitor`: a capture in memory, read through the table to rows; packets and bytes a second of one
//!   thread's CPU time, on input full of handshakes and on input full of data.
//! - `cargo bench --bench monitor -- day [FLOWS]`: `starling monitor` reads 24 hours of so many connections from a pipe, at the
//!   speed it has; prints its memory on the way, and fails if that grows or a connection is unaccounted for.
//! - `cargo bench --bench monitor -- write handshakes|bulk FILE FLOWS`: such a capture as a file, for `scripts/bench-monitor`.

mod traffic;

use nix::time::{ClockId, clock_gettime};
use starling::monitor::table::Monitor;
use starling::monitor::{Config, capture};
use starling::targets::ports;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use traffic::{Conversation, Traffic, bulk, handshakes, header, record};

/// In microseconds.
const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
/// Measured so often; the fastest counts, as the machine can only add.
const RUNS: usize = 7;
/// Memory rises and falls with the row group that is being written, some twenty megabytes of it, and with the part. So
/// the most of each half of the run is compared, in which there is at least one part. How the two threads happen to meet
/// moves that by a few megabytes; by a tenth it does not, and a run of more connections has more time to.
const GROWTH_MAX: f64 = 0.1;
/// How often memory is looked at in a run; and how many of these make one line.
const SAMPLES: u64 = 1_000;
const SAMPLES_A_LINE: usize = 100;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("{text} is no number of connections"));
    match words[..] {
        [] => speed(),
        ["day"] => day(2_000_000),
        ["day", flows] => day(number(flows)),
        ["write", kind @ ("handshakes" | "bulk"), file, flows] => write(kind, Path::new(file), number(flows)),
        _ => panic!("nothing, day [FLOWS], or write handshakes|bulk FILE FLOWS"),
    }
}

fn config() -> Config {
    Config {
        services: ports::parse("study").expect("known"),
        any_port: false,
        connections_max: Config::CONNECTIONS_MAX,
        bytes_max: Config::BYTES_MAX,
    }
}

/// A capture of `flows` in memory.
fn captured(conversations: &[Conversation], flows: u64, span: i64) -> Vec<u8> {
    let (mut traffic, mut file) = (Traffic::new(conversations, flows, span), header());
    while let Some((time, frame)) = traffic.next() {
        record(&mut file, time, frame);
    }
    file
}

/// CPU time of this thread, in seconds.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock");
    time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9
}

fn speed() {
    println!("{:<12} {:>9} {:>8} {:>10} {:>12} {:>8}", "", "packets", "rows", "ns/packet", "packets/s", "GB/s");
    for (name, conversations, flows) in [("handshakes", handshakes(), 20_000), ("bulk", bulk(), 20)] {
        let file = captured(&conversations, flows, 60 * SECOND);
        let (mut best, mut packets, mut rows) = (f64::MAX, 0, 0);
        for _ in 0..RUNS {
            let mut monitor = Monitor::new(config());
            rows = 0;
            let before = cpu();
            let end = capture::read(&file[..], |packet| {
                monitor.handle(packet);
                while monitor.poll().is_some() {
                    rows += 1;
                }
                ControlFlow::Continue(())
            });
            monitor.finish();
            rows += std::iter::from_fn(|| monitor.poll()).count() as u64;
            best = best.min(cpu() - before);
            assert_eq!(end, Ok(capture::End::Whole));
            packets = monitor.account().packets;
        }
        assert_eq!(rows, flows, "each connection is a row");
        let (rate, bytes) = (packets as f64 / best, file.len() as f64 / best);
        println!("{name:<12} {packets:>9} {rows:>8} {:>10.0} {:>10.2} M {:>8.2}", 1e9 / rate, rate / 1e6, bytes / 1e9);
    }
}

fn write(kind: &str, path: &Path, flows: u64) {
    let conversations = if kind == "bulk" { bulk() } else { handshakes() };
    let mut file = BufWriter::new(File::create(path).expect("a file"));
    pour(&mut Traffic::new(&conversations, flows, 60 * SECOND), &mut file, &mut |_| {});
}

/// Writes a capture of all that passes; says each packet's number.
fn pour(traffic: &mut Traffic<'_>, file: &mut impl Write, each: &mut impl FnMut(u64)) {
    file.write_all(&header()).expect("room");
    let (mut buffer, mut count) = (Vec::new(), 0);
    while let Some((time, frame)) = traffic.next() {
        buffer.clear();
        record(&mut buffer, time, frame);
        file.write_all(&buffer).expect("room");
        count += 1;
        each(count);
    }
    file.flush().expect("room");
}

/// Resident memory of a process, in KiB.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line of memory");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

fn day(flows: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("seen");
    let mut child = Command::new(env!("CARGO_BIN_EXE_starling"))
        .args(["monitor", "-q", "--pcap", "-", "-o"])
        .arg(&output)
        .stdin(Stdio::piped())
        .spawn()
        .expect("the program");
    let mut pipe = BufWriter::with_capacity(1 << 20, child.stdin.take().expect("its input"));
    let conversations = handshakes();
    let mut traffic = Traffic::new(&conversations, flows, DAY);
    let packets = traffic.packets();
    let (mut samples, process, begin) = (Vec::new(), child.id(), std::time::Instant::now());
    println!("24 hours, {flows} connections, {packets} packets, at full speed");
    pour(&mut traffic, &mut pipe, &mut |count| {
        if count % (packets / SAMPLES).max(1) == 0 {
            samples.push(resident(process));
            if samples.len().is_multiple_of(SAMPLES_A_LINE) {
                let line = &samples[samples.len() - SAMPLES_A_LINE..];
                let (least, most) = (line.iter().min().expect("samples"), line.iter().max().expect("samples"));
                println!("{:>4} % {least:>8} to {most:>8} KiB", 100 * samples.len() as u64 / SAMPLES);
            }
        }
    });
    drop(pipe);
    assert!(child.wait().expect("its end").success(), "the monitor failed");
    let seconds = begin.elapsed().as_secs_f64();
    let text = std::fs::read(output.join("run.json")).expect("the manifest");
    let manifest: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    let account = &manifest["account"];
    println!(
        "{:.1} s, {:.2} M packets/s; {account}; parts {}",
        seconds,
        packets as f64 / seconds / 1e6,
        manifest["parts"]
    );
    let (first, second) = samples.split_at(samples.len() / 2);
    let [first, second] = [first, second].map(|half| *half.iter().max().expect("samples"));
    let growth = second.saturating_sub(first);
    println!("memory: at most {first} KiB in the first half, {second} KiB in the second: {growth} KiB more");
    for (name, expected) in
        [("packets", packets), ("connections", flows), ("recorded", flows), ("open", 0), ("evicted", 0)]
    {
        assert_eq!(account[name], expected, "{name}");
    }
    assert_eq!(manifest["rows"]["connections"], flows);
    assert!(growth as f64 <= GROWTH_MAX * first as f64, "memory grows");
}
