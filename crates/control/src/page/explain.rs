//! "Why this outcome", in a sentence for the owner of the receiver: what happened, and what to do.

use super::time::length;

/// Why an attempt failed. `failure` is a failure kind of the log.
pub(super) fn failure(failure: &str, status: Option<u16>, duration_ms: u32) -> String {
    let took = length(f64::from(duration_ms));
    match failure {
        "dns" => "The host name did not resolve. Check that it is spelled right and that its DNS \
                  records are public."
            .to_owned(),
        "connect" => "No connection could be made: nothing listens on that port, or a firewall \
                      refuses us."
            .to_owned(),
        "tls" => "The TLS handshake failed. Most often the certificate has run out, names another \
                  host, or comes without its intermediate certificates; or the port speaks no TLS."
            .to_owned(),
        "timeout" => format!(
            "There was no complete answer in time (we waited {took}). Answer first, with any 2xx, \
             and do the work afterwards."
        ),
        "blocked_address" => {
            "The host leads to an address that webhooks may not reach: a private, \
                              loopback or otherwise reserved one."
                .to_owned()
        }
        "protocol" => "The answer was no complete HTTP response: it broke off, or was something \
                       else."
            .to_owned(),
        _ => http(status, failure),
    }
}

/// Why a delivery that is due waits. `bound` is what held it back, as metrics name it; `None` where
/// this replica has not seen anything do so.
pub(super) fn held(bound: Option<&str>) -> &'static str {
    match bound {
        Some("breaker") => {
            "It waits: the receiver failed so often in a row that it is left alone but for single \
             probes."
        }
        Some("rate") => "It waits for its turn: the webhook's rate limit is used up.",
        Some("webhook_in_flight") => {
            "It waits for its turn: as many attempts are under way as the receiver has shown that it \
             takes."
        }
        Some("share") => {
            "It waits for its turn: the webhook has its share of all the places for attempts."
        }
        Some("slow") => {
            "It waits for its turn: the receiver is slow, and slow ones have all the places that they \
             may together."
        }
        Some("host") => {
            "It waits for its turn: as many attempts are under way to this host, over all its \
             webhooks, as may be."
        }
        Some("unopened") => "It waits until the webhook's secret can be opened.",
        _ => {
            "It waits, and this replica has not seen why: another one holds it back, or none is there \
             to take it."
        }
    }
}

/// Why a delivery is among the dead letters.
pub(super) fn dead(reason: &str) -> &'static str {
    match reason {
        "gave_up" => "Every attempt failed until the time for retries was over.",
        "gone" => "The receiver answered 410 Gone, which asks us never to send again.",
        "disabled" => "The webhook was disabled when this should have been sent; it was kept.",
        "test" => "A test is attempted once only.",
        _ => "It was given up.",
    }
}

/// The name of a reason.
pub(super) fn dead_name(reason: &str) -> &str {
    match reason {
        "gave_up" => "Gave up",
        "gone" => "Gone (410)",
        "disabled" => "Webhook disabled",
        "test" => "Test failed",
        "malformed" => "Malformed",
        other => other,
    }
}

/// The name of a failure kind, short enough for a list.
pub(super) fn failure_name(failure: &str) -> String {
    match failure {
        "dns" => "DNS".to_owned(),
        "connect" => "No connection".to_owned(),
        "tls" => "TLS".to_owned(),
        "timeout" => "Timed out".to_owned(),
        "blocked_address" => "Blocked address".to_owned(),
        "protocol" => "Broken response".to_owned(),
        other => match other.strip_prefix("http_") {
            Some(status) => format!("HTTP {status}"),
            None => other.to_owned(),
        },
    }
}

fn http(status: Option<u16>, failure: &str) -> String {
    let Some(status) = status.or_else(|| failure.strip_prefix("http_")?.parse().ok()) else {
        return "The attempt failed.".to_owned();
    };
    let advice = match status {
        300..=399 => "Redirects are not followed. Set the webhook's URL to the final address.",
        400 | 422 => {
            "The receiver did not accept the request. Its response below often says why; a parser \
             that expects other fields is the usual cause."
        }
        401 | 403 => {
            "The receiver refused us. Check that it verifies with this webhook's secret and over \
             the exact body, and that nothing before it asks for a sign-in."
        }
        404 | 405 => {
            "Nothing takes POST requests at this path. Check the path and the method of your route."
        }
        408 => "The receiver waited too long for the request.",
        410 => {
            "The receiver says that it is gone for good. That disables the webhook until you \
             enable it again."
        }
        413 => "The receiver accepts only smaller bodies. Raise its limit.",
        429 => "The receiver asked us to slow down. We wait as long as its Retry-After says.",
        400..=499 => "The receiver did not accept the request. Its response below may say why.",
        502..=504 => {
            "Something before your receiver could not reach it. It is probably down or restarting."
        }
        500..=599 => "The receiver failed while it handled the request. Its own logs say why.",
        _ => "Only a status from 200 to 299 counts as delivered.",
    };
    format!("The receiver answered {status}. {advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_sentence() {
        let kinds = ["dns", "connect", "tls", "timeout", "blocked_address", "protocol", "http_500"];
        let sentences: std::collections::BTreeSet<String> =
            kinds.iter().map(|kind| failure(kind, None, 15_000)).collect();
        assert_eq!(sentences.len(), kinds.len());
        assert!(failure("timeout", None, 15_000).contains("15.0 s"));
        assert!(failure("http_301", None, 1).contains("Redirects are not followed"));
        assert!(failure("http_410", Some(410), 1).contains("answered 410"));
        assert_eq!(failure("whatever", None, 1), "The attempt failed.");
    }
}
