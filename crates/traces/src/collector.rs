//! One POST to the collector, and what it said.

use std::error::Error;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use prost::Message;
use rustls::ClientConfig;
use thiserror::Error;
use tokio::time::timeout;

use crate::wire::ExportResponse;

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
/// What is read of an answer: a partial success takes a few bytes.
const ANSWER_MAX: usize = 64 * 1024;
/// How long an unused connection is kept; batches follow each other within a second or not at all.
const IDLE: Duration = Duration::from_secs(20);

/// Where spans go, and how.
#[derive(Clone)]
pub struct Collector {
    url: Uri,
    headers: HeaderMap,
    limit: Duration,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// Why a batch was not taken.
#[derive(Debug, Error)]
pub(crate) enum Refused {
    /// No answer: no connection, or it broke.
    #[error("{0}")]
    Away(String),
    #[error("no answer within {0:?}")]
    Slow(Duration),
    /// It may take the same batch later: when, if it says so.
    #[error("it answered {0}")]
    Busy(StatusCode, Option<Duration>),
    /// It will not take the same batch.
    #[error("it answered {0}")]
    Never(StatusCode),
}

impl Refused {
    /// Whether the same batch may be taken later.
    pub(crate) fn may_pass(&self) -> bool {
        !matches!(self, Self::Never(_))
    }

    /// How long it asks to be left alone.
    pub(crate) fn wait(&self) -> Option<Duration> {
        if let Self::Busy(_, wait) = self { *wait } else { None }
    }
}

impl Collector {
    /// A collector whose traces go to `url` with these headers, and answer within `limit`.
    #[must_use]
    pub fn new(url: Uri, headers: HeaderMap, limit: Duration, tls: ClientConfig) -> Self {
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_all_versions();
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(1)
            .build(connector.build());
        Self { url, headers, limit, client }
    }

    /// Where spans go.
    #[must_use]
    pub fn url(&self) -> &Uri {
        &self.url
    }

    /// Sends one encoded request; the number is how many of its spans were refused.
    pub(crate) async fn send(&self, body: Bytes) -> Result<u64, Refused> {
        let exchange = timeout(self.limit, self.exchange(body)).await;
        exchange.unwrap_or(Err(Refused::Slow(self.limit)))
    }

    async fn exchange(&self, body: Bytes) -> Result<u64, Refused> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert(CONTENT_TYPE, PROTOBUF);
        let response =
            self.client.request(request).await.map_err(|error| Refused::Away(innermost(&error)))?;
        let (head, body) = response.into_parts();
        match head.status.as_u16() {
            200..=299 => Ok(refused(body).await),
            429 | 502..=504 => {
                let wait = asked(&head.headers, SystemTime::now());
                Err(Refused::Busy(head.status, wait))
            }
            _ => Err(Refused::Never(head.status)),
        }
    }
}

/// The wait that `Retry-After` asks for: seconds, or a date seen from `now`. Nonsense asks for nothing.
fn asked(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = text.parse().ok().map(Duration::from_secs);
    seconds.or_else(|| httpdate::parse_http_date(text).ok()?.duration_since(now).ok())
}

/// How many spans a success says it did not take; an answer that cannot be read is one without any.
async fn refused(mut body: Incoming) -> u64 {
    let mut answer = BytesMut::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data() {
            if data.len() > ANSWER_MAX - answer.len() {
                return 0;
            }
            answer.extend_from_slice(&data);
        }
    }
    let answer = ExportResponse::decode(answer).ok().and_then(|answer| answer.partial_success);
    answer.and_then(|partial| u64::try_from(partial.rejected_spans).ok()).unwrap_or_default()
}

/// The cause of all causes: the rest says only that a request failed.
fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_in_seconds_or_until_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (text, wait) in [
            ("30", Some(30)),
            ("0", Some(0)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:48:37 GMT", None),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]);
            assert_eq!(asked(&headers, now), wait.map(Duration::from_secs), "{text:?}");
        }
        assert_eq!(asked(&HeaderMap::new(), now), None);
    }
}
