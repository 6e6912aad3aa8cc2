//! The connection table: a slab with a keyed index, bounded, constant time in everything.
//!
//! The index has its full size from the start, so that nothing is ever moved or hashed again while packets wait;
//! it is zeroed memory, which the system hands out page by page as it is touched. The slab grows by chunks and
//! never moves an entry.

use crate::base::keyed::Key;
use crate::wire::Tuple;

/// Entries per chunk of the slab.
const CHUNK: u32 = 256;
/// Most entries a table can have.
const CAPACITY_MAX: usize = 1 << 30;
/// End of the list of free slots.
const NONE: u32 = u32::MAX;

/// Names an entry; stale once the entry is gone, even if its slot is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id {
    slot: u32,
    generation: u32,
}

/// Entries by remote address, remote port and local port (we have one address).
///
/// Memory: 6 to 12 bytes of index per entry of capacity, and the entries themselves with 16 bytes each as far as the
/// table was ever filled.
#[derive(Debug)]
pub struct Table<T> {
    index: Index,
    key: Key,
    chunks: Vec<Vec<Slot<T>>>,
    /// Slots ever used.
    used: u32,
    /// First of the free slots among them.
    free: u32,
    len: usize,
    capacity: usize,
}

#[derive(Debug)]
struct Slot<T> {
    packed: u64,
    generation: u32,
    /// Next free slot, while there is no entry.
    next: u32,
    entry: Option<T>,
}

impl<T> Table<T> {
    /// A table of at most `capacity` entries. `key` keeps others from choosing colliding entries.
    pub fn new(capacity: usize, key: Key) -> Self {
        let capacity = capacity.min(CAPACITY_MAX);
        Self { index: Index::new(capacity), key, chunks: Vec::new(), used: 0, free: NONE, len: 0, capacity }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many more entries fit.
    pub fn room(&self) -> usize {
        self.capacity - self.len
    }

    /// The entry of `tuple`.
    pub fn find(&self, tuple: &Tuple) -> Option<Id> {
        // Where nobody is, as in a sweep without conversations, a look at a cold index costs more than all else.
        if self.is_empty() {
            return None;
        }
        let packed = packed(tuple);
        let at = self.index.find(self.hash(packed), |slot| self.is(slot, packed))?;
        let slot = self.index.slot(at);
        self.slot(slot).map(|found| Id { slot, generation: found.generation })
    }

    /// Adds an entry, or gives it back if the table is full. An entry of the same tuple is replaced.
    pub fn insert(&mut self, tuple: &Tuple, entry: T) -> Result<Id, T> {
        if let Some(id) = self.find(tuple) {
            self.remove(id);
        }
        if self.room() == 0 {
            return Err(entry);
        }
        let packed = packed(tuple);
        let slot = self.free_slot();
        self.index.insert(self.hash(packed), slot);
        self.len += 1;
        let (chunk, at) = place(slot);
        let found = &mut self.chunks[chunk][at];
        found.packed = packed;
        found.entry = Some(entry);
        Ok(Id { slot, generation: found.generation })
    }

    fn free_slot(&mut self) -> u32 {
        if self.free != NONE {
            let slot = self.free;
            let (chunk, at) = place(slot);
            self.free = self.chunks[chunk][at].next;
            return slot;
        }
        let (chunk, _) = place(self.used);
        if chunk == self.chunks.len() {
            self.chunks.push(Vec::with_capacity(CHUNK as usize));
        }
        self.chunks[chunk].push(Slot { packed: 0, generation: 0, next: NONE, entry: None });
        self.used += 1;
        self.used - 1
    }

    /// The entry that `id` names.
    pub fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        self.slot_mut(id)?.entry.as_mut()
    }

    /// Takes the entry out.
    pub fn remove(&mut self, id: Id) -> Option<T> {
        let free = self.free;
        let slot = self.slot_mut(id)?;
        let entry = slot.entry.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        slot.next = free;
        let packed = slot.packed;
        self.free = id.slot;
        self.len -= 1;
        let hash = self.hash(packed);
        if let Some(at) = self.index.find(hash, |slot| slot == id.slot) {
            self.index.remove(at);
        }
        Some(entry)
    }

    /// All entries.
    pub fn entries(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten().filter_map(|slot| slot.entry.as_ref())
    }

    /// The entry behind `after` in the order of slots, or the first one: walks all entries without borrowing the
    /// table in between. Entries may be removed on the way; what is added may be seen or not.
    pub fn next_id(&self, after: Option<Id>) -> Option<Id> {
        let from = after.map_or(0, |id| id.slot + 1);
        (from..self.used).find_map(|slot| {
            let found = self.slot(slot)?;
            found.entry.as_ref().map(|_| Id { slot, generation: found.generation })
        })
    }

    fn hash(&self, packed: u64) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "any 32 bits of the hash will do")]
        let hash = self.key.hash12(packed, 0) as u32;
        hash
    }

    fn is(&self, slot: u32, packed: u64) -> bool {
        self.slot(slot).is_some_and(|slot| slot.packed == packed)
    }

    fn slot(&self, slot: u32) -> Option<&Slot<T>> {
        let (chunk, at) = place(slot);
        self.chunks.get(chunk)?.get(at)
    }

    fn slot_mut(&mut self, id: Id) -> Option<&mut Slot<T>> {
        let (chunk, at) = place(id.slot);
        self.chunks.get_mut(chunk)?.get_mut(at).filter(|slot| slot.generation == id.generation)
    }
}

const fn place(slot: u32) -> (usize, usize) {
    ((slot / CHUNK) as usize, (slot % CHUNK) as usize)
}

fn packed(tuple: &Tuple) -> u64 {
    u64::from(tuple.remote) << 32 | u64::from(tuple.remote_port) << 16 | u64::from(tuple.local_port)
}

/// Open addressing with linear probing, at most two thirds full. A cell is zero, or a hash in its high half and a slot
/// plus one in its low half: neither searching nor closing the gap of a removed cell looks at the entries of others.
#[derive(Debug)]
struct Index {
    cells: Vec<u64>,
}

impl Index {
    fn new(capacity: usize) -> Self {
        Self { cells: vec![0; (capacity + capacity / 2 + 1).next_power_of_two()] }
    }

    fn home(&self, hash: u32) -> usize {
        hash as usize & (self.cells.len() - 1)
    }

    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.cells.len() - 1)
    }

    fn hash(&self, at: usize) -> u32 {
        (self.cells[at] >> 32) as u32
    }

    fn slot(&self, at: usize) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "the low half")]
        let slot = self.cells[at] as u32;
        slot.wrapping_sub(1)
    }

    fn find(&self, hash: u32, is: impl Fn(u32) -> bool) -> Option<usize> {
        let mut at = self.home(hash);
        while self.cells[at] != 0 {
            if self.hash(at) == hash && is(self.slot(at)) {
                return Some(at);
            }
            at = self.after(at);
        }
        None
    }

    /// There is always a free cell, as the table is bounded.
    fn insert(&mut self, hash: u32, slot: u32) {
        let mut at = self.home(hash);
        while self.cells[at] != 0 {
            at = self.after(at);
        }
        self.cells[at] = u64::from(hash) << 32 | (u64::from(slot) + 1);
    }

    /// Empties a cell and moves back those behind it that it kept from their home (Knuth, 6.4, algorithm R).
    fn remove(&mut self, at: usize) {
        let (mut gap, mut at) = (at, self.after(at));
        while self.cells[at] != 0 {
            let mask = self.cells.len() - 1;
            let from_home = at.wrapping_sub(self.home(self.hash(at))) & mask;
            if from_home >= at.wrapping_sub(gap) & mask {
                self.cells[gap] = self.cells[at];
                gap = at;
            }
            at = self.after(at);
        }
        self.cells[gap] = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn tuple(n: u32) -> Tuple {
        Tuple { remote: n, local: 9, remote_port: 25, local_port: 61_000 }
    }

    fn ids<T>(table: &Table<T>) -> Vec<Id> {
        std::iter::successors(table.next_id(None), |id| table.next_id(Some(*id))).collect()
    }

    #[test]
    fn entries_are_found_bounded_and_stale_ids_name_nothing() {
        let mut table = Table::new(2, Key([1, 2]));
        let a = table.insert(&tuple(1), 'a').expect("room");
        let b = table.insert(&tuple(2), 'b').expect("room");
        assert_eq!(table.insert(&tuple(3), 'c'), Err('c'));
        assert_eq!((table.find(&tuple(1)), table.find(&tuple(3)), table.room()), (Some(a), None, 0));
        assert_eq!((table.remove(a), table.remove(a)), (Some('a'), None));
        let c = table.insert(&tuple(3), 'c').expect("room again");
        assert_eq!(table.get_mut(a), None);
        assert_eq!(table.get_mut(c), Some(&mut 'c'));
        assert_eq!(ids(&table), [c, b]);
        let again = table.insert(&tuple(2), 'B').expect("replaced");
        assert_eq!(table.get_mut(b), None);
        assert_eq!(table.get_mut(again), Some(&mut 'B'));
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn a_table_of_nothing_is_full() {
        let mut table = Table::new(0, Key([1, 2]));
        assert_eq!((table.insert(&tuple(1), ()), table.find(&tuple(1)), table.next_id(None)), (Err(()), None, None));
    }

    #[test]
    fn entries_can_be_removed_while_walking() {
        let mut table = Table::new(1_000, Key([1, 2]));
        for n in 0..1_000 {
            table.insert(&tuple(n), n).expect("room");
        }
        let (mut at, mut sum) = (None, 0);
        while let Some(id) = table.next_id(at) {
            sum += table.remove(id).expect("just found");
            at = Some(id);
        }
        assert_eq!((sum, table.len(), ids(&table).len()), (499_500, 0, 0));
        assert!(table.index.cells.iter().all(|cell| *cell == 0));
    }

    proptest! {
        /// Small tables have every chance of long runs and of runs that wrap around.
        #[test]
        fn behaves_like_a_map(
            key: [u64; 2],
            capacity in 1usize..40,
            steps in proptest::collection::vec((any::<bool>(), 0u32..60), 0..400),
        ) {
            let mut table = Table::new(capacity, Key(key));
            let mut oracle: BTreeMap<u32, (Id, usize)> = BTreeMap::new();
            for (step, (insert, n)) in steps.into_iter().enumerate() {
                if insert {
                    let full = oracle.len() == capacity && !oracle.contains_key(&n);
                    match table.insert(&tuple(n), step) {
                        Ok(id) => {
                            prop_assert!(!full);
                            oracle.insert(n, (id, step));
                        }
                        Err(_) => prop_assert!(full),
                    }
                } else if let Some((id, value)) = oracle.remove(&n) {
                    prop_assert_eq!(table.remove(id), Some(value));
                    prop_assert_eq!(table.get_mut(id), None);
                }
                prop_assert_eq!(table.len(), oracle.len());
                prop_assert_eq!(ids(&table).len(), oracle.len());
                for n in 0..60 {
                    prop_assert_eq!(table.find(&tuple(n)), oracle.get(&n).map(|(id, _)| *id));
                }
                for (id, value) in oracle.values() {
                    prop_assert_eq!(table.get_mut(*id).copied(), Some(*value));
                }
            }
        }
    }
}
