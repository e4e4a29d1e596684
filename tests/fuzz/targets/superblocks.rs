#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| depmod_tests::fuzz::superblocks(data));
