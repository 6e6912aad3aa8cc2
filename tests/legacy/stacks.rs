//! The servers: which stack, what it is set to, and how it is started.

use super::place::{Keys, OLD_OPENSSL, Server, dh_file, port, run};
use starling::tls::legacy::Profile;
use starling::tls::suites;
use std::path::Path;
use std::process::Command;
use tls_parser::{TlsCipherAu, TlsCipherKx, TlsCipherSuite};

/// What one server is set to, and thus what has to be recorded.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) stack: &'static str,
    pub(crate) version: u16,
    pub(crate) suite: &'static TlsCipherSuite,
    /// Bits of its Diffie-Hellman group, or its curve.
    pub(crate) exchange: Exchange,
    /// It asks for our certificate.
    pub(crate) asks: bool,
    /// Its records and ours are cut into pieces of this.
    pub(crate) piece: usize,
    pub(crate) profile: Profile,
    /// What comes back of a line.
    pub(crate) echo: Echo,
    pub(crate) port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exchange {
    None,
    Bits(u32),
    Curve(u16),
    /// Temporary RSA key of export suites.
    Temporary(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Echo {
    Same,
    Reversed,
    Http,
}

impl Case {
    fn new(stack: &'static str, version: u16, suite: &'static TlsCipherSuite, bits: u32, curve: u16) -> Self {
        let exchange = match (suite.kx, suite.au) {
            (TlsCipherKx::Dhe, _) | (TlsCipherKx::Dh, TlsCipherAu::Null) => Exchange::Bits(bits),
            (TlsCipherKx::Ecdhe, _) | (TlsCipherKx::Ecdh, TlsCipherAu::Null) => Exchange::Curve(curve),
            _ => Exchange::None,
        };
        let profile = Profile::Legacy;
        Self { stack, version, suite, exchange, asks: false, piece: 4_096, profile, echo: Echo::Same, port: port() }
    }

    /// The certificate that goes with the suite.
    pub(crate) fn certificate(&self) -> Option<&'static str> {
        match self.suite.au {
            TlsCipherAu::Null => None,
            TlsCipherAu::Ecdsa => Some("ec"),
            TlsCipherAu::Dss => Some("dsa"),
            _ => Some("rsa"),
        }
    }
}

/// A group of cases that are started together.
pub(crate) type Start<'a> = (Vec<Case>, Box<dyn Fn(&Path) -> Server + 'a>);

fn by_name(name: &str) -> &'static TlsCipherSuite {
    TlsCipherSuite::from_name(name).unwrap_or_else(|| panic!("no suite {name}"))
}

const OPENSSL_FLAGS: [(u16, &str); 4] =
    [(0x0300, "-ssl3"), (0x0301, "-tls1"), (0x0302, "-tls1_1"), (0x0303, "-tls1_2")];

/// Suites of an OpenSSL in a version that we offer, with its names for them.
fn openssl_suites(program: &str, flag: &str) -> Vec<(&'static TlsCipherSuite, String)> {
    let mut command = Command::new(program);
    command.args(["ciphers", "-s", "-V", flag, "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]).env("OPENSSL_CONF", "/dev/null");
    let text = String::from_utf8(run(&mut command).stdout).unwrap();
    let offered: Vec<u16> = suites::MODERN.iter().chain(&suites::OLD).copied().collect();
    let parse = |line: &str| {
        let mut words = line.split_whitespace();
        let id: Vec<u8> = words.next()?.split(',').map(|byte| u8::from_str_radix(&byte[2..], 16).unwrap()).collect();
        let id = u16::from_be_bytes([id[0], id[1]]);
        offered.contains(&id).then_some((TlsCipherSuite::from_id(id)?, words.nth(1)?.to_owned()))
    };
    text.lines().filter_map(parse).collect()
}

fn openssl<'a>(keys: &'a Keys, program: &'static str, case: Case, name: &str, more: &str) -> Start<'a> {
    let flag = OPENSSL_FLAGS.iter().find(|(version, _)| *version == case.version).unwrap().1;
    let leaf = case.certificate().unwrap_or("rsa");
    let bits = if let Exchange::Bits(bits) = case.exchange { bits } else { 1_024 };
    let arguments = format!(
        "s_server -accept 127.0.0.1:{} -cert {leaf}.pem -cert_chain root.pem -key {leaf}.key -dhparam {} -rev -serverpref \
         -cipher {name}:@SECLEVEL=0 {flag} {more}",
        case.port,
        dh_file(bits).display(),
    );
    let case = Case { echo: Echo::Reversed, ..case };
    let start = move |log: &Path| {
        let mut command = Command::new(program);
        command.args(arguments.split_whitespace()).current_dir(keys.folder.path()).env("OPENSSL_CONF", "/dev/null");
        Server::start(&mut command, log)
    };
    (vec![case], Box::new(start))
}

/// OpenSSL 1.1.1: each suite that it has and we offer, in each version that has it; then sizes, curves, cut records.
pub(crate) fn old_openssl(keys: &Keys) -> Vec<Start<'_>> {
    let stack = "OpenSSL 1.1.1w";
    let mut starts = Vec::new();
    for (version, flag) in OPENSSL_FLAGS {
        for (suite, name) in openssl_suites(OLD_OPENSSL, flag) {
            let case = Case::new(stack, version, suite, 1_024, 23);
            starts.push(openssl(keys, OLD_OPENSSL, case, &name, "-groups P-256"));
        }
    }
    for (suite, name) in openssl_suites(OLD_OPENSSL, "-ssl3") {
        if suites::SSL3.contains(&suite.id.0) {
            let case = Case { profile: Profile::Ssl3, ..Case::new(stack, 0x0300, suite, 1_024, 0) };
            starts.push(openssl(keys, OLD_OPENSSL, case, &name, ""));
        }
    }
    let case = Case::new(stack, 0x0301, by_name("TLS_DHE_RSA_WITH_AES_128_CBC_SHA"), 2_048, 0);
    starts.push(openssl(keys, OLD_OPENSSL, case, "DHE-RSA-AES128-SHA", ""));
    for (curve, name) in [(24, "P-384"), (25, "P-521"), (29, "X25519")] {
        let case = Case::new(stack, 0x0302, by_name("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"), 0, curve);
        starts.push(openssl(keys, OLD_OPENSSL, case, "ECDHE-RSA-AES256-SHA", &format!("-groups {name}")));
    }
    for (version, _) in OPENSSL_FLAGS {
        let case = Case::new(stack, version, by_name("TLS_RSA_WITH_AES_128_CBC_SHA"), 0, 0);
        let case = Case { asks: true, piece: 1, ..case };
        starts.push(openssl(keys, OLD_OPENSSL, case, "AES128-SHA", "-max_send_frag 512 -verify 1"));
    }
    starts
}

/// Debian's OpenSSL 3, as far down as it goes.
pub(crate) fn new_openssl(keys: &Keys) -> Vec<Start<'_>> {
    let mut starts = Vec::new();
    for (version, flag) in &OPENSSL_FLAGS[1..] {
        for (suite, name) in openssl_suites("openssl", flag) {
            let case = Case::new("OpenSSL 3.0", *version, suite, 2_048, 29);
            starts.push(openssl(keys, "openssl", case, &name, "-groups X25519"));
        }
    }
    starts
}

const TLS_VERSIONS: [(u16, &str); 3] = [(0x0301, "TLS1.0"), (0x0302, "TLS1.1"), (0x0303, "TLS1.2")];

/// TLS 1.3 of who has it, for scans: the legacy engine has no part in it.
pub(crate) fn modern(keys: &Keys) -> Vec<Start<'_>> {
    const SUITES: [&str; 3] = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];
    let mut starts: Vec<Start<'_>> = Vec::new();
    for (stack, program) in [("OpenSSL 1.1.1w", OLD_OPENSSL), ("OpenSSL 3.0", "openssl")] {
        for (suite, (curve, group)) in SUITES.into_iter().zip([(23, "P-256"), (24, "P-384"), (29, "X25519")]) {
            let case = Case { exchange: Exchange::Curve(curve), ..Case::new(stack, 0x0304, by_name(suite), 0, 0) };
            let port = case.port;
            let start = move |log: &Path| {
                let mut command = Command::new(program);
                let arguments = format!(
                    "s_server -accept 127.0.0.1:{port} -cert rsa.pem -cert_chain root.pem -key rsa.key -rev -tls1_3 -groups {group} \
                     -ciphersuites {suite}"
                );
                command.args(arguments.split_whitespace()).current_dir(keys.folder.path());
                Server::start(command.env("OPENSSL_CONF", "/dev/null"), log)
            };
            starts.push((vec![case], Box::new(start)));
        }
    }
    for (suite, cipher) in SUITES.into_iter().zip(["AES-128-GCM", "AES-256-GCM", "CHACHA20-POLY1305"]) {
        let case = Case::new("GnuTLS 3.7", 0x0304, by_name(suite), 0, 0);
        let case = Case { exchange: Exchange::Curve(25), asks: true, ..case };
        let port = case.port;
        let start = move |log: &Path| {
            let mut command = Command::new("gnutls-serv");
            let arguments = format!(
                "--x509certfile rsa.chain --x509keyfile rsa.key --echo -q -p {port} --priority \
                 NONE:+VERS-TLS1.3:+ECDHE-RSA:+{cipher}:+AEAD:+SIGN-ALL:+GROUP-SECP521R1:+COMP-NULL"
            );
            Server::start(command.args(arguments.split_whitespace()).current_dir(keys.folder.path()), log)
        };
        starts.push((vec![case], Box::new(start)));
    }
    starts
}

/// GnuTLS has no SSL 3.0 any more.
pub(crate) fn gnutls(keys: &Keys) -> Vec<Start<'_>> {
    let settings = [
        (0x0301, "RSA", "ARCFOUR-128", "MD5", "TLS_RSA_WITH_RC4_128_MD5"),
        (0x0301, "RSA", "3DES-CBC", "SHA1", "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
        (0x0301, "DHE-RSA", "AES-128-CBC", "SHA1", "TLS_DHE_RSA_WITH_AES_128_CBC_SHA"),
        (0x0302, "ANON-DH", "AES-256-CBC", "SHA1", "TLS_DH_anon_WITH_AES_256_CBC_SHA"),
        (0x0302, "ANON-ECDH", "ARCFOUR-128", "SHA1", "TLS_ECDH_anon_WITH_RC4_128_SHA"),
        (0x0302, "RSA", "CAMELLIA-128-CBC", "SHA1", "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA"),
        (0x0303, "ECDHE-RSA", "AES-256-CBC", "SHA384", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
        (0x0303, "DHE-RSA", "CHACHA20-POLY1305", "AEAD", "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
        (0x0303, "RSA", "AES-256-GCM", "AEAD", "TLS_RSA_WITH_AES_256_GCM_SHA384"),
        (0x0303, "RSA", "NULL", "SHA256", "TLS_RSA_WITH_NULL_SHA256"),
    ];
    let start = |(version, exchange, cipher, mac, name): (u16, &str, &str, &str, &str)| {
        let case = Case::new("GnuTLS 3.7", version, by_name(name), 1_024, 24);
        let case = Case { asks: case.suite.au != TlsCipherAu::Null, ..case };
        let version = TLS_VERSIONS.iter().find(|(id, _)| *id == version).unwrap().1;
        let priority = format!(
            "NONE:+VERS-{version}:+{exchange}:+{cipher}:+{mac}:+SIGN-ALL:+GROUP-SECP384R1:+COMP-NULL:%SERVER_PRECEDENCE"
        );
        let arguments = format!(
            "--x509certfile rsa.chain --x509keyfile rsa.key --echo -q -p {} --dhparams {} --priority {priority}",
            case.port,
            dh_file(1_024).display()
        );
        let start = move |log: &Path| {
            let mut command = Command::new("gnutls-serv");
            command.args(arguments.split_whitespace()).current_dir(keys.folder.path());
            Server::start(&mut command, log)
        };
        (vec![case], Box::new(start) as Box<dyn Fn(&Path) -> Server>)
    };
    settings.map(start).into()
}

/// NSS, whose test server speaks HTTP.
pub(crate) fn nss(keys: &Keys) -> Vec<Start<'_>> {
    let database = keys.file("nss");
    std::fs::create_dir_all(&database).unwrap();
    let database = format!("sql:{}", database.display());
    run(Command::new("certutil").args(["-N", "--empty-password", "-d", &database]));
    run(Command::new("pk12util").args(["-W", "changeit", "-K", "", "-d", &database, "-i"]).arg(keys.file("rsa.p12")));
    let settings = [
        (0x0300, "ssl3", "TLS_RSA_WITH_RC4_128_SHA"),
        (0x0300, "ssl3", "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
        (0x0300, "ssl3", "TLS_DHE_RSA_WITH_AES_128_CBC_SHA"),
        (0x0301, "tls1.0", "TLS_RSA_WITH_RC4_128_MD5"),
        (0x0301, "tls1.0", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"),
        (0x0302, "tls1.1", "TLS_DHE_RSA_WITH_AES_256_CBC_SHA"),
        (0x0303, "tls1.2", "TLS_RSA_WITH_AES_128_GCM_SHA256"),
        (0x0303, "tls1.2", "TLS_RSA_WITH_NULL_SHA256"),
    ];
    let start = |(version, name, suite): (u16, &str, &str)| {
        let case = Case { echo: Echo::Http, ..Case::new("NSS 3.87", version, by_name(suite), 1_024, 29) };
        let arguments =
            format!("-n leaf -p {} -d {database} -V {name}:{name} -D -H 1 -W 1 -c :{:04X}", case.port, case.suite.id.0);
        let start = move |log: &Path| {
            let mut command = Command::new("selfserv");
            command.args(arguments.split_whitespace()).env("NSS_IGNORE_SYSTEM_POLICY", "1");
            Server::start(&mut command, log)
        };
        (vec![case], Box::new(start) as Box<dyn Fn(&Path) -> Server>)
    };
    settings.map(start).into()
}

/// Java's, which has the export suites. One process for all.
pub(crate) fn java(keys: &Keys) -> Vec<Start<'_>> {
    let settings = [
        (0x0300, "SSLv3", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
        (0x0300, "SSLv3", "SSL_RSA_WITH_DES_CBC_SHA"),
        (0x0300, "SSLv3", "SSL_DH_anon_WITH_RC4_128_MD5"),
        (0x0300, "SSLv3", "SSL_RSA_WITH_NULL_SHA"),
        (0x0300, "SSLv3", "SSL_RSA_EXPORT_WITH_RC4_40_MD5"),
        (0x0300, "SSLv3", "SSL_DHE_RSA_EXPORT_WITH_DES40_CBC_SHA"),
        (0x0301, "TLSv1", "SSL_RSA_EXPORT_WITH_DES40_CBC_SHA"),
        (0x0301, "TLSv1", "SSL_DHE_RSA_WITH_DES_CBC_SHA"),
        (0x0301, "TLSv1", "SSL_RSA_WITH_RC4_128_SHA"),
        (0x0302, "TLSv1.1", "SSL_DHE_RSA_WITH_3DES_EDE_CBC_SHA"),
        (0x0302, "TLSv1.1", "TLS_ECDH_anon_WITH_3DES_EDE_CBC_SHA"),
        (0x0303, "TLSv1.2", "TLS_RSA_WITH_AES_256_GCM_SHA384"),
        (0x0303, "TLSv1.2", "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256"),
        (0x0303, "TLSv1.2", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    ];
    let mut arguments = vec![keys.file("rsa.p12").display().to_string()];
    let case = |(version, name, suite): (u16, &str, &str)| {
        let iana = by_name(&suite.replacen("SSL_", "TLS_", 1));
        let mut case = Case::new("SunJSSE 17", version, iana, 1_024, 23);
        // Java takes the form of ClientKeyExchange from the version of our hello, not from that it chose.
        if version == 0x0300 && case.exchange == Exchange::None {
            case.profile = Profile::Ssl3;
        }
        if suite.contains("EXPORT") {
            case.exchange = if suite.contains("DHE") { Exchange::Bits(512) } else { Exchange::Temporary(512) };
        }
        arguments.extend([case.port.to_string(), name.to_owned(), suite.to_owned()]);
        case
    };
    let cases = settings.map(case).into();
    let start = move |log: &Path| {
        let mut command = Command::new("java");
        command.args(["-Xshare:auto", "-XX:TieredStopAtLevel=1", "-Djdk.tls.ephemeralDHKeySize=1024"]);
        command.args(["-Djdk.tls.namedGroups=secp256r1,ffdhe2048"]);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/legacy/Server.java")).args(&arguments);
        Server::start(&mut command, log)
    };
    vec![(cases, Box::new(start))]
}

/// tlslite-ng, which takes any Diffie-Hellman group. One process for all.
pub(crate) fn tlslite(keys: &Keys) -> Vec<Start<'_>> {
    let settings = [
        (0x0300, "3.0", "rsa", "rc4", "md5", "TLS_RSA_WITH_RC4_128_MD5", 0),
        (0x0300, "3.0", "rsa", "3des", "sha", "TLS_RSA_WITH_3DES_EDE_CBC_SHA", 0),
        (0x0300, "3.0", "dhe_rsa", "aes128", "sha", "TLS_DHE_RSA_WITH_AES_128_CBC_SHA", 512),
        (0x0301, "3.1", "dhe_rsa", "3des", "sha", "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA", 512),
        (0x0301, "3.1", "rsa", "null", "sha", "TLS_RSA_WITH_NULL_SHA", 0),
        (0x0302, "3.2", "dhe_rsa", "aes256", "sha", "TLS_DHE_RSA_WITH_AES_256_CBC_SHA", 768),
        (0x0302, "3.2", "dh_anon", "aes128", "sha", "TLS_DH_anon_WITH_AES_128_CBC_SHA", 1_024),
        (0x0303, "3.3", "ecdhe_rsa", "aes128", "sha256", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", 0),
        (0x0303, "3.3", "rsa", "aes128gcm", "aead", "TLS_RSA_WITH_AES_128_GCM_SHA256", 0),
        (0x0303, "3.3", "dhe_rsa", "chacha20-poly1305", "aead", "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256", 512),
    ];
    let mut arguments = vec![keys.file("rsa.chain").display().to_string(), keys.file("rsa.key").display().to_string()];
    let case = |(id, version, exchange, cipher, mac, suite, bits): (u16, &str, &str, &str, &str, &str, u32)| {
        let case = Case::new("tlslite-ng 0.8", id, by_name(suite), bits, 29);
        let group = if bits > 0 { dh_file(bits).display().to_string() } else { "-".to_owned() };
        arguments.push(case.port.to_string());
        arguments.extend([version, exchange, cipher, mac, &group].map(str::to_owned));
        case
    };
    let cases = settings.map(case).into();
    let start = move |log: &Path| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(root.join(".venv/bin/python"));
        command.arg(root.join("tests/legacy/tlslite_server.py")).args(&arguments);
        Server::start(&mut command, log)
    };
    vec![(cases, Box::new(start))]
}
