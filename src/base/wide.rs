//! Work in the widest registers that the processor has.

/// What is worth doing in wide registers: the same step on many numbers that lie side by side.
pub trait Work {
    /// What comes of it.
    type Result;

    /// Does it. `#[inline(always)]`, as must be all that it calls: what is not inlined stays narrow. So loops, and no
    /// `map` of arrays.
    fn run(self) -> Self::Result;
}

/// Does the work, in registers of 512 bits where there are any.
#[inline]
pub fn widely<W: Work>(work: W) -> W::Result {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
    {
        #[expect(unsafe_code, reason = "the processor was asked")]
        // SAFETY: the processor has what the function wants.
        return unsafe { in_512_bits(work) };
    }
    work.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq")]
fn in_512_bits<W: Work>(work: W) -> W::Result {
    work.run()
}
