//! To look at webhooks.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use event::EventId;
use http::HeaderMap;
use store::{AuditFilter, DeliveryRow, DeliveryState, Stretch};
use subscriptions::{Webhook, WebhookId};

use super::super::answer::{Answer, Refusal, Reply};
use super::super::fields::address;
use super::super::gate::Asked;
use super::super::view::{list as listing, rows, webhook};
use super::audit::rows_of;
use super::{Page, webhook_id};
use crate::desk::{AuditAsked, DeliveriesAsked, Found, MAX_PAGE, State as Enabled, WebhooksAsked};
use crate::problem::Problem;

/// Webhooks on one part of the list.
const WEBHOOKS: u32 = 50;
/// Deliveries on one part of the list.
const DELIVERIES: u32 = 50;
const HOUR_MS: i64 = 3_600_000;

pub(super) async fn list(asked: Asked) -> Answer {
    let (search, state) = (asked.query.get("q"), asked.query.get("state"));
    if asked.desk.delivery(search).await.is_ok() {
        return Ok(Reply::Go(format!("/admin/deliveries/{search}")));
    }
    let found = asked.desk.webhooks(&WebhooksAsked {
        search: asked.query.given("q"),
        state: match state {
            "enabled" => Some(Enabled::Enabled),
            "disabled" => Some(Enabled::Disabled),
            _ => None,
        },
        cursor: asked.query.given("cursor"),
        limit: WEBHOOKS,
    })?;
    // To look for an event asks the log of every webhook: not for a search that finds some.
    let of_event = match found.items.is_empty() {
        true => of_event(&asked, search).await.map_err(|problem| problem.detail),
        false => Ok(Vec::new()),
    };
    let ids: Vec<WebhookId> = found.items.iter().map(|found| found.webhook.id.clone()).collect();
    // Health is a help: without the log the list is shown all the same.
    let hours = asked.desk.hours(&ids, asked.frame.now_ms - 24 * HOUR_MS).await.ok();
    let items = found.items.iter().map(|found| {
        let known = |hours: &'_ std::collections::BTreeMap<WebhookId, Vec<Stretch>>| {
            hours.get(&found.webhook.id).cloned().unwrap_or_default()
        };
        (found.webhook.as_ref(), hours.as_ref().map(known))
    });
    let items: Vec<(&Webhook, Option<Vec<Stretch>>)> = items.collect();
    let at = |cursor: &str| {
        address("/admin/webhooks", &[("q", search), ("state", state), ("cursor", cursor)])
    };
    let view = listing::List {
        items: items
            .iter()
            .map(|(webhook, hours)| listing::Item { webhook, hours: hours.as_deref() })
            .collect(),
        unread: asked.desk.unread(),
        of_event,
        total: asked.desk.count().0,
        search,
        state,
        first: asked.query.given("cursor").map(|_| at("")),
        next: found.next.as_deref().map(at),
    };
    Ok(Reply::Screen(listing::list(&asked.frame, &view)))
}

/// Deliveries of the event with this id.
async fn of_event(asked: &Asked, id: &str) -> Result<Vec<DeliveryRow>, Problem> {
    let Ok(event) = EventId::try_new(id) else { return Ok(Vec::new()) };
    let deliveries =
        DeliveriesAsked { event: Some(event), limit: MAX_PAGE, ..DeliveriesAsked::default() };
    Ok(asked.desk.deliveries(&deliveries).await?.items)
}

pub(super) async fn deliveries(Path(id): Path<String>, asked: Asked) -> Answer {
    let found = asked.desk.webhook(&webhook_id(&id)?).await?;
    let webhook = found.webhook.as_ref();
    let query = &asked.query;
    let range = webhook::Range::of_word(query.get("range"));
    let (state, kind, cursor) = (query.get("state"), query.get("type"), query.given("cursor"));
    let (rows, next) = match asked.desk.deliveries(&deliveries_asked(&asked, webhook)).await {
        Ok(listed) => (Ok(listed.items), listed.next),
        // A cursor that is none is told; a log that is away is said on the screen.
        Err(problem) if problem.status().as_u16() == 400 => return Err(problem.into()),
        Err(problem) => (Err(problem), None),
    };
    let since = asked.frame.now_ms - i64::from(range.hours()) * HOUR_MS;
    let hours = hours(&asked, webhook, since).await;
    let kinds: Vec<String> = kinds(&asked);
    let base = format!("/admin/webhooks/{}", webhook.id.as_str());
    let filter = [("state", state), ("type", kind), ("range", query.get("range"))];
    let at = |cursor: &str| address(&base, &[filter[0], filter[1], filter[2], ("cursor", cursor)]);
    let newest = rows.iter().flatten().map(|row| row.position.0).max().unwrap_or(0).to_string();
    let live = address(&format!("{base}/live"), &[filter[0], filter[1], ("after", &newest)]);
    let view = webhook::Deliveries {
        head: head(&asked, &found, has_dead(&asked, webhook).await, hours.as_deref()),
        rows: rows.as_deref(),
        state,
        kind,
        kinds: &kinds,
        range,
        live: (cursor.is_none() && rows.is_ok()).then_some(live),
        first: cursor.map(|_| at("")),
        next: next.as_deref().map(at),
        most: DELIVERIES as usize,
    };
    Ok(Reply::Screen(webhook::deliveries(&asked.frame, &view)))
}

fn head<'a>(
    asked: &Asked,
    found: &'a Found,
    dead: bool,
    hours: Option<&'a [Stretch]>,
) -> webhook::Head<'a> {
    let webhook = found.webhook.as_ref();
    let standing = asked.desk.standing(&webhook.id);
    webhook::Head { webhook, version: &found.fingerprint, dead, standing, hours }
}

/// What is known of its hours since then; `None` where the log cannot be read.
async fn hours(asked: &Asked, webhook: &Webhook, since_ms: i64) -> Option<Vec<Stretch>> {
    let hours = asked.desk.hours(std::slice::from_ref(&webhook.id), since_ms).await;
    Some(hours.ok()?.remove(&webhook.id).unwrap_or_default())
}

/// The same of the last day, by which its head says how it stands.
async fn last_day(asked: &Asked, webhook: &Webhook) -> Option<Vec<Stretch>> {
    hours(asked, webhook, asked.frame.now_ms - 24 * HOUR_MS).await
}

pub(super) async fn settings(Path(id): Path<String>, asked: Asked) -> Answer {
    let found = asked.desk.webhook(&webhook_id(&id)?).await?;
    let hours = last_day(&asked, &found.webhook).await;
    let head = head(&asked, &found, false, hours.as_deref());
    let retry = asked.desk.rules().retry;
    let view = webhook::Settings { head, retry: &retry };
    Ok(Reply::Screen(webhook::settings(&asked.frame, &view)))
}

pub(super) async fn history(Path(id): Path<String>, asked: Asked) -> Answer {
    let found = asked.desk.webhook(&webhook_id(&id)?).await?;
    let id = found.webhook.id.clone();
    let cursor = asked.query.given("cursor");
    let filter = AuditFilter { webhook: Some(id.clone()), ..AuditFilter::default() };
    let listed = asked.desk.audit(&AuditAsked { filter, cursor, limit: 50 }).await?;
    let base = format!("/admin/webhooks/{}/audit", id.as_str());
    let next = listed.next.as_deref().map(|cursor| address(&base, &[("cursor", cursor)]));
    let hours = last_day(&asked, &found.webhook).await;
    let head = head(&asked, &found, false, hours.as_deref());
    let rows = rows_of(&listed.items);
    let rows = asked.desk.has_audit().then_some(&rows[..]);
    Ok(Reply::Screen(webhook::history(&asked.frame, &head, rows, next.as_deref())))
}

pub(super) async fn live(
    State(page): State<Page>,
    Path(id): Path<String>,
    headers: HeaderMap,
    asked: Asked,
) -> Result<Response, Refusal> {
    let found = asked.desk.webhook(&webhook_id(&id)?).await?;
    // A browser that comes back says which row it saw last.
    let seen = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let after = seen.unwrap_or(asked.query.get("after")).parse().unwrap_or(0);
    let filter = deliveries_asked(&asked, &found.webhook);
    let auth = page.app.auth.clone();
    let still = Box::new(move || auth.still_lets_in(&headers));
    Ok(page.live.open(asked.desk, filter, after, still)?.into_response())
}

/// The known event types.
pub(super) fn kinds(asked: &Asked) -> Vec<String> {
    asked.desk.event_types().iter().map(|info| info.kind.as_str().to_owned()).collect()
}

fn deliveries_asked(asked: &Asked, webhook: &Webhook) -> DeliveriesAsked {
    DeliveriesAsked {
        webhook: Some(webhook.id.clone()),
        state: rows::state_of(asked.query.get("state")),
        kind: asked.query.given("type"),
        cursor: asked.query.given("cursor"),
        limit: DELIVERIES,
        ..DeliveriesAsked::default()
    }
}

/// Whether the log knows of a dead letter. The broker knows for certain, but counts them one by one.
async fn has_dead(asked: &Asked, webhook: &Webhook) -> bool {
    let dead = DeliveriesAsked {
        webhook: Some(webhook.id.clone()),
        state: Some(DeliveryState::Dead),
        limit: 1,
        ..DeliveriesAsked::default()
    };
    asked.desk.deliveries(&dead).await.is_ok_and(|listed| !listed.items.is_empty())
}
