//! What commands say on standard output.

use std::io::{self, Write};

use anyhow::Context;

use crate::exit::Failed;

/// Prints `text` and what was printed before it.
///
/// # Errors
///
/// Where standard output cannot be written. A reader that has gone away has seen enough: no error.
pub(crate) fn text(text: &str) -> Result<(), Failed> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output").map_err(Failed::Work)
        }
        _ => Ok(()),
    }
}

/// Prints a line.
///
/// # Errors
///
/// As [`text`].
pub(crate) fn line(line: &str) -> Result<(), Failed> {
    text(&format!("{line}\n"))
}

/// Prints a line on standard error; where that is gone, nobody is left to be told.
pub(crate) fn error(line: &str) {
    writeln!(io::stderr(), "{line}").unwrap_or_default();
}

/// So many webhooks, in words.
pub(crate) fn webhooks(count: usize) -> String {
    if count == 1 { "1 webhook".to_owned() } else { format!("{count} webhooks") }
}
