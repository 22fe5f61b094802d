//! What we write around a body in AMQP properties, and read back.
//!
//! A parked delivery carries all that is needed to go on with it on any replica: the event's body
//! as its content, the event id as `message_id`, the event type as `type`, and in its headers:
//!
//! | header | value |
//! | --- | --- |
//! | `x-webhook-id` | the webhook that it is for |
//! | `x-attempts` | attempts made so far |
//! | `x-earlier-attempts` | how many of them were made before people sent it again; absent for none |
//! | `x-once` | where it is attempted once, whatever comes of it, why: `test` or `beside` |
//! | `x-published-at` | when the event was published, ms since the epoch |
//! | `x-first-attempt-at` | when the first attempt was made (or postponed), ms |
//! | `x-parked-at`, `x-due-at` | since when and until when it waits, ms |
//! | `x-last-failure`, `x-last-failure-detail` | the failure kind of the last attempt, and a line about it |
//! | `traceparent`, `tracestate` | W3C trace context: who parked it, or else the publisher |
//!
//! A dead delivery carries `x-dead-reason` and `x-dead-at` besides; a rejected message keeps its
//! own headers and gains `x-rejected-reason`, `x-rejected-detail` and `x-rejected-at`.

use bytes::Bytes;
use event::TraceContext;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use thiserror::Error;

const PERSISTENT: u8 = 2;
const WEBHOOK_ID: &str = "x-webhook-id";
const ATTEMPTS: &str = "x-attempts";
const EARLIER_ATTEMPTS: &str = "x-earlier-attempts";
const ONCE: &str = "x-once";
const TEST: &str = "test";
const BESIDE: &str = "beside";
const PUBLISHED_AT: &str = "x-published-at";
const FIRST_ATTEMPT_AT: &str = "x-first-attempt-at";
const PARKED_AT: &str = "x-parked-at";
const DUE_AT: &str = "x-due-at";
const LAST_FAILURE: &str = "x-last-failure";
const LAST_FAILURE_DETAIL: &str = "x-last-failure-detail";
const DEAD_REASON: &str = "x-dead-reason";
const DEAD_AT: &str = "x-dead-at";
const REJECTED_REASON: &str = "x-rejected-reason";
const REJECTED_DETAIL: &str = "x-rejected-detail";
const REJECTED_AT: &str = "x-rejected-at";
const REJECTED_HEADERS_DROPPED: &str = "x-rejected-headers-dropped";
const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
/// Set by RabbitMQ's own timestamp interceptor, and by our `send`.
const TIMESTAMP_IN_MS: &str = "timestamp_in_ms";

/// The most headers of a foreign message that are kept with it, in bytes: well within one frame.
const HEADERS_MAX: usize = 8 * 1_024;

/// The longest detail that is written into a header, in bytes.
const DETAIL_MAX: usize = 1_024;

/// One delivery that waits in the broker: all that a replica needs to go on with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// The webhook that it is for.
    pub webhook: Box<str>,
    /// The event's id.
    pub event: Box<str>,
    /// The event's type.
    pub kind: Box<str>,
    /// The event's canonical body.
    pub body: Bytes,
    /// Attempts made so far.
    pub attempts: u32,
    /// How many of them were made before people sent it again: the schedule counts from there.
    pub earlier_attempts: u32,
    /// Why it is attempted once, whatever comes of it and whether its webhook is enabled.
    pub once: Option<Once>,
    /// When the event was published, in ms since the epoch.
    pub published_ms: i64,
    /// When the first attempt was made or postponed, in ms since the epoch.
    pub first_attempt_ms: i64,
    /// When it was parked for the current delay, in ms since the epoch.
    pub parked_ms: i64,
    /// When its delay is over, in ms since the epoch.
    pub due_ms: i64,
    /// The failure kind of the last attempt.
    pub last_failure: Option<Box<str>>,
    /// A line about that failure.
    pub last_failure_detail: Option<Box<str>>,
    /// In whose trace it goes on, `tracestate` included: of the span that parked it, else the
    /// publisher's.
    pub traceparent: Option<TraceContext>,
}

/// Why a delivery is attempted once only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Once {
    /// It is a test event: nothing follows from a failure.
    Test,
    /// Another message of the same delivery waits, whose schedule goes on as it is.
    Beside,
}

/// Why a message is no event, as its headers on the rejected queue say.
#[derive(Clone, Copy, Debug)]
pub struct Rejected<'a> {
    /// A word from a closed set.
    pub reason: &'a str,
    /// A line for the publisher.
    pub detail: &'a str,
    /// When, in ms since the epoch.
    pub at_ms: i64,
}

/// An event as the orchestrator (or `send`) publishes it.
#[derive(Clone, Debug)]
pub struct PublishedEvent {
    /// The event id; becomes `message_id`.
    pub id: String,
    /// The event type; becomes the routing key.
    pub kind: String,
    /// The JSON body.
    pub body: Bytes,
    /// When, in ms since the epoch.
    pub at_ms: i64,
}

/// A body and what is written around it, ready to be published.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) body: Bytes,
    pub(crate) properties: BasicProperties,
}

/// What a message of the dead queue says; `parked` is without its body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Dead {
    pub(crate) parked: Parked,
    pub(crate) reason: Box<str>,
    pub(crate) at_ms: i64,
}

/// A message on the deliveries queue that is no parked delivery: someone else wrote it.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("header {0} is missing or of the wrong type")]
pub struct Malformed(&'static str);

impl Parked {
    pub(crate) fn read(properties: &BasicProperties, body: Bytes) -> Result<Self, Malformed> {
        let headers = Headers(properties.headers().as_ref());
        let short = |value: &Option<ShortString>, name| {
            value.as_ref().map(|text| Box::from(text.as_str())).ok_or(Malformed(name))
        };
        Ok(Self {
            webhook: headers.text(WEBHOOK_ID).ok_or(Malformed(WEBHOOK_ID))?.into(),
            event: short(properties.message_id(), "message_id")?,
            kind: short(properties.kind(), "type")?,
            body,
            attempts: headers.number(ATTEMPTS)?.try_into().map_err(|_| Malformed(ATTEMPTS))?,
            earlier_attempts: headers
                .number(EARLIER_ATTEMPTS)
                .unwrap_or_default()
                .try_into()
                .map_err(|_| Malformed(EARLIER_ATTEMPTS))?,
            once: headers.get(ONCE).map(|_| Once::of_word(headers.text(ONCE))),
            published_ms: headers.number(PUBLISHED_AT)?,
            first_attempt_ms: headers.number(FIRST_ATTEMPT_AT)?,
            parked_ms: headers.number(PARKED_AT)?,
            due_ms: headers.number(DUE_AT)?,
            last_failure: headers.text(LAST_FAILURE).map(Box::from),
            last_failure_detail: headers.text(LAST_FAILURE_DETAIL).map(Box::from),
            traceparent: headers.trace(),
        })
    }

    pub(crate) fn properties(&self) -> BasicProperties {
        self.with_headers(self.headers())
    }

    pub(crate) fn content(&self) -> Content {
        Content { body: self.body.clone(), properties: self.properties() }
    }

    /// The same delivery with a schedule that begins at `now_ms`: its attempts go on counting, and
    /// the policy counts those that follow.
    #[must_use]
    pub fn begun_anew(self, now_ms: i64) -> Self {
        Self {
            earlier_attempts: self.attempts,
            first_attempt_ms: now_ms,
            parked_ms: now_ms,
            due_ms: now_ms,
            ..self
        }
    }

    pub(crate) fn dead_properties(&self, reason: &str, at_ms: i64) -> BasicProperties {
        let mut headers = self.headers();
        insert_text(&mut headers, DEAD_REASON, reason);
        insert_number(&mut headers, DEAD_AT, at_ms);
        self.with_headers(headers)
    }

    fn headers(&self) -> FieldTable {
        let mut headers = FieldTable::default();
        insert_text(&mut headers, WEBHOOK_ID, &self.webhook);
        insert_number(&mut headers, ATTEMPTS, self.attempts.into());
        insert_number(&mut headers, PUBLISHED_AT, self.published_ms);
        insert_number(&mut headers, FIRST_ATTEMPT_AT, self.first_attempt_ms);
        insert_number(&mut headers, PARKED_AT, self.parked_ms);
        insert_number(&mut headers, DUE_AT, self.due_ms);
        if self.earlier_attempts > 0 {
            insert_number(&mut headers, EARLIER_ATTEMPTS, self.earlier_attempts.into());
        }
        if let Some(once) = self.once {
            insert_text(&mut headers, ONCE, once.word());
        }
        let optional =
            [(LAST_FAILURE, &self.last_failure), (LAST_FAILURE_DETAIL, &self.last_failure_detail)];
        for (name, value) in optional {
            if let Some(value) = value {
                insert_text(&mut headers, name, value);
            }
        }
        if let Some(trace) = &self.traceparent {
            insert_text(&mut headers, TRACEPARENT, &trace.traceparent());
            if let Some(state) = trace.tracestate() {
                insert_text(&mut headers, TRACESTATE, state);
            }
        }
        headers
    }

    fn with_headers(&self, headers: FieldTable) -> BasicProperties {
        BasicProperties::default()
            .with_content_type("application/json".into())
            .with_delivery_mode(PERSISTENT)
            .with_message_id((&*self.event).into())
            .with_type((&*self.kind).into())
            .with_headers(headers)
    }
}

impl Once {
    fn word(self) -> &'static str {
        match self {
            Self::Test => TEST,
            Self::Beside => BESIDE,
        }
    }

    /// What is no word of ours begins no schedule either.
    fn of_word(word: Option<&str>) -> Self {
        if word == Some(TEST) { Self::Test } else { Self::Beside }
    }
}

impl Dead {
    pub(crate) fn read(properties: &BasicProperties) -> Result<Self, Malformed> {
        let headers = Headers(properties.headers().as_ref());
        Ok(Self {
            parked: Parked::read(properties, Bytes::new())?,
            reason: headers.text(DEAD_REASON).ok_or(Malformed(DEAD_REASON))?.into(),
            at_ms: headers.number(DEAD_AT)?,
        })
    }
}

impl Content {
    /// An operational event.
    pub(crate) fn announcement(kind: &str, id: &str, body: Bytes) -> Self {
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_delivery_mode(PERSISTENT)
            .with_message_id(id.into())
            .with_type(kind.into());
        Self { body, properties }
    }
}

impl Rejected<'_> {
    /// What names the message and says what it holds, and its headers, with the reason added. Left
    /// out is what could stop it from being kept: an expiry, a user id that is not ours, headers
    /// beyond the bound, and those that would send it to further queues.
    pub(crate) fn properties(&self, original: &BasicProperties) -> BasicProperties {
        let mut headers = kept_headers(original.headers().as_ref());
        insert_text(&mut headers, REJECTED_REASON, self.reason);
        insert_text(&mut headers, REJECTED_DETAIL, self.detail);
        insert_number(&mut headers, REJECTED_AT, self.at_ms);
        let mut properties =
            BasicProperties::default().with_delivery_mode(PERSISTENT).with_headers(headers);
        if let Some(id) = original.message_id() {
            properties = properties.with_message_id(id.clone());
        }
        if let Some(kind) = original.kind() {
            properties = properties.with_type(kind.clone());
        }
        if let Some(content_type) = original.content_type() {
            properties = properties.with_content_type(content_type.clone());
        }
        if let Some(timestamp) = original.timestamp() {
            properties = properties.with_timestamp(*timestamp);
        }
        properties
    }
}

impl PublishedEvent {
    pub(crate) fn properties(&self) -> BasicProperties {
        let mut headers = FieldTable::default();
        insert_number(&mut headers, TIMESTAMP_IN_MS, self.at_ms);
        BasicProperties::default()
            .with_content_type("application/json".into())
            .with_delivery_mode(PERSISTENT)
            .with_message_id(self.id.as_str().into())
            .with_timestamp(u64::try_from(self.at_ms / 1_000).unwrap_or_default())
            .with_headers(headers)
    }
}

/// When an event was published, as far as its properties tell, in ms since the epoch.
///
/// AMQP's own timestamp has whole seconds only; RabbitMQ's interceptor adds a finer header.
pub(crate) fn published_ms(properties: &BasicProperties) -> Option<i64> {
    Headers(properties.headers().as_ref()).number(TIMESTAMP_IN_MS).ok().or_else(|| {
        let seconds = i64::try_from((*properties.timestamp())?).ok()?;
        seconds.checked_mul(1_000)
    })
}

/// The publisher's W3C trace context, if there is one.
pub(crate) fn trace(properties: &BasicProperties) -> Option<TraceContext> {
    Headers(properties.headers().as_ref()).trace()
}

/// Headers as a publisher may have written them: any name may be missing or of any type.
struct Headers<'a>(Option<&'a FieldTable>);

impl<'a> Headers<'a> {
    fn get(&self, name: &str) -> Option<&'a AMQPValue> {
        self.0?.inner().get(name)
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        match self.get(name)? {
            AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok(),
            AMQPValue::ShortString(text) => Some(text.as_str()),
            _ => None,
        }
    }

    fn trace(&self) -> Option<TraceContext> {
        TraceContext::parse(self.text(TRACEPARENT)?, self.text(TRACESTATE))
    }

    fn number(&self, name: &'static str) -> Result<i64, Malformed> {
        let number = match self.get(name).ok_or(Malformed(name))? {
            AMQPValue::LongLongInt(n) => Some(*n),
            AMQPValue::LongInt(n) => Some((*n).into()),
            AMQPValue::LongUInt(n) => Some((*n).into()),
            AMQPValue::ShortInt(n) => Some((*n).into()),
            AMQPValue::ShortUInt(n) => Some((*n).into()),
            AMQPValue::ShortShortInt(n) => Some((*n).into()),
            AMQPValue::ShortShortUInt(n) => Some((*n).into()),
            AMQPValue::Timestamp(n) => i64::try_from(*n).ok(),
            _ => None,
        };
        number.ok_or(Malformed(name))
    }
}

/// The headers of a foreign message as far as they fit, without RabbitMQ's sender-selected
/// distribution: a copy to the deliveries queue would come back here, and again.
fn kept_headers(original: Option<&FieldTable>) -> FieldTable {
    let mut kept = FieldTable::default();
    let (mut room, mut dropped) = (HEADERS_MAX, 0);
    for (name, value) in original.into_iter().flat_map(FieldTable::inner) {
        // The debug form is longer than the wire's, never much shorter.
        let size = name.as_str().len() + format!("{value:?}").len();
        if matches!(name.as_str(), "CC" | "BCC") || size > room {
            dropped += 1;
            continue;
        }
        room -= size;
        kept.insert(name.clone(), value.clone());
    }
    if dropped > 0 {
        insert_number(&mut kept, REJECTED_HEADERS_DROPPED, dropped);
    }
    kept
}

fn insert_text(headers: &mut FieldTable, name: &str, value: &str) {
    let end = value.floor_char_boundary(DETAIL_MAX);
    headers.insert(name.into(), AMQPValue::LongString(value[..end].into()));
}

fn insert_number(headers: &mut FieldTable, name: &str, value: i64) {
    headers.insert(name.into(), AMQPValue::LongLongInt(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn parked() -> Parked {
        Parked {
            webhook: "whk_1".into(),
            event: "evt_1".into(),
            kind: "deployment.created".into(),
            body: Bytes::from_static(b"{}"),
            attempts: 3,
            earlier_attempts: 1,
            once: Some(Once::Test),
            published_ms: 1,
            first_attempt_ms: 2,
            parked_ms: 3,
            due_ms: 4,
            last_failure: Some("http_503".into()),
            last_failure_detail: None,
            traceparent: TraceContext::parse(TRACE, Some("a=b")),
        }
    }

    #[test]
    fn a_parked_delivery_reads_back_as_it_was_written() {
        for once in [None, Some(Once::Test), Some(Once::Beside)] {
            let parked = Parked { once, ..parked() };
            assert_eq!(Parked::read(&parked.properties(), parked.body.clone()), Ok(parked));
        }
    }

    #[test]
    fn a_dead_delivery_can_be_parked_again() {
        let parked = parked();
        let dead = parked.dead_properties("gave_up", 9);
        assert_eq!(Parked::read(&dead, parked.body.clone()), Ok(parked.clone()));
        let read = Dead::read(&dead).unwrap();
        assert_eq!((&*read.reason, read.at_ms), ("gave_up", 9));
        assert_eq!(Dead::read(&parked.properties()), Err(Malformed(DEAD_REASON)));
    }

    #[test]
    fn what_is_sent_again_keeps_its_count_and_begins_anew() {
        let anew = Parked { attempts: 7, ..parked() }.begun_anew(50);
        assert_eq!((anew.attempts, anew.earlier_attempts), (7, 7));
        assert_eq!((anew.first_attempt_ms, anew.due_ms, anew.published_ms), (50, 50, 1));
    }

    #[test]
    fn a_header_of_the_wrong_type_is_named() {
        let mut headers = parked().headers();
        headers.insert(ATTEMPTS.into(), AMQPValue::Boolean(true));
        let properties = parked().with_headers(headers);
        assert_eq!(Parked::read(&properties, Bytes::new()), Err(Malformed(ATTEMPTS)));
        assert_eq!(
            Parked::read(&BasicProperties::default(), Bytes::new()),
            Err(Malformed(WEBHOOK_ID))
        );
    }

    #[test]
    fn foreign_headers_are_kept_within_bounds_and_lead_nowhere_else() {
        let mut headers = FieldTable::default();
        insert_text(&mut headers, "CC", "webhooks.deliveries");
        headers.insert("large".into(), AMQPValue::LongString("x".repeat(HEADERS_MAX).into()));
        insert_text(&mut headers, "small", "kept");
        let rejected = Rejected { reason: "not_json", detail: "", at_ms: 0 };
        let properties = rejected.properties(&BasicProperties::default().with_headers(headers));
        let headers = Headers(properties.headers().as_ref());
        assert_eq!(headers.text("small"), Some("kept"));
        assert!(headers.get("CC").is_none() && headers.get("large").is_none());
        assert_eq!(headers.number(REJECTED_HEADERS_DROPPED), Ok(2));
    }

    #[test]
    fn a_detail_is_cut_at_a_character() {
        let mut headers = FieldTable::default();
        insert_text(&mut headers, REJECTED_DETAIL, &"ä".repeat(DETAIL_MAX));
        let text = Headers(Some(&headers)).text(REJECTED_DETAIL).map(str::len);
        assert_eq!(text, Some(DETAIL_MAX));
    }

    #[test]
    fn milliseconds_go_before_whole_seconds() {
        let seconds = BasicProperties::default().with_timestamp(7);
        assert_eq!(published_ms(&seconds), Some(7_000));
        let mut headers = FieldTable::default();
        insert_number(&mut headers, TIMESTAMP_IN_MS, 7_123);
        assert_eq!(published_ms(&seconds.with_headers(headers)), Some(7_123));
        assert_eq!(published_ms(&BasicProperties::default().with_timestamp(u64::MAX)), None);
    }
}
