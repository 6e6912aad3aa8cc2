//! Rows: what a dataset holds, column by column, and how findings become rows.
//!
//! [`schema`] is the one list of columns: the Arrow schema, `docs/OUTPUT.md` and the checks of SQL come
//! from it. [`certificate`] reads a certificate into its row, [`fold`] keeps each certificate and each chain
//! once. [`checkpoint`] is what a lane says about how far it is. No Arrow and no files here.

pub mod answer;
pub mod certificate;
pub mod checkpoint;
mod distinguished_name;
pub mod fold;
pub mod markdown;
mod oid;
mod prints;
pub mod row;
pub mod schema;

/// What a lane sends to the writer.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// A valid answer to a probe.
    Host(row::Host),
    /// Any answer to a probe, repeated ones too, where each is wanted as a line.
    Answer(Box<answer::Answer>),
    /// A connection that has ended, and the certificates that the server presented (DER, in its order).
    Handshake(Box<row::Handshake>, Vec<Vec<u8>>),
    /// How far the lane is.
    Checkpoint(Box<checkpoint::Checkpoint>),
}
