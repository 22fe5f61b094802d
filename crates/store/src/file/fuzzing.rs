//! What must hold of the TOML file of webhooks, whatever stands in it: for the fuzzer and for its
//! seeds.

use std::collections::HashMap;

use event::Catalog;
use subscriptions::{RetryPolicy, UrlRules};

use super::{Context, in_pieces, read};
use crate::entry::Entry;
use crate::options::{ReadError, Rules};
use crate::wire::WireWebhook;

/// The longest line about one mistake, in bytes.
const LONGEST: usize = 4_096;

/// Reads a file whole and in pieces.
pub fn webhooks_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // Secrets in other files are other tests' business: whatever the fuzzer named would be read.
    if text.contains("_file") {
        return;
    }
    let Ok(catalog) = Catalog::try_new::<&str>(&[]) else { return };
    let rules = Rules { url: UrlRules::default(), retry: RetryPolicy::default(), catalog };
    let context = Context::new(&rules, 7);
    let whole = read("w.toml", text, &context).entries;
    let pieces = in_pieces("w.toml", text, &context, &HashMap::new());
    match whole {
        Ok(mut entries) => {
            Entry::sort(&mut entries);
            entries.iter().for_each(|entry| is_kept(entry, &rules));
            // Without pieces the whole counts.
            let same = pieces.and_then(|(listing, _)| listing.entries.ok());
            assert!(same.is_none_or(|same| Entry::same(&same, &entries)), "pieces say otherwise");
        }
        Err(error) => {
            assert!(pieces.is_none(), "pieces have no mistake where the whole has");
            are_told(&error);
        }
    }
}

/// It comes back from the state directory as it was.
fn is_kept(entry: &Entry, rules: &Rules) {
    let restored = WireWebhook::of(&entry.webhook).restore(rules.url);
    let again = restored.map(|webhook| Entry::new(webhook).fingerprint);
    assert_eq!(again, Ok(entry.fingerprint), "{:?}", entry.webhook);
}

/// Mistakes are lines with places.
fn are_told(error: &ReadError) {
    let told = error.to_string();
    for line in told.lines() {
        assert!(line.starts_with("w.toml:"), "{line:?} in {told:?}");
        assert!(line.len() <= LONGEST, "{} bytes: {line:?}", line.len());
    }
}

#[cfg(test)]
#[path = "../../../../tests/fuzz/seeds.rs"]
mod seeds;

#[cfg(test)]
mod tests {
    #[test]
    fn what_must_hold_holds_of_all_seeds() {
        super::seeds::each("webhooks_file", super::webhooks_file);
    }
}
