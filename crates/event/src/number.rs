//! Numbers as JavaScript writes them, and whether that writes the same value.
//!
//! A receiver's `JSON.parse` turns every number into a double, and its `JSON.stringify` writes the
//! shortest digits that name that double (ECMA-262, `Number::toString`). A number whose decimal
//! value changes on that way would reach the receiver altered, so it is refused.

use crate::path::{Path, cut};
use crate::rejection::{Reason, Rejection};

/// Characters shown of a number.
const SHOWN: usize = 40;

/// `text`, a number of the JSON grammar, as JavaScript would write it; `None` if that is another
/// value.
///
/// Takes time linear in the length of `text`.
pub(crate) fn canonical(text: &str, out: &mut Vec<u8>) -> Option<()> {
    if is_small_integer(text) {
        out.extend_from_slice(text.as_bytes());
        return Some(());
    }
    let value: f64 = text.parse().ok().filter(|value: &f64| value.is_finite())?;
    let mut buffer = ryu_js::Buffer::new();
    let written = buffer.format_finite(value);
    if !is_same_value(text, written) {
        return None;
    }
    out.extend_from_slice(written.as_bytes());
    Some(())
}

/// The rejection for `number`, which stands at `path` and would not arrive as it was sent.
pub(crate) fn inexact(number: &str, path: &Path) -> Rejection {
    let (sent, received) = (cut(number, SHOWN), received(number));
    Reason::InexactNumber
        .because(format!("{path}: {sent} would reach receivers as {received}; send it as a string"))
}

/// What a receiver's JavaScript makes of `text`, a number of the JSON grammar.
fn received(text: &str) -> String {
    match text.parse() {
        Ok(value) if f64::is_finite(value) => ryu_js::Buffer::new().format_finite(value).to_owned(),
        _ => "null".to_owned(),
    }
}

/// Integers of at most 15 digits are written as they stand: every one is a double of its own.
fn is_small_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.len() <= 15 && digits.bytes().all(|byte| byte.is_ascii_digit()) && text != "-0"
}

/// Whether `text` names the very value that `written`, the shortest name of its double, names.
///
/// Only the digits can tell: the double is the nearest there is, so it never differs in its sign,
/// nor by a power of ten, unless it is zero, and zero has no digits.
fn is_same_value(text: &str, written: &str) -> bool {
    significant(text).eq(significant(written))
}

/// The digits of a JSON number from the first to the last that is not zero.
fn significant(text: &str) -> impl Iterator<Item = u8> {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let trimmed = mantissa.trim_start_matches(['-', '0', '.']).trim_end_matches(['0', '.']);
    trimmed.bytes().filter(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(text: &str) -> Option<String> {
        let mut out = Vec::new();
        canonical(text, &mut out)?;
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn numbers_are_written_as_javascript_does() {
        let check = |text, expected| assert_eq!(written(text).as_deref(), Some(expected), "{text}");
        check("0", "0");
        check("-0", "0");
        check("-0.0e9", "0");
        check("1", "1");
        check("-17", "-17");
        check("1.0", "1");
        check("100e-2", "1");
        check("1E+2", "100");
        check("0.10", "0.1");
        check("1e21", "1e+21");
        check("1e20", "100000000000000000000");
        check("123456789012345680000", "123456789012345680000");
        check("1e-7", "1e-7");
        check("0.000001", "0.000001");
        check("5e-324", "5e-324");
        check("1.7976931348623157e308", "1.7976931348623157e+308");
        check("9007199254740992", "9007199254740992");
        check("0e99999999999999999999", "0");
    }

    #[test]
    fn what_a_receiver_sees_is_told() {
        assert_eq!(received("9007199254740993"), "9007199254740992");
        assert_eq!(received("-1e400"), "null");
        assert_eq!(received("1e-400"), "0");
    }

    #[test]
    fn what_a_double_would_alter_is_refused() {
        let inexact = [
            "9007199254740993",
            "1152921504606846976",
            "1e400",
            "-1e400",
            "1e-400",
            "1e999999999999999999999",
            "1e-999999999999999999999",
            "0.1000000000000000055511151231257827",
            "3.141592653589793238",
        ];
        for text in inexact {
            assert_eq!(written(text), None, "{text}");
        }
        assert_eq!(written(&format!("1{}", "0".repeat(200_000))), None);
        assert_eq!(written(&format!("0.{}1", "0".repeat(200_000))), None);
        assert_eq!(written(&format!("1.{}", "0".repeat(200_000))), Some("1".to_owned()));
    }

    proptest! {
        #[test]
        fn what_javascript_writes_is_kept(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let mut buffer = ryu_js::Buffer::new();
            let text = buffer.format_finite(value).to_owned();
            prop_assert_eq!(written(&text), Some(text));
        }

        #[test]
        fn shifting_the_point_changes_nothing(digits in 1_u32.., shift in 0_i32..20) {
            let plain = written(&digits.to_string());
            prop_assert_eq!(written(&format!("{digits}e0")), plain.clone());
            let zeros = "0".repeat(shift.unsigned_abs() as usize);
            prop_assert_eq!(written(&format!("{digits}{zeros}e-{shift}")), plain.clone());
            prop_assert_eq!(written(&format!("{digits}.{zeros}")), plain);
        }
    }
}
