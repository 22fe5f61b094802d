//! W3C Trace Context: in whose trace an event stands, as its publisher says.
//!
//! Publishers may write anything: what is not exactly of the standard's form is no trace context, and
//! what is has a bounded size. Nothing here decides what is traced.

use std::fmt;
use std::sync::Arc;

/// A `traceparent` of version 00, in bytes.
const LENGTH: usize = 55;
/// The flag that says that the caller records this trace.
const SAMPLED: u8 = 1;
/// The longest `tracestate` that is passed on, in bytes: the standard asks for no more.
const STATE_MAX: usize = 512;
/// The most members of a `tracestate`.
const STATE_MEMBERS: usize = 32;
/// The longest key and the longest value of a member, in bytes.
const MEMBER_MAX: usize = 256;

/// A place in a trace: the trace, and the span that caused what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace: TraceId,
    span: SpanId,
    flags: u8,
    state: Option<Arc<str>>,
}

/// A trace's id; shown in lowercase hex. Never all zero within a [`TraceContext`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId([u8; 16]);

/// A span's id; shown in lowercase hex. Never all zero within a [`TraceContext`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanId([u8; 8]);

impl TraceContext {
    /// What these two header values say; `None` where `traceparent` is not of the standard's form.
    /// A `tracestate` that is not is left out.
    #[must_use]
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let text = traceparent.as_bytes();
        let (version, rest) = (text.get(..2)?, text.get(LENGTH..)?);
        let dashes = [2, 35, 52].iter().all(|at| text.get(*at) == Some(&b'-'));
        let [version] = bytes(version)?;
        // A later version may have more, behind another dash, and means what 00 does by what it has.
        let fits = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.first().is_none_or(|byte| *byte == b'-'),
        };
        let ([flags], trace) = (bytes(text.get(53..LENGTH)?)?, bytes(text.get(3..35)?)?);
        let flags = if version == 0 { flags } else { flags & SAMPLED };
        let context = Self::new(trace, bytes(text.get(36..52)?)?, flags)?;
        let state = tracestate.filter(|state| is_state(state)).map(Arc::from);
        (dashes && fits).then_some(Self { state, ..context })
    }

    /// The first span of a trace that is recorded; `None` where an id is all zero.
    #[must_use]
    pub fn begin(trace: [u8; 16], span: [u8; 8]) -> Option<Self> {
        Self::new(trace, span, SAMPLED)
    }

    /// The same trace, seen from a span of ours within it that is recorded.
    #[must_use]
    pub fn within(&self, span: SpanId) -> Self {
        Self { span, flags: self.flags | SAMPLED, ..self.clone() }
    }

    /// Whether the caller says that it records this trace.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The trace.
    #[must_use]
    pub fn trace(&self) -> TraceId {
        self.trace
    }

    /// The span that caused what follows.
    #[must_use]
    pub fn span(&self) -> SpanId {
        self.span
    }

    /// The value of `traceparent`, in version 00.
    #[must_use]
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-{:02x}", self.trace, self.span, self.flags)
    }

    /// The value of `tracestate`: visible ASCII and blanks, at most 512 bytes.
    #[must_use]
    pub fn tracestate(&self) -> Option<&str> {
        self.state.as_deref()
    }

    fn new(trace: [u8; 16], span: [u8; 8], flags: u8) -> Option<Self> {
        let is_real = trace != [0; 16] && span != [0; 8];
        is_real.then_some(Self { trace: TraceId(trace), span: SpanId(span), flags, state: None })
    }
}

impl TraceId {
    /// The id as it stands on the wire of a protocol that knows bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl SpanId {
    /// The span with these bytes, or none: all zero is no span.
    #[must_use]
    pub fn new(bytes: [u8; 8]) -> Option<Self> {
        (bytes != [0; 8]).then_some(Self(bytes))
    }

    /// The id as it stands on the wire of a protocol that knows bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

/// Lowercase hex of exactly so many bytes.
fn bytes<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let is_lower = text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (is_lower && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(bytes)
}

/// Members `key=value`, separated by commas, each key once.
fn is_state(text: &str) -> bool {
    if text.is_empty() || text.len() > STATE_MAX {
        return false;
    }
    let mut keys = Vec::new();
    text.split(',').all(|member| {
        // Empty members are allowed, and so are blanks around one.
        let member = member.trim_matches([' ', '\t']);
        if member.is_empty() {
            return true;
        }
        let Some((key, value)) = member.split_once('=') else { return false };
        let is_new = !keys.contains(&key);
        keys.push(key);
        is_new && keys.len() <= STATE_MEMBERS && is_key(key) && is_value(value)
    })
}

fn is_key(key: &str) -> bool {
    let fits =
        |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    let begins = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    key.len() <= MEMBER_MAX && key.as_bytes().first().is_some_and(begins) && key.bytes().all(fits)
}

fn is_value(value: &str) -> bool {
    let fits = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'=');
    value.len() <= MEMBER_MAX && value.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn parse(traceparent: &str) -> Option<TraceContext> {
        TraceContext::parse(traceparent, None)
    }

    #[test]
    fn only_the_form_of_the_standard_is_a_trace_context() {
        let context = parse(GOOD).unwrap();
        assert!(context.is_sampled());
        assert_eq!(context.trace().to_string(), GOOD[3..35]);
        assert_eq!(context.span().to_string(), GOOD[36..52]);
        for bad in [
            "",
            "00",
            &GOOD.to_uppercase(),
            &GOOD[1..],
            &format!("{GOOD}-x"),
            &format!("{GOOD} "),
            &format!("ff{}", &GOOD[2..]),
            &format!("01{}x", &GOOD[2..]),
            &GOOD.replace("00f067aa0ba902b7", "0000000000000000"),
            &GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &GOOD.replace("-01", "-0x"),
            &GOOD.replace('-', "_"),
            "a\r\nb",
            &"ä".repeat(40),
        ] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_later_version_means_what_it_has_of_this_one() {
        for later in [format!("01{}", &GOOD[2..]), format!("cc{}-more", &GOOD[2..])] {
            assert_eq!(parse(&later).unwrap().traceparent(), GOOD, "{later}");
        }
        let flags = format!("01{}", GOOD[2..].replace("-01", "-ff"));
        assert_eq!(parse(&flags).unwrap().traceparent(), GOOD);
    }

    #[test]
    fn a_state_is_passed_on_as_it_is_or_not_at_all() {
        let many: Vec<String> = (0..33).map(|n| format!("k{n}=v")).collect();
        let long = format!("a={}", "x".repeat(257));
        let rows = [
            ("congo=t61rcWkgMzE", true),
            ("rojo=00f067aa0ba902b7, fw529a3039@dt=FfFfFfFf,", true),
            (&many[..32].join(","), true),
            ("", false),
            ("a", false),
            ("A=b", false),
            ("=b", false),
            ("a=b=c", false),
            ("a=1,a=2", false),
            ("a=b\r\nx: y", false),
            ("a=ä", false),
            (&many.join(","), false),
            (&long, false),
            (&"a=b,".repeat(200), false),
        ];
        for (state, kept) in rows {
            let context = TraceContext::parse(GOOD, Some(state)).unwrap();
            assert_eq!(context.tracestate(), kept.then_some(state), "{state:?}");
        }
    }

    #[test]
    fn a_span_within_a_trace_is_recorded_and_keeps_the_rest() {
        let unsampled = GOOD.replace("-01", "-02");
        let context = TraceContext::parse(&unsampled, Some("a=b")).unwrap();
        assert!(!context.is_sampled());
        let within = context.within(SpanId::new([1; 8]).unwrap());
        assert_eq!(within.traceparent(), format!("{}0101010101010101-03", &GOOD[..36]));
        assert_eq!(within.tracestate(), Some("a=b"));
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_one_or_none(text in "\\PC{0,80}", state in "\\PC{0,600}") {
            if let Some(context) = TraceContext::parse(&text, Some(&state)) {
                prop_assert_eq!(context.traceparent().len(), LENGTH);
            }
        }

        #[test]
        fn what_is_read_is_written_again(
            trace in any::<[u8; 16]>(), span in any::<[u8; 8]>(), flags: u8,
            state in "[a-z][a-z0-9_*/@-]{0,20}=[!-+--<>-~]{1,40}",
        ) {
            let text = format!("00-{}-{}-{flags:02x}", hex::encode(trace), hex::encode(span));
            let context = TraceContext::parse(&text, Some(&state)).unwrap();
            prop_assert_eq!(context.traceparent(), text);
            prop_assert_eq!(context.tracestate(), Some(state.as_str()));
        }

        #[test]
        fn a_single_wrong_byte_is_found(at in 0..LENGTH, byte in "[g-zG-Z .]") {
            let mut text = GOOD.to_owned();
            text.replace_range(at..=at, &byte);
            prop_assert_eq!(parse(&text), None);
        }
    }
}
