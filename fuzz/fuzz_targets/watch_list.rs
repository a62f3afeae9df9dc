#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| claimwatch_fuzz::watch_list(data));
