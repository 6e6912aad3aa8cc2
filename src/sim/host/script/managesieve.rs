//! ManageSieve.

use super::{Manner, Part, Scene, Then, Told, owned};

pub(super) const PART: Part = Part { end: b'\n', greeting, upgraded: greeting, reply, told };

const CLEAR: &[&str] = &["\"IMPLEMENTATION\" \"simulated\"", "\"SASL\" \"\""];
const INSIDE: &[&str] = &["\"IMPLEMENTATION\" \"simulated\"", "\"SASL\" \"PLAIN LOGIN\""];

fn banner(scene: &Scene<'_>) -> String {
    let name = scene.name;
    match scene.manner {
        Manner::Busy => format!("BYE \"{name} busy\""),
        Manner::NoService => format!("NO \"{name} no service\""),
        _ => format!("OK \"{name} ready\""),
    }
}

/// The list, which comes by itself in the clear and again inside TLS.
fn greeting(scene: &Scene<'_>) -> String {
    if scene.refuses() {
        return banner(scene) + "\r\n";
    }
    format!("{}\r\n{}\r\n", capabilities(scene).join("\r\n"), banner(scene))
}

fn capabilities(scene: &Scene<'_>) -> Vec<String> {
    let mut list = owned(if scene.inside { INSIDE } else { CLEAR });
    if scene.offers() {
        list.push("\"STARTTLS\"".into());
    }
    list
}

fn reply(scene: &Scene<'_>, line: &str) -> (String, Then) {
    match line {
        "STARTTLS" if scene.agrees() => ("OK \"begin\"\r\n".into(), Then::Upgrade),
        "STARTTLS" => ("NO \"not today\"\r\n".into(), Then::Listen),
        "CAPABILITY" => (greeting(scene), Then::Listen),
        "LOGOUT" => ("OK \"bye\"\r\n".into(), Then::Close),
        _ => ("NO \"what?\"\r\n".into(), Then::Listen),
    }
}

fn told(scene: &Scene<'_>) -> Told {
    let auth = if scene.inside { owned(&["PLAIN", "LOGIN"]) } else { Vec::new() };
    Told { banner: Some(banner(scene)), banner_code: None, capabilities: capabilities(scene), auth }
}
