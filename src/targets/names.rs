//! Host names of targets, as a list of targets gives them.

use super::cidr::{Range, around};

/// Names by address, prefix and port. The most specific one counts: of a longer prefix before a shorter one, for
/// the port before any port.
///
/// Memory: 12 bytes a name, its text and a byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Ascending.
    keys: Vec<u64>,
    /// Where the text of each begins: a byte of length, then the text.
    offsets: Vec<u32>,
    texts: Vec<u8>,
    /// Which prefix lengths occur, a bit each.
    lengths: u64,
}

impl Names {
    /// Any port.
    pub(super) const ANY: u16 = 0;

    /// All of them: first address and length of the prefix, port, name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, u8, u16, &str)> {
        self.keys.iter().zip(&self.offsets).filter_map(|(key, offset)| {
            let text = &self.texts[*offset as usize..];
            let name = std::str::from_utf8(&text[1..=usize::from(text[0])]).ok()?;
            #[expect(clippy::cast_possible_truncation, reason = "the parts of a key")]
            Some(((key >> 24) as u32, (key >> 16) as u8, *key as u16, name))
        })
    }

    /// The name of the server at `address` and `port`.
    pub fn get(&self, address: u32, port: u16) -> Option<&str> {
        let mut lengths = self.lengths;
        while lengths != 0 {
            #[expect(clippy::cast_possible_truncation, reason = "the number of a bit")]
            let length = 63 - lengths.leading_zeros() as u8;
            lengths &= !(1 << length);
            let first = around(address, length).0;
            let found =
                [port, Self::ANY].into_iter().find_map(|port| self.keys.binary_search(&key(first, length, port)).ok());
            if let Some(at) = found {
                let text = &self.texts[self.offsets[at] as usize..];
                return std::str::from_utf8(&text[1..=usize::from(text[0])]).ok();
            }
        }
        None
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

fn key(first: u32, length: u8, port: u16) -> u64 {
    u64::from(first) << 24 | u64::from(length) << 16 | u64::from(port)
}

/// Gathers names.
#[derive(Debug, Default)]
pub(super) struct Builder {
    entries: Vec<(u64, u32)>,
    texts: Vec<u8>,
}

impl Builder {
    /// The servers in the prefix `range`, on `port` or on any, have `name`: at most 255 bytes. False if there is no room
    /// for it: 4 GiB of names.
    #[must_use]
    pub(super) fn add(&mut self, range: Range, port: Option<u16>, name: &str) -> bool {
        let (Ok(offset), Ok(length)) = (u32::try_from(self.texts.len()), u8::try_from(name.len())) else {
            return false;
        };
        #[expect(clippy::cast_possible_truncation, reason = "at most 32")]
        let prefix_length = (range.0 ^ range.1).leading_zeros() as u8;
        self.entries.push((key(range.0, prefix_length, port.unwrap_or(Names::ANY)), offset));
        self.texts.push(length);
        self.texts.extend_from_slice(name.as_bytes());
        true
    }

    /// The names, and how many were left out because another came first for the same servers.
    pub(super) fn build(mut self) -> (Names, u64) {
        let given = self.entries.len();
        self.entries.sort_by_key(|(key, _)| *key);
        // Of names for the same servers the first stays: the sort is stable.
        self.entries.dedup_by_key(|(key, _)| *key);
        let unused = (given - self.entries.len()) as u64;
        let lengths = self.entries.iter().fold(0, |all, (key, _)| all | 1 << (key >> 16 & 0xff));
        self.texts.shrink_to_fit();
        let (keys, offsets) = self.entries.into_iter().unzip();
        (Names { keys, offsets, texts: self.texts, lengths }, unused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_name_counts() {
        let mut builder = Builder::default();
        let net = 0x0a00_0000;
        for (range, port, name) in [
            (around(net, 24), None, "net"),
            (around(net, 24), Some(25), "net-mx"),
            (around(net + 1, 32), None, "one"),
            (around(net + 1, 32), Some(25), "one-mx"),
            (around(net + 1, 32), Some(25), "one-mx-again"),
            (around(0, 0), Some(443), "world"),
        ] {
            assert!(builder.add(range, port, name));
        }
        let (names, unused) = builder.build();
        assert_eq!((names.len(), unused), (5, 1));
        assert_eq!(names.get(net + 1, 25), Some("one-mx"));
        assert_eq!(names.get(net + 1, 143), Some("one"));
        assert_eq!(names.get(net + 2, 25), Some("net-mx"));
        assert_eq!(names.get(net + 2, 443), Some("net"), "the prefix counts before the port");
        assert_eq!(names.get(net + 256, 443), Some("world"));
        assert_eq!(names.get(net + 256, 25), None);
        assert_eq!(Names::default().get(net, 25), None);
    }
}
