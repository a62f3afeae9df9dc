#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| claimwatch_fuzz::refusals(data));
