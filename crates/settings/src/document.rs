//! A parsed TOML file that remembers where everything stands.
//!
//! The parsed table borrows from the text, so that a file with 100,000 webhooks is in memory about
//! once. Files are read with a bound: a wrong path (a device, a database) must not fill the memory.

use std::cell::OnceCell;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::de::DeTable;

use crate::mistake::{Mistake, Place, Problem, Report};

/// The largest TOML file that is read, in bytes: room for several 100,000 webhooks.
pub const MAX_DOCUMENT_BYTES: u64 = 256 * 1024 * 1024;
/// The largest file with a secret that is read, in bytes.
pub const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// A parsed TOML document.
#[derive(Debug)]
pub struct Document<'t> {
    name: Arc<str>,
    text: &'t str,
    table: DeTable<'t>,
    /// Where each line starts; counted when the first mistake asks for it.
    lines: OnceCell<Vec<usize>>,
}

impl<'t> Document<'t> {
    /// Parses `text`; `name` is the file's name in messages.
    ///
    /// # Errors
    ///
    /// A [`Report`] with every line that is no TOML, duplicate keys among them.
    pub fn parse(name: &str, text: &'t str) -> Result<Self, Report> {
        let (table, errors) = DeTable::parse_recoverable(text);
        let document =
            Self { name: name.into(), text, table: table.into_inner(), lines: OnceCell::new() };
        let mut mistakes: Vec<Mistake> = Vec::new();
        for error in errors {
            let place = document.place(error.span());
            // After the first mistake in a line the parser guesses; the rest of the line is noise.
            if !mistakes.iter().any(|earlier| same_line(&earlier.place, &place)) {
                let problem = Problem::Syntax(error.message().to_owned());
                mistakes.push(Mistake { place, key: String::new(), problem });
            }
        }
        Report::of(mistakes).map_or(Ok(document), Err)
    }

    /// The file's name in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn table(&self) -> &DeTable<'t> {
        &self.table
    }

    /// Where this span begins; without a span the place is the whole file.
    pub(crate) fn place(&self, span: Option<Range<usize>>) -> Place {
        let position = span.map(|span| self.position(span.start.min(self.text.len())));
        Place::File { name: Arc::clone(&self.name), position }
    }

    fn position(&self, offset: usize) -> (usize, usize) {
        let lines = self.lines.get_or_init(|| {
            let ends = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect()
        });
        let line = lines.partition_point(|start| *start <= offset);
        let start = lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let column = self.text.get(start..offset).map_or(0, |before| before.chars().count());
        (line, column + 1)
    }
}

fn same_line(a: &Place, b: &Place) -> bool {
    match (a, b) {
        (
            Place::File { position: Some((a, _)), .. },
            Place::File { position: Some((b, _)), .. },
        ) => a == b,
        _ => false,
    }
}

/// As [`read_bounded`], for files that are read in the background: what is no regular file (a named
/// pipe, a device) might keep its reader waiting for ever.
///
/// # Errors
///
/// What the system says, or that it is no regular file, too large or no UTF-8.
pub fn read_regular(path: &Path, most: u64) -> io::Result<String> {
    if path.metadata()?.is_file() {
        read_bounded(path, most)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"))
    }
}

/// Reads a text file of at most `most` bytes.
///
/// # Errors
///
/// What the system says, or that the file is too large or no UTF-8.
pub fn read_bounded(path: &Path, most: u64) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(most.saturating_add(1)).read_to_string(&mut text)?;
    if u64::try_from(read).is_ok_and(|read| read <= most) {
        Ok(text)
    } else {
        Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {most} bytes")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let found: Vec<String> = match Document::parse("a.toml", text) {
            Ok(_) => Vec::new(),
            Err(report) => report.to_string().lines().map(str::to_owned).collect(),
        };
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn mistakes_of_syntax_have_line_and_column() {
        check("a = 1\n", &[]);
        check("a = 1\na = 2\n", &["a.toml:2:1: not valid TOML: duplicate key"]);
        check("[a]\nb = 1\n[a]\n", &["a.toml:3:2: not valid TOML: duplicate key"]);
        check(
            "ä = 1\n\"ä\" = \nc = tru\n",
            &[
                "a.toml:1:1: not valid TOML: invalid unquoted key, expected letters, numbers, `-`, `_`",
                "a.toml:2:7: not valid TOML: string values must be quoted, expected literal string",
                "a.toml:3:5: not valid TOML: invalid boolean, expected `true`",
            ],
        );
    }

    #[test]
    fn columns_count_characters() {
        check(
            "b = \"äöü\" x\n",
            &["a.toml:1:11: not valid TOML: unexpected key or value, expected newline, `#`"],
        );
    }

    #[test]
    fn reading_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read_bounded(&path, 5).unwrap(), "12345");
        assert_eq!(read_bounded(&path, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        std::fs::write(&path, b"\xff").unwrap();
        assert_eq!(read_bounded(&path, 5).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
