//! libFuzzer's way into [`starling_fuzz::ocsp::run`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| starling_fuzz::ocsp::run(data));
