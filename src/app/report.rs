//! `starling report`: finds the datasets, has DuckDB answer, prints or writes what came of it.

use crate::app::asns::{self, Said};
use crate::app::clock::Clock;
use crate::app::say::say;
use crate::app::targets::{read_rib, write_announced};
use crate::output::dataset::Dataset;
use crate::output::{dataset, manifest, views};
use crate::record::row::Prefix;
use crate::record::schema::{Row as _, TABLES};
use crate::report::compare::{Answer, PAPER, compare};
use crate::report::html::{Section, Source, page};
use crate::report::question::Question;
use crate::report::sheet::separated;
use crate::report::table::Table;
use crate::report::{catalogue, duckdb, print};
use crate::targets::cidr::AddressSet;
use anyhow::{Context, Result, anyhow, bail, ensure};
use arrow::temporal_conversions::timestamp_us_to_datetime;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

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
    /// Routing table that tells the AS of an address, in place of those that scans have kept.
    pub rib: Option<PathBuf>,
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
    if let Some(file) = &plan.html {
        // It would be a pity to hear of it after all the counting.
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        ensure!(folder.is_dir(), "--html {}: there is no folder {}", file.display(), folder.display());
    }
    let program = duckdb::find(plan.duckdb.as_deref())?;
    let given = Given::prepare(plan)?;
    let mut sources = Vec::new();
    let mut answers: BTreeMap<&str, Vec<Answer>> = BTreeMap::new();
    for data in &datasets {
        let Stock { rows, lacking, traffic, loops } = take_stock(&given, &program, data)?;
        if let Some(why) = incomplete(data) {
            say(format_args!("{}: {why}", data.name));
        }
        let mut own = rows.clone();
        if plan.rib.is_some() {
            own.remove(Prefix::TABLE.name);
        }
        sources.push(Source { name: data.name.clone(), facts: facts(data, &own, traffic.as_deref()) });
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
        let mut prelude = given.prelude(data)?;
        if loops {
            prelude += &format!("SET {LOOPS} = 0;\n");
        }
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
        ensure!(
            path.exists(),
            "{word} is no dataset, and no question. Next step: name the folder given with -o, or see starling report --list"
        );
        let folder = path.canonicalize().with_context(|| word.clone())?;
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    ensure!(!folders.is_empty(), "no dataset is named. Next step: starling report FOLDER, the folder given with -o");
    // As much of the path's end as tells them apart. Nor may one be taken for the paper, or for a key beside which it
    // stands in JSON.
    let is_taken =
        |name: &str| name == PAPER || questions.iter().any(|question| question.keys.iter().any(|key| key == name));
    let end = |folder: &PathBuf, parts: usize| {
        let all: Vec<_> = folder.iter().collect();
        all[all.len().saturating_sub(parts)..].iter().collect::<PathBuf>().display().to_string()
    };
    let name = |folder: &PathBuf| {
        let is_own = |name: &String, parts| folders.iter().filter(|other| end(other, parts) == *name).count() == 1;
        let names = (1..folder.iter().count()).map(|parts| (end(folder, parts), parts));
        let own = names.into_iter().find(|(name, parts)| is_own(name, *parts) && !is_taken(name));
        own.map_or_else(|| folder.display().to_string(), |(name, _)| name)
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

/// DuckDB from 1.3 on joins a table by range row by row if it expects few rows of it, and is wrong in that of what a
/// monitor has seen: 300 addresses against 600,000 prefixes took seconds instead of a moment.
const LOOPS: &str = "asof_loop_join_threshold";

/// What is given to the report beside datasets, as SQL that comes before the queries, and the files that it needs.
struct Given {
    before: String,
    behind: String,
    /// It goes when the report is made.
    _scratch: TempDir,
}

impl Given {
    fn prepare(plan: &Plan) -> Result<Self> {
        let scratch = tempfile::Builder::new().prefix("starling-report-").tempdir().context("no temporary folder")?;
        let quoted = |path: PathBuf| views::quoted(&path.to_string_lossy());
        let mut before = format!(
            "SET memory_limit = {};\nSET temp_directory = {};\nSET preserve_insertion_order = false;\nSET VARIABLE top = {};\n",
            views::quoted(&plan.memory),
            quoted(scratch.path().join("spill")),
            plan.top
        );
        if let Some(name) = &plan.certificate {
            before += &format!("SET VARIABLE certificate = {};\n", views::quoted(name));
        }
        let mut behind = String::new();
        if let Some(file) = &plan.rib {
            let context = || format!("--rib {}", file.display());
            let announced = read_rib(file).with_context(context)?.announced(&AddressSet::new(vec![(0, u32::MAX)]));
            let folder = scratch.path().join("rib");
            let clock = Clock::start();
            write_announced(&Dataset::create(&folder, clock.utc())?, &announced, clock.utc())?;
            let parts = quoted(folder.join(Prefix::TABLE.name).join("*.parquet"));
            behind += &format!("CREATE OR REPLACE TEMP VIEW prefixes AS SELECT * FROM read_parquet({parts});\n");
        }
        for (option, file, said, table, column, kind) in [
            ("--as-names", &plan.as_names, Said::Name, "as_names", "name", "VARCHAR"),
            ("--as-rank", &plan.as_rank, Said::Rank, "as_ranks", "rank", "UINTEGER"),
        ] {
            let Some(file) = file else { continue };
            let context = || format!("{option} {}", file.display());
            let path = scratch.path().join(table);
            let mut writer = csv::Writer::from_path(&path).context("no temporary file")?;
            for (number, value) in asns::read(file, said).with_context(context)? {
                writer.write_record([number.to_string(), value])?;
            }
            writer.flush()?;
            drop(writer);
            behind += &format!(
                "DROP VIEW {table};
CREATE TEMP TABLE {table} AS
FROM read_csv({}, header = false, quote = '\"', escape = '\"', delim = ',', columns = {{'asn': 'UINTEGER', '{column}': '{kind}'}});\n",
                quoted(path)
            );
        }
        Ok(Self { before, behind, _scratch: scratch })
    }

    /// Everything that the queries on a dataset stand on.
    fn prelude(&self, data: &Data) -> Result<String> {
        Ok([self.before.as_str(), &data.views()?, &self.behind].concat())
    }
}

/// What a dataset has to answer with.
#[derive(Default)]
struct Stock {
    /// Rows of each table.
    rows: BTreeMap<String, u64>,
    /// Columns of today that not all of its files have.
    lacking: Vec<String>,
    /// When what it monitored passed by.
    traffic: Option<String>,
    /// DuckDB knows [`LOOPS`].
    loops: bool,
}

fn take_stock(given: &Given, program: &Path, data: &Data) -> Result<Stock> {
    let tables = TABLES.iter().map(|table| table.name).chain(["runs", "as_names", "as_ranks"]);
    let counts: Vec<_> = tables.map(|table| format!("SELECT '{table}' AS name, count(*) AS n FROM {table}")).collect();
    let columns: Vec<_> = TABLES.iter().filter(|table| data.has(table.name)).map(views::lacking).collect();
    let (rows, lacking) = (counts.join(" UNION ALL ") + ";", columns.join(" UNION ") + ";");
    let mut stock = Stock::default();
    let traffic = "SELECT strftime(min(time), '%Y-%m-%d %H:%M') || ' to ' || strftime(max(time), '%Y-%m-%d %H:%M') || ' UTC' AS time
FROM connections HAVING count(*) > 0;";
    let loops = format!("SELECT count(*) AS n FROM duckdb_settings() WHERE name = '{LOOPS}';");
    let queries = [
        ("the settings", loops.as_str()),
        ("the tables", rows.as_str()),
        ("the columns", lacking.as_str()),
        ("the times", traffic),
    ];
    duckdb::ask(program, &given.prelude(data)?, &queries, &mut |query, table| {
        for row in &table.rows {
            match row.as_slice() {
                [n] if query == "the settings" => stock.loops = n.number() > Some(0.0),
                [time] if query == "the times" => stock.traffic = Some(time.text()),
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

/// Why not everything is in a dataset that was to be.
fn incomplete(data: &Data) -> Option<&'static str> {
    let runs = data.parts.iter().filter_map(|part| Some((part, manifest::read(part).ok()?)));
    runs.into_iter().find_map(|(part, run)| match run["state"].as_str()? {
        "running" if dataset::busy(part) => Some("it is still being made; what is told is of its finished parts"),
        "running" => Some("it was killed; what is told is of its finished parts"),
        // A monitor ends when it is told to.
        "stopped" if run["ledger"].is_object() => Some("it was stopped early"),
        _ => None,
    })
}

/// What the page says of a dataset.
fn facts(data: &Data, rows: &BTreeMap<String, u64>, traffic: Option<&str>) -> Vec<(String, String)> {
    let mut facts = vec![("folder".to_owned(), data.folder.display().to_string())];
    let runs: Vec<Value> = data.parts.iter().filter_map(|part| manifest::read(part).ok()).collect();
    let times = |key: &str| runs.iter().filter_map(|run| run[key].as_i64()).collect::<BTreeSet<_>>();
    let time = |micros: &i64| timestamp_us_to_datetime(*micros).map(|time| time.format("%Y-%m-%d %H:%M").to_string());
    if let Some(first) = times("start_us").first().and_then(time) {
        let text = match times("end_us").last().and_then(time) {
            Some(last) => format!("{first} to {last} UTC"),
            None => format!("from {first} UTC, not ended"),
        };
        facts.push(("run".to_owned(), text));
    }
    if let Some(why) = incomplete(data) {
        facts.push(("incomplete".to_owned(), why.to_owned()));
    }
    if runs.len() > 1 {
        facts.push(("runs".to_owned(), runs.len().to_string()));
    }
    if let Some(traffic) = traffic {
        facts.push(("traffic".to_owned(), traffic.to_owned()));
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
