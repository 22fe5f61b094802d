//! Statements for many rows at once.
//!
//! A [`Form`] says once what a row is made of. SQLite gets some rows at a time, a value for each
//! column of each. To PostgreSQL every value that is bound costs more than writing it does, so each
//! column of all rows is one value, which the server takes apart:
//!
//! ```text
//! numbers ─► one text per column, "{1,2,NULL}" ─► unnest
//! bytes ───► one value, and two columns that say where each row's begin and how many they are
//! ```
//!
//! The texts depend on the form and few sizes, so that each is prepared once and used again.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::error::BoxDynError;
use sqlx::{Any, Arguments, AssertSqlSafe, Encode, Transaction, Type};

use crate::database::Kind;
use crate::log::row::COLUMNS;

/// How many rows a statement for SQLite takes; what is to be written is taken apart into these.
const SIZES: [usize; 5] = [256, 64, 16, 4, 1];
/// Rows of a statement for PostgreSQL at most.
const ROWS: usize = 1_024;
/// A statement for PostgreSQL takes no more rows once their bytes are so many.
const BYTES: usize = 1024 * 1024;

/// What rows are made of. All of it is fixed, and no two forms have the same name.
#[derive(Debug)]
pub(super) struct Form<T: 'static> {
    /// Its name, by which its statements are remembered.
    pub(super) name: &'static str,
    /// Where rows are written.
    pub(super) table: &'static str,
    /// The columns that are numbers.
    pub(super) numbers: &'static [Number<T>],
    /// The column that is bytes, if there is one.
    pub(super) bytes: Option<Bytes<T>>,
    /// What stands after the rows.
    pub(super) tail: &'static str,
}

/// A column of numbers, and how to tell a row's.
pub(super) type Number<T> = (&'static str, fn(&T) -> Option<i64>);

/// A column of bytes, and how to take a row's.
pub(super) type Bytes<T> = (&'static str, fn(&mut T) -> Vec<u8>);

/// Rows that are told by a number. A key is not looked for twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ByKeys {
    /// Where they are.
    pub(super) table: &'static str,
    /// The column, perhaps behind another condition.
    pub(super) key: &'static str,
}

/// The texts of the statements, made once for each form and size.
#[derive(Debug)]
pub(super) struct Statements {
    kind: Kind,
    texts: HashMap<(What, usize), Arc<str>>,
}

/// What a statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum What {
    /// It writes rows of the form of this name.
    Write(&'static str),
    About(Verb, ByKeys),
}

/// What is done to rows that are told by a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Verb {
    /// They are read; they are deliveries.
    Read,
    Remove,
}

/// The values of a statement.
#[derive(Default)]
struct Values {
    arguments: AnyArguments,
    error: Option<BoxDynError>,
}

/// Numbers in the form of PostgreSQL's arrays.
struct Array(String);

impl Statements {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, texts: HashMap::new() }
    }

    /// Writes all rows.
    pub(super) async fn write<T>(
        &mut self,
        tx: &mut Transaction<'_, Any>,
        form: &Form<T>,
        rows: Vec<T>,
    ) -> Result<(), sqlx::Error> {
        let mut rows = rows.into_iter();
        while let Some(size) = self.size(rows.len()) {
            let (text, values) = match self.kind {
                Kind::Sqlite => {
                    let text = self.text(What::Write(form.name), size, || by_place(form, size));
                    (text, row_by_row(form, rows.by_ref().take(size)))
                }
                Kind::Postgres => {
                    let text = self.text(What::Write(form.name), 0, || unnested(form));
                    (text, column_by_column(form, rows.by_ref(), size))
                }
            };
            sqlx::query_with(AssertSqlSafe(text), values.finish()?).execute(&mut **tx).await?;
        }
        Ok(())
    }

    /// Removes the rows that have these keys; gives how many there were.
    pub(super) async fn remove(
        &mut self,
        tx: &mut Transaction<'_, Any>,
        rows: ByKeys,
        mut keys: &[i64],
    ) -> Result<u64, sqlx::Error> {
        let mut removed = 0;
        while let Some(size) = self.size(keys.len()) {
            let (text, values) = self.about(Verb::Remove, rows, some(&mut keys, size));
            let query = sqlx::query_with(AssertSqlSafe(text), values.finish()?);
            removed += query.execute(&mut **tx).await?.rows_affected();
        }
        Ok(removed)
    }

    /// Reads the deliveries that have these keys.
    pub(super) async fn read(
        &mut self,
        tx: &mut Transaction<'_, Any>,
        rows: ByKeys,
        mut keys: &[i64],
    ) -> Result<Vec<AnyRow>, sqlx::Error> {
        let mut found = Vec::new();
        while let Some(size) = self.size(keys.len()) {
            let (text, values) = self.about(Verb::Read, rows, some(&mut keys, size));
            let query = sqlx::query_with(AssertSqlSafe(text), values.finish()?);
            found.append(&mut query.fetch_all(&mut **tx).await?);
        }
        Ok(found)
    }

    /// A statement about the rows that have these keys.
    fn about(&mut self, verb: Verb, rows: ByKeys, keys: &[i64]) -> (Arc<str>, Values) {
        let (what, mut values) = (What::About(verb, rows), Values::default());
        let text = match self.kind {
            Kind::Sqlite => {
                keys.iter().for_each(|key| values.put(*key));
                self.text(what, keys.len(), || any_of(verb, rows, keys.len()))
            }
            Kind::Postgres => {
                let mut array = Array::new(keys.len());
                keys.iter().for_each(|key| array.push(Some(*key)));
                values.put(array.finish());
                self.text(what, 0, || one_by_one(verb, rows))
            }
        };
        (text, values)
    }

    /// How many of so many the next statement takes; `None` where there are none.
    fn size(&self, amount: usize) -> Option<usize> {
        match self.kind {
            Kind::Sqlite => SIZES.into_iter().find(|size| *size <= amount),
            Kind::Postgres => Some(amount.min(ROWS)).filter(|amount| *amount > 0),
        }
    }

    fn text(&mut self, what: What, size: usize, make: impl FnOnce() -> String) -> Arc<str> {
        Arc::clone(self.texts.entry((what, size)).or_insert_with(|| make().into()))
    }
}

impl Values {
    fn put<'q, T: Encode<'q, Any> + Type<Any>>(&mut self, value: T) {
        if let Err(error) = self.arguments.add(value) {
            self.error.get_or_insert(error);
        }
    }

    fn finish(self) -> Result<AnyArguments, sqlx::Error> {
        self.error.map_or(Ok(self.arguments), |error| Err(sqlx::Error::Encode(error)))
    }
}

impl Array {
    fn new(size: usize) -> Self {
        let mut text = String::with_capacity(size * 12);
        text.push('{');
        Self(text)
    }

    fn push(&mut self, number: Option<i64>) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        match number {
            Some(number) => self.0.push_str(itoa::Buffer::new().format(number)),
            None => self.0.push_str("NULL"),
        }
    }

    fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

fn row_by_row<T>(form: &Form<T>, rows: impl Iterator<Item = T>) -> Values {
    let mut values = Values::default();
    for mut row in rows {
        form.numbers.iter().for_each(|(_, number)| values.put(number(&row)));
        if let Some((_, bytes)) = form.bytes {
            values.put(bytes(&mut row));
        }
    }
    values
}

/// Takes as many of the rows as fit, at most `size`.
fn column_by_column<T>(form: &Form<T>, rows: impl Iterator<Item = T>, size: usize) -> Values {
    let mut columns: Vec<Array> = form.numbers.iter().map(|_| Array::new(size)).collect();
    let (mut begins, mut lengths, mut all) = (Array::new(size), Array::new(size), Vec::new());
    let place = |place: usize| i64::try_from(place).ok();
    for mut row in rows.take(size) {
        for (column, (_, number)) in columns.iter_mut().zip(form.numbers) {
            column.push(number(&row));
        }
        if let Some((_, bytes)) = form.bytes {
            let bytes = bytes(&mut row);
            begins.push(place(all.len() + 1));
            lengths.push(place(bytes.len()));
            all.extend_from_slice(&bytes);
            if all.len() >= BYTES {
                break;
            }
        }
    }
    let mut values = Values::default();
    columns.into_iter().for_each(|column| values.put(column.finish()));
    if form.bytes.is_some() {
        values.put(begins.finish());
        values.put(lengths.finish());
        values.put(all);
    }
    values
}

/// The statement for SQLite, which finds values by their place soonest.
fn by_place<T>(form: &Form<T>, rows: usize) -> String {
    let columns = columns(form);
    let row = format!("({})", marks(columns.len()));
    let rows = vec![row; rows].join(", ");
    let Form { table, tail, .. } = form;
    format!("INSERT INTO {table} ({}) VALUES {rows}{tail}", columns.join(", "))
}

/// The statement for PostgreSQL.
fn unnested<T>(form: &Form<T>) -> String {
    let columns = columns(form).join(", ");
    let Form { table, tail, numbers, bytes, .. } = form;
    let mut names: Vec<&str> = numbers.iter().map(|(name, _)| *name).collect();
    let mut chosen = names.join(", ");
    let mut arrays: Vec<&str> = vec!["BIGINT"; names.len()];
    if bytes.is_some() {
        names.extend(["begins", "length"]);
        arrays.extend(["INTEGER", "INTEGER"]);
        // Writing to a text cannot fail.
        write!(chosen, ", substring(${} FROM begins FOR length)", names.len() + 1)
            .unwrap_or_default();
    }
    let arrays = arrays.iter().zip(1..).map(|(kind, at)| format!("CAST(${at} AS {kind}[])"));
    let arrays = arrays.collect::<Vec<_>>().join(", ");
    let names = names.join(", ");
    format!(
        "INSERT INTO {table} ({columns}) SELECT {chosen} FROM unnest({arrays}) AS new({names}){tail}"
    )
}

/// The statement for SQLite about rows that have any of so many keys.
fn any_of(verb: Verb, ByKeys { table, key }: ByKeys, size: usize) -> String {
    let marks = marks(size);
    match verb {
        Verb::Read => format!("SELECT {COLUMNS} FROM {table} WHERE {key} IN ({marks})"),
        Verb::Remove => format!("DELETE FROM {table} WHERE {key} IN ({marks})"),
    }
}

/// The statement for PostgreSQL about rows that have any of some keys. `OFFSET 0` makes it look for
/// one key after the other: while it knows little of a table that grows it would rather compare all
/// of its rows with all keys.
fn one_by_one(verb: Verb, ByKeys { table, key }: ByKeys) -> String {
    let wanted = "unnest(CAST($1 AS BIGINT[])) AS wanted(one)";
    match verb {
        Verb::Read => format!(
            "SELECT {COLUMNS} FROM {wanted} CROSS JOIN LATERAL \
             (SELECT * FROM {table} WHERE {key} = wanted.one OFFSET 0) AS found"
        ),
        // Nothing moves a row meanwhile: who holds the counter is the only one who writes.
        Verb::Remove => format!(
            "DELETE FROM {table} WHERE ctid = ANY(ARRAY(\
             SELECT place FROM {wanted} CROSS JOIN LATERAL \
             (SELECT ctid AS place FROM {table} WHERE {key} = wanted.one OFFSET 0) AS found))"
        ),
    }
}

/// Takes the first of these keys away.
fn some<'a>(keys: &mut &'a [i64], size: usize) -> &'a [i64] {
    let (now, later) = keys.split_at(size);
    *keys = later;
    now
}

fn columns<T>(form: &Form<T>) -> Vec<&'static str> {
    let bytes = form.bytes.iter().map(|(name, _)| *name);
    form.numbers.iter().map(|(name, _)| *name).chain(bytes).collect()
}

fn marks(amount: usize) -> String {
    vec!["?"; amount].join(", ")
}

/// A list of numbers, for statements whose lists differ each time.
pub(super) fn list(numbers: impl IntoIterator<Item = i64>) -> String {
    let numbers: Vec<String> = numbers.into_iter().map(|number| number.to_string()).collect();
    numbers.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pair = (Option<i64>, Vec<u8>);

    const NUMBERS: [Number<Pair>; 2] = [("a", |(a, _)| *a), ("b", |_| Some(-1))];
    const FORM: Form<Pair> = Form {
        name: "some",
        table: "t",
        numbers: &NUMBERS,
        bytes: Some(("c", |(_, c)| std::mem::take(c))),
        tail: " RETURNING a",
    };

    #[test]
    fn texts() {
        assert_eq!(
            by_place(&FORM, 2),
            "INSERT INTO t (a, b, c) VALUES (?, ?, ?), (?, ?, ?) RETURNING a"
        );
        assert_eq!(
            unnested(&FORM),
            "INSERT INTO t (a, b, c) SELECT a, b, substring($5 FROM begins FOR length) \
             FROM unnest(CAST($1 AS BIGINT[]), CAST($2 AS BIGINT[]), CAST($3 AS INTEGER[]), \
             CAST($4 AS INTEGER[])) AS new(a, b, begins, length) RETURNING a"
        );
        let plain = Form { bytes: None, tail: "", ..FORM };
        assert_eq!(
            unnested(&plain),
            "INSERT INTO t (a, b) SELECT a, b \
             FROM unnest(CAST($1 AS BIGINT[]), CAST($2 AS BIGINT[])) AS new(a, b)"
        );
    }

    #[test]
    fn arrays() {
        let mut array = Array::new(0);
        [Some(i64::MIN), None, Some(0)].into_iter().for_each(|number| array.push(number));
        assert_eq!(array.finish(), "{-9223372036854775808,NULL,0}");
        assert_eq!(Array::new(3).finish(), "{}");
    }

    #[test]
    fn statements_are_bounded_by_rows_and_bytes() {
        let large = || (Some(1), vec![0; BYTES / 2]);
        for (mut rows, size, left) in [
            (vec![large(), large(), large()].into_iter(), 3, 1),
            (vec![(None, vec![]), large(), large()].into_iter(), 2, 1),
            (vec![(None, vec![])].into_iter(), 1, 0),
        ] {
            let values = column_by_column(&FORM, rows.by_ref(), size);
            assert_eq!(rows.len(), left);
            assert_eq!(values.finish().unwrap().len(), 5);
        }
        let [sqlite, postgres] = [Kind::Sqlite, Kind::Postgres].map(Statements::new);
        for (amount, expected) in
            [(0, [None; 2]), (3, [Some(1), Some(3)]), (9_999, [Some(256), Some(ROWS)])]
        {
            assert_eq!([sqlite.size(amount), postgres.size(amount)], expected);
        }
    }
}
