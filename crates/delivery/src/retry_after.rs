//! `Retry-After`: how long a receiver asks to be left alone (RFC 9110, section 10.2.3).

use std::time::{Duration, SystemTime};

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};

/// The wait that a 429 or 503 asks for: seconds, or a date seen from `now`. Nonsense asks for
/// nothing, as does a date that has passed.
pub(crate) fn read(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    if !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return None;
    }
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than fit are as good as for ever; the policy's cap decides.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::from(u32::MAX))));
    }
    httpdate::parse_http_date(text).ok()?.duration_since(now).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn asked(status: u16, value: &[u8]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_bytes(value).ok()?);
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        read(StatusCode::from_u16(status).ok()?, &headers, now).map(|wait| wait.as_secs())
    }

    #[test]
    fn what_a_receiver_can_ask_for() {
        assert_eq!(asked(429, b"120"), Some(120));
        assert_eq!(asked(503, b" 0 "), Some(0));
        assert_eq!(asked(500, b"120"), None);
        assert_eq!(asked(429, b"Sun, 06 Nov 1994 08:50:37 GMT"), Some(60));
        assert_eq!(asked(429, b"Sun, 06 Nov 1994 08:48:37 GMT"), None);
        assert_eq!(asked(429, b"99999999999999999999999"), Some(u64::from(u32::MAX)));
        for nonsense in [&b""[..], b"-1", b"1.5", b"soon", b"\xff", b"1e3"] {
            assert_eq!(asked(429, nonsense), None, "{nonsense:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_a_receiver_says_panics(value in prop::collection::vec(any::<u8>(), 0..64)) {
            asked(503, &value);
        }
    }
}
