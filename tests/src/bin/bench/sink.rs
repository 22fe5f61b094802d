//! The receiver of a measurement: answers 200 and counts, on a thread of its own.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};
use testbed::plain_server::{self, Answer, whole};

/// Longer than any body here.
const LARGEST_BODY: usize = 64 * 1024;

/// See the module.
pub(crate) struct Sink {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    arrived: AtomicU64,
    first_ns: AtomicU64,
    last_ns: AtomicU64,
    /// Microseconds from publish to arrival; collected only while somebody asked for it.
    latencies: Mutex<Option<Vec<u32>>>,
}

impl Sink {
    pub(crate) fn start() -> Result<Self> {
        let state = Arc::new(State::default());
        let address = plain_server::start("sink", Arc::clone(&state), answer)?;
        Ok(Self { address, state })
    }

    /// Forgets what arrived before.
    pub(crate) fn reset(&self, latencies: bool) {
        self.state.arrived.store(0, Ordering::SeqCst);
        self.state.first_ns.store(0, Ordering::SeqCst);
        *self.state.latencies.lock().unwrap_or_else(PoisonError::into_inner) =
            latencies.then(Vec::new);
    }

    pub(crate) fn arrived(&self) -> u64 {
        self.state.arrived.load(Ordering::SeqCst)
    }

    /// Waits until `count` requests have arrived.
    pub(crate) async fn wait_for(&self, count: u64) -> Result<()> {
        let (mut before, mut idle) = (0, Duration::ZERO);
        let step = Duration::from_millis(1);
        while self.arrived() < count {
            tokio::time::sleep(step).await;
            idle = if self.arrived() == before { idle + step } else { Duration::ZERO };
            before = self.arrived();
            ensure!(idle < Duration::from_secs(60), "only {before} of {count} requests arrived");
        }
        Ok(())
    }

    /// Seconds from the first arrival to the last.
    pub(crate) fn seconds(&self) -> f64 {
        let first = self.state.first_ns.load(Ordering::SeqCst);
        let last = self.state.last_ns.load(Ordering::SeqCst);
        Duration::from_nanos(last.saturating_sub(first)).as_secs_f64()
    }

    /// What was collected since the last reset, sorted, in microseconds.
    pub(crate) fn latencies(&self) -> Vec<u32> {
        let mut latencies = self.state.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        let mut latencies = latencies.take().unwrap_or_default();
        latencies.sort_unstable();
        latencies
    }
}

impl State {
    fn arrival(&self, body: &[u8]) {
        let now = u64::try_from(now_ns()).unwrap_or(u64::MAX);
        if self.arrived.fetch_add(1, Ordering::SeqCst) == 0 {
            self.first_ns.store(now, Ordering::SeqCst);
        }
        self.last_ns.store(now, Ordering::SeqCst);
        let mut latencies = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(latencies) = latencies.as_mut()
            && let Some(sent) = sent_ns(body)
        {
            let micros = now.saturating_sub(sent) / 1_000;
            latencies.push(u32::try_from(micros).unwrap_or(u32::MAX));
        }
    }
}

async fn answer(request: Request<Incoming>, state: Arc<State>) -> Answer {
    let body = whole(request.into_body(), LARGEST_BODY).await.unwrap_or_default();
    state.arrival(&body);
    Ok(Response::new(Full::default()))
}

fn sent_ns(body: &[u8]) -> Option<u64> {
    const MARK: &[u8] = b"\"sentNs\":\"";
    let at = body.windows(MARK.len()).position(|window| window == MARK)? + MARK.len();
    std::str::from_utf8(body.get(at..at + 20)?).ok()?.parse().ok()
}

/// Nanoseconds since the epoch: publisher and sink are one process on one clock.
pub(crate) fn now_ns() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()
}
