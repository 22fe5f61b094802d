//! Rules of the source tree that no lint knows, after the house style in CONTRIBUTING.md.
//!
//! Every rule gives complaints that name the file. Exceptions stand here, each with its reason, and
//! one that is no longer needed is a complaint, too.

mod arrows;
mod files;
mod unused;

use anyhow::Result;

/// Everything that is not as it should be; each complaint is one line.
///
/// # Errors
///
/// When the tree cannot be read.
pub(crate) fn complaints() -> Result<Vec<String>> {
    let mut complaints = files::complaints()?;
    complaints.extend(arrows::complaints()?);
    complaints.extend(unused::complaints()?);
    Ok(complaints)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_tree_is_tidy() {
        let complaints = super::complaints().unwrap();
        assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    }
}
