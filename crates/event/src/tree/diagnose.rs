//! Why a document was refused.
//!
//! serde_json says where it stopped. What stands there decides the reason, and never the error's
//! text: a number beyond every double and half of a surrogate pair are JSON by the grammar, and
//! told apart from what is none.

use std::ops::Range;

use super::{MAX_DEPTH, Walk, end_of_number, end_of_string};
use crate::number;
use crate::rejection::{Reason, Rejection};

/// Why reading `text` stopped where it did.
pub(super) fn rejection(text: &str, walk: &Walk<'_>, error: &serde_json::Error) -> Rejection {
    let path = &walk.path;
    if walk.too_deep {
        return Reason::TooDeep.because(format!("{path}: nested deeper than {MAX_DEPTH} levels"));
    }
    match token_at(text.as_bytes(), offset(text, error.line(), error.column())) {
        Token::Number(token) => {
            let number = text.get(token).unwrap_or_default();
            if number.parse().is_ok_and(f64::is_infinite) {
                return number::inexact(number, path);
            }
        }
        Token::String(token) => {
            let start = token.start;
            if let Some(at) = lone_surrogate(text.get(token).unwrap_or_default()) {
                let at = start + at;
                return Reason::LoneSurrogate.because(format!(
                    "{path}: the escape at byte {at} is half of a surrogate pair, which is no text"
                ));
            }
        }
        Token::Other => {}
    }
    if text.is_empty() {
        return Reason::NotJson.because("the body is empty");
    }
    if text.starts_with('\u{feff}') {
        return Reason::NotJson.because("a byte order mark stands before the document");
    }
    // serde_json's text is for people; nothing is decided by it.
    Reason::NotJson.because(format!("{path}: {error}"))
}

/// serde_json counts lines from 1 and the bytes of a line from 1.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (before + column).min(text.len())
}

enum Token {
    Number(Range<usize>),
    String(Range<usize>),
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
                (at, Token::String(start..at))
            }
            Some(b'-' | b'0'..=b'9') => {
                at = end_of_number(bytes, at);
                (at, Token::Number(start..at))
            }
            Some(byte) if byte.is_ascii_whitespace() => (at + 1, last),
            _ => (at + 1, Token::Other),
        };
    }
    last
}

/// Where in `string`, a token with its quotes, a surrogate is escaped that has no partner (RFC 8259,
/// section 8.2); `None` where something that is no JSON comes first.
fn lone_surrogate(string: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        let skipped = string.get(at..)?.find(|c| c == '\\' || c < ' ')?;
        at += skipped;
        let escape = string.get(at..)?;
        at += match unit(escape) {
            Some(0xDC00..=0xDFFF) => return Some(at),
            Some(0xD800..=0xDBFF) => {
                let next = escape.get(6..)?;
                match unit(next) {
                    Some(0xDC00..=0xDFFF) => 12,
                    None if next.starts_with("\\u") => return None,
                    _ => return Some(at),
                }
            }
            Some(_) => 6,
            None => {
                let escaped = escape.strip_prefix('\\')?;
                escaped.starts_with(['"', '\\', '/', 'b', 'f', 'n', 'r', 't']).then_some(2)?
            }
        };
    }
}

/// The code unit of an escape `\uXXXX` that `text` begins with.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let all = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    all.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::read;

    fn check(text: &str, reason: Reason, detail: &str) {
        let rejection = read(text).map(drop).unwrap_err();
        assert_eq!((rejection.reason, rejection.detail.as_str()), (reason, detail), "{text}");
    }

    #[test]
    fn what_is_no_json() {
        let check = |text, detail| check(text, Reason::NotJson, detail);
        check("", "the body is empty");
        check("\u{feff}{}", "a byte order mark stands before the document");
        check("{} {}", "the document: trailing characters at line 1 column 4");
        check("{}\u{feff}", "the document: trailing characters at line 1 column 3");
        check("{\"a\":[1,\n2,]}", "a[2]: trailing comma at line 2 column 3");
        check("01", "the document: invalid number at line 1 column 2");
        check("[NaN]", "[0]: expected value at line 1 column 2");
        check("[1e99", "[1]: EOF while parsing a list at line 1 column 5");
        check(
            "{\"a\":\"b\nc\"}",
            "a: control character (\\u0000-\\u001F) found while parsing a string at line 2 column 0",
        );
        check(r#"["1e400", tru]"#, "[1]: expected ident at line 1 column 14");
        check(r#"["\\ud800" tru]"#, "[1]: expected `,` or `]` at line 1 column 12");
    }

    #[test]
    fn what_no_double_can_hold() {
        let huge = format!("1{}", "0".repeat(400));
        for (text, at) in [
            ("1e400", "the document"),
            ("[0,-1e400]", "[1]"),
            ("{\"a\":\n -1E+400 }", "a"),
            ("{\"a\":{\"b c\":[1e999999999999999999999999]}}", "a[\"b c\"][0]"),
            (&huge, "the document"),
            (&format!("[{huge}.5]"), "[0]"),
        ] {
            let rejection = read(text).map(drop).unwrap_err();
            assert_eq!(rejection.reason, Reason::InexactNumber, "{text}");
            let end = " would reach receivers as null; send it as a string";
            let told = rejection.detail.starts_with(at) && rejection.detail.ends_with(end);
            assert!(told, "{text}: {rejection}");
        }
    }

    #[test]
    fn what_is_half_of_a_pair() {
        let check = |text: &str, at: usize, path: &str| {
            let what = "is half of a surrogate pair, which is no text";
            let detail = format!("{path}: the escape at byte {at} {what}");
            check(text, Reason::LoneSurrogate, &detail);
        };
        check(r#""\ud800""#, 1, "the document");
        check(r#"["\udc00"]"#, 2, "[0]");
        check(r#"["","\uD83D\uDE00\n\ud800\u0041"]"#, 19, "[1]");
        check(r#"["\ud800\ud800\udc00"]"#, 2, "[0]");
        check(r#"["\ud800\n"]"#, 2, "[0]");
        check(r#"["\ud800"#, 2, "[0]");
        check(r#"{"a":{"\ud800x":1}}"#, 7, "a");
        check("{\"é\":\n\"\\udfff\"}", 8, "[\"é\"]");
    }

    #[test]
    fn half_of_a_pair_behind_what_is_no_json() {
        for text in [
            r#"["\x \ud800"]"#,
            r#"["\u+123 \ud800"]"#,
            "[\"\u{1} \\ud800\"]",
            r#"["\ud800\uxxxx"]"#,
        ] {
            assert_eq!(read(text).map(drop).unwrap_err().reason, Reason::NotJson, "{text}");
        }
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(MAX_DEPTH)).is_ok());
        for text in [nested(MAX_DEPTH + 1), nested(100_000), "{\"a\":[".repeat(100_000)] {
            let rejection = read(&text).map(drop).unwrap_err();
            assert_eq!(rejection.reason, Reason::TooDeep);
            assert!(rejection.detail.ends_with("nested deeper than 100 levels"), "{rejection}");
        }
    }
}
