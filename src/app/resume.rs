//! A dataset that was begun before: what a further run takes over from it.

use crate::app::targets::{Loaded, blocklist};
use crate::output::checkpoint::Saved;
use crate::output::{dataset, manifest};
use crate::record::certificate::sha256;
use crate::record::checkpoint::Left;
use crate::targets::cidr::AddressSet;
use crate::targets::{Space, saved};
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde_json::{Value, json};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A dataset and how far its sweep is.
#[derive(Clone, Debug)]
pub struct Former {
    /// Its folder.
    pub folder: PathBuf,
    /// Its targets.
    pub space: Space,
    /// What is blocked now, whatever was when its targets were resolved.
    pub blocked: Option<Arc<AddressSet>>,
    /// Its manifest.
    manifest: Value,
    /// Its checkpoint; absent if it was killed before the first one.
    saved: Option<Saved>,
}

impl Former {
    /// Reads the dataset in `folder`.
    ///
    /// # Errors
    /// There is none; another run is writing to it; another version has begun it; a file is missing or changed.
    pub fn open(folder: &Path) -> Result<Self> {
        let manifest = manifest::read(folder)?;
        ensure!(!dataset::busy(folder), crate::output::Error::Busy { path: folder.to_owned() });
        let version = manifest["starling"].as_str().unwrap_or_default();
        ensure!(
            version == env!("CARGO_PKG_VERSION"),
            "{} was begun by starling {version}, this is {}: the order of targets may be another one. Next step: resume \
             it with that version",
            folder.display(),
            env!("CARGO_PKG_VERSION")
        );
        let path = folder.join(dataset::TARGETS);
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        ensure!(
            manifest["config"]["targets_sha256"] == fingerprint(&text),
            "{} has been changed since the scan began, so nobody knows any more what was probed. Next step: bring it back \
             from a copy, or begin a new dataset",
            path.display()
        );
        let space = saved::read(&text).with_context(|| path.display().to_string())?;
        let saved = Saved::read(folder)?;
        Ok(Self { blocked: None, saved, folder: folder.to_owned(), space, manifest })
    }

    /// The options of its last run, as words of a command line.
    pub fn options(&self) -> Vec<String> {
        let words = self.manifest["config"]["asked"]["options"].as_array();
        words.into_iter().flatten().filter_map(|word| word.as_str().map(str::to_owned)).collect()
    }

    /// The seed of its order.
    pub fn seed(&self) -> Result<u64> {
        self.manifest["config"]["seed"].as_u64().ok_or_else(|| anyhow!("run.json has no seed"))
    }

    /// What a further run loads beside the targets: the blocklist, which may have grown.
    pub fn load(&mut self, path: Option<&Path>) -> Result<Loaded> {
        let mut loaded = Loaded::default();
        if let Some(before) = self.manifest["config"]["loaded"].as_object() {
            loaded.manifest = before.clone();
        }
        let Some(path) = path else { return Ok(loaded) };
        if path.exists() {
            self.blocked = Some(Arc::new(blocklist(path)?));
            loaded.blocklist = Some(std::path::absolute(path)?);
        } else {
            let path = path.display();
            loaded
                .notes
                .push(format!("-b {path} is gone: what it blocked at the begin stays blocked, and nothing else"));
        }
        Ok(loaded)
    }

    /// How many runs there were.
    pub fn runs(&self) -> usize {
        1 + self.manifest["earlier"].as_array().map_or(0, Vec::len)
    }

    /// How many targets answered so far, those counted twice that were probed again.
    pub fn answers(&self) -> u64 {
        let of = |run: &Value| run["ledger"]["answers"].as_u64().or(run["killed"]["account"]["answers"].as_u64());
        self.earlier().iter().filter_map(of).sum()
    }

    /// What is left if `positions` are now the plan.
    pub fn left(&self, positions: &Range<u64>) -> Left {
        let Some(saved) = &self.saved else { return Left::of(positions.clone()) };
        let mut left = saved.left();
        for range in &mut left.positions {
            *range = range.start.max(positions.start)..range.end.min(positions.end);
        }
        // More targets than before, by -n.
        if let Some(planned) = self.manifest["config"]["positions"][1].as_u64().filter(|end| *end < positions.end) {
            left.positions.push(planned..positions.end);
        }
        left.positions.retain(|range| !range.is_empty());
        left.again.retain(|(address, port)| self.space.contains(*address, *port));
        left
    }

    /// The manifests of all runs so far, in order. One that says that it is running was killed.
    pub fn earlier(&self) -> Vec<Value> {
        Self::runs_of(&self.manifest, self.saved.as_ref())
    }

    /// The same of a manifest and its checkpoint.
    pub(super) fn runs_of(manifest: &Value, saved: Option<&Saved>) -> Vec<Value> {
        let mut last = manifest.clone();
        let Some(fields) = last.as_object_mut() else { return Vec::new() };
        let mut runs = match fields.remove("earlier") {
            Some(Value::Array(earlier)) => earlier,
            _ => Vec::new(),
        };
        if fields.get("state") == Some(&json!("running")) {
            fields.insert("state".into(), json!("killed"));
            // If it did not get so far, the checkpoint is still that of the run before.
            match saved.filter(|saved| fields.get("run") == Some(&json!(saved.run))) {
                Some(saved) => {
                    let left = saved.left();
                    fields.insert("left".into(), json!({ "positions": left.count(), "again": left.again.len() }));
                    let known = json!({ "account": saved.account, "rows": saved.rows, "parts": saved.parts });
                    fields.insert("killed".into(), known);
                }
                None => {
                    let begun = fields.get("begun").cloned().unwrap_or_default();
                    fields.insert("left".into(), begun);
                }
            }
        }
        runs.push(last);
        runs
    }

    /// Refuses if nothing is left.
    pub fn ensure_open(&self, left: &Left) -> Result<()> {
        let complete = self.manifest["state"] == "complete";
        if complete && left.is_empty() {
            bail!(
                "nothing is left to do: every target of {} was probed. Next step: a larger -n, if it was limited by that, or \
                 a new dataset",
                self.folder.display()
            );
        }
        Ok(())
    }
}

/// SHA-256 of the resolved targets, in hexadecimal.
pub fn fingerprint(text: &str) -> String {
    sha256(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
