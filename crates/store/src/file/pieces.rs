//! A file of many webhooks in pieces: what parsing takes is in memory for one piece at a time (the
//! parsed form of a file is twenty times its text), and a piece that has not changed is not parsed
//! again.

use std::hash::{DefaultHasher, Hash, Hasher};

/// How many tables a piece has, on average. A fuzzer's files are small.
const TABLES: u64 = if cfg!(fuzzing) { 2 } else { 256 };
/// The line before which a file may be cut.
const HEADER: &str = "\n[[webhooks]]";

/// Cuts `text` before some of the lines that look like the header of a webhook.
///
/// Where, the table before the cut decides by its own text, so that an edit changes the one piece
/// that it is in, and moves no cut but its own.
///
/// A line that looks like a header may stand within a text of several lines. The piece before it
/// then ends within that text and is no TOML; so pieces that can all be read say what the whole says.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    cut(text, |table| {
        let mut hasher = DefaultHasher::new();
        table.hash(&mut hasher);
        hasher.finish().is_multiple_of(TABLES)
    })
}

fn cut(text: &str, ends_piece: impl Fn(&str) -> bool) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut table = 0;
        while let Some(found) = text.get(table..).and_then(|text| text.find(HEADER)) {
            let next = table + found + 1;
            if text.get(table..next).is_some_and(&ends_piece) {
                let (piece, more) = text.split_at(next);
                rest = Some(more);
                return Some(piece);
            }
            table = next;
        }
        rest = None;
        Some(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let found: Vec<&str> = cut(text, |_| true).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    fn table(n: usize) -> String {
        format!("[[webhooks]]\nid = \"whk_{n}\"\n")
    }

    #[test]
    fn files_are_cut_before_headers() {
        check("", &[""]);
        check("webhooks = []\n", &["webhooks = []\n"]);
        check("[[webhooks]]\na = 1\n", &["[[webhooks]]\na = 1\n"]);
        check("# ä\n[[webhooks]]\n[[webhooks]]\n", &["# ä\n", "[[webhooks]]\n", "[[webhooks]]\n"]);
        check("[[webhooks]]\n [[webhooks]]\n", &["[[webhooks]]\n [[webhooks]]\n"]);
    }

    #[test]
    fn an_edit_changes_few_pieces() {
        let tables: Vec<String> = (0..20_000).map(table).collect();
        let before = tables.concat();
        let before: Vec<&str> = pieces(&before).collect();
        assert!((40..160).contains(&before.len()), "{} pieces", before.len());
        assert_eq!(before.concat(), tables.concat());
        for at in [0, 9_999, 20_000] {
            let mut edited = tables.clone();
            edited.insert(at, table(77_777));
            let edited = edited.concat();
            let new = pieces(&edited).filter(|piece| !before.contains(piece)).count();
            assert!((1..=2).contains(&new), "{new} new pieces");
        }
    }
}
