//! `[traces]`: where traces go, and how many there are.
//!
//! What platforms set for every program (`OTEL_EXPORTER_OTLP_ENDPOINT` and its like) counts where no
//! layer of our own says otherwise: it is the weakest of them. Only `OTEL_SDK_DISABLED` is above all.
//! As the standard has it, a mistake there ends nothing: it is told, and what is wrong is left out.

mod standard;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use settings::{Section, Value};
use thiserror::Error;

pub(super) use self::standard::Standard;
use self::standard::{DISABLED, ENDPOINT, EXPORTER};
use super::delivery::absolute;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// Where a collector takes traces, below its address.
const PATH: &str = "/v1/traces";

/// What is recorded of traces, and who is told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Traces {
    /// Where they go, or why there are none.
    pub(crate) endpoint: Result<Uri, NoTraces>,
    pub(crate) headers: CollectorHeaders,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) sample_ratio: f64,
    pub(crate) propagate: bool,
    pub(crate) max_waiting_spans: usize,
    pub(crate) timeout: Duration,
    /// Which service this is, as attributes.
    pub(crate) resource: Vec<(String, String)>,
    /// What of the standard variables does not count, and why: a line for each.
    pub(crate) unheeded: Vec<String>,
}

/// Why nothing is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum NoTraces {
    /// The usual case.
    #[error("no address is given for them (traces.endpoint, {ENDPOINT})")]
    NoEndpoint,
    /// The platform's own switch, for all programs.
    #[error("{DISABLED} is true")]
    Disabled,
    /// The platform wants none, and nobody else gave an address.
    #[error("{EXPORTER} is none")]
    NoExporter,
}

/// Headers of each request to the collector. They may hold a token and show nothing of themselves.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct CollectorHeaders(HeaderMap);

impl Traces {
    pub(super) fn read(section: &mut Section<'_, '_>, standard: &Standard) -> Option<Self> {
        let given = section.optional("endpoint", |value| value.parse_hidden(below));
        let headers = section.optional_secret("headers", CollectorHeaders::parse);
        let ca_file = section.optional("ca_file", |value| value.parse(absolute));
        let own_ratio = section.given("sample_ratio").is_some();
        let sample_ratio =
            section.required("sample_ratio", "a number", |value| value.float(0.0..=1.0));
        let propagate = section.required("propagate", "true or false", Value::boolean);
        let max_waiting_spans = section
            .required("max_waiting_spans", "a number", |value| value.integer(512..=1_000_000));
        let limit = |value: &Value<'_>| value.duration(SECOND / 10..=MINUTE);
        let timeout = section.required("timeout", "a duration", limit);
        let mut unheeded = Vec::new();
        let endpoint = match (standard.is_off(&mut unheeded), given) {
            (true, None) => Err(NoTraces::Disabled),
            (true, Some(_)) => {
                unheeded
                    .push(format!("{DISABLED} is true: no traces, whatever traces.endpoint is"));
                Err(NoTraces::Disabled)
            }
            (false, None) => standard.endpoint(&mut unheeded),
            (false, Some(given)) => Ok(given),
        };
        let sample_ratio = match &endpoint {
            Ok(_) => {
                standard.unread(&mut unheeded);
                let ratio = standard.ratio(&mut unheeded).filter(|_| !own_ratio);
                ratio.or(sample_ratio)
            }
            Err(_) => sample_ratio,
        };
        let headers = headers.unwrap_or_else(|| standard.headers(&mut unheeded));
        let resource = standard.resource(&mut unheeded);
        Some(Self {
            endpoint,
            headers,
            ca_file,
            sample_ratio: sample_ratio?,
            propagate: propagate?,
            max_waiting_spans: max_waiting_spans?,
            timeout: timeout?,
            resource,
            unheeded,
        })
    }
}

impl CollectorHeaders {
    /// `name=value` pairs, separated by commas; values may be percent-encoded, as the standard says.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let expected = "expected headers as name=value, separated by commas";
        let mut headers = HeaderMap::new();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or(expected)?;
            let name: HeaderName = name.trim().parse().map_err(|_| expected)?;
            let value = decoded(value.trim()).ok_or(expected)?;
            let mut value: HeaderValue = value.parse().map_err(|_| expected)?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        Ok(Self(headers))
    }

    /// The headers, tokens and all.
    pub(crate) fn expose(&self) -> &HeaderMap {
        &self.0
    }
}

impl fmt::Debug for CollectorHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CollectorHeaders(…)")
    }
}

/// A collector's address, with the path of traces below it.
fn below(text: &str) -> Result<Uri, &'static str> {
    let uri = address(text)?;
    let path = uri.path().trim_end_matches('/');
    let path = if path.ends_with(PATH) { path.to_owned() } else { format!("{path}{PATH}") };
    let mut parts = uri.into_parts();
    parts.path_and_query = PathAndQuery::try_from(path).ok();
    Uri::from_parts(parts).map_err(|_| "expected a URL such as http://otel-collector:4318")
}

/// An address that can be told in the log.
fn address(text: &str) -> Result<Uri, &'static str> {
    let expected = "expected a URL such as http://otel-collector:4318";
    let uri: Uri = text.trim().parse().map_err(|_| expected)?;
    let (Some("http" | "https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(expected);
    };
    if authority.as_str().contains('@') || uri.query().is_some() {
        return Err("a user, a password or a query cannot stand in it; give tokens as headers");
    }
    Ok(uri)
}

/// Percent-encoding undone.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| *first == b'%');
        match escaped.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..)?;
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_traces_is_added_once() {
        for (text, url) in [
            ("http://c:4318", "http://c:4318/v1/traces"),
            ("http://c:4318/", "http://c:4318/v1/traces"),
            ("https://c/otlp/", "https://c/otlp/v1/traces"),
            ("https://c/v1/traces", "https://c/v1/traces"),
        ] {
            assert_eq!(below(text).unwrap().to_string(), url);
        }
        for wrong in ["", "c:4318", "grpc://c", "http://u:p@c", "http://c/?key=1", "http://"] {
            assert!(below(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn headers_are_read_and_never_shown() {
        let text = "authorization=Bearer%20hunter2, x-scope = a=b";
        let headers = CollectorHeaders::parse(text).unwrap();
        assert_eq!(headers.expose()["authorization"], "Bearer hunter2");
        assert_eq!(headers.expose()["x-scope"], "a=b");
        assert!(!format!("{headers:?} {:?}", headers.expose()).contains("hunter2"));
        for wrong in ["authorization", "a b=c", "a=%0a", "a=%ff"] {
            assert!(CollectorHeaders::parse(wrong).is_err(), "{wrong}");
        }
    }
}
