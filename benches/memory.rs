//! What a connection costs in memory: a whole engine against hosts in memory, heap counted by the allocator.
//!
//! `cargo bench --bench memory` prints bytes per connection at three points of an SMTP conversation and fails if
//! a limit of the design is exceeded; `-- 1000000 20000` sets how many connections in the clear and inside TLS.
//! Counted is what the engine holds, in the chunks that glibc cuts (a header of eight bytes, multiples of sixteen):
//! connections, sessions, table and its index at full size, timers, the set of targets that answered. The hosts'
//! own memory is not counted. `resident` is the process as the kernel sees it, hosts included, so only the first
//! line of it says something.

#![allow(unsafe_code, reason = "a global allocator is unsafe to implement")]

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection};
use starling::base::keyed::Key;
use starling::base::time::WallClock;
use starling::base::{Duration, Instant};
use starling::dialogue::Identity;
use starling::record::answer::Kind;
use starling::record::checkpoint::Left;
use starling::scan::answered::Answered;
use starling::scan::conversation::Limits;
use starling::scan::engine::{Answers, Config, Engine};
use starling::session::{Context, Session};
use starling::targets::cidr::AddressSet;
use starling::targets::permute::Permutation;
use starling::targets::ports::{Protocol, Service};
use starling::targets::{Space, Target};
use starling::tcp::connection::Connection;
use starling::tcp::cookie::PortRange;
use starling::tls;
use starling::wire::emit::{Outgoing, segment as emit};
use starling::wire::parse::segment as parse;
use starling::wire::probe::OptionSet;
use starling::wire::{Link, Segment, Tuple, flags};
use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::mem::size_of;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};

/// The design's limits (section 6).
const LIMIT_CLEAR: usize = 1_024;
const LIMIT_TLS: usize = 12 * 1_024;
const LIMIT_IN_FLIGHT: usize = 1 << 30;

const US: u32 = 0x0a4d_0002;
const NET: u32 = 0xc612_0000;
const ISS: u32 = 0xffff_fff0;
const LINK: Link = Link { source: [2, 0, 0, 0, 0, 1], destination: [2, 0, 0, 0, 0, 2] };
const NOW: Instant = Instant::from_nanos(5_000_000);

const CERTIFICATE: &[u8] = include_bytes!("../tests/data/p256.der");
const KEY: &[u8] = include_bytes!("../tests/data/p256.key.der");
/// So many times the certificate makes a chain as long as usual ones: three kilobytes, a leaf and an intermediate of
/// Let's Encrypt's with RSA keys. What a longer chain has more comes on top.
const CHAIN: usize = 3_072 / CERTIFICATE.len();

/// A greeting and a list of capabilities as long as usual ones.
const GREETING: &str = "220 mx1.some-provider.example ESMTP Postfix (Debian/GNU)\r\n";
const CAPABILITIES: &str = "250-mx1.some-provider.example\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-ETRN\r\n\
    250-STARTTLS\r\n250-AUTH PLAIN LOGIN CRAM-MD5\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n\
    250 CHUNKING\r\n";

/// The same of an XMPP server.
const STREAM: &str = "<?xml version='1.0'?><stream:stream xml:lang='en' id='5ed26337-4694-4bbb-9548-3b6f1594ffd4' \
    xmlns='jabber:client' from='some-provider.example' version='1.0' xmlns:stream='http://etherx.jabber.org/streams'>\
    <stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>";

/// Counts what is allocated while the engine runs.
struct Counting;

static HELD: AtomicIsize = AtomicIsize::new(0);
static COUNTED: AtomicBool = AtomicBool::new(false);
/// The same by malloc's own account, which knows what C code holds, too; only while [`WHOLE`] is set, as it is slow.
static HELD_WHOLE: AtomicIsize = AtomicIsize::new(0);
static WHOLE: AtomicBool = AtomicBool::new(false);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The chunk that glibc cuts for `size` bytes.
fn chunk(size: usize) -> isize {
    isize::try_from((size + 8).next_multiple_of(16).max(32)).unwrap_or(isize::MAX)
}

fn count(bytes: isize) {
    if COUNTED.load(Ordering::Relaxed) {
        HELD.fetch_add(bytes, Ordering::Relaxed);
    }
}

// SAFETY: everything is passed to the system's allocator; only counters are added.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(chunk(layout.size()));
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-chunk(layout.size()));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(chunk(layout.size()));
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(chunk(size) - chunk(layout.size()));
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn counted<T>(work: impl FnOnce() -> T) -> T {
    let before = in_use();
    COUNTED.store(true, Ordering::Relaxed);
    let result = work();
    COUNTED.store(false, Ordering::Relaxed);
    HELD_WHOLE.fetch_add(in_use() - before, Ordering::Relaxed);
    result
}

/// Bytes in use by malloc's account.
fn in_use() -> isize {
    if !WHOLE.load(Ordering::Relaxed) {
        return 0;
    }
    // SAFETY: the function only reads malloc's own statistics.
    let info = unsafe { libc::mallinfo2() };
    isize::try_from(info.uordblks + info.hblkhd).unwrap_or(0)
}

fn held() -> usize {
    usize::try_from(HELD.load(Ordering::Relaxed)).expect("the engine frees only what it allocated")
}

/// Resident bytes of this process.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next())
        .and_then(|kib| kib.parse().ok())
        .map_or(0, |kib: usize| kib << 10)
}

/// A host: where its two streams are, and its TLS once begun.
#[derive(Default)]
struct Host {
    next: u32,
    expects: u32,
    port: u16,
    tls: Option<Box<ServerConnection>>,
    /// Application data was heard inside TLS.
    inside: bool,
}

/// How far hosts go in the conversation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Until {
    SynAck,
    Starttls,
    Tls,
}

struct World {
    engine: Engine,
    hosts: Vec<Host>,
    until: Until,
    protocol: Protocol,
    server: Arc<ServerConfig>,
    base: usize,
}

impl World {
    fn new(hosts: usize, protocol: Protocol) -> Self {
        // What an engine of one connection holds, such as the index over the address space, is not theirs.
        let fixed = counted(|| engine(1, protocol));
        let base = held();
        counted(|| drop(fixed));
        let engine = counted(|| engine(hosts, protocol));
        let hosts = std::iter::repeat_with(Host::default).take(hosts).collect();
        Self { engine, hosts, until: Until::SynAck, protocol, server: server(), base }
    }

    /// Lets engine and hosts talk until nobody has anything to say.
    fn run(&mut self, until: Until) {
        self.until = until;
        if until == Until::Starttls && self.protocol == Protocol::Smtp {
            for host in 0..self.hosts.len() {
                self.say(host, GREETING.as_bytes());
                self.settle();
            }
        }
        self.settle();
    }

    fn settle(&mut self) {
        let mut buffer = [0; 2_048];
        while let Some(length) = counted(|| self.engine.poll_frame(NOW, &mut buffer)) {
            let frame = buffer[..length].to_vec();
            let segment = parse(&frame).expect("the engine emits well-formed frames");
            self.hear(&segment);
            // The rows of answers go to the writer at once.
            counted(|| drop(self.engine.take_facts()));
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
        if heard.starts_with(b"STARTTLS") && self.until == Until::Tls {
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
        host.inside |= tls.reader().read(&mut plain).is_ok_and(|length| length > 0);
        tls.writer().flush().expect("memory");
        while tls.wants_write() {
            tls.write_tls(&mut out).expect("memory");
        }
        out
    }

    fn say(&mut self, at: usize, bytes: &[u8]) {
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

    /// Bytes held per connection.
    fn per_connection(&self) -> usize {
        assert_eq!(self.engine.open(), self.hosts.len() as u64, "all are open");
        (held() - self.base) / self.hosts.len()
    }
}

fn engine(hosts: usize, protocol: Protocol) -> Engine {
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

fn report(what: &str, connections: usize, bytes: usize, limit: usize) -> bool {
    let verdict = if bytes <= limit { "ok" } else { "OVER" };
    println!("{what:<44} {bytes:>7} bytes x {connections:>8} (limit {limit:>6}: {verdict})");
    bytes <= limit
}

/// Bytes that the set of who has answered takes, for `count` addresses from all over IPv4.
fn answered(count: usize) -> usize {
    let before = held();
    let answered = counted(Answered::default);
    let mut state = 0_u64;
    counted(|| {
        for _ in 0..count {
            // The generator of SplitMix64.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let address = u32::try_from(mixed >> 32).expect("the upper half");
            answered.insert(Target { address, port: 25 }, Kind::SynAck);
        }
    });
    let taken = held() - before;
    counted(|| drop(answered));
    taken
}

fn main() {
    for count in [1_000, 100_000, 1_000_000, 10_000_000, 60_000_000] {
        let bytes = answered(count);
        let each = bytes as f64 / count as f64;
        println!("who has answered, {count:>8} of IPv4's addresses: {:>7} KiB, {each:.1} bytes each", bytes >> 10);
    }
    let mut numbers = std::env::args().filter_map(|argument| argument.parse().ok());
    let (clear, inside) = (numbers.next().unwrap_or(300_000), numbers.next().unwrap_or(3_000));
    println!(
        "size of a TCP connection {}, a session {}, a TLS session {}",
        size_of::<Connection>(),
        size_of::<Session>(),
        size_of::<tls::Session>()
    );

    let before = resident();
    let mut world = World::new(clear, Protocol::Smtp);
    world.run(Until::SynAck);
    let resident = resident() - before;
    let mut fine = report("SYN-ACK taken, waiting for the greeting", clear, world.per_connection(), LIMIT_CLEAR);
    println!("{:<44} {:>7} bytes", "  resident, the hosts' own memory included", resident / clear);
    world.run(Until::Starttls);
    fine &= report("greeting and capabilities taken", clear, world.per_connection(), LIMIT_CLEAR);
    let total = held() - world.base;
    println!("{:<44} {:>7} MiB (limit {} MiB)", "  all together", total >> 20, LIMIT_IN_FLIGHT >> 20);
    fine &= total * 300_000 / clear.max(1) < LIMIT_IN_FLIGHT;
    let World { engine, .. } = world;
    counted(|| drop(engine));

    let mut world = World::new(clear, Protocol::XmppClient);
    world.run(Until::SynAck);
    fine &= report("XMPP: waiting for the server's stream", clear, world.per_connection(), LIMIT_CLEAR);
    let World { engine, .. } = world;
    counted(|| drop(engine));
    let mut world = World::new(clear, Protocol::XmppClient);
    world.run(Until::Starttls);
    fine &= report("XMPP: features taken", clear, world.per_connection(), LIMIT_CLEAR);
    let World { engine, .. } = world;
    counted(|| drop(engine));

    WHOLE.store(true, Ordering::Relaxed);
    let mut world = World::new(inside, Protocol::Smtp);
    let whole = HELD_WHOLE.load(Ordering::Relaxed);
    world.run(Until::Tls);
    for host in 0..inside {
        world.say(host, GREETING.as_bytes());
        world.settle();
    }
    assert!(world.hosts.iter().all(|host| host.inside), "all are inside TLS");
    fine &= report("inside TLS, waiting for capabilities", inside, world.per_connection(), LIMIT_TLS);
    let whole = usize::try_from(HELD_WHOLE.load(Ordering::Relaxed) - whole).unwrap_or(0);
    println!("{:<44} {:>7} bytes", "  by malloc's account, aws-lc's own included", whole / inside);
    std::process::exit(i32::from(!fine));
}
