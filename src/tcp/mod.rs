//! TCP-lite: enough of RFC 9293 to hold a short, client-side conversation from userspace.
//!
//! A connection begins with a valid SYN-ACK (the SYN was a stateless probe, see [`cookie`]) and is driven
//! sans IO: [`connection::Connection`] takes segments and time, and gives segments to send.
//!
//! Left out of RFC 9293, and why that is safe here:
//! - *Passive open, simultaneous open*: we only call; a SYN without ACK never reaches us.
//! - *Congestion control (RFC 5681)*: we send commands and one TLS flight, less than the initial window of
//!   RFC 6928 in total; retransmission backs off exponentially.
//! - *Window scaling, SACK, timestamps*: not offered in the SYN, so never in use; 64 KiB of window is more
//!   than any reply we ask for.
//! - *TIME-WAIT*: source ports and sequence numbers are keyed per run and per target, so an old segment
//!   cannot meet a new connection; a late one is answered with RST.
//! - *Urgent data*: the pointer is ignored, the bytes are data (RFC 6093 advises against anything else).
//! - *Persist timer (zero window)*: a retransmission timeout probes the window with the next byte, and
//!   the number of retransmissions bounds the patience.
//! - *Path MTU discovery*: what we send fits in 576 bytes or in the MSS that the peer announced.

pub mod assembler;
pub mod connection;
pub mod cookie;
pub mod seq;
pub mod table;
pub mod wheel;
