//! libFuzzer's way into [`starling_fuzz::dialogues::imap`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| starling_fuzz::dialogues::imap(data));
