//! What of a webhook is not as somebody typed it.

use subscriptions::Webhook;

use super::super::view::edit::Difference;
use super::WebhookForm;

/// The fields in which `theirs`, the form of `webhook` as it is now, differs from what was typed.
/// Of URLs and headers only what may be shown is said.
pub(crate) fn differences(
    typed: &WebhookForm,
    theirs: &WebhookForm,
    webhook: &Webhook,
) -> Vec<Difference> {
    let yes_no = |on: bool| if on { "on" } else { "off" }.to_owned();
    let or_none = |text: &str| if text.is_empty() { "empty".to_owned() } else { text.to_owned() };
    let clauses = |form: &WebhookForm| {
        let one = |(place, values): &(String, String)| format!("{place} in {values}");
        form.clauses.iter().map(one).collect::<Vec<_>>().join(" and ")
    };
    let events = |form: &WebhookForm| {
        let mut events = form.events.clone();
        events.sort();
        events.join(", ")
    };
    let retry = |form: &WebhookForm| {
        let fields = &form.retry;
        if !form.own_retry {
            return "the service's policy".to_owned();
        }
        format!(
            "first {}, times {}, at most {}, jitter {}, given up after {}, Retry-After at most {}",
            fields.first_delay,
            fields.multiplier,
            fields.max_delay,
            fields.jitter,
            fields.give_up_after,
            fields.retry_after_max,
        )
    };
    let rate = |form: &WebhookForm| match &form.rate {
        (rate, _) if rate.is_empty() => "none".to_owned(),
        (rate, burst) => format!("{rate} per second, {burst} at once"),
    };
    let rows = [
        ("The URL", typed.url != theirs.url, webhook.url.to_string()),
        ("The events", events(typed) != events(theirs), events(theirs)),
        ("The projects", typed.projects != theirs.projects, or_none(&theirs.projects)),
        ("The description", typed.description != theirs.description, or_none(&theirs.description)),
        ("Enabled", typed.enabled != theirs.enabled, yes_no(theirs.enabled)),
        (
            "Keeping events while disabled",
            typed.keep_while_disabled != theirs.keep_while_disabled,
            yes_no(theirs.keep_while_disabled),
        ),
        ("The condition", clauses(typed) != clauses(theirs), or_none(&clauses(theirs))),
        (
            "The limit of attempts at the same time",
            typed.max_in_flight != theirs.max_in_flight,
            or_none(&theirs.max_in_flight),
        ),
        ("The rate limit", typed.rate != theirs.rate, rate(theirs)),
        ("The retry policy", retry(typed) != retry(theirs), retry(theirs)),
    ];
    rows.into_iter()
        .filter(|(_, differs, _)| *differs)
        .map(|(what, _, now)| Difference { what, now })
        .collect()
}
