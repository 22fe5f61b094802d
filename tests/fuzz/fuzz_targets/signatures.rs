#![no_main]
//! Signature headers of both schemes; what must hold of them stands in `crates/signing/src/fuzzing.rs`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| signing::fuzzing::signatures(data));
