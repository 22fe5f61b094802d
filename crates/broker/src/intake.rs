//! What the queues hand out, one message at a time, across sessions.
//!
//! The intake polls the consumers of the present session directly: no task and no channel stands
//! between the broker's client and the flow. When a consumer ends it tells the supervisor and
//! waits for the next session.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use event::TraceContext;
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::options::BasicCancelOptions;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::envelope::{self, Malformed, Parked};
use crate::flood::{Flood, Weight};
use crate::session::{Consuming, Session, SessionError};
use crate::settlement::Settlement;

/// One message, with the obligation to settle it.
pub enum Incoming {
    /// From the events queue: what a publisher sent.
    Event(IncomingEvent),
    /// From the deliveries queue: a delivery that comes back.
    Parked(IncomingParked),
    /// From the deliveries queue, but not written by us.
    Malformed(Malformed, IncomingEvent),
}

/// A message as a publisher sent it; nothing in it is checked yet.
pub struct IncomingEvent {
    /// The body.
    pub body: Bytes,
    /// All AMQP properties, to be kept where the message is rejected.
    pub properties: BasicProperties,
    /// The obligation.
    pub settlement: Settlement,
    /// The way to park, bury or reject.
    pub session: Session,
}

/// A parked delivery whose present wait is over.
pub struct IncomingParked {
    /// The delivery.
    pub parked: Parked,
    /// The obligation.
    pub settlement: Settlement,
    /// The way to park, bury or reject.
    pub session: Session,
}

impl IncomingEvent {
    /// The `message_id` that the publisher gave.
    #[must_use]
    pub fn message_id(&self) -> Option<&str> {
        self.properties.message_id().as_ref().map(lapin::types::ShortString::as_str)
    }

    /// When the event was published as far as its properties tell, in ms since the epoch.
    #[must_use]
    pub fn published_ms(&self) -> Option<i64> {
        envelope::published_ms(&self.properties)
    }

    /// The publisher's W3C trace context, if it gave one that is one.
    #[must_use]
    pub fn trace(&self) -> Option<TraceContext> {
        envelope::trace(&self.properties)
    }
}

/// The stream of incoming messages; see the module.
pub struct Intake {
    slot: Arc<Slot>,
    present: Option<Present>,
    closing: CancellationToken,
}

/// The consumers of one session, handed from the supervisor to the intake.
pub(crate) struct Consumers {
    pub(crate) session: Session,
    pub(crate) events: Consuming,
    pub(crate) deliveries: Consuming,
    pub(crate) flood: Flood,
    /// Whether messages are taken one by one.
    pub(crate) careful: bool,
}

/// Where the supervisor leaves the consumers of the present session, in place of older ones.
#[derive(Default)]
pub(crate) struct Slot {
    consumers: Mutex<Option<Consumers>>,
    filled: Notify,
    /// Cancelled once somebody takes messages; before, none should be handed out.
    wanted: CancellationToken,
}

impl Slot {
    pub(crate) fn put(&self, consumers: Consumers) {
        *self.consumers.lock().unwrap_or_else(PoisonError::into_inner) = Some(consumers);
        self.filled.notify_one();
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.is_cancelled()
    }

    /// Waits until somebody takes messages.
    pub(crate) async fn wanted(&self) {
        self.wanted.cancelled().await;
    }

    pub(crate) fn clear(&self) {
        *self.consumers.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Waits for consumers. Cancel-safe.
    async fn take(&self) -> Consumers {
        loop {
            let taken = self.consumers.lock().unwrap_or_else(PoisonError::into_inner).take();
            match taken {
                Some(consumers) => return consumers,
                None => self.filled.notified().await,
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Queue {
    Events,
    Deliveries,
}

struct Present {
    session: Session,
    events: Consuming,
    deliveries: Consuming,
    flood: Flood,
    careful: bool,
    messages: BoxStream<'static, Tagged>,
}

/// A message with the name of its queue; `None` once that queue's consumer has ended.
type Tagged = (Queue, Option<Result<Delivery, lapin::Error>>);

impl Intake {
    pub(crate) fn new(slot: Arc<Slot>, closing: CancellationToken) -> Self {
        Self { slot, present: None, closing }
    }

    /// The next message; `None` once the intake is closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<Incoming> {
        self.slot.wanted.cancel();
        loop {
            let Some(present) = &mut self.present else {
                let consumers = tokio::select! {
                    consumers = self.slot.take() => consumers,
                    () = self.closing.cancelled() => return None,
                };
                self.present = Some(Present::new(consumers));
                continue;
            };
            if self.closing.is_cancelled() {
                return self.close().await;
            }
            // What a lost session handed out comes again: nothing more of it is taken.
            if present.session.is_lost() {
                self.present = None;
                continue;
            }
            // Messages first: under load the other two are not even asked.
            let next = tokio::select! {
                biased;
                next = present.messages.next() => next,
                () = present.session.ended() => continue,
                () = self.closing.cancelled() => continue,
            };
            match next {
                Some((queue, Some(Ok(message)))) => {
                    let incoming = present.incoming(queue, message);
                    match present.check() {
                        Ok(()) => return Some(incoming),
                        // It is given back with the session.
                        Err(flood) => self.lose(flood),
                    }
                }
                Some((_, Some(Err(source)))) => {
                    self.lose(SessionError::Lost { doing: "consuming", source });
                }
                Some((_, None)) | None => self.lose(SessionError::Cancelled),
            }
        }
    }

    /// The session is of no use any more: its supervisor learns it, its messages come again.
    fn lose(&mut self, cause: SessionError) {
        if let Some(present) = self.present.take() {
            present.session.lose(cause);
        }
    }

    /// Tells the broker to hand out nothing more; what it has handed out and nobody took is given
    /// back with the connection's end.
    async fn close(&mut self) -> Option<Incoming> {
        for consuming in self.present.take().into_iter().flat_map(Present::consuming) {
            let tag = consuming.consumer.tag();
            let cancelled =
                consuming.channel.basic_cancel(tag, BasicCancelOptions { nowait: true });
            if let Err(error) = cancelled.await {
                tracing::debug!(%error, "a consumer was gone before it could be cancelled");
            }
        }
        None
    }
}

impl Present {
    fn new(consumers: Consumers) -> Self {
        let Consumers { session, events, deliveries, flood, careful } = consumers;
        let messages =
            stream::select(tagged(Queue::Events, &events), tagged(Queue::Deliveries, &deliveries));
        Self { session, events, deliveries, flood, careful, messages: messages.boxed() }
    }

    /// Whether the session can go on; a careful one always can.
    fn check(&self) -> Result<(), SessionError> {
        if self.careful { Ok(()) } else { self.flood.check() }
    }

    fn consuming(self) -> [Consuming; 2] {
        [self.events, self.deliveries]
    }

    fn incoming(&self, queue: Queue, message: Delivery) -> Incoming {
        let Delivery { delivery_tag, properties, data, .. } = message;
        let body = Bytes::from(data);
        let session = self.session.clone();
        let settle = |consuming: &Consuming, weight: Option<Weight>| {
            if weight.is_some() {
                self.session.met_large_message();
            }
            Settlement::new(delivery_tag, consuming.verdicts.clone(), weight)
        };
        match queue {
            Queue::Events => {
                let settlement = settle(&self.events, self.flood.weigh_event(body.len()));
                Incoming::Event(IncomingEvent { body, properties, settlement, session })
            }
            Queue::Deliveries => {
                let settlement = settle(&self.deliveries, self.flood.weigh_parked(body.len()));
                match Parked::read(&properties, body.clone()) {
                    Ok(parked) => Incoming::Parked(IncomingParked { parked, settlement, session }),
                    Err(malformed) => {
                        let message = IncomingEvent { body, properties, settlement, session };
                        Incoming::Malformed(malformed, message)
                    }
                }
            }
        }
    }
}

/// A consumer's messages with the name of their queue, and a word when they end: one that ended
/// alone must not go unnoticed among others.
fn tagged(queue: Queue, consuming: &Consuming) -> impl Stream<Item = Tagged> + use<> {
    let end = stream::once(std::future::ready((queue, None)));
    consuming.consumer.clone().map(move |message| (queue, Some(message))).chain(end)
}
