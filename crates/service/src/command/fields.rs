//! What `webhooks create` and `update` say of a webhook, read and checked.

use event::{EventType, ProjectId};
use http::{HeaderName, HeaderValue};
use serde_json::Value;
use store::Draft;
use subscriptions::{Condition, EventFilter, Headers, RateLimit, RetryPolicy};

use crate::cli::Fields;
use crate::command::change::wrong;
use crate::config::Config;
use crate::exit::Failed;

/// The draft with what was asked for.
pub(crate) fn with(draft: Draft, asked: &Fields, config: &Config) -> Result<Draft, Failed> {
    let mut draft = draft;
    if !asked.events.is_empty() {
        draft.events = EventFilter::try_new(&asked.events).map_err(wrong)?;
    }
    known(&draft.events, config)?;
    if !asked.projects.is_empty() {
        let projects = asked.projects.iter().map(|id| ProjectId::try_new(id).map_err(wrong));
        draft.projects = projects.collect::<Result<_, _>>()?;
    }
    if !asked.clauses.is_empty() {
        let clauses = clauses(&asked.clauses)?;
        draft.condition = Condition::try_new(clauses).map_err(wrong)?;
    }
    if let Some(description) = &asked.description {
        draft.description = Some(description.clone()).filter(|text| !text.is_empty());
    }
    draft.max_in_flight = asked.max_in_flight.or(draft.max_in_flight);
    if let Some(per_second) = asked.rate_limit {
        let burst = asked.rate_burst.unwrap_or_else(|| RateLimit::burst_of(per_second));
        let limit = || RateLimit::try_new(per_second, burst).map_err(wrong);
        draft.rate_limit = if per_second == 0.0 { None } else { Some(limit()?) };
    }
    if !asked.headers.is_empty() {
        draft.headers = headers(&draft.headers, &asked.headers)?;
    }
    if !asked.retry.is_empty() {
        draft.retry = Some(retry(draft.retry.unwrap_or(config.retry), &asked.retry)?);
    }
    draft.keep_while_disabled = asked.keep_while_disabled.unwrap_or(draft.keep_while_disabled);
    Ok(draft)
}

/// Those that are there, with what is asked for; no value takes one away.
fn headers(present: &Headers, texts: &[String]) -> Result<Headers, Failed> {
    // Checked values are printable ASCII.
    let pair = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.to_string(), value.to_str().unwrap_or_default().to_owned())
    };
    let mut all: Vec<(String, String)> = present.iter().map(pair).collect();
    for text in texts {
        // The value may be secret and is not quoted.
        let (name, value) = text.split_once('=').ok_or_else(|| {
            Failed::Usage("--header: expected NAME=VALUE such as x-team=web".to_owned())
        })?;
        all.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        if !value.is_empty() {
            all.push((name.to_owned(), value.to_owned()));
        }
    }
    Headers::try_new(all).map_err(|error| Failed::Usage(format!("--header: {error}")))
}

/// The policy with what is asked for.
fn retry(present: RetryPolicy, texts: &[String]) -> Result<RetryPolicy, Failed> {
    let mut values = present.values();
    for text in texts {
        let wrong = |why: &str| Failed::Usage(format!("--retry {text}: {why}"));
        let (key, value) = text.split_once('=').ok_or_else(|| wrong("expected KEY=VALUE"))?;
        let number = || value.parse().map_err(|_| wrong("expected a number"));
        let duration = || {
            humantime::parse_duration(value).map_err(|_| wrong("expected a duration such as 90s"))
        };
        match key {
            "first_delay" => values.first_delay = duration()?,
            "multiplier" => values.multiplier = number()?,
            "max_delay" => values.max_delay = duration()?,
            "jitter" => values.jitter = number()?,
            "give_up_after" => values.give_up_after = duration()?,
            "retry_after_max" => values.retry_after_max = duration()?,
            _ => return Err(wrong("no such key; there are those of [retry]")),
        }
    }
    RetryPolicy::try_new(values).map_err(|error| Failed::Usage(format!("--retry: {error}")))
}

/// A pattern that no known type can match is a slip of the pen.
fn known(events: &EventFilter, config: &Config) -> Result<(), Failed> {
    let catalog = &config.events.catalog;
    let covered =
        |pattern: &&_| !catalog.iter().any(|kind| subscriptions::Pattern::covers(pattern, kind));
    let Some(pattern) = events.patterns().iter().find(covered) else { return Ok(()) };
    let types: Vec<&str> = catalog.iter().map(EventType::as_str).collect();
    let types = types.join(", ");
    Err(Failed::Usage(format!("{pattern} matches no known event type: {types}")))
}

/// The values of each pointer, in the order in which the pointers came.
fn clauses(texts: &[String]) -> Result<Vec<(&str, Vec<Value>)>, Failed> {
    let mut clauses: Vec<(&str, Vec<Value>)> = Vec::new();
    for text in texts {
        let (pointer, value) = text.split_once('=').ok_or_else(|| {
            let example = "/deployment/meta/gitBranch=main";
            Failed::Usage(format!("{text:?} is no POINTER=VALUE such as {example}"))
        })?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        match clauses.iter_mut().find(|(known, _)| *known == pointer) {
            Some((_, values)) => values.push(value),
            None => clauses.push((pointer, vec![value])),
        }
    }
    Ok(clauses)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn headers_are_set_and_taken_away() {
        let texts =
            |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let first = headers(&Headers::default(), &texts(&["x-a=1", "x-b=2=3"])).unwrap();
        let second = headers(&first, &texts(&["X-A=4", "x-b="])).unwrap();
        let told: Vec<_> = second.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
        assert_eq!(told, [("x-a", "4")]);
        for wrong in ["hunter2", "content-type=hunter2", "x a=hunter2"] {
            let Err(Failed::Usage(why)) = headers(&first, &texts(&[wrong])) else {
                panic!("{wrong}")
            };
            assert!(!why.contains("hunter2"), "{why}");
        }
    }

    #[test]
    fn parts_of_a_retry_policy_are_changed() {
        let texts = ["first_delay=10s", "jitter=0"].map(str::to_owned);
        let changed = retry(RetryPolicy::default(), &texts).unwrap().values();
        let expected = subscriptions::RetryValues {
            first_delay: std::time::Duration::from_secs(10),
            jitter: 0.0,
            ..RetryPolicy::default().values()
        };
        assert_eq!(changed, expected);
        for wrong in ["first_delay", "first_delay=7", "delay=7s", "jitter=2", "max_delay=1s"] {
            assert!(retry(RetryPolicy::default(), &[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn values_of_one_pointer_come_together() {
        let texts = ["/a=main", "/b=7", "/a=release=1", "/a=\"7\"", "/b=null"].map(str::to_owned);
        let expected = vec![
            ("/a", vec![json!("main"), json!("release=1"), json!("7")]),
            ("/b", vec![json!(7), json!(null)]),
        ];
        assert_eq!(clauses(&texts).unwrap(), expected);
        assert!(clauses(&["/a".to_owned()]).is_err());
    }
}
