//! All questions, in the order of the report.

use super::question::Question;
use anyhow::{Result, anyhow};

macro_rules! questions {
    ($($name:literal)+) => {
        &[$(($name, include_str!(concat!("sql/", $name, ".sql"))),)+]
    };
}

/// Name and SQL; the file's head says the rest.
const FILES: &[(&str, &str)] = questions! {
    // The paper's tables, figures and numbers, in its order.
    "table1" "noise" "table2" "alpn" "tor" "ocsp" "table3" "table4" "fig3" "curves" "dh" "fig4" "fig5" "xmpp-names"
    "fig6a" "fig6b" "fig6c" "fig7" "table5" "table6" "table7" "direct-issue" "table8" "table9" "plain-login" "table10" "table11"
    "table12" "table13" "clear-login" "logindisabled"
    // What has changed since.
    "key-exchange" "hidden" "keys" "signatures" "issuers" "lifetimes" "scts" "weak" "mechanisms" "requiretls" "implicit-tls"
    "injection"
    // What the scan knows besides.
    "outcomes" "rungs" "software" "networks"
};

/// Has what many questions stand on computed once, before them. It changes no answer.
pub const KEPT: &str = include_str!("kept.sql");

/// All questions.
///
/// # Errors
/// The head of a file is not understood; a fault of this program, found by a test.
pub fn all() -> Result<Vec<Question>> {
    FILES.iter().map(|(name, sql)| Question::parse(name, sql).map_err(|error| anyhow!("{name}.sql: {error}"))).collect()
}

/// The SQL of a question.
pub fn sql(name: &str) -> Option<&'static str> {
    FILES.iter().find(|(known, _)| *known == name).map(|(_, sql)| *sql)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_table_and_figure_of_the_paper_is_there_once() {
        let places: Vec<String> = all().unwrap().into_iter().map(|question| question.place).collect();
        let numerals = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIII"];
        let tables = numerals.map(|numeral| format!("Table {numeral}"));
        // Figures 1 and 2 explain X.509 and show no measurement.
        let figures = ["3", "4", "5", "6a", "6b", "6c", "7"].map(|number| format!("Figure {number}"));
        for place in tables.iter().chain(&figures) {
            assert_eq!(places.iter().filter(|known| *known == place).count(), 1, "{place}");
        }
        let others: BTreeSet<_> = places
            .iter()
            .filter(|place| !tables.contains(place) && !figures.contains(place))
            .map(String::as_str)
            .collect();
        let texts = ["III-A", "III-B", "IV-C", "IV-D", "IV-F", "IV-G"].map(|number| format!("Section {number}"));
        let more = ["Since 2015", "Beyond the paper"];
        assert_eq!(others, texts.iter().map(String::as_str).chain(more).collect());
    }

    #[test]
    fn every_file_is_in_the_list_and_named_once() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/report/sql");
        let files: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        assert_eq!(FILES.iter().map(|(name, _)| (*name).to_owned()).collect::<BTreeSet<_>>(), files);
        assert_eq!(FILES.len(), files.len());
    }

    #[test]
    fn the_documentation_lists_each_by_its_place_in_the_paper() {
        let lines = include_str!("../../docs/REPORT.md").lines().filter(|line| line.starts_with("| `"));
        let expected = all().unwrap().into_iter().map(|q| format!("| `{}` | {} | {} |", q.name, q.place, q.title));
        assert_eq!(lines.map(str::to_owned).collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    }

    #[test]
    fn heads_agree_with_themselves() {
        for question in all().unwrap() {
            let Question { name, paper, keys, .. } = &question;
            assert!(paper.rows.iter().all(|row| row.len() == paper.columns.len()), "{name}: {:?}", paper.rows);
            assert!(paper.rows.is_empty() || keys.iter().all(|key| paper.column(key).is_some()), "{name}");
            let named = paper
                .columns
                .iter()
                .map(String::as_str)
                .chain(question.charts.iter().flat_map(|chart| chart.columns()));
            let code = question.sql.lines().filter(|line| !line.starts_with("--")).collect::<String>();
            for column in named.chain(keys.iter().map(String::as_str)) {
                assert!(code.contains(column), "{name}: {column} is not in the query");
            }
        }
    }
}
