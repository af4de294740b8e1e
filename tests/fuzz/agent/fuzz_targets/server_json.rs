#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| asu::checks::server_json(data));
