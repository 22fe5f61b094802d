//! `cargo xtask demo`: the product on this machine from end to end, told as it happens.
//!
//! A broker of its own, the service, and a receiver that verifies as the customer page says. The
//! five kinds of events arrive, an endpoint fails twice and then succeeds after its backoff, and
//! what is no event is put aside with its reason. Every line that is shown was seen to happen; what
//! does not happen in time makes the exit code false.

mod inbox;
mod stage;
mod table;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};
use testbed::page;
use testbed::program::Metrics;
use tokio::time::Instant;

use crate::paint::{bad, faint, good, strong};
use inbox::Arrival;
use stage::{FAILURES, FLAKY, FLAKY_KIND, Stage};

/// Longest wait for everything to arrive; it takes the flaky webhook's backoff, about 4 s.
const ARRIVE: Duration = Duration::from_secs(60);

/// How often the receiver is asked for what is new.
const LOOK: Duration = Duration::from_millis(10);

/// A message that has an event's form and no known type.
const NO_EVENT: &[u8] = br#"{"type":"deployment.exploded","createdAt":"2024-01-15T10:30:00Z"}"#;

/// Shows everything; then stays until Ctrl-C, or ends with a summary.
pub(crate) async fn run(once: bool) -> Result<ExitCode> {
    println!("{}", strong("boottify-webhooks: from events to signed requests"));
    println!();
    let mut stage = Stage::set().await?;
    let shown = show(&mut stage).await;
    match &shown {
        Ok(_) if once => {}
        Ok(_) => stay(&mut stage).await?,
        Err(_) => last_words(&stage),
    }

    println!();
    let drained = stage.strike().await;
    match shown.and_then(|summary| drained.map(|()| summary)) {
        Ok(summary) => {
            println!("{}: {summary}", good("all as promised"));
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            println!("{}: {error:#}", bad("failed"));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Shows everything once and gives the summary.
async fn show(stage: &mut Stage) -> Result<String> {
    println!();
    println!("{}", strong("Five kinds of events, published as an orchestrator would"));
    println!(
        "{}",
        faint(&format!(
            "whk_flaky refuses {FLAKY_KIND} {FAILURES} times and is tried again, 1 s and 3 s later"
        ))
    );
    println!();
    table::header();
    for (number, kind) in (1..).zip(page::KINDS) {
        stage.publish(kind, &format!("evt_demo_{number}"), &page::event(kind, "prj_demo")).await?;
    }
    let expected = page::KINDS.len() + FAILURES + 1;
    let arrivals = arrive(stage, expected).await?;
    judge(&arrivals)?;

    println!();
    println!("{}", strong("A message that is no event"));
    println!();
    stage.publish("deployment.created", "evt_demo_none", NO_EVENT).await?;
    let (queue, reason, detail) = stage.rejected(ARRIVE).await?;
    println!("  {queue}  {}  {}", good(&reason), faint(&detail));

    println!();
    println!("{}", strong("Metrics"));
    println!();
    println!("  http://{}/metrics", stage.program.operations());
    figures(&stage.program.metrics()?);
    Ok(format!(
        "{} events, {} requests, every signature verified, {FAILURES} failures made good, \
         1 message put aside",
        page::KINDS.len(),
        arrivals.len()
    ))
}

/// Shows what arrives until there is enough of it.
async fn arrive(stage: &mut Stage, expected: usize) -> Result<Vec<Arrival>> {
    let end = Instant::now() + ARRIVE;
    let mut arrivals = Vec::new();
    while arrivals.len() < expected {
        for arrival in stage.news() {
            table::row(&arrival);
            arrivals.push(arrival);
        }
        stage.still_runs()?;
        ensure!(
            Instant::now() < end,
            "{} of {expected} requests arrived within {ARRIVE:?}",
            arrivals.len()
        );
        tokio::time::sleep(LOOK).await;
    }
    Ok(arrivals)
}

fn judge(arrivals: &[Arrival]) -> Result<()> {
    for arrival in arrivals {
        let (delivery, kind) = (&arrival.request.delivery, &arrival.request.kind);
        ensure!(arrival.request.verified, "the signature of {delivery} ({kind}) does not verify");
    }
    for kind in page::KINDS {
        let mut all = arrivals.iter().filter(|arrival| arrival.webhook() != FLAKY);
        ensure!(all.any(|arrival| arrival.request.kind == kind), "{kind} did not arrive");
    }
    let flaky: Vec<&Arrival> =
        arrivals.iter().filter(|arrival| arrival.webhook() == FLAKY).collect();
    let attempts: Vec<u64> = flaky.iter().map(|arrival| arrival.request.attempt).collect();
    let one_delivery =
        flaky.windows(2).all(|pair| pair[0].request.delivery == pair[1].request.delivery);
    ensure!(attempts == [1, 2, 3], "{FLAKY} saw attempts {attempts:?}");
    ensure!(one_delivery, "the delivery id of {FLAKY} changed between attempts");
    let after = |index: usize| flaky[index].after.unwrap_or_default();
    let backoff = after(1).saturating_sub(after(0));
    ensure!(backoff >= Duration::from_millis(900), "{FLAKY} was tried again after {backoff:?}");
    Ok(())
}

fn last_words(stage: &Stage) {
    println!();
    println!("{}", faint("the service's last words:"));
    let log = stage.program.log();
    for line in &log[log.len().saturating_sub(20)..] {
        println!("  {line}");
    }
}

fn figures(metrics: &Metrics) {
    for (name, what) in [
        ("events_consumed_total", "events taken"),
        ("events_rejected_total", "put aside as no event"),
        ("deliveries_total", "attempts made"),
    ] {
        let value = metrics.sum(&format!("boottify_webhooks_{name}"), &[]);
        println!("  {value:>5} {what}");
    }
}

/// Shows whatever else arrives until Ctrl-C.
async fn stay(stage: &mut Stage) -> Result<()> {
    println!();
    println!("{}", strong("Running until Ctrl-C"));
    println!();
    stage.invite();
    println!();
    let stop = tokio::signal::ctrl_c();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            pressed = &mut stop => return Ok(pressed?),
            () = tokio::time::sleep(LOOK) => {
                stage.news().iter().for_each(table::row);
                stage.still_runs()?;
            }
        }
    }
}
