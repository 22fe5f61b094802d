//! One value, wherever it comes from, turned into a typed one.
//!
//! A file's values have TOML types; a variable is text and is read as the type that is asked for
//! (lists are separated by commas). Every getter returns either the typed value or what is wrong
//! with this one, with its place; a list returns what is wrong with all of its elements.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use crate::document::Document;
use crate::mistake::{Mistake, Place, Problem};
use crate::size::{format_size, parse_size};

/// The most characters of a value that a message quotes.
const MOST_QUOTED: usize = 60;

/// A value that was found under a key.
#[derive(Debug)]
pub struct Value<'a> {
    path: String,
    raw: Raw<'a>,
}

#[derive(Clone, Copy)]
pub(crate) enum Raw<'a> {
    Toml(&'a Document<'a>, &'a Spanned<DeValue<'a>>),
    Variable { name: &'a str, text: &'a str },
}

/// What is wrong with a value; at least one mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong(pub(crate) Vec<Mistake>);

impl<'a> Value<'a> {
    pub(crate) fn new(path: String, raw: Raw<'a>) -> Self {
        Self { path, raw }
    }

    /// A text.
    ///
    /// # Errors
    ///
    /// [`Wrong`] for another type.
    pub fn text(&self) -> Result<&'a str, Wrong> {
        self.raw.text().ok_or_else(|| self.expected("a string"))
    }

    /// A text that `read` understands. The text is quoted when it is refused.
    ///
    /// # Errors
    ///
    /// [`Wrong`] for another type, and where `read` refuses.
    pub fn parse<T, E: Display>(
        &self,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, Wrong> {
        read(self.text()?).map_err(|why| {
            let (found, why) = (Some(self.raw.shown()), why.to_string());
            self.mistake(Problem::Refused { found, why })
        })
    }

    /// As [`Value::parse`], but the text is not quoted: it may hold a token, or `read` quotes it.
    ///
    /// # Errors
    ///
    /// [`Wrong`] for another type, and where `read` refuses.
    pub fn parse_hidden<T, E: Display>(
        &self,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, Wrong> {
        let text = self.raw.text().ok_or_else(|| self.wrong(None, "a string"))?;
        read(text).map_err(|why| self.refused(why))
    }

    /// One of a closed set of words.
    ///
    /// # Errors
    ///
    /// [`Wrong`] for everything else.
    pub fn choice<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, Wrong> {
        let found = self.raw.text().and_then(|text| words.iter().find(|(word, _)| *word == text));
        found.map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
            self.expected(&words.join(" or "))
        })
    }

    /// `true` or `false`.
    ///
    /// # Errors
    ///
    /// [`Wrong`] for everything else.
    pub fn boolean(&self) -> Result<bool, Wrong> {
        let found = match self.raw {
            Raw::Toml(_, value) => value.get_ref().as_bool(),
            Raw::Variable { text, .. } => text.parse().ok(),
        };
        found.ok_or_else(|| self.expected("true or false"))
    }

    /// A whole number within `bounds`.
    ///
    /// # Errors
    ///
    /// [`Wrong`] for another type and out of bounds.
    pub fn integer<T>(&self, bounds: RangeInclusive<T>) -> Result<T, Wrong>
    where
        T: TryFrom<i128> + PartialOrd + Display,
    {
        let found = self.raw.integer().and_then(|number| T::try_from(number).ok());
        found.filter(|number| bounds.contains(number)).ok_or_else(|| {
            self.expected(&format!("a whole number from {} to {}", bounds.start(), bounds.end()))
        })
    }

    /// A number within `bounds`, with or without fraction.
    ///
    /// # Errors
    ///
    /// [`Wrong`] for another type and out of bounds.
    pub fn float(&self, bounds: RangeInclusive<f64>) -> Result<f64, Wrong> {
        let found = match self.raw {
            Raw::Toml(_, value) => match value.get_ref() {
                DeValue::Float(float) => float.as_str().parse().ok(),
                DeValue::Integer(whole) => whole.as_str().parse().ok(),
                _ => None,
            },
            Raw::Variable { text, .. } => text.parse().ok(),
        };
        found.filter(|number| bounds.contains(number)).ok_or_else(|| {
            self.expected(&format!("a number from {} to {}", bounds.start(), bounds.end()))
        })
    }

    /// A duration such as `1m 30s` within `bounds`.
    ///
    /// # Errors
    ///
    /// [`Wrong`] for another type, without a unit, and out of bounds.
    pub fn duration(&self, bounds: RangeInclusive<Duration>) -> Result<Duration, Wrong> {
        let found = self.raw.text().and_then(|text| humantime::parse_duration(text).ok());
        found.filter(|duration| bounds.contains(duration)).ok_or_else(|| {
            let [least, most] =
                [bounds.start(), bounds.end()].map(|d| humantime::format_duration(*d));
            self.expected(&format!("a duration from \"{least}\" to \"{most}\""))
        })
    }

    /// A size in bytes such as `64KiB` (or a plain number of bytes) within `bounds`.
    ///
    /// # Errors
    ///
    /// [`Wrong`] for another type and out of bounds.
    pub fn size(&self, bounds: RangeInclusive<u64>) -> Result<u64, Wrong> {
        let found = match self.raw.text() {
            Some(text) => parse_size(text).ok(),
            None => self.raw.integer().and_then(|bytes| u64::try_from(bytes).ok()),
        };
        found.filter(|bytes| bounds.contains(bytes)).ok_or_else(|| {
            let [least, most] = [bounds.start(), bounds.end()].map(|bytes| format_size(*bytes));
            self.expected(&format!("a size from \"{least}\" to \"{most}\""))
        })
    }

    /// A list, each element read by `read`.
    ///
    /// # Errors
    ///
    /// [`Wrong`] for another type, and with everything that `read` refuses.
    pub fn list<T>(
        &self,
        mut read: impl FnMut(&Value<'a>) -> Result<T, Wrong>,
    ) -> Result<Vec<T>, Wrong> {
        let elements: Vec<Raw<'a>> = match self.raw {
            Raw::Toml(document, value) => {
                let array = value.get_ref().as_array().ok_or_else(|| self.expected("a list"))?;
                array.iter().map(|element| Raw::Toml(document, element)).collect()
            }
            Raw::Variable { text, .. } if text.trim().is_empty() => Vec::new(),
            Raw::Variable { name, text } => {
                text.split(',').map(|part| Raw::Variable { name, text: part.trim() }).collect()
            }
        };
        let elements = elements.into_iter().enumerate();
        all(elements.map(|(n, raw)| read(&Self::new(format!("{}[{n}]", self.path), raw))))
    }

    /// A table of free names, each with a value read by `read`.
    ///
    /// # Errors
    ///
    /// [`Wrong`] for another type, and with everything that `read` refuses.
    pub fn entries<T>(
        &self,
        mut read: impl FnMut(&str, &Value<'a>) -> Result<T, Wrong>,
    ) -> Result<Vec<T>, Wrong> {
        let Raw::Toml(document, value) = self.raw else {
            return Err(self.wrong(None, "a table, which only the file can hold"));
        };
        let table = value.get_ref().as_table().ok_or_else(|| self.expected("a table"))?;
        all(table.iter().map(|(name, value)| {
            let path = format!("{}.{}", self.path, name.get_ref());
            read(name.get_ref(), &Self::new(path, Raw::Toml(document, value)))
        }))
    }

    /// The mistake that this value is not what was expected, quoting it.
    #[must_use]
    pub fn expected(&self, what: &str) -> Wrong {
        self.wrong(Some(self.raw.shown()), what)
    }

    /// The mistake that this value is of the right kind but refused, without quoting it.
    #[must_use]
    pub fn refused(&self, why: impl Display) -> Wrong {
        self.mistake(Problem::Refused { found: None, why: why.to_string() })
    }

    fn wrong(&self, found: Option<String>, expected: &str) -> Wrong {
        self.mistake(Problem::Wrong { found, expected: expected.to_owned() })
    }

    fn mistake(&self, problem: Problem) -> Wrong {
        Wrong(vec![Mistake { place: self.place(), key: self.path.clone(), problem }])
    }

    pub(crate) fn place(&self) -> Place {
        match self.raw {
            Raw::Toml(document, value) => document.place(Some(value.span())),
            Raw::Variable { name, .. } => Place::Variable(name.to_owned()),
        }
    }
}

impl<'a> Raw<'a> {
    fn text(self) -> Option<&'a str> {
        match self {
            Self::Toml(_, value) => value.get_ref().as_str(),
            Self::Variable { text, .. } => Some(text),
        }
    }

    fn integer(self) -> Option<i128> {
        match self {
            Self::Toml(_, value) => {
                let whole = value.get_ref().as_integer()?;
                i128::from_str_radix(whole.as_str(), whole.radix()).ok()
            }
            Self::Variable { text, .. } => text.parse().ok(),
        }
    }

    /// The value as messages quote it.
    fn shown(self) -> String {
        match self {
            Self::Variable { text, .. } => quoted(text),
            Self::Toml(_, value) => match value.get_ref() {
                DeValue::String(text) => quoted(text),
                DeValue::Integer(whole) => whole.to_string(),
                DeValue::Float(float) => float.to_string(),
                DeValue::Boolean(yes) => yes.to_string(),
                DeValue::Datetime(_) => "a date".to_owned(),
                DeValue::Array(_) => "a list".to_owned(),
                DeValue::Table(_) => "a table".to_owned(),
            },
        }
    }
}

impl std::fmt::Debug for Raw<'_> {
    /// Where it stands; what it is may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Toml(document, value) => write!(f, "{}:{:?}", document.name(), value.span()),
            Self::Variable { name, .. } => f.write_str(name),
        }
    }
}

fn quoted(text: &str) -> String {
    if text.chars().count() <= MOST_QUOTED {
        format!("{text:?}")
    } else {
        let start: String = text.chars().take(MOST_QUOTED).collect();
        format!("{:?}", start + "…")
    }
}

/// All values, or all mistakes.
fn all<T>(results: impl Iterator<Item = Result<T, Wrong>>) -> Result<Vec<T>, Wrong> {
    let mut values = Vec::new();
    let mut mistakes = Vec::new();
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(Wrong(more)) => mistakes.extend(more),
        }
    }
    if mistakes.is_empty() { Ok(values) } else { Err(Wrong(mistakes)) }
}

#[cfg(test)]
mod tests;
