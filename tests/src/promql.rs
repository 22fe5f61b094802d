//! What a PromQL expression names: metrics with their matchers, and labels that are grouped by.
//!
//! This does not judge expressions, which the real Prometheus does. It only takes the names out, so
//! that each can be looked for in what a real run exposes.

use anyhow::{Context, Result, bail};

/// Words between operands, and numbers that are written as words.
const KEYWORDS: [&str; 12] =
    ["and", "or", "unless", "offset", "bool", "inf", "Inf", "nan", "NaN", "start", "end", "atan2"];

/// Words that a list of labels follows.
const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// One metric as it is selected.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Selector {
    /// The metric's name.
    pub name: String,
    /// The labels that its matchers name.
    pub labels: Vec<String>,
    /// The whole selector, without a range.
    pub text: String,
}

/// What an expression names.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Named {
    /// Every selector, in order.
    pub selectors: Vec<Selector>,
    /// Labels of `by`, `without`, `on`, `ignoring`, `group_left`, `group_right`.
    pub grouping: Vec<String>,
}

/// Reads an expression without variables of a dashboard.
///
/// # Errors
///
/// Where something does not end, or a selector has no name.
pub fn read(expression: &str) -> Result<Named> {
    let mut reader = Reader { rest: expression };
    let mut named = Named::default();
    loop {
        reader.space();
        let Some(next) = reader.rest.chars().next() else { return Ok(named) };
        match next {
            '"' | '\'' | '`' => drop(reader.quoted()?),
            '[' => drop(reader.until(']')?),
            '{' => bail!("a selector without a name at: {}", reader.rest),
            '0'..='9' => drop(reader.word(|c| c.is_ascii_alphanumeric() || c == '.')),
            'a'..='z' | 'A'..='Z' | '_' | ':' => {
                let word = reader.name();
                reader.named(word, &mut named).with_context(|| expression.to_owned())?;
            }
            other => reader.rest = &reader.rest[other.len_utf8()..],
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn named(&mut self, word: &'a str, named: &mut Named) -> Result<()> {
        let before = self.rest;
        self.space();
        if GROUPING.contains(&word) {
            if self.rest.starts_with('(') {
                let labels = self.until(')')?.trim_matches(['(', ')']).split(',');
                named.grouping.extend(
                    labels.map(str::trim).filter(|label| !label.is_empty()).map(str::to_owned),
                );
            }
        } else if KEYWORDS.contains(&word) || self.rest.starts_with('(') || self.groups() {
            // An operator, a function or an aggregation.
        } else if self.rest.starts_with('{') {
            let (matchers, labels) = self.matchers()?;
            named.selectors.push(Selector {
                name: word.into(),
                labels,
                text: format!("{word}{matchers}"),
            });
        } else {
            self.rest = before;
            named.selectors.push(Selector {
                name: word.into(),
                labels: Vec::new(),
                text: word.into(),
            });
        }
        Ok(())
    }

    /// Whether an aggregation's list of labels comes next: `sum by (job) (…)`.
    fn groups(&self) -> bool {
        let next = Reader { rest: self.rest }.name();
        matches!(next, "by" | "without")
    }

    /// `{…}` and the labels that it names.
    fn matchers(&mut self) -> Result<(&'a str, Vec<String>)> {
        let whole = self.rest;
        let mut labels = Vec::new();
        self.rest = &self.rest[1..];
        loop {
            self.word(|c| c.is_whitespace() || c == ',');
            if let Some(rest) = self.rest.strip_prefix('}') {
                self.rest = rest;
                return Ok((&whole[..whole.len() - rest.len()], labels));
            }
            let label = self.name();
            if label.is_empty() {
                bail!("no label at: {}", self.rest);
            }
            labels.push(label.to_owned());
            self.word(|c| c.is_whitespace() || matches!(c, '=' | '!' | '~'));
            self.quoted()?;
        }
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn name(&mut self) -> &'a str {
        self.word(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'))
    }

    fn word(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn until(&mut self, last: char) -> Result<&'a str> {
        let end = self.rest.find(last).with_context(|| format!("no {last} in: {}", self.rest))?;
        let (part, rest) = self.rest.split_at(end + last.len_utf8());
        self.rest = rest;
        Ok(part)
    }

    /// A string with its quotes; only in backticks a backslash is one.
    fn quoted(&mut self) -> Result<&'a str> {
        let quote = self.rest.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'));
        let quote = quote.with_context(|| format!("no string at: {}", self.rest))?;
        let mut escaped = true;
        for (at, c) in self.rest.char_indices() {
            if escaped {
                escaped = false;
            } else if c == '\\' && quote != '`' {
                escaped = true;
            } else if c == quote {
                let (text, rest) = self.rest.split_at(at + 1);
                self.rest = rest;
                return Ok(text);
            }
        }
        bail!("a string does not end: {}", self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    fn check(expression: &str, selectors: &[(&str, &[&str])], grouping: &[&str]) {
        let named = read(expression).unwrap();
        let found: Vec<(&str, Vec<&str>)> = named
            .selectors
            .iter()
            .map(|one| (one.text.as_str(), one.labels.iter().map(String::as_str).collect()))
            .collect();
        let expected: Vec<(&str, Vec<&str>)> =
            selectors.iter().map(|(text, labels)| (*text, labels.to_vec())).collect();
        assert_eq!(found, expected, "{expression}");
        assert_eq!(named.grouping, grouping, "{expression}");
    }

    #[test]
    fn names_and_labels_are_found_and_words_of_the_language_are_not() {
        check("up == 0", &[("up", &[])], &[]);
        check(
            "sum by (a, b) (rate(x_total{c=\"}\\\"{\", d=~'e'}[5m])) / 1e3",
            &[("x_total{c=\"}\\\"{\", d=~'e'}", &["c", "d"])],
            &["a", "b"],
        );
        check("sum(x) by(a) > 2 * y offset 15m", &[("x", &[]), ("y", &[])], &["a"]);
        check(
            "(time() - p{}) * on (i) group_left (v) b and on () c unless d:e",
            &[("p{}", &[]), ("b", &[]), ("c", &[]), ("d:e", &[])],
            &["i", "v"],
        );
        check(
            "histogram_quantile(0.99, x_bucket{le != `5\\`,}[1d:5m])",
            &[("x_bucket{le != `5\\`,}", &["le"])],
            &[],
        );
        check("count without (a) (x) or vector(0) > bool Inf", &[("x", &[])], &["a"]);
    }

    #[test]
    fn what_does_not_end_is_an_error() {
        for expression in ["x{a=\"b}", "x{a=\"b\"", "x[5m", "{a=\"b\"}", "sum by (a x", "x{=\"b\"}"]
        {
            assert!(read(expression).is_err(), "{expression}");
        }
    }
}
