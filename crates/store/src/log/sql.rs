//! Statements for many rows at once, of few sizes, so that each is prepared once and used again.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::error::BoxDynError;
use sqlx::{Any, Arguments, AssertSqlSafe, Encode, Transaction, Type};

use crate::database::Kind;
use crate::log::row::COLUMNS;

/// How many rows one statement takes; what is to be written is taken apart into these.
const SIZES: [usize; 5] = [256, 64, 16, 4, 1];

/// A statement without its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Shape {
    /// What stands before the rows.
    pub(super) head: &'static str,
    /// One row, with `?` for each value.
    pub(super) row: &'static str,
    /// What stands after the rows.
    pub(super) tail: &'static str,
}

/// The values of a statement.
#[derive(Default)]
pub(super) struct Values {
    arguments: AnyArguments,
    error: Option<BoxDynError>,
}

/// The texts of the statements, made once for each shape and size.
#[derive(Debug)]
pub(super) struct Statements {
    kind: Kind,
    texts: HashMap<(Shape, usize), Arc<str>>,
}

impl Values {
    pub(super) fn put<'q, T: Encode<'q, Any> + Type<Any>>(&mut self, value: T) {
        if let Err(error) = self.arguments.add(value) {
            self.error.get_or_insert(error);
        }
    }
}

impl Statements {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, texts: HashMap::new() }
    }

    /// Writes all items; gives how many rows that changed.
    pub(super) async fn write<T>(
        &mut self,
        tx: &mut Transaction<'_, Any>,
        shape: Shape,
        items: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
        mut put: impl FnMut(&mut Values, T),
    ) -> Result<u64, sqlx::Error> {
        let mut items = items.into_iter();
        let mut changed = 0;
        while let Some(size) = SIZES.into_iter().find(|size| *size <= items.len()) {
            let mut values = Values::default();
            items.by_ref().take(size).for_each(|item| put(&mut values, item));
            if let Some(error) = values.error {
                return Err(sqlx::Error::Encode(error));
            }
            let text = self.text(shape, size);
            let query = sqlx::query_with(AssertSqlSafe(text), values.arguments);
            changed += query.execute(&mut **tx).await?.rows_affected();
        }
        Ok(changed)
    }

    /// Reads the deliveries that belong to these keys; `shape` is the condition.
    pub(super) async fn read(
        &mut self,
        tx: &mut Transaction<'_, Any>,
        shape: Shape,
        mut keys: &[i64],
    ) -> Result<Vec<AnyRow>, sqlx::Error> {
        let mut rows = Vec::new();
        while let Some(size) = SIZES.into_iter().find(|size| *size <= keys.len()) {
            let (now, later) = keys.split_at(size);
            keys = later;
            let mut values = Values::default();
            now.iter().for_each(|key| values.put(*key));
            let text = || {
                let condition = text(self.kind, shape, size);
                format!("SELECT {COLUMNS} FROM deliveries WHERE {condition}").into()
            };
            let text = Arc::clone(self.texts.entry((shape, size)).or_insert_with(text));
            let query = sqlx::query_with(AssertSqlSafe(text), values.arguments);
            rows.append(&mut query.fetch_all(&mut **tx).await?);
        }
        Ok(rows)
    }

    fn text(&mut self, shape: Shape, rows: usize) -> Arc<str> {
        let text = || text(self.kind, shape, rows).into();
        Arc::clone(self.texts.entry((shape, rows)).or_insert_with(text))
    }
}

/// SQLite finds values by their place soonest, PostgreSQL by their number only.
fn text(kind: Kind, shape: Shape, rows: usize) -> String {
    let Shape { head, row, tail } = shape;
    let rows = vec![row; rows].join(", ");
    if kind == Kind::Sqlite {
        return format!("{head}{rows}{tail}");
    }
    let mut numbered = head.to_owned();
    for (number, part) in rows.split('?').enumerate() {
        if number > 0 {
            // Writing to a text cannot fail.
            write!(numbered, "${number}").unwrap_or_default();
        }
        numbered.push_str(part);
    }
    numbered + tail
}

/// A list of numbers, for statements whose lists differ each time.
pub(super) fn list(numbers: impl IntoIterator<Item = i64>) -> String {
    let numbers: Vec<String> = numbers.into_iter().map(|number| number.to_string()).collect();
    numbers.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let shape = Shape { head: "INSERT INTO a VALUES ", row: "(?, 1, ?)", tail: " RETURNING b" };
        assert_eq!(
            text(Kind::Postgres, shape, 2),
            "INSERT INTO a VALUES ($1, 1, $2), ($3, 1, $4) RETURNING b"
        );
        assert_eq!(text(Kind::Sqlite, shape, 1), "INSERT INTO a VALUES (?, 1, ?) RETURNING b");
    }
}
