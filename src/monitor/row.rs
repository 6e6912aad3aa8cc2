//! A conversation as a row.

use super::Recorded;
use super::conversation::Shown;
use crate::dialogue::Findings;
use crate::record::row::Connection;
use crate::tls::names;
use crate::tls::ocsp::Ocsp;
use crate::tls::suites;
use crate::tls::tap::{ClientHello, Flight, is_tls13};
use md5::{Digest, Md5};
use std::fmt::Write as _;

/// `pre_shared_key` (RFC 8446, section 4.2.11).
const PRE_SHARED_KEY: u16 = 41;
const SSL_2: u16 = 2;

/// The row of what was shown; `row` has what the packets told.
pub(super) fn recorded(shown: Shown, mut row: Connection) -> Recorded {
    row.protocol = shown.spoken.name();
    row.recognised = if shown.by_content { "content" } else { "port" };
    (row.gaps, row.gap_bytes) = (shown.gaps, shown.gap_bytes);
    if let Some(found) = shown.findings {
        before_tls(*found, &mut row);
    }
    let mut chain = Vec::new();
    if let Some(flights) = shown.flights {
        let (client, mut server) = *flights;
        if let Some(certificates) = &mut server.certificates {
            chain = std::mem::take(&mut certificates.chain);
        }
        tls(&client, &server, &chain, &mut row);
    }
    Recorded { row, chain }
}

fn before_tls(found: Findings, row: &mut Connection) {
    row.capabilities_before = found.before.list.iter().map(str::to_owned).collect();
    row.auth_before = found.before.auth.iter().map(str::to_owned).collect();
    row.starttls_offered = found.upgrade.offered;
    row.starttls_sent = found.upgrade.sent;
    row.starttls_accepted = found.upgrade.accepted;
    row.starttls_injected = found.upgrade.injected;
    row.auth_clear = found.auth_clear;
    row.error = found.violation.map(|_| "the server said what is not of the protocol".to_owned());
}

fn tls(client: &Flight, server: &Flight, chain: &[Vec<u8>], row: &mut Connection) {
    if let Some(hello) = &client.client_hello {
        offer(hello, row);
    }
    row.client_v2_hello = client.v2_hello;
    let alert = |flight: &Flight| flight.alerts.iter().find(|alert| alert.description != 0).copied();
    row.tls_alert = alert(server).map(|alert| names::alert(alert.description));
    row.tls_alert_sent = alert(client).map(|alert| names::alert(alert.description));
    row.established = Some(established(client, server));
    row.tls_flight_bytes = (server.bytes > 0).then_some(server.bytes);
    let faults = [("client", client.error), ("server", server.error)];
    let faults = faults.iter().filter_map(|(side, error)| error.map(|error| format!("{side}: {}", error.reason())));
    row.error = faults.reduce(|all, one| format!("{all}; {one}")).or(row.error.take());
    if let Some(found) = &server.certificates
        && !chain.is_empty()
    {
        row.certificates = Some("seen");
        row.tls_ocsp = Some(found.ocsp.is_some());
        if let Some(said) = found.ocsp.as_deref().map(Ocsp::parse) {
            row.tls_ocsp_status = Some(said.status);
            (row.tls_ocsp_this_update, row.tls_ocsp_next_update) = (said.this_update, said.next_update);
        }
    }

    let Some(chosen) = server.server_hello.as_ref().or(server.retry.as_ref()) else { return };
    let tls13 = is_tls13(chosen.version);
    let group = server.key_exchange.group;
    row.tls_version = Some(names::any_version(chosen.version));
    if chosen.version == SSL_2 {
        row.tls_cipher = client.v2_kind.map(names::v2_cipher);
        row.tls_cipher_class = client.v2_kind.map(|kind| suites::v2_class(kind).name());
    } else {
        row.tls_cipher = Some(names::cipher(chosen.suite));
        row.tls_cipher_class = Some(suites::class(chosen.suite, group).name());
    }
    row.tls_group = group.map(names::group);
    row.tls_dh_bits = server.key_exchange.dh_bits;
    row.tls_signature = server.key_exchange.signature.map(names::signature);
    row.tls_extensions = numbers(&chosen.extensions);
    row.tls_retried = Some(server.retry.is_some());
    row.tls_alpn = chosen.alpn.clone();
    row.tls_scts = chosen.timestamps;
    row.resumed = Some(if tls13 {
        chosen.extensions.contains(&PRE_SHARED_KEY)
    } else {
        server.complete && !server.hello_done && chain.is_empty()
    });
    if tls13 {
        // Who is hostile can send some in the clear.
        row.certificates = row.certificates.or(Some("hidden"));
        return;
    }
    row.tls_compression = Some(chosen.compression != 0);
    row.tls_ticket = Some(server.ticket.is_some());
    row.tls_ticket_lifetime = server.ticket.map(|ticket| ticket.lifetime);
    row.tls_client_certificate = Some(server.certificate_request);
    if chain.is_empty() {
        row.certificates = match server.error {
            Some(_) => Some("hidden"),
            None if server.complete || server.hello_done => Some("none"),
            None => None,
        };
    }
}

/// The server chose, both sides went on encrypted, and none gave up in the clear.
fn established(client: &Flight, server: &Flight) -> bool {
    let fatal = |flight: &Flight| flight.alerts.iter().any(|alert| alert.level == 2);
    let encrypted = server.server_hello.as_ref().is_some_and(|hello| {
        if is_tls13(hello.version) { client.hidden && server.hidden } else { client.complete && server.complete }
    });
    encrypted && !fatal(client) && !fatal(server)
}

fn offer(hello: &ClientHello, row: &mut Connection) {
    let only = [hello.version];
    let versions = match &hello.versions[..] {
        // What is missing may have them.
        [] if hello.faulty => &[],
        [] => &only[..],
        versions => versions,
    };
    row.client_versions = versions.iter().map(|version| names::any_version(*version)).collect();
    row.client_suites = numbers(&hello.suites);
    row.client_groups = numbers(&hello.groups);
    row.client_key_shares = numbers(&hello.key_shares);
    row.client_signatures = numbers(&hello.signatures);
    row.client_extensions = numbers(&hello.extensions);
    row.client_alpn.clone_from(&hello.alpn);
    row.sni.clone_from(&hello.server_name);
    // Of a part there is no fingerprint.
    row.client_ja3 = (!hello.faulty).then(|| ja3(hello));
}

fn numbers(list: &[u16]) -> Vec<u32> {
    list.iter().copied().map(u32::from).collect()
}

/// The fingerprint of <https://github.com/salesforce/ja3>: MD5 of version, suites, extensions, groups and point formats, values of
/// GREASE (RFC 8701) left out.
fn ja3(hello: &ClientHello) -> String {
    let list = |numbers: &[u16]| {
        let grease = |number: u16| number & 0x0f0f == 0x0a0a && number >> 8 == number & 0xff;
        let kept = numbers.iter().filter(|number| !grease(**number));
        kept.map(u16::to_string).collect::<Vec<_>>().join("-")
    };
    let formats = hello.point_formats.iter().map(u8::to_string).collect::<Vec<_>>().join("-");
    let parts = [hello.version.to_string(), list(&hello.suites), list(&hello.extensions), list(&hello.groups), formats];
    let digest = Md5::digest(parts.join(","));
    digest.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests;
