//! How the testbed tells what it does: finding, installing and starting a broker takes seconds to
//! minutes, and nobody should have to guess what a silent terminal is waiting for.

use std::fmt;
use std::sync::Arc;

/// Where sentences about progress go. Cheap to clone.
#[derive(Clone)]
pub struct Reporter(Arc<dyn Fn(&str) + Send + Sync>);

impl Reporter {
    /// Hands every sentence to `say`: one line, without its newline.
    pub fn new(say: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(say))
    }

    /// Says nothing.
    pub fn quiet() -> Self {
        Self::new(|_| ())
    }

    /// Writes to standard error, marked as the testbed's own words.
    pub fn stderr() -> Self {
        Self::new(|line| eprintln!("testbed: {line}"))
    }

    /// Tells one thing.
    pub fn say(&self, line: impl AsRef<str>) {
        (self.0)(line.as_ref());
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reporter")
    }
}
