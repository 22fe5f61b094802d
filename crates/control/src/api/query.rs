//! The part of an address after `?`: every parameter known, each once, every mistake told.

use event::{EventId, EventType};
use settings::nearest;
use subscriptions::WebhookId;

use crate::clock;
use crate::problem::{Problem, ProblemKind};

/// Items of one part of a list, if nobody says how many.
const DEFAULT_LIMIT: u32 = 50;
/// The longest value of a parameter, in bytes.
const LONGEST: usize = 1_024;

/// Parameters that are being read.
pub(super) struct Query {
    pairs: Vec<(String, String)>,
    known: Vec<&'static str>,
    mistakes: Vec<String>,
}

impl Query {
    /// Reads a query as it stands in an address.
    pub(super) fn new(query: Option<&str>) -> Self {
        let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let pairs = pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        Self { pairs, known: Vec::new(), mistakes: Vec::new() }
    }

    /// A text.
    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        let mut values = self.pairs.iter().filter(|(known, _)| known == name);
        let (_, value) = values.next()?;
        let wrong = match value {
            _ if values.next().is_some() => "stands twice",
            value if value.len() > LONGEST => "is too long",
            // What is no UTF-8 reads as this character.
            value if value.contains(['\u{fffd}', '\0']) => "is no text in UTF-8",
            value => return Some(value.clone()),
        };
        self.mistakes.push(format!("{name} {wrong}"));
        None
    }

    /// What `read` makes of a text.
    pub(super) fn parsed<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(name)?;
        read(&text).map_err(|why| self.mistakes.push(format!("{name}: {why}"))).ok()
    }

    /// A time of RFC 3339, in ms since 1970.
    pub(super) fn time(&mut self, name: &'static str) -> Option<i64> {
        self.parsed(name, |text| clock::ms_of(text).ok_or_else(|| EXPECTED_TIME.to_owned()))
    }

    /// One of a closed set of words.
    pub(super) fn word<T: Copy>(
        &mut self,
        name: &'static str,
        words: &[(&'static str, T)],
    ) -> Option<T> {
        self.parsed(name, |text| {
            let found = words.iter().find(|(word, _)| *word == text);
            found.map(|(_, value)| *value).ok_or_else(|| {
                let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                format!("expected one of {}", words.join(", "))
            })
        })
    }

    /// A webhook's id.
    pub(super) fn webhook(&mut self, name: &'static str) -> Option<WebhookId> {
        self.parsed(name, |text| WebhookId::try_new(text).map_err(|error| error.to_string()))
    }

    /// How many items are asked for.
    pub(super) fn limit(&mut self) -> u32 {
        let limit = self.parsed("limit", |text| {
            let number = text.parse().ok().filter(|n| (1..=crate::MAX_PAGE).contains(n));
            number.ok_or_else(|| format!("expected a number from 1 to {}", crate::MAX_PAGE))
        });
        limit.unwrap_or(DEFAULT_LIMIT)
    }

    /// Refuses every mistake, parameters that nobody asked for among them.
    pub(super) fn finish(mut self) -> Result<(), Problem> {
        for (name, _) in &self.pairs {
            if self.known.contains(&name.as_str()) {
                continue;
            }
            let shown: String = name.chars().take(40).collect();
            self.mistakes.push(match nearest(name, self.known.iter().copied()) {
                Some(known) => format!("there is no parameter {shown:?}; did you mean {known:?}?"),
                None => format!("there is no parameter {shown:?}"),
            });
            if self.mistakes.len() > 10 {
                break;
            }
        }
        match &*self.mistakes {
            [] => Ok(()),
            all => Err(Problem::new(ProblemKind::InvalidRequest, all.join("; "))),
        }
    }
}

/// The name of an event type, known or not.
pub(super) fn event_type(text: &str) -> Result<String, String> {
    EventType::try_new(text).map(|kind| kind.to_string()).map_err(|error| error.to_string())
}

/// The id of an event, known or not.
pub(super) fn event_id(text: &str) -> Result<EventId, String> {
    EventId::try_new(text).map_err(|error| error.to_string())
}

/// What a time looks like.
pub(super) const EXPECTED_TIME: &str = "expected a time such as 2024-01-15T10:30:00Z";

#[cfg(test)]
mod tests {
    use super::*;

    fn told(query: &str) -> Result<(), String> {
        let mut read = Query::new(Some(query));
        read.limit();
        read.time("since");
        read.text("search");
        read.word("state", &[("enabled", true), ("disabled", false)]);
        read.finish().map_err(|problem| problem.detail)
    }

    #[test]
    fn parameters_are_known_and_stand_once() {
        assert_eq!(
            told("limit=200&since=2024-01-15T10%3A30%3A00Z&search=a+b&state=enabled"),
            Ok(())
        );
        for (query, expected) in [
            ("limit=0", "limit: expected a number from 1 to 200"),
            ("limit=x", "limit: expected a number from 1 to 200"),
            ("limit=1&limit=2", "limit stands twice"),
            ("search=%ff", "search is no text in UTF-8"),
            ("search=%00", "search is no text in UTF-8"),
            ("since=yesterday", "since: expected a time such as 2024-01-15T10:30:00Z"),
            ("state=off", "state: expected one of enabled, disabled"),
            ("limt=1", "there is no parameter \"limt\"; did you mean \"limit\"?"),
            ("a=1&b=2", "there is no parameter \"a\"; there is no parameter \"b\""),
        ] {
            assert_eq!(told(query), Err(expected.to_owned()), "{query}");
        }
        assert!(told(&format!("search={}", "x".repeat(LONGEST + 1))).is_err());
    }
}
