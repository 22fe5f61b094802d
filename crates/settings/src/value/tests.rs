//! Every type: what is taken, and the exact line for what is not.

use std::time::Duration;

use super::*;
use crate::{Environment, Reader};

/// Reads `v` from a file that says `v = <text>`.
fn from_file<T>(
    text: &str,
    read: impl FnOnce(&Value<'_>) -> Result<T, Wrong>,
) -> Result<T, String> {
    let text = format!("v = {text}\n");
    let file = Document::parse("a.toml", &text).unwrap();
    let reading = Reader::of_file(&file).read(|root| root.required("v", "a value", read));
    reading.value.map_err(|report| report.to_string())
}

/// Reads `v` from the variable `P__V`.
fn from_variable<T>(
    text: &str,
    read: impl FnOnce(&Value<'_>) -> Result<T, Wrong>,
) -> Result<T, String> {
    let environment = Environment::new("P", [("P__V".to_owned(), text.to_owned())]);
    let defaults = Document::parse("default.toml", "").unwrap();
    let reading = Reader::layered(&environment, None, &defaults);
    let reading = reading.read(|root| root.required("v", "a value", read));
    reading.value.map_err(|report| report.to_string())
}

fn boolean(value: &Value<'_>) -> Result<bool, Wrong> {
    value.boolean()
}

fn wrong<T>(message: &str) -> Result<T, String> {
    Err(format!("a.toml:1:5: v: {message}"))
}

#[test]
fn texts_and_booleans() {
    let text = |v: &Value<'_>| v.text().map(str::to_owned);
    assert_eq!(from_file("\"a\"", text), Ok("a".to_owned()));
    assert_eq!(from_file("5", text), wrong("found 5; expected a string"));
    assert_eq!(from_file("[]", text), wrong("found a list; expected a string"));
    assert_eq!(from_variable("5", text), Ok("5".to_owned()));
    assert_eq!(from_file("true", boolean), Ok(true));
    assert_eq!(from_variable("false", boolean), Ok(false));
    assert_eq!(from_file("\"true\"", boolean), wrong("found \"true\"; expected true or false"));
    assert_eq!(
        from_variable("yes", boolean),
        Err("environment variable P__V: v: found \"yes\"; expected true or false".to_owned())
    );
}

#[test]
fn numbers_have_bounds() {
    let integer = |v: &Value<'_>| v.integer(1..=65_535u16);
    assert_eq!(from_file("1", integer), Ok(1));
    assert_eq!(from_file("0x10", integer), Ok(16));
    assert_eq!(from_variable("65535", integer), Ok(65_535));
    for text in
        ["0", "65536", "-1", "99999999999999999999999999999999999999999999", "1.0", "1979-05-27"]
    {
        let shown = if text.len() == 10 { "a date" } else { text };
        let message = format!("found {shown}; expected a whole number from 1 to 65535");
        assert_eq!(from_file(text, integer), wrong(&message), "{text}");
    }
    let float = |v: &Value<'_>| v.float(0.0..=1.5);
    assert_eq!(from_file("1.5", float), Ok(1.5));
    assert_eq!(from_file("1", float), Ok(1.0));
    assert_eq!(from_variable("0.25", float), Ok(0.25));
    for text in ["1.6", "-1", "nan", "inf"] {
        let message = format!("found {text}; expected a number from 0 to 1.5");
        assert_eq!(from_file(text, float), wrong(&message), "{text}");
    }
}

#[test]
fn durations_and_sizes_need_a_unit_that_people_know() {
    let second = Duration::from_secs(1);
    let duration = |v: &Value<'_>| v.duration(second..=300 * second);
    assert_eq!(from_file("\"1m 30s\"", duration), Ok(90 * second));
    assert_eq!(from_variable("2s", duration), Ok(2 * second));
    for (text, shown) in [
        ("15", "15"),
        ("\"15\"", "\"15\""),
        ("\"-1s\"", "\"-1s\""),
        ("\"999ms\"", "\"999ms\""),
        ("\"5m 1ns\"", "\"5m 1ns\""),
        ("\"999999999999999999999y\"", "\"999999999999999999999y\""),
        ("\"\"", "\"\""),
    ] {
        let message = format!("found {shown}; expected a duration from \"1s\" to \"5m\"");
        assert_eq!(from_file(text, duration), wrong(&message), "{text}");
    }
    let size = |v: &Value<'_>| v.size(1024..=1024 * 1024);
    assert_eq!(from_file("\"64KiB\"", size), Ok(65_536));
    assert_eq!(from_file("2048", size), Ok(2048));
    assert_eq!(from_variable("2048", size), Ok(2048));
    for text in ["1023", "\"2MiB\"", "\"64 lines\"", "true"] {
        let message = format!("found {text}; expected a size from \"1KiB\" to \"1MiB\"");
        assert_eq!(from_file(text, size), wrong(&message), "{text}");
    }
}

#[test]
fn choices_are_closed() {
    let choice = |v: &Value<'_>| v.choice(&[("text", 1), ("json", 2)]);
    assert_eq!(from_file("\"json\"", choice), Ok(2));
    assert_eq!(from_file("\"xml\"", choice), wrong("found \"xml\"; expected \"text\" or \"json\""));
}

#[test]
fn parsed_texts_are_quoted_when_refused_unless_hidden() {
    let parse = |v: &Value<'_>| v.parse(str::parse::<std::net::IpAddr>);
    assert_eq!(from_file("\"::1\"", parse), Ok("::1".parse().unwrap()));
    assert_eq!(from_file("\"nowhere\"", parse), wrong("\"nowhere\": invalid IP address syntax"));
    let long = format!("\"{}\"", "x".repeat(1000));
    assert!(from_file(&long, parse).unwrap_err().len() < 150);
    let hidden = |v: &Value<'_>| v.parse_hidden(|_| Err::<(), _>("too short"));
    assert_eq!(from_file("\"hunter2\"", hidden), wrong("too short"));
    assert_eq!(from_file("2", hidden), wrong("expected a string"));
}

#[test]
fn lists_tell_about_every_element() {
    let list = |v: &Value<'_>| v.list(|element| element.integer(1..=9u8));
    assert_eq!(from_file("[1, 2]", list), Ok(vec![1, 2]));
    assert_eq!(from_file("[]", list), Ok(vec![]));
    assert_eq!(from_variable("1, 2", list), Ok(vec![1, 2]));
    assert_eq!(from_variable("", list), Ok(vec![]));
    assert_eq!(from_file("1", list), wrong("found 1; expected a list"));
    assert_eq!(
        from_file("[0, 1,\n  10]", list).unwrap_err(),
        "a.toml:1:6: v[0]: found 0; expected a whole number from 1 to 9\n\
         a.toml:2:3: v[2]: found 10; expected a whole number from 1 to 9"
    );
}

#[test]
fn entries_tell_about_every_name() {
    let entries = |v: &Value<'_>| {
        v.entries(|name, value| value.text().map(|text| (name.to_owned(), text.to_owned())))
    };
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(
        from_file("{ a = \"1\", B = \"2\" }", entries),
        Ok(vec![pair("B", "2"), pair("a", "1")])
    );
    assert_eq!(
        from_file("{ a = 1 }", entries),
        Err("a.toml:1:11: v.a: found 1; expected a string".into())
    );
    assert_eq!(from_file("1", entries), wrong("found 1; expected a table"));
    assert_eq!(
        from_variable("a=1", entries).unwrap_err(),
        "environment variable P__V: v: expected a table, which only the file can hold"
    );
}
