//! What `webhooks create` and `update` say of a webhook, read and checked.

use event::{EventType, ProjectId};
use serde_json::Value;
use store::Draft;
use subscriptions::{Condition, EventFilter, RateLimit};

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
    draft.keep_while_disabled = asked.keep_while_disabled.unwrap_or(draft.keep_while_disabled);
    Ok(draft)
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
