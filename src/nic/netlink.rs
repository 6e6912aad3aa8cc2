//! Questions to the kernel over rtnetlink (RFC 3549), answered at once: one socket a question, no threads.
//!
//! Everything concerns the network namespace of the calling thread.

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage, LinkXdp, XdpAttached};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::io;

/// Longer than any message the kernel sends for our questions (it fills at most 32 KiB at a time).
const RECEIVE_BUFFER: usize = 64 << 10;

/// Asks for one thing, or orders one: sends `message` with `flags` beside `NLM_F_REQUEST | NLM_F_ACK`.
///
/// Returns what the kernel answered before its acknowledgement. Errors are the kernel's own errno.
pub fn request(message: RouteNetlinkMessage, flags: u16) -> io::Result<Vec<RouteNetlinkMessage>> {
    exchange(message, NLM_F_REQUEST | NLM_F_ACK | flags)
}

/// Asks for a whole table.
pub fn dump(message: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
    exchange(message, NLM_F_REQUEST | NLM_F_DUMP)
}

fn exchange(message: RouteNetlinkMessage, flags: u16) -> io::Result<Vec<RouteNetlinkMessage>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;

    let mut header = NetlinkHeader::default();
    header.flags = flags;
    header.sequence_number = 1;
    let mut packet = NetlinkMessage::new(header, NetlinkPayload::from(message));
    packet.finalize();
    let mut bytes = vec![0; packet.buffer_len()];
    packet.serialize(&mut bytes);
    socket.send(&bytes, 0)?;

    let mut answers = Vec::new();
    loop {
        let mut datagram = Vec::with_capacity(RECEIVE_BUFFER);
        socket.recv(&mut datagram, 0)?;
        if collect(&datagram, &mut answers)? {
            return Ok(answers);
        }
    }
}

/// Takes the messages of one datagram apart; says whether the conversation is over.
fn collect(mut datagram: &[u8], answers: &mut Vec<RouteNetlinkMessage>) -> io::Result<bool> {
    while !datagram.is_empty() {
        let message = NetlinkMessage::deserialize(datagram).map_err(unreadable)?;
        match message.payload {
            NetlinkPayload::InnerMessage(answer) => answers.push(answer),
            NetlinkPayload::Done(_) => return Ok(true),
            NetlinkPayload::Error(error) if error.code.is_none() => return Ok(true),
            NetlinkPayload::Error(error) => return Err(error.to_io()),
            NetlinkPayload::Overrun(_) => return Err(io::Error::from_raw_os_error(libc::ENOBUFS)),
            _ => {}
        }
        let length = usize::try_from(message.header.length).map_err(unreadable)?.next_multiple_of(4);
        datagram = datagram.get(length..).unwrap_or_default();
    }
    Ok(false)
}

fn unreadable(error: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("unreadable netlink answer: {error}"))
}

/// The link of that name. `ENODEV` if there is none.
pub fn link(name: &str) -> io::Result<LinkMessage> {
    // The kernel says EINVAL or ERANGE to a name that no interface can have.
    if name.is_empty() || name.len() >= libc::IFNAMSIZ || name.contains('\0') {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    let mut question = LinkMessage::default();
    question.attributes.push(LinkAttribute::IfName(name.to_owned()));
    single_link(question)
}

/// The link of that index. `ENODEV` if there is none.
pub fn link_by_index(index: u32) -> io::Result<LinkMessage> {
    let mut question = LinkMessage::default();
    question.header.index = index;
    single_link(question)
}

fn single_link(question: LinkMessage) -> io::Result<LinkMessage> {
    let answers = request(RouteNetlinkMessage::GetLink(question), 0)?;
    let link = answers.into_iter().find_map(|answer| match answer {
        RouteNetlinkMessage::NewLink(link) => Some(link),
        _ => None,
    });
    link.ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))
}

/// Whether the administrator has switched the link on (`IFF_UP`).
pub fn is_up(link: &LinkMessage) -> bool {
    link.header.flags.contains(LinkFlags::Up)
}

/// Whether the link is switched on and has carrier, so that the kernel sends by it (`IFF_LOWER_UP`).
pub fn has_carrier(link: &LinkMessage) -> bool {
    link.header.flags.contains(LinkFlags::LowerUp)
}

/// An XDP program on a link, whoever attached it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttachedProgram {
    /// The kernel's id of it; `bpftool prog show id` tells more.
    pub id: u32,
    /// Whether it runs in generic mode.
    pub generic: bool,
}

/// The XDP program on the link, if there is one.
pub fn attached_program(link: &LinkMessage) -> Option<AttachedProgram> {
    let nested = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Xdp(nested) => Some(nested),
        _ => None,
    })?;
    let generic = nested.contains(&LinkXdp::Attached(XdpAttached::SocketBuffer));
    nested.iter().find_map(|attribute| match attribute {
        LinkXdp::ProgId(id) | LinkXdp::DrvProgId(id) | LinkXdp::SkbProgId(id) | LinkXdp::HwProgId(id) if *id != 0 => {
            Some(AttachedProgram { id: *id, generic })
        }
        _ => None,
    })
}
