//! Routes about webhooks.

use std::collections::BTreeMap;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::header::{ETAG, IF_MATCH, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use store::{Action, AuditFilter};
use subscriptions::WebhookId;

use super::json::JsonBody;
use super::params::PartParams;
use super::query::Query;
use super::{input, wire};
use crate::App;
use crate::auth::Viewer;
use crate::clock::now_ms;
use crate::desk::{AuditAsked, Found, State as Sending, WebhooksAsked};
use crate::problem::{FieldError, Problem, ProblemKind};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The longest idempotency key.
const LONGEST_KEY: usize = 255;
/// How far back the figures go, if nobody says.
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// Makes a webhook.
///
/// With an `Idempotency-Key`, a request that means the same within a day gives the same webhook and
/// secret, however it is written; once that webhook was deleted, it makes no other.
#[utoipa::path(
    post, path = "/webhooks", tag = "webhooks",
    request_body = input::NewWebhook,
    params(("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$",
            description = "Names this request, so that it can be repeated")),
    responses((status = 201, body = wire::WebhookWithSecret, headers(
        ("etag" = String, description = "Which state of the webhook this is"),
        ("location" = String, description = "Where the webhook is"),
    ))),
)]
pub(super) async fn create(
    State(app): State<App>,
    Extension(viewer): Extension<Viewer>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    let key = idempotency_key(&headers)?;
    let (edit, errors) = input::webhook(&body);
    if !errors.is_empty() {
        return Err(all(errors, app.desk.mistakes(None, &edit).await));
    }
    let made = app.desk.create(&edit, key.as_deref(), &viewer.name).await?;
    let answer = Json(wire::WebhookWithSecret::of(&made, &viewer));
    let place = format!("{}/webhooks/{}", super::PREFIX, made.found.webhook.id);
    let place = HeaderValue::try_from(place).unwrap_or(HeaderValue::from_static(""));
    Ok((StatusCode::CREATED, [(ETAG, etag(&made.found)), (LOCATION, place)], answer)
        .into_response())
}

/// Webhooks, newest first.
#[utoipa::path(
    get, path = "/webhooks", tag = "webhooks",
    params(
        ("search" = Option<String>, Query, max_length = 1024,
         description = "A text in the id, the URL without its query, or the description"),
        ("state" = Option<String>, Query, pattern = "^(enabled|disabled)$",
         description = "`enabled` or `disabled`"),
        PartParams,
    ),
    responses((status = 200, body = wire::Webhooks)),
)]
pub(super) async fn list(
    State(app): State<App>,
    Extension(viewer): Extension<Viewer>,
    RawQuery(query): RawQuery,
) -> Result<Json<wire::Webhooks>, Problem> {
    let mut query = Query::new(query.as_deref());
    let states = [("enabled", Sending::Enabled), ("disabled", Sending::Disabled)];
    let asked = WebhooksAsked {
        search: query.text("search"),
        state: query.word("state", &states),
        cursor: query.text("cursor"),
        limit: query.limit(),
    };
    query.finish()?;
    Ok(Json(wire::Webhooks::of(&app.desk.webhooks(&asked)?, &viewer)))
}

/// One webhook.
#[utoipa::path(
    get, path = "/webhooks/{id}", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id")),
    responses((status = 200, body = wire::Webhook, headers(
        ("etag" = String, description = "Which state of the webhook this is"),
    ))),
)]
pub(super) async fn get(
    State(app): State<App>,
    Extension(viewer): Extension<Viewer>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let found = app.desk.webhook(&id(path)?).await?;
    Ok(([(ETAG, etag(&found))], Json(wire::Webhook::of(&found, &viewer))).into_response())
}

/// Changes a webhook: what is left out stays, null gives a field its default.
#[utoipa::path(
    patch, path = "/webhooks/{id}", tag = "webhooks",
    request_body(content(
        (input::WebhookFields = "application/json"),
        (input::WebhookFields = "application/merge-patch+json"),
    )),
    params(
        ("id" = String, Path, description = "The webhook's id"),
        ("If-Match" = Option<String>, Header, pattern = "^(\\*|\"[!#-~]*\")$",
         description = "The etag of the state that was seen: if it is another by now, nothing is changed"),
    ),
    responses((status = 200, body = wire::ChangedWebhook, headers(
        ("etag" = String, description = "Which state of the webhook this is"),
    ))),
)]
pub(super) async fn update(
    State(app): State<App>,
    Extension(viewer): Extension<Viewer>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    let id = id(path)?;
    let seen = if_match(&headers)?;
    let (edit, errors) = input::webhook(&body);
    if !errors.is_empty() {
        return Err(all(errors, app.desk.mistakes(Some(&id), &edit).await));
    }
    let changed = app.desk.update(&id, &edit, seen.as_deref(), &viewer.name).await?;
    let (found, warnings) = changed;
    let answer = Json(wire::ChangedWebhook::of(&found, warnings, &viewer));
    Ok(([(ETAG, etag(&found))], answer).into_response())
}

/// Deletes a webhook. What waits for it ends.
#[utoipa::path(
    delete, path = "/webhooks/{id}", tag = "webhooks",
    params(
        ("id" = String, Path, description = "The webhook's id"),
        ("If-Match" = Option<String>, Header, pattern = "^(\\*|\"[!#-~]*\")$",
         description = "The etag of the state that was seen: if it is another by now, nothing is deleted"),
    ),
    responses((status = 204, description = "It is gone")),
)]
pub(super) async fn delete(
    State(app): State<App>,
    Extension(viewer): Extension<Viewer>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let seen = if_match(&headers)?;
    app.desk.delete(&id(path)?, seen.as_deref(), &viewer.name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a new secret. Until the overlap ends or it is promoted, the old one goes on signing
/// `x-boottify-signature`, and both sign `webhook-signature`.
#[utoipa::path(
    post, path = "/webhooks/{id}/rotate-secret", tag = "webhooks",
    request_body(content = Option<input::RotateIn>),
    params(
        ("id" = String, Path, description = "The webhook's id"),
        ("If-Match" = Option<String>, Header, pattern = "^(\\*|\"[!#-~]*\")$",
         description = "The etag of the state that was seen: if it is another by now, nothing is rotated"),
    ),
    responses((status = 200, body = wire::WebhookWithSecret)),
)]
pub(super) async fn rotate(
    State(app): State<App>,
    Extension(viewer): Extension<Viewer>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Json<wire::WebhookWithSecret>, Problem> {
    let (id, seen) = (id(path)?, if_match(&headers)?);
    let overlap = input::rotate(&body)?;
    let made = app.desk.rotate(&id, overlap, seen.as_deref(), &viewer.name).await?;
    Ok(Json(wire::WebhookWithSecret::of(&made, &viewer)))
}

/// Ends the overlap of a rotation now: the new secret signs alone.
#[utoipa::path(
    post, path = "/webhooks/{id}/promote-secret", tag = "webhooks",
    params(
        ("id" = String, Path, description = "The webhook's id"),
        ("If-Match" = Option<String>, Header, pattern = "^(\\*|\"[!#-~]*\")$",
         description = "The etag of the state that was seen: if it is another by now, nothing is promoted"),
    ),
    responses((status = 200, body = wire::Webhook)),
)]
pub(super) async fn promote(
    State(app): State<App>,
    Extension(viewer): Extension<Viewer>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Json<wire::Webhook>, Problem> {
    let seen = if_match(&headers)?;
    let found = app.desk.promote(&id(path)?, seen.as_deref(), &viewer.name).await?;
    Ok(Json(wire::Webhook::of(&found, &viewer)))
}

/// Shows the secrets that sign now. The audit notes it.
#[utoipa::path(
    post, path = "/webhooks/{id}/reveal-secret", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id")),
    responses((status = 200, body = wire::Secrets)),
)]
pub(super) async fn reveal(
    State(app): State<App>,
    Extension(viewer): Extension<Viewer>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<wire::Secrets>, Problem> {
    let secrets = app.desk.reveal(&id(path)?, &viewer.name).await?;
    Ok(Json(wire::Secrets::of(&secrets)))
}

/// What happened to a webhook, hour by hour.
#[utoipa::path(
    get, path = "/webhooks/{id}/stats", tag = "webhooks",
    params(
        ("id" = String, Path, description = "The webhook's id"),
        ("since" = Option<String>, Query, format = DateTime, description = "A day ago without it"),
    ),
    responses((status = 200, body = wire::Stats)),
)]
pub(super) async fn stats(
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<wire::Stats>, Problem> {
    let id = id(path)?;
    let mut query = Query::new(query.as_deref());
    let since = query.time("since").unwrap_or_else(|| now_ms() - DAY_MS);
    query.finish()?;
    app.desk.webhook(&id).await?;
    let mut hours: BTreeMap<WebhookId, _> =
        app.desk.hours(std::slice::from_ref(&id), since).await?;
    Ok(Json(hours.remove(&id).unwrap_or_default().into()))
}

/// What a webhook's receiver has shown the replica that answers: how many attempts it gets, and
/// whether it is left alone.
#[utoipa::path(
    get, path = "/webhooks/{id}/standing", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id")),
    responses((status = 200, body = wire::Standing)),
)]
pub(super) async fn standing(
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<wire::Standing>, Problem> {
    let id = id(path)?;
    app.desk.webhook(&id).await?;
    Ok(Json(wire::Standing::of(app.desk.standing(&id).as_ref(), now_ms())))
}

/// Who changed what, newest first. Nothing where webhooks are kept in a file: there is no audit then.
#[utoipa::path(
    get, path = "/audit", tag = "audit",
    params(
        ("webhook" = Option<String>, Query, pattern = "^whk_[A-Za-z0-9_-]{1,64}$", description = "About this webhook only"),
        ("actor" = Option<String>, Query, max_length = 1024, description = "By this one only, as `actor` has it"),
        ("action" = Option<String>, Query, pattern = "^(created|updated|disabled|deleted|secret revealed|secret rotated|secret promoted|secret sealed anew|test event sent|delivery sent again|failed deliveries sent again|dead letters sent again|dead letters dropped)$", description = "Of this kind only, as `action` has it"),
        PartParams,
    ),
    responses((status = 200, body = wire::Audit)),
)]
pub(super) async fn audit(
    State(app): State<App>,
    RawQuery(query): RawQuery,
) -> Result<Json<wire::Audit>, Problem> {
    let mut query = Query::new(query.as_deref());
    let filter = AuditFilter {
        webhook: query.webhook("webhook"),
        actor: query.text("actor"),
        action: query.word("action", &Action::ALL.map(|action| (action.as_str(), action))),
    };
    let asked = AuditAsked { filter, cursor: query.text("cursor"), limit: query.limit() };
    query.finish()?;
    Ok(Json(app.desk.audit(&asked).await?.into()))
}

/// The known event types.
#[utoipa::path(
    get, path = "/event-types", tag = "events",
    responses((status = 200, body = wire::EventTypes)),
)]
pub(super) async fn event_types(State(app): State<App>) -> Json<wire::EventTypes> {
    Json(app.desk.event_types().into())
}

/// The webhook that an address names.
pub(super) fn id(path: Result<Path<String>, PathRejection>) -> Result<WebhookId, Problem> {
    let text = path_text(path)?;
    WebhookId::try_new(&text).map_err(|_| {
        let shown: String = text.chars().take(40).collect();
        Problem::new(ProblemKind::UnknownWebhook, format!("{shown:?} is no webhook's id"))
    })
}

/// The variable part of an address.
pub(super) fn path_text(path: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    path.map(|Path(text)| text).map_err(|_| {
        let why = "the address holds something that is no text in UTF-8";
        Problem::new(ProblemKind::InvalidRequest, why)
    })
}

/// Strong, for it names exactly what the owner says about the webhook.
fn etag(found: &Found) -> HeaderValue {
    let text = format!("\"{}\"", found.fingerprint);
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("\"\""))
}

/// The fingerprint that was seen; `*` means whatever is there.
fn if_match(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match inner {
        Some(inner) if !inner.contains('"') => Ok(Some(inner.to_owned())),
        _ => {
            let why = "if-match must be one etag as it was answered, or *";
            Err(Problem::new(ProblemKind::InvalidRequest, why))
        }
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    if text.is_empty() || text.len() > LONGEST_KEY {
        let why =
            format!("idempotency-key must have 1 to {LONGEST_KEY} printable ASCII characters");
        return Err(Problem::new(ProblemKind::InvalidRequest, why));
    }
    Ok(Some(text.to_owned()))
}

/// Mistakes in the form, and then those in what was understood of it.
fn all(mut errors: Vec<FieldError>, further: Vec<FieldError>) -> Problem {
    for error in further {
        let known = errors.iter().any(|other| other.pointer.starts_with(&error.pointer));
        if !known {
            errors.push(error);
        }
    }
    Problem::fields(errors)
}
