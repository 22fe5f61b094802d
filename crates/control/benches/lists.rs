//! What a part of the list of webhooks costs, of 100,000 webhooks. The promise is 100 ms.

use std::hint::black_box;

use control::{Desk, State, WebhooksAsked};
use criterion::{Criterion, criterion_group, criterion_main};
use signing::Secret;
use subscriptions::{
    EventFilter, Headers, Secrets, Snapshot, UrlRules, Webhook, WebhookId, WebhookUrl,
};

const WEBHOOKS: i64 = 100_000;

fn webhook(n: i64) -> Option<Webhook> {
    let url = format!("https://receiver-{n}.example.com/hooks/boottify/{n}?token=x");
    let secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    Some(Webhook {
        id: WebhookId::try_new(&format!("whk_{n:032x}")).ok()?,
        url: WebhookUrl::try_new(&url, UrlRules::default()).ok()?,
        events: EventFilter::try_new(["deployment.*"]).ok()?,
        projects: Box::default(),
        condition: None,
        description: Some(format!("Größe und Farbe der Lieferung {n}")),
        enabled: n % 3 != 0,
        keep_while_disabled: true,
        secrets: Ok(Secrets::new(Secret::try_new(secret).ok()?)),
        retry: None,
        max_in_flight: None,
        rate_limit: None,
        headers: Headers::default(),
        // In no order of the ids.
        created_at_ms: (n * 7_919) % WEBHOOKS,
        updated_at_ms: 0,
        disabled_reason: None,
        switches_at_ms: None,
    })
}

fn lists(criterion: &mut Criterion) {
    let webhooks: Vec<Webhook> = (0..WEBHOOKS).filter_map(webhook).collect();
    let snapshot = Snapshot::build(webhooks, 1).unwrap_or_default();
    let first = WebhooksAsked { limit: 50, ..WebhooksAsked::default() };
    let next = Desk::webhooks_of(&snapshot, &first).ok().and_then(|listed| listed.next);
    let search = |text: &str| WebhooksAsked { search: Some(text.to_owned()), ..first.clone() };
    for (name, asked) in [
        ("the first part", first.clone()),
        ("the second part", WebhooksAsked { cursor: next, ..first.clone() }),
        ("disabled ones", WebhooksAsked { state: Some(State::Disabled), ..first.clone() }),
        ("a search that finds one", search("receiver-99999.")),
        ("a search that finds all", search("lieferung")),
        ("a search that finds none", search("nobody")),
    ] {
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| black_box(Desk::webhooks_of(&snapshot, &asked).ok()));
        });
    }
}

criterion_group!(benches, lists);
criterion_main!(benches);
