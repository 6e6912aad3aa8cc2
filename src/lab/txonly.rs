//! The least that sends by AF_XDP in copy mode: rings, one frame in every slot, no work a packet. What a scanner
//! can reach on this machine at best.
#![allow(unsafe_code, reason = "raw rings and system calls: a library would be part of what is measured")]
#![allow(clippy::cast_possible_truncation, reason = "small constants, on a 64-bit target: AF_XDP exists on no other")]

use anyhow::{Result, ensure};
use serde_json::json;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

const FRAMES: u32 = 512;
const CHUNK: u32 = 2048;
const RING: u32 = 2048;
const BATCH: u32 = 256;
/// `XDP_MAX_TX_SKB_BUDGET` of <linux/if_xdp.h>, newer than libc's list.
const XDP_MAX_TX_SKB_BUDGET: libc::c_int = 9;

/// A SYN with an MSS option from 198.18.0.1:61000 to 10.0.0.1:80, checksums right.
pub(crate) const FRAME: [u8; 58] = [
    2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 44, 0, 0, 0x40, 0, 64, 6, 0x6a, 0xb8, 198, 18, 0, 1, 10, 0,
    0, 1, 0xee, 0x48, 0, 80, 1, 2, 3, 4, 0, 0, 0, 0, 0x60, 2, 0xff, 0xff, 0xd5, 0x73, 0, 0, 2, 4, 5, 0xb4,
];

/// Memory shared with the kernel until the process ends.
fn map(length: usize, fd: libc::c_int, flags: libc::c_int, offset: libc::off_t) -> io::Result<NonNull<u8>> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping at a place of the kernel's choice; it is never unmapped.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), length, protection, flags | libc::MAP_POPULATE, fd, offset) };
    if at == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(at.cast()).ok_or_else(|| io::Error::other("mapped at zero"))
}

fn set<T>(socket: &OwnedFd, option: libc::c_int, value: &T) -> io::Result<()> {
    let length = u32::try_from(size_of::<T>()).map_err(io::Error::other)?;
    // SAFETY: `value` is live and of the length said.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_XDP, option, std::ptr::from_ref(value).cast(), length)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// One of the socket's rings.
struct Ring {
    memory: NonNull<u8>,
    offsets: libc::xdp_ring_offset,
}

impl Ring {
    fn counter(&self, offset: u64) -> &AtomicU32 {
        // SAFETY: the kernel says that a u32 for both sides lies there; the mapping lasts.
        unsafe { self.memory.add(usize_of(offset)).cast::<AtomicU32>().as_ref() }
    }

    fn producer(&self) -> &AtomicU32 {
        self.counter(self.offsets.producer)
    }

    fn consumer(&self) -> &AtomicU32 {
        self.counter(self.offsets.consumer)
    }
}

const fn usize_of(value: u64) -> usize {
    value as usize
}

/// The socket, bound, and its transmit and completion rings.
fn open(interface: &str, queue: u32) -> Result<(OwnedFd, Ring, Ring)> {
    // SAFETY: plain call.
    let fd = unsafe { libc::socket(libc::AF_XDP, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error().into());
    }
    // SAFETY: fresh from the kernel, owned by nobody else.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let size = usize_of(u64::from(FRAMES * CHUNK));
    let frames = map(size, -1, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, 0)?;
    for frame in 0..FRAMES {
        // SAFETY: within the mapping, which nobody else knows yet.
        unsafe {
            frames.add(usize_of(address(frame))).copy_from_nonoverlapping(NonNull::from(&FRAME).cast(), FRAME.len())
        };
    }
    let region =
        libc::xdp_umem_reg_v1 { addr: frames.as_ptr() as u64, len: size as u64, chunk_size: CHUNK, headroom: 0 };
    set(&socket, libc::XDP_UMEM_REG, &region)?;
    for ring in [libc::XDP_UMEM_FILL_RING, libc::XDP_UMEM_COMPLETION_RING, libc::XDP_TX_RING] {
        set(&socket, ring, &RING)?;
    }
    // Older kernels do without.
    let _ = set(&socket, XDP_MAX_TX_SKB_BUDGET, &BATCH);

    // SAFETY: zero is a value of the structure.
    let mut offsets: libc::xdp_mmap_offsets = unsafe { std::mem::zeroed() };
    let mut length = u32::try_from(size_of::<libc::xdp_mmap_offsets>())?;
    // SAFETY: both are live; the kernel writes at most `length` bytes.
    let result = unsafe {
        libc::getsockopt(fd, libc::SOL_XDP, libc::XDP_MMAP_OFFSETS, (&raw mut offsets).cast(), &raw mut length)
    };
    if result < 0 {
        return Err(io::Error::last_os_error().into());
    }
    let ring = |offsets: libc::xdp_ring_offset, slot: usize, page: libc::off_t| -> io::Result<Ring> {
        let memory = map(usize_of(offsets.desc) + usize_of(u64::from(RING)) * slot, fd, libc::MAP_SHARED, page)?;
        Ok(Ring { memory, offsets })
    };
    let tx = ring(offsets.tx, size_of::<libc::xdp_desc>(), libc::XDP_PGOFF_TX_RING)?;
    let completion = ring(offsets.cr, size_of::<u64>(), libc::off_t::try_from(libc::XDP_UMEM_PGOFF_COMPLETION_RING)?)?;

    let name = std::ffi::CString::new(interface)?;
    // SAFETY: the name is live and ends in a zero.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    ensure!(index > 0, "there is no interface {interface:?} here");
    let address = libc::sockaddr_xdp {
        sxdp_family: libc::AF_XDP as u16,
        sxdp_flags: libc::XDP_COPY | libc::XDP_USE_NEED_WAKEUP,
        sxdp_ifindex: index,
        sxdp_queue_id: queue,
        sxdp_shared_umem_fd: 0,
    };
    let length = u32::try_from(size_of::<libc::sockaddr_xdp>())?;
    // SAFETY: the address is live and of the length said.
    if unsafe { libc::bind(fd, (&raw const address).cast(), length) } < 0 {
        return Err(io::Error::last_os_error().into());
    }
    Ok((socket, tx, completion))
}

/// Where a frame begins: staggered, for frames at the same offset of each page share few cache lines.
fn address(frame: u32) -> u64 {
    u64::from(frame * CHUNK + (frame & 15) * 64)
}

/// Sends the frame `count` times and prints what that took.
pub(crate) fn send(interface: &str, queue: u32, count: u64) -> Result<()> {
    let mut processor = nix::sched::CpuSet::new();
    processor.set(usize_of(u64::from(queue)))?;
    nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &processor)?;
    let (socket, tx, completion) = open(interface, queue)?;
    // SAFETY: descriptors lie there, `RING` of them.
    let descriptors = unsafe { tx.memory.add(usize_of(tx.offsets.desc)).cast::<libc::xdp_desc>() };
    let start = Instant::now();
    let mut queued = 0_u64;
    let mut done = 0_u64;
    while done < count {
        let free = u64::from(FRAMES) - (queued - done);
        if queued < count && free >= u64::from(BATCH) {
            let produced = tx.producer().load(Ordering::Relaxed);
            for number in 0..BATCH {
                let slot = produced.wrapping_add(number);
                let descriptor = libc::xdp_desc { addr: address(slot % FRAMES), len: FRAME.len() as u32, options: 0 };
                // SAFETY: within the ring; the kernel reads the slot only once the producer is behind it.
                unsafe { descriptors.add(usize_of(u64::from(slot % RING))).write(descriptor) };
            }
            tx.producer().store(produced.wrapping_add(BATCH), Ordering::Release);
            queued += u64::from(BATCH);
        }
        // SAFETY: no data and no address are passed.
        let result =
            unsafe { libc::sendto(socket.as_raw_fd(), std::ptr::null(), 0, libc::MSG_DONTWAIT, std::ptr::null(), 0) };
        if result < 0 {
            let error = io::Error::last_os_error();
            if !matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EBUSY | libc::ENOBUFS | libc::EINTR)) {
                return Err(error.into());
            }
        }
        let produced = completion.producer().load(Ordering::Acquire);
        let consumed = completion.consumer().load(Ordering::Relaxed);
        completion.consumer().store(produced, Ordering::Release);
        done += u64::from(produced.wrapping_sub(consumed));
    }
    let seconds = start.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate is no count")]
    let mpps = done as f64 / seconds / 1e6;
    println!("{}", json!({ "frames": done, "seconds": seconds, "mpps": mpps }));
    Ok(())
}
