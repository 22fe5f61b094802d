//! A payload for people: laid out and coloured, its text escaped like any other.

use maud::{Markup, html};
use serde_json::Value;

/// The deepest layer that is laid out; what lies below stands on one line.
const DEEPEST: usize = 24;

/// The payload, laid out where it is JSON, else as the text that it is.
pub(super) fn pretty(body: &[u8]) -> Markup {
    match serde_json::from_slice::<Value>(body) {
        Ok(value) => html! { (layer(&value, 0)) },
        Err(_) => html! { (String::from_utf8_lossy(body)) },
    }
}

fn layer(value: &Value, depth: usize) -> Markup {
    match value {
        Value::Object(fields) if !fields.is_empty() && depth < DEEPEST => html! {
            "{\n"
            @for (at, (key, value)) in fields.iter().enumerate() {
                (indent(depth + 1)) span.json-key { (quoted(key)) } ": " (layer(value, depth + 1))
                (if at + 1 < fields.len() { ",\n" } else { "\n" })
            }
            (indent(depth)) "}"
        },
        Value::Array(items) if !items.is_empty() && depth < DEEPEST => html! {
            "[\n"
            @for (at, value) in items.iter().enumerate() {
                (indent(depth + 1)) (layer(value, depth + 1))
                (if at + 1 < items.len() { ",\n" } else { "\n" })
            }
            (indent(depth)) "]"
        },
        Value::String(text) => html! { span.json-text { (quoted(text)) } },
        Value::Object(_) | Value::Array(_) => html! { (value.to_string()) },
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            html! { span.json-literal { (value.to_string()) } }
        }
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn indent(depth: usize) -> String {
    "  ".repeat(depth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_a_payload_is_text() {
        let shown = pretty(br#"{"a<b>":["<script>alert(1)</script>",null,{}]}"#).into_string();
        assert!(!shown.contains("<script") && !shown.contains("<b>"), "{shown}");
        assert!(shown.contains("&lt;script&gt;"), "{shown}");
    }

    #[test]
    fn what_is_no_json_is_shown_as_it_is() {
        assert_eq!(pretty(b"<html>\xff").into_string(), "&lt;html&gt;\u{fffd}");
    }
}
