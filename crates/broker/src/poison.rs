//! Moves messages out of the way that the broker's client cannot read, such as one whose id is no
//! UTF-8: it gives up the whole connection over them.
//!
//! Nothing can be said about such a message, but the broker counts how often it was handed out and
//! moves it to the rejected queue at the delivery limit. A session is expensive to build for every
//! one of these times, so they are had here, with a bare connection each.

use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use tokio::time::timeout;

use crate::config::Config;
use crate::session::{SessionError, channel, within};
use crate::wire::Wire;

/// How long the first message of a queue is waited for. It is there at once, or it is not poison
/// that waits at the head.
const FIRST: Duration = Duration::from_millis(500);

/// How often one message is taken at most; where the delivery limit is higher, the next session meets
/// the rest.
const MOST: u32 = 1_000;

/// Takes the first message of each queue until it can be read, or has reached the delivery limit.
/// One that can be read is given back, which counts once against it. Without evidence of poison
/// nothing is taken twice.
pub(crate) async fn expel(config: &Config) {
    for queue in [&config.names.events_queue, &config.names.deliveries_queue] {
        for _ in 0..=config.delivery_limit.min(MOST) {
            match take_first(config, queue).await {
                Err(error) if error.may_be_poison() => {}
                Ok(()) => break,
                Err(error) => {
                    tracing::debug!(%error, "no more poison to be moved");
                    return;
                }
            }
        }
    }
}

/// Has one message handed out, and gives it back by ending the connection.
async fn take_first(config: &Config, queue: &str) -> Result<(), SessionError> {
    let limit = config.deadline;
    let wire = Wire::open(config.consuming_uri(), "boottify-webhooks moving poison", limit).await?;
    let channel = channel(&wire, limit).await?;
    let qos = channel.basic_qos(1, BasicQosOptions::default());
    within(limit, "setting the prefetch", qos).await?;
    let options = BasicConsumeOptions::default();
    let consume = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default());
    let mut consumer = within(limit, "starting a consumer", consume).await?;
    match timeout(FIRST, consumer.next()).await {
        Ok(Some(Ok(_))) | Err(_) => Ok(()),
        Ok(Some(Err(source))) => Err(SessionError::Lost { doing: "consuming", source }),
        Ok(None) => Err(SessionError::Cancelled),
    }
}
