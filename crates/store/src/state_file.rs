//! Files of the state directory: written whole or not at all, and checked when they are read.
//!
//! A file is lines of JSON: a head that names format and version, one record per line, and a foot
//! with the number of records and a SHA-256 over everything before it. Line by line, so that 100,000
//! webhooks are written and read without being in memory twice.
//!
//! Writing goes to a temporary file in the same directory, which is flushed to disk, renamed over
//! the old one, and the rename flushed too: after a crash there is the old file or the new one. Only
//! the owner may read it (0600), for it holds secrets.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// The longest line that is read, in bytes; a webhook with everything at its bound is far shorter.
const MAX_LINE: u64 = 4 * 1024 * 1024;

/// How the names of files begin that are being written.
const WRITING: &str = ".writing-";

/// Which file it is, and in which version it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) name: &'static str,
    pub(crate) version: u32,
}

/// A file of the state directory that cannot be used.
#[derive(Debug, Error)]
#[error("{}: {problem}", path.display())]
pub struct StateError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub problem: StateProblem,
}

/// What is wrong with a file of the state directory.
#[derive(Debug, Error)]
pub enum StateProblem {
    /// It cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is not what this program writes there.
    #[error("not a file of this kind")]
    Alien,
    /// Another version of this program wrote it.
    #[error("written in version {found}, but this program reads version {expected}")]
    Version {
        /// The version that it is written in.
        found: u32,
        /// The version that is read.
        expected: u32,
    },
    /// It is cut off or was changed: number or checksum of its records are wrong.
    #[error("damaged: the checksum does not hold")]
    Damaged,
    /// A record makes no sense to this version or under the present configuration.
    #[error("record {record}: {why}")]
    Record {
        /// Its number, from 1.
        record: usize,
        /// What is wrong with it; never a secret.
        why: String,
    },
    /// It belongs to another store.
    #[error("it belongs to another store, {0}")]
    OtherStore(String),
}

#[derive(Serialize, Deserialize)]
struct Head<H> {
    format: String,
    version: u32,
    head: H,
}

#[derive(Serialize, Deserialize)]
struct Foot {
    records: usize,
    sha256: String,
}

/// Writes `records` to `path`, in place of what stands there.
pub(crate) fn write<R: Serialize>(
    path: &Path,
    format: Format,
    head: impl Serialize,
    records: impl Iterator<Item = R>,
) -> Result<(), StateError> {
    let written = write_parts(path, format, head, records);
    written.map_err(|problem| StateError { path: path.to_owned(), problem: problem.into() })
}

fn write_parts<R: Serialize>(
    path: &Path,
    format: Format,
    head: impl Serialize,
    records: impl Iterator<Item = R>,
) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    // Made with 0600 and removed again unless it is renamed.
    let file = tempfile::Builder::new().prefix(WRITING).tempfile_in(folder)?;
    let mut out = Hashing { out: BufWriter::new(file), hash: Sha256::new() };
    let head = Head { format: format.name.to_owned(), version: format.version, head };
    out.line(&head)?;
    let mut number = 0;
    for record in records {
        out.line(&record)?;
        number += 1;
    }
    let sha256 = hex::encode(out.hash.clone().finalize());
    out.line(&Foot { records: number, sha256 })?;
    let file = out.out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(folder)?.sync_all()
}

/// Removes what a process was writing when it was killed. For whoever is alone in this directory; what
/// cannot be removed stays.
pub(crate) fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(WRITING.as_bytes()) {
            fs::remove_file(entry.path()).ok();
        }
    }
}

/// Reads `path`; `None` where there is no such file. `take` gets the records one by one.
///
/// Records are handed out before the foot is checked: what was made of them counts only when this
/// returns without an error.
pub(crate) fn read<H: DeserializeOwned, R: DeserializeOwned>(
    path: &Path,
    format: Format,
    take: impl FnMut(R) -> Result<(), String>,
) -> Result<Option<H>, StateError> {
    match read_parts(path, format, take) {
        Err(StateProblem::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(problem) => Err(StateError { path: path.to_owned(), problem }),
        Ok(head) => Ok(Some(head)),
    }
}

/// The head of what `path` holds, of which nothing else is read or checked; `None` where there is none.
pub(crate) fn head<H: DeserializeOwned>(path: &Path, format: Format) -> Option<H> {
    let mut lines = Lines { input: BufReader::new(File::open(path).ok()?) };
    head_of(&lines.next().ok()??, format).ok()
}

fn read_parts<H: DeserializeOwned, R: DeserializeOwned>(
    path: &Path,
    format: Format,
    mut take: impl FnMut(R) -> Result<(), String>,
) -> Result<H, StateProblem> {
    let mut lines = Lines { input: BufReader::new(File::open(path)?) };
    let mut hash = Sha256::new();
    let first = lines.next()?.ok_or(StateProblem::Alien)?;
    hash.update(&first);
    let head = head_of(&first, format)?;
    let mut records = 0;
    let mut refused = None;
    // The last line is the foot; every one before it is a record.
    let mut last = lines.next()?.ok_or(StateProblem::Damaged)?;
    while let Some(next) = lines.next()? {
        let record = std::mem::replace(&mut last, next);
        hash.update(&record);
        records += 1;
        if refused.is_none() {
            // serde's own words could quote a secret.
            let parsed = serde_json::from_slice(&record);
            let taken = parsed.map_err(|_| "not understood".to_owned()).and_then(&mut take);
            refused = taken.err().map(|why| StateProblem::Record { record: records, why });
        }
    }
    let foot: Foot = serde_json::from_slice(&last).map_err(|_| StateProblem::Damaged)?;
    if foot.records != records || foot.sha256 != hex::encode(hash.finalize()) {
        return Err(StateProblem::Damaged);
    }
    refused.map_or(Ok(head), Err)
}

fn head_of<H: DeserializeOwned>(line: &[u8], format: Format) -> Result<H, StateProblem> {
    let head: Head<serde_json::Value> =
        serde_json::from_slice(line).map_err(|_| StateProblem::Alien)?;
    if head.format != format.name {
        return Err(StateProblem::Alien);
    }
    if head.version != format.version {
        return Err(StateProblem::Version { found: head.version, expected: format.version });
    }
    serde_json::from_value(head.head).map_err(|_| StateProblem::Damaged)
}

/// Writes lines and counts them into the checksum.
struct Hashing<W> {
    out: W,
    hash: Sha256,
}

impl<W: Write> Hashing<W> {
    fn line(&mut self, value: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.hash.update(&line);
        self.out.write_all(&line)
    }
}

/// Reads lines of bounded length, each with its end.
struct Lines<B> {
    input: B,
}

impl<B: BufRead> Lines<B> {
    fn next(&mut self) -> Result<Option<Vec<u8>>, StateProblem> {
        let mut line = Vec::new();
        self.input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
        match line.last() {
            None => Ok(None),
            Some(b'\n') => Ok(Some(line)),
            Some(_) => Err(StateProblem::Damaged),
        }
    }
}

#[cfg(test)]
mod tests;
