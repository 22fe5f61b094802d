//! Bodies of requests: bounded, JSON, objects, each name once.
//!
//! What any of many readers of JSON could understand otherwise is refused: names that stand twice,
//! broken UTF-8, depths that nobody needs.

use std::fmt;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::LengthLimitError;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::problem::{Problem, ProblemKind};

/// The largest body.
pub(super) const MAX_BODY: usize = 64 * 1_024;

/// The body of a request; where there was none, or null, an empty object.
pub(super) struct JsonBody {
    pub(super) object: Map<String, Value>,
}

impl<S: Sync> FromRequest<S> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = bounded(&parts.headers, body).await?;
        if !bytes.is_empty() {
            check_type(&parts.headers)?;
        }
        Self::read(&bytes)
    }
}

impl JsonBody {
    /// Reads the whole body.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Problem> {
        if bytes.is_empty() {
            return Ok(Self { object: Map::new() });
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let place = error.valid_up_to();
            unreadable(format!("the body is no UTF-8 from byte {place} on"))
        })?;
        match serde_json::from_str(text) {
            Ok(Once(Value::Object(object))) => Ok(Self { object }),
            Ok(Once(Value::Null)) => Ok(Self { object: Map::new() }),
            Ok(Once(other)) => {
                Err(unreadable(format!("the body must be an object, not {}", name_of(&other))))
            }
            Err(error) => Err(unreadable(format!("the body is no JSON: {error}"))),
        }
    }
}

/// What kind of value this is, for people.
pub(super) fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

async fn bounded(headers: &HeaderMap, body: Body) -> Result<axum::body::Bytes, Problem> {
    let too_large = || {
        let why = format!("a body may have {} KiB", MAX_BODY / 1_024);
        Problem::new(ProblemKind::TooLarge, why)
    };
    let said = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if said.is_some_and(|said: u64| said > MAX_BODY as u64) {
        return Err(too_large());
    }
    to_bytes(body, MAX_BODY).await.map_err(|error| {
        // axum wraps it; what is no excess is a connection that broke off.
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(inner) = cause {
            if inner.is::<LengthLimitError>() {
                return too_large();
            }
            cause = inner.source();
        }
        unreadable("the body broke off".to_owned())
    })
}

fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = value.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let known = ["application/json", "application/merge-patch+json"];
    if known.iter().any(|known| kind.eq_ignore_ascii_case(known)) {
        return Ok(());
    }
    let why = "the header content-type must be application/json";
    Err(Problem::new(ProblemKind::UnsupportedMediaType, why))
}

fn unreadable(why: String) -> Problem {
    Problem::new(ProblemKind::InvalidRequest, why)
}

/// Any JSON whose objects have each name once.
struct Once(Value);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OnceVisitor)
    }
}

struct OnceVisitor;

impl<'de> Visitor<'de> for OnceVisitor {
    type Value = Once;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Once, E> {
        Ok(Once(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Once, E> {
        Ok(Once(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Once, E> {
        Ok(Once(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Once, E> {
        Ok(Once(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Once, E> {
        Ok(Once(Number::from_f64(value).map_or(Value::Null, Value::Number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Once, E> {
        Ok(Once(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Once, A::Error> {
        let mut list = Vec::new();
        while let Some(Once(value)) = seq.next_element()? {
            list.push(value);
        }
        Ok(Once(list.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Once, A::Error> {
        let mut object = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if object.contains_key(&name) {
                let shown: String = name.chars().take(40).collect();
                return Err(A::Error::custom(format_args!("the name {shown:?} stands twice")));
            }
            let Once(value) = map.next_value()?;
            object.insert(name, value);
        }
        Ok(Once(object.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(kind: &str, body: impl Into<Body>) -> Result<Value, ProblemKind> {
        let request = Request::builder().header(CONTENT_TYPE, kind).body(body.into()).unwrap();
        let read = JsonBody::from_request(request, &()).await;
        read.map(|body| body.object.into()).map_err(|problem| problem.kind)
    }

    #[tokio::test]
    async fn objects_are_read() {
        let body = r#"{"a":[1,-2,1.5,"ä",null,true,{"b":{}}]}"#;
        let value: Value = serde_json::from_str(body).unwrap();
        assert_eq!(read("application/json; charset=utf-8", body).await, Ok(value));
        assert_eq!(read("anything", "").await, Ok(Value::Object(Map::new())));
        assert_eq!(read("application/json", "null").await, Ok(Value::Object(Map::new())));
        assert!(read("Application/Merge-Patch+JSON", "{}").await.is_ok());
    }

    #[tokio::test]
    async fn hostile_bodies_are_refused() {
        use ProblemKind::{InvalidRequest, TooLarge, UnsupportedMediaType};
        let deep = format!("{}1{}", "{\"a\":".repeat(200), "}".repeat(200));
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_BODY));
        for (body, expected) in [
            (b"{".to_vec(), InvalidRequest),
            (b"[]".to_vec(), InvalidRequest),
            (b"1".to_vec(), InvalidRequest),
            (b"{\"a\":1,\"a\":2}".to_vec(), InvalidRequest),
            (b"{\"a\":{\"b\":1,\"\\u0062\":2}}".to_vec(), InvalidRequest),
            (b"{\"a\":\"\xff\"}".to_vec(), InvalidRequest),
            (b"{\"a\":\"\\ud800\"}".to_vec(), InvalidRequest),
            (b"{\"a\":1e999}".to_vec(), InvalidRequest),
            (b"{} {}".to_vec(), InvalidRequest),
            (b"\xef\xbb\xbf{}".to_vec(), InvalidRequest),
            (deep.into_bytes(), InvalidRequest),
            (large.into_bytes(), TooLarge),
        ] {
            let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
            assert_eq!(read("application/json", body).await, Err(expected), "{shown}");
        }
        for kind in ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"] {
            assert_eq!(read(kind, "{}").await, Err(UnsupportedMediaType), "{kind}");
        }
    }
}
