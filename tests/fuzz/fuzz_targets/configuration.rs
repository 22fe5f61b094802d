#![no_main]
//! The configuration file; what must hold of it stands in `crates/service/src/config/fuzzing.rs`.
//!
//! The service is a program and no library: its configuration is compiled in here.

#[path = "../../../crates/service/src"]
mod service {
    #[allow(dead_code, unused_imports, reason = "what is read is used by the service")]
    pub(crate) mod config;
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| service::config::fuzzing::configuration(data));
