//! The cases of x509-limbo for servers.
//!
//! Where we accept a chain that is to fail, the reason has to be seen in the case: in what it asks for that we are not asked
//! (revocation, names of servers, a limit), or in its certificates. Any other disagreement is wrong.

use super::certs::{certificates, judge, store};
use super::{Report, read, text};
use serde_json::Value;
use std::path::Path;
use x509_parser::asn1_rs::{Oid, oid};
use x509_parser::nom::Parser as _;
use x509_parser::prelude::*;
use x509_parser::public_key::PublicKey;

/// The cases of x509-limbo.
pub(crate) fn cases(folder: &Path, report: &mut Report) {
    let cases = read(folder, "certs/limbo.json");
    // Reasons that would fit nearly any case would excuse nearly any verdict.
    let (mut sound, mut excused) = (0, 0);
    for json in cases["testcases"].as_array().unwrap() {
        let name = text(&json["id"]);
        let ders = |value: &Value| {
            let texts = value.as_array().into_iter().flatten().map(text);
            texts.flat_map(|pem| certificates(pem.as_bytes())).collect::<Vec<_>>()
        };
        if text(&json["validation_kind"]) != "SERVER" {
            continue;
        }
        let leaf = certificates(text(&json["peer_certificate"]).as_bytes());
        let (between, roots) = (ders(&json["untrusted_intermediates"]), ders(&json["trusted_certs"]));
        let time = text(&json["validation_time"]);
        // Without a time any is meant: all of them last for centuries.
        let at = arrow::compute::kernels::cast_utils::string_to_timestamp_nanos(time)
            .map_or_else(|_| 1_795_442_462, |nanos| nanos.div_euclid(1_000_000_000));
        let verdict = judge(&[&leaf[..], &between].concat(), &store(&roots), at);
        let (found, expected) = (verdict.valid, text(&json["expected_result"]) == "SUCCESS");
        let reason = || Case::new(json, &leaf, &between, &roots).reason();
        if found == expected {
            report.fact(name, "", "", "");
            if found {
                sound += 1;
                excused += u32::from(reason().is_some());
            }
        } else if let Some(reason) = reason().filter(|_| found) {
            report.explained(name, reason);
        } else {
            let why = format!("{} {}", verdict.verdict, verdict.problems.join(" "));
            report.fact(name, "verdict", &why, text(&json["expected_result"]));
        }
    }
    println!("x509-limbo: of {sound} cases that succeed, {excused} would be excused if they were to fail");
    report.part("x509-limbo");
}

/// A case, its certificates read.
struct Case<'a> {
    json: &'a Value,
    leaf: X509Certificate<'a>,
    /// Intermediates and roots.
    issuers: Vec<X509Certificate<'a>>,
    roots: Vec<X509Certificate<'a>>,
}

/// A reason, and when it holds.
type Rule = (fn(&Case<'_>) -> bool, &'static str);

const NAMES: &str = "names of servers are not compared";
/// Rules for who makes certificates.
const STRICT: &str = "what a CA must not issue; openssl accepts it without -x509_strict";
const BROWSERS: &str = "the rules for browsers are not those of RFC 5280";

const RULES: &[Rule] = &[
    (|case| case.json["crls"].as_array().is_some_and(|lists| !lists.is_empty()), "revocation is not asked for"),
    (|case| !case.json["max_chain_depth"].is_null(), "the limit is not the caller's"),
    (|case| case.has_feature("denial-of-service"), "a limit of comparisons, which is higher here"),
    (|case| !case.is_for_its_peer(), NAMES),
    (|case| case.dns_names().iter().any(|name| !is_host(name)), NAMES),
    (|case| has_odd_serial(&case.leaf), "serial numbers are not judged"),
    (|case| case.all().any(breaks_profile) || case.issuers.iter().any(breaks_profile_of_issuers), STRICT),
    (|case| case.is_of_browsers() && case.breaks_baseline(), BROWSERS),
];

impl<'a> Case<'a> {
    fn new(json: &'a Value, leaf: &'a [Vec<u8>], between: &'a [Vec<u8>], roots: &'a [Vec<u8>]) -> Self {
        let read = |der: &'a Vec<u8>| {
            // One by one, so that an extension that cannot be read leaves the others.
            X509CertificateParser::new().with_deep_parse_extensions(false).parse(&der[..]).unwrap().1
        };
        let roots: Vec<_> = roots.iter().map(read).collect();
        let issuers = between.iter().map(read).chain(roots.iter().cloned()).collect();
        Self { json, leaf: read(&leaf[0]), issuers, roots }
    }

    fn reason(&self) -> Option<&'static str> {
        RULES.iter().find(|(holds, _)| holds(self)).map(|(_, reason)| *reason)
    }

    fn all(&self) -> impl Iterator<Item = &X509Certificate<'a>> {
        std::iter::once(&self.leaf).chain(&self.issuers)
    }

    fn has_feature(&self, name: &str) -> bool {
        self.json["features"].as_array().into_iter().flatten().any(|feature| feature == name)
    }

    /// Of the set that asks for the Baseline Requirements of the CA/Browser Forum.
    fn is_of_browsers(&self) -> bool {
        text(&self.json["id"]).starts_with("webpki::")
    }

    fn names(&self) -> Vec<GeneralName<'_>> {
        let names = extension::<SubjectAlternativeName<'_>>(&self.leaf, &oid!(2.5.29.17));
        names.map(|names| names.general_names).unwrap_or_default()
    }

    fn dns_names(&self) -> Vec<String> {
        let dns = |name: &GeneralName<'_>| matches!(name, GeneralName::DNSName(_)).then(|| plain(name));
        self.names().iter().filter_map(dns).collect()
    }

    /// The leaf has the name that the client wants.
    fn is_for_its_peer(&self) -> bool {
        let peer = &self.json["expected_peer_name"];
        let wanted = text(&peer["value"]);
        match text(&peer["kind"]) {
            "DNS" => self.dns_names().iter().any(|name| {
                let rest = wanted.split_once('.').map(|(_, rest)| rest);
                name.eq_ignore_ascii_case(wanted)
                    || name
                        .strip_prefix("*.")
                        .is_some_and(|name| rest.is_some_and(|rest| name.eq_ignore_ascii_case(rest)))
            }),
            "IP" => {
                let is_wanted =
                    |name: &GeneralName<'_>| matches!(name, GeneralName::IPAddress(_)) && plain(name) == wanted;
                self.names().iter().any(is_wanted)
            }
            _ => true,
        }
    }

    /// What the Baseline Requirements (sections 6.1.1.5, 6.1.5, 7.1) say, and RFC 5280 does not.
    fn breaks_baseline(&self) -> bool {
        let usage = extension::<ExtendedKeyUsage<'_>>(&self.leaf, &oid!(2.5.29.37));
        let strange_usage = usage.is_none_or(|usage| usage.any || !usage.server_auth)
            || raw(&self.leaf, &oid!(2.5.29.37)).is_some_and(|usage| usage.critical);
        let access = raw(&self.leaf, &oid!(1.3.6.1.5.5.7.1.1));
        let strange_access = access.is_some_and(|access| {
            AuthorityInfoAccess::from_der(access.value).is_ok_and(|(_, access)| {
                access
                    .iter()
                    .any(|one| !matches!(one.access_location, GeneralName::URI(at) if at.starts_with("http://")))
            }) || AuthorityInfoAccess::from_der(access.value).is_err()
        });
        let names = self.names();
        let common = self.leaf.subject().iter_common_name().filter_map(|name| name.as_str().ok());
        let strange_names = names.is_empty()
            || raw(&self.leaf, &oid!(2.5.29.17)).is_some_and(|names| names.critical) && !is_empty(self.leaf.subject())
            || common.into_iter().any(|common| !names.iter().any(|name| plain(name) == common))
            || self.has_feature("pedantic-public-suffix-wildcard");
        let strange_issuer = |one: &X509Certificate<'_>| {
            extension::<AuthorityKeyIdentifier<'_>>(one, &oid!(2.5.29.35))
                .is_some_and(|key| key.authority_cert_issuer.is_some() || key.authority_cert_serial.is_some())
        };
        strange_usage
            || strange_access
            || strange_names
            || is_ca(&self.leaf)
            || self.all().any(|one| one.version() != X509Version::V3 || !has_usual_key(one) || strange_issuer(one))
            || self.roots.iter().any(|root| raw(root, &oid!(2.5.29.37)).is_some())
    }
}

fn raw<'a, 'b>(certificate: &'b X509Certificate<'a>, identifier: &Oid<'_>) -> Option<&'b X509Extension<'a>> {
    certificate.extensions().iter().find(|one| one.oid == *identifier)
}

fn extension<'a, T: FromDer<'a, X509Error>>(certificate: &X509Certificate<'a>, identifier: &Oid<'_>) -> Option<T> {
    T::from_der(raw(certificate, identifier)?.value).ok().map(|(_, value)| value)
}

fn is_ca(certificate: &X509Certificate<'_>) -> bool {
    extension::<BasicConstraints>(certificate, &oid!(2.5.29.19)).is_some_and(|says| says.ca)
}

/// A name as text, without its kind.
fn plain(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(name) => (*name).to_owned(),
        GeneralName::IPAddress(octets) => {
            let four = <[u8; 4]>::try_from(*octets).map(|octets| std::net::Ipv4Addr::from(octets).to_string());
            let six = <[u8; 16]>::try_from(*octets).map(|octets| std::net::Ipv6Addr::from(octets).to_string());
            four.or(six).unwrap_or_default()
        }
        _ => String::new(),
    }
}

/// A name as hosts have it, perhaps with an asterisk for its first label.
fn is_host(name: &str) -> bool {
    let name = name.strip_prefix("*.").unwrap_or(name);
    name.split('.')
        .all(|label| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
}

fn is_empty(name: &X509Name<'_>) -> bool {
    name.iter().next().is_none()
}

/// RFC 5280, section 4.1.2.2.
fn has_odd_serial(certificate: &X509Certificate<'_>) -> bool {
    let serial = certificate.raw_serial();
    serial.len() > 20 || serial.iter().all(|octet| *octet == 0) || serial[0] & 0x80 != 0
}

/// What RFC 5280 asks of who issues any certificate, and not of who checks it (sections 4.2.1.1, .3, .6, .10, .11, .14).
fn breaks_profile(certificate: &X509Certificate<'_>) -> bool {
    let is_critical = |identifier: Oid<'static>| raw(certificate, &identifier).map(|one| one.critical);
    let issued = certificate.subject().as_raw() != certificate.issuer().as_raw();
    let signs = extension::<KeyUsage>(certificate, &oid!(2.5.29.15)).is_some_and(|usage| usage.key_cert_sign());
    let constraints = extension::<NameConstraints<'_>>(certificate, &oid!(2.5.29.30));
    let bases = constraints.iter().flat_map(|constraints| {
        [&constraints.permitted_subtrees, &constraints.excluded_subtrees].into_iter().flatten().flatten()
    });
    issued && raw(certificate, &oid!(2.5.29.35)).is_none()
        || signs && !is_ca(certificate)
        || is_critical(oid!(2.5.29.17)) == Some(false) && is_empty(certificate.subject())
        || is_critical(oid!(2.5.29.30)) == Some(false)
        || constraints.is_some() && (!is_ca(certificate) || bases.clone().count() == 0)
        || bases.into_iter().any(|tree| matches!(tree.base, GeneralName::DNSName(name) if name.starts_with('.')))
        || is_critical(oid!(2.5.29.36)) == Some(false)
        || is_critical(oid!(2.5.29.54)) == Some(false)
}

/// The same of a CA's (sections 4.1.2.6, 4.2.1.2, .9).
fn breaks_profile_of_issuers(certificate: &X509Certificate<'_>) -> bool {
    raw(certificate, &oid!(2.5.29.14)).is_none()
        || raw(certificate, &oid!(2.5.29.19)).is_none_or(|one| !one.critical)
        || is_empty(certificate.subject())
}

/// RSA of 2048 bits and whole octets, or one of NIST's curves, by its name.
fn has_usual_key(certificate: &X509Certificate<'_>) -> bool {
    let key = certificate.public_key();
    match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => {
            let modulus = rsa.modulus.iter().skip_while(|octet| **octet == 0);
            let first = modulus.clone().next().copied().unwrap_or(0);
            modulus.count() >= 256 && first & 0x80 != 0
        }
        Ok(PublicKey::EC(_)) => {
            let curve = key.algorithm.parameters().and_then(|parameters| parameters.clone().oid().ok());
            let usual = [oid!(1.2.840.10045.3.1.7), oid!(1.3.132.0.34), oid!(1.3.132.0.35)];
            curve.is_some_and(|curve| usual.contains(&curve))
        }
        _ => false,
    }
}
