//! The report: every table and figure of a small dataset whose truth can be counted by hand.
//!
//! Needs the duckdb program that `scripts/setup` installs; fails without.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod asns;
mod golden;
mod shape;
mod world;
