//! Lists of webhooks: order, parts, search. The rest is seen on the running program.

use subscriptions::{Headers, Secrets, UrlRules, WebhookUrl};

use super::*;

fn webhook(n: usize) -> Webhook {
    let url = format!("https://receiver-{n}.example.com/hooks/{n}?token=hidden{n}");
    Webhook {
        id: WebhookId::try_new(&format!("whk_{n:06}")).unwrap(),
        url: WebhookUrl::try_new(&url, UrlRules::default()).unwrap(),
        events: subscriptions::EventFilter::try_new(["*"]).unwrap(),
        projects: Box::default(),
        condition: None,
        description: Some(format!("Größe {n}")),
        enabled: !n.is_multiple_of(3),
        keep_while_disabled: true,
        secrets: Ok(Secrets::new(
            Secret::try_new("whsec_0123456789abcdef0123456789abcdef").unwrap(),
        )),
        retry: None,
        max_in_flight: None,
        rate_limit: None,
        headers: Headers::default(),
        created_at_ms: i64::try_from(n / 2).unwrap(),
        updated_at_ms: 0,
        disabled_reason: None,
        switches_at_ms: None,
    }
}

fn matches(search: &str, n: usize) -> bool {
    let asked = WebhooksAsked { search: Some(search.to_owned()), ..WebhooksAsked::default() };
    Matcher::new(&asked).fits(&webhook(n))
}

#[test]
fn searching_finds_what_is_shown_and_nothing_else() {
    for search in ["whk_000007", "RECEIVER-7.example", "https://receiver-7", "größe 7", " ", ""] {
        assert!(matches(search, 7), "{search}");
    }
    for search in ["hidden7", "token", "whk_000008", "größe 8"] {
        assert!(!matches(search, 7), "{search}");
    }
}

#[test]
fn states_are_told_apart() {
    let fits = |state, n| {
        let asked = WebhooksAsked { state: Some(state), ..WebhooksAsked::default() };
        Matcher::new(&asked).fits(&webhook(n))
    };
    assert!(fits(State::Disabled, 3) && !fits(State::Enabled, 3));
    assert!(fits(State::Enabled, 4) && !fits(State::Disabled, 4));
}

#[test]
fn newest_first_then_by_id() {
    assert_eq!(order((2, "b"), (1, "a")), Ordering::Less);
    assert_eq!(order((1, "a"), (1, "b")), Ordering::Less);
    assert_eq!(order((1, "a"), (1, "a")), Ordering::Equal);
}
