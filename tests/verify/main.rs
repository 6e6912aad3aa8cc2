//! Verdicts on chains of every kind, beside those of `openssl verify`; and `starling verify` on a dataset.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod dataset;
mod hostile;
mod pki;

use pki::{CA, LEAF, Made, Pki, WITH_SHA256, WITH_SHA384, Wish};
use starling::base::UtcMicros;
use starling::record::certificate::sha256;
use starling::record::row::{Sha256, Verdict};
use starling::verify::facts::Facts;
use starling::verify::store::Store;
use starling::verify::{Judge, Presented};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

const DAY: i64 = 86_400;

/// Seconds since the UNIX epoch: openssl makes certificates that begin now.
fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

fn facts(der: &[u8]) -> Option<Arc<Facts>> {
    Facts::read(Arc::from(der)).map(Arc::new)
}

fn store(ders: &[&Made]) -> Store {
    let mut store = Store::default();
    for made in ders {
        store.add(facts(&made.der).unwrap());
    }
    store
}

fn presented(chain: &[&Made]) -> (Sha256, Vec<Presented>) {
    let prints: Vec<Sha256> = chain.iter().map(|made| sha256(&made.der)).collect();
    let id = sha256(prints.as_flattened());
    (id, chain.iter().map(|made| (sha256(&made.der), facts(&made.der))).collect())
}

fn judged(chain: &[&Made], roots: &[&Made], pool: &[&Made], at: i64) -> Verdict {
    let (roots, pool) = (store(roots), store(pool));
    let (id, chain) = presented(chain);
    Judge::new(&roots, "test", &pool).judge(id, &chain, UtcMicros(at * 1_000_000))
}

/// What is set in a verdict, in words.
fn flags(verdict: &Verdict) -> String {
    let all = [
        (verdict.valid, "valid"),
        (verdict.self_signed, "self_signed"),
        (verdict.expired, "expired"),
        (verdict.not_yet_valid, "not_yet_valid"),
        (verdict.unknown_root, "unknown_root"),
        (verdict.missing_intermediate, "missing_intermediate"),
        (verdict.bad_signature, "bad_signature"),
        (verdict.issued_by_root_directly, "direct"),
        (verdict.completed, "completed"),
        (verdict.in_order, "in_order"),
        (verdict.weak_md5, "md5"),
        (verdict.weak_sha1, "sha1"),
        (verdict.weak_rsa, "rsa"),
        (verdict.weak_v1, "v1"),
    ];
    let problems = verdict.problems.iter().map(String::as_str);
    assert_eq!(verdict.other, !verdict.problems.is_empty());
    all.iter().filter(|(is, _)| *is).map(|(_, name)| *name).chain(problems).collect::<Vec<_>>().join(" ")
}

/// A case: name, chain, what else others presented, days from now, the flags, and the error of openssl, which sees what
/// was presented only.
struct Case<'a>(&'a str, Vec<&'a Made>, Vec<&'a Made>, i64, &'a str, u32);

#[test]
fn chains_of_every_kind_are_judged_as_openssl_judges_them() {
    let pki = Pki::new();
    let ca = |subject, options| Wish { subject, extensions: CA, options, ..Wish::default() };
    let long = "-sha256 -days 3650";
    let leaf = |options| Wish { options, ..Wish::default() };
    let with = |extensions| Wish { extensions, ..Wish::default() };
    let rsa = |bits: u32| format!("-algorithm RSA -pkeyopt rsa_keygen_bits:{bits}");
    let (rsa_512, rsa_1024, rsa_2048) = (rsa(512), rsa(1024), rsa(2048));

    let root = pki.make(&Wish { key: &rsa_2048, ..ca("/O=Trust/CN=Root", long) }, None);
    let middle = pki.make(&ca("/O=Trust/CN=Middle", long), Some(&root));
    let good = pki.make(&leaf("-sha256 -days 10"), Some(&middle));
    let direct = pki.make(&leaf(long), Some(&root));
    let other_root = pki.make(&ca("/O=Private/CN=Root", long), None);
    let private = pki.make(&leaf(long), Some(&other_root));
    let lone = pki.make(&leaf("-sha256 -days 10"), None);
    let lone_ca = pki.make(&Wish { extensions: CA, ..leaf(long) }, None);
    let lone_v1 = pki.make(&with(""), None);
    let v1 = pki.make(&with(""), Some(&middle));
    let old_root = pki.make(&Wish { key: &rsa_1024, extensions: "", ..ca("/CN=Old Root", "-sha1 -days 3650") }, None);
    let of_old_root = pki.make(&Wish { key: &rsa_1024, ..leaf("-sha1 -days 3650") }, Some(&old_root));
    let weak = pki.make(&Wish { key: &rsa_512, ..ca("/CN=Weak", "-md5 -days 3650") }, Some(&root));
    let md5 = pki.make(&leaf("-md5 -days 3650"), Some(&weak));
    let big_middle = pki.make(&Wish { key: &rsa_1024, ..ca("/CN=SHA-384", long) }, Some(&root));
    let sha384 = pki.make(&leaf("-sha384 -days 3650"), Some(&big_middle));
    let pss_options = "-sha256 -days 3650 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:20";
    let pss = pki.make(&leaf(pss_options), Some(&root));
    let p521 = pki.make(
        &Wish { key: "-algorithm EC -pkeyopt ec_paramgen_curve:P-521", ..ca("/CN=P-521", "-sha1 -days 3650") },
        Some(&root),
    );
    let of_p521 = pki.make(&leaf("-sha384 -days 3650"), Some(&p521));
    let p384 =
        pki.make(&Wish { key: "-algorithm EC -pkeyopt ec_paramgen_curve:P-384", ..ca("/CN=P-384", long) }, Some(&root));
    let of_p384 = pki.make(&leaf("-sha1 -days 3650"), Some(&p384));
    let short = pki.make(&leaf("-sha512 -days 3650"), Some(&middle));
    let ed = pki.make(&Wish { key: "-algorithm ED25519", ..ca("/CN=Ed", long) }, Some(&root));
    let of_ed = pki.make(&leaf("-days 3650"), Some(&ed));
    let brainpool = "-algorithm EC -pkeyopt ec_paramgen_curve:brainpoolP256r1";
    let brain = pki.make(&Wish { key: brainpool, ..ca("/CN=Brainpool", long) }, Some(&root));
    let of_brain = pki.make(&leaf(long), Some(&brain));
    let spoiled = pki.spoiled(&good);
    let spoiled_lone = pki.spoiled(&lone);
    let no_ca = pki.make(&Wish { subject: "/CN=No CA", ..leaf(long) }, Some(&root));
    let of_no_ca = pki.make(&leaf(long), Some(&no_ca));
    let narrow = "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=keyCertSign\nsubjectKeyIdentifier=hash\n";
    let first = pki.make(&Wish { extensions: narrow, ..ca("/CN=Narrow", long) }, Some(&root));
    let second = pki.make(&ca("/CN=Below", long), Some(&first));
    let below = pki.make(&leaf(long), Some(&second));
    let constraints = |line: &str| format!("{CA}nameConstraints=critical,{line}\n");
    let (only_org, not_example) = (constraints("permitted;DNS:example.org"), constraints("excluded;DNS:example"));
    let allows = constraints("permitted;DNS:example,permitted;IP:198.18.0.0/255.255.0.0");
    let to_org = pki.make(&Wish { extensions: &only_org, ..ca("/CN=Org", long) }, Some(&root));
    let of_org = pki.make(&leaf(long), Some(&to_org));
    let not_ours = pki.make(&Wish { extensions: &not_example, ..ca("/CN=Not", long) }, Some(&root));
    let of_not = pki.make(&leaf(long), Some(&not_ours));
    let ours = pki.make(&Wish { extensions: &allows, ..ca("/CN=Ours", long) }, Some(&root));
    let of_ours = pki.make(&leaf(long), Some(&ours));
    let strange = format!("{LEAF}1.2.3.4.5=critical,ASN1:NULL\n");
    let critical = pki.make(&with(&strange), Some(&middle));
    let purpose = |words: &str| format!("{LEAF}{words}\n");
    let (for_clients, for_both) =
        (purpose("extendedKeyUsage=clientAuth"), purpose("extendedKeyUsage=clientAuth,serverAuth"));
    let for_lists = purpose("keyUsage=cRLSign");
    let client = pki.make(&with(&for_clients), Some(&middle));
    let server = pki.make(&with(&for_both), Some(&middle));
    let signs = pki.make(&with(&for_lists), Some(&middle));
    let mute = pki.make(
        &Wish { extensions: "basicConstraints=CA:TRUE\nkeyUsage=cRLSign\n", ..ca("/CN=Mute", long) },
        Some(&root),
    );
    let of_mute = pki.make(&leaf(long), Some(&mute));
    let other_key = format!("{LEAF}authorityKeyIdentifier=DER:30:06:80:04:01:02:03:04\n");
    let misnamed = pki.make(&with(&other_key), Some(&middle));
    // The same name and key, once by itself and once by the trusted root.
    let crossed = pki.again(&ca("/O=Private/CN=Root", long), &other_root, Some(&root));
    // The same name in other letters, in another type of string, with more space.
    let spelled = pki.again(&ca("/O=TRUST /CN=middle", long), &middle, Some(&root));

    let disguised = pki.altered(&good, &middle, [WITH_SHA256, WITH_SHA384]);
    // A CA that says once that it is one, and once that it is none; and a leaf with two lists of names.
    // (openssl writes no extension twice, so the second one begins as another.)
    let two_minds = format!("{CA}2.5.29.99=DER:30:00\n");
    let torn = pki.make(&Wish { extensions: &two_minds, ..ca("/CN=Torn", long) }, Some(&middle));
    let of_torn = pki.make(&leaf(long), Some(&torn));
    let torn = pki.altered(&torn, &middle, [&[0x55, 0x1d, 99], &[0x55, 0x1d, 19]]);
    let two_lists = format!("{LEAF}2.5.29.99=DER:30:0b:82:09:62:2e:65:78:61:6d:70:6c:65\n");
    let twice = pki.make(&with(&two_lists), Some(&middle));
    let twice = pki.altered(&twice, &middle, [&[0x55, 0x1d, 99], &[0x55, 0x1d, 17]]);
    // Limits that cannot be read: a key usage that is a NULL, and a network of three octets.
    let no_usage = "basicConstraints=critical,CA:TRUE\n2.5.29.15=DER:05:00\n";
    let blurred = pki.make(&Wish { extensions: no_usage, ..ca("/CN=Blurred", long) }, Some(&root));
    let of_blurred = pki.make(&leaf(long), Some(&blurred));
    let no_network = format!("{CA}2.5.29.30=DER:30:09:a1:07:30:05:87:03:c6:12:00\n");
    let astray = pki.make(&Wish { extensions: &no_network, ..ca("/CN=Astray", long) }, Some(&root));
    let of_astray = pki.make(&with("subjectAltName=IP:198.18.0.1\n"), Some(&astray));

    let roots = [&root, &old_root];
    let none = Vec::new;
    let cases = [
        Case("complete", vec![&good, &middle], none(), 1, "valid in_order", 0),
        Case("with its root", vec![&good, &middle, &root], none(), 1, "valid in_order", 0),
        Case("unordered, with others", vec![&good, &other_root, &root, &middle], none(), 1, "valid", 0),
        Case("direct", vec![&direct], none(), 1, "valid direct in_order", 0),
        Case("an intermediate spelled in another way", vec![&good, &spelled], none(), 1, "valid in_order", 0),
        Case("the root alone", vec![&root], none(), 1, "in_order key_usage", 26),
        Case("another key named", vec![&misnamed, &middle], none(), 1, "valid in_order", 20),
        Case("missing", vec![&good], none(), 1, "unknown_root missing_intermediate in_order", 20),
        Case("missing, others have it", vec![&good], vec![&middle], 1, "missing_intermediate completed in_order", 20),
        Case("expired", vec![&good, &middle], none(), 20, "expired in_order", 10),
        Case(
            "expired and missing",
            vec![&good],
            vec![&middle],
            20,
            "expired missing_intermediate completed in_order",
            20,
        ),
        Case("not yet", vec![&good, &middle], none(), -20, "not_yet_valid in_order", 9),
        Case("self-signed", vec![&lone], none(), 1, "self_signed in_order", 18),
        Case("self-signed, expired", vec![&lone], none(), 20, "self_signed expired in_order", 18),
        Case("self-signed CA", vec![&lone_ca], none(), 1, "self_signed in_order key_usage", 18),
        Case("self-signed, version 1", vec![&lone_v1], none(), 1, "self_signed in_order v1", 18),
        Case("private root sent", vec![&private, &other_root], none(), 1, "unknown_root in_order", 19),
        Case("private root not sent", vec![&private], none(), 1, "unknown_root missing_intermediate in_order", 20),
        Case(
            "private root sent by others",
            vec![&private],
            vec![&other_root],
            1,
            "unknown_root missing_intermediate completed in_order",
            20,
        ),
        Case("crossed", vec![&private, &crossed], none(), 1, "valid in_order", 0),
        Case("both ways", vec![&private, &other_root, &crossed], none(), 1, "valid in_order", 19),
        Case(
            "crossed by others",
            vec![&private, &other_root],
            vec![&crossed],
            1,
            "missing_intermediate completed in_order",
            19,
        ),
        Case("bad signature", vec![&spoiled, &middle], none(), 1, "bad_signature", 7),
        Case("bad signature by itself", vec![&spoiled_lone], none(), 1, "bad_signature in_order", 18),
        Case("version 1", vec![&v1, &middle], none(), 1, "valid in_order v1", 0),
        Case("old root", vec![&of_old_root], none(), 1, "valid direct in_order sha1 rsa v1", 0),
        Case("MD5, RSA 512", vec![&md5, &weak], none(), 1, "valid in_order md5 rsa", 0),
        Case("RSA 1024 with SHA-384", vec![&sha384, &big_middle], none(), 1, "valid in_order rsa", 0),
        Case("RSA-PSS, another salt", vec![&pss], none(), 1, "valid direct in_order", 0),
        Case("P-521", vec![&of_p521, &p521], none(), 1, "valid in_order sha1", 0),
        Case("P-384 with SHA-1", vec![&of_p384, &p384], none(), 1, "valid in_order sha1", 0),
        Case("P-256 with SHA-512", vec![&short, &middle], none(), 1, "valid in_order", 0),
        Case("Ed25519", vec![&of_ed, &ed], none(), 1, "valid in_order", 0),
        Case("brainpool", vec![&of_brain, &brain], none(), 1, "in_order algorithm", 0),
        Case("intermediate that is no CA", vec![&of_no_ca, &no_ca], none(), 1, "in_order not_a_ca", 79),
        Case("path length", vec![&below, &second, &first], none(), 1, "in_order path_length", 25),
        Case("name not permitted", vec![&of_org, &to_org], none(), 1, "in_order name_constraints", 47),
        Case("name excluded", vec![&of_not, &not_ours], none(), 1, "in_order name_constraints", 48),
        Case("name permitted", vec![&of_ours, &ours], none(), 1, "valid in_order", 0),
        Case("unknown critical extension", vec![&critical, &middle], none(), 1, "in_order critical_extension", 34),
        Case("for clients", vec![&client, &middle], none(), 1, "in_order extended_key_usage", 26),
        Case("for both", vec![&server, &middle], none(), 1, "valid in_order", 0),
        Case("key usage of a leaf", vec![&signs, &middle], none(), 1, "in_order key_usage", 26),
        Case("key usage of an issuer", vec![&of_mute, &mute], none(), 1, "in_order key_usage", 79),
        Case("another algorithm inside", vec![&disguised, &middle], none(), 1, "bad_signature", 7),
        Case("both CA and none", vec![&of_torn, &torn, &middle], none(), 1, "in_order unclear_extension", 20),
        Case("two lists of names", vec![&twice, &middle], none(), 1, "in_order unclear_extension", 20),
        Case("key usage that cannot be read", vec![&of_blurred, &blurred], none(), 1, "in_order unclear_extension", 20),
        Case("a network that is none", vec![&of_astray, &astray], none(), 1, "in_order name_constraints", 53),
    ];
    let now = now();
    let mut wrong = Vec::new();
    for Case(name, chain, pool, days, expected, error) in &cases {
        let at = now + days * DAY;
        let verdict = judged(chain, &roots, pool, at);
        let (found, theirs) = (flags(&verdict), pki.verify(chain, &roots, at));
        if found != *expected || theirs != *error {
            wrong.push(format!("{name}: {found:?}, not {expected:?}; openssl {theirs}, not {error}"));
        }
        if word_of(theirs).contains(&verdict.verdict) == DIFFERENT.contains(name) {
            wrong.push(format!("{name}: {} beside openssl's {theirs}", verdict.verdict));
        }
        assert_eq!(verdict.path[0], sha256(&chain[0].der), "{name}");
    }
    // Once more by the program, all in a dataset: what completes a chain may now be in another.
    let soon: Vec<_> = cases.iter().filter(|case| case.3 == 1).collect();
    let chains: Vec<&[&Made]> = soon.iter().map(|case| &case.1[..]).collect();
    let words = dataset::words(&chains, &pki.bundle("trusted.pem", &roots), now + DAY);
    println!("{:<45} {:<22} openssl", "chain", "starling verify");
    for (Case(name, .., error), word) in soon.iter().zip(words) {
        let equal = word_of(*error).contains(&word.as_str());
        println!("{name:<45} {word:<22} {error:<7} {}", if equal { "equal" } else { "differs: docs/VERDICTS.md" });
        if equal == DIFFERENT.contains(name) {
            wrong.push(format!("{name}: {word} beside openssl's {error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Where openssl says something else; docs/VERDICTS.md says why.
const DIFFERENT: &[&str] = &[
    "another key named",
    "both ways",
    "bad signature by itself",
    "brainpool",
    "both CA and none",
    "two lists of names",
    "key usage that cannot be read",
];

/// The words that an error of openssl stands for.
fn word_of(error: u32) -> &'static [&'static str] {
    match error {
        0 => &["valid"],
        7 => &["bad_signature"],
        9 => &["not_yet_valid"],
        10 => &["expired"],
        18 => &["self_signed"],
        19 => &["unknown_root", "missing_intermediate"],
        20 => &["unknown_root", "missing_intermediate"],
        _ => &["other"],
    }
}
