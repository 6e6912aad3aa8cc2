//! Target `verify`: chains of certificates that anybody made. Each is two bytes of length and the DER; the first byte of
//! the input says which of the first four are roots, the second which of the next four others presented.
//!
//! Asserted: the same verdict each time; word and flags agree; the path begins with the first certificate, has nothing
//! twice, and only what was there; nothing is valid without a root.

use super::input::Input;
use starling::base::UtcMicros;
use starling::record::certificate::sha256;
use starling::verify::facts::{Facts, Names};
use starling::verify::store::Store;
use starling::verify::{Judge, Presented};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Within the validity of the certificates of the seeds.
const AT: UtcMicros = UtcMicros(1_795_442_462_000_123);
const CERTIFICATES_MAX: usize = 16;

/// The body.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (trusted, known) = (input.u8(), input.u8());
    let mut chain: Vec<Presented> = Vec::new();
    let (mut roots, mut pool) = (Store::default(), Store::default());
    while !input.is_empty() && chain.len() < CERTIFICATES_MAX {
        let length = usize::from(input.u16());
        let der = input.bytes(length);
        let facts = Facts::read(Arc::from(der)).map(Arc::new);
        assert!(facts.is_none() || Names::read(der).is_some());
        let number = chain.len();
        if let Some(facts) = &facts {
            if number < 4 && trusted >> number & 1 == 1 {
                roots.add(facts.clone());
            }
            if (4..8).contains(&number) && known >> (number - 4) & 1 == 1 {
                pool.add(facts.clone());
            }
        }
        chain.push((sha256(der), facts));
    }
    let verdict = Judge::new(&roots, "fuzz", &pool).judge([1; 32], &chain, AT);
    assert_eq!(verdict, Judge::new(&roots, "fuzz", &pool).judge([1; 32], &chain, AT));
    let there: BTreeSet<_> = chain.iter().map(|(print, _)| *print).collect();
    let path: BTreeSet<_> = verdict.path.iter().copied().collect();
    assert!(path.len() == verdict.path.len() && path.is_subset(&there), "{verdict:?}");
    assert_eq!(verdict.path.first(), chain.first().map(|(print, _)| print));
    assert_eq!(verdict.valid, verdict.verdict == "valid");
    assert!(!verdict.valid || verdict.root_sha256.is_some());
    assert_eq!(verdict.other, !verdict.problems.is_empty());
}
