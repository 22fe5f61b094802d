//! The stylesheet and the script: part of the program, named by their content.
//!
//! The name changes with the content, so that browsers may keep them for good.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

/// Something that a screen loads besides itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asset {
    /// The stylesheet.
    Style,
    /// The script.
    Script,
}

/// Where the stylesheet is.
pub(super) static STYLE_URL: LazyLock<String> = LazyLock::new(|| Asset::Style.url());
/// Where the script is.
pub(super) static SCRIPT_URL: LazyLock<String> = LazyLock::new(|| Asset::Script.url());

impl Asset {
    pub(super) const ALL: [Self; 2] = [Self::Style, Self::Script];

    /// The asset of this file name, which holds the hash of its content.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|asset| asset.name() == name)
    }

    /// What it holds.
    pub(crate) fn content(self) -> &'static str {
        match self {
            Self::Style => include_str!("assets/page.css"),
            Self::Script => include_str!("assets/page.js"),
        }
    }

    /// Its media type.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Style => "text/css; charset=utf-8",
            Self::Script => "text/javascript; charset=utf-8",
        }
    }

    pub(super) fn url(self) -> String {
        format!("/admin/assets/{}", self.name())
    }

    fn name(self) -> String {
        let hash = hex::encode(&Sha256::digest(self.content())[..8]);
        match self {
            Self::Style => format!("page.{hash}.css"),
            Self::Script => format!("page.{hash}.js"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assets_are_found_by_their_names() {
        for asset in Asset::ALL {
            assert_eq!(Asset::of_name(&asset.name()), Some(asset));
        }
        assert_eq!(Asset::of_name("page.css"), None);
    }

    #[test]
    fn nothing_comes_from_another_host() {
        for asset in Asset::ALL {
            for foreign in ["http:", "https:", "//fonts", "@import", "url("] {
                assert!(!asset.content().contains(foreign), "{asset:?} has {foreign}");
            }
        }
    }
}
