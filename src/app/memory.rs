//! How many connections the machine's memory is good for.

/// What a connection takes at most: its TLS session, its findings, its place in table and wheel.
const BYTES_PER_CONNECTION: u64 = 12 * 1024;
/// Which part of the free memory the connections may have; rows, certificates and buffers need some as well.
const SHARE: u64 = 4;
/// Fewer make no scan, more have never been needed.
const BOUNDS: std::ops::RangeInclusive<u64> = 1_000..=1_000_000;
/// Where the system does not say.
const UNKNOWN: u64 = 100_000;

/// The number of connections that fit into a quarter of the memory that is free now.
pub fn connections() -> usize {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    usize::try_from(available(&meminfo).map_or(UNKNOWN, affordable)).unwrap_or(usize::MAX)
}

fn affordable(bytes: u64) -> u64 {
    (bytes / SHARE / BYTES_PER_CONNECTION).clamp(*BOUNDS.start(), *BOUNDS.end())
}

/// `MemAvailable` of /proc/meminfo, in bytes.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_free_memory_is_for_connections() {
        let meminfo = "MemTotal:       24689632 kB\nMemFree:        18876060 kB\nMemAvailable:    4915200 kB\n";
        assert_eq!(available(meminfo), Some(4_800 << 20));
        assert_eq!(affordable(4_800 << 20), 102_400);
        assert_eq!((affordable(0), affordable(u64::MAX)), (1_000, 1_000_000));
        for broken in ["", "MemAvailable: many kB", "MemAvailable: 12", "MemAvailable: 99999999999999999999 kB"] {
            assert_eq!(available(broken), None, "{broken}");
        }
        assert!((1_000..=1_000_000).contains(&connections()));
    }
}
