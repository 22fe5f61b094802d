//! The broker's side of a test: publishing what an orchestrator would, and looking at queues.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicNackOptions, BasicPublishOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind,
};
use tokio::time::timeout;

/// Longest wait for one answer of a broker.
const PATIENCE: Duration = Duration::from_secs(20);

/// Connects, within a deadline.
///
/// # Errors
///
/// When the broker is not there or refuses.
pub async fn connect(url: &str) -> Result<Connection> {
    timeout(PATIENCE, Connection::connect(url, ConnectionProperties::default()))
        .await
        .context("the broker does not answer")?
        .context("failed to connect to the broker")
}

/// A connection with one channel in confirm mode.
#[derive(Debug)]
pub struct Client {
    connection: Connection,
    channel: Channel,
}

/// A message that was taken off a queue.
#[derive(Clone, Debug)]
pub struct Message {
    /// The body.
    pub body: Bytes,
    /// All properties.
    pub properties: BasicProperties,
    /// The key it was last routed by.
    pub routing_key: String,
    /// Whether the broker gave it to somebody before.
    pub redelivered: bool,
}

impl Message {
    /// A header as text, whatever its type.
    pub fn header(&self, name: &str) -> Option<String> {
        let headers = self.properties.headers().as_ref()?;
        Some(match headers.inner().get(name)? {
            AMQPValue::LongString(text) => text.to_string(),
            AMQPValue::ShortString(text) => text.to_string(),
            AMQPValue::Boolean(value) => value.to_string(),
            AMQPValue::ShortShortInt(value) => value.to_string(),
            AMQPValue::ShortInt(value) => value.to_string(),
            AMQPValue::LongInt(value) => value.to_string(),
            AMQPValue::LongLongInt(value) => value.to_string(),
            AMQPValue::LongUInt(value) => value.to_string(),
            AMQPValue::Timestamp(value) => value.to_string(),
            other => format!("{other:?}"),
        })
    }

    /// The AMQP message id.
    pub fn id(&self) -> Option<&str> {
        self.properties.message_id().as_ref().map(ShortString::as_str)
    }
}

impl Client {
    /// Connects and opens a channel in confirm mode.
    ///
    /// # Errors
    ///
    /// When the broker is not there or refuses.
    pub async fn connect(url: &str) -> Result<Self> {
        let connection = connect(url).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self { connection, channel })
    }

    /// The channel, for what has no helper here.
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Binds a queue of this connection's own to everything that a topic exchange gets, and names it.
    ///
    /// # Errors
    ///
    /// When the exchange is not there.
    pub async fn follow(&self, exchange: &str) -> Result<String> {
        let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        let queue = self.channel.queue_declare("".into(), options, FieldTable::default()).await?;
        let name = queue.name().as_str().to_owned();
        let bound = self.channel.queue_bind(
            name.as_str().into(),
            exchange.into(),
            "#".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        bound.await?;
        Ok(name)
    }

    /// The connection, for more channels.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Publishes and waits until the broker has the message in a queue.
    ///
    /// # Errors
    ///
    /// When no queue takes it or the broker does not confirm.
    pub async fn publish(
        &self,
        exchange: &str,
        routing_key: &str,
        properties: BasicProperties,
        body: &[u8],
    ) -> Result<()> {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let confirm = self
            .channel
            .basic_publish(exchange.into(), routing_key.into(), options, body, properties)
            .await?;
        match timeout(PATIENCE, confirm).await.context("the broker does not confirm")?? {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) => {
                anyhow::bail!("no queue takes {routing_key} from exchange {exchange}")
            }
            other => anyhow::bail!("the broker refused {routing_key}: {other:?}"),
        }
    }

    /// Publishes an event as an orchestrator does: persistent, with a message id.
    ///
    /// # Errors
    ///
    /// As [`Client::publish`].
    pub async fn publish_event(
        &self,
        exchange: &str,
        kind: &str,
        id: &str,
        body: &[u8],
    ) -> Result<()> {
        self.publish(exchange, kind, event_properties(id), body).await
    }

    /// How many messages are ready in a queue.
    ///
    /// # Errors
    ///
    /// When there is no such queue; the broker closes the channel then, so this uses one of its own.
    pub async fn depth(&self, queue: &str) -> Result<u32> {
        let channel = self.connection.create_channel().await?;
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let declared = channel.queue_declare(queue.into(), options, FieldTable::default()).await?;
        let depth = declared.message_count();
        channel.close(200, "done".into()).await?;
        Ok(depth)
    }

    /// Whether an exchange is there.
    ///
    /// # Errors
    ///
    /// When the connection is lost.
    pub async fn has_exchange(&self, exchange: &str) -> Result<bool> {
        let channel = self.connection.create_channel().await?;
        let options = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
        let kind = ExchangeKind::Topic;
        Ok(channel
            .exchange_declare(exchange.into(), kind, options, FieldTable::default())
            .await
            .is_ok())
    }

    /// Takes one message off a queue for good, if there is one.
    ///
    /// # Errors
    ///
    /// When there is no such queue or the connection is lost.
    pub async fn take(&self, queue: &str) -> Result<Option<Message>> {
        let Some(got) = self.channel.basic_get(queue.into(), BasicGetOptions::default()).await?
        else {
            return Ok(None);
        };
        self.channel.basic_ack(got.delivery_tag, BasicAckOptions::default()).await?;
        Ok(Some(Message {
            body: got.data.clone().into(),
            properties: got.properties.clone(),
            routing_key: got.routing_key.to_string(),
            redelivered: got.redelivered,
        }))
    }

    /// Takes the next message and puts it back, as people do who look into a queue.
    ///
    /// # Errors
    ///
    /// When there is none, no such queue, or the connection is lost.
    pub async fn look(&self, queue: &str) -> Result<()> {
        let got = self.channel.basic_get(queue.into(), BasicGetOptions::default()).await?;
        let tag = got.context("the queue is empty")?.delivery_tag;
        let requeue = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
        self.channel.basic_nack(tag, requeue).await?;
        Ok(())
    }

    /// Takes one message, waiting for it.
    ///
    /// # Errors
    ///
    /// When none comes before the deadline.
    pub async fn wait_for(&self, queue: &str, deadline: Duration) -> Result<Message> {
        let end = tokio::time::Instant::now() + deadline;
        loop {
            if let Some(message) = self.take(queue).await? {
                return Ok(message);
            }
            ensure!(
                tokio::time::Instant::now() < end,
                "nothing came to {queue} within {deadline:?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A persistent message with an id.
pub fn event_properties(id: &str) -> BasicProperties {
    BasicProperties::default()
        .with_delivery_mode(2)
        .with_content_type("application/json".into())
        .with_message_id(id.into())
}
