//! The exchanges, queues and bindings, declared idempotently at the start of every session.
//!
//! All queues are durable quorum queues. What a delay queue expires, and what is given back too
//! often, moves through the dead-letter exchange at-least-once: the source keeps the message until
//! the target has confirmed it, which RabbitMQ does only together with `reject-publish`
//! (RabbitMQ documentation, "Quorum queues", section "Activating at-least-once dead-lettering").

use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ErrorKind, ExchangeKind};
use thiserror::Error;
use tokio::time::timeout;

use crate::config::{Config, Names};
use crate::ladder::{RUNGS, Rung};

/// Why the topology could not be declared. Says which object it was about.
#[derive(Debug, Error)]
pub enum TopologyError {
    /// It exists, but with other arguments than ours.
    #[error(
        "{object} exists with other arguments than this version declares: {says}. \
         Delete it once it is empty, or let the configuration name another"
    )]
    Mismatch {
        /// Kind and name, such as `queue webhooks.events`.
        object: String,
        /// The broker's own words, which name the argument.
        says: String,
    },
    /// The user may not configure, write or read it.
    #[error("no permission for {object}: {says}")]
    Permission {
        /// Kind and name.
        object: String,
        /// The broker's own words.
        says: String,
    },
    /// Anything else that the broker or the connection answered.
    #[error("declaring {object}")]
    Broker {
        /// Kind and name.
        object: String,
        /// What it answered.
        #[source]
        source: lapin::Error,
    },
    /// No answer within the deadline.
    #[error("the broker did not answer within {limit:?} on declaring {object}")]
    Deadline {
        /// Kind and name.
        object: String,
        /// The deadline.
        limit: Duration,
    },
}

impl Names {
    pub(crate) fn rung(&self, rung: Rung) -> String {
        format!("{}.{}", self.delay_prefix, rung.name)
    }

    /// The exclusive queue that whoever works on the dead letters holds meanwhile.
    pub(crate) fn walk_lock(&self) -> String {
        format!("{}.walk", self.dead_queue)
    }

    /// The queues whose length is worth a metric, with the word that names them there.
    pub(crate) fn watched(&self) -> Vec<(&'static str, String)> {
        let mut queues = vec![
            ("events", self.events_queue.clone()),
            ("deliveries", self.deliveries_queue.clone()),
            ("rejected", self.rejected_queue.clone()),
            ("dead", self.dead_queue.clone()),
        ];
        queues.extend(RUNGS.map(|rung| (rung.name, self.rung(rung))));
        queues
    }
}

/// Declares all that the service needs, in an order in which nothing refers to what is not there.
pub(crate) async fn declare(channel: &Channel, config: &Config) -> Result<(), TopologyError> {
    let names = &config.names;
    let declare = Declare { channel, limit: config.deadline };
    declare.exchange(&names.events_exchange, ExchangeKind::Topic).await?;
    declare.exchange(&names.dead_letter_exchange, ExchangeKind::Direct).await?;
    declare.exchange(&names.ops_exchange, ExchangeKind::Topic).await?;

    declare.parking(names, &names.rejected_queue, keeping()).await?;
    declare.parking(names, &names.dead_queue, keeping()).await?;
    declare.parking(names, &names.deliveries_queue, work(config)).await?;
    for rung in RUNGS {
        declare.parking(names, &names.rung(rung), waiting(names, rung)).await?;
    }
    declare.queue(&names.events_queue, work(config)).await?;
    for key in &config.bindings {
        declare.binding(&names.events_queue, &names.events_exchange, key).await?;
    }
    Ok(())
}

/// More often than people look at a message. RabbitMQ 4 sets a limit of its own, 20, on a queue that
/// declares none, and deletes what passes it; that none is wanted at all, 3.10 cannot be told.
const LOOKED_AT: i32 = i32::MAX;

/// Confirms that the events exchange is there and leads to our queue. Somebody may have deleted it,
/// and a publisher have declared it anew, which no error would ever tell.
pub(crate) async fn confirm_source(
    channel: &Channel,
    config: &Config,
) -> Result<(), TopologyError> {
    let names = &config.names;
    let declare = Declare { channel, limit: config.deadline };
    declare.exists(&names.events_exchange).await?;
    for key in &config.bindings {
        declare.binding(&names.events_queue, &names.events_exchange, key).await?;
    }
    Ok(())
}

/// A queue that keeps what it holds until people have dealt with it, however often they look.
fn keeping() -> FieldTable {
    limited(FieldTable::default(), LOOKED_AT.into())
}

/// A queue that is consumed: what is given back too often leaves it as poison.
fn work(config: &Config) -> FieldTable {
    let names = &config.names;
    limited(dead_lettering(names, &names.rejected_queue), config.delivery_limit.into())
}

/// A rung: every message waits its TTL, then goes to the deliveries queue.
fn waiting(names: &Names, rung: Rung) -> FieldTable {
    let mut arguments = dead_lettering(names, &names.deliveries_queue);
    let millis = i64::try_from(rung.ttl.as_millis()).unwrap_or(i64::MAX);
    arguments.insert("x-message-ttl".into(), AMQPValue::LongLongInt(millis));
    limited(arguments, LOOKED_AT.into())
}

fn limited(mut arguments: FieldTable, delivery_limit: i64) -> FieldTable {
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(delivery_limit));
    arguments
}

fn dead_lettering(names: &Names, target: &str) -> FieldTable {
    let mut arguments = FieldTable::default();
    let text = |value: &str| AMQPValue::LongString(value.into());
    arguments.insert("x-dead-letter-exchange".into(), text(&names.dead_letter_exchange));
    arguments.insert("x-dead-letter-routing-key".into(), text(target));
    arguments.insert("x-dead-letter-strategy".into(), text("at-least-once"));
    arguments.insert("x-overflow".into(), text("reject-publish"));
    arguments
}

struct Declare<'a> {
    channel: &'a Channel,
    limit: Duration,
}

impl Declare<'_> {
    async fn exchange(&self, name: &str, kind: ExchangeKind) -> Result<(), TopologyError> {
        let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
        let declared =
            self.channel.exchange_declare(name.into(), kind, options, FieldTable::default());
        self.within(format!("exchange {name}"), declared).await
    }

    async fn exists(&self, exchange: &str) -> Result<(), TopologyError> {
        let options = ExchangeDeclareOptions { passive: true, ..Default::default() };
        let kind = ExchangeKind::Topic;
        let declared =
            self.channel.exchange_declare(exchange.into(), kind, options, FieldTable::default());
        self.within(format!("exchange {exchange}"), declared).await
    }

    async fn queue(&self, name: &str, mut arguments: FieldTable) -> Result<(), TopologyError> {
        let options = QueueDeclareOptions { durable: true, ..Default::default() };
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        let declared = self.channel.queue_declare(name.into(), options, arguments);
        self.within(format!("queue {name}"), async { declared.await.map(drop) }).await
    }

    async fn binding(&self, queue: &str, exchange: &str, key: &str) -> Result<(), TopologyError> {
        let options = QueueBindOptions::default();
        let bound = self.channel.queue_bind(
            queue.into(),
            exchange.into(),
            key.into(),
            options,
            FieldTable::default(),
        );
        self.within(format!("binding {key} from {exchange} to {queue}"), bound).await
    }

    /// A queue that the dead-letter exchange reaches under the queue's own name.
    async fn parking(
        &self,
        names: &Names,
        queue: &str,
        arguments: FieldTable,
    ) -> Result<(), TopologyError> {
        self.queue(queue, arguments).await?;
        self.binding(queue, &names.dead_letter_exchange, queue).await
    }

    async fn within(
        &self,
        object: String,
        answer: impl Future<Output = Result<(), lapin::Error>>,
    ) -> Result<(), TopologyError> {
        match timeout(self.limit, answer).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(explain(object, error)),
            Err(_) => Err(TopologyError::Deadline { object, limit: self.limit }),
        }
    }
}

fn explain(object: String, error: lapin::Error) -> TopologyError {
    // Reply codes of AMQP 0-9-1, section 1.2.
    const ACCESS_REFUSED: u16 = 403;
    const PRECONDITION_FAILED: u16 = 406;
    match error.kind() {
        ErrorKind::ProtocolError(answer) => {
            let says = answer.get_message().as_str().to_owned();
            match answer.get_id() {
                PRECONDITION_FAILED => TopologyError::Mismatch { object, says },
                ACCESS_REFUSED => TopologyError::Permission { object, says },
                _ => TopologyError::Broker { object, source: error },
            }
        }
        _ => TopologyError::Broker { object, source: error },
    }
}
