//! `cargo xtask bench`: what the service costs beside the bare loop, measured in one run.
//!
//! The bare loop ([`bare`]) is the speed of light of this problem: consume, sign, POST,
//! acknowledge, and nothing else. Both contenders are processes of their own with the same number
//! of threads; they take turns on the same broker and the same sink, so that a machine whose speed
//! drifts slows both. What counts is the ratio of the medians.
//!
//! This program starts everything it needs and takes it away again. `bench bare …` is the bare
//! loop's own process, started by the rest.

mod bare;
mod contender;
mod latency;
mod load;
mod process;
mod report;
mod sink;
mod throughput;

use anyhow::{Context, Result};
use testbed::postgres::Server;
use testbed::rabbitmq::Broker;

use crate::contender::{Contender, Places};
use crate::load::Shape;
use crate::report::Report;
use crate::sink::Sink;

/// How much is measured. The numbers are what fits into a few minutes on two shared cores.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    rounds: usize,
    events: u32,
    latency_seconds: u32,
    loaded: &'static [u32],
}

const FULL: Plan =
    Plan { rounds: 5, events: 60_000, latency_seconds: 10, loaded: &[10_000, 100_000] };
const QUICK: Plan = Plan { rounds: 1, events: 5_000, latency_seconds: 2, loaded: &[10_000] };

/// In the order of the tables.
pub(crate) const CONTENDERS: [Contender; 4] =
    [Contender::Bare, Contender::Service, Contender::Sqlite, Contender::Postgres];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match arguments.as_slice() {
        ["bare", rest @ ..] => runtime.block_on(bare::run(rest)),
        ["--quick"] => runtime.block_on(run(QUICK)),
        [] => runtime.block_on(run(FULL)),
        _ => anyhow::bail!("usage: bench [--quick]"),
    }
}

async fn run(plan: Plan) -> Result<()> {
    let broker = Broker::start().await.context("failed to start a broker")?;
    let sink = Sink::start()?;
    let postgres = Server::start().await.context("failed to start PostgreSQL")?;
    let places = Places {
        amqp_url: broker.url("/"),
        sink: sink.address,
        log_url: postgres.database("log").await?,
    };
    let mut report = Report::default();

    for fan_out in [1, 10] {
        let shape = Shape::fan_out(fan_out);
        for round in 1..=plan.rounds {
            // Who begins changes with every round.
            let mut turns = CONTENDERS;
            turns.rotate_left(round % CONTENDERS.len());
            for contender in turns {
                eprintln!("throughput, fan-out {fan_out}, round {round}: {contender}");
                let events = plan.events / fan_out;
                let bench = throughput::Case { contender, shape, events };
                report.throughput(
                    fan_out,
                    contender,
                    bench.measure(&broker, &sink, &places).await?,
                );
            }
        }
    }
    for fan_out in [1, 10] {
        for contender in CONTENDERS {
            eprintln!("latency at a fixed rate, fan-out {fan_out}: {contender}");
            let shape = Shape::fan_out(fan_out);
            let case = latency::Case { contender, shape, seconds: plan.latency_seconds };
            report.latency(fan_out, contender, case.measure(&sink, &places).await?);
        }
    }
    for webhooks in plan.loaded {
        eprintln!("throughput with {webhooks} webhooks loaded");
        let shape = Shape::loaded(*webhooks);
        let case = throughput::Case { contender: Contender::Service, shape, events: plan.events };
        report.loaded(*webhooks, case.measure(&broker, &sink, &places).await?);
    }
    report.write()
}
