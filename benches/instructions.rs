//! The hot path in instructions, counted by callgrind: the same on a busy machine as on a quiet one.
//!
//! `cargo bench --bench instructions` prints each piece beside the kept baseline (`benches/instructions.txt`) and fails
//! if one costs a twentieth more; `-- --save` keeps what was counted as the new baseline.

mod pieces;

use pieces::PIECES;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode};

/// Items of the shorter of two runs, whose difference is free of what starting costs.
const ITEMS: u64 = 20_000;
const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.txt");
/// A twentieth more is a change.
const TOLERANCE: f64 = 0.05;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [run, name, items] = arguments.as_slice()
        && run == "--run"
    {
        run_piece(name, items.parse().expect("a number"));
        return ExitCode::SUCCESS;
    }
    let counted: Vec<(&str, f64)> = PIECES.iter().map(|(name, _)| (*name, instructions(name))).collect();
    let kept = baseline();
    let mut worse = false;
    println!("{:44} {:>12} {:>12} {:>8}", "instructions per item", "now", "baseline", "change");
    for (name, now) in &counted {
        match kept.get(*name) {
            Some(before) => {
                let change = now / before - 1.0;
                worse |= change > TOLERANCE;
                println!("{name:44} {now:12.1} {before:12.1} {:+7.1}%", change * 100.0);
            }
            None => println!("{name:44} {now:12.1} {:>12} {:>8}", "-", "-"),
        }
    }
    if arguments.iter().any(|argument| argument == "--save") {
        let lines: String = counted.iter().map(|(name, now)| format!("{now:.1} {name}\n")).collect();
        std::fs::write(BASELINE, lines).expect("the baseline can be written");
        println!("kept in {BASELINE}");
        return ExitCode::SUCCESS;
    }
    if worse { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn run_piece(name: &str, items: u64) {
    let (_, make) = PIECES.iter().find(|(known, _)| *known == name).expect("a known piece");
    make()(items);
}

/// Instructions of one item.
fn instructions(name: &str) -> f64 {
    let [once, twice] = [ITEMS, 2 * ITEMS].map(|items| collected(name, items));
    (twice - once) as f64 / ITEMS as f64
}

/// Instructions of a process that does so many items.
fn collected(name: &str, items: u64) -> u64 {
    let this = std::env::current_exe().expect("this program has a name");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(this)
        .args(["--run", name, &items.to_string()])
        .output()
        .expect("valgrind is installed: run scripts/setup");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let line = text.lines().find_map(|line| line.split_once("Collected :")).expect("callgrind counts");
    line.1.trim().parse().expect("a number")
}

fn baseline() -> BTreeMap<String, f64> {
    let text = std::fs::read_to_string(Path::new(BASELINE)).unwrap_or_default();
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.filter_map(|(count, name)| Some((name.to_owned(), count.parse().ok()?))).collect()
}
