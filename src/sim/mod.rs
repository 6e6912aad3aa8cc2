//! A simulated world that drives the production code: virtual time, links with faults, scripted hosts,
//! checkers. Everything follows from one seed, so a seed replays whatever went wrong.
//!
//! - [`swarm`] makes a world's properties from its seed; [`world`] runs it: it jumps from event to event and
//!   calls the same [`crate::lane::step`] as a production lane, on [`nic::Nic`].
//! - [`link`] loses, delays, repeats and damages frames; [`host`] are the servers, honest and not. Both know
//!   frames and time only, so that they work on a real link too.
//! - [`check`] watches: what the engine may never do, whatever happens, and what it must find.
//! - [`trace`] digests the events, so that "the same seed gives the same run" can be tested.
//!
//! Rules of determinism: no clock, no randomness but [`random::Random`], nothing iterated whose order is not
//! defined. TLS draws its own randomness, so lengths and timing must not depend on it: the hosts' key is
//! Ed25519, whose signatures all have one length, and the trace leaves payload bytes out.

pub mod check;
pub mod host;
pub mod link;
pub mod nic;
pub mod random;
pub mod swarm;
pub mod trace;
pub mod world;
