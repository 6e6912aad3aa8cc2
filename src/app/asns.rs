//! What lists say of ASes: names, or ranks. Read are the lists that people have:
//!
//! - CSV, also with tabs, semicolons or bars: bgp.tools' `asns.csv`, CAIDA's `as-org2info.txt` and AS Rank, MaxMind's
//!   GeoLite2 ASN, iptoasn.com's and ip-location-db's ranges. A head says which column is which; without one, the
//!   number comes first (behind the addresses, where a line begins with these) and what is said of it next.
//! - Lines of a number and a name, as RIPE's `asn.txt`: `13335 CLOUDFLARENET, US`.
//! - pyasn's `asnames.json`: an object of names by number.
//!
//! A number may be written `AS13335`. What comes first counts.

use crate::app::targets::{decompressed, opened};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::Path;

/// What is sought of an AS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Who it is.
    Name,
    /// Its place in a ranking.
    Rank,
}

/// Heads of the column of numbers, without what is no letter or digit.
const NUMBERS: &[&str] = &["asn", "as", "asnumber", "aut", "number", "autonomoussystemnumber", "autonomoussystem"];
const NAMES: &[&str] = &[
    "name",
    "asname",
    "autname",
    "autonomoussystemorganization",
    "description",
    "asdescription",
    "organization",
    "organisation",
    "org",
    "holder",
    "registration",
];
const RANKS: &[&str] = &["rank", "asrank", "ranking", "position", "place"];

impl Said {
    const fn heads(self) -> &'static [&'static str] {
        match self {
            Self::Name => NAMES,
            Self::Rank => RANKS,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Rank => "rank",
        }
    }

    fn takes(self, text: &str) -> bool {
        match self {
            Self::Name => !text.is_empty(),
            Self::Rank => text.parse::<u32>().is_ok(),
        }
    }
}

/// Reads a list, plain or compressed.
///
/// # Errors
/// It cannot be read, or no line of it says anything of an AS.
pub fn read(path: &Path, said: Said) -> Result<BTreeMap<u32, String>> {
    let mut bytes = Vec::new();
    decompressed(opened(path)?)?.read_to_end(&mut bytes)?;
    // Some registries still write Latin-1.
    parse(&String::from_utf8_lossy(&bytes), said)
}

fn parse(text: &str, said: Said) -> Result<BTreeMap<u32, String>> {
    let text = text.trim_start_matches('\u{feff}');
    let mut found = BTreeMap::new();
    if text.trim_start().starts_with('{') {
        let all: BTreeMap<String, serde_json::Value> = serde_json::from_str(text)
            .context("it begins as JSON and is no object of what is said by number, as in {\"64496\": \"EXAMPLE\"}")?;
        for (number, value) in all {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            take(&mut found, said, &number, &value);
        }
    } else {
        let separator = separator(text);
        let mut columns = None;
        for line in text.lines() {
            // CAIDA's files say in comments what columns follow.
            let head = line.strip_prefix("# format:").or_else(|| line.strip_prefix("#format:"));
            if let Some(head) = head {
                let head: Vec<_> = head.split('|').map(str::to_owned).collect();
                columns = Columns::of_head(&head, said).or(Some(Columns::NONE));
                continue;
            }
            if line.trim().is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            let fields = fields(line, separator);
            let own = match columns {
                Some(columns) => columns,
                None => match Columns::of_row(&fields) {
                    Some(columns) => columns,
                    None => {
                        columns = Columns::of_head(&fields, said);
                        continue;
                    }
                },
            };
            if let (Some(number), Some(value)) = (fields.get(own.number), fields.get(own.value)) {
                take(&mut found, said, number, value);
            }
        }
    }
    ensure!(
        !found.is_empty(),
        "no line has the number of an AS and its {word}. Next step: give a CSV file with the columns asn and {word}",
        word = said.word()
    );
    Ok(found)
}

fn take(found: &mut BTreeMap<u32, String>, said: Said, number: &str, value: &str) {
    let value = value.trim();
    if let Some(number) = as_number(number).filter(|number| *number > 0 && said.takes(value)) {
        found.entry(number).or_insert_with(|| value.to_owned());
    }
}

/// `AS64496` or `64496`.
fn as_number(text: &str) -> Option<u32> {
    let text = text.trim();
    let digits = text.strip_prefix("AS").or_else(|| text.strip_prefix("as")).unwrap_or(text);
    digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// What stands between the fields: what follows the first field of the first line that begins with a number or address. A
/// blank is followed by a name that may have commas.
fn separator(text: &str) -> char {
    let begins = |line: &&str| {
        let line = line.trim_start_matches('"');
        line.starts_with(|letter: char| letter.is_ascii_digit())
            || as_number(line.split([',', '\t', ';', '|', ' ', '"']).next().unwrap_or_default()).is_some()
    };
    let line = text.lines().filter(|line| !line.starts_with(['#', ';'])).find(begins).unwrap_or_default();
    line.chars().find(|letter| [',', '\t', ';', '|', ' '].contains(letter)).unwrap_or(',')
}

fn fields(line: &str, separator: char) -> Vec<String> {
    if separator == ' ' {
        let (number, name) = line.trim_start().split_once(char::is_whitespace).unwrap_or((line, ""));
        return vec![number.to_owned(), name.to_owned()];
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(u8::try_from(separator).unwrap_or(b','))
        .quoting(matches!(separator, ',' | ';'))
        .from_reader(line.as_bytes());
    reader.records().flatten().next().map(|record| record.iter().map(str::to_owned).collect()).unwrap_or_default()
}

/// Where the number of an AS stands, and what is said of it.
#[derive(Clone, Copy)]
struct Columns {
    number: usize,
    value: usize,
}

impl Columns {
    /// Lines of which nothing is wanted.
    const NONE: Self = Self { number: usize::MAX, value: usize::MAX };

    fn of_head(fields: &[String], said: Said) -> Option<Self> {
        let plain = |text: &String| {
            text.chars()
                .filter(char::is_ascii_alphanumeric)
                .map(|letter| letter.to_ascii_lowercase())
                .collect::<String>()
        };
        let fields: Vec<_> = fields.iter().map(plain).collect();
        let place = |heads: &[&str]| heads.iter().find_map(|head| fields.iter().position(|field| field == head));
        // A list of something else than what is wanted has nothing to take.
        Some(Self { number: place(NUMBERS)?, value: place(said.heads()).unwrap_or(Self::NONE.value) })
    }

    /// Of a line in a list without a head.
    fn of_row(fields: &[String]) -> Option<Self> {
        let address = |at: usize| fields.get(at).is_some_and(|field| field.trim().parse::<IpAddr>().is_ok());
        let prefix = fields.first().is_some_and(|field| field.contains('/'));
        let number = if address(0) && address(1) { 2 } else { usize::from(prefix) };
        as_number(fields.get(number)?)?;
        // iptoasn.com has a country between both.
        let value = if number > 0 { fields.len() - 1 } else { 1 };
        (value > number).then_some(Self { number, value })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<(u32, String)> {
        parse(text, Said::Name).unwrap().into_iter().collect()
    }

    #[test]
    fn the_lists_that_people_have_are_read() {
        let cloudflare = |name: &str| vec![(13_335, name.to_owned())];
        for (list, name) in [
            ("13335 CLOUDFLARENET, US\n", "CLOUDFLARENET, US"),
            ("AS13335 CLOUDFLARENET, US\r\n", "CLOUDFLARENET, US"),
            ("AS13335   CLOUDFLARENET\n", "CLOUDFLARENET"),
            ("asn,name,class,cc\nAS13335,\"Cloudflare, Inc.\",Content,US\n", "Cloudflare, Inc."),
            ("asn,class,name\n13335,Content,Cloudflare\n", "Cloudflare"),
            ("\u{feff}ASN;AS Name\n13335;Cloudflare\n", "Cloudflare"),
            ("AS Number,Country,AS Name\n13335,US,Cloudflare\n", "Cloudflare"),
            ("13335,Cloudflare\n", "Cloudflare"),
            ("{\"13335\": \"CLOUDFLARENET, US\"}", "CLOUDFLARENET, US"),
            (
                "1.0.0.0\t1.0.0.255\t13335\tUS\tCLOUDFLARENET \"x\"\n2.0.0.0\t2.0.0.1\t0\tNone\tNot routed\n",
                "CLOUDFLARENET \"x\"",
            ),
            (
                "1.0.0.0,1.0.0.255,13335,\"Cloudflare, Inc.\"\n2606:4700::,2606:4700::1,13335,other\n",
                "Cloudflare, Inc.",
            ),
            (
                "network,autonomous_system_number,autonomous_system_organization\n1.0.0.0/24,13335,CLOUDFLARENET\n",
                "CLOUDFLARENET",
            ),
            (
                "# name: AS Org\n# format:org_id|changed|org_name|country|source\n13335-ARIN|2017|Cloudflare|US|ARIN\n\
                 # format:aut|changed|aut_name|org_id|opaque_id|source\n13335|20170217|CLOUDFLARENET|CLOUD14-ARIN|x|ARIN\n",
                "CLOUDFLARENET",
            ),
        ] {
            assert_eq!(names(list), cloudflare(name), "{list}");
        }
        assert_eq!(names("1 ONE\nx TWO\n3\n1 AGAIN\n4294967296 MUCH\n"), [(1, "ONE".to_owned())]);
    }

    #[test]
    fn ranks_are_numbers() {
        let ranks = |text: &str| parse(text, Said::Rank).unwrap().into_iter().collect::<Vec<_>>();
        for list in [
            "3356,1\n",
            "asn,rank\nAS3356,1\n",
            "rank,asn,organization\n1,3356,Lumen\n",
            "3356 1\n",
            "3356|1\n3357|x\n",
        ] {
            assert_eq!(ranks(list), [(3356, "1".to_owned())], "{list}");
        }
    }

    #[test]
    fn a_list_of_something_else_is_an_error() {
        for list in ["", "hello\n", "asn,country\n1,US\n", "1.0.0.0,1.0.0.255,13335\n", "{\"x\": 1}"] {
            let error = parse(list, Said::Name).unwrap_err().to_string();
            assert!(error.contains("no line has the number of an AS and its name. Next step: "), "{list}: {error}");
        }
        assert!(parse("{\"1\": ", Said::Name).unwrap_err().to_string().contains("JSON"));
    }
}
