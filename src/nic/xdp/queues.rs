//! What a lane has of the interface: the sockets of its queues, and live frames if probes go that way.

use super::window::Window;
use super::{Live, Socket};
use crate::nic::{FrameIo, NicCounters, Probes};
use std::io;
use std::time::Duration;

/// The sockets of a lane's queues. Frames leave by the first; probes by live frames, if there are.
pub struct Queues {
    sockets: Vec<Socket>,
    live: Option<Live>,
    window: Window,
}

impl Queues {
    /// Sends by the first of `sockets`, or probes by `live`, and receives from all.
    pub fn new(sockets: Vec<Socket>, live: Option<Live>) -> Self {
        let window = Window::new(sockets.iter().map(Socket::rx_ring).sum());
        Self { sockets, live, window }
    }

    fn first(&mut self) -> io::Result<&mut Socket> {
        self.sockets.first_mut().ok_or_else(|| io::Error::other("a lane without a queue, which is a bug"))
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
                let window = self.window.size(live.sent());
                Ok(live.send(budget, window, probes))
            }
            None => self.first()?.transmit_probes(budget, probes),
        }
    }

    fn kick(&mut self) -> io::Result<()> {
        for socket in &mut self.sockets {
            socket.kick()?;
        }
        self.live.as_ref().map_or(Ok(()), Live::check)
    }

    fn in_flight(&self) -> usize {
        let frames: usize = self.sockets.iter().map(Socket::in_flight).sum();
        frames + self.live.as_ref().map_or(0, Live::in_flight)
    }

    fn unsent_probes(&self) -> usize {
        self.live.as_ref().map_or(0, Live::in_flight)
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
