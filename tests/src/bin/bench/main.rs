//! `cargo xtask bench`: what the service costs beside the bare loop, measured in one run.
//!
//! The bare loop ([`bare`]) is the speed of light of this problem: consume, sign, POST,
//! acknowledge, and nothing else. Both contenders are processes of their own with the same number
//! of threads; they take turns on the same broker and the same sink, so that a machine whose speed
//! drifts slows both. What counts is the ratio of the medians.
//!
//! This program starts everything it needs and takes it away again. `bench bare …` is the bare
//! loop's own process, started by the rest.

mod bad;
mod bare;
mod contender;
mod crowd;
mod isolation;
mod latency;
mod load;
mod process;
mod report;
mod sink;
mod throughput;

use anyhow::{Context, Result, ensure};
use testbed::postgres::Server;
use testbed::rabbitmq::Broker;

use crate::contender::{Contender, Places};
use crate::isolation::Isolation;
use crate::load::Shape;
use crate::report::Report;
use crate::sink::Sink;

/// How much is measured. Rounds last long enough that a machine whose speed drifts does not decide
/// them; all of it takes half an hour on two shared cores.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    rounds: usize,
    events: u32,
    latency_seconds: u32,
    loaded: &'static [u32],
    /// Bad receivers of a hundred.
    bad: &'static [u32],
    isolation_seconds: u32,
    isolation_rounds: usize,
    /// Webhooks of the Control Center.
    crowd: u32,
}

/// What is measured.
const PARTS: [&str; 5] = ["throughput", "latency", "loaded", "isolation", "crowd"];

const FULL: Plan = Plan {
    rounds: 7,
    events: 200_000,
    latency_seconds: 10,
    loaded: &[10_000, 100_000],
    bad: &[10, 50],
    isolation_seconds: 20,
    isolation_rounds: 3,
    crowd: 100_000,
};
const QUICK: Plan = Plan {
    rounds: 1,
    events: 5_000,
    latency_seconds: 2,
    loaded: &[10_000],
    bad: &[10],
    isolation_seconds: 2,
    isolation_rounds: 1,
    crowd: 2_000,
};

/// In the order of the tables.
pub(crate) const CONTENDERS: [Contender; 4] =
    [Contender::Bare, Contender::Service, Contender::Sqlite, Contender::Postgres];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let ["bare", rest @ ..] = arguments.as_slice() {
        return runtime.block_on(bare::run(rest));
    }
    let (plan, parts) = match arguments.as_slice() {
        ["--quick", parts @ ..] => (QUICK, parts),
        parts => (FULL, parts),
    };
    ensure!(
        parts.iter().all(|part| PARTS.contains(part)),
        "usage: bench [--quick] [PART...]; the parts are {}",
        PARTS.join(", ")
    );
    let parts = if parts.is_empty() { &PARTS } else { parts };
    runtime.block_on(run(plan, parts))
}

async fn run(plan: Plan, parts: &[&str]) -> Result<()> {
    let broker = Broker::start().await.context("failed to start a broker")?;
    let sink = Sink::start()?;
    let postgres = Server::start().await.context("failed to start PostgreSQL")?;
    let places = Places {
        amqp_url: broker.url("/"),
        sink: sink.address,
        log_url: postgres.database("log").await?,
    };
    let bench = Bench { plan, broker, sink, places };
    let mut report = Report::default();
    if parts.contains(&"throughput") {
        bench.throughput(&mut report).await?;
    }
    if parts.contains(&"latency") {
        bench.latency(&mut report).await?;
    }
    if parts.contains(&"loaded") {
        bench.loaded(&mut report).await?;
    }
    if parts.contains(&"isolation") {
        let Bench { plan, broker, sink, .. } = &bench;
        let (seconds, rounds) = (plan.isolation_seconds, plan.isolation_rounds);
        let isolation = Isolation::measure(broker, sink, plan.bad, seconds, rounds);
        report.isolation(isolation.await?);
    }
    if parts.contains(&"crowd") {
        let (amqp_url, url) = (&bench.places.amqp_url, postgres.database("crowd").await?);
        for (store, url) in [("SQLite", None), ("PostgreSQL", Some(url.as_str()))] {
            eprintln!("the Control Center of {} webhooks in {store}", plan.crowd);
            report.crowd(crowd::measure(amqp_url, store, url, plan.crowd).await?);
        }
    }
    report.write()
}

/// What everything is measured with.
struct Bench {
    plan: Plan,
    broker: Broker,
    sink: Sink,
    places: Places,
}

impl Bench {
    async fn throughput(&self, report: &mut Report) -> Result<()> {
        let Self { plan, broker, sink, places } = self;
        for fan_out in [1, 10] {
            let shape = Shape::fan_out(fan_out);
            for round in 1..=plan.rounds {
                // Who begins changes with every round.
                let mut turns = CONTENDERS;
                turns.rotate_left(round % CONTENDERS.len());
                for contender in turns {
                    eprintln!("throughput, fan-out {fan_out}, round {round}: {contender}");
                    let case = throughput::Case { contender, shape, events: plan.events / fan_out };
                    report.throughput(
                        fan_out,
                        contender,
                        case.measure(broker, sink, places).await?,
                    );
                }
            }
        }
        Ok(())
    }

    async fn latency(&self, report: &mut Report) -> Result<()> {
        for fan_out in [1, 10] {
            for contender in CONTENDERS {
                eprintln!("latency at a fixed rate, fan-out {fan_out}: {contender}");
                let (shape, seconds) = (Shape::fan_out(fan_out), self.plan.latency_seconds);
                let case = latency::Case { contender, shape, seconds };
                let figures = case.measure(&self.sink, &self.places).await?;
                report.latency(fan_out, contender, figures);
            }
        }
        Ok(())
    }

    async fn loaded(&self, report: &mut Report) -> Result<()> {
        let Self { plan, broker, sink, places } = self;
        for webhooks in plan.loaded {
            eprintln!("throughput with {webhooks} webhooks loaded");
            let (contender, shape) = (Contender::Service, Shape::loaded(*webhooks));
            let case = throughput::Case { contender, shape, events: plan.events };
            report.loaded(*webhooks, case.measure(broker, sink, places).await?);
        }
        Ok(())
    }
}
