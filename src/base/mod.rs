//! What every room stands on: time as a value, the keyed hash, wide registers, named counters, Ethernet addresses.
//!
//! No OS clock, no OS randomness, no threads here or in any room built on it alone.

pub mod count;
pub mod keyed;
pub mod mac;
pub mod time;
pub mod wide;

pub use mac::Mac;
pub use time::{Duration, Instant, UtcMicros};
