//! The shell around the engines: what they stand on in this machine.

pub mod interface;
