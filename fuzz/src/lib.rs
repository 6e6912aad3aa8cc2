//! The bodies of the fuzz targets: each takes any bytes, drives one part of starling with them, and asserts
//! what must hold whatever the bytes are.
//!
//! They stand here once and run twice: under libFuzzer (`fuzz_targets/`, `scripts/fuzz`), and in the ordinary
//! tests, which replay the corpora (`tests/corpus.rs`). A body is a function of its input: no clock, no file,
//! no randomness but that of TLS, which no assertion depends on.

pub mod certificate;
pub mod connection;
pub mod dialogues;
pub mod engine;
pub mod filter;
pub mod frame;
mod input;
mod lines;
pub mod monitor;
pub mod targets;
pub mod tls;
pub mod verify;

/// A target's body.
pub type Body = fn(&[u8]);

/// Every target, by name.
pub const TARGETS: &[(&str, Body)] = &[
    ("certificate", certificate::run),
    ("connection", connection::run),
    ("engine", engine::run),
    ("filter", filter::run),
    ("frame", frame::run),
    ("imap", dialogues::imap),
    ("irc", dialogues::irc),
    ("managesieve", dialogues::managesieve),
    ("monitor", monitor::run),
    ("pop3", dialogues::pop3),
    ("smtp", dialogues::smtp),
    ("targets", targets::run),
    ("tls", tls::run),
    ("verify", verify::run),
    ("xmpp", dialogues::xmpp),
];
