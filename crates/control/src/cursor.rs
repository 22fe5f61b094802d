//! Cursors of lists: where the next part begins, in a form that nobody has to understand.
//!
//! A cursor holds nothing but a place in its list, so whoever writes one of his own sees nothing
//! that he could not see anyhow. What is no cursor of the very list is refused.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

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

    /// The cursor of a place: a number and, where that is not enough, a name.
    pub(crate) fn cursor(self, number: i64, name: &str) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}{number}:{name}", self.letter()))
    }

    /// The place of a cursor.
    pub(crate) fn place(self, cursor: &str) -> Result<(i64, String), Problem> {
        self.read(cursor).ok_or_else(|| {
            let why = "take the cursor from the answer before, and leave the filter as it was";
            Problem::new(ProblemKind::InvalidCursor, why)
        })
    }

    fn read(self, cursor: &str) -> Option<(i64, String)> {
        if cursor.len() > LONGEST {
            return None;
        }
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        let (number, name) = text.strip_prefix(self.letter())?.split_once(':')?;
        let plain = !name.chars().any(char::is_control);
        plain.then_some((number.parse().ok()?, name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_names_a_place_in_its_own_list() {
        let cursor = List::Webhooks.cursor(-5, "whk_a:b");
        assert_eq!(List::Webhooks.place(&cursor), Ok((-5, "whk_a:b".to_owned())));
        let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
        for bad in [
            "",
            "nonsense!",
            &cursor[1..],
            &List::Audit.cursor(-5, "whk_a"),
            &encoded("w5"),
            &encoded("wfive:x"),
            &encoded("w5:a\0b"),
            &encoded("w99999999999999999999:x"),
            &"A".repeat(LONGEST + 1),
        ] {
            let refused = List::Webhooks.place(bad).map_err(|problem| problem.kind);
            assert_eq!(refused, Err(ProblemKind::InvalidCursor), "{bad}");
        }
    }
}
