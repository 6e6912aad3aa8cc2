//! Certificates made by the `openssl` program, and what `openssl verify` thinks of them.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// A folder in which openssl works.
pub(crate) struct Pki {
    folder: tempfile::TempDir,
    serial: Cell<u32>,
}

/// A certificate with its key.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) name: String,
    key: PathBuf,
    cert: PathBuf,
    pub(crate) der: Vec<u8>,
}

/// What a certificate is to be.
#[derive(Clone, Copy)]
pub(crate) struct Wish<'a> {
    /// Distinguished name, as openssl takes it.
    pub(crate) subject: &'a str,
    /// Options of `genpkey`.
    pub(crate) key: &'a str,
    /// Lines of its extensions; none makes version 1.
    pub(crate) extensions: &'a str,
    /// Options of `x509`, such as the hash.
    pub(crate) options: &'a str,
}

pub(crate) const EC: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";
pub(crate) const CA: &str =
    "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n";
pub(crate) const LEAF: &str = "basicConstraints=CA:FALSE\nsubjectAltName=DNS:mail.example\n";

/// Identifiers of ECDSA with SHA-256 and with SHA-384.
pub(crate) const WITH_SHA256: &[u8] = &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
pub(crate) const WITH_SHA384: &[u8] = &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];

impl Default for Wish<'_> {
    fn default() -> Self {
        Self { subject: "/CN=mail.example", key: EC, extensions: LEAF, options: "-sha256 -days 3650" }
    }
}

impl Pki {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), serial: Cell::new(1) }
    }

    fn run(&self, words: &[&str]) -> Output {
        let output = Command::new("openssl").args(words).current_dir(self.folder.path()).output();
        output.expect("no openssl program. Next step: scripts/setup")
    }

    fn openssl(&self, words: &str, more: &[&str]) {
        let words: Vec<&str> = words.split_whitespace().chain(more.iter().copied()).collect();
        let output = self.run(&words);
        assert!(output.status.success(), "openssl {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A certificate signed by `issuer`, or by itself.
    pub(crate) fn make(&self, wish: &Wish<'_>, issuer: Option<&Made>) -> Made {
        let number = self.serial.replace(self.serial.get() + 1);
        let key = self.path(&format!("{number}.key"));
        self.openssl(&format!("genpkey -out {number}.key {}", wish.key), &[]);
        self.make_with_key(wish, key, issuer, number)
    }

    /// A further certificate for the key of `other`.
    pub(crate) fn again(&self, wish: &Wish<'_>, other: &Made, issuer: Option<&Made>) -> Made {
        let number = self.serial.replace(self.serial.get() + 1);
        self.make_with_key(wish, other.key.clone(), issuer, number)
    }

    fn make_with_key(&self, wish: &Wish<'_>, key: PathBuf, issuer: Option<&Made>, number: u32) -> Made {
        let text = |path: &PathBuf| path.to_str().unwrap().to_owned();
        self.openssl(&format!("req -new -out {number}.csr -key"), &[&text(&key), "-subj", wish.subject]);
        let mut words = format!("x509 -req -in {number}.csr -out {number}.pem -set_serial {number} {}", wish.options);
        match issuer {
            Some(issuer) => words.push_str(&format!(" -CA {} -CAkey {}", text(&issuer.cert), text(&issuer.key))),
            None => words.push_str(&format!(" -signkey {}", text(&key))),
        }
        if !wish.extensions.is_empty() {
            fs::write(self.path("extensions"), wish.extensions).unwrap();
            words.push_str(" -extfile extensions");
        }
        self.openssl(&words, &[]);
        self.openssl(&format!("x509 -in {number}.pem -outform DER -out {number}.der"), &[]);
        let der = fs::read(self.path(&format!("{number}.der"))).unwrap();
        Made { name: wish.subject.to_owned(), key, cert: self.path(&format!("{number}.pem")), der }
    }

    /// The same certificate with a signature that nobody made: its last bit is another one.
    pub(crate) fn spoiled(&self, made: &Made) -> Made {
        let number = self.serial.replace(self.serial.get() + 1);
        let mut der = made.der.clone();
        *der.last_mut().unwrap() ^= 1;
        self.of(made, number, der)
    }

    /// A certificate like `made` with another DER.
    fn of(&self, made: &Made, number: u32, der: Vec<u8>) -> Made {
        fs::write(self.path(&format!("{number}.der")), &der).unwrap();
        self.openssl(&format!("x509 -inform DER -in {number}.der -out {number}.pem"), &[]);
        Made { cert: self.path(&format!("{number}.pem")), der, ..made.clone() }
    }

    /// The same certificate with `to` in place of the first `from`, as long, signed again by `issuer`, which has an EC key.
    pub(crate) fn altered(&self, made: &Made, issuer: &Made, [from, to]: [&[u8]; 2]) -> Made {
        let number = self.serial.replace(self.serial.get() + 1);
        let (_, certificate) = X509Certificate::from_der(&made.der).unwrap();
        let mut signed = certificate.tbs_certificate.as_ref().to_vec();
        let at = signed.windows(from.len()).position(|octets| octets == from).unwrap();
        signed[at..at + to.len()].copy_from_slice(to);
        fs::write(self.path("signed"), &signed).unwrap();
        self.openssl("dgst -sha256 -out signature -sign", &[issuer.key.to_str().unwrap(), "signed"]);
        let signature = fs::read(self.path("signature")).unwrap();
        let bits = [&[0x03, u8::try_from(signature.len() + 1).unwrap(), 0], &signature[..]].concat();
        let body = [&signed[..], WITH_SHA256, &bits].concat();
        let [high, low] = u16::try_from(body.len()).unwrap().to_be_bytes();
        self.of(made, number, [&[0x30, 0x82, high, low], &body[..]].concat())
    }

    /// PEM of some certificates in a file.
    pub(crate) fn bundle(&self, name: &str, certificates: &[&Made]) -> PathBuf {
        let texts: Vec<String> = certificates.iter().map(|made| fs::read_to_string(&made.cert).unwrap()).collect();
        let path = self.path(name);
        fs::write(&path, texts.concat()).unwrap();
        path
    }

    /// The error of `openssl verify` at a time in seconds; 0 if there is none.
    pub(crate) fn verify(&self, chain: &[&Made], roots: &[&Made], at: i64) -> u32 {
        let leaf = chain[0].cert.to_str().unwrap();
        self.bundle("roots.pem", roots);
        self.bundle("sent.pem", &chain[1..]);
        let at = at.to_string();
        let mut words =
            vec!["verify", "-auth_level", "0", "-purpose", "sslserver", "-attime", &at, "-no-CApath", "-no-CAstore"];
        words.extend(["-CAfile", "roots.pem"]);
        if chain.len() > 1 {
            words.extend(["-untrusted", "sent.pem"]);
        }
        words.push(leaf);
        let output = self.run(&words);
        let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        let error = text.lines().find_map(|line| line.strip_prefix("error ")?.split(' ').next()?.parse().ok());
        assert_eq!(output.status.success(), error.is_none(), "{text}");
        error.unwrap_or(0)
    }
}
