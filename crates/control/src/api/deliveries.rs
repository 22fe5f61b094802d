//! Routes about deliveries, dead letters and recent events.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::{Extension, Json};
use broker::DeadFilter;
use http::StatusCode;
use store::DeliveryState;

use super::json::JsonBody;
use super::params::{DeliveryParams, PartParams};
use super::query::{Query, event_id, event_type};
use super::webhooks::{id, path_text};
use super::{input, wire};
use crate::App;
use crate::auth::Viewer;
use crate::clock::now_ms;
use crate::desk::{DeadAct, DeadAsked, DeliveriesAsked, Rest, dead_reason};
use crate::problem::Problem;

/// The states of a delivery, as a query names them.
const STATES: [(&str, DeliveryState); 4] = [
    ("waiting", DeliveryState::Waiting),
    ("delivered", DeliveryState::Delivered),
    ("dead", DeliveryState::Dead),
    ("dropped", DeliveryState::Dropped),
];

/// Sends a sample event to this webhook alone, once, even if it is disabled.
#[utoipa::path(
    post, path = "/webhooks/{id}/test", tag = "deliveries",
    request_body(content = Option<input::TestIn>),
    params(("id" = String, Path, description = "The webhook's id")),
    responses((status = 202, body = wire::SentOut)),
)]
pub(super) async fn test(
    State(app): State<App>,
    Extension(viewer): Extension<Viewer>,
    path: Result<Path<String>, PathRejection>,
    body: JsonBody,
) -> Result<(StatusCode, Json<wire::SentOut>), Problem> {
    let kind = input::test(&body)?;
    let sent = app.desk.send_test(&id(path)?, kind.as_deref(), &viewer.name).await?;
    Ok((StatusCode::ACCEPTED, Json(sent.into())))
}

/// The deliveries of a webhook, the one that changed last first.
#[utoipa::path(
    get, path = "/webhooks/{id}/deliveries", tag = "deliveries",
    params(
        ("id" = String, Path, description = "The webhook's id"),
        DeliveryParams,
        PartParams,
    ),
    responses((status = 200, body = wire::Deliveries)),
)]
pub(super) async fn of_webhook(
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<wire::Deliveries>, Problem> {
    let id = id(path)?;
    let mut query = Query::new(query.as_deref());
    let asked = DeliveriesAsked { webhook: Some(id.clone()), ..deliveries(&mut query) };
    query.finish()?;
    app.desk.webhook(&id).await?;
    Ok(Json(wire::Deliveries::of(app.desk.deliveries(&asked).await?, now_ms())))
}

/// The deliveries of all webhooks, the one that changed last first.
#[utoipa::path(
    get, path = "/deliveries", tag = "deliveries",
    params(
        ("webhook" = Option<String>, Query, pattern = "^whk_[A-Za-z0-9_-]{1,64}$",
         description = "Of this webhook"),
        DeliveryParams,
        PartParams,
    ),
    responses((status = 200, body = wire::Deliveries)),
)]
pub(super) async fn all(
    State(app): State<App>,
    RawQuery(query): RawQuery,
) -> Result<Json<wire::Deliveries>, Problem> {
    let mut query = Query::new(query.as_deref());
    let webhook = query.webhook("webhook");
    let asked = DeliveriesAsked { webhook, ..deliveries(&mut query) };
    query.finish()?;
    Ok(Json(wire::Deliveries::of(app.desk.deliveries(&asked).await?, now_ms())))
}

/// One delivery with its attempts.
#[utoipa::path(
    get, path = "/deliveries/{id}", tag = "deliveries",
    params(("id" = String, Path, description = "The delivery's id")),
    responses((status = 200, body = wire::DeliveryOut)),
)]
pub(super) async fn one(
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<wire::DeliveryOut>, Problem> {
    let detail = app.desk.delivery(&path_text(path)?).await?;
    Ok(Json(wire::DeliveryOut::of(detail, now_ms())))
}

/// Sends a delivery again, under its id.
#[utoipa::path(
    post, path = "/deliveries/{id}/redeliver", tag = "deliveries",
    params(("id" = String, Path, description = "The delivery's id")),
    responses((status = 202, body = wire::SentOut)),
)]
pub(super) async fn redeliver(
    State(app): State<App>,
    Extension(viewer): Extension<Viewer>,
    path: Result<Path<String>, PathRejection>,
) -> Result<(StatusCode, Json<wire::SentOut>), Problem> {
    let sent = app.desk.redeliver(&path_text(path)?, &viewer.name).await?;
    Ok((StatusCode::ACCEPTED, Json(sent.into())))
}

/// Sends everything again, once, that failed for a webhook since a time and was given up.
#[utoipa::path(
    post, path = "/webhooks/{id}/recover", tag = "deliveries",
    request_body = input::RecoverIn,
    params(("id" = String, Path, description = "The webhook's id")),
    responses((status = 202, body = wire::RecoveredOut)),
)]
pub(super) async fn recover(
    State(app): State<App>,
    Extension(viewer): Extension<Viewer>,
    path: Result<Path<String>, PathRejection>,
    body: JsonBody,
) -> Result<(StatusCode, Json<wire::RecoveredOut>), Problem> {
    let since = input::recover(&body)?;
    let recovered = app.desk.recover(&id(path)?, since, &viewer.name).await?;
    Ok((StatusCode::ACCEPTED, Json(recovered.into())))
}

/// Dead letters, newest first.
#[utoipa::path(
    get, path = "/dead", tag = "dead letters",
    params(
        ("webhook" = Option<String>, Query, pattern = "^whk_[A-Za-z0-9_-]{1,64}$",
         description = "Of this webhook"),
        ("type" = Option<String>, Query, max_length = 64,
         pattern = "^[a-z][a-z0-9_]*(\\.[a-z][a-z0-9_]*)+$", description = "Of this event type"),
        ("reason" = Option<String>, Query, pattern = "^(gave_up|gone|disabled|malformed)$",
         description = "Given up for this reason"),
        ("since" = Option<String>, Query, format = DateTime,
         description = "Given up at or after this time"),
        ("until" = Option<String>, Query, format = DateTime, description = "Given up before this time"),
        PartParams,
    ),
    responses((status = 200, body = wire::DeadLetters)),
)]
pub(super) async fn dead(
    State(app): State<App>,
    RawQuery(query): RawQuery,
) -> Result<Json<wire::DeadLetters>, Problem> {
    let mut query = Query::new(query.as_deref());
    let filter = DeadFilter {
        webhook: query.webhook("webhook").map(|id| id.to_string()),
        kind: query.parsed("type", event_type),
        reason: query.parsed("reason", dead_reason),
        since_ms: query.time("since"),
        until_ms: query.time("until"),
        deliveries: None,
    };
    let asked = DeadAsked { filter, cursor: query.text("cursor"), limit: query.limit() };
    query.finish()?;
    Ok(Json(app.desk.dead(&asked).await?.into()))
}

/// Sends dead letters again, under their ids; what is for a webhook that was deleted, is disabled or
/// cannot be opened stays.
///
/// Where deliveries are named and none of them is a dead letter, nothing is done: 404. What takes
/// longer than `admin.answer_after` goes on by itself, and the answer tells how far it is.
#[utoipa::path(
    post, path = "/dead/replay", tag = "dead letters",
    request_body = input::ReplayIn,
    responses((status = 202, body = wire::Replayed)),
)]
pub(super) async fn replay(
    State(app): State<App>,
    Extension(viewer): Extension<Viewer>,
    body: JsonBody,
) -> Result<(StatusCode, Json<wire::Replayed>), Problem> {
    let filter = input::replay(&body)?;
    let moved = app.desk.move_dead(DeadAct::Replay, &filter, &viewer.name).await?;
    Ok((StatusCode::ACCEPTED, Json(moved.into())))
}

/// Drops a dead letter, for good.
#[utoipa::path(
    delete, path = "/dead/{id}", tag = "dead letters",
    params(("id" = String, Path, description = "The delivery's id")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 202, description = "It is looked for among many others, and dropped when it is met"),
    ),
)]
pub(super) async fn drop_one(
    State(app): State<App>,
    Extension(viewer): Extension<Viewer>,
    path: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    Ok(match app.desk.drop_one(&path_text(path)?, &viewer.name).await? {
        Rest::Follows => StatusCode::ACCEPTED,
        Rest::None | Rest::Unseen => StatusCode::NO_CONTENT,
    })
}

/// Recent events, and whether a filter wants them: to try it out before it is saved.
#[utoipa::path(
    post, path = "/conditions/try", tag = "events",
    request_body(content = Option<input::TryIn>),
    responses((status = 200, body = wire::Tried)),
)]
pub(super) async fn try_out(
    State(app): State<App>,
    body: JsonBody,
) -> Result<Json<wire::Tried>, Problem> {
    Ok(Json(app.desk.try_out(&input::try_out(&body)?).await?.into()))
}

/// What both lists of deliveries understand.
fn deliveries(query: &mut Query) -> DeliveriesAsked {
    DeliveriesAsked {
        webhook: None,
        event: query.parsed("event", event_id),
        state: query.word("state", &STATES),
        kind: query.parsed("type", event_type),
        since_ms: query.time("since"),
        until_ms: query.time("until"),
        cursor: query.text("cursor"),
        limit: query.limit(),
    }
}
