//! The URL that chooses a store.

use std::path::PathBuf;

use sha2::{Digest, Sha256};
use sqlx::ConnectOptions;
use sqlx::any::AnyConnectOptions;
use sqlx::postgres::PgConnectOptions;
use thiserror::Error;

use crate::database::Place;

const FILE: &str = "file://";
const SQLITE: &str = "sqlite://";
const POSTGRES: [&str; 2] = ["postgres", "postgresql"];

/// Where webhooks are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Locator {
    /// A TOML file at this absolute path; read-only.
    File(PathBuf),
    /// A database.
    Database(Place),
}

/// A URL that names no store. It does not quote the URL, which may hold a password.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidStoreUrl {
    /// Not of the form `scheme://…`.
    #[error("not a store URL; {EXPECTED}")]
    NoUrl,
    /// A scheme that names no store.
    #[error("unknown store {0:?}; {EXPECTED}")]
    UnknownScheme(String),
    /// A `file` or `sqlite` URL whose path is relative or empty.
    #[error("the path of a {0} store must be absolute, such as {0}:///var/lib/webhooks")]
    RelativePath(&'static str),
    /// A PostgreSQL URL that no connection could be made with.
    #[error("not a PostgreSQL URL such as postgres://user:password@host:5432/database: {0}")]
    Postgres(String),
    /// A webhooks file holds no delivery log.
    #[error("a delivery log is kept in a database: sqlite:///path or postgres://…")]
    NoLog,
}

/// What is told of parameters: theirs are not quoted, for one of them is the password.
const PARAMETERS: &str = "a parameter after the ? has a value that it cannot have (sslmode is disable, \
                          allow, prefer, require, verify-ca or verify-full), or something encoded \
                          with % is no UTF-8";
const EXPECTED: &str =
    "expected sqlite:///path, postgres://user:password@host/database or file:///path";

/// Whether `url` names a store that this version has.
///
/// # Errors
///
/// [`InvalidStoreUrl`] says what is wrong with it.
pub fn check_url(url: &str) -> Result<(), InvalidStoreUrl> {
    Locator::try_new(url).map(|_| ())
}

/// Whether `url` names a database that a delivery log can be kept in.
///
/// # Errors
///
/// [`InvalidStoreUrl`] says what is wrong with it.
pub fn check_log_url(url: &str) -> Result<(), InvalidStoreUrl> {
    match Locator::try_new(url)? {
        Locator::File(_) => Err(InvalidStoreUrl::NoLog),
        Locator::Database(_) => Ok(()),
    }
}

/// Which store a URL names, without saying where: the same for every URL that may be shown the same.
///
/// # Errors
///
/// [`InvalidStoreUrl`] says what is wrong with it.
pub fn identity(url: &str) -> Result<String, InvalidStoreUrl> {
    Ok(identity_of(&Locator::try_new(url)?.name()))
}

/// The same of what may be shown of it.
pub(crate) fn identity_of(name: &str) -> String {
    hex::encode(&Sha256::digest(name)[..8])
}

impl Locator {
    /// Reads a store URL. The path of a file is taken as it stands: nothing in it is encoded.
    pub(crate) fn try_new(url: &str) -> Result<Self, InvalidStoreUrl> {
        let (scheme, _) = url.split_once("://").ok_or(InvalidStoreUrl::NoUrl)?;
        if POSTGRES.contains(&scheme) {
            return postgres(url).map(|()| Self::Database(Place::Postgres(url.to_owned())));
        }
        if let Some(path) = url.strip_prefix(FILE) {
            return absolute(path, "file").map(Self::File);
        }
        if let Some(path) = url.strip_prefix(SQLITE) {
            return absolute(path, "sqlite").map(|path| Self::Database(Place::Sqlite(path)));
        }
        Err(InvalidStoreUrl::UnknownScheme(scheme.chars().take(20).collect()))
    }

    /// What may be shown and written down: never a password.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(path) => format!("{FILE}{}", path.display()),
            Self::Database(place) => place.name(),
        }
    }
}

/// Whether connections could be made with a URL, as the library reads it: later it would be taken for a
/// server that is away.
fn postgres(url: &str) -> Result<(), InvalidStoreUrl> {
    // Of the URL as such there is nothing to be seen in what the library says.
    let parsed: AnyConnectOptions = url.parse().map_err(|error| match error {
        sqlx::Error::Configuration(why) => InvalidStoreUrl::Postgres(why.to_string()),
        _ => InvalidStoreUrl::NoUrl,
    })?;
    let used = PgConnectOptions::from_url(&parsed.database_url);
    used.map(drop).map_err(|_| InvalidStoreUrl::Postgres(PARAMETERS.to_owned()))
}

fn absolute(path: &str, scheme: &'static str) -> Result<PathBuf, InvalidStoreUrl> {
    if path.starts_with('/') && !path.ends_with('/') {
        Ok(PathBuf::from(path))
    } else {
        Err(InvalidStoreUrl::RelativePath(scheme))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        use InvalidStoreUrl as E;
        let sqlite = |path: &str| Ok(Locator::Database(Place::Sqlite(path.into())));
        let postgres = |url: &str| Ok(Locator::Database(Place::Postgres(url.into())));
        for (url, expected) in [
            ("file:///etc/w.toml", Ok(Locator::File("/etc/w.toml".into()))),
            ("file:///a b/%20.toml", Ok(Locator::File("/a b/%20.toml".into()))),
            ("file://w.toml", Err(E::RelativePath("file"))),
            ("file://", Err(E::RelativePath("file"))),
            ("file:///etc/", Err(E::RelativePath("file"))),
            ("/etc/w.toml", Err(E::NoUrl)),
            ("", Err(E::NoUrl)),
            ("sqlite:///var/w.db", sqlite("/var/w.db")),
            ("sqlite://w.db", Err(E::RelativePath("sqlite"))),
            ("sqlite://:memory:", Err(E::RelativePath("sqlite"))),
            ("postgresql://h/db", postgres("postgresql://h/db")),
            ("postgres://a:b@h:99999/x", Err(E::Postgres("invalid port number".into()))),
            ("postgres://a:b@h/x?sslmode=banana", Err(E::Postgres(PARAMETERS.into()))),
            ("postgres://a:b@h/x?port=banana", Err(E::Postgres(PARAMETERS.into()))),
            ("postgres://a:%ff@h/x", Err(E::Postgres(PARAMETERS.into()))),
            ("postgres://a:b@h/x?sslmode=require", postgres("postgres://a:b@h/x?sslmode=require")),
            ("redis://h", Err(E::UnknownScheme("redis".into()))),
        ] {
            assert_eq!(Locator::try_new(url), expected, "{url}");
        }
    }

    #[test]
    fn names_hold_no_password() {
        for (url, name) in [
            ("postgres://u:hunter2@h:5432/db?sslmode=require", "postgres://h:5432/db"),
            ("postgres://h/db?password=hunter2", "postgres://h/db"),
            ("postgres://u:a@b@h/db", "postgres://h/db"),
            ("sqlite:///var/w.db", "sqlite:///var/w.db"),
        ] {
            assert_eq!(Locator::try_new(url).unwrap().name(), name);
        }
    }
}
