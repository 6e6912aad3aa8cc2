//! The blocklist read again in mid-scan: nothing more goes to what it has.

use super::kill::{signal, state};
use super::world::{Lab, errors, query, wait_until};
use std::process::{Command, Stdio};
use std::time::Duration;

#[test]
fn a_blocklist_read_again_takes_effect_and_a_wrong_one_does_not() {
    let lab = Lab::up();
    let census = lab.folder.path().join("census");
    let lists = lab.folder.path().join("lists");
    std::fs::create_dir(&lists).unwrap();
    let list = lists.join("block");
    std::fs::write(&list, "# nobody yet\n").unwrap();
    // 16384 targets at 2000 a second take eight seconds.
    let arguments = format!("-q -p smtp,imap,imaps,https -r 2000 -c 1 -e 5 -b {} 198.18.0.0/20", list.display());
    let scan = lab.spawn_scan(&census, &arguments);
    wait_until("the scan has begun", || census.join("run.json").exists());
    std::thread::sleep(Duration::from_millis(1_500));

    std::fs::write(&list, "198.18.0.0/20\n198.18.0.\n").unwrap();
    signal(&scan, "HUP");
    std::thread::sleep(Duration::from_millis(500));
    // As editors and rsync do it: a new file in the old one's place.
    std::fs::write(lists.join("new"), "198.18.8.0/21 # asked us\n").unwrap();
    std::fs::rename(lists.join("new"), &list).unwrap();
    signal(&scan, "HUP");
    std::thread::sleep(Duration::from_millis(700));

    let seen = |network: &str| {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &lab.world, "timeout", "1", "tcpdump", "-nn", "-i", &lab.peer]);
        command.args(["dst", "net", network]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert!(seen("198.18.0.0/21").len() > 100, "the scan goes on");
    assert_eq!(seen("198.18.8.0/21"), [""; 0], "frames to blocked addresses");

    let scan = scan.wait_with_output().unwrap();
    let text = errors(&scan);
    assert_eq!(scan.status.code(), Some(0), "{text}");
    let kept = format!("SIGHUP: the blocklist stays as it was: -b {}:2: `198.18.0.` is not", list.display());
    assert!(text.contains(&kept), "{text}");
    assert!(text.contains("read again: 2048 addresses are blocked now"), "{text}");
    let ledger = &state(&census)["ledger"];
    let [walked, probes, blocked] = ["walked", "probes", "blocked_since"].map(|name| ledger[name].as_u64().unwrap());
    assert_eq!((walked, probes + blocked), (16_384, 16_384));
    assert!((1_000..7_500).contains(&blocked), "{blocked}");
    let rows = query(&census, "SELECT count(*) AS n FROM handshakes WHERE outcome = 'complete' AND ip < 3323070464");
    assert!(rows[0]["n"].as_u64().unwrap() > 5, "what is not blocked is found");
}
