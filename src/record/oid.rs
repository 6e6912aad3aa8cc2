//! Object identifiers as text (X.690, section 8.19), and the names that certificates need.

use x509_parser::asn1_rs::Oid;

/// The dotted form, e.g. `1.2.840.113549.1.1.11`.
///
/// Content octets that are no object identifier (empty, cut short, or an arc above 2^64) are shown as
/// `malformed:` and their first 32 octets in hex.
pub(super) fn dotted(oid: &Oid<'_>) -> String {
    let octets = oid.as_bytes();
    arcs(octets).map_or_else(|| format!("malformed:{}", hex(&octets[..octets.len().min(32)])), |arcs| arcs.join("."))
}

/// The name that `table` has for the object identifier, else its dotted form.
pub(super) fn name_or_dotted(oid: &Oid<'_>, table: &[(&str, &'static str)]) -> String {
    let dotted = dotted(oid);
    lookup(&dotted, table).map_or(dotted, str::to_owned)
}

/// The name that `table` has for a dotted object identifier.
pub(super) fn lookup(dotted: &str, table: &[(&str, &'static str)]) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == dotted).map(|&(_, name)| name)
}

/// Lower-case hex.
pub(super) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Longest object identifier that is taken apart; real ones are below 20 octets.
const MAX_OCTETS: usize = 64;

fn arcs(octets: &[u8]) -> Option<Vec<String>> {
    if octets.is_empty() || octets.len() > MAX_OCTETS || octets[octets.len() - 1] & 0x80 != 0 {
        return None;
    }
    let mut arcs = Vec::new();
    let mut value = 0u64;
    for octet in octets {
        value = value.checked_mul(128)?.checked_add(u64::from(octet & 0x7f))?;
        if octet & 0x80 != 0 {
            continue;
        }
        if arcs.is_empty() {
            // The first two arcs share a subidentifier; only below root 2 may the second exceed 39.
            let root = (value / 40).min(2);
            arcs.push(root.to_string());
            value -= root * 40;
        }
        arcs.push(value.to_string());
        value = 0;
    }
    Some(arcs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_identifiers_are_dotted() {
        let cases: [(&[u8], &str); 6] = [
            (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b], "1.2.840.113549.1.1.11"),
            (&[0x88, 0x37, 0x03], "2.999.3"),
            (&[0x55, 0x04, 0x03], "2.5.4.3"),
            (&[], "malformed:"),
            (&[0x2a, 0x86], "malformed:2a86"),
            (
                &[0x2a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
                "malformed:2affffffffffffffffffff7f",
            ),
        ];
        for (octets, text) in cases {
            assert_eq!(dotted(&Oid::new(octets.into())), text);
        }
        assert_eq!(dotted(&Oid::new(vec![0x81; 70_000].into())), format!("malformed:{}", "81".repeat(32)));
    }
}
