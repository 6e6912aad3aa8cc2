//! `checkpoint.json`: what of the dataset's sweep is still to be done.
//!
//! A lane says how far it is behind the rows that it gave before ([`Fact::Checkpoint`]). What it says is written only
//! when those rows are durable. So whenever the process dies, the file promises nothing that was lost: a run that is
//! resumed from it repeats what was done since, and misses nothing.
//!
//! [`Fact::Checkpoint`]: crate::record::Fact::Checkpoint

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::writer::Tables;
use super::{Error, Result, durable};
use crate::record::checkpoint::{Checkpoint, Left};

/// Name of the file in the dataset's folder.
pub const FILE: &str = "checkpoint.json";

/// What the file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// The run that wrote it.
    pub run: String,
    /// Positions of the order that are still to be walked: from, and before which.
    positions: Vec<(u64, u64)>,
    /// Targets of other positions that are to be probed again.
    again: Vec<SocketAddrV4>,
    /// The run's account as of then, lanes added up.
    pub account: BTreeMap<String, u64>,
    /// The run's rows that were durable.
    pub rows: Tables,
    /// And their parts.
    pub parts: Tables,
}

impl Saved {
    /// What is left to do.
    pub fn left(&self) -> Left {
        Left {
            positions: self.positions.iter().filter(|(from, to)| from < to).map(|(from, to)| *from..*to).collect(),
            again: self.again.iter().map(|target| (u32::from(*target.ip()), target.port())).collect(),
        }
    }

    /// Reads the file of the dataset in `folder`, if there is one.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|cause| Error::Damaged { path, cause }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }
}

/// Keeps the file.
pub(super) struct Keeper {
    path: PathBuf,
    run: String,
    /// What is known to be durable, by lane.
    lanes: Vec<Checkpoint>,
    pending: VecDeque<Pending>,
}

/// A checkpoint that waits for parts to be closed.
struct Pending {
    checkpoint: Checkpoint,
    /// How many parts of `hosts` and of `handshakes` there are when all its rows are durable.
    parts: (u64, u64),
}

impl Keeper {
    /// Begins the file of `run` in `folder`, with what each lane has to do.
    pub(super) fn begin(folder: &Path, run: &str, lanes: Vec<Left>) -> Result<Self> {
        let lanes = lanes.into_iter().enumerate();
        let lanes = lanes.map(|(lane, left)| Checkpoint { lane, left, account: Vec::new() }).collect();
        let keeper = Self { path: folder.join(FILE), run: run.to_owned(), lanes, pending: VecDeque::new() };
        keeper.write(Tables::default(), Tables::default())?;
        Ok(keeper)
    }

    /// Takes a checkpoint whose rows are durable once there are so many `parts`.
    pub(super) fn take(&mut self, checkpoint: Checkpoint, parts: (u64, u64)) {
        // Of those that wait for the same parts only the last one matters: so few ever wait.
        self.pending.retain(|pending| pending.parts != parts || pending.checkpoint.lane != checkpoint.lane);
        self.pending.push_back(Pending { checkpoint, parts });
    }

    /// Writes what the closed `parts`, with so many `rows`, have made durable.
    pub(super) fn settle(&mut self, rows: Tables, parts: Tables) -> Result<()> {
        let mut news = false;
        while let Some(pending) = self.pending.pop_front() {
            if pending.parts.0 > parts.hosts || pending.parts.1 > parts.handshakes {
                self.pending.push_front(pending);
                break;
            }
            let checkpoint = pending.checkpoint;
            if let Some(lane) = self.lanes.get_mut(checkpoint.lane) {
                news |= *lane != checkpoint;
                *lane = checkpoint;
            }
        }
        if news { self.write(rows, parts) } else { Ok(()) }
    }

    /// What is left, as far as is durable.
    pub(super) fn left(&self) -> Left {
        let mut left = Left::default();
        self.lanes.iter().for_each(|lane| left.add(&lane.left));
        left.again.sort_unstable();
        left.again.dedup();
        left.positions.sort_unstable_by_key(|range| range.start);
        left
    }

    fn write(&self, rows: Tables, parts: Tables) -> Result<()> {
        let mut account = BTreeMap::new();
        for (name, count) in self.lanes.iter().flat_map(|lane| &lane.account) {
            *account.entry((*name).to_owned()).or_insert(0) += count;
        }
        let left = self.left();
        let saved = Saved {
            run: self.run.clone(),
            positions: left.positions.into_iter().map(|range| (range.start, range.end)).collect(),
            again: left.again.into_iter().map(|(ip, port)| SocketAddrV4::new(Ipv4Addr::from(ip), port)).collect(),
            account,
            rows,
            parts,
        };
        match serde_json::to_vec(&saved) {
            Ok(text) => durable::write(&self.path, &text),
            Err(cause) => Err(Error::Manifest { path: self.path.clone(), cause }),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;

    fn lane(lane: usize, from: u64, walked: u64) -> Checkpoint {
        let (end, address) = [(100, 1), (200, 2)][lane];
        let left = Left { again: vec![(address, 25)], ..Left::of(from..end) };
        Checkpoint { lane, left, account: vec![("walked", walked)] }
    }

    #[test]
    fn a_checkpoint_is_written_when_all_its_rows_are_durable_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let lefts = vec![Left::of(0..100), Left::of(100..200)];
        let mut keeper = Keeper::begin(folder.path(), "r", lefts).unwrap();
        let read = || Saved::read(folder.path()).unwrap().unwrap();
        assert_eq!((read().left().positions, read().account.len()), (vec![0..100, 100..200], 0));

        keeper.take(lane(0, 50, 50), (1, 2));
        keeper.take(lane(0, 60, 60), (1, 2));
        keeper.take(lane(1, 130, 30), (2, 2));
        let tables = |hosts, handshakes| Tables { hosts, handshakes, ..Tables::default() };
        keeper.settle(tables(9, 9), tables(1, 1)).unwrap();
        assert_eq!(read().left().positions, [0..100, 100..200]);
        keeper.settle(tables(9, 9), tables(1, 2)).unwrap();
        assert_eq!(read().left(), Left { positions: vec![60..100, 100..200], again: vec![(1, 25)] });
        keeper.settle(tables(11, 9), tables(2, 2)).unwrap();
        assert_eq!(read().left(), Left { positions: vec![60..100, 130..200], again: vec![(1, 25), (2, 25)] });
        assert_eq!((read().account["walked"], read().rows.hosts, read().parts.handshakes), (90, 11, 2));
        assert_eq!(keeper.left(), read().left());
    }

    #[test]
    fn a_damaged_file_is_refused_in_one_line() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Saved::read(folder.path()).unwrap(), None);
        for text in ["", "{}", "{\"run\":\"x\",\"positions\":[[1]]}", "[1,2"] {
            std::fs::write(folder.path().join(FILE), text).unwrap();
            let error = Saved::read(folder.path()).unwrap_err().to_string();
            assert!(error.contains("checkpoint.json is damaged") && error.lines().count() == 1, "{error}");
        }
    }
}
