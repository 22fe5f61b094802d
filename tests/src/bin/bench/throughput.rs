//! How much work a full queue's events are: the queue is filled while nobody consumes, then one
//! contender empties it.
//!
//! Measured from the first arrival at the sink to the last, so that starting, connecting and
//! loading webhooks do not count.

use std::time::Duration;

use anyhow::Result;
use lapin::options::{QueueDeclareOptions, QueuePurgeOptions};
use lapin::types::FieldTable;
use testbed::amqp::Client;
use testbed::eventually;
use testbed::rabbitmq::Broker;

use crate::contender::{Contender, Places};
use crate::load::{Shape, publish};
use testbed::memory::memory_mb;

use crate::process::cpu_seconds;
use crate::sink::Sink;

const QUEUE: &str = "webhooks.events";

/// One measurement to be made.
pub(crate) struct Case {
    pub(crate) contender: Contender,
    pub(crate) shape: Shape,
    pub(crate) events: u32,
}

/// What one measurement gave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) events_per_second: f64,
    pub(crate) deliveries_per_second: f64,
    /// CPU seconds of the contender per 1,000 deliveries.
    pub(crate) cpu: f64,
    /// CPU seconds of the broker per 1,000 deliveries.
    pub(crate) broker_cpu: f64,
    pub(crate) idle_mb: f64,
    pub(crate) peak_mb: f64,
    /// Part of the deliveries that the log did not keep.
    pub(crate) dropped: f64,
}

impl Case {
    pub(crate) async fn measure(
        &self,
        broker: &Broker,
        sink: &Sink,
        places: &Places,
    ) -> Result<Figures> {
        let client = Client::connect(&places.amqp_url).await?;
        // The service declares the topology; the bare loop uses what it left.
        let idle = Contender::Service.start(places, self.shape).await?;
        let idle_mb = memory_mb(idle.pid()?, "VmRSS")?;
        drop(idle);
        empty(&client).await?;
        publish(&client, self.shape, 0, self.events).await?;
        wait_for_depth(&client, self.events).await?;

        sink.reset(false);
        let deliveries = u64::from(self.events * self.shape.fan_out);
        let running = self.contender.start(places, self.shape).await?;
        let (pid, broker_pid) = (running.pid()?, broker.pid().await?);
        sink.wait_for(1).await?;
        let before = (sink.arrived(), cpu_seconds(pid)?, cpu_seconds(broker_pid)?);
        sink.wait_for(deliveries).await?;
        let seconds = sink.seconds();
        // What is not written yet is work that is left to be done.
        let dropped = running.logged(deliveries).await?;
        let (cpu, broker_cpu) = (cpu_seconds(pid)? - before.1, cpu_seconds(broker_pid)? - before.2);
        let peak_mb = memory_mb(pid, "VmHWM")?;
        wait_for_depth(&client, 0).await?;

        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
        let (counted, all) = ((deliveries - before.0) as f64, deliveries as f64);
        let deliveries_per_second = all / seconds;
        Ok(Figures {
            events_per_second: deliveries_per_second / f64::from(self.shape.fan_out),
            deliveries_per_second,
            cpu: cpu * 1_000.0 / counted,
            broker_cpu: broker_cpu * 1_000.0 / counted,
            idle_mb,
            peak_mb,
            dropped: dropped / all,
        })
    }
}

/// Waits until nobody consumes any more, and throws away what earlier measurements left.
async fn empty(client: &Client) -> Result<()> {
    eventually("the queue is empty and alone", Duration::from_secs(60), || async {
        let channel = client.channel();
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let queue =
            channel.queue_declare(QUEUE.into(), options, FieldTable::default()).await.ok()?;
        if queue.consumer_count() == 0 {
            channel.queue_purge(QUEUE.into(), QueuePurgeOptions::default()).await.ok()?;
        }
        (queue.consumer_count() == 0 && queue.message_count() == 0).then_some(())
    })
    .await
}

async fn wait_for_depth(client: &Client, depth: u32) -> Result<()> {
    eventually("the queue's length", Duration::from_secs(60), || async {
        (client.depth(QUEUE).await.ok()? == depth).then_some(())
    })
    .await
}
