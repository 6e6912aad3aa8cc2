//! A small world: twelve addresses that were scanned, a network that was listened to.

use starling::base::UtcMicros;
use starling::output::dataset::Dataset;
use starling::output::parquet::Limits;
use starling::record::row::{Certificate, Chain, Connection, Handshake, Host, Prefix, Sha256, Verdict};
use starling::record::schema::Row;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub(crate) const START: UtcMicros = UtcMicros(1_795_442_462_000_123);
const DAY: i64 = 86_400_000_000;

/// Runs `starling report` with these words.
pub(crate) fn report(words: &[&str]) -> Output {
    let duckdb = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/duckdb");
    let mut command = Command::new(env!("CARGO_BIN_EXE_starling"));
    command.arg("report").args(words).current_dir("/");
    if duckdb.is_file() {
        command.arg("--duckdb").arg(duckdb);
    }
    command.output().unwrap()
}

/// Has DuckDB do something to files.
pub(crate) fn duckdb(sql: &str) {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/duckdb");
    let output = Command::new(program).args(["-init", "/dev/null", ":memory:", sql]).output().unwrap();
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What it printed; it must have gone well.
pub(crate) fn printed(words: &[&str]) -> String {
    let output = report(words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A dataset with the rows of both worlds, or of one of them.
pub(crate) fn dataset(folder: &Path, scanned: bool, monitored: bool) -> PathBuf {
    let dataset = Dataset::create(folder, START).unwrap();
    if scanned {
        write(&dataset, &hosts());
        write(&dataset, &handshakes());
        write(&dataset, &prefixes());
    }
    if monitored {
        write(&dataset, &connections());
    }
    if scanned || monitored {
        write(&dataset, &certificates());
        write(&dataset, &chains());
        write(&dataset, &verdicts());
    }
    dataset.root().to_owned()
}

pub(crate) fn write<R: Row>(dataset: &Dataset, rows: &[R]) {
    let mut writer = dataset.part_writer::<R>(Limits::default());
    for row in rows {
        writer.write(row, START).unwrap();
    }
    writer.close().unwrap();
}

fn hash(letter: char) -> Sha256 {
    [letter as u8; 32]
}

fn texts(words: &str) -> Vec<String> {
    words.split_whitespace().map(str::to_owned).collect()
}

const NET: u32 = 0x0a00_0000;
const MONITORED: u32 = 0xc000_0200;

fn hosts() -> Vec<Host> {
    let host = |last: u32, port: u16, answer| Host { time: START, ip: NET + last, port, answer, ..Host::default() };
    let syn_acks =
        [(1, 25), (2, 25), (3, 25), (4, 25), (5, 25), (1, 587), (2, 587), (3, 587), (1, 993), (2, 993), (1, 143)];
    let mut hosts: Vec<_> = syn_acks.iter().map(|(last, port)| host(*last, *port, "syn_ack")).collect();
    hosts.extend([host(2, 143, "syn_ack"), host(1, 5222, "syn_ack"), host(6, 25, "rst")]);
    hosts
}

/// A connection that came to TLS.
fn secured(
    last: u32,
    port: u16,
    protocol: &'static str,
    tls: (&'static str, &'static str, &str),
    chain: char,
) -> Handshake {
    let (version, class, group) = tls;
    Handshake {
        time: START,
        ip: NET + last,
        port,
        protocol,
        outcome: "complete",
        greeting_us: Some(1_000),
        tls_version: Some(version),
        tls_cipher_class: Some(class),
        tls_group: (!group.is_empty()).then(|| group.to_owned()),
        chain_id: Some(hash(chain.to_ascii_lowercase())),
        leaf_sha256: Some(hash(chain)),
        rung: "modern",
        ..Handshake::default()
    }
}

fn failed(last: u32, port: u16, protocol: &'static str, outcome: &'static str) -> Handshake {
    Handshake { time: START, ip: NET + last, port, protocol, outcome, rung: "modern", ..Handshake::default() }
}

fn handshakes() -> Vec<Handshake> {
    let (offered, accepted) = (Some(true), Some(true));
    let modern = ("TLSv1.3", "ECDHE", "X25519MLKEM768");
    vec![
        Handshake {
            starttls_offered: offered,
            starttls_accepted: accepted,
            software: Some("Postfix"),
            capabilities_after: texts("PIPELINING SMTPUTF8 CHUNKING REQUIRETLS"),
            ..secured(1, 25, "smtp", modern, 'A')
        },
        Handshake {
            starttls_offered: offered,
            starttls_accepted: accepted,
            capabilities_after: texts("PIPELINING STARTTLS"),
            ..secured(2, 25, "smtp", ("TLSv1.2", "ECDHE", "secp256r1"), 'B')
        },
        // Asked twice: today's offer fails, an older one does not.
        Handshake { starttls_offered: offered, starttls_accepted: accepted, ..failed(3, 25, "smtp", "tls_failed") },
        Handshake {
            starttls_offered: offered,
            starttls_accepted: accepted,
            tls_dh_bits: Some(1024),
            rung: "legacy",
            ..secured(3, 25, "smtp", ("TLSv1.0", "DHE", ""), 'B')
        },
        Handshake { starttls_offered: Some(false), greeting_us: Some(9), ..failed(4, 25, "smtp", "no_starttls") },
        failed(5, 25, "smtp", "silent_after_synack"),
        Handshake {
            starttls_offered: offered,
            starttls_accepted: accepted,
            auth_after: texts("PLAIN LOGIN"),
            ..secured(1, 587, "submission", ("TLSv1.2", "AES", ""), 'C')
        },
        Handshake {
            starttls_offered: offered,
            starttls_accepted: accepted,
            auth_after: texts("SCRAM-SHA-256 PLAIN"),
            ..secured(2, 587, "submission", ("TLSv1.3", "DHE", "ffdhe2048"), 'A')
        },
        Handshake {
            starttls_offered: offered,
            starttls_accepted: accepted,
            auth_after: texts("LOGIN PLAIN"),
            ..secured(3, 587, "submission", ("TLSv1.3", "ECDHE", "x25519"), 'D')
        },
        failed(1, 993, "imaps", "tls_failed"),
        Handshake { rung: "legacy", ..failed(1, 993, "imaps", "tls_failed") },
        Handshake { rung: "ssl3", auth_after: texts("PLAIN"), ..secured(1, 993, "imaps", ("SSLv3", "RC4", ""), 'D') },
        Handshake {
            auth_after: texts("PLAIN LOGIN XOAUTH2"),
            tls_alpn: Some("imap".to_owned()),
            tls_ocsp: Some(true),
            tls_ocsp_status: Some("good"),
            tls_scts: Some(2),
            ..secured(2, 993, "imaps", ("TLSv1.3", "ECDHE", "x25519"), 'E')
        },
        Handshake {
            starttls_offered: offered,
            starttls_accepted: accepted,
            starttls_injected: 12,
            capabilities_before: texts("IMAP4rev1 STARTTLS LoginDisabled"),
            ..secured(1, 143, "imap", ("TLSv1.2", "ECDHE", "secp256r1"), 'A')
        },
        Handshake {
            starttls_offered: offered,
            starttls_accepted: Some(false),
            capabilities_before: texts("IMAP4rev1 STARTTLS"),
            greeting_us: Some(9),
            software: Some("Dovecot"),
            ..failed(2, 143, "imap", "starttls_refused")
        },
        Handshake {
            starttls_offered: offered,
            starttls_accepted: accepted,
            ..secured(1, 5222, "xmpp-client", ("TLSv1.3", "ECDHE", "x25519"), 'B')
        },
    ]
}

/// A certificate by name, issuer, key (its letter and kind), days of validity and signature.
fn certificate(letter: char, names: (&str, &str), key: (char, &str, u32), days: i64, signature: &str) -> Certificate {
    let (subject, issuer) = names;
    let name = |text: &str| text.split(',').find_map(|part| part.strip_prefix("CN=")).map(str::to_owned);
    Certificate {
        sha256: hash(letter),
        first_seen: START,
        subject: Some(subject.to_owned()),
        subject_cn: name(subject),
        issuer: Some(issuer.to_owned()),
        issuer_cn: name(issuer),
        self_issued: Some(subject == issuer),
        not_before: Some(START),
        not_after: Some(UtcMicros(START.0 + days * DAY)),
        key_type: Some(key.1.to_owned()),
        key_bits: Some(key.2),
        key_curve: (key.1 == "EC").then(|| "secp256r1".to_owned()),
        spki_sha256: Some(hash(key.0)),
        signature_algorithm: Some(signature.to_owned()),
        scts: Some(0),
        ..Certificate::default()
    }
}

fn certificates() -> Vec<Certificate> {
    let (rsa, long) = ("sha256WithRSAEncryption", ("CN=R3,O=Let's Encrypt,C=US", "CN=Root,O=ISRG,C=US"));
    let tor = ("CN=www.abcdefgh234567.com", "CN=www.hgfedcba765432.net");
    vec![
        Certificate { scts: Some(2), ..certificate('A', ("CN=mx.example.org", long.0), ('1', "RSA", 2048), 90, rsa) },
        certificate('B', ("CN=localhost", "CN=localhost"), ('2', "RSA", 1024), 3650, "sha1WithRSAEncryption"),
        certificate('C', ("CN=old.example.org", long.0), ('3', "EC", 256), 90, "ecdsa-with-SHA256"),
        // The key of A once more, and an issuer with a comma in its name.
        certificate('D', ("CN=www.update.microsoft.com", "CN=x,O=Evil\\, Inc"), ('1', "RSA", 2048), 1000, rsa),
        certificate('E', ("CN=imap.example.org", "CN=Old Root"), ('5', "Ed25519", 256), 365, rsa),
        certificate('I', long, ('6', "RSA", 2048), 1000, rsa),
        certificate('T', tor, ('7', "RSA", 1024), 365, rsa),
    ]
}

fn chains() -> Vec<Chain> {
    // A chain has the name of its leaf in lower case; A was presented with its intermediate, C with that and a root.
    let chain = |certificates: &str| Chain {
        chain_id: hash(certificates.chars().next().unwrap().to_ascii_lowercase()),
        first_seen: START,
        certificates: certificates.chars().map(hash).collect(),
    };
    ["AI", "B", "CIB", "D", "E", "T"].map(chain).into()
}

fn verdicts() -> Vec<Verdict> {
    let verdict = |letter: char, verdict| Verdict {
        chain_id: hash(letter.to_ascii_lowercase()),
        leaf_sha256: hash(letter),
        verdict,
        at: START,
        roots: "test".to_owned(),
        ..Verdict::default()
    };
    vec![
        Verdict { valid: true, ..verdict('A', "valid") },
        Verdict { self_signed: true, unknown_root: true, weak_sha1: true, ..verdict('B', "self_signed") },
        Verdict { expired: true, ..verdict('C', "expired") },
        Verdict { missing_intermediate: true, expired: true, ..verdict('D', "missing_intermediate") },
        Verdict { valid: true, issued_by_root_directly: true, weak_rsa: true, ..verdict('E', "valid") },
        Verdict { unknown_root: true, ..verdict('T', "unknown_root") },
    ]
}

fn prefixes() -> Vec<Prefix> {
    let prefix = |first: u32, last: u32, asn| Prefix {
        first_ip: NET + first,
        last_ip: NET + last,
        prefix: "10.0.0.0/8".to_owned(),
        origin_as: Some(asn),
        ..Prefix::default()
    };
    let beyond = |first: u32, last: u32, asn| Prefix {
        first_ip: MONITORED + first,
        last_ip: MONITORED + last,
        ..prefix(0, 0, asn)
    };
    vec![prefix(0, 2, 64500), prefix(3, 3, 64501), beyond(0, 1, 64502), beyond(2, 2, 64501)]
}

/// A connection to `192.0.2.last` in the clear, with a list of capabilities or without.
fn clear(last: u32, port: u16, protocol: &'static str, offered: Option<bool>) -> Connection {
    Connection {
        time: START,
        client_ip: "10.9.9.9".to_owned(),
        server_ip: format!("192.0.2.{last}"),
        server_ipv4: Some(MONITORED + last),
        server_port: port,
        protocol,
        recognised: "port",
        starttls_offered: offered,
        ..Connection::default()
    }
}

/// Makes it a connection that came to TLS, with a chain that was seen, or hidden.
fn upgraded(clear: Connection, tls: (&str, &'static str, &str), chain: Option<char>) -> Connection {
    Connection {
        established: Some(true),
        resumed: Some(false),
        certificates: Some(if chain.is_some() { "seen" } else { "hidden" }),
        tls_version: Some(tls.0.to_owned()),
        tls_cipher_class: Some(tls.1),
        tls_group: (!tls.2.is_empty()).then(|| tls.2.to_owned()),
        tls_ocsp: chain.map(|_| false),
        chain_id: chain.map(|letter| hash(letter.to_ascii_lowercase())),
        leaf_sha256: chain.map(hash),
        ..clear
    }
}

fn connections() -> Vec<Connection> {
    let yes = Some(true);
    let (curve, hidden) = (("TLSv1.2", "ECDHE", "secp256r1"), ("TLSv1.3", "ECDHE", "x25519"));
    let to_smtp = || upgraded(clear(1, 25, "smtp", yes), curve, Some('A'));
    let to_tor = || upgraded(clear(9, 993, "imaps", None), curve, Some('T'));
    let with_auth = |connection| Connection { auth_before: texts("PLAIN LOGIN"), ..connection };
    let list = |words, connection| Connection { capabilities_before: texts(words), ..connection };
    vec![
        to_smtp(),
        to_smtp(),
        to_smtp(),
        upgraded(clear(2, 25, "smtp", yes), ("TLSv1.0", "AES", ""), Some('B')),
        clear(3, 25, "smtp", Some(false)),
        with_auth(upgraded(clear(1, 587, "submission", yes), hidden, None)),
        Connection { auth_clear: Some("PLAIN"), ..with_auth(clear(1, 587, "submission", yes)) },
        upgraded(clear(2, 587, "submission", yes), hidden, None),
        upgraded(clear(2, 587, "submission", yes), hidden, None),
        list("IMAP4rev1 LOGINDISABLED", upgraded(clear(4, 143, "imap", yes), ("TLSv1.2", "RC4", ""), Some('A'))),
        Connection { auth_clear: Some("LOGIN command"), ..list("IMAP4rev1", clear(5, 143, "imap", Some(false))) },
        Connection {
            tls_dh_bits: Some(768),
            tls_ocsp: yes,
            ..upgraded(clear(1, 993, "imaps", None), ("SSLv3", "DHE", ""), Some('A'))
        },
        Connection { client_alpn: texts("h2 imap"), ..upgraded(clear(6, 993, "imaps", None), curve, Some('A')) },
        to_tor(),
        to_tor(),
    ]
}
