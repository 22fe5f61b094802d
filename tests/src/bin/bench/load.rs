//! The events of a measurement, and publishing them with confirms.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::stream::{FuturesUnordered, StreamExt};
use lapin::options::BasicPublishOptions;
use testbed::amqp::{Client, event_properties};
use tokio::time::{MissedTickBehavior, interval};

/// Publishes that wait for their confirm at the same time.
const WINDOW: usize = 1_000;

/// Who receives how much: events spread over projects, each project with its webhooks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Projects that events come from, in turn.
    pub(crate) projects: u32,
    /// Webhooks that match an event.
    pub(crate) fan_out: u32,
    /// Webhooks of other projects, which never match.
    pub(crate) idle_webhooks: u32,
}

impl Shape {
    pub(crate) fn fan_out(fan_out: u32) -> Self {
        Self { projects: 100, fan_out, idle_webhooks: 0 }
    }

    pub(crate) fn loaded(webhooks: u32) -> Self {
        Self { projects: 100, fan_out: 1, idle_webhooks: webhooks.saturating_sub(100) }
    }
}

/// The page's payload for the `n`-th event, with the time of its publish in nanoseconds.
pub(crate) fn body(shape: Shape, n: u32, sent_ns: u128) -> String {
    let project = n % shape.projects;
    format!(
        r#"{{"type":"deployment.succeeded","createdAt":"2024-01-15T10:30:00Z","deployment":{{"id":"dpl_{n}","name":"production","url":"https://my-project.boottify.com","meta":{{"gitCommitSha":"abc123def","gitCommitMessage":"Update homepage","gitBranch":"main","sentNs":"{sent_ns:020}"}}}},"project":{{"id":"prj_{project}","name":"my-project"}}}}"#
    )
}

/// Publishes events `first..first + count` as fast as confirms come.
pub(crate) async fn publish(client: &Client, shape: Shape, first: u32, count: u32) -> Result<()> {
    let mut confirms = FuturesUnordered::new();
    for n in first..first + count {
        if confirms.len() >= WINDOW {
            confirms.next().await.transpose()?;
        }
        confirms.push(publish_one(client, shape, n));
    }
    while confirms.next().await.transpose()?.is_some() {}
    Ok(())
}

/// Publishes evenly, each event at its time whether or not earlier ones are confirmed.
pub(crate) async fn publish_evenly(
    client: &Client,
    shape: Shape,
    rate: u32,
    seconds: u32,
) -> Result<()> {
    let mut ticks = interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut confirms = FuturesUnordered::new();
    for n in 0..rate * seconds {
        loop {
            tokio::select! {
                _ = ticks.tick() => break,
                Some(confirm) = confirms.next() => confirm?,
            }
        }
        confirms.push(publish_one(client, shape, n));
    }
    while confirms.next().await.transpose()?.is_some() {}
    Ok(())
}

/// Publishes one event and waits for its confirm.
pub(crate) async fn publish_one(client: &Client, shape: Shape, n: u32) -> Result<()> {
    let sent_ns = crate::sink::now_ns();
    let body = body(shape, n, sent_ns);
    let confirm = client
        .channel()
        .basic_publish(
            "boottify.events".into(),
            "deployment.succeeded".into(),
            BasicPublishOptions::default(),
            body.as_bytes(),
            event_properties(&format!("evt_{n}")),
        )
        .await?;
    let confirm = tokio::time::timeout(Duration::from_secs(30), confirm).await??;
    ensure!(confirm.is_ack(), "the broker refused an event");
    Ok(())
}
