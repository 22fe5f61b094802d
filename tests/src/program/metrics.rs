//! The Prometheus text format, read as far as the program writes it.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

type Labels = BTreeMap<String, String>;

/// All samples of one moment.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    samples: Vec<(String, Labels, f64)>,
}

impl Metrics {
    /// Reads the text format.
    ///
    /// # Errors
    ///
    /// At the first line that is no sample.
    pub fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let samples = lines
            .map(|line| sample(line).with_context(|| format!("no metric sample: {line}")))
            .collect::<Result<_>>()?;
        Ok(Self { samples })
    }

    /// The sum of all samples of this name that have at least these labels; 0 where there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        // Not `sum()`: the sum of no floats is -0.
        self.matching(name, labels).fold(0.0, |sum, (_, _, value)| sum + value)
    }

    /// The sample of this name with at least these labels, where there is exactly one.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let mut matching = self.matching(name, labels);
        let (_, _, value) = matching.next()?;
        matching.next().is_none().then_some(*value)
    }

    /// The names of all samples, each once.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.samples.iter().map(|(name, _, _)| name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn matching<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = &'a (String, Labels, f64)> {
        self.samples.iter().filter(move |(its_name, its_labels, _)| {
            its_name == name
                && labels.iter().all(|(key, value)| {
                    its_labels.get(*key).is_some_and(|its_value| its_value == value)
                })
        })
    }
}

fn sample(line: &str) -> Option<(String, Labels, f64)> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Labels::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            let (key, value) = rest.split_once("=\"")?;
            let (value, after) = quoted(value)?;
            labels.insert(key.to_owned(), value);
            rest = after.trim_start_matches(',');
        }
        rest = &rest[1..];
    }
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some((name.to_owned(), labels, value))
}

/// A label's value up to its closing quote, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::Metrics;

    const TEXT: &str = "# HELP a help\n# TYPE a counter\n\
                        a{kind=\"http_503\",x=\"q\\\"}\\\\\"} 3\na{kind=\"dns\",x=\"\"} 4\n\
                        b 1.5e3\nc_bucket{le=\"+Inf\"} 7\n";

    #[test]
    fn samples_are_found_by_name_and_labels() {
        let metrics = Metrics::parse(TEXT).unwrap();
        let found = [
            metrics.sum("a", &[]),
            metrics.sum("a", &[("kind", "dns")]),
            metrics.sum("a", &[("x", "q\"}\\")]),
            metrics.sum("b", &[]),
            metrics.sum("c_bucket", &[("le", "+Inf")]),
            metrics.sum("d", &[]),
        ];
        assert_eq!(found, [7.0, 4.0, 3.0, 1500.0, 7.0, 0.0]);
        assert_eq!(metrics.value("a", &[]), None, "two samples are not one value");
        assert_eq!(metrics.value("b", &[]), Some(1500.0));
        assert_eq!(metrics.names(), ["a", "b", "c_bucket"]);
    }

    #[test]
    fn what_is_no_sample_is_an_error() {
        for line in ["a", "a{x=\"y\" 1", "a{x=y} 1", "a one"] {
            assert!(Metrics::parse(line).is_err(), "{line}");
        }
    }
}
