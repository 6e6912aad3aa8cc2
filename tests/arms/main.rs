//! The engine at arm's length: the real program over AF_XDP against kernels' TCP and scripted hosts behind veth
//! pairs, with the simulator's faults on the link and the simulator's rows as the measure.
//!
//! Needs root, BPF and what `scripts/setup` installs; fails without. No packet leaves the namespaces.
#![allow(unsafe_code, reason = "setns and packet sockets")]
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "numbers of the tests' own making")]

mod bridge;
mod lossy;
mod packets;
mod peers;
mod place;
mod rows;
mod scripts;
