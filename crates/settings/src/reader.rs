//! Reads a whole document: one pass, all mistakes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::document::Document;
use crate::environment::Environment;
use crate::mistake::{Mistake, Place, Problem, Report};
use crate::nearest::nearest;
use crate::section::{Layer, Section};

/// The layers to read from; each may be absent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reader<'a> {
    environment: Option<&'a Environment>,
    file: Option<&'a Document<'a>>,
    defaults: Option<&'a Document<'a>>,
}

/// What came of reading.
#[derive(Debug)]
pub struct Reading<T> {
    /// The value, or every mistake of every layer, unknown keys and variables among them.
    pub value: Result<T, Report>,
    /// The files of secrets that were read, or should have been: a change of one of them may change
    /// the value, or mend the mistake.
    pub files: Vec<PathBuf>,
    /// The full path of every key that was asked for; `[]` stands for the tables of an array.
    pub keys: Vec<String>,
}

/// What sections note while they are read.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) mistakes: Vec<Mistake>,
    pub(crate) unknown: Vec<Unknown>,
    pub(crate) files: Vec<PathBuf>,
    /// Keys asked for, by the path of their section without the numbers of arrays.
    asked: BTreeMap<String, BTreeMap<Cow<'static, str>, Asked>>,
}

/// How a key was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Value,
    Secret,
    SecretFile,
    Section,
}

/// A key that nobody asked for.
pub(crate) struct Unknown {
    pub(crate) place: Place,
    pub(crate) section: String,
    pub(crate) key: String,
}

impl<'a> Reader<'a> {
    /// A reader of one file alone.
    #[must_use]
    pub fn of_file(file: &'a Document<'a>) -> Self {
        Self { file: Some(file), ..Self::default() }
    }

    /// A reader of three layers, the strongest first.
    #[must_use]
    pub fn layered(
        environment: &'a Environment,
        file: Option<&'a Document<'a>>,
        defaults: &'a Document<'a>,
    ) -> Self {
        Self { environment: Some(environment), file, defaults: Some(defaults) }
    }

    /// Lets `read` read everything. It returns `None` only where it noted a mistake.
    pub fn read<T>(self, read: impl FnOnce(&mut Section<'a, '_>) -> Option<T>) -> Reading<T> {
        let mut state = State::default();
        let layer = |document: &'a Document<'a>, default| Layer {
            document,
            default,
            table: Some(document.table()),
            start: None,
        };
        let file = self.file.map(|document| layer(document, false));
        let defaults = self.defaults.map(|document| layer(document, true));
        let mut root = Section {
            path: String::new(),
            layers: file.into_iter().chain(defaults).collect(),
            environment: self.environment,
            asked: BTreeMap::new(),
            state: &mut state,
        };
        let value = read(&mut root);
        root.close();
        state.judge_unknown(self.environment);
        let report = Report::of(std::mem::take(&mut state.mistakes));
        let value = match (value, report) {
            (Some(value), None) => Ok(value),
            (_, Some(report)) => Err(report),
            (None, None) => {
                let name = self.file.or(self.defaults).map_or("", Document::name);
                Err(Report::about_file(name, Problem::Conflict("incomplete".to_owned())))
            }
        };
        Reading { value, keys: state.keys(), files: state.files }
    }
}

impl State {
    /// Remembers the keys of a section; the same section of several array elements adds up.
    pub(crate) fn learn(&mut self, path: &str, asked: BTreeMap<Cow<'static, str>, Asked>) {
        self.asked.entry(without_numbers(path)).or_default().extend(asked);
    }

    fn judge_unknown(&mut self, environment: Option<&Environment>) {
        for Unknown { place, section, key } in std::mem::take(&mut self.unknown) {
            let problem = self.unknown_key(&section, &key);
            self.mistakes.push(Mistake { place, key: joined(&section, &key), problem });
        }
        let Some(environment) = environment else {
            return;
        };
        let known = self.variables(environment);
        for name in environment.names().filter(|name| !known.iter().any(|known| known == name)) {
            // The prefix is the same in all of them and says nothing.
            let start = environment.name_of("").len();
            let rest = |name: &'_ str| name.get(start..).unwrap_or_default().to_owned();
            let rests: Vec<String> = known.iter().map(|name| rest(name)).collect();
            let nearest = nearest(&rest(name), rests.iter().map(String::as_str));
            let nearest = nearest.map(|rest| environment.name_of("") + rest);
            let place = Place::Variable(name.to_owned());
            let problem = Problem::Unknown { nearest, known: Vec::new() };
            self.mistakes.push(Mistake { place, key: String::new(), problem });
        }
    }

    /// The nearest key of the same section, else the same key of another one, else all of the
    /// section's.
    fn unknown_key(&self, section: &str, key: &str) -> Problem {
        let here = self.asked.get(&without_numbers(section));
        let here: Vec<&str> =
            here.into_iter().flat_map(BTreeMap::keys).map(AsRef::as_ref).collect();
        let near = nearest(key, here.iter().copied()).map(|near| joined(section, near));
        let nearest = near.or_else(|| {
            let elsewhere = self.asked.iter().find(|(_, keys)| keys.contains_key(key))?;
            Some(joined(elsewhere.0, key))
        });
        Problem::Unknown { nearest, known: here.into_iter().map(str::to_owned).collect() }
    }

    fn keys(&self) -> Vec<String> {
        self.asked_for(|how| how != Asked::Section)
    }

    /// The variables that somebody asked for.
    fn variables(&self, environment: &Environment) -> Vec<String> {
        let paths = self.asked_for(|how| how != Asked::Section);
        let paths = paths.iter().filter(|path| !path.contains("[]"));
        paths.map(|path| environment.name_of(path)).collect()
    }

    fn asked_for(&self, which: impl Fn(Asked) -> bool) -> Vec<String> {
        let keys = self.asked.iter().flat_map(|(section, keys)| {
            keys.iter().filter(|(_, how)| which(**how)).map(|(key, _)| joined(section, key))
        });
        keys.collect()
    }
}

fn joined(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

/// `webhooks[17].retry` as `webhooks[].retry`.
fn without_numbers(path: &str) -> String {
    let mut inside = false;
    path.chars()
        .filter(|c| {
            inside = match c {
                '[' => true,
                ']' => false,
                _ => inside,
            };
            !inside || *c == '['
        })
        .collect()
}

#[cfg(test)]
mod tests;
