//! Hosts in memory for a whole engine, which is the only thing that is measured: what it is called for runs in
//! the bench's own `counted`.

use crate::counted;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection};
use starling::base::keyed::Key;
use starling::base::time::WallClock;
use starling::base::{Duration, Instant};
use starling::dialogue::Identity;
use starling::record::Fact;
use starling::record::checkpoint::Left;
use starling::scan::conversation::Limits;
use starling::scan::engine::{Answers, Config, Engine};
use starling::session::Context;
use starling::targets::Space;
use starling::targets::cidr::AddressSet;
use starling::targets::permute::Permutation;
use starling::targets::ports::{Protocol, Service};
use starling::tcp::cookie::PortRange;
use starling::tls;
use starling::wire::emit::{Outgoing, segment as emit};
use starling::wire::parse::segment as parse;
use starling::wire::probe::OptionSet;
use starling::wire::{Link, Segment, Tuple, flags};
use std::io::{Read, Write};
use std::sync::Arc;

const US: u32 = 0x0a4d_0002;
const NET: u32 = 0xc612_0000;
const ISS: u32 = 0xffff_fff0;
const LINK: Link = Link { source: [2, 0, 0, 0, 0, 1], destination: [2, 0, 0, 0, 0, 2] };
const NOW: Instant = Instant::from_nanos(5_000_000);

const CERTIFICATE: &[u8] = include_bytes!("../../tests/data/p256.der");
const KEY: &[u8] = include_bytes!("../../tests/data/p256.key.der");
/// So many times the certificate makes a chain as long as usual ones: three kilobytes, a leaf and an intermediate of
/// Let's Encrypt's with RSA keys. What a longer chain has more comes on top.
const CHAIN: usize = 3_072 / CERTIFICATE.len();

/// A greeting and a list of capabilities as long as usual ones.
pub(crate) const GREETING: &str = "220 mx1.some-provider.example ESMTP Postfix (Debian/GNU)\r\n";
const CAPABILITIES: &str = "250-mx1.some-provider.example\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-ETRN\r\n\
    250-STARTTLS\r\n250-AUTH PLAIN LOGIN CRAM-MD5\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n\
    250 CHUNKING\r\n";

/// The same of an XMPP server.
const STREAM: &str = "<?xml version='1.0'?><stream:stream xml:lang='en' id='5ed26337-4694-4bbb-9548-3b6f1594ffd4' \
    xmlns='jabber:client' from='some-provider.example' version='1.0' xmlns:stream='http://etherx.jabber.org/streams'>\
    <stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>";

/// A host: where its two streams are, and its TLS once begun.
#[derive(Default)]
pub(crate) struct Host {
    next: u32,
    expects: u32,
    port: u16,
    tls: Option<Box<ServerConnection>>,
    /// Application data was heard inside TLS.
    pub(crate) inside: bool,
}

/// How far hosts go in the conversation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Until {
    SynAck,
    Starttls,
    Tls,
    Goodbye,
}

/// An engine and its hosts.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) hosts: Vec<Host>,
    until: Until,
    protocol: Protocol,
    server: Arc<ServerConfig>,
    /// Conversations that came to their end with all seen.
    pub(crate) complete: usize,
}

impl World {
    pub(crate) fn new(hosts: usize, protocol: Protocol) -> Self {
        let engine = counted(|| engine(hosts, protocol));
        let hosts = std::iter::repeat_with(Host::default).take(hosts).collect();
        Self { engine, hosts, until: Until::SynAck, protocol, server: server(), complete: 0 }
    }

    /// Lets engine and hosts talk until nobody has anything to say.
    pub(crate) fn run(&mut self, until: Until) {
        self.until = until;
        if until == Until::Starttls && self.protocol == Protocol::Smtp {
            for host in 0..self.hosts.len() {
                self.say(host, GREETING.as_bytes());
                self.settle();
            }
        }
        self.settle();
    }

    pub(crate) fn settle(&mut self) {
        let mut buffer = [0; 2_048];
        while let Some(length) = counted(|| self.engine.poll_frame(NOW, &mut buffer)) {
            let frame = buffer[..length].to_vec();
            let segment = parse(&frame).expect("the engine emits well-formed frames");
            self.hear(&segment);
            // Rows go to the writer at once.
            let facts = counted(|| self.engine.take_facts());
            let complete = |fact: &&Fact| matches!(fact, Fact::Handshake(row, _) if row.outcome == "complete");
            self.complete += facts.iter().filter(complete).count();
            counted(|| drop(facts));
        }
    }

    fn hear(&mut self, segment: &Segment<'_>) {
        let at = (segment.destination - NET) as usize;
        let host = &mut self.hosts[at];
        assert!(!segment.has(flags::RST), "the engine has no reason to reset");
        if segment.has(flags::SYN) {
            (host.expects, host.next, host.port) = (segment.seq.wrapping_add(1), ISS, segment.source_port);
            return self.emit(at, flags::SYN | flags::ACK, &[]);
        }
        host.expects = host.expects.wrapping_add(u32::try_from(segment.payload.len()).expect("a segment is short"));
        if !segment.payload.is_empty() {
            self.emit(at, flags::ACK, &[]);
        }
        if segment.has(flags::FIN) {
            self.hosts[at].expects = self.hosts[at].expects.wrapping_add(1);
            return self.emit(at, flags::FIN | flags::ACK, &[]);
        }
        let answer = self.answer(at, segment.payload);
        if !answer.is_empty() {
            self.say(at, &answer);
        }
    }

    fn answer(&mut self, at: usize, heard: &[u8]) -> Vec<u8> {
        if self.hosts[at].tls.is_some() {
            return self.answer_tls(at, heard);
        }
        if heard.starts_with(b"<?xml") && self.until > Until::SynAck {
            return STREAM.as_bytes().to_vec();
        }
        if heard.starts_with(b"EHLO") {
            return CAPABILITIES.as_bytes().to_vec();
        }
        if heard.starts_with(b"STARTTLS") && self.until >= Until::Tls {
            self.hosts[at].tls = Some(Box::new(ServerConnection::new(Arc::clone(&self.server)).expect("a server")));
            return b"220 2.0.0 Ready to start TLS\r\n".to_vec();
        }
        Vec::new()
    }

    fn answer_tls(&mut self, at: usize, mut heard: &[u8]) -> Vec<u8> {
        let host = &mut self.hosts[at];
        let tls = host.tls.as_mut().expect("TLS was begun");
        let mut out = Vec::new();
        while !heard.is_empty() {
            tls.read_tls(&mut heard).expect("memory");
            tls.process_new_packets().expect("an honest client");
        }
        let mut plain = [0; 256];
        let length = tls.reader().read(&mut plain).unwrap_or(0);
        host.inside |= length > 0;
        let said = match plain.get(..4) {
            Some(b"EHLO") if self.until == Until::Goodbye => CAPABILITIES,
            Some(b"QUIT") => "221 2.0.0 Bye\r\n",
            _ => "",
        };
        tls.writer().write_all(said.as_bytes()).expect("memory");
        while tls.wants_write() {
            tls.write_tls(&mut out).expect("memory");
        }
        out
    }

    pub(crate) fn say(&mut self, at: usize, bytes: &[u8]) {
        for part in bytes.chunks(1_400) {
            self.emit(at, flags::ACK | flags::PSH, part);
        }
    }

    fn emit(&mut self, at: usize, flags: u8, payload: &[u8]) {
        let host = &mut self.hosts[at];
        let address = NET + u32::try_from(at).expect("fewer than 2^32 hosts");
        let tuple = Tuple { remote: US, local: address, remote_port: host.port, local_port: self.protocol.port() };
        let mss = (flags & flags::SYN != 0).then_some(1_460);
        let (seq, ack) = (host.next, host.expects);
        let length = u32::try_from(payload.len()).expect("a segment is short");
        host.next = seq.wrapping_add(length).wrapping_add(u32::from(flags & flags::SYN != 0));
        let mut buffer = [0; 2_048];
        let outgoing = Outgoing { tuple, seq, ack, flags, window: 64_240, mss, payload, id: 1 };
        let length = emit(&LINK, &outgoing, &mut buffer);
        counted(|| self.engine.handle_frame(NOW, &buffer[..length]));
    }
}

pub(crate) fn engine(hosts: usize, protocol: Protocol) -> Engine {
    let last = NET + u32::try_from(hosts - 1).expect("fewer than 2^32 hosts");
    let space = Space::new(AddressSet::new(vec![(NET, last)]), vec![Service { port: protocol.port(), protocol }]);
    let permutation = Permutation::new(space.size(), 7);
    let config = Config {
        lane: 0,
        left: Left::of(0..permutation.positions()),
        probes: 1,
        lag: Duration::ZERO,
        space: Arc::new(space),
        permutation,
        key: Key([1, 2]),
        source: US,
        ports: PortRange { first: 61_000, last: 65_535 },
        link: LINK,
        rate: None,
        cooldown: Duration::from_secs(1),
        // The sweep holds when a sixteenth is left.
        connections_max: hosts + hosts / 14 + 16,
        limits: Limits::default(),
        clock: WallClock::default(),
        claims: std::sync::Arc::default(),
        answers: Answers::default(),
        answered: std::sync::Arc::default(),
        options: OptionSet::default(),
    };
    let identity = Identity { ehlo: "scanner.example.org".into(), contact: None };
    Engine::new(config, Context::new(tls::Client::new(tls::Offer::Wide).expect("a client"), identity), Instant::ZERO)
}

fn server() -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::try_from(KEY.to_vec()).expect("a key");
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![CERTIFICATE.to_vec().into(); CHAIN], key)
        .expect("a certificate");
    Arc::new(config)
}
