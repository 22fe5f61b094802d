//! What the healthy notice of the bad: webhooks at a fixed rate, some of whose receivers misbehave.
//!
//! The service is as people run it, with its log. Every case has a vhost of its own in the broker,
//! because what bad receivers leave waiting would be the next case's load.

use std::fmt::{self, Write};

use anyhow::{Context, Result};
use testbed::amqp::Client;
use testbed::memory::memory_mb;
use testbed::rabbitmq::Broker;
use tokio::time::{Duration, Instant, sleep};

use crate::bad::{BadReceivers, Manner};
use crate::contender::{Running, Service, entry};
use crate::latency::quantile_ms;
use crate::load::{Shape, publish_evenly};
use crate::process::cpu_seconds;
use crate::report::middle;
use crate::sink::Sink;

const WEBHOOKS: u32 = 100;
/// Events per second, one delivery each.
const RATE: u32 = 2_000;
/// Shorter than an attempt's time: what bad receivers hold at the end of it is held while measured.
const WARM_UP_SECONDS: u32 = 5;
/// How long the broker may take to come to rest after a case.
const SETTLING_SECONDS: u32 = 20;
/// What it takes at rest at most, in CPU seconds per second.
const IDLE: f64 = 0.05;

/// One measurement to be made.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) bad: u32,
    pub(crate) manner: Option<Manner>,
    pub(crate) seconds: u32,
}

/// What one measurement gave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// Healthy deliveries per second, of those that were offered per second.
    pub(crate) kept: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) peak_mb: f64,
    /// CPU seconds per second.
    pub(crate) cpu: f64,
    pub(crate) broker_cpu: f64,
    /// Postponed deliveries per second.
    pub(crate) postponed: f64,
    /// Failed attempts per second.
    pub(crate) failed: f64,
}

impl Case {
    pub(crate) async fn measure(&self, broker: &Broker, sink: &Sink) -> Result<Figures> {
        let vhost = self.to_string();
        broker.add_vhost(&vhost).await?;
        let amqp_url = broker.url(&vhost);
        let bad = match self.manner {
            Some(manner) => Some(BadReceivers::start(self.bad, manner).await?),
            None => None,
        };
        let running = self.service(&amqp_url, sink, bad.as_ref()).await?;
        let client = Client::connect(&amqp_url).await?;
        let shape = Shape { projects: WEBHOOKS, fan_out: 1, idle_webhooks: 0 };
        let healthy = u64::from(RATE / WEBHOOKS * (WEBHOOKS - self.bad));

        sink.reset(false);
        publish_evenly(&client, shape, RATE, WARM_UP_SECONDS).await?;
        sink.wait_for(healthy * u64::from(WARM_UP_SECONDS)).await?;
        sink.reset(true);
        let (pid, broker_pid) = (running.pid()?, broker.pid().await?);
        let used = || anyhow::Ok((cpu_seconds(pid)?, cpu_seconds(broker_pid)?));
        let (began, before, told) = (Instant::now(), used()?, Told::by(&running)?);
        publish_evenly(&client, shape, RATE, self.seconds).await?;
        sink.wait_for(healthy * u64::from(self.seconds)).await?;
        let (seconds, after, then) = (began.elapsed().as_secs_f64(), used()?, Told::by(&running)?);

        let sorted = sink.latencies();
        let at = |part| quantile_ms(&sorted, part);
        let figures = Figures {
            kept: f64::from(self.seconds) / sink.seconds().max(f64::from(self.seconds)),
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            peak_mb: memory_mb(pid, "VmHWM")?,
            cpu: (after.0 - before.0) / seconds,
            broker_cpu: (after.1 - before.1) / seconds,
            postponed: (then.postponed - told.postponed) / seconds,
            failed: (then.failed - told.failed) / seconds,
        };
        drop((running, client));
        broker.delete_vhost(&vhost).await?;
        settled(broker_pid).await?;
        Ok(figures)
    }

    fn label(&self) -> String {
        match self.manner {
            Some(manner) => format!("{} of {WEBHOOKS} {manner}", self.bad),
            None => "all answer".to_owned(),
        }
    }

    async fn service(
        &self,
        amqp_url: &str,
        sink: &Sink,
        bad: Option<&BadReceivers>,
    ) -> Result<Running> {
        let mut addresses = bad.iter().flat_map(|bad| &bad.addresses);
        let mut webhooks = String::new();
        for n in 0..WEBHOOKS {
            let address = if self.is_bad(n) {
                addresses.next().context("fewer bad receivers than webhooks for them")?
            } else {
                &sink.address
            };
            let (id, project) = (format!("whk_{n}"), format!("prj_{n}"));
            webhooks += &entry(&id, &format!("http://{address}/{id}"), &project);
        }
        let log = Some(String::new());
        let service = Service { amqp_url: amqp_url.to_owned(), prefetch: 500, webhooks, log };
        service.start(tempfile::tempdir()?).await
    }

    /// The bad ones are spread evenly among the others.
    fn is_bad(&self, n: u32) -> bool {
        n * self.bad / WEBHOOKS != (n + 1) * self.bad / WEBHOOKS
    }
}

/// As the name of a vhost has it.
impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.manner {
            Some(manner) => write!(f, "isolation-{}-{manner:?}", self.bad),
            None => f.write_str("isolation-none"),
        }
    }
}

/// Waits until the broker has done with what a case left behind, which would be the next one's load.
async fn settled(broker: u32) -> Result<()> {
    for _ in 0..SETTLING_SECONDS {
        let before = cpu_seconds(broker)?;
        sleep(Duration::from_secs(1)).await;
        if cpu_seconds(broker)? - before < IDLE {
            return Ok(());
        }
    }
    eprintln!("isolation: the broker is still busy with the case before");
    Ok(())
}

/// What the service has counted.
struct Told {
    postponed: f64,
    failed: f64,
}

impl Told {
    fn by(running: &Running) -> Result<Self> {
        let metrics = running.metrics()?;
        let sum = |name, labels| metrics.sum(&format!("boottify_webhooks_{name}"), labels);
        Ok(Self {
            postponed: sum("deliveries_postponed_total", &[]),
            failed: sum("deliveries_total", &[("outcome", "failed")]),
        })
    }
}

/// All cases, the first without bad receivers, each with the figures of its rounds.
#[derive(Default)]
pub(crate) struct Isolation(Vec<(Case, Vec<Figures>)>);

impl Isolation {
    /// Measures every case once in each round, in turn from the first and from the last.
    pub(crate) async fn measure(
        broker: &Broker,
        sink: &Sink,
        bad: &[u32],
        seconds: u32,
        rounds: usize,
    ) -> Result<Self> {
        let without = Case { bad: 0, manner: None, seconds };
        let with = bad
            .iter()
            .flat_map(|&bad| Manner::ALL.map(|manner| Case { bad, manner: Some(manner), seconds }));
        let cases = std::iter::once(without).chain(with);
        let mut all: Vec<_> = cases.map(|case| (case, Vec::new())).collect();
        for round in 1..=rounds {
            // What one leaves behind is not always the same one's to bear.
            if round % 2 == 0 {
                all.reverse();
            }
            for (case, figures) in &mut all {
                eprintln!("isolation, round {round}: {}", case.label());
                let found = case.measure(broker, sink).await?;
                eprintln!("  p99 {:.2} ms, broker CPU {:.2}", found.p99, found.broker_cpu);
                figures.push(found);
            }
            if round % 2 == 0 {
                all.reverse();
            }
        }
        Ok(Self(all))
    }

    pub(crate) fn table(&self) -> Result<String> {
        let mut text = String::from(
            "| receivers that | healthy deliveries kept | p50 ms | p99 ms | of the rounds | p99.9 ms \
             | peak MB | service CPU | broker CPU | postponed/s | failed/s |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        );
        let base = self.0.first().map(|(_, figures)| median(figures));
        for (case, figures) in &self.0 {
            row(&mut text, &case.label(), figures, base.as_ref().context("nothing was measured")?)?;
        }
        Ok(text)
    }

    /// Bars of the healthy deliveries' p99.
    pub(crate) fn bars(&self) -> Vec<(String, f64)> {
        self.0.iter().map(|(case, figures)| (case.label(), median(figures).p99)).collect()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        let round = |f: &Figures| {
            serde_json::json!({ "kept": f.kept, "p50Ms": f.p50, "p99Ms": f.p99, "p999Ms": f.p999,
                "peakMb": f.peak_mb, "cpu": f.cpu, "brokerCpu": f.broker_cpu,
                "postponedPerSecond": f.postponed, "failedPerSecond": f.failed })
        };
        let cases = self.0.iter().map(|(case, figures)| {
            let rounds: Vec<_> = figures.iter().map(round).collect();
            serde_json::json!({ "case": case.label(), "bad": case.bad, "rounds": rounds })
        });
        cases.collect()
    }
}

/// The median of each figure.
fn median(rounds: &[Figures]) -> Figures {
    let middle = |pick: fn(&Figures) -> f64| middle(rounds.iter().map(pick));
    Figures {
        kept: middle(|f| f.kept),
        p50: middle(|f| f.p50),
        p99: middle(|f| f.p99),
        p999: middle(|f| f.p999),
        peak_mb: middle(|f| f.peak_mb),
        cpu: middle(|f| f.cpu),
        broker_cpu: middle(|f| f.broker_cpu),
        postponed: middle(|f| f.postponed),
        failed: middle(|f| f.failed),
    }
}

fn row(text: &mut String, label: &str, rounds: &[Figures], base: &Figures) -> std::fmt::Result {
    let f = median(rounds);
    let least = rounds.iter().map(|f| f.p99).fold(f64::INFINITY, f64::min);
    let most = rounds.iter().map(|f| f.p99).fold(0.0, f64::max);
    writeln!(
        text,
        "| {label} | {:.1} % | {:.2} | {:.2} (× {:.2}) | {least:.1} to {most:.1} | {:.2} | {:.0} ({:+.0}) \
         | {:.2} | {:.2} (× {:.2}) | {:.0} | {:.1} |",
        100.0 * f.kept,
        f.p50,
        f.p99,
        f.p99 / base.p99,
        f.p999,
        f.peak_mb,
        f.peak_mb - base.peak_mb,
        f.cpu,
        f.broker_cpu,
        f.broker_cpu / base.broker_cpu,
        f.postponed,
        f.failed,
    )
}
