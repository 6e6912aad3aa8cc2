//! The scanner as a sans-IO engine: targets and time in, frames and rows out.
//!
//! Contract: `handle_frame(now, …)`, `handle_timeout(now)`, then `poll_frame(now, …)` until `None` and
//! [`engine::Engine::take_facts`]; `now` never decreases. One engine per lane; engines share nothing but the
//! addresses that are being talked to ([`turns::Claims`]) and who has answered ([`answered::Answered`]).

pub mod answered;
pub mod conversation;
pub mod engine;
pub mod ledger;
pub mod pace;
mod sweep;
pub mod turns;
