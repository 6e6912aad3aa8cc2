//! What a connection costs in memory: a whole engine against hosts in memory, heap counted by the allocator.
//!
//! `cargo bench --bench memory` prints bytes per connection at three points of an SMTP conversation and fails if
//! a limit of the design is exceeded; `-- 1000000 20000` sets how many connections in the clear and inside TLS.
//! Counted is what the engine holds, in the chunks that glibc cuts (a header of eight bytes, multiples of sixteen):
//! connections, sessions, table and its index at full size, timers, the set of targets that answered. The hosts'
//! own memory is not counted. `resident` is the process as the kernel sees it, hosts included, so only the first
//! line of it says something.

#![allow(unsafe_code, reason = "a global allocator is unsafe to implement")]

mod hosts;

use hosts::{GREETING, Until, World, engine};
use starling::base::keyed::Key;
use starling::record::answer::Kind;
use starling::record::fold::Chains;
use starling::scan::answered::Answered;
use starling::session::Session;
use starling::targets::Target;
use starling::targets::ports::Protocol;
use starling::tcp::connection::Connection;
use starling::tls;
use std::alloc::{GlobalAlloc, Layout, System};
use std::mem::size_of;
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};
use std::time::{Duration, Instant};

/// The design's limits (section 6).
const LIMIT_CLEAR: usize = 1_024;
const LIMIT_TLS: usize = 12 * 1_024;
const LIMIT_IN_FLIGHT: usize = 1 << 30;
/// Millions of certificates in tens of megabytes.
const LIMIT_FINGERPRINT: f64 = 12.0;

/// Counts what is allocated while the engine runs.
struct Counting;

static HELD: AtomicIsize = AtomicIsize::new(0);
/// The most of it at a time.
static PEAK: AtomicIsize = AtomicIsize::new(0);
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
        let held = HELD.fetch_add(bytes, Ordering::Relaxed) + bytes;
        PEAK.fetch_max(held, Ordering::Relaxed);
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
        // While it is copied, both are there.
        count(chunk(size));
        count(-chunk(layout.size()));
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

/// A world that has nothing to say yet, and what an engine of one connection holds, such as the index over the address
/// space: that is not the connections'.
fn new_world(hosts: usize, protocol: Protocol) -> (World, usize) {
    let fixed = counted(|| engine(1, protocol));
    let base = held();
    counted(|| drop(fixed));
    (World::new(hosts, protocol), base)
}

/// Bytes held per connection.
fn per_connection(world: &World, base: usize) -> usize {
    assert_eq!(world.engine.open(), world.hosts.len() as u64, "all are open");
    (held() - base) / world.hosts.len()
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

/// Bytes that the fingerprints of `count` certificates take, by which each is stored once: at the end, and at most; the
/// process as the kernel sees it, to be held against its beginning; and the time that each takes.
fn fingerprints(count: usize) -> (usize, usize, usize, Duration) {
    let before = held();
    PEAK.store(HELD.load(Ordering::Relaxed), Ordering::Relaxed);
    let mut chains = counted(|| Chains::new(Key([1, 2])));
    let mut print = [0; 32];
    let begin = Instant::now();
    counted(|| {
        for number in 0..count as u64 {
            print[..8].copy_from_slice(&number.to_be_bytes());
            chains.recall_certificate(&print);
        }
    });
    let each = begin.elapsed() / u32::try_from(count).expect("a few million");
    let peak = usize::try_from(PEAK.load(Ordering::Relaxed)).expect("positive") - before;
    let taken = (held() - before, peak, resident(), each);
    counted(|| drop(chains));
    taken
}

fn main() {
    let mut fine = true;
    let begin = resident();
    for count in [1_000_000, 4_000_000] {
        let (bytes, peak, resident, time) = fingerprints(count);
        let [each, peak, resident] = [bytes, peak, resident - begin].map(|bytes| bytes as f64 / count as f64);
        let verdict = if peak <= LIMIT_FINGERPRINT { "ok" } else { "OVER" };
        fine &= peak <= LIMIT_FINGERPRINT;
        println!(
            "fingerprints of {count:>8} certificates: {:>7} KiB, {each:.1} bytes each, at most {peak:.1} (limit \
             {LIMIT_FINGERPRINT}: {verdict}), resident {resident:.1}, {time:.0?} each",
            bytes >> 10
        );
    }
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
    let (mut world, base) = new_world(clear, Protocol::Smtp);
    world.run(Until::SynAck);
    let resident = resident() - before;
    fine &= report("SYN-ACK taken, waiting for the greeting", clear, per_connection(&world, base), LIMIT_CLEAR);
    println!("{:<44} {:>7} bytes", "  resident, the hosts' own memory included", resident / clear);
    world.run(Until::Starttls);
    fine &= report("greeting and capabilities taken", clear, per_connection(&world, base), LIMIT_CLEAR);
    let total = held() - base;
    println!("{:<44} {:>7} MiB (limit {} MiB)", "  all together", total >> 20, LIMIT_IN_FLIGHT >> 20);
    fine &= total * 300_000 / clear.max(1) < LIMIT_IN_FLIGHT;
    let World { engine, .. } = world;
    counted(|| drop(engine));

    let (mut world, base) = new_world(clear, Protocol::XmppClient);
    world.run(Until::SynAck);
    fine &= report("XMPP: waiting for the server's stream", clear, per_connection(&world, base), LIMIT_CLEAR);
    let World { engine, .. } = world;
    counted(|| drop(engine));
    let (mut world, base) = new_world(clear, Protocol::XmppClient);
    world.run(Until::Starttls);
    fine &= report("XMPP: features taken", clear, per_connection(&world, base), LIMIT_CLEAR);
    let World { engine, .. } = world;
    counted(|| drop(engine));

    WHOLE.store(true, Ordering::Relaxed);
    let (mut world, base) = new_world(inside, Protocol::Smtp);
    let whole = HELD_WHOLE.load(Ordering::Relaxed);
    world.run(Until::Tls);
    for host in 0..inside {
        world.say(host, GREETING.as_bytes());
        world.settle();
    }
    assert!(world.hosts.iter().all(|host| host.inside), "all are inside TLS");
    fine &= report("inside TLS, waiting for capabilities", inside, per_connection(&world, base), LIMIT_TLS);
    let whole = usize::try_from(HELD_WHOLE.load(Ordering::Relaxed) - whole).unwrap_or(0);
    fine &= report("  by malloc's account, aws-lc's own included", inside, whole / inside, LIMIT_TLS);
    std::process::exit(i32::from(!fine));
}
