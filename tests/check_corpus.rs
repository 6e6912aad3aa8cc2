//! Holds the observers against conversations and banners of third parties, with facts that others established:
//! `scripts/check-corpus FOLDER`. Of the folder are read `pcap_dialogues.json` and `expected.json` (plain text of
//! captures, and what tshark and others see in it), `banners/mailkit_capabilities.json`,
//! `banners/imap_capability_cases.json` and `banners/recog_examples.json`; and every capture itself, which the monitor reads
//! (`check_corpus/captures.rs`): its rows are held against `expected.json`, their totals against `expected_aggregates.json`, and
//! against `zeek_baseline_rows.json`. The inputs in `hostile/` are replayed through it.
//!
//! `certs/` has chains and certificates with what openssl says of them, and the cases of x509-limbo.
//!
//! Each conversation goes through its observer whole, byte by byte and in odd pieces, and must give the same findings.

#![allow(clippy::unwrap_used, reason = "a check may stop at the first surprise")]

#[path = "check_corpus/aggregates.rs"]
mod aggregates;
#[path = "check_corpus/certs.rs"]
mod certs;
#[path = "check_corpus/hostile.rs"]
mod hostile;
#[path = "check_corpus/limbo.rs"]
mod limbo;
#[path = "check_corpus/captures.rs"]
mod monitored;
#[path = "check_corpus/zeek.rs"]
mod zeek;

use serde_json::Value;
use starling::dialogue::imap::Imap;
use starling::dialogue::irc::Irc;
use starling::dialogue::pop3::Pop3;
use starling::dialogue::smtp::Smtp;
use starling::dialogue::software::software;
use starling::dialogue::{Direction, Findings, Observe, Start};
use std::path::Path;

/// A conversation: who said what.
type Parts = Vec<(Direction, Vec<u8>)>;

fn main() {
    let Some(folder) = std::env::args().nth(1).filter(|argument| !argument.starts_with('-')) else {
        eprintln!("which folder? Next step: scripts/check-corpus ../shared/corpus");
        std::process::exit(2);
    };
    let folder = Path::new(&folder);
    let mut report = Report::default();
    captures(folder, &mut report);
    recorded_lists(folder, &mut report);
    capability_cases(folder, &mut report);
    banners(folder, &mut report);
    certs::facts(folder, &mut report);
    certs::chains(folder, &mut report);
    limbo::cases(folder, &mut report);
    let pairs = monitored::captures(folder, &mut report);
    aggregates::totals(folder, &pairs, &mut report);
    zeek::rows(folder, &mut report);
    hostile::hostile(folder, &mut report);
    std::process::exit(i32::from(report.wrong > 0));
}

#[derive(Default)]
struct Report {
    right: usize,
    wrong: usize,
    /// Of the parts before.
    wrong_before: usize,
    explained: usize,
}

impl Report {
    /// A fact of something that has a name.
    fn fact(&mut self, name: &str, what: &str, found: &str, expected: &str) {
        self.fact_or(name, what, found, expected, None);
    }

    /// A fact that may differ for a reason; whether it does.
    fn fact_or(&mut self, name: &str, what: &str, found: &str, expected: &str, reason: Option<&str>) -> bool {
        if found == expected {
            self.right += 1;
            return false;
        }
        let reason = reason.or_else(|| monitored::listed(name, what));
        let counter = if reason.is_some() { &mut self.explained } else { &mut self.wrong };
        *counter += 1;
        let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
        println!("{name}: {what} is {found:?}, others say {expected:?}{reason}");
        !reason.is_empty()
    }

    /// A disagreement with a reason.
    fn explained(&mut self, name: &str, reason: &str) {
        self.explained += 1;
        println!("{name}: differs: {reason}");
    }

    fn part(&mut self, name: &str) {
        let (right, wrong, explained) = (self.right, self.wrong - self.wrong_before, self.explained);
        println!("{name}: {right} facts agree, {wrong} do not, {explained} differ for a reason");
        (self.right, self.wrong_before, self.explained) = (0, self.wrong, 0);
    }
}

fn read(folder: &Path, name: &str) -> Value {
    let path = folder.join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| {
        eprintln!("{}: {error}. Next step: name the folder of the corpus", path.display());
        std::process::exit(2);
    });
    serde_json::from_str(&text).unwrap()
}

/// Text in which each byte is one character.
fn bytes(text: &str) -> Vec<u8> {
    text.chars().flat_map(|c| u8::try_from(c).map_or_else(|_| c.to_string().into_bytes(), |byte| vec![byte])).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn words(value: &Value) -> String {
    let words: Vec<&str> = value.as_array().unwrap().iter().map(text).collect();
    words.join(" ")
}

/// What the observer of `protocol` finds in a conversation; `None` if there is none for it.
fn observe(protocol: &str, parts: &Parts) -> Option<Findings> {
    Some(match protocol {
        "smtp" | "submission" => any_split(|| Smtp::new(Start::Clear), parts),
        "imap" => any_split(|| Imap::new(Start::Clear), parts),
        "pop3" => any_split(|| Pop3::new(Start::Clear), parts),
        "irc" => any_split(|| Irc::new(Start::Clear), parts),
        _ => return None,
    })
}

fn any_split<O: Observe>(new: impl Fn() -> O, parts: &Parts) -> Findings {
    let feed = |size: usize| {
        let mut observer = new();
        for (from, bytes) in parts {
            bytes.chunks(size).for_each(|piece| observer.bytes(*from, piece));
        }
        observer.into_findings()
    };
    let whole = feed(usize::MAX);
    for size in [1, 2, 7, 100] {
        assert_eq!(feed(size), whole, "in pieces of {size}: {parts:?}");
    }
    whole
}

fn captures(folder: &Path, report: &mut Report) {
    let dialogues = read(folder, "pcap_dialogues.json");
    let expected = read(folder, "expected.json");
    for row in expected.as_array().unwrap() {
        let (file, stream) = (text(&row["file"]), row["stream"].to_string());
        let stream = stream.trim_matches('"');
        let Some(said) = dialogues[file][stream].as_array() else { continue };
        let from = |side: &Value| if text(side) == "c" { Direction::Client } else { Direction::Server };
        let parts: Parts = said.iter().map(|part| (from(&part[0]), bytes(text(&part[1])))).collect();
        let Some(found) = observe(text(&row["protocol"]), &parts) else { continue };
        let name = format!("{file} {stream}");
        // What does not begin with the protocol's own first bytes, and what lacks a side, is not for an observer.
        let notes = text(&row["notes"]);
        let sides = [Direction::Client, Direction::Server].map(|side| parts.iter().any(|(from, _)| *from == side));
        if notes.contains("mid-connection") || notes.contains("tunnel") || sides != [true, true] {
            continue;
        }
        if row["starttls_offered"].is_boolean() {
            report.fact(&name, "what breaks the protocol", &format!("{:?}", found.violation), "None");
        }
        let offered = row["starttls_offered"].as_bool();
        if offered == Some(false) && found.upgrade.offered.is_none() {
            println!("{name}: the list has no end, so that STARTTLS is not in it stays open");
        } else if let Some(offered) = offered {
            report.fact(
                &name,
                "STARTTLS offered",
                &format!("{:?}", found.upgrade.offered),
                &format!("{:?}", Some(offered)),
            );
        }
        if let Some(requested) = row["starttls_requested"].as_bool() {
            report.fact(&name, "STARTTLS requested", &found.upgrade.sent.to_string(), &requested.to_string());
        }
        let reply = found.upgrade.reply.as_deref().unwrap_or_default();
        // What is not text is written in escapes there.
        if !text(&row["starttls_reply"]).starts_with('\\') {
            report.fact(&name, "reply to STARTTLS", reply, text(&row["starttls_reply"]));
        }
        let auth: Vec<&str> = found.before.auth.iter().collect();
        report.fact(&name, "mechanisms", &auth.join(" "), text(&row["auth_mechanisms"]));
    }
    report.part("captures");
}

/// A reply as it would stand in a conversation: the greeting, or the answer to a query.
fn conversation(protocol: &str, reply: &str) -> Parts {
    let is_list = match protocol {
        "imap" => !["* OK", "* PREAUTH", "* BYE"].iter().any(|status| reply.starts_with(status)),
        "pop3" => reply.contains("\n.\n"),
        _ => reply.starts_with("250"),
    };
    let (greeting, query) = match protocol {
        "imap" => ("* OK hi\r\n", "A######## CAPABILITY\r\n"),
        "pop3" => ("+OK hi\r\n", "CAPA\r\n"),
        _ => ("220 hi\r\n", "EHLO x\r\n"),
    };
    let mut parts = Vec::new();
    if is_list {
        parts.push((Direction::Server, greeting.into()));
        parts.push((Direction::Client, query.into()));
    }
    parts.push((Direction::Server, bytes(&reply.replace('\n', "\r\n"))));
    parts
}

fn recorded_lists(folder: &Path, report: &mut Report) {
    for case in read(folder, "banners/mailkit_capabilities.json").as_array().unwrap() {
        let (protocol, name) = (text(&case["protocol"]), text(&case["source"]));
        let found = observe(protocol, &conversation(protocol, text(&case["text"]))).unwrap();
        let list: Vec<&str> = found.before.list.iter().collect();
        let auth: Vec<&str> = found.before.auth.iter().collect();
        report.fact(name, "what breaks the protocol", &format!("{:?}", found.violation), "None");
        report.fact(name, "list", &list.join(" "), &words(&case["capabilities"]));
        report.fact(name, "mechanisms", &auth.join(" "), &words(&case["auth_mechanisms"]));
        let offered = found.upgrade.offered == Some(true);
        report.fact(name, "STARTTLS", &offered.to_string(), &case["starttls"].to_string());
        report.fact(name, "APOP", &found.apop.to_string(), &case["apop_challenge"].to_string());
    }
    report.part("recorded lists");
}

fn capability_cases(folder: &Path, report: &mut Report) {
    for case in read(folder, "banners/imap_capability_cases.json").as_array().unwrap() {
        let reply = text(&case["response"]).replace("\r\n", "\n");
        let found = observe("imap", &conversation("imap", &reply)).unwrap();
        let list: Vec<String> = found.before.list.iter().map(str::to_ascii_uppercase).collect();
        report.fact(text(&case["id"]), "list", &list.join(" "), &words(&case["expected_capabilities"]));
    }
    report.part("capability responses");
}

/// The software that banners name: where our table knows it, it must be the one that others see there.
fn banners(folder: &Path, report: &mut Report) {
    let mut silent = 0;
    for case in read(folder, "banners/recog_examples.json").as_array().unwrap() {
        if !["smtp_banners", "imap_banners", "pop_banners"].contains(&text(&case["db"])) {
            continue;
        }
        let greeting = Some(text(&case["text"]).into());
        let Some(found) = software(&Findings { greeting, ..Findings::default() }) else {
            silent += 1;
            continue;
        };
        let expected = &case["expected"];
        let said = ["service.product", "service.family", "service.vendor"].map(|key| text(&expected[key])).join(", ");
        let first = found.name.split(' ').next().unwrap().to_lowercase();
        let name = format!("{} {}", text(&case["id"]), text(&case["text"]));
        let agrees = said.to_lowercase().contains(&first);
        report.fact(&name, "software", if agrees { &said } else { found.name }, &said);
        if let (Some(found), Some(said)) = (found.version, expected["service.version"].as_str()) {
            // Either may have a patch level more.
            let agrees = found.contains(said) || said.starts_with(&found);
            report.fact(&name, "version", if agrees { said } else { &found }, said);
        }
    }
    println!("banners that name nothing of our table: {silent}");
    report.part("banners");
}
