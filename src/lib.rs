//! starling measures who on the IPv4 Internet offers mail and chat, and how well it is secured.
//!
//! A frame enters on the left and a row leaves on the right; nobody walks back through a door:
//!
//! ```text
//! config → targets → probes → nic ═▶ internet ═▶ nic → tcp → dialogue → tls → record → output
//!  cli     targets   wire,scan                    XDP         session
//! ```
//!
//! The rooms `base`, `wire`, `targets`, `tcp`, `dialogue`, `tls`, `session`, `record`, `scan` and `verify` are pure:
//! bytes and time are arguments, bytes and facts are results. Sockets, clocks, threads and files live in
//! `nic`, `output` and `app` alone. `lane` is one round of an engine on a link; `sim` calls it from a virtual
//! world, which is how everything above is tested. `docs/ARCHITECTURE.md` is the map.

pub mod app;
pub mod base;
pub mod cli;
pub mod dialogue;
pub mod lane;
pub mod monitor;
pub mod nic;
pub mod output;
pub mod record;
pub mod report;
pub mod scan;
pub mod session;
pub mod sim;
pub mod targets;
pub mod tcp;
pub mod tls;
pub mod verify;
pub mod wire;
