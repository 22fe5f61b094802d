//! One `[[webhooks]]` table.

use std::collections::HashMap;
use std::fmt::Display;
use std::num::NonZeroU32;

use event::ProjectId;
use settings::{Place, Section, Value, Wrong, nearest};
use signing::Secret;
use subscriptions::{
    Condition, EventFilter, Headers, LONGEST_DELAY, LONGEST_LIFE, MAX_DESCRIPTION, MAX_IN_FLIGHT,
    MAX_PROJECTS, Pattern, RateLimit, RetryPolicy, SHORTEST_DELAY, Secrets, Webhook, WebhookId,
    WebhookUrl,
};

use crate::entry::Entry;
use crate::options::Rules;

/// What reading a table needs to know.
pub(super) struct Context<'r> {
    rules: &'r Rules,
    modified_ms: i64,
}

impl<'r> Context<'r> {
    pub(super) fn new(rules: &'r Rules, modified_ms: i64) -> Self {
        Self { rules, modified_ms }
    }

    /// All tables; `None` where one has a mistake.
    pub(super) fn webhooks(&self, root: &mut Section<'_, '_>) -> Option<Vec<Entry>> {
        let mut seen: HashMap<WebhookId, Place> = HashMap::new();
        root.tables("webhooks", |table| {
            let webhook = self.webhook(table)?;
            if let Some(first) = seen.insert(webhook.id.clone(), table.place()) {
                table.conflict(
                    "id",
                    format!("{} is the id of the webhook at {first} too", webhook.id),
                );
            }
            Some(Entry::new(webhook))
        })
    }

    fn webhook(&self, table: &mut Section<'_, '_>) -> Option<Webhook> {
        let id = table.required("id", "an id such as \"whk_ci\"", |v| v.parse(WebhookId::try_new));
        let url = table.required("url", "a URL such as \"https://example.com/hook\"", |value| {
            value.parse_hidden(|text| WebhookUrl::try_new(text, self.rules.url))
        });
        let events = table
            .required("events", "a list such as [\"deployment.*\"]", |value| self.events(value));
        let projects = table.optional("projects", projects);
        let description = table.optional("description", |value| value.parse_hidden(description));
        let condition = condition(table);
        let enabled = table.optional("enabled", Value::boolean);
        let keep_while_disabled = table.optional("keep_while_disabled", Value::boolean);
        let primary = table.required_secret("secret", "a secret", Secret::try_new);
        let previous = table.optional_secret("previous_secret", Secret::try_new);
        let max_in_flight =
            table.optional("max_in_flight", |value| value.integer(1..=MAX_IN_FLIGHT));
        let rate_limit = table.optional_table("rate_limit", rate_limit);
        let retry = table.optional_table("retry", |table| retry(table, &self.rules.retry));
        let headers = table.optional("headers", headers);
        Some(Webhook {
            id: id?,
            url: url?,
            events: events?,
            projects: projects.unwrap_or_default().into(),
            condition: condition?,
            description,
            enabled: enabled.unwrap_or(true),
            keep_while_disabled: keep_while_disabled.unwrap_or(true),
            secrets: Ok(Secrets::rotating(primary?, previous.into_iter().collect())),
            retry: retry.flatten(),
            max_in_flight: max_in_flight.and_then(NonZeroU32::new),
            rate_limit: rate_limit.flatten(),
            headers: headers.unwrap_or_default(),
            created_at_ms: self.modified_ms,
            updated_at_ms: self.modified_ms,
            disabled_reason: None,
            switches_at_ms: None,
        })
    }

    fn events(&self, value: &Value<'_>) -> Result<EventFilter, Wrong> {
        let texts = value.list(|element| {
            element.parse_hidden(|text| {
                let pattern = Pattern::try_new(text).map_err(|error| error.to_string())?;
                self.known(&pattern).map(|()| text.to_owned())
            })
        })?;
        EventFilter::try_new(texts).map_err(|error| value.refused(error))
    }

    /// A pattern that no known type can match is a slip of the pen.
    fn known(&self, pattern: &Pattern) -> Result<(), String> {
        let catalog = &self.rules.catalog;
        if catalog.iter().any(|kind| pattern.covers(kind)) {
            return Ok(());
        }
        let what = format!("\"{pattern}\" matches no known event type");
        let families = catalog.iter().map(|kind| format!("{}.*", kind.family()));
        let names: Vec<String> = families.chain(catalog.iter().map(ToString::to_string)).collect();
        Err(match nearest(&pattern.to_string(), names.iter().map(String::as_str)) {
            Some(known) => format!("{what}; did you mean {known:?}?"),
            None => format!("{what}; more types can be named in events.extra_types"),
        })
    }
}

fn projects(value: &Value<'_>) -> Result<Vec<ProjectId>, Wrong> {
    let projects = value.list(|element| element.parse(ProjectId::try_new))?;
    if projects.len() > MAX_PROJECTS {
        return Err(value.refused(format!("at most {MAX_PROJECTS} projects; leave it out for all")));
    }
    Ok(projects)
}

/// `None` where a clause has a mistake.
fn condition(table: &mut Section<'_, '_>) -> Option<Option<Condition>> {
    let clauses = table.optional_tables("condition", |clause| {
        let pointer =
            clause.required("pointer", "a JSON pointer", |value| value.text().map(str::to_owned));
        let values = clause.required("in", "a list of values", |value| value.list(literal));
        let (pointer, values) = (pointer?, values?);
        noted(clause, Condition::try_new([(&pointer, values.clone())]))?;
        Some((pointer, values))
    })?;
    noted(table, Condition::try_new(clauses))
}

/// A text, a number, or true or false; TOML has no null.
fn literal(value: &Value<'_>) -> Result<serde_json::Value, Wrong> {
    let text = value.text().map(serde_json::Value::from);
    let whole = || value.integer(i64::MIN..=i64::MAX).map(serde_json::Value::from);
    let number = || value.float(f64::MIN..=f64::MAX).map(serde_json::Value::from);
    let boolean = || value.boolean().map(serde_json::Value::from);
    text.or_else(|_| whole()).or_else(|_| number()).or_else(|_| boolean())
}

fn description(text: &str) -> Result<String, String> {
    if text.chars().count() > MAX_DESCRIPTION {
        return Err(format!("a description has at most {MAX_DESCRIPTION} characters"));
    }
    Ok(text.to_owned())
}

/// Each header by itself, so that the mistake stands in its line, then all together.
fn headers(value: &Value<'_>) -> Result<Headers, Wrong> {
    let pairs = value.entries(|name, value| {
        value.parse_hidden(|text| {
            Headers::try_new([(name, text)]).map(|_| (name.to_owned(), text.to_owned()))
        })
    })?;
    Headers::try_new(pairs).map_err(|error: subscriptions::InvalidHeaders| value.refused(error))
}

/// A burst that nobody names is what the rate gives in a second.
fn rate_limit(table: &mut Section<'_, '_>) -> Option<RateLimit> {
    let per_second = table.required("per_second", "a number", |value| value.float(0.01..=10_000.0));
    let burst = table.optional("burst", |value| value.integer(1..=10_000));
    let per_second = per_second?;
    noted(table, RateLimit::try_new(per_second, burst.unwrap_or(RateLimit::burst_of(per_second))))
}

/// The service's policy, with what this table changes of it.
fn retry(table: &mut Section<'_, '_>, service: &RetryPolicy) -> Option<RetryPolicy> {
    let mut values = service.values();
    let delays = SHORTEST_DELAY..=LONGEST_DELAY;
    let delay = |value: &Value<'_>| value.duration(delays.clone());
    change(&mut values.first_delay, table.optional("first_delay", delay));
    change(&mut values.max_delay, table.optional("max_delay", delay));
    change(&mut values.retry_after_max, table.optional("retry_after_max", delay));
    let life = |value: &Value<'_>| value.duration(SHORTEST_DELAY..=LONGEST_LIFE);
    change(&mut values.give_up_after, table.optional("give_up_after", life));
    change(&mut values.multiplier, table.optional("multiplier", |value| value.float(1.0..=10.0)));
    change(&mut values.jitter, table.optional("jitter", |value| value.float(0.0..=0.99)));
    noted(table, RetryPolicy::try_new(values))
}

fn change<T>(value: &mut T, to: Option<T>) {
    if let Some(to) = to {
        *value = to;
    }
}

fn noted<T, E: Display>(table: &mut Section<'_, '_>, result: Result<T, E>) -> Option<T> {
    result.map_err(|error| table.refuse(error)).ok()
}
