//! How long an event takes from its publish to its arrival, at a rate that both contenders keep.

use std::time::Duration;

use anyhow::Result;
use futures_util::stream::{FuturesUnordered, StreamExt};
use testbed::amqp::Client;
use tokio::time::{MissedTickBehavior, interval};

use crate::contender::{Contender, Places};
use crate::load::{Shape, publish_one};
use crate::sink::Sink;

/// Deliveries per second: well below what either can do on two shared cores.
const RATE: u32 = 2_000;

/// One measurement to be made.
pub(crate) struct Case {
    pub(crate) contender: Contender,
    pub(crate) shape: Shape,
    pub(crate) seconds: u32,
}

/// Milliseconds from publish to arrival.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) rate: u32,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
}

impl Case {
    pub(crate) async fn measure(&self, sink: &Sink, places: &Places) -> Result<Figures> {
        let client = Client::connect(&places.amqp_url).await?;
        let _running = self.contender.start(places, self.shape).await?;
        let rate = RATE / self.shape.fan_out;
        // The first second warms up connections and is not counted.
        sink.reset(false);
        self.publish(&client, rate, 1).await?;
        sink.wait_for(u64::from(rate * self.shape.fan_out)).await?;
        sink.reset(true);
        self.publish(&client, rate, self.seconds).await?;
        sink.wait_for(u64::from(rate * self.shape.fan_out * self.seconds)).await?;
        let sorted = sink.latencies();
        let at = |part: f64| {
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "an index into a list far shorter than 2^52"
            )]
            let index = ((sorted.len() as f64 * part) as usize).min(sorted.len().saturating_sub(1));
            sorted.get(index).map_or(f64::NAN, |micros| f64::from(*micros) / 1_000.0)
        };
        Ok(Figures { rate, p50: at(0.5), p99: at(0.99), p999: at(0.999) })
    }

    /// Publishes evenly, each event at its time whether or not earlier ones are confirmed.
    async fn publish(&self, client: &Client, rate: u32, seconds: u32) -> Result<()> {
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
            confirms.push(publish_one(client, self.shape, n));
        }
        while confirms.next().await.transpose()?.is_some() {}
        Ok(())
    }
}
