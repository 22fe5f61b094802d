#![no_main]
//! Headers and properties of AMQP messages; what must hold of them stands in `crates/broker/src/fuzzing.rs`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| broker::fuzzing::broker_headers(data));
