//! What is wrong, where, and how it is told: one line per mistake.
//!
//! A line reads `place: key: problem`. It never holds a secret: whoever reads one makes its problem
//! without the text that was found.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// The longest name of a key or variable that is told whole, in characters.
const LONGEST_NAME: usize = 200;

/// Everything that is wrong with what was read; never empty. Displays as one line per mistake.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{}", lines(.0))]
pub struct Report(Vec<Mistake>);

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it stands.
    pub place: Place,
    /// The full path of the key, such as `delivery.timeout`; empty where no key is to blame.
    pub key: String,
    /// What is wrong.
    pub problem: Problem,
}

/// Where something was said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Somewhere in a file, or in all of it.
    File {
        /// The file's name as it was given.
        name: Arc<str>,
        /// Line and column, both from 1, the column in characters.
        position: Option<(usize, usize)>,
    },
    /// In this environment variable.
    Variable(String),
    /// Nowhere: it was not said at all.
    Nowhere,
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The file cannot be read; why, in the system's words.
    Unreadable(String),
    /// The file is no TOML; why, in the parser's words.
    Syntax(String),
    /// Nobody knows this key, or this variable.
    Unknown {
        /// The known name that looks most like it.
        nearest: Option<String>,
        /// The keys that are known there; told where none looks like it.
        known: Vec<String>,
    },
    /// A key that must be given is not.
    Missing {
        /// What it should be.
        expected: String,
    },
    /// The value is of the wrong kind or out of its bounds.
    Wrong {
        /// What was found; `None` where it may be secret.
        found: Option<String>,
        /// What it should be.
        expected: String,
    },
    /// The value is of the right kind, but refused.
    Refused {
        /// What was found; `None` where it may be secret.
        found: Option<String>,
        /// Why it is refused.
        why: String,
    },
    /// Each value is fine by itself, but not beside another.
    Conflict(String),
}

impl Report {
    /// A report of these mistakes; `None` where there are none.
    #[must_use]
    pub fn of(mut mistakes: Vec<Mistake>) -> Option<Self> {
        mistakes.sort_by(|a, b| a.place.cmp(&b.place));
        mistakes.dedup();
        (!mistakes.is_empty()).then_some(Self(mistakes))
    }

    /// A report of one mistake about a whole file.
    #[must_use]
    pub fn about_file(name: &str, problem: Problem) -> Self {
        let place = Place::File { name: name.into(), position: None };
        Self(vec![Mistake { place, key: String::new(), problem }])
    }

    /// The mistakes, ordered by place; at least one.
    #[must_use]
    pub fn mistakes(&self) -> &[Mistake] {
        &self.0
    }
}

fn lines(mistakes: &[Mistake]) -> String {
    let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place.to_string();
        for part in [&place, &shown(&self.key)] {
            if !part.is_empty() {
                write!(f, "{part}: ")?;
            }
        }
        self.problem.fmt(f)
    }
}

/// A name that somebody else chose, in one line and within a bound.
fn shown(name: &str) -> String {
    let mut characters = name.chars();
    let mut shown = String::with_capacity(name.len().min(LONGEST_NAME));
    for character in characters.by_ref().take(LONGEST_NAME) {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, position: Some((line, column)) } => {
                write!(f, "{name}:{line}:{column}")
            }
            Self::File { name, position: None } => f.write_str(name),
            Self::Variable(name) => write!(f, "environment variable {}", shown(name)),
            Self::Nowhere => Ok(()),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => write!(f, "cannot be read: {why}"),
            Self::Syntax(why) => write!(f, "not valid TOML: {why}"),
            Self::Unknown { nearest: Some(nearest), .. } => {
                write!(f, "unknown key; did you mean {nearest}?")
            }
            Self::Unknown { known, .. } if known.is_empty() => f.write_str("unknown key"),
            Self::Unknown { known, .. } => {
                write!(f, "unknown key; known here: {}", known.join(", "))
            }
            Self::Missing { expected } => write!(f, "missing; expected {expected}"),
            Self::Wrong { found: Some(found), expected } => {
                write!(f, "found {found}; expected {expected}")
            }
            Self::Wrong { found: None, expected } => write!(f, "expected {expected}"),
            Self::Refused { found: Some(found), why } => write!(f, "{found}: {why}"),
            Self::Refused { found: None, why } => f.write_str(why),
            Self::Conflict(why) => f.write_str(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_name_stays_in_its_line_and_within_a_bound() {
        let problem = Problem::Unknown { nearest: None, known: Vec::new() };
        let told = |key: &str| {
            let (place, key) = (Place::Variable("A\u{1b}[2J".to_owned()), key.to_owned());
            Mistake { place, key, problem: problem.clone() }.to_string()
        };
        let expected = "environment variable A\\u{1b}[2J: a\\nb: unknown key";
        assert_eq!(told("a\nb"), expected);
        let long = told(&"ä".repeat(1_000));
        assert!(long.ends_with("ä…: unknown key") && long.chars().count() < 260, "{long}");
    }
}
