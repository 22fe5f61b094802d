//! The form of a webhook: what was typed, what of it is wrong, and the draft that it makes.
//!
//! It holds texts as they were typed, so that a form can be shown again just as it was sent.

mod difference;
mod reading;
mod values;

use std::collections::BTreeMap;

use event::ProjectId;
use subscriptions::{Condition, RetryPolicy, Webhook};

pub(super) use self::difference::differences;
pub(super) use self::reading::sentence;
use crate::clock::duration_text;
use crate::desk::{Edit, TryOut};
use crate::problem::FieldError;

/// Empty rows that are offered for clauses and headers beyond those that are filled.
const SPARE_ROWS: usize = 2;
/// More rows than these make no form that anybody fills in.
const MOST_ROWS: usize = 32;

/// A form as it was typed.
#[derive(Clone, Default)]
pub(crate) struct WebhookForm {
    /// Where requests go.
    pub(crate) url: String,
    /// Patterns that were ticked.
    pub(crate) events: Vec<String>,
    /// Ids of projects, with anything between them.
    pub(crate) projects: String,
    /// What its owner says about it.
    pub(crate) description: String,
    /// Whether events are sent.
    pub(crate) enabled: bool,
    /// Whether events are kept while it is disabled.
    pub(crate) keep_while_disabled: bool,
    /// Clauses of the condition: a pointer and its values.
    pub(crate) clauses: Vec<(String, String)>,
    /// Attempts at the same time.
    pub(crate) max_in_flight: String,
    /// Attempts per second, and at once.
    pub(crate) rate: (String, String),
    /// Names of headers and new values for them.
    pub(crate) headers: Vec<(String, String)>,
    /// Names of headers to take away.
    pub(crate) drop_headers: Vec<String>,
    /// Whether it has a retry policy of its own.
    pub(crate) own_retry: bool,
    /// The numbers of that policy.
    pub(crate) retry: RetryFields,
    /// What was seen when the form was opened, so that nobody else's change is undone unseen.
    pub(crate) version: String,
    /// What makes a form that is sent twice create one webhook.
    pub(crate) key: String,
}

/// The numbers of a retry policy, as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RetryFields {
    pub(crate) first_delay: String,
    pub(crate) multiplier: String,
    pub(crate) max_delay: String,
    pub(crate) jitter: String,
    pub(crate) give_up_after: String,
    pub(crate) retry_after_max: String,
}

/// The parts of the form that something can be wrong with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Field {
    Url,
    Events,
    Projects,
    Description,
    Clauses,
    MaxInFlight,
    /// Attempts within a time.
    RateLimit,
    Headers,
    Retry,
    /// The whole of it.
    Form,
}

/// What is wrong, at most one sentence for each field.
pub(crate) type Mistakes = BTreeMap<Field, String>;

impl Field {
    /// The id of what the mistake is about.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Events => "events",
            Self::Projects => "projects",
            Self::Description => "description",
            Self::Clauses => "clauses",
            Self::MaxInFlight => "max-in-flight",
            Self::RateLimit => "rate-limit",
            Self::Headers => "headers",
            Self::Retry => "retry",
            Self::Form => "form",
        }
    }

    /// What a pointer of the desk's is about.
    fn of_pointer(pointer: &str) -> Self {
        match pointer.split('/').nth(1).unwrap_or_default() {
            "url" => Self::Url,
            "events" => Self::Events,
            "projects" => Self::Projects,
            "description" => Self::Description,
            "condition" => Self::Clauses,
            "maxInFlight" => Self::MaxInFlight,
            "rateLimit" => Self::RateLimit,
            "headers" => Self::Headers,
            "retry" => Self::Retry,
            _ => Self::Form,
        }
    }

    /// Whether it is in the part that is folded at first.
    pub(super) fn is_advanced(self) -> bool {
        matches!(
            self,
            Self::Clauses | Self::MaxInFlight | Self::RateLimit | Self::Headers | Self::Retry
        )
    }
}

impl WebhookForm {
    /// The form of a new webhook, under a key of its own.
    pub(crate) fn empty(defaults: &RetryPolicy, key: String) -> Self {
        Self {
            enabled: true,
            keep_while_disabled: true,
            retry: RetryFields::of(defaults),
            key,
            ..Self::default()
        }
    }

    /// The form of a webhook as it is.
    pub(crate) fn of(webhook: &Webhook, version: String, defaults: &RetryPolicy) -> Self {
        let clauses = webhook.condition.as_ref().map(Condition::clauses);
        Self {
            url: webhook.url.expose(),
            events: webhook.events.patterns().iter().map(ToString::to_string).collect(),
            projects: webhook.projects.iter().map(ProjectId::as_str).collect::<Vec<_>>().join(", "),
            description: webhook.description.clone().unwrap_or_default(),
            enabled: webhook.enabled,
            keep_while_disabled: webhook.keep_while_disabled,
            clauses: clauses
                .unwrap_or_default()
                .iter()
                .map(|clause| (clause.pointer().to_owned(), values::spelled(clause.values())))
                .collect(),
            max_in_flight: webhook.max_in_flight.map_or_else(String::new, |most| most.to_string()),
            rate: webhook.rate_limit.map_or_else(Default::default, |limit| {
                (limit.per_second().to_string(), limit.burst().to_string())
            }),
            headers: Vec::new(),
            drop_headers: Vec::new(),
            own_retry: webhook.retry.is_some(),
            retry: RetryFields::of(webhook.retry.as_ref().unwrap_or(defaults)),
            version,
            key: String::new(),
        }
    }

    /// Reads what a browser sent. Fields that it does not know are passed over.
    pub(crate) fn read<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut form = Self::default();
        let (mut pointers, mut values) = (Vec::new(), Vec::new());
        let (mut names, mut contents) = (Vec::new(), Vec::new());
        for (name, value) in pairs {
            let text = || value.trim().to_owned();
            match name {
                "url" => form.url = text(),
                "events" => form.events.push(text()),
                "projects" => form.projects = text(),
                "description" => form.description = text(),
                "enabled" => form.enabled = true,
                "keep_while_disabled" => form.keep_while_disabled = true,
                "pointer" => pointers.push(text()),
                "values" => values.push(text()),
                "max_in_flight" => form.max_in_flight = text(),
                "rate" => form.rate.0 = text(),
                "burst" => form.rate.1 = text(),
                "header_name" => names.push(text()),
                "header_value" => contents.push(text()),
                "header_drop" => form.drop_headers.push(text()),
                "own_retry" => form.own_retry = true,
                "first_delay" => form.retry.first_delay = text(),
                "multiplier" => form.retry.multiplier = text(),
                "max_delay" => form.retry.max_delay = text(),
                "jitter" => form.retry.jitter = text(),
                "give_up_after" => form.retry.give_up_after = text(),
                "retry_after_max" => form.retry.retry_after_max = text(),
                "version" => form.version = text(),
                "key" => form.key = text(),
                _ => {}
            }
        }
        form.clauses = rows(pointers, values);
        form.headers = rows(names, contents);
        form
    }

    /// What the desk is asked for, and what could not be read. `present` is the webhook that it
    /// changes: headers whose value was left empty keep the one that they have.
    pub(crate) fn edit(&self, present: Option<&Webhook>) -> (Edit, Mistakes) {
        reading::edit(self, present)
    }

    /// The filter, to be tried out, and what of it could not be read.
    pub(crate) fn try_out(&self) -> (TryOut, Mistakes) {
        reading::try_out(self)
    }

    /// Whether something is set in the part that is folded at first. `present` is the webhook that
    /// it changes, of whose headers the form holds no values.
    pub(super) fn is_advanced(&self, present: Option<&Webhook>) -> bool {
        !self.clauses.is_empty()
            || !self.headers.is_empty()
            || present.is_some_and(|webhook| webhook.headers.iter().next().is_some())
            || !self.max_in_flight.is_empty()
            || self.rate != Default::default()
            || self.own_retry
            || !self.keep_while_disabled
    }

    /// Rows for clauses, with empty ones to be filled.
    pub(super) fn clause_rows(&self) -> Vec<(String, String)> {
        spare(&self.clauses)
    }

    /// Rows for headers that `present` does not have, with empty ones to be filled.
    pub(super) fn header_rows(&self, present: &[String]) -> Vec<(String, String)> {
        let new = |(name, _): &&(String, String)| !is_among(name, present);
        spare(&self.headers.iter().filter(new).cloned().collect::<Vec<_>>())
    }
}

impl RetryFields {
    fn of(policy: &RetryPolicy) -> Self {
        let values = policy.values();
        Self {
            first_delay: duration_text(values.first_delay),
            multiplier: values.multiplier.to_string(),
            max_delay: duration_text(values.max_delay),
            jitter: values.jitter.to_string(),
            give_up_after: duration_text(values.give_up_after),
            retry_after_max: duration_text(values.retry_after_max),
        }
    }
}

/// Adds what the desk complains of, where nothing is said yet.
pub(crate) fn add_mistakes(mistakes: &mut Mistakes, errors: &[FieldError]) {
    reading::add(mistakes, errors);
}

/// The names of the headers that a webhook has.
pub(super) fn header_names(webhook: Option<&Webhook>) -> Vec<String> {
    let headers = webhook.into_iter().flat_map(|webhook| webhook.headers.iter());
    headers.map(|(name, _)| name.to_string()).collect()
}

fn is_among(name: &str, present: &[String]) -> bool {
    present.iter().any(|one| one.eq_ignore_ascii_case(name))
}

/// Rows of which at least one half is filled.
fn rows(left: Vec<String>, right: Vec<String>) -> Vec<(String, String)> {
    let pairs = left.into_iter().zip(right);
    pairs.filter(|(left, right)| !left.is_empty() || !right.is_empty()).take(MOST_ROWS).collect()
}

fn spare(filled: &[(String, String)]) -> Vec<(String, String)> {
    let spare = std::iter::repeat_with(Default::default).take(SPARE_ROWS);
    filled.iter().cloned().chain(spare).collect()
}

#[cfg(test)]
mod tests;
