//! The production engine in simulated worlds: hundreds of seeds, each a world with its own faults and hosts.
//!
//! `STARLING_SEED=n` replays one seed and prints its events if it fails; `STARLING_SEEDS=n` runs so many.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use starling::session::Outcome;
use starling::sim::swarm::Swarm;
use starling::sim::world::World;
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Seeds run by default, from 0.
const SEEDS: u64 = 500;
/// Lines of events shown of a seed that fails.
const LINES: usize = 200_000;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

fn run(seed: u64, verbose: bool) -> World {
    let mut world = World::new(Swarm::from_seed(seed), verbose).unwrap();
    world.run();
    world
}

fn report(seed: u64, world: &World) -> String {
    let mut text = String::new();
    for line in world.trace().lines().iter().rev().take(LINES).rev() {
        writeln!(text, "{line}").unwrap();
    }
    writeln!(text, "seed {seed}:").unwrap();
    for violation in world.violations() {
        writeln!(text, "  {violation}").unwrap();
    }
    write!(
        text,
        "  replay: STARLING_SEED={seed} cargo test --test sim, or starling scan --nic sim:{seed} -o census-{seed}"
    )
    .unwrap();
    text
}

/// Runs the seeds on all processors; gives the reports of those that failed.
fn failures(seeds: &[u64]) -> Vec<String> {
    let next = AtomicU64::new(0);
    let found = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap()) {
                    let world = run(*seed, false);
                    if !world.violations().is_empty() {
                        found.lock().unwrap().push((*seed, report(*seed, &world)));
                    }
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap();
    found.sort();
    found.into_iter().map(|(_, report)| report).collect()
}

#[test]
fn no_seed_breaks_a_rule() {
    if let Some(seed) = number("STARLING_SEED") {
        let world = run(seed, true);
        assert!(world.violations().is_empty(), "{}", report(seed, &world));
        return;
    }
    let count = number("STARLING_SEEDS").unwrap_or(SEEDS);
    let seeds: Vec<u64> = (0..count).collect();
    let failures = failures(&seeds);
    let shown = failures.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(failures.is_empty(), "{} of {} seeds failed\n{shown}", failures.len(), seeds.len());
}

#[test]
fn what_is_blocked_in_mid_run_is_left_alone() {
    let (mut skipped, mut reset, mut answers, mut waiting) = (0, 0, 0, 0);
    for seed in 0..120 {
        let mut world = World::new(Swarm::from_seed(seed), false).unwrap();
        // At another moment of each: every other /30, a quarter of which is free again later.
        let moment = 200 * (1 + seed % 7);
        let list = |keep: u32| {
            let net = 0xc612_0000;
            let ranges = (0..1_024)
                .filter(|block| block % 2 == 0 && block % 8 != keep)
                .map(|block| (net + block * 4, net + block * 4 + 3));
            std::sync::Arc::new(starling::targets::cidr::AddressSet::new(ranges.collect()))
        };
        for _ in 0..moment {
            world.advance();
        }
        waiting += world.engine().waiting();
        world.block(list(1));
        for _ in 0..moment {
            world.advance();
        }
        world.block(list(0));
        world.run();
        assert!(world.violations().is_empty(), "blocked after {moment} events: {}", report(seed, &world));
        let ledger = world.engine().ledger();
        skipped += ledger.blocked_since;
        answers += ledger.blocked_answers;
        reset += world.engine().outcomes().of(Outcome::Blocked);
    }
    assert!(skipped > 1_000 && reset > 50 && answers > 10 && waiting > 10, "{skipped} {reset} {answers} {waiting}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in [1, 2, 3, 4] {
        let (one, two) = (run(seed, false), run(seed, true));
        assert_eq!(one.trace().digest(), two.trace().digest(), "seed {seed}");
        assert!(one.trace().events() > 0 && one.now() == two.now());
        assert_eq!(one.engine().ledger(), two.engine().ledger());
    }
    assert!(run(1, false).trace().digest() != run(2, false).trace().digest());
}

#[test]
fn the_program_scans_a_world_without_root_and_writes_the_same_dataset_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let scan = |name: &str, more: &[&str]| {
        let output = folder.path().join(name);
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_starling"));
        command.args(["scan", "-q", "--nic", "sim:42", "-o"]).arg(&output).args(more);
        let run = command.output().unwrap();
        let said = String::from_utf8(run.stderr).unwrap();
        assert_eq!(run.status.code(), Some(0), "{said}");
        assert!(said.contains("simulated world 42:") && said.contains("no rule broken"), "{said}");
        let manifest = std::fs::read_to_string(output.join("run.json")).unwrap();
        (said, serde_json::from_str::<serde_json::Value>(&manifest).unwrap())
    };
    let (said, manifest) = scan("one", &[]);
    let (again, _) = scan("two", &[]);
    assert_eq!(said, again, "the digest among them");
    assert_eq!((manifest["state"].as_str(), manifest["link"]["simulated"].as_u64()), (Some("complete"), Some(42)));
    assert_eq!(manifest["rows"]["hosts"], manifest["ledger"]["answers"]);
    assert!(manifest["rows"]["handshakes"].as_u64().unwrap() > 10);
    let world = run(42, false);
    assert!(said.contains(&format!("{:016x}", world.trace().digest())), "the test and the program run the same world");

    let (_, manifest) = scan("other", &["-p", "smtp,https", "198.18.0.0/26"]);
    assert_eq!(manifest["config"]["targets"].as_u64(), Some(128));
}
