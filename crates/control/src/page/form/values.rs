//! The values of a clause on one line: `main, "release, 1", 3, true`.
//!
//! Texts need quotes only where they hold a comma or would read as something else.

use serde_json::Value;
use subscriptions::Literal;

/// Reads the line. What is not JSON by itself is a text.
///
/// # Errors
///
/// A sentence about a quote that is not closed, or about what follows one.
pub(super) fn read(line: &str) -> Result<Vec<Value>, String> {
    let mut values = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (value, after) = if rest.starts_with('"') { quoted(rest)? } else { bare(rest) };
        values.extend(value);
        rest = after.trim_start();
    }
    Ok(values)
}

/// Writes values so that they are read back as they are.
pub(crate) fn spelled(values: &[Literal]) -> String {
    values.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn one(value: &Literal) -> String {
    let value = Value::from(value);
    match value.as_str() {
        Some(text) if read(text).is_ok_and(|read| read == [value.clone()]) => text.to_owned(),
        _ => value.to_string(),
    }
}

fn quoted(rest: &str) -> Result<(Option<Value>, &str), String> {
    let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<String>();
    let Some(Ok(text)) = stream.next() else {
        return Err("A value that begins with a quote must end with one.".to_owned());
    };
    let after = rest[stream.byte_offset()..].trim_start();
    match after.strip_prefix(',') {
        Some(after) => Ok((Some(text.into()), after)),
        None if after.is_empty() => Ok((Some(text.into()), after)),
        None => Err("Values are separated by commas.".to_owned()),
    }
}

fn bare(rest: &str) -> (Option<Value>, &str) {
    let (text, after) = rest.split_once(',').unwrap_or((rest, ""));
    let text = text.trim();
    let scalar = serde_json::from_str::<Value>(text).ok();
    let scalar = scalar.filter(|value| value.is_null() || value.is_boolean() || value.is_number());
    let value = scalar.unwrap_or_else(|| text.into());
    ((!text.is_empty()).then_some(value), after)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use subscriptions::Condition;

    use super::*;

    #[test]
    fn values_are_read() {
        for (line, expected) in [
            ("", json!([])),
            (" , ,", json!([])),
            ("main", json!(["main"])),
            ("main, release/1.0 ,x y", json!(["main", "release/1.0", "x y"])),
            (r#""a, b","3",3, 1.5,true,null"#, json!(["a, b", "3", 3, 1.5, true, null])),
            ("[1", json!(["[1"])),
        ] {
            assert_eq!(read(line).map(Value::from), Ok(expected), "{line}");
        }
        for line in [r#""open"#, r#""a" b"#, r#""a"b, c"#] {
            assert!(read(line).is_err(), "{line}");
        }
    }

    #[test]
    fn values_are_read_back_as_they_were_written() {
        let values = vec![
            json!("main"),
            json!("a, b"),
            json!("3"),
            json!("true"),
            json!(" edge "),
            json!("say \"x\""),
            json!("\"x"),
            json!(""),
            json!(3),
            json!(null),
        ];
        let condition = Condition::try_new([("/a", values.clone())]).unwrap().unwrap();
        let line = spelled(condition.clauses()[0].values());
        assert_eq!(read(&line), Ok(values), "{line}");
    }
}
