//! Certificates made by the `openssl` program, compared column by column with what was asked for and with
//! what `openssl x509` itself prints.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use proptest::prelude::*;

use super::*;

const SEEN: UtcMicros = UtcMicros(42);

/// A folder in which openssl works.
struct Forge(tempfile::TempDir);

impl Forge {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs `openssl` with words separated by spaces, then with `more` words as they are. Its output.
    fn openssl(&self, words: &str, more: &[&str]) -> String {
        let output =
            Command::new("openssl").args(words.split_whitespace()).args(more).current_dir(self.path()).output();
        let output = output.expect("no openssl program. Next step: scripts/setup");
        assert!(output.status.success(), "openssl {words}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn key(&self, options: &str) {
        self.openssl(&format!("genpkey -out key.pem {options}"), &[]);
    }

    /// A self-signed certificate for `key.pem`.
    fn self_signed(&self, subject: &str, options: &str, more: &[&str]) -> Vec<u8> {
        let words = format!("req -x509 -utf8 -key key.pem -days 30 -outform DER -out cert.der {options} -subj");
        self.openssl(&words, &[&[subject], more].concat());
        self.der("cert.der")
    }

    fn der(&self, name: &str) -> Vec<u8> {
        fs::read(self.path().join(name)).unwrap()
    }

    /// What `openssl x509` says about `cert.der` after `=`.
    fn says(&self, option: &str) -> String {
        let text = self.openssl(&format!("x509 -inform DER -in cert.der -noout {option}"), &[]);
        text.split_once('=').unwrap().1.trim().to_owned()
    }

    /// An extension of `cert.der` that is hex pairs, as `openssl x509` prints it.
    fn extension(&self, name: &str) -> String {
        let text = self.openssl(&format!("x509 -inform DER -in cert.der -noout -ext {name}"), &[]);
        text.lines().nth(1).unwrap().trim().replace(':', "").to_lowercase()
    }
}

/// The time of `notBefore` or `notAfter` as openssl prints it in ISO form.
fn micros(text: &str) -> UtcMicros {
    let text = text.trim_end_matches('Z').replace(' ', "T");
    let parsed = arrow::compute::kernels::cast_utils::string_to_timestamp_nanos(&text).unwrap();
    UtcMicros(parsed / 1_000)
}

/// The example that the mutations start from: every extension that has a column.
fn example() -> &'static [u8] {
    static EXAMPLE: OnceLock<Vec<u8>> = OnceLock::new();
    EXAMPLE.get_or_init(|| {
        let forge = Forge::new();
        forge.key("-algorithm EC -pkeyopt ec_paramgen_curve:P-256");
        forge.self_signed(
            "/C=DE/O=Example, Inc./CN=mail.example.org",
            "-sha256 -set_serial 0x00c0ffee",
            &["-addext", "subjectAltName=DNS:mail.example.org,IP:198.18.0.1,IP:2001:db8::1,email:a@b.example"],
        )
    })
}

#[test]
fn every_column_of_a_self_signed_certificate() {
    let forge = Forge::new();
    forge.key("-algorithm RSA -pkeyopt rsa_keygen_bits:2048");
    let der = forge.self_signed(
        "/C=DE/ST=Bavaria/O=Example, Inc./OU=a\\+b/CN=mail.example.org/emailAddress=post@example.org",
        "-sha384 -set_serial 0x00c0ffee00112233",
        &[
            "-addext",
            "subjectAltName=DNS:mail.example.org,DNS:*.example.org,IP:198.18.0.1,email:a@b.example,\
             IP:2001:db8::1,URI:https://e.example",
            "-addext",
            "extendedKeyUsage=serverAuth,1.3.6.1.5.5.7.3.17",
            "-addext",
            "certificatePolicies=2.23.140.1.2.1,1.3.6.1.4.1.44947.1.1.1",
            "-addext",
            "tlsfeature=status_request",
            "-addext",
            "1.3.6.1.4.1.11129.2.4.2=DER:04:09:00:07:00:02:aa:bb:00:01:cc",
        ],
    );
    forge.openssl("pkey -in key.pem -pubout -outform DER -out spki.der", &[]);
    let subject = "emailAddress=post@example.org,CN=mail.example.org,OU=a\\+b,O=Example\\, Inc.,ST=Bavaria,C=DE";
    assert_eq!(forge.says("-subject -nameopt RFC2253"), subject, "openssl's RFC 2253 is our RFC 4514");
    let key_id = forge.extension("subjectKeyIdentifier");
    let names = ["mail.example.org", "*.example.org", "198.18.0.1", "2001:db8::1"];
    let expected = Certificate {
        sha256: sha256(&der),
        first_seen: SEEN,
        der: der.clone(),
        subject: Some(subject.to_owned()),
        subject_cn: Some("mail.example.org".to_owned()),
        issuer: Some(subject.to_owned()),
        issuer_cn: Some("mail.example.org".to_owned()),
        self_issued: Some(true),
        names: names.map(str::to_owned).to_vec(),
        serial: Some("c0ffee00112233".to_owned()),
        version: Some(3),
        not_before: Some(micros(&forge.says("-startdate -dateopt iso_8601"))),
        not_after: Some(micros(&forge.says("-enddate -dateopt iso_8601"))),
        key_type: Some("RSA".to_owned()),
        key_bits: Some(2048),
        key_curve: None,
        spki_sha256: Some(sha256(&forge.der("spki.der"))),
        signature_algorithm: Some("sha384WithRSAEncryption".to_owned()),
        is_ca: Some(true),
        subject_key_id: Some(key_id.clone()),
        authority_key_id: Some(key_id),
        extended_key_usage: vec!["serverAuth".to_owned(), "1.3.6.1.5.5.7.3.17".to_owned()],
        policies: vec!["2.23.140.1.2.1".to_owned(), "1.3.6.1.4.1.44947.1.1.1".to_owned()],
        scts: Some(2),
        must_staple: Some(true),
        parse_error: None,
    };
    assert_eq!(digest(&der, SEEN), expected);
    let fingerprint = forge.says("-fingerprint -sha256").replace(':', "").to_lowercase();
    assert_eq!(hex(&expected.sha256), fingerprint);
    assert_eq!(expected.not_after.unwrap().0 - expected.not_before.unwrap().0, 30 * 86_400_000_000);
}

#[test]
fn a_leaf_issued_by_a_ca() {
    let forge = Forge::new();
    forge.key("-algorithm EC -pkeyopt ec_paramgen_curve:P-384");
    forge.self_signed("/CN=Root", "-sha384", &[]);
    forge.openssl("x509 -inform DER -in cert.der -out ca.pem", &[]);
    fs::rename(forge.path().join("key.pem"), forge.path().join("ca.key")).unwrap();
    forge.key("-algorithm ED25519");
    forge.openssl("req -new -key key.pem -out leaf.csr -subj /CN=leaf", &[]);
    fs::write(forge.path().join("leaf.ext"), "basicConstraints=critical,CA:FALSE\n").unwrap();
    let sign = "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -sha384 -days 1 -outform DER -out";
    forge.openssl(&format!("{sign} cert.der -extfile leaf.ext"), &[]);
    let leaf = digest(&forge.der("cert.der"), SEEN);
    assert_eq!(leaf.parse_error, None);
    assert_eq!(leaf.version, Some(3));
    assert_eq!((leaf.subject.as_deref(), leaf.issuer.as_deref()), (Some("CN=leaf"), Some("CN=Root")));
    assert_eq!((leaf.self_issued, leaf.is_ca), (Some(false), Some(false)));
    assert_eq!((leaf.key_type.as_deref(), leaf.key_bits), (Some("Ed25519"), Some(256)));
    assert_eq!(leaf.signature_algorithm.as_deref(), Some("ecdsa-with-SHA384"));
    assert!(leaf.names.is_empty());

    forge.openssl(&format!("{sign} cert.der"), &[]);
    let old = digest(&forge.der("cert.der"), SEEN);
    assert_eq!((old.version, old.is_ca, old.parse_error), (Some(1), Some(false), None), "no extensions: version 1");
}

#[test]
fn keys_and_signatures_of_every_kind() {
    let cases = [
        ("-algorithm RSA -pkeyopt rsa_keygen_bits:1024", "-md5", "RSA", Some(1024), None, "md5WithRSAEncryption"),
        ("-algorithm RSA -pkeyopt rsa_keygen_bits:1023", "-sha1", "RSA", Some(1023), None, "sha1WithRSAEncryption"),
        (
            "-algorithm RSA -pkeyopt rsa_keygen_bits:2048",
            "-sigopt rsa_padding_mode:pss",
            "RSA",
            Some(2048),
            None,
            "rsassaPss",
        ),
        ("-algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048", "-sha256", "RSA", Some(2048), None, "rsassaPss"),
        (
            "-algorithm EC -pkeyopt ec_paramgen_curve:P-256",
            "-sha256",
            "EC",
            Some(256),
            Some("secp256r1"),
            "ecdsa-with-SHA256",
        ),
        (
            "-algorithm EC -pkeyopt ec_paramgen_curve:P-384",
            "-sha384",
            "EC",
            Some(384),
            Some("secp384r1"),
            "ecdsa-with-SHA384",
        ),
        (
            "-algorithm EC -pkeyopt ec_paramgen_curve:P-521",
            "-sha512",
            "EC",
            Some(521),
            Some("secp521r1"),
            "ecdsa-with-SHA512",
        ),
        (
            "-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1",
            "-sha1",
            "EC",
            Some(256),
            Some("secp256k1"),
            "ecdsa-with-SHA1",
        ),
        (
            "-algorithm EC -pkeyopt ec_paramgen_curve:brainpoolP320r1",
            "-sha256",
            "EC",
            Some(320),
            Some("brainpoolP320r1"),
            "ecdsa-with-SHA256",
        ),
        (
            "-algorithm EC -pkeyopt ec_paramgen_curve:sect233r1",
            "-sha256",
            "EC",
            Some(240),
            Some("1.3.132.0.27"),
            "ecdsa-with-SHA256",
        ),
        (
            "-algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit",
            "-sha256",
            "EC",
            Some(256),
            Some("explicit"),
            "ecdsa-with-SHA256",
        ),
        ("-algorithm ED25519", "", "Ed25519", Some(256), None, "ED25519"),
        ("-algorithm ED448", "", "Ed448", Some(456), None, "ED448"),
    ];
    for (key, options, key_type, key_bits, key_curve, signature) in cases {
        let forge = Forge::new();
        forge.key(key);
        let row = digest(&forge.self_signed("/CN=x", options, &[]), SEEN);
        assert_eq!(row.parse_error, None, "{key} {options}");
        let found =
            (row.key_type.as_deref(), row.key_bits, row.key_curve.as_deref(), row.signature_algorithm.as_deref());
        assert_eq!(found, (Some(key_type), key_bits, key_curve, Some(signature)), "{key} {options}");
        let printed = forge.openssl("x509 -inform DER -in cert.der -noout -text", &[]);
        assert!(printed.contains(&format!("Signature Algorithm: {signature}")), "{key} {options}");
    }
}

#[test]
fn a_dsa_key_is_as_large_as_its_modulus() {
    let forge = Forge::new();
    forge.openssl("genpkey -genparam -algorithm DSA -pkeyopt dsa_paramgen_bits:1024 -out dsa.pem", &[]);
    forge.key("-paramfile dsa.pem");
    let row = digest(&forge.self_signed("/CN=x", "-sha256", &[]), SEEN);
    assert_eq!((row.key_type.as_deref(), row.key_bits), (Some("DSA"), Some(1024)));
    assert_eq!((row.signature_algorithm.as_deref(), row.parse_error), (Some("dsa-with-sha256"), None));
}

#[test]
fn dates_reach_from_the_first_year_to_the_last() {
    let forge = Forge::new();
    forge.key("-algorithm ED25519");
    forge.openssl("req -new -key key.pem -out c.csr -subj /CN=x", &[]);
    fs::write(
        forge.path().join("ca.cnf"),
        "[ca]\ndefault_ca=d\n[d]\ndatabase=db\nserial=s\nnew_certs_dir=.\npolicy=p\ndefault_md=default\n\
         rand_serial=yes\n[p]\n",
    )
    .unwrap();
    fs::write(forge.path().join("db"), "").unwrap();
    let dates = "-startdate 19500101000000Z -enddate 99991231235959Z";
    forge.openssl(&format!("ca -config ca.cnf -batch -selfsign -keyfile key.pem -in c.csr -out c.pem {dates}"), &[]);
    forge.openssl("x509 -in c.pem -outform DER -out cert.der", &[]);
    let row = digest(&forge.der("cert.der"), SEEN);
    assert_eq!(row.parse_error, None);
    assert_eq!(row.not_before, Some(UtcMicros(-631_152_000_000_000)));
    assert_eq!(row.not_after, Some(UtcMicros(253_402_300_799_000_000)), "RFC 5280, section 4.1.2.5: no end");
}

#[test]
fn serial_numbers_are_numbers() {
    for (octets, text) in [
        (&[0x00u8, 0xff][..], "ff"),
        (&[0x01, 0x00], "0100"),
        (&[0x00], "00"),
        (&[0xff], "-01"),
        (&[0x80, 0x00], "-8000"),
        (&[], ""),
    ] {
        assert_eq!(serial(octets), text);
    }
}

#[test]
fn a_modulus_is_measured_to_the_bit() {
    for (integer, size) in
        [(&[0x00u8, 0x80][..], Some(8)), (&[0x01, 0x00], Some(9)), (&[0x00], None), (&[0xff], None), (&[], None)]
    {
        assert_eq!(bits(integer), size);
    }
}

#[test]
fn bytes_after_the_certificate_do_not_hide_it() {
    let whole = digest(example(), SEEN);
    assert_eq!(whole.parse_error, None);
    let der = [example(), b"\0\0junk"].concat();
    let row = digest(&der, SEEN);
    assert_eq!(row.parse_error.as_deref(), Some("6 bytes follow the certificate"));
    assert_eq!(row.sha256, sha256(&der));
    assert_eq!(Certificate { sha256: whole.sha256, der: whole.der.clone(), parse_error: None, ..row }, whole);
}

#[test]
fn what_is_no_certificate_keeps_its_bytes() {
    for der in [&b""[..], b"\x30", b"\x30\x80", b"-----BEGIN CERTIFICATE-----", &[0xff; 70_000]] {
        let row = digest(der, SEEN);
        assert!(row.parse_error.is_some());
        let bare = Certificate { sha256: sha256(der), der: der.to_vec(), first_seen: SEEN, ..Certificate::default() };
        assert_eq!(Certificate { parse_error: None, ..row }, bare);
    }
}

#[test]
fn long_names_and_many_names_are_cut_and_noted() {
    let forge = Forge::new();
    forge.key("-algorithm ED25519");
    let many: Vec<String> = (0..1_500).map(|number| format!("DNS:host{number}.example")).collect();
    let extension = format!("subjectAltName={}", many.join(","));
    let row = digest(&forge.self_signed("/CN=x", "", &["-addext", &extension]), SEEN);
    assert_eq!((row.names.len(), row.names[999].as_str()), (1_000, "host999.example"));
    assert_eq!(row.parse_error.as_deref(), Some("names cut to 1000"));

    let long = format!("subjectAltName=DNS:{}", "x".repeat(5_000));
    let row = digest(&forge.self_signed("/CN=x", "", &["-addext", &long]), SEEN);
    assert_eq!(row.names, ["x".repeat(4_096)]);
    assert_eq!(row.parse_error.as_deref(), Some("name cut to 4096 of 5000 bytes"));
}

#[test]
fn a_cut_keeps_whole_characters() {
    let mut notes = Notes::default();
    assert_eq!(notes.limit("name", format!("x{}", "ü".repeat(3_000))).len(), 4_095);
    assert_eq!(notes.text().unwrap(), "name cut to 4096 of 6001 bytes");
}

#[test]
fn broken_extensions_leave_the_rest() {
    let forge = Forge::new();
    forge.key("-algorithm ED25519");
    fs::write(forge.path().join("req.cnf"), "[req]\ndistinguished_name=dn\n[dn]\n").unwrap();
    let broken = [
        "-addext",
        "2.5.29.17=DER:30:08:82:02:61:62:87:02:01:02", // a DNS name, an address of two bytes
        "-addext",
        "2.5.29.19=DER:04:00",
    ];
    let row = digest(&forge.self_signed("/CN=x", "-config req.cnf", &broken), SEEN);
    assert_eq!(row.names, ["ab"]);
    assert_eq!((row.is_ca, row.subject_cn.as_deref()), (None, Some("x")));
    let note = row.parse_error.unwrap();
    assert!(note.starts_with("unreadable names: 1; extension 2.5.29.19: "), "{note}");
}

proptest! {
    #[test]
    fn a_certificate_cut_short_has_an_error_and_nothing_else(length in 0..example().len()) {
        let row = digest(&example()[..length], SEEN);
        prop_assert!(row.parse_error.is_some());
        prop_assert_eq!(row.subject, None);
    }

    #[test]
    fn no_change_of_bytes_causes_a_panic(changes in prop::collection::vec((0..example().len(), any::<u8>()), 1..8)) {
        let mut der = example().to_vec();
        for (position, octet) in changes {
            der[position] = octet;
        }
        let row = digest(&der, SEEN);
        prop_assert_eq!(row.der, der);
    }

    #[test]
    fn no_bytes_cause_a_panic(der in prop::collection::vec(any::<u8>(), 0..512)) {
        digest(&der, SEEN);
    }
}

#[test]
fn no_single_bit_flip_causes_a_panic() {
    let mut der = example().to_vec();
    for position in 0..der.len() {
        for bit in 0..8 {
            der[position] ^= 1 << bit;
            digest(&der, SEEN);
            der[position] ^= 1 << bit;
        }
    }
}
