//! Looking at every message of the dead queue without changing what is not meant to be changed.
//!
//! A queue can only be looked at by taking from it. A walk takes the messages in windows, each on a
//! channel of its own that holds them unacknowledged, and at its end gives them back by closing the
//! channels in the order in which they were filled: the queue is then as it was. What is given back
//! goes behind all that was given back before and before all that nobody has taken yet; so a walk
//! that is done early takes the rest of the former, too. Whatever ends a walk by force ends its
//! connection, and the broker gives everything back by itself; windows may then have changed places,
//! and nothing is lost.
//!
//! While one walks nobody else can see what it holds, so only one walks at a time in all replicas:
//! the one that has declared an exclusive queue, which goes with its connection.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer, ErrorKind};
use tokio::time::{Instant, sleep, timeout};

use crate::client::ClientError;
use crate::client::desk::{Desk, PUBLISHES, depth};
use crate::config::Config;
use crate::envelope::Content;
use crate::publisher::Route;
use crate::session::{SessionError, channel, within};
use crate::wire::Wire;

/// Messages of one window. What one holds at most in memory is a window of bodies, if they come
/// faster than their headers are read; each window costs a few answers of the broker.
const WINDOW: u16 = 500;

/// Messages that are taken away at a time. What was sent again and not yet taken away when a walk is
/// cut off is sent twice.
const ACKS: usize = 50;

/// How long a whole walk may take: nobody else can work on the dead letters meanwhile. It is enough
/// for about a million.
const LONGEST: Duration = Duration::from_secs(120);

/// Channels that a connection needs beside those of the windows.
const OTHER_CHANNELS: usize = 2;

/// How often, and with which pauses, a walk is tried while somebody else walks.
const TRIES: u32 = 10;
const TRY_PAUSE: Duration = Duration::from_millis(200);

/// How long altogether, and how often, the queue is looked at for what was given back to it.
const RETURNING: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// How long a close may take that only spares the broker an error in its log.
const CLOSING: Duration = Duration::from_secs(1);

/// What is to be done with a message.
pub(crate) enum Fate {
    /// It goes back to where it was.
    Keep,
    /// It leaves the queue.
    Drop,
    /// It leaves the queue once the broker holds this in another one.
    Resend(Box<Content>),
}

/// Who looks at the messages.
pub(crate) trait Visitor {
    /// The next message, oldest first.
    fn visit(&mut self, message: Delivery) -> Fate;
    /// The messages with these tags have left the queue for good; told before the next window.
    fn left(&mut self, _tags: &[u64]) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
    /// Whether there is nothing more to be seen or done; asked after each window.
    fn is_done(&self) -> bool;
}

/// See the module.
pub(crate) struct Walk<'a> {
    config: &'a Config,
    wire: Wire,
    control: Channel,
    held: Vec<Held>,
    /// Whether a message was met that nobody had taken before: behind it are only such ones.
    fresh: bool,
    until: Instant,
}

/// Is shown what is taken only to be given back in order.
struct Rest {
    fresh: bool,
}

impl Visitor for Rest {
    fn visit(&mut self, message: Delivery) -> Fate {
        self.fresh |= !message.redelivered;
        Fate::Keep
    }

    fn is_done(&self) -> bool {
        self.fresh
    }
}

/// A channel, and how many messages it holds unacknowledged.
struct Held {
    channel: Channel,
    messages: usize,
}

impl<'a> Walk<'a> {
    /// Connects and waits a short while for nobody else to walk.
    pub(crate) async fn begin(config: &'a Config) -> Result<Self, ClientError> {
        let limit = config.deadline;
        let name = "boottify-webhooks dead letters";
        let wire = Wire::open(config.consuming_uri(), name, limit).await?;
        for _ in 0..TRIES {
            let control = channel(&wire, limit).await?;
            if lock(&control, config).await? {
                let until = Instant::now() + LONGEST;
                let (held, fresh) = (Vec::new(), false);
                return Ok(Self { config, wire, control, held, fresh, until });
            }
            sleep(TRY_PAUSE).await;
        }
        Err(ClientError::Busy)
    }

    /// Messages that this walk has not come to.
    pub(crate) async fn ahead(&self) -> Result<usize, SessionError> {
        depth(&self.control, &self.config.names.dead_queue, self.config.deadline).await
    }

    /// Shows the visitor every message until it is done, the queue is at its end, or the time is
    /// up; says how many were left. What is to be sent again goes through `desk`, and without one
    /// stays.
    pub(crate) async fn go(
        &mut self,
        visitor: &mut impl Visitor,
        desk: Option<&Desk>,
    ) -> Result<usize, ClientError> {
        loop {
            let ahead = self.ahead().await?;
            let over = Instant::now() >= self.until || self.held.len() >= self.most_windows();
            if ahead == 0 || visitor.is_done() || over {
                return Ok(ahead);
            }
            self.window(ahead.min(WINDOW.into()), visitor, desk).await?;
        }
    }

    /// Gives everything back in order.
    pub(crate) async fn give_back(&mut self) -> Result<(), ClientError> {
        if !self.fresh && self.held.iter().any(|held| held.messages > 0) {
            self.go(&mut Rest { fresh: false }, None).await?;
        }
        self.fresh = false;
        let patience = Instant::now() + RETURNING;
        for Held { channel, messages } in std::mem::take(&mut self.held) {
            let before = self.ahead().await?;
            let closed = channel.close(200, "seen".into());
            within(self.config.deadline, "giving dead letters back", closed).await?;
            // The answer tells that the channel is closed, not that the queue has heard of it.
            while self.ahead().await? < before.saturating_add(messages) {
                if Instant::now() > patience {
                    // Somebody else takes them; the order is not worth more waiting.
                    break;
                }
                sleep(LOOK_AGAIN).await;
            }
        }
        Ok(())
    }

    /// Gives everything back in order, and then the lock.
    pub(crate) async fn end(mut self) -> Result<(), ClientError> {
        self.give_back().await?;
        // Against a silent peer a polite close never ends; the wire's own end is sure.
        timeout(CLOSING, self.wire.connection.close(200, "done".into())).await.ok();
        Ok(())
    }

    /// How many windows can be held: each has a channel.
    fn most_windows(&self) -> usize {
        let most = self.wire.connection.configuration().channel_max();
        usize::from(most).saturating_sub(OTHER_CHANNELS).max(1)
    }

    async fn window(
        &mut self,
        expected: usize,
        visitor: &mut impl Visitor,
        desk: Option<&Desk>,
    ) -> Result<(), ClientError> {
        let limit = self.config.deadline;
        let channel = channel(&self.wire, limit).await?;
        self.held.push(Held { channel: channel.clone(), messages: 0 });
        let mut consumer = consume(&channel, &self.config.names.dead_queue, limit).await?;
        let mut moving = FuturesUnordered::new();
        let (mut seen, mut kept, mut done, mut fresh) = (0, 0, Vec::new(), false);
        while let Some(message) = self.next(&mut consumer).await? {
            seen += 1;
            fresh |= !message.redelivered;
            if seen == expected {
                let tag = consumer.tag();
                let cancelled = channel.basic_cancel(tag, BasicCancelOptions::default());
                // What was on its way is still yielded, then the consumer ends.
                within(limit, "ending a consumer", cancelled).await?;
            }
            let tag = message.delivery_tag;
            let fate = visitor.visit(message);
            if matches!((&fate, desk), (Fate::Keep, _) | (Fate::Resend(_), None)) {
                kept += 1;
                continue;
            }
            if moving.len() == PUBLISHES {
                done.extend(moving.next().await.transpose()?);
            }
            if done.len() >= ACKS {
                acknowledge(&channel, &done, limit).await?;
                visitor.left(&std::mem::take(&mut done)).await;
            }
            moving.push(self.act(fate, tag, desk));
        }
        while let Some(tag) = moving.next().await.transpose()? {
            done.push(tag);
        }
        drop(moving);
        self.fresh |= fresh;
        acknowledge(&channel, &done, limit).await?;
        visitor.left(&done).await;
        if let Some(held) = self.held.last_mut() {
            held.messages = kept;
        }
        Ok(())
    }

    /// The next message; none once the consumer has ended or somebody else has taken the rest.
    async fn next(&self, consumer: &mut Consumer) -> Result<Option<Delivery>, SessionError> {
        let limit = self.config.deadline;
        let doing = "looking at the dead letters";
        match timeout(limit, consumer.next()).await {
            Ok(Some(Ok(message))) => Ok(Some(message)),
            Ok(Some(Err(source))) => Err(SessionError::Lost { doing, source }),
            Ok(None) => Ok(None),
            Err(_) if self.ahead().await? == 0 => Ok(None),
            Err(_) => Err(SessionError::Deadline { doing, limit }),
        }
    }

    /// Does what is to be done before a message may leave the queue; gives its tag back.
    async fn act(&self, fate: Fate, tag: u64, desk: Option<&Desk>) -> Result<u64, ClientError> {
        if let (Fate::Resend(content), Some(desk)) = (fate, desk) {
            let names = &self.config.names;
            let (exchange, key) = (&names.dead_letter_exchange, &names.deliveries_queue);
            desk.publish("replayed", Route { exchange, key }, &content).await?;
        }
        Ok(tag)
    }
}

/// Acknowledges in one transaction. Single acknowledgements the broker passes on to the queue a few
/// at a time, and forgets the rest when the channel is closed: of 100,000 a handful came back.
async fn acknowledge(channel: &Channel, tags: &[u64], limit: Duration) -> Result<(), SessionError> {
    const DOING: &str = "taking dead letters away";
    for tag in tags {
        let acked = channel.basic_ack(*tag, BasicAckOptions::default());
        within(limit, DOING, acked).await?;
    }
    within(limit, DOING, channel.tx_commit()).await
}

/// Whether the lock is ours now. The channel is spent where it is not.
async fn lock(control: &Channel, config: &Config) -> Result<bool, SessionError> {
    // Reply code of AMQP 0-9-1, section 1.2.
    const RESOURCE_LOCKED: u16 = 405;
    let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
    let name = config.names.walk_lock();
    let declared = control.queue_declare(name.as_str().into(), options, FieldTable::default());
    match within(config.deadline, "locking the dead letters", declared).await {
        Ok(_) => Ok(true),
        Err(SessionError::Lost { source, .. })
            if matches!(source.kind(), ErrorKind::ProtocolError(answer)
                if answer.get_id() == RESOURCE_LOCKED) =>
        {
            Ok(false)
        }
        Err(other) => Err(other),
    }
}

async fn consume(
    channel: &Channel,
    queue: &str,
    limit: Duration,
) -> Result<Consumer, SessionError> {
    within(limit, "beginning a transaction", channel.tx_select()).await?;
    let qos = channel.basic_qos(WINDOW, BasicQosOptions::default());
    within(limit, "setting the prefetch", qos).await?;
    let options = BasicConsumeOptions::default();
    let consumer = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default());
    within(limit, "starting a consumer", consumer).await
}
