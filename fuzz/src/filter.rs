//! Target `filter`: the input is an `--output-filter`, or a list of fields.
//!
//! Asserted: a filter that is read is written and read again as the same; one that holds for an answer was said to be
//! able to, before anything but the answer's kind was known; a refusal is one line.

use starling::base::UtcMicros;
use starling::output::lines::filter::Filter;
use starling::output::lines::parse_fields;
use starling::record::answer::{Answer, Icmp, Said, Tcp};

/// The body.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(fields) = parse_fields(&text) {
        assert!(!fields.is_empty());
    }
    match Filter::parse(&text) {
        Ok(filter) => {
            assert_eq!(Filter::parse(&filter.to_string()).as_ref(), Ok(&filter));
            for answer in answers() {
                let possible = filter.may_hold(answer.kind(), answer.repeat);
                assert!(possible || !filter.holds(&answer), "{filter} and {answer:?}");
            }
        }
        Err(error) => assert!(text.contains('\n') || !error.to_string().contains('\n'), "{error}"),
    }
}

/// One of each kind, first and repeated.
fn answers() -> Vec<Answer> {
    let tcp = Tcp {
        seq: 1,
        ack: 2,
        window: 3,
        mss: Some(1_460),
        window_scale: None,
        sack_permitted: true,
        timestamps: Some((1, 2)),
    };
    let icmp = Icmp { responder: 0x0a09_0909, kind: 3, code: 1 };
    let all = [Said::SynAck(tcp), Said::Rst(tcp), Said::Icmp(icmp)].into_iter().flat_map(|said| {
        [false, true].map(|repeat| Answer {
            time: UtcMicros(1),
            ip: 0xc612_0001,
            port: 25,
            source: 0x0a4d_0002,
            source_port: 61_000,
            ttl: 57,
            ip_id: 0,
            said,
            repeat,
            cooldown: repeat,
            rtt_us: None,
        })
    });
    all.collect()
}
