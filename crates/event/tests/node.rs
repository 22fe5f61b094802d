//! Node.js as the judge: what this crate calls canonical is what `JSON.stringify(JSON.parse(body))`
//! gives back, and what it calls inexact is what Node would alter.
//!
//! One Node process answers a whole test, line by line. The oracle for numbers is written in
//! JavaScript with big integers and shares nothing with `number.rs`. Where Node is not installed
//! the tests say so and judge nothing.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};
use std::thread;

use event::{Catalog, Event, Reason, Rejection};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// Generated cases per test, beside the chosen ones.
const GENERATED: usize = 2_000;

/// Answers each line with what a receiver computes the signature over.
const RECEIVER: &str = "text => JSON.stringify(JSON.parse(text))";

/// Answers each line, a number, with whether its decimal value survives a receiver.
const NUMBERS: &str = r"text => {
    const value = text => {
        const parts = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([-+]?\d+))?$/.exec(text);
        if (!parts) return text;
        const [, sign, whole, fraction = '', exponent = '0'] = parts;
        const digits = (whole + fraction).replace(/^0+/, '');
        const short = digits.replace(/0+$/, '');
        if (!short) return '0';
        const zeros = digits.length - short.length;
        return sign + short + 'e' + (BigInt(exponent) - BigInt(fraction.length) + BigInt(zeros));
    };
    return value(text) === value(JSON.stringify(JSON.parse(text)));
}";

/// What `answer`, a JavaScript function, makes of each line; `None` where there is no Node.
fn node(answer: &str, lines: &[String]) -> Option<Vec<String>> {
    let script = format!(
        "const lines = require('fs').readFileSync(0, 'utf8').split('\\n');
        lines.pop();
        process.stdout.write(lines.map({answer}).map(line => line + '\\n').join(''));"
    );
    let started = Command::new("node")
        .args(["--eval", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("SKIPPED: Node.js is not installed, so nobody judges the canonical body");
            return None;
        }
        Err(error) => panic!("node does not start: {error}"),
    };
    let mut stdin = child.stdin.take().unwrap();
    let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let writer = thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "node: {}", output.status);
    writer.join().unwrap().unwrap();
    let answers: Vec<_> =
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(answers.len(), lines.len(), "node answered another number of lines");
    Some(answers)
}

/// The canonical body of a document with `members`, of which there is at least one.
fn canonical(members: &str) -> Result<String, Rejection> {
    let catalog = Catalog::try_new(&["team.invited"]).unwrap();
    let text = document(members);
    let event = Event::parse(text.as_bytes(), None, &catalog, usize::MAX)?;
    Ok(String::from_utf8(event.body().to_vec()).unwrap())
}

fn document(members: &str) -> String {
    format!(r#"{{"type":"team.invited",{members},"createdAt":"2024-01-15T10:30:00Z"}}"#)
}

/// The same cases on every run and every machine.
fn generated<S: Strategy>(strategy: &S) -> Vec<S::Value> {
    let mut runner = TestRunner::deterministic();
    (0..GENERATED).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// A number that a double carries exactly, in one of its spellings.
fn exact() -> impl Strategy<Value = String> {
    let written = |value: f64| ryu_js::Buffer::new().format_finite(value).to_owned();
    prop_oneof![
        2 => any::<u64>().prop_map(f64::from_bits).prop_filter_map("finite", move |value| {
            value.is_finite().then(|| written(value))
        }),
        1 => any::<f64>().prop_map(|value| format!("{value:E}")),
        1 => any::<i32>().prop_map(|n| format!("{n}.0")),
        1 => (0..1_u64 << 53).prop_map(|n| n.to_string()),
        1 => "-?[1-9][0-9]{0,4}0{0,4}(\\.[0-9]{1,4}0{0,9})?([eE][-+]?[0-9]{1,2})?",
    ]
}

/// A number of the JSON grammar, mostly near where doubles are hard.
fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => exact(),
        1 => any::<i64>().prop_map(|n| n.to_string()),
        1 => ((1_u64 << 53) - 50..(1 << 53) + 50).prop_map(|n| n.to_string()),
        1 => (-550_i32..550).prop_map(|power| 2_f64.powi(power).to_string()),
        1 => (any::<f64>(), 0_usize..25).prop_map(|(value, digits)| format!("{value:.digits$e}")),
        2 => "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][-+]?[0-9]{1,3})?",
        1 => "-?0\\.0{0,30}[0-9]{1,17}([eE][-+]?0{0,3}[0-9]{1,2})?",
    ]
}

/// A JSON string token, escaped here and there although it need not be.
fn string() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        4 => "[a-z0-9 ]",
        1 => "[\"\\\\/\u{0}-\u{1f}\u{7f}-\u{9f}\u{2028}\u{2029}\u{feff}\u{ffff}]",
        1 => any::<char>().prop_map(String::from),
    ];
    vec((character, 0_u8..4), 0..6).prop_map(|characters| {
        let tokens = characters.into_iter().map(|(character, how)| match how {
            0 => character.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect(),
            1 => character.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect(),
            _ => {
                let token = serde_json::to_string(&character).unwrap();
                token.trim_start_matches('"').strip_suffix('"').unwrap().to_owned()
            }
        });
        format!("\"{}\"", tokens.collect::<String>())
    })
}

/// A member's name as a JSON string token: often an index or nearly one, often a duplicate.
fn name() -> impl Strategy<Value = String> {
    let chosen = prop::sample::select(vec![
        "",
        "0",
        "-0",
        "00",
        "01",
        "1.0",
        "1e3",
        "-1",
        "a",
        "b",
        "__proto__",
        "constructor",
        "toString",
        "length",
        "2147483647",
        "2147483648",
        "4294967293",
        "4294967294",
        "4294967295",
        "4294967296",
        "9007199254740991",
        "9007199254740993",
        "18446744073709551616",
    ]);
    prop_oneof![
        2 => chosen.prop_map(|name| format!("\"{name}\"")),
        2 => (0_u32..40).prop_map(|index| format!("\"{index}\"")),
        1 => any::<u32>().prop_map(|index| format!("\"{index}\"")),
        1 => (0_u8..10).prop_map(|digit| format!("\"\\u003{digit}\"")),
        1 => string(),
    ]
}

/// The text between an object's braces.
fn members(value: impl Strategy<Value = String>, most: usize) -> impl Strategy<Value = String> {
    let member = (name(), value).prop_map(|(name, value)| format!("{name} :\t{value}"));
    vec(member, 1..most).prop_map(|members| members.join(" , "))
}

fn value() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec!["null", "true", "false", "{}", "[ ]"]);
    let leaf = prop_oneof![2 => exact(), 2 => string(), 1 => word.prop_map(str::to_owned)];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
            members(inner, 4).prop_map(|members| format!("{{ {members} }}")),
        ]
    })
}

/// Doubles and texts at which printers and parsers have gone wrong.
fn chosen_numbers() -> Vec<String> {
    let mut numbers: Vec<String> = [
        "0",
        "-0",
        "-0.0",
        "0e5",
        "1.0",
        "1e2",
        "1E+2",
        "100e-2",
        "0.1",
        "1e20",
        "1e21",
        "1e22",
        "1e23",
        "123456789012345680000",
        "1234567890123456800000",
        "1e-6",
        "1e-7",
        "0.000001",
        "0.0000001",
        "5e-324",
        "4.9e-324",
        "2.2250738585072014e-308",
        "2.225073858507201e-308",
        "2.2250738585072011e-308",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "17976931348623157e292",
        "179769313486231570000e288",
        "9007199254740991",
        "9007199254740992",
        "9007199254740993",
        "9007199254740994",
        "1152921504606846976",
        "1152921504606847000",
        "1152921504606847000.0",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "18446744073709552000",
        "1e400",
        "-1e400",
        "1e-400",
        "0.1000000000000000055511151231257827",
        "0.30000000000000004",
        "0.3000000000000000444",
        "8.41e21",
        "9.5e-7",
        "2e-44",
        "1.8446744073709552e19",
        "6.0221407599999999e23",
        "1e999999999999",
        "1e-999999999999",
        "0e999999999999",
    ]
    .map(str::to_owned)
    .into();
    let zeros = "0".repeat(2_000);
    numbers.push(format!("1{zeros}e-2000"));
    numbers.push(format!("0.{zeros}1e2001"));
    numbers.push(format!("0.1{zeros}"));
    numbers.push(format!("0.1{zeros}1"));
    numbers
}

#[test]
fn a_canonical_body_is_what_node_gives_back() {
    let mut cases = generated(&members(value(), 20));
    cases.extend(chosen_numbers().iter().map(|number| format!("\"x\":[{number}]")));
    let accepted: Vec<_> =
        cases.iter().filter_map(|case| Some((case, canonical(case).ok()?))).collect();
    assert!(accepted.len() > GENERATED * 9 / 10, "only {} cases are accepted", accepted.len());

    let sent: Vec<_> = accepted.iter().map(|(case, _)| document(case)).collect();
    let bodies: Vec<_> = accepted.into_iter().map(|(_, body)| body).collect();
    for lines in [&sent, &bodies] {
        let Some(answers) = node(RECEIVER, lines) else { return };
        for ((sent, body), answer) in sent.iter().zip(&bodies).zip(&answers) {
            assert_eq!(body, answer, "of {sent}");
        }
    }
}

#[test]
fn a_number_is_refused_exactly_where_node_would_alter_it() {
    let mut numbers = generated(&number());
    numbers.extend(chosen_numbers());
    let Some(answers) = node(NUMBERS, &numbers) else { return };
    for (number, survives) in numbers.iter().zip(&answers) {
        let reason = canonical(&format!("\"x\":{number}")).err().map(|rejection| rejection.reason);
        let expected = if survives == "true" { None } else { Some(Reason::InexactNumber) };
        assert_eq!(reason, expected, "{number}");
    }
    for verdict in ["true", "false"] {
        let count = answers.iter().filter(|answer| *answer == verdict).count();
        assert!(count > GENERATED / 10, "Node says {verdict} to {count} numbers only");
    }
}

#[test]
fn what_is_rejected_as_no_text_is_what_node_would_escape() {
    let strings = [r#""\ud800""#, r#""\udfff""#, r#""a\ud83dx""#, r#""\ude00\ud83d""#];
    let lines = strings.map(|string| document(&format!("\"x\":{string}")));
    let Some(answers) = node(RECEIVER, &lines) else { return };
    for (string, answer) in strings.iter().zip(&answers) {
        let rejection = canonical(&format!("\"x\":{string}")).unwrap_err();
        assert_eq!(rejection.reason, Reason::LoneSurrogate, "{string}");
        assert!(answer.contains(r"\ud"), "{answer}");
    }
}
