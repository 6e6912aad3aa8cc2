//! libFuzzer's way into [`starling_fuzz::dialogues::managesieve`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| starling_fuzz::dialogues::managesieve(data));
