use super::super::tests::{icmp, rst, syn_ack};
use super::*;
use proptest::prelude::*;

fn filter(text: &str) -> Filter {
    Filter::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(text: &str) -> String {
    Filter::parse(text).expect_err(text).to_string()
}

#[test]
fn zmaps_default_takes_each_success_once() {
    let filter = filter(DEFAULT);
    assert!(filter.holds(&syn_ack()));
    assert!(!filter.holds(&Answer { repeat: true, ..syn_ack() }));
    assert!(!filter.holds(&rst()) && !filter.holds(&icmp()));
}

#[test]
fn and_binds_tighter_than_or_and_parentheses_tighter_still() {
    let shown = |text: &str| filter(text).to_string();
    let (a, b, c) = ("ttl = 1", "ttl = 2", "ttl = 3");
    assert_eq!(shown(&format!("{a} || {b} && {c}")), format!("({a} || ({b} && {c}))"));
    assert_eq!(shown(&format!("({a}||{b})&&{c}")), format!("(({a} || {b}) && {c})"));
    assert_eq!(shown(&format!(" ( ( {a} ) ) ")), a);
    assert_eq!(shown("ttl=1&&ttl!=2||ttl<3&&ttl>=4"), "((ttl = 1 && ttl != 2) || (ttl < 3 && ttl >= 4))");
}

#[test]
fn every_operator_compares() {
    for (text, expected) in [
        ("ttl = 57", true),
        ("ttl != 57", false),
        ("ttl < 57", false),
        ("ttl <= 57", true),
        ("ttl > 56", true),
        ("ttl >= 58", false),
        ("success = 1", true),
        ("cooldown < 1", true),
        ("saddr = 198.18.0.1", true),
        ("saddr = \"198.18.0.2\"", false),
        ("classification = synack", true),
        ("classification != \"rst\"", true),
        ("timestamp-ts = 1795442462", true),
        ("tcpopt_mss = 1460", true),
        // Without a value: nothing equals it, nothing is above or below.
        ("tcpopt_wscale = 0", false),
        ("tcpopt_wscale != 7", true),
        ("tcpopt_wscale >= 0", false),
        ("icmp_responder = x", false),
        ("icmp_responder != x", true),
    ] {
        assert_eq!(filter(text).holds(&syn_ack()), expected, "{text}");
    }
    assert!(filter("icmp_type = 3 && icmp_code = 1 && saddr = 198.18.0.1 && icmp_responder = 10.9.9.9").holds(&icmp()));
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    assert_eq!(
        refusal("sucess = 1"),
        "unknown field `sucess` (--list-output-fields names them) at character 1 of `sucess = 1`"
    );
    assert_eq!(refusal("success 1"), "one of = != < <= > >= is wanted at character 9 of `success 1`");
    assert_eq!(refusal("success = 1 &"), "`&&`, `||` or the end is wanted at character 13 of `success = 1 &`");
    assert_eq!(refusal("(success = 1"), "`)` is wanted at character 13 of `(success = 1`");
    assert_eq!(refusal(""), "a field or `(` is wanted at character 1 of ``");
    assert_eq!(refusal("ttl = synack"), "ttl is a number: digits are wanted at character 7 of `ttl = synack`");
    assert!(refusal("classification = 1").starts_with("classification is a text: "));
    assert!(refusal("classification > rst").contains("compared by = and != only, at character 18"));
    assert!(refusal("saddr = \"1").contains("without its closing quote at character 9"));
    assert!(refusal("ttl = 99999999999999999999").contains("is too large at character 7"));
    let deep = |depth| format!("{}ttl = 1{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(filter(&deep(64)), filter("ttl = 1"));
    assert!(refusal(&deep(65)).contains("more than 64 parentheses"));
    assert!(refusal(&deep(1_000_000)).contains("more than 64 parentheses"));
}

#[test]
fn only_what_may_pass_is_asked_of_the_driver() {
    let wants = |text: &str| [Kind::SynAck, Kind::Rst, Kind::Icmp].map(|kind| filter(text).may_hold(kind, false));
    assert_eq!(wants(DEFAULT), [true, false, false]);
    assert_eq!(wants("success = 1 || classification = rst"), [true, true, false]);
    assert_eq!(wants("repeat = 0"), [true, true, true]);
    assert_eq!(wants("success = 0 && ttl > 5"), [false, true, true]);
    assert_eq!(wants("classification = icmp"), [false, false, true]);
    assert!(!filter(DEFAULT).may_hold(Kind::SynAck, true));
}

proptest! {
    #[test]
    fn any_text_is_survived(text in "\\PC{0,60}") {
        let _ = Filter::parse(&text);
    }

    #[test]
    fn likely_text_is_survived_and_what_is_read_is_read_again(
        text in "(ttl|success|saddr|classification|\\(|\\)|&&|\\|\\||=|!=|<|>=|1|rst|\"x\"| ){0,16}",
    ) {
        if let Ok(read) = Filter::parse(&text) {
            prop_assert_eq!(filter(&read.to_string()), read);
        }
    }

    #[test]
    fn what_holds_may_hold(text in "(ttl = 57|success = [01]|repeat = [01]|classification (=|!=) (rst|icmp|synack)|cooldown = 0)( (&&|\\|\\|) (ttl < 9|success = [01]|repeat != 1|classification = rst)){0,3}") {
        let filter = filter(&text);
        for answer in [syn_ack(), rst(), icmp(), Answer { repeat: true, ..syn_ack() }] {
            prop_assert!(!filter.holds(&answer) || filter.may_hold(answer.kind(), answer.repeat), "{:?}", answer);
        }
    }
}
