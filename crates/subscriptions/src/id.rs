//! The name of a webhook: `whk_` and what its owner chose or the service drew.
//!
//! Ids travel in AMQP headers and metric labels and stand in logs, so they hold nothing that would
//! have to be quoted there.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// What every webhook id starts with.
const PREFIX: &str = "whk_";
/// What stands before the number of a row whose id cannot be read. The service draws no such id.
const UNREADABLE: &str = "whk_unreadable-";
/// The most characters after the prefix.
const MAX_REST: usize = 64;

/// `whk_` followed by 1 to 64 of `A-Z a-z 0-9 _ -`. Cloning shares the text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WebhookId(Arc<str>);

/// A text that is no webhook id.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum InvalidWebhookId {
    /// It does not start with `whk_`.
    #[error("a webhook id starts with whk_")]
    Prefix,
    /// Nothing, or too much, follows the prefix.
    #[error("a webhook id has 1 to 64 characters after whk_")]
    Length,
    /// It holds a character that ids cannot hold.
    #[error("a webhook id holds only letters, digits, _ and -")]
    Character,
}

impl WebhookId {
    /// Takes `text` as a webhook id.
    ///
    /// # Errors
    ///
    /// [`InvalidWebhookId`] says what is wrong with it.
    pub fn try_new(text: &str) -> Result<Self, InvalidWebhookId> {
        let rest = text.strip_prefix(PREFIX).ok_or(InvalidWebhookId::Prefix)?;
        if !rest.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')) {
            return Err(InvalidWebhookId::Character);
        }
        if rest.is_empty() || rest.len() > MAX_REST {
            return Err(InvalidWebhookId::Length);
        }
        Ok(Self(text.into()))
    }

    /// Stands for an id that cannot be read, by the number of its row.
    #[must_use]
    pub fn unreadable(row: i64) -> Self {
        Self(format!("{UNREADABLE}{row}").into())
    }

    /// The number of the row, where this stands for an id that cannot be read.
    #[must_use]
    pub fn unreadable_row(&self) -> Option<i64> {
        self.0.strip_prefix(UNREADABLE)?.parse().ok()
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WebhookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for WebhookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(), InvalidWebhookId>) {
        let found = WebhookId::try_new(text);
        assert_eq!(found.map(|id| assert_eq!(id.as_str(), text)), expected, "{text:?}");
    }

    #[test]
    fn ids() {
        let longest = format!("whk_{}", "a".repeat(64));
        let too_long = format!("whk_{}", "a".repeat(65));
        check("whk_a", Ok(()));
        check("whk_Az09_-", Ok(()));
        check(&longest, Ok(()));
        check(&too_long, Err(InvalidWebhookId::Length));
        check("whk_", Err(InvalidWebhookId::Length));
        check("", Err(InvalidWebhookId::Prefix));
        check("hook_a", Err(InvalidWebhookId::Prefix));
        check("WHK_a", Err(InvalidWebhookId::Prefix));
        check("whk_a b", Err(InvalidWebhookId::Character));
        check("whk_é", Err(InvalidWebhookId::Character));
        check("whk_a\n", Err(InvalidWebhookId::Character));
    }

    #[test]
    fn what_stands_for_an_id_is_one_and_names_its_row() {
        for row in [0, 17, i64::MAX, i64::MIN] {
            let id = WebhookId::unreadable(row);
            check(id.as_str(), Ok(()));
            assert_eq!(id.unreadable_row(), Some(row));
        }
        assert_eq!(WebhookId::try_new("whk_17").unwrap().unreadable_row(), None);
    }
}
