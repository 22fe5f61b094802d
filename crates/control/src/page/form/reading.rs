//! From what was typed to what the desk is asked for, and from its complaints back to the fields.
//!
//! The desk checks; here only what is no text yet is read. What cannot be read is handed on as
//! something that the desk refuses for certain, so that all mistakes are told at the same time, and
//! our own sentence about it stands in place of the desk's.

use serde_json::Value;
use subscriptions::Webhook;

use super::{Field, Mistakes, RetryFields, WebhookForm, values};
use crate::desk::{Change, ClauseEdit, Edit, RateEdit, RetryEdit, TryOut};
use crate::problem::FieldError;

/// A header's value that no header may have.
const REFUSED_VALUE: &str = "\n";

/// What was read, and what could not be.
pub(super) fn edit(form: &WebhookForm, present: Option<&Webhook>) -> (Edit, Mistakes) {
    let mut mistakes = Mistakes::new();
    let edit = Edit {
        url: Change::Set(form.url.clone()),
        events: Change::Set(form.events.clone()),
        projects: Change::Set(projects(&form.projects)),
        condition: Change::Set(clauses(&form.clauses, &mut mistakes)),
        description: text(&form.description),
        enabled: Change::Set(form.enabled),
        keep_while_disabled: Change::Set(form.keep_while_disabled),
        retry: retry(form, &mut mistakes),
        max_in_flight: in_flight(&form.max_in_flight, &mut mistakes),
        rate_limit: rate(&form.rate, &mut mistakes),
        headers: Change::Set(headers(form, present, &mut mistakes)),
    };
    if form.url.is_empty() {
        let what = "Enter the URL that should receive the events.";
        mistakes.insert(Field::Url, what.to_owned());
    }
    if form.events.is_empty() {
        mistakes.insert(Field::Events, "Select at least one event.".to_owned());
    }
    (edit, mistakes)
}

/// The filter alone, to be tried out.
pub(super) fn try_out(form: &WebhookForm) -> (TryOut, Mistakes) {
    let mut mistakes = Mistakes::new();
    let asked = TryOut {
        events: form.events.clone(),
        projects: projects(&form.projects),
        condition: clauses(&form.clauses, &mut mistakes),
    };
    (asked, mistakes)
}

/// Adds what the desk complains of, where nothing is said yet.
pub(super) fn add(mistakes: &mut Mistakes, errors: &[FieldError]) {
    for error in errors {
        let field = Field::of_pointer(&error.pointer);
        let said = sentence(&error.detail);
        mistakes
            .entry(field)
            .and_modify(|text| {
                // Several clauses or headers may be wrong at once; of other fields one is enough.
                if matches!(field, Field::Clauses | Field::Retry) && !text.contains(&said) {
                    *text = format!("{text} {said}");
                }
            })
            .or_insert(said);
    }
}

fn text(text: &str) -> Change<String> {
    if text.is_empty() { Change::Clear } else { Change::Set(text.to_owned()) }
}

fn projects(text: &str) -> Vec<String> {
    let words = text.split([',', ';', ' ', '\n', '\r', '\t']).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

fn clauses(rows: &[(String, String)], mistakes: &mut Mistakes) -> Vec<ClauseEdit> {
    let mut read = |(pointer, line): &(String, String)| {
        let values: Vec<Value> = values::read(line).unwrap_or_else(|what| {
            mistakes.insert(Field::Clauses, what);
            Vec::new()
        });
        ClauseEdit { pointer: pointer.clone(), values }
    };
    rows.iter().map(&mut read).collect()
}

fn in_flight(text: &str, mistakes: &mut Mistakes) -> Change<i64> {
    if text.is_empty() {
        return Change::Clear;
    }
    Change::Set(text.parse().unwrap_or_else(|_| {
        let what = "Enter a whole number from 1 up, or nothing.";
        mistakes.insert(Field::MaxInFlight, what.to_owned());
        i64::MIN
    }))
}

fn rate((rate, burst): &(String, String), mistakes: &mut Mistakes) -> Change<RateEdit> {
    if rate.is_empty() && burst.is_empty() {
        return Change::Clear;
    }
    let mut refuse = |what: &str| mistakes.insert(Field::RateLimit, what.to_owned());
    let per_second = rate.parse().unwrap_or_else(|_| {
        refuse("Enter a number of attempts per second, such as 10 or 0.5, or nothing.");
        f64::NAN
    });
    let burst = match burst.as_str() {
        "" => Change::Clear,
        burst => Change::Set(burst.parse().unwrap_or_else(|_| {
            refuse("Enter a whole number from 1 up for the burst, or nothing.");
            i64::MIN
        })),
    };
    Change::Set(RateEdit { per_second: Change::Set(per_second), burst })
}

fn headers(
    form: &WebhookForm,
    present: Option<&Webhook>,
    mistakes: &mut Mistakes,
) -> Vec<(String, Option<String>)> {
    let kept: Vec<String> = super::header_names(present);
    let dropped = form.drop_headers.iter().map(|name| (name.clone(), None));
    let mut headers: Vec<(String, Option<String>)> = dropped.collect();
    for (name, value) in &form.headers {
        if super::is_among(name, &kept) && value.is_empty()
            || super::is_among(name, &form.drop_headers)
        {
            continue;
        }
        let what = match (name.as_str(), value.as_str()) {
            ("", _) => Some("A header needs a name.".to_owned()),
            (name, "") => Some(format!("Header {} needs a value.", shortened(name))),
            _ => None,
        };
        let value = if what.is_some() { REFUSED_VALUE } else { value.as_str() };
        if let Some(what) = what {
            mistakes.insert(Field::Headers, what);
        }
        headers.push((name.clone(), Some(value.to_owned())));
    }
    headers
}

fn retry(form: &WebhookForm, mistakes: &mut Mistakes) -> Change<RetryEdit> {
    if !form.own_retry {
        return Change::Clear;
    }
    let mut number = |text: &str, what: &str| {
        Change::Set(text.parse().unwrap_or_else(|_| {
            mistakes.insert(Field::Retry, format!("{what}: write a number such as 2 or 0.2."));
            f64::NAN
        }))
    };
    let RetryFields { first_delay, multiplier, max_delay, jitter, give_up_after, retry_after_max } =
        &form.retry;
    Change::Set(RetryEdit {
        first_delay: Change::Set(first_delay.clone()),
        multiplier: number(multiplier, "Factor"),
        max_delay: Change::Set(max_delay.clone()),
        jitter: number(jitter, "Jitter"),
        give_up_after: Change::Set(give_up_after.clone()),
        retry_after_max: Change::Set(retry_after_max.clone()),
    })
}

/// A sentence of what is said in lower case elsewhere.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

/// Enough of a text to find it, never a page of it.
fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    let cut: String = text.chars().take(MOST).collect();
    if cut.len() < text.len() { cut + "…" } else { cut }
}
