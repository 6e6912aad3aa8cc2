//! Ethernet addresses (EUI-48).

use std::fmt;
use std::str::FromStr;

/// An Ethernet address, in the order of the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// Text that is no Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an Ethernet address: write six pairs of hexadecimal digits, as in 02:00:5e:10:00:01")]
pub struct ParseMacError;

impl FromStr for Mac {
    type Err = ParseMacError;

    /// Reads six pairs of hexadecimal digits, parted by colons or by hyphens.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let separator = if text.contains('-') { '-' } else { ':' };
        let mut bytes = [0; 6];
        let mut parts = text.split(separator);
        for byte in &mut bytes {
            let part = parts.next().ok_or(ParseMacError)?;
            if part.len() != 2 || !part.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(ParseMacError);
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| ParseMacError)?;
        }
        if parts.next().is_some() { Err(ParseMacError) } else { Ok(Self(bytes)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_go_both_ways() {
        let mac = Mac([0x02, 0x00, 0x5e, 0x10, 0xff, 0x0a]);
        assert_eq!(mac.to_string(), "02:00:5e:10:ff:0a");
        assert_eq!("02:00:5e:10:ff:0a".parse(), Ok(mac));
        assert_eq!("02-00-5E-10-FF-0A".parse(), Ok(mac));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let wrong = [
            "",
            "02",
            "02:00:5e:10:ff",
            "02:00:5e:10:ff:0a:0b",
            "2:0:5e:10:ff:a",
            "02:00:5e:10:ff:+a",
            "02-00:5e-10-ff-0a",
        ];
        for text in wrong {
            assert_eq!(text.parse::<Mac>(), Err(ParseMacError), "{text}");
        }
    }
}
