//! starling measures who on the IPv4 Internet offers mail and chat, and how well it is secured.
//!
//! A frame enters on the left and a row leaves on the right; nobody walks back through a door:
//!
//! ```text
//! config → targets → probes → nic ═▶ internet ═▶ nic → tcp → dialogue → tls → record → output
//!  cli     targets   wire,scan                    XDP         session
//! ```
//!
//! The rooms `base`, `wire`, `targets`, `tcp`, `dialogue`, `tls`, `session`, `record` and `scan` are pure:
//! bytes and time are arguments, bytes and facts are results. Sockets, clocks, threads and files live in
//! `nic`, `output` and `app` alone. `docs/ARCHITECTURE.md` is the map.

pub mod base;
pub mod dialogue;
pub mod nic;
pub mod output;
pub mod record;
