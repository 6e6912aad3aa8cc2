//! How the C library's heap gives memory back.
#![cfg_attr(target_env = "gnu", expect(unsafe_code, reason = "mallopt"))]

/// What is larger is mapped on its own, and given back when it is freed: the buffers of columns and row groups.
#[cfg(target_env = "gnu")]
const MAPPED: libc::c_int = 1 << 20;
/// So much may be free at the end of the heap.
#[cfg(target_env = "gnu")]
const SPARE: libc::c_int = 2 << 20;

/// Has large blocks given back to the system as soon as they are freed. glibc begins like that, but puts blocks into the
/// heap that are as large as any freed so far, up to 32 MiB: there the writer's buffers leave holes, and a run of days
/// slowly takes a third as much again as it uses (`cargo bench --bench monitor -- day`).
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    for (parameter, value) in [(libc::M_MMAP_THRESHOLD, MAPPED), (libc::M_TRIM_THRESHOLD, SPARE)] {
        // Refused, the heap is as it would have been.
        // SAFETY: it takes two numbers, and no thread is there yet that could allocate meanwhile.
        let _ = unsafe { libc::mallopt(parameter, value) };
    }
}
