//! What is typed comes back as it was, and each mistake is told beside its field.

use super::super::view::sample;
use super::*;
use crate::desk::{Change, ClauseEdit};

fn defaults() -> RetryPolicy {
    sample::retry()
}

/// What a browser would send of a form.
fn sent(form: &WebhookForm) -> Vec<(String, String)> {
    let mut pairs: Vec<(&str, String)> = vec![
        ("url", form.url.clone()),
        ("projects", form.projects.clone()),
        ("description", form.description.clone()),
        ("max_in_flight", form.max_in_flight.clone()),
        ("first_delay", form.retry.first_delay.clone()),
        ("multiplier", form.retry.multiplier.clone()),
        ("max_delay", form.retry.max_delay.clone()),
        ("jitter", form.retry.jitter.clone()),
        ("give_up_after", form.retry.give_up_after.clone()),
        ("retry_after_max", form.retry.retry_after_max.clone()),
        ("version", form.version.clone()),
    ];
    pairs.extend(form.events.iter().map(|event| ("events", event.clone())));
    for (name, ticked) in [
        ("enabled", form.enabled),
        ("keep_while_disabled", form.keep_while_disabled),
        ("own_retry", form.own_retry),
    ] {
        pairs.extend(ticked.then(|| (name, "on".to_owned())));
    }
    for (pointer, values) in form.clause_rows() {
        pairs.extend([("pointer", pointer), ("values", values)]);
    }
    for (name, value) in form.header_rows(&[]) {
        pairs.extend([("header_name", name), ("header_value", value)]);
    }
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn read(pairs: &[(String, String)]) -> WebhookForm {
    WebhookForm::read(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

#[test]
fn a_webhook_goes_through_its_form_unchanged() {
    let webhook = sample::webhook();
    let form = WebhookForm::of(&webhook, "v1".into(), &defaults());
    let (before, mistakes) = form.edit(Some(&webhook));
    assert!(mistakes.is_empty(), "{mistakes:?}");
    assert_eq!(read(&sent(&form)).edit(Some(&webhook)), (before.clone(), mistakes));
    assert_eq!(before.url, Change::Set(webhook.url.expose()));
    let clause = ClauseEdit {
        pointer: "/deployment/meta/gitBranch".into(),
        values: vec!["main".into(), "release, 1".into()],
    };
    assert_eq!(before.condition, Change::Set(vec![clause]));
    assert_eq!(before.headers, Change::Set(vec![]));
    assert_eq!(before.max_in_flight, Change::Set(8));
    let Change::Set(retry) = before.retry else { panic!("{before:?}") };
    assert_eq!(retry.give_up_after, Change::Set("1day".into()));
}

#[test]
fn headers_are_kept_replaced_dropped_and_added() {
    let webhook = sample::webhook();
    let mut form = WebhookForm::of(&webhook, String::new(), &defaults());
    form.headers = vec![
        ("authorization".into(), String::new()),
        ("x-other".into(), "2".into()),
        ("x-new".into(), "1".into()),
    ];
    form.drop_headers = vec!["x-team".into()];
    let (edit, mistakes) = form.edit(Some(&webhook));
    assert!(mistakes.is_empty(), "{mistakes:?}");
    let headers = [("x-team", None), ("x-other", Some("2")), ("x-new", Some("1"))];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.map(str::to_owned)));
    assert_eq!(edit.headers, Change::Set(headers.to_vec()));
}

#[test]
fn what_cannot_be_read_is_told_and_refused() {
    let form = WebhookForm {
        clauses: vec![("/a".into(), "\"open".into())],
        max_in_flight: "many".into(),
        headers: vec![("x-empty".into(), String::new())],
        own_retry: true,
        ..WebhookForm::default()
    };
    let (edit, mut mistakes) = form.edit(None);
    assert_eq!(edit.max_in_flight, Change::Set(i64::MIN));
    let errors = [("/events", "none"), ("/retry/firstDelay", "no duration"), ("/x", "odd")];
    add_mistakes(&mut mistakes, &errors.map(|(at, what)| FieldError::new(at, what)));
    let told: Vec<(Field, &str)> =
        mistakes.iter().map(|(field, text)| (*field, text.as_str())).collect();
    assert_eq!(
        told,
        [
            (Field::Url, "Enter the URL that should receive the events."),
            (Field::Events, "Select at least one event."),
            (Field::Clauses, "A value that begins with a quote must end with one."),
            (Field::MaxInFlight, "Enter a whole number from 1 up, or nothing."),
            (Field::Headers, "Header x-empty needs a value."),
            (Field::Retry, "Jitter: write a number such as 2 or 0.2. No duration."),
            (Field::Form, "Odd."),
        ]
    );
}
