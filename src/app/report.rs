//! `starling report`: finds the datasets, has DuckDB answer, prints or writes what came of it.

use crate::app::say::say;
use crate::output::{dataset, manifest, views};
use crate::record::schema::TABLES;
use crate::report::compare::{Answer, compare};
use crate::report::html::{Section, Source, page};
use crate::report::question::Question;
use crate::report::sheet::separated;
use crate::report::table::Table;
use crate::report::{catalogue, duckdb, print};
use anyhow::{Context, Result, anyhow, bail, ensure};
use arrow::temporal_conversions::timestamp_us_to_datetime;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// From so many questions on it pays to keep what they stand on.
const MANY: usize = 4;

/// What is asked, of what, and how it is told.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Folders of datasets, and names of questions; all questions if none is named.
    pub asked: Vec<String>,
    /// How answers are printed.
    pub format: Format,
    /// Page to write instead.
    pub html: Option<PathBuf>,
    /// The DuckDB program.
    pub duckdb: Option<PathBuf>,
    /// Names of ASes.
    pub as_names: Option<PathBuf>,
    /// Ranks of ASes.
    pub as_rank: Option<PathBuf>,
    /// Rows of a list of the most frequent.
    pub top: u32,
    /// Common name of the certificate that Table VI follows.
    pub certificate: Option<String>,
    /// What DuckDB may take of memory, in its own words.
    pub memory: String,
    /// Nothing about progress on standard error.
    pub quiet: bool,
    /// Columns of the terminal, if it is one.
    pub width: Option<u16>,
}

/// How answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// To be read in a terminal.
    Text,
    /// Comma-separated values.
    Csv,
    /// JSON.
    Json,
    /// Markdown.
    Markdown,
}

/// A dataset, or several that are one.
struct Data {
    name: String,
    folder: PathBuf,
    /// The folders that have tables: itself, or those in it.
    parts: Vec<PathBuf>,
}

/// Answers the questions; what is to be printed.
///
/// # Errors
/// One line: no such dataset or question, no DuckDB, or DuckDB says no.
pub fn run(plan: &Plan) -> Result<String> {
    let questions = catalogue::all()?;
    let (datasets, questions) = sort_out(&plan.asked, &questions)?;
    for file in plan.as_names.iter().chain(&plan.as_rank) {
        ensure!(file.is_file(), "{}: there is no such file", file.display());
    }
    let program = duckdb::find(plan.duckdb.as_deref())?;
    let mut sources = Vec::new();
    let mut answers: BTreeMap<&str, Vec<Answer>> = BTreeMap::new();
    for data in &datasets {
        let Stock { rows, lacking } = take_stock(plan, &program, data)?;
        sources.push(Source { name: data.name.clone(), facts: facts(data, &rows) });
        let missing = |table: &String| rows.get(table) == Some(&0);
        let mut asked = Vec::new();
        for question in &questions {
            let missing: Vec<_> =
                question.needs.iter().map(|need| &need.table).filter(|table| missing(table)).cloned().collect();
            let lacking = lacking.iter().filter(|column| question.reads(column)).cloned().collect();
            let answer = Answer { source: data.name.clone(), table: Table::default(), missing, lacking };
            if answer.answerable(question) {
                asked.push((question.name, question.sql));
            }
            answers.entry(question.name).or_default().push(answer);
        }
        let all = asked.len();
        let mut prelude = prelude(plan, data)?;
        if all >= MANY {
            prelude += catalogue::KEPT;
        }
        let mut done = 0;
        duckdb::ask(&program, &prelude, &asked, &mut |name, table| {
            done += 1;
            if !plan.quiet {
                say(format_args!("{}: {name} ({done} of {all})", data.name));
            }
            if let Some(answer) = answers.get_mut(name).and_then(|answers| answers.last_mut()) {
                answer.table = table;
            }
        })
        .with_context(|| data.folder.display().to_string())?;
    }

    let sections: Vec<Section<'_>> = questions
        .iter()
        .map(|question| {
            let answers = answers.remove(question.name).unwrap_or_default();
            Section { question, sheet: compare(question, &answers), answers }
        })
        .collect();
    if let Some(file) = &plan.html {
        let page = page(&sources, &sections)?;
        std::fs::write(file, page).with_context(|| format!("--html {}", file.display()))?;
        return Ok(String::new());
    }
    let answered: Vec<_> = sections.into_iter().map(|section| (section.question, section.sheet)).collect();
    match plan.format {
        Format::Text => Ok(print::text(&answered, plan.width)),
        Format::Markdown => Ok(print::markdown(&answered)),
        Format::Csv => print::csv(&answered),
        Format::Json => print::json(&answered),
    }
}

/// A line for each question: its name, place and title.
///
/// # Errors
/// None that a test does not find.
pub fn list() -> Result<String> {
    let line = |question: &Question| format!("{:<16} {:<12} {}\n", question.name, question.place, question.title);
    Ok(catalogue::all()?.iter().map(line).collect())
}

/// The SQL of a question.
///
/// # Errors
/// There is none of this name.
pub fn sql(name: &str) -> Result<&'static str> {
    catalogue::sql(name).ok_or_else(|| anyhow!("there is no question {name}. Next step: starling report --list"))
}

/// Which words are datasets, and which are questions. A word that is a question's name is one; only where nothing else
/// is named as a dataset, the first that is a folder too (`scan --noise -o noise`) is the dataset.
fn sort_out<'a>(words: &[String], questions: &'a [Question]) -> Result<(Vec<Data>, Vec<&'a Question>)> {
    let is_name = |word: &String| questions.iter().any(|question| question.name == word);
    let both = words.iter().position(|word| Path::new(word).is_dir()).filter(|_| words.iter().all(is_name));
    let (names, others): (Vec<_>, Vec<_>) =
        words.iter().enumerate().partition(|(at, word)| is_name(word) && Some(*at) != both);
    let mut folders: Vec<PathBuf> = Vec::new();
    for (_, word) in others {
        let path = Path::new(word);
        let no_name = !word.contains('/') && !path.exists();
        ensure!(
            !no_name,
            "{word} is no dataset, and no question. Next step: name the folder given with -o, or see starling report --list"
        );
        folders.push(path.canonicalize().with_context(|| word.clone())?);
    }
    ensure!(!folders.is_empty(), "no dataset is named. Next step: starling report FOLDER, the folder given with -o");
    let name = |folder: &PathBuf| {
        let short = |folder: &PathBuf| folder.file_name().map(|name| name.to_string_lossy().into_owned());
        let alike = folders.iter().filter(|other| short(other) == short(folder)).count();
        short(folder).filter(|_| alike == 1).unwrap_or_else(|| folder.display().to_string())
    };
    let datasets = folders.iter().map(|folder| open(folder, name(folder))).collect::<Result<_>>()?;
    let named = |question: &&Question| names.is_empty() || names.iter().any(|(_, name)| *name == question.name);
    Ok((datasets, questions.iter().filter(named).collect()))
}

fn open(folder: &Path, name: String) -> Result<Data> {
    ensure!(folder.to_str().is_some(), "the path {} is not UTF-8. Next step: rename it", folder.display());
    let is_dataset = |folder: &Path| TABLES.iter().any(|table| folder.join(table.name).is_dir());
    let mut parts = vec![folder.to_owned()];
    if !is_dataset(folder) {
        let inside = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
        parts = inside.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_dataset(path)).collect();
        parts.sort();
    }
    if parts.is_empty() {
        bail!("{} is no dataset of starling's. Next step: name the folder given with -o", folder.display());
    }
    Ok(Data { name, folder: folder.to_owned(), parts })
}

impl Data {
    fn has(&self, name: &str) -> bool {
        let is_there = |path: PathBuf| match name {
            manifest::FILE => path.is_file(),
            _ => std::fs::read_dir(path).is_ok_and(|mut inside| {
                inside
                    .any(|entry| entry.is_ok_and(|entry| entry.path().extension().is_some_and(|end| end == "parquet")))
            }),
        };
        self.parts.iter().any(|part| is_there(part.join(name)))
    }

    fn views(&self) -> Result<String> {
        let several = self.parts.first() != Some(&self.folder);
        let mut repeated = false;
        for part in &self.parts {
            repeated |= dataset::resumed(part)?;
        }
        let folder = self.folder.to_str().unwrap_or_default();
        Ok(views::open(folder, several, repeated, &|name| self.has(name)))
    }
}

/// Everything that the queries stand on.
fn prelude(plan: &Plan, data: &Data) -> Result<String> {
    let spill = std::env::temp_dir().join(format!("starling-report-{}", std::process::id()));
    let mut sql = format!(
        "SET memory_limit = {};\nSET temp_directory = {};\nSET preserve_insertion_order = false;\nSET VARIABLE top = {};\n",
        views::quoted(&plan.memory),
        views::quoted(&spill.to_string_lossy()),
        plan.top
    );
    if let Some(name) = &plan.certificate {
        sql += &format!("SET VARIABLE certificate = {};\n", views::quoted(name));
    }
    sql += &data.views()?;
    sql += &as_table("as_names", "name", "VARCHAR", plan.as_names.as_deref());
    sql += &as_table("as_ranks", "rank", "UINTEGER", plan.as_rank.as_deref());
    Ok(sql)
}

/// A table from the first two columns of a file, with or without a head: an AS (`AS64496` or `64496`) and what is said
/// of it.
fn as_table(table: &str, column: &str, kind: &str, file: Option<&Path>) -> String {
    let Some(file) = file else { return String::new() };
    format!(
        "DROP VIEW {table};
CREATE TEMP TABLE {table} AS
SELECT asn, any_value({column}) AS {column} FROM (
    SELECT TRY_CAST(regexp_extract(column0, '^(?:AS)?([0-9]+)$', 1) AS UINTEGER) AS asn, TRY_CAST(trim(column1) AS {kind}) AS {column}
    FROM read_csv({}, header = false, all_varchar = true, null_padding = true, strict_mode = false,
                  names = ['column0', 'column1']))
WHERE asn IS NOT NULL GROUP BY asn;\n",
        views::quoted(&file.to_string_lossy())
    )
}

/// What a dataset has to answer with.
#[derive(Default)]
struct Stock {
    /// Rows of each table.
    rows: BTreeMap<String, u64>,
    /// Columns of today that not all of its files have.
    lacking: Vec<String>,
}

fn take_stock(plan: &Plan, program: &Path, data: &Data) -> Result<Stock> {
    let tables = TABLES.iter().map(|table| table.name).chain(["runs", "as_names", "as_ranks"]);
    let counts: Vec<_> = tables.map(|table| format!("SELECT '{table}' AS name, count(*) AS n FROM {table}")).collect();
    let columns: Vec<_> = TABLES.iter().filter(|table| data.has(table.name)).map(views::lacking).collect();
    let (rows, lacking) = (counts.join(" UNION ALL ") + ";", columns.join(" UNION ") + ";");
    let mut stock = Stock::default();
    let queries = [("the tables", rows.as_str()), ("the columns", lacking.as_str())];
    duckdb::ask(program, &prelude(plan, data)?, &queries, &mut |query, table| {
        for row in &table.rows {
            match row.as_slice() {
                [name, n] if query == "the tables" => {
                    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
                    stock.rows.insert(name.text(), n.number().unwrap_or_default() as u64);
                }
                [name] => stock.lacking.push(name.text()),
                _ => {}
            }
        }
    })
    .with_context(|| data.folder.display().to_string())?;
    Ok(stock)
}

/// What the page says of a dataset.
fn facts(data: &Data, rows: &BTreeMap<String, u64>) -> Vec<(String, String)> {
    let mut facts = vec![("folder".to_owned(), data.folder.display().to_string())];
    let runs: Vec<Value> = data.parts.iter().filter_map(|part| manifest::read(part).ok()).collect();
    let times = |key: &str| runs.iter().filter_map(|run| run[key].as_i64()).collect::<BTreeSet<_>>();
    let time = |micros: &i64| timestamp_us_to_datetime(*micros).map(|time| time.format("%Y-%m-%d %H:%M").to_string());
    if let Some(first) = times("start_us").first().and_then(time) {
        let last = times("end_us").last().and_then(time).unwrap_or_else(|| "not ended".to_owned());
        facts.push(("run".to_owned(), format!("{first} to {last} UTC")));
    }
    if runs.len() > 1 {
        facts.push(("runs".to_owned(), runs.len().to_string()));
    }
    for table in TABLES {
        let count = rows.get(table.name).copied().unwrap_or_default();
        if count > 0 {
            #[expect(clippy::cast_precision_loss, reason = "to be read")]
            facts.push((table.name.to_owned(), separated(count as f64)));
        }
    }
    facts
}
