//! SSL 2.0 (draft-hickman-netscape-ssl-00), as far as it is in the clear: what a server answers to a hello of its own kind, and
//! which cipher kind the client then takes.

use super::hello::ServerHello;
use super::messages::Certificates;
use super::reader::Reader;

/// The version's number.
pub(super) const VERSION: u16 = 2;
/// Longest hello of a client's that is read.
pub(super) const CLIENT_HELLO_MAX: usize = 1_024;
/// Longest record that is read: what two bytes of length can say.
pub(super) const RECORD_MAX: usize = 0x7fff;

/// Types of messages.
const ERROR: u8 = 0;
const CLIENT_MASTER_KEY: u8 = 2;
const SERVER_HELLO: u8 = 4;

/// The body of a record once `buffer` has all of it; `None` while it has not, an error if it is longer than `max`.
pub(super) fn body(buffer: &[u8], max: usize) -> Result<Option<&[u8]>, ()> {
    let [high, low, body @ ..] = buffer else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([high & 0x7f, *low]));
    if length > max {
        return Err(());
    }
    Ok((body.len() == length).then_some(body))
}

/// Whether a record that begins so is a server's hello, or an error in its place; `None` while that is not known.
pub(super) const fn begins_hello(buffer: &[u8]) -> Option<bool> {
    match buffer {
        [_, _, kind, ..] => Some(*kind == SERVER_HELLO || *kind == ERROR),
        _ => None,
    }
}

/// Whether a record that begins so says that the handshake failed: it is in the clear, with a code of two bytes. `None` while that
/// is not known.
pub(super) const fn begins_error(buffer: &[u8]) -> Option<bool> {
    match buffer {
        [0x80, 3, kind, ..] => Some(*kind == ERROR),
        [0x80] | [0x80, 3] | [] => None,
        _ => Some(false),
    }
}

/// The server's hello, and its certificate. A session that is resumed has none.
pub(super) fn server_hello(body: &[u8]) -> Option<(ServerHello, Certificates)> {
    let mut reader = Reader::new(body);
    (reader.u8()? == SERVER_HELLO).then_some(())?;
    let (_hit, _kind, version) = (reader.u8()?, reader.u8()?, reader.u16()?);
    let (certificate, kinds, connection) = (reader.u16()?, reader.u16()?, reader.u16()?);
    let certificate = reader.take(usize::from(certificate))?;
    reader.take(usize::from(kinds))?;
    reader.take(usize::from(connection))?;
    let chain = if certificate.is_empty() { Vec::new() } else { vec![certificate.to_vec()] };
    (version == VERSION)
        .then(|| (ServerHello { version, ..ServerHello::default() }, Certificates { chain, ..Certificates::default() }))
}

/// The cipher kind that the client takes.
pub(super) fn master_key(body: &[u8]) -> Option<u32> {
    match body {
        [CLIENT_MASTER_KEY, a, b, c, ..] => Some(u32::from_be_bytes([0, *a, *b, *c])),
        _ => None,
    }
}
