//! One AF_XDP socket on one queue: its frame memory, its four rings, the cycle of the frames through them.
//!
//! The frame memory is split once and for all. Receive frames go fill ring → kernel → receive ring → fill ring,
//! transmit frames go free list → transmit ring → kernel → completion ring → free list. A frame is in exactly
//! one of these places: that is what makes every access to its bytes exclusive, and what the `SAFETY` comments
//! below refer to as the cycle.
#![allow(unsafe_code, reason = "xsk-rs leaves it to its caller that a frame is in one place at a time")]

use super::carrier::Carrier;
use super::options::{Bind, SocketOptions, usize_of};
use super::{Error, link, sys};
use crate::nic::{FrameIo, NicCounters, netlink};
use std::ffi::CString;
use std::io;
use std::num::NonZeroU32;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};
use xsk_rs::config::{Interface, SocketConfig, UmemConfig};
use xsk_rs::socket::{RxQueue, Socket as XskSocket, TxQueue};
use xsk_rs::umem::frame::FrameDesc;
use xsk_rs::umem::{CompQueue, FillQueue, Umem};

/// Frames moved between us and a ring at a time.
const BATCH: usize = 64;

/// Shortest frame that may be sent: an Ethernet header.
const FRAME_MIN: usize = 14;

/// The kernel's own number of frames for one wake-up in copy mode, and the least it can be set to.
const SEND_BUDGET_MIN: u32 = 32;

/// A driver that takes no frame for so long is asked for its carrier.
const STANDSTILL: Duration = Duration::from_millis(2);

/// How long a driver is given to take its first frames to receive into, and how often it is asked.
const BEGIN_MAX: Duration = Duration::from_millis(100);
const LOOK: Duration = Duration::from_millis(1);

/// How long the queue may stay busy: the kernel takes a dead predecessor's socket down in its own time.
const TEARDOWN: Duration = Duration::from_secs(2);

/// What the kernel made of [`Bind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoundMode {
    /// The NIC reads and writes our frames.
    ZeroCopy,
    /// The kernel copies each frame.
    Copy,
}

/// An AF_XDP socket bound to one queue of an interface.
pub struct Socket {
    tx: TxQueue,
    rx: RxQueue,
    fill: FillQueue,
    completion: CompQueue,
    umem: Umem,
    /// Transmit frames that are ours to write.
    free: Vec<FrameDesc>,
    /// Received frames that the fill ring had no room for yet.
    unfilled: Vec<FrameDesc>,
    /// Where descriptors pass from a ring to us.
    batch: [FrameDesc; BATCH],
    tx_frames: usize,
    tx_ring: u32,
    rx_ring: usize,
    mode: BoundMode,
    busy_poll: bool,
    carrier: Carrier,
    /// The link lost a frame, or stands still: it is not sent by before its carrier is seen.
    doubted: bool,
    /// Frames that a driver which goes on by itself has taken, and since when it has taken no more.
    taken: (u64, Instant),
    counters: NicCounters,
    /// How often the driver found no frame to receive into before it had been given any.
    in_vain: u64,
}

impl Socket {
    /// Opens a socket on `queue` of `interface`. Waits up to two seconds for a dying predecessor to let go.
    ///
    /// # Errors
    /// Each names its next step.
    pub fn open(interface: &str, queue: u32, options: SocketOptions) -> Result<Self, Error> {
        let umem_config = options.umem()?;
        let socket_config = options.socket()?;
        if !netlink::is_up(&link(interface)?) {
            return Err(Error::Down { interface: interface.to_owned() });
        }
        let (umem, frames) = frame_memory(umem_config, &options)?;
        let (tx, rx, mut fill, completion) = bind(socket_config, &umem, interface, queue, options.bind)?;
        configure_budget(&tx, &options)?;
        configure_polling(&tx, &options)?;
        let zero_copy = sys::is_zero_copy(tx.fd())
            .map_err(|source| Error::System { what: "asking an AF_XDP socket for its mode", source })?;

        let tx_frames = usize_of(options.tx_frames);
        let (free, receive) = frames.split_at(tx_frames);
        // SAFETY: beginning of the cycle: these frames of this memory are nowhere else yet.
        if unsafe { fill.produce(receive) } != receive.len() {
            return Err(Error::Options("the fill ring is smaller than the frames for receiving"));
        }
        let mut socket = Self {
            tx,
            rx,
            fill,
            completion,
            umem,
            free: free.to_vec(),
            unfilled: Vec::with_capacity(receive.len()),
            batch: [FrameDesc::default(); BATCH],
            tx_frames,
            tx_ring: options.tx_ring,
            rx_ring: usize_of(options.rx_ring),
            mode: if zero_copy { BoundMode::ZeroCopy } else { BoundMode::Copy },
            busy_poll: options.busy_poll.is_some(),
            carrier: Carrier::of(interface)?,
            doubted: false,
            taken: (0, Instant::now()),
            counters: NicCounters::default(),
            in_vain: 0,
        };
        socket.begin_receiving();
        Ok(socket)
    }

    /// Has a zero-copy driver take frames to receive into. It looked for some when it was bound and found none, for rings
    /// are made and bound in one; after that some look again only when they are woken (igb), and an answer that comes
    /// before is lost without a trace. Others want to be woken always, so it is not waited for long.
    fn begin_receiving(&mut self) {
        if self.mode == BoundMode::ZeroCopy {
            let until = Instant::now() + BEGIN_MAX;
            // What fails here fails again where frames are sent.
            let _ = sys::wake_transmit(self.as_raw_fd());
            while self.fill.needs_wakeup() && Instant::now() < until {
                let _ = sys::wake_receive(self.as_raw_fd());
                std::thread::sleep(LOOK);
            }
        }
        self.in_vain = self.tx.fd().xdp_statistics().map_or(0, |kernel| kernel.rx_fill_ring_empty_descs());
    }

    /// Who copies, as the kernel says.
    pub const fn mode(&self) -> BoundMode {
        self.mode
    }

    /// Slots of the receive ring.
    pub(super) const fn rx_ring(&self) -> usize {
        self.rx_ring
    }

    fn receive_batch(&mut self, sink: &mut impl FnMut(&[u8])) -> usize {
        // SAFETY: the receive ring is of this socket's memory.
        let count = unsafe { self.rx.consume(&mut self.batch) };
        for frame in &self.batch[..count] {
            // SAFETY: by the cycle, a frame between receive ring and fill ring is ours alone.
            sink(unsafe { self.umem.data(frame) }.contents());
        }
        // The descriptors point behind the headroom. That is of no consequence: in this (aligned) layout the
        // kernel takes any address within a frame for the frame (Documentation/networking/af_xdp.rst, fill ring).
        self.unfilled.extend_from_slice(&self.batch[..count]);
        // SAFETY: by the cycle; `produce` takes all of them or none.
        if unsafe { self.fill.produce(&self.unfilled) } == self.unfilled.len() {
            self.unfilled.clear();
        }
        count
    }

    /// Takes back the frames that the link is done with.
    fn reap(&mut self) {
        loop {
            // SAFETY: the completion ring is of this socket's memory; it yields frames that we put on the
            // transmit ring and that the kernel has finished with.
            let done = unsafe { self.completion.consume(&mut self.batch) };
            self.free.extend_from_slice(&self.batch[..done]);
            self.counters.tx_completed += done as u64;
            if done < BATCH {
                return;
            }
        }
    }

    /// Has `fill` write one frame. `None` when it has no more; otherwise whether the frame can go.
    fn write_frame(
        umem: &Umem,
        frame: &mut FrameDesc,
        fill: &mut impl FnMut(&mut [u8]) -> Option<usize>,
    ) -> Option<bool> {
        // SAFETY: `frame` is of this memory and from the free list: by the cycle, nobody else has it.
        let mut data = unsafe { umem.data_mut(frame) };
        let mut cursor = data.cursor();
        let capacity = cursor.buf_len();
        cursor.set_pos(capacity);
        let length = fill(data.contents_mut())?;
        data.cursor().set_pos(length);
        Some((FRAME_MIN..=capacity).contains(&length))
    }

    /// Frames on the transmit ring that the kernel has not taken yet.
    pub(super) fn unsent(&mut self) -> u32 {
        self.tx_ring.saturating_sub(self.tx.nb_free_exact())
    }

    /// Wakes the kernel until it has taken everything or makes no headway.
    fn wake_transmit(&mut self) -> io::Result<()> {
        let mut unsent = self.unsent();
        self.doubt_a_standstill(unsent);
        self.see_carrier()?;
        while unsent > 0 && self.tx.needs_wakeup() {
            match sys::wake_transmit(self.as_raw_fd()) {
                Ok(()) => {}
                Err(error) if heals(&error) => {
                    self.counters.kicks_retried += 1;
                    self.doubted = error.raw_os_error() == Some(libc::EBUSY);
                    self.see_carrier()?;
                }
                Err(error) => {
                    self.doubted = true;
                    return Err(down(error));
                }
            }
            let left = self.unsent();
            // A zero-copy driver goes on by itself; one that copies has done what it can for now.
            if self.mode == BoundMode::ZeroCopy || left >= unsent {
                break;
            }
            unsent = left;
        }
        Ok(())
    }

    /// If the link is in doubt, looks for its carrier.
    fn see_carrier(&mut self) -> io::Result<()> {
        if self.doubted {
            self.carrier.check()?;
            self.doubted = false;
        }
        Ok(())
    }

    /// A zero-copy driver whose link goes down may leave what it has as it is, and go on with it before there is a carrier.
    fn doubt_a_standstill(&mut self, unsent: u32) {
        if self.mode == BoundMode::Copy || unsent == 0 {
            return;
        }
        let taken = self.counters.tx_frames - u64::from(unsent);
        if taken != self.taken.0 {
            self.taken = (taken, Instant::now());
        } else if self.taken.1.elapsed() > STANDSTILL {
            self.doubted = true;
        }
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.tx.fd().as_raw_fd()
    }
}

impl FrameIo for Socket {
    fn receive(&mut self, sink: &mut impl FnMut(&[u8])) -> io::Result<usize> {
        let mut count = 0;
        // All that wait, and of those that come meanwhile no more than fit into the ring.
        while count < self.rx_ring {
            let taken = self.receive_batch(sink);
            count += taken;
            if taken < BATCH {
                break;
            }
        }
        self.counters.rx_frames += count as u64;
        Ok(count)
    }

    fn room(&mut self, budget: usize) -> usize {
        if self.free.len() < budget {
            self.reap();
        }
        let slots = usize_of(self.tx.nb_free(u32::try_from(budget).unwrap_or(u32::MAX)));
        budget.min(self.free.len()).min(slots)
    }

    fn transmit(&mut self, budget: usize, fill: &mut impl FnMut(&mut [u8]) -> Option<usize>) -> io::Result<usize> {
        // What is in the ring when a carrier comes back may be lost with it.
        if self.see_carrier().is_err() {
            return Ok(0);
        }
        let room = self.room(budget);
        let mut asked = 0;
        let mut queued = 0;
        let mut more = true;
        while more && asked < room {
            let mut count = 0;
            while asked < room && count < BATCH {
                let Some(mut frame) = self.free.pop() else { break };
                let written = Self::write_frame(&self.umem, &mut frame, fill);
                asked += 1;
                if written == Some(true) {
                    self.batch[count] = frame;
                    count += 1;
                    continue;
                }
                self.free.push(frame);
                if written.is_none() {
                    more = false;
                    break;
                }
                self.counters.tx_invalid += 1;
            }
            // SAFETY: these frames left the free list above; the ring has room for them, so it takes them all.
            let taken = unsafe { self.tx.produce(&self.batch[..count]) };
            debug_assert_eq!(taken, count, "room was asked for");
            queued += taken;
        }
        if more && room < budget {
            self.counters.tx_busy += 1;
        }
        self.counters.tx_frames += queued as u64;
        Ok(queued)
    }

    fn kick(&mut self) -> io::Result<()> {
        self.wake_transmit()?;
        self.reap();
        if self.busy_poll || self.fill.needs_wakeup() {
            match sys::wake_receive(self.as_raw_fd()) {
                Err(error) if !heals(&error) => return Err(down(error)),
                _ => {}
            }
        }
        Ok(())
    }

    fn in_flight(&self) -> usize {
        self.tx_frames - self.free.len()
    }

    fn counters(&self) -> NicCounters {
        let mut counters = self.counters;
        // Asking a live socket cannot fail.
        if let Ok(kernel) = self.tx.fd().xdp_statistics() {
            counters.rx_dropped += kernel.rx_dropped();
            counters.rx_ring_full += kernel.rx_ring_full();
            counters.rx_fill_empty += kernel.rx_fill_ring_empty_descs().saturating_sub(self.in_vain);
            counters.rx_invalid += kernel.rx_invalid_descs();
            counters.tx_invalid += kernel.tx_invalid_descs();
        }
        counters
    }
}

/// Whether the same call succeeds later. EAGAIN also says that the budget of one wake-up is spent; EBUSY, that
/// the link dropped a frame, which the interface counts.
fn heals(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EBUSY | libc::ENOBUFS | libc::EINTR))
}

/// Says of the errors of a vanished link what they mean.
fn down(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(libc::ENETDOWN) => sys::down(),
        Some(libc::ENXIO | libc::ENODEV) => sys::gone(),
        _ => error,
    }
}

fn frame_memory(config: UmemConfig, options: &SocketOptions) -> Result<(Umem, Vec<FrameDesc>), Error> {
    let frames = options.tx_frames + options.rx_frames; // bounded by `SocketOptions::umem`
    let count = NonZeroU32::new(frames).ok_or(Error::Options("give each direction at least one frame"))?;
    let limit = sys::raise_locked_memory()
        .map_err(|source| Error::System { what: "asking for the limit of locked memory", source })?;
    Umem::new(config, count, false).map_err(|error| match cause(&error) {
        // The kernel's word for "beyond RLIMIT_MEMLOCK", see xdp_umem_account_pages.
        source if source.raw_os_error() == Some(libc::ENOBUFS) => {
            Error::LockedMemory { need: u64::from(frames) * u64::from(options.frame_size), limit }
        }
        source if matches!(source.raw_os_error(), Some(libc::EPERM | libc::EACCES)) => {
            Error::NotPermitted { what: "opening an AF_XDP socket" }
        }
        source => Error::System { what: "setting up the frame memory", source },
    })
}

type Rings = (TxQueue, RxQueue, FillQueue, CompQueue);

fn bind(config: SocketConfig, umem: &Umem, interface: &str, queue: u32, mode: Bind) -> Result<Rings, Error> {
    let no_interface = || Error::NoInterface { interface: interface.to_owned() };
    let name = Interface::new(CString::new(interface).map_err(|_| no_interface())?);
    let give_up = Instant::now() + TEARDOWN;
    let mut pause = Duration::from_millis(1);
    loop {
        // SAFETY: libxdp's own program is inhibited, as it must be where a queue may be bound already.
        let error = match unsafe { XskSocket::new(config, umem, &name, queue) } {
            Ok((tx, rx, Some((fill, completion)))) => return Ok((tx, rx, fill, completion)),
            Ok((_, _, None)) => return Err(Error::Options("the frame memory is already in use")),
            Err(error) => cause(&error),
        };
        let interface = interface.to_owned();
        match error.raw_os_error() {
            Some(libc::EBUSY) if Instant::now() < give_up => std::thread::sleep(pause),
            Some(libc::EBUSY) => return Err(Error::QueueTaken { interface, queue }),
            Some(libc::ENODEV | libc::ENXIO) => return Err(Error::NoInterface { interface }),
            Some(libc::ENETDOWN) => return Err(Error::Down { interface }),
            Some(libc::EPERM | libc::EACCES) => {
                return Err(Error::NotPermitted { what: "binding an AF_XDP socket" });
            }
            Some(libc::EOPNOTSUPP) if mode == Bind::ZeroCopy => return Err(Error::NoZeroCopy { interface, queue }),
            _ => return Err(Error::Queue { interface, queue, source: error }),
        }
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

fn configure_budget(tx: &TxQueue, options: &SocketOptions) -> Result<(), Error> {
    let frames = options.send_budget.max(SEND_BUDGET_MIN).min(options.tx_ring);
    match sys::set_send_budget(tx.fd(), frames) {
        Err(source) if source.raw_os_error() != Some(libc::ENOPROTOOPT) => {
            Err(Error::System { what: "setting the send budget of an AF_XDP socket", source })
        }
        _ => Ok(()),
    }
}

fn configure_polling(tx: &TxQueue, options: &SocketOptions) -> Result<(), Error> {
    let Some(micros) = options.busy_poll else { return Ok(()) };
    sys::prefer_busy_poll(tx.fd(), micros)
        .map_err(|source| Error::System { what: "having an AF_XDP socket poll its driver (--busy-poll)", source })
}

/// The system's error behind one of xsk-rs.
fn cause(error: &(dyn std::error::Error + 'static)) -> io::Error {
    let system = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    match system.and_then(io::Error::raw_os_error) {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::other(error.to_string()),
    }
}

const fn moves_to_its_thread<T: Send>() {}
const _: () = moves_to_its_thread::<Socket>();
