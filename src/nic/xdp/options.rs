//! What can be chosen about a socket, in the terms of xsk-rs.

use super::Error;
use xsk_rs::config::{BindFlags, FrameSize, LibxdpFlags, QueueSize, SocketConfig, UmemConfig, UmemConfigBuilder};

/// Who copies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bind {
    /// Zero copy if the driver can, else copy; [`super::Socket::mode`] says which it became.
    #[default]
    Auto,
    /// Zero copy, or an error.
    ZeroCopy,
    /// Copy, even if the driver could do without.
    Copy,
}

/// Sizes of a socket's frames and rings. Numbers of frames; ring sizes are powers of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// Who copies.
    pub bind: Bind,
    /// Frames for sending. Few stay in the cache.
    pub tx_frames: u32,
    /// Frames for receiving.
    pub rx_frames: u32,
    /// Bytes of a frame, of which the kernel takes 256: a power of two, 2048 at least, 4096 at most.
    pub frame_size: u32,
    /// Slots of the transmit ring.
    pub tx_ring: u32,
    /// Slots of the receive ring.
    pub rx_ring: u32,
    /// Frames that one wake-up sends in copy mode, where the kernel lets one choose (Linux 6.18 does).
    pub send_budget: u32,
    /// Microseconds for which a wake-up polls the driver, interrupts being put off meanwhile; `None` for interrupts
    /// alone.
    pub busy_poll: Option<u32>,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            bind: Bind::Auto,
            tx_frames: 512,
            rx_frames: 2048,
            frame_size: 4096,
            tx_ring: 2048,
            rx_ring: 2048,
            send_budget: 256,
            busy_poll: None,
        }
    }
}

impl SocketOptions {
    pub(super) fn umem(&self) -> Result<UmemConfig, Error> {
        const SIZES: Error = Error::Options("the frame size must be 2048 or 4096");
        if !matches!(self.frame_size, 2048 | 4096) {
            return Err(SIZES);
        }
        let frame_size = FrameSize::new(self.frame_size).map_err(|_| SIZES)?;
        let frames_fit = self.tx_frames.checked_add(self.rx_frames).is_some_and(|frames| frames <= 1 << 20);
        if self.tx_frames == 0 || self.rx_frames == 0 || !frames_fit {
            return Err(Error::Options("give each direction at least one frame, and both at most 1048576"));
        }
        // The kernel hands back slots of the fill ring in batches of its own, so the ring must have room for
        // frames that are already back with us: never more than all of them once again.
        let fill = (2 * self.rx_frames).next_power_of_two();
        UmemConfigBuilder::new()
            .frame_size(frame_size)
            .fill_queue_size(ring(fill)?)
            .comp_queue_size(ring(self.tx_frames.next_power_of_two())?)
            .build()
            .map_err(|_| SIZES)
    }

    pub(super) fn socket(&self) -> Result<SocketConfig, Error> {
        let copying = match self.bind {
            Bind::Auto => BindFlags::empty(),
            Bind::ZeroCopy => BindFlags::XDP_ZEROCOPY,
            Bind::Copy => BindFlags::XDP_COPY,
        };
        Ok(SocketConfig::builder()
            .rx_queue_size(ring(self.rx_ring)?)
            .tx_queue_size(ring(self.tx_ring)?)
            .libxdp_flags(LibxdpFlags::XSK_LIBXDP_FLAGS_INHIBIT_PROG_LOAD)
            .bind_flags(BindFlags::XDP_USE_NEED_WAKEUP | copying)
            .build())
    }
}

fn ring(size: u32) -> Result<QueueSize, Error> {
    QueueSize::new(size).map_err(|_| Error::Options("ring sizes must be powers of two"))
}

/// AF_XDP exists on 64-bit targets alone, as xsk-rs does.
pub(super) const fn usize_of(value: u32) -> usize {
    value as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_options_are_refused_before_anything_is_opened() {
        let default = SocketOptions::default();
        let wrong = [
            SocketOptions { tx_frames: 0, ..default },
            SocketOptions { rx_frames: 0, ..default },
            SocketOptions { rx_frames: u32::MAX, ..default },
            SocketOptions { frame_size: 1024, ..default },
            SocketOptions { frame_size: 3000, ..default },
            SocketOptions { tx_ring: 1000, ..default },
            SocketOptions { rx_ring: 0, ..default },
        ];
        for options in wrong {
            let result = options.umem().and_then(|_| options.socket());
            assert!(matches!(result, Err(Error::Options(_))), "{options:?}");
        }
        assert!(default.umem().is_ok() && default.socket().is_ok());
    }
}
