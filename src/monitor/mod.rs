//! What passes by, read with the scanner's own eyes: packets in, a row for each connection out.
//!
//! [`capture`] takes packets out of files, [`packet`] segments out of packets; the [`table`] knows the connections,
//! `streams` puts what their sides send in order, a `conversation` reads it: the dialogues' observing half, and after
//! the upgrade, or from the first byte, [`crate::tls::tap`] on both sides. `row` says what was found.
//!
//! Once the handshake is over, its row is made and the rest of the connection is counted only. Of what clients say
//! nothing is kept but which commands they sent, and what they offer in TLS.

pub mod account;
pub mod capture;
mod conversation;
pub mod packet;
mod proxy;
mod recognise;
mod row;
mod streams;
pub mod table;

use crate::record::row::Connection;
use crate::targets::ports::Service;

/// What is watched, and how much may be kept of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Ports, and what is spoken on them.
    pub services: Vec<Service>,
    /// Other ports are watched too, and what is spoken there is recognised by content.
    pub any_port: bool,
    /// Connections that are kept in mind at the same time.
    pub connections_max: usize,
    /// Bytes kept of all of them together until more come.
    pub bytes_max: usize,
}

impl Config {
    /// Connections by default.
    pub const CONNECTIONS_MAX: usize = 1 << 20;
    /// Bytes by default.
    pub const BYTES_MAX: usize = 1 << 30;
}

/// A connection that has ended, or whose handshake is over: its row, and the certificates of its server (DER, as presented).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recorded {
    /// The row; its fingerprints are left to who writes it.
    pub row: Connection,
    /// The chain.
    pub chain: Vec<Vec<u8>>,
}

#[cfg(test)]
mod tests;
