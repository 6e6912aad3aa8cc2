//! Can this machine scan? Each finding with its remedy; nothing is changed.

use crate::app::interface::{self, Interface};
use crate::app::scan;
use crate::nic::features::{Features, features};
use crate::nic::xdp::{Program, Watch};
use crate::tcp::cookie::PortRange;
use std::fmt;
use std::net::Ipv4Addr;

/// Source ports of a scan that names none.
const PORTS: PortRange = PortRange { first: 61_000, last: 65_535 };
/// Any public address will do to ask for the way out; nothing is sent to it.
const FAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grade {
    Fine,
    /// Works, but the operator should know.
    Note,
    /// A scan will not start.
    Bad,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Report(Vec<(Grade, String)>);

impl Report {
    /// Whether a scan can start.
    pub fn healthy(&self) -> bool {
        self.0.iter().all(|(grade, _)| *grade != Grade::Bad)
    }

    fn add(&mut self, grade: Grade, text: impl Into<String>) {
        self.0.push((grade, text.into()));
    }

    fn result<T>(&mut self, result: Result<T, impl fmt::Display>, fine: impl FnOnce(&T) -> String) -> Option<T> {
        match result {
            Ok(value) => {
                self.add(Grade::Fine, fine(&value));
                Some(value)
            }
            Err(error) => {
                self.add(Grade::Bad, error.to_string());
                None
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (grade, text) in &self.0 {
            let mark = match grade {
                Grade::Fine => "ok  ",
                Grade::Note => "note",
                Grade::Bad => "BAD ",
            };
            writeln!(f, "{mark}  {text}")?;
        }
        let verdict = if self.healthy() { "this machine can scan" } else { "a scan would not start" };
        writeln!(f, "{verdict}")
    }
}

/// Looks at the machine, and at `interface` or that of the default route.
pub fn examine(interface: Option<&str>) -> Report {
    let mut report = Report::default();
    report.result(Program::verify(), |()| "the kernel accepts the XDP program".to_owned());
    let watch = Watch::verify();
    report.add(
        if watch.is_ok() { Grade::Fine } else { Grade::Note },
        watch.map_or_else(
            |error| format!("starling monitor -i would not start: {error}"),
            |()| "the kernel accepts the programs of starling monitor".to_owned(),
        ),
    );
    let PortRange { first, last } = PORTS;
    report.result(scan::check_ports(PORTS), |()| format!("source ports {first}-{last} are outside the kernel's own"));
    let found = match interface {
        Some(name) => Interface::find(name),
        None => interface::default_interface(),
    };
    let found = report.result(found, |found| {
        let driver = found.driver.as_deref().unwrap_or("unknown");
        format!("interface {}: driver {driver}, {} receive queues, MTU {}", found.name, found.rx_queues, found.mtu)
    });
    if let Some(found) = found {
        link(&mut report, &found);
        let (grade, text) = path(&found.name, features(found.index).ok());
        report.add(grade, text);
        way_out(&mut report, &found);
    }
    let duckdb = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join("duckdb").is_file()));
    if duckdb {
        report.add(Grade::Fine, "duckdb is on PATH");
    } else {
        report.add(
            Grade::Note,
            "duckdb is not on PATH: scans work, datasets want it (scripts/setup puts it in .venv/bin)",
        );
    }
    report
}

fn link(report: &mut Report, found: &Interface) {
    let name = &found.name;
    if !found.up {
        report.add(Grade::Bad, format!("{name} is down: ip link set {name} up"));
    } else if !found.carrier {
        report.add(Grade::Bad, format!("{name} has no carrier: check the cable or the peer's end"));
    }
    match found.mac {
        Some(mac) => report.add(Grade::Fine, format!("{name} has the Ethernet address {mac}")),
        None => report.add(Grade::Bad, format!("{name} is not Ethernet: name another interface with -i")),
    }
    match found.addresses.first() {
        Some(address) => report.add(Grade::Fine, format!("{name} has the address {address}")),
        None => report.add(Grade::Bad, format!("{name} has no IPv4 address: ip addr add ADDRESS dev {name}")),
    }
    match found.program {
        None => report.add(Grade::Fine, format!("no XDP program is on {name}")),
        Some(id) => report.add(
            Grade::Bad,
            format!("XDP program {id} is on {name}: stop what attached it (`bpftool net show dev {name}` names it)"),
        ),
    }
}

/// Which way probes would take by themselves (`--tx auto`).
fn path(name: &str, features: Option<Features>) -> (Grade, String) {
    match features {
        None => (
            Grade::Note,
            format!("this kernel does not tell what the driver of {name} can do (Linux 6.3 does): a scan finds out"),
        ),
        Some(features) if !features.native() => (
            Grade::Bad,
            format!(
                "the driver of {name} has no native XDP, as it is set up: scan with --xdp-mode generic --tx copy, \
                     which is slower"
            ),
        ),
        Some(features) if features.zero_copy() => {
            (Grade::Fine, format!("probes would go by zerocopy: the driver of {name} has it"))
        }
        Some(features) => {
            let whether = if features.takes_redirected() {
                ""
            } else {
                ", if it takes redirected frames once it has an XDP program"
            };
            (
                Grade::Fine,
                format!(
                    "probes would go by copy, or from 500000 a second and lane on by live frames{whether}: the driver \
                         of {name} has no zero copy"
                ),
            )
        }
    }
}

fn way_out(report: &mut Report, found: &Interface) {
    let route = match interface::route(FAR) {
        Ok(route) if route.interface == found.index => route,
        Ok(_) | Err(_) => {
            let text =
                format!("no default route leaves by {}: name the gateway's Ethernet address with -G", found.name);
            return report.add(Grade::Note, text);
        }
    };
    match route.gateway {
        Some(gateway) => {
            report.result(interface::neighbour(found, gateway), |mac| format!("gateway {gateway} is at {mac}"));
        }
        None => report.add(Grade::Note, "the default route has no gateway: name its Ethernet address with -G"),
    }
}
