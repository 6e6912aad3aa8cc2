//! POP3.

use super::{Part, Scene, Then, Told, nothing, owned};

pub(super) const PART: Part = Part { end: b'\n', greeting, upgraded: nothing, reply, told };

const CLEAR: &[&str] = &["TOP", "UIDL", "RESP-CODES"];
const INSIDE: &[&str] = &["TOP", "USER", "SASL PLAIN LOGIN", "UIDL"];

fn banner(scene: &Scene<'_>) -> String {
    let name = scene.name;
    if scene.refuses() {
        format!("-ERR [SYS/TEMP] {name} busy")
    } else {
        format!("+OK {name} ready <1896.697170952@{name}>")
    }
}

fn greeting(scene: &Scene<'_>) -> String {
    banner(scene) + "\r\n"
}

fn capabilities(scene: &Scene<'_>) -> Vec<String> {
    let mut list = owned(if scene.inside { INSIDE } else { CLEAR });
    if scene.offers() {
        list.insert(1, "STLS".into());
    }
    list
}

fn reply(scene: &Scene<'_>, line: &str) -> (String, Then) {
    match line.to_ascii_uppercase().as_str() {
        "CAPA" => (format!("+OK list follows\r\n{}\r\n.\r\n", capabilities(scene).join("\r\n")), Then::Listen),
        "STLS" if scene.agrees() => ("+OK begin\r\n".into(), Then::Upgrade),
        "STLS" => ("-ERR not today\r\n".into(), Then::Listen),
        "QUIT" => ("+OK bye\r\n".into(), Then::Close),
        _ => ("-ERR what?\r\n".into(), Then::Listen),
    }
}

fn told(scene: &Scene<'_>) -> Told {
    let auth = if scene.inside { owned(&["PLAIN", "LOGIN"]) } else { Vec::new() };
    Told { banner: Some(banner(scene)), banner_code: None, capabilities: capabilities(scene), auth }
}
