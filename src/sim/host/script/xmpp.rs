//! XMPP, between client and server and between servers.

use super::{Part, Scene, Then, Told, nothing, owned};

pub(super) const PART: Part = Part { end: b'>', greeting: nothing, upgraded: nothing, reply, told };

const CLEAR: &str = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>";
const STARTTLS: &str = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>";
const INSIDE: &str = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-1-PLUS</mechanism>\
    <mechanism>PLAIN</mechanism></mechanisms>\n<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'>\
    <channel-binding type='tls-exporter'/></sasl-channel-binding>";
const INSIDE_TOLD: &[&str] = &[
    "{urn:ietf:params:xml:ns:xmpp-sasl}mechanisms SCRAM-SHA-1-PLUS PLAIN",
    "{urn:xmpp:sasl-cb:0}sasl-channel-binding tls-exporter",
];
const REFUSAL: &str = "<stream:error><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>";

fn features(scene: &Scene<'_>) -> String {
    match (scene.inside, scene.offers()) {
        (true, _) => INSIDE.to_owned(),
        (false, true) => format!("{STARTTLS}{CLEAR}"),
        (false, false) => CLEAR.to_owned(),
    }
}

fn reply(scene: &Scene<'_>, tag: &str) -> (String, Then) {
    let tag = tag.trim_start();
    if tag.starts_with("<?xml") {
        return (String::new(), Then::Listen);
    }
    if tag.starts_with("<stream:stream") {
        let namespace = if tag.contains("'jabber:server'") { "jabber:server" } else { "jabber:client" };
        let head = format!(
            "<?xml version='1.0'?><stream:stream xmlns='{namespace}' xmlns:stream='http://etherx.jabber.org/streams' \
             id='1' from='{}' version='1.0'>",
            scene.name
        );
        return if scene.refuses() {
            (format!("{head}{REFUSAL}</stream:stream>"), Then::Close)
        } else {
            (format!("{head}<stream:features>{}</stream:features>", features(scene)), Then::Listen)
        };
    }
    match tag {
        "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/" if scene.agrees() => {
            ("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>".into(), Then::Upgrade)
        }
        "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/" => {
            ("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>".into(), Then::Close)
        }
        "</stream:stream" => ("</stream:stream>".into(), Then::Close),
        _ => ("<stream:error><not-well-formed xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>".into(), Then::Close),
    }
}

fn told(scene: &Scene<'_>) -> Told {
    let capabilities = if scene.inside {
        owned(INSIDE_TOLD)
    } else {
        let starttls = scene.offers().then_some("{urn:ietf:params:xml:ns:xmpp-tls}starttls required");
        owned(&[starttls.as_slice(), &["{urn:xmpp:features:dialback}dialback errors"]].concat())
    };
    let auth = if scene.inside { owned(&["SCRAM-SHA-1-PLUS", "PLAIN"]) } else { Vec::new() };
    let banner = Some(format!("id=1\nfrom={}\nversion=1.0", scene.name));
    Told { banner, banner_code: None, capabilities, auth }
}
