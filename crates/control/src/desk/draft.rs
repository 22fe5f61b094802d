//! From what was written to what is kept: every field checked, every mistake told.
//!
//! What stays as it was is not checked again: a rule that became stricter meanwhile must not keep
//! anybody from mending something else.

use std::num::NonZeroU32;
use std::time::Duration;

use event::ProjectId;
use settings::nearest;
use store::Draft;
use subscriptions::{
    Condition, EventFilter, Headers, InvalidRetry, MAX_DESCRIPTION, MAX_IN_FLIGHT, MAX_PROJECTS,
    Pattern, RateLimit, RateLimitError, RetryPolicy, Webhook, WebhookUrl,
};

use super::asked::{Change, ClauseEdit, Edit, RateEdit, RetryEdit};
use super::{Rules, TryOut};
use crate::problem::FieldError;

/// A draft as far as it can be made, and what is wrong.
pub(super) struct Drafted {
    /// There where nothing is wrong.
    pub(super) draft: Option<Draft>,
    /// The URL, where a new one is given and is one.
    pub(super) url: Option<WebhookUrl>,
    pub(super) errors: Vec<FieldError>,
}

/// What an event filter, projects and a condition say.
pub(super) type Wanted = (Option<EventFilter>, Vec<ProjectId>, Option<Condition>);

/// Checks an edit of `present`, or of a new webhook.
pub(super) fn draft(edit: &Edit, present: Option<&Webhook>, rules: &Rules) -> Drafted {
    let present = present.map(Draft::of);
    let mut errors = Errors(Vec::new());
    let url = match &edit.url {
        Change::Set(text) => errors.keep("/url", WebhookUrl::try_new(text, rules.url)),
        _ => None,
    };
    let kept_url = kept(&edit.url, present.as_ref().map(|draft| draft.url.clone()));
    errors.needed("/url", &edit.url, kept_url.is_some());
    let events = match &edit.events {
        Change::Set(texts) => filter(&mut errors, texts, rules),
        _ => None,
    };
    let kept_events = kept(&edit.events, present.as_ref().map(|draft| draft.events.clone()));
    errors.needed("/events", &edit.events, kept_events.is_some());
    let of = present.as_ref();
    let projects = errors.change(&edit.projects, of.map(|d| d.projects.clone()), projects);
    let condition = errors.change(&edit.condition, of.map(|d| d.condition.clone()), condition);
    let description =
        errors.change(&edit.description, of.map(|d| d.description.clone()), description);
    let max_in_flight =
        errors.change(&edit.max_in_flight, of.map(|d| d.max_in_flight), max_in_flight);
    let rate_limit = errors.change(&edit.rate_limit, of.map(|d| d.rate_limit), rate_limit);
    let headers = errors.change(&edit.headers, of.map(|d| d.headers.clone()), |errors, pairs| {
        headers(errors, pairs, of.map(|d| &d.headers))
    });
    let retry = errors.change(&edit.retry, of.map(|d| d.retry), |errors, retry| {
        let base = of.and_then(|d| d.retry).unwrap_or(rules.retry);
        self::retry(errors, retry, base, rules.retry).map(Some)
    });
    let draft = (|| {
        Some(Draft {
            url: url.clone().or(kept_url)?,
            events: events.or(kept_events)?,
            projects: projects?,
            condition: condition?,
            description: description?,
            enabled: flag(&edit.enabled, of.map(|d| d.enabled)),
            keep_while_disabled: flag(&edit.keep_while_disabled, of.map(|d| d.keep_while_disabled)),
            retry: retry?,
            max_in_flight: max_in_flight?,
            rate_limit: rate_limit?,
            headers: headers?,
        })
    })();
    let Errors(errors) = errors;
    Drafted { draft: draft.filter(|_| errors.is_empty()), url, errors }
}

/// Checks an edit of a new webhook.
#[cfg(any(test, fuzzing))]
pub(crate) fn drafted(edit: &Edit, rules: &Rules) -> Result<Draft, Vec<FieldError>> {
    let Drafted { draft, errors, .. } = draft(edit, None, rules);
    draft.ok_or(errors)
}

/// Checks a filter that is to be tried out.
pub(super) fn wanted(asked: &TryOut, rules: &Rules) -> Result<Wanted, Vec<FieldError>> {
    let mut errors = Errors(Vec::new());
    let events = match &*asked.events {
        [] => None,
        texts => filter(&mut errors, texts, rules),
    };
    let projects = projects(&mut errors, &asked.projects);
    let condition = condition(&mut errors, &asked.condition);
    match (projects, condition) {
        (Some(projects), Some(condition)) if errors.0.is_empty() => {
            Ok((events, projects, condition))
        }
        _ => Err(errors.0),
    }
}

/// What is wrong so far.
struct Errors(Vec<FieldError>);

impl Errors {
    fn add(&mut self, pointer: impl Into<String>, why: &impl ToString) {
        self.0.push(FieldError::new(pointer, why.to_string()));
    }

    fn keep<T>(&mut self, pointer: &str, result: Result<T, impl ToString>) -> Option<T> {
        result.map_err(|why| self.add(pointer, &why)).ok()
    }

    /// A field that every webhook has.
    fn needed<T>(&mut self, pointer: &str, change: &Change<T>, kept: bool) {
        match change {
            Change::Clear => self.add(pointer, &"is needed and cannot be cleared"),
            Change::Keep if !kept => self.add(pointer, &"is missing"),
            Change::Keep | Change::Set(_) => {}
        }
    }

    /// The value of a field that can be cleared; `None` where something is wrong with it.
    fn change<T, V: Default>(
        &mut self,
        change: &Change<T>,
        present: Option<V>,
        read: impl FnOnce(&mut Self, &T) -> Option<V>,
    ) -> Option<V> {
        match change {
            Change::Keep => Some(present.unwrap_or_default()),
            Change::Clear => Some(V::default()),
            Change::Set(value) => read(self, value),
        }
    }
}

fn kept<T, V>(change: &Change<T>, present: Option<V>) -> Option<V> {
    if matches!(change, Change::Keep) { present } else { None }
}

/// Switches are on unless somebody says otherwise.
fn flag(change: &Change<bool>, present: Option<bool>) -> bool {
    match change {
        Change::Keep => present.unwrap_or(true),
        Change::Clear => true,
        Change::Set(value) => *value,
    }
}

fn filter(errors: &mut Errors, texts: &[String], rules: &Rules) -> Option<EventFilter> {
    let before = errors.0.len();
    for (n, text) in texts.iter().enumerate().take(subscriptions::MAX_PATTERNS) {
        let known = Pattern::try_new(text)
            .map_err(|error| error.to_string())
            .and_then(|pattern| known(&pattern, rules));
        errors.keep(&format!("/events/{n}"), known);
    }
    if errors.0.len() > before {
        return None;
    }
    errors.keep("/events", EventFilter::try_new(texts))
}

/// A pattern that no known type can match is a slip of the pen.
fn known(pattern: &Pattern, rules: &Rules) -> Result<(), String> {
    if rules.catalog.iter().any(|kind| pattern.covers(kind)) {
        return Ok(());
    }
    let families = rules.catalog.iter().map(|kind| format!("{}.*", kind.family()));
    let names: Vec<String> =
        families.chain(rules.catalog.iter().map(ToString::to_string)).collect();
    let what = format!("\"{pattern}\" matches no known event type");
    Err(match nearest(&pattern.to_string(), names.iter().map(String::as_str)) {
        Some(known) => format!("{what}; did you mean \"{known}\"?"),
        None => what,
    })
}

#[expect(clippy::ptr_arg, reason = "handed over as a function of the field's own type")]
fn projects(errors: &mut Errors, texts: &Vec<String>) -> Option<Vec<ProjectId>> {
    if texts.len() > MAX_PROJECTS {
        errors.add("/projects", &format!("at most {MAX_PROJECTS} projects; leave it out for all"));
        return None;
    }
    let mut all = Vec::with_capacity(texts.len());
    for (n, text) in texts.iter().enumerate() {
        all.push(errors.keep(&format!("/projects/{n}"), project(text)));
    }
    all.into_iter().collect()
}

/// One id; what looks like several would match no event of any of them.
fn project(text: &str) -> Result<ProjectId, String> {
    if text.contains(|c: char| c.is_whitespace() || matches!(c, ',' | ';')) {
        return Err("a project id holds no white space, comma or semicolon: give each id by \
                    itself"
            .to_owned());
    }
    let of_an_id = |c: char| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '"' | '\'' | '`');
    if !text.chars().all(of_an_id) {
        return Err(
            "a project id such as prj_xyz789 has letters, digits and marks without quotes or \
                    brackets of ASCII only"
                .to_owned(),
        );
    }
    ProjectId::try_new(text).map_err(|error| format!("a project id that {error}"))
}

#[expect(clippy::ptr_arg, reason = "handed over as a function of the field's own type")]
#[expect(clippy::option_option, reason = "the outer one says that something is wrong")]
fn condition(errors: &mut Errors, clauses: &Vec<ClauseEdit>) -> Option<Option<Condition>> {
    let before = errors.0.len();
    let pairs = |clauses: &[ClauseEdit]| -> Vec<_> {
        clauses.iter().map(|clause| (clause.pointer.clone(), clause.values.clone())).collect()
    };
    for (n, clause) in clauses.iter().enumerate().take(subscriptions::MAX_CLAUSES) {
        let one = Condition::try_new(pairs(std::slice::from_ref(clause)));
        errors.keep(&format!("/condition/{n}"), one);
    }
    if errors.0.len() > before {
        return None;
    }
    errors.keep("/condition", Condition::try_new(pairs(clauses)))
}

/// Shown as it is, so what would garble a line or what no database keeps is refused.
#[expect(clippy::ptr_arg, reason = "handed over as a function of the field's own type")]
#[expect(clippy::option_option, reason = "the outer one says that something is wrong")]
fn description(errors: &mut Errors, text: &String) -> Option<Option<String>> {
    if text.chars().count() > MAX_DESCRIPTION {
        errors.add("/description", &format!("may have at most {MAX_DESCRIPTION} characters"));
        return None;
    }
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        errors.add("/description", &"cannot hold control characters");
        return None;
    }
    Some(Some(text.clone()).filter(|text| !text.trim().is_empty()))
}

#[expect(clippy::option_option, reason = "the outer one says that something is wrong")]
#[expect(clippy::trivially_copy_pass_by_ref, reason = "handed over as a function of the field")]
fn max_in_flight(errors: &mut Errors, number: &i64) -> Option<Option<NonZeroU32>> {
    let within = u32::try_from(*number).ok().filter(|n| *n <= MAX_IN_FLIGHT);
    let Some(within) = within.and_then(NonZeroU32::new) else {
        errors.add("/maxInFlight", &format!("must be from 1 to {MAX_IN_FLIGHT}"));
        return None;
    };
    Some(Some(within))
}

#[expect(clippy::option_option, reason = "the outer one says that something is wrong")]
fn rate_limit(errors: &mut Errors, edit: &RateEdit) -> Option<Option<RateLimit>> {
    let Change::Set(per_second) = edit.per_second else {
        errors.add("/rateLimit/perSecond", &"is missing");
        return None;
    };
    let burst = match edit.burst {
        Change::Set(burst) => u32::try_from(burst).unwrap_or_default(),
        Change::Keep | Change::Clear => RateLimit::burst_of(per_second),
    };
    let limit = RateLimit::try_new(per_second, burst).map_err(|error| {
        let field = match error {
            RateLimitError::PerSecond => "/rateLimit/perSecond",
            RateLimitError::Burst => "/rateLimit/burst",
        };
        errors.add(field, &error);
    });
    limit.ok().map(Some)
}

/// Those that are there, with what the edit changes of them.
fn headers(
    errors: &mut Errors,
    edits: &[(String, Option<String>)],
    present: Option<&Headers>,
) -> Option<Headers> {
    let before = errors.0.len();
    let mut all: Vec<(String, String)> = present.map(pairs_of).unwrap_or_default();
    for (at, (name, value)) in edits.iter().enumerate() {
        if edits[..at].iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            let pointer = format!("/headers/{}", escaped(name));
            errors.add(pointer, &"is given twice: the case of a name does not count");
            continue;
        }
        all.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        if let Some(value) = value {
            let pointer = format!("/headers/{}", escaped(name));
            errors.keep(&pointer, Headers::try_new([(name, value)]));
            all.push((name.clone(), value.clone()));
        }
    }
    if errors.0.len() > before {
        return None;
    }
    errors.keep("/headers", Headers::try_new(all))
}

/// Checked values are printable ASCII.
fn pairs_of(headers: &Headers) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

fn retry(
    errors: &mut Errors,
    edit: &RetryEdit,
    base: RetryPolicy,
    service: RetryPolicy,
) -> Option<RetryPolicy> {
    let before = errors.0.len();
    let (mut values, service) = (base.values(), service.values());
    let durations = [
        ("firstDelay", &edit.first_delay, &mut values.first_delay, service.first_delay),
        ("maxDelay", &edit.max_delay, &mut values.max_delay, service.max_delay),
        ("giveUpAfter", &edit.give_up_after, &mut values.give_up_after, service.give_up_after),
        (
            "retryAfterMax",
            &edit.retry_after_max,
            &mut values.retry_after_max,
            service.retry_after_max,
        ),
    ];
    for (name, change, value, default) in durations {
        match change {
            Change::Keep => {}
            Change::Clear => *value = default,
            Change::Set(text) => {
                let read = duration(text);
                *value = errors.keep(&format!("/retry/{name}"), read).unwrap_or(*value);
            }
        }
    }
    for (change, value, default) in [
        (&edit.multiplier, &mut values.multiplier, service.multiplier),
        (&edit.jitter, &mut values.jitter, service.jitter),
    ] {
        match change {
            Change::Keep => {}
            Change::Clear => *value = default,
            Change::Set(number) => *value = *number,
        }
    }
    if errors.0.len() > before {
        return None;
    }
    let checked = RetryPolicy::try_new(values);
    checked.map_err(|wrong| errors.0.push(told(wrong))).ok()
}

/// A duration as the configuration writes it.
pub(crate) fn duration(text: &str) -> Result<Duration, &'static str> {
    let expected = "expected a duration such as \"90s\", \"5m\", \"6h\" or \"3days\"";
    if text.len() > 64 {
        return Err(expected);
    }
    humantime::parse_duration(text).map_err(|_| expected)
}

/// In the API's words.
fn told(wrong: InvalidRetry) -> FieldError {
    let (pointer, why) = match wrong {
        InvalidRetry::FirstDelay => ("firstDelay", "must be from 1s to 24h"),
        InvalidRetry::Multiplier => ("multiplier", "must be from 1 to 10"),
        InvalidRetry::MaxDelay => ("maxDelay", "must be from 1s to 24h"),
        InvalidRetry::Order => ("firstDelay", "must not exceed maxDelay"),
        InvalidRetry::Jitter => ("jitter", "must be at least 0 and below 1"),
        InvalidRetry::GiveUpAfter => ("giveUpAfter", "must be from 1s to 30days"),
        InvalidRetry::RetryAfterMax => ("retryAfterMax", "must be from 1s to 24h"),
    };
    FieldError::new(format!("/retry/{pointer}"), why)
}

/// A name as a part of a JSON pointer, cut to a bound.
fn escaped(name: &str) -> String {
    let short: String = name.chars().take(80).collect();
    short.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests;
