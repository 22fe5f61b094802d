#![no_main]
//! Whatever bytes come in: no panic, and what is accepted has a canonical body that every further
//! parse leaves alone and that says the same as the input. What is rejected is told in one short
//! line, and only what serde_json refuses as well is called no JSON.
//!
//! In `crates/event`: `mkdir -p fuzz/corpus/parse`, then
//! `cargo +nightly fuzz run parse fuzz/corpus/parse fuzz/seeds/parse`. New
//! findings go to the unit tests, telling seeds to `seeds/`; the corpus itself is not kept.

use std::str;
use std::sync::LazyLock;

use event::{Catalog, Event, Reason, Rejection};
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use serde_json::Value;

/// Enough for everything that a fuzzer finds by itself.
const MAX_BYTES: usize = 65_536;

/// The longest line that a rejection may tell, in characters.
const LONGEST_DETAIL: usize = 512;

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| Catalog::try_new(&["a.b"]).unwrap());

fuzz_target!(|raw: &[u8]| match Event::parse(raw, None, &CATALOG, MAX_BYTES) {
    Ok(event) => accepted(raw, &event),
    Err(rejection) => rejected(raw, &rejection),
});

fn accepted(raw: &[u8], event: &Event) {
    let again = Event::parse(event.body(), Some(event.id().as_str()), &CATALOG, usize::MAX);
    assert_eq!(again.as_ref(), Ok(event), "parsed again");
    assert_eq!(Event::restore(event.body(), event.id().clone()).as_ref(), Ok(event), "restored");
    assert_eq!(value(event.body()), value(raw), "the value");
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
fn value(body: &[u8]) -> Value {
    let mut value = serde_json::from_slice(body).unwrap();
    numbers_to_doubles(&mut value);
    value
}

fn numbers_to_doubles(value: &mut Value) {
    match value {
        // Adding zero makes zero of its negative, which JSON.stringify does too.
        Value::Number(number) => *value = Value::from(number.as_f64().unwrap() + 0.0),
        Value::Array(items) => items.iter_mut().for_each(numbers_to_doubles),
        Value::Object(members) => members.values_mut().for_each(numbers_to_doubles),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}
