#![no_main]
//! The header `Retry-After`; what must hold of them stands in `crates/delivery/src/fuzzing.rs`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| delivery::fuzzing::retry_after(data));
