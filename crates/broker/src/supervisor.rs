//! Keeps one session alive: builds it, watches it, and builds the next when it is lost.
//!
//! ```text
//! connecting ──built──► running ──lost──► pausing ──► connecting
//!      └────failed──────────────────────────┘
//! ```
//!
//! Each state is a method that returns when the state ends. lapin's own recovery is not used: it
//! hung without a word in 9 of 60 graceful broker restarts, whereas without it every restart gave
//! prompt errors. Whatever goes wrong (an error, an end, a deadline) has the same cure: drop the
//! session and all it consists of, and build a new one. It never gives up.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use lapin::Event;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::acks;
use crate::causes::in_one_line;
use crate::config::Config;
use crate::flood::Flood;
use crate::intake::{Consumers, Intake, Slot};
use crate::metrics::Metrics;
use crate::outage::{Outage, Say};
use crate::poison;
use crate::session::{Parts, Session, SessionError, Settling, within};
use crate::topology;
use crate::wire::Wire;

/// The first pause after a session was lost or could not be built, and the longest one: a restarted
/// broker is back in seconds, a broker that stays away is not to be stormed.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_LONGEST: Duration = Duration::from_secs(15);

/// How often a session is asked whether it is still there, and its queues for their length: one
/// passive declare per queue, hardly a load, and a metric's usual resolution.
const PROBE_EVERY: Duration = Duration::from_secs(5);

/// The first time: after what messages have to say for themselves.
const PROBE_FIRST: Duration = Duration::from_millis(500);

/// How long a session must last to be trusted: longer than any poison takes to end it.
const CALM_AFTER: Duration = Duration::from_secs(5);

/// How long the last acknowledgements, and then each connection's close, may take at the end.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// What the supervisor knows of the broker, for readiness and people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// No session yet, or none any more, and why.
    Disconnected(String),
    /// Topology and consumers are in place.
    Connected,
}

/// See the module.
pub struct Supervisor {
    config: Config,
    metrics: Metrics,
    slot: Arc<Slot>,
    state: watch::Sender<State>,
    closing: CancellationToken,
}

/// How messages are taken.
///
/// The broker counts the end of a session against every message that was handed out and not
/// settled, and takes for poison what reaches the delivery limit. So after a session that ended
/// soon, messages are taken one by one from each queue: if one of them is the cause (it cannot be
/// read, it cannot be parked), it alone reaches the limit.
#[derive(Clone, Copy)]
enum Pace {
    Full,
    Careful,
}

/// How a session ended.
enum End {
    Lost(SessionError),
    /// A careful session met nothing that it could not read.
    Calm,
    Closed,
}

impl Supervisor {
    /// A supervisor that has not connected yet, and the intake that it feeds.
    ///
    /// When `closing` is cancelled the intake ends; the session goes on, so that what is in
    /// flight can still be settled, until the future given to [`Supervisor::run`] ends.
    #[must_use]
    pub fn new(
        config: Config,
        metrics: Metrics,
        closing: CancellationToken,
    ) -> (Self, Intake, watch::Receiver<State>) {
        let slot = Arc::new(Slot::default());
        let (state, states) = watch::channel(State::Disconnected("not connected yet".to_owned()));
        let intake = Intake::new(Arc::clone(&slot), closing.clone());
        (Self { config, metrics, slot, state, closing }, intake, states)
    }

    /// Runs until `finished` ends, which must be when nothing is left in flight (or nobody waits
    /// for it any more). Then the last acknowledgements are sent and the connections closed.
    pub async fn run(self, finished: impl Future<Output = ()>) {
        let mut finished = pin!(finished);
        let mut pause = PAUSE_FIRST;
        let mut outage = Outage::default();
        let mut pace = Pace::Full;
        loop {
            let prefetch = pace.prefetch(&self.config);
            let building = Parts::build(&self.config, prefetch, &self.metrics, self.wanted());
            let built = tokio::select! {
                () = finished.as_mut() => return,
                built = building => built,
            };
            let began = Instant::now();
            let error = match built {
                Ok(parts) => {
                    let end = self.running(parts, pace, finished.as_mut()).await;
                    if began.elapsed() >= CALM_AFTER {
                        (pause, pace) = (PAUSE_FIRST, Pace::Full);
                        outage.over();
                    } else {
                        pace = Pace::Careful;
                    }
                    match end {
                        End::Closed => return,
                        End::Calm => {
                            pace = Pace::Full;
                            continue;
                        }
                        End::Lost(error) => error,
                    }
                }
                Err(error) => error,
            };
            self.tell(&error, &mut outage);
            if error.is_of_a_message() || error.may_be_poison() {
                // Waiting would not change the message.
                (pause, pace) = (PAUSE_FIRST, Pace::Careful);
            }
            let poison = !matches!(pace, Pace::Full) && error.may_be_poison();
            if self.closing.is_cancelled() {
                // What is in flight belongs to the lost session; a new one would only take more.
                return finished.await;
            }
            let rest = async {
                sleep(pause).await;
                if poison {
                    poison::expel(&self.config).await;
                }
            };
            tokio::select! {
                () = finished.as_mut() => return,
                () = rest => {}
            }
            pause = PAUSE_LONGEST.min(pause * 2);
        }
    }

    /// Says what is wrong once, and now and then that it still is; not at every try.
    fn tell(&self, error: &SessionError, outage: &mut Outage) {
        self.metrics.session_failures.with_label_values(&[error.cause()]).inc();
        if let SessionError::Flood { .. } = error {
            // The broker is well, and so are we.
            return tracing::warn!("{error}");
        }
        let text = in_one_line(error);
        let place = self.config.place();
        match outage.failed(&text, Instant::now()) {
            Say::Cause => {
                tracing::error!(broker = %place, "no session with the broker: {text}; trying again");
            }
            Say::GoesOn(since) => {
                let since = humantime::format_rfc3339_seconds(since);
                tracing::error!(
                    broker = %place,
                    "still no session with the broker, since {since}: {text}; trying again"
                );
            }
            Say::Nothing => {}
        }
        self.state.send_replace(State::Disconnected(text));
    }

    async fn running(
        &self,
        parts: Parts,
        pace: Pace,
        mut finished: Pin<&mut impl Future<Output = ()>>,
    ) -> End {
        let Parts { session, events, deliveries, settling, probe, consuming_wire, publishing_wire } =
            parts;
        let [of_events, of_deliveries] = settling;
        let settle = async { tokio::try_join!(self.settle(of_events), self.settle(of_deliveries)) };
        let (mut settled, mut all_settled) = (pin!(settle), false);
        let (flood, careful) = (Flood::new(&self.config), !matches!(pace, Pace::Full));
        let mut calm = pin!(Self::calm(pace, session.clone(), flood.clone()));
        self.slot.put(Consumers { session: session.clone(), events, deliveries, flood, careful });
        let connected = self.connected();
        let end = loop {
            tokio::select! {
                // Who knows the cause speaks first: with the session all the others end, too.
                biased;
                () = finished.as_mut() => break End::Closed,
                error = session.lost() => break End::Lost(error),
                () = calm.as_mut() => break End::Calm,
                error = watch_wire(&consuming_wire, &self.metrics) => break End::Lost(error),
                error = watch_wire(&publishing_wire, &self.metrics) => break End::Lost(error),
                error = self.probe(&probe, &publishing_wire) => break End::Lost(error),
                settled = &mut settled, if !all_settled => match settled {
                    Err(error) => break End::Lost(error),
                    // The intake is closed and nothing is in flight any more.
                    Ok(_) if self.closing.is_cancelled() => all_settled = true,
                    Ok(_) => break End::Lost(SessionError::Cancelled),
                },
            }
        };
        drop(connected);
        session.lose(SessionError::Cancelled);
        if matches!(end, End::Closed) {
            // Consumers that nobody came for hold the way of settling open.
            self.slot.clear();
            let flush = async { if all_settled { Ok(((), ())) } else { settled.await } };
            if timeout(FLUSH_LIMIT, flush).await.is_err() {
                tracing::info!("what was not settled in time is given to others by the broker");
            }
            close(&consuming_wire).await;
            close(&publishing_wire).await;
        }
        end
    }

    /// Waits until somebody takes messages: what were handed out before would only pile up.
    async fn wanted(&self) {
        if !self.slot.is_wanted() {
            let why = "connected, but nothing is taken before the webhooks are loaded";
            self.state.send_replace(State::Disconnected(why.to_owned()));
            self.slot.wanted().await;
        }
    }

    /// Ends once a careful session need be careful no more: for a while no large message came or is
    /// held.
    async fn calm(pace: Pace, session: Session, flood: Flood) {
        match pace {
            Pace::Full => std::future::pending().await,
            Pace::Careful => {
                while timeout(CALM_AFTER, session.uneasy()).await.is_ok() || !flood.is_calm() {}
            }
        }
    }

    /// Marks the session as up for as long as the guard lives.
    fn connected(&self) -> impl Drop {
        self.metrics.sessions.inc();
        self.metrics.connected.set(1);
        self.state.send_replace(State::Connected);
        tracing::info!(broker = %self.config.place(), "connected to the broker");
        Connected(self.metrics.clone())
    }

    /// Carries out verdicts until every settlement of the channel is gone.
    async fn settle(&self, settling: Settling) -> Result<(), SessionError> {
        let limit = self.config.deadline;
        let Settling { channel, verdicts } = settling;
        let doing = "acknowledging";
        acks::run(channel, verdicts, limit, self.metrics.clone()).await.map_err(|error| match error
        {
            Some(source) => SessionError::Lost { doing, source },
            None => SessionError::Deadline { doing, limit },
        })
    }

    /// Asks for every queue's length now and then, and whether events still come to ours. A broker
    /// that does not answer within the deadline is lost even where the socket says nothing, as is one
    /// whose queue is gone.
    async fn probe(&self, channel: &lapin::Channel, publishing: &Wire) -> SessionError {
        let mut ticks = interval_at(Instant::now() + PROBE_FIRST, PROBE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let queues = self.config.names.watched();
        loop {
            ticks.tick().await;
            if let Err(error) = topology::confirm_source(channel, &self.config).await {
                return SessionError::confirming(error);
            }
            for (label, queue) in &queues {
                let options = QueueDeclareOptions { passive: true, ..Default::default() };
                let declared =
                    channel.queue_declare(queue.as_str().into(), options, FieldTable::default());
                match within(self.config.deadline, "probing a queue", declared).await {
                    Ok(queue) => {
                        let messages = i64::from(queue.message_count());
                        self.metrics.queue_messages.with_label_values(&[label]).set(messages);
                    }
                    Err(error) => return error,
                }
            }
            if !publishing.connection.status().blocked() {
                let opened = publishing.connection.create_channel();
                match within(self.config.deadline, "probing the publishing side", opened).await {
                    Ok(channel) => drop(channel),
                    // The broker began to block us after it was looked at.
                    Err(_) if publishing.connection.status().blocked() => {}
                    Err(error) => return error,
                }
            }
        }
    }
}

impl Pace {
    fn prefetch(self, config: &Config) -> u16 {
        match self {
            Self::Full => config.prefetch,
            Self::Careful => 1,
        }
    }
}

struct Connected(Metrics);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connected.set(0);
        self.0.blocked.set(0);
    }
}

/// Follows a connection's own events until it is lost.
async fn watch_wire(wire: &Wire, metrics: &Metrics) -> SessionError {
    let mut events = pin!(wire.connection.events_listener());
    while let Some(event) = events.next().await {
        match event {
            Event::ConnectionBlocked(reason) => {
                metrics.blocked.set(1);
                tracing::warn!(%reason, "the broker blocks publishing; what fails waits unsettled");
            }
            Event::ConnectionUnblocked => {
                metrics.blocked.set(0);
                tracing::info!("the broker takes publishes again");
            }
            Event::Error(source) => {
                return SessionError::Lost { doing: "watching the connection", source };
            }
            _ => {}
        }
    }
    SessionError::Cancelled
}

async fn close(wire: &Wire) {
    if let Ok(Err(error)) = timeout(FLUSH_LIMIT, wire.connection.close(200, "bye".into())).await {
        tracing::debug!(%error, "a connection was gone before it could be closed");
    }
}
