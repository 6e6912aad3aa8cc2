//! libFuzzer's way into [`starling_fuzz::verify::run`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| starling_fuzz::verify::run(data));
