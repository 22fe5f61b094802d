//! What must hold of bodies of requests, whatever comes in: for the fuzzer and for its seeds.

use std::sync::LazyLock;

use event::Catalog;
use serde_json::Value;
use subscriptions::{RetryPolicy, UrlRules};

use super::input;
use super::json::JsonBody;
use crate::desk::{Rules, drafted};
use crate::problem::{FieldError, Problem};

/// Mistakes that one problem tells at most.
const MOST: usize = 50;

/// The longest line that is told about a mistake, in bytes.
const LONGEST: usize = 2_048;

static RULES: LazyLock<Rules> = LazyLock::new(|| Rules {
    catalog: Catalog::try_new::<&str>(&[]).unwrap_or_else(|_| unreachable!("there are none")),
    url: UrlRules::default(),
    retry: RetryPolicy::default(),
    max_in_flight: 256,
});

/// Reads a body as every route would.
pub fn api_bodies(data: &[u8]) {
    let body = match JsonBody::read(data) {
        Ok(body) => body,
        Err(problem) => return told(&problem),
    };
    // Whatever else reads the same text understands the same.
    let said = if data.is_empty() { Value::Null } else { value(data) };
    assert_eq!(said.as_object().cloned().unwrap_or_default(), body.object);
    let written = serde_json::to_vec(&body.object).unwrap_or_default();
    let again = JsonBody::read(&written).map(|again| again.object);
    assert_eq!(again.as_ref(), Ok(&body.object), "written and read again");

    let (edit, errors) = input::webhook(&body);
    let unread = !errors.is_empty();
    told(&Problem::fields(errors));
    match drafted(&edit, &RULES) {
        Ok(draft) => assert!(unread || draft.url.expose().starts_with("http"), "{}", draft.url),
        Err(errors) => told(&Problem::fields(errors)),
    }
    let others = [
        input::rotate(&body).err(),
        input::test(&body).err(),
        input::recover(&body).err(),
        input::replay(&body).err(),
        input::try_out(&body).err(),
    ];
    others.iter().flatten().for_each(told);
}

fn value(data: &[u8]) -> Value {
    serde_json::from_slice(data).unwrap_or_default()
}

/// What is told is short, has places, and no line ends.
fn told(problem: &Problem) {
    is_a_line(&problem.detail);
    assert!(problem.errors.len() <= MOST, "{} mistakes", problem.errors.len());
    for FieldError { pointer, detail } in &problem.errors {
        assert!(pointer.starts_with('/') && pointer.len() <= LONGEST, "{pointer:?}");
        is_a_line(detail);
    }
}

fn is_a_line(text: &str) {
    assert!(text.len() <= LONGEST, "{} bytes: {text:?}", text.len());
    assert!(!text.contains(['\n', '\r']), "{text:?}");
}

#[cfg(test)]
#[path = "../../../../tests/fuzz/seeds.rs"]
mod seeds;

#[cfg(test)]
mod tests {
    #[test]
    fn what_must_hold_holds_of_all_seeds() {
        super::seeds::each("api_bodies", super::api_bodies);
    }
}
