//! A network of one's own, keys, and servers in it that are gone when their owner is.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

/// The OpenSSL that `scripts/setup` builds.
pub(crate) const OLD_OPENSSL: &str = "/opt/starling-openssl-1.1.1/bin/openssl";

/// Puts this thread, and what it starts, into a network namespace that has a loopback and no way out.
pub(crate) fn alone() {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root, for a network namespace");
    run(Command::new("ip").args(["link", "set", "lo", "up"]));
}

/// Puts this thread, and what it starts, into a network namespace that has a name.
pub(crate) fn enter(namespace: &str) {
    let file = std::fs::File::open(Path::new("/run/netns").join(namespace)).unwrap();
    nix::sched::setns(file, nix::sched::CloneFlags::CLONE_NEWNET).expect("root, for a network namespace");
}

pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}. Next step: scripts/setup"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// A port of the namespace that nobody had yet.
pub(crate) fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(4_000);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A server; it is killed when it is dropped.
pub(crate) struct Server(Child);

impl Server {
    pub(crate) fn start(command: &mut Command, log: &Path) -> Self {
        let log = std::fs::File::options().create(true).append(true).open(log).unwrap();
        command.stdin(Stdio::piped()).stderr(log.try_clone().unwrap()).stdout(log);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}. Next step: scripts/setup"));
        Self(child)
    }
}

impl Server {
    pub(crate) fn alive(&mut self) -> bool {
        self.0.try_wait().is_ok_and(|ended| ended.is_none())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Certificates and keys in files, made by openssl.
pub(crate) struct Keys {
    pub(crate) folder: tempfile::TempDir,
}

impl Keys {
    /// A root, and an RSA, an ECDSA and a DSA certificate signed by it, each with its chain.
    pub(crate) fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let openssl = |arguments: &str| {
            let mut command = Command::new("openssl");
            run(command.args(arguments.split_whitespace()).current_dir(folder.path()));
        };
        openssl("req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.pem -subj /CN=root -days 3650");
        openssl("dsaparam -out dsa.param 1024");
        for (name, kind) in
            [("rsa", "rsa:2048"), ("ec", "ec -pkeyopt ec_paramgen_curve:P-256"), ("dsa", "dsa:dsa.param")]
        {
            openssl(&format!("req -newkey {kind} -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}.example"));
            openssl(&format!(
                "x509 -req -in {name}.csr -CA root.pem -CAkey root.key -set_serial 7 -days 3650 -out {name}.pem"
            ));
            let [leaf, root] = [format!("{name}.pem"), "root.pem".to_owned()]
                .map(|file| std::fs::read_to_string(folder.path().join(file)).unwrap());
            std::fs::write(folder.path().join(format!("{name}.chain")), leaf + &root).unwrap();
        }
        openssl("pkcs12 -export -in rsa.chain -inkey rsa.key -name leaf -out rsa.p12 -passout pass:changeit");
        Self { folder }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// DER of a certificate.
    pub(crate) fn der(&self, name: &str) -> Vec<u8> {
        run(Command::new("openssl").args(["x509", "-outform", "DER", "-in"]).arg(self.file(name))).stdout
    }
}

/// Diffie-Hellman parameters of `bits`.
pub(crate) fn dh_file(bits: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/legacy/dh{bits}.pem"))
}
