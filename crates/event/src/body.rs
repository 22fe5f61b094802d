//! The canonical body: a settled tree written as `JSON.stringify` writes it.
//!
//! No blanks; numbers as in `number.rs`; strings with only `"`, `\` and control characters escaped,
//! in lower case where hexadecimal (ECMA-262, `QuoteJSONString`). The order of members is
//! `order.rs`'s work. Lone surrogates, which JavaScript would escape too, cannot come here.

use std::borrow::Cow;

use crate::number;
use crate::path::Path;
use crate::rejection::Rejection;
use crate::tree::Node;

/// A number that JavaScript would write with another value, and where it stands.
#[derive(Debug)]
pub(crate) struct Inexact<'a> {
    number: &'a str,
    path: Path,
}

/// Writes a settled tree.
pub(crate) fn write<'a>(node: &Node<'a>, out: &mut Vec<u8>) -> Result<(), Inexact<'a>> {
    match node {
        Node::Null => out.extend_from_slice(b"null"),
        Node::Bool(true) => out.extend_from_slice(b"true"),
        Node::Bool(false) => out.extend_from_slice(b"false"),
        Node::Number(number) => number::canonical(number, out)
            .ok_or_else(|| Inexact { number, path: Path::default() })?,
        Node::String(text) => write_string(text, out),
        Node::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(item, out).map_err(|mut inexact| {
                    inexact.path.within_array(index);
                    inexact
                })?;
            }
            out.push(b']');
        }
        Node::Object(members) => {
            out.push(b'{');
            for (index, (name, value)) in members.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_string(name, out);
                out.push(b':');
                write(value, out).map_err(|mut inexact| {
                    inexact.path.within_object(name);
                    inexact
                })?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

impl From<Inexact<'_>> for Rejection {
    fn from(Inexact { number, path }: Inexact<'_>) -> Self {
        number::inexact(number, &path)
    }
}

/// What is borrowed from a JSON text stood there without an escape, so it needs none.
#[expect(clippy::ptr_arg, reason = "whether the text is borrowed is what counts")]
fn write_string(text: &Cow<'_, str>, out: &mut Vec<u8>) {
    out.push(b'"');
    match text {
        Cow::Borrowed(plain) => out.extend_from_slice(plain.as_bytes()),
        Cow::Owned(text) => write_escaped(text.as_bytes(), out),
    }
    out.push(b'"');
}

fn write_escaped(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let short = match byte {
            b'"' | b'\\' => *byte,
            0x08 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            0x0c => b'f',
            b'\r' => b'r',
            0..0x20 => b'u',
            _ => continue,
        };
        out.extend_from_slice(&bytes[from..at]);
        out.extend_from_slice(&[b'\\', short]);
        if short == b'u' {
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            out.extend_from_slice(&[b'0', b'0', DIGITS[high], DIGITS[low]]);
        }
        from = at + 1;
    }
    out.extend_from_slice(&bytes[from..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::order::settle;
    use crate::rejection::Reason;
    use crate::tree;

    fn canonical(text: &str) -> String {
        let mut node = tree::read(text).unwrap();
        settle(&mut node);
        let mut out = Vec::new();
        write(&node, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn bodies_are_written_as_javascript_does() {
        let check = |text, expected| assert_eq!(canonical(text), expected, "{text}");
        check(" { \"a\" : [ 1 , true , null ] } ", r#"{"a":[1,true,null]}"#);
        check(
            r#""\u00e9\/\u0001\u001f\b\f\n\r\t\"\\\u2028\u007f""#,
            "\"é/\\u0001\\u001f\\b\\f\\n\\r\\t\\\"\\\\\u{2028}\u{7f}\"",
        );
        check(r#""\ud83d\ude00""#, "\"😀\"");
    }

    #[test]
    fn an_inexact_number_is_told_with_its_place() {
        let check = |text: &str, detail: &str| {
            let mut node = tree::read(text).unwrap();
            settle(&mut node);
            let inexact = write(&node, &mut Vec::new()).unwrap_err();
            assert_eq!(Rejection::from(inexact), Reason::InexactNumber.because(detail), "{text}");
        };
        check(
            r#"{"a":{"b":[1,9007199254740993]}}"#,
            "a.b[1]: 9007199254740993 would reach receivers as 9007199254740992; send it as a string",
        );
        check("1e-400", "the document: 1e-400 would reach receivers as 0; send it as a string");
        let long = format!("[1{}1]", "0".repeat(100));
        let shown = format!("1{}…", "0".repeat(39));
        let detail = format!("[0]: {shown} would reach receivers as 1e+101; send it as a string");
        check(&long, &detail);
    }

    fn json() -> impl Strategy<Value = String> {
        let text = prop_oneof!["[a-c0-3]{0,2}", any::<String>()];
        let text = text.prop_map(|text| serde_json::to_string(&text).unwrap());
        let leaf = prop_oneof![
            Just("null".to_owned()),
            any::<bool>().prop_map(|value| value.to_string()),
            any::<i32>().prop_map(|value| value.to_string()),
            "-?[1-9][0-9]{0,3}(\\.[0-9]{1,4})?([eE][-+]?[0-9])?",
            text.clone(),
        ];
        leaf.prop_recursive(4, 64, 8, move |inner| {
            let members = prop::collection::vec((text.clone(), inner.clone()), 0..20);
            prop_oneof![
                prop::collection::vec(inner, 0..8)
                    .prop_map(|items| format!("[ {} ]", items.join(" ,"))),
                members.prop_map(|members| {
                    let members =
                        members.into_iter().map(|(name, value)| format!("{name} : {value}"));
                    format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_canonical_body_is_a_fixed_point(text in json()) {
            let once = canonical(&text);
            prop_assert_eq!(canonical(&once), once);
        }

        #[test]
        fn serde_json_reads_the_same_value(text in json()) {
            let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
            let same = |a: &serde_json::Value, b: &serde_json::Value| numbers_as_doubles(a) == numbers_as_doubles(b);
            prop_assert!(same(&value(&canonical(&text)), &value(&text)));
        }
    }

    /// serde_json tells 1 from 1.0; JSON does not. Names are sorted, because order is judged above.
    fn numbers_as_doubles(value: &serde_json::Value) -> String {
        match value {
            serde_json::Value::Number(number) => format!("{:?}", number.as_f64().map(|n| n + 0.0)),
            serde_json::Value::Array(items) => {
                format!("[{}]", items.iter().map(numbers_as_doubles).collect::<Vec<_>>().join(","))
            }
            serde_json::Value::Object(members) => {
                let mut members: Vec<_> = members
                    .iter()
                    .map(|(name, value)| format!("{name:?}:{}", numbers_as_doubles(value)))
                    .collect();
                members.sort();
                format!("{{{}}}", members.join(","))
            }
            other => other.to_string(),
        }
    }
}
