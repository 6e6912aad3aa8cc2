//! `starling monitor -i`: on the link between real clients and the real servers, and on one with bulk beside it.

use super::kill::{signal, state};
use super::world::{Lab, Pair, STARLING, errors, query, wait_until, within};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// A monitor that watches.
pub(super) struct Monitor {
    pub(super) child: Child,
    pub(super) dataset: PathBuf,
}

impl Monitor {
    pub(super) fn start(namespace: &str, interface: &str, dataset: &Path, arguments: &str) -> Self {
        let mut command = within(namespace, STARLING);
        command.args(["monitor", "-i", interface, "-o"]).arg(dataset).args(arguments.split_whitespace());
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        // The programs are attached before the manifest is written.
        wait_until("the monitor watches", || dataset.join("run.json").exists());
        Self { child, dataset: dataset.to_owned() }
    }

    pub(super) fn stop(self) -> Finished {
        // Its lanes look every few milliseconds.
        std::thread::sleep(std::time::Duration::from_millis(300));
        signal(&self.child, "INT");
        self.wait()
    }

    fn wait(self) -> Finished {
        let output = self.child.wait_with_output().unwrap();
        let check = Command::new(STARLING).arg("check").arg(&self.dataset).output().unwrap();
        assert_eq!(check.status.code(), Some(0), "{}", String::from_utf8_lossy(&check.stdout));
        Finished { manifest: state(&self.dataset), dataset: self.dataset, output }
    }
}

pub(super) struct Finished {
    pub(super) output: Output,
    pub(super) manifest: Value,
    pub(super) dataset: PathBuf,
}

impl Finished {
    pub(super) fn frames(&self, fate: &str) -> u64 {
        self.manifest["link"]["frames"][fate].as_u64().unwrap()
    }

    fn bytes(&self, fate: &str) -> u64 {
        self.manifest["link"]["bytes"][fate].as_u64().unwrap()
    }

    pub(super) fn account(&self, name: &str) -> u64 {
        self.manifest["account"][name].as_u64().unwrap()
    }
}

/// tcpdump in `namespace`, writing every frame to a file.
pub(super) struct Capture(Child, PathBuf);

impl Capture {
    pub(super) fn start(namespace: &str, interface: &str, file: PathBuf) -> Self {
        let said = file.with_extension("err");
        let mut command = within(namespace, "tcpdump");
        command
            .args(["-i", interface, "-s", "0", "-B", "65536", "--immediate-mode", "-U", "-Z", "root", "-w"])
            .arg(&file);
        let child = command.stderr(std::fs::File::create(&said).unwrap()).spawn().unwrap();
        wait_until("tcpdump listens", || {
            std::fs::read_to_string(&said).is_ok_and(|text| text.contains("listening on"))
        });
        Self(child, file)
    }

    pub(super) fn stop(mut self) -> PathBuf {
        // What it has not written yet when it is told to end it never writes.
        let mut length = None;
        while length != Some(std::fs::metadata(&self.1).unwrap().len()) {
            length = Some(std::fs::metadata(&self.1).unwrap().len());
            std::thread::sleep(std::time::Duration::from_millis(500));
        }
        signal(&self.0, "INT");
        self.0.wait().unwrap();
        self.1
    }
}

/// What tshark sees in a capture: the fields of each packet that matches.
fn tshark(capture: &Path, filter: &str, fields: &[&str]) -> Vec<Vec<String>> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(capture).args(["-2", "-R", filter, "-T", "fields", "-E", "occurrence=f"]);
    fields.iter().for_each(|field| {
        command.args(["-e", field]);
    });
    let output = command.output().unwrap();
    assert!(output.status.success(), "tshark: {}", errors(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<Vec<String>> = text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect();
    lines.sort();
    lines
}

/// Columns of rows as text, in order.
fn columns(rows: &[Value], names: &[&str]) -> Vec<Vec<String>> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut lines: Vec<Vec<String>> =
        rows.iter().map(|row| names.iter().map(|name| text(&row[*name])).collect()).collect();
    lines.sort();
    lines
}

/// But counts of packets: XDP sees a batch of frames before the stack acknowledges the first of them, and before they are put
/// together (GRO), tcpdump sees them after that. So which acknowledgements come before a handshake's end differs.
pub(super) const EVERYTHING: &str = "SELECT * EXCLUDE (time, duration_us, packets_client, packets_server) REPLACE (hex(chain_id) AS chain_id, \
                          hex(leaf_sha256) AS leaf_sha256) FROM connections ORDER BY client_ip, client_port";

#[test]
fn a_live_link_shows_what_a_capture_of_it_and_tshark_show_and_nobody_notices() {
    let lab = Lab::up();
    let capture = Capture::start(&lab.world, &lab.peer, lab.folder.path().join("link.pcap"));
    let seen = lab.folder.path().join("live");
    let monitor = Monitor::start(&lab.world, &lab.peer, &seen, "-p study --lanes 2");
    let ping = lab.command("ping").args(["-q", "-i", "0.02", "-c", "100", "-W", "1", "10.77.0.1"]).output();
    let facts = lab.ask_the_oracle();
    let finished = monitor.stop();
    let capture = capture.stop();

    let ping = String::from_utf8(ping.unwrap().stdout).unwrap();
    assert!(ping.contains("100 packets transmitted, 100 received, 0% packet loss"), "{ping}");
    let facts: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(facts).unwrap()).unwrap();
    assert!(!lab_attached(&lab).contains(&lab.peer));

    let text = errors(&finished.output);
    assert_eq!(finished.output.status.code(), Some(0), "{text}");
    assert!(text.starts_with(&format!("watching {}, both directions, until Ctrl-C", lab.peer)), "{text}");
    assert_eq!(finished.manifest["state"], "complete");
    assert_eq!(finished.frames("ring_full"), 0);
    assert_eq!(finished.frames("handed_up") + finished.account("shunted"), {
        let sorted = ["not_ip", "fragments", "not_tcp", "cut", "malformed", "other_ports"];
        finished.account("packets") - sorted.iter().map(|name| finished.frames(name)).sum::<u64>()
    });

    // The same rows as from a capture of the link.
    let replayed = lab.folder.path().join("replayed");
    let output = Command::new(STARLING)
        .args(["monitor", "-q", "-p", "study", "--pcap"])
        .arg(&capture)
        .arg("-o")
        .arg(&replayed)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let (live, replay) = (query(&seen, EVERYTHING), query(&replayed, EVERYTHING));
    let mut spoken = tshark(&capture, "tcp.len > 0", &["tcp.stream"]);
    spoken.sort();
    spoken.dedup();
    assert_eq!(live.len(), spoken.len(), "a row for each connection in which something was said");
    assert!(live.len() > facts.len(), "a conversation of Python's with each server, and one of openssl's with most");
    assert_eq!(live.len(), replay.len());
    for (live, replay) in live.iter().zip(&replay) {
        for (column, value) in live.as_object().unwrap() {
            assert_eq!(value, &replay[column], "{column}: {live} {replay}");
        }
    }
    assert!(live.iter().all(|row| row["midstream"] == false && row["gaps"] == 0), "{live:?}");
    let early = "SELECT count(*) AS n FROM connections WHERE abs(epoch_us(time) - epoch_us(now())) > 600e6";
    assert_eq!(query(&seen, early)[0]["n"], 0, "its times are now");
    let chains = "SELECT count(*) AS n FROM certificates";
    assert_eq!(query(&seen, chains), query(&replayed, chains));

    // What tshark finds in the hellos.
    let upgrades =
        live.iter().filter(|row| !["443", "465", "993", "995"].contains(&&*row["server_port"].to_string())).count();
    let hellos = tshark(&capture, "tls.handshake.type == 1", &["tcp.srcport", "tcp.dstport", "tls.handshake.ja3"]);
    let rows: Vec<Value> = live.iter().filter(|row| !row["client_ja3"].is_null()).cloned().collect();
    held_against(&columns(&rows, &["client_port", "server_port", "client_ja3"]), &hellos, upgrades);
    let chosen = tshark(&capture, "tls.handshake.type == 2", &["tcp.dstport", "tls.handshake.ciphersuite"]);
    let rows: Vec<Value> = live
        .iter()
        .filter_map(|row| {
            let mut row = row.clone();
            row["tls_cipher"] = number(row["tls_cipher"].as_str()?).into();
            Some(row)
        })
        .collect();
    held_against(&columns(&rows, &["client_port", "tls_cipher"]), &chosen, upgrades);
}

/// What tshark finds is ours. It finds nothing behind a go-ahead that tcpdump wrote down after the hello it allows, as
/// happens on a busy machine: so of the `upgrades` we may have more.
fn held_against<T: PartialEq + std::fmt::Debug>(ours: &[T], tsharks: &[T], upgrades: usize) {
    assert!(tsharks.iter().all(|one| ours.contains(one)), "ours {ours:?}, tshark's {tsharks:?}");
    assert!(ours.len() <= tsharks.len() + upgrades, "ours {ours:?}, tshark's {tsharks:?}");
}

/// The number of a suite, as tshark writes it: the registered one, whose name a draft of ChaCha20 shares.
fn number(name: &str) -> String {
    let mut registered = (0..=u16::MAX).filter(|number| !(0xcc13..=0xcc15).contains(number));
    let number = registered.find(|number| starling::tls::names::cipher(*number) == name);
    format!("0x{:04x}", number.unwrap_or_else(|| panic!("no suite is called {name}")))
}

/// What is attached in the namespace of the servers.
fn lab_attached(lab: &Lab) -> String {
    attached(&lab.world)
}

fn attached(namespace: &str) -> String {
    let output = within(namespace, "bpftool").args(["net", "show"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// A server of TLS on port 443 of the far end, which sends as many bytes as it is asked for, and its client.
pub(super) struct Bulk {
    pub(super) pair: Pair,
    pub(super) folder: tempfile::TempDir,
    server: Child,
}

const SERVER: &str = "
import socket, ssl, sys, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('cert.pem', 'key.pem')
listener = socket.create_server(('10.77.0.1', 443))
print('ready', flush=True)
def serve(plain):
    with context.wrap_socket(plain, server_side=True) as tls:
        left, block = int(tls.recv(100)), bytes(1 << 16)
        while left > 0:
            left -= tls.send(block[:min(left, len(block))])
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
";

const CLIENT: &str = "
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
for _ in range(int(sys.argv[1])):
    with context.wrap_socket(socket.create_connection(('10.77.0.1', 443)), server_hostname='bulk.example') as tls:
        wanted = int(sys.argv[2])
        tls.sendall(b'%d' % wanted)
        got = 0
        while block := tls.recv(1 << 16):
            got += len(block)
        assert got == wanted, (got, wanted)
";

impl Bulk {
    pub(super) fn up() -> Self {
        let pair = Pair::new();
        let folder = tempfile::tempdir().unwrap();
        let made = Command::new("openssl")
            .args(
                "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=bulk.example -keyout key.pem -out cert.pem"
                    .split(' '),
            )
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", errors(&made));
        let mut command = within(&pair.far, "python3");
        let mut server =
            command.args(["-c", SERVER]).current_dir(folder.path()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = [0; 6];
        std::io::Read::read_exact(server.stdout.as_mut().unwrap(), &mut line).unwrap();
        assert_eq!(&line, b"ready\n");
        Self { pair, folder, server }
    }

    /// So many connections, one after the other, each of so many bytes from the server.
    pub(super) fn transfer(&self, connections: u32, bytes: u64) {
        self.transfer_from(&self.pair.near, connections, bytes);
    }

    /// From another namespace than the near one.
    pub(super) fn transfer_from(&self, namespace: &str, connections: u32, bytes: u64) {
        let numbers = [connections.to_string(), bytes.to_string()];
        let output = within(namespace, "python3").args(["-c", CLIENT]).args(numbers).output().unwrap();
        assert!(output.status.success(), "the transfer was disturbed: {}", errors(&output));
    }

    fn monitor(&self, name: &str, arguments: &str) -> Monitor {
        Monitor::start(&self.pair.near, "near0", &self.folder.path().join(name), arguments)
    }
}

impl Drop for Bulk {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn of_a_bulk_transfer_only_the_handshake_is_handed_up() {
    const BYTES: u64 = 64 << 20;
    let bulk = Bulk::up();
    let shares: Vec<f64> = ["", "--shunt 0"]
        .iter()
        .enumerate()
        .map(|(number, option)| {
            let monitor = bulk.monitor(&format!("seen{number}"), &format!("-p https -q {option}"));
            bulk.transfer(2, BYTES);
            let finished = monitor.stop();
            assert_eq!(finished.output.status.code(), Some(0), "{}", errors(&finished.output));
            let total: u64 = ["shunted", "handed_up", "ring_full"].iter().map(|fate| finished.bytes(fate)).sum();
            assert!(total > 2 * BYTES, "{total} bytes of the transfers were seen");
            let rows = query(&finished.dataset, "SELECT * FROM connections");
            assert_eq!(rows.len(), 2);
            for row in &rows {
                assert_eq!((&row["sni"], &row["established"]), (&"bulk.example".into(), &true.into()), "{row}");
                assert_eq!((&row["end"], &row["tls_version"]), (&"handshake_over".into(), &"TLSv1.3".into()));
            }
            assert_eq!(finished.account("connections"), 2, "what follows a handshake begins no other connection");
            (finished.bytes("handed_up") + finished.bytes("ring_full")) as f64 / total as f64
        })
        .collect();
    assert!(shares[0] < 0.25, "{shares:?} of the bytes were handed up with the map of finished connections");
    assert!((shares[1] - 1.0).abs() < 1e-9, "{shares:?} without");
}

#[test]
fn what_is_lost_is_counted_and_the_rest_is_read() {
    let bulk = Bulk::up();
    let monitor = bulk.monitor("seen", "-p https -q --shunt 0 --ring 1 --lanes 1");
    bulk.transfer(1, 1_000);
    std::thread::sleep(std::time::Duration::from_millis(200));
    signal(&monitor.child, "STOP");
    bulk.transfer(1, 8 << 20);
    signal(&monitor.child, "CONT");
    std::thread::sleep(std::time::Duration::from_millis(200));
    bulk.transfer(1, 1_000);
    let finished = monitor.stop();
    assert_eq!(finished.output.status.code(), Some(0), "{}", errors(&finished.output));
    let lost = finished.account("ring_full");
    assert!(lost > 100, "{lost} frames did not fit into a megabyte");
    assert_eq!(lost, finished.frames("ring_full"));
    let rows = query(&finished.dataset, "SELECT established FROM connections");
    assert!(rows.len() >= 2 && rows.iter().all(|row| row["established"] == true), "{rows:?}");
}

#[test]
fn kill_9_leaves_the_interface_as_it_was_and_a_second_monitor_is_refused() {
    let bulk = Bulk::up();
    let mut monitor = bulk.monitor("seen", "-p https -q --part-age 1");
    let programs = attached(&bulk.pair.near);
    assert!(programs.contains("arriving") || programs.contains("near0"), "{programs}");
    assert!(bulk.pair.ip("-d link show near0").contains("promiscuity 1"));

    let refused = within(&bulk.pair.near, STARLING)
        .args(["monitor", "-i", "near0", "-o"])
        .arg(bulk.folder.path().join("other"))
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(errors(&refused).contains("near0 already has an XDP program"), "{}", errors(&refused));
    assert!(!bulk.folder.path().join("other").exists());

    bulk.transfer(1, 1_000);
    wait_until("a part is finished", || super::kill::parts(&monitor.dataset, "connections") > 0);
    signal(&monitor.child, "KILL");
    monitor.child.wait().unwrap();
    wait_until("the kernel has taken the programs off", || !attached(&bulk.pair.near).contains("near0"));
    assert!(bulk.pair.ip("-d link show near0").contains("promiscuity 0"));
    assert_eq!(query(&monitor.dataset, "SELECT sni FROM connections")[0]["sni"], "bulk.example");
    bulk.transfer(1, 1_000);
}

#[test]
fn a_limit_ends_it_and_an_interface_that_goes_is_said() {
    let bulk = Bulk::up();
    let limited = bulk.monitor("limited", "-p https -t 1.5");
    bulk.transfer(1, 1_000);
    let finished = limited.wait();
    let text = errors(&finished.output);
    assert_eq!(finished.output.status.code(), Some(0), "{text}");
    assert!(text.contains("for 1.5 s, or until Ctrl-C") && text.contains(" handed up, 0 lost; "), "{text}");
    assert_eq!(finished.manifest["rows"]["connections"], 1);

    let early = bulk.monitor("early", "-p https -q -t 600");
    let finished = early.stop();
    assert_eq!((finished.output.status.code(), &finished.manifest["state"]), (Some(3), &"stopped".into()));

    let gone = bulk.monitor("gone", "-p https -q");
    bulk.transfer(1, 1_000);
    bulk.pair.ip("link del near0");
    let finished = gone.wait();
    let text = errors(&finished.output);
    assert_eq!(finished.output.status.code(), Some(1), "{text}");
    assert!(text.contains("near0 is gone; all else is in"), "{text}");
    assert_eq!(finished.manifest["rows"]["connections"], 1);
}
