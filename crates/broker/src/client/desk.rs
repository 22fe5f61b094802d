//! The connection on which a client publishes.
//!
//! It is not the one on which dead letters are looked at: a broker in alarm stops reading from who
//! has published, and what is held there could not even be given back.

use std::time::Duration;

use lapin::Channel;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use tokio::time::timeout;

use crate::client::ClientError;
use crate::config::Config;
use crate::envelope::Content;
use crate::metrics::Metrics;
use crate::publisher::{Held, Pace, Publisher, Route};
use crate::session::{self, SessionError, within};
use crate::wire::Wire;

/// Publishes at the same time.
pub(crate) const PUBLISHES: usize = 32;

/// See the module.
pub(crate) struct Desk {
    publisher: Publisher,
    control: Channel,
    wire: Wire,
    limit: Duration,
    metrics: Metrics,
}

impl Desk {
    pub(crate) async fn open(config: &Config, metrics: &Metrics) -> Result<Self, SessionError> {
        let limit = config.deadline;
        let wire = Wire::open(config.publishing_uri(), "boottify-webhooks client", limit).await?;
        let publisher = session::publisher(&wire, Pace::alone(PUBLISHES), limit, metrics).await?;
        let control = session::channel(&wire, limit).await?;
        Ok(Self { publisher, control, wire, limit, metrics: metrics.clone() })
    }

    /// Whether the connection stands, as far as is known.
    pub(crate) fn is_open(&self) -> bool {
        self.wire.connection.status().connected()
    }

    /// Publishes within the deadline; `target` is the word that the metric has for it.
    ///
    /// After an error the desk must not be used again.
    pub(crate) async fn publish(
        &self,
        target: &str,
        route: Route<'_>,
        content: &Content,
    ) -> Result<Held, ClientError> {
        let published = self.publisher.publish(route, &content.body, &content.properties);
        // A publisher waits for a blocked broker and for a full queue without end.
        let published = timeout(self.limit, published).await;
        let held = published.map_err(|_| ClientError::NotTaken(self.limit))??;
        self.metrics.published.with_label_values(&[target]).inc();
        Ok(held)
    }

    /// Messages ready in a queue; `None` while the broker does not read what we ask.
    pub(crate) async fn depth(&self, queue: &str) -> Result<Option<usize>, SessionError> {
        if self.wire.connection.status().blocked() {
            return Ok(None);
        }
        depth(&self.control, queue, self.limit).await.map(Some)
    }
}

/// Messages that are ready in a queue.
pub(crate) async fn depth(
    channel: &Channel,
    queue: &str,
    limit: Duration,
) -> Result<usize, SessionError> {
    let options = QueueDeclareOptions { passive: true, ..Default::default() };
    let declared = channel.queue_declare(queue.into(), options, FieldTable::default());
    let declared = within(limit, "asking for the length of the dead queue", declared).await?;
    Ok(usize::try_from(declared.message_count()).unwrap_or(usize::MAX))
}
