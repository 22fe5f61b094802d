//! Whole-program tests, one file per promise of the contract.

// `cfg(test)` tells clippy that helper functions, too, may unwrap.
#[cfg(test)]
mod api;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod chart;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod compose;
#[cfg(test)]
mod configuration;
#[cfg(test)]
mod database_file;
#[cfg(test)]
mod dead;
#[cfg(test)]
mod deliver;
#[cfg(test)]
mod dist;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod drain;
#[cfg(test)]
mod engine;
#[cfg(test)]
mod failing;
#[cfg(test)]
mod guarded;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod hosts;
#[cfg(test)]
mod image;
#[cfg(test)]
mod isolation;
mod limits;
#[cfg(test)]
mod listen;
#[cfg(test)]
mod misfortune;
#[cfg(test)]
mod names;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod outcomes;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod prometheus;
#[cfg(test)]
mod publishers;
#[cfg(test)]
mod reject;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod retry;
#[cfg(test)]
mod schemathesis;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod stores;
#[cfg(test)]
mod subscriptions;
#[cfg(test)]
mod testbed;
#[cfg(test)]
mod topology;
#[cfg(test)]
mod traces;
#[cfg(test)]
mod unopened;
