//! Event types: their form, and the ones that are known.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// The types of the customer page.
const BUILT_IN: [&str; 5] = [
    "deployment.created",
    "deployment.succeeded",
    "deployment.failed",
    "deployment.canceled",
    "domain.added",
];

/// The longest event type in bytes.
const LONGEST: usize = 64;

/// An event type such as `deployment.succeeded`: two or more words of lower-case letters, digits
/// and `_`, each beginning with a letter, joined by dots. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventType(Arc<str>);

/// A text that is no event type.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "{0:?} is no event type: expected words of a-z, 0-9 and _ joined by dots, such as \
     deployment.succeeded, at most {LONGEST} bytes"
)]
pub struct InvalidEventType(String);

/// The event types that are known: those of the customer page and those that configuration adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog(HashSet<EventType>);

impl EventType {
    /// Checks the form.
    ///
    /// # Errors
    ///
    /// [`InvalidEventType`] quotes the text, cut to its beginning.
    pub fn try_new(text: &str) -> Result<Self, InvalidEventType> {
        let words = text.split('.');
        if text.len() <= LONGEST && text.contains('.') && words.clone().all(is_word) {
            return Ok(Self(text.into()));
        }
        Err(InvalidEventType(text.chars().take(LONGEST).collect()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the first dot, such as `deployment`.
    #[must_use]
    pub fn family(&self) -> &str {
        self.0.split_once('.').map_or(&*self.0, |(family, _)| family)
    }
}

impl Catalog {
    /// The built-in types and `extra` ones.
    ///
    /// # Errors
    ///
    /// [`InvalidEventType`] for the first of `extra` that is none.
    pub fn try_new<S: AsRef<str>>(extra: &[S]) -> Result<Self, InvalidEventType> {
        let all = BUILT_IN.into_iter().chain(extra.iter().map(AsRef::as_ref));
        all.map(EventType::try_new).collect::<Result<_, _>>().map(Self)
    }

    /// The known type of that name.
    #[must_use]
    pub fn get(&self, text: &str) -> Option<&EventType> {
        self.0.get(text)
    }

    /// All known types, in no order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &EventType> {
        self.0.iter()
    }
}

impl Borrow<str> for EventType {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_word(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_lowercase())
        && word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_a_type() {
        for good in ["a.b", "deployment.succeeded", "a1.b_2.c"] {
            assert_eq!(EventType::try_new(good).unwrap().as_str(), good);
        }
        let long = format!("a.{}", "b".repeat(63));
        for bad in ["", "a", ".", "a.", ".b", "A.b", "a.1", "a..b", "a.b ", "a.*", "ä.b", &long] {
            assert!(EventType::try_new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_catalog_knows_the_page_and_what_is_added() {
        let catalog = Catalog::try_new(&["team.invited"]).unwrap();
        assert_eq!(catalog.iter().len(), 6);
        assert_eq!(catalog.get("team.invited").map(EventType::family), Some("team"));
        assert_eq!(catalog.get("team.left"), None);
        assert!(Catalog::try_new(&["nonsense"]).is_err());
    }
}
