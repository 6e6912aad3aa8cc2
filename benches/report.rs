//! A synthetic census for the speed of `starling report`: `cargo bench --bench report -- FOLDER [HANDSHAKES CERTIFICATES]`.
//!
//! By the product's own writer, so that sizes on disk are those of a real one: rows with banners, mechanisms and chains, a
//! certificate on one address or on thousands, its DER as hard to compress as keys and signatures are.

#![allow(clippy::unwrap_used, reason = "a benchmark may stop at the first surprise")]

use starling::base::UtcMicros;
use starling::output::dataset::Dataset;
use starling::output::parquet::{Limits, PartWriter};
use starling::record::row::{Certificate, Chain, Handshake, Host, Prefix, Sha256, Verdict};
use starling::record::schema::Row;
use std::path::Path;

const START: UtcMicros = UtcMicros(1_795_442_462_000_000);
const DAY: i64 = 86_400_000_000;

/// Protocol, port, share of the targets in percent, and how many in a hundred of them come to TLS.
const SERVICES: [(&str, u16, u64, u64); 8] = [
    ("smtp", 25, 22, 60),
    ("submission", 587, 14, 70),
    ("imap", 143, 14, 70),
    ("imaps", 993, 14, 85),
    ("pop3", 110, 14, 65),
    ("pop3s", 995, 12, 80),
    ("xmpp-client", 5222, 5, 15),
    ("smtps", 465, 5, 75),
];

/// Splitmix64: enough for synthetic rows, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.next() % of.len() as u64).unwrap()]
    }
}

fn hash(number: u64, salt: u64) -> Sha256 {
    let mut random = Random(number ^ (salt << 48));
    let mut hash = [0; 32];
    hash.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&random.next().to_le_bytes()));
    hash
}

fn texts(words: &str) -> Vec<String> {
    words.split_whitespace().map(str::to_owned).collect()
}

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let Some(folder) = words.next() else {
        println!("needs a folder: cargo bench --bench report -- FOLDER [HANDSHAKES CERTIFICATES]");
        return;
    };
    let mut number = |default| words.next().map_or(default, |word| word.parse().unwrap());
    let (handshakes, certificates): (u64, u64) = (number(10_000_000), number(4_000_000));
    let folder = Path::new(&folder);
    let dataset = Dataset::create(folder, START).unwrap();
    write_certificates(&dataset, certificates);
    write_handshakes(&dataset, handshakes, certificates);
    let mut prefixes = dataset.part_writer::<Prefix>(Limits::default());
    for number in 0..50_000_u32 {
        let first_ip = number << 16;
        let prefix = format!("{}.{}.0.0/16", first_ip >> 24, (first_ip >> 16) & 255);
        let row = Prefix {
            first_ip,
            last_ip: first_ip | 0xffff,
            prefix,
            origin_as: Some(number % 30_000 + 1),
            ..Prefix::default()
        };
        prefixes.write(&row, START).unwrap();
    }
    prefixes.close().unwrap();
}

fn write_certificates(dataset: &Dataset, count: u64) {
    let mut random = Random(1);
    let mut rows = dataset.part_writer::<Certificate>(Limits::default());
    let mut chains = dataset.part_writer::<Chain>(Limits::default());
    let mut verdicts = dataset.part_writer::<Verdict>(Limits::default());
    for number in 0..count {
        let self_signed = number % 10 < 4;
        let issuer = number % 40;
        let cn = if number % 1_000 == 0 { "localhost".to_owned() } else { format!("mail.example-{number}.org") };
        let issuer_cn = if self_signed { cn.clone() } else { format!("CA {issuer}") };
        let dn = |cn: &str| format!("CN={cn},O=Organisation {issuer},C=US");
        let (key_type, key_bits, signature) = random.pick(&[
            ("RSA", 2048, "sha256WithRSAEncryption"),
            ("RSA", 4096, "sha256WithRSAEncryption"),
            ("EC", 256, "ecdsa-with-SHA384"),
            ("RSA", 1024, "sha1WithRSAEncryption"),
        ]);
        let days = random.pick(&[90, 90, 365, 825, 3650]);
        let der = (0..90).flat_map(|_| random.next().to_le_bytes()).collect();
        rows.write(
            &Certificate {
                sha256: hash(number, 1),
                first_seen: START,
                der,
                subject: Some(dn(&cn)),
                issuer: Some(dn(&issuer_cn)),
                names: vec![cn.clone(), format!("www.example-{number}.org")],
                subject_cn: Some(cn),
                issuer_cn: Some(issuer_cn),
                self_issued: Some(self_signed),
                serial: Some(format!("{:016x}", random.next())),
                version: Some(3),
                not_before: Some(UtcMicros(START.0 - 30 * DAY)),
                not_after: Some(UtcMicros(START.0 + (days - 30) * DAY)),
                key_type: Some(key_type.to_owned()),
                key_bits: Some(key_bits),
                key_curve: (key_type == "EC").then(|| "secp256r1".to_owned()),
                spki_sha256: Some(hash(number - number % 7 / 5, 2)),
                signature_algorithm: Some(signature.to_owned()),
                is_ca: Some(false),
                scts: Some(if self_signed { 0 } else { 2 }),
                ..Certificate::default()
            },
            START,
        )
        .unwrap();
        let mut presented = vec![hash(number, 1)];
        if !self_signed && number % 20 != 9 {
            presented.push(hash(issuer, 3));
        }
        chains.write(&Chain { chain_id: hash(number, 4), first_seen: START, certificates: presented }, START).unwrap();
        let missing = !self_signed && number % 20 == 9;
        let expired = number % 13 == 0;
        verdicts
            .write(
                &Verdict {
                    chain_id: hash(number, 4),
                    leaf_sha256: hash(number, 1),
                    verdict: if self_signed {
                        "self_signed"
                    } else if missing {
                        "missing_intermediate"
                    } else {
                        "valid"
                    },
                    valid: !self_signed && !missing && !expired,
                    self_signed,
                    unknown_root: self_signed,
                    missing_intermediate: missing,
                    expired,
                    at: START,
                    roots: "synthetic".to_owned(),
                    ..Verdict::default()
                },
                START,
            )
            .unwrap();
    }
    rows.close().unwrap();
    chains.close().unwrap();
    verdicts.close().unwrap();
    told(&rows, count);
}

fn write_handshakes(dataset: &Dataset, count: u64, certificates: u64) {
    let mut random = Random(2);
    let mut hosts = dataset.part_writer::<Host>(Limits::default());
    let mut rows = dataset.part_writer::<Handshake>(Limits::default());
    for number in 0..count {
        let (mut at, mut service) = (random.below(100), SERVICES[0]);
        for candidate in SERVICES {
            service = candidate;
            if at < candidate.2 {
                break;
            }
            at -= candidate.2;
        }
        let (protocol, port, _, secured) = service;
        // Addresses in a random order, each once for a port.
        #[expect(clippy::cast_possible_truncation, reason = "the low half of a product")]
        let ip = ((number + 1).wrapping_mul(2_654_435_761) as u32) & 0xbfff_ffff;
        let time = UtcMicros(START.0 + i64::try_from(number).unwrap() * 800);
        let ttl = random.pick(&[52, 113, 240]);
        hosts
            .write(
                &Host {
                    time,
                    ip,
                    port,
                    answer: "syn_ack",
                    ttl,
                    mss: Some(1460),
                    source_port: 61_000,
                    ..Host::default()
                },
                time,
            )
            .unwrap();
        let mut row = Handshake {
            time,
            ip,
            port,
            protocol,
            stage: "done",
            outcome: random.pick(&["no_starttls", "silent_after_synack", "tls_failed", "reset"]),
            duration_us: random.below(5_000_000),
            greeting_us: Some(random.below(200_000)),
            bytes_in: 3_000 + random.below(2_000),
            bytes_out: 800,
            segments_in: 12,
            segments_out: 11,
            banner: Some(format!("220 mail.example-{}.org ESMTP Postfix (Debian/GNU)", random.below(3_000_000))),
            software: Some("Postfix"),
            rung: "modern",
            ..Handshake::default()
        };
        if random.below(100) < secured {
            // Most certificates are on one address, a few on very many.
            let chain =
                if random.below(4) == 0 { random.below(64) * random.below(64) } else { random.below(certificates) };
            let (version, class, group) = random.pick(&[
                ("TLSv1.3", "ECDHE", Some("X25519MLKEM768")),
                ("TLSv1.3", "ECDHE", Some("x25519")),
                ("TLSv1.3", "ECDHE", Some("x25519")),
                ("TLSv1.2", "ECDHE", Some("secp256r1")),
                ("TLSv1.2", "ECDHE", Some("secp384r1")),
                ("TLSv1.2", "AES", None),
                ("TLSv1.0", "DHE", None),
            ]);
            row.outcome = "complete";
            row.starttls_offered = Some(true);
            row.starttls_accepted = Some(true);
            row.tls_version = Some(version);
            row.tls_cipher = Some("TLS_AES_256_GCM_SHA384".to_owned());
            row.tls_cipher_class = Some(class);
            row.tls_group = group.map(str::to_owned);
            row.tls_dh_bits = (class == "DHE").then(|| random.pick(&[1024, 2048, 2048]));
            row.rung = if version == "TLSv1.0" { "legacy" } else { "modern" };
            row.chain_id = Some(hash(chain, 4));
            row.leaf_sha256 = Some(hash(chain, 1));
            row.capabilities_after =
                texts("PIPELINING SIZE ETRN AUTH ENHANCEDSTATUSCODES 8BITMIME DSN SMTPUTF8 CHUNKING");
            row.auth_after = texts(random.pick(&[
                "PLAIN LOGIN",
                "PLAIN LOGIN",
                "PLAIN",
                "LOGIN PLAIN CRAM-MD5",
                "SCRAM-SHA-256 PLAIN",
            ]));
            if row.rung == "legacy" {
                let failed = Handshake {
                    rung: "modern",
                    outcome: "tls_failed",
                    tls_version: None,
                    chain_id: None,
                    leaf_sha256: None,
                    ..row.clone()
                };
                rows.write(&failed, time).unwrap();
            }
        }
        rows.write(&row, time).unwrap();
    }
    hosts.close().unwrap();
    rows.close().unwrap();
    told(&rows, count);
}

fn told<R: Row>(writer: &PartWriter<R>, count: u64) {
    println!("{}: {} rows in {} parts, {count} asked for", R::TABLE.name, writer.rows(), writer.parts());
}
