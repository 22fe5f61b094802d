//! The receivers: every request is checked, kept in a few bytes and answered as its webhook's role
//! says; on a thread of its own.
//!
//! One server, a path per webhook. A request counts as received when it has arrived whole, whatever
//! becomes of the answer.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use testbed::page;
use testbed::plain_server::{self, Answer, whole};
use tokio::time::Instant;

use crate::traffic::{self, Role};

/// A flaky receiver fails for this long out of three times as long.
const FAILS: Duration = Duration::from_secs(12);

/// How much longer each further steady receiver takes for an answer, so that there is something in
/// flight whenever a fault comes.
const SLOWER: Duration = Duration::from_millis(25);

/// Longer than any body here.
const LARGEST_BODY: usize = 64 * 1024;

/// One request. A million of them are 24 MB.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Record {
    /// When, in ms since the beginning.
    pub(crate) at: u32,
    pub(crate) event: u32,
    /// The first half of the delivery id.
    pub(crate) delivery: u64,
    pub(crate) hook: u16,
    pub(crate) attempt: u16,
    pub(crate) status: u16,
    pub(crate) flaw: Flaw,
}

/// What is wrong with a request by itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Flaw {
    None,
    /// Its body is none that was published.
    Body,
    /// Its signature is not that of its body.
    Signature,
    /// It has no delivery id, or no attempt's number.
    Headers,
}

/// See the module.
pub(crate) struct Inbox {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    began: Instant,
    records: Mutex<Vec<Record>>,
    secrets: Mutex<HashMap<u16, String>>,
    calm: AtomicBool,
}

impl Inbox {
    pub(crate) fn start(began: Instant) -> Result<Self> {
        let state = Arc::new(State {
            began,
            records: Mutex::default(),
            secrets: Mutex::default(),
            calm: AtomicBool::new(false),
        });
        let address = plain_server::start("inbox", Arc::clone(&state), answer)?;
        Ok(Self { address, state })
    }

    pub(crate) fn url(&self, hook: u16) -> String {
        format!("http://{}/{hook}", self.address)
    }

    /// From now on, signatures of this webhook are checked.
    pub(crate) fn knows_secret(&self, hook: u16, secret: &str) {
        locked(&self.state.secrets).insert(hook, secret.to_owned());
    }

    /// From now on nobody fails who can succeed.
    pub(crate) fn calm_down(&self) {
        self.state.calm.store(true, Ordering::Relaxed);
    }

    pub(crate) fn count(&self) -> usize {
        locked(&self.state.records).len()
    }

    /// What came from the `first`-th request on.
    pub(crate) fn since(&self, first: usize) -> Vec<Record> {
        locked(&self.state.records).get(first..).unwrap_or_default().to_vec()
    }
}

async fn answer(request: Request<Incoming>, state: Arc<State>) -> Answer {
    let (head, body) = request.into_parts();
    let Some(body) = whole(body, LARGEST_BODY).await else {
        return Ok(response(400));
    };
    let hook = head.uri.path().trim_start_matches('/').parse().unwrap_or(u16::MAX);
    let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    let id = header("x-boottify-delivery").and_then(|id| id.strip_prefix("dlv_"));
    let delivery = id.and_then(|id| u64::from_str_radix(id.get(..16)?, 16).ok());
    let attempt = header("x-boottify-attempt").and_then(|text| text.parse().ok());
    let event = traffic::number(&body);
    let signature = header("x-boottify-signature").unwrap_or_default();
    let signed = locked(&state.secrets)
        .get(&hook)
        .is_none_or(|secret| page::is_signed(&body, signature, secret));
    let flaw = match (event, delivery, attempt) {
        (None, _, _) => Flaw::Body,
        (_, None, _) | (_, _, None) => Flaw::Headers,
        _ if !signed => Flaw::Signature,
        _ => Flaw::None,
    };
    let status = state.status(hook);
    let at = crate::ms(state.began.elapsed());
    locked(&state.records).push(Record {
        at,
        event: event.unwrap_or(u32::MAX),
        delivery: delivery.unwrap_or_default(),
        hook,
        attempt: attempt.unwrap_or_default(),
        status,
        flaw,
    });
    if traffic::role(hook) == Some(Role::Steady) {
        tokio::time::sleep(SLOWER * u32::from(hook)).await;
    }
    Ok(response(status))
}

impl State {
    fn status(&self, hook: u16) -> u16 {
        let phase = self.began.elapsed().as_secs() / FAILS.as_secs() % 3;
        match traffic::role(hook) {
            // About the one event: the breaker stays out of it.
            Some(Role::Refusing) => 422,
            Some(Role::Flaky) if phase == 1 && !self.calm.load(Ordering::Relaxed) => 503,
            _ => 200,
        }
    }
}

/// The body, unless it breaks off or is too long.
fn response(status: u16) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    response
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
