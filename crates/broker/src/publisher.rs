//! Publishing under confirms: what returns `Ok` is held by the broker, whatever happens next.
//!
//! While the broker is alarmed it blocks connections that publish; the wait then has no deadline,
//! because giving up would only hand the same work out again. A refused publish (a full queue) is
//! tried again after a pause for as long as the session lives: the messages it stands for stay
//! unsettled, so that the prefetch window fills and consumption stops by itself.

use std::time::Duration;

use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Channel, Confirmation, ConnectionStatus};
use thiserror::Error;
use tokio::time::{sleep, timeout};

use crate::metrics::Metrics;

/// Pause before a refused publish is tried again.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

/// Why something is not known to be held by the broker.
#[derive(Debug, Error)]
pub enum PublishError {
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

/// Where a publish goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route<'a> {
    pub(crate) exchange: &'a str,
    pub(crate) key: &'a str,
}

/// A channel in confirm mode and what is needed to wait on it.
pub(crate) struct Publisher {
    channel: Channel,
    status: ConnectionStatus,
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
        channel: Channel,
        status: ConnectionStatus,
        deadline: Duration,
        metrics: Metrics,
    ) -> Self {
        Self { channel, status, deadline, metrics }
    }

    /// Publishes until the broker holds the message.
    pub(crate) async fn publish(
        &self,
        route: Route<'_>,
        body: &[u8],
        properties: &BasicProperties,
    ) -> Result<(), PublishError> {
        loop {
            match self.once(route, body, properties.clone()).await? {
                Sent::Held => return Ok(()),
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
            let (exchange, key) = (route.exchange.into(), route.key.into());
            self.channel.basic_publish(exchange, key, options, body, properties).await?.await
        };
        match self.unless_blocked(publish).await?.map_err(PublishError::Lost)? {
            Confirmation::Ack(None) => Ok(Sent::Held),
            Confirmation::Ack(Some(_)) => Err(PublishError::Unroutable {
                exchange: route.exchange.to_owned(),
                key: route.key.to_owned(),
            }),
            // Without confirm mode nothing would be known; the channel is always in it.
            Confirmation::Nack(_) | Confirmation::NotRequested => Ok(Sent::Refused),
        }
    }

    /// Waits for `answer` with a deadline that stands still while the broker blocks us.
    async fn unless_blocked<T>(&self, answer: impl Future<Output = T>) -> Result<T, PublishError> {
        let mut answer = std::pin::pin!(answer);
        loop {
            match timeout(self.deadline, answer.as_mut()).await {
                Ok(answer) => return Ok(answer),
                Err(_) if self.status.blocked() => {}
                Err(_) => return Err(PublishError::Deadline(self.deadline)),
            }
        }
    }
}
