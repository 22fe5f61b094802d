//! Where in a document something stands, as a publisher would write it: `deployment.sizes[3]`.
//!
//! A path is put together while an error travels outwards, so that a good document pays nothing for
//! it. Names come from outside: what is no plain word is quoted, and everything is cut, so that a
//! path is part of one line of bounded length.

use std::fmt;

/// Characters shown of a path.
const PATH_SHOWN: usize = 160;
/// Characters shown of a text that came from outside.
const TEXT_SHOWN: usize = 64;

/// The steps to a value, the innermost first.
#[derive(Debug, Default)]
pub(crate) struct Path(Vec<String>);

impl Path {
    /// What the path leads to is the member `name` of something.
    pub(crate) fn within_object(&mut self, name: &str) {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let is_plain = !name.is_empty() && name.len() <= TEXT_SHOWN && name.bytes().all(plain);
        self.0.push(if is_plain { format!(".{name}") } else { format!("[{}]", quoted(name)) });
    }

    /// What the path leads to is an item of something.
    pub(crate) fn within_array(&mut self, index: usize) {
        self.0.push(format!("[{index}]"));
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("the document");
        }
        let path: String = self.0.iter().rev().flat_map(|step| step.chars()).collect();
        f.write_str(&cut(path.strip_prefix('.').unwrap_or(&path), PATH_SHOWN))
    }
}

/// A text from outside in one line of bounded length.
pub(crate) fn quoted(text: &str) -> String {
    format!("{:?}", cut(text, TEXT_SHOWN))
}

/// The beginning of `text`, with a sign where something is left out.
pub(crate) fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_from_the_outside_in() {
        let mut path = Path::default();
        assert_eq!(path.to_string(), "the document");
        path.within_array(3);
        path.within_object("sizes");
        path.within_object("a b\n");
        path.within_object("deployment");
        assert_eq!(path.to_string(), r#"deployment["a b\n"].sizes[3]"#);
    }

    #[test]
    fn a_path_has_a_bound() {
        let mut path = Path::default();
        for _ in 0..100 {
            path.within_object(&"\u{1}".repeat(100_000));
        }
        assert_eq!(path.to_string().chars().count(), PATH_SHOWN + 1);
    }
}
