//! One life of the connection: what is built together and lost together.
//!
//! Two connections, because a broker in alarm stops reading from connections that publish: events
//! come and are acknowledged on the one, failures are parked on the other. [`Session`] is the
//! publishing half that travels with every incoming message; [`Parts`] is what the supervisor and
//! the intake keep. What a session handed out can only be parked, buried or rejected through that
//! same session: once it is lost the broker gives the message again, and a second way would double
//! it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;
use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Consumer, ErrorKind};
use thiserror::Error;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Names};
use crate::envelope::{Parked, PublishedEvent, Rejected};
use crate::ladder;
use crate::metrics::Metrics;
use crate::publisher::{Held, Pace, PublishError, Publisher, Route, confirming};
use crate::refusal::ConnectError;
use crate::settlement::Verdict;
use crate::topology::{self, TopologyError};
use crate::wire::Wire;

/// Why a session could not be built, or ended.
#[derive(Debug, Error)]
pub enum SessionError {
    /// The broker's name does not resolve.
    #[error("the name {host} of broker.url does not resolve")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        #[source]
        source: std::io::Error,
    },
    /// No connection, or the broker refused the login or the virtual host.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The exchanges and queues are not as they must be.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// The connection or a channel broke.
    #[error("the broker ended the session while {doing}")]
    Lost {
        /// What was going on.
        doing: &'static str,
        /// What it said.
        #[source]
        source: lapin::Error,
    },
    /// A consumer or a connection ended without an error, as when a queue is deleted.
    #[error("a consumer or a connection ended without a word; was a queue deleted?")]
    Cancelled,
    /// A publish did not come through.
    #[error("a publish did not come through")]
    Publish(#[source] PublishError),
    /// Messages larger than any event came in numbers; they are taken one by one.
    #[error(
        "more than {most} bytes of messages that are larger than any event are held \
         (broker.max_large_bytes): messages are taken one by one for a while"
    )]
    Flood {
        /// The bound that bit.
        most: usize,
    },
    /// No answer in time.
    #[error("the broker did not answer within {limit:?} while {doing}")]
    Deadline {
        /// What was waited for.
        doing: &'static str,
        /// The deadline.
        limit: Duration,
    },
}

impl SessionError {
    /// What went wrong while a session that was built confirmed its topology: there it tells of the
    /// session, not of the topology.
    pub(crate) fn confirming(error: TopologyError) -> Self {
        const DOING: &str = "confirming the binding of the events queue";
        match error {
            TopologyError::Broker { source, .. } => Self::Lost { doing: DOING, source },
            TopologyError::Deadline { limit, .. } => Self::Deadline { doing: DOING, limit },
            other => Self::Topology(other),
        }
    }

    /// All causes, for metrics that begin at 0.
    pub(crate) const CAUSES: [&str; 8] =
        ["resolve", "connect", "topology", "lost", "ended", "publish", "flood", "deadline"];

    /// The cause in a word, for the metric.
    pub(crate) fn cause(&self) -> &'static str {
        match self {
            Self::Resolve { .. } => "resolve",
            Self::Connect(_) => "connect",
            Self::Topology(_) => "topology",
            Self::Lost { .. } => "lost",
            Self::Cancelled => "ended",
            Self::Publish(_) => "publish",
            Self::Flood { .. } => "flood",
            Self::Deadline { .. } => "deadline",
        }
    }

    /// Whether the cause is a message: it will come again and end the next session too.
    pub(crate) fn is_of_a_message(&self) -> bool {
        match self {
            Self::Flood { .. } => true,
            // One that the broker's client cannot read.
            Self::Lost { source, .. } => matches!(source.kind(), ErrorKind::ParsingError(_)),
            _ => false,
        }
    }

    /// Whether the cause may be a message that cannot be read. The client does not always say so:
    /// who asks it something after the message came learns only that the connection is no more.
    /// What the network or the broker does is told in other words.
    pub(crate) fn may_be_poison(&self) -> bool {
        let Self::Lost { source, .. } = self else { return false };
        matches!(
            source.kind(),
            ErrorKind::ParsingError(_)
                | ErrorKind::InvalidConnectionState(_)
                | ErrorKind::InvalidChannelState(..)
        )
    }
}

/// The publishing half of a session; cheap to clone.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    /// What is parked,
    parking: Publisher,
    /// and what is dead or rejected: a queue that does not confirm holds up its own only.
    aside: Publisher,
    names: Names,
    metrics: Metrics,
    lost: CancellationToken,
    cause: Mutex<Option<SessionError>>,
    uneasy: Notify,
}

/// One consumer with the way its messages are settled.
pub(crate) struct Consuming {
    pub(crate) consumer: Consumer,
    pub(crate) channel: Channel,
    pub(crate) verdicts: mpsc::Sender<Verdict>,
}

/// What takes verdicts off a channel's settlements.
pub(crate) struct Settling {
    pub(crate) channel: Channel,
    pub(crate) verdicts: mpsc::Receiver<Verdict>,
}

/// All that a session consists of.
pub(crate) struct Parts {
    pub(crate) session: Session,
    pub(crate) events: Consuming,
    pub(crate) deliveries: Consuming,
    pub(crate) settling: [Settling; 2],
    pub(crate) probe: Channel,
    pub(crate) consuming_wire: Wire,
    pub(crate) publishing_wire: Wire,
}

impl Session {
    /// Parks a delivery until `parked.due_ms`, of which `now_ms` is the present; `Ok` means that
    /// the broker holds it. What is due already waits on the shortest rung.
    ///
    /// # Errors
    ///
    /// [`PublishError`]: it may or may not be held; the message it came from must be given back.
    pub async fn park(&self, parked: &Parked, now_ms: i64) -> Result<Held, PublishError> {
        let millis = |from: i64| Duration::from_millis(parked.due_ms.abs_diff(from));
        let remaining = if parked.due_ms > now_ms { millis(now_ms) } else { Duration::ZERO };
        let whole =
            if parked.due_ms > parked.parked_ms { millis(parked.parked_ms) } else { remaining };
        let rung = ladder::rung(remaining, whole);
        let key = self.0.names.rung(rung);
        self.publish(&self.0.parking, "parked", &key, &parked.body, &parked.properties()).await
    }

    /// Hands a delivery that is given up to the dead queue, with a word and the time.
    ///
    /// # Errors
    ///
    /// As for [`Session::park`].
    pub async fn bury(
        &self,
        parked: &Parked,
        reason: &str,
        at_ms: i64,
    ) -> Result<Held, PublishError> {
        let properties = parked.dead_properties(reason, at_ms);
        self.publish(&self.0.aside, "dead", &self.0.names.dead_queue, &parked.body, &properties)
            .await
    }

    /// Hands a message that is no event to the rejected queue, unaltered but for the reason.
    ///
    /// # Errors
    ///
    /// As for [`Session::park`].
    pub async fn reject(
        &self,
        body: &Bytes,
        original: &BasicProperties,
        rejected: Rejected<'_>,
    ) -> Result<Held, PublishError> {
        let properties = rejected.properties(original);
        self.publish(&self.0.aside, "rejected", &self.0.names.rejected_queue, body, &properties)
            .await
    }

    /// Hands a parked delivery that is none to the rejected queue, as it came.
    ///
    /// # Errors
    ///
    /// As for [`Session::park`].
    pub async fn reject_parked(
        &self,
        parked: &Parked,
        rejected: Rejected<'_>,
    ) -> Result<Held, PublishError> {
        self.reject(&parked.body, &parked.properties(), rejected).await
    }

    async fn publish(
        &self,
        publisher: &Publisher,
        target: &'static str,
        key: &str,
        body: &Bytes,
        properties: &BasicProperties,
    ) -> Result<Held, PublishError> {
        let Inner { names, metrics, .. } = &*self.0;
        let route = Route { exchange: &names.dead_letter_exchange, key };
        // Boxed: every delivery's future has room for this one, and few deliveries come here.
        let published = Box::pin(publisher.publish(route, body, properties)).await;
        match &published {
            Ok(_) => metrics.published.with_label_values(&[target]).inc(),
            Err(error) => {
                self.lose(SessionError::Publish(error.clone()));
            }
        }
        published
    }

    /// Something has shown that this session is lost. The first cause counts.
    pub(crate) fn lose(&self, cause: SessionError) {
        self.0.cause.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(cause);
        self.0.lost.cancel();
    }

    /// Waits until the session is lost, and says why.
    pub(crate) async fn lost(&self) -> SessionError {
        self.0.lost.cancelled().await;
        let mut cause = self.0.cause.lock().unwrap_or_else(PoisonError::into_inner);
        cause.take().unwrap_or(SessionError::Cancelled)
    }

    /// Whether this session is known to be lost: whatever it handed out comes again, so that
    /// nothing more should be begun with it.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.0.lost.is_cancelled()
    }

    /// A message came that is a reason to go on with care.
    pub(crate) fn met_large_message(&self) {
        self.0.uneasy.notify_one();
    }

    /// Waits for the next reason to go on with care.
    pub(crate) async fn uneasy(&self) {
        self.0.uneasy.notified().await;
    }

    /// Waits until the session is lost, for who need not know why.
    pub(crate) async fn ended(&self) {
        self.0.lost.cancelled().await;
    }
}

impl Parts {
    /// Connects, declares the topology, waits for `wanted` and starts both consumers.
    ///
    /// `prefetch` takes the place of the configured one while messages are taken one by one.
    pub(crate) async fn build(
        config: &Config,
        prefetch: u16,
        metrics: &Metrics,
        wanted: impl Future<Output = ()>,
    ) -> Result<Self, SessionError> {
        let limit = config.deadline;
        let consuming_wire =
            Wire::open(config.consuming_uri(), "boottify-webhooks consuming", limit).await?;
        let publishing_wire =
            Wire::open(config.publishing_uri(), "boottify-webhooks publishing", limit).await?;
        let probe = channel(&consuming_wire, limit).await?;
        topology::declare(&probe, config).await?;

        let parking = publisher(&publishing_wire, Pace::TOGETHER, limit, metrics).await?;
        let aside = publisher(&publishing_wire, Pace::TOGETHER, limit, metrics).await?;

        wanted.await;
        // Nothing else is asked of the connection once messages come: one of them may end it.
        let of_events = taking(&consuming_wire, limit, prefetch).await?;
        let of_deliveries = taking(&consuming_wire, limit, prefetch).await?;
        let (deliveries, deliveries_settling) =
            consume(of_deliveries, limit, prefetch, &config.names.deliveries_queue).await?;
        let (events, events_settling) =
            consume(of_events, limit, prefetch, &config.names.events_queue).await?;
        let session = Session(Arc::new(Inner {
            parking,
            aside,
            names: config.names.clone(),
            metrics: metrics.clone(),
            lost: CancellationToken::new(),
            cause: Mutex::new(None),
            uneasy: Notify::new(),
        }));
        let settling = [events_settling, deliveries_settling];
        Ok(Self { session, events, deliveries, settling, probe, consuming_wire, publishing_wire })
    }
}

/// Publishes one event as an orchestrator would, on a connection of its own.
///
/// # Errors
///
/// [`PublishEventError`] where the broker cannot be reached, or does not confirm within twice the
/// deadline.
pub async fn publish_event(
    config: &Config,
    event: &PublishedEvent,
    metrics: &Metrics,
) -> Result<(), PublishEventError> {
    let limit = config.deadline;
    let wire = Wire::open(config.publishing_uri(), "boottify-webhooks send", limit).await?;
    let publisher = publisher(&wire, Pace::alone(1), limit, metrics).await?;
    let route = Route { exchange: &config.names.events_exchange, key: &event.kind };
    let properties = event.properties();
    let publish = publisher.publish(route, &event.body, &properties);
    // A publisher waits for a blocked broker without end; who asked for one event does not.
    let patience = limit.saturating_mul(2);
    let published = timeout(patience, publish).await;
    published.map_err(|_| PublishEventError::NotTaken(patience))??;
    Ok(())
}

/// Why an event could not be published.
#[derive(Debug, Error)]
pub enum PublishEventError {
    /// The broker could not be reached.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The broker did not take it.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The broker neither took nor refused it.
    #[error(
        "the broker took no event within {0:?}: it blocks publishers (a memory or disk alarm) or a \
         queue is full; whether it still takes this one is not known"
    )]
    NotTaken(Duration),
}

/// A publisher whose channels are open.
pub(crate) async fn publisher(
    wire: &Wire,
    pace: Pace,
    limit: Duration,
    metrics: &Metrics,
) -> Result<Publisher, SessionError> {
    let open = || within(limit, "opening a channel with confirms", confirming(&wire.connection));
    let channels = try_join_all((0..pace.batches).map(|_| open())).await?;
    let connection = Arc::clone(&wire.connection);
    Ok(Publisher::new(channels, pace, connection, limit, metrics.clone()))
}

pub(crate) async fn channel(wire: &Wire, limit: Duration) -> Result<Channel, SessionError> {
    within(limit, "opening a channel", wire.connection.create_channel()).await
}

/// A channel for a consumer of so many messages at a time.
pub(crate) async fn taking(
    wire: &Wire,
    limit: Duration,
    prefetch: u16,
) -> Result<Channel, SessionError> {
    let channel = channel(wire, limit).await?;
    let qos = channel.basic_qos(prefetch, BasicQosOptions::default());
    within(limit, "setting the prefetch", qos).await?;
    Ok(channel)
}

async fn consume(
    channel: Channel,
    limit: Duration,
    prefetch: u16,
    queue: &str,
) -> Result<(Consuming, Settling), SessionError> {
    let options = BasicConsumeOptions::default();
    let consumer = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default());
    let consumer = within(limit, "starting a consumer", consumer).await?;
    // Room for every message that can be outstanding, so that settling never waits.
    let (sender, receiver) = mpsc::channel(usize::from(prefetch) + 1);
    Ok((
        Consuming { consumer, channel: channel.clone(), verdicts: sender },
        Settling { channel, verdicts: receiver },
    ))
}

pub(crate) async fn within<T>(
    limit: Duration,
    doing: &'static str,
    answer: impl Future<Output = Result<T, lapin::Error>>,
) -> Result<T, SessionError> {
    match timeout(limit, answer).await {
        Ok(answer) => answer.map_err(|source| SessionError::Lost { doing, source }),
        Err(_) => Err(SessionError::Deadline { doing, limit }),
    }
}
