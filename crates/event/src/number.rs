//! Numbers as JavaScript writes them, and whether that writes the same value.
//!
//! A receiver's `JSON.parse` turns every number into a double, and its `JSON.stringify` writes the
//! shortest digits that name that double (ECMA-262, `Number::toString`). A number whose decimal
//! value changes on that way would reach the receiver altered, so it is refused.

use std::cmp::Ordering;

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
    if Decimal::read(text) != Decimal::read(written) {
        return None;
    }
    out.extend_from_slice(written.as_bytes());
    Some(())
}

/// Integers of at most 15 digits are written as they stand: every one is a double of its own.
fn is_small_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.len() <= 15 && digits.bytes().all(|byte| byte.is_ascii_digit()) && text != "-0"
}

/// The exact value of a JSON number: `±0.digits × 10^exponent`, the digits without zeros at either
/// end. Zero has no digits, and neither sign nor exponent.
#[derive(Debug)]
struct Decimal<'a> {
    negative: bool,
    /// Digits before and behind the point; read as one.
    whole: &'a [u8],
    part: &'a [u8],
    exponent: i128,
}

impl<'a> Decimal<'a> {
    fn read(text: &'a str) -> Self {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut decimal = Self {
            negative,
            whole: whole.as_bytes(),
            part: part.as_bytes(),
            exponent: read_exponent(exponent),
        };
        decimal.trim();
        decimal
    }

    fn trim(&mut self) {
        let zeros = |digits: &[u8]| digits.iter().take_while(|digit| **digit == b'0').count();
        self.whole = &self.whole[zeros(self.whole)..];
        self.exponent += to_i128(self.whole.len());
        if self.whole.is_empty() {
            let leading = zeros(self.part);
            self.part = &self.part[leading..];
            self.exponent -= to_i128(leading);
        }
        let end =
            |digits: &[u8]| digits.iter().rposition(|digit| *digit != b'0').map_or(0, |n| n + 1);
        self.part = &self.part[..end(self.part)];
        if self.part.is_empty() {
            self.whole = &self.whole[..end(self.whole)];
        }
        if self.whole.is_empty() && self.part.is_empty() {
            (self.negative, self.exponent) = (false, 0);
        }
    }

    fn digits(&self) -> impl Iterator<Item = &u8> {
        self.whole.iter().chain(self.part)
    }
}

impl PartialEq for Decimal<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.negative == other.negative
            && self.exponent == other.exponent
            && self.digits().cmp(other.digits()) == Ordering::Equal
    }
}

/// An exponent beyond what is counted here belongs to a number that is zero or no double at all.
fn read_exponent(text: &str) -> i128 {
    let magnitude = text.trim_start_matches(['+', '-']).trim_start_matches('0');
    let magnitude = if magnitude.is_empty() { Ok(0) } else { magnitude.parse::<u64>() };
    let magnitude = i128::from(magnitude.unwrap_or(u64::MAX));
    if text.starts_with('-') { -magnitude } else { magnitude }
}

fn to_i128(length: usize) -> i128 {
    i128::try_from(length).unwrap_or(i128::MAX)
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
