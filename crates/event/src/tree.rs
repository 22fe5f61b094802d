//! A JSON document as a tree that borrows from its text.
//!
//! serde_json does the grammar; this adds what its values do not keep. Every number keeps its
//! source text, which a cursor hands out as serde_json comes to the number: strings aside, digits
//! stand nowhere else in a document. Why a document is refused is `diagnose.rs`'s to find out.

mod diagnose;

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::path::Path;
use crate::rejection::Rejection;

/// How deep arrays and objects may be nested; serde_json's own limit is 128.
pub const MAX_DEPTH: usize = 100;

/// One JSON value.
#[derive(Debug, PartialEq)]
pub(crate) enum Node<'a> {
    Null,
    Bool(bool),
    /// As it stands in the text.
    Number(&'a str),
    /// Borrowed exactly where it stands in the text without an escape.
    String(Cow<'a, str>),
    Array(Vec<Node<'a>>),
    /// As they stand in the text: duplicates kept, order kept.
    Object(Members<'a>),
}

/// The members of an object.
pub(crate) type Members<'a> = Vec<(Cow<'a, str>, Node<'a>)>;

/// Reads one document.
pub(crate) fn read(text: &str) -> Result<Node<'_>, Rejection> {
    let numbers = Numbers { text, at: 0 };
    let mut walk = Walk { numbers, too_deep: false, path: Path::default() };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let node = Seed { walk: &mut walk, depth: 0 }.deserialize(&mut deserializer);
    let read = node.and_then(|node| deserializer.end().map(|()| node));
    read.map_err(|error| diagnose::rejection(text, &walk, &error))
}

/// What the whole of a document's values share while they are read.
struct Walk<'a> {
    numbers: Numbers<'a>,
    /// Whether it was this module that refused, and not serde_json.
    too_deep: bool,
    /// Where reading failed.
    path: Path,
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
    walk: &'n mut Walk<'a>,
    depth: usize,
}

impl<'a> Seed<'_, 'a> {
    /// For what lies one level deeper.
    fn inner(&mut self) -> Seed<'_, 'a> {
        Seed { walk: self.walk, depth: self.depth + 1 }
    }

    fn enter<E: Error>(&mut self) -> Result<(), E> {
        if self.depth < MAX_DEPTH {
            return Ok(());
        }
        self.walk.too_deep = true;
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
        Ok(Node::Number(self.walk.numbers.next()))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Node<'a>, E> {
        Ok(Node::Number(self.walk.numbers.next()))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Node<'a>, E> {
        Ok(Node::Number(self.walk.numbers.next()))
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
        loop {
            match items.next_element_seed(self.inner()) {
                Ok(Some(item)) => array.push(item),
                Ok(None) => return Ok(Node::Array(array)),
                Err(error) => {
                    self.walk.path.within_array(array.len());
                    return Err(error);
                }
            }
        }
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut members: A) -> Result<Node<'a>, A::Error> {
        self.enter()?;
        let mut object = Vec::new();
        while let Some(Key(key)) = members.next_key()? {
            match members.next_value_seed(self.inner()) {
                Ok(value) => object.push((key, value)),
                Err(error) => {
                    self.walk.path.within_object(&key);
                    return Err(error);
                }
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// serde_json's quick way to a double must not refuse what is one, however it is spelt.
    #[test]
    fn what_a_double_can_just_hold() {
        let zeros = |n| "0".repeat(n);
        for text in [
            "1.7976931348623157e308",
            "17976931348623157e292",
            "179769313486231570000e288",
            "0.000017976931348623157e313",
            "-1.7976931348623157000000000000000000e+308",
            "1.79769313486231580e308",
            "5e-324",
            "4.9406564584124654e-324",
            "0e400",
            "0.0e-999999999999999999999",
            &format!("17976931348623157{}", zeros(292)),
            &format!("0.{}17976931348623157e610", zeros(301)),
            &format!("1{}e-300", zeros(500)),
        ] {
            assert!(read(text).is_ok(), "{text}: {:?}", read(text));
        }
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
