#![no_main]
//! The TOML file of webhooks; what must hold of them stands in `crates/store/src/fuzzing.rs`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| store::fuzzing::webhooks_file(data));
