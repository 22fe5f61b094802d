//! One table of what is read, seen through all layers at once: environment, file, defaults.
//!
//! A section remembers which keys it was asked for. When it is done, every key of its table that
//! nobody asked for is a mistake. Tables inside arrays have no place in the environment.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::document::{Document, MAX_SECRET_BYTES, read_regular};
use crate::environment::Environment;
use crate::mistake::{Mistake, Place, Problem};
use crate::reader::{Asked, State, Unknown};
use crate::value::{Raw, Value, Wrong};

/// A table in which to look up values.
pub struct Section<'a, 's> {
    pub(crate) path: String,
    /// The strongest first.
    pub(crate) layers: Vec<Layer<'a>>,
    pub(crate) environment: Option<&'a Environment>,
    pub(crate) asked: BTreeMap<Cow<'static, str>, Asked>,
    pub(crate) state: &'s mut State,
}

/// This section's table in one document, if it is there.
#[derive(Clone, Copy)]
pub(crate) struct Layer<'a> {
    pub(crate) document: &'a Document<'a>,
    pub(crate) table: Option<&'a DeTable<'a>>,
    /// Whether this is the layer of the defaults.
    pub(crate) default: bool,
    /// Where the table begins, in bytes.
    pub(crate) start: Option<usize>,
}

impl<'a> Section<'a, '_> {
    /// A value that must be given in some layer. `None` is returned with a mistake noted.
    pub fn required<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        read: impl FnOnce(&Value<'a>) -> Result<T, Wrong>,
    ) -> Option<T> {
        match self.find(key, Asked::Value) {
            Some(value) => self.note(read(&value)),
            None => self.missing(key, expected),
        }
    }

    /// A value that may be absent. `None` also stands for one that was refused, which is noted.
    pub fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Value<'a>) -> Result<T, Wrong>,
    ) -> Option<T> {
        let value = self.find(key, Asked::Value)?;
        self.note(read(&value))
    }

    /// A secret that must be given, as `key` or as the path of a file in `key_file`.
    ///
    /// A path in a file is relative to that file's folder. White space at the end of the file is not
    /// part of the secret. The text is never quoted; nor may `read` quote it.
    pub fn required_secret<T, E: Display>(
        &mut self,
        key: &'static str,
        expected: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        if self.has_secret(key) {
            self.optional_secret(key, read)
        } else {
            self.ask_for_secret(key);
            self.missing(key, &format!("{expected} here or in {key}_file"))
        }
    }

    /// As [`Section::required_secret`], for one that may be absent.
    pub fn optional_secret<T, E: Display>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.ask_for_secret(key);
        let key_file = format!("{key}_file");
        let (direct, file) = self.strongest(key, &key_file)?;
        match (direct, file) {
            (Some(_), Some(file)) => {
                let why = format!("give either {key} or {key_file}, not both");
                self.note_problem(file.place(), self.path_of(&key_file), Problem::Conflict(why))
            }
            (Some(direct), None) => self.note(direct.parse_hidden(read)),
            (None, file) => {
                let file = file?;
                let content = self.note(file.text()).and_then(|path| self.content(&file, path))?;
                self.note(file.parse_hidden(|_| read(content.trim_end())))
            }
        }
    }

    /// Whether a secret was given in some layer, in either form.
    #[must_use]
    pub fn given_secret(&self, key: &str) -> bool {
        self.has_secret(key)
    }

    /// A table inside this one. It is read even where it is absent, so that lower layers count.
    pub fn table<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'a, '_>) -> T,
    ) -> T {
        self.asked.insert(Cow::Borrowed(key), Asked::Section);
        let mut layers = Vec::with_capacity(self.layers.len());
        for layer in self.layers.clone() {
            let value = layer.table.and_then(|table| table.get(key));
            let table = value.and_then(|value| self.table_of(&layer, self.path_of(key), value));
            let start = value.map(|value| value.span().start);
            layers.push(Layer { table, start, ..layer });
        }
        let path = self.path_of(key);
        self.enter(path, layers, self.environment, read)
    }

    /// A table inside this one that may be absent; then it is not read.
    pub fn optional_table<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'a, '_>) -> T,
    ) -> Option<T> {
        let present = self.layers.iter().any(|l| l.table.is_some_and(|t| t.contains_key(key)));
        self.asked.insert(Cow::Borrowed(key), Asked::Section);
        present.then(|| self.table(key, read))
    }

    /// The tables of an array (`[[key]]`), from the strongest layer that has it; an array without
    /// tables must be written (`key = []`). Those for which `read` returns `None` are left out; it
    /// noted why.
    pub fn tables<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Section<'a, '_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.asked.insert(Cow::Borrowed(key), Asked::Section);
        let found = self.layers.iter().find_map(|layer| Some((*layer, layer.table?.get(key)?)));
        let Some((layer, value)) = found else {
            let expected = format!("tables [[{key}]], or {key} = [] for none");
            let place = self.place();
            return self.note_problem(place, self.path_of(key), Problem::Missing { expected });
        };
        let Some(array) = value.get_ref().as_array() else {
            let wrong = Value::new(self.path_of(key), Raw::Toml(layer.document, value));
            return self.note(Err(wrong.expected(&format!("a list of tables ([[{key}]])"))));
        };
        let mut all = Vec::with_capacity(array.len());
        for (n, element) in array.iter().enumerate() {
            let path = format!("{}[{n}]", self.path_of(key));
            let Some(table) = self.table_of(&layer, path.clone(), element) else {
                continue;
            };
            let start = Some(element.span().start);
            let layers = vec![Layer { table: Some(table), start, ..layer }];
            all.extend(self.enter(path, layers, None, &mut read));
        }
        Some(all)
    }

    /// Tables of an array that may be absent; then there are none.
    pub fn optional_tables<T>(
        &mut self,
        key: &'static str,
        read: impl FnMut(&mut Section<'a, '_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let present = self.layers.iter().any(|l| l.table.is_some_and(|t| t.contains_key(key)));
        self.asked.insert(Cow::Borrowed(key), Asked::Section);
        if present { self.tables(key, read) } else { Some(Vec::new()) }
    }

    /// Notes that the value of `key` does not fit beside others, at the place where it was given; where
    /// it is a default, at the place of this section.
    pub fn conflict(&mut self, key: &'static str, why: impl Display) {
        let place = self.given(key).unwrap_or_else(|| self.place());
        let path = self.path_of(key);
        self.note_problem::<()>(place, path, Problem::Conflict(why.to_string()));
    }

    /// Notes that `key` has the value of `other`, which must differ: at the one that was given, where
    /// the other is a default.
    pub fn same(&mut self, key: &'static str, other: &'static str) {
        let (key, other) = match (self.given(key), self.given(other)) {
            (None, Some(_)) => (other, key),
            _ => (key, other),
        };
        self.conflict(key, format!("has the same value as {other}"));
    }

    /// Where somebody gave a value to `key`; `None` where it has its default.
    #[must_use]
    pub fn given(&self, key: &str) -> Option<Place> {
        let mut given = self.layers.iter().filter(|layer| !layer.default);
        let value =
            self.variable(key).or_else(|| given.find_map(|layer| self.in_layer(layer, key)));
        value.map(|value| value.place())
    }

    /// Notes that this section as a whole is refused, at the place where it begins.
    pub fn refuse(&mut self, why: impl Display) {
        let problem = Problem::Refused { found: None, why: why.to_string() };
        self.note_problem::<()>(self.place(), self.path.clone(), problem);
    }

    /// Where this section begins in the file; all of the file where it is not there. The defaults
    /// are no place to send anybody to.
    #[must_use]
    pub fn place(&self) -> Place {
        match self.layers.iter().find(|layer| !layer.default) {
            Some(layer) => layer.document.place(layer.start.map(|start| start..start)),
            None => Place::Nowhere,
        }
    }

    /// The full path of this section, such as `broker.names` or `webhooks[3]`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The section is done: what is left in its tables is unknown.
    pub(crate) fn close(self) {
        for layer in &self.layers {
            for (key, _) in layer.table.into_iter().flatten() {
                if !self.asked.contains_key(key.get_ref().as_ref()) {
                    self.state.unknown.push(Unknown {
                        place: layer.document.place(Some(key.span())),
                        section: self.path.clone(),
                        key: key.get_ref().to_string(),
                    });
                }
            }
        }
        self.state.learn(&self.path, self.asked);
    }

    fn enter<T>(
        &mut self,
        path: String,
        layers: Vec<Layer<'a>>,
        environment: Option<&'a Environment>,
        read: impl FnOnce(&mut Section<'a, '_>) -> T,
    ) -> T {
        let asked = BTreeMap::new();
        let mut section = Section { path, layers, environment, asked, state: self.state };
        let value = read(&mut section);
        section.close();
        value
    }

    fn find(&mut self, key: &'static str, asked: Asked) -> Option<Value<'a>> {
        self.asked.insert(Cow::Borrowed(key), asked);
        self.variable(key).or_else(|| self.layers.iter().find_map(|l| self.in_layer(l, key)))
    }

    fn variable(&self, key: &str) -> Option<Value<'a>> {
        let environment = self.environment?;
        let path = self.path_of(key);
        let (name, text) = environment.get(&environment.name_of(&path))?;
        Some(Value::new(path, Raw::Variable { name, text }))
    }

    fn in_layer(&self, layer: &Layer<'a>, key: &str) -> Option<Value<'a>> {
        let value = layer.table?.get(key)?;
        Some(Value::new(self.path_of(key), Raw::Toml(layer.document, value)))
    }

    fn ask_for_secret(&mut self, key: &'static str) {
        self.asked.insert(Cow::Borrowed(key), Asked::Secret);
        self.asked.insert(Cow::Owned(format!("{key}_file")), Asked::SecretFile);
    }

    fn has_secret(&self, key: &str) -> bool {
        self.strongest(key, &format!("{key}_file")).is_some()
    }

    /// Both keys in the strongest layer that has at least one of them.
    fn strongest(&self, a: &str, b: &str) -> Option<(Option<Value<'a>>, Option<Value<'a>>)> {
        let variables = std::iter::once((self.variable(a), self.variable(b)));
        let layers = self.layers.iter().map(|l| (self.in_layer(l, a), self.in_layer(l, b)));
        variables.chain(layers).find(|(a, b)| a.is_some() || b.is_some())
    }

    /// The content of a secret's file, noted as one that was read.
    fn content(&mut self, value: &Value<'a>, path: &str) -> Option<String> {
        let path = match value.place() {
            Place::File { name, .. } => beside(&name, path),
            _ => PathBuf::from(path),
        };
        let content = read_regular(&path, MAX_SECRET_BYTES);
        self.state.files.push(path);
        self.note(value.parse(|_| content.map_err(|why| format!("cannot be read: {why}"))))
    }

    fn table_of(
        &mut self,
        layer: &Layer<'a>,
        path: String,
        value: &'a Spanned<DeValue<'a>>,
    ) -> Option<&'a DeTable<'a>> {
        let value_table = value.get_ref().as_table();
        if value_table.is_none() {
            let wrong = Value::new(path, Raw::Toml(layer.document, value)).expected("a table");
            self.note::<()>(Err(wrong));
        }
        value_table
    }

    fn missing<T>(&mut self, key: &'static str, expected: &str) -> Option<T> {
        let path = self.path_of(key);
        let mut expected = expected.to_owned();
        if let Some(environment) = self.environment {
            expected += &format!(" (environment variable {})", environment.name_of(&path));
        }
        self.note_problem(self.place(), path, Problem::Missing { expected })
    }

    fn note<T>(&mut self, result: Result<T, Wrong>) -> Option<T> {
        result.map_err(|Wrong(mistakes)| self.state.mistakes.extend(mistakes)).ok()
    }

    fn note_problem<T>(&mut self, place: Place, key: String, problem: Problem) -> Option<T> {
        self.state.mistakes.push(Mistake { place, key, problem });
        None
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// `path` as seen from the folder of the file `name`.
fn beside(name: &str, path: &str) -> PathBuf {
    Path::new(name).parent().unwrap_or(Path::new("")).join(path)
}
