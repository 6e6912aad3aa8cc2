use super::*;

const HEAD: &str = "<?xml version='1.0'?>\n<stream:stream xmlns='jabber:client' \
    xmlns:stream='http://etherx.jabber.org/streams' id='1&amp;2' xml:lang=\"en\" version='1.0'>";

/// All items, in pieces of at most `piece` bytes; with what comes after an error.
fn read(bytes: &[u8], piece: usize) -> (Vec<Result<Item, Unreadable>>, Stream) {
    let (mut stream, mut items) = (Stream::default(), Vec::new());
    for mut part in bytes.chunks(piece) {
        while let Some(item) = stream.next(&mut part) {
            let over = item.is_err();
            items.push(item);
            if over {
                return (items, stream);
            }
        }
        assert!(part.is_empty());
    }
    (items, stream)
}

/// All items, which must not depend on the pieces.
fn items(bytes: &[u8]) -> Vec<Result<Item, Unreadable>> {
    let whole = read(bytes, usize::MAX).0;
    for piece in [1, 2, 7] {
        assert_eq!(read(bytes, piece).0, whole, "in pieces of {piece}");
    }
    whole
}

/// Items of what stands below the root.
fn below(bytes: &str) -> Vec<Result<Item, Unreadable>> {
    items(format!("{HEAD}{bytes}").as_bytes()).split_off(1)
}

fn begin(name: &str) -> Result<Item, Unreadable> {
    Ok(Item::Begin(Element { name: name.to_owned(), ..Element::default() }))
}

fn named(name: &str) -> Element {
    Element { name: name.to_owned(), ..Element::default() }
}

fn said(name: &str, text: &str) -> Element {
    Element { text: text.to_owned(), ..named(name) }
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn root() -> Element {
    Element {
        attributes: pairs(&[("id", "1&2"), ("xml:lang", "en"), ("version", "1.0")]),
        ..named("{http://etherx.jabber.org/streams}stream")
    }
}

#[test]
fn a_stream_from_root_to_close() {
    let bytes = format!(
        " \r\n{HEAD}\n <stream:features><starttls xmlns='urn:x'><required/></starttls>\
         <ms xmlns='urn:y'> <m a='1' xmlns:q='urn:q' q:b='2'>PL<![CDATA[<A>]]>IN</m>\n<m>X&lt;<deep>no</deep>Y</m></ms>\
         <none/></stream:features>\n<a xmlns=''/></stream:stream>"
    );
    assert_eq!(
        items(bytes.as_bytes()),
        [
            Ok(Item::Root(root())),
            begin("{http://etherx.jabber.org/streams}features"),
            Ok(Item::Child(Element { children: vec![named("{urn:x}required")], ..named("{urn:x}starttls") })),
            Ok(Item::Child(Element {
                children: vec![
                    Element { attributes: pairs(&[("a", "1"), ("q:b", "2")]), ..said("{urn:y}m", "PL<A>IN") },
                    said("{urn:y}m", "X<Y"),
                ],
                ..said("{urn:y}ms", " \n")
            })),
            Ok(Item::Child(named("{jabber:client}none"))),
            Ok(Item::End),
            begin("a"),
            Ok(Item::End),
            Ok(Item::Close),
        ]
    );
}

#[test]
fn an_item_ends_at_its_last_byte() {
    let bytes = format!("{HEAD}<proceed xmlns='urn:x'/><not xml");
    let (mut stream, mut rest) = (Stream::default(), bytes.as_bytes());
    let mut left = Vec::new();
    for _ in 0..3 {
        assert!(matches!(stream.next(&mut rest), Some(Ok(_))));
        left.push(rest.len());
    }
    assert_eq!(left, [32, 8, 8]);
}

#[test]
fn namespaces_have_scopes() {
    let inner =
        "<s:f xmlns:s='urn:1' xmlns='urn:2'><c xmlns='urn:3' xmlns:s='urn:4'><s:d/><d/></c><s:c/><c/></s:f><f/>";
    let child = |name, children| Ok(Item::Child(Element { children, ..named(name) }));
    assert_eq!(
        below(inner),
        [
            begin("{urn:1}f"),
            child("{urn:3}c", vec![named("{urn:4}d"), named("{urn:3}d")]),
            child("{urn:1}c", vec![]),
            child("{urn:2}c", vec![]),
            Ok(Item::End),
            begin("{jabber:client}f"),
            Ok(Item::End),
        ]
    );
    assert_eq!(below("<xml:f/>")[0], begin("{http://www.w3.org/XML/1998/namespace}f"));
    assert_eq!(below("<f><who:f/>").last(), Some(&Err(Unreadable)));
}

#[test]
fn a_root_that_is_empty_closes_at_once() {
    assert_eq!(items(b"<s/>"), [Ok(Item::Root(named("s"))), Ok(Item::Close)]);
    assert_eq!(items(b"<s> \n</s >"), [Ok(Item::Root(named("s"))), Ok(Item::Close)]);
}

#[test]
fn what_a_stream_must_not_contain() {
    let bad = [Err(Unreadable)];
    for text in [
        "HTTP/1.1 400 Bad Request\r\n",
        "<!DOCTYPE s [<!ENTITY a 'b'>]><s>",
        "<?php ?><s>",
        "<?xml version='1.1'?><s>",
        "<a:b:c>",
    ] {
        let last = items(format!("{text}>").as_bytes()).pop();
        assert_eq!(last.as_ref(), bad.last(), "{text}");
    }
    for text in ["</other>", "<a></b>", "<?pi ?>", "<a>&bomb;</a>", "<a>\u{1}</a>", "<!DOCTYPE a>", "<a b='<'/>"] {
        assert_eq!(below(text).last(), Some(&Err(Unreadable)), "{text}");
    }
    assert_eq!(items(b"<s>\xff</s>").last(), Some(&Err(Unreadable)));
}

#[test]
fn comments_are_skipped() {
    assert_eq!(
        below("<!-- <a> --><f><!-- b --><c>1<!-- 2 -->3</c></f>"),
        [begin("{jabber:client}f"), Ok(Item::Child(said("{jabber:client}c", "13"))), Ok(Item::End)]
    );
}

#[test]
fn nothing_is_unbounded() {
    let unreadable = |bytes: String| assert_eq!(below(&bytes).last(), Some(&Err(Unreadable)));
    unreadable("<a>".repeat(DEPTH));
    unreadable(format!("<{}/>", "a".repeat(TOKEN + 1)));
    unreadable(format!("<a b='{}'/>", "c".repeat(TOKEN + 1)));
    unreadable(format!("<a xmlns:b='urn:{}' xmlns:c='urn:{0}' xmlns:d='urn:{0}'/>", "x".repeat(TOKEN - 4)));
    unreadable((0..1_000).fold("<a".to_owned(), |tag, n| tag + &format!(" xmlns:n{n}='u'")) + "/>");

    let deep = format!("{}{}", "<a>".repeat(DEPTH - 1), "</a>".repeat(DEPTH - 1));
    assert_eq!(below(&deep).len(), 3);
}

#[test]
fn what_is_too_long_is_cut_and_does_not_end_the_stream() {
    let bytes = |count: usize| format!("{HEAD}<f><c>{}</c></f>", "<m>abcdefgh</m>".repeat(count));
    let count = |items: &[Result<Item, Unreadable>]| match &items[2] {
        Ok(Item::Child(child)) => child.children.len(),
        other => panic!("{other:?}"),
    };
    // `{jabber:client}m` and its text.
    let one = 16 + OVERHEAD + 8;
    let fit = (KEPT - 1 - 16 - OVERHEAD) / one;
    for (mechanisms, kept) in [(fit, fit), (fit + 1, fit + 1), (fit + 2, fit + 1), (5_000, fit + 1)] {
        let bytes = bytes(mechanisms);
        let (whole, stream) = read(bytes.as_bytes(), usize::MAX);
        assert_eq!((count(&whole), stream.cut()), (kept, mechanisms > fit), "{mechanisms}");
        assert_eq!(items(bytes.as_bytes()).len(), 4);
    }
    let long = format!("{HEAD}<f><c>{}</c></f>", "é".repeat(KEPT));
    let (kept, stream) = read(long.as_bytes(), usize::MAX);
    assert!(stream.cut() && matches!(&kept[2], Ok(Item::Child(child)) if child.text.len() < KEPT));
    assert_eq!(items(long.as_bytes()).len(), 4);
    let attributes = (0..2_000).fold("<f><c".to_owned(), |tag, n| tag + &format!(" a{n}='b'")) + "/></f>";
    assert_eq!(below(&attributes).len(), 3);
}

#[test]
fn between_elements_little_is_kept() {
    let bytes = format!("{HEAD}<f xmlns='urn:f'><c xmlns:s='urn:s'>x</c></f> \r\n ");
    for piece in [1, usize::MAX] {
        let (_, stream) = read(bytes.as_bytes(), piece);
        assert!(stream.parser.is_none() && stream.under_way.is_none());
        assert_eq!(stream.scope, "stream:stream\n \u{1}\nstream \u{3}\n");
        assert!(matches!(stream.scope, Cow::Borrowed(_)));
    }
}
