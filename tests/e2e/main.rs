//! The program itself, end to end, in network namespaces: real servers, real rings, real files.
//!
//! Needs root and what `scripts/setup` installs; fails without. No packet leaves the namespaces.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod kill;
mod mirror;
mod monitor;
mod old;
mod pair;
mod reload;
mod servers;
mod study;
mod targets;
mod tarpit;
mod usage;
mod world;
mod zmap;
