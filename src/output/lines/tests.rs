use super::*;
use crate::record::answer::{Icmp, Said, Tcp};

/// A SYN-ACK from 198.18.0.1:25.
pub(super) fn syn_ack() -> Answer {
    Answer {
        time: UtcMicros(1_795_442_462_000_123),
        ip: 0xc612_0001,
        port: 25,
        source: 0x0a4d_0002,
        source_port: 61_000,
        ttl: 57,
        ip_id: 9,
        said: Said::SynAck(Tcp {
            seq: 4_000_000_000,
            ack: 8,
            window: 64_240,
            mss: Some(1_460),
            window_scale: None,
            sack_permitted: false,
            timestamps: None,
        }),
        repeat: false,
        cooldown: false,
        rtt_us: Some(12_034),
    }
}

/// A refusal by the same.
pub(super) fn rst() -> Answer {
    let tcp = Tcp {
        seq: 0,
        ack: 8,
        window: 0,
        mss: None,
        window_scale: Some(7),
        sack_permitted: true,
        timestamps: Some((5, 6)),
    };
    Answer { said: Said::Rst(tcp), rtt_us: None, ..syn_ack() }
}

/// Host unreachable, from a router.
pub(super) fn icmp() -> Answer {
    let said = Said::Icmp(Icmp { responder: 0x0a09_0909, kind: 3, code: 1 });
    Answer { said, cooldown: true, rtt_us: None, ..syn_ack() }
}

fn written(format: Format, fields: &str, filter: &str, answers: &[Answer]) -> String {
    let fields = parse_fields(fields).expect("known");
    let filter = Filter::parse(filter).expect("well-formed");
    let mut lines = Lines::new(Vec::new(), Selection { format, fields, filter });
    for answer in answers {
        lines.write(answer, answer.time).expect("memory");
    }
    lines.flush(UtcMicros(0)).expect("memory");
    String::from_utf8(lines.get_ref().clone()).expect("text")
}

#[test]
fn one_field_is_a_bare_column_as_zmap_writes_it() {
    let answers = [syn_ack(), rst(), Answer { repeat: true, ..syn_ack() }];
    assert_eq!(written(Format::Csv, "saddr", filter::DEFAULT, &answers), "198.18.0.1\n");
    assert_eq!(written(Format::Csv, "saddr", filter::DEFAULT, &[]), "");
}

#[test]
fn every_field_has_zmaps_value() {
    let answers = [syn_ack(), rst(), icmp()];
    assert_eq!(
        written(Format::Csv, "*", "repeat = 0", &answers),
        "saddr,saddr_raw,daddr,daddr_raw,ipid,ttl,sport,dport,seqnum,acknum,window,tcpopt_mss,tcpopt_wscale,\
         tcpopt_sack_perm,tcpopt_ts_val,tcpopt_ts_ecr,classification,success,repeat,cooldown,icmp_responder,icmp_type,\
         icmp_code,icmp_unreach_str,rtt,timestamp_str,timestamp_ts,timestamp_us\n\
         198.18.0.1,16782022,10.77.0.2,33574154,9,57,25,61000,4000000000,8,64240,1460,,,,,synack,1,0,0,,,,,12.034,\
         2026-11-23T14:01:02.000+0000,1795442462,123\n\
         198.18.0.1,16782022,10.77.0.2,33574154,9,57,25,61000,0,8,0,,128,1,5,6,rst,0,0,0,,,,,,\
         2026-11-23T14:01:02.000+0000,1795442462,123\n\
         198.18.0.1,16782022,10.77.0.2,33574154,9,57,25,61000,,,,,,,,,icmp,0,0,1,10.9.9.9,3,1,host unreachable,,\
         2026-11-23T14:01:02.000+0000,1795442462,123\n"
    );
}

#[test]
fn json_has_an_object_a_line() {
    let text = written(Format::Json, "saddr,ttl,success,icmp_type", "success = 1", &[syn_ack(), icmp()]);
    assert_eq!(text, "{\"saddr\":\"198.18.0.1\",\"ttl\":57,\"success\":true,\"icmp_type\":null}\n");
    let all = written(Format::Json, "*", "ttl > 0", &[syn_ack(), rst(), icmp()]);
    for line in all.lines() {
        let object: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(object.as_object().map(serde_json::Map::len), Some(Field::ALL.len()));
    }
}

#[test]
fn a_line_waits_for_others_no_longer_than_half_a_second() {
    let selection = |filter| Selection { format: Format::Csv, fields: vec![Field::Saddr], filter };
    let mut lines = Lines::new(Vec::new(), selection(Filter::parse("ttl > 0").expect("well-formed")));
    lines.flush(UtcMicros(1_000_000)).expect("memory");
    lines.write(&syn_ack(), UtcMicros(1_499_999)).expect("memory");
    assert_eq!(lines.get_ref().len(), 0);
    lines.write(&syn_ack(), UtcMicros(1_500_000)).expect("memory");
    assert_eq!((lines.get_ref().len(), lines.written()), (22, 2));
}

#[test]
fn unknown_fields_and_empty_lists_are_refused() {
    assert!(parse_fields("saddr,nonsense").is_err_and(|error| error.contains("unknown field `nonsense`")));
    assert!(parse_fields(" , ").is_err());
    assert_eq!(parse_fields("timestamp-str, ttl"), Ok(vec![Field::TimestampStr, Field::Ttl]));
}
