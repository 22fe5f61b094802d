//! The TOML file of webhooks: `[[webhooks]]`, read-only.
//!
//! ```toml
//! [[webhooks]]
//! id = "whk_ci"
//! url = "https://ci.example.com/hooks"
//! events = ["deployment.*"]                # types, families, or "*"
//! secret_file = "ci.secret"                # beside this file; or secret = "whsec_…"
//! # optional, with their defaults:
//! projects = []                            # ids; empty means all
//! description = ""
//! enabled = true
//! max_in_flight = 32                       # else webhooks.max_in_flight of the configuration
//! rate_limit = { per_second = 10, burst = 20 }  # attempts; else there is no limit
//! previous_secret_file = "ci.old"          # or previous_secret: still signs during a rotation
//! retry = { give_up_after = "1h" }         # any subset of the configuration's [retry]
//! headers = { x-tenant = "42" }
//! ```
//!
//! All of it or nothing: one mistake, and the file is refused with the places of all mistakes.

mod entry;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod pieces;
mod stamp;
mod watch;

pub(crate) use self::stamp::FileStamps;
pub(crate) use self::watch::watch;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use settings::{Document, MAX_DOCUMENT_BYTES, Problem, Reader, Report, read_regular};
use sha2::{Digest as _, Sha256};

use crate::backend::Listing;
use crate::entry::Entry;
use crate::options::{ReadError, Rules};

use self::entry::Context;

/// The file, and what is known of it from the last reading.
#[derive(Debug)]
pub(crate) struct File {
    path: PathBuf,
    known: Mutex<Known>,
}

/// Pieces that were read, by their digests; without those whose secrets stand in other files.
#[derive(Debug, Default)]
struct Known {
    /// The rules under which they were read.
    rules: Option<Rules>,
    pieces: HashMap<Digest, Vec<Entry>>,
}

type Digest = [u8; 32];

impl File {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, known: Mutex::default() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the whole file.
    pub(crate) fn list(&self, rules: &Rules) -> Listing {
        let name = self.path.display().to_string();
        let text = match read_regular(&self.path, MAX_DOCUMENT_BYTES) {
            Ok(text) => text,
            Err(why) => {
                let report = Report::about_file(&name, Problem::Unreadable(why.to_string()));
                return Listing { entries: Err(report.into()), secret_files: Vec::new() };
            }
        };
        let context = Context::new(rules, modified_ms(&self.path));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.rules.as_ref() != Some(rules) {
            *known = Known { rules: Some(rules.clone()), pieces: HashMap::new() };
        }
        match in_pieces(&name, &text, &context, &known.pieces) {
            Some((listing, pieces)) => {
                known.pieces = pieces;
                listing
            }
            // Where a mistake stands is known only to who reads the whole.
            None => read(&name, &text, &context),
        }
    }
}

/// Reads a file without mistakes, parsing what is not known yet; tells also what is known then.
fn in_pieces(
    name: &str,
    text: &str,
    context: &Context<'_>,
    known: &HashMap<Digest, Vec<Entry>>,
) -> Option<(Listing, HashMap<Digest, Vec<Entry>>)> {
    if !begins_with_a_table(text) {
        return None;
    }
    let (mut all, mut secret_files) = (Vec::new(), Vec::new());
    let mut pieces = HashMap::new();
    for piece in self::pieces::pieces(text) {
        let digest = Sha256::digest(piece).into();
        let entries = match known.get(&digest) {
            Some(entries) => entries.clone(),
            None => {
                let Listing { entries, secret_files: files } = read(name, piece, context);
                secret_files.extend_from_slice(&files);
                let entries = entries.ok()?;
                if !files.is_empty() {
                    all.extend(entries);
                    continue;
                }
                entries
            }
        };
        all.extend_from_slice(&entries);
        pieces.insert(digest, entries);
    }
    Entry::sort(&mut all);
    let distinct = all.array_windows().all(|[a, b]| a.webhook.id != b.webhook.id);
    distinct.then_some((Listing { entries: Ok(all), secret_files }, pieces))
}

/// Whether nothing but comments stands before the first webhook: a key there has to do with them all.
fn begins_with_a_table(text: &str) -> bool {
    let mut head = text.lines().take_while(|line| !line.starts_with("[[webhooks]]"));
    head.all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
}

fn read(name: &str, text: &str, context: &Context<'_>) -> Listing {
    match Document::parse(name, text) {
        Ok(document) => {
            let reading = Reader::of_file(&document).read(|root| context.webhooks(root));
            let entries = reading.value.map_err(ReadError::from);
            Listing { entries, secret_files: reading.files }
        }
        Err(report) => Listing { entries: Err(report.into()), secret_files: Vec::new() },
    }
}

/// When the file was last changed, in milliseconds since 1970: the nearest that it has to a time of
/// each webhook.
fn modified_ms(path: &Path) -> i64 {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
    let since = modified.ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
