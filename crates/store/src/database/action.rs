//! What people do, and the service for them, that the audit notes.

use std::fmt;

/// What somebody did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A webhook was made.
    Created,
    /// A webhook was changed.
    Updated,
    /// A webhook was disabled, by the service.
    Disabled,
    /// A webhook was deleted.
    Deleted,
    /// A secret was looked at.
    SecretRevealed,
    /// A secret was rotated.
    SecretRotated,
    /// A new secret was made the only one.
    SecretPromoted,
    /// A secret was sealed with the present key.
    SecretSealedAnew,
    /// A test event was sent.
    TestSent,
    /// One delivery was sent again.
    Redelivered,
    /// What had failed for a webhook was sent again.
    Recovered,
    /// Dead letters were sent again.
    DeadReplayed,
    /// Dead letters were dropped.
    DeadDropped,
}

impl Action {
    /// Every one of them, as people may choose from.
    pub const ALL: [Self; 13] = [
        Self::Created,
        Self::Updated,
        Self::Disabled,
        Self::Deleted,
        Self::SecretRevealed,
        Self::SecretRotated,
        Self::SecretPromoted,
        Self::SecretSealedAnew,
        Self::TestSent,
        Self::Redelivered,
        Self::Recovered,
        Self::DeadReplayed,
        Self::DeadDropped,
    ];

    /// How the audit, the API and the page say it. What is written stays: never changed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Disabled => "disabled",
            Self::Deleted => "deleted",
            Self::SecretRevealed => "secret revealed",
            Self::SecretRotated => "secret rotated",
            Self::SecretPromoted => "secret promoted",
            Self::SecretSealedAnew => "secret sealed anew",
            Self::TestSent => "test event sent",
            Self::Redelivered => "delivery sent again",
            Self::Recovered => "failed deliveries sent again",
            Self::DeadReplayed => "dead letters sent again",
            Self::DeadDropped => "dead letters dropped",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_action_is_listed_with_words_of_its_own() {
        let words: BTreeSet<_> = Action::ALL.into_iter().map(Action::as_str).collect();
        assert_eq!(words.len(), Action::ALL.len());
        // The last one: whoever adds one after it adds it to the list, too.
        assert_eq!(Action::DeadDropped as usize + 1, Action::ALL.len());
    }
}
