//! The compiled XDP programs.

/// ELF object of `ebpf/starling.bpf.c`, aligned as aya's loader needs it.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/starling.bpf.o"));

/// ELF object of `ebpf/live.bpf.c`, likewise.
pub static LIVE_OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/live.bpf.o"));

/// ELF object of `ebpf/monitor.bpf.c`, likewise.
pub static MONITOR_OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/monitor.bpf.o"));

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;
    use aya::programs::Xdp;

    /// The loader of the product accepts the object, and so does the verifier. Needs root.
    #[test]
    fn aya_loads_the_program() {
        let mut object = aya::EbpfLoader::new().load(OBJECT).unwrap();
        let mut maps: Vec<_> = object.maps().map(|(name, _)| name.to_owned()).collect();
        maps.sort();
        assert_eq!(maps, [".rodata", "counters", "xsks"]);
        let program: &mut Xdp = object.program_mut("starling").unwrap().try_into().unwrap();
        program.load().unwrap();
    }
}
