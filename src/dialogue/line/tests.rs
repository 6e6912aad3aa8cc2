use proptest::prelude::*;

use super::*;

/// Lines with their cut flag, and the rest, when the bytes come in these pieces.
fn split(limit: usize, pieces: &[&[u8]]) -> Vec<(Vec<u8>, bool)> {
    let mut lines = Lines::new(limit);
    let mut out = Vec::new();
    for piece in pieces {
        let mut bytes = *piece;
        while !bytes.is_empty() {
            let (taken, line) = lines.take(bytes);
            bytes = &bytes[taken..];
            out.extend(line.map(|line| (line.bytes().to_vec(), line.cut())));
        }
    }
    out.extend(lines.rest().map(|line| (line.bytes().to_vec(), line.cut())));
    out
}

fn whole(lines: &[&str]) -> Vec<(Vec<u8>, bool)> {
    lines.iter().map(|line| (line.as_bytes().to_vec(), false)).collect()
}

#[test]
fn line_ends() {
    assert_eq!(split(99, &[b"a\r\nb\nc\r\r\n\r\n\nd\re\r\nrest\r"]), whole(&["a", "b", "c", "", "", "d\re", "rest"]));
    assert_eq!(split(99, &[b"a\r", b"\nb", b"\r\n"]), whole(&["a", "b"]));
    assert_eq!(split(99, &[]), whole(&[]));
}

#[test]
fn the_limit_is_of_content() {
    assert_eq!(
        split(3, &[b"abc\r\nabcd\r\nx\n"]),
        vec![(b"abc".to_vec(), false), (b"abc".to_vec(), true), (b"x".to_vec(), false)]
    );
    assert_eq!(split(3, &[b"abc", b"\r", b"\n"]), whole(&["abc"]));
    assert_eq!(split(3, &[b"abcdef", b"gh", b"ij\r\nk\n"]), vec![(b"abc".to_vec(), true), (b"k".to_vec(), false)]);
}

#[test]
fn an_endless_line_costs_its_limit_and_an_idle_splitter_nothing() {
    let mut lines = Lines::new(limit());
    assert!(!lines.under_way());
    for _ in 0..10_000 {
        assert_eq!(lines.take(&[b'x'; 1_000]), (1_000, None));
    }
    let kept = lines.under_way.as_ref().map(|line| (line.kept.len(), line.kept.capacity() <= 2 * limit()));
    assert_eq!(kept, Some((limit() + LINE_END, true)));
    let (taken, line) = lines.take(b"\nnext");
    assert_eq!((taken, line.as_ref().map(|line| (line.bytes().len(), line.cut()))), (1, Some((limit(), true))));
    assert!(!lines.under_way());
    assert!(!lines.under_way());
}

fn limit() -> usize {
    super::super::limits::LINE
}

#[test]
fn a_line_in_one_piece_is_lent() {
    let (_, line) = Lines::new(99).take(b"220 hello\r\n");
    assert!(matches!(line, Some(Line { bytes: Cow::Borrowed(b"220 hello"), cut: false })));
}

#[test]
fn text_is_safe() {
    assert_eq!(text(b"plain\ttab"), "plain\ttab");
    assert_eq!(text("gr\u{fc}\u{df}e \u{1f600}".as_bytes()), "gr\u{fc}\u{df}e \u{1f600}");
    assert_eq!(
        text(b"nul\0esc\x1b[31m bel\x07 del\x7f cr\r"),
        "nul\u{fffd}esc\u{fffd}[31m bel\u{fffd} del\u{fffd} cr\u{fffd}"
    );
    assert_eq!(text(b"latin1 \xfc"), "latin1 \u{fffd}");
    assert_eq!(text("csi \u{9b}31m".as_bytes()), "csi \u{fffd}31m");
}

#[test]
fn words_of_a_line() {
    assert_eq!(word(b"  AUTH\t PLAIN LOGIN "), (b"AUTH".as_slice(), b"PLAIN LOGIN".as_slice()));
    assert_eq!(word(b""), (b"".as_slice(), b"".as_slice()));
    assert_eq!(words(b" a  b\tc ").collect::<Vec<_>>(), [b"a", b"b", b"c"]);
}

proptest! {
    #[test]
    fn any_split_gives_the_same_lines(
        bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'x'), any::<u8>()], 0..200),
        cuts in proptest::collection::vec(1usize..12, 0..60),
        limit in 1usize..20,
    ) {
        let mut pieces = Vec::new();
        let mut rest = bytes.as_slice();
        for cut in cuts {
            let (piece, left) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            rest = left;
        }
        pieces.push(rest);
        prop_assert_eq!(split(limit, &pieces), split(limit, &[&bytes]));
    }

    #[test]
    fn text_has_no_control_characters(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let text = text(&bytes);
        prop_assert!(!text.contains(|c: char| c.is_control() && c != '\t'));
        prop_assert!(text.len() <= 3 * bytes.len());
    }
}
