//! Target `ocsp`: the input is an OCSP response, as a server staples it.
//!
//! Asserted: the status is one of those documented, times come only with one that a responder gave, and a cut input says
//! no more than a whole one.

use starling::tls::ocsp::Ocsp;

const SAID: &[&str] = &["good", "revoked", "unknown"];
const ERRORS: &[&str] =
    &["malformed_request", "internal_error", "try_later", "sig_required", "unauthorized", "unreadable"];

/// The body.
pub fn run(data: &[u8]) {
    let found = Ocsp::parse(data);
    assert!(SAID.contains(&found.status) || ERRORS.contains(&found.status), "{found:?}");
    assert_eq!(found.this_update.is_some(), SAID.contains(&found.status), "{found:?}");
    assert!(found.next_update.is_none() || found.this_update.is_some(), "{found:?}");
    assert_eq!(found, Ocsp::parse(data));
    if let Some((_, shorter)) = data.split_last()
        && SAID.contains(&found.status)
    {
        let cut = Ocsp::parse(shorter);
        assert!(cut == found || cut.status == "unreadable", "{cut:?} of a cut response, {found:?} of the whole");
    }
}
