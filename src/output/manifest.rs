//! `run.json`: what was run, how, and what came of it.

use std::io;
use std::path::Path;

use serde::Serialize;

use super::{Error, Result, durable};

/// Name of the manifest in the dataset's folder.
pub const FILE: &str = "run.json";

/// Writes the manifest of the dataset in `folder`, in the place of an older one if there is one.
///
/// Pretty-printed JSON. Old or new, whatever happens, never half of it.
pub fn write_manifest(folder: &Path, manifest: &impl Serialize) -> Result<()> {
    let path = folder.join(FILE);
    let mut text = match serde_json::to_vec_pretty(manifest) {
        Ok(text) => text,
        Err(cause) => return Err(Error::Manifest { path, cause }),
    };
    text.push(b'\n');
    durable::write(&path, &text)
}

/// Reads the manifest of the dataset in `folder`.
pub fn read(folder: &Path) -> Result<serde_json::Value> {
    let path = folder.join(FILE);
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|cause| Error::Damaged { path, cause }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::NoDataset { path: folder.to_owned() }),
        Err(error) => Err(Error::io("read", &path)(error)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::collections::BTreeMap;
    use std::fs;

    #[test]
    fn the_manifest_is_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        for value in [json!({"seed": 1}), json!({"seed": 2, "ledger": {"answered": 3}})] {
            write_manifest(folder.path(), &value).unwrap();
            let text = fs::read_to_string(folder.path().join("run.json")).unwrap();
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
            assert!(text.ends_with("}\n"));
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn errors_name_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let unprintable = BTreeMap::from([(vec![1], 1)]);
        let error = write_manifest(folder.path(), &unprintable).unwrap_err().to_string();
        assert!(error.contains("run.json: key must be a string"), "{error}");
        let error = write_manifest(&folder.path().join("absent"), &1).unwrap_err().to_string();
        assert!(error.contains("absent/run.json.tmp: No such file"), "{error}");
        assert_eq!(error.lines().count(), 1);
    }
}
