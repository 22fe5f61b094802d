//! Publishing under confirms: what returns `Ok` is held by the broker, whatever happens next.
//!
//! Each publish has a channel to itself until its confirm has come. The client library numbers
//! publishes and queues their frames in two steps, and hands a returned message to whichever confirm
//! comes next: with several publishes under way on one channel, one could be taken for the other.
//!
//! A publish that fails, or is given up by who asked for it, takes its channel with it. The next one
//! opens another: where the session is gone that says so at once, and nobody waits for what will not
//! come.
//!
//! While the broker is alarmed it blocks connections that publish; the wait then has no deadline,
//! because giving up would only hand the same work out again. A refused publish (a full queue) is
//! tried again after a pause for as long as the session lives: the messages it stands for stay
//! unsettled, so that the prefetch window fills and consumption stops by itself. It is tried again
//! on a new channel: one that a full queue has refused goes on to be refused where the queue's limit
//! is lifted (rabbitmq-server issue 12206; 3.10 has it).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::metrics::Metrics;

/// Channels, and so publishes at the same time: with a confirm in a few milliseconds enough for
/// thousands of failures a second, and few beside the 2,047 that a connection may have.
pub(crate) const CHANNELS: usize = 64;

/// Pause before a refused publish is tried again: long against a full queue's traffic, short against
/// the delays that it holds up.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

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

/// Channels in confirm mode and what is needed to wait on them.
pub(crate) struct Publisher {
    free: Mutex<Vec<Channel>>,
    permits: Semaphore,
    connection: Arc<Connection>,
    deadline: Duration,
    metrics: Metrics,
}

/// What one publish ended in.
enum Sent {
    Held,
    Refused,
}

impl Publisher {
    pub(crate) fn new(
        channels: Vec<Channel>,
        connection: Arc<Connection>,
        deadline: Duration,
        metrics: Metrics,
    ) -> Self {
        let permits = Semaphore::new(channels.len());
        Self { free: Mutex::new(channels), permits, connection, deadline, metrics }
    }

    /// Publishes until the broker holds the message.
    pub(crate) async fn publish(
        &self,
        route: Route<'_>,
        body: &[u8],
        properties: &BasicProperties,
    ) -> Result<Held, PublishError> {
        loop {
            match self.once(route, body, properties.clone()).await? {
                Sent::Held => return Ok(Held(())),
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
        body: &[u8],
        properties: BasicProperties,
    ) -> Result<Sent, PublishError> {
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let publish = async {
            // The semaphore is never closed.
            let _permit = self.permits.acquire().await;
            let free = self.free().pop();
            // One that failed took its channel with it. Where the connection is gone, this says so.
            let channel = match free {
                Some(channel) => channel,
                None => confirming(&self.connection).await?,
            };
            let (exchange, key) = (route.exchange.into(), route.key.into());
            let sent = channel.basic_publish(exchange, key, options, body, properties).await;
            let confirmed = sent?.await?;
            let next = match &confirmed {
                Confirmation::Nack(_) => self.renewed(&channel).await?,
                Confirmation::Ack(_) | Confirmation::NotRequested => channel,
            };
            // Only a channel with nothing under way is used again.
            self.free().push(next);
            Ok(confirmed)
        };
        match self.unless_blocked(publish).await?.map_err(PublishError::Lost)? {
            Confirmation::Ack(None) => Ok(Sent::Held),
            Confirmation::Ack(Some(_)) => Err(PublishError::Unroutable {
                exchange: route.exchange.to_owned(),
                key: route.key.to_owned(),
            }),
            // Nothing was sent, or nothing is known of it; both are tried again.
            Confirmation::Nack(_) | Confirmation::NotRequested => Ok(Sent::Refused),
        }
    }

    /// A channel in the place of this one.
    async fn renewed(&self, refused: &Channel) -> Result<Channel, lapin::Error> {
        // Reply code of AMQP 0-9-1, section 1.2.
        const REPLY_SUCCESS: u16 = 200;
        refused.close(REPLY_SUCCESS, "".into()).await?;
        confirming(&self.connection).await
    }

    /// The list is whole after every statement, so a panic elsewhere spoils nothing.
    fn free(&self) -> std::sync::MutexGuard<'_, Vec<Channel>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
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
