//! Lists of prefixes, addresses and host names: allowlists and blocklists, read as zmap reads them.
//!
//! A line is an entry and, behind a `#` or white space, a comment. An entry is an address, a prefix (bits behind
//! its length do not count) or a host name, which stands for all its addresses; a name may have a prefix length,
//! too. Unlike inet_aton(3), and so zmap, we take no short, octal or hexadecimal addresses: `010.0.0.1` would be
//! 8.0.0.1.

use super::cidr::{self, CidrError, Range};
use std::net::Ipv4Addr;

/// Finds the addresses of a host name, in host order; or says why not.
pub type Resolve<'a> = &'a mut dyn FnMut(&str) -> Result<Vec<u32>, String>;

/// Why a line is no entry. Its text begins with the line's number, to be put behind `file:`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}: {cause}")]
pub struct LineError<E: std::error::Error> {
    /// Number of the line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub cause: E,
}

/// What is wrong with an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Neither a name nor an address.
    #[error(transparent)]
    Malformed(#[from] CidrError),
    /// A name without addresses.
    #[error("`{0}` is no address, and as a host name it has none: {1}")]
    Unresolved(String, String),
}

/// Reads a list file.
///
/// # Errors
/// The first line that is no entry.
pub fn parse(text: &str, resolve: Resolve<'_>) -> Result<Vec<Range>, LineError<EntryError>> {
    let mut ranges = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        entry(text, resolve, &mut ranges).map_err(|cause| LineError { line, cause })?;
    }
    Ok(ranges)
}

fn entry(line: &str, resolve: Resolve<'_>, ranges: &mut Vec<Range>) -> Result<(), EntryError> {
    let Some(entry) = without_comment(line).split_ascii_whitespace().next() else { return Ok(()) };
    let malformed = || CidrError::Malformed(entry.to_owned());
    let (host, length) = cidr::split(entry).ok_or_else(malformed)?;
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        ranges.push(cidr::around(address.into(), length));
        return Ok(());
    }
    if !is_host_name(host) {
        return Err(malformed().into());
    }
    let unresolved = |cause| EntryError::Unresolved(host.to_owned(), cause);
    let addresses = resolve(host).map_err(unresolved)?;
    if addresses.is_empty() {
        return Err(unresolved("no IPv4 address".to_owned()));
    }
    ranges.extend(addresses.into_iter().map(|address| cidr::around(address, length)));
    Ok(())
}

/// What stands before a `#`.
pub(super) fn without_comment(line: &str) -> &str {
    line.split('#').next().unwrap_or_default()
}

/// Whether `text` can be a host name: labels of letters, digits, hyphens and underscores (RFC 1123, section 2.1, and
/// what is seen), at most 253 bytes, and not all digits and dots.
pub fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let numeric = |label: &str| {
        label.bytes().all(|byte| byte.is_ascii_digit())
            || label.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    name.len() <= 253 && name.split('.').all(label) && !name.split('.').next_back().is_some_and(numeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: &str) -> Result<Vec<u32>, String> {
        match name {
            "mx.example" => Ok(vec![0x0a00_0001, 0x0b00_0201]),
            "v6.example" => Ok(Vec::new()),
            _ => Err("not known".to_owned()),
        }
    }

    fn read(text: &str) -> Result<Vec<Range>, String> {
        parse(text, &mut known).map_err(|error| error.to_string())
    }

    #[test]
    fn entries_are_read_as_zmap_reads_them() {
        assert_eq!(read("# all\n\n10.0.0.0/8 # ours\n"), Ok(vec![(0x0a00_0000, 0x0aff_ffff)]));
        assert_eq!(read("  10.1.2.3\t"), Ok(vec![(0x0a01_0203, 0x0a01_0203)]));
        assert_eq!(read("10.1.2.3/8"), Ok(vec![(0x0a00_0000, 0x0aff_ffff)]), "bits behind the length do not count");
        assert_eq!(read("10.0.0.0/24 Example Inc., asked on 1 May"), Ok(vec![(0x0a00_0000, 0x0a00_00ff)]));
        assert_eq!(read("10.0.0.0/24#x\r\n"), Ok(vec![(0x0a00_0000, 0x0a00_00ff)]));
        assert_eq!(read("0.0.0.0/0"), Ok(vec![(0, u32::MAX)]));
        assert_eq!(read("mx.example"), Ok(vec![(0x0a00_0001, 0x0a00_0001), (0x0b00_0201, 0x0b00_0201)]));
        assert_eq!(read("mx.example/24"), Ok(vec![(0x0a00_0000, 0x0a00_00ff), (0x0b00_0200, 0x0b00_02ff)]));
    }

    #[test]
    fn errors_have_the_number_of_their_line() {
        for (text, begin) in [
            ("10.0.0.0/8\n10.0.0\n", "2: `10.0.0` is not an IPv4 address"),
            ("\n#\n10.0.0.0/33\n", "3: `10.0.0.0/33` is not"),
            ("010.0.0.1", "1: `010.0.0.1` is not"),
            ("0x0a000001", "1: `0x0a000001` is not"),
            ("2001:db8::/32", "1: `2001:db8::/32` is not"),
            ("nonsense", "1: `nonsense` is no address, and as a host name it has none: not known"),
            ("v6.example", "1: `v6.example` is no address, and as a host name it has none: no IPv4 address"),
            ("a..b", "1: `a..b` is not"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.starts_with(begin), "{error}");
        }
    }
}
