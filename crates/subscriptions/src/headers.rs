//! Request headers that a webhook's owner adds to every attempt.
//!
//! Names that carry the request itself, its proof of origin or its trace belong to the service and
//! are refused. Values may be tokens: they are marked sensitive and never shown.

use std::fmt;

use http::{HeaderName, HeaderValue};
use thiserror::Error;

/// The most headers of one webhook.
pub const MAX_HEADERS: usize = 20;
/// The most bytes of all names and values of one webhook together; many servers refuse more.
pub const MAX_HEADERS_BYTES: usize = 4096;

/// Names that no webhook may set: framing, connection, what the service states about itself, and
/// what would make the response something that it does not read (a compressed body, `100-continue`).
const RESERVED: [&str; 20] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
];
/// Beginnings of names that are the service's own.
const RESERVED_PREFIXES: [&str; 2] = ["webhook-", "x-boottify-"];

/// Checked custom headers, in the order given, each name once.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Box<[(HeaderName, HeaderValue)]>);

/// Headers that cannot be added to a request. No variant quotes a value.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidHeaders {
    /// More than [`MAX_HEADERS`].
    #[error("at most {MAX_HEADERS} headers are possible, not {0}")]
    TooMany(usize),
    /// More than [`MAX_HEADERS_BYTES`].
    #[error("all headers together may have {MAX_HEADERS_BYTES} bytes, not {0}")]
    TooLong(usize),
    /// This is no HTTP field name.
    #[error("{0:?} is no header name")]
    Name(String),
    /// The value of this header holds something else than printable ASCII.
    #[error("the value of header {0} may hold printable ASCII only")]
    Value(HeaderName),
    /// This header is set by the service.
    #[error("header {0} is set by the service and cannot be changed")]
    Reserved(HeaderName),
    /// This header was given twice (names differ in case only).
    #[error("header {0} is given twice")]
    Duplicate(HeaderName),
}

impl Headers {
    /// Checks names and values.
    ///
    /// # Errors
    ///
    /// [`InvalidHeaders`] for the first thing wrong.
    pub fn try_new<N: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, InvalidHeaders> {
        let mut checked: Vec<(HeaderName, HeaderValue)> = Vec::new();
        for (name, value) in pairs {
            let (name, value) = pair(name.as_ref(), value.as_ref())?;
            if checked.iter().any(|(earlier, _)| *earlier == name) {
                return Err(InvalidHeaders::Duplicate(name));
            }
            checked.push((name, value));
        }
        if checked.len() > MAX_HEADERS {
            return Err(InvalidHeaders::TooMany(checked.len()));
        }
        let bytes = checked.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if bytes > MAX_HEADERS_BYTES {
            return Err(InvalidHeaders::TooLong(bytes));
        }
        Ok(Self(checked.into()))
    }

    /// Names and values, in the order given.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&HeaderName, &HeaderValue)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn pair(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), InvalidHeaders> {
    let name: HeaderName =
        name.parse().map_err(|_| InvalidHeaders::Name(name.chars().take(80).collect()))?;
    let text = name.as_str();
    if RESERVED.contains(&text) || RESERVED_PREFIXES.iter().any(|p| text.starts_with(p)) {
        return Err(InvalidHeaders::Reserved(name));
    }
    // `http` would take obs-text (bytes from 0x80) and tabs; receivers disagree about what they mean.
    if !value.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return Err(InvalidHeaders::Value(name));
    }
    let Ok(mut value) = HeaderValue::from_str(value) else {
        return Err(InvalidHeaders::Value(name));
    };
    value.set_sensitive(true);
    Ok((name, value))
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, value: &str) -> Result<Headers, InvalidHeaders> {
        Headers::try_new([(name, value)])
    }

    #[test]
    fn good_headers_keep_order_and_hide_values() {
        let headers =
            Headers::try_new([("X-Tenant", "42"), ("authorization", "Bearer hunter2")]).unwrap();
        let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["x-tenant", "authorization"]);
        assert!(headers.iter().all(|(_, value)| value.is_sensitive()));
        assert_eq!(format!("{headers:?}"), r#"["x-tenant", "authorization"]"#);
    }

    #[test]
    fn the_services_own_headers_are_refused_in_any_case() {
        for name in
            RESERVED.iter().chain(&["x-boottify-", "X-Boottify-Event", "WEBHOOK-id", "Host"])
        {
            assert!(matches!(one(name, "x"), Err(InvalidHeaders::Reserved(_))), "{name}");
        }
        assert!(one("webhooks", "x").is_ok());
    }

    #[test]
    fn what_http_cannot_carry_is_refused() {
        for name in ["", "a b", "a:b", "é", "a\r\nb"] {
            assert!(matches!(one(name, "x"), Err(InvalidHeaders::Name(_))), "{name:?}");
        }
        for value in ["a\r\nx-evil: 1", "\0", "é", "a\tb", "\u{7f}"] {
            assert!(matches!(one("x-a", value), Err(InvalidHeaders::Value(_))), "{value:?}");
        }
        assert!(one("x-a", "").is_ok());
    }

    #[test]
    fn number_and_size_are_bounded_and_names_stand_once() {
        let many = |n: usize| Headers::try_new((0..n).map(|i| (format!("x-{i}"), "v")));
        assert!(many(20).is_ok());
        assert_eq!(many(21), Err(InvalidHeaders::TooMany(21)));
        assert!(matches!(one("x-a", &"v".repeat(5000)), Err(InvalidHeaders::TooLong(5003))));
        assert!(matches!(
            Headers::try_new([("x-a", "1"), ("X-A", "2")]),
            Err(InvalidHeaders::Duplicate(_))
        ));
    }
}
