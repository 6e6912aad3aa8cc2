//! Chains that are made to cost much.

use super::*;

#[test]
fn many_issuers_of_one_name_cost_a_bounded_number_of_checks() {
    let pki = Pki::new();
    let ca = Wish { subject: "/CN=Everybody", extensions: CA, ..Wish::default() };
    let root = pki.make(&Wish { subject: "/CN=Root", ..ca }, None);
    let signer = pki.make(&ca, Some(&root));
    let leaf = pki.make(&Wish::default(), Some(&signer));
    let mut names: Vec<Made> = (0..150).map(|_| pki.make(&ca, Some(&root))).collect();
    // Those that are named by key come first, so the right one is found at once.
    names.push(signer.clone());
    let chain: Vec<&Made> = std::iter::once(&leaf).chain(&names).collect();
    let found = judged(&chain, &[&root], &[], now() + DAY);
    assert_eq!((found.verdict, found.path.len()), ("valid", 3));

    // Without it nothing is found, and the search ends before all have been tried.
    let found = judged(&chain[..chain.len() - 1], &[&root], &[], now() + DAY);
    assert!(found.verdict != "valid" && found.path.len() == 1, "{found:?}");
}

#[test]
fn circles_end() {
    let pki = Pki::new();
    let wish = |subject| Wish { subject, extensions: CA, ..Wish::default() };
    let names = ["/CN=A", "/CN=B", "/CN=C", "/CN=D", "/CN=E", "/CN=F"];
    let roots: Vec<Made> = names.iter().map(|name| pki.make(&wish(name), None)).collect();
    // Everybody has certified everybody else: 6! ways, none of which ends in a root.
    let mut crossed = Vec::new();
    for (name, own) in names.iter().zip(&roots) {
        for issuer in roots.iter().filter(|issuer| issuer.name != own.name) {
            crossed.push(pki.again(&wish(name), own, Some(issuer)));
        }
    }
    let leaf = pki.make(&Wish::default(), Some(&roots[0]));
    let trusted = pki.make(&wish("/CN=Trusted"), None);
    let chain: Vec<&Made> = std::iter::once(&leaf).chain(&crossed).collect();
    let found = judged(&chain, &[&trusted], &[], now() + DAY);
    assert_eq!((found.verdict, found.unknown_root), ("unknown_root", true));
    assert_eq!(found.path.len(), 7, "all six once");

    // One of them is known to the store.
    let out = pki.again(&wish("/CN=F"), &roots[5], Some(&trusted));
    let chain: Vec<&Made> = chain.into_iter().chain([&out]).collect();
    let found = judged(&chain, &[&trusted], &[], now() + DAY);
    assert_eq!((found.verdict, found.problems.len()), ("valid", 0));
}

#[test]
fn what_is_no_certificate_is_no_chain() {
    let roots = Store::default();
    let mut judge = Judge::new(&roots, "none", &roots);
    let found = judge.judge([7; 32], &[([1; 32], None)], UtcMicros(0));
    assert_eq!((found.verdict, found.problems, found.path), ("other", vec!["unparsable".to_owned()], vec![[1; 32]]));
    let found = judge.judge([7; 32], &[], UtcMicros(0));
    assert_eq!((found.verdict, found.path.len(), found.leaf_sha256), ("other", 0, Sha256::default()));
}
