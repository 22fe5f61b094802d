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
//! previous_secret_file = "ci.old"          # or previous_secret: still signs during a rotation
//! retry = { give_up_after = "1h" }         # any subset of the configuration's [retry]
//! headers = { x-tenant = "42" }
//! ```
//!
//! All of it or nothing: one mistake, and the file is refused with the places of all mistakes.

mod entry;
mod stamp;
mod watch;

pub(crate) use self::stamp::Stamps;
pub(crate) use self::watch::watch;

use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use settings::{Document, MAX_DOCUMENT_BYTES, Problem, Reader, Report, read_bounded};

use crate::backend::Listing;
use crate::options::Rules;

/// Reads the whole file.
pub(crate) fn list(path: &Path, rules: &Rules) -> Listing {
    let name = path.display().to_string();
    let failed = |report| Listing { entries: Err(report), secret_files: Vec::new() };
    let text = match read_bounded(path, MAX_DOCUMENT_BYTES) {
        Ok(text) => text,
        Err(why) => {
            return failed(Report::about_file(&name, Problem::Unreadable(why.to_string())));
        }
    };
    let document = match Document::parse(&name, &text) {
        Ok(document) => document,
        Err(report) => return failed(report),
    };
    let context = entry::Context::new(rules, modified_ms(path));
    let reading = Reader::of_file(&document).read(|root| context.webhooks(root));
    Listing { entries: reading.value, secret_files: reading.files }
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
