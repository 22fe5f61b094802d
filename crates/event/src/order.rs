//! The members of objects in the order in which JavaScript keeps them.
//!
//! | what | rule (ECMA-262) |
//! | --- | --- |
//! | array indexes | first, ascending (`OrdinaryOwnPropertyKeys`) |
//! | other names | behind them, as they stand in the text |
//! | duplicates | the place of the first, the value of the last (`CreateDataProperty`) |
//!
//! `__proto__` is a name like any other: `JSON.parse` defines it and sets no prototype. **Invariant:**
//! time is at most n log n in the members, whatever a hostile publisher sends.

use std::collections::HashMap;

use crate::tree::{Members, Node};

/// Objects of up to so many members are searched for duplicates one by one, which is faster than a
/// hash where it is short.
const SEARCHED: usize = 16;

/// Puts the members of every object of the tree into order and leaves one of each name.
pub(crate) fn settle(node: &mut Node<'_>) {
    match node {
        Node::Array(items) => items.iter_mut().for_each(settle),
        Node::Object(members) => {
            remove_duplicates(members);
            if members.iter().any(|(name, _)| array_index(name).is_some()) {
                // The sort is stable: what is no index stays in its order, behind the indexes.
                members
                    .sort_by_cached_key(|(name, _)| array_index(name).map_or(u64::MAX, u64::from));
            }
            members.iter_mut().for_each(|(_, value)| settle(value));
        }
        Node::Null | Node::Bool(_) | Node::Number(_) | Node::String(_) => {}
    }
}

fn remove_duplicates(members: &mut Members<'_>) {
    if members.len() > SEARCHED {
        return remove_duplicates_by_hash(members);
    }
    let mut index = 1;
    while index < members.len() {
        let name = &members[index].0;
        match members[..index].iter().position(|(before, _)| before == name) {
            Some(place) => members[place].1 = members.remove(index).1,
            None => index += 1,
        }
    }
}

fn remove_duplicates_by_hash(members: &mut Members<'_>) {
    let mut places = HashMap::with_capacity(members.len());
    let mut kept: Members<'_> = Vec::with_capacity(members.len());
    for (name, value) in members.drain(..) {
        match places.get(&name) {
            Some(place) => {
                let place: usize = *place;
                kept[place].1 = value;
            }
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
    let canonical = match name.as_bytes() {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.len() < 10 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !canonical {
        return None;
    }
    name.parse().ok().filter(|index| *index != u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tree;

    /// Names and values of the object `text`, settled.
    fn settled(text: &str) -> Vec<(String, String)> {
        let mut node = tree::read(text).unwrap();
        settle(&mut node);
        let Node::Object(members) = node else { panic!("no object: {text}") };
        let value = |node| if let Node::Number(text) = node { text } else { "" };
        members.into_iter().map(|(name, node)| (name.into(), value(node).to_owned())).collect()
    }

    fn check(text: &str, expected: &[(&str, &str)]) {
        let settled = settled(text);
        let settled: Vec<_> = settled.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(settled, expected, "{text}");
    }

    #[test]
    fn array_indexes_come_first() {
        let named = [("1", "4"), ("2", "2"), ("b", "1"), ("a", "3")];
        check(r#"{"b":1,"2":2,"a":3,"1":4}"#, &named);
        let similar = [("0", "5"), ("01", "1"), ("1.0", "2"), ("-1", "3"), ("-0", "4")];
        check(r#"{"01":1,"1.0":2,"-1":3,"-0":4,"0":5}"#, &similar);
        let limit = [("4294967294", "2"), ("4294967295", "1"), ("4294967296", "3")];
        check(r#"{"4294967295":1,"4294967294":2,"4294967296":3}"#, &limit);
        check(r#"{"10":1,"9":2,"\u0038":3}"#, &[("8", "3"), ("9", "2"), ("10", "1")]);
        check(
            r#"{"٣":1,"+1":2,"1e1":3," 1":4}"#,
            &[("٣", "1"), ("+1", "2"), ("1e1", "3"), (" 1", "4")],
        );
    }

    #[test]
    fn duplicates_keep_the_first_place_and_the_last_value() {
        check(r#"{"a":1,"b":2,"a":3}"#, &[("a", "3"), ("b", "2")]);
        check(r#"{"a":1,"\u0061":2}"#, &[("a", "2")]);
        check(r#"{"":1,"":2,"":3}"#, &[("", "3")]);
        check(r#"{"__proto__":1,"x":2,"__proto__":3}"#, &[("__proto__", "3"), ("x", "2")]);
        check(r#"{"é":1,"e\u0301":2}"#, &[("é", "1"), ("e\u{301}", "2")]);
    }

    #[test]
    fn a_hostile_object_is_no_more_work_than_a_large_one() {
        let members: Vec<_> = (0..200_000_u32)
            .map(|n| format!(r#""k{}":{n},"{}":{n}"#, n % 50_000, (200_000 - n) % 50_000))
            .collect();
        let settled = settled(&format!("{{{}}}", members.join(",")));
        assert_eq!(settled.len(), 100_000);
        assert_eq!(settled[0], ("0".into(), "150000".into()));
        assert_eq!(settled[49_999].0, "49999");
        assert_eq!(settled[50_000], ("k0".into(), "150000".into()));
    }

    proptest! {
        /// The law in its slowest and plainest form.
        #[test]
        fn order_follows_the_law(names in prop::collection::vec("[ab0-2]{0,2}|429496729[0-9]", 0..40)) {
            let members: Vec<_> =
                names.iter().enumerate().map(|(n, name)| format!("\"{name}\":{n}")).collect();
            let mut first_places: Vec<&String> = Vec::new();
            for name in &names {
                if !first_places.contains(&name) {
                    first_places.push(name);
                }
            }
            let index = |name: &str| name.parse().ok().filter(|n: &u64| {
                *n < u64::from(u32::MAX) && n.to_string() == name
            });
            let (mut indexes, others): (Vec<_>, Vec<_>) =
                first_places.into_iter().partition(|name| index(name).is_some());
            indexes.sort_by_key(|name| index(name));
            let last = |name| names.iter().rposition(|other| other == name).unwrap();
            let expected: Vec<_> = indexes.into_iter().chain(others)
                .map(|name| (name.clone(), last(name).to_string())).collect();
            prop_assert_eq!(settled(&format!("{{{}}}", members.join(","))), expected);
        }
    }
}
