//! IRC.

use super::{Part, Scene, Then, Told, nothing, owned};

pub(super) const PART: Part = Part { end: b'\n', greeting, upgraded: nothing, reply, told };

const CLEAR: &[&str] = &["multi-prefix", "server-time"];
const INSIDE: &[&str] = &["multi-prefix", "sasl=PLAIN,EXTERNAL", "server-time"];

fn banner(scene: &Scene<'_>) -> Option<String> {
    (!scene.refuses()).then(|| format!(":{} NOTICE * :*** Looking up your hostname...", scene.name))
}

fn greeting(scene: &Scene<'_>) -> String {
    match banner(scene) {
        Some(banner) => banner + "\r\n",
        None => "ERROR :Closing Link: Too many connections\r\n".into(),
    }
}

fn capabilities(scene: &Scene<'_>) -> Vec<String> {
    let mut list = owned(if scene.inside { INSIDE } else { CLEAR });
    if scene.offers() {
        list.push("tls".into());
    }
    list
}

fn reply(scene: &Scene<'_>, line: &str) -> (String, Then) {
    let name = scene.name;
    match line.split(' ').next().unwrap_or_default().to_ascii_uppercase().as_str() {
        _ if scene.refuses() => (String::new(), Then::Close),
        "CAP" => {
            let list = capabilities(scene);
            let (first, rest) = list.split_at(1);
            let lines = format!(
                ":{name} CAP * LS * :{}\r\nPING :{name}\r\n:{name} CAP * LS :{}\r\n",
                first.join(" "),
                rest.join(" ")
            );
            (lines, Then::Listen)
        }
        "STARTTLS" if scene.agrees() => (format!(":{name} 670 * :STARTTLS successful\r\n"), Then::Upgrade),
        "STARTTLS" => (format!(":{name} 691 * :STARTTLS failed\r\n"), Then::Listen),
        "PONG" => (String::new(), Then::Listen),
        "QUIT" => ("ERROR :Closing Link: (Quit)\r\n".into(), Then::Close),
        verb => (format!(":{name} 421 * {verb} :Unknown command\r\n"), Then::Listen),
    }
}

fn told(scene: &Scene<'_>) -> Told {
    let auth = if scene.inside { owned(&["PLAIN", "EXTERNAL"]) } else { Vec::new() };
    Told { banner: banner(scene), banner_code: None, capabilities: capabilities(scene), auth }
}
