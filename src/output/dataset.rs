//! The folder of a run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use arrow::temporal_conversions::timestamp_us_to_datetime;

use super::parquet::{Limits, PartWriter, SCHEMA_PART, write_schema_part};
use super::{Error, Result, durable, stored, views};
use crate::base::UtcMicros;
use crate::record::row::Verdict;
use crate::record::schema::{Row, TABLES};

/// File of the resolved addresses in the dataset's folder: prefixes, one a line.
pub const TARGETS: &str = "targets.txt";

/// A dataset that is being written. As long as it lives nobody else can open it for writing.
#[derive(Clone, Debug)]
pub struct Dataset {
    root: PathBuf,
    run: String,
    _lock: Arc<Flock<fs::File>>,
}

impl Dataset {
    /// Makes the folder of a run that starts at `start`: the folder itself (the one above it must exist), a folder
    /// for each table with its part without rows, and `views.sql`. From then on the dataset can be opened.
    ///
    /// Errors: the folder exists and is not empty; it cannot be created or written; its path is not UTF-8.
    /// What it made before an error it removes again.
    pub fn create(path: &Path, start: UtcMicros) -> Result<Self> {
        let made_folder = prepare(path)?;
        Self::fill(path, start).inspect_err(|_| {
            // The first error is the one to report; what cannot be removed stays.
            if made_folder {
                let _ = fs::remove_dir_all(path);
            } else {
                for table in TABLES {
                    let _ = fs::remove_dir_all(path.join(table.name));
                }
                let _ = fs::remove_file(path.join(views::FILE));
            }
        })
    }

    fn fill(path: &Path, start: UtcMicros) -> Result<Self> {
        let root = fs::canonicalize(path).map_err(Error::io("open", path))?;
        let Some(location) = root.to_str() else {
            return Err(Error::NotUtf8 { path: root });
        };
        let lock = lock(&root)?;
        let run = run_name(start);
        for table in TABLES {
            let folder = root.join(table.name);
            fs::create_dir(&folder).map_err(Error::io("create", &folder))?;
            write_schema_part(&folder, &run, table)?;
        }
        durable::write(&root.join(views::FILE), views::sql(location, &run, false).as_bytes())?;
        Ok(Self { root, run, _lock: lock })
    }

    /// Opens the dataset at `path` for a further run, which starts at `start`. What a killed run left unfinished is
    /// removed, and `views.sql` from then on shows each target once.
    ///
    /// Errors: there is no dataset; another run writes to it; it cannot be written.
    pub fn reopen(path: &Path, start: UtcMicros) -> Result<Self> {
        let root = fs::canonicalize(path).map_err(Error::io("open", path))?;
        let lock = lock(&root)?;
        let Some(location) = root.to_str() else {
            return Err(Error::NotUtf8 { path: root });
        };
        let first = runs(&root, &|part| part == SCHEMA_PART)?.into_iter().next();
        let Some(first) = first else {
            return Err(Error::NoDataset { path: root });
        };
        let mut run = run_name(start);
        // A clock that was set back, or a simulated one.
        let mut start = start.0;
        while runs(&root, &|_| true)?.contains(&run) || run <= first {
            start += 1;
            run = run_name(UtcMicros(start));
        }
        durable::write(&root.join(views::FILE), views::sql(location, &first, true).as_bytes())?;
        for table in TABLES {
            remove_unfinished(&root.join(table.name))?;
        }
        remove_unfinished(&root)?;
        Ok(Self { root, run, _lock: lock })
    }

    /// Opens the dataset at `path` for verdicts on its chains, made at `start`. `views.sql` is written anew, for the place
    /// where the dataset is now.
    ///
    /// Errors: there is no dataset; another run writes to it; it cannot be written.
    pub fn judge(path: &Path, start: UtcMicros) -> Result<Self> {
        let root = fs::canonicalize(path).map_err(Error::io("open", path))?;
        let lock = lock(&root)?;
        let Some(location) = root.to_str() else {
            return Err(Error::NotUtf8 { path: root });
        };
        let Some(first) = runs(&root, &|part| part == SCHEMA_PART)?.into_iter().next() else {
            return Err(Error::NoDataset { path: root });
        };
        let resumed = runs(&root, &|part| part != SCHEMA_PART)?.iter().any(|run| *run != first);
        let folder = root.join(Verdict::TABLE.name);
        if !folder.is_dir() {
            fs::create_dir(&folder).map_err(Error::io("create", &folder))?;
            write_schema_part(&folder, &first, &Verdict::TABLE)?;
        }
        remove_unfinished(&folder)?;
        durable::write(&root.join(views::FILE), views::sql(location, &first, resumed).as_bytes())?;
        // The newest has the greatest name, also if the clock was set back.
        let newest = judgements(&root)?.pop().unwrap_or_default();
        let run = Some(run_name(start)).filter(|run| *run > newest).unwrap_or_else(|| format!("{newest}.1"));
        Ok(Self { root, run, _lock: lock })
    }

    /// Removes the judgements but that of this run.
    pub fn remove_older_judgements(&self) -> Result<()> {
        for part in stored::parts(&self.root, Verdict::TABLE.name)? {
            let own = |name: &str| name.starts_with(&format!("{}-", self.run));
            if !part.file_name().and_then(|name| name.to_str()).is_some_and(own) {
                fs::remove_file(&part).map_err(Error::io("remove", &part))?;
            }
        }
        Ok(())
    }

    /// Keeps the resolved targets, as text.
    pub fn keep_targets(&self, text: &str) -> Result<()> {
        durable::write(&self.root.join(TARGETS), text.as_bytes())
    }

    /// The folder, as an absolute path.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Name of the run: its start in UTC, `20261123T140102.000123`. Parts are named by it.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// A writer of parts for the rows of one table.
    pub fn part_writer<R: Row>(&self, limits: Limits) -> PartWriter<R> {
        PartWriter::new(&self.root.join(R::TABLE.name), &self.run, limits)
    }
}

/// An empty folder at `path`; true if it was made for this.
fn prepare(path: &Path) -> Result<bool> {
    match fs::metadata(path) {
        Ok(found) if !found.is_dir() => Err(Error::NotAFolder { path: path.to_owned() }),
        Ok(_) => match fs::read_dir(path).map_err(Error::io("open", path))?.next() {
            Some(_) => Err(Error::NotEmpty { path: path.to_owned() }),
            None => Ok(false),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir(path).map_err(Error::io("create the output folder", path))?;
            Ok(true)
        }
        Err(error) => Err(Error::io("open", path)(error)),
    }
}

/// Whether a run is writing to the dataset in `folder` just now.
pub fn busy(folder: &Path) -> bool {
    matches!(lock(folder), Err(Error::Busy { .. }))
}

fn lock(folder: &Path) -> Result<Arc<Flock<fs::File>>> {
    let file = fs::File::open(folder).map_err(Error::io("open", folder))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Arc::new(lock)),
        Err((_, Errno::EWOULDBLOCK)) => Err(Error::Busy { path: folder.to_owned() }),
        Err((_, errno)) => Err(Error::io("lock", folder)(errno.into())),
    }
}

/// The judgements in the dataset, in order.
fn judgements(root: &Path) -> Result<Vec<String>> {
    let parts = stored::parts(root, Verdict::TABLE.name)?;
    let name = |part: &PathBuf| Some(part.file_name()?.to_str()?.rsplit_once('-')?.0.to_owned());
    Ok(parts.iter().filter_map(name).collect())
}

/// Whether more than one run has written to the dataset in `folder`.
pub fn resumed(folder: &Path) -> Result<bool> {
    Ok(runs(folder, &|_| true)?.len() > 1)
}

/// The runs that have a part, finished or not, of whose number or other name `is` approves; in order. Judgements are no
/// runs.
pub(super) fn runs(root: &Path, is: &dyn Fn(&str) -> bool) -> Result<Vec<String>> {
    let mut runs = Vec::new();
    for table in TABLES.iter().filter(|table| table.name != Verdict::TABLE.name) {
        for name in names(&root.join(table.name))? {
            let part = name.trim_end_matches(".tmp").trim_end_matches(".parquet");
            if let Some((run, part)) = part.rsplit_once('-')
                && is(part)
            {
                runs.push(run.to_owned());
            }
        }
    }
    runs.sort();
    runs.dedup();
    Ok(runs)
}

/// Names of the files in a folder; none if there is no such folder.
pub(super) fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("open", folder)(error)),
    };
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
}

fn remove_unfinished(folder: &Path) -> Result<()> {
    for name in names(folder)?.into_iter().filter(|name| name.ends_with(".tmp")) {
        let path = folder.join(name);
        fs::remove_file(&path).map_err(Error::io("remove", &path))?;
    }
    Ok(())
}

fn run_name(start: UtcMicros) -> String {
    timestamp_us_to_datetime(start.0)
        .map_or_else(|| start.0.to_string(), |time| time.format("%Y%m%dT%H%M%S%.6f").to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    const START: UtcMicros = UtcMicros(1_795_442_462_000_123);

    #[test]
    fn a_dataset_has_a_folder_for_each_table_and_its_views() {
        let parent = tempfile::tempdir().unwrap();
        let dataset = Dataset::create(&parent.path().join("census"), START).unwrap();
        assert_eq!(dataset.run(), "20261123T140102.000123");
        let mut files: Vec<_> = fs::read_dir(dataset.root()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        files.sort();
        assert_eq!(
            files,
            ["certificates", "chains", "connections", "handshakes", "hosts", "prefixes", "verdicts", "views.sql"]
        );
        assert!(dataset.root().join("hosts/20261123T140102.000123-schema.parquet").is_file());
    }

    #[test]
    fn an_empty_folder_is_taken_and_anything_else_refused() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("census");
        fs::create_dir(&path).unwrap();
        Dataset::create(&path, START).unwrap();

        let refusal = |path: &Path| {
            let text = Dataset::create(path, START).unwrap_err().to_string();
            assert_eq!(text.lines().count(), 1, "{text}");
            assert!(text.contains(". Next step: "), "{text}");
            text
        };
        let text = refusal(&path);
        assert!(text.contains("census is not empty"), "{text}");
        let text = refusal(&path.join("views.sql"));
        assert!(text.contains("views.sql exists and is not a folder"), "{text}");
        let text = refusal(&parent.path().join("absent/census"));
        assert!(text.contains("absent/census: No such file"), "{text}");
        assert!(text.contains("create the folder above it"), "{text}");
        let text = refusal(&parent.path().join(OsStr::from_bytes(b"\xff")));
        assert!(text.contains("is not UTF-8"), "{text}");
        // Nobody may create files there, not even root.
        refusal(Path::new("/proc/census"));
    }

    #[test]
    fn a_start_beyond_the_calendar_still_names_the_run() {
        assert_eq!(run_name(UtcMicros(i64::MAX)), i64::MAX.to_string());
    }
}
