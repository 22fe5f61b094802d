//! Takes the spans that ended, and brings them to the collector in batches.
//!
//! What a collector cannot take now is tried again a few times, while what ends meanwhile waits in
//! the queue or is dropped. Trouble is told once, and its end once; each span is counted.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::collector::{Collector, Refused};
use crate::metrics::Metrics;
use crate::tracer::{Ratio, Tracer};
use crate::wire::{
    ExportRequest, KeyValue, Record, Resource, ResourceSpans, Scope, ScopeSpans, Value,
};

/// The most spans of one request.
const BATCH: usize = 512;
/// How long a span waits for others, so that a request is worth its while.
const GATHER: Duration = Duration::from_secs(1);
/// How often a batch is tried.
const TRIES: u32 = 4;
/// The pause before a batch is tried again, where the collector does not ask for a longer one; the
/// next one is twice as long.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause that a collector gets by `Retry-After`: spans of an hour ago help nobody.
const PAUSE_MAX: Duration = Duration::from_secs(5 * 60);
/// How long the end of the service may take to bring out what waits.
const FLUSH: Duration = Duration::from_secs(3);

/// See the module.
pub struct Exporter {
    collector: Collector,
    resource: Resource,
    scope: Scope,
    records: mpsc::Receiver<Record>,
    /// Taken from the queue, and not yet counted as anything.
    batch: Vec<Record>,
    metrics: Metrics,
    is_failing: bool,
}

impl Exporter {
    /// A tracer, and what brings its spans to `collector`, at most `most` of them waiting. Every
    /// batch says of which service it is: `resource`, names with their values.
    #[must_use]
    pub fn new(
        collector: Collector,
        resource: &[(String, String)],
        ratio: Ratio,
        most: usize,
        metrics: Metrics,
    ) -> (Tracer, Self) {
        let (tracer, records) = Tracer::new(ratio, most, metrics.clone());
        let attribute =
            |(key, value): &(String, String)| KeyValue::new(key, Value::Text(value.clone()));
        let resource = Resource { attributes: resource.iter().map(attribute).collect() };
        let (name, version) = ("boottify-webhooks".into(), env!("CARGO_PKG_VERSION").into());
        let scope = Scope { name, version };
        let batch = Vec::with_capacity(BATCH);
        let exporter =
            Self { collector, resource, scope, records, batch, metrics, is_failing: false };
        (tracer, exporter)
    }

    /// Exports until `drained`, then what still waits, for a few seconds at most.
    pub async fn run(mut self, drained: impl Future<Output = ()>) {
        let mut drained = pin!(drained);
        loop {
            let step = async {
                self.gather().await;
                self.export().await;
            };
            tokio::select! {
                biased;
                () = &mut drained => break,
                () = step => {}
            }
        }
        // A batch that was on its way goes once more: a collector knows its spans by their ids.
        if timeout(FLUSH, self.flush()).await.is_err() {
            tracing::warn!("the collector did not take the last spans in time");
        }
        self.metrics.dropped.inc_by(self.batch.len() as u64);
        while self.records.try_recv().is_ok() {
            self.metrics.waiting.dec();
            self.metrics.dropped.inc();
        }
    }

    /// Waits for a span, then for more of them, until a batch is full or its time is over.
    /// Cancel-safe.
    async fn gather(&mut self) {
        if self.batch.is_empty() && self.take().await == 0 {
            // No tracer is left: only the end can come.
            std::future::pending::<()>().await;
        }
        let deadline = Instant::now() + GATHER;
        while self.batch.len() < BATCH {
            match timeout_at(deadline, self.take()).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => break,
            }
        }
    }

    async fn take(&mut self) -> usize {
        let room = BATCH - self.batch.len();
        let taken = self.records.recv_many(&mut self.batch, room).await;
        self.metrics.waiting.sub(i64::try_from(taken).unwrap_or(i64::MAX));
        taken
    }

    /// Brings the batch out, or gives it up. Cancel-safe: what is left of it is tried again.
    async fn export(&mut self) {
        let body = self.encoded();
        let mut pause = PAUSE;
        for tried in 1.. {
            match self.collector.send(body.clone()).await {
                Ok(refused) => return self.taken(refused),
                Err(refused) => {
                    self.tell(&refused);
                    if tried == TRIES || !refused.may_pass() {
                        break;
                    }
                    let asked = refused.wait().unwrap_or_default();
                    sleep(pause.max(asked).min(PAUSE_MAX)).await;
                    pause *= 2;
                }
            }
        }
        self.metrics.failed.inc_by(self.batch.len() as u64);
        self.batch.clear();
    }

    /// Brings out what is left, each batch tried once.
    async fn flush(&mut self) {
        loop {
            while self.batch.len() < BATCH
                && let Ok(record) = self.records.try_recv()
            {
                self.metrics.waiting.dec();
                self.batch.push(record);
            }
            if self.batch.is_empty() {
                return;
            }
            match self.collector.send(self.encoded()).await {
                Ok(refused) => self.taken(refused),
                Err(refused) => {
                    self.tell(&refused);
                    self.metrics.failed.inc_by(self.batch.len() as u64);
                    self.batch.clear();
                }
            }
        }
    }

    fn encoded(&self) -> Bytes {
        let scope_spans = ScopeSpans { scope: Some(self.scope.clone()), spans: self.batch.clone() };
        let resource = Some(self.resource.clone());
        let resource_spans = vec![ResourceSpans { resource, scope_spans: vec![scope_spans] }];
        ExportRequest { resource_spans }.encode_to_vec().into()
    }

    fn taken(&mut self, refused: u64) {
        let all = self.batch.len() as u64;
        let refused = refused.min(all);
        self.metrics.exported.inc_by(all - refused);
        self.metrics.failed.inc_by(refused);
        self.batch.clear();
        if std::mem::take(&mut self.is_failing) {
            tracing::info!("the collector takes traces again");
        }
    }

    /// Says once that there is trouble.
    fn tell(&mut self, refused: &Refused) {
        if !std::mem::replace(&mut self.is_failing, true) {
            let url = self.collector.url();
            tracing::warn!(
                "the collector at {url} does not take traces, which deliveries do not wait for: \
                 {refused}"
            );
        }
    }
}
