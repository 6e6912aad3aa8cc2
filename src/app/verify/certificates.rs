//! The certificates of a dataset: where each lies, and those that may be needed as issuers.

use super::Plan;
use super::progress::Progress;
use crate::output::{self, stored};
use crate::record::row::Sha256;
use crate::verify::facts::{Facts, Id, Names, half};
use crate::verify::store::Store;
use anyhow::{Result, anyhow};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

/// How often a thread tells how far it is, in certificates.
const TOLD: u64 = 4_096;

/// Where a certificate lies: number of the part, number of the row.
type Place = (u32, u32);

/// DERs by fingerprint.
pub(super) type Ders = HashMap<Sha256, Arc<[u8]>>;

/// The certificates of a dataset.
pub(super) struct Certificates {
    parts: Vec<PathBuf>,
    /// By fingerprint, ascending.
    places: Vec<(Id, Place)>,
    /// Those that may be needed as issuers.
    pub(super) pool: Store,
    /// How many could not be parsed.
    pub(super) unparsable: u64,
    /// How many issuers did not fit into memory.
    pub(super) left_out: u64,
}

/// What one part has.
#[derive(Default)]
struct Part {
    places: Vec<(Id, Place)>,
    /// Who may issue certificates: subject, row.
    issuers: Vec<(Id, Place)>,
    /// Issuers of certificates that are not their own.
    wanted: HashSet<Id>,
    unparsable: u64,
}

impl Certificates {
    /// Reads those of the dataset in `folder`.
    pub(super) fn read(folder: &Path, plan: &Plan, progress: &mut Progress) -> Result<Self> {
        let parts = stored::certificate_parts(folder)?;
        let rows = parts.iter().map(|part| stored::rows(part)).collect::<Result<Vec<_>, _>>()?;
        progress.stage("certificates read", rows.iter().sum());
        let found = in_parallel(&parts, plan.threads, progress, scan)?;
        let mut all = Part::default();
        for part in found {
            all.places.extend(part.places);
            all.issuers.extend(part.issuers);
            all.wanted.extend(part.wanted);
            all.unparsable += part.unparsable;
        }
        all.places.sort_unstable();
        all.places.dedup_by_key(|(print, _)| *print);
        all.places.shrink_to_fit();
        all.issuers.retain(|(subject, _)| all.wanted.contains(subject));
        let places: Vec<Place> = all.issuers.into_iter().map(|(_, place)| place).collect();
        let mut read =
            Self { parts, places: all.places, pool: Store::default(), unparsable: all.unparsable, left_out: 0 };
        read.fill_pool(places, plan.pool_bytes)?;
        Ok(read)
    }

    fn fill_pool(&mut self, places: Vec<Place>, bytes_max: usize) -> Result<(), output::Error> {
        let (mut pool, mut bytes, mut left_out) = (Store::default(), 0, 0);
        self.at(places, |_, der| {
            if bytes >= bytes_max {
                left_out += 1;
            } else if let Some(facts) = Facts::read(Arc::from(der)) {
                // The facts beside the DER take about as much as a short one.
                bytes += der.len() + 512;
                pool.add(Arc::new(facts));
            }
        })?;
        (self.pool, self.left_out) = (pool, left_out);
        Ok(())
    }

    /// How many different ones there are.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The DERs of those with these fingerprints that are not in the pool. What is nowhere is not in it.
    pub(super) fn ders(&self, wanted: impl Iterator<Item = Sha256>) -> Result<Ders, output::Error> {
        let known = wanted.filter(|print| self.pool.get(print).is_none());
        let place = |print: Sha256| {
            let found = self.places.binary_search_by_key(&half(&print), |(known, _)| *known).ok()?;
            Some(self.places[found].1)
        };
        let places = known.filter_map(place).collect();
        let mut ders = Ders::new();
        self.at(places, |print, der| drop(ders.insert(print, Arc::from(der))))?;
        Ok(ders)
    }

    /// Calls `take` with those that lie there.
    fn at(&self, mut places: Vec<Place>, mut take: impl FnMut(Sha256, &[u8])) -> Result<(), output::Error> {
        places.sort_unstable();
        places.dedup();
        for places in places.chunk_by(|one, other| one.0 == other.0) {
            let rows: Vec<u32> = places.iter().map(|(_, row)| *row).collect();
            let part = places.first().and_then(|(part, _)| self.parts.get(*part as usize));
            if let Some(part) = part {
                stored::certificates(part, Some(&rows), |_, print, der| take(print, der))?;
            }
        }
        Ok(())
    }
}

/// Reads one part.
fn scan(number: u32, part: &Path, told: &dyn Fn(u64)) -> Result<Part, output::Error> {
    let (mut found, mut count) = (Part::default(), 0);
    stored::certificates(part, None, |row, print, der| {
        let place = (number, row);
        found.places.push((half(&print), place));
        match Names::read(der) {
            Some(names) => {
                if names.subject != names.issuer {
                    found.wanted.insert(names.issuer);
                }
                if names.may_issue {
                    found.issuers.push((names.subject, place));
                }
            }
            None => found.unparsable += 1,
        }
        count += 1;
        if count == TOLD {
            told(count);
            count = 0;
        }
    })?;
    told(count);
    Ok(found)
}

/// Does `work` for each part, on so many threads. Results are in no particular order.
fn in_parallel<T: Send>(
    parts: &[PathBuf],
    threads: usize,
    progress: &mut Progress,
    work: impl Fn(u32, &Path, &dyn Fn(u64)) -> Result<T, output::Error> + Sync,
) -> Result<Vec<T>> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let (tell, heard) = mpsc::channel();
    let outcome: Vec<_> = thread::scope(|scope| {
        let mut handles = Vec::new();
        for _ in 0..threads.min(parts.len()) {
            let (next, done, work, tell) = (&next, &done, &work, tell.clone());
            handles.push(scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(part) = parts.get(number) else { return Ok(()) };
                    let number = u32::try_from(number).unwrap_or(u32::MAX);
                    // Nobody listens any more only if the program ends.
                    let result = work(number, part, &|count| _ = tell.send(count))?;
                    done.lock().unwrap_or_else(PoisonError::into_inner).push(result);
                }
            }));
        }
        drop(tell);
        heard.iter().for_each(|count| progress.add(count));
        handles.into_iter().map(thread::ScopedJoinHandle::join).collect()
    });
    for thread in outcome {
        let result: Result<(), output::Error> = thread.map_err(|_| anyhow!("a thread has panicked"))?;
        result?;
    }
    Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner))
}
