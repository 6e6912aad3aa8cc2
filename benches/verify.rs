//! `starling verify` on millions: `cargo bench --bench verify -- FOLDER [CERTIFICATES]` writes a dataset of so many distinct
//! certificates and chains (a million), has the program judge it, and prints what that took: time, CPU, memory at most.
//!
//! Certificates are real, and all signatures true, P-256: of ten chains six are complete, one lacks its intermediate, three
//! are self-signed. Of the dataset's bytes most are keys and signatures, as in a census.

#![allow(clippy::unwrap_used, reason = "a benchmark may stop at the first surprise")]

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use nix::sys::resource::{Usage, UsageWho, getrusage};
use starling::base::UtcMicros;
use starling::output::dataset::Dataset;
use starling::output::manifest::write_manifest;
use starling::output::parquet::Limits;
use starling::record::certificate::{digest, sha256};
use starling::record::row::{Certificate, Chain};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// 2026-11-23.
const START: UtcMicros = UtcMicros(1_795_442_462_000_000);
const INTERMEDIATES: u64 = 500;

/// A value of DER (X.690) with its tag and length.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let length = match u8::try_from(body.len()) {
        Ok(short @ 0..=127) => vec![short],
        _ => [&[0x82][..], &u16::try_from(body.len()).unwrap().to_be_bytes()].concat(),
    };
    [&[tag][..], &length, &body].concat()
}

/// A name with a common name only.
fn name(common: &str) -> Vec<u8> {
    let attribute = der(0x30, &[&[6, 3, 0x55, 4, 3], &der(0x0c, &[common.as_bytes()])]);
    der(0x30, &[&der(0x31, &[&attribute])])
}

/// Certificates, and the keys they are made with.
struct Maker {
    random: SystemRandom,
    serial: u64,
}

fn key() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap()
}

impl Maker {
    /// A certificate of `subject` for the key, signed by `issuer`; of a CA, or of a server.
    fn make(&mut self, subject: &str, public: &[u8], issuer: (&str, &EcdsaKeyPair), ca: bool) -> Vec<u8> {
        self.serial += 1;
        let algorithm = der(0x30, &[&[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]]);
        let ids = [&[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1][..], &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]];
        let spki = der(0x30, &[&der(0x30, &ids), &der(3, &[&[0], public])]);
        let validity = der(0x30, &[&der(0x17, &[b"250101000000Z"]), &der(0x17, &[b"350101000000Z"])]);
        let extension = |id: u8, value: &[u8]| der(0x30, &[&[6, 3, 0x55, 29, id], &der(4, &[value])]);
        let constraints = if ca { der(0x30, &[&[1, 1, 0xff]]) } else { der(0x30, &[]) };
        let names = der(0x30, &[&der(0x82, &[subject.as_bytes()])]);
        let extensions = der(0x30, &[&extension(19, &constraints), &extension(17, &names)]);
        let body = der(
            0x30,
            &[
                &[0xa0, 3, 2, 1, 2],
                &der(2, &[&[1], &self.serial.to_be_bytes()]),
                &algorithm,
                &name(issuer.0),
                &validity,
                &name(subject),
                &spki,
                &der(0xa3, &[&extensions]),
            ],
        );
        let signature = issuer.1.sign(&self.random, &body).unwrap();
        der(0x30, &[&body, &algorithm, &der(3, &[&[0], signature.as_ref()])])
    }
}

/// Writes the dataset; gives its root.
fn write(folder: &Path, count: u64) -> Vec<u8> {
    let dataset = Dataset::create(folder, START).unwrap();
    let mut certificates = dataset.part_writer::<Certificate>(Limits::default());
    let mut chains = dataset.part_writer::<Chain>(Limits::default());
    let mut maker = Maker { random: SystemRandom::new(), serial: 0 };
    let (root_key, leaf_key) = (key(), key());
    let public = |key: &EcdsaKeyPair| key.public_key().as_ref().to_vec();
    let root = maker.make("Root", &public(&root_key), ("Root", &root_key), true);
    let middles: Vec<_> = (0..INTERMEDIATES)
        .map(|number| {
            let (subject, key) = (format!("Intermediate {number}"), key());
            let made = maker.make(&subject, &public(&key), ("Root", &root_key), true);
            certificates.write(&digest(&made, START), START).unwrap();
            (subject, key, sha256(&made))
        })
        .collect();
    for number in 0..count {
        let subject = format!("mail{number}.example.org");
        let (issuer, key, print) = &middles[usize::try_from(number % INTERMEDIATES).unwrap()];
        let own = (subject.as_str(), &leaf_key);
        let by = if number % 10 < 3 { own } else { (issuer.as_str(), key) };
        let made = maker.make(&subject, &public(&leaf_key), by, false);
        certificates.write(&digest(&made, START), START).unwrap();
        let leaf = sha256(&made);
        let prints = if number % 10 < 4 { vec![leaf] } else { vec![leaf, *print] };
        let chain = Chain { chain_id: sha256(prints.as_flattened()), first_seen: START, certificates: prints };
        chains.write(&chain, START).unwrap();
    }
    certificates.close().unwrap();
    chains.close().unwrap();
    write_manifest(folder, &serde_json::json!({ "state": "complete" })).unwrap();
    root
}

fn pem(der: &[u8]) -> String {
    let (text, mut bits) = (b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", String::new());
    for part in der.chunks(3) {
        let number =
            part.iter().fold(0_usize, |number, byte| number << 8 | usize::from(*byte)) << (8 * (3 - part.len()));
        for place in 0..4 {
            let digit = char::from(text[number >> (18 - 6 * place) & 63]);
            bits.push(if place <= part.len() { digit } else { '=' });
        }
    }
    let lines: Vec<&str> = bits.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

fn seconds(usage: &Usage) -> f64 {
    let [user, system] = [usage.user_time(), usage.system_time()];
    [user, system].iter().map(|time| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6).sum()
}

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let Some(folder) = words.next() else {
        println!("needs a folder: cargo bench --bench verify -- FOLDER [CERTIFICATES]");
        return;
    };
    let count: u64 = words.next().map_or(1_000_000, |word| word.parse().unwrap());
    let folder = Path::new(&folder);
    let root = write(folder, count);
    let roots = folder.join("root.pem");
    std::fs::write(&roots, pem(&root)).unwrap();
    let mut verify = Command::new(env!("CARGO_BIN_EXE_starling"));
    verify.arg("verify").arg("--roots").arg(&roots).arg(folder);
    let (begin, before) = (Instant::now(), getrusage(UsageWho::RUSAGE_CHILDREN).unwrap());
    let output = verify.stderr(Stdio::inherit()).output().unwrap();
    let (took, usage) = (begin.elapsed().as_secs_f64(), getrusage(UsageWho::RUSAGE_CHILDREN).unwrap());
    assert!(output.status.success(), "starling verify failed");
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    let share =
        |word: &str, tenths: u64| assert!(text.contains(&format!("{word:<30} {:>10}", count / 10 * tenths)), "{word}");
    share("valid", 6);
    share("missing_intermediate", 1);
    share("self_signed", 3);
    let cpu = seconds(&usage) - seconds(&before);
    println!(
        "{count} chains: {took:.1} s, {cpu:.1} s of CPU ({:.0} us a chain), {} MiB at most",
        cpu * 1e6 / count as f64,
        usage.max_rss() >> 10
    );
}
