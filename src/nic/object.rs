//! The compiled XDP program.

/// ELF object of `ebpf/starling.bpf.c`, aligned as aya's loader needs it.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/starling.bpf.o"));
