#![no_main]
//! Events as publishers send them; what must hold of them stands in `crates/event/src/fuzzing.rs`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| event::fuzzing::events(data));
