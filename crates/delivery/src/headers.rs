//! The headers of a request, as the contract lists them.
//!
//! What never changes is a constant; a webhook's own headers go in first, so that none of them can
//! replace one of ours.

use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use signing::{boottify, standard};

use crate::attempt::Request;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("boottify-webhooks/", env!("CARGO_PKG_VERSION")));
const SIGNATURE: HeaderName = HeaderName::from_static("x-boottify-signature");
const EVENT: HeaderName = HeaderName::from_static("x-boottify-event");
const DELIVERY: HeaderName = HeaderName::from_static("x-boottify-delivery");
const ATTEMPT: HeaderName = HeaderName::from_static("x-boottify-attempt");
const STANDARD_ID: HeaderName = HeaderName::from_static("webhook-id");
const STANDARD_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const STANDARD_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// What stands for a value that cannot stand in a header, which none of ours is.
const NOTHING: HeaderValue = HeaderValue::from_static("");

/// How many headers of ours there are at most.
const OURS: usize = 11;

/// What proves the origin of a request, as its headers say it. No secret.
#[derive(Clone, Debug)]
pub struct Signatures {
    /// The value of `x-boottify-signature`.
    pub boottify: HeaderValue,
    /// The value of `webhook-signature`.
    pub standard: HeaderValue,
}

/// All headers of `request`, signed as of `now` (seconds since the epoch).
pub(crate) fn headers(request: &Request<'_>, now: i64) -> (HeaderMap, Signatures) {
    let Request { webhook, secrets, event, delivery, attempt, trace } = *request;
    let mut headers = HeaderMap::with_capacity(OURS + webhook.headers.iter().len());
    for (name, value) in webhook.headers.iter() {
        headers.append(name, value.clone());
    }
    let (body, id) = (event.body(), delivery.as_str());
    let signatures = Signatures {
        boottify: visible(&boottify::sign(secrets.primary(), body)),
        standard: visible(standard::sign(secrets.iter(), id, now, body).as_bytes()),
    };
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(USER_AGENT, AGENT);
    headers.insert(SIGNATURE, signatures.boottify.clone());
    headers.insert(EVENT, visible(event.kind().as_str().as_bytes()));
    let id = visible(id.as_bytes());
    headers.insert(DELIVERY, id.clone());
    headers.insert(STANDARD_ID, id);
    headers.insert(STANDARD_SIGNATURE, signatures.standard.clone());
    headers.insert(ATTEMPT, HeaderValue::from(attempt));
    headers.insert(STANDARD_TIMESTAMP, HeaderValue::from(now));
    if let Some(trace) = trace {
        headers.insert(TRACEPARENT, HeaderValue::try_from(trace.traceparent()).unwrap_or(NOTHING));
        if let Some(state) = trace.tracestate() {
            headers.insert(TRACESTATE, visible(state.as_bytes()));
        }
    }
    (headers, signatures)
}

/// A value that is visible ASCII by construction.
fn visible(text: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(text).unwrap_or(NOTHING)
}
