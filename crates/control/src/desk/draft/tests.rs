//! Every field of an edit, right and wrong.

use std::collections::BTreeMap;

use event::Catalog;
use serde_json::json;
use subscriptions::{RetryValues, UrlRules};

use super::*;

fn rules() -> Rules {
    let retry = RetryPolicy::try_new(RetryValues {
        first_delay: Duration::from_secs(5),
        multiplier: 3.0,
        max_delay: Duration::from_secs(3_600),
        jitter: 0.2,
        give_up_after: Duration::from_secs(86_400),
        retry_after_max: Duration::from_secs(3_600),
    });
    let catalog = Catalog::try_new(&["team.invited"]).unwrap();
    Rules { catalog, url: UrlRules::default(), retry: retry.unwrap(), max_in_flight: 32 }
}

fn set(text: &str) -> Change<String> {
    Change::Set(text.to_owned())
}

fn texts(texts: &[&str]) -> Change<Vec<String>> {
    Change::Set(texts.iter().map(|text| (*text).to_owned()).collect())
}

fn minimal() -> Edit {
    Edit { url: set("https://example.com/h"), events: texts(&["*"]), ..Edit::default() }
}

/// Where something is wrong.
fn pointers(edit: &Edit) -> Vec<String> {
    draft(edit, None, &rules()).errors.into_iter().map(|error| error.pointer).collect()
}

#[test]
fn the_least_that_makes_a_webhook() {
    let made = draft(&minimal(), None, &rules()).draft.unwrap();
    assert!(made.enabled && made.keep_while_disabled && made.projects.is_empty());
    assert_eq!((made.retry, made.description, made.condition), (None, None, None));
    assert_eq!(pointers(&Edit::default()), ["/url", "/events"]);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let clause = |pointer: &str, value| ClauseEdit { pointer: pointer.into(), values: vec![value] };
    let edit = Edit {
        url: set("http://user:p@example.com"),
        events: texts(&["*", "deployment.creatd", "no such"]),
        projects: texts(&["prj_1", ""]),
        condition: Change::Set(vec![clause("/a", json!(1)), clause("a", json!(1))]),
        description: set(&"x".repeat(501)),
        retry: Change::Set(RetryEdit {
            first_delay: set("soon"),
            max_delay: set("1 parsec"),
            ..RetryEdit::default()
        }),
        max_in_flight: Change::Set(0),
        headers: Change::Set(vec![
            ("x-a/b".into(), Some("v".into())),
            ("Host".into(), Some("evil".into())),
        ]),
        ..Edit::default()
    };
    let expected = [
        "/url",
        "/events/1",
        "/events/2",
        "/projects/1",
        "/condition/1",
        "/description",
        "/maxInFlight",
        "/headers/x-a~1b",
        "/headers/Host",
        "/retry/firstDelay",
        "/retry/maxDelay",
    ];
    assert_eq!(pointers(&edit), expected);
    let told = draft(&edit, None, &rules()).errors;
    assert!(told[1].detail.contains("did you mean \"deployment.created\"?"), "{told:?}");
}

#[test]
fn bounds_and_contradictions_are_told_by_field() {
    let retry = |edit| Edit { retry: Change::Set(edit), ..minimal() };
    let many: Vec<String> = (0..=MAX_PROJECTS).map(|n| format!("prj_{n}")).collect();
    for (edit, pointer) in [
        (retry(RetryEdit { first_delay: set("2h"), ..RetryEdit::default() }), "/retry/firstDelay"),
        (retry(RetryEdit { jitter: Change::Set(1.0), ..RetryEdit::default() }), "/retry/jitter"),
        (
            retry(RetryEdit { multiplier: Change::Set(f64::NAN), ..RetryEdit::default() }),
            "/retry/multiplier",
        ),
        (Edit { projects: Change::Set(many), ..minimal() }, "/projects"),
        (Edit { projects: texts(&["team/app:1.2", "prj_<b>"]), ..minimal() }, "/projects/1"),
        (Edit { projects: texts(&["日本"]), ..minimal() }, "/projects/0"),
        (Edit { events: texts(&[]), ..minimal() }, "/events"),
        (Edit { url: Change::Clear, ..minimal() }, "/url"),
        (Edit { description: set("a\0b"), ..minimal() }, "/description"),
        (Edit { max_in_flight: Change::Set(10_001), ..minimal() }, "/maxInFlight"),
    ] {
        assert_eq!(pointers(&edit), [pointer]);
    }
}

#[test]
fn what_is_not_named_stays_and_what_is_cleared_has_its_default() {
    let pair = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
    let first = Edit {
        description: set("mine"),
        enabled: Change::Set(false),
        headers: Change::Set(vec![pair("x-a", "1"), pair("x-b", "2")]),
        retry: Change::Set(RetryEdit { first_delay: set("7s"), ..RetryEdit::default() }),
        ..minimal()
    };
    let made = webhook(draft(&first, None, &rules()).draft.unwrap());
    let later = Edit {
        headers: Change::Set(vec![("X-A".to_owned(), None), pair("x-c", "3")]),
        retry: Change::Set(RetryEdit { max_delay: set("30m"), ..RetryEdit::default() }),
        description: Change::Clear,
        ..Edit::default()
    };
    let changed = draft(&later, Some(&made), &rules()).draft.unwrap();
    assert_eq!((changed.enabled, changed.description), (false, None));
    let headers: BTreeMap<_, _> = pairs_of(&changed.headers).into_iter().collect();
    assert_eq!(headers.into_keys().collect::<Vec<_>>(), ["x-b", "x-c"]);
    let retry = changed.retry.unwrap();
    assert_eq!(retry.first_delay(), Duration::from_secs(7));
    assert_eq!(retry.max_delay(), Duration::from_secs(1_800));
    let cleared = Edit { retry: Change::Clear, headers: Change::Clear, ..Edit::default() };
    let cleared = draft(&cleared, Some(&made), &rules()).draft.unwrap();
    assert!(cleared.retry.is_none() && cleared.headers.is_empty());
}

fn webhook(draft: Draft) -> Webhook {
    Webhook {
        id: subscriptions::WebhookId::try_new("whk_1").unwrap(),
        url: draft.url,
        events: draft.events,
        projects: draft.projects.into(),
        condition: draft.condition,
        description: draft.description,
        enabled: draft.enabled,
        keep_while_disabled: draft.keep_while_disabled,
        secrets: Ok(subscriptions::Secrets::new(signing::Secret::generate().unwrap())),
        retry: draft.retry,
        max_in_flight: draft.max_in_flight,
        rate_limit: draft.rate_limit,
        headers: draft.headers,
        created_at_ms: 0,
        updated_at_ms: 0,
        disabled_reason: None,
        switches_at_ms: None,
    }
}
