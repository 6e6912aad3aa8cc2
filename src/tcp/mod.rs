//! TCP-lite: enough of RFC 9293 to hold a short, client-side conversation from userspace.
//!
//! A connection begins with a valid SYN-ACK (the SYN was a stateless probe, see [`cookie`]) and is driven
//! sans IO: [`connection::Connection`] takes segments and time, and gives segments to send.
//!
//! Left out of RFC 9293, or done otherwise, and why that is safe here:
//! - *Passive open, simultaneous open, SYN retransmission*: we only call, and without state; a SYN without ACK never
//!   reaches us, and a probe that is lost is a target not found.
//! - *Congestion control (RFC 5681)*: we send commands and one TLS flight, less than the initial window of
//!   RFC 6928 in total. After a timeout there is slow start; retransmission backs off exponentially.
//! - *Window scaling, SACK, timestamps and PAWS*: not offered in the SYN, so never in use; 64 KiB of window is more
//!   than any reply we ask for, and the stream ends long before sequence numbers wrap.
//! - *TIME-WAIT*: source ports and sequence numbers are keyed per run and per target, so an old segment
//!   cannot meet a new connection; a late one, be it the peer's FIN once more, is answered with RST.
//! - *Urgent data*: the pointer is ignored, the bytes are data (RFC 6093 advises against anything else).
//! - *Nagle's algorithm, delayed acknowledgements*: a command goes at once, and every batch of segments is
//!   acknowledged at once, so neither side waits for the other's timer.
//! - *Acknowledgement of old segments*: their ACK field counts (as in BSD), their window never does.
//! - *Replies to segments without use* (challenge ACKs of RFC 5961, answers to keep-alives, repeated SYN-ACKs): ten at
//!   once, then two a second, until the conversation moves on; segments with data are always acknowledged.
//! - *The user timeout*: five retransmissions or window probes without any answer end the connection. A peer that
//!   answers probes of its closed window is waited for without end here: the caller has deadlines.
//! - *FIN-WAIT-2 and the linger*: two seconds after our FIN is acknowledged a peer that has not closed is reset.
//! - *A bare FIN into a closed window* goes at once and is its own probe; Linux takes it.
//! - *Keep-alives*: answered, never sent: every stage has a deadline.
//! - *Path MTU discovery, ICMP errors*: what we send fits in 576 bytes or in the MSS that the peer announced; ICMP ends
//!   no connection, as anyone could forge it.
//! - *IP options, precedence, security compartment*: ignored.

pub mod assembler;
pub mod connection;
pub mod cookie;
pub mod seq;
pub mod table;
pub mod wheel;
