//! A JSON document as a tree that borrows from its text.
//!
//! serde_json does the grammar; this adds what its values do not keep. Every number keeps its
//! source text, which a cursor hands out as serde_json comes to the number: strings aside, digits
//! stand nowhere else in a document. When serde_json refuses a document it says where, and
//! [`diagnose`] looks there for what it does not tell apart: a number beyond every double, and half
//! of a surrogate pair.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::rejection::{Reason, Rejection};

/// How deep arrays and objects may be nested; serde_json's own limit is 128.
pub const MAX_DEPTH: usize = 100;

/// One JSON value.
#[derive(Debug, PartialEq)]
pub(crate) enum Node<'a> {
    Null,
    Bool(bool),
    /// As it stands in the text.
    Number(&'a str),
    /// Borrowed if it stands in the text without an escape.
    String(Cow<'a, str>),
    Array(Vec<Node<'a>>),
    /// As they stand in the text: duplicates kept, order kept.
    Object(Members<'a>),
}

/// The members of an object.
pub(crate) type Members<'a> = Vec<(Cow<'a, str>, Node<'a>)>;

/// Reads one document.
pub(crate) fn read(text: &str) -> Result<Node<'_>, Rejection> {
    let mut numbers = Numbers { text, at: 0 };
    let mut too_deep = false;
    let seed = Seed { numbers: &mut numbers, too_deep: &mut too_deep, depth: 0 };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let node = seed.deserialize(&mut deserializer);
    let read = node.and_then(|node| deserializer.end().map(|()| node));
    read.map_err(|error| {
        if too_deep {
            return Reason::TooDeep.because(format!("nested deeper than {MAX_DEPTH} levels"));
        }
        diagnose(text, &error)
    })
}

/// Hands out the document's number tokens in their order.
struct Numbers<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Numbers<'a> {
    /// The next number token. Only called where serde_json has just read one, so there is one.
    fn next(&mut self) -> &'a str {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b'"' => self.at = end_of_string(bytes, self.at),
                b'-' | b'0'..=b'9' => {
                    let start = self.at;
                    self.at = end_of_number(bytes, start);
                    return self.text.get(start..self.at).unwrap_or_default();
                }
                _ => self.at += 1,
            }
        }
        ""
    }
}

/// The index behind the string that begins at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at
}

fn end_of_number(bytes: &[u8], start: usize) -> usize {
    let part = |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
    let rest = bytes.get(start..).unwrap_or_default();
    start + rest.iter().take_while(|byte| part(byte)).count()
}

struct Seed<'n, 'a> {
    numbers: &'n mut Numbers<'a>,
    too_deep: &'n mut bool,
    depth: usize,
}

impl<'a> Seed<'_, 'a> {
    /// For what lies one level deeper.
    fn inner(&mut self) -> Seed<'_, 'a> {
        Seed { numbers: self.numbers, too_deep: self.too_deep, depth: self.depth + 1 }
    }

    fn enter<E: Error>(&mut self) -> Result<(), E> {
        if self.depth < MAX_DEPTH {
            return Ok(());
        }
        *self.too_deep = true;
        Err(E::custom("nested too deep"))
    }
}

impl<'a> DeserializeSeed<'a> for Seed<'_, 'a> {
    type Value = Node<'a>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Node<'a>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Seed<'_, 'a> {
    type Value = Node<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Node<'a>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node<'a>, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Node<'a>, E> {
        Ok(Node::Number(self.numbers.next()))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Node<'a>, E> {
        Ok(Node::Number(self.numbers.next()))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Node<'a>, E> {
        Ok(Node::Number(self.numbers.next()))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'a str) -> Result<Node<'a>, E> {
        Ok(Node::String(Cow::Borrowed(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Node<'a>, E> {
        Ok(Node::String(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'a>>(mut self, mut items: A) -> Result<Node<'a>, A::Error> {
        self.enter()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(self.inner())? {
            array.push(item);
        }
        Ok(Node::Array(array))
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut members: A) -> Result<Node<'a>, A::Error> {
        self.enter()?;
        let mut object = Vec::new();
        while let Some(Key(key)) = members.next_key()? {
            object.push((key, members.next_value_seed(self.inner())?));
        }
        Ok(Node::Object(object))
    }
}

/// A member's name: borrowed where it can be, which serde's own `Cow` never is.
struct Key<'a>(Cow<'a, str>);

impl<'a> serde::Deserialize<'a> for Key<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'a> Visitor<'a> for KeyVisitor {
            type Value = Key<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member's name")
            }

            fn visit_borrowed_str<E: Error>(self, name: &'a str) -> Result<Key<'a>, E> {
                Ok(Key(Cow::Borrowed(name)))
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Key<'a>, E> {
                Ok(Key(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

/// Why serde_json stopped where it says it stopped.
fn diagnose(text: &str, error: &serde_json::Error) -> Rejection {
    let stopped = offset(text, error.line(), error.column());
    match token_at(text.as_bytes(), stopped) {
        Token::Number(start, end)
            if text
                .get(start..end)
                .and_then(|number| number.parse::<f64>().ok())
                .is_some_and(f64::is_infinite) =>
        {
            Reason::InexactNumber
                .because(format!("the number at byte {start} is too large for a double"))
        }
        Token::String(start, end) if text.get(start..end).is_some_and(has_lone_surrogate) => {
            Reason::LoneSurrogate
                .because(format!("the string at byte {start} holds half of a surrogate pair"))
        }
        _ => Reason::NotJson.because(error.to_string()),
    }
}

/// serde_json counts lines from 1 and the bytes of a line from 1.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (before + column).min(text.len())
}

enum Token {
    Number(usize, usize),
    String(usize, usize),
    Other,
}

/// The last token that begins before `stopped`.
fn token_at(bytes: &[u8], stopped: usize) -> Token {
    let (mut at, mut last) = (0, Token::Other);
    while at < stopped {
        let start = at;
        (at, last) = match bytes.get(at) {
            Some(b'"') => {
                at = end_of_string(bytes, at).min(bytes.len());
                (at, Token::String(start, at))
            }
            Some(b'-' | b'0'..=b'9') => {
                at = end_of_number(bytes, at);
                (at, Token::Number(start, at))
            }
            Some(byte) if byte.is_ascii_whitespace() => (at + 1, last),
            _ => (at + 1, Token::Other),
        };
    }
    last
}

/// Whether an escaped surrogate of this string has no partner (RFC 8259, section 8.2).
fn has_lone_surrogate(string: &str) -> bool {
    let mut rest = string;
    while let Some(at) = rest.find('\\') {
        let escape = rest.get(at..).unwrap_or_default();
        rest = match unit(escape) {
            Some(0xD800..=0xDBFF) => {
                let behind = escape.get(6..).unwrap_or_default();
                if !matches!(unit(behind), Some(0xDC00..=0xDFFF)) {
                    return true;
                }
                behind.get(6..).unwrap_or_default()
            }
            Some(0xDC00..=0xDFFF) => return true,
            _ => escape.get(2..).unwrap_or_default(),
        };
    }
    false
}

/// The code unit of an escape `\uXXXX` that `text` begins with.
fn unit(text: &str) -> Option<u16> {
    u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Reason) {
        assert_eq!(read(text).map_err(|rejection| rejection.reason), Err(expected), "{text}");
    }

    #[test]
    fn why_a_document_is_refused() {
        check("", Reason::NotJson);
        check("{} {}", Reason::NotJson);
        check("[1,]", Reason::NotJson);
        check("01", Reason::NotJson);
        check("\"a\nb\"", Reason::NotJson);
        check("[1e400]", Reason::InexactNumber);
        check("{\"a\":\n -1e400 }", Reason::InexactNumber);
        check(r#"["1e400", tru]"#, Reason::NotJson);
        check(r#"["\ud800"]"#, Reason::LoneSurrogate);
        check(r#"["\udc00"]"#, Reason::LoneSurrogate);
        check(r#"["\ud800\u0041"]"#, Reason::LoneSurrogate);
        check(r#"{"\ud800x":1}"#, Reason::LoneSurrogate);
        check(r#"["\\ud800" tru]"#, Reason::NotJson);
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(MAX_DEPTH)).is_ok());
        check(&nested(MAX_DEPTH + 1), Reason::TooDeep);
        check(&nested(100_000), Reason::TooDeep);
    }

    #[test]
    fn numbers_keep_their_text() {
        let text = r#"{"1":[1.0,"2",-0],"a\"3":1E+2}"#;
        let Ok(Node::Object(members)) = read(text) else { panic!("no object") };
        let expected =
            Node::Array(vec![Node::Number("1.0"), Node::String("2".into()), Node::Number("-0")]);
        assert_eq!(members, [("1".into(), expected), ("a\"3".into(), Node::Number("1E+2"))]);
    }
}
