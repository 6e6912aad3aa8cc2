//! The connection table: a slab with a keyed index, bounded.

use crate::base::keyed::Key;
use crate::wire::Tuple;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

/// Names an entry; stale once the entry is gone, even if its slot is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id {
    slot: u32,
    generation: u32,
}

/// Entries by remote address, remote port and local port (we have one address).
#[derive(Debug)]
pub struct Table<T> {
    index: HashMap<u64, u32, Keyed>,
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    capacity: usize,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    entry: Option<(u64, T)>,
}

impl<T> Table<T> {
    /// A table of at most `capacity` entries. `key` keeps others from choosing colliding entries.
    pub fn new(capacity: usize, key: Key) -> Self {
        let capacity = capacity.min(u32::MAX as usize);
        Self { index: HashMap::with_hasher(Keyed(key)), slots: Vec::new(), free: Vec::new(), capacity }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// How many more entries fit.
    pub fn room(&self) -> usize {
        self.capacity - self.index.len()
    }

    /// The entry of `tuple`.
    pub fn find(&self, tuple: &Tuple) -> Option<Id> {
        let slot = *self.index.get(&packed(tuple))?;
        Some(Id { slot, generation: self.slots[slot as usize].generation })
    }

    /// Adds an entry, or gives it back if the table is full. An entry of the same tuple is replaced.
    pub fn insert(&mut self, tuple: &Tuple, entry: T) -> Result<Id, T> {
        if let Some(id) = self.find(tuple) {
            self.remove(id);
        }
        if self.room() == 0 {
            return Err(entry);
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, entry: None });
            u32::try_from(self.slots.len() - 1).expect("capacity is at most 2^32")
        });
        self.slots[slot as usize].entry = Some((packed(tuple), entry));
        self.index.insert(packed(tuple), slot);
        Ok(Id { slot, generation: self.slots[slot as usize].generation })
    }

    /// The entry that `id` names.
    pub fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        let slot = self.slots.get_mut(id.slot as usize).filter(|slot| slot.generation == id.generation)?;
        slot.entry.as_mut().map(|(_, entry)| entry)
    }

    /// Takes the entry out.
    pub fn remove(&mut self, id: Id) -> Option<T> {
        let slot = self.slots.get_mut(id.slot as usize).filter(|slot| slot.generation == id.generation)?;
        let (packed, entry) = slot.entry.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.index.remove(&packed);
        self.free.push(id.slot);
        Some(entry)
    }

    /// The ids of all entries, in slot order.
    pub fn ids(&self) -> Vec<Id> {
        let used = self.slots.iter().enumerate().filter(|(_, slot)| slot.entry.is_some());
        used.map(|(i, slot)| Id { slot: u32::try_from(i).unwrap_or(u32::MAX), generation: slot.generation }).collect()
    }
}

fn packed(tuple: &Tuple) -> u64 {
    u64::from(tuple.remote) << 32 | u64::from(tuple.remote_port) << 16 | u64::from(tuple.local_port)
}

#[derive(Clone, Copy, Debug)]
struct Keyed(Key);

impl BuildHasher for Keyed {
    type Hasher = KeyedHasher;

    fn build_hasher(&self) -> KeyedHasher {
        KeyedHasher { key: self.0, state: 0 }
    }
}

/// Hashes one `u64`, which is all that the index has for keys.
#[derive(Clone, Copy, Debug)]
struct KeyedHasher {
    key: Key,
    state: u64,
}

impl Hasher for KeyedHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.state = self.key.hash12(value ^ self.state, 0);
    }

    fn finish(&self) -> u64 {
        self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(n: u32) -> Tuple {
        Tuple { remote: n, local: 9, remote_port: 25, local_port: 61_000 }
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
        assert_eq!(table.ids(), [c, b]);
        let again = table.insert(&tuple(2), 'B').expect("replaced");
        assert_eq!(table.get_mut(b), None);
        assert_eq!(table.get_mut(again), Some(&mut 'B'));
        assert_eq!(table.len(), 2);
    }
}
