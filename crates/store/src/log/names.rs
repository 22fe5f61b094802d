//! Texts that come again and again are written as numbers, and their numbers remembered.

use std::collections::{BTreeSet, HashMap};

use sqlx::{AnyPool, Row};

use crate::database::DatabaseError;
use crate::log::id::BuildQuick;

/// Names remembered at most; beyond, all are asked for anew.
const MOST: usize = 262_144;

/// Numbers of names. A name never loses its number, so what is known stays true.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<String, i64, BuildQuick>);

impl Names {
    /// Gives each of these names a number, where it has none.
    pub(super) async fn learn<'a>(
        &mut self,
        pool: &AnyPool,
        names: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<(), DatabaseError> {
        // In order, so that replicas that write the same ones do not wait for each other in a ring.
        let is_unknown = |name: &&str| !self.0.contains_key(*name);
        let mut unknown: BTreeSet<&str> = names.clone().filter(is_unknown).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        if self.0.len() + unknown.len() > MOST {
            self.0.clear();
            unknown = names.collect();
        }
        let mut tx = pool.begin().await?;
        let mut learned = Vec::with_capacity(unknown.len());
        for name in unknown {
            sqlx::query("INSERT INTO log_names (name) VALUES ($1) ON CONFLICT (name) DO NOTHING")
                .bind(name)
                .execute(&mut *tx)
                .await?;
            let row = sqlx::query("SELECT id FROM log_names WHERE name = $1")
                .bind(name)
                .fetch_one(&mut *tx)
                .await?;
            learned.push((name.to_owned(), row.try_get("id")?));
        }
        tx.commit().await?;
        self.0.extend(learned);
        Ok(())
    }

    /// The number of a name that was learned.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.0.get(name).copied()
    }
}

/// The number of a name, where there is such a name.
pub(super) async fn find(pool: &AnyPool, name: &str) -> Result<Option<i64>, DatabaseError> {
    let row = sqlx::query("SELECT id FROM log_names WHERE name = $1")
        .bind(name)
        .fetch_optional(pool)
        .await?;
    Ok(row.map(|row| row.try_get("id")).transpose()?)
}
