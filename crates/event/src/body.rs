//! The canonical body: a tree written as `JSON.stringify(JSON.parse(text))` writes it.
//!
//! | what | rule (ECMA-262) |
//! | --- | --- |
//! | members | array indexes ascending, then the rest in order (`OrdinaryOwnPropertyKeys`) |
//! | duplicates | the place of the first, the value of the last (`InternalizeJSONProperty`) |
//! | numbers | see `number.rs` (`Number::toString`) |
//! | strings | only `"`, `\` and controls escaped, lower-case `\u00xx` (`QuoteJSONString`) |
//! | blanks | none |

use std::borrow::Cow;
use std::collections::HashMap;

use crate::number;
use crate::rejection::{Reason, Rejection};
use crate::tree::{Members, Node};

/// Objects of up to so many members are searched for duplicates one by one; larger ones by a hash,
/// so that hostile ones cost no more than linear time.
const SEARCHED: usize = 16;

/// Puts the members of every object into JavaScript's order and leaves one of each name.
pub(crate) fn settle(node: &mut Node<'_>) {
    match node {
        Node::Array(items) => items.iter_mut().for_each(settle),
        Node::Object(members) => {
            remove_duplicates(members);
            if members.iter().any(|(name, _)| array_index(name).is_some()) {
                // The sort is stable: what is no index stays in its order, behind the indexes.
                members.sort_by_key(|(name, _)| array_index(name).map_or(u64::MAX, u64::from));
            }
            members.iter_mut().for_each(|(_, value)| settle(value));
        }
        Node::Null | Node::Bool(_) | Node::Number(_) | Node::String(_) => {}
    }
}

/// Writes a settled tree.
pub(crate) fn write(node: &Node<'_>, out: &mut Vec<u8>) -> Result<(), Rejection> {
    match node {
        Node::Null => out.extend_from_slice(b"null"),
        Node::Bool(true) => out.extend_from_slice(b"true"),
        Node::Bool(false) => out.extend_from_slice(b"false"),
        Node::Number(text) => number::canonical(text, out).ok_or_else(|| inexact(text))?,
        Node::String(text) => write_string(text, out),
        Node::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(item, out)?;
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
                write(value, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn remove_duplicates(members: &mut Members<'_>) {
    if members.len() <= SEARCHED {
        let mut index = 1;
        while index < members.len() {
            let name = &members[index].0;
            match members[..index].iter().position(|(before, _)| before == name) {
                Some(place) => members[place].1 = members.remove(index).1,
                None => index += 1,
            }
        }
        return;
    }
    let mut places: HashMap<Cow<'_, str>, usize> = HashMap::with_capacity(members.len());
    let mut kept: Members<'_> = Vec::with_capacity(members.len());
    for (name, value) in members.drain(..) {
        match places.get(&name) {
            Some(place) => kept[*place].1 = value,
            None => {
                places.insert(name.clone(), kept.len());
                kept.push((name, value));
            }
        }
    }
    *members = kept;
}

/// An array index (ECMA-262, section 6.1.7): the canonical text of an integer below 2^32 − 1.
fn array_index(name: &str) -> Option<u32> {
    let canonical = name == "0"
        || (name.starts_with(|first: char| ('1'..='9').contains(&first))
            && name.bytes().all(|byte| byte.is_ascii_digit()));
    name.parse().ok().filter(|index| canonical && *index != u32::MAX)
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let (mut from, bytes) = (0, text.as_bytes());
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
            out.extend_from_slice(format!("{byte:04x}").as_bytes());
        }
        from = at + 1;
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

fn inexact(text: &str) -> Rejection {
    const SHOWN: usize = 40;
    let shown = text.get(..SHOWN).map_or(Cow::Borrowed(text), |cut| format!("{cut}…").into());
    Reason::InexactNumber
        .because(format!("{shown} would reach receivers as another number: send it as a string"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
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
        check(r#"{"b":1,"2":2,"a":3,"1":4}"#, r#"{"1":4,"2":2,"b":1,"a":3}"#);
        check(r#"{"01":1,"1.0":2,"-1":3,"0":4}"#, r#"{"0":4,"01":1,"1.0":2,"-1":3}"#);
        check(r#"{"4294967295":1,"4294967294":2}"#, r#"{"4294967294":2,"4294967295":1}"#);
        check(r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#);
        check(r#"{"a":1,"\u0061":2}"#, r#"{"a":2}"#);
        check(r#"{"__proto__":1,"x":2,"__proto__":3}"#, r#"{"__proto__":3,"x":2}"#);
        check(
            r#""\u00e9\/\u0001\u001f\b\f\n\r\t\"\\\u2028\u007f""#,
            "\"é/\\u0001\\u001f\\b\\f\\n\\r\\t\\\"\\\\\u{2028}\u{7f}\"",
        );
        check(r#""\ud83d\ude00""#, "\"😀\"");
    }

    #[test]
    fn large_objects_lose_duplicates_too() {
        let members: Vec<_> = (0..100_000).map(|n| format!(r#""k{}":{n}"#, n % 50_000)).collect();
        let text = canonical(&format!("{{{}}}", members.join(",")));
        assert!(text.starts_with(r#"{"k0":50000,"k1":50001,"#), "{}", &text[..40]);
        assert_eq!(text.matches(':').count(), 50_000);
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
