//! A Markdown document as far as promises can be read from it: fenced blocks, headings, links.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::workspace;

/// What a comment before a block begins with that says why nobody runs it.
const NOT_RUN: &str = "<!-- not run:";

/// Languages of blocks that are commands from end to end.
const SHELLS: [&str; 3] = ["sh", "bash", "shell"];

/// What stands before a command in a block that also shows what comes of it.
const PROMPT: &str = "$ ";

/// A document of the project.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its path from the root of the workspace.
    pub path: PathBuf,
    text: String,
}

/// A fenced block.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Block {
    /// The line of its fence, from 1.
    pub line: usize,
    /// What stands behind the fence, such as `toml`.
    pub language: String,
    /// Its content, without the indentation of the fence.
    pub text: String,
    /// The reason of a `<!-- not run: reason -->` right before it.
    pub not_run: Option<String>,
}

/// A link to another document or to a place in this one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Link {
    /// Its line, from 1.
    pub line: usize,
    /// What stands in the round brackets.
    pub target: String,
}

impl Document {
    /// Reads one, by its path from the root of the workspace.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(workspace::root().join(path));
        let text = text.with_context(|| path.display().to_string())?;
        Ok(Self { path: path.to_owned(), text })
    }

    /// Every Markdown file of the project.
    ///
    /// # Errors
    ///
    /// When a folder or a file cannot be read.
    pub fn all() -> Result<Vec<Self>> {
        let mut paths = Vec::new();
        collect(Path::new(""), &mut paths)?;
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    /// The document of this text.
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// All fenced blocks.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut lines = self.text.lines().enumerate();
        let mut before: Option<&str> = None;
        while let Some((at, line)) = lines.next() {
            let Some(language) = line.trim_start().strip_prefix("```") else {
                before = Some(line).filter(|line| !line.trim().is_empty()).or(before);
                continue;
            };
            let indented = line.len() - line.trim_start().len();
            let inner = lines.by_ref().map(|(_, line)| line);
            let inner = inner.take_while(|line| line.trim() != "```");
            let text: Vec<&str> = inner.map(|line| line.get(indented..).unwrap_or("")).collect();
            let reason = before.take().and_then(|line| line.trim().strip_prefix(NOT_RUN));
            let reason = reason.and_then(|rest| rest.strip_suffix("-->"));
            blocks.push(Block {
                line: at + 1,
                language: language.trim().to_owned(),
                text: text.join("\n"),
                not_run: reason.map(|reason| reason.trim().to_owned()),
            });
        }
        blocks
    }

    /// The anchors of all headings, made as code forges do.
    pub fn anchors(&self) -> Vec<String> {
        let mut anchors: Vec<String> = Vec::new();
        for (_, title) in self.headings() {
            let anchor = anchor(&title);
            let same = anchors.iter().filter(|known| **known == anchor).count();
            anchors.push(if same == 0 { anchor } else { format!("{anchor}-{same}") });
        }
        anchors
    }

    /// All headings with their depth, from 1.
    pub fn headings(&self) -> Vec<(usize, String)> {
        let headings = self.prose().filter_map(|(_, line)| {
            let title = line.trim_start_matches('#');
            let depth = line.len() - title.len();
            let title = title.strip_prefix(' ').filter(|_| depth > 0)?;
            Some((depth, title.trim().to_owned()))
        });
        headings.collect()
    }

    /// All links, but for those in code.
    pub fn links(&self) -> Vec<Link> {
        let mut links = Vec::new();
        for (line, text) in self.prose() {
            let outside: String = text.split('`').step_by(2).collect();
            // What is a link's text may be code, which is left out: `](` remains.
            for part in outside.split("](").skip(1) {
                if let Some((target, _)) = part.split_once(')') {
                    links.push(Link { line, target: target.to_owned() });
                }
            }
        }
        links
    }

    /// What follows `program` in each command in a sentence, up to the end of that command, by line.
    pub fn inline_commands(&self, program: &str) -> Vec<(usize, Vec<String>)> {
        let code = self.prose().flat_map(|(line, text)| {
            text.split('`').skip(1).step_by(2).map(move |code| (line, code))
        });
        let words = code.filter_map(|(line, code)| {
            let words = code.strip_prefix(program)?.strip_prefix(' ')?.split_whitespace();
            let own = words.take_while(|word| !["|", "&&", ">", "<"].contains(word));
            Some((line, own.map(str::to_owned).collect()))
        });
        words.collect()
    }

    /// Lines outside of blocks, with their number.
    pub fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut inside = false;
        self.text.lines().enumerate().filter_map(move |(at, line)| {
            let fence = line.trim_start().starts_with("```");
            inside ^= fence;
            (!inside && !fence).then_some((at + 1, line))
        })
    }
}

impl Block {
    /// The commands in it as one shell script; `None` of a block that holds none.
    pub fn script(&self) -> Option<String> {
        if SHELLS.contains(&self.language.as_str()) {
            return Some(self.text.clone());
        }
        let mut script = String::new();
        let mut goes_on = false;
        for line in self.text.lines() {
            let command = if goes_on { Some(line) } else { line.strip_prefix(PROMPT) };
            if let Some(command) = command {
                script += command;
                script.push('\n');
                goes_on = command.ends_with('\\');
            }
        }
        (!script.is_empty()).then_some(script)
    }
}

/// The Markdown files in a folder of the project, and in those below it.
fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(workspace::root().join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        let name = entry.file_name().to_string_lossy().into_owned();
        let ours = !name.starts_with('.') && !["target", "node_modules"].contains(&name.as_str());
        if entry.file_type()?.is_dir() && ours {
            collect(&path, paths)?;
        } else if path.extension().is_some_and(|extension| extension == "md") {
            paths.push(path);
        }
    }
    Ok(())
}

/// What a heading is reached by: lower case, hyphens for spaces, letters and digits only.
fn anchor(title: &str) -> String {
    let kept = title.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        _ => c.is_alphanumeric().then(|| c.to_ascii_lowercase()),
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::Document;

    const TEXT: &str = "# A title: `x.y`, twice\n\nSee [there](b.md#c), `[no](link)` and [`z`](#d).\n\n\
        <!-- not run: it takes a day -->\n\n```sh\na \\\n  b\n# c\n```\n\n```console\n$ d \\\n    e\nf\n$ g\n```\n\n\
        - list\n  ```toml\n  x = \"# y\"\n  ```\n\n## A title\n## A title\n";

    #[test]
    fn blocks_are_commands_or_not_and_say_why_they_are_not_run() {
        let blocks = Document::new("a.md", TEXT).blocks();
        let scripts: Vec<_> = blocks.iter().map(super::Block::script).collect();
        let expected = [Some("a \\\n  b\n# c"), Some("d \\\n    e\ng\n"), None];
        assert_eq!(scripts, expected.map(|script| script.map(str::to_owned)));
        assert_eq!(blocks[0].not_run.as_deref(), Some("it takes a day"));
        assert_eq!(blocks[1].not_run, None);
        assert_eq!((blocks[2].line, blocks[2].text.as_str()), (21, "x = \"# y\""));
    }

    #[test]
    fn commands_in_sentences_are_found_up_to_their_end() {
        let text = "Say `a b --c | d -`, `ab e`, `a` and\n`a f`.\n\n```sh\na g\n```\n";
        let found = Document::new("a.md", text).inline_commands("a");
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(found, [(1, words(&["b", "--c"])), (2, words(&["f"]))]);
    }

    #[test]
    fn headings_are_reached_by_anchors_and_links_are_found() {
        let document = Document::new("a.md", TEXT);
        assert_eq!(document.anchors(), ["a-title-xy-twice", "a-title", "a-title-1"]);
        let links: Vec<_> = document.links().into_iter().map(|link| link.target).collect();
        assert_eq!(links, ["b.md#c", "#d"]);
    }
}
