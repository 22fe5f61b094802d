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

/// How many headers of ours there are at most.
const OURS: usize = 10;

/// All headers of `request`, signed as of `now` (seconds since the epoch).
pub(crate) fn headers(request: &Request<'_>, now: i64) -> HeaderMap {
    let Request { webhook, event, delivery, attempt, traceparent } = *request;
    let mut headers = HeaderMap::with_capacity(OURS + webhook.headers.iter().len());
    for (name, value) in webhook.headers.iter() {
        headers.append(name, value.clone());
    }
    let (body, id) = (event.body(), delivery.as_str());
    let signature = boottify::sign(webhook.secrets.primary(), body);
    let standard = standard::sign(webhook.secrets.iter(), id, now, body);
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(USER_AGENT, AGENT);
    let texts = [
        (SIGNATURE, signature.as_slice()),
        (EVENT, event.kind().as_str().as_bytes()),
        (DELIVERY, id.as_bytes()),
        (STANDARD_ID, id.as_bytes()),
        (STANDARD_SIGNATURE, standard.as_bytes()),
    ];
    for (name, text) in texts {
        // All of these are visible ASCII by construction.
        if let Ok(value) = HeaderValue::from_bytes(text) {
            headers.insert(name, value);
        }
    }
    headers.insert(ATTEMPT, HeaderValue::from(attempt));
    headers.insert(STANDARD_TIMESTAMP, HeaderValue::from(now));
    if let Some(value) = traceparent.filter(|text| is_traceparent(text))
        && let Ok(value) = HeaderValue::from_str(value)
    {
        headers.insert(TRACEPARENT, value);
    }
    headers
}

/// The form of W3C Trace Context, section 3.2: version, trace id, parent id, flags.
fn is_traceparent(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut is_hex = |length: usize| {
        parts.next().is_some_and(|part| {
            part.len() == length
                && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
    };
    let whole = is_hex(2) && is_hex(32) && is_hex(16) && is_hex(2);
    whole && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trace_context_is_passed_on() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert!(is_traceparent(good));
        for bad in ["", "00", &good.to_uppercase(), &good[1..], &format!("{good}-x"), "a\r\nb"] {
            assert!(!is_traceparent(bad), "{bad:?}");
        }
    }
}
