//! Name constraints (RFC 5280, section 4.2.1.10), for the kinds of names that servers have.

use x509_parser::asn1_rs::{FromDer, oid};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{BasicConstraints, GeneralName, NameConstraints, SubjectAlternativeName};
use x509_parser::x509::X509Name;

use super::facts::{Facts, extension, parse};
use crate::record::certificate::canonical_name;

/// Most comparisons of a name with a constraint that one certificate is worth; beyond it counts as broken.
const MAX_COMPARISONS: usize = 100_000;

/// Whether `constraining` forbids the names of `named`. Constraints that cannot be read forbid every name.
pub(super) fn broken(constraining: &Facts, named: &Facts) -> bool {
    let (Some(above), Some(below)) = (parse(constraining.der()), parse(named.der())) else { return true };
    let Some(constraints) = extension::<NameConstraints<'_>>(&above, &oid!(2.5.29.30)) else { return true };
    let alternative = below.extensions().iter().find(|extension| extension.oid == oid!(2.5.29.17));
    if alternative.is_some_and(|names| SubjectAlternativeName::from_der(names.value).is_err()) {
        return true;
    }
    let permitted: Vec<_> = constraints.permitted_subtrees.into_iter().flatten().map(|tree| tree.base).collect();
    let excluded: Vec<_> = constraints.excluded_subtrees.into_iter().flatten().map(|tree| tree.base).collect();
    let names = names(&below);
    if names.len() * (permitted.len() + excluded.len()) > MAX_COMPARISONS {
        return true;
    }
    // A network that is none may have been meant to forbid the address.
    let misread = permitted.iter().chain(&excluded).any(is_malformed_network);
    names.iter().any(|name| {
        if matches!(name, GeneralName::Invalid(..)) || misread && matches!(name, GeneralName::IPAddress(_)) {
            return true;
        }
        let mut allowing = permitted.iter().filter(|base| same_kind(name, base)).peekable();
        let mut forbidding = excluded.iter().filter(|base| same_kind(name, base)).peekable();
        if !is_comparable(name) {
            return allowing.peek().is_some() || forbidding.peek().is_some();
        }
        allowing.peek().is_some() && !allowing.any(|base| inside(name, base))
            || forbidding.any(|base| inside(name, base) || covers(name, base))
    })
}

/// The names that are constrained: the subject, unless it is empty, and the subject alternative names; without a DNS name
/// among those also common names that could be one, as OpenSSL does it.
fn names<'a>(certificate: &'a X509Certificate<'a>) -> Vec<GeneralName<'a>> {
    let subject = certificate.subject();
    let mut names = Vec::new();
    if subject.iter().next().is_some() {
        names.push(GeneralName::DirectoryName(subject.clone()));
    }
    let alternative = extension::<SubjectAlternativeName<'_>>(certificate, &oid!(2.5.29.17));
    names.extend(alternative.into_iter().flat_map(|extension| extension.general_names));
    let is_ca = extension::<BasicConstraints>(certificate, &oid!(2.5.29.19)).is_some_and(|found| found.ca);
    if !is_ca && !names.iter().any(|name| matches!(name, GeneralName::DNSName(_))) {
        let common = subject.iter_common_name().filter_map(|name| name.as_str().ok());
        names.extend(common.filter(|name| is_host(name)).map(GeneralName::DNSName));
    }
    names
}

fn is_host(name: &str) -> bool {
    name.contains('.')
        && name.split('.').all(|label| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_*".contains(&byte))
        })
}

fn same_kind(name: &GeneralName<'_>, base: &GeneralName<'_>) -> bool {
    std::mem::discriminant(name) == std::mem::discriminant(base)
}

/// Constraints on kinds that nobody here can compare forbid all names of the kind.
fn is_comparable(name: &GeneralName<'_>) -> bool {
    matches!(
        name,
        GeneralName::DNSName(_)
            | GeneralName::RFC822Name(_)
            | GeneralName::IPAddress(_)
            | GeneralName::DirectoryName(_)
            | GeneralName::URI(_)
    )
}

/// A wildcard stands for an excluded host too.
fn covers(name: &GeneralName<'_>, base: &GeneralName<'_>) -> bool {
    let (GeneralName::DNSName(name), GeneralName::DNSName(base)) = (name, base) else { return false };
    let parent = base.split_once('.').map(|(_, parent)| parent);
    name.strip_prefix("*.").is_some_and(|name| parent.is_some_and(|parent| name.eq_ignore_ascii_case(parent)))
}

fn inside(name: &GeneralName<'_>, base: &GeneralName<'_>) -> bool {
    match (name, base) {
        (GeneralName::DNSName(name), GeneralName::DNSName(base)) => within_domain(name, base),
        (GeneralName::RFC822Name(name), GeneralName::RFC822Name(base)) => within_mailbox(name, base),
        (GeneralName::IPAddress(name), GeneralName::IPAddress(base)) => within_network(name, base),
        (GeneralName::DirectoryName(name), GeneralName::DirectoryName(base)) => within_directory(name, base),
        (GeneralName::URI(name), GeneralName::URI(base)) => {
            let host = name.split_once("://").map_or("", |(_, rest)| rest);
            let host = host.split(['/', '?', '#']).next().unwrap_or_default();
            let host = host.rsplit('@').next().unwrap_or_default();
            within_host(host.split(':').next().unwrap_or_default(), base)
        }
        _ => false,
    }
}

/// A name is in a domain that it ends with, label by label.
fn within_domain(name: &str, base: &str) -> bool {
    let (name, base) = (name.to_ascii_lowercase(), base.to_ascii_lowercase());
    let base = base.strip_prefix('.').unwrap_or(&base);
    base.is_empty() || name.strip_suffix(base).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// A constraint with a dot first means what is below it, one without it that host.
fn within_host(host: &str, base: &str) -> bool {
    match base.starts_with('.') {
        true => host.len() > base.len() && host.to_ascii_lowercase().ends_with(&base.to_ascii_lowercase()),
        false => host.eq_ignore_ascii_case(base),
    }
}

fn within_mailbox(name: &str, base: &str) -> bool {
    match (name.rsplit_once('@'), base.rsplit_once('@')) {
        (Some((user, host)), Some((local, domain))) => user == local && host.eq_ignore_ascii_case(domain),
        (Some((_, host)), None) => within_host(host, base),
        _ => false,
    }
}

/// The base is an address and a mask.
fn within_network(address: &[u8], base: &[u8]) -> bool {
    let (network, mask) = base.split_at(base.len() / 2);
    address.len() == network.len()
        && mask.len() == network.len()
        && address.iter().zip(network).zip(mask).all(|((address, network), mask)| address & mask == network & mask)
}

/// A network is an address and a mask of IPv4 or IPv6 (RFC 5280, section 4.2.1.10).
fn is_malformed_network(base: &GeneralName<'_>) -> bool {
    matches!(base, GeneralName::IPAddress(octets) if !matches!(octets.len(), 8 | 32))
}

/// The base's parts come first in the name.
fn within_directory(name: &X509Name<'_>, base: &X509Name<'_>) -> bool {
    canonical_name(name).starts_with(&canonical_name(base))
}
