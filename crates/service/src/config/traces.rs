//! `[traces]`: where traces go, and how many there are.
//!
//! What platforms set for every program (`OTEL_EXPORTER_OTLP_ENDPOINT` and its like) counts where no
//! layer of our own says otherwise: it is the weakest of them.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use settings::{Section, Value};

use super::delivery::absolute;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// Where a collector takes traces, below its address.
const PATH: &str = "/v1/traces";
/// What the service calls itself where nobody gives it another name.
const SERVICE: &str = "boottify-webhooks";

/// What is recorded of traces, and who is told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Traces {
    /// Where they go; none are recorded without.
    pub(crate) endpoint: Option<Uri>,
    pub(crate) headers: CollectorHeaders,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) sample_ratio: f64,
    pub(crate) propagate: bool,
    pub(crate) max_waiting_spans: usize,
    pub(crate) timeout: Duration,
    /// Which service this is, as attributes.
    pub(crate) resource: Vec<(String, String)>,
}

/// Headers of each request to the collector. They may hold a token and show nothing of themselves.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct CollectorHeaders(HeaderMap);

/// The standard variables of OpenTelemetry that are known here.
#[derive(Clone, Default)]
pub(super) struct Standard {
    endpoint: Option<String>,
    traces_endpoint: Option<String>,
    headers: Option<String>,
    service: Option<String>,
    attributes: Option<String>,
}

impl Traces {
    pub(super) fn read(section: &mut Section<'_, '_>, standard: &Standard) -> Option<Self> {
        let given = section.optional("endpoint", |value| value.parse_hidden(below));
        let headers = section.optional_secret("headers", CollectorHeaders::parse);
        let ca_file = section.optional("ca_file", |value| value.parse(absolute));
        let sample_ratio =
            section.required("sample_ratio", "a number", |value| value.float(0.0..=1.0));
        let propagate = section.required("propagate", "true or false", Value::boolean);
        let max_waiting_spans = section
            .required("max_waiting_spans", "a number", |value| value.integer(512..=1_000_000));
        let limit = |value: &Value<'_>| value.duration(SECOND / 10..=MINUTE);
        let timeout = section.required("timeout", "a duration", limit);
        let endpoint = match given {
            Some(endpoint) => Some(endpoint),
            None => standard.endpoint().map_err(|why| section.refuse(why)).ok()?,
        };
        let headers = match headers {
            Some(headers) => headers,
            None => standard.headers().map_err(|why| section.refuse(why)).ok()?,
        };
        Some(Self {
            endpoint,
            headers,
            ca_file,
            sample_ratio: sample_ratio?,
            propagate: propagate?,
            max_waiting_spans: max_waiting_spans?,
            timeout: timeout?,
            resource: standard.resource(),
        })
    }
}

impl Standard {
    /// Those of `env`; an empty one counts as absent, as the standard says.
    pub(super) fn of(env: &[(String, String)]) -> Self {
        let find = |name: &str| {
            let found = env.iter().find(|(known, value)| known == name && !value.is_empty());
            found.map(|(_, value)| value.clone())
        };
        Self {
            endpoint: find("OTEL_EXPORTER_OTLP_ENDPOINT"),
            traces_endpoint: find("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
            headers: find("OTEL_EXPORTER_OTLP_TRACES_HEADERS")
                .or_else(|| find("OTEL_EXPORTER_OTLP_HEADERS")),
            service: find("OTEL_SERVICE_NAME"),
            attributes: find("OTEL_RESOURCE_ATTRIBUTES"),
        }
    }

    fn endpoint(&self) -> Result<Option<Uri>, String> {
        let named = |name: &'static str| move |why: &str| format!("{name}: {why}");
        match (&self.traces_endpoint, &self.endpoint) {
            (Some(text), _) => {
                address(text).map(Some).map_err(named("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))
            }
            (None, Some(text)) => {
                below(text).map(Some).map_err(named("OTEL_EXPORTER_OTLP_ENDPOINT"))
            }
            (None, None) => Ok(None),
        }
    }

    fn headers(&self) -> Result<CollectorHeaders, String> {
        let headers = self.headers.as_deref().map(CollectorHeaders::parse).transpose();
        headers
            .map(Option::unwrap_or_default)
            .map_err(|why| format!("OTEL_EXPORTER_OTLP_HEADERS: {why}"))
    }

    /// Attributes that are no `name=value` are left out: they describe, and nothing hangs on them.
    fn resource(&self) -> Vec<(String, String)> {
        let pairs = self.attributes.as_deref().unwrap_or_default().split(',');
        let given = pairs.filter_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            Some((name.trim().to_owned(), decoded(value.trim())?))
        });
        let mut all: Vec<(String, String)> = given.collect();
        if let Some(service) = &self.service {
            all.retain(|(name, _)| name != "service.name");
            all.push(("service.name".to_owned(), service.clone()));
        }
        for (name, value) in
            [("service.name", SERVICE), ("service.version", env!("CARGO_PKG_VERSION"))]
        {
            if !all.iter().any(|(known, _)| known == name) {
                all.push((name.to_owned(), value.to_owned()));
            }
        }
        all
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

    fn standard(pairs: &[(&str, &str)]) -> Standard {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Standard::of(&pairs.collect::<Vec<_>>())
    }

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
    fn standard_variables_are_read_as_the_standard_says() {
        let of_all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:4318");
        let of_traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:4318/x");
        let endpoint = |pairs: &[_]| standard(pairs).endpoint().unwrap().map(|uri| uri.to_string());
        assert_eq!(endpoint(&[of_all]).as_deref(), Some("http://all:4318/v1/traces"));
        assert_eq!(endpoint(&[of_all, of_traces]).as_deref(), Some("http://traces:4318/x"));
        assert_eq!(endpoint(&[(of_all.0, "")]), None);
        assert!(standard(&[(of_all.0, "no url")]).endpoint().unwrap_err().contains(of_all.0));

        let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "a.b=c%20d, service.name=x,nonsense");
        let resource = standard(&[attributes, ("OTEL_SERVICE_NAME", "hooks")]).resource();
        let version = env!("CARGO_PKG_VERSION");
        let expected = [("a.b", "c d"), ("service.name", "hooks"), ("service.version", version)];
        assert!(resource.iter().map(|(a, b)| (a.as_str(), b.as_str())).eq(expected));
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
