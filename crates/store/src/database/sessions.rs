//! Sessions of the page that were ended before their time, for all replicas to refuse.

use sqlx::Row;

use crate::database::{ChangeError, Database, DatabaseError};

/// A session that somebody ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedSession {
    /// Its id, with which alone nobody comes in.
    pub id: String,
    /// When it was ended, ms since 1970.
    pub ended_at_ms: i64,
    /// When it would have ended by itself, ms since 1970: nobody needs to know of it after that.
    pub until_ms: i64,
}

impl Database {
    /// Has every replica know, as of a change, that a session was ended.
    ///
    /// # Errors
    ///
    /// The database's; nobody else knows of it then.
    pub async fn end_session(&self, ended: &EndedSession) -> Result<(), ChangeError> {
        let mut change = self.change("").await?;
        sqlx::query("DELETE FROM ended_sessions WHERE until < $1")
            .bind(change.now_ms)
            .execute(&mut *change.tx)
            .await?;
        let query = "INSERT INTO ended_sessions (id, ended_at, until) VALUES ($1, $2, $3) \
                     ON CONFLICT DO NOTHING";
        sqlx::query(query)
            .bind(ended.id.clone())
            .bind(ended.ended_at_ms)
            .bind(ended.until_ms)
            .execute(&mut *change.tx)
            .await?;
        change.announce().await.map(|_| ())
    }

    /// The sessions that were ended last, the last one first, at most so many.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn ended_sessions(&self, most: u32) -> Result<Vec<EndedSession>, DatabaseError> {
        let query =
            "SELECT id, ended_at, until FROM ended_sessions ORDER BY ended_at DESC LIMIT $1";
        let rows = sqlx::query(query).bind(i64::from(most)).fetch_all(self.pool().await?).await?;
        let read = rows.iter().map(|row| {
            Ok(EndedSession {
                id: row.try_get("id")?,
                ended_at_ms: row.try_get("ended_at")?,
                until_ms: row.try_get("until")?,
            })
        });
        read.collect()
    }
}
