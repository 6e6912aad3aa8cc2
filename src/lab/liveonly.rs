//! The least that sends live frames: one long BPF_PROG_RUN a lane, no ring, no bookkeeping. What a scanner can reach on this
//! machine at best.

use crate::txonly::FRAME;
use anyhow::{Context as _, Result, ensure};
use aya::maps::DevMap;
use aya::programs::{TestRun as _, TestRunAttrs, TestRunOptions, Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use serde_json::json;
use starling::targets::cidr;
use std::time::Instant;

/// ELF object of `ebpf/bare.bpf.c`.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/bare.bpf.o"));

/// Frames that the kernel makes at a time, as starling has it.
const BATCH: u32 = 128;
/// `FRAME` of the program.
const LENGTH: usize = 60;
/// Where a frame has its destination port.
const PORT_AT: usize = 36;

/// Sends and prints what that took.
pub(crate) fn send(args: &crate::Liveonly) -> Result<()> {
    let index = nix::net::if_::if_nametoindex(args.interface.as_str())
        .with_context(|| format!("there is no interface {:?} here", args.interface))?;
    let (first, last) = cidr::parse(&args.space)?;
    let share = (u64::from(last) - u64::from(first) + 1) / u64::from(args.lanes.max(1));
    ensure!(share.is_power_of_two(), "--space: as many addresses as a power of two are wanted for each lane");
    let mask = u32::try_from(share - 1)?;
    let repeat = u32::try_from(args.frames / u64::from(args.lanes.max(1))).context("--frames: at most 2^32 a lane")?;

    let mut lanes = Vec::new();
    for lane in 0..args.lanes {
        lanes.push(load(index, args.port, first + lane * (mask + 1), mask)?);
    }
    let receiver = lanes.first_mut().context("--lanes: at least one is wanted")?;
    program(receiver, "bare_drop")?.attach_to_if_index(index, XdpMode::Driver).context("attaching")?;

    let start = Instant::now();
    std::thread::scope(|scope| -> Result<()> {
        let running: Vec<_> =
            (0..).zip(&mut lanes).map(|(lane, ebpf)| scope.spawn(move || run(ebpf, lane, repeat))).collect();
        running.into_iter().try_for_each(|thread| thread.join().expect("it does not panic"))
    })?;
    let seconds = start.elapsed().as_secs_f64();
    println!("{}", json!({ "frames": u64::from(repeat) * u64::from(args.lanes), "seconds": seconds }));
    Ok(())
}

fn program<'ebpf>(ebpf: &'ebpf mut Ebpf, name: &str) -> Result<&'ebpf mut Xdp> {
    let program: &mut Xdp = ebpf.program_mut(name).context("no such program")?.try_into()?;
    Ok(program)
}

fn load(index: u32, port: u16, address: u32, mask: u32) -> Result<Ebpf> {
    let mut template = [0; LENGTH + 4 + 8];
    template[..FRAME.len()].copy_from_slice(&FRAME);
    template[PORT_AT..PORT_AT + 2].copy_from_slice(&port.to_be_bytes());
    template[LENGTH + 4..LENGTH + 8].copy_from_slice(&address.to_ne_bytes());
    template[LENGTH + 8..].copy_from_slice(&mask.to_ne_bytes());
    let mut ebpf = EbpfLoader::new().override_global("template", &template[..], true).load(OBJECT)?;
    for name in ["bare_send", "bare_drop"] {
        program(&mut ebpf, name)?.load().context("the kernel does not load it. Next step: run as root")?;
    }
    let mut devices = DevMap::try_from(ebpf.map_mut("interface").context("no map")?)?;
    devices.set(0, index, None, 0)?;
    Ok(ebpf)
}

fn run(ebpf: &mut Ebpf, lane: usize, repeat: u32) -> Result<()> {
    let mut processor = CpuSet::new();
    processor.set(lane)?;
    sched_setaffinity(Pid::from_raw(0), &processor)?;
    let attrs = TestRunAttrs::new().xdp_live_frames(BATCH);
    let options = TestRunOptions { data_in: Some(&[0; LENGTH]), repeat, attrs, ..TestRunOptions::new() };
    program(ebpf, "bare_send")?.test_run(options).context("BPF_PROG_RUN").map(|_| ())
}
