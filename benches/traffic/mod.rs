//! Traffic as a link carries it, made of a few real conversations that are rewritten to as many addresses and moments as wanted.
//! Checksums stay those of the conversation that was rewritten: who captures does not look at them.

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, SupportedProtocolVersion, version};
use starling::base::UtcMicros;
use starling::dialogue::Direction::{self, Client, Server};
use starling::tls::{self, Alpn, Offer, Rung, Session, State};
use starling::wire::emit::{Outgoing, segment};
use starling::wire::flags::{ACK, FIN, SYN};
use starling::wire::{Link, Tuple};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// A leaf for `bench.example` and its issuer: RSA, 2048 bits.
const LEAF: &[u8] = include_bytes!("../../tests/data/chain-leaf.der");
const INTERMEDIATE: &[u8] = include_bytes!("../../tests/data/chain-intermediate.der");
const KEY: &[u8] = include_bytes!("../../tests/data/chain-leaf.key.der");

const CLIENTS: u32 = 0x0a00_0000;
const SERVERS: u32 = 0xc612_0000;
const CLIENT_PORT: u16 = 40_000;
const SEGMENT: usize = 1_448;
/// Between two packets of a conversation, in microseconds.
const STEP: i64 = 10_000;
/// 2026-01-01.
pub(crate) const BEGIN: UtcMicros = UtcMicros(1_767_225_600_000_000);
/// Where a frame has source and destination, and the client's port by who sent it.
const ADDRESSES: [usize; 2] = [26, 30];
const PORTS: [usize; 2] = [34, 36];

/// A conversation: who sent which frame.
pub(crate) struct Conversation {
    frames: Vec<(Direction, Vec<u8>)>,
}

/// Writes the frames of a conversation.
struct Wire {
    port: u16,
    next: [u32; 2],
    frames: Vec<(Direction, Vec<u8>)>,
}

impl Wire {
    fn open(port: u16) -> Self {
        let mut wire = Self { port, next: [0x1000, 0x2000], frames: Vec::new() };
        wire.frame(Client, SYN, b"");
        wire.frame(Server, SYN | ACK, b"");
        wire.frame(Client, ACK, b"");
        wire
    }

    fn frame(&mut self, from: Direction, flags: u8, payload: &[u8]) {
        let (side, local, remote, local_port, remote_port) = match from {
            Client => (0, CLIENTS, SERVERS, CLIENT_PORT, self.port),
            Server => (1, SERVERS, CLIENTS, self.port, CLIENT_PORT),
        };
        let tuple = Tuple { remote, local, remote_port, local_port };
        let ack = if flags & ACK == 0 { 0 } else { self.next[1 - side] };
        let outgoing = Outgoing { tuple, seq: self.next[side], ack, flags, window: 512, mss: None, payload, id: 1 };
        let mut frame = [0; 2_048];
        let length = segment(&Link { source: [2; 6], destination: [4; 6] }, &outgoing, &mut frame);
        self.frames.push((from, frame[..length].to_vec()));
        let advance = payload.len() + usize::from(flags & (SYN | FIN) > 0);
        self.next[side] = self.next[side].wrapping_add(u32::try_from(advance).expect("a segment"));
    }

    fn says(&mut self, from: Direction, bytes: &[u8]) {
        bytes.chunks(SEGMENT).for_each(|part| self.frame(from, ACK, part));
        self.frame(if from == Client { Server } else { Client }, ACK, b"");
    }

    /// A whole handshake, and application data after it.
    fn tls(&mut self, version: &'static SupportedProtocolVersion, server_sends: usize) {
        let client = tls::Client::new(Offer::Wide).expect("a client");
        let key = PrivateKeyDer::try_from(KEY.to_vec()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_no_client_auth()
            .with_single_cert(vec![LEAF.to_vec().into(), INTERMEDIATE.to_vec().into()], key)
            .expect("a certificate");
        let mut server = ServerConnection::new(Arc::new(config)).expect("a server");
        let (mut out, mut plain) = (Vec::new(), Vec::new());
        let at = (Rung::Modern, SERVERS);
        let mut session = Session::start(&client, at, Some("bench.example"), Alpn::None, &mut out).expect("a session");
        while session.state() == State::Handshaking || !out.is_empty() {
            let ours = std::mem::take(&mut out);
            self.says(Client, &ours);
            let theirs = answer(&mut server, &ours);
            if !theirs.is_empty() {
                self.says(Server, &theirs);
            }
            session.receive(&client, &theirs, &mut plain, &mut out);
        }
        let records = server_sends.div_ceil(SEGMENT - 5);
        let record = [&[23, 3, 3, 5, 163][..], &[0x5a; SEGMENT - 5]].concat();
        (0..records).for_each(|_| self.says(Server, &record));
    }

    fn close(mut self) -> Conversation {
        self.frame(Client, FIN | ACK, b"");
        self.frame(Server, FIN | ACK, b"");
        self.frame(Client, ACK, b"");
        self.left()
    }

    fn left(self) -> Conversation {
        Conversation { frames: self.frames }
    }
}

fn answer(server: &mut ServerConnection, mut bytes: &[u8]) -> Vec<u8> {
    while !bytes.is_empty() {
        server.read_tls(&mut bytes).expect("memory");
        server.process_new_packets().expect("an honest client");
    }
    let mut out = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut out).expect("memory");
    }
    out
}

/// What the study's links carry: mail with STARTTLS, TLS 1.3 and 1.2 from the first byte, a login in the clear, and a client
/// that goes away without a word.
pub(crate) fn handshakes() -> Vec<Conversation> {
    let mut mail = Wire::open(25);
    mail.says(Server, b"220 mx.bench.example ESMTP Postfix\r\n");
    mail.says(Client, b"EHLO client.example\r\n");
    mail.says(Server, b"250-mx.bench.example\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 8BITMIME\r\n");
    mail.says(Client, b"STARTTLS\r\n");
    mail.says(Server, b"220 2.0.0 Ready to start TLS\r\n");
    mail.tls(&version::TLS12, 3_000);
    let mut web = Wire::open(443);
    web.tls(&version::TLS13, 20_000);
    let mut imaps = Wire::open(993);
    imaps.tls(&version::TLS12, 10_000);
    let mut login = Wire::open(110);
    login.says(Server, b"+OK ready\r\n");
    login.says(Client, b"CAPA\r\n");
    login.says(Server, b"+OK\r\nSASL PLAIN\r\nSTLS\r\nUSER\r\n.\r\n");
    login.says(Client, b"USER joe\r\n");
    login.says(Server, b"+OK\r\n");
    login.says(Client, b"PASS secret\r\n");
    login.says(Server, b"+OK\r\n");
    let mut silent = Wire::open(143);
    silent.says(Server, b"* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready\r\n");
    vec![mail.close(), web.close(), imaps.close(), login.close(), silent.left()]
}

/// Long downloads inside TLS: 4 MiB after each handshake.
pub(crate) fn bulk() -> Vec<Conversation> {
    let mut web = Wire::open(443);
    web.tls(&version::TLS13, 4 << 20);
    vec![web.close()]
}

/// So many conversations, begun evenly over a span of time, as packets in the order of time.
pub(crate) struct Traffic<'a> {
    conversations: &'a [Conversation],
    flows: u64,
    /// Microseconds.
    span: i64,
    begun: u64,
    /// Time of the next frame of each flow that goes on, the flow, and the frame's number.
    next: BinaryHeap<Reverse<(i64, u64, usize)>>,
    frame: Vec<u8>,
}

impl<'a> Traffic<'a> {
    pub(crate) fn new(conversations: &'a [Conversation], flows: u64, span: i64) -> Self {
        Self { conversations, flows, span, begun: 0, next: BinaryHeap::new(), frame: Vec::new() }
    }

    /// Packets of all flows.
    pub(crate) fn packets(&self) -> u64 {
        let kinds = self.conversations.len() as u64;
        (0..kinds)
            .map(|kind| {
                let flows = (self.flows + kinds - 1 - kind) / kinds;
                flows * self.of(kind).frames.len() as u64
            })
            .sum()
    }

    fn of(&self, flow: u64) -> &'a Conversation {
        &self.conversations[usize::try_from(flow % self.conversations.len() as u64).expect("a few")]
    }

    fn begin(&self, flow: u64) -> i64 {
        let share = i128::from(self.span) * i128::from(flow) / i128::from(self.flows.max(1));
        i64::try_from(share).expect("within the span")
    }

    /// The next packet: when, and its bytes.
    pub(crate) fn next(&mut self) -> Option<(UtcMicros, &[u8])> {
        while self.begun < self.flows
            && self.next.peek().is_none_or(|Reverse((time, ..))| self.begin(self.begun) <= *time)
        {
            self.next.push(Reverse((self.begin(self.begun), self.begun, 0)));
            self.begun += 1;
        }
        let Reverse((time, flow, number)) = self.next.pop()?;
        let conversation = self.of(flow);
        if number + 1 < conversation.frames.len() {
            self.next.push(Reverse((time + STEP, flow, number + 1)));
        }
        let (from, bytes) = &conversation.frames[number];
        self.frame.clear();
        self.frame.extend_from_slice(bytes);
        // Each flow has a client of its own until all of 10.0.0.0/8 were; then the next port.
        let client = CLIENTS | u32::try_from(flow & 0x00ff_ffff).expect("24 bits");
        let server = SERVERS | u32::try_from(flow.wrapping_mul(0x9e37_79b9) >> 8 & 0x1_ffff).expect("17 bits");
        let port = CLIENT_PORT + u16::try_from(flow >> 24).expect("not so many flows");
        let side = usize::from(*from == Server);
        self.frame[ADDRESSES[side]..ADDRESSES[side] + 4].copy_from_slice(&client.to_be_bytes());
        self.frame[ADDRESSES[1 - side]..ADDRESSES[1 - side] + 4].copy_from_slice(&server.to_be_bytes());
        self.frame[PORTS[side]..PORTS[side] + 2].copy_from_slice(&port.to_be_bytes());
        Some((UtcMicros(BEGIN.0 + time), &self.frame))
    }
}

/// A pcap file's header: little-endian, microseconds, Ethernet.
pub(crate) fn header() -> Vec<u8> {
    [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1u32].iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Appends a packet to a pcap file.
pub(crate) fn record(file: &mut Vec<u8>, time: UtcMicros, frame: &[u8]) {
    let part = |value: i64| u32::try_from(value).expect("a time of this century");
    let length = u32::try_from(frame.len()).expect("a frame");
    let words = [part(time.0 / 1_000_000), part(time.0 % 1_000_000), length, length];
    file.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    file.extend_from_slice(frame);
}
