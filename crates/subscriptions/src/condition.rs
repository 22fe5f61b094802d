//! What the payload of an event must hold for a webhook to want it.
//!
//! A condition is a list of clauses that must all hold; a clause names a place in the payload by a
//! JSON pointer (RFC 6901) and the values that may stand there. That is equality and membership and
//! nothing more: no clause can run long, and what it means can be read by anybody.

use std::fmt;

use serde_json::Value;
use thiserror::Error;

/// The most clauses of one condition.
pub const MAX_CLAUSES: usize = 16;
/// The most values of one clause.
pub const MAX_VALUES: usize = 64;
/// The longest pointer, in bytes.
pub const MAX_POINTER_BYTES: usize = 256;
/// The longest text among the values, in bytes.
pub const MAX_VALUE_BYTES: usize = 1_024;

/// Clauses that must all hold; never empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition(Box<[Clause]>);

/// One clause: at this place stands one of these values.
#[derive(Clone, Debug, PartialEq)]
pub struct Clause {
    pointer: Box<str>,
    values: Box<[Literal]>,
}

/// A value that a clause compares with.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `null`, which is not the same as nothing at all.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number; events hold none that a double cannot carry exactly.
    Number(f64),
    /// A text, compared byte by byte.
    Text(Box<str>),
}

/// Clauses that make no condition.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidCondition {
    /// More than [`MAX_CLAUSES`].
    #[error("a condition has at most {MAX_CLAUSES} clauses, not {0}")]
    TooManyClauses(usize),
    /// Not a JSON pointer, or one that is too long.
    #[error(
        "{0:?} is no JSON pointer such as \"/deployment/meta/gitBranch\" of at most {MAX_POINTER_BYTES} bytes"
    )]
    Pointer(String),
    /// A clause without values would never hold.
    #[error("the clause on {0} needs between 1 and {MAX_VALUES} values")]
    Values(String),
    /// Objects and lists cannot be compared with, nor can long texts.
    #[error(
        "the clause on {0} may compare with texts of at most {MAX_VALUE_BYTES} bytes, numbers, true, false and null"
    )]
    Value(String),
}

impl Condition {
    /// A condition of these clauses: pairs of a pointer and the values that may stand there. `None`
    /// without any, for then everything is wanted.
    ///
    /// # Errors
    ///
    /// [`InvalidCondition`] for the first thing wrong.
    pub fn try_new<P: AsRef<str>>(
        clauses: impl IntoIterator<Item = (P, Vec<Value>)>,
    ) -> Result<Option<Self>, InvalidCondition> {
        let clauses = clauses
            .into_iter()
            .map(|(pointer, values)| Clause::try_new(pointer.as_ref(), &values))
            .collect::<Result<Box<[_]>, _>>()?;
        match clauses.len() {
            0 => Ok(None),
            n if n > MAX_CLAUSES => Err(InvalidCondition::TooManyClauses(n)),
            _ => Ok(Some(Self(clauses))),
        }
    }

    /// Whether all clauses hold for this payload.
    #[must_use]
    pub fn holds(&self, payload: &Value) -> bool {
        self.0.iter().all(|clause| clause.holds(payload))
    }

    /// The clauses, in the order in which they were written.
    #[must_use]
    pub fn clauses(&self) -> &[Clause] {
        &self.0
    }
}

impl Clause {
    fn try_new(pointer: &str, values: &[Value]) -> Result<Self, InvalidCondition> {
        if !is_pointer(pointer) {
            let shown: String = pointer.chars().take(MAX_POINTER_BYTES).collect();
            return Err(InvalidCondition::Pointer(shown));
        }
        if values.is_empty() || values.len() > MAX_VALUES {
            return Err(InvalidCondition::Values(pointer.to_owned()));
        }
        let values = values.iter().map(Literal::of).collect::<Option<_>>();
        let values = values.ok_or_else(|| InvalidCondition::Value(pointer.to_owned()))?;
        Ok(Self { pointer: pointer.into(), values })
    }

    /// The place in the payload, as a JSON pointer.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// The values that may stand there.
    #[must_use]
    pub fn values(&self) -> &[Literal] {
        &self.values
    }

    fn holds(&self, payload: &Value) -> bool {
        payload
            .pointer(&self.pointer)
            .is_some_and(|found| self.values.iter().any(|value| value.is(found)))
    }
}

impl Literal {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(Self::Null),
            Value::Bool(value) => Some(Self::Bool(*value)),
            Value::Number(number) => number.as_f64().map(Self::Number),
            Value::String(text) if text.len() <= MAX_VALUE_BYTES => {
                Some(Self::Text(text.as_str().into()))
            }
            Value::String(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn is(&self, found: &Value) -> bool {
        match (self, found) {
            (Self::Null, Value::Null) => true,
            (Self::Bool(wanted), Value::Bool(found)) => wanted == found,
            (Self::Number(wanted), Value::Number(found)) => found.as_f64() == Some(*wanted),
            (Self::Text(wanted), Value::String(found)) => **wanted == **found,
            _ => false,
        }
    }
}

impl From<&Literal> for Value {
    fn from(literal: &Literal) -> Self {
        match literal {
            Literal::Null => Self::Null,
            Literal::Bool(value) => Self::Bool(*value),
            // A whole number is written as one, as its owner wrote it.
            #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
            Literal::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => {
                Self::from(*number as i64)
            }
            Literal::Number(number) => Self::from(*number),
            Literal::Text(text) => Self::from(&**text),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, clause) in self.0.iter().enumerate() {
            let and = if n == 0 { "" } else { " and " };
            let values: Vec<String> =
                clause.values.iter().map(|value| Value::from(value).to_string()).collect();
            write!(f, "{and}{} in [{}]", clause.pointer, values.join(", "))?;
        }
        Ok(())
    }
}

/// RFC 6901, section 3: empty, or parts that begin with `/`, in which `~` stands before 0 or 1 only.
fn is_pointer(text: &str) -> bool {
    let escapes = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    text.len() <= MAX_POINTER_BYTES && text.starts_with('/') && escapes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn condition(clauses: &[(&str, Value)]) -> Result<Option<Condition>, InvalidCondition> {
        let values = |value: &Value| value.as_array().cloned().unwrap_or_default();
        Condition::try_new(clauses.iter().map(|(pointer, list)| (*pointer, values(list))))
    }

    #[test]
    fn all_clauses_must_hold() {
        let payload = json!({
            "deployment": { "meta": { "gitBranch": "main", "a/b": 1, "none": null } },
            "list": [{ "x": true }],
        });
        for (clauses, expected) in [
            (&[("/deployment/meta/gitBranch", json!(["main", "release"]))][..], true),
            (&[("/deployment/meta/gitBranch", json!(["Main"]))], false),
            (&[("/deployment/meta/a~1b", json!([1.0]))], true),
            (&[("/deployment/meta/a~1b", json!(["1"]))], false),
            (&[("/deployment/meta/none", json!([null]))], true),
            (&[("/deployment/meta/absent", json!([null]))], false),
            (&[("/list/0/x", json!([true]))], true),
            (&[("/list/0/x", json!([true])), ("/list/1", json!([1]))], false),
            (&[("/deployment", json!(["x"]))], false),
        ] {
            let condition = condition(clauses).unwrap().unwrap();
            assert_eq!(condition.holds(&payload), expected, "{condition}");
        }
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        use InvalidCondition as E;
        let long = format!("/{}", "x".repeat(MAX_POINTER_BYTES));
        let many = json!(vec![1; MAX_VALUES + 1]);
        for (clauses, expected) in [
            (&[("branch", json!(["x"]))][..], E::Pointer("branch".into())),
            (&[("", json!(["x"]))], E::Pointer(String::new())),
            (&[("/a~2", json!(["x"]))], E::Pointer("/a~2".into())),
            (&[("/a~", json!(["x"]))], E::Pointer("/a~".into())),
            (&[(&*long, json!(["x"]))], E::Pointer(long[..MAX_POINTER_BYTES].into())),
            (&[("/a", json!([]))], E::Values("/a".into())),
            (&[("/a", many)], E::Values("/a".into())),
            (&[("/a", json!([{}]))], E::Value("/a".into())),
            (&[("/a", json!(["x".repeat(MAX_VALUE_BYTES + 1)]))], E::Value("/a".into())),
        ] {
            assert_eq!(condition(clauses), Err(expected));
        }
        assert_eq!(condition(&[]), Ok(None));
        let clause = ("/a", json!([1]));
        let many = vec![clause; MAX_CLAUSES + 1];
        assert_eq!(condition(&many), Err(E::TooManyClauses(MAX_CLAUSES + 1)));
    }

    #[test]
    fn values_read_back_as_they_were_written() {
        for value in [json!(null), json!(true), json!(3), json!(1.5), json!("main")] {
            assert_eq!(Value::from(&Literal::of(&value).unwrap()), value);
        }
    }
}
