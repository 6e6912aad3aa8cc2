use super::*;
use bgpkit_parser::models::{
    AsPath, AttributeValue, CommonHeader, EntryType, MrtRecord, NetworkPrefix, Origin, RibAfiEntries, RibEntry,
    TableDumpMessage,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn text(lines: &str) -> Rib {
    Rib::read(lines.as_bytes(), &mut |_| ()).expect(lines)
}

fn everything() -> AddressSet {
    AddressSet::new(vec![(0, u32::MAX)])
}

/// Range, prefix, origins.
fn told(rib: &Rib, wanted: &AddressSet) -> Vec<String> {
    let line = |announced: Announced| {
        let Announced { range, prefix, origins, as_set } = announced;
        let [first, last, base] = [range.0, range.1, prefix.0].map(Ipv4Addr::from);
        format!("{first}-{last} {base}/{} {origins:?}{}", prefix.1, if as_set { " set" } else { "" })
    };
    rib.announced(wanted).into_iter().map(line).collect()
}

#[test]
fn the_most_specific_prefix_counts() {
    let rib = text(
        "; a comment\n20.0.0.0/16\t1\n20.0.64.0/18 2\n20.0.64.0/24 3\n20.0.255.0/24 4\n2001:db8::/32 5\n0.0.0.0/0 6\n20.1.0.0/16 1\n",
    );
    assert_eq!((rib.records, rib.too_short, rib.prefixes()), (8, 1, 5));
    assert_eq!(
        told(&rib, &everything()),
        [
            "20.0.0.0-20.0.63.255 20.0.0.0/16 [1]",
            "20.0.64.0-20.0.64.255 20.0.64.0/24 [3]",
            "20.0.65.0-20.0.127.255 20.0.64.0/18 [2]",
            "20.0.128.0-20.0.254.255 20.0.0.0/16 [1]",
            "20.0.255.0-20.0.255.255 20.0.255.0/24 [4]",
            "20.1.0.0-20.1.255.255 20.1.0.0/16 [1]",
        ]
    );
}

#[test]
fn what_is_not_wanted_is_cut_out() {
    let wanted =
        AddressSet::new(vec![(0x1400_0010, 0x1400_0011), (0x1400_0013, 0x1400_0013), (0x1400_00ff, 0x1400_0101)]);
    let rib = text("20.0.0.0/24 1\n20.0.1.0/24 2\n");
    assert_eq!(
        told(&rib, &wanted),
        [
            "20.0.0.16-20.0.0.17 20.0.0.0/24 [1]",
            "20.0.0.19-20.0.0.19 20.0.0.0/24 [1]",
            "20.0.0.255-20.0.0.255 20.0.0.0/24 [1]",
            "20.0.1.0-20.0.1.1 20.0.1.0/24 [2]",
        ]
    );
}

#[test]
fn caidas_lists_have_several_origins_and_sets() {
    let rib = text("20.0.0.0\t24\t7_5\n20.0.1.0\t24\t9_4,3\n");
    assert_eq!(
        told(&rib, &everything()),
        ["20.0.0.0-20.0.0.255 20.0.0.0/24 [5, 7]", "20.0.1.0-20.0.1.255 20.0.1.0/24 [3, 4, 9] set",]
    );
}

fn path_to(origins: &[u32], set: bool) -> Attributes {
    let segments = if set {
        vec![AsPathSegment::sequence([64_500]), AsPathSegment::set(origins)]
    } else {
        vec![AsPathSegment::sequence([&[64_500, 64_501], origins].concat())]
    };
    let mut attributes = Attributes::default();
    attributes.add_attr(AttributeValue::Origin(Origin::IGP).into());
    attributes.add_attr(AttributeValue::AsPath(AsPath::from_segments(segments)).into());
    attributes
}

fn record(entry_type: EntryType, entry_subtype: u16, message: MrtMessage) -> Vec<u8> {
    let common_header =
        CommonHeader { timestamp: 1_400_000_000, microsecond_timestamp: None, entry_type, entry_subtype, length: 0 };
    MrtRecord { common_header, message }.encode().expect("encodable").to_vec()
}

/// A record of TABLE_DUMP_V2 with an entry for each peer.
fn v2(prefix: &str, entries: &[Attributes]) -> Vec<u8> {
    let rib_entries = (0..).zip(entries).map(|(peer_index, attributes)| RibEntry {
        peer_index,
        originated_time: 0,
        path_id: None,
        attributes: attributes.clone(),
    });
    let entries = RibAfiEntries {
        rib_type: TableDumpV2Type::RibIpv4Unicast,
        sequence_number: 0,
        prefix: NetworkPrefix::new(prefix.parse().expect("a prefix"), None),
        rib_entries: rib_entries.collect(),
    };
    let message = MrtMessage::TableDumpV2Message(TableDumpV2Message::RibAfi(entries));
    record(EntryType::TABLE_DUMP_V2, 2, message)
}

fn v1(prefix: &str, attributes: Attributes) -> Vec<u8> {
    let message = TableDumpMessage {
        view_number: 0,
        sequence_number: 0,
        prefix: NetworkPrefix::new(prefix.parse().expect("a prefix"), None),
        status: 1,
        originated_time: 0,
        peer_ip: Ipv4Addr::new(192, 0, 2, 1).into(),
        peer_asn: 64_500.into(),
        attributes,
    };
    record(EntryType::TABLE_DUMP, 1, MrtMessage::TableDumpMessage(message))
}

#[test]
fn both_kinds_of_mrt_dumps_are_read() {
    let dump = [
        v2("0.0.0.0/0", &[path_to(&[1], false)]),
        v2("20.0.0.0/16", &[path_to(&[7], false), path_to(&[5], false), path_to(&[7], false)]),
        v2("20.0.1.0/24", &[path_to(&[9, 8], true)]),
        v2("20.0.2.0/24", &[path_to(&[], false)]),
        v2("20.0.3.0/24", &[Attributes::default()]),
    ]
    .concat();
    let rib = Rib::read(&dump[..], &mut |_| ()).expect("readable");
    assert_eq!((rib.records, rib.too_short, rib.unreadable, rib.prefixes()), (5, 1, 0, 4));
    let expected = [
        "20.0.0.0-20.0.0.255 20.0.0.0/16 [7, 5]",
        "20.0.1.0-20.0.1.255 20.0.1.0/24 [8, 9] set",
        "20.0.2.0-20.0.2.255 20.0.2.0/24 [64501]",
        "20.0.3.0-20.0.3.255 20.0.3.0/24 []",
        "20.0.4.0-20.0.255.255 20.0.0.0/16 [7, 5]",
    ];
    assert_eq!(told(&rib, &everything()), expected);

    let dump = [
        v1("20.0.0.0/16", path_to(&[7], false)),
        v1("20.0.1.0/24", path_to(&[3], false)),
        v1("20.0.0.0/16", path_to(&[7], false)),
        v1("20.0.0.0/16", path_to(&[5], false)),
    ]
    .concat();
    let rib = Rib::read(&dump[..], &mut |_| ()).expect("readable");
    let expected = [
        "20.0.0.0-20.0.0.255 20.0.0.0/16 [7, 5]",
        "20.0.1.0-20.0.1.255 20.0.1.0/24 [3]",
        "20.0.2.0-20.0.255.255 20.0.0.0/16 [7, 5]",
    ];
    assert_eq!((rib.records, told(&rib, &everything())), (4, expected.map(str::to_owned).into()));
}

#[test]
fn lists_of_ranges_are_read() {
    let list = "20.0.0.5,20.0.0.8,7\n\"20.1.0.0\",\"20.1.0.255\",\"8\",\"Example, Inc\"\n20.2.0.0,20.2.0.0,AS9\n\
                2001:db8::,2001:db8::1,9\n0.0.0.0\t0.255.255.255\t0\tNone\tNot routed\n26.0.0.0\t28.0.0.0\t10\tUS\tWIDE\n";
    let rib = Rib::read(list.as_bytes(), &mut |_| ()).expect("readable");
    let expected = [
        "20.0.0.5-20.0.0.5 20.0.0.5/32 [7]",
        "20.0.0.6-20.0.0.7 20.0.0.6/31 [7]",
        "20.0.0.8-20.0.0.8 20.0.0.8/32 [7]",
        "20.1.0.0-20.1.0.255 20.1.0.0/24 [8]",
        "20.2.0.0-20.2.0.0 20.2.0.0/32 [9]",
        "26.0.0.0-26.255.255.255 26.0.0.0/8 [10]",
        "27.0.0.0-27.255.255.255 27.0.0.0/8 [10]",
        "28.0.0.0-28.0.0.0 28.0.0.0/32 [10]",
    ];
    assert_eq!(told(&rib, &everything()), expected);
    assert_eq!((rib.records, rib.too_short), (6, 0));
}

#[test]
fn what_is_no_table_is_refused() {
    let refused = |bytes: &[u8]| Rib::read(bytes, &mut |_| ()).expect_err("refused").to_string();
    assert!(refused(b"").starts_with("no IPv4 route in 0 records"));
    assert!(refused(b"0.0.0.0/0 7\n").starts_with("no IPv4 route in 1 records"));
    assert!(refused(b"20.0.0.0/8 7\n20.0.0.0 7\n").starts_with("line 2: `20.0.0.0 7`"));
    assert!(refused(b"20.0.0.0/33 7\n").starts_with("line 1"));
    assert!(refused(b"20.0.0.0/8 AS7\n").starts_with("line 1"));
    assert!(refused(b"20.0.0.9,20.0.0.0,7\n").starts_with("line 1"));
    let whole = [v2("20.0.0.0/16", &[path_to(&[7], false)]), v2("20.1.0.0/16", &[path_to(&[7], false)])].concat();
    let cut = refused(&whole[..whole.len() - 3]);
    assert!(cut.starts_with("unreadable after 1 records"), "{cut}");
}

#[test]
fn a_record_that_cannot_be_understood_is_counted() {
    let mut damaged = v2("20.0.0.0/16", &[path_to(&[7], false)]);
    damaged[16] = 99; // the length of the prefix
    let dump = [damaged, v2("20.1.0.0/16", &[path_to(&[7], false)])].concat();
    let rib = Rib::read(&dump[..], &mut |_| ()).expect("readable");
    assert_eq!((rib.records, rib.unreadable, rib.prefixes()), (2, 1, 1));
}

proptest! {
    #[test]
    fn ranges_say_what_longest_match_says(prefixes in proptest::collection::vec((0u32..256, 24u8..=32, 1u32..9), 0..40)) {
        let net = 0x1400_0000;
        let mut rib = Rib::default();
        let mut lookup = BTreeMap::new();
        for (host, length, origin) in prefixes {
            let first = around(net + host, length).0;
            if lookup.insert((length, first), origin).is_none() {
                rib.route(first, length, Some(origin), false);
            } else {
                lookup.insert((length, first), rib.routes.iter().find(|r| (r.first, r.length) == (first, length)).and_then(|r| r.origin).expect("known"));
            }
        }
        rib.settle();
        let announced = rib.announced(&everything());
        prop_assert!(announced.is_sorted_by(|one, next| one.range.1 < next.range.0));
        for address in net..net + 256 {
            let longest = (24..=32).rev().find_map(|length| lookup.get(&(length, around(address, length).0)).map(|origin| (length, *origin)));
            let found = announced.iter().find(|a| (a.range.0..=a.range.1).contains(&address));
            prop_assert_eq!(found.map(|a| (a.prefix.1, a.origins[0])), longest, "{:x}", address);
        }
    }
}
