//! Fixed vectors: what is signed today is signed the same for ever.
//!
//! Each row of `vectors/*.json` names its source. Those that come from no publication were computed
//! with Python's `hmac` and `base64`, so that they do not repeat a mistake of ours.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;
use signing::{Secret, boottify, standard};

/// The rows of a file; there are some.
fn rows(json: &str) -> Vec<Value> {
    let rows: Vec<Value> = serde_json::from_str(json).unwrap();
    assert!(!rows.is_empty());
    rows
}

fn text<'a>(row: &'a Value, name: &str) -> &'a str {
    row[name].as_str().unwrap()
}

#[test]
fn the_boottify_scheme() {
    for row in rows(include_str!("../vectors/boottify.json")) {
        let secret = Secret::try_new(text(&row, "secret")).unwrap();
        let (body, expected) = (text(&row, "body").as_bytes(), text(&row, "signature"));
        assert_eq!(str::from_utf8(&boottify::sign(&secret, body)), Ok(expected), "{row}");
        assert!(boottify::verify(&secret, body, expected), "{row}");
    }
}

#[test]
fn the_standard_scheme() {
    for row in rows(include_str!("../vectors/standard.json")) {
        let secrets = row["secrets"].as_array().unwrap().iter();
        let secrets: Vec<_> =
            secrets.map(|secret| Secret::try_new(secret.as_str().unwrap()).unwrap()).collect();
        let (id, body) = (text(&row, "id"), text(&row, "body").as_bytes());
        let (time, expected) = (row["timestamp"].as_i64().unwrap(), text(&row, "signatures"));
        assert_eq!(standard::sign(&secrets, id, time, body), expected, "{row}");
        for secret in &secrets {
            assert_eq!(standard::verify(secret, id, time, body, expected, time), Ok(()), "{row}");
        }
    }
}
