//! The chains of a dataset, read by one thread, judged by all, handed on in their order.

use super::certificates::{Certificates, Ders};
use super::{Plan, Roots};
use crate::output::stored;
use crate::record::row::{Chain, Sha256, Verdict};
use crate::verify::facts::{Facts, Id, half};
use crate::verify::{Judge, Presented};
use anyhow::{Result, anyhow};
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Chains whose certificates are read at a time.
const LOADED: usize = 16_384;
/// Chains that a thread takes at a time.
const TAKEN: usize = 256;

/// Some chains with their certificates.
struct Load {
    number: u64,
    chains: Vec<Chain>,
    ders: Arc<Ders>,
}

/// Judges each distinct chain of the parts; calls `take` with the verdicts in the order of the chains.
pub(super) fn judge(
    plan: &Plan,
    roots: &Roots,
    certificates: &Certificates,
    parts: &[PathBuf],
    mut take: impl FnMut(Vec<Verdict>) -> Result<()>,
) -> Result<()> {
    // One load more than is being judged.
    let (loads, loaded) = sync_channel(LOADED / TAKEN);
    let (verdicts, judged) = sync_channel(LOADED / TAKEN);
    let loaded = Mutex::new(loaded);
    thread::scope(|scope| {
        let loaded = &loaded;
        let reader = scope.spawn(move || read(certificates, parts, &loads));
        for _ in 0..plan.threads.max(1) {
            let verdicts = verdicts.clone();
            scope.spawn(move || work(plan, roots, certificates, loaded, &verdicts));
        }
        drop(verdicts);
        let taken = in_order(&judged, &mut take);
        // Who still waits for a place in the queue is told that nobody takes any more.
        drop(judged);
        // Threads that judge end by that; the reader ends when none of them takes loads any more.
        if taken.is_err() {
            let queue = loaded.lock().unwrap_or_else(PoisonError::into_inner);
            while queue.recv().is_ok() {}
        }
        reader.join().map_err(|_| anyhow!("the thread that reads chains has panicked"))??;
        taken
    })
}

/// Hands on what comes, in order.
fn in_order(judged: &Receiver<(u64, Vec<Verdict>)>, take: &mut impl FnMut(Vec<Verdict>) -> Result<()>) -> Result<()> {
    let (mut next, mut early) = (0, BTreeMap::new());
    for (number, verdicts) in judged {
        early.insert(number, verdicts);
        while let Some(verdicts) = early.remove(&next) {
            take(verdicts)?;
            next += 1;
        }
    }
    Ok(())
}

/// Reads chains, each once, and their certificates.
fn read(certificates: &Certificates, parts: &[PathBuf], loads: &SyncSender<Load>) -> Result<()> {
    let (mut known, mut waiting, mut number) = (HashSet::<Id>::new(), Vec::new(), 0);
    for part in parts {
        stored::chains(part, |chain| {
            // A resumed run may have written a chain again.
            if known.insert(half(&chain.chain_id)) {
                waiting.push(chain);
            }
            if waiting.len() < LOADED { Ok(()) } else { load(certificates, &mut waiting, &mut number, loads) }
        })?;
    }
    load(certificates, &mut waiting, &mut number, loads)
}

fn load(
    certificates: &Certificates,
    waiting: &mut Vec<Chain>,
    number: &mut u64,
    loads: &SyncSender<Load>,
) -> Result<()> {
    let prints = waiting.iter().flat_map(|chain| chain.certificates.iter().copied());
    let ders = Arc::new(certificates.ders(prints)?);
    while !waiting.is_empty() {
        let chains = waiting.drain(..waiting.len().min(TAKEN)).collect();
        // Nobody takes it if the verdicts cannot be written, which is an error of its own.
        let _ = loads.send(Load { number: *number, chains, ders: ders.clone() });
        *number += 1;
    }
    Ok(())
}

/// Judges loads until there are none.
fn work(
    plan: &Plan,
    roots: &Roots,
    certificates: &Certificates,
    loaded: &Mutex<Receiver<Load>>,
    verdicts: &SyncSender<(u64, Vec<Verdict>)>,
) {
    let mut judge = Judge::new(&roots.store, &roots.name, &certificates.pool);
    loop {
        let load = loaded.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Load { number, chains, ders }) = load else { return };
        let judged = chains.iter().map(|chain| {
            let presented: Vec<Presented> =
                chain.certificates.iter().map(|print| (*print, facts(roots, certificates, &ders, print))).collect();
            judge.judge(chain.chain_id, &presented, plan.at.unwrap_or(chain.first_seen))
        });
        if verdicts.send((number, judged.collect())).is_err() {
            return;
        }
    }
}

fn facts(roots: &Roots, certificates: &Certificates, ders: &Ders, print: &Sha256) -> Option<Arc<Facts>> {
    let known = certificates.pool.get(print).or_else(|| roots.store.get(print));
    known.cloned().or_else(|| Facts::read(ders.get(print)?.clone()).map(Arc::new))
}
