//! What a database says, in one clear line: without the words of the library, and without the places in
//! PostgreSQL's own source that its errors name.

use std::io;

use sqlx::migrate::MigrateError;

/// What went wrong. Never the URL.
pub(super) fn error(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(said) => said.message().to_owned(),
        sqlx::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            format!("nothing listens there: {error}")
        }
        sqlx::Error::Io(error) => format!("the connection failed: {error}"),
        sqlx::Error::Tls(error) => format!("TLS failed: {error}"),
        sqlx::Error::Protocol(_) => "what answers there is no PostgreSQL server".to_owned(),
        sqlx::Error::PoolTimedOut => "it gave no connection in time".to_owned(),
        error => error.to_string(),
    }
}

/// Why tables could not be brought up to date.
pub(super) fn migration(error: &MigrateError) -> String {
    match error {
        MigrateError::ExecuteMigration(source, step) => {
            format!("step {step}: {}", self::error(source))
        }
        error => error.to_string(),
    }
}

/// Whether it is the database itself that is wrong, so that no other try will help: damaged, no database
/// at all, or without what must be in it.
pub(super) fn is_damage(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => true,
        sqlx::Error::Database(said) => said.code().is_some_and(|code| is_damage_code(&code)),
        _ => false,
    }
}

/// SQLITE_CORRUPT and SQLITE_NOTADB, whose codes say more above the lower byte; of PostgreSQL's five
/// letters data_corrupted, index_corrupted, undefined_table and undefined_column.
fn is_damage_code(code: &str) -> bool {
    if code.len() == 5 {
        return ["XX001", "XX002", "42P01", "42703"].contains(&code);
    }
    code.parse().is_ok_and(|code: u32| matches!(code & 0xff, 11 | 26))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_told_from_what_passes() {
        for (code, damage) in [
            ("11", true),
            ("26", true),
            ("267", true),
            ("5", false),
            ("14", false),
            ("XX001", true),
            ("42P01", true),
            ("57P03", false),
            ("53300", false),
        ] {
            assert_eq!(is_damage_code(code), damage, "{code}");
        }
    }

    #[test]
    fn the_library_is_not_heard() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        for (error, expected) in [
            (sqlx::Error::Io(refused), "nothing listens there: connection refused"),
            (
                sqlx::Error::Protocol("unexpected response from SSLRequest: 0x48".to_owned()),
                "what answers there is no PostgreSQL server",
            ),
        ] {
            assert_eq!(super::error(&error), expected);
        }
    }
}
