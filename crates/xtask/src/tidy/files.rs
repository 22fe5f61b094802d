//! Rules for single files: a header, a name that says something, a size that can be read.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use testbed::workspace;

/// Lines of a file without its inline tests.
const LONGEST: usize = 600;

/// Lines of inline tests; more of them move to `foo/tests.rs`.
const LONGEST_TESTS: usize = 300;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 7] = ["mod", "utils", "util", "common", "helpers", "misc", "types"];

/// Files that may be longer, each with its reason.
const LONG: [(&str, &str); 0] = [];

/// Where sources are, from the root.
const FOLDERS: [&str; 2] = ["crates", "tests"];

pub(super) fn complaints() -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    let mut needed = Vec::new();
    for path in sources()? {
        let text = fs::read_to_string(workspace::root().join(&path))
            .with_context(|| format!("failed to read {}", path.display()))?;
        let name = path.display().to_string();
        complaints.extend(judge(&name, &text).into_iter().map(|what| format!("{name}: {what}")));
        let exception = LONG.iter().find(|(file, _)| *file == name);
        match (net_lines(&text) > LONGEST, exception) {
            (true, Some(_)) => needed.push(name),
            (true, None) => {
                complaints.push(format!("{name}: more than {LONGEST} lines without tests"));
            }
            (false, _) => {}
        }
    }
    let stale = LONG.iter().filter(|(file, _)| !needed.iter().any(|name| name == file));
    complaints.extend(stale.map(|(file, _)| format!("{file}: needs no exception for its length")));
    Ok(complaints)
}

/// Every `.rs` file of the workspace, relative to its root.
fn sources() -> Result<Vec<PathBuf>> {
    let root = workspace::root();
    let mut found = Vec::new();
    for folder in FOLDERS {
        let files = rust_files(&root.join(folder))?.into_iter();
        found.extend(files.map(|path| path.strip_prefix(root).unwrap_or(&path).to_owned()));
    }
    found.sort();
    Ok(found)
}

/// Every `.rs` file below a folder.
pub(super) fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                if path.file_name().is_none_or(|name| name != "target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    Ok(found)
}

fn judge(name: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if !text.trim_start_matches("#![no_main]\n").starts_with("//! ") {
        complaints.push("opens without a `//!` header".to_owned());
    }
    let stem = Path::new(name).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    if EMPTY_NAMES.contains(&stem) {
        complaints.push(format!("`{stem}` names nothing: call it after what is inside"));
    }
    for (number, line) in (1..).zip(text.lines()) {
        // Spelt apart, so that this file does not complain of itself.
        if let Some(word) =
            [concat!("FIX", "ME"), concat!("TO", "DO")].iter().find(|word| has_word(line, word))
        {
            complaints.push(format!("line {number}: {word} does not reach the main line"));
        }
    }
    let tests = text.lines().count() - net_lines(text);
    if tests > LONGEST_TESTS {
        complaints.push(format!("{tests} lines of inline tests: move them to a file of their own"));
    }
    complaints
}

fn has_word(line: &str, word: &str) -> bool {
    let stands_alone = |at: usize| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let letter = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
        !letter(before) && !letter(after)
    };
    line.match_indices(word).any(|(at, _)| stands_alone(at))
}

/// Lines before the inline tests, which close a file.
fn net_lines(text: &str) -> usize {
    let mut lines = text.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        let opens = lines.peek().is_some_and(|(_, next)| next.starts_with("mod tests {"));
        if line == "#[cfg(test)]" && opens {
            return number;
        }
    }
    text.lines().count()
}

#[cfg(test)]
mod tests {
    use super::{judge, net_lines};

    #[test]
    fn files_are_judged() {
        let good = "//! What this is for.\n\nfn run() {}\n";
        let marked = format!("//! Of use.\n// {} later\n", concat!("TO", "DO"));
        let word = concat!("//! Of use.\nconst MAS", "TO", "DON: u8 = 1;\n");
        for (name, text, complaints) in [
            ("a/run.rs", good, 0),
            ("a/run.rs", "fn run() {}\n", 1),
            ("a/mod.rs", good, 1),
            ("a/utils.rs", "fn run() {}\n", 2),
            ("a/run.rs", marked.as_str(), 1),
            ("a/run.rs", word, 0),
        ] {
            assert_eq!(judge(name, text).len(), complaints, "{name}: {text}");
        }
    }

    #[test]
    fn inline_tests_do_not_count() {
        let text = "//! A\nfn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n";
        assert_eq!(net_lines(text), 2);
        assert_eq!(net_lines("//! A\n#[cfg(test)]\nmod tests;\nfn a() {}\n"), 4);
    }
}
