//! What must hold of the configuration, whatever stands in it: for the fuzzer and for its seeds.

use std::str;

use settings::Report;

use super::{Config, PREFIX};

const URL: &str = "amqp://user:hunter2@localhost:5672/shop";

/// The longest line about one mistake, in bytes.
const LONGEST: usize = 4_096;

/// What a text begins with whose further lines are the environment.
const ENVIRONMENT: &str = "#environment\n";

/// Reads a text as a file, or its lines `NAME=value` as the environment.
pub(crate) fn configuration(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    // Values from other files are other tests' business: whatever the fuzzer named would be read.
    if text.to_ascii_lowercase().contains("_file") {
        return;
    }
    let broker = (format!("{PREFIX}__BROKER__URL"), URL.to_owned());
    let read = match text.strip_prefix(ENVIRONMENT) {
        None => Config::parse(Some(("c.toml", text)), [broker]),
        Some(lines) => {
            let lines = lines.lines().filter_map(|line| line.split_once('='));
            let named = lines.filter(|(name, value)| !name.contains('\0') && !value.contains('\0'));
            let variables =
                named.map(|(name, value)| (format!("{PREFIX}__{name}"), value.to_owned()));
            Config::parse(None, variables.chain([broker]))
        }
    };
    let told = match &read {
        Ok(config) => format!("{config:?}"),
        Err(report) => report.to_string(),
    };
    assert!(text.contains("hunter2") || !told.contains("hunter2"), "a secret is told: {told}");
    if let Err(report) = read {
        are_lines(&report);
    }
}

/// One line for each mistake, within a bound.
fn are_lines(report: &Report) {
    for mistake in report.mistakes() {
        let line = mistake.to_string();
        assert!(line.len() <= LONGEST, "{} bytes: {line:?}", line.len());
        assert!(!line.contains(char::is_control), "{line:?}");
    }
}

#[cfg(test)]
#[path = "../../../../tests/fuzz/seeds.rs"]
mod seeds;

#[cfg(test)]
mod tests {
    #[test]
    fn what_must_hold_holds_of_all_seeds() {
        super::seeds::each("configuration", super::configuration);
        super::configuration(super::super::DEFAULTS.as_bytes());
    }
}
