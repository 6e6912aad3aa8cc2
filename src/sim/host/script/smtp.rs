//! SMTP.

use super::{Manner, Part, Scene, Then, Told, nothing, owned};

pub(super) const PART: Part = Part { end: b'\n', greeting, upgraded: nothing, reply, told };

const CLEAR: &[&str] = &["PIPELINING", "SIZE 10240000", "8BITMIME"];
const INSIDE: &[&str] = &["PIPELINING", "AUTH PLAIN LOGIN", "8BITMIME"];

fn banner(scene: &Scene<'_>) -> (u16, String) {
    let name = scene.name;
    match scene.manner {
        Manner::Busy => (421, format!("421 {name} busy")),
        Manner::NoService => (554, format!("554 {name} no service")),
        _ => (220, format!("220 {name} ESMTP")),
    }
}

fn greeting(scene: &Scene<'_>) -> String {
    banner(scene).1 + "\r\n"
}

fn capabilities(scene: &Scene<'_>) -> Vec<String> {
    let mut list = owned(if scene.inside { INSIDE } else { CLEAR });
    if scene.offers() {
        list.insert(0, "STARTTLS".into());
    }
    list
}

fn reply(scene: &Scene<'_>, line: &str) -> (String, Then) {
    let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
    match verb.as_str() {
        "EHLO" => {
            let list = capabilities(scene);
            let mut reply = format!("250-{}\r\n", scene.name);
            for (left, word) in (0..list.len()).rev().zip(list) {
                reply += &format!("250{}{word}\r\n", if left == 0 { ' ' } else { '-' });
            }
            (reply, Then::Listen)
        }
        "STARTTLS" if scene.agrees() => ("220 go ahead\r\n".into(), Then::Upgrade),
        "STARTTLS" => ("454 TLS not available\r\n".into(), Then::Listen),
        "QUIT" => ("221 bye\r\n".into(), Then::Close),
        _ => ("500 unknown command\r\n".into(), Then::Listen),
    }
}

fn told(scene: &Scene<'_>) -> Told {
    let (code, banner) = banner(scene);
    let auth = if scene.inside { owned(&["PLAIN", "LOGIN"]) } else { Vec::new() };
    Told { banner: Some(banner), banner_code: Some(code), capabilities: capabilities(scene), auth }
}
