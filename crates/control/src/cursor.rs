//! Cursors of lists: where the next part begins, in a form that nobody has to understand.
//!
//! A cursor holds nothing but a place in its list, so whoever writes one of his own sees nothing
//! that he could not see anyhow. What is no cursor of the very list, with the very filter, is refused:
//! the same place elsewhere is a place that nobody meant.

use std::fmt::Debug;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use sha2::{Digest, Sha256};

use crate::problem::{Problem, ProblemKind};

/// The longest cursor.
const LONGEST: usize = 512;

/// Which list a cursor belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    Webhooks,
    Deliveries,
    Dead,
    Audit,
}

impl List {
    fn letter(self) -> char {
        match self {
            Self::Webhooks => 'w',
            Self::Deliveries => 'd',
            Self::Dead => 'x',
            Self::Audit => 'a',
        }
    }

    /// The list that is asked for with this filter.
    pub(crate) fn of(self, filter: &impl Debug) -> Filtered {
        let digest: [u8; 32] = Sha256::digest(format!("{filter:?}")).into();
        Filtered(format!("{}{}:", self.letter(), hex::encode(&digest[..4])))
    }
}

/// What a list shows; the beginning of its cursors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filtered(String);

impl Filtered {
    /// The cursor of a place: a number and, where that is not enough, a name.
    pub(crate) fn cursor(&self, number: i64, name: &str) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}{number}:{name}", self.0))
    }

    /// The place of a cursor.
    pub(crate) fn place(&self, cursor: &str) -> Result<(i64, String), Problem> {
        self.read(cursor).ok_or_else(|| {
            let why = "take the cursor from the answer before, and leave the filter as it was";
            Problem::new(ProblemKind::InvalidCursor, why)
        })
    }

    fn read(&self, cursor: &str) -> Option<(i64, String)> {
        if cursor.len() > LONGEST {
            return None;
        }
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        let (number, name) = text.strip_prefix(&self.0)?.split_once(':')?;
        let plain = !name.chars().any(char::is_control);
        plain.then_some((number.parse().ok()?, name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_names_a_place_in_its_own_list() {
        let list = List::Webhooks.of(&"enabled");
        let cursor = list.cursor(-5, "whk_a:b");
        assert_eq!(list.place(&cursor), Ok((-5, "whk_a:b".to_owned())));
        let start = &list.0;
        let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
        for bad in [
            "",
            "nonsense!",
            &cursor[1..],
            &List::Audit.of(&"enabled").cursor(-5, "whk_a"),
            &List::Webhooks.of(&"disabled").cursor(-5, "whk_a:b"),
            &encoded("w5:whk_a:b"),
            &encoded(&format!("{start}5")),
            &encoded(&format!("{start}five:x")),
            &encoded(&format!("{start}5:a\0b")),
            &encoded(&format!("{start}99999999999999999999:x")),
            &"A".repeat(LONGEST + 1),
        ] {
            let refused = list.place(bad).map_err(|problem| problem.kind);
            assert_eq!(refused, Err(ProblemKind::InvalidCursor), "{bad}");
        }
    }
}
