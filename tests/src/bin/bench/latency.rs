//! How long an event takes from its publish to its arrival, at a rate that both contenders keep.

use anyhow::Result;
use testbed::amqp::Client;

use crate::contender::{Contender, Places};
use crate::load::{Shape, publish_evenly};
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
        publish_evenly(&client, self.shape, rate, 1).await?;
        sink.wait_for(u64::from(rate * self.shape.fan_out)).await?;
        sink.reset(true);
        publish_evenly(&client, self.shape, rate, self.seconds).await?;
        sink.wait_for(u64::from(rate * self.shape.fan_out * self.seconds)).await?;
        let sorted = sink.latencies();
        let at = |part| quantile_ms(&sorted, part);
        Ok(Figures { rate, p50: at(0.5), p99: at(0.99), p999: at(0.999) })
    }
}

/// The time, in milliseconds, within which this part of them came; they are sorted microseconds.
pub(crate) fn quantile_ms(sorted: &[u32], part: f64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index into a list far shorter than 2^52"
    )]
    let index = ((sorted.len() as f64 * part) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(index).map_or(f64::NAN, |micros| f64::from(*micros) / 1_000.0)
}
