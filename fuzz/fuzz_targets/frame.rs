//! libFuzzer's way into [`starling_fuzz::frame::run`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| starling_fuzz::frame::run(data));
