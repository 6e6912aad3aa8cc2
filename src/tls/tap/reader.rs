//! Reads the vectors of TLS' presentation language (RFC 8446, section 3) from untrusted bytes.

/// Bytes still to be read. Every method takes what it returns, or nothing and returns `None`.
#[derive(Clone, Copy, Debug)]
pub(in crate::tls) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(in crate::tls) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(in crate::tls) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next `count` bytes.
    pub(in crate::tls) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// All that is left.
    pub(in crate::tls) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(in crate::tls) fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(in crate::tls) fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    pub(in crate::tls) fn u24(&mut self) -> Option<u32> {
        self.take(3).map(|bytes| u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]))
    }

    pub(in crate::tls) fn u32(&mut self) -> Option<u32> {
        self.take(4).map(|bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// A vector whose length has one byte.
    pub(in crate::tls) fn vector8(&mut self) -> Option<Self> {
        self.sized(|reader| reader.u8().map(usize::from))
    }

    /// A vector whose length has two bytes.
    pub(in crate::tls) fn vector16(&mut self) -> Option<Self> {
        self.sized(|reader| reader.u16().map(usize::from))
    }

    /// A vector whose length has three bytes.
    pub(in crate::tls) fn vector24(&mut self) -> Option<Self> {
        self.sized(|reader| reader.u24().and_then(|length| usize::try_from(length).ok()))
    }

    /// Sixteen-bit numbers up to the end; an odd byte at the end is not one.
    pub(in crate::tls) fn u16s(mut self) -> impl Iterator<Item = u16> {
        std::iter::from_fn(move || self.u16())
    }

    fn sized(&mut self, length: impl Fn(&mut Self) -> Option<usize>) -> Option<Self> {
        let mut ahead = *self;
        let count = length(&mut ahead)?;
        let vector = ahead.take(count)?;
        *self = ahead;
        Some(Self(vector))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_short_is_not_taken() {
        let mut reader = Reader::new(&[2, 1, 2, 0, 3, 9]);
        assert_eq!(reader.vector8().map(|mut vector| vector.rest()), Some(&[1, 2][..]));
        assert!(reader.vector16().is_none() && reader.vector24().is_none() && reader.u32().is_none());
        assert_eq!((reader.u24(), reader.is_empty(), reader.u8()), (Some(0x0000_0309), true, None));
        assert_eq!(Reader::new(&[1, 2, 3]).u16s().collect::<Vec<_>>(), [0x0102]);
    }
}
