//! The house rules of `docs/ARCHITECTURE.md` that the compiler does not know: who may look at whom, and that
//! the pure rooms stay pure.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::path::{Path, PathBuf};

/// A room and the rooms it may use.
const ROOMS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("wire", &["base"]),
    ("targets", &["base"]),
    ("tcp", &["base", "wire"]),
    ("dialogue", &["base"]),
    ("tls", &["base"]),
    ("session", &["base", "dialogue", "tls", "targets"]),
    ("record", &["base"]),
    ("monitor", &["base", "wire", "targets", "tcp", "dialogue", "tls", "session", "record"]),
    ("scan", &["base", "wire", "targets", "tcp", "session", "record"]),
    ("nic", &["base"]),
    ("lane", &["base", "scan", "nic"]),
    ("sim", &["base", "wire", "targets", "tcp", "dialogue", "tls", "session", "record", "scan", "nic", "lane"]),
    ("verify", &["base", "record"]),
    ("output", &["base", "record"]),
    // It meets the dataset in its files, which DuckDB reads.
    ("report", &[]),
    (
        "app",
        &[
            "base", "wire", "targets", "tcp", "dialogue", "tls", "session", "record", "scan", "nic", "lane", "sim",
            "output", "verify", "report", "monitor",
        ],
    ),
    ("cli", &["base", "wire", "targets", "tcp", "record", "scan", "nic", "output", "sim", "app", "monitor"]),
    // A program of its own: the peer of the product, which shares with it the syntax of a prefix and nothing else.
    ("lab", &["targets"]),
];

/// Rooms without clock, socket, thread, file or randomness of the system.
const PURE: &[&str] =
    &["base", "wire", "targets", "tcp", "dialogue", "tls", "session", "record", "scan", "verify", "monitor", "sim"];
const IMPURE: &[&str] = &[
    "std::fs",
    "std::thread",
    "std::process",
    "std::env",
    "SystemTime",
    "std::time::Instant",
    "UdpSocket",
    "TcpStream",
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("tests") {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
    files
}

/// The code of a file: no comments, no tests.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let until_tests = text.split("#[cfg(test)]").next().unwrap();
    until_tests.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn room_of(path: &Path) -> String {
    let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    inside.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

#[test]
fn no_room_looks_at_one_it_may_not_know() {
    let mut edges = Vec::new();
    for path in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let room = room_of(&path);
        if ["lib", "main"].contains(&room.as_str()) {
            continue;
        }
        let (_, allowed) = ROOMS.iter().find(|(name, _)| *name == room).unwrap_or_else(|| panic!("no rule for {room}"));
        let code = code(&path).replace("starling::", "crate::");
        for used in code.split("crate::").skip(1) {
            let used: String = used.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
            let is_room = ROOMS.iter().any(|(name, _)| *name == used);
            if is_room && used != room && !allowed.contains(&used.as_str()) {
                edges.push(format!("{}: {room} -> {used}", path.display()));
            }
        }
    }
    assert!(edges.is_empty(), "{}", edges.join("\n"));
}

#[test]
fn pure_rooms_touch_no_clock_file_thread_or_socket() {
    let mut found = Vec::new();
    for path in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        if PURE.contains(&room_of(&path).as_str()) {
            let code = code(&path);
            found.extend(
                IMPURE.iter().filter(|word| code.contains(*word)).map(|word| format!("{}: {word}", path.display())),
            );
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn unsafe_stands_only_in_the_nic_room_and_the_lab_and_twice_beside() {
    for path in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        if !["nic", "lab"].contains(&room_of(&path).as_str()) {
            let code = code(&path);
            // Where the processor has been asked, probes are made in registers that not every one has; and what the C
            // library does with memory is said to it once.
            let may = usize::from(path.ends_with("base/wide.rs") || path.ends_with("app/heap.rs"));
            let count = code.matches("unsafe ").count();
            assert!(count == may && !code.contains("allow(unsafe_code"), "{}: {count}", path.display());
        }
    }
}

/// `eprintln!` and its kin panic when nobody listens any more.
#[test]
fn what_is_said_cannot_end_a_run() {
    let said: Vec<_> = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
        .into_iter()
        .filter(|path| {
            room_of(path) != "lab"
                && ["eprintln!(", "eprint!(", " println!(", " print!("].iter().any(|word| code(path).contains(word))
        })
        .collect();
    assert!(said.is_empty(), "{said:?}");
}
