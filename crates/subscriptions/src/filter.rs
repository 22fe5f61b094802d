//! Which events a webhook wants: exact types, whole families, or everything.
//!
//! A filter is kept normalised: no pattern in it is covered by another, so that an event matches at
//! most one of them and a webhook is found at most once per event.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use event::EventType;
use thiserror::Error;

/// The most patterns that one filter is written with. Who wants more wants a family.
pub const MAX_PATTERNS: usize = 100;

/// A normalised set of patterns; empty only where nobody can say which they are.
#[derive(Clone, PartialEq, Eq)]
pub struct EventFilter(Box<[Pattern]>);

/// One pattern of a filter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pattern {
    /// `*`: every event.
    All,
    /// `deployment.*`: every event whose type starts with this family (here `deployment`).
    Family(Arc<str>),
    /// Exactly this type.
    Exact(EventType),
}

/// Patterns that make no filter.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidFilter {
    /// No pattern at all: such a webhook would never get anything.
    #[error("at least one event is needed; \"*\" stands for all")]
    Empty,
    /// More than [`MAX_PATTERNS`].
    #[error("at most {MAX_PATTERNS} events are possible, not {0}")]
    TooMany(usize),
    /// This text is no pattern.
    #[error(
        "{0:?} is no event: write a type such as \"deployment.created\", a family such as \"deployment.*\", or \"*\""
    )]
    Pattern(String),
}

impl EventFilter {
    /// Reads patterns and drops those that others cover.
    ///
    /// # Errors
    ///
    /// [`InvalidFilter`] for the first thing wrong.
    pub fn try_new<S: AsRef<str>>(
        patterns: impl IntoIterator<Item = S>,
    ) -> Result<Self, InvalidFilter> {
        let parsed = patterns
            .into_iter()
            .map(|text| Pattern::try_new(text.as_ref()))
            .collect::<Result<Vec<_>, _>>()?;
        match parsed.len() {
            0 => Err(InvalidFilter::Empty),
            n if n > MAX_PATTERNS => Err(InvalidFilter::TooMany(n)),
            _ => Ok(Self(normalised(parsed))),
        }
    }

    /// Wants nothing: of a webhook of which it cannot be read what it wants.
    #[must_use]
    pub fn none() -> Self {
        Self(Box::default())
    }

    /// The patterns, sorted, none of which covers another.
    #[must_use]
    pub fn patterns(&self) -> &[Pattern] {
        &self.0
    }

    /// Whether an event of this type is wanted. For one webhook; for all of them ask the
    /// [`Snapshot`](crate::Snapshot).
    #[must_use]
    pub fn wants(&self, kind: &EventType) -> bool {
        self.0.iter().any(|pattern| pattern.covers(kind))
    }
}

impl Pattern {
    /// Reads one pattern.
    ///
    /// # Errors
    ///
    /// [`InvalidFilter::Pattern`] with the text.
    pub fn try_new(text: &str) -> Result<Self, InvalidFilter> {
        let refused = || InvalidFilter::Pattern(shortened(text));
        if text == "*" {
            return Ok(Self::All);
        }
        if let Some(family) = text.strip_suffix(".*") {
            return if is_family(family) {
                Ok(Self::Family(family.into()))
            } else {
                Err(refused())
            };
        }
        EventType::try_new(text).map(Self::Exact).map_err(|_| refused())
    }

    /// Whether an event of this type matches the pattern.
    #[must_use]
    pub fn covers(&self, kind: &EventType) -> bool {
        match self {
            Self::All => true,
            Self::Family(name) => kind.family() == &**name,
            Self::Exact(exact) => exact == kind,
        }
    }
}

/// A family is one segment of an event type: what would be a type with any other segment after it.
fn is_family(text: &str) -> bool {
    !text.contains('.') && EventType::try_new(&format!("{text}.x")).is_ok()
}

fn normalised(patterns: Vec<Pattern>) -> Box<[Pattern]> {
    let set: BTreeSet<Pattern> = patterns.into_iter().collect();
    if set.contains(&Pattern::All) {
        return Box::new([Pattern::All]);
    }
    set.iter()
        .filter(|pattern| match pattern {
            Pattern::Exact(kind) => !set.contains(&Pattern::Family(kind.family().into())),
            _ => true,
        })
        .cloned()
        .collect()
}

/// What is quoted of a text that was refused: enough to find it, never a page of it.
fn shortened(text: &str) -> String {
    const MOST: usize = 80;
    if text.chars().count() <= MOST {
        text.to_owned()
    } else {
        text.chars().take(MOST).chain(['…']).collect()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Family(name) => write!(f, "{name}.*"),
            Self::Exact(kind) => f.write_str(kind.as_str()),
        }
    }
}

impl fmt::Debug for EventFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(ToString::to_string)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(patterns: &[&str], expected: &[&str]) {
        let filter = EventFilter::try_new(patterns).unwrap();
        let found: Vec<String> = filter.patterns().iter().map(ToString::to_string).collect();
        assert_eq!(found, expected, "{patterns:?}");
    }

    #[test]
    fn covered_patterns_are_dropped() {
        check(&["deployment.created"], &["deployment.created"]);
        check(&["domain.added", "deployment.created"], &["deployment.created", "domain.added"]);
        check(&["domain.added", "domain.added"], &["domain.added"]);
        check(&["deployment.*", "deployment.created"], &["deployment.*"]);
        check(&["deployment.a.b", "deployment.*"], &["deployment.*"]);
        check(&["deployment.created", "domain.*"], &["domain.*", "deployment.created"]);
        check(&["deploy.*", "deployment.created"], &["deploy.*", "deployment.created"]);
        check(&["domain.*", "*", "deployment.created"], &["*"]);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in [
            "",
            "deployment",
            "*.created",
            "deployment.*.x",
            "a.b.*",
            "Deployment.*",
            ".*",
            "**",
            " *",
        ] {
            assert_eq!(
                EventFilter::try_new([text]).unwrap_err(),
                InvalidFilter::Pattern(text.to_owned())
            );
        }
        assert_eq!(EventFilter::try_new::<&str>([]).unwrap_err(), InvalidFilter::Empty);
        let many = vec!["domain.added"; MAX_PATTERNS + 1];
        assert_eq!(EventFilter::try_new(many).unwrap_err(), InvalidFilter::TooMany(101));
        let long = EventFilter::try_new(["x".repeat(10_000)]).unwrap_err();
        assert!(long.to_string().len() < 300, "{long}");
    }

    #[test]
    fn a_family_is_the_first_segment_only() {
        let created = EventType::try_new("deployment.created").unwrap();
        let nested = EventType::try_new("deployment.alias.created").unwrap();
        let wants = |pattern: &str, kind| EventFilter::try_new([pattern]).unwrap().wants(kind);
        assert!(wants("deployment.*", &created));
        assert!(wants("deployment.*", &nested));
        assert!(!wants("deploy.*", &created));
        assert!(!wants("alias.*", &nested));
        assert!(wants("*", &nested));
        assert!(wants("deployment.created", &created));
        assert!(!wants("deployment.created", &nested));
    }
}
