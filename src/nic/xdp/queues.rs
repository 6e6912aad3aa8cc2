//! What a lane has of the interface: the sockets of its queues, and live frames if probes go that way.

use super::window::Window;
use super::{Live, Socket};
use crate::nic::{FrameIo, NicCounters, Probes};
use std::io;
use std::time::{Duration, Instant};

/// Beside live frames: so few frames may wait so long for others.
const FEW: u32 = 64;
const A_MOMENT: Duration = Duration::from_micros(200);

/// The sockets of a lane's queues. Frames leave by the first; probes by live frames, if there are.
pub struct Queues {
    sockets: Vec<Socket>,
    live: Option<Live>,
    window: Window,
    /// When the sockets were last kicked.
    kicked: Instant,
}

impl Queues {
    /// Sends by the first of `sockets`, or probes by `live`, and receives from all.
    pub fn new(sockets: Vec<Socket>, live: Option<Live>) -> Self {
        let window = Window::new(sockets.iter().map(Socket::rx_ring).sum());
        Self { sockets, live, window, kicked: Instant::now() }
    }

    fn first(&mut self) -> io::Result<&mut Socket> {
        self.sockets.first_mut().ok_or_else(|| io::Error::other("a lane without a queue, which is a bug"))
    }

    fn kick_sockets(&mut self) -> io::Result<()> {
        self.sockets.iter_mut().try_for_each(FrameIo::kick)
    }

    /// Starts what runs beside the lane, where the calling thread may run.
    ///
    /// # Errors
    /// No thread is to be had.
    pub fn start(&mut self) -> io::Result<()> {
        self.live.as_mut().map_or(Ok(()), Live::start)
    }

    /// Its sockets.
    pub fn sockets(&self) -> &[Socket] {
        &self.sockets
    }
}

impl FrameIo for Queues {
    fn receive(&mut self, sink: &mut impl FnMut(&[u8])) -> io::Result<usize> {
        let mut count = 0;
        for socket in &mut self.sockets {
            count += socket.receive(sink)?;
        }
        self.window.received(count);
        Ok(count)
    }

    fn transmit(&mut self, budget: usize, fill: &mut impl FnMut(&mut [u8]) -> Option<usize>) -> io::Result<usize> {
        self.first()?.transmit(budget, fill)
    }

    fn transmit_probes(&mut self, budget: usize, probes: &mut impl Probes) -> io::Result<usize> {
        match &mut self.live {
            Some(live) => {
                let window = self.window.size(live.probed());
                Ok(live.send(budget, window, probes))
            }
            None => self.first()?.transmit_probes(budget, probes),
        }
    }

    fn transmit_resets(&mut self, budget: usize, probes: &mut impl Probes) -> io::Result<usize> {
        match &mut self.live {
            Some(live) => Ok(live.send_resets(budget, probes)),
            None => self.first()?.transmit_resets(budget, probes),
        }
    }

    fn kick(&mut self) -> io::Result<()> {
        let Some(live) = &self.live else { return self.kick_sockets() };
        live.check()?;
        // Rounds are short where probes are not sent by them; few frames are not worth a system call each.
        if self.sockets.iter_mut().all(|socket| socket.unsent() < FEW) && self.kicked.elapsed() < A_MOMENT {
            return Ok(());
        }
        self.kicked = Instant::now();
        self.kick_sockets()
    }

    fn in_flight(&self) -> usize {
        let frames: usize = self.sockets.iter().map(Socket::in_flight).sum();
        frames + self.live.as_ref().map_or(0, Live::in_flight)
    }

    fn unsent_probes(&self) -> usize {
        self.live.as_ref().map_or(0, Live::in_flight)
    }

    fn withdraw(&mut self, whose: &dyn Fn(u32) -> bool) {
        if let Some(live) = &mut self.live {
            live.withdraw(whose);
        }
    }

    fn rest(&self) -> Duration {
        self.live.as_ref().map_or(Duration::ZERO, Live::rest)
    }

    fn counters(&self) -> NicCounters {
        let mut sum = NicCounters::default();
        for socket in &self.sockets {
            sum.add(&socket.counters());
        }
        if let Some(live) = &self.live {
            live.count(&mut sum);
        }
        sum
    }
}
