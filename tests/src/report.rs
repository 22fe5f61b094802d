//! How the testbed tells what it does: finding, installing and starting a broker takes seconds to
//! minutes, and nobody should have to guess what a silent terminal is waiting for.

use std::fmt;
use std::sync::Arc;

/// One line that is told, without its newline.
#[derive(Clone, Copy, Debug)]
pub enum Said<'a> {
    /// What is done or found now.
    Step(&'a str),
    /// A line of some tool that does it; there may be hundreds.
    Detail(&'a str),
}

/// Where lines about progress go. Cheap to clone.
#[derive(Clone)]
pub struct Reporter(Arc<dyn Fn(Said<'_>) + Send + Sync>);

impl Reporter {
    /// Hands every line to `tell`.
    pub fn new(tell: impl Fn(Said<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Says nothing.
    pub fn quiet() -> Self {
        Self::new(|_| ())
    }

    /// Writes steps to standard error, marked as the testbed's own words.
    pub fn stderr() -> Self {
        Self::new(|said| {
            if let Said::Step(line) = said {
                eprintln!("testbed: {line}");
            }
        })
    }

    /// Tells what is done or found now.
    pub fn step(&self, line: impl AsRef<str>) {
        (self.0)(Said::Step(line.as_ref()));
    }

    /// Passes a tool's line on.
    pub fn detail(&self, line: impl AsRef<str>) {
        (self.0)(Said::Detail(line.as_ref()));
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reporter")
    }
}
