//! The tables, brought up to date when a database is first reached.
//!
//! Migrations go forward only and are never edited. On PostgreSQL they run under an advisory lock,
//! so that replicas that start together do not run them twice.

use std::borrow::Cow;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AnyPool, SqlStr};

use crate::database::Kind;

/// Number, name, and the statements for SQLite and PostgreSQL.
const MIGRATIONS: [(i64, &str, [&str; 2]); 1] = [(
    1,
    "webhooks",
    [
        include_str!("../../migrations/sqlite/0001_webhooks.sql"),
        include_str!("../../migrations/postgres/0001_webhooks.sql"),
    ],
)];

pub(super) async fn migrate(pool: &AnyPool, kind: Kind) -> Result<(), MigrateError> {
    let migrations = MIGRATIONS.map(|(version, name, [sqlite, postgres])| {
        let sql = match kind {
            Kind::Sqlite => sqlite,
            Kind::Postgres => postgres,
        };
        let (name, sql) = (Cow::Borrowed(name), SqlStr::from_static(sql));
        Migration::new(version, name, MigrationType::Simple, sql, false)
    });
    Migrator::with_migrations(migrations.into()).run(pool).await
}
