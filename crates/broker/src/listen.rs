//! Live events for one who listens: what is published meanwhile, and nothing else.
//!
//! Its queue is its own, holds a bounded number of events and goes away with the connection: nobody
//! else gets fewer events because somebody listens.

use std::time::Duration;

use bytes::Bytes;
use event::TraceContext;
use futures_util::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Consumer};

use crate::config::Config;
use crate::envelope;
use crate::session::{SessionError, taking, within};
use crate::wire::Wire;

/// Events that wait for the listener at most; of more, the oldest are forgotten.
const MOST: i32 = 1_000;
/// Events that are on their way to the listener.
const PREFETCH: u16 = 16;

/// A connection that listens; see the module.
pub struct Listening {
    consumer: Consumer,
    channel: Channel,
    limit: Duration,
    _wire: Wire,
}

/// An event that was heard; nothing in it is checked yet.
#[derive(Debug)]
pub struct Heard {
    /// The body.
    pub body: Bytes,
    properties: BasicProperties,
}

impl Heard {
    /// The `message_id` that the publisher gave.
    #[must_use]
    pub fn message_id(&self) -> Option<&str> {
        self.properties.message_id().as_ref().map(lapin::types::ShortString::as_str)
    }

    /// The publisher's W3C trace context, if it gave one that is one.
    #[must_use]
    pub fn trace(&self) -> Option<TraceContext> {
        envelope::trace(&self.properties)
    }
}

impl Listening {
    /// Hears what is published from now on under the bindings of the events queue. `name` tells this
    /// listener from others.
    ///
    /// # Errors
    ///
    /// [`SessionError`] where the broker cannot be reached or refuses the queue.
    pub async fn begin(config: &Config, name: &str) -> Result<Self, SessionError> {
        let limit = config.deadline;
        let wire = Wire::open(config.consuming_uri(), "boottify-webhooks listen", limit).await?;
        let channel = taking(&wire, limit, PREFETCH).await?;
        let queue = format!("{}.listen.{name}", config.names.events_queue);
        let mut arguments = FieldTable::default();
        arguments.insert("x-max-length".into(), AMQPValue::LongInt(MOST));
        let options =
            QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
        let declared = channel.queue_declare(queue.as_str().into(), options, arguments);
        within(limit, "declaring the listener's queue", declared).await?;
        for key in &config.bindings {
            let exchange = config.names.events_exchange.as_str();
            let bound = channel.queue_bind(
                queue.as_str().into(),
                exchange.into(),
                key.as_str().into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            );
            within(limit, "binding the listener's queue", bound).await?;
        }
        let consumer = channel.basic_consume(
            queue.as_str().into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let consumer = within(limit, "starting a consumer", consumer).await?;
        Ok(Self { consumer, channel, limit, _wire: wire })
    }

    /// The next event. It counts as heard from here on, whatever becomes of it.
    ///
    /// # Errors
    ///
    /// [`SessionError`] where the connection is lost; events that waited are lost with it.
    pub async fn next(&mut self) -> Result<Heard, SessionError> {
        const DOING: &str = "taking an event";
        let next = self.consumer.next().await.ok_or(SessionError::Cancelled)?;
        let delivery = next.map_err(|source| SessionError::Lost { doing: DOING, source })?;
        let ack = self.channel.basic_ack(delivery.delivery_tag, BasicAckOptions::default());
        within(self.limit, DOING, ack).await?;
        Ok(Heard { body: delivery.data.into(), properties: delivery.properties })
    }
}
