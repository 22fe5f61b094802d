//! Webhooks and deliveries to look at in tests.

use std::time::Duration;

use broker::DeadLetter;
use bytes::Bytes;
use event::ProjectId;
use serde_json::json;
use signing::Secret;
use store::{
    AttemptRow, DeliveryDetail, DeliveryRow, DeliveryState, LoggedEvent, Position, Stretch,
};
use subscriptions::{
    Condition, EventFilter, Headers, RetryPolicy, RetryValues, Secrets, UrlRules, Webhook,
    WebhookId, WebhookUrl,
};

use super::audit::AuditRow;
use super::frame::Frame;

/// Some moment, ms since 1970.
pub(crate) const NOW: i64 = 1_764_000_000_000;
/// What nobody should be able to put on a page.
pub(crate) const EVIL: &str = "<script>alert(\"x\")</script>";

/// The service's retry policy.
pub(crate) fn retry() -> RetryPolicy {
    RetryPolicy::default()
}

/// Somebody who may change everything.
pub(crate) fn frame() -> Frame {
    Frame {
        who: "ops-team".to_owned(),
        session: true,
        admin: true,
        csrf: "csrf-proof".to_owned(),
        trouble: None,
        read_only: None,
        now_ms: NOW,
        done: None,
    }
}

/// A secret.
pub(crate) fn secret() -> Secret {
    Secret::try_new("whsec_QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=").unwrap()
}

/// A webhook with everything.
pub(crate) fn webhook() -> Webhook {
    let retry = RetryValues { give_up_after: Duration::from_secs(86_400), ..retry().values() };
    let clause = ("/deployment/meta/gitBranch", vec![json!("main"), json!("release, 1")]);
    Webhook {
        retry: Some(RetryPolicy::try_new(retry).unwrap()),
        max_in_flight: std::num::NonZeroU32::new(8),
        projects: Box::new([ProjectId::try_new("prj_xyz789").unwrap()]),
        condition: Condition::try_new([clause]).unwrap(),
        description: Some("Tells the on-call channel what went live".to_owned()),
        headers: Headers::try_new([("authorization", "Bearer hush"), ("x-team", "platform")])
            .unwrap(),
        ..plain("whk_4tq9XvM2", "https://hooks.example.com/boottify?token=hush", &["deployment.*"])
    }
}

/// A webhook with little.
pub(crate) fn plain(id: &str, url: &str, events: &[&str]) -> Webhook {
    Webhook {
        id: WebhookId::try_new(id).unwrap(),
        url: WebhookUrl::try_new(url, UrlRules { allow_http: true }).unwrap(),
        events: EventFilter::try_new(events).unwrap(),
        projects: Box::new([]),
        condition: None,
        description: None,
        enabled: true,
        keep_while_disabled: true,
        secrets: Ok(Secrets::new(secret())),
        retry: None,
        max_in_flight: None,
        rate_limit: None,
        headers: Headers::default(),
        created_at_ms: NOW - 40 * 86_400_000,
        updated_at_ms: NOW - 3 * 3_600_000,
        disabled_reason: None,
        switches_at_ms: None,
    }
}

/// Hours that go up and down; some of `bad` attempts in a hundred fail in a few of them.
pub(crate) fn hours(count: i64, bad: u64) -> Vec<Stretch> {
    let one = |back: i64| {
        let wave = (back * 37 % 23 + back % 7 * 4) as u64;
        let failed = if back % 5 == 2 { wave * bad / 100 } else { 0 };
        Stretch {
            from_ms: NOW - back * 3_600_000,
            delivered: if bad == 100 { 0 } else { wave + 4 - failed.min(wave) },
            failed: if bad == 100 { wave } else { failed },
            p50_ms: Some(60.0 + wave as f64 * 2.0),
            p95_ms: Some(140.0 + (wave * wave) as f64 / 2.0),
        }
    };
    (0..count).filter(|back| back % 11 != 3).map(one).collect()
}

/// A delivery as a list shows it.
pub(crate) fn row(number: i64, state: DeliveryState) -> DeliveryRow {
    let failed = state != DeliveryState::Delivered;
    DeliveryRow {
        position: Position(number),
        id: format!("dlv_{number:08}c0ffee"),
        webhook: webhook().id,
        event: "evt_1".to_owned(),
        kind: ["deployment.succeeded", "deployment.failed", "domain.added"][number as usize % 3]
            .to_owned(),
        state,
        dead_reason: matches!(state, DeliveryState::Dead | DeliveryState::Dropped)
            .then(|| "gave_up".to_owned()),
        attempts: if failed { 3 } else { 1 },
        last_at_ms: NOW - number * 47_000,
        last_duration_ms: 40 + (number as u32 * 97) % 400,
        last_status: Some(if failed { 503 } else { 200 }),
        last_failure: failed.then(|| "http_503".to_owned()),
        next_at_ms: (state == DeliveryState::Waiting).then_some(NOW + 95_000),
    }
}

/// Deliveries of a usual day.
pub(crate) fn rows() -> Vec<DeliveryRow> {
    use DeliveryState::{Dead, Delivered, Dropped, Waiting};
    let states = [Waiting, Delivered, Delivered, Delivered, Dead, Delivered, Dropped, Delivered];
    (1..).zip(states).map(|(number, state)| row(number, state)).collect()
}

/// An event.
pub(crate) fn event() -> LoggedEvent {
    let body = json!({
        "type": "deployment.succeeded", "createdAt": "2024-01-15T10:30:00Z",
        "deployment": { "id": "dpl_abc123", "name": "production", "url": "https://my-project.boottify.com",
            "meta": { "gitCommitSha": "abc123def", "gitCommitMessage": EVIL, "gitBranch": "main" } },
        "project": { "id": "prj_xyz789", "name": "my-project" }
    });
    LoggedEvent {
        id: "evt_9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d".to_owned(),
        kind: "deployment.succeeded".to_owned(),
        project: Some("prj_xyz789".to_owned()),
        published_ms: NOW - 300_000,
        body: Bytes::from(body.to_string()),
    }
}

/// A delivery with everything about it, whose attempts failed in these ways.
pub(crate) fn detail(state: DeliveryState, failures: &[Option<&str>]) -> DeliveryDetail {
    let one = |(number, failure): (u32, &Option<&str>)| AttemptRow {
        attempt: number,
        at_ms: NOW - 300_000 + i64::from(number) * 30_000,
        duration_ms: if *failure == Some("timeout") { 15_000 } else { 180 * number },
        status: match failure {
            Some(kind) => kind.strip_prefix("http_").and_then(|status| status.parse().ok()),
            None => Some(200),
        },
        failure: failure.map(str::to_owned),
        detail: failure.map(|_| "closed before the response was complete".to_owned()),
        response: match failure {
            Some(kind) if !kind.starts_with("http_") => Vec::new(),
            _ => format!("<html><body>{EVIL} upstream connect error</body></html>").into_bytes(),
        },
        signature: format!("sha256={}", "5d41402abc4b2a76".repeat(4)),
        standard_signature: "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=".to_owned(),
    };
    let row = DeliveryRow { attempts: failures.len() as u32, ..row(4, state) };
    DeliveryDetail { row, event: event(), attempts: (1..).zip(failures).map(one).collect() }
}

/// Dead letters.
pub(crate) fn letters() -> Vec<DeadLetter> {
    let one = |(number, reason): (i64, &str)| DeadLetter {
        delivery: format!("dlv_{number:08}c0ffee"),
        webhook: if number == 2 { "whk_deleted1".to_owned() } else { "whk_4tq9XvM2".to_owned() },
        event: "evt_1".to_owned(),
        kind: "deployment.failed".to_owned(),
        reason: reason.to_owned(),
        attempts: if reason == "disabled" { 0 } else { 14 },
        published_ms: NOW - number * 9_000_000,
        dead_ms: NOW - number * 8_000_000,
        last_failure: (reason != "disabled").then(|| "timeout".to_owned()),
        last_failure_detail: None,
    };
    let mut letters: Vec<_> =
        (1..).zip(["gave_up", "gave_up", "gone", "disabled", "disabled"]).map(one).collect();
    letters.push(DeadLetter {
        delivery: "dlv_50a8e1893f7b4cc09d21e6a4b7c8d9e0".to_owned(),
        webhook: String::new(),
        event: String::new(),
        kind: String::new(),
        reason: "malformed".to_owned(),
        attempts: 0,
        published_ms: 0,
        dead_ms: 0,
        last_failure: None,
        last_failure_detail: None,
    });
    letters
}

/// Changes.
pub(crate) fn changes() -> Vec<AuditRow> {
    let detail = json!({ "url": "https://hooks.example.com/boottify", "enabled": true });
    let one = |(number, action): (i64, &str)| AuditRow {
        at_ms: NOW - number * 5_000_000,
        actor: if number == 3 { "service".to_owned() } else { "ops-team".to_owned() },
        action: action.to_owned(),
        webhook: "whk_4tq9XvM2".to_owned(),
        detail: detail.to_string(),
    };
    (1..).zip(["updated", "secret rotated", "disabled", "created"]).map(one).collect()
}

/// Event types of the customer page.
pub(crate) fn kinds() -> Vec<(String, Option<&'static str>)> {
    [
        ("deployment.created", "A new deployment was initiated"),
        ("deployment.succeeded", "Deployment completed successfully"),
        ("deployment.failed", "Deployment failed with an error"),
        ("deployment.canceled", "Deployment was canceled"),
        ("domain.added", "A domain was added to the project"),
    ]
    .map(|(kind, meaning)| (kind.to_owned(), Some(meaning)))
    .to_vec()
}
