//! The report as one page that needs nothing else: no network, no script.

use super::chart::Figure;
use super::compare::{Answer, PAPER};
use super::print::is_numeric;
use super::question::Question;
use super::sheet::{Sheet, shown};
use super::table::Cell;
use anyhow::Result;
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// What a page is made of.
pub struct Section<'a> {
    /// The question.
    pub question: &'a Question,
    /// What each dataset answers.
    pub answers: Vec<Answer>,
    /// Side by side.
    pub sheet: Sheet,
}

/// A dataset as the page's head tells of it: a name and what is known of it, line by line.
pub struct Source {
    /// Its name in tables and figures.
    pub name: String,
    /// What and when, `label, value`.
    pub facts: Vec<(String, String)>,
}

/// Of a table with more rows than these its first rows are shown, the others on demand.
const LONG: usize = 40;
/// Of one with a figure and more rows than these the figure is shown, and itself on demand.
const LONG_WITH_FIGURE: usize = 20;

const STYLE: &str = include_str!("page.css");

/// The page.
///
/// # Errors
/// A figure cannot be drawn.
pub fn page(sources: &[Source], sections: &[Section<'_>]) -> Result<String> {
    let figures = |section: &Section<'_>| -> Result<Vec<Figure>> {
        let drawn = section.question.charts.iter().map(|chart| chart.draw(section.question, &section.answers));
        Ok(drawn.collect::<Result<Vec<_>>>()?.concat())
    };
    let sections: Vec<_> = sections.iter().map(|section| Ok((section, figures(section)?))).collect::<Result<_>>()?;
    let names: Vec<_> = sources.iter().map(|source| source.name.as_str()).collect();
    Ok(html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "TLS in the wild: " (names.join(", ")) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "TLS in the wild: " (names.join(", ")) }
                p.lead {
                    "Each table and figure of " cite { "TLS in the Wild" }
                    " (Holz, Amann, Mehani, Wachs, Kaafar; NDSS 2016), asked of these datasets. Columns marked "
                    b { (PAPER) } " are what the paper found, where it asks the same."
                }
                (described(sources))
                (contents(&sections))
                @for (section, figures) in &sections { (shown_section(section, figures)) }
                footer { "Made by starling report. Each query is in its section and by " code { "starling report --sql NAME" } "." }
            }
        }
    }
    .into_string())
}

fn described(sources: &[Source]) -> Markup {
    html! {
        section.sources {
            @for source in sources {
                dl {
                    dt { b { (source.name) } }
                    @for (label, value) in &source.facts { dd { span.label { (label) } " " (value) } }
                }
            }
        }
    }
}

/// What the paper has by its place there; the rest by title, below what it has in common.
fn contents(sections: &[(&Section<'_>, Vec<Figure>)]) -> Markup {
    let heading = |section: &Section<'_>| match section.question.place.as_str() {
        place if of_the_paper(place) => "The paper".to_owned(),
        place => place.to_owned(),
    };
    html! {
        nav aria-label="Contents" {
            @for group in sections.chunk_by(|(one, _), (next, _)| heading(one) == heading(next)) {
                h2 { (heading(group[0].0)) }
                ul {
                    @for (section, _) in group {
                        @let Question { name, place, title, .. } = section.question;
                        li class=[section.sheet.rows.is_empty().then_some("empty")] {
                            a href={ "#" (name) } { @if of_the_paper(place) { (place) ": " } (title) }
                        }
                    }
                }
            }
        }
    }
}

/// A place in the paper is numbered.
fn of_the_paper(place: &str) -> bool {
    ["Table ", "Figure ", "Section "].iter().any(|kind| place.starts_with(kind))
}

fn shown_section(section: &Section<'_>, figures: &[Figure]) -> Markup {
    let Section { question, sheet, .. } = section;
    html! {
        section id=(question.name) {
            h2 { (question.place) ": " (question.title) }
            p.question { (question.question) }
            p.population { b { "Population: " } (marked(&question.population)) }
            @for figure in figures {
                figure {
                    div.wide role="img" aria-label=(figure.caption) { (PreEscaped(&figure.wide)) }
                    div.narrow role="img" aria-label=(figure.caption) { (PreEscaped(&figure.narrow)) }
                    figcaption { (figure.caption) }
                }
            }
            @if !figures.is_empty() && sheet.rows.len() > LONG_WITH_FIGURE {
                details.table { summary { "The numbers, " (sheet.rows.len()) " rows" } div.scroll { (grid(sheet, &sheet.rows)) } }
            } @else if !sheet.rows.is_empty() {
                @let (first, others) = sheet.rows.split_at(sheet.rows.len().min(LONG));
                div.scroll { (grid(sheet, first)) }
                @if !others.is_empty() {
                    details.table { summary { "Further " (others.len()) " rows" } div.scroll { (grid(sheet, others)) } }
                }
            }
            @for note in question.notes.iter().chain(&sheet.notes) { p.note { (marked(note)) } }
            details.sql { summary { "SQL" } pre { code { (question.sql) } } }
        }
    }
}

/// Text whose words between backticks are code.
fn marked(text: &str) -> Markup {
    html! {
        @for (at, part) in text.split('`').enumerate() {
            @if at % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

fn grid(sheet: &Sheet, rows: &[Vec<Cell>]) -> Markup {
    let columns = &sheet.columns;
    let number = |at: usize| is_numeric(sheet, at);
    // Where a name's columns begin there is more room.
    let begins = |at: usize| at > 0 && columns[at].source.is_some() && columns[at].name != columns[at - 1].name;
    let paper = |at: usize| columns[at].source.as_deref() == Some(PAPER);
    // A short text stays on its line.
    let short = |text: &str| text.chars().count() <= 20;
    let keys = columns.iter().take_while(|heading| heading.source.is_none()).count();
    let others: Vec<usize> = (keys..columns.len()).collect();
    html! {
        table {
            thead {
                tr {
                    @for at in 0..keys {
                        th.key[at == 0].number[number(at)] scope="col" rowspan="2" { (columns[at].title()) }
                    }
                    @for group in others.chunk_by(|one, next| columns[*one].name == columns[*next].name) {
                        th.group.number[number(group[0])] scope="colgroup" colspan=(group.len()) { (columns[group[0]].title()) }
                    }
                }
                tr {
                    @for at in others.iter().copied() {
                        th.source.number[number(at)].begin[begins(at)] scope="col" {
                            (columns[at].source.as_deref().unwrap_or_default())
                        }
                    }
                }
            }
            tbody {
                @for row in rows {
                    tr {
                        @for (at, cell) in row.iter().enumerate() {
                            @let text = shown(&columns[at], cell);
                            td.key[at == 0].number[number(at)].begin[begins(at)]
                                data-paper=[paper(at).then_some("")] data-short=[short(&text).then_some("")] { (text) }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;
    use crate::report::catalogue;
    use crate::report::sheet::Heading;

    #[test]
    fn of_a_long_table_all_rows_are_there_the_further_ones_folded_and_code_is_marked() {
        let questions = catalogue::all().unwrap();
        let question = questions.iter().find(|question| question.name == "table6").unwrap();
        let shown = |rows: u32| {
            let sheet = Sheet {
                columns: vec![Heading { name: "asn".into(), source: None }],
                rows: (0..rows).map(|asn| vec![Cell::Number(f64::from(asn))]).collect(),
                notes: vec!["nothing in `<hosts>` here".into()],
            };
            shown_section(&Section { question, answers: Vec::new(), sheet }, &[]).into_string()
        };
        let (forty, more) = (shown(40), shown(42));
        assert!(!forty.contains("Further") && forty.matches("<td").count() == 40);
        let (first, folded) = more.split_once("<summary>Further 2 rows</summary>").unwrap();
        assert_eq!((first.matches("<td").count(), folded.matches("<td").count()), (40, 2));
        assert!(more.contains("nothing in <code>&lt;hosts&gt;</code> here"), "{more}");
    }
}
