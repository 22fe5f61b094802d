//! The URL that chooses a store.

use std::path::PathBuf;

use thiserror::Error;

/// What the URLs start with that are understood today.
const FILE: &str = "file://";
/// Those that the product knows but this version cannot open.
const LATER: [&str; 2] = ["sqlite", "postgres"];

/// Where webhooks are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Locator {
    /// A TOML file at this absolute path; read-only.
    File(PathBuf),
}

/// A URL that names no store.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidStoreUrl {
    /// Not of the form `scheme://…`.
    #[error("not a store URL; expected file:///path/to/webhooks.toml")]
    NoUrl,
    /// A scheme of a store that this version does not have.
    #[error("this version has no {0}:// store; supported is file:///path/to/webhooks.toml")]
    NotYet(&'static str),
    /// A scheme that names no store.
    #[error("unknown store {0:?}; supported is file:///path/to/webhooks.toml")]
    UnknownScheme(String),
    /// A `file` URL whose path is relative or empty.
    #[error("the path of a file store must be absolute: file:///path/to/webhooks.toml")]
    RelativePath,
}

/// Whether `url` names a store that this version has.
///
/// # Errors
///
/// [`InvalidStoreUrl`] says what is wrong with it.
pub fn check_url(url: &str) -> Result<(), InvalidStoreUrl> {
    Locator::try_new(url).map(|_| ())
}

impl Locator {
    /// Reads a store URL. The path of `file://` is taken as it stands: nothing in it is encoded.
    pub(crate) fn try_new(url: &str) -> Result<Self, InvalidStoreUrl> {
        let (scheme, _) = url.split_once("://").ok_or(InvalidStoreUrl::NoUrl)?;
        let Some(path) = url.strip_prefix(FILE) else {
            let scheme = scheme.to_ascii_lowercase();
            let later = LATER.into_iter().find(|known| scheme.starts_with(known));
            let shown = scheme.chars().take(20).collect();
            return Err(
                later.map_or(InvalidStoreUrl::UnknownScheme(shown), InvalidStoreUrl::NotYet)
            );
        };
        if path.starts_with('/') && !path.ends_with('/') {
            Ok(Self::File(PathBuf::from(path)))
        } else {
            Err(InvalidStoreUrl::RelativePath)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        use InvalidStoreUrl as E;
        for (url, expected) in [
            ("file:///etc/w.toml", Ok(Locator::File("/etc/w.toml".into()))),
            ("file:///a b/%20.toml", Ok(Locator::File("/a b/%20.toml".into()))),
            ("file://w.toml", Err(E::RelativePath)),
            ("file://", Err(E::RelativePath)),
            ("file:///etc/", Err(E::RelativePath)),
            ("/etc/w.toml", Err(E::NoUrl)),
            ("", Err(E::NoUrl)),
            ("sqlite:///var/w.db", Err(E::NotYet("sqlite"))),
            ("postgresql://h/db", Err(E::NotYet("postgres"))),
            ("redis://h", Err(E::UnknownScheme("redis".into()))),
        ] {
            assert_eq!(Locator::try_new(url), expected, "{url}");
        }
    }
}
