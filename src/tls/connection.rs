//! rustls' own connection, without the buffers that it comes with: four KiB for each are a third of what a connection may
//! cost. What has come of a record or a message waits here, as long as it is, and nothing once it is read.

use super::requests::Requests;
use rustls::ClientConfig;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, InsufficientSizeError, WriteTraffic};
use rustls::{Error, InvalidMessage};
use std::fmt;
use std::sync::Arc;

/// Bytes that may wait to become a message: the longest that rustls takes (64 KiB), in records of 16 bytes or more. Shorter
/// ones are made only to be expensive.
const WAITING_MAX: usize = 160 * 1_024;
/// What encryption adds to a short line, at most: a header, an explicit nonce, a type, a tag.
const OVERHEAD: usize = 5 + 8 + 1 + 16;

/// One connection.
pub(super) struct Connection {
    inner: UnbufferedClientConnection,
    /// Bytes of the server's that rustls has not done with.
    waiting: Vec<u8>,
    /// What the server sends in the clear passes through this.
    clear: Option<Box<Requests>>,
    peer_closed: bool,
}

impl fmt::Debug for Connection {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "Connection({} bytes waiting)", self.waiting.len())
    }
}

impl Connection {
    /// Writes the ClientHello to `out`.
    pub(super) fn start(
        config: &Arc<ClientConfig>,
        name: ServerName<'static>,
        out: &mut Vec<u8>,
    ) -> Result<Self, Error> {
        let inner = UnbufferedClientConnection::new(Arc::clone(config), name)?;
        let mut connection = Self { inner, waiting: Vec::new(), clear: Some(Box::default()), peer_closed: false };
        connection.advance(&mut Vec::new(), out)?;
        Ok(connection)
    }

    /// Takes bytes from the server; appends what they decrypt to to `plain`, and what is to be sent to `out`. With an
    /// error, that is an alert.
    pub(super) fn receive(&mut self, bytes: &[u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), Error> {
        match &mut self.clear {
            None => self.waiting.extend_from_slice(bytes),
            Some(clear) => {
                if !clear.filter(bytes, &mut self.waiting) {
                    self.clear = None;
                }
            }
        }
        let mut result = self.advance(plain, out);
        if result.is_err() {
            self.say_alert(out);
        } else if self.waiting.len() > WAITING_MAX {
            result = Err(InvalidMessage::HandshakePayloadTooLarge.into());
        }
        if result.is_err() || self.waiting.is_empty() {
            self.waiting = Vec::new();
        }
        result
    }

    /// Encrypts `plain` to `out`, once the handshake is complete.
    pub(super) fn send(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        self.write(plain.len() + OVERHEAD, out, |traffic, room| traffic.encrypt(plain, room));
    }

    /// Says close_notify, once the handshake is complete.
    pub(super) fn close(&mut self, out: &mut Vec<u8>) {
        self.write(2 + OVERHEAD, out, |traffic, room| traffic.queue_close_notify(room));
    }

    /// The handshake is not complete.
    pub(super) fn is_handshaking(&self) -> bool {
        self.inner.is_handshaking()
    }

    /// The server sent close_notify.
    pub(super) const fn peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// The server's certificates, leaf first.
    pub(super) fn certificates(&self) -> &[CertificateDer<'static>] {
        self.inner.peer_certificates().unwrap_or_default()
    }

    /// Has rustls go on until it can only wait.
    fn advance(&mut self, plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), Error> {
        let mut done = 0;
        let result = loop {
            let status = self.inner.process_tls_records(&mut self.waiting[done..]);
            let mut goes_on = true;
            done += status.discard;
            let result = status.state.map(|state| match state {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(Ok(record)) = traffic.next_record() {
                        done += record.discard;
                        plain.extend_from_slice(record.payload);
                    }
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    fill(OVERHEAD, out, |room| match data.encode(room) {
                        Err(EncodeError::InsufficientSize(size)) => Err(size),
                        written => Ok(written.unwrap_or(0)),
                    });
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed => self.peer_closed = true,
                // Waits for the server or for us, or is over; early data are a server's matter.
                _ => goes_on = false,
            });
            if result.is_err() || !goes_on {
                break result;
            }
        };
        self.waiting.drain(..done);
        result
    }

    /// After an error rustls may have an alert for the server.
    fn say_alert(&mut self, out: &mut Vec<u8>) {
        let status = self.inner.process_tls_records(&mut self.waiting);
        if let Ok(ConnectionState::EncodeTlsData(mut data)) = status.state {
            fill(OVERHEAD, out, |room| match data.encode(room) {
                Err(EncodeError::InsufficientSize(size)) => Err(size),
                written => Ok(written.unwrap_or(0)),
            });
        }
    }

    /// Writes what has about `size` bytes when encrypted.
    fn write(
        &mut self,
        size: usize,
        out: &mut Vec<u8>,
        mut put: impl FnMut(&mut WriteTraffic<'_, ClientConnectionData>, &mut [u8]) -> Result<usize, EncryptError>,
    ) {
        let status = self.inner.process_tls_records(&mut self.waiting);
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = status.state {
            fill(size, out, |room| match put(&mut traffic, room) {
                Err(EncryptError::InsufficientSize(size)) => Err(size),
                written => Ok(written.unwrap_or(0)),
            });
        }
        let discard = status.discard;
        self.waiting.drain(..discard);
    }
}

/// Appends to `out` what `put` writes: at first into `size` bytes of room, then into as many as it asks for.
fn fill(size: usize, out: &mut Vec<u8>, mut put: impl FnMut(&mut [u8]) -> Result<usize, InsufficientSizeError>) {
    let begin = out.len();
    out.resize(begin + size, 0);
    let written = put(&mut out[begin..]).or_else(|more| {
        out.resize(begin + more.required_size, 0);
        put(&mut out[begin..])
    });
    out.truncate(begin + written.unwrap_or(0));
}
