//! Why something was not done: one closed set for the page and the API.
//!
//! In the API a problem is a document of RFC 9457 (`application/problem+json`), whose `type` is
//! `/problems/<word>` and never changes. The page shows `detail`, and each of `errors` beside its
//! field. A problem never holds a secret.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

/// Mistakes that one problem tells.
const MAX_ERRORS: usize = 50;

/// What kind of problem it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// The request cannot be read: its JSON, its query, its encoding.
    InvalidRequest,
    /// A cursor that this service did not make.
    InvalidCursor,
    /// No token, or a wrong one.
    Unauthenticated,
    /// The token's role does not allow it.
    Forbidden,
    /// The request was made by the page of another site.
    CrossSite,
    /// The proof that a form came from our own page is missing or wrong.
    Csrf,
    /// There is no such address.
    NotFound,
    /// There is no such webhook.
    UnknownWebhook,
    /// The delivery log knows no such delivery.
    UnknownDelivery,
    /// There is no such dead letter.
    UnknownDeadLetter,
    /// The address is there, the method is not.
    MethodNotAllowed,
    /// Webhooks are kept where only their owner writes.
    ReadOnlyStore,
    /// The delivery log is switched off.
    NoDeliveryLog,
    /// No rotation is under way where one must be.
    NoRotation,
    /// The delivery log has forgotten what was sent.
    BodyForgotten,
    /// The webhook does not send.
    WebhookDisabled,
    /// The webhook's secrets cannot be had: it can be deleted only.
    WebhookUnopened,
    /// What an idempotent request made was deleted meanwhile.
    WebhookDeleted,
    /// The same idempotency key was used for another request.
    IdempotencyKeyReused,
    /// Somebody changed it meanwhile.
    Stale,
    /// The body is too large.
    TooLarge,
    /// The body is not said to be JSON.
    UnsupportedMediaType,
    /// The host that was asked for is not ours.
    Misdirected,
    /// Fields have mistakes; all of them are told.
    InvalidFields,
    /// Too many attempts to sign in.
    TooManyAttempts,
    /// A defect of ours.
    Internal,
    /// The database cannot be reached.
    StoreAway,
    /// The database can be reached, and what is in it cannot be read.
    StoreDamaged,
    /// The broker cannot be reached.
    BrokerAway,
    /// It took too long.
    TimedOut,
    /// Somebody else works on the dead letters.
    Busy,
    /// It was not among the dead letters that could be looked at.
    NotAllSeen,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind it is.
    pub kind: ProblemKind,
    /// What is wrong here, in a sentence or two, for people.
    pub detail: String,
    /// What is wrong with which field; empty for other kinds than invalid fields.
    pub errors: Vec<FieldError>,
    /// After how many seconds it is worth another try.
    pub retry_after_s: Option<u32>,
    /// The methods that the address has, where another was used.
    pub allow: Option<HeaderValue>,
    /// The webhook that somebody has to look at, where that is one.
    pub webhook: Option<Box<str>>,
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Where it stands in the document, as a JSON pointer such as `/events/0`.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

impl Problem {
    /// A problem of this kind.
    #[must_use]
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let (retry_after_s, allow, webhook) = (None, None, None);
        Self { kind, detail, errors: Vec::new(), retry_after_s, allow, webhook }
    }

    /// Fields with mistakes.
    #[must_use]
    pub fn fields(errors: Vec<FieldError>) -> Self {
        let mut errors = errors;
        let detail = match errors.len() {
            1 => "one field has a mistake".to_owned(),
            n if n > MAX_ERRORS => {
                format!("{n} mistakes, of which the first {MAX_ERRORS} are told")
            }
            n => format!("{n} fields have mistakes"),
        };
        errors.truncate(MAX_ERRORS);
        Self { errors, ..Self::new(ProblemKind::InvalidFields, detail) }
    }

    /// The same, about this webhook.
    #[must_use]
    pub fn about(self, webhook: impl Into<Box<str>>) -> Self {
        Self { webhook: Some(webhook.into()), ..self }
    }

    /// The same, worth another try after so many seconds.
    #[must_use]
    pub fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.kind.status()
    }
}

impl FieldError {
    /// A mistake at `pointer`.
    #[must_use]
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

impl ProblemKind {
    /// Every kind, as the documentation lists them.
    pub const ALL: [Self; 32] = [
        Self::InvalidRequest,
        Self::InvalidCursor,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::CrossSite,
        Self::Csrf,
        Self::NotFound,
        Self::UnknownWebhook,
        Self::UnknownDelivery,
        Self::UnknownDeadLetter,
        Self::MethodNotAllowed,
        Self::ReadOnlyStore,
        Self::NoDeliveryLog,
        Self::NoRotation,
        Self::BodyForgotten,
        Self::WebhookDisabled,
        Self::WebhookUnopened,
        Self::WebhookDeleted,
        Self::IdempotencyKeyReused,
        Self::Stale,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::Misdirected,
        Self::InvalidFields,
        Self::TooManyAttempts,
        Self::Internal,
        Self::StoreAway,
        Self::StoreDamaged,
        Self::BrokerAway,
        Self::TimedOut,
        Self::Busy,
        Self::NotAllSeen,
    ];

    /// The last part of `type`, its title and its status.
    fn row(self) -> (&'static str, &'static str, u16) {
        match self {
            Self::InvalidRequest => ("invalid-request", "The request cannot be read", 400),
            Self::InvalidCursor => ("invalid-cursor", "The cursor is none of ours", 400),
            Self::Unauthenticated => ("unauthenticated", "Sign in first", 401),
            Self::Forbidden => ("forbidden", "Your role does not allow this", 403),
            Self::CrossSite => ("cross-site", "Refused: another site made this request", 403),
            Self::Csrf => ("csrf", "Refused: the form's proof of origin does not fit", 403),
            Self::NotFound => ("not-found", "There is nothing at this address", 404),
            Self::UnknownWebhook => ("unknown-webhook", "There is no such webhook", 404),
            Self::UnknownDelivery => ("unknown-delivery", "There is no such delivery", 404),
            Self::UnknownDeadLetter => ("unknown-dead-letter", "There is no such dead letter", 404),
            Self::MethodNotAllowed => ("method-not-allowed", "The address has no such method", 405),
            Self::ReadOnlyStore => ("read-only-store", "Webhooks cannot be changed here", 409),
            Self::NoDeliveryLog => ("no-delivery-log", "The delivery log is switched off", 409),
            Self::NoRotation => ("no-rotation", "No rotation is under way", 409),
            Self::BodyForgotten => ("body-forgotten", "What was sent is not kept any more", 409),
            Self::WebhookDisabled => ("webhook-disabled", "The webhook is disabled", 409),
            Self::WebhookUnopened => ("webhook-unopened", "The webhook cannot be opened", 409),
            Self::WebhookDeleted => ("webhook-deleted", "The webhook was deleted", 409),
            Self::IdempotencyKeyReused => {
                ("idempotency-key-reused", "The idempotency key was used before", 422)
            }
            Self::Stale => ("stale", "It was changed meanwhile", 412),
            Self::TooLarge => ("too-large", "The request is too large", 413),
            Self::UnsupportedMediaType => ("unsupported-media-type", "Only JSON is read here", 415),
            Self::Misdirected => ("misdirected", "This host is not served here", 421),
            Self::InvalidFields => ("invalid-fields", "Some fields have mistakes", 422),
            Self::TooManyAttempts => ("too-many-attempts", "Too many failed attempts", 429),
            Self::Internal => ("internal", "Something went wrong on our side", 500),
            Self::StoreAway => ("store-away", "The database cannot be reached", 503),
            Self::StoreDamaged => ("store-damaged", "The database cannot be read", 503),
            Self::BrokerAway => ("broker-away", "The broker cannot be reached", 503),
            Self::TimedOut => ("timed-out", "It took too long", 503),
            Self::Busy => ("busy", "Somebody else works on the dead letters", 503),
            Self::NotAllSeen => ("not-all-seen", "Not all dead letters could be looked at", 409),
        }
    }

    /// Its `type`: stable, relative to this service.
    #[must_use]
    pub fn uri(self) -> String {
        format!("/problems/{}", self.row().0)
    }

    /// What kind of problem it is, in a few words.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.row().1
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().2).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// A problem document.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemDocument<'a> {
    /// Which kind of problem; stable, so that programs can tell them apart.
    #[schema(example = "/problems/unknown-webhook")]
    #[serde(rename = "type")]
    uri: String,
    /// The kind in a few words.
    title: &'a str,
    /// The status of the answer.
    status: u16,
    /// What is wrong here.
    detail: &'a str,
    /// The webhook that has to be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook: Option<&'a str>,
    /// What is wrong with which field.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let document = ProblemDocument {
            uri: self.kind.uri(),
            title: self.kind.title(),
            status: status.as_u16(),
            detail: &self.detail,
            webhook: self.webhook.as_deref(),
            errors: &self.errors,
        };
        // Texts and a number only: this serialises always.
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.kind == ProblemKind::Unauthenticated {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, allow);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_is_listed_with_a_type_of_its_own() {
        let types: BTreeSet<String> = ProblemKind::ALL.into_iter().map(ProblemKind::uri).collect();
        assert_eq!(types.len(), ProblemKind::ALL.len());
        assert!(ProblemKind::ALL.iter().all(|kind| kind.status().as_u16() >= 400));
        // The last one: whoever adds a kind after it adds it to the list, too.
        assert_eq!(ProblemKind::NotAllSeen as usize + 1, ProblemKind::ALL.len());
    }

    #[test]
    fn a_problem_is_a_problem_document() {
        let problem = Problem::fields(vec![FieldError::new("/url", "no URL")]);
        let response = problem.into_response();
        assert_eq!(response.status(), 422);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        let later = Problem::new(ProblemKind::Busy, "x").retry_after(3).into_response();
        assert_eq!(later.headers()[RETRY_AFTER], "3");
    }
}
