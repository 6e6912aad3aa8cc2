//! Target `certificate`: the input is the DER of a certificate.
//!
//! Asserted: the row has hash and DER, is the same each time, says no more than its limits allow, and shows no
//! control character where its documentation promises none.

use starling::base::UtcMicros;
use starling::record::certificate::{digest, sha256};

/// Longest text of a row, and most names: `record::certificate`.
const TEXT_MAX: usize = 4_096;
const NAMES_MAX: usize = 1_000;

/// The body.
pub fn run(data: &[u8]) {
    let row = digest(data, UtcMicros(7));
    assert_eq!((row.sha256, &row.der[..], row.first_seen), (sha256(data), data, UtcMicros(7)));
    assert_eq!(row, digest(data, UtcMicros(7)));

    let distinguished = [&row.subject, &row.issuer];
    let texts = [&row.subject_cn, &row.issuer_cn, &row.serial, &row.key_type, &row.key_curve, &row.signature_algorithm];
    let all = distinguished.into_iter().chain(texts).flatten().chain(&row.names);
    for text in all {
        assert!(text.len() <= TEXT_MAX.max(data.len()), "{} bytes", text.len());
    }
    for text in distinguished.into_iter().flatten() {
        assert!(!text.contains(|c: char| c.is_ascii_control()), "{text:?}");
    }
    assert!(row.names.len() <= NAMES_MAX);
    // One note for each thing cut or unreadable, of which there are no more than octets.
    let error = row.parse_error.unwrap_or_default();
    assert!(error.len() <= 1_024 + data.len(), "{} bytes of error", error.len());
}
