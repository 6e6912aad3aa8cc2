//! What the kernel knows about the way out: interfaces, routes, neighbours. Asked over netlink, answered at once.
//!
//! Everything concerns the network namespace of the calling thread. Nothing is read from `/sys`, which shows
//! another namespace's interfaces to a process that entered its own without remounting it.

use crate::base::Mac;
use crate::nic::{ethtool, netlink};
use netlink_packet_core::NLM_F_CREATE;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteType, RouteVia};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// How long the kernel gets to resolve a neighbour: it asks three times, a second apart.
const RESOLVE: Duration = Duration::from_secs(3);
/// How often its table is looked at meanwhile.
const RESOLVE_POLL: Duration = Duration::from_millis(5);

const PORT_RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// Why the way out is not known: the cause and the next step, in one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No interface of that name in this network namespace.
    #[error("there is no interface {0:?} here: `ip link` lists them; name one with -i")]
    NoInterface(String),
    /// The routing table knows no way to the address.
    #[error(
        "there is no route to {0}: `ip route add default via GATEWAY` makes one; or name interface and gateway \
             with -i and -G"
    )]
    NoRoute(Ipv4Addr),
    /// The routing table refuses the address on purpose.
    #[error("the routing table refuses {0} (prohibit, blackhole or unreachable): see `ip route get {0}`")]
    Refused(Ipv4Addr),
    /// No default route, so no interface to choose.
    #[error("there is no default route, so no interface suggests itself: name one with -i, and its gateway with -G")]
    NoDefaultRoute,
    /// The gateway is not an IPv4 address.
    #[error("the gateway towards {0} has no IPv4 address: give its Ethernet address with -G")]
    NotIpv4(Ipv4Addr),
    /// The neighbour did not answer ARP.
    #[error(
        "{address} does not answer ARP on {interface}: check that it is up and in this network, or give its \
             Ethernet address with -G"
    )]
    Silent {
        /// The neighbour.
        address: Ipv4Addr,
        /// Where it was asked for.
        interface: String,
    },
    /// The interface does not resolve neighbours.
    #[error(
        "interface {interface} is down, so {address} cannot be asked for: `ip link set {interface} up`, or give \
             its Ethernet address with -G"
    )]
    Down {
        /// The neighbour.
        address: Ipv4Addr,
        /// Where it was to be asked for.
        interface: String,
    },
    /// Privileges are missing.
    #[error(
        "having the kernel ask for {0} by ARP needs CAP_NET_ADMIN: run as root (sudo), or give its Ethernet \
             address with -G"
    )]
    NotPermitted(Ipv4Addr),
    /// A file of the kernel does not read as expected.
    #[error("{path} reads {text:?}, not two port numbers: see `sysctl net.ipv4.ip_local_port_range`")]
    Unreadable {
        /// The file.
        path: &'static str,
        /// Its content.
        text: String,
    },
    /// The kernel does not answer.
    #[error("{what} failed: {source}; `ip link`, `ip route` and `ip neigh` show what there is")]
    System {
        /// What was tried.
        what: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
}

fn failed(what: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::System { what, source }
}

/// A network interface, as it was when asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The kernel's number for it.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its Ethernet address; tunnels and the like have none.
    pub mac: Option<Mac>,
    /// Whether it is switched on (`IFF_UP`).
    pub up: bool,
    /// Whether there is a link at the other end (`IFF_LOWER_UP`).
    pub carrier: bool,
    /// Largest packet, bytes, Ethernet header not counted.
    pub mtu: u32,
    /// Receive queues in use; where the driver does not tell, those it has.
    pub rx_queues: u32,
    /// Name of the driver, if it has one.
    pub driver: Option<String>,
    /// IPv4 addresses, the primary one first.
    pub addresses: Vec<Ipv4Addr>,
    /// Kernel id of the XDP program attached to it, if any.
    pub program: Option<u32>,
    /// Frames the link dropped so far instead of sending them, and so of which AF_XDP says nothing.
    pub tx_dropped: u64,
}

impl Interface {
    /// The interface called `name`.
    pub fn find(name: &str) -> Result<Self, Error> {
        Self::from_link(netlink::link(name), name)
    }

    /// The interface with the kernel's number `index`, as in [`Route::interface`].
    pub fn with_index(index: u32) -> Result<Self, Error> {
        Self::from_link(netlink::link_by_index(index), &format!("number {index}"))
    }

    fn from_link(link: io::Result<LinkMessage>, asked_for: &str) -> Result<Self, Error> {
        let link = link.map_err(|source| match source.raw_os_error() {
            Some(libc::ENODEV) => Error::NoInterface(asked_for.to_owned()),
            _ => failed("asking the kernel about the interface")(source),
        })?;
        let mut interface = Self {
            index: link.header.index,
            name: asked_for.to_owned(),
            mac: None,
            up: netlink::is_up(&link),
            carrier: netlink::has_carrier(&link),
            mtu: 0,
            rx_queues: 1,
            driver: None,
            addresses: addresses(link.header.index)?,
            program: netlink::attached_program(&link).map(|program| program.id),
            tx_dropped: 0,
        };
        for attribute in link.attributes {
            match attribute {
                LinkAttribute::IfName(name) => interface.name = name,
                LinkAttribute::Address(bytes) => interface.mac = bytes.try_into().ok().map(Mac),
                LinkAttribute::Mtu(mtu) => interface.mtu = mtu,
                LinkAttribute::NumRxQueues(queues) => interface.rx_queues = queues,
                LinkAttribute::Stats64(statistics) => interface.tx_dropped = statistics.tx_dropped,
                _ => {}
            }
        }
        // The attribute counts queues that exist, channels those in use: a veth has one of each CPU, and uses one.
        if let Ok(queues @ 1..) = ethtool::receive_queues(&interface.name) {
            interface.rx_queues = queues;
        }
        interface.driver = ethtool::driver(&interface.name).ok().filter(|driver| !driver.is_empty());
        Ok(interface)
    }
}

fn addresses(index: u32) -> Result<Vec<Ipv4Addr>, Error> {
    let mut question = AddressMessage::default();
    question.header.family = AddressFamily::Inet;
    question.header.index = index;
    let answers = netlink::dump(RouteNetlinkMessage::GetAddress(question)).map_err(failed("listing addresses"))?;
    let of_interface = answers.into_iter().filter_map(|answer| match answer {
        RouteNetlinkMessage::NewAddress(message) if message.header.index == index => Some(message),
        _ => None,
    });
    Ok(of_interface.filter_map(|message| own_address(&message)).collect())
}

/// Our end of an address entry: on a point-to-point link `Address` is the other end.
fn own_address(message: &AddressMessage) -> Option<Ipv4Addr> {
    let local = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(IpAddr::V4(address)) => Some(*address),
        _ => None,
    });
    local.or_else(|| {
        message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Address(IpAddr::V4(address)) => Some(*address),
            _ => None,
        })
    })
}

/// The kernel's way to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Number of the interface.
    pub interface: u32,
    /// Who takes the packets there; `None` if the address is on the link itself.
    pub gateway: Option<Ipv4Addr>,
    /// The address of ours that the kernel would send from.
    pub source: Option<Ipv4Addr>,
}

/// The way to `destination`.
pub fn route(destination: Ipv4Addr) -> Result<Route, Error> {
    let mut question = RouteMessage::default();
    question.header.address_family = AddressFamily::Inet;
    question.header.destination_prefix_length = 32;
    question.attributes.push(RouteAttribute::Destination(RouteAddress::Inet(destination)));
    let answers =
        netlink::request(RouteNetlinkMessage::GetRoute(question), 0).map_err(|source| match source.raw_os_error() {
            Some(libc::ENETUNREACH) => Error::NoRoute(destination),
            Some(libc::EHOSTUNREACH | libc::EACCES | libc::EINVAL) => Error::Refused(destination),
            _ => failed("asking for a route")(source),
        })?;
    let message = answers.into_iter().find_map(|answer| match answer {
        RouteNetlinkMessage::NewRoute(message) => Some(message),
        _ => None,
    });
    read_route(&message.ok_or(Error::NoRoute(destination))?, destination)
}

fn read_route(message: &RouteMessage, destination: Ipv4Addr) -> Result<Route, Error> {
    let mut interface = None;
    let mut gateway = None;
    let mut source = None;
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(index) => interface = Some(*index),
            RouteAttribute::Gateway(RouteAddress::Inet(address)) | RouteAttribute::Via(RouteVia::Inet(address)) => {
                gateway = Some(*address);
            }
            RouteAttribute::Gateway(_) | RouteAttribute::Via(_) => return Err(Error::NotIpv4(destination)),
            RouteAttribute::PrefSource(RouteAddress::Inet(address)) => source = Some(*address),
            _ => {}
        }
    }
    Ok(Route { interface: interface.ok_or(Error::NoRoute(destination))?, gateway, source })
}

/// The interface of the default route; of several, that with the smallest metric.
pub fn default_interface() -> Result<Interface, Error> {
    Interface::with_index(default_route()?.ok_or(Error::NoDefaultRoute)?)
}

fn default_route() -> Result<Option<u32>, Error> {
    let mut question = RouteMessage::default();
    question.header.address_family = AddressFamily::Inet;
    let answers = netlink::dump(RouteNetlinkMessage::GetRoute(question)).map_err(failed("listing routes"))?;
    let defaults = answers.into_iter().filter_map(|answer| match answer {
        RouteNetlinkMessage::NewRoute(message) if is_default(&message.header) => metric_and_interface(&message),
        _ => None,
    });
    Ok(defaults.min().map(|(_, interface)| interface))
}

fn is_default(header: &RouteHeader) -> bool {
    header.address_family == AddressFamily::Inet
        && header.destination_prefix_length == 0
        && header.table == RouteHeader::RT_TABLE_MAIN
        && header.kind == RouteType::Unicast
}

fn metric_and_interface(message: &RouteMessage) -> Option<(u32, u32)> {
    let mut metric = 0;
    let mut interface = None;
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Priority(priority) => metric = *priority,
            RouteAttribute::Oif(index) => interface = Some(*index),
            RouteAttribute::MultiPath(hops) => interface = hops.first().map(|hop| hop.interface_index),
            _ => {}
        }
    }
    Some((metric, interface?))
}

/// The Ethernet address of `address` on `interface`: from the kernel's table, or, if it is not there, by having
/// the kernel send the ARP request and waiting for the answer, three seconds at most.
pub fn neighbour(interface: &Interface, address: Ipv4Addr) -> Result<Mac, Error> {
    if let Some(mac) = look_up(interface, address)? {
        return Ok(mac);
    }
    if !interface.up {
        return Err(Error::Down { address, interface: interface.name.clone() });
    }
    resolve(interface, address)?;
    let give_up = Instant::now() + RESOLVE;
    while Instant::now() < give_up {
        if let Some(mac) = look_up(interface, address)? {
            return Ok(mac);
        }
        std::thread::sleep(RESOLVE_POLL);
    }
    Err(Error::Silent { address, interface: interface.name.clone() })
}

fn neighbour_message(interface: &Interface, address: Ipv4Addr) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.ifindex = interface.index;
    message.attributes.push(NeighbourAttribute::Destination(NeighbourAddress::Inet(address)));
    message
}

/// What the kernel's table says, as far as the kernel itself would send by it.
fn look_up(interface: &Interface, address: Ipv4Addr) -> Result<Option<Mac>, Error> {
    let question = neighbour_message(interface, address);
    let answers = match netlink::request(RouteNetlinkMessage::GetNeighbour(question), 0) {
        Ok(answers) => answers,
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(None),
        Err(error) => return Err(failed("reading the neighbour table")(error)),
    };
    Ok(answers.into_iter().find_map(|answer| match answer {
        RouteNetlinkMessage::NewNeighbour(message) => resolved(&message),
        _ => None,
    }))
}

fn resolved(message: &NeighbourMessage) -> Option<Mac> {
    use NeighbourState::{Delay, Noarp, Permanent, Probe, Reachable, Stale};
    if !matches!(message.header.state, Reachable | Stale | Delay | Probe | Permanent | Noarp) {
        return None;
    }
    message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::LinkLayerAddress(bytes) => bytes.as_slice().try_into().ok().map(Mac),
        _ => None,
    })
}

/// Has the kernel resolve the neighbour as if it had a packet for it.
fn resolve(interface: &Interface, address: Ipv4Addr) -> Result<(), Error> {
    let mut order = neighbour_message(interface, address);
    order.header.flags = NeighbourFlags::Use;
    netlink::request(RouteNetlinkMessage::NewNeighbour(order), NLM_F_CREATE).map_err(|source| {
        match source.raw_os_error() {
            Some(libc::EPERM) => Error::NotPermitted(address),
            _ => failed("having the kernel resolve a neighbour")(source),
        }
    })?;
    Ok(())
}

/// The ports that the host's own connections go out from. Ours must not be among them: the host would answer
/// for them, and we for its.
pub fn ip_local_port_range() -> Result<RangeInclusive<u16>, Error> {
    let text = std::fs::read_to_string(PORT_RANGE).map_err(failed("reading ip_local_port_range"))?;
    port_range(&text).ok_or(Error::Unreadable { path: PORT_RANGE, text })
}

fn port_range(text: &str) -> Option<RangeInclusive<u16>> {
    let mut numbers = text.split_ascii_whitespace().map(str::parse);
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(first)), Some(Ok(last)), None) => Some(first..=last),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn port_ranges_are_two_numbers() {
        assert_eq!(port_range("32768\t60999\n"), Some(32768..=60999));
        for wrong in ["", "32768", "32768 60999 1", "a b", "1 70000"] {
            assert_eq!(port_range(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn an_ipv6_gateway_is_not_taken_for_on_link() {
        let destination = Ipv4Addr::new(198, 18, 0, 1);
        let mut message = RouteMessage::default();
        message.attributes.push(RouteAttribute::Oif(7));
        let on_link = Route { interface: 7, gateway: None, source: None };
        assert_eq!(read_route(&message, destination).unwrap(), on_link);
        message.attributes.push(RouteAttribute::Via(RouteVia::Inet6("fe80::1".parse().unwrap())));
        assert!(matches!(read_route(&message, destination), Err(Error::NotIpv4(_))));
    }

    #[test]
    fn addresses_of_a_point_to_point_link_are_ours_not_the_peer_s() {
        let (ours, theirs) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
        let mut message = AddressMessage::default();
        message.attributes.push(AddressAttribute::Address(theirs.into()));
        assert_eq!(own_address(&message), Some(theirs));
        message.attributes.push(AddressAttribute::Local(ours.into()));
        assert_eq!(own_address(&message), Some(ours));
    }
}
