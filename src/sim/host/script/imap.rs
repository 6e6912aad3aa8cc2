//! IMAP.

use super::{Part, Scene, Then, Told, nothing, owned};

pub(super) const PART: Part = Part { end: b'\n', greeting, upgraded: nothing, reply, told };

const CLEAR: &[&str] = &["IMAP4rev1", "LITERAL+", "LOGINDISABLED"];
const INSIDE: &[&str] = &["IMAP4rev1", "AUTH=PLAIN", "AUTH=SCRAM-SHA-256"];

fn banner(scene: &Scene<'_>) -> String {
    let name = scene.name;
    if scene.refuses() { format!("* BYE {name} busy") } else { format!("* OK {name} ready") }
}

fn greeting(scene: &Scene<'_>) -> String {
    banner(scene) + "\r\n"
}

fn capabilities(scene: &Scene<'_>) -> Vec<String> {
    let mut list = owned(if scene.inside { INSIDE } else { CLEAR });
    if scene.offers() {
        list.push("STARTTLS".into());
    }
    list
}

fn reply(scene: &Scene<'_>, line: &str) -> (String, Then) {
    let mut words = line.split(' ');
    let tag = words.next().unwrap_or_default();
    match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
        "CAPABILITY" => (format!("* CAPABILITY {}\r\n{tag} OK done\r\n", capabilities(scene).join(" ")), Then::Listen),
        "STARTTLS" if scene.agrees() => (format!("{tag} OK begin\r\n"), Then::Upgrade),
        "STARTTLS" => (format!("{tag} NO not today\r\n"), Then::Listen),
        "LOGOUT" => (format!("* BYE\r\n{tag} OK bye\r\n"), Then::Close),
        _ => (format!("{tag} BAD what?\r\n"), Then::Listen),
    }
}

fn told(scene: &Scene<'_>) -> Told {
    let auth = if scene.inside { owned(&["PLAIN", "SCRAM-SHA-256"]) } else { Vec::new() };
    Told { banner: Some(banner(scene)), banner_code: None, capabilities: capabilities(scene), auth }
}
