//! `starling verify`: judges the chains of a dataset.
//!
//! Certificates are read twice: once for their names and places, once for the issuers that any chain could need, which stay
//! in memory (the pool). Then chains are read in the order in which they were found, with their other certificates by place:
//! that is nearly the order of the certificates, so little is read in vain. Memory: 32 bytes for each certificate and each
//! chain, the pool, and the certificates of a few thousand chains.

use crate::app::clock::Clock;
use crate::base::{Instant, UtcMicros};
use crate::output::dataset::Dataset;
use crate::output::parquet::{Limits, PartWriter};
use crate::output::stored;
use crate::record::row::Verdict;
use crate::verify::facts::Facts;
use crate::verify::store::Store;
use anyhow::{Context as _, Result, ensure};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

mod certificates;
mod chains;
mod progress;
mod summary;

use certificates::Certificates;
use progress::Progress;
pub use summary::Summary;

/// The crate that Mozilla's roots come from.
const MOZILLA: &str = "mozilla (webpki-root-certs 1.0.11)";

/// Bytes of issuers that are kept in memory by default. Those of the whole Internet take a few hundred megabytes.
pub const POOL_BYTES: usize = 2 << 30;

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Folder of the dataset.
    pub dataset: PathBuf,
    /// File of trusted roots; Mozilla's if there is none.
    pub roots: Option<PathBuf>,
    /// Time to judge at; when each chain was first seen, if there is none.
    pub at: Option<UtcMicros>,
    /// Leave earlier judgements.
    pub keep: bool,
    /// Threads.
    pub threads: usize,
    /// Bytes of issuers that are kept in memory.
    pub pool_bytes: usize,
    /// No progress.
    pub quiet: bool,
}

/// Whom to trust.
#[derive(Debug)]
pub struct Roots {
    /// Name of the store.
    pub name: String,
    /// Its certificates.
    pub store: Store,
}

/// Judges the chains.
///
/// # Errors
/// The dataset or the root store cannot be read; the verdicts cannot be written.
pub fn run(plan: &Plan) -> Result<Summary> {
    let clock = Clock::start();
    let roots = match &plan.roots {
        Some(path) => Roots::read(path)?,
        None => Roots::mozilla(),
    };
    let dataset = Dataset::judge(&plan.dataset, clock.utc())?;
    let mut progress = Progress::new(plan.quiet);
    let certificates = Certificates::read(dataset.root(), plan, &mut progress)?;
    let parts = stored::chain_parts(dataset.root())?;
    let rows = parts.iter().map(|part| stored::rows(part)).collect::<Result<Vec<_>, _>>()?;
    progress.stage("chains judged", rows.iter().sum());
    // One part, so that it appears as a whole.
    let mut writer: PartWriter<Verdict> = dataset.part_writer(Limits { rows: u64::MAX, age: Duration::MAX });
    let mut summary = Summary::new(&roots, plan.at);
    chains::judge(plan, &roots, &certificates, &parts, |verdicts| {
        for verdict in &verdicts {
            writer.write(verdict, clock.utc())?;
            summary.add(verdict);
        }
        progress.add(verdicts.len() as u64);
        Ok(())
    })?;
    progress.end();
    writer.close()?;
    if !plan.keep {
        dataset.remove_older_judgements()?;
    }
    summary.end(&certificates, clock.now() - Instant::ZERO);
    Ok(summary)
}

impl Roots {
    /// Those that Mozilla trusts for TLS servers.
    pub fn mozilla() -> Self {
        let mut store = Store::default();
        for root in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
            if let Some(facts) = Facts::read(Arc::from(root.as_ref())) {
                store.add(Arc::new(facts));
            }
        }
        Self { name: MOZILLA.to_owned(), store }
    }

    /// Those in a file of PEM blocks. Other text in it does not matter.
    ///
    /// # Errors
    /// The file cannot be read, or has no certificate, or one that cannot be parsed.
    pub fn read(path: &Path) -> Result<Self> {
        let context = || format!("--roots {}", path.display());
        let bytes = std::fs::read(path).with_context(context)?;
        let mut store = Store::default();
        for (index, block) in CertificateDer::pem_slice_iter(&bytes).enumerate() {
            let number = index + 1;
            let der = block.map_err(|error| anyhow::anyhow!("certificate {number}: {error}")).with_context(context)?;
            let facts = Facts::read(Arc::from(der.as_ref()));
            let facts =
                facts.with_context(|| format!("certificate {number} cannot be parsed")).with_context(context)?;
            store.add(Arc::new(facts));
        }
        ensure!(
            !store.is_empty(),
            "--roots {}: there is no certificate in it. Next step: give a file of PEM blocks, such as \
             /etc/ssl/certs/ca-certificates.crt",
            path.display()
        );
        let print: String =
            crate::record::certificate::sha256(&bytes)[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        let file =
            path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
        Ok(Self { name: format!("{file} (sha256 {print})"), store })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mozillas_roots_are_those_of_the_crate() {
        let lock = include_str!("../../Cargo.lock");
        let entry =
            lock.split("[[package]]").find(|entry| entry.contains("name = \"webpki-root-certs\"")).unwrap_or_default();
        let version = entry.lines().find_map(|line| line.strip_prefix("version = ")).unwrap_or_default();
        assert_eq!(MOZILLA, format!("mozilla (webpki-root-certs {})", version.trim_matches('"')));
        assert_eq!(Roots::mozilla().store.len(), webpki_root_certs::TLS_SERVER_ROOT_CERTS.len(), "all can be parsed");
    }
}
