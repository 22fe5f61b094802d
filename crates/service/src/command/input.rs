//! What people hand to a command: a file, or standard input where the path is `-`.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result};
use signing::Secret;

use crate::exit::Failed;

/// More than any secret has.
const LARGEST_SECRET: u64 = 64 * 1024;

/// Reads at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        io::stdin().take(limit).read_to_end(&mut bytes).context("reading standard input")?;
        return Ok(bytes);
    }
    let read = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    read.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(bytes)
}

/// The secret that a file holds.
pub(crate) fn secret(path: &Path) -> Result<Secret, Failed> {
    let text = String::from_utf8(read(path, LARGEST_SECRET)?)
        .map_err(|_| Failed::Usage("the secret's file holds no text".to_owned()))?;
    secret_of(&text)
}

/// The secret that a text is.
pub(crate) fn secret_of(text: &str) -> Result<Secret, Failed> {
    // A file that an editor wrote ends with a line end that is not part of the secret.
    Secret::try_new(text.trim_end_matches(['\r', '\n']))
        .map_err(|error| Failed::Usage(error.to_string()))
}
