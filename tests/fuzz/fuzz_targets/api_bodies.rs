#![no_main]
//! Bodies of requests to the API; what must hold of them stands in `crates/control/src/fuzzing.rs`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| control::fuzzing::api_bodies(data));
