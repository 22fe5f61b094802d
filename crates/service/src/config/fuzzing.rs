//! What must hold of the configuration, whatever stands in it: for the fuzzer and for its seeds.

use std::str;

use settings::Report;

use super::{Config, PREFIX};

const URL: &str = "amqp://user:hunter2@localhost:5672/shop";

/// The longest line about one mistake, in bytes.
const LONGEST: usize = 4_096;

/// Reads a text as a file, and its lines `NAME=value` as the environment.
pub(crate) fn configuration(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    // Values from other files are other tests' business: whatever the fuzzer named would be read.
    if text.to_ascii_lowercase().contains("_file") {
        return;
    }
    let broker = || (format!("{PREFIX}__BROKER__URL"), URL.to_owned());
    let of_file = || Config::parse(Some(("c.toml", text)), [broker()]);
    check(text, &of_file(), &of_file());
    let lines = text.lines().filter_map(|line| line.split_once('='));
    let variables: Vec<(String, String)> = lines
        .filter(|(name, _)| !name.contains('\0'))
        .map(|(name, value)| (format!("{PREFIX}__{name}"), value.to_owned()))
        .chain([broker()])
        .collect();
    let of_environment = || Config::parse(None, variables.clone());
    check(text, &of_environment(), &of_environment());
}

fn check(text: &str, read: &Result<Config, Report>, again: &Result<Config, Report>) {
    assert_eq!(read, again, "read again");
    let told = match read {
        Ok(config) => format!("{config:?}"),
        Err(report) => report.to_string(),
    };
    assert!(text.contains("hunter2") || !told.contains("hunter2"), "a secret is told: {told}");
    if let Err(report) = read {
        for mistake in report.mistakes() {
            let line = mistake.to_string();
            assert!(line.len() <= LONGEST, "{} bytes: {line:?}", line.len());
            assert!(!line.contains(['\n', '\r']), "{line:?}");
        }
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
