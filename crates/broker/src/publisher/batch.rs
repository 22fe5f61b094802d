//! Publishes that go to the broker together: one packet, one write to disk, one confirm.
//!
//! A batch has a channel to itself until all its confirms have come. The client library hands a
//! returned message to whichever confirm of the channel comes next; so it is known of which batch one
//! was returned, and from its key which of the batch no queue took.
//!
//! A batch that is not confirmed keeps its channel until the connection ends: whoever meets a deadline
//! here gives up the session, or the connection.
//!
//! After a refusal the channel is renewed: one that a full queue has refused goes on to be refused
//! where the queue's limit is lifted (rabbitmq-server issue 12206; 3.10 has it).

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::try_join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};
use lapin::message::BasicReturnMessage;
use lapin::options::BasicPublishOptions;
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::{Held, Pace, PublishError, confirming};

/// The bytes of bodies after which a batch takes no more: the library has a copy of them all.
const MOST_BYTES: usize = 1024 * 1024;

/// One message that is to be published, and who waits for what becomes of it.
pub(super) struct Publish {
    pub(super) exchange: ShortString,
    pub(super) key: ShortString,
    pub(super) body: Bytes,
    pub(super) properties: BasicProperties,
    pub(super) answer: oneshot::Sender<Result<Sent, PublishError>>,
}

/// What one publish ended in.
#[derive(Debug)]
pub(super) enum Sent {
    Held(Held),
    Refused,
}

/// What is gathered for the next batch.
#[derive(Default)]
struct Gathered {
    publishes: Vec<Publish>,
    bytes: usize,
    since: Option<Instant>,
}

/// Carries publishes to the broker until nobody can hand in more.
pub(super) async fn carry(
    mut handed_in: mpsc::Receiver<Publish>,
    mut free: Vec<Channel>,
    pace: Pace,
    connection: Arc<Connection>,
) {
    let mut under_way = FuturesUnordered::new();
    let mut gathered = Gathered::default();
    loop {
        tokio::select! {
            more = gathered.fill(&mut handed_in, pace), if under_way.len() < pace.batches => {
                if !more {
                    return;
                }
                let publishes = std::mem::take(&mut gathered).publishes;
                under_way.push(carry_batch(publishes, free.pop(), &connection));
            }
            Some(channel) = under_way.next() => free.extend(channel),
        }
    }
}

impl Gathered {
    /// Returns when it is time to go with what there is, or false when nothing more will come. What
    /// has been gathered stays if this is given up.
    async fn fill(&mut self, handed_in: &mut mpsc::Receiver<Publish>, pace: Pace) -> bool {
        while self.publishes.is_empty() {
            let Some(first) = handed_in.recv().await else { return false };
            self.add(first);
        }
        let until = *self.since.get_or_insert_with(Instant::now) + pace.gather;
        while self.publishes.len() < pace.most && self.bytes < MOST_BYTES {
            match timeout_at(until, handed_in.recv()).await {
                Ok(Some(publish)) => self.add(publish),
                Ok(None) | Err(_) => break,
            }
        }
        true
    }

    /// Adds one, unless nobody waits for it any more.
    fn add(&mut self, publish: Publish) {
        if !publish.answer.is_closed() {
            self.bytes += publish.body.len();
            self.publishes.push(publish);
        }
    }
}

/// Publishes all of them on one channel, answers, and gives a channel back on which nothing is under
/// way.
async fn carry_batch(
    publishes: Vec<Publish>,
    channel: Option<Channel>,
    connection: &Connection,
) -> Option<Channel> {
    let published = async {
        // One that failed took its channel with it. Where the connection is gone, this says so.
        let channel = match channel {
            Some(channel) => channel,
            None => confirming(connection).await?,
        };
        let confirmed = publish(&channel, &publishes).await?;
        Ok((channel, confirmed))
    };
    let (channel, confirmed) = match published.await {
        Ok(published) => published,
        Err(error) => {
            // Who does not wait any more need not be told, here and below.
            for Publish { answer, .. } in publishes {
                drop(answer.send(Err(PublishError::Lost(lapin::Error::clone(&error)))));
            }
            return None;
        }
    };
    let is_refused = confirmed.iter().any(Confirmation::is_nack);
    answer(publishes, confirmed);
    if is_refused { renewed(&channel, connection).await.ok() } else { Some(channel) }
}

/// Publishes all of them, and waits for every confirm.
async fn publish(
    channel: &Channel,
    publishes: &[Publish],
) -> Result<Vec<Confirmation>, lapin::Error> {
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    // Joined, and not one after the other: what is written together is one packet. The library numbers
    // a publish and queues its frames when it is first polled; nobody else polls on this channel.
    let sent = publishes.iter().map(|publish| {
        let Publish { exchange, key, body, properties, .. } = publish;
        channel.basic_publish(exchange.clone(), key.clone(), options, body, properties.clone())
    });
    try_join_all(try_join_all(sent).await?).await
}

/// Tells everybody what became of theirs.
fn answer(publishes: Vec<Publish>, confirmed: Vec<Confirmation>) {
    let mut verdicts = Vec::with_capacity(publishes.len());
    let mut returned = Vec::new();
    for confirmation in confirmed {
        // Nothing was sent, or nothing is known of it: both are tried again.
        verdicts.push(confirmation.is_ack());
        returned.extend(confirmation.take_message());
    }
    for (Publish { exchange, key, answer, .. }, is_taken) in publishes.into_iter().zip(verdicts) {
        let is_returned = |message: &BasicReturnMessage| {
            message.delivery.exchange == exchange && message.delivery.routing_key == key
        };
        drop(answer.send(if returned.iter().any(is_returned) {
            Err(PublishError::Unroutable { exchange: exchange.to_string(), key: key.to_string() })
        } else if is_taken {
            Ok(Sent::Held(Held(())))
        } else {
            Ok(Sent::Refused)
        }));
    }
}

/// A channel in the place of this one.
async fn renewed(refused: &Channel, connection: &Connection) -> Result<Channel, lapin::Error> {
    // Reply code of AMQP 0-9-1, section 1.2.
    const REPLY_SUCCESS: u16 = 200;
    refused.close(REPLY_SUCCESS, "".into()).await?;
    confirming(connection).await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lapin::message::Delivery;

    use super::*;

    type Answered = oneshot::Receiver<Result<Sent, PublishError>>;

    fn publish(key: &str, bytes: usize) -> (Publish, Answered) {
        let (answer, answered) = oneshot::channel();
        let body = Bytes::from(vec![b'x'; bytes]);
        let (exchange, properties) = ("webhooks.dlx".into(), BasicProperties::default());
        (Publish { exchange, key: key.into(), body, properties, answer }, answered)
    }

    const PACE: Pace = Pace { batches: 1, most: 3, gather: Duration::from_millis(25) };

    #[tokio::test(start_paused = true)]
    async fn what_comes_within_a_moment_goes_together() {
        let (hand_in, mut handed_in) = mpsc::channel(16);
        let (began, mut gathered) = (Instant::now(), Gathered::default());
        let ((first, _waits), (second, _waits_too)) = (publish("a", 1), publish("b", 1));
        hand_in.send(first).await.unwrap();
        // Given up meanwhile: what was gathered stays, and so does the end of its moment.
        let some = Duration::from_millis(10);
        assert!(tokio::time::timeout(some, gathered.fill(&mut handed_in, PACE)).await.is_err());
        hand_in.send(second).await.unwrap();
        assert!(gathered.fill(&mut handed_in, PACE).await);
        assert_eq!((gathered.publishes.len(), began.elapsed()), (2, PACE.gather));
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_that_is_full_does_not_wait() {
        for (bytes, fit) in [(1, PACE.most), (MOST_BYTES / 2, 2), (2 * MOST_BYTES, 1)] {
            let (hand_in, mut handed_in) = mpsc::channel(16);
            let (began, mut gathered) = (Instant::now(), Gathered::default());
            let (publishes, _wait): (Vec<_>, Vec<_>) = (0..5).map(|_| publish("a", bytes)).unzip();
            for publish in publishes {
                hand_in.send(publish).await.unwrap();
            }
            assert!(gathered.fill(&mut handed_in, PACE).await);
            assert_eq!((gathered.publishes.len(), began.elapsed()), (fit, Duration::ZERO));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_waits_for_is_not_published() {
        let (hand_in, mut handed_in) = mpsc::channel(16);
        let ((given_up, _), (waited_for, _waits)) = (publish("a", 1), publish("b", 1));
        hand_in.send(given_up).await.unwrap();
        hand_in.send(waited_for).await.unwrap();
        drop(hand_in);
        let mut gathered = Gathered::default();
        assert!(gathered.fill(&mut handed_in, PACE).await);
        let keys: Vec<_> = gathered.publishes.iter().map(|publish| publish.key.as_str()).collect();
        assert_eq!(keys, ["b"]);
        assert!(!Gathered::default().fill(&mut handed_in, PACE).await);
    }

    /// The library hands a returned message to any confirm of the channel.
    #[tokio::test]
    async fn each_is_told_what_became_of_its_own() {
        let (publishes, answered): (Vec<_>, Vec<_>) =
            ["taken", "nowhere", "full"].map(|key| publish(key, 1)).into_iter().unzip();
        let delivery = Delivery::mock(0, "webhooks.dlx".into(), "nowhere".into(), false, vec![]);
        let (reply_code, reply_text) = (312, "NO_ROUTE".into());
        let returned = BasicReturnMessage { delivery, reply_code, reply_text };
        answer(
            publishes,
            vec![
                Confirmation::Ack(Some(returned)),
                Confirmation::Ack(None),
                Confirmation::Nack(None),
            ],
        );
        let mut told = Vec::new();
        for answered in answered {
            told.push(answered.await.unwrap());
        }
        assert!(matches!(&told[0], Ok(Sent::Held(_))), "{told:?}");
        let Err(PublishError::Unroutable { key, .. }) = &told[1] else { panic!("{told:?}") };
        assert_eq!(key, "nowhere");
        assert!(matches!(&told[2], Ok(Sent::Refused)), "{told:?}");
    }
}
