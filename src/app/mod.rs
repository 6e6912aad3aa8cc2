//! The shell: threads, clocks, signals, interfaces, files. Decides nothing that an engine could decide.

pub mod asns;
pub mod check;
pub mod clock;
pub mod doctor;
pub mod heap;
pub mod interface;
pub mod lane;
pub mod links;
pub mod memory;
mod metadata;
pub mod monitor;
pub mod noise;
pub mod privileges;
mod reload;
pub mod report;
pub mod resume;
pub mod say;
pub mod scan;
pub mod simulate;
pub mod sink;
pub mod status;
pub mod summary;
pub mod targets;
pub mod verify;
