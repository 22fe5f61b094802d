//! What must hold of `Retry-After`, whatever a receiver writes into it: for the fuzzer and for its
//! seeds.

use std::time::{Duration, SystemTime};

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::retry_after;

/// When it is read: the moment of RFC 9110's example of a date.
const NOW: Duration = Duration::from_secs(784_111_777);

/// Reads the value of the header.
pub fn retry_after(value: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(value) else { return };
    let headers: HeaderMap = [(RETRY_AFTER, value.clone())].into_iter().collect();
    let now = SystemTime::UNIX_EPOCH + NOW;
    let asked = |status| retry_after::read(status, &headers, now);
    let wait = asked(StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(wait, asked(StatusCode::SERVICE_UNAVAILABLE));
    for other in [StatusCode::OK, StatusCode::MOVED_PERMANENTLY, StatusCode::INTERNAL_SERVER_ERROR]
    {
        assert_eq!(asked(other), None, "{other}");
    }
    let text = value.to_str().unwrap_or_default().trim();
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    assert!(!digits || wait.is_some(), "seconds ask for a wait: {text}");
    let Some(wait) = wait else { return };
    if digits {
        let add = |sum: u64, digit: u8| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0'));
        let said = text.bytes().try_fold(0, add);
        assert_eq!(wait.as_secs(), said.unwrap_or(u32::MAX.into()), "{text}");
    } else {
        // What is no number is a date: written out, it is read as the same moment.
        let date = now + wait;
        let again = httpdate::parse_http_date(&httpdate::fmt_http_date(date)).ok();
        assert_eq!(again, Some(date), "{text}");
    }
}

#[cfg(test)]
#[path = "../../../tests/fuzz/seeds.rs"]
mod seeds;

#[cfg(test)]
mod tests {
    #[test]
    fn what_must_hold_holds_of_all_seeds() {
        super::seeds::each("retry_after", super::retry_after);
    }
}
