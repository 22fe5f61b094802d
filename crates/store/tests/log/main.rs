//! The delivery log, by its public surface alone.

// `cfg(test)` tells clippy that helper functions, too, may unwrap.
#[cfg(test)]
mod suite;
