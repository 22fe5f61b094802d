//! What must hold of properties and headers, whoever wrote them: for the fuzzer and for its seeds.
//!
//! What comes in is a byte with a length, an id of that length, and the entries of a header table as
//! they stand on the wire.

use bytes::Bytes;
use event::TraceContext;
use lapin::BasicProperties;
use lapin::types::parsing::parse_field_table;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use crate::envelope::{self, Dead, Parked, Rejected};

/// The largest table that is put together here: a broker takes no larger frame.
const LARGEST: usize = 128 * 1_024;

/// What headers of a rejected message may take on the wire: those that are kept, and ours.
const MOST: usize = 12 * 1_024;

/// The longest text that we write into a header.
const LONGEST: usize = 1_024;

/// Reads a message's headers as everything that could have written them.
pub fn broker_headers(data: &[u8]) {
    let Some(properties) = properties(data) else { return };
    let _ = envelope::published_ms(&properties);
    if let Some(trace) = envelope::trace(&properties) {
        let again = TraceContext::parse(&trace.traceparent(), trace.tracestate());
        assert_eq!(again, Some(trace), "a trace context is read as it is written");
    }
    if let Ok(parked) = Parked::read(&properties, Bytes::from_static(b"{}")) {
        is_parked(&parked);
    }
    if let Ok(dead) = Dead::read(&properties) {
        assert_eq!(Parked::read(&properties, Bytes::new()).ok(), Some(dead.parked));
    }
    is_rejected(&properties);
}

fn properties(data: &[u8]) -> Option<BasicProperties> {
    let (length, rest) = data.split_first()?;
    let (id, entries) = rest.split_at_checked(usize::from(*length))?;
    let id = std::str::from_utf8(id).ok()?;
    let size = u32::try_from(entries.len()).ok().filter(|_| entries.len() <= LARGEST)?;
    let table = [&size.to_be_bytes()[..], entries].concat();
    let (_, headers) = parse_field_table(&table[..]).ok()?;
    Some(
        BasicProperties::default()
            .with_headers(headers)
            .with_message_id(id.into())
            .with_type(id.into())
            .with_timestamp(u64::from_be_bytes([*length; 8])),
    )
}

/// It can be parked and read again, as often as it takes, and is sent again with its attempts.
fn is_parked(parked: &Parked) {
    let read = |parked: &Parked| Parked::read(&parked.properties(), parked.body.clone()).ok();
    let once = read(parked);
    assert!(once.is_some(), "it is not read again: {parked:?}");
    let Some(once) = once else { return };
    assert_eq!(read(&once).as_ref(), Some(&once), "it changes with every hop");
    let texts =
        [Some(&parked.webhook), parked.last_failure.as_ref(), parked.last_failure_detail.as_ref()];
    if texts.into_iter().flatten().all(|text| text.len() <= LONGEST) {
        assert_eq!(&once, parked, "a hop changes it");
    }
    let anew = once.clone().begun_anew(7);
    assert_eq!((anew.attempts, anew.earlier_attempts), (once.attempts, once.attempts));
    assert_eq!(read(&anew), Some(anew));
}

/// What is rejected fits into a frame and leads nowhere else.
fn is_rejected(properties: &BasicProperties) {
    let long = "x".repeat(4 * LONGEST);
    let kept = Rejected { reason: "not_json", detail: &long, at_ms: 0 }.properties(properties);
    let empty = FieldTable::default();
    let headers = kept.headers().as_ref().unwrap_or(&empty);
    assert!(size_of_table(headers) <= MOST, "{} bytes of headers", size_of_table(headers));
    let names: Vec<&str> = headers.inner().keys().map(ShortString::as_str).collect();
    assert!(!names.contains(&"CC") && !names.contains(&"BCC"), "{names:?}");
    assert!(names.contains(&"x-rejected-reason") && names.contains(&"x-rejected-at"));
    assert_eq!(kept.message_id(), properties.message_id());
    assert!(kept.expiration().is_none() && kept.user_id().is_none());
}

/// Bytes of a table on the wire (AMQP 0-9-1, section 4.2.5.5).
fn size_of_table(table: &FieldTable) -> usize {
    let entries = table.inner().iter();
    4 + entries.map(|(name, value)| 2 + name.as_str().len() + size_of(value)).sum::<usize>()
}

fn size_of(value: &AMQPValue) -> usize {
    match value {
        AMQPValue::Void => 0,
        AMQPValue::Boolean(_) | AMQPValue::ShortShortInt(_) | AMQPValue::ShortShortUInt(_) => 1,
        AMQPValue::ShortInt(_) | AMQPValue::ShortUInt(_) => 2,
        AMQPValue::LongInt(_) | AMQPValue::LongUInt(_) | AMQPValue::Float(_) => 4,
        AMQPValue::DecimalValue(_) => 5,
        AMQPValue::LongLongInt(_) | AMQPValue::Double(_) | AMQPValue::Timestamp(_) => 8,
        AMQPValue::ShortString(text) => 1 + text.as_str().len(),
        AMQPValue::LongString(text) => 4 + text.as_bytes().len(),
        AMQPValue::ByteArray(bytes) => 4 + bytes.as_slice().len(),
        AMQPValue::FieldArray(values) => {
            4 + values.as_slice().iter().map(|value| 1 + size_of(value)).sum::<usize>()
        }
        AMQPValue::FieldTable(table) => size_of_table(table),
    }
}

#[cfg(test)]
#[path = "../../../tests/fuzz/seeds.rs"]
mod seeds;

#[cfg(test)]
mod tests {
    #[test]
    fn what_must_hold_holds_of_all_seeds() {
        super::seeds::each("broker_headers", super::broker_headers);
    }
}
