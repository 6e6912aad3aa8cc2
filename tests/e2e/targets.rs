//! What is scanned: lists and routing tables through the program itself. Nothing is sent.

use super::world::{STARLING, errors, query};
use std::io::Write;
use std::process::{Command, Output, Stdio};

fn dry_run(arguments: &str, input: &str) -> Output {
    let mut command = Command::new(STARLING);
    command.args(["scan", "-d"]).args(arguments.split_whitespace());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_list_on_standard_input_is_printed_in_probing_order() {
    let input = "saddr\n198.18.0.1\n198.18.0.2:993\n198.18.0.3,mx.example,,25\n198.18.0.1\n";
    let output = dry_run("-p smtp,imap -e 7 -I -", input);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    assert_eq!(errors(&output), "-I -: 4 lines, 4 targets; 2 given more than once\n");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["198.18.0.1,143", "198.18.0.1,25", "198.18.0.2,993", "198.18.0.3,25"]);
    // What was printed is a list itself, and the other form says the same.
    let binary = dry_run("-e 7 --format binary -q -I -", &text);
    assert_eq!(binary.stdout.len(), 4 * 6);
    let again = dry_run("-p smtp,imap -e 7 -I -", &text);
    assert_eq!(again.stdout.len(), text.len());
}

#[test]
fn a_million_lines_are_a_second_of_work_and_errors_name_the_line() {
    let mut input: String = (0..1_000_000u32)
        .map(|n| format!("{}.{}.{}.{}\n", 20 + n % 7, (n >> 12) & 255, (n >> 4) & 255, (n * 16) & 255))
        .collect();
    let output = dry_run("-p smtp -n 1 -I -", &input);
    let text = errors(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.starts_with("-I -: 1000000 lines, "), "{text}");
    input.push_str("20.0.0.256\n");
    let output = dry_run("-p smtp -I -", &input);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    assert!(errors(&output).starts_with("starling: -I -:1000001: `20.0.0.256` is no target"), "{}", errors(&output));
}

#[test]
fn nothing_left_after_blocking_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let block = folder.path().join("block");
    std::fs::write(&block, "198.18.0.0/16\n198.18.0.0/24\n198.18.128.0/17\n").unwrap();
    let output = dry_run(&format!("-q -p smtp -b {} -I -", block.display()), "198.18.0.1\n198.18.200.1:993\n");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    assert_eq!(
        errors(&output),
        "starling: no address is left to scan: all are blocked or reserved. Next step: see -b, -w and -I\n"
    );
}

#[test]
fn a_routing_table_is_an_allowlist_and_a_table_of_the_dataset() {
    let folder = tempfile::tempdir().unwrap();
    let rib = folder.path().join("rib.dat.gz");
    let lines =
        "; pyasn\n0.0.0.0/0\t64500\n10.0.0.0/8\t64501\n20.0.0.0/25\t64502\n20.0.0.64/27\t64503\n2001:db8::/32\t1\n";
    let plain = folder.path().join("rib.dat");
    std::fs::write(&plain, lines).unwrap();
    let gzip = Command::new("gzip").arg("-k").arg(&plain).status().unwrap();
    assert!(gzip.success());
    let census = folder.path().join("census");
    let mut command = Command::new(STARLING);
    command.args(["scan", "-p", "smtp", "--nic", "sim:3", "--allow-rib"]).arg(&rib).arg("-o").arg(&census);
    let output = command.output().unwrap();
    let text = errors(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("rib.dat.gz: 3 prefixes, 128 addresses; 1 routes shorter than /8 left out\n"), "{text}");
    let rows = query(
        &census,
        "SELECT first_address, last_address, prefix, origin_as, origins, as_set FROM prefixes ORDER BY first_ip",
    );
    let row = |first: &str, last: &str, prefix: &str, origin: u32| {
        serde_json::json!({
            "first_address": first, "last_address": last, "prefix": prefix, "origin_as": origin, "origins": [origin],
            "as_set": false,
        })
    };
    let expected = [
        row("20.0.0.0", "20.0.0.63", "20.0.0.0/25", 64_502),
        row("20.0.0.64", "20.0.0.95", "20.0.0.64/27", 64_503),
        row("20.0.0.96", "20.0.0.127", "20.0.0.0/25", 64_502),
    ];
    assert_eq!(rows, expected);
    let rows = query(
        &census,
        "SELECT count(*) AS n, count(p.origin_as) AS known FROM hosts LEFT JOIN prefixes p ON ip BETWEEN first_ip AND last_ip",
    );
    assert!(rows[0]["n"].as_u64().unwrap() > 0 && rows[0]["n"] == rows[0]["known"], "{rows:?}");

    let wrong = folder.path().join("wrong.xz");
    std::fs::write(&wrong, b"\xfd7zXZ\0....").unwrap();
    let output = dry_run(&format!("-p smtp --allow-rib {}", wrong.display()), "");
    assert_eq!(output.status.code(), Some(2));
    assert!(errors(&output).contains("gzip and bzip2 are read. Next step: unpack it"), "{}", errors(&output));
}
