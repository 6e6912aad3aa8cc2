//! Answers side by side: what is printed.

use super::table::Cell;

/// A table whose columns come from several sources.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sheet {
    /// Headings: keys first.
    pub columns: Vec<Heading>,
    /// Rows, each with a cell for each column.
    pub rows: Vec<Vec<Cell>>,
    /// Why something is not there.
    pub notes: Vec<String>,
}

/// What a column shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    /// Name of the column in the SQL.
    pub name: String,
    /// Whose answer it is; none for a key.
    pub source: Option<String>,
}

impl Heading {
    /// The name as a reader sees it.
    pub fn title(&self) -> String {
        title(&self.name)
    }
}

/// Words that are written otherwise than columns are named.
const WORDS: &[(&str, &str)] = &[
    ("alpn", "ALPN"),
    ("asn", "AS number"),
    ("chunking", "CHUNKING"),
    ("external", "EXTERNAL"),
    ("logindisabled", "LOGINDISABLED"),
    ("md5", "MD5"),
    ("oauth", "OAuth"),
    ("pipelining", "PIPELINING"),
    ("requiretls", "REQUIRETLS"),
    ("rsa", "RSA"),
    ("scram", "SCRAM"),
    ("sha1", "SHA-1"),
    ("smtputf8", "SMTPUTF8"),
    ("ssl3", "SSL 3"),
    ("starttls", "STARTTLS"),
    ("tls", "TLS"),
];

/// A column's name as a reader sees it: `servers_pct` is `servers, %`.
pub fn title(name: &str) -> String {
    let bare = what(name);
    let words =
        bare.split('_').map(|word| WORDS.iter().find(|(name, _)| *name == word).map_or(word, |(_, word)| *word));
    let text = words.collect::<Vec<_>>().join(" ").replace("self signed", "self-signed");
    // The sign stays on the line of what it is of.
    if bare == name { text } else { format!("{text},\u{a0}%") }
}

/// What a column counts or has the share of: `servers_pct` has that of `servers`.
pub fn what(name: &str) -> &str {
    name.strip_suffix("_pct").unwrap_or(name)
}

/// A cell as a reader sees it: shares with two decimals, counts with separators, keys as they are, and nothing that
/// could move a terminal's cursor.
pub fn shown(heading: &Heading, cell: &Cell) -> String {
    match cell {
        Cell::Number(number) if heading.name.ends_with("_pct") => format!("{number:.2}"),
        Cell::Number(number) if heading.source.is_some() => separated(*number),
        cell => cell.text().chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect(),
    }
}

/// A number with a comma before each three digits.
pub fn separated(number: f64) -> String {
    let text = number.to_string();
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let digits = whole.trim_start_matches('-');
    let mut out = whole[..whole.len() - digits.len()].to_owned();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_text_as_a_reader_sees_them() {
        let heading = |name: &str, source: Option<&str>| Heading { name: name.into(), source: source.map(Into::into) };
        let number = |name, source, number| shown(&heading(name, source), &Cell::Number(number));
        assert_eq!(number("servers", Some("a"), 12_488_000.0), "12,488,000");
        assert_eq!(number("servers", Some("a"), 999.0), "999");
        assert_eq!(number("servers", Some("a"), -1000.5), "-1,000.5");
        assert_eq!(number("servers_pct", Some("a"), 5.0), "5.00");
        assert_eq!(number("port", None, 6667.0), "6667");
        assert_eq!(shown(&heading("name", None), &Cell::Text("a\u{1b}[2J\nb".into())), "a\u{fffd}[2J\u{fffd}b");
        assert_eq!(shown(&heading("name", None), &Cell::Absent), "-");
        let titles = [("servers_pct", "servers,\u{a0}%"), ("common_name", "common name"), ("tls_pct", "TLS,\u{a0}%")];
        for (name, expected) in titles.into_iter().chain([("servers_self_signed_pct", "servers self-signed,\u{a0}%")]) {
            assert_eq!(title(name), expected);
        }
    }
}
