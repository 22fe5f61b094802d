//! What must hold of an event, whatever bytes come in: for the fuzzer and for its seeds.
//!
//! No panic, and what is accepted has a canonical body that every further parse leaves alone and
//! that says the same as the input. What is rejected is told in one short line, and only what
//! serde_json refuses as well is called no JSON.

use std::str;
use std::sync::LazyLock;

use serde::de::IgnoredAny;
use serde_json::Value;

use crate::{Catalog, Event, MAX_DEPTH, Reason, Rejection};

/// Enough for everything that a fuzzer finds by itself.
const MAX_BYTES: usize = 65_536;

/// The longest line that a rejection may tell, in characters.
const LONGEST_DETAIL: usize = 512;

static CATALOG: LazyLock<Catalog> =
    LazyLock::new(|| Catalog::try_new(&["a.b"]).unwrap_or_else(|_| unreachable!("it is a type")));

/// Parses what a publisher sent.
pub fn events(raw: &[u8]) {
    match Event::parse(raw, None, &CATALOG, MAX_BYTES) {
        Ok(event) => accepted(raw, &event),
        Err(rejection) => rejected(raw, &rejection),
    }
}

fn accepted(raw: &[u8], event: &Event) {
    let again = Event::parse(event.body(), Some(event.id().as_str()), &CATALOG, usize::MAX);
    assert_eq!(again.as_ref(), Ok(event), "parsed again");
    assert_eq!(Event::restore(event.body(), event.id().clone()).as_ref(), Ok(event), "restored");
    assert_eq!(value(event.body()), value(raw), "the value");
    assert!(depth(event.body()) <= MAX_DEPTH, "nested deeper than is allowed");
}

fn rejected(raw: &[u8], rejection: &Rejection) {
    let detail = &rejection.detail;
    assert!(detail.chars().count() <= LONGEST_DETAIL, "{detail}");
    assert!(!detail.contains(char::is_control), "{detail:?}");
    let text = str::from_utf8(raw);
    let is_json = text.is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    assert!(rejection.reason != Reason::NotJson || !is_json, "{detail}");
}

/// What a document says, with numbers as doubles: 1 and 1.0 are the same.
fn value(body: &[u8]) -> Option<Value> {
    let mut value = serde_json::from_slice(body).ok()?;
    numbers_to_doubles(&mut value);
    Some(value)
}

fn numbers_to_doubles(value: &mut Value) {
    match value {
        // Adding zero makes zero of its negative, which JSON.stringify does too.
        Value::Number(number) => *value = number.as_f64().map_or(Value::Null, |n| (n + 0.0).into()),
        Value::Array(items) => items.iter_mut().for_each(numbers_to_doubles),
        Value::Object(members) => members.values_mut().for_each(numbers_to_doubles),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// How deep the brackets of a document go that stand outside of its strings.
fn depth(body: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth -= 1,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

#[cfg(test)]
#[path = "../../../tests/fuzz/seeds.rs"]
mod seeds;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_hold_holds_of_all_seeds() {
        seeds::each("events", events);
        assert_eq!(depth(br#"{"a":["[[[\"{",{}]}"#), 3);
    }
}
