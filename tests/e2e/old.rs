//! Servers of OpenSSL with the TLS of other times, and one that takes none: what is found of each, and on which
//! connection.

use super::world::{Pair, STARLING, errors, query, run, wait_until, within};
use serde_json::json;
use std::path::Path;
use std::process::{Child, Stdio};

/// Address, and options of `openssl s_server`.
const SERVERS: &[(&str, &str)] = &[
    ("198.18.5.1", "-tls1_3 -status_file OCSP"),
    ("198.18.5.2", "-tls1_3 -curves P-384 -verify 1"),
    ("198.18.5.3", "-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256 -status_file OCSP"),
    ("198.18.5.4", "-tls1_2 -cipher AES128-SHA:@SECLEVEL=0"),
    ("198.18.5.5", "-tls1_2 -cipher DHE-RSA-AES256-SHA:@SECLEVEL=0 -dhparam DHFILE"),
    ("198.18.5.6", "-tls1_2 -cipher NULL-SHA256:@SECLEVEL=0 -no_ticket"),
    ("198.18.5.7", "-tls1_1 -cipher ECDHE-RSA-AES256-SHA:@SECLEVEL=0"),
    ("198.18.5.8", "-tls1 -cipher AES256-SHA:@SECLEVEL=0"),
];

/// Closes as soon as something is said to it.
const CURT: &str = "
import socket
s = socket.create_server(('198.18.5.9', 443))
while True:
    c, _ = s.accept()
    c.recv(1)
    c.close()
";

struct Running(Vec<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn start(pair: &Pair, folder: &Path) -> Running {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (key, certificate, dh) = (path("key.pem"), path("cert.pem"), path("dh.pem"));
    run(
        "openssl",
        &format!("req -x509 -newkey rsa:2048 -nodes -keyout {key} -out {certificate} -subj /CN=old.example -days 30"),
    );
    run("openssl", &format!("genpkey -genparam -algorithm DH -pkeyopt group:modp_1536 -out {dh}"));
    let ocsp = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ocsp-good.der");
    let mut running = Running(Vec::new());
    for (address, options) in SERVERS {
        let options = options.replace("OCSP", ocsp.to_str().unwrap()).replace("DHFILE", &dh);
        let mut command = within(&pair.far, "openssl");
        command.env("OPENSSL_CONF", "/dev/null");
        command.args(["s_server", "-accept", &format!("{address}:443"), "-cert", &certificate, "-key", &key, "-www"]);
        command.args(options.split_whitespace()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        running.0.push(command.spawn().unwrap());
    }
    let mut curt = within(&pair.far, "python3");
    running.0.push(curt.args(["-c", CURT]).stdin(Stdio::null()).spawn().unwrap());
    wait_until("all servers listen", || {
        run("ip", &format!("netns exec {} ss -Hltn", pair.far)).lines().count() == SERVERS.len() + 1
    });
    running
}

#[test]
fn old_servers_are_understood_on_as_many_connections_as_it_takes() {
    let pair = Pair::new();
    for (namespace, interface) in [(&pair.near, "near0"), (&pair.far, "far0")] {
        run("ip", &format!("netns exec {namespace} ethtool -K {interface} tx off gso off tso off"));
    }
    run("ip", &format!("-n {} route add local 198.18.0.0/15 dev lo", pair.far));
    let folder = tempfile::tempdir().unwrap();
    let _running = start(&pair, folder.path());
    let census = folder.path().join("census");
    let mut scan = within(&pair.near, STARLING);
    scan.args(["scan", "-q", "-i", "near0", "-p", "https", "-c", "2", "-o"]).arg(&census).arg("198.18.5.0/28");
    let scan = scan.output().unwrap();
    assert_eq!(scan.status.code(), Some(0), "{}", errors(&scan));

    let rows = query(
        &census,
        "SELECT address, rung, outcome, tls_version AS version, tls_cipher AS cipher, tls_cipher_class AS class,
                tls_group AS \"group\", tls_dh_bits AS dh_bits, tls_retried AS retried, tls_engine AS engine,
                tls_alert AS alert, tls_ocsp_status AS ocsp, tls_client_certificate AS asks, tls_ticket AS ticket,
                leaf_sha256 IS NOT NULL AS leaf
         FROM handshakes ORDER BY ip, time",
    );
    let row = |address: &str, rung: &str, version: &str, cipher: &str, class: &str| {
        json!({
            "address": address, "rung": rung, "outcome": "complete", "version": version, "cipher": cipher, "class": class,
            "group": null, "dh_bits": null, "retried": false, "engine": "legacy", "alert": null, "ocsp": null,
            "asks": false, "ticket": true, "leaf": true,
        })
    };
    let with = |mut row: serde_json::Value, more: serde_json::Value| {
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row
    };
    let refused = |address: &str, rung: &str, alert: serde_json::Value| {
        json!({
            "address": address, "rung": rung, "outcome": "tls_failed", "version": null, "cipher": null, "class": null,
            "group": null, "dh_bits": null, "retried": null, "engine": if rung == "modern" { "rustls" } else { "legacy" },
            "alert": alert, "ocsp": null, "asks": null, "ticket": null, "leaf": false,
        })
    };
    let due = [
        with(
            row("198.18.5.1", "modern", "TLSv1.3", "TLS_AES_128_GCM_SHA256", "ECDHE"),
            json!({"ticket": null, "group": "x25519", "engine": "rustls", "ocsp": "good"}),
        ),
        with(
            row("198.18.5.2", "modern", "TLSv1.3", "TLS_AES_128_GCM_SHA256", "ECDHE"),
            json!({"ticket": null, "group": "secp384r1", "engine": "rustls", "retried": true, "asks": true}),
        ),
        with(
            row("198.18.5.3", "modern", "TLSv1.2", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE"),
            json!({"group": "x25519", "engine": "rustls", "ocsp": "good"}),
        ),
        row("198.18.5.4", "modern", "TLSv1.2", "TLS_RSA_WITH_AES_128_CBC_SHA", "AES"),
        with(
            row("198.18.5.5", "modern", "TLSv1.2", "TLS_DHE_RSA_WITH_AES_256_CBC_SHA", "DHE"),
            json!({"dh_bits": 1536}),
        ),
        with(row("198.18.5.6", "modern", "TLSv1.2", "TLS_RSA_WITH_NULL_SHA256", "other"), json!({"ticket": false})),
        refused("198.18.5.7", "modern", json!("protocol_version")),
        with(
            row("198.18.5.7", "legacy", "TLSv1.1", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE"),
            json!({"group": "x25519"}),
        ),
        refused("198.18.5.8", "modern", json!("protocol_version")),
        row("198.18.5.8", "legacy", "TLSv1.0", "TLS_RSA_WITH_AES_256_CBC_SHA", "AES"),
        refused("198.18.5.9", "modern", json!(null)),
        refused("198.18.5.9", "legacy", json!(null)),
        refused("198.18.5.9", "ssl3", json!(null)),
    ];
    for (found, due) in rows.iter().zip(&due) {
        assert_eq!(found, due);
    }
    assert_eq!(rows.len(), due.len());

    let manifest = std::fs::read_to_string(census.join("run.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!((&manifest["ledger"]["answers"], &manifest["ledger"]["retried"]), (&json!(9), &json!(4)));
    assert_eq!(manifest["tls_offer"]["rungs"][3]["version"], "SSLv3");
    let check = within(&pair.near, STARLING).arg("check").arg(&census).output().unwrap();
    assert_eq!(check.status.code(), Some(0), "{}", String::from_utf8_lossy(&check.stdout));

    // What is offered is part of what is measured.
    let mut resumed = within(&pair.near, STARLING);
    let resumed = resumed.args(["scan", "--rungs", "1", "--resume"]).arg(&census).output().unwrap();
    assert_eq!(resumed.status.code(), Some(2), "{}", errors(&resumed));

    let usual = folder.path().join("usual");
    let mut scan = within(&pair.near, STARLING);
    scan.args(["scan", "-q", "-i", "near0", "-p", "https", "-c", "4", "--tls", "usual", "-o"]).arg(&usual);
    let scan = scan.arg("198.18.5.6/31").output().unwrap();
    assert_eq!(scan.status.code(), Some(0), "{}", errors(&scan));
    let rows = query(&usual, "SELECT address, rung, outcome FROM scan_results ORDER BY ip");
    let row = |address, rung, outcome| json!({"address": address, "rung": rung, "outcome": outcome});
    assert_eq!(
        rows,
        [row("198.18.5.6", "modern", "tls_failed"), row("198.18.5.7", "legacy", "complete")],
        "who has NULL only is not understood"
    );
    let manifest = std::fs::read_to_string(usual.join("run.json")).unwrap();
    assert!(manifest.contains("TLS_RSA_WITH_RC4_128_MD5") && !manifest.contains("_NULL_"), "{manifest}");

    let strong = folder.path().join("strong");
    let mut scan = within(&pair.near, STARLING);
    scan.args(["scan", "-q", "-i", "near0", "-p", "https", "-c", "2", "--tls", "strong", "-o"]).arg(&strong);
    let scan = scan.arg("198.18.5.0/28").output().unwrap();
    assert_eq!(scan.status.code(), Some(0), "{}", errors(&scan));
    let rows = query(&strong, "SELECT address FROM handshakes WHERE outcome = 'complete' ORDER BY ip");
    let three: Vec<_> = ["198.18.5.1", "198.18.5.2", "198.18.5.3"].map(|address| json!({"address": address})).into();
    assert_eq!(rows, three);
    assert_eq!(query(&strong, "SELECT count(*)::int AS n FROM handshakes"), [json!({"n": 9})]);
}
