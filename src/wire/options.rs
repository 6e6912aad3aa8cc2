//! TCP options (RFC 9293, section 3.1): those that an answer to a probe may carry.

/// The timestamp option (RFC 7323, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamps {
    /// The sender's clock.
    pub value: u32,
    /// The clock of the segment that is answered, as it came.
    pub echo: u32,
}

/// What the options of a segment say. Of one that comes twice the last counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Maximum segment size (RFC 9293, section 3.7.1).
    pub mss: Option<u16>,
    /// Window scale, as a shift count (RFC 7323, section 2).
    pub window_scale: Option<u8>,
    /// Selective acknowledgements are permitted (RFC 2018).
    pub sack_permitted: bool,
    /// Timestamps.
    pub timestamps: Option<Timestamps>,
}

impl Options {
    /// Reads the bytes between TCP header and payload. What is malformed ends the reading, not what stood before.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut options = Self::default();
        let mut rest = bytes;
        loop {
            let length = match rest {
                [] | [0, ..] | [_] => return options,
                [1, tail @ ..] => {
                    rest = tail;
                    continue;
                }
                [_, length, ..] => usize::from(*length),
            };
            let Some(option) = rest.get(..length).filter(|_| length >= 2) else { return options };
            match *option {
                [2, 4, high, low] => options.mss = Some(u16::from_be_bytes([high, low])),
                [3, 3, shift] => options.window_scale = Some(shift),
                [4, 2] => options.sack_permitted = true,
                [8, 10, a, b, c, d, e, f, g, h] => {
                    let (value, echo) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
                    options.timestamps = Some(Timestamps { value, echo });
                }
                _ => {}
            }
            rest = &rest[length..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_linux_answer_is_understood() {
        let bytes = [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 9, 1, 2, 3, 4, 1, 3, 3, 7];
        let timestamps = Some(Timestamps { value: 9, echo: 0x0102_0304 });
        let expected = Options { mss: Some(1_460), window_scale: Some(7), sack_permitted: true, timestamps };
        assert_eq!(Options::parse(&bytes), expected);
    }

    #[test]
    fn what_is_malformed_ends_the_reading() {
        let mss = |bytes: &[u8]| Options::parse(bytes).mss;
        assert_eq!(mss(&[1, 1, 4, 2, 2, 4, 5, 0xb4]), Some(1_460));
        assert_eq!(mss(&[2, 4, 5, 0xb4, 9, 0, 2, 4, 1, 1]), Some(1_460));
        assert_eq!(mss(&[8, 0, 2, 4, 5, 0xb4]), None);
        assert_eq!(mss(&[8, 1, 2, 4, 5, 0xb4]), None);
        assert_eq!(mss(&[8, 40, 2, 4]), None);
        assert_eq!(mss(&[0, 2, 4, 5, 0xb4]), None);
        assert_eq!(mss(&[2, 3, 5, 2, 4, 5, 0xb4]), Some(1_460));
        assert_eq!(mss(&[2]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..44)) {
            let _ = Options::parse(&bytes);
        }
    }
}
