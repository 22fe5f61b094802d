//! The tables, brought up to date when a database is first reached.
//!
//! Migrations go forward only and are never edited. On PostgreSQL they run under an advisory lock,
//! so that replicas that start together do not run them twice.

use std::borrow::Cow;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AnyPool, SqlStr};

use crate::database::Kind;

/// Which tables a database holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tables {
    /// Webhooks, and who changed them.
    Webhooks,
    /// The delivery log.
    Log,
    /// Both.
    All,
}

/// One step: its number, its name, what it belongs to, and the statements for SQLite and PostgreSQL.
struct Step(i64, &'static str, Tables, [&'static str; 2]);

const STEPS: [Step; 4] = [
    Step(
        1,
        "webhooks",
        Tables::Webhooks,
        [
            include_str!("../../migrations/sqlite/0001_webhooks.sql"),
            include_str!("../../migrations/postgres/0001_webhooks.sql"),
        ],
    ),
    Step(
        2,
        "idempotency",
        Tables::Webhooks,
        [
            include_str!("../../migrations/sqlite/0002_idempotency.sql"),
            include_str!("../../migrations/postgres/0002_idempotency.sql"),
        ],
    ),
    Step(
        3,
        "log",
        Tables::Log,
        [
            include_str!("../../migrations/sqlite/0003_log.sql"),
            include_str!("../../migrations/postgres/0003_log.sql"),
        ],
    ),
    Step(
        4,
        "ended sessions",
        Tables::Webhooks,
        [
            include_str!("../../migrations/sqlite/0004_ended_sessions.sql"),
            include_str!("../../migrations/postgres/0004_ended_sessions.sql"),
        ],
    ),
];

pub(super) async fn migrate(
    pool: &AnyPool,
    kind: Kind,
    tables: Tables,
) -> Result<(), MigrateError> {
    let steps = STEPS.into_iter().filter(|step| tables == Tables::All || step.2 == tables);
    let migrations = steps.map(|Step(version, name, _, [sqlite, postgres])| {
        let sql = match kind {
            Kind::Sqlite => sqlite,
            Kind::Postgres => postgres,
        };
        let (name, sql) = (Cow::Borrowed(name), SqlStr::from_static(sql));
        Migration::new(version, name, MigrationType::Simple, sql, false)
    });
    Migrator::with_migrations(migrations.collect()).run(pool).await
}
