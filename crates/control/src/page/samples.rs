//! How to verify a signature, as the customer page shows it, in the languages that people ask for.
//!
//! The samples are files of their own, so that tests can run them; the secret is filled in where
//! they say so.

use signing::Secret;

/// What stands in a sample where the secret goes.
const PLACE: &str = "%SECRET%";

/// A language that there is a sample for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// Node, with the customer page's own function.
    Node,
    /// Python, with its standard library alone.
    Python,
    /// Go, with its standard library alone.
    Go,
    /// Rust, with axum.
    Rust,
    /// A shell with OpenSSL.
    Shell,
}

impl Language {
    /// All, in the order in which they are shown.
    pub(super) const ALL: [Self; 5] = [Self::Node, Self::Python, Self::Go, Self::Rust, Self::Shell];

    /// Its name for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Node => "Node",
            Self::Python => "Python",
            Self::Go => "Go",
            Self::Rust => "Rust",
            Self::Shell => "Shell",
        }
    }

    /// Its name in ids and classes.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Python => "python",
            Self::Go => "go",
            Self::Rust => "rust",
            Self::Shell => "shell",
        }
    }

    /// The sample, with the secret in it.
    pub(super) fn sample(self, secret: &Secret) -> String {
        self.text().replace(PLACE, secret.expose())
    }

    fn text(self) -> &'static str {
        match self {
            Self::Node => include_str!("samples/node.js"),
            Self::Python => include_str!("samples/python.py"),
            Self::Go => include_str!("samples/go.txt"),
            Self::Rust => include_str!("samples/rust.txt"),
            Self::Shell => include_str!("samples/shell.sh"),
        }
    }
}
