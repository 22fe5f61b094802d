//! Publishing under confirms: what returns `Ok` is held by the broker, whatever happens next.
//!
//! Publishes are gathered for a moment and go together ([`batch`]): what the broker spends on a
//! message that comes alone is mostly waking up for it and writing it to disk by itself.
//!
//! A batch that fails takes its channel with it. The next one opens another: where the session is
//! gone that says so at once, and nobody waits for what will not come.
//!
//! While the broker is alarmed it blocks connections that publish; the wait then has no deadline,
//! because giving up would only hand the same work out again. A refused publish (a full queue) is
//! tried again after a pause for as long as the session lives: the messages it stands for stay
//! unsettled, so that the prefetch window fills and consumption stops by itself.

mod batch;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lapin::options::ConfirmSelectOptions;
use lapin::{BasicProperties, Channel, Connection};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::metrics::Metrics;
use crate::publisher::batch::{Publish, Sent};

/// Pause before a refused publish is tried again: long against a full queue's traffic, short against
/// the delays that it holds up.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

/// Publishes that wait for their batch: those that are more wait for room. Each belongs to a message
/// that is unsettled.
const ROOM: usize = 1_024;

/// How publishes go together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Batches under way, and so channels: few beside the 2,047 that a connection may have.
    pub(crate) batches: usize,
    /// The most publishes of a batch.
    pub(crate) most: usize,
    /// How long the first of a batch waits for others.
    pub(crate) gather: Duration,
}

impl Pace {
    /// For what is parked, dead or rejected: none of it is in a hurry, as even the shortest delay is
    /// ten times as long, and there may be thousands a second.
    pub(crate) const TOGETHER: Self =
        Self { batches: 4, most: 128, gather: Duration::from_millis(25) };

    /// For what people wait for: each by itself, so many at the same time.
    pub(crate) const fn alone(batches: usize) -> Self {
        Self { batches, most: 1, gather: Duration::ZERO }
    }
}

/// Why something is not known to be held by the broker.
#[derive(Clone, Debug, Error)]
pub enum PublishError {
    /// The session was known to be gone before anything was tried.
    #[error("the session with the broker is over")]
    Over,
    /// The session is gone; what it handed out comes again.
    #[error("the connection to the broker was lost")]
    Lost(#[source] lapin::Error),
    /// No confirm came within the deadline, and the broker is not blocking us.
    #[error("the broker did not confirm a publish within {0:?}")]
    Deadline(Duration),
    /// No queue is bound for the key; the topology was changed under us.
    #[error("no queue takes what is published to {exchange} with key {key}")]
    Unroutable {
        /// The exchange.
        exchange: String,
        /// The routing key.
        key: String,
    },
}

/// The proof that the broker holds what was published: nothing but a publisher confirm makes one.
#[derive(Debug)]
pub struct Held(());

/// Where a publish goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route<'a> {
    pub(crate) exchange: &'a str,
    pub(crate) key: &'a str,
}

/// Where publishes are handed in.
pub(crate) struct Publisher {
    publishes: mpsc::Sender<Publish>,
    connection: Arc<Connection>,
    deadline: Duration,
    metrics: Metrics,
    /// The one that carries them; it ends with its publisher.
    _carriers: JoinSet<()>,
}

impl Publisher {
    /// A publisher on these channels in confirm mode, of which there are as many as batches.
    pub(crate) fn new(
        channels: Vec<Channel>,
        pace: Pace,
        connection: Arc<Connection>,
        deadline: Duration,
        metrics: Metrics,
    ) -> Self {
        let (publishes, handed_in) = mpsc::channel(ROOM);
        let carrier = batch::carry(handed_in, channels, pace, Arc::clone(&connection));
        let mut carriers = JoinSet::new();
        carriers.spawn(carrier);
        Self { publishes, connection, deadline, metrics, _carriers: carriers }
    }

    /// Publishes until the broker holds the message.
    pub(crate) async fn publish(
        &self,
        route: Route<'_>,
        body: &Bytes,
        properties: &BasicProperties,
    ) -> Result<Held, PublishError> {
        loop {
            match self.once(route, body.clone(), properties.clone()).await? {
                Sent::Held(held) => return Ok(held),
                Sent::Refused => {
                    self.metrics.publishes_refused.inc();
                    sleep(REFUSED_PAUSE).await;
                }
            }
        }
    }

    async fn once(
        &self,
        route: Route<'_>,
        body: Bytes,
        properties: BasicProperties,
    ) -> Result<Sent, PublishError> {
        let (answer, answered) = oneshot::channel();
        let (exchange, key) = (route.exchange.into(), route.key.into());
        let publish = Publish { exchange, key, body, properties, answer };
        let sent = async {
            self.publishes.send(publish).await.map_err(|_| PublishError::Over)?;
            answered.await.map_err(|_| PublishError::Over)?
        };
        self.unless_blocked(sent).await?
    }

    /// Waits for `answer` with a deadline that stands still while the broker blocks us.
    async fn unless_blocked<T>(&self, answer: impl Future<Output = T>) -> Result<T, PublishError> {
        let mut answer = std::pin::pin!(answer);
        loop {
            match timeout(self.deadline, answer.as_mut()).await {
                Ok(answer) => return Ok(answer),
                Err(_) if self.connection.status().blocked() => {}
                Err(_) => return Err(PublishError::Deadline(self.deadline)),
            }
        }
    }
}

/// A channel in confirm mode.
pub(crate) async fn confirming(connection: &Connection) -> Result<Channel, lapin::Error> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(channel)
}
