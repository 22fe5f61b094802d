//! Dependencies that no source file names: they cost every build, and what they do is forgotten.
//!
//! A package counts as used where its name stands before `::` in a Rust file of its user, or after
//! `use` or `extern crate`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::arrows::metadata;
use super::files::rust_files;

pub(super) fn complaints() -> Result<Vec<String>> {
    let metadata = metadata()?;
    let packages = metadata["packages"].as_array().context("cargo names no packages")?;
    let mut complaints = Vec::new();
    for package in packages {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
        let folder = manifest.parent().context("a manifest without a folder")?;
        let mut text = String::new();
        for file in rust_files(folder)? {
            text += &fs::read_to_string(file)?;
        }
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        let unused = dependencies.filter_map(imported_name).filter(|name| !is_named(&text, name));
        complaints.extend(unused.map(|name| format!("{}: {name} is not used", manifest.display())));
    }
    Ok(complaints)
}

/// The name that source files use for a dependency.
fn imported_name(dependency: &Value) -> Option<String> {
    let name = dependency["rename"].as_str().or(dependency["name"].as_str())?;
    Some(name.replace('-', "_"))
}

fn is_named(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + name.len()..]);
        let starts = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let used = before.ends_with("use ") || before.ends_with("extern crate ");
        starts && (after.starts_with("::") || used && after.starts_with([';', ' ']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_count_where_they_are_used() {
        for text in ["use hex;", "hex::encode(x)", "use hex::encode;", "use hex as h;"] {
            assert!(is_named(text, "hex"), "{text}");
        }
        for text in ["use hexagon;", "my_hex::x()", "// hex", "hexes::x()"] {
            assert!(!is_named(text, "hex"), "{text}");
        }
    }
}
