#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| ombud::fuzz::run("mbox", data));
