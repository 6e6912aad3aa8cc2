//! What TLS costs the client, in microseconds of CPU: each handshake's server is rustls in memory, in this process and
//! not counted.
//!
//! `cargo bench --bench tls` prints our client beside rustls' defaults (its first suite and groups, chain and signatures
//! verified) against the same servers, and a whole conversation of the engine: SYN-ACK, SMTP, STARTTLS, TLS, capabilities
//! inside, goodbye, row; between them the legacy engine, on what a real server said. It fails if a limit of the design is exceeded. Read it as ratios between lines of one run.

mod hosts;

use hosts::{GREETING, Until, World};
use nix::sys::resource::{UsageWho, getrusage};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion, version,
};
use starling::targets::ports::Protocol;
use starling::tls::legacy::{self, Engine, Profile, hello};
use starling::tls::{Alpn, Client, Offer, Pairs, Rung, Session, State};
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// The design's limits.
const CONVERSATION_MAX_US: f64 = 75.0;
const RATIO_MIN: f64 = 3.0;

/// Measured together, and how often; the median counts.
const BATCH: usize = 128;
const BATCHES: usize = 15;
/// So many at most, where others use the CPU too.
const BATCHES_MAX: usize = 60;

/// A leaf for `bench.example`, its issuer and its root: RSA, 2048 bits.
const LEAF: &[u8] = include_bytes!("../tests/data/chain-leaf.der");
const INTERMEDIATE: &[u8] = include_bytes!("../tests/data/chain-intermediate.der");
const ROOT: &[u8] = include_bytes!("../tests/data/chain-root.der");
const KEY: &[u8] = include_bytes!("../tests/data/chain-leaf.key.der");

/// What OpenSSL 1.1.1 said (`tests/data/legacy`), to be said again.
const LEGACY: [(&str, &[u8]); 3] = [
    ("legacy engine, TLS 1.0, RSA-2048", include_bytes!("../tests/data/legacy/openssl111w-0301-002f-legacy-rsa.bin")),
    (
        "legacy engine, TLS 1.0, DHE-1024",
        include_bytes!("../tests/data/legacy/openssl111w-0301-0039-legacy-dh1024.bin"),
    ),
    (
        "legacy engine, TLS 1.0, ECDHE P-256",
        include_bytes!("../tests/data/legacy/openssl111w-0301-c014-legacy-secp256r1.bin"),
    ),
];

/// Time of the measured parts, in nanoseconds, and how many they were.
static SPENT: AtomicU64 = AtomicU64::new(0);
static PARTS: AtomicU64 = AtomicU64::new(0);

/// Counts the time of `work`. A conversation is some fifty such parts: the clock that counts a thread's CPU time is a system
/// call of half a microsecond or more, so this is the one that the kernel maps into each process, and what
/// is measured while another thread had the CPU does not count ([`median`]).
fn counted<T>(work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let result = work();
    SPENT.fetch_add(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    PARTS.fetch_add(1, Ordering::Relaxed);
    result
}

/// How often this thread had to leave its CPU to another.
fn displaced() -> i64 {
    getrusage(UsageWho::RUSAGE_THREAD).expect("a thread").involuntary_context_switches()
}

/// Microseconds of one item of `work`, which does `items`: the median of some runs in which nobody else had the CPU, as
/// far as there are any.
fn median(items: usize, mut work: impl FnMut()) -> f64 {
    let (mut alone, mut shared) = (Vec::new(), Vec::new());
    while alone.len() < BATCHES && alone.len() + shared.len() < BATCHES_MAX {
        let before = displaced();
        SPENT.store(0, Ordering::Relaxed);
        PARTS.store(0, Ordering::Relaxed);
        work();
        let spent = SPENT.load(Ordering::Relaxed) as f64 / 1e3 / items as f64;
        if displaced() == before { alone.push(spent) } else { shared.push(spent) }
    }
    let mut spent = if alone.is_empty() { shared } else { alone };
    spent.sort_by(f64::total_cmp);
    spent[spent.len() / 2]
}

/// Microseconds that measuring nothing takes.
fn clock() -> f64 {
    const TIMES: usize = 100_000;
    median(TIMES, || (0..TIMES).for_each(|_| counted(|| ())))
}

fn server(version: &'static SupportedProtocolVersion) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::try_from(KEY.to_vec()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_no_client_auth()
        .with_single_cert(vec![LEAF.to_vec().into(), INTERMEDIATE.to_vec().into()], key)
        .expect("a certificate");
    Arc::new(config)
}

/// What the server says to `bytes`.
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

/// A handshake by our client, facts and all.
fn ours(client: &Client, config: &Arc<ServerConfig>) {
    let mut server = ServerConnection::new(Arc::clone(config)).expect("a server");
    let mut out = Vec::new();
    let at = (Rung::Modern, 0xc612_0001);
    let mut session =
        counted(|| Session::start(client, at, Some("bench.example"), Alpn::None, &mut out)).expect("a session");
    let mut plain = Vec::new();
    while session.state() == State::Handshaking {
        let said = answer(&mut server, &std::mem::take(&mut out));
        counted(|| session.receive(client, &said, &mut plain, &mut out));
    }
    let facts = counted(|| session.facts());
    assert_eq!((session.state(), facts.chain.len()), (State::Established, 2), "{:?}", facts.error);
    counted(|| drop((session, facts)));
}

/// A handshake by rustls with its defaults.
fn defaults(client: &Arc<ClientConfig>, config: &Arc<ServerConfig>) {
    let mut server = ServerConnection::new(Arc::clone(config)).expect("a server");
    let mut out = Vec::new();
    let mut connection = counted(|| {
        let name = "bench.example".try_into().expect("a name");
        let mut connection = ClientConnection::new(Arc::clone(client), name).expect("a client");
        connection.write_tls(&mut out).expect("memory");
        connection
    });
    while connection.is_handshaking() {
        let said = answer(&mut server, &std::mem::take(&mut out));
        counted(|| {
            let mut bytes = &said[..];
            while !bytes.is_empty() {
                connection.read_tls(&mut bytes).expect("memory");
                connection.process_new_packets().expect("an honest server");
            }
            while connection.wants_write() {
                connection.write_tls(&mut out).expect("memory");
            }
        });
    }
    let _ = connection.reader().read(&mut [0; 1]);
    counted(|| drop(connection));
}

/// A handshake by our legacy engine, from the hello on, and a line inside.
fn legacy(said: &[u8], pairs: &Arc<Pairs>) {
    let (mut plain, mut out) = (Vec::new(), Vec::new());
    counted(|| {
        let hello = hello(Profile::Legacy, Offer::Wide, None, [0x11; 32]);
        let mut engine = Engine::take_over(&hello[5..], [0x22; 32], Arc::clone(pairs));
        engine.receive(said, &mut out, &mut plain);
        assert_eq!(engine.state(), legacy::State::Established);
    });
    assert!(plain.ends_with(b"\n"));
}

fn main() {
    let client = Client::new(Offer::Wide).expect("a client");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(ROOT.to_vec())).expect("a root");
    // As the crate comes: its feature `prefer-post-quantum`, which we do not build, is one of its defaults.
    let kx_groups = vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1];
    let provider = CryptoProvider { kx_groups, ..default_provider() };
    let mut theirs = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    theirs.resumption = rustls::client::Resumption::disabled();
    let theirs = Arc::new(theirs);
    let mut fine = true;
    println!("{:<52} {:>9} {:>9} {:>7}", "client CPU of a full handshake, RSA-2048 chain", "ours", "defaults", "ratio");
    for (name, version, least) in [("TLS 1.3", &version::TLS13, RATIO_MIN), ("TLS 1.2 ECDHE", &version::TLS12, 1.0)] {
        let config = server(version);
        let ours = median(BATCH, || (0..BATCH).for_each(|_| ours(&client, &config)));
        let defaults = median(BATCH, || (0..BATCH).for_each(|_| defaults(&theirs, &config)));
        let ratio = defaults / ours;
        let verdict = if ratio >= least { "" } else { " TOO LITTLE" };
        fine &= ratio >= least;
        println!("{name:<52} {ours:>6.1} us {defaults:>6.1} us {ratio:>6.1}x{verdict}");
    }
    let pairs = Arc::new(Pairs::new([0x22; 32]).expect("a seed that does"));
    for (name, said) in LEGACY {
        let ours = median(BATCH, || (0..BATCH).for_each(|_| legacy(said, &pairs)));
        println!("{name:<52} {ours:>6.1} us");
    }
    let conversation = median(BATCH, || {
        let mut world = World::new(BATCH, Protocol::Smtp);
        SPENT.store(0, Ordering::Relaxed);
        world.run(Until::Goodbye);
        for host in 0..BATCH {
            world.say(host, GREETING.as_bytes());
            world.settle();
        }
        assert_eq!(world.complete, BATCH, "all came to their end");
    });
    let verdict = if conversation <= CONVERSATION_MAX_US { "ok" } else { "OVER" };
    fine &= conversation <= CONVERSATION_MAX_US;
    println!(
        "{:<52} {conversation:>6.1} us (limit {CONVERSATION_MAX_US} us: {verdict})",
        "engine, a whole SMTP conversation with STARTTLS"
    );
    let parts = PARTS.load(Ordering::Relaxed) / BATCH as u64;
    println!("  of that the clock itself, {parts} parts: {:.1} us", parts as f64 * clock());
    std::process::exit(i32::from(!fine));
}
