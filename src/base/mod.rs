//! What every room stands on: time as a value, the keyed hash, named counters.
//!
//! No OS clock, no OS randomness, no threads here or in any room built on it alone.

pub mod count;
pub mod keyed;
pub mod time;

pub use time::{Duration, Instant, UtcMicros};
