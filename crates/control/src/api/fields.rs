//! Reads the fields of an object: every one that is there is asked for, or it is a mistake.
//!
//! Each field is kept (not there), cleared (null) or set; one of the wrong type counts as kept and
//! as a mistake, so that all mistakes of a document are told at once.

use serde_json::{Map, Value};
use settings::nearest;

use super::json::name_of;
use crate::desk::Change;
use crate::problem::FieldError;

/// Mistakes that are told at once; who made more made one.
const MAX_ERRORS: usize = 50;

/// An object that is being read.
pub(super) struct Fields<'a> {
    object: &'a Map<String, Value>,
    pointer: String,
    known: Vec<&'static str>,
    errors: Vec<FieldError>,
}

impl<'a> Fields<'a> {
    /// Reads the document itself.
    pub(super) fn new(object: &'a Map<String, Value>) -> Self {
        Self { object, pointer: String::new(), known: Vec::new(), errors: Vec::new() }
    }

    /// A text.
    pub(super) fn text(&mut self, name: &'static str) -> Change<String> {
        self.read(name, "a text", |value| value.as_str().map(str::to_owned))
    }

    /// True or false.
    pub(super) fn flag(&mut self, name: &'static str) -> Change<bool> {
        self.read(name, "true or false", Value::as_bool)
    }

    /// A whole number.
    pub(super) fn whole(&mut self, name: &'static str) -> Change<i64> {
        self.read(name, "a whole number", |value| {
            // 3.0 is a whole number, too, and JSON does not tell it from 3.
            #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
            let of_float =
                |float: f64| (float.fract() == 0.0 && float.abs() < 9e15).then_some(float as i64);
            value.as_i64().or_else(|| value.as_f64().and_then(of_float))
        })
    }

    /// A number.
    pub(super) fn number(&mut self, name: &'static str) -> Change<f64> {
        self.read(name, "a number", Value::as_f64)
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, name: &'static str) -> Change<Vec<String>> {
        let list = self.read(name, "a list of texts", |value| value.as_array());
        let Change::Set(list) = list else { return unset(&list) };
        let texts: Vec<Option<String>> = (0..)
            .zip(list)
            .map(|(n, value): (usize, &Value)| match value {
                Value::String(text) => Some(text.clone()),
                other => self.wrong(&format!("{name}/{n}"), "a text", other),
            })
            .collect();
        texts.into_iter().collect::<Option<_>>().map_or(Change::Keep, Change::Set)
    }

    /// A list of any values.
    pub(super) fn values(&mut self, name: &'static str) -> Change<Vec<Value>> {
        self.read(name, "a list of values", |value| value.as_array().cloned())
    }

    /// Texts by name, some of which may be null.
    pub(super) fn pairs(&mut self, name: &'static str) -> Change<Vec<(String, Option<String>)>> {
        let object = self.read(name, "an object of texts", |value| value.as_object());
        let Change::Set(object) = object else { return unset(&object) };
        let pairs: Vec<_> = object
            .iter()
            .map(|(key, value)| match value {
                Value::Null => Some((key.clone(), None)),
                Value::String(text) => Some((key.clone(), Some(text.clone()))),
                other => self.wrong(&format!("{name}/{}", escaped(key)), "a text", other),
            })
            .collect();
        pairs.into_iter().collect::<Option<_>>().map_or(Change::Keep, Change::Set)
    }

    /// An object with fields of its own.
    pub(super) fn object<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Fields<'_>) -> T,
    ) -> Change<T> {
        let object = self.read(name, "an object", |value| value.as_object());
        let Change::Set(object) = object else { return unset(&object) };
        Change::Set(self.inner(name, object, read))
    }

    /// A list of objects.
    pub(super) fn objects<T>(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(&mut Fields<'_>) -> T,
    ) -> Change<Vec<T>> {
        let list = self.read(name, "a list of objects", |value| value.as_array());
        let Change::Set(list) = list else { return unset(&list) };
        let objects: Vec<Option<T>> = (0..)
            .zip(list)
            .map(|(n, value): (usize, &Value)| {
                let place = format!("{name}/{n}");
                match value {
                    Value::Object(object) => Some(self.inner(&place, object, &mut read)),
                    other => self.wrong(&place, "an object", other),
                }
            })
            .collect();
        objects.into_iter().collect::<Option<_>>().map_or(Change::Keep, Change::Set)
    }

    /// Notes a mistake of a field.
    pub(super) fn refuse(&mut self, name: &str, why: impl Into<String>) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(FieldError::new(format!("{}/{name}", self.pointer), why));
        }
    }

    /// Notes that a field is missing, unless something is wrong with it already.
    pub(super) fn refuse_missing(&mut self, name: &str) {
        let pointer = format!("{}/{name}", self.pointer);
        let beside = |error: &FieldError| error.pointer.starts_with(&pointer);
        if !self.errors.iter().any(beside) {
            self.refuse(name, "is missing");
        }
    }

    /// Every mistake, fields that nobody asked for among them.
    pub(super) fn finish(mut self) -> Vec<FieldError> {
        self.unknown();
        self.errors
    }

    fn read<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Change<T> {
        self.known.push(name);
        match self.object.get(name) {
            None => Change::Keep,
            Some(Value::Null) => Change::Clear,
            Some(value) => match read(value) {
                Some(read) => Change::Set(read),
                None => self.wrong(name, expected, value).map_or(Change::Keep, Change::Set),
            },
        }
    }

    fn wrong<T>(&mut self, place: &str, expected: &str, found: &Value) -> Option<T> {
        self.refuse(place, format!("expected {expected}, found {}", name_of(found)));
        None
    }

    fn inner<T>(
        &mut self,
        place: &str,
        object: &Map<String, Value>,
        read: impl FnOnce(&mut Fields<'_>) -> T,
    ) -> T {
        let pointer = format!("{}/{place}", self.pointer);
        let mut inner = Fields { object, pointer, known: Vec::new(), errors: Vec::new() };
        let value = read(&mut inner);
        let room = MAX_ERRORS.saturating_sub(self.errors.len());
        self.errors.extend(inner.finish().into_iter().take(room));
        value
    }

    fn unknown(&mut self) {
        let names: Vec<&String> =
            self.object.keys().filter(|name| !self.known.contains(&name.as_str())).collect();
        for name in names {
            let why = match nearest(name, self.known.iter().copied()) {
                Some(known) => format!("there is no such field; did you mean {known:?}?"),
                None => match &self.known[..] {
                    [only] => format!("there is no such field; there is {only}"),
                    known => format!("there is no such field; there are {}", known.join(", ")),
                },
            };
            self.refuse(&escaped(name), why);
        }
    }
}

fn unset<T, U>(change: &Change<T>) -> Change<U> {
    if matches!(change, Change::Clear) { Change::Clear } else { Change::Keep }
}

/// A name as a part of a JSON pointer, cut to a bound.
fn escaped(name: &str) -> String {
    let short: String = name.chars().take(80).collect();
    short.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(document: &Value, read: impl FnOnce(&mut Fields<'_>)) -> Vec<(String, String)> {
        let mut fields = Fields::new(document.as_object().unwrap());
        read(&mut fields);
        fields.finish().into_iter().map(|error| (error.pointer, error.detail)).collect()
    }

    #[test]
    fn every_kind_of_field_is_read() {
        let document = json!({
            "text": "x", "flag": false, "whole": 3.0, "texts": ["a"], "pairs": {"a": null},
            "object": {"text": null}, "objects": [{"number": 1}],
        });
        let mut fields = Fields::new(document.as_object().unwrap());
        assert_eq!(fields.text("text"), Change::Set("x".to_owned()));
        assert_eq!(fields.text("absent"), Change::Keep);
        assert_eq!(fields.flag("flag"), Change::Set(false));
        assert_eq!(fields.whole("whole"), Change::Set(3));
        assert_eq!(fields.texts("texts"), Change::Set(vec!["a".to_owned()]));
        assert_eq!(fields.pairs("pairs"), Change::Set(vec![("a".to_owned(), None)]));
        let inner = fields.object("object", |inner| inner.text("text"));
        assert_eq!(inner, Change::Set(Change::Clear));
        let list = fields.objects("objects", |inner| inner.number("number"));
        assert_eq!(list, Change::Set(vec![Change::Set(1.0)]));
        assert_eq!(fields.finish(), []);
    }

    #[test]
    fn wrong_types_and_unknown_fields_are_told_with_their_places() {
        let document = json!({
            "url": 1, "events": ["a", 2], "retry": {"jitter": "much", "x/y": 1},
            "condition": [{}, 3], "descripton": "x",
        });
        let told = told(&document, |fields| {
            fields.text("url");
            fields.texts("events");
            fields.text("description");
            fields.object("retry", |inner| inner.number("jitter"));
            fields.objects("condition", |_| ());
        });
        let expected = [
            ("/url", "expected a text, found a number"),
            ("/events/1", "expected a text, found a number"),
            ("/retry/jitter", "expected a number, found a text"),
            ("/retry/x~1y", "there is no such field; there is jitter"),
            ("/condition/1", "expected an object, found a number"),
            ("/descripton", "there is no such field; did you mean \"description\"?"),
        ];
        let expected = expected.map(|(at, why)| (at.to_owned(), why.to_owned()));
        assert_eq!(told, expected);
    }

    #[test]
    fn mistakes_are_bounded() {
        let many: Map<String, Value> = (0..1_000).map(|n| (format!("f{n}"), json!(1))).collect();
        assert_eq!(Fields::new(&many).finish().len(), MAX_ERRORS);
    }
}
